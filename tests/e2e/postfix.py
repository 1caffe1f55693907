"""A private Postfix on loopback, as next hop and as sender; and its smtp-sink and smtp-source.

    reason = postfix.unavailable()              # None, or why the tests must be skipped
    with postfix.Postfix() as server:           # delivers mail for example.org
        ... SMTP to server.port ...
        server.messages("anna")                 # bytes of what anna@example.org got
    with postfix.Postfix(relay=port) as server: # relays everything to 127.0.0.1:port
        server.sendmail("a@example.net", ["b@example.org"], text)
    with postfix.Sink("-Q", "rcpt") as sink:    # smtp-sink that answers RCPT with 500
        ... SMTP to sink.port ...
"""

import os
import re
import shutil
import subprocess
import tempfile

import jail
from daemon import free_port
from jail import maildir_messages, wait_for

PACKAGES = ("postfix", "libsasl2-modules", "dash")
_USERS = {"postfix": (5001, 5001)}
_GROUPS = {"postdrop": 5002}
_DAEMONS = "/usr/lib/postfix/sbin"

# name, kind, private, unprivileged, wake-up, processes, program
_SERVICES = """
pickup    unix  n - n 60    1 pickup
cleanup   unix  n - n -     0 cleanup
qmgr      unix  n - n 300   1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n -     - trivial-rewrite
bounce    unix  - - n -     0 bounce
defer     unix  - - n -     0 bounce
trace     unix  - - n -     0 bounce
verify    unix  - - n -     1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n -     - proxymap
proxywrite unix - - n -     1 proxymap
smtp      unix  - - n -     - smtp
relay     unix  - - n -     - smtp
showq     unix  n - n -     - showq
error     unix  - - n -     - error
retry     unix  - - n -     - error
discard   unix  - - n -     - discard
virtual   unix  - n n -     - virtual
lmtp      unix  - - n -     - lmtp
anvil     unix  - - n -     1 anvil
scache    unix  - - n -     1 scache
"""


def unavailable():
    """None when Postfix can be started, else the reason for skipping."""
    return jail.unavailable("postfix", PACKAGES, ["/usr/sbin/postconf", "-h", "-d", "mail_version"])


