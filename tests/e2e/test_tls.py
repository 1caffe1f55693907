"""Certificates and handshakes of the running daemon."""

import imaplib
import os
import re
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import time
import unittest
import warnings

from daemon import MAILSERVD, PASSWORD, USER, Daemon, make_certificate, message


def serial(sock):
    """The serial number of the certificate a verified TLS socket got."""
    return sock.getpeercert()["serialNumber"]


class Handshakes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Daemon(words='tls other { certificate = "other.pem" key = "other.key" }\n'
                             'tls wild { certificate = "wild.pem" key = "wild.key" }')
        make_certificate(cls.d.dir / "other.pem", cls.d.dir / "other.key", ("mail.example.com",))
        make_certificate(cls.d.dir / "wild.pem", cls.d.dir / "wild.key", ("*.example.net",))
        cls.d.start()

    @classmethod
    def tearDownClass(cls):
        cls.d.stop()

    def connect(self, port, context, name):
        """A TLS socket to an implicit port."""
        plain = socket.create_connection(("127.0.0.1", self.d.ports[port]), timeout=20)
        return context.wrap_socket(plain, server_hostname=name)

    def test_every_port(self):
        for port in ("smtp", "submission"):
            with self.subTest(port), self.d.smtp(port) as client:
                self.assertIn(client.sock.version(), ("TLSv1.3", "TLSv1.2"))
                client.ehlo()
                self.assertFalse(client.has_extn("starttls"))
        with self.subTest("imap"), imaplib.IMAP4("localhost", self.d.ports["imap"], timeout=20) as client:
            self.assertIn("LOGINDISABLED", client.capabilities)
            client.starttls(self.d.tls())
            self.assertNotIn("LOGINDISABLED", client.capabilities)
            self.assertEqual(client.login(USER, PASSWORD)[0], "OK")
        for port, greeting in (("submissions", b"220 "), ("imaps", b"* OK ")):
            with self.subTest(port), self.connect(port, self.d.tls(), "localhost") as client:
                self.assertTrue(client.recv(200).startswith(greeting))

    def test_versions(self):
        for version, good in ((ssl.TLSVersion.TLSv1_3, True), (ssl.TLSVersion.TLSv1_2, True),
                              (ssl.TLSVersion.TLSv1_1, False)):
            with self.subTest(version), warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                context = self.d.tls()
                context.set_ciphers("DEFAULT:@SECLEVEL=0")
                context.minimum_version = context.maximum_version = version
                if good:
                    self.connect("imaps", context, "localhost").close()
                else:
                    self.assertRaises(ssl.SSLError, self.connect, "imaps", context, "localhost")
        self.d.wait_log("client offered only TLSv1.1: update it")

    def test_certificate_by_name(self):
        for name, file in (("localhost", "cert.pem"), ("mail.example.com", "other.pem"), ("a.example.net", "wild.pem")):
            with self.subTest(name):
                trust = ssl.create_default_context(cafile=str(self.d.dir / file))
                self.connect("imaps", trust, name).close()
                with smtplib.SMTP("127.0.0.1", self.d.ports["smtp"], timeout=20) as client:
                    client._host = name  # what starttls() asks for  # pylint: disable=protected-access
                    client.starttls(context=trust)
        # No name, or one we have none for: the first certificate.
        anything = ssl.create_default_context(cafile=str(self.d.cert))
        anything.check_hostname = False
        for name in (None, "unknown.example"):
            self.connect("submissions", anything, name).close()

    def test_failures_are_explained(self):
        """Who, why and what to do, in one line."""
        def untrusting(port):
            with self.assertRaises(ssl.SSLError):
                self.connect(port, ssl.create_default_context(), "localhost")

        def says(data):
            def say(port):
                with socket.create_connection(("127.0.0.1", self.d.ports[port]), timeout=20) as s:
                    s.sendall(data)
                    while s.recv(1000):
                        pass
            return say

        for port, fail, why in (
                ("imaps", untrusting, r"does not accept our certificate \(unknown CA\): use a certificate"),
                ("submissions", says(b"EHLO client.example\r\n"), r'speaks plain text \("EHLO.*"\) where TLS is expected: set'),
                ("imaps", says(b"GET / HTTP/1.1\r\n\r\n"), r"no web server|speaks plain text"),
                ("imaps", lambda port: socket.create_connection(("127.0.0.1", self.d.ports[port])).close(),
                 r"closed the connection without a word: a port scan")):
            with self.subTest(why):
                before = len(self.d.text())
                fail(port)
                self.d.wait_log("handshake failed", after=before)
                line = next(li for li in self.d.text()[before:].splitlines() if "handshake failed" in li)
                self.assertRegex(line, r"session=\S+ peer=127\.0\.0\.1 ")
                self.assertRegex(line, why)


