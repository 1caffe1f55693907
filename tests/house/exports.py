"""Checks that a shared library exports its prefix alone, and exactly what the
public headers declare: exports.py LIBRARY PREFIX HEADER...
"""

import pathlib
import re
import subprocess
import sys

library, prefix, headers = sys.argv[1], sys.argv[2], sys.argv[3:]
symbols = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True).stdout
exported = {line.split()[2].split("@")[0] for line in symbols.splitlines() if line.split()[1] not in ("A", "a")}
exported = {name for name in exported if not name.startswith(("__asan", "__ubsan", "__odr_asan", "_init", "_fini"))}
declared = set()
for header in headers:
    text = re.sub(r"/\*.*?\*/", "", pathlib.Path(header).read_text(encoding="utf-8"), flags=re.S)
    for declaration in re.findall(r"^MSV_API\b([^;{]*?)\(", text, re.M):
        declared.add(declaration.split()[-1].lstrip("*"))

bad = [f"exported without the prefix {prefix}: {name}" for name in sorted(exported) if not name.startswith(prefix)]
bad += [f"declared but not exported: {name}" for name in sorted(declared - exported)]
bad += [f"exported but in no public header: {name}" for name in sorted(exported - declared)]
print("\n".join(bad) or f"{len(exported)} names")
sys.exit(1 if bad else 0)
