"""Awkward real mail through our IMAP server and through Dovecot's: the same octets in every section.

Ours is examples/imap_memory; test_structure_dovecot compares what is said of the structure.
"""

import imaplib
import os
import pathlib
import socket
import subprocess
import tempfile
import time
import unittest

import corpus
import dovecot
import imapdata

BUILD = pathlib.Path(os.environ.get("MAILSERV_BUILD", "build")).resolve()
SERVER = BUILD / "examples" / "imap_memory"


def login(port, process):
    """A client of our server, once that listens."""
    deadline = time.monotonic() + 20
    while True:
        try:
            client = imaplib.IMAP4("127.0.0.1", port, timeout=120)
            break
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    # APPEND writes its message in two pieces; the second would wait for an answer to the first.
    client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.login("tester", "secret")
    return client


def can_append(text):
    """APPEND takes no empty message, no NUL and no lone CR."""
    return text and b"\0" not in text and b"\r" not in text


class SectionsOfRealMail(unittest.TestCase):
    """Loads the messages into both servers and compares every section."""

    def setUp(self):
        if not SERVER.exists():
            self.skipTest("examples/imap_memory is not built")
        reason = dovecot.unavailable()
        if reason:
            self.skipTest(reason)
        if not corpus.directory():
            print(f"skipped: no corpus beside {corpus.SOURCE} (MSV_CORPUS names another place); "
                  "only our own samples are compared")
        self.messages = {n: t for n, t in corpus.messages().items() if can_append(t)}
        # A command asks for all sections, an answer has long lines.
        self.addCleanup(setattr, imaplib, "_MAXLINE", imaplib._MAXLINE)
        imaplib._MAXLINE = 50_000_000

    def ours(self):
        """A client of our server, with the messages in INBOX."""
        port = dovecot.free_port()
        process = subprocess.Popen([SERVER, str(port)])  # pylint: disable=consider-using-with
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        client = login(port, process)
        self.addCleanup(client.shutdown)
        for name, text in self.messages.items():
            answer = client.append("INBOX", "(\\Seen)", None, text.replace(b"\n", b"\r\n"))
            self.assertEqual(answer[0], "OK", (name, answer))
        client.select("INBOX", readonly=True)
        return client

    def theirs(self):
        """A client of Dovecot, with the messages in INBOX in the same order."""
        work = tempfile.TemporaryDirectory(prefix="mailserv-")  # pylint: disable=consider-using-with
        self.addCleanup(work.cleanup)
        os.chmod(work.name, 0o755)
        cur = pathlib.Path(work.name) / "Maildir" / "cur"
        cur.mkdir(parents=True)
        for i, text in enumerate(self.messages.values()):
            (cur / f"{1000000 + i}.M{i}.host:2,S").write_bytes(text)
        server = dovecot.Dovecot(work.name)
        server.start()
        self.addCleanup(server.stop)
        client = server.imap()
        self.addCleanup(client.shutdown)
        client.select("INBOX", readonly=True)
        return client

    def compare(self, name, theirs, ours):
        """Fails unless the sections are the same, or differ as corpus.py says; True for the latter."""
        self.assertEqual(theirs.keys(), ours.keys(), name)
        settled = False
        for section in theirs:
            a, b = (corpus.settled_section(octets[section]) for octets in (theirs, ours))
            if a == b or name in corpus.OTHER_PARTS:
                continue
            self.assertIn(name, corpus.ONE_LINE_END, (section, a[-200:], b[-200:]))
            self.assertIn(a, (b + b"\r\n", b.removesuffix(b"\r\n")), (name, section))
            settled = True
        return settled

    def test_every_section(self):
        """BODY[...] of every part: MIME, HEADER, TEXT, and the part itself."""
        ours, theirs = self.ours(), self.theirs()
        settled = set()
        for number, name in enumerate(self.messages, 1):
            about = [imapdata.fetched(client.fetch(str(number), "(RFC822.SIZE BODYSTRUCTURE)")[1])
                     for client in (theirs, ours)]
            self.assertEqual(about[0]["RFC822.SIZE"], about[1]["RFC822.SIZE"], name)
            items = [f"BODY.PEEK[{s}]" for s in corpus.sections(about[1]["BODYSTRUCTURE"])]
            items += ["BODY.PEEK[]<10.20>", "BODY.PEEK[1]<0.5>", "RFC822.HEADER"]
            answers = [imapdata.fetched(client.fetch(str(number), f"({' '.join(items)})")[1])
                       for client in (theirs, ours)]
            if self.compare(name, *answers):
                settled.add(name)
        self.assertEqual(settled, corpus.ONE_LINE_END & self.messages.keys())


if __name__ == "__main__":
    unittest.main()
