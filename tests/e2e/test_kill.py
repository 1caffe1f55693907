"""kill -9 at random moments under load: what was acknowledged is delivered, whole, and twice only where the
end of a transaction was on its way when the kill came.  MSV_KILL_CYCLES: how often is killed."""

import collections
import contextlib
import json
import os
import random
import re
import smtplib
import ssl
import subprocess
import sys
import threading
import time
import unittest

from daemon import MAILSERVCTL, OTHER, PASSWORD, USER, Daemon, free_port
from sink import Sink

CYCLES = int(os.environ.get("MSV_KILL_CYCLES", "12"))
CLIENTS = 6
DEADLINE = 60  # seconds
# How long it may take to write down what the next hop has said, on a slow and busy machine.
WINDOW = 10  # seconds
QUEUE = "queue { retry_first = 1 retry_longest = 2 }\n"
MAILBOXES = {USER: "example.org/anna", OTHER: "example.org/bert"}
GONE = "gone.example"  # never taken by the next hop: removed from the queue
IDENTITY = re.compile(rb"^X-Load: (\S+) (\d+)\r?$", re.M)


def text_of(name, lines):
    body = "".join(f"line {i} of {name}, which is one of many that are sent\r\n" for i in range(lines))
    return f"{body}end of {name}\r\n"


class Mail:
    """One message of the load; it is sent until somebody says 250."""

    def __init__(self, name, recipients, lines):
        self.name, self.recipients, self.lines = name, recipients, lines
        self.tries, self.acknowledged = 0, False
        self.unanswered = set()  # tries whose end of data was sent, and no reply read

    def text(self):
        return (f"From: <{USER}>\r\nTo: <{USER}>\r\nSubject: load\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\n"
                f"Message-ID: <{self.name}@example.org>\r\nX-Load: {self.name} {self.tries}\r\n\r\n"
                + text_of(self.name, self.lines)).encode()


class Copies:
    """What arrived: for each (name, try, recipient) when, and when its session began."""

    def __init__(self):
        self.at, self.broken, self.lock = collections.defaultdict(list), [], threading.Lock()

    def add(self, data, recipients, mails, when, began, where=""):
        found = IDENTITY.search(data)
        mail = mails.get(found[1].decode()) if found else None
        body = data.replace(b"\r\n", b"\n").partition(b"\n\n")[2]
        with self.lock:
            if not mail or body != text_of(mail.name, mail.lines).replace("\r\n", "\n").encode():
                self.broken.append((where, len(data), data[:300], data[-100:]))
                return
            for recipient in recipients:
                self.at[mail.name, int(found[2]), recipient].append((when, began))


class Far(Sink):
    """The next hop: it takes most, refuses some, and is slow to say so."""

    def __init__(self, mails):
        self.mails, self.copies, self.kind = mails, Copies(), False
        super().__init__(answer=self.decide)
        self.lines = collections.deque(maxlen=100)

    def decide(self, verb, argument, session):
        if verb == "CONNECT":
            session.began = time.time()
        if verb == "RCPT" and GONE in argument:
            return "451 4.2.0 never"
        if self.kind:
            return None
        dice = random.random()
        if verb == "CONNECT" and dice < 0.1:
            return "drop" if dice < 0.05 else "421 4.3.2 later"
        if verb == "RCPT" and dice < 0.05:
            return "451 4.7.1 greylisted"
        if verb == "END":
            time.sleep(random.random() * 0.02)
            if dice < 0.05:
                return "drop" if dice < 0.02 else "452 4.3.1 full"
        return None

    def keep(self, message):
        recipients = [r.partition(">")[0].lstrip("<") for r in message.recipients]
        self.copies.add(message.data, recipients, self.mails, time.time(), message.session.began)


