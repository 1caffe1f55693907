"""meson install into a prefix, and programs outside the tree that are built with what is there: a plain one, the
README's example, and all of doc/guide.md."""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

from daemon import SOURCE

WARNINGS = ("-Wall", "-Wextra", "-Werror")


def programs(document):
    """{file name: C source} of a document: blocks that begin with the same `/* name.c` make one file; a block that
    does not goes on with the file before it."""
    found, name = {}, pathlib.Path(document).stem + ".c"
    for block in re.findall(r"(?ms)^```c\n(.*?)^```$", (SOURCE / document).read_text(encoding="utf-8")):
        begins = re.match(r"/\* (\w+\.[ch])\b", block)
        name = begins[1] if begins else name
        found[name] = found.get(name, "") + block
    return found


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.top = pathlib.Path(tempfile.mkdtemp(prefix="install-"))
        cls.prefix = cls.top / "prefix"
        for command in (["meson", "setup", cls.top / "build", SOURCE, "--prefix", cls.prefix, "-Dtests=disabled",
                         "-Dexamples=false", "-Dbuildtype=debug"],
                        ["meson", "install", "-C", cls.top / "build"]):
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
            if done.returncode != 0:
                raise AssertionError(done.stdout[-3000:] + done.stderr[-3000:])
        (pc,) = cls.prefix.rglob("libmailserv.pc")
        cls.environment = {**os.environ, "PKG_CONFIG_PATH": str(pc.parent), "LD_LIBRARY_PATH": str(pc.parent.parent)}

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.top)

    def pkg_config(self, *arguments):
        return subprocess.run(["pkg-config", *arguments], env=self.environment, check=True, capture_output=True,
                              text=True).stdout.split()

    def flags(self, *packages):
        return self.pkg_config("--cflags", "--libs", *packages)

    def programs(self):
        (self.top / "programs").mkdir(exist_ok=True)
        return self.top / "programs"

    def build(self, name, source, *flags):
        """Compiles a program in a directory of its own."""
        work = self.programs()
        (work / name).write_text(source, encoding="utf-8")
        program = work / name.replace(".c", "")
        done = subprocess.run(["cc", *WARNINGS, "-o", program, name, *flags], cwd=work, env=self.environment,
                              capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return program

    def run_program(self, program, *arguments):
        done = subprocess.run([program, *arguments], env=self.environment, capture_output=True, text=True, timeout=60,
                              cwd=program.parent, stdin=subprocess.DEVNULL, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_files(self):
        have = {str(p.relative_to(self.prefix)) for p in self.prefix.rglob("*") if not p.is_dir()}
        for expected in ("sbin/mailservd", "sbin/mailservctl",
                         "share/man/man8/mailservd.8", "share/man/man8/mailservctl.8", "share/man/man5/mailserv.conf.5",
                         *(f"include/mailserv/{h.name}" for h in (SOURCE / "include" / "mailserv").glob("*.h"))):
            self.assertIn(expected, have)
        for library in ("libmailserv", "libmailserv-uv"):
            for suffix in (".a", ".so", ".so.0"):
                self.assertTrue(any(name.endswith("/" + library + suffix) for name in have), library + suffix)
            self.assertTrue(any(name.endswith(f"/pkgconfig/{library}.pc") for name in have))
        self.assertIn("mailservd", subprocess.run([self.prefix / "sbin" / "mailservd", "-v"], env=self.environment,
                                                  check=True, capture_output=True, text=True).stdout)

    def test_a_program(self):
        source = """
#include <mailserv/mailserv.h>
#include <string.h>
int main(void)
{
	struct msv_env *env;
	if (msv_env_new(NULL, &env) != 0 || strcmp(msv_version(), "%d.%d.%d") == 0)
		return 1;
	msv_env_free(env);
	return 0;
}
"""
        flags = self.flags("libmailserv")
        self.assertFalse([f for f in flags if f.startswith("-l") and f != "-lmailserv"], "libc and OpenSSL are its own affair")
        self.run_program(self.build("plain.c", source, *flags))
        (archive,) = self.prefix.rglob("libmailserv.a")
        private = [word for word in self.pkg_config("--print-requires-private", "libmailserv") if word[0].isalpha()]
        self.run_program(self.build("static.c", source, *self.pkg_config("--cflags", "libmailserv"), str(archive),
                                    *self.flags(*private)))

    def test_readme(self):
        (source,) = programs("README.md").values()
        said = self.run_program(self.build("example.c", source, *self.flags("libmailserv")))
        self.assertRegex(said, r"^220 mx\.example\.org .*\r?\n250-(?s:.*)\n221 ")

    def test_guide(self):
        """Every program of the guide ends well by itself; the one with a loop at Ctrl-C."""
        files = programs("doc/guide.md")
        self.assertGreater(len(files), 8)
        for name, source in files.items():
            if name.endswith(".h"):
                (self.programs() / name).write_text(source, encoding="utf-8")
        said = {}
        for name, source in files.items():
            if name.endswith(".c"):
                with self.subTest(name):
                    library = "libmailserv-uv" if "<mailserv/uv.h>" in source else "libmailserv"
                    program = self.build(name, source, *self.flags(library))
                    said[name] = self.interrupted(program) if "SIGINT" in source else self.run_program(program)
        for name, words in (("receiver.c", r"550 5\.7\.1 we do not relay\r?\n(?s:.*)\(\d+ octets from <a@example\.net> by ESMTP\)"),
                            ("later.c", r"\n250 2\.1\.5 .*\r?\n550 "),
                            ("accounts.c", r"\n235 2\.7\.0 "),
                            ("board.c", r"\n\* SEARCH 2\r?\n(?s:.*)One glove\."),
                            ("conform.c", r"^0 checks failed$"),
                            ("tls.c", r"\n530 5\.7\.0 .*\r?\n220 "),
                            ("loop.c", r"^220 ")):
            self.assertRegex(said[name], words, name)

    def interrupted(self, program):
        """Runs one that prints its port and serves until Ctrl-C, which comes while a client is there; what the
        client got."""
        process = subprocess.Popen([program], env=self.environment, stdout=subprocess.PIPE, text=True)
        try:
            port = int(process.stdout.readline().split()[1])
            with socket.create_connection(("127.0.0.1", port), timeout=20) as client, client.makefile("r") as lines:
                greeting = lines.readline()
                process.send_signal(signal.SIGINT)
                self.assertTrue(lines.readline().startswith("421 "))
            self.assertEqual(process.wait(20), 0)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        return greeting


if __name__ == "__main__":
    unittest.main()
