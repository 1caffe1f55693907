"""mailservctl encrypt and mailservctl user: at a terminal, through pipes, and
what is left in the file.
"""

import base64
import ctypes
import ctypes.util
import hashlib
import hmac
import os
import pathlib
import pty
import select
import shutil
import signal
import stat
import subprocess
import tempfile
import termios
import time
import unittest

BUILD = pathlib.Path(os.environ.get("MAILSERV_BUILD", pathlib.Path(__file__).parents[2] / "build"))
MAILSERVCTL = BUILD / "frontends" / "mailservctl" / "mailservctl"


def run(*args, stdin="", check=None):
    got = subprocess.run([str(MAILSERVCTL), *args], input=stdin.encode(), capture_output=True, timeout=60, check=False)
    if check is not None and got.returncode != check:
        raise AssertionError(f"{args}: status {got.returncode}, {got.stderr.decode()}")
    return got.returncode, got.stdout.decode(), got.stderr.decode()


def crypt(password, setting):
    """crypt(3) itself, as the witness."""
    library = ctypes.CDLL(ctypes.util.find_library("crypt"))
    library.crypt.restype = ctypes.c_char_p
    return library.crypt(password.encode(), setting.encode()).decode()


def scram_right(password, value):
    iterations, salt, stored, server = value.split(",")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(iterations))
    client_key = hmac.new(salted, b"Client Key", "sha256").digest()
    return (base64.b64decode(stored) == hashlib.sha256(client_key).digest()
            and base64.b64decode(server) == hmac.new(salted, b"Server Key", "sha256").digest())


class Terminal:
    """A program whose standard input and error are a terminal, its output a pipe."""

    def __init__(self, *args):
        self.master, slave = pty.openpty()
        self.name = os.ttyname(slave)

        def controlling():
            os.setsid()
            os.close(os.open(self.name, os.O_RDWR))

        self.process = subprocess.Popen([str(MAILSERVCTL), *args], stdin=slave, stderr=slave, stdout=subprocess.PIPE,
                                        preexec_fn=controlling)
        self.slave, self.shown = slave, b""

    def expect(self, text):
        """Reads what the terminal shows until the text was shown once more."""
        deadline, seen = time.monotonic() + 20, b""
        while text.encode() not in seen:
            if time.monotonic() > deadline:
                raise AssertionError(f"{text!r} not in {seen!r}")
            if select.select([self.master], [], [], 0.1)[0]:
                seen += os.read(self.master, 4096)
            elif self.process.poll() is not None:
                raise AssertionError(f"ended before {text!r}: {seen!r}")
        self.shown += seen

    def type(self, text):
        os.write(self.master, text.encode())

    def end(self):
        """Status and output; what the terminal showed is in `shown`."""
        output = self.process.stdout.read().decode()
        status = self.process.wait(20)
        self.process.stdout.close()
        while select.select([self.master], [], [], 0.1)[0]:
            self.shown += os.read(self.master, 4096)
        return status, output

    def echoes(self):
        return bool(termios.tcgetattr(self.slave)[3] & termios.ECHO)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if not self.process.stdout.closed:
            self.process.stdout.close()
        os.close(self.master)
        os.close(self.slave)


