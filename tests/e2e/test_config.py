"""mailserv.conf: what is refused and how that is said, defaults, and the PROXY protocol."""

import re
import smtplib
import socket
import struct
import subprocess
import time
import unittest

from daemon import MAILSERVCTL, MAILSERVD, USER, Daemon, free_port, message


def check(conf):
    return subprocess.run([str(MAILSERVD), "-n", "-c", str(conf)], capture_output=True, text=True, timeout=60, check=False)


class Mistakes(unittest.TestCase):
    """FILE:LINE, what is wrong, and what was expected."""

    @classmethod
    def setUpClass(cls):
        cls.d = Daemon()
        cls.good = cls.d.conf.read_text()

    @classmethod
    def tearDownClass(cls):
        cls.d.stop()

    def test_each(self):
        for line, expected in (
                ('colour = "green"', "no such option 'colour'; see mailserv.conf"),
                ('listen x { role = mx port = 2525 colour = "green" }', "no such option 'colour'"),
                ("limits { idle = soon }", "'soon' is not a value for idle: write seconds"),
                ("limits { message_size = 3X }", "'3X' is not a value for message_size: write octets"),
                ("limits { recipients = -1 }", "'-1' is not a value for recipients: write a whole number"),
                ("listen x { role = pop3 port = 110 }",
                 "'pop3' is not a value for role: write one of mx, submission, lmtp, imap"),
                ("listen x { role = mx tls = yes port = 1 }", "'yes' is not a value for tls: write one of starttls, implicit, none"),
                ("listen x { role = mx port = 70000 }", "port 70000 does not exist: write a number from 1 to 65535"),
                ("listen x { role = mx }", "listen x: say port = a number, or address = a path"),
                ("listen x { port = 2525 }", "listen x: say role = mx, submission, lmtp or imap"),
                ("log = paper", "'paper' is not a value for log: write syslog, stderr or the path of a file"),
                ("log_level = loud", "'loud' is not a value for log_level: write one of error, warning, info, debug"),
                ("layout = mbox", "'mbox' is not a value for layout: write one of maildir++, fs"),
                ('separator = "x"', 'separator must be "." or "/"'),
                ('location = "/var/mail/%x"', "location '/var/mail/%x' must name each account's directory with %u"),
                ('location = "/var/mail"', "must name each account's directory"),
                ('domains = {"-what?"}', "'-what?' is not a domain name for domains: write it like example.org"),
                ('hostname = "two words"', "'two words' is not a domain name for hostname"),
                ("reverse_dns = perhaps", "reverse_dns"),
                ('tls x { certificate = "c.pem" }', "certificate and key belong together: say both"),
                ('listen x { role = mx port = 2525 proxy_from = {"everybody"} }', "everybody"),
                ('listen x { role = mx port = 2525 proxy_from = {"192.0.2.0/33"} }',
                 "'192.0.2.0/33' is not a network for proxy_from: write it like 192.0.2.0/24"),
                ("listen smtp { role = mx port = 2525 }", "smtp"),
                ('prefix = "INBOX"', "prefix 'INBOX' must end with the separator"),
                ('prefix = "INBOX/"', "prefix 'INBOX/' must end with the separator, \".\""),
                ("limits { login = 99999999999 }", "login is out of range: write 1 to 2073600"),
                ('dns = "resolver.example"', "'resolver.example' is not a value for dns: write an address"),
                ('srs_domain = "two words"', "'two words' is not a domain name for srs_domain"),
                ('route "*" { helo = "two words" }', "'two words' is not a domain name for helo"),
                ('route "*" { host = "h" source = "eth0" }', 'route *: source = "eth0" is no IP address'),
                ('route "*" { host = "h" lmtp = "/l" }', "route *: say host or lmtp, not both"),
                ('route "*" { host = "h" login = "isp" }', 'say secrets = "secrets" and write there: isp user:password'),
                ('sender scanner { as = {"foo"} }', "sender scanner: 'foo' is no sender: write"),
                ("hostname \"x\"", "(missing|unexpected)")):
            with self.subTest(line):
                number = self.good.count("\n") + 1
                self.d.conf.write_text(self.good + line + "\n")
                done = check(self.d.conf)
                self.assertEqual(done.returncode, 1, done.stdout)
                where = re.escape(f"{self.d.conf}:{number}: ")
                expected = expected if "|" in expected else re.escape(expected)
                self.assertRegex(done.stderr, f"(?m)^{where}.*{expected}")
                self.assertEqual(done.stdout, "")

    def test_missing(self):
        self.assertEqual(check(self.d.dir / "absent.conf").returncode, 1)
        self.assertRegex(check(self.d.dir / "absent.conf").stderr, "absent.conf.*: .*No such file.*-c")
        self.d.conf.write_text(re.sub("(?m)^domains.*", "", self.good))
        self.assertRegex(check(self.d.conf).stderr, 'no domains: say domains = {"example.org"}')
        self.d.conf.write_text(re.sub("(?m)^user.*", 'user = "no-such-user"', self.good))
        if "user = " in self.good:
            self.assertRegex(check(self.d.conf).stderr, "the mail user no-such-user does not exist; make it with: useradd")
        self.d.conf.write_text(re.sub("(?m)^location.*", 'location = "nowhere/%u"', self.good))
        self.assertRegex(check(self.d.conf).stderr, "nowhere: the mail directory: .*; make it")

    def test_files_of_sending(self):
        def said(words):
            self.d.conf.write_text(self.good + words)
            done = check(self.d.conf)
            return done.returncode, done.stderr

        here = re.escape(str(self.d.dir))
        number = self.good.count("\n") + 1
        route = 'secrets = "logins" route "*" { host = "h" login = "isp" }\n'
        (self.d.dir / "names").write_text("root anna\nprint: \"|/bin/true\"\nlist: :include:/absent/list\nroot: anna\n")
        (self.d.dir / "logins").write_text("isp anna:secret\n")
        (self.d.dir / "logins").chmod(0o644)
        status, text = said('aliases = "names"\n')
        self.assertEqual(status, 0)
        for line in (r"names:1: there is no colon; write", "names:2: behind print: programs are not allowed; set programs = true",
                     "names:3: behind list: /absent/list: there is no such file"):
            self.assertRegex(text, f"(?m)^warning: {here}/{line}")
        self.assertNotIn("names:2", said('aliases = "names" programs = true\n')[1])
        self.assertEqual(said('aliases = "absent"\n')[0], 1)
        self.assertRegex(said('aliases = "absent"\n')[1], f"^{here}/absent: the aliases file cannot be read: No such file.*; check")
        self.assertRegex(said(route)[1], f"^warning: {here}/logins: others may read the passwords in it; say: chmod 600")
        (self.d.dir / "logins").chmod(0o600)
        self.assertEqual(said(route), (0, ""))
        (self.d.dir / "logins").write_text("ispx anna:secret\nisp \n")
        self.assertRegex(said(route)[1], f"mailserv.conf:{number}: route \\*: no line 'isp user:password' in {here}/logins; write it")
        self.assertEqual(said(route)[0], 1)
        status, text = said('route "*" { host = "h" ca = "absent.pem" }\n')
        self.assertEqual(status, 1)
        self.assertRegex(text, rf"mailserv.conf:{number}: route \*: ca {here}/absent.pem cannot be used: .*; name a PEM file")
        status, text = said('queue { directory = "/absent/far/away/queue" }\n')
        self.assertEqual(status, 1)
        self.assertRegex(text, "/absent/far: the queue's directory: No such file or directory; make it")

    def test_homes_may_be_anywhere(self):
        self.d.conf.write_text('queue { directory = "queue" }\n' + re.sub("(?m)^location.*", 'location = "%{home}/Maildir"', self.good))
        done = check(self.d.conf)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_postmaster_must_exist(self):
        with Daemon(words='postmaster = "nobody-there@example.org"') as d:
            done = d.ctl("check", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("postmaster nobody-there@example.org is no account that receives mail; add it", done.stderr)

    def test_a_directory(self):
        done = check(self.d.dir)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertEqual(done.stderr, f"{self.d.dir}: cannot be read: Is a directory; name the file with -c\n")

    def test_usage(self):
        for command in ([MAILSERVD, "-x"], [MAILSERVD, "word"], [MAILSERVCTL], [MAILSERVCTL, "frobnicate"],
                        [MAILSERVCTL, "status", "more"]):
            done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=20, check=False)
            self.assertEqual(done.returncode, 64, command)
            self.assertIn("usage: ", done.stderr)
        self.assertRegex(subprocess.run([str(MAILSERVD), "-v"], capture_output=True, text=True, check=True).stdout,
                         r"^mailservd \d+\.\d+\.\d+\n$")


