"""The programs of examples/, built as part of the tree."""

import imaplib
import shutil
import socket
import subprocess
import time
import unittest

from daemon import BUILD, SOURCE, free_port, message

EXAMPLES = BUILD / "examples"


@unittest.skipUnless(EXAMPLES.is_dir(), "the examples are not built")
class Examples(unittest.TestCase):
    def lines(self, name):
        return (SOURCE / "examples" / name).read_text(encoding="utf-8").count("\n")

    def serve(self, name):
        """Starts one that listens; its port."""
        port = free_port()
        process = subprocess.Popen([EXAMPLES / name, str(port)], stdout=subprocess.PIPE, text=True)

        def stop():
            process.terminate()
            process.wait(20)
            process.stdout.close()
        self.addCleanup(stop)
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
                return port, process
            except ConnectionRefusedError:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.05)

    @unittest.skipUnless(shutil.which("curl"), "curl is not installed")
    def test_smtp_sink(self):
        self.assertLess(self.lines("smtp_sink.c"), 60)
        port, process = self.serve("smtp_sink")
        for number in range(2):
            subprocess.run(["curl", "--silent", "--show-error", "--url", f"smtp://127.0.0.1:{port}", "--mail-from",
                            "a@example.net", "--mail-rcpt", "b@example.org", "--upload-file", "-"],
                           input=message(f"sunk-{number}", ".dots\r\n"), text=True, check=True, timeout=30)
            got = ""
            while not got.endswith("-- end of message --\n"):
                line = process.stdout.readline()
                self.assertNotEqual(line, "")
                got += line
            self.assertIn(f"Subject: sunk-{number}\n", got.replace("\r", ""))
            self.assertIn("\n.dots\n", got.replace("\r", ""))

    def test_imap_memory(self):
        self.assertLess(self.lines("imap_memory.c"), 100)
        port, _ = self.serve("imap_memory")
        with imaplib.IMAP4("127.0.0.1", port, timeout=20) as one, imaplib.IMAP4("127.0.0.1", port, timeout=20) as two:
            with self.assertRaises(imaplib.IMAP4.error):
                one.login("anna", "wrong")
            for client in (one, two):
                client.login("anna", "secret")
                client.select("INBOX")
            one.append("INBOX", "(\\Flagged)", None, message("kept").encode())
            two.noop()
            self.assertEqual(two.search(None, "FLAGGED", "SUBJECT", "kept")[1], [b"1"])
            self.assertEqual(two.fetch("1", "(BODY.PEEK[])")[1][0][1], message("kept").encode())

    def test_unit_test(self):
        done = subprocess.run([EXAMPLES / "unit_test"], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("100%", done.stdout)


if __name__ == "__main__":
    unittest.main()
