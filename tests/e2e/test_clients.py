"""Real mail programs against the running daemon."""

import imaplib
import itertools
import os
import pathlib
import pty
import select
import shutil
import smtplib
import subprocess
import tempfile
import time
import unittest

from daemon import OTHER, OTHER_PASSWORD, PASSWORD, USER, Daemon, message

# Programs ask only what the test gives them: no configuration of whoever runs it.
ENVIRONMENT = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TERM": "vt100"}
# Logins that fail come from other addresses: those that follow from the same are slowed down.
ELSEWHERE = (f"127.0.0.{n}" for n in itertools.count(2))


class Client(unittest.TestCase):
    """One program, one daemon; SCRAM is offered, so programs that can will use it."""

    program = None
    options = ("--scram",)

    @classmethod
    def setUpClass(cls):
        if cls.program and not shutil.which(cls.program):
            raise unittest.SkipTest(f"{cls.program} is not installed")
        cls.d = Daemon(accounts=False)
        for name, password in ((USER, PASSWORD), (OTHER, OTHER_PASSWORD)):
            cls.d.add_user(name, password, *cls.options)
        cls.d.start()
        cls.home = pathlib.Path(tempfile.mkdtemp(prefix="client-"))

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.home)
        cls.d.stop()

    def run_program(self, *command, status=0, stdin=None):
        """What the program wrote; fails unless it exits with that status."""
        done = subprocess.run([str(c) for c in command], input=stdin, capture_output=True, text=True, timeout=60,
                              env={**ENVIRONMENT, "HOME": str(self.home)}, cwd=self.home, check=False)
        self.assertEqual(done.returncode, status, f"{command}\n{done.stdout}\n{done.stderr}\n{self.d.text()[-1000:]}")
        return done.stdout

    def file(self, name, text):
        path = self.home / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        return path

    def arrived(self, subject, user=USER, password=PASSWORD, mailbox="INBOX"):
        found = [m for m in self.d.inbox(user, password, mailbox) if f"Subject: {subject}\r\n".encode() in m]
        self.assertEqual(len(found), 1, f"{subject} in {mailbox} of {user}")
        return found[0]


class Curl(Client):
    program = "curl"

    def curl(self, scheme, port, path, *options, user=USER, password=PASSWORD, status=0):
        return self.run_program(
            "curl", "--silent", "--show-error", "--ssl-reqd", "--cacert", self.d.cert, "--user", f"{user}:{password}",
            "--url", f"{scheme}://localhost:{self.d.ports[port]}/{path}", *options, status=status)

    def test_send(self):
        for scheme, port in (("smtp", "submission"), ("smtps", "submissions")):
            with self.subTest(scheme):
                subject = f"curl-{scheme}"
                self.curl(scheme, port, "", "--mail-from", USER, "--mail-rcpt", OTHER, "--mail-rcpt", USER,
                          "--upload-file", self.file("message", message(subject)))
                self.assertIn(b"with ESMTPSA", self.arrived(subject))
                self.arrived(subject, OTHER, OTHER_PASSWORD)

    def test_refused(self):
        text = self.file("message", message("never"))
        send = ("--mail-from", USER, "--upload-file", text)
        for scheme, port, path, options, more, status in (
                ("smtp", "submission", "", (*send, "--mail-rcpt", "nobody@example.org"), {}, 55),
                ("smtp", "submission", "", (*send, "--mail-rcpt", USER), {"password": "wrong"}, 67),
                ("imaps", "imaps", "", (), {"password": "wrong"}, 67),
                ("imap", "imap", "INBOX", (), {"user": "nobody@example.org"}, 67)):
            with self.subTest(f"{scheme} {options} {more}"):
                self.curl(scheme, port, path, *options, "--interface", next(ELSEWHERE), **more, status=status)

    def test_read(self):
        for scheme in ("imap", "imaps"):
            with self.subTest(scheme):
                box = f"from-{scheme}"
                text = message(box, "A line.\r\n..and dots.\r\n")
                self.curl(scheme, scheme, "", "--request", f"CREATE {box}")
                self.curl(scheme, scheme, box, "--upload-file", self.file("message", text))
                self.assertIn(f"LIST (\\HasNoChildren) \".\" {box}", self.curl(scheme, scheme, ""))
                self.assertIn("SEARCH 1", self.curl(scheme, scheme, f"{box}?SUBJECT%20{box}"))
                whole = self.curl(scheme, scheme, f"{box};UID=1")
                self.assertEqual(whole.encode(), text.encode().replace(b"\r\n", b"\n"))
                header = self.curl(scheme, scheme, f"{box};MAILINDEX=1;SECTION=HEADER.FIELDS%20(SUBJECT)")
                self.assertEqual(header.strip(), f"Subject: {box}")
                self.curl(scheme, scheme, box, "--request", "STORE 1 +FLAGS (\\Deleted)")
                self.curl(scheme, scheme, box, "--request", "EXPUNGE")
                self.assertIn("(MESSAGES 0)", self.curl(scheme, scheme, "", "--request", f"STATUS {box} (MESSAGES)"))


