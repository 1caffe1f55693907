"""Mail to and from other servers: Postfix, OpenSMTPD, Dovecot's LMTP, smtp-sink and its failures; and what
becomes of every way to write the end of a message."""

import email
import email.policy
import os
import pathlib
import re
import shutil
import smtplib
import socket
import tempfile
import threading
import time
import unittest

import dovecot
import opensmtpd
import postfix
from daemon import PASSWORD, USER, free_port, make_certificate, message
from dnsserver import PrivateDns
from test_transfer import QUICK, Transfer

BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n|\0")


def plain(domain, port, more=""):
    """A route to a port of ours."""
    return f'route "{domain}" {{ host = "127.0.0.1" port = {port} tls = none {more} }}\n'


class Peers(Transfer):
    def directory(self):
        path = pathlib.Path(tempfile.mkdtemp(prefix="relay-"))
        self.addCleanup(shutil.rmtree, path, True)
        path.chmod(0o755)
        return path

    def certificate(self, names, **more):
        """(certificate, key) of these names."""
        place = self.directory()
        make_certificate(place / "c.pem", place / "k.pem", names, **more)
        os.chmod(place / "c.pem", 0o644)
        return place / "c.pem", place / "k.pem"

    def dns(self, zone):
        server = PrivateDns(zone)
        self.addCleanup(server.stop)
        return server.start()

    def peer(self, server):
        self.addCleanup(server.stop)
        return server.start()

    def entry(self, d, to):
        """What the queue says of one recipient; None when it is not there."""
        return next((e for e in self.queue(d) if e["to"] == to), None)

    def tried(self, d, to):
        """The same, once it was tried."""
        self.until(lambda: (self.entry(d, to) or {}).get("attempts", 0) > 0)
        return self.entry(d, to)

    def empty(self, d):
        self.until(lambda: self.queue(d) == [])

    def retried(self, d):
        """Until the queue is empty, without waiting for hosts that are left alone after failures."""
        deadline = time.monotonic() + 30
        while self.queue(d):
            self.assertLess(time.monotonic(), deadline, d.ctl("queue").stdout)
            d.ctl("queue", "retry", "all", check=False)
            time.sleep(0.3)

    def received(self, server, user, n=1):
        """What a user of a peer got, once it is there, and the log when it is not."""
        deadline = time.monotonic() + 30
        while len(found := server.messages(user)) < n:
            self.assertLess(time.monotonic(), deadline, server.log()[-3000:])
            time.sleep(0.05)
        return found


