"""The corpus of awkward real messages, and what Dovecot 2.3 and we see in them.

settled() brings both answers to one form where the RFCs leave a choice; DIFFERENT names the messages
whose answers differ even so, each with the reason why ours is right.
"""

import itertools
import os
import pathlib
import re

SOURCE = pathlib.Path(__file__).resolve().parents[2]
SAMPLES = SOURCE / "tests" / "fuzz" / "corpus" / "message"


def directory():
    """Where the corpus is, or None."""
    where = pathlib.Path(os.environ.get("MSV_CORPUS") or SOURCE.parent / "shared" / "corpus")
    return where if where.is_dir() else None


def messages():
    """{name: bytes with LF line ends}: the corpus, and our own samples."""
    found = {}
    if directory():
        for path in sorted(directory().glob("*/*.eml")):
            found[f"{path.parent.name}/{path.name}"] = path.read_bytes()
    for path in sorted(SAMPLES.glob("*.eml")):
        found[f"samples/{path.name}"] = path.read_bytes()
    return {name: text.replace(b"\r\n", b"\n") for name, text in found.items()}


# Words in which case means nothing; Dovecot writes some of them its own way.
_CASELESS = {b"text", b"plain", b"message", b"rfc822", b"us-ascii", b"7bit", b"charset"}

# What Dovecot puts where an address lacks a part; we write "" (a NIL host would be a group, RFC 3501
# 7.4.2, and neither text is in the message).
_MADE_UP = {b"MISSING_MAILBOX", b"MISSING_DOMAIN"}


def _settled_string(text):
    """NIL and "" are the same to a client (RFC 3501 7.4.2), and unfolding leaves blanks as they are
    (RFC 5322 2.2.3) where Dovecot writes one space."""
    if text is None or text in _MADE_UP:
        return b""
    text = re.sub(rb"[ \t]+", b" ", text).strip()
    return text.lower() if text.lower() in _CASELESS else text


def settled(value):
    """The value with all that may differ made the same."""
    if isinstance(value, list):
        return [settled(item) for item in value]
    return value if isinstance(value, int) else _settled_string(value)


def _params(params):
    """A parameter list as sorted pairs: their order means nothing (RFC 2045 5.1)."""
    params = settled(params) or []
    return sorted(zip(params[::2], params[1::2]))


def _disposition(value):
    return [settled(value[0]), _params(value[1])] if isinstance(value, list) else settled(value)


def settled_body(body):
    """The same for a BODY or BODYSTRUCTURE (RFC 3501 7.4.2)."""
    parts = list(itertools.takewhile(lambda item: isinstance(item, list), body))
    rest = body[len(parts):]
    special = {1: _params, 2: _disposition}
    if not parts:
        media = (settled(rest[0]), settled(rest[1]))
        # How many fields come before the extension data: MD5, disposition, ...
        fields = 10 if media == (b"message", b"rfc822") else 8 if media[0] == b"text" else 7
        special = {2: _params, fields + 1: _disposition}
        if fields == 10:
            special[8] = settled_body
    return [settled_body(part) for part in parts] + [
        special.get(i, settled)(item) for i, item in enumerate(rest)]


def differences(theirs, ours):
    """The names of the FETCH attributes that say something else."""
    return [name for name in theirs
            if (settled_body if name.startswith("BODY") else settled)(theirs[name])
            != (settled_body if name.startswith("BODY") else settled)(ours[name])]


