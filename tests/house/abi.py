"""Pins the ABI: the sizes of the structs callers fill (on LP64) and the
exported names must be those in abi.txt.

	abi.py check CC LIBRARY ABI.TXT INCLUDE-DIR HEADER...
	abi.py write ...     after a change that is meant: what it adds is fine,
	                     what it changes or removes needs a new soname

A struct may grow only at its end, and only until its first release.
"""

import pathlib
import re
import subprocess
import sys
import tempfile


def structs(headers):
    for header in headers:
        text = pathlib.Path(header).read_text(encoding="utf-8")
        yield from re.findall(r"^struct (msv_\w+) \{\n(?:\s*/\*.*?\*/\n)?\s*size_t size;", text, re.M | re.S)


def sizes(compiler, include, headers):
    names = sorted(set(structs(headers)))
    lines = [f'#include <mailserv/{pathlib.Path(h).name}>' for h in headers] + ["#include <stdio.h>", "int main(void) {"]
    lines += [f'\tprintf("struct {n} %zu\\n", sizeof(struct {n}));' for n in names] + ["}"]
    with tempfile.TemporaryDirectory() as folder:
        source, program = pathlib.Path(folder, "sizes.c"), pathlib.Path(folder, "sizes")
        source.write_text("\n".join(lines), encoding="utf-8")
        subprocess.run([*compiler.split(), f"-I{include}", str(source), "-o", str(program)], check=True)
        return subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout.splitlines()


def exported(library):
    out = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True).stdout
    return sorted({"name " + line.split()[2].split("@")[0] for line in out.splitlines() if " msv_" in line})


def main(what, compiler, library, pinned, include, *headers):
    found = sizes(compiler, include, headers) + exported(library)
    pinned = pathlib.Path(pinned)
    if what == "write":
        pinned.write_text("\n".join(found) + "\n", encoding="utf-8")
        return 0
    was = pinned.read_text(encoding="utf-8").splitlines()
    gone, new = sorted(set(was) - set(found)), sorted(set(found) - set(was))
    for line in gone:
        print(f"pinned, and not so any more: {line}")
    for line in new:
        print(f"not pinned: {line}; if meant, run abi.py write")
    return 1 if gone or new else 0


sys.exit(main(*sys.argv[1:]))
