"""Mail to other hosts: routes, the queue and its control, aliases, bounces, a restart."""

import email
import json
import os
import re
import smtplib
import time
import unittest

from daemon import OTHER, OTHER_PASSWORD, PASSWORD, USER, Daemon, make_certificate, message
from dnsserver import Server as DnsServer
from sink import Sink

ZONE = """
example.net.       MX 10 mx.example.net.
mx.example.net.    A 127.0.0.2
"""
QUICK = "queue { retry_first = 1 retry_longest = 2 %s }\n"


class Transfer(unittest.TestCase):
    words = ""

    def daemon(self, words, aliases=None, **more):
        """A running daemon with these words in its configuration."""
        d = Daemon(words=words, **more)
        self.addCleanup(d.stop)
        if aliases is not None:
            (d.dir / "aliases").write_text(aliases)
        return d

    def sink(self, **more):
        sink = Sink(**more)
        self.addCleanup(sink.stop)
        return sink

    def via(self, sink, more="", queue="", domain="*"):
        return f'route "{domain}" {{ host = "127.0.0.1" port = {sink.port} tls = none {more} }}\n' + QUICK % queue

    def submit(self, d, to, text=None, user=USER, password=PASSWORD, **options):
        with smtplib.SMTP("localhost", d.ports["submission"], timeout=30) as client:
            client.starttls(context=d.tls())
            client.login(user, password)
            return client.sendmail(user, to, text or message("out"), **options)

    def queue(self, d, *args):
        done = d.ctl("queue", "list", *args, "--json")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def until(self, what, seconds=30):
        deadline = time.monotonic() + seconds
        while not what():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)


