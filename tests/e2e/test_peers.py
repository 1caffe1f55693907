"""Postfix and OpenSMTPD send mail to mailservd, and smtp-source many at a time."""

import contextlib
import time
import unittest

import opensmtpd
import postfix
from daemon import OTHER, USER, Daemon, message


def stored(daemon, user=USER):
    """The files of a user's INBOX."""
    name, domain = user.split("@")
    base = daemon.mail / domain / name
    return [path.read_bytes() for path in sorted(base.glob("**/new/*"))]


def wait_for_mail(daemon, count, user=USER, log=lambda: ""):
    deadline = time.monotonic() + 30
    while len(found := stored(daemon, user)) < count:
        if time.monotonic() > deadline:
            raise AssertionError(f"{len(found)} messages of {count}:\n{log()[-3000:]}\n{daemon.text()[-3000:]}")
        time.sleep(0.05)
    return found


class Sending(unittest.TestCase):
    def setUp(self):
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        self.stack = stack
        self.daemon = stack.enter_context(Daemon(listeners={"smtp": "role = mx", "lmtp": "role = lmtp tls = none"}))

    def send(self, server):
        server.sendmail("carl@example.net", [USER, OTHER], message("by sendmail").replace("\r\n", "\n"))
        for user in (USER, OTHER):
            found = wait_for_mail(self.daemon, 1, user, server.log)
            self.assertEqual(len(found), 1)
            self.assertIn(b"Subject: by sendmail", found[0])
            self.assertTrue(found[0].endswith(b"\nHello.\n"), found[0])
        self.assertEqual(server.queue(), [])

    @unittest.skipIf(postfix.unavailable(), postfix.unavailable())
    def test_postfix(self):
        self.send(self.stack.enter_context(postfix.Postfix((), relay=self.daemon.ports["smtp"])))

    @unittest.skipIf(postfix.unavailable(), postfix.unavailable())
    def test_postfix_by_lmtp(self):
        self.send(self.stack.enter_context(postfix.Postfix((), settings={
            "default_transport": f"lmtp:inet:127.0.0.1:{self.daemon.ports['lmtp']}"})))

    @unittest.skipIf(opensmtpd.unavailable(), opensmtpd.unavailable())
    def test_opensmtpd(self):
        self.send(self.stack.enter_context(opensmtpd.OpenSMTPD((), relay=self.daemon.ports["smtp"])))

    @unittest.skipIf(postfix.unavailable(), postfix.unavailable())
    def test_smtp_source(self):
        postfix.smtp_source("-s", "10", "-m", "200", "-l", "4096", "-f", "carl@example.net", "-t", USER,
                            f"127.0.0.1:{self.daemon.ports['smtp']}")
        self.assertEqual(len(stored(self.daemon)), 200)


if __name__ == "__main__":
    unittest.main()