class Reload(unittest.TestCase):
    """Certificates change while connections run."""

    def setUp(self):
        self.d = Daemon().start()
        self.addCleanup(self.d.stop)

    def renew(self):
        make_certificate(self.d.dir / "new.pem", self.d.dir / "new.key", ("localhost", "127.0.0.1"))
        os.rename(self.d.dir / "new.pem", self.d.cert)
        os.rename(self.d.dir / "new.key", self.d.key)

    def served(self):
        with socket.create_connection(("127.0.0.1", self.d.ports["imaps"]), timeout=20) as plain:
            with self.d.tls().wrap_socket(plain, server_hostname="localhost") as client:
                return serial(client)

    def signal(self):
        before = self.d.text().count("reloaded: 1 certificate, ")
        self.d.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 20
        while self.d.text().count("reloaded: 1 certificate, ") == before:
            self.assertLess(time.monotonic(), deadline, "no reload after SIGHUP")
            time.sleep(0.02)

    def test_swap(self):
        for how in (lambda: self.d.ctl("reload"), self.signal):
            old = self.served()
            with self.d.imap() as imap, self.d.smtp("submission") as smtp:
                smtp.login(USER, PASSWORD)
                smtp.mail(USER)
                smtp.rcpt(USER)
                self.renew()
                how()
                self.assertNotEqual(self.served(), old)
                # Those who were here before go on where they were.
                self.assertEqual(serial(imap.sock), old)
                self.assertEqual(smtp.data(message("while-reloading"))[0], 250)
                imap.select("INBOX")
                self.assertIn(b"while-reloading", imap.fetch(b"*", "(BODY[])")[1][0][1])
            with self.d.imap() as imap:
                imap.select("INBOX")
                imap.store("1:*", "+FLAGS", "\\Deleted")
                imap.expunge()

    def test_a_bad_pair_changes_nothing(self):
        old, trust = self.served(), self.d.tls()
        make_certificate(self.d.dir / "foreign.pem", self.d.dir / "foreign.key")
        for damage, words in (
                (lambda: shutil.copy(self.d.dir / "foreign.key", self.d.key), "this key does not belong to the certificate"),
                (lambda: self.d.cert.write_text("-----BEGIN CERTIFICATE-----\nMIIB\n"), "is damaged or cut short"),
                (lambda: self.d.cert.unlink(), "cert.pem")):
            damage()
            done = self.d.ctl("reload", check=False)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn(words, done.stdout)
            self.assertRegex(done.stderr, "(?m)^mailservctl: not reloaded: .* stays as it was$")
            with socket.create_connection(("127.0.0.1", self.d.ports["imaps"]), timeout=20) as plain:
                with trust.wrap_socket(plain, server_hostname="localhost") as client:
                    self.assertEqual(serial(client), old)
        self.renew()
        self.assertEqual(self.d.ctl("reload").returncode, 0)
        self.assertNotEqual(self.served(), old)


class Check(unittest.TestCase):
    """mailservd -n and mailservctl check say one line for each thing that is wrong, with file and remedy."""

    def setUp(self):
        self.d = Daemon(accounts=False)
        self.d.add_user(USER, PASSWORD)
        self.addCleanup(self.d.stop)

    def lines(self, status):
        """What both commands say, which is the same."""
        said = []
        for command in ([str(MAILSERVD), "-n", "-c", str(self.d.conf)], None):
            done = self.d.ctl("check", check=False) if command is None else subprocess.run(
                command, capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, status, done.stderr + done.stdout)
            said.append(done.stderr.splitlines())
        self.assertEqual(said[0], said[1])
        return said[0]

    def encrypt(self):
        subprocess.run(["openssl", "pkey", "-in", self.d.key, "-aes256", "-passout", "pass:x", "-out",
                        self.d.dir / "encrypted"], check=True, capture_output=True)
        os.rename(self.d.dir / "encrypted", self.d.key)

    def mismatch(self):
        make_certificate(self.d.dir / "foreign.pem", self.d.key)

    def make(self, names=("localhost",), valid=(-1, 30)):
        return lambda: make_certificate(self.d.cert, self.d.key, names, valid)

    def unreadable(self):
        self.d.key.unlink()
        if os.geteuid() == 0:
            self.d.key.mkdir()
        else:
            self.d.key.touch(mode=0)

    def test_one_line_each(self):
        self.assertEqual(self.lines(0), [])
        for change, file, words, status in (
                (self.d.cert.unlink, "cert.pem", "no such certificate file; correct the path", 1),
                (self.unreadable, "key.pem", "(is a directory, not a key file; name|no permission to read the key .*; give)", 1),
                (self.encrypt, "key.pem", "the key is encrypted with a pass phrase.*; decrypt it: openssl", 1),
                (self.mismatch, "key.pem", r"does not belong to the certificate in .*cert\.pem; name the key", 1),
                (lambda: shutil.copy(self.d.key, self.d.cert), "cert.pem", "holds a private key.*swapped", 1),
                (self.make(valid=(-40, -10)), "cert.pem", r"expired on \d{4}-\d\d-\d\d \(\d+ days ago\).*; renew it", 0),
                (self.make(valid=(10, 40)), "cert.pem", r"not valid before \d{4}-\d\d-\d\d.*; check this machine's clock", 0),
                (self.make(("other.example",)), "cert.pem", 'is not for "localhost" but for other.example.*; issue', 0)):
            with self.subTest(words):
                if self.d.key.is_dir():
                    self.d.key.rmdir()
                self.make()()
                change()
                lines = self.lines(status)
                self.assertEqual(len(lines), 1, lines)
                self.assertRegex(lines[0], f"^(warning: )?{re.escape(str(self.d.dir / file))}: .*{words}")
                self.assertEqual(lines[0].startswith("warning: "), status == 0)

    def test_the_start_says_so_too(self):
        self.mismatch()
        done = subprocess.run([str(MAILSERVD), "-f", "-c", str(self.d.conf)], capture_output=True, text=True, timeout=60,
                              check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(f"{self.d.key}: this key does not belong to the certificate", done.stderr)


if __name__ == "__main__":
    unittest.main()