class Smallest(unittest.TestCase):
    def test_under_ten_lines(self):
        d = Daemon()
        self.addCleanup(d.stop)
        port = free_port()
        lines = ['domains = {"example.org"}', 'hostname = "localhost"', 'certificate = "cert.pem"', 'key = "key.pem"',
                 'passwd = "passwd"', 'location = "mail/%d/%n"', 'control = "control"',
                 f'listen smtp {{ role = mx address = "127.0.0.1" port = {port} }}']
        lines += [line for line in d.conf.read_text().splitlines() if line.startswith("user = ")]
        self.assertLess(len(lines), 10)
        d.conf.write_text("\n".join(lines) + "\n")
        d.start()
        # What stands in no line has its default.
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
            client.ehlo()
            self.assertEqual(client.esmtp_features["size"], str(35 << 20))
            self.assertEqual(client.esmtp_features["limits"], "MAILMAX=100 RCPTMAX=1000")
        self.assertNotIn("debug: ", d.text())

    def test_of_the_manual(self):
        """With no listen section the five ports and the system's paths are meant: -n looks at them."""
        d = Daemon()
        self.addCleanup(d.stop)
        d.conf.write_text('domains = {"example.org"}\nhostname = "localhost"\ncertificate = "cert.pem"\nkey = "key.pem"\n'
                          'passwd = "passwd"\nlocation = "mail/%d/%n"\n'
                          + "".join(li + "\n" for li in d.conf.read_text().splitlines() if li.startswith("user = ")))
        self.assertEqual(check(d.conf).returncode, 0)


