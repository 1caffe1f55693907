"""ENVELOPE, BODY and BODYSTRUCTURE of awkward real mail: ours against Dovecot's."""

import os
import pathlib
import subprocess
import tempfile
import unittest

import corpus
import dovecot
import imapdata

BUILD = pathlib.Path(os.environ.get("MAILSERV_BUILD", "build")).resolve()
DUMP = BUILD / "tests" / "message" / "dump"


def ours(paths):
    """What our formatters say of the messages in these files, in their order."""
    out = subprocess.run([DUMP, *map(str, paths)], stdout=subprocess.PIPE, check=True).stdout
    found, at = [], 0
    while at < len(out):
        line_end = out.index(b"\n", at)
        size = int(out[at:line_end].split()[0])
        found.append(imapdata.attributes(out[line_end + 1:line_end + 1 + size]))
        at = line_end + 1 + size + 1
    return found


class StructureOfRealMail(unittest.TestCase):
    """Loads the messages into Dovecot and into our parser, and compares."""

    def setUp(self):
        if not DUMP.exists():
            self.skipTest("tests/message/dump is not built")
        reason = dovecot.unavailable()
        if reason:
            self.skipTest(reason)
        if not corpus.directory():
            print(f"skipped: no corpus beside {corpus.SOURCE} (MSV_CORPUS names another place); "
                  "only our own samples are compared")
        work = tempfile.TemporaryDirectory(prefix="mailserv-")  # pylint: disable=consider-using-with
        self.addCleanup(work.cleanup)
        os.chmod(work.name, 0o755)
        self.home = pathlib.Path(work.name)
        self.messages = corpus.messages()
        self.paths = self.deliver()

    def deliver(self):
        """Puts the messages into the Maildir, in the order Dovecot will number them."""
        cur = self.home / "Maildir" / "cur"
        cur.mkdir(parents=True)
        paths = [cur / f"{1000000 + i}.M{i}.host:2,S" for i in range(len(self.messages))]
        for path, text in zip(paths, self.messages.values()):
            path.write_bytes(text)
        return paths

    def test_same_but_for_what_is_settled(self):
        """Whatever differs is in the list of settled differences, and nothing else is."""
        mine = ours(self.paths)
        different = {}
        with dovecot.Dovecot(self.home) as server:
            imap = server.imap()
            imap.select("INBOX", readonly=True)
            for number, name in enumerate(self.messages, 1):
                _, answer = imap.fetch(str(number), "(RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE)")
                theirs = imapdata.fetched(answer)
                which = corpus.differences(theirs, mine[number - 1])
                if which:
                    different[name] = which
            imap.logout()
        expected = {name for name in corpus.DIFFERENT if name in self.messages}
        self.assertEqual(set(different), expected, different)


if __name__ == "__main__":
    unittest.main()
