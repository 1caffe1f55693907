"""A Maildir that Dovecot made: opened by us, changed by us, opened by Dovecot again."""

import hashlib
import imaplib
import pathlib
import re
import shutil
import subprocess
import tempfile
import threading
import unittest

import corpus
import dovecot
from daemon import PASSWORD, USER, Daemon, message
from imapdata import attributes, fetched

REASON = dovecot.unavailable()


def mailboxes(client, command="LIST"):
    """The names LIST or LSUB gives, as they are on the wire; and the separator."""
    rows = (client.list if command == "LIST" else client.lsub)()[1]
    names = set()
    for row in rows:
        match = row and re.fullmatch(rb'\((.*?)\) "(.)" "?(.*?)"?', row)
        if match and b"\\Noselect" not in match[1] and b"\\NonExistent" not in match[1]:
            names.add(match[3].decode())
    return names


def view(client):
    """All a client can know: {mailbox: (UIDVALIDITY, UIDNEXT, {uid: (flags, date, size, digest)})}, \\Recent left out."""
    found = {}
    for name in sorted(mailboxes(client)):
        client.select(f'"{name}"', readonly=True)
        state = tuple(int(client.response(word)[1][0]) for word in ("UIDVALIDITY", "UIDNEXT"))
        rows = client.uid("FETCH", "1:*", "(UID FLAGS INTERNALDATE RFC822.SIZE)")[1]
        messages = {}
        for row in rows:
            if not row:
                continue
            got = attributes(row[row.index(b"(") + 1:-1])
            content = fetched(client.uid("FETCH", str(got["UID"]), "(BODY.PEEK[])")[1])["BODY[]"] or b""
            date = got["INTERNALDATE"].strip().rjust(26, b"0")  # RFC 3501 9: " 1-Jan" or "01-Jan"
            messages[got["UID"]] = (frozenset(got["FLAGS"]) - {"\\Recent"}, date, got["RFC822.SIZE"],
                                    hashlib.sha256(content).hexdigest())
            assert len(content) == got["RFC822.SIZE"], f"{name} {got}"
        found[name] = (*state, messages)
    return found


def flags(shown, mailbox):
    """{uid: flags} of a mailbox in a view."""
    return {uid: set(message[0]) for uid, message in shown[mailbox][2].items()}