class Client(threading.Thread):
    """Sends one message after the other over a connection, and again what was not acknowledged."""

    def __init__(self, number, test):
        super().__init__(daemon=True)
        self.number, self.test, self.smtp = number, test, None
        self.random = random.Random(random.random())

    def new_mail(self, i):
        dice = self.random.random()
        name = f"m{self.number}-{i}"
        recipients = []
        if dice < 0.6:
            recipients += self.random.sample(sorted(MAILBOXES), self.random.choice((1, 2)))
        if dice > 0.3:
            recipients += [f"{name}-{n}@{self.random.choice(('far', 'remote'))}.example"
                           for n in range(self.random.choice((1, 1, 3)))]
        if self.random.random() < 0.05:
            recipients.append(f"{name}@{GONE}")
        return Mail(name, recipients, self.random.choice((3, 20, 200)) if i % 50 else 6000)

    def connect(self):
        d = self.test.d
        smtp = smtplib.SMTP("localhost", d.ports["submission"], timeout=DEADLINE)
        smtp.starttls(context=self.test.tls)
        smtp.login(USER, PASSWORD)
        self.smtp = smtp

    def try_to_send(self, mail):
        """True: acknowledged."""
        if not self.smtp:
            self.connect()
        mail.tries += 1
        for what in [f"MAIL FROM:<{USER}>", *(f"RCPT TO:<{r}>" for r in mail.recipients), "DATA"]:
            code, _ = self.smtp.docmd(what)
            if code not in (250, 354):
                self.smtp.docmd("RSET")
                return False
        self.smtp.send(mail.text())
        mail.unanswered.add(mail.tries)
        self.smtp.send(b".\r\n")
        code, _ = self.smtp.getreply()
        mail.unanswered.discard(mail.tries)
        return code == 250

    def run(self):
        i = 0
        while not self.test.over.is_set():
            mail = self.new_mail(i)
            self.test.mails[mail.name] = mail
            i += 1
            while not mail.acknowledged and not self.test.over.is_set():
                try:
                    mail.acknowledged = self.try_to_send(mail)
                except (OSError, smtplib.SMTPException, ssl.SSLError):
                    if self.smtp:
                        self.smtp.close()
                    self.smtp = None
                time.sleep(self.random.random() * (0.02 if self.smtp else 0.2))
        if self.smtp:
            self.smtp.close()


class Changes(threading.Thread):
    """Changes the queue all the time."""

    def __init__(self, test):
        super().__init__(daemon=True)
        self.test, self.done, self.stuck = test, collections.Counter(), None

    def run(self):
        words = (("hold", "all"), ("release", "all"), ("retry", "all"), ("remove", "domain", GONE), ("list", "--json"))
        while not self.test.over.is_set():
            for word in words:
                try:
                    if self.test.d.ctl("queue", *word, check=False).returncode == 0:
                        self.done[word[0]] += 1
                except subprocess.TimeoutExpired as stuck:
                    self.stuck = stuck
                time.sleep(random.random() * 0.1)


class Kill(unittest.TestCase):
    def start(self, words):
        self.d = Daemon(words=words)
        self.addCleanup(self.d.stop)
        self.d.conf.write_text(self.d.conf.read_text().replace("log_level = debug", "log_level = info"))
        self.tls = self.d.tls()
        self.d.start()

    def queue(self):
        return [json.loads(line) for line in self.d.ctl("queue", "list", "--json").stdout.splitlines()]

    def bodies(self):
        return [p for p in (self.d.mail / ".mailserv-queue" / "bodies").rglob("*") if p.is_file()]

    def until(self, what, why):
        deadline = time.monotonic() + DEADLINE
        while not what():
            self.assertLess(time.monotonic(), deadline, why)
            time.sleep(0.1)

    def wait_ready(self, offset):
        """Until the server process that was started last is there."""
        def ready():
            with open(self.d.log_file, "rb") as log:
                log.seek(offset)
                return b" is ready: " in log.read()
        self.until(ready, "the server was not started again")


