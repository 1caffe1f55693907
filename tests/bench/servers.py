"""The servers that are measured, each started from nothing in a directory, on loopback.

Every class has: name, unavailable() (None, or why it is skipped), start(), stop(), pids(), port, options of
the load generator, arrived() - how many messages are where they belong: in the Maildirs of its users or,
when it was given a sink, there - and clear(), which removes them.
"""

import contextlib
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

import dovecot  # noqa: E402
import opensmtpd  # noqa: E402
import postfix  # noqa: E402
from daemon import MAILSERVCTL, Daemon, free_port  # noqa: E402
from jail import listens, wait_for  # noqa: E402

DOMAIN = "example.org"
ELSEWHERE = "elsewhere.example"


def tree(pid):
    """A process and all that descend from it."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                parent = pathlib.Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()[1]
                children.setdefault(int(parent), []).append(int(entry))
    found, look = [], [pid]
    while look:
        found.append(look.pop())
        look += children.get(found[-1], [])
    return found


def count_messages(maildirs):
    """Messages that are in the Maildirs."""
    n = 0
    for maildir in maildirs:
        for name in ("new", "cur"):
            with contextlib.suppress(FileNotFoundError):
                n += len(os.listdir(maildir / name))
    return n


def clear(maildirs):
    """Removes all messages."""
    for maildir in maildirs:
        for name in ("new", "cur"):
            with contextlib.suppress(FileNotFoundError):
                for entry in os.scandir(maildir / name):
                    os.unlink(entry.path)


class Sink:
    """The process that takes mail and throws it away, counting (sink.c)."""

    program = None

    def __init__(self):
        self.port = free_port()
        self.counts = tempfile.NamedTemporaryFile(prefix="sink-")
        self.process = None

    def start(self):
        self.process = subprocess.Popen([self.program, str(self.port), self.counts.name])
        wait_for(lambda: listens(self.port), "the sink does not start", self.process)

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def count(self, which=1):
        """Messages (0) or recipients (1) that it took."""
        data = pathlib.Path(self.counts.name).read_bytes()
        return struct.unpack("=QQ", data)[which] if len(data) == 16 else 0


class Server:
    """What all of them have in common."""

    lmtp = False

    def __init__(self, directory, users, sink=None):
        self.directory, self.users, self.sink = pathlib.Path(directory), users, sink
        self.names = [f"user{i}" for i in range(users)]

    @property
    def options(self):
        return (["-l"] if self.lmtp else []) + (["-d", ELSEWHERE] if self.sink else [])

    def arrived(self):
        return self.sink.count() if self.sink else count_messages(self.maildirs())

    def clear(self):
        if not self.sink:
            clear(self.maildirs())


class Ours(Server):
    """mailservd, taking mail as an MX without TLS."""

    name = "mailservd"

    def __init__(self, directory, users, sink=None, words=""):
        super().__init__(directory, users, sink)
        self.daemon = None
        self.words = "log_level = info\nlimits { messages = 1000000 recipients = 10000 }\n" + words
        if sink:
            self.words += (f'route "*" {{ host = "127.0.0.1" port = {sink.port} tls = none accept = true }}\n'
                           "queue { connection_messages = 1000 }\n")

    @staticmethod
    def unavailable():
        return None

    def start(self):
        before, tempfile.tempdir = tempfile.tempdir, str(self.directory)
        try:
            self.daemon = Daemon(words=self.words, listeners={"smtp": "role = mx tls = none"}, accounts=False)
        finally:
            tempfile.tempdir = before
        self.daemon.passwd.write_text("".join(f"{name}@{DOMAIN}:{{PLAIN}}x\n" for name in self.names))
        self.daemon.start()
        self.port = self.daemon.ports["smtp"]

    def stop(self):
        if self.daemon:
            self.daemon.stop()

    def pids(self):
        return tree(self.daemon.process.pid)

    def maildirs(self):
        return [self.daemon.mail / DOMAIN / name for name in self.names]


class Postfix(Server):
    """Postfix: smtpd, cleanup, qmgr, and virtual(8) into Maildirs or smtp(8)."""

    name = "postfix"
    unavailable = staticmethod(postfix.unavailable)

    def __init__(self, directory, users, sink=None):
        super().__init__(directory, users, sink)
        self.server = postfix.Postfix(
            (DOMAIN,), users=self.names, directory=directory, log=False, relay=sink and sink.port,
            settings={"queue_run_delay": "300s", "minimal_backoff_time": "300s", "message_size_limit": "50000000",
                      "smtpd_recipient_limit": "10000", "smtp_tls_security_level": "none"})

    def start(self):
        self.server.start()
        self.port = self.server.port

    def stop(self):
        self.server.stop()

    def pids(self):
        return self.server.pids()

    def maildirs(self):
        return [self.server.maildir(name) for name in self.names]


class OpenSMTPD(Server):
    """OpenSMTPD: its queue, then mail.maildir or its mta."""

    name = "opensmtpd"
    unavailable = staticmethod(opensmtpd.unavailable)

    def __init__(self, directory, users, sink=None):
        super().__init__(directory, users, sink)
        self.server = opensmtpd.OpenSMTPD(
            (DOMAIN,), directory=directory, relay_url=sink and f"smtp+notls://127.0.0.1:{sink.port}",
            settings="smtp limit max-mails 1000000\nsmtp limit max-rcpt 10000\nsmtp max-message-size 50M")

    def start(self):
        self.server.start()
        self.port = self.server.port

    def stop(self):
        self.server.stop()

    def pids(self):
        return self.server.pids()

    def maildirs(self):
        return [self.server.maildir(name) for name in self.names]


class Dovecot(Server):
    """Dovecot's LMTP, saving as it does by default."""

    name = "dovecot-lmtp"
    lmtp = True
    unavailable = staticmethod(dovecot.unavailable)

    def __init__(self, directory, users, sink=None):
        super().__init__(directory, users, sink)
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="dovecot-bench-", dir=directory))
        self.home.chmod(0o755)
        self.server = dovecot.Dovecot(self.home, lmtp=True, settings=f"mail_location = maildir:{self.home}/%n\n"
                                      "auth_username_format = %Ln\n")

    def start(self):
        self.server.start()
        self.port = self.server.lmtp_port

    def stop(self):
        self.server.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def pids(self):
        return tree(self.server.process_id())

    def maildirs(self):
        return [self.home / name for name in self.names]


ALL = {server.name: server for server in (Ours, Postfix, OpenSMTPD, Dovecot)}
RELAYS = {server.name: server for server in (Ours, Postfix, OpenSMTPD)}


def run_json(command):
    """Runs a program that prints a line of JSON."""
    got = subprocess.run(list(map(str, command)), check=False, capture_output=True, text=True)
    if got.returncode != 0:
        raise RuntimeError(" ".join(map(str, command)) + ": " + got.stderr.strip()[-500:])
    return json.loads(got.stdout)
