"""A running mailservd of one test, on loopback, with a certificate, accounts
and a configuration of its own; and what tests need to talk to it.
"""

import contextlib
import fcntl
import imaplib
import os
import pathlib
import random
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import tempfile
import time

BUILD = pathlib.Path(os.environ.get("MAILSERV_BUILD", pathlib.Path(__file__).parents[2] / "build"))
MAILSERVD = BUILD / "frontends" / "mailservd" / "mailservd"
MAILSERVCTL = BUILD / "frontends" / "mailservctl" / "mailservctl"
SOURCE = pathlib.Path(__file__).resolve().parents[2]

USER, PASSWORD = "anna@example.org", "correct horse"
OTHER, OTHER_PASSWORD = "bert@example.org", "battery staple"
BARE, BARE_PASSWORD = "scanner", "beep"


_reserved = []


def free_port():
    """A port of the loopback interface for this process alone: below those the system gives to clients, so
    that nobody gets it by chance before it is bound, and locked against other test processes."""
    place = pathlib.Path(tempfile.gettempdir()) / f"mailserv-ports-{os.geteuid()}"
    place.mkdir(mode=0o700, exist_ok=True)
    while True:
        port = random.randrange(10000, 16000)
        lock = open(place / str(port), "a")  # kept open: that keeps the lock
        with contextlib.suppress(OSError), socket.socket() as s:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("127.0.0.1", port))
            _reserved.append(lock)
            if len(_reserved) > 200:
                _reserved.pop(0).close()
            return port
        lock.close()


def make_certificate(cert, key, names=("localhost",), valid=(-1, 30)):
    """A self-signed certificate by openssl, good from and until so many days from now; IP addresses are
    recognized."""
    alt = ",".join(("IP:" if n[0].isdigit() else "DNS:") + n for n in names)
    with tempfile.TemporaryDirectory() as work:
        base = pathlib.Path(work)
        (base / "index").touch()
        (base / "ca.cnf").write_text("[ca]\ndefault_ca = here\n[here]\ndatabase = index\nnew_certs_dir = .\nserial = serial\n"
                                     "default_md = sha256\npolicy = any\nx509_extensions = server\n[any]\n"
                                     f"commonName = supplied\n[server]\nsubjectAltName = {alt}\n")
        dates = [time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + days * 86400)) for days in valid]
        for command in (
                ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-subj", f"/CN={names[0]}", "-keyout", str(key), "-out", "request"],
                ["openssl", "ca", "-batch", "-config", "ca.cnf", "-selfsign", "-keyfile", str(key), "-in", "request",
                 "-startdate", dates[0], "-enddate", dates[1], "-rand_serial", "-notext", "-out", "new"]):
            subprocess.run(command, check=True, capture_output=True, cwd=base)
        pathlib.Path(cert).write_text((base / "new").read_text())
    pathlib.Path(key).chmod(0o600)


def message(subject, body="Hello.\r\n", sender="carl@example.net", to=USER, extra=""):
    return (f"From: <{sender}>\r\nTo: <{to}>\r\nSubject: {subject}\r\nMessage-ID: <{subject}@example.net>\r\n"
            f"Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n{extra}\r\n{body}")