class Swaks(Client):
    program = "swaks"
    options = ()

    def swaks(self, port, subject, *options, to=USER, status=0):
        return self.run_program(
            "swaks", "--server", f"127.0.0.1:{self.d.ports[port]}", "--from", USER, "--to", to, "--ehlo", "client.example",
            "--header", f"Subject: {subject}", "--suppress-data", "--timeout", "20", *options, status=status)

    def test_send(self):
        verify = ("--tls-verify", "--tls-ca-path", self.d.cert)
        auth = ("--auth-user", USER, "--auth-password", PASSWORD)
        for subject, port, options in (
                ("mx", "smtp", ()),
                ("mx-tls", "smtp", ("--tls", *verify)),
                ("mx-pipelining", "smtp", ("--pipeline",)),
                ("plain", "submission", ("--tls", *verify, "--auth", "PLAIN", *auth)),
                ("login", "submission", ("--tls", *verify, "--auth", "LOGIN", *auth)),
                ("implicit", "submissions", ("--tls-on-connect", *verify, "--auth", *auth)),
                ("lmtp", "lmtp", ("--protocol", "LMTP"))):
            with self.subTest(subject):
                self.swaks(port, "swaks-" + subject, *options)
                self.arrived("swaks-" + subject)

    def test_refused(self):
        wrong = ("--auth", "PLAIN", "--auth-user", USER, "--auth-password", "wrong")
        for port, options, to, status in (
                ("smtp", (), "nobody@example.org", 24),
                ("smtp", (), "carl@example.net", 24),
                ("submission", ("--tls",), USER, 23),  # who are you?
                ("submission", wrong, USER, 28),  # not before TLS
                ("submission", ("--tls", *wrong, "--local-interface", next(ELSEWHERE)), USER, 28)):
            with self.subTest(f"{port} {options} {to}"):
                self.swaks(port, "never", *options, to=to, status=status)

    def test_attachment(self):
        attached = self.file("data.bin", "attached\n" * 30000)
        self.swaks("smtp", "swaks-attachment", "--attach", f"@{attached}")
        self.assertIn(b"filename=\"data.bin\"", self.arrived("swaks-attachment").replace(b"filename=data.bin",
                                                                                         b"filename=\"data.bin\""))


class Msmtp(Client):
    program = "msmtp"

    def test_send(self):
        secret = self.file("secret", PASSWORD + "\n")
        for subject, port, words in (
                ("starttls", "submission", "tls_starttls on\nauth on"),
                ("implicit", "submissions", "tls_starttls off\nauth plain"),
                ("login", "submissions", "tls_starttls off\nauth login"),
                ("scram", "submission", "tls_starttls on\nauth scram-sha-256")):
            with self.subTest(subject):
                rc = self.file("msmtprc", f"account default\nhost localhost\nport {self.d.ports[port]}\nfrom {USER}\n"
                                          f"user {USER}\npasswordeval cat {secret}\ntls on\n"
                                          f"tls_trust_file {self.d.cert}\n{words}\n")
                self.run_program("msmtp", "-C", rc, OTHER, stdin=message("msmtp-" + subject))
                self.arrived("msmtp-" + subject, OTHER, OTHER_PASSWORD)


