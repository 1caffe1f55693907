"""The servers that are measured, each started from nothing in a directory, on loopback.

Every class has: name, unavailable() (None, or why it is skipped), start(), stop(), pids(), port, options of
the load generator, maildirs(), stored() - how many messages are in these - and clear(), which removes them.
"""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

import dovecot  # noqa: E402
import opensmtpd  # noqa: E402
import postfix  # noqa: E402
from daemon import Daemon, free_port  # noqa: E402

DOMAIN = "example.org"


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


class Server:
    """What all of them have in common."""

    options = []

    def stored(self):
        return count_messages(self.maildirs())

    def clear(self):
        clear(self.maildirs())


class Ours(Server):
    """mailservd, accepting by `role` (mx or lmtp) without TLS."""

    name = "mailservd"

    def __init__(self, directory, users):
        self.directory, self.users = directory, users
        self.daemon = None

    @staticmethod
    def unavailable():
        return None

    def start(self):
        before, tempfile.tempdir = tempfile.tempdir, str(self.directory)
        try:
            self.daemon = Daemon(words="log_level = info\nlimits { messages = 1000000 }",
                                 listeners={"smtp": "role = mx tls = none"}, accounts=False)
        finally:
            tempfile.tempdir = before
        self.daemon.passwd.write_text("".join(f"user{i}@{DOMAIN}:{{PLAIN}}x\n" for i in range(self.users)))
        self.daemon.start()
        self.port = self.daemon.ports["smtp"]

    def stop(self):
        if self.daemon:
            self.daemon.stop()

    def pids(self):
        return tree(self.daemon.process.pid)

    def maildirs(self):
        return [self.daemon.mail / DOMAIN / f"user{i}" for i in range(self.users)]


class Postfix(Server):
    """Postfix: smtpd, cleanup, qmgr, virtual(8) into Maildirs."""

    name = "postfix"
    unavailable = staticmethod(postfix.unavailable)

    def __init__(self, directory, users):
        self.names = [f"user{i}" for i in range(users)]
        self.server = postfix.Postfix((DOMAIN,), users=self.names, directory=directory, log=False,
                                      settings={"queue_run_delay": "300s", "minimal_backoff_time": "300s",
                                                "message_size_limit": "50000000"})

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
    """OpenSMTPD: its queue, then mail.maildir."""

    name = "opensmtpd"
    unavailable = staticmethod(opensmtpd.unavailable)

    def __init__(self, directory, users):
        self.names = [f"user{i}" for i in range(users)]
        self.server = opensmtpd.OpenSMTPD((DOMAIN,), directory=directory,
                                          settings="smtp limit max-mails 1000000\nsmtp max-message-size 50M")

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
    options = ["-l"]
    unavailable = staticmethod(dovecot.unavailable)

    def __init__(self, directory, users):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="dovecot-bench-", dir=directory))
        self.home.chmod(0o755)
        self.names = [f"user{i}" for i in range(users)]
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


def run_json(command):
    """Runs a program that prints a line of JSON."""
    got = subprocess.run(list(map(str, command)), check=False, capture_output=True, text=True)
    if got.returncode != 0:
        raise RuntimeError(" ".join(map(str, command)) + ": " + got.stderr.strip()[-500:])
    return json.loads(got.stdout)
