"""A private OpenSMTPD on loopback, as next hop and as sender.

    reason = opensmtpd.unavailable()                # None, or why the tests must be skipped
    with opensmtpd.OpenSMTPD() as server:           # delivers mail for example.org
        ... SMTP to server.port ...
        server.messages("anna")                     # bytes of what anna@example.org got
    with opensmtpd.OpenSMTPD(relay=port) as server: # relays everything else to 127.0.0.1:port
        server.sendmail("a@example.net", ["b@example.com"], text)
"""

import os

import jail
from daemon import free_port
from jail import maildir_messages, wait_for

PACKAGES = ("opensmtpd", "dash")
_USERS = {"opensmtpd": (5001, 5001), "opensmtpq": (5002, 5002)}


def unavailable():
    """None when OpenSMTPD can be started, else the reason for skipping."""
    return jail.unavailable("opensmtpd", PACKAGES, ["/usr/sbin/smtpd", "-h"])


class OpenSMTPD:
    """One OpenSMTPD.

    domains    it delivers mail of, to Maildirs of its own; everybody in them exists
    relay      sends everything else to that port of 127.0.0.1 (or "HOST:PORT"); None: by MX
    relay_url  instead of relay: a whole relay host, "smtp+tls://user@host:port"
    relay_words  more words of the relay action
    directory  where its queue and its Maildirs are
    settings   more lines of smtpd.conf, before all others
    """

    def __init__(self, domains=("example.org",), *, relay=None, relay_url=None, relay_words="", directory=None,
                 settings=""):
        self.port = free_port()
        self.jail = jail.Jail("opensmtpd", directory, _USERS)
        self.root = self.jail.root
        self._process = None
        self._output = None
        self.jail.directory("var/lib/opensmtpd/empty")
        self.jail.directory("var/spool/smtpd", 0o711)
        self._make_setgid()
        self.jail.write("etc/mailname", "opensmtpd.example.net\n")
        if isinstance(relay, int):
            relay = f"127.0.0.1:{relay}"
        host = relay_url or (relay and f"smtp://{relay}")
        names = ", ".join(f'"{domain}"' for domain in domains)
        local = [f"match from any for domain {{ {names} }} action \"maildir\""] if domains else []
        self.jail.write("etc/smtpd.conf", "\n".join([
            settings,
            'table everybody { "@" = vmail }',
            f"listen on 127.0.0.1 port {self.port}",
            'action "maildir" maildir "/var/vmail/%{rcpt.user}" virtual <everybody>',
            'action "relay" relay' + (f' host "{host}"' if host else "") + " " + relay_words,
            *local,
            'match from any for any action "relay"',
        ]) + "\n")

    def _make_setgid(self):
        """Its sendmail refuses to work otherwise; a copy, because the file belongs to the packages."""
        path = self.root / "usr/sbin/smtpctl"
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)
        os.chown(path, 0, _USERS["opensmtpq"][1])
        path.chmod(0o2755)

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.stop()

    def start(self):
        """Starts it and waits until it answers."""
        self._output = open(self.root / "log", "ab")
        try:
            self._process = self.jail.start("/usr/sbin/smtpd", "-d", output=self._output)
            wait_for(lambda: jail.answers(self.port), "OpenSMTPD does not start", self._process, self.log)
        except Exception:
            self.stop()
            raise
        return self

    def stop(self):
        """Stops it and removes its directory."""
        jail.stop(self._process)
        self._process = None
        if self._output:
            self._output.close()
            self._output = None
        self.jail.remove()

    def pids(self):
        """Its processes."""
        return self.jail.pids()

    def log(self):
        """What it logged so far."""
        try:
            return (self.root / "log").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def maildir(self, user):
        """Where mail for user@ one of its domains goes."""
        return self.root / "var/vmail" / user

    def messages(self, user):
        """The bytes of every message that user got."""
        return maildir_messages(self.maildir(user))

    def sendmail(self, sender, recipients, text):
        """Submits a message by its sendmail."""
        return self.jail.run("/usr/sbin/sendmail", "-i", "-f", sender, "--", *recipients,
                             stdin=text.replace("\r\n", "\n"))

    def queue(self):
        """The lines of its queue listing; empty when nothing is queued."""
        return self.jail.run("/usr/sbin/smtpctl", "show", "queue").stdout.splitlines()

    def flush(self):
        """Tries at once what waits in the queue."""
        self.jail.run("/usr/sbin/smtpctl", "schedule", "all")

    def wait_log(self, what, seconds=30):
        """Waits until the log has it."""
        wait_for(lambda: what in self.log(), f"{what!r} is not in OpenSMTPD's log", None, self.log, seconds)