DIFFERENT = {
    "cpython/0014.eml": "Content-Type without a slash: text/plain (RFC 2045 5.2), not empty strings",
    "cpython/0028.eml": "a plain piece in an extended parameter is percent-encoded (RFC 2231 4.1)",
    "cpython/0031.eml": "charset* says the charset (RFC 2231 4): the default is not added",
    "cpython/0032.eml": "boundary* is a boundary too (RFC 2231 4)",
    "mime4j/0011.eml": "an empty parameter, \";;\", does not end the list",
    "mime4j/0030.eml": "Content-Type without a slash",
    "roundcube/0007.eml": "the line end before a boundary is the boundary's (RFC 2046 5.1.1)",
    "roundcube/0016.eml": "boundary*0* is a boundary too",
    "ruby-mail/0024.eml": "an encoding with a stray \";\" behind it is that encoding",
    "ruby-mail/0031.eml": "no address by any RFC: <Undisclosed-Recipient:@mailman.enron.com;>",
    "ruby-mail/0032.eml": "an empty Content-Disposition is none (RFC 2183 2)",
    "ruby-mail/0034.eml": "Content-Disposition without a token is none",
    "ruby-mail/0039.eml": "an empty element of a list is no address (RFC 5322 4.4)",
    "ruby-mail/0046.eml": "an unquoted boundary with \"=\" in it is taken whole",
    "ruby-mail/0047.eml": "an unquoted boundary with \"=\" in it is taken whole",
    "ruby-mail/0065.eml": "Big Bug bb@bug.com: an address behind a name, without its angles",
    "ruby-mail/0070.eml": "an unquoted boundary with \"=\" in it is taken whole",
    "ruby-mail/0079.eml": "an address as the name of another does not end the list",
    "ruby-mail/0091.eml": "an empty element of a list is no address (RFC 5322 4.4)",
    "samples/addresses.eml": "one address that cannot be read does not end the list",
    "samples/broken.eml": "Content-Type without a slash; a NUL is left out",
    "samples/nested.eml": "the line end before a boundary is the boundary's (RFC 2046 5.1.1)",
}

# Messages of which a section has one CRLF more in one answer.  Where a boundary follows right behind
# a header, or behind the last boundary of an inner multipart, a line end is the inner thing's end and
# the boundary's beginning at once (RFC 2046 5.1.1).  We count it to a header's empty line, so that
# every header is ended, and else to the boundary; Dovecot does it the other way round.  A header
# without an empty line gets none (RFC 3501 6.4.5).
ONE_LINE_END = {
    "cpython/0011.eml", "cpython/0034.eml", "cpython/0037.eml", "cpython/0046.eml", "mime4j/0010.eml",
    "mime4j/0056.eml", "mime4j/0064.eml", "mime4j/0065.eml", "mime4j/0067.eml", "mime4j/0068.eml",
    "mime4j/0074.eml", "mime4j/0075.eml", "notmuch/0003.eml", "notmuch/0014.eml", "notmuch/0023.eml",
    "roundcube/0002.eml", "roundcube/0007.eml", "ruby-mail/0003.eml", "samples/deep.eml",
    "samples/digest.eml", "samples/nested.eml", "samples/onlyheader.eml", "samples/truncated.eml",
}

# Messages in which we see parts that Dovecot does not (the reasons are above).
OTHER_PARTS = {"cpython/0032.eml", "mime4j/0011.eml", "roundcube/0016.eml"}


def part_numbers(body, prefix=()):
    """The numbers of all parts of a BODYSTRUCTURE (RFC 3501 6.4.5)."""
    if not isinstance(body[0], list):
        yield from _numbers_in_part(body, prefix + (1,))
        return
    for number, part in enumerate(itertools.takewhile(lambda b: isinstance(b, list), body), 1):
        yield from _numbers_in_part(part, prefix + (number,))


def _numbers_in_part(part, number):
    yield number
    if isinstance(part[0], list):
        yield from part_numbers(part, number)
    elif settled(part[:2]) == [b"message", b"rfc822"]:
        yield from part_numbers(part[8], number)


def sections(body):
    """All that can be asked of a message with this BODYSTRUCTURE, and parts that are not there."""
    found = ["", "HEADER", "TEXT", "HEADER.FIELDS (FROM TO Subject content-type)",
             "HEADER.FIELDS.NOT (Received From)", "99", "1.1.1.1.1.1.1"]
    for number in part_numbers(body):
        name = ".".join(map(str, number))
        found += [name, name + ".MIME", name + ".HEADER", name + ".TEXT",
                  name + ".HEADER.FIELDS (Subject)"]
    return found


def settled_section(octets):
    """NIL and no octets are the same to a client."""
    return octets or b""