class Forwarding:
    """What is asked of every kind of server, as next hop and as sender."""

    def next_hop(self, **more):
        raise NotImplementedError

    def sender(self, port):
        raise NotImplementedError

    def test_there(self):
        """Twenty messages, with what may not be changed: dots, long lines, octets above 127."""
        server = self.peer(self.next_hop())
        d = self.daemon(plain("*", server.port) + QUICK % "").start()
        body = ".\r\n..\r\n" + "x" * 900 + "\r\nr\u00e9sum\u00e9\r\n\r\n.end\r\n"
        kind = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
        for n in range(20):
            self.submit(d, ["bob@example.net", "carl@example.net"], message(f"n{n}", body, USER, extra=kind).encode())
        for user in ("bob", "carl"):
            found = self.received(server, user, 20)
            subjects = sorted(re.search(rb"^Subject: (\S+)", m, re.M)[1] for m in found)
            self.assertEqual(subjects, sorted(b"n%d" % n for n in range(20)))
            for m in found:
                self.assertTrue(m.replace(b"\r\n", b"\n").rstrip(b"\n").endswith(
                    body.encode().replace(b"\r\n", b"\n").rstrip(b"\n")), m)
        self.empty(d)

    def test_by_mx(self):
        """Found by the MX of the domain, behind one that is dead."""
        server = self.next_hop(address="127.0.0.2")
        dns = self.dns("example.net. MX 10 dead.example.net.\nexample.net. MX 20 mx.example.net.\n"
                       "dead.example.net. A 127.0.0.3\nmx.example.net. A 127.0.0.2\n")
        self.peer(server)
        d = self.daemon(f'dns = "{dns.forward}"\nroute "*" {{ port = {server.port} tls = none }}\n' + QUICK % "").start()
        self.submit(d, ["bob@example.net"], message("by mx"))
        self.assertIn(b"by mx", self.received(server, "bob")[0])
        self.empty(d)

    def test_through_us(self):
        """From one to the other over our MX, as the backup of its domain."""
        server = self.peer(self.next_hop())
        d = self.daemon(plain("example.net", server.port, "accept = true") + QUICK % "").start()
        sender = self.peer(self.sender(d.ports["smtp"]))
        text = message("through us", "one\r\n.two\r\n.\r\nthree\r\n")
        sender.sendmail("dora@elsewhere.example", ["bob@example.net", "carl@example.net", USER], text)
        for user in ("bob", "carl"):
            (found,) = self.received(server, user)
            self.assertTrue(found.replace(b"\r\n", b"\n").rstrip(b"\n").endswith(b"\n\none\n.two\n.\nthree"), found)
        self.assertIn("through us", d.wait_inbox(1)[0])
        self.empty(d)
        self.until(lambda: sender.queue() == [])

    def test_host_comes_back(self):
        """What waits while the next hop is down goes when it is up."""
        server = self.next_hop()
        self.addCleanup(server.stop)
        d = self.daemon(plain("*", server.port) + QUICK % "").start()
        for n in range(3):
            self.submit(d, [f"u{n}@example.net"], message(f"late {n}"))
        self.assertIn("refused", self.tried(d, "u0@example.net")["text"])
        self.assertEqual(len(self.queue(d)), 3)
        server.start()
        self.retried(d)
        for n in range(3):
            self.assertEqual(len(self.received(server, f"u{n}")), 1)


@unittest.skipIf(postfix.unavailable(), postfix.unavailable())
class WithPostfix(Peers, Forwarding):
    def next_hop(self, address=None, settings=None):
        server = postfix.Postfix(("example.net",), users=("bob", "carl", "u0", "u1", "u2"), settings=settings)
        if address:
            conf = server.root / "etc/postfix/master.cf"
            server.jail.write("etc/postfix/master.cf", conf.read_text() + f"{address}:{server.port} inet n - n - - smtpd\n")
        return server

    def sender(self, port):
        return postfix.Postfix((), relay=port)

    def test_bounce(self):
        """A recipient it refuses beside one it takes."""
        access = "inline:{{gone@example.net=550 5.1.1 nobody of that name}}"
        server = self.peer(self.next_hop(settings={
            "smtpd_recipient_restrictions": f"check_recipient_access {access}, permit_mynetworks, reject"}))
        d = self.daemon(plain("*", server.port) + QUICK % "").start()
        self.submit(d, ["gone@example.net", "bob@example.net"], message("to two"))
        (bounce,) = d.wait_inbox(1)
        report = email.message_from_string(bounce, policy=email.policy.default)
        fields = report.get_payload()[1].get_payload()[1]
        self.assertEqual((fields["Action"], fields["Status"]), ("failed", "5.1.1"))
        self.assertIn("nobody of that name", fields["Diagnostic-Code"])
        self.assertIn(b"to two", self.received(server, "bob")[0])
        self.empty(d)

    def test_tls(self):
        """Verified, by the name of the route."""
        cert, key = self.certificate(("mail.example.net",))
        server = self.next_hop(settings={
            "smtpd_tls_security_level": "encrypt", "smtpd_tls_received_header": "yes",
            "smtpd_tls_cert_file": "/etc/postfix/c.pem", "smtpd_tls_key_file": "/etc/postfix/k.pem"})
        server.jail.write("etc/postfix/c.pem", cert.read_text())
        server.jail.write("etc/postfix/k.pem", key.read_text(), 0o600)
        self.peer(server)
        d = self.daemon(f'route "*" {{ host = "127.0.0.1" port = {server.port} tls = verified tls_name = "mail.example.net" '
                        f'ca = "{cert}" }}\n' + QUICK % "").start()
        self.submit(d, ["bob@example.net"], message("secret"))
        self.assertIn(b"(using TLS", self.received(server, "bob")[0])
        self.empty(d)

    def test_submission(self):
        """As a client that logs in: STARTTLS, AUTH, and on to the next hop."""
        sink = self.sink()
        d = self.daemon(self.via(sink)).start()
        client = self.peer(postfix.Postfix((), relay=d.ports["submission"], settings={
            "smtp_tls_security_level": "encrypt", "smtp_sasl_auth_enable": "yes",
            "smtp_sasl_security_options": "noanonymous", "smtp_sasl_mechanism_filter": "plain",
            "smtp_sasl_password_maps": f"inline:{{{{[127.0.0.1]:{d.ports['submission']}={USER}:{PASSWORD}}}}}"}))
        client.sendmail(USER, ["bob@example.net"], message("logged in", sender=USER))
        deadline = time.monotonic() + 30
        while not sink.messages:
            self.assertLess(time.monotonic(), deadline, client.log()[-3000:] + d.text()[-2000:])
            time.sleep(0.05)
        (mail,) = sink.messages
        self.assertTrue(mail.sender.startswith(f"<{USER}>"))
        self.assertIn(b"logged in", mail.data)
        self.until(lambda: client.queue() == [])
        # It may not send as another.
        client.sendmail("boss@example.org", ["bob@example.net"], message("not mine"))
        client.wait_log("553 5.7.1")
        self.assertEqual(len(sink.messages), 1)