class Limits(unittest.TestCase):
    def test_are_used(self):
        d = Daemon(words='limits { message_size = 2K recipients = 2 messages = 2 errors = 3 hops = 3 '
                         'connections_per_address = 2 }').start()
        self.addCleanup(d.stop)
        with d.smtp() as client:
            client.ehlo()
            self.assertEqual(client.esmtp_features["size"], "2048")
            self.assertEqual(client.esmtp_features["limits"], "MAILMAX=2 RCPTMAX=2")
            client.mail("c@example.net")
            self.assertEqual([client.rcpt(to)[0] for to in (USER, "bert@example.org", "anna+x@example.org")],
                             [250, 250, 452])
            self.assertEqual(client.data("x" * 70 + "\r\n" + ("y" * 70 + "\r\n") * 40)[0], 552)
            with d.smtp() as second:
                second.noop()
                with self.assertRaises((smtplib.SMTPConnectError, smtplib.SMTPServerDisconnected)) as caught:
                    smtplib.SMTP("127.0.0.1", d.ports["smtp"], timeout=20)
                self.assertEqual(getattr(caught.exception, "smtp_code", 421), 421)
        with d.smtp() as client:
            self.assertEqual([client.docmd("FROBNICATE")[0] for _ in range(3)], [500] * 3)
            self.assertEqual(client.getreply()[0], 421)

    def test_lines_and_early_talkers(self):
        d = Daemon(words="limits { line_size = 2100 greet_delay = 1s }").start()
        self.addCleanup(d.stop)
        began = time.monotonic()
        with d.smtp() as client:
            self.assertGreater(time.monotonic() - began, 0.9)
            self.assertEqual(client.docmd("NOOP", "x" * 2090)[0], 250)
            self.assertEqual(client.docmd("NOOP", "x" * 2100)[0], 500)
        with socket.create_connection(("127.0.0.1", d.ports["smtp"]), timeout=20) as early:
            early.sendall(b"EHLO spam.example\r\n")
            self.assertTrue(early.makefile("rb").read().startswith(b"554 5.5.1 "))

    def test_out_of_range(self):
        d = Daemon()
        self.addCleanup(d.stop)
        text = d.conf.read_text()
        for what in ("idle = 0", "total = 99999999999", "errors = 0", "message_size = 0", "command_size = 8G",
                     "line_size = 2047", "line_size = 33K", "greet_delay = 6m"):
            d.conf.write_text(f"{text}limits {{ {what} }}\n")
            checked = check(d.conf)
            self.assertNotEqual(checked.returncode, 0, what)
            self.assertRegex(checked.stderr, rf"mailserv\.conf:\d+: {what.split()[0]} is out of range: write \d+ to \d+")


