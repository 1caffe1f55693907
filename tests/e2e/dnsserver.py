"""A private DNS on loopback, for tests that send mail by domain.

    ZONE = '''
    example.org MX 10 mx.example.org       ; names are whole, from the root
    mx.example.org 60 A 127.0.0.2          ; 60: seconds to keep it [60]
    www.example.org CNAME mx.example.org
    example.org TXT "two " "strings"
    _25._tcp.mx.example.org TLSA 3 1 1 00ff
    empty.example.org NODATA               ; the name exists without records
    broken.example SERVFAIL [TYPE]         ; faults, of one type or of all:
    closed.example REFUSED [TYPE]
    silent.example TIMEOUT [TYPE]          ; no answer at all
    large.example TRUNCATE [TYPE]          ; complete by TCP alone
    safe.example SIGNED                    ; what is there and beneath it, by DNSSEC: the
                                           ; server's trust_anchor() is for who validates
    bad.safe.example FORGED [TYPE]         ; ... but signed wrongly
    '''
    with dnsserver.PrivateDns(ZONE) as dns:
        ... ask dns.address, dns.port; dns.forward is "127.0.0.1@10053" ...
        dns.replace(OTHER_ZONE)
        dns.queries()                      # [("example.org", "MX"), ...]: Server alone

PrivateDns is NSD from Debian's packages, unpacked as jail.py does, when it can be had and the zone has no
faults; else Server, which is in this file, is enough of a DNS for tests, and does what it is told wrong.
What is not in the zone does not exist.

    python3 dnsserver.py PORT ZONE-FILE [ADDRESS]    # a Server until it is ended; port 0: any
                                                     # writes ZONE-FILE.anchor
"""

import contextlib
import os
import pathlib
import selectors
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

import dnssec
from dnssec import pack_name

# With the libraries that a bare machine lacks.
PACKAGES = ("nsd", "libevent-2.1-7", "libfstrm0", "libprotobuf-c1")
TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "TLSA": 52,
         "DNSKEY": dnssec.DNSKEY}
TYPE_NAMES = {number: name for name, number in TYPES.items()}
FAULTS = ("SERVFAIL", "REFUSED", "TIMEOUT", "TRUNCATE", "FORGED", "SIGNED")
OPT, DNSSEC_OK = 41, 0x8000
SERVFAIL, NXDOMAIN, REFUSED = 2, 3, 5
TTL = 60


def parse(text):
    """The lines of a zone: [(name, ttl, word, [arguments])], names in lower case without the dot at the end."""
    lines = []
    for number, line in enumerate(text.splitlines(), 1):
        lexer = shlex.shlex(line, posix=False)
        lexer.whitespace_split, lexer.commenters, lexer.quotes = True, ";", '"'
        words = list(lexer)
        if not words:
            continue
        name, ttl = words.pop(0).rstrip(".").lower(), TTL
        if words and words[0].isdigit():
            ttl = int(words.pop(0))
        word = words.pop(0).upper() if words else ""
        if word not in TYPES and word not in FAULTS and word != "NODATA":
            raise ValueError(f"line {number} of the zone is none: {line}")
        lines.append((name, ttl, word, words))
    return lines


# -- A server that does as it is told ------------------------------------------------------


def pack_rdata(word, arguments):
    if word == "A":
        return socket.inet_pton(socket.AF_INET, arguments[0])
    if word == "AAAA":
        return socket.inet_pton(socket.AF_INET6, arguments[0])
    if word == "MX":
        return struct.pack("!H", int(arguments[0])) + pack_name(arguments[1].lower())
    if word == "TXT":
        strings = [argument.strip('"').encode() for argument in arguments]
        return b"".join(bytes([len(s)]) + s for s in strings)
    if word == "DNSKEY":
        return arguments[0]
    if word == "TLSA":
        return bytes(int(a) for a in arguments[:3]) + bytes.fromhex("".join(arguments[3:]))
    return pack_name(arguments[0].lower())