class Mutt(Client):
    program = "mutt"

    def rc(self):
        return self.file("muttrc", f"""
set from={USER} realname=Anna use_envelope_from=yes envelope_from_address={USER}
set smtp_url=smtps://{USER}@localhost:{self.d.ports["submissions"]}/ smtp_pass="{PASSWORD}"
set imap_user={USER} imap_pass="{PASSWORD}"
set folder=imaps://localhost:{self.d.ports["imaps"]}/ spoolfile=+INBOX record=+Sent
set ssl_force_tls=yes certificate_file={self.d.cert}
set wait_key=no pipe_decode=no confirmappend=no confirmcreate=no delete=yes quit=yes mail_check=0 timeout=1
set header_cache= message_cachedir=
""")

    def drive(self, mailbox, keys):
        """Types keys at mutt in a terminal of its own until it ends."""
        main, terminal = pty.openpty()
        mutt = subprocess.Popen(["mutt", "-n", "-F", str(self.rc()), "-f", mailbox, "-e", f'push "{keys}"'],
                                stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True,
                                env={**ENVIRONMENT, "HOME": str(self.home)}, cwd=self.home)
        os.close(terminal)
        screen, deadline = b"", time.monotonic() + 60
        try:
            while mutt.poll() is None:
                self.assertLess(time.monotonic(), deadline, screen[-2000:])
                if select.select([main], [], [], 0.1)[0]:
                    screen += os.read(main, 4096)
        except OSError:
            mutt.wait(20)  # the terminal is closed: it ended
        finally:
            if mutt.poll() is None:
                mutt.kill()
                mutt.wait()
            os.close(main)
        self.assertEqual(mutt.returncode, 0, screen[-2000:])

    def test_send_and_read(self):
        with self.d.imap() as client:
            client.create("Sent")
        attached = self.file("attached.txt", "gr\u00fc\u00df dich\n" * 100)
        self.run_program("mutt", "-n", "-F", self.rc(), "-s", "from mutt", "-a", attached, "--", USER,
                         stdin="Hello \u00e4\u00f6\u00fc\n")
        self.assertIn(b"with ESMTPSA", self.arrived("from mutt"))
        self.arrived("from mutt", mailbox="Sent")

        out = self.home / "out"
        self.drive("+INBOX", f"<display-message><exit><pipe-message>cat > {out}<enter><flag-message><sync-mailbox><quit>")
        self.assertIn(b"Subject: from mutt\n", out.read_bytes())
        with self.d.imap() as client:
            client.select("INBOX", readonly=True)
            flags = client.fetch("1", "(FLAGS)")[1][0]
            self.assertIn(b"\\Flagged", flags)
            self.assertIn(b"\\Seen", flags)

        self.drive("+INBOX", "<save-message>+Kept<enter><sync-mailbox><quit>")
        self.assertEqual(len(self.d.inbox()), 0)
        self.arrived("from mutt", mailbox="Kept")


class Mbsync(Client):
    program = "mbsync"

    def setUp(self):
        self.local = self.home / "local"
        self.local.mkdir()
        self.rc = self.file("mbsyncrc", f"""
IMAPAccount server
Host localhost
Port {self.d.ports["imaps"]}
User {USER}
PassCmd "cat {self.file("secret", PASSWORD)}"
SSLType IMAPS
SystemCertificates no
CertificateFile {self.d.cert}

IMAPStore far
Account server

MaildirStore near
Path {self.local}/
Inbox {self.local}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
SyncState *
""")

    def sync(self):
        return self.run_program("mbsync", "-c", self.rc, "-V", "all")

    def near(self):
        """All message files, as mailbox/cur/name."""
        return sorted(str(p.relative_to(self.local)) for p in self.local.rglob("*") if p.parent.name in ("cur", "new"))

    def far(self):
        """{mailbox: [(UID, flags)]}, \\Recent left out."""
        found = {}
        with self.d.imap() as client:
            for row in client.list()[1]:
                name = row.decode().split(' "." ')[1].strip('"')
                client.select(name, readonly=True)
                found[name] = []
                for number in client.search(None, "ALL")[1][0].split():
                    answer = client.fetch(number, "(UID FLAGS)")[1][0]
                    uid = int(answer.split(b"UID ")[1].split()[0].strip(b")"))
                    found[name].append((uid, tuple(sorted(set(imaplib.ParseFlags(answer)) - {b"\\Recent"}))))
        return found

    def local_message(self, subject):
        for path in self.near():
            if f"Subject: {subject}\n" in (self.local / path).read_text(encoding="utf-8").replace("\r", ""):
                return self.local / path
        raise AssertionError(f"no {subject} in {self.near()}")

    def test_two_way(self):
        for subject in ("one", "two", "three"):
            self.d.deliver(message(subject))
        with self.d.imap() as client:
            client.create("lists")
            client.append("lists", "(\\Seen)", None, message("filed").encode())
        self.sync()
        self.assertEqual(len(self.near()), 4)

        # Here: one is flagged, two deleted, a new message in a new folder.  There: another message, a flag.
        one = self.local_message("one")
        one.rename(one.parent.parent / "cur" / (one.name.split(":")[0] + ":2,FS"))
        two = self.local_message("two")
        two.rename(two.parent.parent / "cur" / (two.name.split(":")[0] + ":2,ST"))
        for part in ("cur", "new", "tmp"):
            (self.local / "drafts" / part).mkdir(parents=True)
        (self.local / "drafts" / "cur" / "1767225600.new.host:2,D").write_text(message("draft").replace("\r\n", "\n"),
                                                                               encoding="utf-8")
        self.d.deliver(message("four"))
        with self.d.imap() as client:
            client.select("INBOX")
            client.store(client.search(None, "SUBJECT", "three")[1][0], "+FLAGS", "(\\Answered)")
        self.sync()

        far = self.far()
        self.assertEqual({name: [flags for _, flags in rows] for name, rows in far.items()}, {
            "INBOX": [(b"\\Flagged", b"\\Seen"), (b"\\Answered",), ()],
            "lists": [(b"\\Seen",)], "drafts": [(b"\\Draft",)]})
        self.assertTrue(str(self.local_message("three")).endswith(":2,R"))
        self.local_message("four")
        self.assertEqual(len(self.near()), 5)

        near = self.near()
        for _ in range(2):
            self.sync()
            self.assertEqual(self.near(), near)
            self.assertEqual(self.far(), far)


