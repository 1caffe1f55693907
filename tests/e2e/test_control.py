"""mailservctl and signals: what runs, who is there, accounts that change, processes that die."""

import base64
import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import time
import unittest

from daemon import BARE, MAILSERVCTL, MAILSERVD, OTHER, OTHER_PASSWORD, PASSWORD, USER, Daemon, message


def children(pid):
    """The processes whose parent is pid."""
    return [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def alive(pid):
    try:
        return " Z " not in pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False


def plain(user, password):
    """The initial response of PLAIN (RFC 4616)."""
    return base64.b64encode(f"\0{user}\0{password}".encode()).decode()


class Control(unittest.TestCase):
    def setUp(self):
        self.d = Daemon().start()
        self.addCleanup(self.d.stop)

    def child(self):
        (pid,) = children(self.d.process.pid)
        return pid

    def can_log_in(self, user, password):
        with self.d.smtp("submission") as client:
            client.ehlo()
            return client.docmd("AUTH PLAIN", plain(user, password))[0] == 235

    def until(self, condition, seconds=3):
        deadline = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), deadline, self.d.text()[-2000:])
            time.sleep(0.05)

    # -- Questions ---------------------------------------------------------------

    def test_status(self):
        with self.d.imap() as client:
            client.select("INBOX")
            rows = dict(re.split(r"  +", row, maxsplit=1) for row in self.d.ctl("status").stdout.splitlines())
        self.assertRegex(rows["version"], r"^\d+\.\d+\.\d+$")
        self.assertEqual(rows["process"], str(self.child()))
        self.assertRegex(rows["running"], r"^\d+ s$")
        self.assertEqual(rows["accounts"], "3")
        self.assertEqual(rows["connections"], "1 imap, 0 smtp, 0 submission, 0 lmtp")
        self.assertEqual(rows["imap logins"], "1, 0 failed")
        self.assertRegex(rows["certificate"], r"^expires in (29|30) days$")

    def test_who(self):
        with self.d.imap() as imap, self.d.smtp("submission") as smtp:
            imap.create("Work")
            imap.select("Work")
            smtp.login(OTHER, OTHER_PASSWORD)
            head, *rows = self.d.ctl("who").stdout.splitlines()
        self.assertEqual(head.split(), ["PROTOCOL", "SESSION", "USER", "FROM", "STATE", "TLS", "MAILBOX", "SINCE"])
        self.assertEqual(len(rows), 2)
        self.assertRegex(rows[0], rf"^imap +\S+ +{USER} +127\.0\.0\.1 +\S+ +TLSv1\.3 +Work +\d+s$")
        self.assertRegex(rows[1], rf"^submission +\S+ +{OTHER} +127\.0\.0\.1 +\S+ +TLSv1\.3 +- +\d+s$")

    def test_check(self):
        done = self.d.ctl("check")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("configuration is good", done.stdout)
        self.d.passwd.unlink()
        done = self.d.ctl("check", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, rf"^{re.escape(str(self.d.passwd))}: .*; .*\n$")

    def test_nobody_there(self):
        self.d.stop(remove=False)
        for command in ("status", "who", "reload"):
            done = self.d.ctl(command, check=False)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn("is mailservd running with this configuration?", done.stderr)
        self.assertFalse((self.d.dir / "control").exists())

    def test_too_many_ask(self):
        with contextlib.ExitStack() as stack:
            for _ in range(16):
                idle = stack.enter_context(socket.socket(socket.AF_UNIX))
                idle.connect(str(self.d.dir / "control"))
            done = self.d.ctl("status", check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("too many ask at once; try again", done.stderr)
        deadline = time.monotonic() + 30
        while self.d.ctl("status", check=False).returncode != 0:
            self.assertLess(time.monotonic(), deadline)

    def test_requests_that_are_none(self):
        for request in (b"\0\n", b"x" * 5000, b"garbage\n", b"[1]\n", b"[]\n", b"[" * 4000 + b"\n", b'["pause"]\n',
                        b'["explain","a\\u0000b","","",""]\n', b'["queue","body","../../passwd"]\n'):
            with self.subTest(request[:30]), socket.socket(socket.AF_UNIX) as s:
                s.settimeout(30)
                s.connect(str(self.d.dir / "control"))
                try:
                    s.sendall(request)
                    answer = s.recv(4096)
                except ConnectionError:
                    answer = b""
                self.assertRegex(answer, b'^({"error":.*}\n)?$')
        self.assertEqual(self.d.ctl("status").returncode, 0)

    def test_socket_is_private(self):
        self.assertEqual((self.d.dir / "control").stat().st_mode & 0o777, 0o600)
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(self.d.dir / "control"))
            s.sendall(b"x" * 5000)  # no request: forgotten, and harms nobody
            s.sendall(b"\n")
        self.assertEqual(self.d.ctl("status").returncode, 0)

    # -- Accounts ------------------------------------------------------------------

    def test_changes_are_seen(self):
        def user(*args, password=""):
            done = subprocess.run([str(MAILSERVCTL), "user", *args], input=password, text=True, capture_output=True,
                                  check=True, timeout=60)
            return done.stdout
        file = ("--file", str(self.d.passwd))
        quick = ("--scheme", "SSHA512")
        user("add", *quick, *file, "new@example.org", password="first\n")
        self.until(lambda: self.can_log_in("new@example.org", "first"))
        self.d.deliver(message("to-new"), "new@example.org")
        self.assertEqual(len(self.d.inbox("new@example.org", "first")), 1)
        user("passwd", *quick, *file, "new@example.org", password="second\n")
        self.d.wait_log("accounts")
        time.sleep(2)
        self.assertTrue(self.can_log_in("new@example.org", "second"))
        self.assertFalse(self.can_log_in("new@example.org", "first"))
        self.assertIn("new@example.org", user("list", *file))
        user("remove", *file, "new@example.org")
        self.d.wait_log(": 3 accounts", after=self.d.text().rindex(": 4 accounts"))
        self.assertFalse(self.can_log_in("new@example.org", "second"))
        with self.d.smtp() as client:
            client.ehlo()
            client.mail("c@example.net")
            self.assertEqual(client.rcpt("new@example.org")[0], 550)

    def test_broken_line(self):
        lines = self.d.passwd.read_text().splitlines()
        self.d.passwd.write_text("\n".join(["# accounts", "no-colon-here", "../../etc:x", *lines]) + "\n")
        for number in (2, 3):
            self.d.wait_log(f"{self.d.passwd}:{number}: ")
        self.assertTrue(self.can_log_in(USER, PASSWORD))
        done = self.d.ctl("check", check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, rf"{re.escape(str(self.d.passwd))}:2: ")

    def test_half_written(self):
        """A file that is empty or gone for a moment locks nobody out."""
        whole = self.d.passwd.read_bytes()
        self.d.passwd.write_bytes(b"")
        time.sleep(1.5)
        self.assertTrue(self.can_log_in(USER, PASSWORD))
        self.d.passwd.write_bytes(whole[:10])
        time.sleep(1.5)
        self.assertTrue(self.can_log_in(USER, PASSWORD))
        self.d.passwd.unlink()
        time.sleep(1.5)
        self.assertTrue(self.can_log_in(USER, PASSWORD))
        done = self.d.ctl("reload", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("passwd", done.stdout)
        self.assertTrue(self.can_log_in(USER, PASSWORD))
        self.d.passwd.write_bytes(whole)
        self.d.passwd.chmod(0o600)
        self.assertIn("3 accounts", self.d.ctl("reload").stdout)

    # -- Processes -------------------------------------------------------------------

    def test_child_is_not_root(self):
        status = pathlib.Path(f"/proc/{self.child()}/status").read_text(encoding="ascii")
        for word in ("Uid", "Gid"):
            ids = set(re.search(rf"{word}:\s+(.*)", status)[1].split())
            self.assertEqual(len(ids), 1)
            self.assertNotEqual(ids, {"0"} if word == "Uid" or os.geteuid() == 0 else set())
        if os.geteuid() == 0:
            self.assertEqual(re.search(r"Groups:(.*)", status)[1].strip(), "")
            self.assertEqual(int(re.search(r"CapEff:\s+(\w+)", status)[1], 16), 0)

    def test_child_is_started_again(self):
        self.d.deliver(message("before"))
        old = self.child()
        before = len(self.d.text())
        os.kill(old, signal.SIGTERM if "san" in os.environ.get("MAILSERV_BUILD", "") else signal.SIGSEGV)
        self.d.wait_log(" is ready: ", after=before)
        self.assertNotEqual(self.child(), old)
        self.d.deliver(message("after"))
        self.assertEqual(len(self.d.inbox()), 2)
        self.d.log_file.write_text("")  # stop() looks for accidents: this was none

    def test_parent_dies(self):
        """The child does not outlive its parent."""
        child = self.child()
        self.d.process.kill()
        self.d.process.wait()
        self.until(lambda: not alive(child), seconds=10)
        self.d.start()  # its ports and its socket are free again

    def test_stop(self):
        child = self.child()
        with self.d.imap() as client:
            started = time.monotonic()
            self.d.process.send_signal(signal.SIGTERM)
            while b"BYE" not in (line := client.readline()):
                self.assertNotEqual(line, b"")
            self.assertEqual(self.d.process.wait(20), 0)
        self.assertLess(time.monotonic() - started, 8)
        self.assertFalse(alive(child))
        for port in self.d.ports.values():
            with self.assertRaises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), timeout=5)

    def test_second_start_is_refused(self):
        for change, words in ((lambda: None, "a mailservd with this configuration runs already"),
                              (lambda: self.d.conf.write_text(self.d.conf.read_text().replace('"control"', '"control2"')),
                               "another program listens there: stop it, or choose another port")):
            change()
            done = subprocess.run([str(MAILSERVD), "-f", "-c", str(self.d.conf)], capture_output=True, text=True,
                                  timeout=30, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(words, done.stderr)
        self.assertTrue(self.can_log_in(USER, PASSWORD))

    def test_background(self):
        """Without -f it returns when it listens, and goes on."""
        self.d.stop(remove=False)
        with open(self.d.log_file, "a", encoding="utf-8") as log:
            done = subprocess.run([str(MAILSERVD), "-c", str(self.d.conf)], stdin=subprocess.DEVNULL, timeout=30,
                                  check=False, stdout=log, stderr=log)
        self.assertEqual(done.returncode, 0)
        status = self.d.ctl("status").stdout
        child = int(re.search(r"process +(\d+)", status)[1])
        parent = int(re.search(r"PPid:\s+(\d+)", pathlib.Path(f"/proc/{child}/status").read_text(encoding="ascii"))[1])
        try:
            self.assertTrue(self.can_log_in(USER, PASSWORD))
            self.assertEqual(os.getsid(parent), parent)
        finally:
            os.kill(parent, signal.SIGTERM)
        self.until(lambda: not alive(child) and not alive(parent), seconds=10)

    # -- The log ---------------------------------------------------------------------

    def test_log_lines(self):
        """One line an event: session, peer, user, from, to, size, result; bytes of peers escaped."""
        with self.d.smtp("submission") as client:
            client.login(USER, PASSWORD)
            client.sendmail(USER, [OTHER], message("logged").encode())
        with self.d.smtp() as client:
            client.docmd("EHLO", "evil\x1b[31m")
            client.ehlo()
            client.docmd("MAIL", "FROM:<c@example.net>")
            client.docmd("RCPT", "TO:<nobody\x07@example.org>")
            client.docmd("RCPT", "TO:<nobody@example.org>")
        with self.d.imap() as client:
            client.append("INBOX", None, None, message("logged").encode())
        with self.d.smtp("submission") as client:
            client.ehlo()
            self.assertEqual(client.docmd("AUTH PLAIN", plain(OTHER, "wrong"))[0], 535)
        with self.assertRaises(Exception):
            with self.d.imap(BARE, "wrong"):
                pass
        text = self.d.text()
        self.assertNotRegex(text, "[\x00-\x08\x0b-\x1f\x7f]")
        here = r"session=\w+ peer=127\.0\.0\.1 "
        for line in (r"submission connect session=\w+ peer=127\.0\.0\.1$",
                     rf"submission login {here}user={USER}",
                     rf"submission message {here}user={USER} from=<?{USER}>? recipients=1 size=\d+ result=250 .*reason=",
                     rf"mta delivered session=\w+ .*from={USER} to={OTHER} .*mailbox=\S+ (uid=1 )?size=\d+ result=250",
                     rf"submission disconnect {here}user={USER} messages=1",
                     rf"smtp refused {here}.*from=<?c@example\.net>? to=<?nobody@example\.org>? result=550 .*reason=",
                     rf"submission refused {here}command=AUTH user={OTHER} result=535 .*reason=",
                     rf"imap login {here}user={USER}",
                     rf"imap append {here}user={USER} mailbox=INBOX uid=1 size=\d+",
                     rf"imap refused {here}command=LOGIN user={BARE} reason=",
                     rf"imap disconnect {here}user={USER} in=\d+ out=\d+"):
            self.assertRegex(text, "(?m)^\\S+ mailservd: " + line)


if __name__ == "__main__":
    unittest.main()