@unittest.skipIf(opensmtpd.unavailable(), opensmtpd.unavailable())
class WithOpenSMTPD(Peers, Forwarding):
    def next_hop(self, address=None):
        server = opensmtpd.OpenSMTPD(("example.net",))
        if address:
            conf = server.root / "etc/smtpd.conf"
            server.jail.write("etc/smtpd.conf", f"listen on {address} port {server.port}\n" + conf.read_text())
        return server

    def sender(self, port):
        return opensmtpd.OpenSMTPD((), relay=port)


@unittest.skipIf(postfix.unavailable(), postfix.unavailable())
class SmtpSink(Peers):
    """The failures of Postfix's smtp-sink, each a domain of its own, all at once."""

    # Name, option, what the queue says of it.
    SOFT = (
        ("hard-connect", ("-f", "connect"), "500 Error: command failed"),
        ("soft-connect", ("-r", "connect"), "450 Error: command failed"), ("soft-mail", ("-r", "mail"), "450 Error: command failed"),
        ("soft-rcpt", ("-r", "rcpt"), "450 Error: command failed"), ("soft-data", ("-r", "data"), "450 Error: command failed"),
        ("soft-end", ("-r", "."), "450 Error: command failed"),
        ("close-connect", ("-Q", "connect"), "421 Server closing"), ("close-ehlo", ("-Q", "ehlo,helo"), "421 Server closing"),
        ("close-mail", ("-Q", "mail"), "421 Server closing"), ("close-rcpt", ("-Q", "rcpt"), "421 Server closing"),
        ("close-data", ("-Q", "data"), "421 Server closing"), ("close-end", ("-Q", "."), "421 Server closing"),
        ("drop-connect", ("-q", "connect"), "connection was lost"), ("drop-ehlo", ("-q", "ehlo,helo"), "connection was lost"),
        ("drop-mail", ("-q", "mail"), "connection was lost"), ("drop-rcpt", ("-q", "rcpt"), "connection was lost"),
        ("drop-data", ("-q", "data"), "connection was lost"), ("drop-end", ("-q", "."), "connection was lost"),
    )
    HARD = (
        ("hard-mail", ("-f", "mail")), ("hard-rcpt", ("-f", "rcpt")), ("hard-data", ("-f", "data")),
        ("hard-end", ("-f", ".")), ("abort", ("-A", "0")),
    )
    FINE = (
        ("hard-ehlo", ("-f", "ehlo")), ("drop-quit", ("-q", "quit")), ("close-quit", ("-Q", "quit")),
        ("hard-quit", ("-f", "quit")), ("old", ("-e",)), ("alone", ("-p", "-8", "-E", "-N")), ("slow", ("-w", "1")),
    )

    def sinks(self, table):
        found = {}
        for name, options, *_ in table:
            place = self.directory()
            found[name] = self.peer(postfix.Sink(*options, directory=str(place)))
        return found

    def mail_of(self, sink):
        return [p.read_bytes() for p in pathlib.Path(sink.directory).iterdir()]

    def routes(self, sinks):
        return "".join(plain(f"{name}.example", sink.port) for name, sink in sinks.items())

    def test_until_it_works(self):
        sinks = self.sinks(self.SOFT)
        d = self.daemon(self.routes(sinks) + QUICK % "").start()
        for name in sinks:
            self.submit(d, [f"bob@{name}.example"], message(f"for {name}"))
        for name, _, words in self.SOFT:
            entry = self.tried(d, f"bob@{name}.example")
            self.assertRegex(f"{entry['code']} {entry['text']}", words, name)
        for name, sink in sinks.items():
            sink.stop()
            # A message that was refused, or cut off, does not count.
            shutil.rmtree(sink.directory)
            os.mkdir(sink.directory)
            sink.options = ()
            sink.start()
        self.retried(d)
        for name, sink in sinks.items():
            (mail,) = self.mail_of(sink)
            self.assertIn(f"Subject: for {name}".encode(), mail)
        self.assertEqual(d.inbox(), [])

    def test_for_good(self):
        sinks = self.sinks(self.HARD)
        d = self.daemon(self.routes(sinks) + QUICK % "").start()
        for name in sinks:
            self.submit(d, [f"bob@{name}.example"], message(f"for {name}"))
        bounces = d.wait_inbox(len(sinks))
        self.empty(d)
        failed = sorted(re.search(r"^Final-Recipient: rfc822; *(\S+)", b, re.M)[1] for b in bounces)
        self.assertEqual(failed, sorted(f"bob@{name}.example" for name in sinks))
        for b in bounces:
            self.assertRegex(b, r"Action: failed\r?\nStatus: 5\.")

    def test_takes_it_all_the_same(self):
        sinks = self.sinks(self.FINE)
        place = self.directory()
        shutil.chown(place, "nobody")
        sinks["chroot"] = self.peer(postfix.Sink("-R", place, "-d", "got."))
        sinks["chroot"].directory = place
        d = self.daemon(self.routes(sinks) + QUICK % "").start()
        for name in sinks:
            for n in range(2):
                self.submit(d, [f"bob@{name}.example"], message(f"for {name}", f"number {n}\r\n"))
        self.empty(d)
        for name, sink in sinks.items():
            found = self.mail_of(sink)
            self.assertEqual(len(found), 2, name)
            for mail in found:
                self.assertIn(f"Subject: for {name}".encode(), mail)
        self.assertEqual(d.inbox(), [])