class Relay(Transfer):
    def test_smarthost(self):
        sink = self.sink()
        d = self.daemon(self.via(sink)).start()
        self.submit(d, ["bob@example.com.invalid", "carl@example.net"])
        (mail,) = sink.wait(1)
        self.assertTrue(mail.sender.startswith(f"<{USER}>"))
        self.assertEqual([r.split(">")[0] for r in mail.recipients], ["<bob@example.com.invalid", "<carl@example.net"])
        self.assertIn(b"\r\nReceived: from ", b"\r\n" + mail.data)
        self.assertNotIn(b"Return-Path", mail.data)
        self.until(lambda: self.queue(d) == [])

    def test_login_over_tls(self):
        work = Daemon()
        self.addCleanup(work.stop)
        make_certificate(work.dir / "c.pem", work.dir / "k.pem", ("localhost", "127.0.0.1"))
        sink = self.sink(cert=work.dir / "c.pem", key=work.dir / "k.pem", logins={"we": "se:cret"})
        d = self.daemon('secrets = "secrets"\n' + QUICK % "" + f'route "*" {{ host = "localhost" port = {sink.port} '
                        f'login = "isp" ca = "{work.dir}/c.pem" }}\ndns = "127.0.0.1@1"\n')
        os.chmod(work.dir / "c.pem", 0o644)
        dns = DnsServer("localhost. A 127.0.0.1\n")
        dns.start()
        self.addCleanup(dns.stop)
        d.words = d.words.replace("127.0.0.1@1", f"127.0.0.1@{dns.port}")
        d.write_conf()
        (d.dir / "secrets").write_text("other x:y\nisp we:se:cret\n")
        d.start()
        self.submit(d, ["bob@example.net"])
        (mail,) = sink.wait(1)
        self.assertTrue(mail.session.tls)
        self.assertEqual(mail.session.user, "we")
        self.assertNotIn("se:cret", d.text())

    def test_certificate_of_another(self):
        work = Daemon()
        self.addCleanup(work.stop)
        make_certificate(work.dir / "c.pem", work.dir / "k.pem", ("elsewhere.example",))
        sink = self.sink(cert=work.dir / "c.pem", key=work.dir / "k.pem")
        d = self.daemon(f'route "*" {{ host = "127.0.0.1" port = {sink.port} tls = verified tls_name = "mail.example" }}\n'
                        + QUICK % "").start()
        self.submit(d, ["bob@example.net"])
        self.until(lambda: self.queue(d) and self.queue(d)[0]["attempts"] > 0)
        self.assertIn("certificate", self.queue(d)[0]["text"].lower())
        self.assertEqual(sink.messages, [])

    def test_mx(self):
        sink = self.sink(address="127.0.0.2")
        dns = DnsServer(ZONE)
        dns.start()
        self.addCleanup(dns.stop)
        d = self.daemon(f'dns = "127.0.0.1@{dns.port}"\nroute "*" {{ port = {sink.port} tls = none }}\n' + QUICK % "").start()
        self.submit(d, ["bob@example.net"])
        (mail,) = sink.wait(1)
        self.assertIn(b"id ", mail.data)
        self.submit(d, ["bob@nowhere.example"])
        (bounce,) = d.wait_inbox(1)
        self.assertIn("nowhere.example", bounce)
        self.assertIn("Return-Path: <>", bounce)

    def test_an_mx_that_is_this_host(self):
        dns = DnsServer("example.net. MX 10 mx.example.net.\nmx.example.net. A 127.0.0.1\n")
        dns.start()
        self.addCleanup(dns.stop)
        d = self.daemon(f'dns = "127.0.0.1@{dns.port}"\n').start()
        self.submit(d, ["bob@example.net"])
        self.assertIn("loops back", d.wait_inbox(1)[0])

    def test_not_for_strangers(self):
        d = self.daemon("").start()
        with d.smtp() as client:
            client.ehlo()
            client.mail("x@example.net")
            code, text = client.rcpt("bob@example.net")
            self.assertEqual(code, 550)
            self.assertIn(b"5.7.1", text)

    def test_backup_mx(self):
        sink = self.sink()
        d = self.daemon(self.via(sink, "accept = true", domain="friend.example")).start()
        d.deliver(message("for the friend"), "bob@friend.example")
        self.assertIn(b"for the friend", sink.wait(1)[0].data)

    def test_sender_must_be_own(self):
        d = self.daemon(self.via(self.sink()) + f'sender "{USER}" {{ as = {{"sales@example.org"}} }}\n').start()
        with smtplib.SMTP("localhost", d.ports["submission"], timeout=30) as client:
            client.starttls(context=d.tls())
            client.login(USER, PASSWORD)
            for sender, good in ((USER, True), ("sales@example.org", True), (OTHER, False), ("ceo@example.com", False)):
                codes = [client.mail(sender)[0]]
                if codes[0] == 250:
                    codes.append(client.rcpt("bob@example.net")[0])
                self.assertEqual(codes[-1], 250 if good else 553, sender)
                client.rset()