class Server:
    """Answers UDP and TCP in a thread of its own."""

    def __init__(self, zone, address="127.0.0.1", port=0):
        self._signers = {}
        self._lines = self._read(zone)
        self._asked = []
        self._lock = threading.Lock()
        self._selector = selectors.DefaultSelector()
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if not port:
            from daemon import free_port
            port = free_port()
        self.address, self.port = address, port
        self._tcp.bind((address, port))
        self._udp.bind((address, port))
        self._tcp.listen()
        self._wake, self._woken = socket.socketpair()
        for s, serve in ((self._udp, self._serve_udp), (self._tcp, self._accept)):
            s.setblocking(False)
            self._selector.register(s, selectors.EVENT_READ, serve)
        self._selector.register(self._woken, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self._thread.start()
        return self

    def stop(self):
        if not self._thread.is_alive():
            return
        self._wake.send(b"x")
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()
        self._selector.close()
        self._wake.close()

    def _read(self, zone):
        """Parses a zone; one that is signed gets a key."""
        lines = parse(zone)
        for name, *_ in [line for line in lines if line[2] == "SIGNED"]:
            if name not in self._signers:
                self._signers[name] = dnssec.Signer(name)
            lines.append((name, TTL, "DNSKEY", [self._signers[name].dnskey]))
        return lines

    def trust_anchor(self):
        """The contents of a trust anchor file: all that is signed."""
        return "".join(signer.anchor() for signer in self._signers.values())

    def replace(self, zone):
        """Another zone from now on."""
        lines = self._read(zone)
        with self._lock:
            self._lines = lines

    def queries(self):
        """What was asked since the last call, in order."""
        with self._lock:
            asked, self._asked = self._asked, []
        return asked

    def _run(self):
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    return
                with contextlib.suppress(OSError):
                    key.data(key.fileobj)

    def _serve_udp(self, s):
        query, peer = s.recvfrom(4096)
        reply = self._reply(query, udp=True)
        if reply:
            s.sendto(reply, peer)

    def _accept(self, s):
        connection, _ = s.accept()
        connection.settimeout(5)
        self._selector.register(connection, selectors.EVENT_READ, self._serve_tcp)

    def _serve_tcp(self, s):
        """One query a call; a client of ours does not dawdle."""
        query = b""
        with contextlib.suppress(OSError):
            head = s.recv(2, socket.MSG_WAITALL)
            if len(head) == 2:
                query = s.recv(struct.unpack("!H", head)[0], socket.MSG_WAITALL)
        reply = self._reply(query, udp=False)
        if reply:
            s.sendall(struct.pack("!H", len(reply)) + reply)
        if not query:
            self._selector.unregister(s)
            s.close()

    def _fault(self, lines, name, kind):
        for other, _, word, arguments in lines:
            if other == name and word in FAULTS and (not arguments or arguments[0].upper() == kind):
                return word
        return None

    def _find(self, lines, name, kind):
        """The records that answer, aliases first, and whether the name at their end exists."""
        found = []
        for _ in range(8):
            alias = [line for line in lines if line[0] == name and line[2] == "CNAME"]
            found += [line for line in lines if line[0] == name and line[2] == kind]
            if kind == "CNAME" or not alias:
                break
            found += alias
            name = alias[0][3][0].rstrip(".").lower()
        exists = any(other == name or other.endswith("." + name) for other, *_ in lines)
        return found, exists

    def _sign(self, lines, name, number, ttl, rdatas):
        """The signature of a set of records, in a list; [] when it is not signed."""
        for signer in self._signers.values():
            if signer.signs(name):
                rdata = signer.sign(name, number, ttl, rdatas)
                if self._fault(lines, name, TYPE_NAMES.get(number)) == "FORGED":
                    rdata = rdata[:-1] + bytes([rdata[-1] ^ 1])
                return [(name, dnssec.RRSIG, ttl, rdata)]
        return []

    def _answers(self, lines, records, signed):
        """What goes into the answer: [(name, type, ttl, rdata)]."""
        sets = {}
        for owner, ttl, word, arguments in records:
            sets.setdefault((owner, TYPES[word]), []).append((ttl, pack_rdata(word, arguments)))
        out = []
        for (owner, number), those in sets.items():
            out += [(owner, number, ttl, rdata) for ttl, rdata in those]
            if signed:
                out += self._sign(lines, owner, number, those[0][0], [rdata for _, rdata in those])
        return out

    def _denial(self, lines, name, signed):
        """What goes with an answer that there is nothing: the SOA, and the proof."""
        zone = next((z for z, signer in self._signers.items() if signed and signer.signs(name)), "")
        soa = pack_name("ns") + pack_name("hostmaster") + struct.pack("!5I", 1, 3600, 600, 86400, TTL)
        out = [(zone, TYPES["SOA"], TTL, soa)]
        if zone:
            there = {TYPES[word] for other, _, word, _ in lines if other == name and word in TYPES}
            proof = dnssec.nsec(name, there)
            out += self._sign(lines, zone, TYPES["SOA"], TTL, [soa])
            out += [(name, dnssec.NSEC, TTL, proof), *self._sign(lines, name, dnssec.NSEC, TTL, [proof])]
        return out

    def _reply(self, query, udp):
        if len(query) < 17:
            return None
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode("latin-1"))
            at += query[at] + 1
        number = struct.unpack("!H", query[at + 1:at + 3])[0]
        question = query[12:at + 5]
        extended = query[at + 5:at + 8] == b"\0" + struct.pack("!H", OPT)
        signed = extended and struct.unpack("!H", query[at + 12:at + 14])[0] & DNSSEC_OK != 0
        name, kind = ".".join(labels).lower(), TYPE_NAMES.get(number, str(number))
        with self._lock:
            lines = self._lines
            self._asked.append((name, kind))
        fault = self._fault(lines, name, kind)
        if fault == "TIMEOUT":
            return None
        records, exists = self._find(lines, name, kind)
        flags = 0x8580 | (query[2] & 1) << 8  # an authoritative answer, recursion available
        code = {"SERVFAIL": SERVFAIL, "REFUSED": REFUSED}.get(fault, 0 if exists or records else NXDOMAIN)
        if code == NXDOMAIN and any(signer.signs(name) for signer in self._signers.values()):
            code = 0  # the proof is for a name without records
        if code in (SERVFAIL, REFUSED):
            records = []
        answer = self._answers(lines, records, signed)
        authority = [] if answer or code in (SERVFAIL, REFUSED) else self._denial(lines, name, signed)
        options = b"\0" + struct.pack("!HHIH", OPT, 4096, DNSSEC_OK if signed else 0, 0) if extended else b""
        truncated = udp and fault == "TRUNCATE"
        while True:
            body = b"".join(pack_name(owner) + struct.pack("!HHIH", number, 1, ttl, len(rdata)) + rdata
                            for owner, number, ttl, rdata in answer + authority)
            if not truncated and not (udp and len(body) + len(question) + len(options) + 12 > 1232):
                break
            flags |= 0x200
            answer, authority, truncated, udp = [], [], False, False
        header = query[:2] + struct.pack("!5H", flags | code, 1, len(answer), len(authority), 1 if extended else 0)
        return header + question + body + options

    def __enter__(self):
        return self.start()

    def __exit__(self, *exception):
        self.stop()