class Proxy(unittest.TestCase):
    """A balancer in front tells who the client is; nobody else may."""

    @classmethod
    def setUpClass(cls):
        cls.d = Daemon(listeners={
            "trusting": 'role = mx proxy_from = {"192.0.2.0/24", "127.0.0.1"}',
            "strict": 'role = mx proxy_from = {"192.0.2.0/24"}',
            "imap": 'role = imap login_in_clear = true proxy_from = {"127.0.0.0/8"}',
            "imaps": "role = imap tls = implicit"}).start()

    @classmethod
    def tearDownClass(cls):
        cls.d.stop()

    @staticmethod
    def version2(source, command=1):
        family = socket.AF_INET6 if ":" in source else socket.AF_INET
        body = (socket.inet_pton(family, source) + socket.inet_pton(family, "::1" if ":" in source else "192.0.2.1")
                + struct.pack(">HH", 4711, 25))
        return (b"\r\n\r\n\0\r\nQUIT\n" + bytes([0x20 | command, 0x21 if ":" in source else 0x11])
                + struct.pack(">H", len(body)) + body)

    def talk(self, port, first, *lines):
        """Sends a header, then lines, each after an answer; all that was answered."""
        with socket.create_connection(("127.0.0.1", self.d.ports[port]), timeout=20) as s:
            s.sendall(first)
            stream, answers = s.makefile("rb"), b""
            for line in (None, *lines):
                if line is not None:
                    s.sendall(line)
                while True:
                    got = stream.readline()
                    answers += got
                    if not got or got[3:4] == b" " or got.startswith(b"* OK") or b" OK " in got:
                        break
                if not got:
                    break
            return answers

    def test_addresses(self):
        for subject, header, address in (
                ("v1", b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 25\r\n", r"\[203\.0\.113\.7\]"),
                ("v1-six", b"PROXY TCP6 2001:db8::7 ::1 4711 25\r\n", r"\[IPv6:2001:db8::7\]"),
                ("v1-unknown", b"PROXY UNKNOWN\r\n", r"\[127\.0\.0\.1\]"),
                ("v2", self.version2("203.0.113.8"), r"\[203\.0\.113\.8\]"),
                ("v2-six", self.version2("2001:db8::8"), r"\[IPv6:2001:db8::8\]"),
                ("v2-local", self.version2("203.0.113.9", command=0), r"\[127\.0\.0\.1\]")):
            with self.subTest(subject):
                answers = self.talk("trusting", header, b"EHLO client.example\r\n", b"MAIL FROM:<c@example.net>\r\n",
                                    f"RCPT TO:<{USER}>\r\n".encode(), b"DATA\r\n", message(subject).encode() + b".\r\n",
                                    b"QUIT\r\n")
                self.assertIn(b"\r\n221 ", answers)
                found = [m for m in self.d.inbox() if f"Subject: {subject}\r\n".encode() in m]
                self.assertRegex(found[0].decode(), rf"\r\nReceived: from client\.example \({address}\)")
                peer = re.sub(r"^\\\[(IPv6:)?|\\\]$", "", address)
                self.assertRegex(self.d.text(), rf"peer={peer} ")

    def test_imap(self):
        self.assertIn(b"a OK", self.talk("imap", b"PROXY TCP4 203.0.113.20 192.0.2.1 4711 143\r\n", b"a NOOP\r\n"))
        with socket.create_connection(("127.0.0.1", self.d.ports["imap"]), timeout=20) as s:
            s.sendall(b"PROXY TCP4 203.0.113.21 192.0.2.1 4711 143\r\n")
            s.recv(1000)
            self.assertIn("203.0.113.21", self.d.ctl("who").stdout)

    def test_not_from_others(self):
        """Who is not named speaks SMTP at once: the header is an unknown command, the address its own."""
        answers = self.talk("strict", b"", b"PROXY TCP4 203.0.113.66 192.0.2.1 4711 25\r\n", b"EHLO x\r\n", b"QUIT\r\n")
        self.assertRegex(answers, rb"^220 .*\r\n500 ")
        self.assertNotIn("peer=203.0.113.66", self.d.text())

    def test_no_header(self):
        """Who must send one and does not is cut off, and the log says so."""
        for first in (b"EHLO x\r\n", b"PROXY TCP4 nonsense\r\n", b"\r\n\r\n\0\r\nQUIT\n\xff\xff\xff\xff"):
            with self.subTest(first):
                before = len(self.d.text())
                self.assertEqual(self.talk("trusting", first), b"")
                self.d.wait_log("PROXY", after=before)


if __name__ == "__main__":
    unittest.main()