class Trouble(Transfer):
    def test_greylisted(self):
        seen = []

        def answer(verb, argument, session):
            if verb == "RCPT" and argument not in seen:
                seen.append(argument)
                return "451 4.7.1 greylisted, come back"
            return None
        sink = self.sink(answer=answer)
        d = self.daemon(self.via(sink)).start()
        self.submit(d, ["bob@example.net"])
        sink.wait(1)
        self.until(lambda: self.queue(d) == [])
        self.assertIn("greylisted", d.text())

    def test_bounce(self):
        sink = self.sink(answer=lambda verb, argument, session:
                         "550 5.1.1 no such person" if verb == "RCPT" and "gone" in argument else None)
        d = self.daemon(self.via(sink)).start()
        self.submit(d, ["gone@example.net", "bob@example.net"], message("to two"))
        (text,) = d.wait_inbox(1)
        sink.wait(1)
        bounce = email.message_from_string(text)
        self.assertEqual(bounce.get_content_type(), "multipart/report")
        self.assertEqual(bounce.get_param("report-type"), "delivery-status")
        human, status, original = bounce.get_payload()[:3]
        self.assertIn("gone@example.net", human.get_payload())
        self.assertIn("no such person", human.get_payload())
        fields = status.get_payload()[1]
        self.assertEqual((fields["Action"], fields["Status"]), ("failed", "5.1.1"))
        self.assertIn("gone@example.net", fields["Final-Recipient"])
        self.assertIn("to two", original.as_string())
        self.until(lambda: self.queue(d) == [])

    def test_given_up(self):
        sink = self.sink(answer=lambda verb, argument, session: "450 4.2.0 not now" if verb == "RCPT" else None)
        d = self.daemon(self.via(sink, queue="lifetime = 8 warn = 2")).start()
        self.submit(d, ["bob@example.net"])
        bounces = d.wait_inbox(2, seconds=40)
        subjects = [email.message_from_string(b)["Subject"] for b in bounces]
        reports = [email.message_from_string(b).get_payload()[1].get_payload()[1]["Action"] for b in bounces]
        self.assertEqual(reports, ["delayed", "failed"], subjects)

    def test_connection_lost(self):
        drops = []

        def answer(verb, argument, session):
            if verb == "END" and len(drops) < 2:
                drops.append(1)
                return "drop"
            return None
        sink = self.sink(answer=answer)
        d = self.daemon(self.via(sink)).start()
        self.submit(d, ["bob@example.net"])
        sink.wait(1)
        self.until(lambda: self.queue(d) == [])
        self.assertEqual(len(sink.messages), 1)

    def test_restart(self):
        sink = self.sink(answer=lambda verb, argument, session: "421 4.3.2 down" if verb == "CONNECT" and down else None)
        down = True
        d = self.daemon(self.via(sink)).start()
        for n in range(5):
            self.submit(d, [f"bob{n}@example.net"], message(f"number {n}"))
        self.assertEqual(len(self.queue(d)), 5)
        d.kill()
        down = False
        d.start()
        self.assertEqual(len({m.data for m in sink.wait(5)}), 5)
        self.until(lambda: self.queue(d) == [])