class Daemon:
    """Use as a context manager, or start() and stop()."""

    listeners = {
        "smtp": "role = mx",
        "submission": "role = submission",
        "submissions": "role = submission tls = implicit",
        "imap": "role = imap",
        "imaps": "role = imap tls = implicit",
        "lmtp": "role = lmtp tls = none",
    }

    def __init__(self, words="", location="mail/%d/%n", listeners=None, accounts=True):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="mailservd-"))
        self.dir.chmod(0o755)
        self.cert, self.key = self.dir / "cert.pem", self.dir / "key.pem"
        self.passwd, self.conf = self.dir / "passwd", self.dir / "mailserv.conf"
        self.mail, self.log_file = self.dir / "mail", self.dir / "log"
        self.mail.mkdir()
        self.listeners = dict(listeners or self.listeners)
        self.ports = {name: free_port() for name in self.listeners}
        self.process, self.killed = None, False
        make_certificate(self.cert, self.key, ("localhost", "127.0.0.1"))
        if accounts:
            for name, password in ((USER, PASSWORD), (OTHER, OTHER_PASSWORD), (BARE, BARE_PASSWORD)):
                self.add_user(name, password)
        else:
            self.passwd.touch()
        self.words, self.location = words, location
        self.write_conf()
        if os.geteuid() == 0:
            self.own(self.mail)

    def own(self, path):
        """Gives what is beneath path to the mail user."""
        if os.geteuid() == 0:
            for p in [path, *pathlib.Path(path).rglob("*")]:
                shutil.chown(p, "nobody")

    def write_conf(self):
        lines = [
            'hostname = "localhost"', 'domains = {"example.org", "example.com"}', 'passwd = "passwd"',
            'certificate = "cert.pem"', 'key = "key.pem"', f'location = "{self.location}"',
            'control = "control"', 'drop = "drop"', 'dns = "127.0.0.1@9"', "log = stderr", "log_level = debug",
        ]
        if os.geteuid() == 0:
            lines.append('user = "nobody"')
        lines.append(self.words)
        for name, what in self.listeners.items():
            lines.append(f'listen {name} {{ {what} address = "127.0.0.1" port = {self.ports[name]} }}')
        self.conf.write_text("\n".join(lines) + "\n")

    # -- Programs --------------------------------------------------------------

    def ctl(self, *args, stdin="", check=True):
        return subprocess.run([str(MAILSERVCTL), "-c", str(self.conf), *args], input=stdin, text=True,
                              capture_output=True, check=check, timeout=60)

    def add_user(self, name, password, *options):
        # Few rounds: tests log in often.
        subprocess.run([str(MAILSERVCTL), "user", "add", "--scheme", "SSHA512", *options, "--file",
                        str(self.passwd), name],
                       input=password + "\n", text=True, check=True, capture_output=True)

    def launch(self):
        """Starts it and waits for nothing."""
        self.log = open(self.log_file, "a", encoding="utf-8")
        self.process = subprocess.Popen([str(MAILSERVD), "-f", "-c", str(self.conf)], stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=self.log)

    def start(self):
        before = len(self.text())
        self.launch()
        deadline = time.monotonic() + 60
        while " is ready: " not in self.text()[before:]:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("mailservd did not start:\n" + self.text()[before:])
            time.sleep(0.02)
        return self

    def text(self):
        """The log so far."""
        return self.log_file.read_text(encoding="utf-8", errors="replace") if self.log_file.exists() else ""

    def wait_log(self, what, seconds=10, after=0):
        """Waits until the log has it, behind so many characters."""
        deadline = time.monotonic() + seconds
        while what not in self.text()[after:]:
            if time.monotonic() > deadline:
                raise AssertionError(f"{what!r} is not in the log:\n{self.text()[-3000:]}")
            time.sleep(0.02)

    def stop(self, remove=True):
        status = None
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            try:
                status = self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise RuntimeError("mailservd did not stop:\n" + self.text()[-3000:]) from None
            self.process = None
            self.log.close()
        text = self.text()
        if remove:
            shutil.rmtree(self.dir, ignore_errors=True)
        if self.killed:
            text = text.replace("died of signal 9 ", "")
        for alarm in ("AddressSanitizer", "LeakSanitizer", "runtime error:", "died of signal"):
            if alarm in text:
                raise RuntimeError("mailservd broke:\n" + text[-8000:])
        return status

    def processes(self):
        """The ids of the daemon's processes, the parent first."""
        found = [self.process.pid]
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = stat.read_text().rpartition(")")[2].split()
                if int(fields[1]) in found:
                    found.append(int(stat.parent.name))
        return found

    @staticmethod
    def lives(pid):
        """Does it still have its files and locks?"""
        for stat in pathlib.Path(f"/proc/{pid}/task").glob("*/stat"):  # the first thread may be gone before others
            with contextlib.suppress(OSError):
                if stat.read_text().rpartition(")")[2].split()[0] not in "ZX":
                    return True
        return False

    def kill_server(self):
        """kill -9 of the server process; the parent starts another."""
        self.killed = True
        for pid in self.processes()[1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def kill(self):
        """kill -9, all at once."""
        os.kill(self.process.pid, signal.SIGSTOP)  # so that no new child is missed
        found = self.processes()
        for pid in reversed(found):  # a server that sees its parent end would stop in an orderly way
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 60
        while any(self.lives(pid) for pid in found):
            assert time.monotonic() < deadline, "a killed process does not end"
            time.sleep(0.005)
        self.process.wait()
        self.process = None
        self.log.close()

    def __enter__(self):
        return self.start()

    def __exit__(self, *exception):
        self.stop()

    # -- Clients -----------------------------------------------------------------

    def tls(self):
        return ssl.create_default_context(cafile=str(self.cert))

    @contextlib.contextmanager
    def smtp(self, name="smtp", tls=True):
        with smtplib.SMTP("localhost", self.ports[name], timeout=30) as client:
            if tls:
                client.starttls(context=self.tls())
            yield client

    @contextlib.contextmanager
    def imap(self, user=USER, password=PASSWORD):
        client = imaplib.IMAP4_SSL("localhost", self.ports["imaps"], ssl_context=self.tls(), timeout=30)
        try:
            client.login(user, password)
            yield client
        finally:
            with contextlib.suppress(Exception):
                client.logout()

    def deliver(self, text, to=USER, sender="carl@example.net"):
        with self.smtp() as client:
            client.sendmail(sender, [to] if isinstance(to, str) else to, text.encode())

    def wait_inbox(self, n, user=USER, password=PASSWORD, seconds=30):
        """The messages of the INBOX as text, once there are n."""
        deadline = time.monotonic() + seconds
        while True:
            mails = self.inbox(user, password)
            if len(mails) >= n:
                return [mail.decode("utf-8", "replace") for mail in mails]
            if time.monotonic() > deadline:
                raise AssertionError(f"{len(mails)} of {n} messages came:\n{self.text()[-4000:]}")
            time.sleep(0.1)

    def inbox(self, user=USER, password=PASSWORD, mailbox="INBOX"):
        """All messages of a mailbox, as bytes."""
        with self.imap(user, password) as client:
            status, _ = client.select(mailbox, readonly=True)
            assert status == "OK"
            _, found = client.search(None, "ALL")
            return [client.fetch(n, "(BODY.PEEK[])")[1][0][1] for n in found[0].split()]
