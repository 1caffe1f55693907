"""Mail servers of other projects, each in a root directory of its own (chroot).

Nothing is installed: Debian's package and the libraries it needs are downloaded and unpacked under a
directory of the tests (MAILSERV_PEERS, else MAILSERV_BUILD/peers).  A server gets a copy of that tree, in
which its users, its configuration and its queue are where it looks for them, and nobody else's are.
Needs root, for chroot.
"""

import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

# In a jail these are who owns mail that has been delivered.
MAIL_UID = MAIL_GID = 5000

_unavailable = {}


def peers_directory():
    """Where packages are unpacked."""
    build = os.environ.get("MAILSERV_BUILD", "build")
    return pathlib.Path(os.environ.get("MAILSERV_PEERS") or pathlib.Path(build) / "peers").resolve()


def _run(command, cwd=None):
    return subprocess.run(command, cwd=cwd, check=False, text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def _needs(deb):
    """The libraries that a package file depends on, by their packages' names."""
    names = set()
    for field in ("Depends", "Pre-Depends"):
        for choice in _run(["dpkg-deb", "-f", str(deb), field]).stdout.split(","):
            name = re.match(r"\s*([a-z0-9][a-z0-9.+-]*)", choice)
            if name and name[1].startswith(("lib", "zlib")):
                names.add(name[1])
    return names


def _download(packages, work, alone):
    """Downloads packages and, unless alone, all libraries they need; None, or why not."""
    known, wanted = set(), set(packages)
    while wanted:
        got = _run(["apt-get", "download", *sorted(wanted)], cwd=work)
        if got.returncode != 0:
            return f"cannot download {' '.join(sorted(wanted))}: " + got.stdout.strip()[-300:]
        known |= wanted
        wanted = set()
        if alone:
            break
        for deb in work.glob("*.deb"):
            wanted |= _needs(deb) - known
    return None


def _fetch(packages, where, alone=False):
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        return "no apt-get and dpkg-deb to fetch packages with"
    where.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=where.parent) as name:
        work = pathlib.Path(name)
        work.chmod(0o755)
        reason = _download(packages, work, alone)
        if reason:
            return reason
        for deb in sorted(work.glob("*.deb")):
            if _run(["dpkg-deb", "-x", str(deb), str(work / "root")]).returncode != 0:
                return "cannot unpack " + deb.name
        for useless in ("doc", "man", "locale", "lintian"):
            shutil.rmtree(work / "root/usr/share" / useless, ignore_errors=True)
        try:
            os.rename(work / "root", where)
        except OSError:
            if not where.is_dir():  # somebody else was faster
                raise
    return None


def unavailable(name, packages, check):
    """None when the server of that name can be run, else the reason for skipping.  `check` is a command that
    can be run in its jail."""
    if os.geteuid() != 0:
        return f"{name} runs in a chroot, which only root may make"
    where = peers_directory() / name
    if where not in _unavailable:
        reason = None if where.is_dir() else _fetch(packages, where)
        if not reason:
            got = _run(["chroot", str(where), *check])
            if got.returncode < 0 or got.returncode > 124:
                reason = f"the unpacked {name} does not run: " + got.stdout.strip()[-300:]
        _unavailable[where] = reason
    return _unavailable[where]


def environment(tree):
    """In which programs of an unpacked tree run outside of a jail."""
    libraries = ":".join(map(str, tree.glob("usr/lib/*-linux-*")))
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LD_LIBRARY_PATH": libraries}


