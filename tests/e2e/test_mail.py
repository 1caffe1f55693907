"""Mail in over SMTP and LMTP, out over IMAP, against the running daemon."""

import os
import smtplib
import socket
import time
import unittest

from daemon import BARE, BARE_PASSWORD, OTHER, OTHER_PASSWORD, PASSWORD, USER, Daemon, message


class Mail(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Daemon(words='postmaster = "bert@example.org"').start()

    @classmethod
    def tearDownClass(cls):
        cls.d.stop()

    def refused(self, code, function, *args):
        with self.assertRaises((smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused)) as caught:
            function(*args)
        if isinstance(caught.exception, smtplib.SMTPRecipientsRefused):
            got, text = next(iter(caught.exception.recipients.values()))
        else:
            got, text = caught.exception.smtp_code, caught.exception.smtp_error
        self.assertEqual(got, code, text)
        return text.decode()

    def arrived(self, subject, user=USER, password=PASSWORD, mailbox="INBOX"):
        found = [m for m in self.d.inbox(user, password, mailbox) if f"Subject: {subject}\r\n".encode() in m]
        self.assertEqual(len(found), 1, f"{subject} in {mailbox} of {user}")
        return found[0]

    def test_incoming(self):
        text = message("incoming", "line\r\n.dot\r\n..dots\r\n")
        self.d.deliver(text)
        got = self.arrived("incoming")
        self.assertTrue(got.endswith(text.encode()), got)
        head = got[: -len(text)].decode()
        self.assertTrue(head.startswith("Return-Path: <carl@example.net>\r\n"), head)
        self.assertIn(f"\r\nDelivered-To: {USER}\r\n", head)
        self.assertRegex(head, r"\r\nReceived: from \S+ \(\[127\.0\.0\.1\]\)\r\n\tby localhost with ESMTPS")
        self.assertIn(f"for <{USER}>;", head)

    def test_submission(self):
        with self.d.smtp("submission") as client:
            client.login(USER, PASSWORD)
            client.sendmail(USER, [OTHER], b"From: a\r\nSubject: submission\r\n\r\nbody\r\n")
        got = self.arrived("submission", OTHER, OTHER_PASSWORD)
        self.assertIn(b"with ESMTPSA", got)
        self.assertIn(b"\r\nMessage-ID: <", got)
        self.assertIn(b"\r\nDate: ", got)

    def test_implicit_tls(self):
        with smtplib.SMTP_SSL("localhost", self.d.ports["submissions"], context=self.d.tls()) as client:
            client.login(BARE, BARE_PASSWORD)
            self.refused(553, client.sendmail, USER, [USER], message("x"))
            client.sendmail(f"{BARE}@example.org", [USER], message("implicit").encode())
        self.arrived("implicit")

    def test_lmtp_answers_each(self):
        with smtplib.LMTP("127.0.0.1", self.d.ports["lmtp"]) as client:
            client.ehlo_or_helo_if_needed()
            client.mail("x@example.net")
            self.assertEqual(client.rcpt(USER)[0], 250)
            self.assertEqual(client.rcpt("nobody@example.org")[0], 550)
            self.assertEqual(client.rcpt(OTHER)[0], 250)
            client.putcmd("data")
            self.assertEqual(client.getreply()[0], 354)
            client.send(message("lmtp").encode() + b".\r\n")
            self.assertEqual([client.getreply()[0] for _ in range(2)], [250, 250])
        self.arrived("lmtp")
        self.arrived("lmtp", OTHER, OTHER_PASSWORD)

    def test_refusals(self):
        with self.d.smtp() as client:
            self.refused(550, client.sendmail, "c@example.net", ["nobody@example.org"], message("x"))
            self.refused(550, client.sendmail, "c@example.net", [BARE + "@example.org"], message("x"))
            text = self.refused(550, client.sendmail, "c@example.net", ["c@example.net"], message("x"))
            self.assertIn("elaying", text)
        with self.d.smtp("submission") as client:
            client.ehlo()
            self.assertEqual(client.mail("a@example.org")[0], 530)
            client.login(USER, PASSWORD)
            self.refused(553, client.sendmail, OTHER, ["c@example.net"], message("x"))

    def test_tag_and_folder(self):
        with self.d.imap() as client:
            self.assertEqual(client.create("lists")[0], "OK")
        self.d.deliver(message("tagged"), "anna+lists@example.org")
        self.d.deliver(message("untagged"), "anna+nofolder@example.org")
        self.arrived("tagged", mailbox="lists")
        self.arrived("untagged")

    def test_postmaster(self):
        self.d.deliver(message("to-postmaster"), "postmaster@example.com")
        self.d.deliver(message("to-postmaster-alone"), "postmaster")
        self.arrived("to-postmaster", OTHER, OTHER_PASSWORD)
        self.arrived("to-postmaster-alone", OTHER, OTHER_PASSWORD)

    def test_loop(self):
        with self.d.smtp() as client:
            self.refused(554, client.sendmail, "c@example.net", [USER],
                         message("loop", extra=f"Delivered-To: {USER}\r\n"))
            self.refused(554, client.sendmail, "c@example.net", [USER],
                         message("hops", extra="Received: from a by b; date\r\n" * 101))

    def test_several_recipients(self):
        self.d.deliver(message("several"), [USER, OTHER, "anna+x@example.org"])
        self.assertNotIn(b" for <", self.arrived("several"))
        self.arrived("several", OTHER, OTHER_PASSWORD)

    def test_large(self):
        body = ("0123456789" * 7 + "\r\n") * 20000  # 1.4 MB: through the spool file
        self.d.deliver(message("large", body))
        self.assertTrue(self.arrived("large").endswith(body.encode()))

    def test_starttls_injection(self):
        for port, line, answer in (("smtp", b"EHLO x\r\nSTARTTLS\r\nEHLO y\r\n", b"250"),
                                   ("imap", b"A STARTTLS\r\nB NOOP\r\n", b"B OK")):
            with socket.create_connection(("127.0.0.1", self.d.ports[port]), timeout=10) as s:
                time.sleep(0.1)
                s.sendall(line)
                got = b""
                try:
                    while piece := s.recv(4096):
                        got += piece
                except ConnectionResetError:
                    pass
            self.assertNotIn(b"B OK", got)
            self.assertLessEqual(got.count(b"250 "), 1)

    def test_smuggling(self):
        bare = message("smuggled").encode() + b"x\n.\nMAIL FROM:<evil@example.net>\r\n"
        with self.d.smtp() as client:
            client.ehlo()
            client.mail("c@example.net")
            client.rcpt(USER)
            client.putcmd("data")
            client.getreply()
            client.send(bare + b"\r\n.\r\n")
            code, text = client.getreply()
            self.assertEqual((code, text[:5]), (550, b"5.6.0"))
            self.assertEqual(client.noop()[0], 250)

    def test_external_delivery_is_noticed(self):
        """IDLE tells of a file another program dropped into new/."""
        self.d.deliver(message("first-of-idle"))
        with self.d.imap() as client:
            client.select("INBOX")
            client.send(b"i IDLE\r\n")
            self.assertTrue(client.readline().startswith(b"+"))
            new = self.d.mail / "example.org" / "anna" / "new"
            started = time.monotonic()
            tmp = new.parent / "tmp" / "1767225600.dropped.host"
            tmp.write_bytes(message("dropped").replace("\r\n", "\n").encode())
            self.d.own(tmp)
            os.rename(tmp, new / tmp.name)
            while b"EXISTS" not in client.readline():
                pass
            self.assertLess(time.monotonic() - started, 2.0)
            client.send(b"DONE\r\n")
            while not client.readline().startswith(b"i OK"):
                pass
        self.arrived("dropped")

    def test_two_clients_see_each_other(self):
        self.d.deliver(message("shared-view"))
        with self.d.imap() as one, self.d.imap() as two:
            one.select("INBOX")
            two.select("INBOX")
            number = one.search(None, "SUBJECT", "shared-view")[1][0].decode()
            one.store(number, "+FLAGS", "(\\Flagged work)")
            two.noop()
            flags = two.fetch(number, "(FLAGS)")[1][0]
            self.assertIn(b"\\Flagged", flags)
            self.assertIn(b"work", flags)

    def test_wrong_password_is_slow_and_unspecific(self):
        answers = []
        for user in (USER, "nobody-at-all@example.org"):
            with self.d.smtp("submission") as client:
                started = time.monotonic()
                with self.assertRaises(smtplib.SMTPAuthenticationError) as caught:
                    client.login(user, "wrong")
                answers.append((caught.exception.smtp_code, caught.exception.smtp_error))
                self.assertGreater(time.monotonic() - started, 0.5)
        self.assertEqual(answers[0], answers[1])
        self.assertEqual(answers[0][0], 535)


if __name__ == "__main__":
    unittest.main()
