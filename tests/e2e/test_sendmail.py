"""sendmail: how programs of the machine send, with the daemon and without it."""

import os
import pathlib
import subprocess
import time
import unittest

from daemon import BUILD, USER, Daemon
from sink import Sink

SENDMAIL = BUILD / "frontends" / "sendmail" / "sendmail"
TEXT = "Subject: {}\n\nhello\n"


class Sendmail(unittest.TestCase):
    def setUp(self):
        self.d = Daemon()
        self.addCleanup(self.d.stop)
        self.d.start()

    def run_it(self, *args, text=TEXT.format("by-program"), status=0, **more):
        done = subprocess.run([str(SENDMAIL), "-C", str(self.d.conf), *args], input=text.encode(), capture_output=True,
                              timeout=60, check=False, **more)
        self.assertEqual(done.returncode, status, done.stderr.decode())
        return done.stderr.decode()

    def inbox(self, n):
        return self.d.wait_inbox(n)

    def test_to_a_mailbox(self):
        self.run_it("-f", "cron@example.org", USER)
        (mail,) = self.inbox(1)
        self.assertIn("Return-Path: <cron@example.org>", mail)
        for field in ("\nFrom: <cron@example.org>", "\nDate: ", "\nMessage-ID: <", "\nReceived: from "):
            self.assertIn(field, mail.replace("\r\n", "\n"))

    def test_recipients_of_the_header(self):
        self.run_it("-t", "-i", text=f"To: Anna <{USER}>\nBcc: bert@example.org\nSubject: blind\n\n.\nend\n")
        (mail,) = self.inbox(1)
        self.assertNotIn("Bcc", mail)
        self.assertIn("\r\n.\r\nend", mail)
        self.assertEqual(len(self.d.inbox("bert@example.org", "battery staple")), 1)

    def test_refused(self):
        said = self.run_it("nobody-here@example.org", status=67)
        self.assertIn("550 5.1.1", said)
        self.assertIn("usage:", self.run_it("-bz", status=64))
        self.assertIn("no recipients", self.run_it(status=64))

    def test_dot_ends(self):
        self.run_it(USER, text="Subject: dot\n\nabove\n.\nbelow\n")
        (mail,) = self.inbox(1)
        self.assertIn("above", mail)
        self.assertNotIn("below", mail)

    def test_null_sender_and_name(self):
        self.run_it("-f", "", "-F", 'Back"up\nX: y', USER)
        (mail,) = self.inbox(1)
        self.assertIn("Return-Path: <>", mail)
        self.assertIn('From: "BackupX: y" <', mail)

    def test_daemon_down(self):
        self.d.stop(remove=False)
        os.chmod(self.d.dir / "drop", 0o1777)
        self.run_it(USER, text=TEXT.format("left behind"))
        drop = pathlib.Path(self.d.dir / "drop")
        self.assertEqual(len(list(drop.glob("mail.*"))), 1)
        self.d.start()
        (mail,) = self.inbox(1)
        self.assertIn("Subject: left behind", mail)
        self.d.wait_log("was taken")
        self.assertEqual(list(drop.iterdir()), [])

    def test_text_no_message_may_have(self):
        self.run_it(USER, text="Subject: a\rBcc: bert@example.org\n\n10%\r20%\r\0\r\n" + "x" * 5000 + "\n")
        (mail,) = self.inbox(1)
        self.assertIn("\r\nSubject: a Bcc: bert@example.org\r\n", mail)
        self.assertIn("\r\n\r\n10%\r\n20%\r\n", mail)
        self.assertIn("x" * 5000, mail)

    def test_what_is_not_taken_now_waits(self):
        (self.d.dir / "later").write_text("wait: error:451 4.7.0 Later\n")
        self.d.stop(remove=False)
        self.d.words = 'aliases = "later"\n'
        self.d.write_conf()
        self.d.start()
        os.chmod(self.d.dir / "drop", 0o1777)
        drop = pathlib.Path(self.d.dir / "drop")
        self.assertIn("451 4.7.0 Later", self.run_it(USER, "wait@example.org", "nobody-here@example.org", status=67))
        self.inbox(1)
        (self.d.dir / "later").write_text(f"wait: {USER}\n")
        self.d.wait_log("was taken")
        self.assertEqual(len(self.inbox(2)), 2)
        self.d.ctl("pause", "in")
        self.assertIn("tried again later", self.run_it("wait@example.org"))
        self.d.ctl("resume", "in")
        self.assertEqual(len(self.inbox(3)), 3)
        deadline = time.monotonic() + 30
        while list(drop.iterdir()):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)

    @unittest.skipUnless(os.geteuid() == 0, "needs root to become somebody else")
    def test_other_users(self):
        # The programs may lie where an ordinary user cannot reach them.
        (self.d.dir / "sendmail").write_bytes(SENDMAIL.read_bytes())
        os.chmod(self.d.dir / "sendmail", 0o755)
        libraries = ":".join(str(BUILD / p) for p in ("lib", "lib/uv"))
        probe = subprocess.run(["ls", libraries.split(":")[0]], user="daemon", capture_output=True, check=False)
        if probe.returncode:
            self.skipTest("the build directory is closed to other users")
        for running in (True, False):
            if not running:
                self.d.stop(remove=False)
            done = subprocess.run([str(self.d.dir / "sendmail"), "-C", str(self.d.conf), USER], user="daemon", group="daemon",
                                  extra_groups=[], input=TEXT.format(f"running {running}").encode(), capture_output=True,
                                  env={"LD_LIBRARY_PATH": libraries}, timeout=60, check=False)
            self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.d.start()
        mails = self.inbox(2)
        for mail in mails:
            self.assertIn("Return-Path: <daemon@example.org>", mail)

    def test_smtp_on_standard_input(self):
        done = subprocess.run([str(SENDMAIL), "-C", str(self.d.conf), "-bs"], capture_output=True, timeout=60, check=True,
                              input=f"EHLO x\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<{USER}>\r\nDATA\r\n"
                                    "Subject: by hand\r\n\r\nhello\r\n.\r\nQUIT\r\n".encode())
        said = done.stdout.decode()
        self.assertIn("221 2.0.0", said)
        self.assertEqual(len(self.inbox(1)), 1)

    def test_text_beyond_ascii_needs_no_extension(self):
        sink = Sink()
        self.addCleanup(sink.stop)
        self.d.stop(remove=False)
        self.d.words = f'route "*" {{ host = "127.0.0.1" port = {sink.port} tls = none }}\n'
        self.d.write_conf()
        self.d.start()
        self.run_it("-oi", "-h", "5", "bob@example.net", text="Subject: \u00e4\n\n\u00e4\n")
        (mail,) = sink.wait(1)
        self.assertIn("Subject: \u00e4\r\n".encode(), mail.data)

    def test_options_without_a_message(self):
        for option in ("-q", "-q30m", "-I", "-bi", "-bp"):
            self.run_it(option)

    def test_queue(self):
        done = subprocess.run([str(SENDMAIL), "-C", str(self.d.conf), "-bp"], capture_output=True, timeout=60, check=True)
        self.assertEqual(done.stdout, b"")