class Python(Client):
    """smtplib and imaplib, which test_mail.py uses for nearly everything: here what it leaves out."""

    def test_smtplib(self):
        with self.d.smtp("submission") as client:
            client.ehlo()
            for word in ("pipelining", "size", "8bitmime", "smtputf8", "chunking", "enhancedstatuscodes", "limits", "auth"):
                self.assertTrue(client.has_extn(word), word)
            self.assertNotIn("starttls", client.esmtp_features)
            self.assertEqual(client.verify(USER)[0], 530)
            client.login(USER, PASSWORD)
            self.assertEqual(client.verify(USER)[0], 252)
            client.sendmail(USER, [USER], message("utf8", "gr\u00fc\u00df\r\n").encode(),
                            mail_options=["BODY=8BITMIME", "SMTPUTF8"])
            self.assertEqual(client.mail(USER, ["SIZE=999999999"])[0], 552)
            self.assertEqual(client.rset()[0], 250)
        self.assertIn("gr\u00fc\u00df".encode(), self.arrived("utf8"))
        with smtplib.SMTP("localhost", self.d.ports["submission"]) as client:
            client.ehlo()
            self.assertFalse(client.has_extn("auth"))

    def test_imaplib(self):
        with self.d.imap() as client:
            def ok(answer):
                self.assertEqual(answer[0], "OK", answer)
                return answer[1]
            ok(client.create("work"))
            ok(client.create("work.old"))
            ok(client.subscribe("work"))
            self.assertIn(b"work", ok(client.lsub())[0])
            ok(client.rename("work", "job"))
            self.assertEqual(len(ok(client.list('""', "job*"))), 2)
            uid = client.append("job", "(\\Seen kw)", imaplib.Time2Internaldate(1767225600),
                                message("appended", to=OTHER).encode())[1][0]
            self.assertRegex(uid, rb"\[APPENDUID \d+ 1\]")
            self.assertIn(b"MESSAGES 1 UNSEEN 0", ok(client.status("job", "(MESSAGES UNSEEN)"))[0])
            ok(client.select("job"))
            self.assertEqual(ok(client.search(None, "KEYWORD", "kw", "TO", "bert"))[0], b"1")
            date = ok(client.fetch("1", "(INTERNALDATE)"))[0]
            self.assertEqual(imaplib.Internaldate2tuple(date), time.localtime(1767225600))
            fetched = ok(client.fetch("1", "(BODY.PEEK[HEADER.FIELDS (TO)] BODY.PEEK[TEXT]<2.3>)"))
            self.assertEqual([row[1] for row in fetched if isinstance(row, tuple)],
                             [f"To: <{OTHER}>\r\n\r\n".encode(), b"llo"])
            ok(client.copy("1", "job.old"))
            ok(client.uid("MOVE", "1", "INBOX"))
            self.assertEqual(ok(client.search(None, "ALL"))[0], b"")
            ok(client.select("job.old"))
            ok(client.store("1", "+FLAGS.SILENT", "\\Deleted"))
            self.assertEqual(ok(client.expunge()), [b"1"])
            ok(client.close())
            ok(client.delete("job.old"))
            self.assertEqual(client.select("job.old")[0], "NO")
        self.arrived("appended")


if __name__ == "__main__":
    unittest.main()
