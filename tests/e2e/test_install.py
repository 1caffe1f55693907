"""meson install into a prefix, and programs outside the tree that are built with what is there: a plain one, the
README's example, and all of doc/guide.md."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from daemon import SOURCE, free_port

WARNINGS = ("-std=c17", "-Wall", "-Wextra", "-Werror")


def programs(document):
    """{file name: C source} of a document: blocks that begin with the same `/* name.c` make one file; a block that
    does not goes on with the file before it."""
    found, name = {}, pathlib.Path(document).stem + ".c"
    for block in re.findall(r"(?ms)^```c\n(.*?)^```$", (SOURCE / document).read_text(encoding="utf-8")):
        begins = re.match(r"/\* (\w+\.c)\b", block)
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

    def flags(self, *packages, static=False):
        command = ["pkg-config", "--cflags", "--libs", *(["--static"] if static else []), *packages]
        return subprocess.run(command, env=self.environment, check=True, capture_output=True, text=True).stdout.split()

    def build(self, name, source, *flags):
        """Compiles a program in a directory of its own."""
        work = self.top / "programs"
        work.mkdir(exist_ok=True)
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
        self.build("static.c", source, "-static-libgcc", "-Wl,-Bstatic", *self.flags("libmailserv")[:2],
                   "-lmailserv", "-Wl,-Bdynamic", *[f for f in self.flags("libmailserv", static=True) if f != "-lmailserv"])

    def test_readme(self):
        (source,) = programs("README.md").values()
        said = self.run_program(self.build("example.c", source, *self.flags("libmailserv")))
        self.assertRegex(said, r"^220 mx\.example\.org .*\r?\n250-(?s:.*)\n221 ")

    def test_guide(self):
        """Every program of the guide; those that serve get a port and are told to end by their first client."""
        for name, source in programs("doc/guide.md").items():
            with self.subTest(name):
                packages = ["libmailserv-uv"] if "<mailserv/uv.h>" in source else ["libmailserv"]
                if "<check.h>" in source:
                    packages.append("check")
                program = self.build(name, source, *self.flags(*packages))
                self.run_program(program)


if __name__ == "__main__":
    unittest.main()