class Hosts(Peers):
    """Which host gets it, and which does not."""

    def test_greylisting(self):
        """Every new pair of sender and recipient waits; each message comes once."""
        first = {}

        def answer(verb, argument, session):
            if verb != "RCPT":
                return None
            pair = session.sender, argument
            since = first.setdefault(pair, time.monotonic())
            return None if time.monotonic() - since > 1 else "450 4.2.0 greylisted, try again in a second"
        sink = self.sink(answer=answer)
        d = self.daemon(self.via(sink)).start()
        for n in range(5):
            self.submit(d, [f"bob{n}@example.net", f"carl{n}@example.net"], message(f"grey{n}"))
        self.empty(d)
        self.assertEqual(len(first), 10)
        got = sorted(r.split(">")[0][1:] for m in sink.messages for r in m.recipients)
        self.assertEqual(got, sorted(f"{who}{n}@example.net" for n in range(5) for who in ("bob", "carl")))
        self.assertEqual(d.inbox(), [])

    def test_next_address(self):
        """Dead, unwilling, without an address: the next MX, by preference, gets it."""
        port = free_port()
        sinks = {}
        for address, answer in (("127.0.0.4", "421 4.3.2 going down"), ("127.0.0.5", "drop"), ("127.0.0.2", None),
                                ("127.0.0.6", None)):
            sinks[address] = self.sink(address=address, port=port, answer=lambda verb, argument, session, say=answer:
                                       say if verb == "CONNECT" else None)
        dns = self.dns("""
            example.net.           MX 10 dead.example.net.
            example.net.           MX 20 nothing.example.net.
            example.net.           MX 30 down.example.net.
            example.net.           MX 40 drops.example.net.
            example.net.           MX 50 good.example.net.
            example.net.           MX 60 never.example.net.
            dead.example.net.      A 127.0.0.3
            down.example.net.      A 127.0.0.4
            drops.example.net.     A 127.0.0.5
            good.example.net.      A 127.0.0.2
            never.example.net.     A 127.0.0.6
            """)
        d = self.daemon(f'dns = "{dns.forward}"\nroute "*" {{ port = {port} tls = none }}\n' + QUICK % "").start()
        self.submit(d, ["bob@example.net"], message("around"))
        (mail,) = sinks["127.0.0.2"].wait(1)
        self.assertIn(b"around", mail.data)
        self.empty(d)
        for address, sink in sinks.items():
            self.assertEqual(len(sink.messages), 1 if address == "127.0.0.2" else 0, address)
        self.assertEqual(sinks["127.0.0.6"].sessions, 0)

    def test_tls_required(self):
        """Nothing is said to a host that is not who it must be, or does not encrypt."""
        port = free_port()
        good = self.certificate(("good.example.net",))
        cases = {
            "name": (self.certificate(("elsewhere.example",)), "127.0.0.2"),
            "expired": (self.certificate(("expired.example.net",), valid=(-30, -1)), "127.0.0.4"),
            "stranger": (self.certificate(("stranger.example.net",)), "127.0.0.5"),
            "clear": (None, "127.0.0.6"),
            "good": (good, "127.0.0.7"),
        }
        ca = self.directory() / "ca.pem"
        ca.write_text("".join(cases[name][0][0].read_text() for name in ("name", "expired", "good")))
        zone = "".join(f"{name}.example. MX 10 {name}.example.net.\n{name}.example.net. A {address}\n"
                       for name, (_, address) in cases.items())
        dns = self.dns(zone)
        sinks = {name: self.sink(address=address, port=port, **(dict(zip(("cert", "key"), files)) if files else {}))
                 for name, (files, address) in cases.items()}
        d = self.daemon(f'dns = "{dns.forward}"\nroute "*" {{ port = {port} tls = verified ca = "{ca}" }}\n'
                        f'route "clear.example" {{ port = {port} tls = required }}\n' + QUICK % "").start()
        for name in cases:
            self.submit(d, [f"bob@{name}.example"], message(f"for {name}"))
        sinks["good"].wait(1)
        self.assertTrue(sinks["good"].messages[0].session.tls)
        for name, words in (("name", "certificate.*name|name.*certificate|mismatch"), ("expired", "expired"),
                            ("stranger", "certificate"), ("clear", "TLS")):
            self.assertRegex(self.tried(d, f"bob@{name}.example")["text"], re.compile(words, re.I))
            self.assertRegex(d.ctl("queue").stdout, re.compile(f"to bob@{name}.example.*(\n .*)*({words})", re.I))
            said = " ".join(sinks[name].lines)
            self.assertNotRegex(said, "MAIL|RCPT|DATA|bob")
            self.assertEqual(sinks[name].messages, [])

    def test_certificate_unasked(self):
        """Where encryption is all that is wanted, any certificate will do."""
        cert, key = self.certificate(("elsewhere.example",))
        sink = self.sink(cert=cert, key=key)
        for tls in ("opportunistic", "required"):
            with self.subTest(tls):
                d = self.daemon(f'route "*" {{ host = "127.0.0.1" port = {sink.port} tls = {tls} }}\n' + QUICK % "").start()
                self.submit(d, ["bob@example.net"])
                self.empty(d)
        self.assertEqual([m.session.tls for m in sink.wait(2)], [True, True])


