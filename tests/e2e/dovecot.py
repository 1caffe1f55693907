"""A private Dovecot 2.3 on loopback, for tests that compare with it or open its Maildirs.

Nothing is installed: Debian's packages are downloaded and unpacked under a directory of the tests
(MAILSERV_PEERS, else MAILSERV_BUILD/peers), and the programs run from there.

    reason = dovecot.unavailable()      # None, or why the tests must be skipped
    with dovecot.Dovecot(home) as server:
        imap = server.imap()            # an imaplib.IMAP4 that is logged in
        ...

Works as root (mail then belongs to `uid`) and as an ordinary user.
"""

import grp
import imaplib
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import tempfile
import time

from daemon import free_port

# The last two are libraries that a bare machine lacks.
PACKAGES = ("dovecot-core", "dovecot-imapd", "dovecot-lmtpd", "libsodium23", "libunwind8")
PASSWORD = "dovecot-pass"

_unavailable = {}


def peers_directory():
    """Where packages are unpacked."""
    build = os.environ.get("MAILSERV_BUILD", "build")
    return pathlib.Path(os.environ.get("MAILSERV_PEERS") or pathlib.Path(build) / "peers").resolve()


def _run(command, cwd=None, env=None):
    return subprocess.run(command, cwd=cwd, env=env, check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def _fetch(where):
    """Downloads and unpacks the packages in `where`; None, or why not."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        return "no apt-get and dpkg-deb to fetch Dovecot with"
    where.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=where.parent) as work:
        os.chmod(work, 0o755)
        got = _run(["apt-get", "download", *PACKAGES], cwd=work)
        if got.returncode != 0:
            return "cannot download Dovecot's packages: " + got.stdout.strip()[-300:]
        for package in sorted(pathlib.Path(work).glob("*.deb")):
            got = _run(["dpkg-deb", "-x", str(package), os.path.join(work, "root")])
            if got.returncode != 0:
                return "cannot unpack " + package.name
        os.rename(os.path.join(work, "root"), where)
    return None


def _libraries(root):
    return ":".join([f"{root}/usr/lib/dovecot", *map(str, root.glob("usr/lib/*-linux-*"))])


def _environment(root):
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LD_LIBRARY_PATH": _libraries(root)}


def _check(root):
    """None when the programs in `root` run and are the version this module knows."""
    got = _run([f"{root}/usr/sbin/dovecot", "--version"], env=_environment(root))
    if got.returncode != 0:
        return "the unpacked Dovecot does not run: " + got.stdout.strip()[-300:]
    if not got.stdout.startswith("2.3."):
        return f"this is Dovecot {got.stdout.split()[0]}, the tests know 2.3"
    if not (root / "usr/lib/dovecot/lmtp").exists():
        return f"{root} lacks dovecot-lmtpd; remove it to have it fetched again"
    return None


def unavailable():
    """None when Dovecot can be started, else the reason for skipping."""
    root = peers_directory() / "dovecot"
    if root not in _unavailable:
        reason = None if root.is_dir() else _fetch(root)
        _unavailable[root] = reason or _check(root)
    return _unavailable[root]


class Dovecot:
    """One Dovecot serving one account, any user name, password PASSWORD.

    home       the account's directory; the Maildir is made in it when absent
    maildir    the name of the Maildir in home
    prefix     of the personal namespace: "", or "INBOX." as many servers have
    separator  of the namespace; None is the layout's own
    layout     "maildir++" or "fs"
    uid        who owns the mail when run as root (default: nobody); home is given to it
    lmtp       takes mail by LMTP too, on `lmtp_port`
    settings   more lines of dovecot.conf
    """

    def __init__(self, home, *, maildir="Maildir", prefix="", separator=None, layout="maildir++",
                 uid=None, lmtp=False, settings=""):
        self.home = pathlib.Path(home).resolve()
        self.maildir = self.home / maildir
        self.prefix, self.separator, self.layout = prefix, separator, layout
        self.root = peers_directory() / "dovecot"
        self.settings = settings
        self.port = None
        self.lmtp_port = free_port() if lmtp else None
        self._process = None
        self._base = None
        if os.geteuid() == 0:
            self.uid = pwd.getpwnam("nobody").pw_uid if uid is None else uid
            self.gid = self.uid
        else:
            self.uid, self.gid = os.geteuid(), os.getegid()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc):
        self.stop()

    def own(self):
        """Gives home and all in it to the mail's owner."""
        if os.geteuid() != 0:
            return
        for directory, _, files in os.walk(self.home):
            os.chown(directory, self.uid, self.gid)
            for name in files:
                os.chown(os.path.join(directory, name), self.uid, self.gid, follow_symlinks=False)

    def _lmtp(self):
        if not self.lmtp_port:
            return ""
        return f"""protocols = imap lmtp
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {self.lmtp_port}
  }}
}}
protocol lmtp {{
  postmaster_address = postmaster@example.org
}}
"""

    def _config(self):
        internal = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        group = grp.getgrgid(pwd.getpwnam(internal).pw_gid).gr_name
        location = f"maildir:{self.maildir}" + (":LAYOUT=fs" if self.layout == "fs" else "")
        separator = f"  separator = {self.separator}\n" if self.separator else ""
        unchrooted = "".join(f"service {name} {{\n  chroot =\n}}\n" for name in ("anvil", "stats"))
        return f"""
base_dir = {self._base}/run
state_dir = {self._base}/run
libexec_dir = {self.root}/usr/lib/dovecot
mail_plugin_dir = {self.root}/usr/lib/dovecot/modules
import_environment = TZ LD_LIBRARY_PATH={_libraries(self.root)}
log_path = {self._base}/log
listen = 127.0.0.1
protocols = imap
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
default_internal_user = {internal}
default_internal_group = {group}
default_login_user = {internal}
first_valid_uid = 1
first_valid_gid = 1
mail_location = {location}
passdb {{
  driver = static
  args = password={PASSWORD}
}}
userdb {{
  driver = static
  args = uid={self.uid} gid={self.gid} home={self.home}
}}
namespace inbox {{
  inbox = yes
  prefix = {self.prefix}
{separator}}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {self.port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
{unchrooted}{self._lmtp()}{self.settings}
"""

    def start(self):
        """Starts it and waits until it answers."""
        self.maildir.mkdir(parents=True, exist_ok=True)
        for name in ("cur", "new", "tmp"):
            (self.maildir / name).mkdir(exist_ok=True)
        self.own()
        # Its sockets are in here: their paths must be short.
        self._base = tempfile.mkdtemp(prefix="dovecot-", dir="/tmp")
        os.chmod(self._base, 0o755)
        self.port = free_port()
        config = os.path.join(self._base, "dovecot.conf")
        pathlib.Path(config).write_text(self._config(), encoding="utf-8")
        # The master would run /usr/bin/doveconf; running ours first spares it that.
        command = [f"{self.root}/usr/bin/doveconf", "-c", config, "-f", "service=master",
                   "-m", "master", "-e", f"{self.root}/usr/sbin/dovecot", "-F", "-c", config]
        self._process = subprocess.Popen(
            command, env=_environment(self.root), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self._wait()
        except Exception:
            self.stop()
            raise

    def _wait(self):
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("Dovecot does not start:\n" + self.log()) from None
                time.sleep(0.05)

    def stop(self):
        """Stops it and removes what it left outside of home."""
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._base:
            shutil.rmtree(self._base, ignore_errors=True)
            self._base = None

    def process_id(self):
        """Of its first process."""
        return self._process.pid

    def log(self):
        """What it logged so far."""
        try:
            return pathlib.Path(self._base, "log").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def imap(self, user="tester"):
        """A new connection, logged in."""
        client = imaplib.IMAP4("127.0.0.1", self.port, timeout=60)
        client.login(user, PASSWORD)
        return client