class Control(Transfer):
    def setUp(self):
        self.sink_ = self.sink()
        self.d = self.daemon(self.via(self.sink_) + 'log = "./log"\n').start()
        self.d.ctl("pause", "out")

    def test_queue_commands(self):
        self.submit(self.d, ["bob@example.net", "carl@example.com.invalid"], message("first"))
        self.submit(self.d, ["dora@example.net"], message("second"))
        entries = self.queue(self.d)
        self.assertEqual([e["to"] for e in entries], ["bob@example.net", "carl@example.com.invalid", "dora@example.net"])
        self.assertEqual(self.queue(self.d, "domain", "example.net")[1]["to"], "dora@example.net")
        one = entries[0]["id"]
        text = self.d.ctl("queue").stdout
        self.assertIn(f"{one} ", text)
        self.assertIn("    to dora@example.net: due, 0 tries", text)
        self.assertIn("Subject: first", self.d.ctl("queue", "show", one).stdout)
        self.assertIn("held: 1 message, 2 recipients", self.d.ctl("queue", "hold", one).stdout)
        self.assertTrue(self.queue(self.d, one)[0]["held"])
        self.d.ctl("resume", "out")
        self.assertIn(b"second", self.sink_.wait(1)[0].data)
        self.until(lambda: len(self.queue(self.d)) == 2)
        self.d.ctl("queue", "release", one)
        self.sink_.wait(2)
        self.until(lambda: self.queue(self.d) == [])
        self.assertIn("messages    0, 0 held", self.d.ctl("queue", "stats").stdout)
        self.assertEqual(self.d.ctl("queue", "retry", "nothing", check=False).returncode, 1)

    def test_remove(self):
        self.submit(self.d, ["bob@example.net"])
        self.d.ctl("queue", "remove", "all")
        self.assertEqual(self.queue(self.d), [])
        self.assertEqual(self.sink_.messages, [])

    def test_pause_in(self):
        self.d.ctl("pause", "in")
        with self.d.smtp() as client:
            client.ehlo()
            self.assertEqual(client.mail("x@example.net")[0], 421)
        self.assertIn("paused", self.d.ctl("status").stdout)
        self.d.ctl("resume", "in")
        self.d.deliver(message("again"))
        self.assertEqual(len(self.d.inbox()), 1)

    def test_log_follows_a_message(self):
        text = message("followed")
        mid = re.search(r"Message-ID: <(.*)>", text if isinstance(text, str) else text.decode(), re.I)
        self.submit(self.d, ["bob@example.net"], text)
        one = self.queue(self.d)[0]["id"]
        self.d.ctl("resume", "out")
        self.sink_.wait(1)
        self.until(lambda: self.queue(self.d) == [])
        lines = self.d.ctl("log", one).stdout
        self.assertIn("to=bob@example.net", lines)
        if mid:
            self.assertEqual(self.d.ctl("log", mid.group(1)).stdout, lines)
        self.assertEqual(self.d.ctl("log", "nothing", check=False).returncode, 1)

    def test_log_follows_bounces(self):
        self.sink_.answer = lambda verb, argument, session: "550 5.1.1 \xe4 no" if verb == "RCPT" else None
        self.submit(self.d, ["bob@example.net"])
        one = self.queue(self.d)[0]["id"]
        self.d.ctl("resume", "out")
        self.d.wait_inbox(1)
        self.until(lambda: "destination=local" in self.d.ctl("log", one).stdout)
        lines = self.d.ctl("log", one).stdout
        self.assertRegex(lines, f"mta notification id=\\w+ about={one} to={USER}")
        bounce = re.search(f"id=(\\w+) about={one}", lines).group(1)
        self.assertRegex(lines, f"mta sent id={bounce} .*to={USER}")
        self.assertRegex(lines, f"mta failed id={one} .*result=550")
        self.assertEqual(self.d.ctl("log", f"<{one}@localhost>").stdout, lines)

    def test_trace(self):
        import subprocess
        from daemon import MAILSERVCTL
        with subprocess.Popen([MAILSERVCTL, "-c", str(self.d.conf), "trace"], stdout=subprocess.PIPE, text=True) as trace:
            try:
                self.assertIn("watching", trace.stdout.readline())
                self.submit(self.d, ["bob@example.net"])
                self.d.ctl("resume", "out")
                self.sink_.wait(1)
                lines = []
                for line in trace.stdout:
                    lines.append(line)
                    if "taken" in line:
                        break
            finally:
                trace.terminate()
        text = "".join(lines)
        for word in ("EHLO", "MAIL FROM:<", "RCPT TO:<bob@example.net>"):
            self.assertIn(word, text)

    def test_explain(self):
        done = self.d.ctl("explain", USER, "bob@example.net", "--auth", USER).stdout
        self.assertIn("127.0.0.1", done)
        refused = self.d.ctl("explain", "x@example.com.invalid", "bob@example.net").stdout
        self.assertIn("550", refused)
        mailbox = self.d.ctl("explain", "x@example.com.invalid", "anna+tag@example.org", "--json").stdout
        self.assertTrue(all("what" in json.loads(line) for line in mailbox.splitlines()))
        self.assertIn(USER, mailbox)
        self.assertEqual(self.queue(self.d), [])


