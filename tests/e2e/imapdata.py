"""IMAP response data as Python values (RFC 3501 9).

Lists become lists, strings bytes, NIL None, numbers int, other atoms str.
"""

import re

_ATOM = re.compile(rb"[^\s()\"{]+")


class Reader:
    """Reads values one after another from bytes in which literals follow their {n}."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def value(self):
        """The next value; ValueError for what is no IMAP data."""
        stack = []
        while True:
            self._blanks()
            if self.data[self.at:self.at + 1] == b"(":
                self.at += 1
                stack.append([])
                continue
            if self.data[self.at:self.at + 1] == b")" and stack:
                self.at += 1
                item = stack.pop()
            else:
                item = self._single()
            if not stack:
                return item
            stack[-1].append(item)

    def done(self):
        """True at the end."""
        self._blanks()
        return self.at == len(self.data)

    def _blanks(self):
        while self.data[self.at:self.at + 1] in (b" ", b"\r", b"\n"):
            self.at += 1

    def _single(self):
        first = self.data[self.at:self.at + 1]
        if first == b'"':
            return self._quoted()
        if first == b"{":
            return self._literal()
        match = _ATOM.match(self.data, self.at)
        if not match:
            raise ValueError(f"no IMAP data at {self.data[self.at:self.at + 40]!r}")
        self.at = match.end()
        atom = match.group().decode("ascii")
        if atom.upper().startswith("BODY["):
            return self._section(atom)
        if atom.upper() == "NIL":
            return None
        return int(atom) if atom.isdigit() else atom

    def _section(self, atom):
        """The rest of BODY[section]<n>, as one word in upper case."""
        match = re.compile(rb"[^\]]*\](<\d+>)?").match(self.data, self.at - len(atom))
        if not match:
            raise ValueError("a section without an end")
        self.at = match.end()
        return match.group().decode("ascii").upper().replace('"', "")

    def _quoted(self):
        out = bytearray()
        self.at += 1
        while True:
            byte = self.data[self.at:self.at + 1]
            if byte in (b"", b"\r", b"\n", b"\0") or byte >= b"\x80":
                raise ValueError("a quoted string with a byte it may not hold")
            self.at += 1
            if byte == b'"':
                return bytes(out)
            if byte == b"\\":
                byte = self.data[self.at:self.at + 1]
                self.at += 1
                if byte not in (b'"', b"\\"):
                    raise ValueError("a quoted string with a wrong backslash")
            out += byte

    def _literal(self):
        match = re.compile(rb"\{(\d+)\}\r\n").match(self.data, self.at)
        if not match:
            raise ValueError("a wrong literal")
        size = int(match.group(1))
        self.at = match.end() + size
        if self.at > len(self.data) or b"\0" in self.data[match.end():self.at]:
            raise ValueError("a wrong literal")
        return self.data[match.end():self.at]


def attributes(data):
    """b"NAME value NAME value" as a dict."""
    reader = Reader(data)
    found = {}
    while not reader.done():
        name = reader.value()
        found[name] = reader.value()
    return found


def fetched(answer):
    """The attributes of one message, from what imaplib's fetch() returns."""
    data = b""
    for item in answer:
        if isinstance(item, tuple):
            data += item[0] + b"\r\n" + item[1]
        elif item:
            data += item
    data = data[data.index(b"(") + 1:].rstrip()
    if not data.endswith(b")"):
        raise ValueError("no FETCH response")
    return attributes(data[:-1])