@unittest.skipIf(REASON, REASON)
class Default(unittest.TestCase):
    """Dovecot's default: Maildir++, no prefix."""

    prefix, layout, separator = "", "maildir++", "."

    def setUp(self):
        self.d = Daemon(location="mail/%d/%n/Maildir", words=f'prefix = "{self.prefix}"\nlayout = "{self.layout}"')
        self.home = self.d.mail / "example.org" / "anna"
        self.home.mkdir(parents=True)
        self.d.own(self.d.mail)
        self.d.start()
        self.addCleanup(self.d.stop)

    def dovecot(self):
        return dovecot.Dovecot(self.home, prefix=self.prefix, layout=self.layout)

    def name(self, *levels):
        return self.prefix + self.separator.join(levels)

    def fill(self, client):
        """What a user of Dovecot has: folders, subscriptions, flags, keywords, gaps in the UIDs."""
        for levels in (("Sent",), ("Work", "2026"), ("Entw&APw-rfe",)):
            client.create(f'"{self.name(*levels)}"')
            client.subscribe(f'"{self.name(*levels)}"')
        client.unsubscribe(f'"{self.name("Sent")}"')
        for number in range(12):
            client.append("INBOX", "(\\Seen $Work)" if number % 2 else None,
                          imaplib.Time2Internaldate(1767225600 + number), message(f"old-{number}").encode())
        client.append(f'"{self.name("Work", "2026")}"', "(\\Flagged other)", None, message("filed").encode())
        client.append(f'"{self.name("Entw&APw-rfe")}"', "(\\Draft)", None, message("draft").encode())
        client.select("INBOX")
        client.uid("STORE", "2,5", "+FLAGS", "(\\Deleted)")
        client.expunge()
        client.uid("STORE", "3", "+FLAGS", "(\\Answered \\Flagged urgent)")
        client.uid("STORE", "4", "+FLAGS", "(\\Deleted)")

    def change(self, client):
        """What a user of ours does next."""
        client.select("INBOX")
        client.uid("STORE", "6", "+FLAGS", "(\\Flagged $Work brand-new)")
        client.uid("STORE", "3", "-FLAGS", "(\\Answered urgent)")
        client.uid("EXPUNGE", "4")
        client.uid("COPY", "7", f'"{self.name("Sent")}"')
        client.uid("MOVE", "8", f'"{self.name("Sent")}"')
        client.append("INBOX", "(\\Seen late)", imaplib.Time2Internaldate(1767226000), message("appended").encode())
        client.create(f'"{self.name("Ours", "b")}"')
        client.subscribe(f'"{self.name("Ours", "b")}"')
        client.unsubscribe(f'"{self.name("Work", "2026")}"')
        client.append(f'"{self.name("Ours", "b")}"', None, None, message("in-ours").encode())

    def test_there_and_back(self):
        with self.dovecot() as server:
            client = server.imap()
            self.fill(client)
            before, subscribed = view(client), mailboxes(client, "LSUB")
            client.logout()
        self.assertEqual(flags(before, "INBOX")[3], {"\\Answered", "\\Flagged", "urgent"})

        with self.d.imap() as client:
            self.assertEqual(view(client), before)
            self.assertEqual(mailboxes(client, "LSUB"), subscribed)
            self.change(client)
            ours, subscribed = view(client), mailboxes(client, "LSUB")
        self.d.deliver(message("delivered"))
        with self.d.imap() as client:
            delivered = view(client)
        self.assertEqual(sorted(delivered["INBOX"][2]), sorted([*ours["INBOX"][2], ours["INBOX"][1]]))
        self.assertEqual(flags(ours, "INBOX")[6], {"\\Seen", "\\Flagged", "$Work", "brand-new"})
        self.assertEqual(flags(ours, "INBOX")[3], {"\\Flagged"})
        self.assertNotIn(4, ours["INBOX"][2])
        self.assertEqual(flags(ours, "INBOX")[13], {"\\Seen", "late"})
        self.assertEqual(len(ours[self.name("Sent")][2]), 2)

        with self.dovecot() as server:
            client = server.imap()
            again = view(client)
            self.assertEqual(again, delivered)
            self.assertEqual(mailboxes(client, "LSUB"), subscribed)
            # And once more: what Dovecot changes now is seen here.
            client.select("INBOX")
            client.uid("STORE", "13", "+FLAGS", "(\\Answered third)")
            client.append("INBOX", "(third)", None, message("from-dovecot").encode())
            last = view(client)
            client.logout()
        with self.d.imap() as client:
            self.assertEqual(view(client), last)

    @unittest.skipUnless(shutil.which("mbsync"), "mbsync is not installed")
    def test_no_message_is_downloaded_again(self):
        """A client that synchronized with Dovecot finds nothing to do with us, and back."""
        local = pathlib.Path(tempfile.mkdtemp(prefix="mbsync-"))
        self.addCleanup(shutil.rmtree, local)

        def sync(port, tls):
            rc = local / "rc"
            rc.write_text(f"IMAPAccount a\nHost localhost\nPort {port}\nUser {USER}\nPass \"{PASSWORD if tls else dovecot.PASSWORD}\"\n"
                          f"SSLType {'IMAPS' if tls else 'None'}\nSystemCertificates no\nCertificateFile {self.d.cert}\n\n"
                          f"IMAPStore far\nAccount a\n\nMaildirStore near\nPath {local}/m/\nInbox {local}/m/INBOX\n"
                          f"SubFolders Verbatim\n\nChannel all\nFar :far:\nNear :near:\nPatterns *\nCreate Near\n"
                          f"Expunge Near\nSyncState *\n", encoding="utf-8")
            (local / "m").mkdir(exist_ok=True)
            subprocess.run(["mbsync", "-c", str(rc), "all"], check=True, capture_output=True, timeout=60)
            return {str(p.relative_to(local)): p.read_bytes() for p in local.rglob("*")
                    if p.is_file() and p.parent.name in ("cur", "new")}

        with self.dovecot() as server:
            client = server.imap(USER)
            self.fill(client)
            client.logout()
            first = sync(server.port, False)
        self.assertEqual(len(first), 11)  # not what is \\Deleted
        self.assertEqual(sync(self.d.ports["imaps"], True), first)
        with self.d.imap() as client:
            self.change(client)
        changed = sync(self.d.ports["imaps"], True)
        self.assertEqual(len(changed), 14)
        with self.dovecot() as server:
            self.assertEqual(sync(server.port, False), changed)

    def test_side_by_side(self):
        """Both at once in one Maildir: no UID is given twice, none changes."""
        with self.dovecot() as server:
            theirs = server.imap()
            theirs.append("INBOX", None, None, message("first").encode())
            with self.d.imap() as ours:
                failures = []

                def work(client, who):
                    client.select("INBOX")
                    for number in range(25):
                        answer = client.append("INBOX", f"({who})", None, message(f"{who}-{number}").encode())
                        if answer[0] != "OK" or client.store("1", "+FLAGS", f"({who}-{number % 3})")[0] != "OK":
                            failures.append(answer)
                threads = [threading.Thread(target=work, args=(c, w)) for c, w in ((ours, "ours"), (theirs, "theirs"))]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                self.assertEqual(failures, [])
                seen = view(ours)
                self.assertEqual(view(theirs), seen)
                self.assertEqual(sorted(seen["INBOX"][2]), list(range(1, 52)))
                self.assertEqual(flags(seen, "INBOX")[1],
                                 {f"{who}-{n}" for who in ("ours", "theirs") for n in range(3)})
            theirs.logout()


@unittest.skipIf(REASON, REASON)
class RealMail(unittest.TestCase):
    """The corpus of awkward mail as files: both serve the same octets, and know their number before."""

    def test_same_octets(self):
        d = Daemon(location="mail/%d/%n/Maildir")
        self.addCleanup(d.stop)
        home = d.mail / "example.org" / "anna"
        cur = home / "Maildir" / "cur"
        cur.mkdir(parents=True)
        for i, text in enumerate(corpus.messages().values()):
            # Some as CRLF files, some with what other programs leave in names.
            name = f"{1000000 + i}.M{i}.host{f',S={len(text)}' if i % 3 == 1 else ''}:2,{'S' if i % 2 else ''}"
            (cur / name).write_bytes(text.replace(b"\n", b"\r\n") if i % 3 == 2 else text)
        d.own(d.mail)
        d.start()
        with d.imap() as client:
            ours = view(client)
        with dovecot.Dovecot(home) as server:
            client = server.imap()
            theirs = view(client)
            client.logout()
        self.assertEqual(len(ours["INBOX"][2]), len(corpus.messages()))
        for uid, row in theirs["INBOX"][2].items():
            self.assertEqual(ours["INBOX"][2][uid], row, uid)


class Prefix(Default):
    """The namespace of many old servers: everything beneath INBOX."""

    prefix = "INBOX."


class Filesystem(Default):
    """LAYOUT=fs: folders are directories in directories."""

    layout, separator = "fs", "/"


if __name__ == "__main__":
    unittest.main()