class Aliases(Transfer):
    def test_expansion(self):
        sink = self.sink()
        d = self.daemon(self.via(sink) + 'aliases = "aliases"\n',
                        aliases=f"root: anna\nteam: anna, {OTHER}, far@example.net\n@example.com: bert@example.org\n").start()
        d.deliver(message("to root"), "root@example.org")
        self.assertEqual(len(d.wait_inbox(1)), 1)
        d.deliver(message("to team"), "team@example.org")
        self.assertEqual(len(d.wait_inbox(2)), 2)
        (far,) = sink.wait(1)
        self.assertRegex(far.sender, r"^<SRS0=.*@example\.org>")
        d.deliver(message("to anybody"), "whoever@example.com")
        self.assertEqual(len(d.wait_inbox(2, OTHER, OTHER_PASSWORD)), 2)
        # The way back: a bounce to the rewritten sender goes to who sent first.
        with d.smtp() as client:
            client.ehlo()
            client.mail("")
            self.assertEqual(client.rcpt(far.sender.split(">")[0][1:])[0], 250)
            self.assertEqual(client.rcpt("SRS0=aaaa=bb=example.net=x@example.org")[0], 550)

    def test_changes_are_seen(self):
        d = self.daemon('aliases = "aliases"\n', aliases="one: anna\n").start()
        (d.dir / "aliases").write_text("one: anna\ntwo: anna\nbroken line\n")

        def there():
            with d.smtp() as client:
                client.ehlo()
                client.mail("x@example.net")
                return client.rcpt("two@example.org")[0] == 250
        self.until(there)
        d.wait_log("aliases:3: ")
        said = d.ctl("reload").stdout
        self.assertRegex(said, "(?m)^.*aliases:3: .*\\n.*reloaded")

    def test_program(self):
        d = self.daemon('aliases = "aliases"\nprograms = true\n' + QUICK % "", aliases="")
        out = d.mail / "out"
        script = d.dir / "keep"
        script.write_text(f'#!/bin/sh\n{{ echo "$1" "$SENDER"; cat; }} >>"{out}"\nexit $2\n')
        script.chmod(0o755)
        (d.dir / "aliases").write_text(f'robot: "|{script} first 0"\nangry: "|{script} second 67"\n')
        d.start()
        d.deliver(message("for the robot"), "robot@example.org", sender="who@example.net")
        self.until(lambda: out.exists() and "for the robot" in out.read_text())
        self.assertIn("first who@example.net", out.read_text())
        d.deliver(message("will fail"), "angry@example.org", sender=USER)
        (bounce,) = d.wait_inbox(1)
        self.assertIn("angry@example.org", bounce)

    def test_program_that_leaves_another_behind(self):
        d = self.daemon('aliases = "aliases"\nprograms = true\n' + QUICK % "",
                        aliases="behind: \"|/bin/sh -c 'echo done >&2; sleep 100 & exit 67'\"\n"
                                "quiet: \"|/bin/sh -c 'exec 2>&-; sleep 1; exit 67'\"\n").start()
        for name in ("behind", "quiet"):
            d.deliver(message(name), f"{name}@example.org", sender=USER)
        bounces = "".join(d.wait_inbox(2))
        self.assertIn("the program sh (status 67): done", bounces)
        self.assertIn("quiet@example.org", bounces)

    def test_programs_must_be_allowed(self):
        d = self.daemon('aliases = "aliases"\n', aliases='robot: "|/bin/true"\n').start()
        d.wait_log("aliases:1: ")
        with d.smtp() as client:
            client.ehlo()
            client.mail("x@example.net")
            # The administrator's mistake, not the sender's: the mail waits for it to be mended.
            self.assertEqual(client.rcpt("robot@example.org")[0], 451)


class Local(Transfer):
    def test_small_domain_in_fifteen_lines(self):
        d = Daemon()
        self.addCleanup(d.stop)
        lines = ['domains = {"example.org", "example.com"}', 'hostname = "localhost"', 'certificate = "cert.pem"',
                 'key = "key.pem"', 'passwd = "passwd"', 'location = "mail/%d/%n"', 'aliases = "aliases"',
                 'secrets = "secrets"', 'route "*" { host = "smtp.isp.example" login = "isp" }']
        self.assertLessEqual(len(lines) + 5, 15)
        (d.dir / "aliases").write_text("root: anna\npostmaster: anna\nabuse: anna\ninfo: anna, bert\nwebmaster: bert\n")
        (d.dir / "secrets").write_text("isp user:password\n")
        more = [line for line in d.conf.read_text().splitlines() if line.startswith(("user = ", "listen smtp", "control", "drop"))]
        d.conf.write_text("\n".join(lines + more) + "\n")
        d.start()
        d.deliver(message("to info"), "info@example.com")
        self.assertIn(" delivered ", d.text())