class Load(Kill):
    def setUp(self):
        self.mails, self.over, self.kills, self.logs = {}, threading.Event(), [], []
        self.far = Far(self.mails)
        self.addCleanup(self.far.stop)
        self.addCleanup(self.over.set)
        self.start(f'route "*" {{ host = "127.0.0.1" port = {self.far.port} tls = none }}\n' + QUEUE)

    def kill_once(self, whole, again):
        """All processes, or the server that the parent starts again; that one, too, while it starts."""
        began, offset = time.time(), self.d.log_file.stat().st_size
        if whole:
            self.d.kill()
            self.kills.append((began, time.time()))
            self.d.log_file.rename(self.d.dir / f"log.{len(self.kills)}")
            self.d.start()
            return
        self.d.kill_server()
        self.kills.append((began, time.time()))
        if again:
            self.until(lambda: self.d.processes()[1:], "the server was not started again")
            time.sleep(random.random() * 0.1)
            began, offset = time.time(), self.d.log_file.stat().st_size
            self.d.kill_server()
            self.kills.append((began, time.time()))
        self.wait_ready(offset)

    def under_load(self):
        changes = Changes(self)
        threads = [changes, *(Client(n, self) for n in range(CLIENTS))]
        for thread in threads:
            thread.start()
        for cycle in range(CYCLES):
            time.sleep(random.uniform(0.2, 2))
            self.kill_once(whole=cycle % 3 == 2, again=cycle % 6 == 4)
        time.sleep(1)
        self.over.set()
        for thread in threads:
            thread.join(2 * DEADLINE)
            self.assertFalse(thread.is_alive())
        self.assertIsNone(changes.stuck)
        return changes.done

    def empty_queue(self):
        self.far.kind = True
        self.d.ctl("queue", "release", "all", check=False)

        def empty():
            self.d.ctl("queue", "remove", "domain", GONE, check=False)
            return not self.queue()
        self.until(empty, "the queue does not become empty")
        self.until(lambda: not self.bodies(), "there are bodies of no message")

    def read_mailboxes(self):
        copies = Copies()
        for recipient, place in MAILBOXES.items():
            for folder in ("new", "cur"):
                for path in (self.d.mail / place / folder).iterdir():
                    when = path.stat().st_mtime
                    copies.add(path.read_bytes(), [recipient], self.mails, when, when, path)
        return copies

    def in_window(self, times):
        """Did a kill end the session of each copy that is not the last?  How long after the copy, at most."""
        waits = []
        for (first, began), (_, then) in zip(times, times[1:]):
            waits.append(min((max(kill - first, 0) for kill, dead in self.kills if began <= dead and kill <= then),
                             default=float("inf")))
        return max(waits)

    def count(self, copies):
        """Lost, twice because the sender sent it again, twice because of our own try, unexplained."""
        lost, incoming, outgoing, strange, longest = [], 0, 0, [], 0.0
        by_mail = collections.defaultdict(list)
        for (name, number, recipient), times in copies.at.items():
            by_mail[name, recipient].append(number)
            if len(times) > 1:
                wait = self.in_window(sorted(times))
                longest = max(longest, wait)
                outgoing += len(times) - 1
                if wait > WINDOW:
                    times = [(at - self.kills[0][0], began - self.kills[0][0]) for at, began in times]
                    strange.append((name, number, recipient, times))
        for mail in list(self.mails.values()):
            for recipient in mail.recipients:
                tries = by_mail[mail.name, recipient]
                incoming += max(len(tries) - 1, 0)
                allowed = mail.unanswered | ({mail.tries} if mail.acknowledged else set())
                if not set(tries) <= allowed:
                    strange.append((mail.name, tries, recipient, allowed))
                if mail.acknowledged and mail.tries not in tries and not recipient.endswith(GONE):
                    lost.append((mail.name, recipient))
        return lost, incoming, outgoing, strange, longest

    def test_nothing_is_lost(self):
        done = self.under_load()
        self.empty_queue()
        near, far = self.read_mailboxes(), self.far.copies
        self.assertEqual(near.broken + far.broken, [])
        together = Copies()
        together.at = {**near.at, **far.at}
        lost, incoming, outgoing, strange, longest = self.count(together)
        acknowledged = [mail for mail in self.mails.values() if mail.acknowledged]
        print(f"{len(self.kills)} kills, {sum(done.values())} changes of the queue: {len(acknowledged)} messages "
              f"acknowledged for {sum(len(mail.recipients) for mail in acknowledged)} recipients, "
              f"{sum(len(mail.unanswered) for mail in self.mails.values())} tries without an answer; {len(lost)} "
              f"copies lost, {incoming} twice as their sender did not read 250, {outgoing} twice as what became of "
              f"them was not yet written ({longest:.2f} s at most), {len(strange)} unexplained", file=sys.stderr)
        self.assertEqual(lost, [])
        self.assertEqual(strange, [])
        self.assertGreater(len(acknowledged), CYCLES)
        for word in ("hold", "release", "retry", "remove", "list"):
            self.assertGreater(done[word], 0)
        for log in self.d.dir.glob("log*"):
            self.assertNotRegex(log.read_text(errors="replace"), "Sanitizer|runtime error:|damaged|is gone, its recip")
        with self.d.imap() as client:
            self.assertEqual(int(client.select("INBOX", readonly=True)[1][0]),
                             sum(len(times) for key, times in near.at.items() if key[2] == USER))


