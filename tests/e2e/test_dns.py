"""The private DNS that other tests stand on."""

import struct
import socket
import unittest

import dnsserver
from dnsserver import ask

ZONE = """
example.org MX 10 mx.example.org        ; a comment
Example.org 5 MX 20 MX2.example.org.
mx.example.org A 127.0.0.2
mx.example.org AAAA ::1
www.example.org CNAME mx.example.org
example.org TXT "v=spf1 -all" "two"
_25._tcp.mx.example.org TLSA 3 1 1 00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff
1.2.0.192.in-addr.arpa PTR mx.example.org
empty.example.org NODATA
a.b.c.org A 127.0.0.3
null.org MX 0 .
"""

FAULTS = ZONE + """
broken.org SERVFAIL
closed.org REFUSED
silent.org TIMEOUT
half.org SERVFAIL AAAA
half.org A 127.0.0.4
large.org TRUNCATE
large.org A 127.0.0.5
"""


class Common:
    """What both servers do."""

    def setUp(self):
        self.dns = dnsserver.PrivateDns(self.zone)
        self.dns.start()
        self.addCleanup(self.dns.stop)

    def ask(self, name, kind):
        return ask(self.dns.address, self.dns.port, name, kind, timeout=30)

    def test_answers(self):
        for name, kind, code, count in (
                ("example.org", "MX", 0, 2), ("EXAMPLE.ORG", "MX", 0, 2), ("mx.example.org", "A", 0, 1),
                ("mx.example.org", "AAAA", 0, 1), ("www.example.org", "A", 0, 2), ("www.example.org", "CNAME", 0, 1),
                ("example.org", "TXT", 0, 1), ("_25._tcp.mx.example.org", "TLSA", 0, 1),
                ("1.2.0.192.in-addr.arpa", "PTR", 0, 1), ("empty.example.org", "A", 0, 0), ("b.c.org", "A", 0, 0),
                ("null.org", "MX", 0, 1), ("example.org", "A", 0, 0), ("no.example.org", "A", 3, 0),
                ("no.such.net", "MX", 3, 0)):
            with self.subTest(name=name, kind=kind):
                self.assertEqual(self.ask(name, kind), (code, count))

    def test_replace(self):
        self.dns.replace("other.org A 127.0.0.9\n")
        self.assertEqual(self.ask("other.org", "A"), (0, 1))
        self.assertEqual(self.ask("example.org", "MX"), (3, 0))


class Faulty(Common, unittest.TestCase):
    zone = FAULTS

    def test_faults(self):
        self.assertEqual(self.ask("broken.org", "MX"), (2, 0))
        self.assertEqual(self.ask("closed.org", "A"), (5, 0))
        self.assertEqual(self.ask("half.org", "AAAA"), (2, 0))
        self.assertEqual(self.ask("half.org", "A"), (0, 1))
        self.assertEqual(ask(self.dns.address, self.dns.port, "silent.org", "A", timeout=0.3), (-1, 0))
        self.assertEqual(self.dns.queries()[-1], ("silent.org", "A"))

    def test_truncated(self):
        query = struct.pack("!6H", 1, 0x100, 1, 0, 0, 0) + dnsserver.pack_name("large.org") + b"\0\1\0\1"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(30)
            s.sendto(query, (self.dns.address, self.dns.port))
            self.assertEqual(s.recv(4096)[2] & 2, 2)
        with socket.create_connection((self.dns.address, self.dns.port), 30) as s:
            for _ in range(2):
                s.sendall(struct.pack("!H", len(query)) + query)
                n = struct.unpack("!H", s.recv(2, socket.MSG_WAITALL))[0]
                reply = s.recv(n, socket.MSG_WAITALL)
                self.assertEqual((reply[2] & 2, reply[6:8]), (0, b"\0\1"))
                self.assertTrue(reply.endswith(b"\x7f\0\0\5"))

    def test_zones(self):
        for line in ("example.org", "example.org FROB x", "example.org 60"):
            with self.assertRaises(ValueError):
                dnsserver.parse(line)


class Nsd(Common, unittest.TestCase):
    zone = ZONE

    def setUp(self):
        reason = dnsserver.nsd_unavailable()
        if reason:
            self.skipTest(reason)
        super().setUp()
        self.assertIsInstance(self.dns.server, dnsserver.Nsd)


if __name__ == "__main__":
    unittest.main()