@unittest.skipIf(dovecot.unavailable(), dovecot.unavailable())
class ToDovecot(Peers):
    def test_each_recipient(self):
        """By LMTP: one has it, one is refused, one has no room at first; each is told alone."""
        home = self.directory()
        server = dovecot.Dovecot(home, lmtp=True, settings=f"""
mail_location = maildir:{home}/%n
userdb {{
  driver = passwd-file
  args = {home}/users
}}
""")
        # The first userdb, which knows everybody, is none of ours.
        config = server._config
        server._config = lambda: re.sub(r"userdb \{\n  driver = static\n[^}]*\}\n", "", config())
        ids = f"{server.uid}:{server.gid}"
        (home / "users").write_text("".join(f"{u}@example.net:{{PLAIN}}x:{ids}::{home}::\n" for u in ("bob", "carl", "dora")))
        self.peer(server)
        # Nobody can make a directory beneath a file.
        (home / "carl").write_text("in the way")
        os.chmod(home / "carl", 0o644)
        d = self.daemon(f'route "example.net" {{ lmtp = "127.0.0.1:{server.lmtp_port}" }}\n' + QUICK % "").start()
        self.submit(d, [f"{who}@example.net" for who in ("bob", "carl", "gone", "dora")], message("for each", ".dot\r\n.\r\n"))
        (bounce,) = d.wait_inbox(1)
        self.assertRegex(bounce, r"Final-Recipient: rfc822; *gone@example\.net")
        self.assertEqual(bounce.count("Final-Recipient"), 1)
        self.tried(d, "carl@example.net")
        self.until(lambda: [e["to"] for e in self.queue(d)] == ["carl@example.net"])
        entry = self.entry(d, "carl@example.net")
        self.assertEqual(entry["code"] // 100, 4, entry)
        self.assertIn("<carl@example.net>", entry["text"])
        os.unlink(home / "carl")
        self.empty(d)
        for who in ("bob", "carl", "dora"):
            (found,) = [p.read_bytes() for p in (home / who / "new").iterdir()]
            self.assertTrue(found.replace(b"\r\n", b"\n").endswith(b"\n\n.dot\n.\n"), found)


BEFORE = {"CRLF": b"\r\n", "LF": b"\n", "CR": b"\r", "CRCRLF": b"\r\r\n", "LFCR": b"\n\r", "CRLF NUL": b"\r\n\0"}
BEHIND = {"CRLF": b"\r\n", "LF": b"\n", "CR": b"\r", "CRCRLF": b"\r\r\n", "NUL CRLF": b"\0\r\n"}
SMUGGLED = b"MAIL FROM:<evil@example.net>\r\nRCPT TO:<bob@friend.example>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n"


class EndOfData(Peers):
    """{CRLF, LF, CR, CRCRLF, LFCR, CRLF NUL} x "." x {CRLF, LF, CR, CRCRLF, NUL CRLF}, through us."""

    def open(self, d, port="smtp"):
        s = socket.create_connection(("127.0.0.1", d.ports[port]), 30)
        self.addCleanup(s.close)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s, s.makefile("rb")

    def reply(self, replies):
        """The code of one whole reply; 0 at the end."""
        for line in replies:
            if line[3:4] != b"-":
                return int(line[:3])
        return 0

    def conversation(self, d, data, cut, chunk=False):
        """Sends a message and what is behind it; the codes behind 354, until the end."""
        s, replies = self.open(d)
        self.assertEqual(self.reply(replies), 220)
        size = f"BDAT {len(data)} LAST" if chunk else "DATA"
        for line, code in (("EHLO x.example", 250), ("MAIL FROM:<carl@example.net>", 250),
                           ("RCPT TO:<bob@friend.example>", 250), (size, None if chunk else 354)):
            s.sendall(line.encode() + b"\r\n")
            if code:
                self.assertEqual(self.reply(replies), code, line)

        def write():
            try:
                for at in range(0, len(data), cut):
                    s.sendall(data[at:at + cut])
                s.sendall(b"QUIT\r\n")
            except OSError:
                pass  # it hung up, as it may where the end is in doubt
        writer = threading.Thread(target=write)
        writer.start()
        codes = []
        try:
            while code := self.reply(replies):
                codes.append(code)
        except ConnectionError:
            pass
        writer.join(30)
        return codes

    def test_matrix(self):
        sink = self.sink()
        d = self.daemon(self.via(sink, "accept = true", domain="friend.example") + "limits { connections_per_address = 1000 }\n")
        d.start()
        wanted = 0
        for before_name, before in BEFORE.items():
            for behind_name, behind in BEHIND.items():
                for cut in (1, 1 << 20):
                    name = f"{before_name} . {behind_name} by {cut}"
                    body = f"Subject: {name}\r\n\r\ntext".encode() + before + b"." + behind + SMUGGLED
                    codes = self.conversation(d, body, cut)
                    text, end, rest = body.partition(b"\r\n.\r\n")
                    self.assertTrue(end)
                    if BARE.search(text + b"\r\n"):
                        self.assertEqual(codes[0] // 100, 5, (name, codes))
                        # The true end came with nothing behind it, or the end is in doubt: it hangs up.
                        self.assertIn(codes[1:], ([421], []) if rest else ([221],), name)
                    else:
                        self.assertEqual(codes, [250, 250, 250, 354, 250, 221], name)
                        wanted += 2
        self.assertEqual(wanted, 4)  # CRLF . CRLF alone, and the honest message behind it
        self.empty(d)
        subjects = sorted(re.search(rb"^Subject: (.*)\r$", m.data, re.M)[1] for m in sink.wait(wanted))
        self.assertEqual(subjects, [b"CRLF . CRLF by 1", b"CRLF . CRLF by 1048576", b"smuggled", b"smuggled"])
        for mail in sink.messages:
            self.assertIsNone(BARE.search(mail.data), mail.data)

    def test_other_ways_in(self):
        """By BDAT and from users who logged in: refused or set right, nothing bare leaves."""
        sink = self.sink()
        d = self.daemon(self.via(sink) + plain("friend.example", sink.port, "accept = true")).start()
        wanted = 0
        for before in BEFORE.values():
            texts = [b"Subject: x\r\n\r\ntext" + before + b"." + behind + b"more\r\n" for behind in BEHIND.values()]
            for text in texts:
                codes = self.conversation(d, text, 1 << 20, chunk=True)
                self.assertEqual(codes[0] // 100, 5 if BARE.search(text) else 2, (text, codes))
                wanted += codes[0] == 250
            # A few to a session: who errs more often is made to wait.
            with smtplib.SMTP("localhost", d.ports["submission"], timeout=30) as client:
                client.starttls(context=d.tls())
                client.login(USER, PASSWORD)
                for text in texts:
                    if b"\r\n.\r\n" in text:
                        continue  # it would end here
                    client.mail(USER)
                    client.rcpt("bob@example.net")
                    self.assertEqual(client.docmd("DATA")[0], 354)
                    client.send(text + b".\r\n")
                    code = client.getreply()[0]
                    self.assertIn(code, (250, 550), text)
                    wanted += code == 250
        self.empty(d)
        self.assertGreater(wanted, 0)
        self.assertEqual(len(sink.messages), wanted)
        for mail in sink.messages:
            self.assertIsNone(BARE.search(mail.data), mail.data)
            # A chunk may hold a line of one dot; it arrives as one.
            self.assertTrue(mail.data.endswith(b"more\r\n"), mail.data)


if __name__ == "__main__":
    unittest.main()