def unpacked(name, packages, check):
    """None when a program of packages can be run outside of a jail, by anybody, else why not.  Only the
    packages that are named are taken.  `check` is a command, from the top of their tree."""
    where = peers_directory() / name
    if where not in _unavailable:
        reason = None if where.is_dir() else _fetch(packages, where, alone=True)
        if not reason:
            got = subprocess.run([str(where / check[0]), *check[1:]], check=False, text=True, env=environment(where),
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if got.returncode < 0 or got.returncode > 124:
                reason = f"the unpacked {name} does not run: " + got.stdout.strip()[-300:]
        _unavailable[where] = reason
    return _unavailable[where]


class Jail:
    """A copy of the unpacked packages, with what every program expects around it.

    name       of the tree of packages
    directory  where to make it: on a disk or in memory
    users      {name: (uid, gid)} beside root, mail's owner `vmail` and nobody
    groups     {name: gid} beside these
    """

    def __init__(self, name, directory=None, users=None, groups=None):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix=name + "-", dir=directory)).resolve()
        self.root.chmod(0o755)
        source = str(peers_directory() / name) + "/."
        if _run(["cp", "-al", source, str(self.root)]).returncode != 0:
            subprocess.run(["cp", "-a", source, str(self.root)], check=True)
        self._accounts(users or {}, groups or {})
        self.write("etc/hosts", "127.0.0.1 localhost\n")
        self.write("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
        self.write("etc/resolv.conf", "nameserver 127.0.0.1\n")
        self.write("etc/services", "smtp 25/tcp\nsubmission 587/tcp\nlmtp 24/tcp\n")
        for where, mode in (("tmp", 0o1777), ("run", 0o755), ("var/run", 0o755), ("var/vmail", 0o755)):
            self.directory(where, mode)
        shutil.chown(self.root / "var/vmail", MAIL_UID, MAIL_GID)
        self._devices()

    def _accounts(self, users, groups):
        ids = {"root": (0, 0), "vmail": (MAIL_UID, MAIL_GID), "nobody": (65534, 65534), **users}
        self.write("etc/passwd", "".join(f"{name}:x:{uid}:{gid}::/var/{name}:/bin/sh\n"
                                         for name, (uid, gid) in ids.items()))
        gids = {name: gid for name, (_, gid) in ids.items()}
        self.write("etc/group", "".join(f"{name}:x:{gid}:\n" for name, gid in {**gids, **groups}.items()))

    def _devices(self):
        """Devices, or files where devices cannot be: nothing but TLS looks closer."""
        self.directory("dev")
        for name, number, instead in (("null", 3, b""), ("urandom", 9, random.randbytes(65536))):
            path = self.root / "dev" / name
            try:
                os.mknod(path, 0o666 | 0o020000, os.makedev(1, number))
                os.chmod(path, 0o666)
                path.open("rb").close()
            except OSError:
                path.unlink(missing_ok=True)
                path.write_bytes(instead)
                path.chmod(0o666)

    def directory(self, name, mode=0o755, uid=0, gid=0):
        """Makes a directory."""
        path = self.root / name
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
        os.chown(path, uid, gid)
        return path

    def write(self, name, text, mode=0o644):
        """Writes a file, a new one in place of what is there: that may be the packages' own."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        return path

    def command(self, *args):
        """The command that runs a program in it."""
        return ["chroot", str(self.root), *map(str, args)]

    def run(self, *args, stdin="", check=True):
        """Runs a program in it to its end."""
        return subprocess.run(self.command(*args), input=stdin, text=True, capture_output=True, check=check,
                              timeout=60, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})

    def start(self, *args, output=subprocess.DEVNULL):
        """Starts a program in it."""
        return subprocess.Popen(self.command(*args), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, start_new_session=True)

    def pids(self):
        """Every process that has its root in here."""
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    root = os.readlink(f"/proc/{entry}/root")
                except OSError:
                    continue
                if root == str(self.root) or root.startswith(str(self.root) + "/"):
                    found.append(int(entry))
        return found

    def remove(self):
        """Ends what still runs in it, then removes it."""
        deadline = time.monotonic() + 20
        while (pids := self.pids()) and time.monotonic() < deadline:
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.02)
        shutil.rmtree(self.root, ignore_errors=True)


def stop(process):
    """Ends a process that was started, gently first."""
    if not process:
        return
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_for(condition, what, process=None, log=lambda: "", seconds=30):
    """Waits until condition() is true; an error that shows the log if it never is, or the process ended."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if (process and process.poll() is not None) or time.monotonic() > deadline:
            raise RuntimeError(f"{what}:\n{log()[-3000:]}")
        time.sleep(0.02)
    return value


def answers(port):
    """True when an SMTP server greets on that port of the loopback interface."""
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as s:
            return s.recv(4) in (b"220 ", b"220-")
    except OSError:
        return False


def maildir_messages(maildir):
    """The bytes of every message in a Maildir."""
    return [path.read_bytes() for name in ("new", "cur") for path in sorted(maildir.glob(name + "/*"))]


def listens(port):
    """True when anything takes connections on that port of the loopback interface."""
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
        return True
    except OSError:
        return False
