"""examples/quickstart.sh: from nothing to a mail server that has sent itself a message."""

import os
import pathlib
import pwd
import re
import shutil
import signal
import smtplib
import imaplib
import socket
import ssl
import stat
import subprocess
import tempfile
import time
import unittest

from daemon import BUILD, SOURCE

OFFSETS = (25, 587, 465, 143, 993)


def free_base():
    """A port base all of whose ports are free."""
    for base in range(12000, 30000, 1009):
        try:
            for offset in OFFSETS:
                with socket.socket() as s:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    s.bind(("127.0.0.1", base + offset))
            return base
        except OSError:
            continue
    raise RuntimeError("no free ports")


def processes_of(directory):
    """Processes whose command line names the directory."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(directory).encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            pass
    return found


class Quickstart(unittest.TestCase):
    source, build, user = SOURCE, BUILD, None

    def setUp(self):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="quickstart-"))
        self.addCleanup(shutil.rmtree, self.top, ignore_errors=True)
        if self.user:
            shutil.chown(self.top, self.user)
        self.dir = self.top / "here"
        self.base = free_base()
        self.process = None
        self.addCleanup(self.kill)

    def kill(self):
        """Whatever happened, nothing stays."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(30)

    def start(self, *options):
        """Runs it without a terminal until it says that it is running; what it said."""
        self.output = self.top / "output"
        command = ["sh", str(self.source / "examples" / "quickstart.sh"), "--dir", str(self.dir), *options]
        who = {"user": self.user, "group": pwd.getpwnam(self.user).pw_gid, "extra_groups": []} if self.user else {}
        with open(self.output, "w", encoding="utf-8") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=self.top,
                                            start_new_session=True, umask=0o022, **who)
        deadline = time.monotonic() + 240
        while "Running; stop with Ctrl-C" not in (text := self.output.read_text(encoding="utf-8")):
            self.assertIsNone(self.process.poll(), text)
            self.assertLess(time.monotonic(), deadline, text)
            time.sleep(0.1)
        return text

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        self.assertEqual(self.process.wait(30), 0, self.output.read_text(encoding="utf-8"))
        self.assertEqual(processes_of(self.dir), [])
        for offset in OFFSETS:
            with self.assertRaises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", self.base + offset), timeout=5)

    def mode(self, name):
        return stat.S_IMODE((self.dir / name).stat().st_mode)

    def account(self):
        lines = (self.dir / "account").read_text(encoding="utf-8").splitlines()
        self.assertEqual([line.split("=")[0] for line in lines], ["user", "password"])
        return [line.split("=", 1)[1] for line in lines]

    def messages(self):
        """How many messages the account has, read as a mail client with the printed settings does."""
        context = ssl.create_default_context(cafile=str(self.dir / "cert.pem"))
        with imaplib.IMAP4_SSL("localhost", self.base + 993, ssl_context=context, timeout=20) as client:
            client.login(*self.account())
            return int(client.select("INBOX")[1][0])

    def build_options(self):
        return ("--build-dir", str(self.build))

    def test_once_and_again(self):
        text = self.start("--port-base", str(self.base), *self.build_options())
        self.assertRegex(text, r"(?s)== Sent over SMTP with TLS.*It works\.\r?\n.*== Read back over IMAP with TLS.*It works\.")
        for offset in (587, 465, 143, 993):
            self.assertIn(str(self.base + offset), text)
        self.assertEqual(self.mode("account"), 0o600)
        self.assertEqual(self.mode("key.pem"), 0o600)
        self.assertEqual(self.mode("passwd"), 0o600)
        for name in ("mailserv.conf", "passwd", "cert.pem", "key.pem"):
            self.assertTrue((self.dir / name).is_file(), name)
        self.assertTrue((self.dir / "mail").is_dir())
        user, password = self.account()
        self.assertNotIn(password, text)
        self.assertNotIn(password, (self.dir / "passwd").read_text(encoding="utf-8"))
        self.assertEqual(self.messages(), 1)
        for port in (self.base + 25, self.base + 587, self.base + 465):
            kind = smtplib.SMTP_SSL if port == self.base + 465 else smtplib.SMTP
            trust = ssl.create_default_context(cafile=str(self.dir / "cert.pem"))
            with kind("localhost", port, timeout=20, **({"context": trust} if kind is smtplib.SMTP_SSL else {})) as client:
                if kind is smtplib.SMTP:
                    client.starttls(context=trust)
                if port != self.base + 25:
                    client.login(user, password)
                client.sendmail(user, [user], b"Subject: by hand\r\n\r\nbody\r\n")
        self.assertEqual(self.messages(), 4)
        self.stop()

        kept = {name: (self.dir / name).read_bytes() for name in ("account", "mailserv.conf", "passwd", "cert.pem", "key.pem")}
        self.start(*self.build_options())  # its ports too
        self.assertEqual({name: (self.dir / name).read_bytes() for name in kept}, kept)
        self.assertEqual(self.messages(), 5)
        self.stop(signal.SIGINT)

    def test_wrong_usage(self):
        for options in (("--port-base", "many"), ("--port-base", "65000"), ("--frobnicate",), ("--dir",)):
            done = subprocess.run(["sh", str(self.source / "examples" / "quickstart.sh"), *options], cwd=self.top,
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, "^quickstart: ")
        self.assertEqual(list(self.top.iterdir()), [])


@unittest.skipUnless(os.geteuid() == 0, "not root: the other tests run as an ordinary user already")
class OrdinaryUser(Quickstart):
    """The same by somebody who is nobody, in a copy of the sources, which are built there."""

    user = "nobody"

    @classmethod
    def setUpClass(cls):
        cls.source = pathlib.Path(tempfile.mkdtemp(prefix="sources-"))
        for name in ("meson.build", "meson_options.txt", "lib", "include", "frontends", "examples", "doc"):
            copy = shutil.copytree if (SOURCE / name).is_dir() else shutil.copy
            copy(SOURCE / name, cls.source / name)
        for path in (cls.source, *cls.source.rglob("*")):
            shutil.chown(path, cls.user)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.source)

    def build_options(self):
        return ()

    def test_wrong_usage(self):
        self.skipTest("the same for all")


if __name__ == "__main__":
    unittest.main()