class Encrypt(unittest.TestCase):
    def test_pipe(self):
        passwords = ["correct horse", "p\u00e4ss:w\u00f6rd", "last without an end"]
        status, out, err = run("encrypt", stdin="\n".join(passwords))
        self.assertEqual((status, err), (0, ""))
        hashes = out.splitlines()
        self.assertEqual(len(hashes), 3)
        for password, line in zip(passwords, hashes):
            self.assertEqual(crypt(password, line), line)
        self.assertEqual(run("encrypt", stdin=""), (0, "", ""))

    def test_bad_lines(self):
        status, out, err = run("encrypt", "--scheme", "SSHA512", stdin="one\n\nno\0ne\n" + "x" * 1025 + "\nfour\r\n")
        self.assertEqual(status, 1)
        self.assertEqual(len(out.splitlines()), 2)
        for why in ("is empty", "holds a NUL byte", "is longer than 1024 bytes"):
            self.assertIn(f"the password {why}", err)
        raw = base64.b64decode(out.splitlines()[1].removeprefix("{SSHA512}"))
        self.assertEqual(hashlib.sha512(b"four" + raw[64:]).digest(), raw[:64])

    def test_schemes(self):
        for scheme, begins in (("BLF-CRYPT", "$2b$"), ("sha512-crypt", "$6$"), ("SSHA256", "{SSHA256}"),
                               ("PLAIN", "{PLAIN}word"), ("SCRAM-SHA-256", "{SCRAM-SHA-256}")):
            out = run("encrypt", "--scheme", scheme, stdin="word\n", check=0)[1]
            self.assertTrue(out.startswith(begins), out)
            if begins.startswith("$"):
                self.assertEqual(crypt("word", out.strip()), out.strip())
        self.assertTrue(scram_right("word", out.strip().removeprefix("{SCRAM-SHA-256}")))
        status, out, err = run("encrypt", "--scheme", "ROT13", stdin="word\n")
        self.assertEqual((status, out), (64, ""))
        self.assertIn("no hashes of scheme ROT13", err)

    def test_scram(self):
        out = run("encrypt", "--scram", stdin="word\n", check=0)[1]
        fields = ("user:" + out.rstrip("\n")).split(":")
        self.assertEqual(len(fields), 8)
        self.assertEqual(crypt("word", fields[1]), fields[1])
        self.assertTrue(scram_right("word", fields[7].removeprefix("scram-sha-256=")))

    def test_command_line_refused(self):
        for args in (["encrypt", "secret"], ["encrypt", "--scram", "secret"], ["encrypt", "--", "-secret"]):
            status, out, err = run(*args, stdin="other\n")
            self.assertEqual((status, out), (64, ""))
            self.assertIn("shows in the process list", err)
            self.assertNotIn("secret", err)
        self.assertEqual(run("encrypt", "--no-such")[0], 64)

    def test_terminal(self):
        with Terminal("encrypt", "--scheme", "SSHA256") as t:
            for password in ("first secret", "second secret"):
                t.expect("Password: ")
                self.assertFalse(t.echoes())
                t.type(password + "\n")
            t.expect("Password: ")
            t.type("\x04")
            status, out = t.end()
            self.assertEqual(status, 0)
            self.assertEqual(len(out.splitlines()), 2)
            self.assertNotIn(b"secret", t.shown)
            self.assertTrue(t.echoes())

    def test_interrupted(self):
        for how in ("\x03", signal.SIGTERM, signal.SIGHUP):
            with Terminal("encrypt") as t:
                t.expect("Password: ")
                if isinstance(how, str):
                    t.type("half a sec" + how)
                else:
                    t.process.send_signal(how)
                status, out = t.end()
                self.assertEqual(status, -signal.SIGINT if how == "\x03" else -how)
                self.assertEqual(out, "")
                self.assertTrue(t.echoes())


