"""Checks the rules of the house that are written in doc/design.md: which
layer includes what, who may touch files, sockets, clocks and OpenSSL, how long
a file may be, and what lies at the top of the tree.  layers.py SOURCE-ROOT; prints each breach, exits 1 on any.
"""

import pathlib
import re
import subprocess
import sys

# All there is at the top of the tree.
TOP = {
    ".ci", ".clang-format", ".gitignore", "LICENSE", "README.md", "doc", "examples", "frontends", "include", "lib",
    "meson.build", "meson_options.txt", "tests",
}

# What a file of a layer may include with quotes: its own folder and these.
BELOW = {
    "base": [],
    "codec": ["base"],
    "message": ["codec", "base"],
    "auth": ["message", "codec", "base"],
    "tls": ["message", "codec", "base"],
    "store": ["message", "codec", "base"],
    "smtp": ["message", "codec", "base"],
    "imap": ["message", "codec", "base"],
    "testing": ["message", "codec", "base"],
    "mta": ["smtp", "store", "message", "codec", "base"],
    "uv": [],
}

# Calls and headers that belong to a few files: (pattern, files that may).
RESERVED = [
    (r"#include <openssl/", r"lib/(tls/|auth/|codec/crypto\.c)"),
    (r"#include <uv\.h>|#include <unbound\.h>", r"(lib/uv/|frontends/)"),
    (r"\b(clock_gettime|gettimeofday|time\(NULL\)|getentropy|getrandom)\b", r"lib/base/env\.c"),
    (r"\b(fopen|open|openat|opendir|fdopendir|unlink|rename|stat|fstat)\(", r"lib/(store/|mta/|auth/passwd\w*\.c|tls/|uv/socket\.c)"),
    (r"\b(socket|accept|accept4|bind|listen|connect|poll|epoll_wait|pthread_create|fork|execve?|signal|sigaction)\(",
     r"lib/uv/"),
    (r"\b(abort|exit|printf|fprintf|puts|system|popen)\(", r"$^"),
    (r"\b(strcpy|strcat|sprintf|vsprintf|gets)\(", r"$^"),
]


def code_of(path):
    """The file without comments and strings, so that words in them do not count."""
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group().count("\n"), text, flags=re.S)
    text = re.sub(r"//[^\n]*", "", text)
    return re.sub(r'(?<!include )"(\\.|[^"\\\n])*"', '""', text)


def strays(root):
    """What Git keeps at the top of the tree and does not belong there; nothing outside a clone."""
    kept = subprocess.run(["git", "-c", "safe.directory=*", "-C", root, "ls-files", "-z"], text=True,
                          capture_output=True, check=False)
    inside = (root / ".git").exists() and kept.returncode == 0
    names = {name.split("/")[0] for name in kept.stdout.split("\0") if name} if inside else set()
    return sorted(names - TOP)


def breaches(root):
    for name in strays(root):
        yield f"{name}: does not belong at the top of the tree"
    for path in sorted((root / "lib").rglob("*.[ch]")):
        name = path.relative_to(root).as_posix()
        layer = name.split("/")[1]
        code = code_of(path)
        for number, line in enumerate(code.split("\n"), 1):
            quoted = re.match(r'\s*#include "([^"]+)"', line)
            if quoted and quoted[1] != "config.h":
                folder = quoted[1].split("/")[0] if "/" in quoted[1] else layer
                if folder != layer and folder not in BELOW[layer]:
                    yield f"{name}:{number}: {layer} must not include {quoted[1]}"
            for pattern, allowed in RESERVED:
                # A member or function of our own with such a name is no system call.
                found = re.search(r"(?<![\w>.])(?:" + pattern + ")", line)
                declares = re.search(r"\(\*\w+\)\(|^\s*(static |MSV_API )?[\w ]+[ *]\w+\(.*\{?$", line) and not re.search(
                    r"[=;]|return|if ", line)
                if found and not declares and not re.match(allowed, name):
                    yield f"{name}:{number}: {found[0]!r} does not belong here"
    for folder in ("frontends", "examples"):
        for path in sorted((root / folder).rglob("*.[ch]")):
            name = path.relative_to(root).as_posix()
            for number, line in enumerate(code_of(path).split("\n"), 1):
                quoted = re.match(r'\s*#include "([^"]+)"', line)
                # Frontends may share what they are made of.
                if quoted and not any((p / quoted[1]).exists() for p in [path.parent, *(root / "frontends").iterdir()]):
                    yield f"{name}:{number}: only <mailserv/...> and its own headers, not {quoted[1]}"
    for path in sorted((root / "include").rglob("*.h")):
        for number, line in enumerate(code_of(path).split("\n"), 1):
            if re.search(r"\b(ssize_t|off_t)\b", line):
                yield f"{path.name}:{number}: ssize_t and off_t do not belong in a public header"
    for top in ("lib", "frontends", "examples", "include"):
        for path in sorted((root / top).rglob("*.[ch]")):
            lines = path.read_text(encoding="utf-8").count("\n")
            if lines > 800:
                yield f"{path.relative_to(root)}: {lines} lines; one idea a file, hardly ever over 800"


found = list(breaches(pathlib.Path(sys.argv[1])))
print("\n".join(found) or "the layers hold")
sys.exit(1 if found else 0)