class Change(Kill):
    """Kills at changes of the queue, whose mail waits for a next hop that is not there."""

    MAILS = 30

    def setUp(self):
        self.start(f'route "*" {{ host = "127.0.0.1" port = {free_port()} tls = none }}\n' + QUEUE)
        with smtplib.SMTP("localhost", self.d.ports["submission"], timeout=DEADLINE) as client:
            client.starttls(context=self.tls)
            client.login(USER, PASSWORD)
            for i in range(self.MAILS):
                client.sendmail(USER, [f"one{i}@a.invalid", f"two{i}@b.invalid"], b"Subject: waits\r\n\r\nHello.\r\n")

    def state(self):
        """Held or not of every message, its recipients."""
        held, recipients = {}, collections.defaultdict(set)
        for row in self.queue():
            held[row["id"]] = row["held"]
            recipients[row["id"]].add(row["to"])
        return held, recipients

    def again(self):
        self.d.kill()
        self.d.start()

    def test_what_was_acknowledged_stays(self):
        held, _ = self.state()
        self.assertEqual(len(held), self.MAILS)
        for one in sorted(held)[:max(3, CYCLES // 4)]:
            self.d.ctl("queue", "hold", one)
            self.again()
            self.assertEqual([i for i, is_held in self.state()[0].items() if is_held], [one])
            self.d.ctl("queue", "release", one)
            self.again()
            self.assertFalse(any(self.state()[0].values()))
            self.d.ctl("queue", "remove", one)
            self.again()
            self.assertNotIn(one, self.state()[0])
        self.assertEqual(len(self.bodies()), len(self.state()[0]))
        self.d.ctl("queue", "remove", "all")
        self.until(lambda: not self.bodies(), "there are bodies of no message")

    def change_and_kill(self, *words):
        """Kills while it is being done, just before, or just after."""
        with subprocess.Popen([MAILSERVCTL, "-c", self.d.conf, "queue", *words], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as change:
            time.sleep(random.random() * 0.03)
            self.again()
            with contextlib.suppress(subprocess.TimeoutExpired):
                change.wait(DEADLINE)
            self.assertIsNotNone(change.returncode)

    def test_in_the_midst(self):
        held, recipients = self.state()
        for words in [("hold", "all"), ("release", "all")] * max(2, CYCLES // 6):
            self.change_and_kill(*words)
            now, those = self.state()
            self.assertEqual(those, recipients)
            self.assertEqual(len(set(now.values())), 1)  # all or none
        for words, rest in ((("remove", "domain", "a.invalid"), {"b.invalid"}), (("remove", "all"), set())):
            for _ in range(3):
                self.change_and_kill(*words)
                for i, those in self.state()[1].items():
                    self.assertLessEqual({r for r in recipients[i] if r.endswith("b.invalid") and rest}, those)
                    self.assertLessEqual(those, recipients[i])
            self.d.ctl("queue", *words, check=False)  # refused when there is none left
            self.assertEqual({r.partition("@")[2] for those in self.state()[1].values() for r in those}, rest)
        self.until(lambda: not self.bodies(), "there are bodies of no message")

    def test_while_it_starts(self):
        before = self.state()
        for _ in range(max(8, CYCLES // 2)):
            self.d.kill()
            self.d.launch()
            time.sleep(random.random() * 0.15)
        self.again()
        self.assertEqual(self.state(), before)
        self.assertEqual(len(self.bodies()), self.MAILS)


del Kill