class Postfix:
    """One Postfix.

    domains    it delivers mail of, to Maildirs of its own
    users      who has a Maildir there; mail for anybody else is in that of "others"
    discard    throws this mail away instead
    relay      sends everything else to that port of 127.0.0.1 (or "HOST:PORT"); None: by MX
    directory  where its queue and its Maildirs are
    settings   {parameter: value} of main.cf
    services   more lines of master.cf
    log        keeps a log; without, log lines go nowhere
    """

    def __init__(self, domains=("example.org",), *, users=("anna", "bert"), discard=False, relay=None,
                 directory=None, settings=None, services="", log=True):
        self.port = free_port()
        self.jail = jail.Jail("postfix", directory, _USERS, _GROUPS)
        self.root = self.jail.root
        self._process = None
        self._make_queue()
        self.jail.write("etc/postfix/boxes", "".join(f"/^{re.escape(user)}@/ {user}/\n" for user in users) +
                        "/@/ others/\n")
        self._write_main(domains, discard, relay, settings or {}, log)
        self.jail.write("etc/postfix/master.cf", f"127.0.0.1:{self.port} inet n - n - - smtpd\n" + _SERVICES +
                        ("postlog unix-dgram n - n - 1 postlogd\n" if log else "") + services)
        self.jail.write("etc/postfix/dynamicmaps.cf", "")

    def _make_queue(self):
        uid, gid = _USERS["postfix"]
        drop = _GROUPS["postdrop"]
        self.jail.directory("var/lib/postfix", 0o700, uid, gid)
        self.jail.directory("var/spool/postfix")
        for name in ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private",
                     "saved", "trace"):
            self.jail.directory("var/spool/postfix/" + name, 0o700, uid, 0)
        self.jail.directory("var/spool/postfix/maildrop", 0o730, uid, drop)
        self.jail.directory("var/spool/postfix/public", 0o710, uid, drop)
        self.jail.directory("var/spool/postfix/pid")

    def _write_main(self, domains, discard, relay, settings, log):
        if isinstance(relay, int):
            relay = f"127.0.0.1:{relay}"
        host, _, port = (relay or "").rpartition(":")
        values = {
            "compatibility_level": "3.6",
            "maillog_file": "/var/log/postfix" if log else "",
            "maillog_file_prefixes": "/var",
            "myhostname": "postfix.example.net",
            "mydestination": "",
            "alias_maps": "",
            "alias_database": "",
            "local_recipient_maps": "",
            "inet_interfaces": "loopback-only",
            "inet_protocols": "ipv4",
            "mynetworks": "127.0.0.0/8",
            "relayhost": f"[{host}]:{port}" if relay else "",
            "virtual_mailbox_domains": " ".join(domains),
            "virtual_mailbox_base": "/var/vmail",
            "virtual_mailbox_maps": "regexp:/etc/postfix/boxes",
            "virtual_uid_maps": f"static:{jail.MAIL_UID}",
            "virtual_gid_maps": f"static:{jail.MAIL_GID}",
            "virtual_transport": "discard" if discard else "virtual",
            "smtpd_peername_lookup": "no",
            "smtp_host_lookup": "dns, native",
            # Tests wait for what is tried again.
            "minimal_backoff_time": "1s",
            "queue_run_delay": "1s",
            **settings,
        }
        self.jail.write("etc/postfix/main.cf", "".join(f"{k} = {v}\n" for k, v in values.items()))

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.stop()

    def start(self):
        """Starts it and waits until it answers."""
        self.jail.directory("var/log")
        try:
            self._process = self.jail.start(f"{_DAEMONS}/master", "-c", "/etc/postfix", "-s")
            wait_for(lambda: jail.answers(self.port), "Postfix does not start", self._process, self.log)
        except Exception:
            self.stop()
            raise
        return self

    def stop(self):
        """Stops it and removes its directory."""
        jail.stop(self._process)
        self._process = None
        self.jail.remove()

    def pids(self):
        """Its processes."""
        return self.jail.pids()

    def log(self):
        """What it logged so far."""
        try:
            return (self.root / "var/log/postfix").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def maildir(self, user):
        """Where mail for user@ one of its domains goes."""
        return self.root / "var/vmail" / user

    def messages(self, user):
        """The bytes of every message that user got."""
        return maildir_messages(self.maildir(user))

    def sendmail(self, sender, recipients, text, *options):
        """Submits a message by its sendmail."""
        return self.jail.run("/usr/sbin/sendmail", "-i", *options, "-f", sender, "--", *recipients,
                             stdin=text.replace("\r\n", "\n"))

    def queue(self):
        """The lines of its queue listing; empty when nothing is queued."""
        text = self.jail.run("/usr/sbin/postqueue", "-j").stdout
        return text.splitlines()

    def flush(self):
        """Tries at once what waits in the queue."""
        self.jail.run("/usr/sbin/postqueue", "-f")

    def wait_log(self, what, seconds=30):
        """Waits until the log has it."""
        wait_for(lambda: what in self.log(), f"{what!r} is not in Postfix's log", None, self.log, seconds)


class Sink:
    """smtp-sink of Postfix on a port of its own, with its options as they are, such as "-Q rcpt" or "-f data";
    `directory` keeps what arrives, a file each message (option -d)."""

    def __init__(self, *options, directory=None, backlog=200):
        self.options, self.backlog = options, backlog
        self.directory = directory
        self.port = free_port()
        self.process = self.output = None

    def start(self):
        keep = []
        if self.directory:
            keep = ["-d", os.path.join(self.directory, "%Y%m%d%H%M%S.")]
            shutil.chown(self.directory, "nobody")
        # Not in a jail: it needs nothing but libraries, which are beside it.
        root = jail.peers_directory() / "postfix"
        command = [root / "usr/sbin/smtp-sink", "-u", "nobody", *keep, *self.options, f"127.0.0.1:{self.port}", self.backlog]
        self.output = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(library_command(root, command), stdin=subprocess.DEVNULL,
                                        stdout=self.output, stderr=self.output)
        try:
            wait_for(lambda: jail.listens(self.port), "smtp-sink does not start", self.process, self.log)
        except Exception:
            self.stop()
            raise
        return self

    def log(self):
        """What it said so far (with option -v: everything)."""
        self.output.seek(0)
        return self.output.read()

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.output.close()
            self.process = None

    def pids(self):
        return [self.process.pid]

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.stop()


def library_command(root, command):
    """The command that runs a program of an unpacked tree with the tree's own libraries."""
    loader = next(root.glob("lib*/ld-linux*"))
    paths = [root / "usr/lib/postfix", *root.glob("lib/*-linux-*"), *root.glob("usr/lib/*-linux-*")]
    return [str(loader), "--library-path", ":".join(map(str, paths)), *map(str, command)]


def smtp_source(*args, timeout=600):
    """Runs smtp-source with these arguments, the last of which is HOST:PORT."""
    root = jail.peers_directory() / "postfix"
    return subprocess.run(library_command(root, [root / "usr/sbin/smtp-source", *args]), check=True,
                          timeout=timeout, capture_output=True, text=True)