# -- NSD ------------------------------------------------------------------------------------


def _root():
    import jail
    return jail.peers_directory() / "nsd"


def nsd_unavailable():
    """None when NSD can be started, else why not."""
    import jail
    return jail.unpacked("nsd", PACKAGES, ["usr/sbin/nsd", "-v"])


def zone_file(text):
    """The zone in the form of RFC 1035 5, as one zone of the root."""
    def name(n):
        return n.rstrip(".") + "."

    lines = ["$ORIGIN .", f"$TTL {TTL}", f". SOA ns. hostmaster. 1 3600 600 86400 {TTL}", ". NS ns.", "ns. A 127.0.0.1"]
    for owner, ttl, word, arguments in parse(text):
        if word in FAULTS:
            raise ValueError(f"NSD makes no mistakes: {owner} {word}")
        if word == "NODATA":
            word, arguments = "TYPE65280", ["\\#", "0"]
        elif word in ("CNAME", "PTR", "MX", "NS"):
            arguments = [*arguments[:-1], name(arguments[-1])]
        lines.append(" ".join([name(owner), str(ttl), "IN", word, *arguments]))
    return "\n".join(lines) + "\n"


class Nsd:
    """NSD serving the zone, in the foreground of a process of its own."""

    def __init__(self, zone, address="127.0.0.1", port=0):
        if not port:
            from daemon import free_port
            port = free_port()
        self.address, self.port = address, port
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="nsd-"))
        self._write(zone)
        (self.dir / "nsd.conf").write_text(f"""
server:
	ip-address: {address}@{port}
	server-count: 1
	username: ""
	chroot: ""
	database: ""
	zonesdir: "{self.dir}"
	zonelistfile: "{self.dir}/zone.list"
	xfrdfile: "{self.dir}/xfrd.state"
	xfrdir: "{self.dir}"
	pidfile: "{self.dir}/pid"
	logfile: "{self.dir}/log"
remote-control:
	control-enable: no
zone:
	name: "."
	zonefile: "zone"
""", encoding="utf-8")
        self._process = None

    def _write(self, zone):
        (self.dir / "new").write_text(zone_file(zone), encoding="utf-8")
        (self.dir / "new").rename(self.dir / "zone")

    def log(self):
        path = self.dir / "log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def _wait(self, holds, what):
        deadline = time.monotonic() + 30
        while not holds():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{what}:\n" + self.log())
            time.sleep(0.02)

    def start(self):
        import jail
        self._process = subprocess.Popen(
            [str(_root() / "usr/sbin/nsd"), "-d", "-c", str(self.dir / "nsd.conf")], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=jail.environment(_root()),
            start_new_session=True)
        self._wait(lambda: ask(self.address, self.port, "ns", "A")[0] == 0, "NSD does not start")
        return self

    def replace(self, zone):
        """Another zone from now on, by a new process: after SIGHUP the old one still answers for a while."""
        self._write(zone)
        self._end()
        self.start()

    def _end(self):
        if not self._process:
            return
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None

    def stop(self):
        self._end()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *exception):
        self.stop()


