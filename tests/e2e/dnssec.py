"""Signs records of a test's zone (RFC 4034, RFC 6605), by a key of its own."""

import base64
import pathlib
import struct
import subprocess
import tempfile

RRSIG, NSEC, DNSKEY = 46, 47, 48
ECDSA_P256, PROTOCOL, ZONE_KEY_AND_ENTRY_POINT = 13, 3, 257
INCEPTION, EXPIRATION = 1577836800, 3155760000  # 2020 to 2070


def pack_name(name):
    """A name as on the wire (RFC 1035 3.1)."""
    labels = [label.encode("latin-1") for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _integers(der):
    """r and s of an ECDSA signature, 32 bytes each."""
    at, out = 2, b""
    for _ in range(2):
        n = der[at + 1]
        out += int.from_bytes(der[at + 2:at + 2 + n], "big").to_bytes(32, "big")
        at += 2 + n
    return out


class Signer:
    """The key of a zone, and what it has signed."""

    def __init__(self, zone):
        self.zone = zone
        with tempfile.TemporaryDirectory() as work:
            path = pathlib.Path(work, "key")
            subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(path)],
                           check=True, capture_output=True)
            self._pem = path.read_text(encoding="ascii")
            public = subprocess.run(["openssl", "ec", "-in", str(path), "-pubout", "-outform", "DER"], check=True,
                                    capture_output=True).stdout[-64:]
        self.dnskey = struct.pack("!HBB", ZONE_KEY_AND_ENTRY_POINT, PROTOCOL, ECDSA_P256) + public
        total = sum(byte << (0 if i & 1 else 8) for i, byte in enumerate(self.dnskey))
        self.tag = total + (total >> 16) & 0xffff
        self._signed = {}

    def anchor(self):
        """The line of a trust anchor file."""
        return (f"{self.zone}. IN DNSKEY {ZONE_KEY_AND_ENTRY_POINT} {PROTOCOL} {ECDSA_P256} "
                f"{base64.b64encode(self.dnskey[4:]).decode()}\n")

    def signs(self, name):
        return name == self.zone or name.endswith("." + self.zone)

    def sign(self, name, number, ttl, rdatas):
        """The rdata of the RRSIG for all records of that type at a name (RFC 4034 3.1)."""
        what = (name, number, ttl, tuple(sorted(rdatas)))
        if what in self._signed:
            return self._signed[what]
        labels = len([label for label in name.split(".") if label])
        head = struct.pack("!HBBIIIH", number, ECDSA_P256, labels, ttl, EXPIRATION, INCEPTION, self.tag)
        head += pack_name(self.zone)
        records = b"".join(pack_name(name) + struct.pack("!HHIH", number, 1, ttl, len(rdata)) + rdata
                           for rdata in sorted(rdatas))
        with tempfile.NamedTemporaryFile("w") as key:
            key.write(self._pem)
            key.flush()
            der = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key.name], input=head + records, check=True,
                                 capture_output=True).stdout
        self._signed[what] = head + _integers(der)
        return self._signed[what]


def nsec(name, numbers):
    """The rdata of an NSEC that says: at this name are these types alone, and nothing up to the next one
    there could be (RFC 4034 4.1, RFC 4470)."""
    windows = {}
    for number in sorted({*numbers, RRSIG, NSEC}):
        bits = windows.setdefault(number >> 8, bytearray(32))
        bits[(number & 255) >> 3] |= 0x80 >> (number & 7)
    rdata = b"\1\0" + pack_name(name)
    for window, bits in windows.items():
        used = bytes(bits).rstrip(b"\0")
        rdata += bytes([window, len(used)]) + used
    return rdata
