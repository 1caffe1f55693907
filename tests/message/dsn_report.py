"""Notifications as Python's email package reads them: dsn_report.py DSN_SAMPLE."""
import email
import email.policy
import subprocess
import sys
import unittest

SAMPLE = sys.argv.pop(1)


def written(name):
    text = subprocess.run([SAMPLE, name], stdout=subprocess.PIPE, check=True).stdout
    return text, email.message_from_bytes(text, policy=email.policy.default)


def groups(part):
    """The groups of fields of message/delivery-status."""
    return [dict(group.items()) for group in part.get_payload()]


class Report(unittest.TestCase):
    def check_shape(self, report, second, third):
        """RFC 6522 3."""
        self.assertEqual(report.defects, [])
        self.assertEqual(report.get_content_type(), "multipart/report")
        self.assertEqual(report.get_param("report-type"), "delivery-status")
        parts = report.get_payload()
        self.assertEqual([p.get_content_type() for p in parts], ["text/plain", second, third])
        for part in parts:
            self.assertEqual(part.defects, [])
        return parts

    def test_header(self):
        text, report = written("")
        self.check_shape(report, "message/delivery-status", "text/rfc822-headers")
        self.assertEqual(report["From"].addresses[0].addr_spec, "MAILER-DAEMON@mx.example.org")
        self.assertEqual(report["To"].addresses[0].addr_spec, "ann@example.org")
        self.assertEqual(report["Auto-Submitted"], "auto-replied")
        self.assertEqual(report["In-Reply-To"], "<one@example.org>")
        self.assertEqual(report["Date"].datetime.isoformat(), "2026-11-26T20:00:00+00:00")
        for name in "From", "To", "Subject", "Date", "Message-ID", "MIME-Version":
            self.assertEqual(len(report.get_all(name)), 1)
        self.assertTrue(text.isascii())
        self.assertEqual(text.count(b"\n"), text.count(b"\r\n"))
        self.assertTrue(text.endswith(b"\r\n"))
        self.assertLessEqual(max(map(len, text.split(b"\r\n"))), 78)

    def test_words(self):
        words, _, _ = written("")[1].get_payload()
        text = words.get_content()
        self.assertIn("There is no mailbox of that name at example.com.", text)
        self.assertIn("Subject: Lunch", text)

    def test_fields(self):
        _, fields, _ = written("")[1].get_payload()
        message, *recipients = groups(fields)
        self.assertEqual(message["Reporting-MTA"], "dns; mx.example.org")
        self.assertEqual(message["Original-Envelope-Id"].split(), ["QQ314159", "x"])
        self.assertEqual([r["Action"] for r in recipients],
            ["failed", "failed", "delayed", "delivered"])
        self.assertEqual([r["Status"] for r in recipients], ["5.1.1", "4.4.1", "4.3.1", "2.1.5"])
        self.assertEqual(recipients[0]["Final-Recipient"], "rfc822;bob@example.com")
        self.assertEqual(recipients[0]["Original-Recipient"], "rfc822;Bob+x@Example.com")
        self.assertEqual(recipients[0]["Remote-MTA"], "dns; mx1.example.com")
        self.assertEqual(recipients[0]["Diagnostic-Code"], "smtp; 550 5.1.1 <bob@example.com>: "
            "Recipient address rejected: User unknown in virtual mailbox table")
        self.assertNotIn("Original-Recipient", recipients[1])

    def test_returned_header(self):
        _, _, header = written("")[1].get_payload()
        original = email.message_from_string(header.get_content())
        self.assertEqual(original["Subject"], "Lunch")
        self.assertEqual(original["Message-ID"], "<one@example.org>")
        self.assertEqual(original.get_payload(), "")

    def test_returned_message(self):
        _, report = written("full")
        parts = self.check_shape(report, "message/delivery-status", "message/rfc822")
        original = parts[2].get_payload(0)
        self.assertEqual(original["Subject"], "Lunch")
        self.assertEqual(original.get_payload().replace("\r\n", "\n"),
            "At noon?\n.\n--\nAnn\n")

    def test_utf8_header(self):
        text, report = written("utf8")
        parts = self.check_shape(report, "message/delivery-status", "message/global-headers")
        self.assertTrue(text.isascii())
        self.assertIn("<jörg@example.com>", parts[0].get_content())
        self.assertEqual(groups(parts[1])[1]["Final-Recipient"], r"utf-8;j\x{F6}rg@example.com")
        self.assertIn("Subject: Grüße\r\n", self.payload(text, 2).decode())

    def test_utf8_message(self):
        text, report = written("utf8 full")
        self.check_shape(report, "message/delivery-status", "message/global")
        self.assertTrue(text.isascii())
        self.assertEqual(self.payload(text, 2).decode(),
            "Message-ID: <two@example.org>\r\nSubject: Grüße\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n"
            "Content-Transfer-Encoding: 8bit\r\n\r\nBlöde = Sache \r\n")

    def test_smtputf8(self):
        text, report = written("smtputf8 full")
        self.check_shape(report, "message/global-delivery-status", "message/global")
        self.assertIn("To: <änn@example.org>\r\n".encode(), text)
        self.assertIn("Final-Recipient: utf-8;jörg@example.com\r\n", self.payload(text, 1).decode())
        self.assertIn("Blöde = Sache", self.payload(text, 2).decode())

    @staticmethod
    def payload(text, number):
        """A part's octets with its transfer encoding undone.  The package takes the types of
        RFC 6533 for messages and does not decode them."""
        boundary = text.split(b'boundary="')[1].split(b'"')[0]
        part = text.split(b"\r\n--" + boundary)[1 + number]
        header, _, body = part[2:].partition(b"\r\n\r\n")
        relabelled = header.replace(b"message/global", b"application/x") + b"\r\n\r\n" + body
        return email.message_from_bytes(relabelled).get_payload(decode=True)


if __name__ == "__main__":
    unittest.main(verbosity=2)