# -- Either ------------------------------------------------------------------------------------


def ask(address, port, name, kind, timeout=1):
    """Asks once by UDP: (code, number of answers); code -1: no answer."""
    query = struct.pack("!6H", 4711, 0x100, 1, 0, 0, 0) + pack_name(name) + struct.pack("!2H", TYPES[kind], 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(timeout)
        try:
            s.connect((address, port))
            s.send(query)
            reply = s.recv(4096)
        except OSError:
            return -1, 0
    return reply[3] & 15, struct.unpack("!H", reply[6:8])[0]


class PrivateDns:
    """The server that suits the zone."""

    def __init__(self, zone, address="127.0.0.1", port=0):
        faulty = any(word in FAULTS for _, _, word, _ in parse(zone))
        self.server = (Server if faulty or nsd_unavailable() else Nsd)(zone, address, port)
        self.address, self.port = self.server.address, self.server.port
        self.forward = f"{self.address}@{self.port}"

    def start(self):
        self.server.start()
        return self

    def stop(self):
        self.server.stop()

    def replace(self, zone):
        """Another zone from now on.  One with faults needs a server that was started with some."""
        self.server.replace(zone)

    def queries(self):
        return self.server.queries()

    def __enter__(self):
        return self.start()

    def __exit__(self, *exception):
        self.stop()


if __name__ == "__main__":
    server = Server(pathlib.Path(sys.argv[2]).read_text(encoding="utf-8"), *sys.argv[3:], port=int(sys.argv[1])).start()
    pathlib.Path(sys.argv[2] + ".anchor").write_text(server.trust_anchor(), encoding="ascii")
    print(f"serving on {server.address} port {server.port}", flush=True)
    signal.pause()