class User(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="mailservctl-"))
        self.file = self.dir / "passwd"

    def tearDown(self):
        self.assertEqual([p.name for p in self.dir.iterdir() if p.name.startswith("passwd.")], [])
        shutil.rmtree(self.dir)

    def user(self, command, *args, stdin="", check=0):
        return run("user", command, "--file", str(self.file), *args, stdin=stdin, check=check)

    def line(self, name):
        found = [line.split(":", 7) for line in self.file.read_text().splitlines() if line.startswith(name + ":")]
        self.assertEqual(len(found), 1)
        return found[0]

    def test_life_of_an_account(self):
        self.user("add", "--home", "/home/anna", "anna@example.org", stdin="one\n")
        self.assertEqual(stat.S_IMODE(self.file.stat().st_mode), 0o600)
        fields = self.line("anna@example.org")
        self.assertEqual(crypt("one", fields[1]), fields[1])
        self.assertEqual(fields[5], "/home/anna")
        self.user("passwd", "Anna@Example.org", stdin="two\n")
        fields = self.line("anna@example.org")
        self.assertEqual(crypt("two", fields[1]), fields[1])
        self.assertEqual(fields[5], "/home/anna")
        self.user("add", "scanner", stdin="beep\n")
        out = self.user("list")[1].splitlines()
        self.assertEqual(len(out), 2)
        self.assertRegex(out[0], r"^anna@example\.org +CRYPT .*home=/home/anna$")
        self.assertRegex(out[1], r"^scanner +CRYPT +login-only$")
        self.user("remove", "anna@example.org")
        self.user("remove", "scanner")
        self.assertEqual(self.file.read_text(), "# no accounts\n")
        self.assertEqual(self.user("list")[1], "")

    def test_refused(self):
        self.user("add", "anna", stdin="one\n")
        before = self.file.read_bytes()
        for args, status, why in (
                (["add", "anna"], 1, "is in"),
                (["add", "ANNA"], 1, "is in"),
                (["passwd", "bert"], 1, "is not in"),
                (["remove", "bert"], 1, "is not in"),
                (["add", "a:b"], 64, "cannot stand in a passwd file"),
                (["add", "../a"], 64, "cannot stand in a passwd file"),
                (["add", "--home", "/a:b", "bert"], 64, "cannot stand in a passwd file"),
                (["add", "--scheme", "ROT13", "bert"], 64, "ROT13"),
                (["add", "bert", "secret"], 64, "shows in the process list"),
                (["passwd", "anna", "secret"], 64, "shows in the process list"),
                (["remove", "anna", "more"], 64, "usage"),
                (["list", "more"], 64, "usage"),
                (["add"], 64, "usage"),
                (["remove", "--scram", "anna"], 64, "usage")):
            got, out, err = self.user(*args, stdin="word\n", check=None)
            self.assertEqual((got, out), (status, ""), err)
            self.assertIn(why, err)
            self.assertNotIn("secret", err)
        for stdin in ("", "\n", "a\0b\n", "x" * 2000):
            self.assertEqual(self.user("passwd", "anna", stdin=stdin, check=None)[0], 1)
        self.assertEqual(run("user")[0], 64)
        self.assertEqual(run("user", "rename")[0], 64)
        self.assertEqual(self.file.read_bytes(), before)
        self.file.unlink()
        for command in (["list"], ["passwd", "anna"], ["remove", "anna"]):
            self.assertEqual(self.user(*command, stdin="word\n", check=None)[0], 1)
        self.assertFalse(self.file.exists())

    def test_terminal_asks_twice(self):
        with Terminal("user", "add", "--file", str(self.file), "--scheme", "PLAIN", "anna") as t:
            t.expect("Password for anna: ")
            t.type("secret\n")
            t.expect("Once more: ")
            self.assertFalse(t.echoes())
            t.type("secret\n")
            self.assertEqual(t.end(), (0, ""))
            self.assertNotIn(b"secret", t.shown)
            self.assertTrue(t.echoes())
        self.assertEqual(self.line("anna")[1], "{PLAIN}secret")
        before = self.file.read_bytes()
        with Terminal("user", "passwd", "--file", str(self.file), "anna") as t:
            t.expect("Password for anna: ")
            t.type("secret\n")
            t.expect("Once more: ")
            t.type("Secret\n")
            self.assertEqual(t.end(), (1, ""))
            self.assertIn(b"not the same twice", t.shown)
        self.assertEqual(self.file.read_bytes(), before)

    def test_scram_stays(self):
        self.user("add", "--scram", "anna", stdin="one\n")
        self.assertTrue(scram_right("one", self.line("anna")[7].removeprefix("scram-sha-256=")))
        self.assertIn(" scram", self.user("list")[1])
        self.user("passwd", "anna", stdin="two\n")
        fields = self.line("anna")
        self.assertTrue(scram_right("two", fields[7].removeprefix("scram-sha-256=")))
        # One that served SCRAM by itself does so afterwards.
        self.file.write_text("bert:{PLAIN}x\ncarl:$6$a$b\n")
        self.user("passwd", "bert", stdin="two\n")
        self.user("passwd", "carl", stdin="two\n")
        self.assertTrue(scram_right("two", self.line("bert")[7].removeprefix("scram-sha-256=")))
        self.assertEqual(len(self.line("carl")), 2)
        self.user("passwd", "--scheme", "SCRAM-SHA-256", "carl", stdin="two\n")
        self.assertTrue(scram_right("two", self.line("carl")[1].removeprefix("{SCRAM-SHA-256}")))

    def test_file_is_kept(self):
        text = "# head\nbroken\nanna:x:1000:1000:Anna:/h:/bin/sh:a=b c=d:e\n\n# tail\n"
        self.file.write_text(text)
        self.file.chmod(0o640)
        self.user("passwd", "--scheme", "PLAIN", "anna", stdin="y\n")
        self.assertEqual(self.file.read_text(), text.replace("anna:x", "anna:{PLAIN}y"))
        self.assertEqual(stat.S_IMODE(self.file.stat().st_mode), 0o640)
        err = self.user("list")[2]
        self.assertIn(f"{self.file}:2: no colon", err)

    def test_many_at_once(self):
        names = [f"user{i}" for i in range(12)]
        running = [subprocess.Popen([str(MAILSERVCTL), "user", "add", "--scheme", "SSHA256", "--file", str(self.file),
                                     name], stdin=subprocess.PIPE) for name in names]
        for process in running:
            process.communicate(b"word\n", timeout=60)
        self.assertEqual([p.returncode for p in running], [0] * 12)
        self.assertEqual(sorted(line.split()[0] for line in self.user("list")[1].splitlines()), sorted(names))

    def test_file_from_configuration(self):
        conf = self.dir / "mailserv.conf"
        conf.write_text('hostname = "localhost"\ndomains = {"example.org"}\npasswd = "passwd"\n'
                        'certificate = "cert.pem"\nkey = "key.pem"\nlocation = "mail/%d/%n"\n')
        run("-c", str(conf), "user", "add", "anna@example.org", stdin="one\n", check=0)
        self.assertIn("anna@example.org", run("-c", str(conf), "user", "list", check=0)[1])
        self.line("anna@example.org")
        status, _, err = run("-c", str(self.dir / "none"), "user", "list")
        self.assertEqual(status, 1)
        self.assertIn("none", err)


if __name__ == "__main__":
    unittest.main()
