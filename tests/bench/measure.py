"""Figures: time, processor time, calls that sync, memory; and of what machine."""

import contextlib
import os
import pathlib
import platform
import re
import shutil
import subprocess
import tempfile
import time

import servers

TICK = os.sysconf("SC_CLK_TCK")
SYNCS = "fsync,fdatasync,sync_file_range,syncfs,sync,msync"


def cpu_seconds(pids):
    """What the processes and their children that have ended used, user and system."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += sum(map(int, fields[11:15]))
    return total / TICK


def wait_arrived(server, count, seconds=300):
    """Waits until so many messages are where they belong; how long that took."""
    begin = time.monotonic()
    while (have := server.arrived()) < count:
        if time.monotonic() - begin > seconds:
            raise RuntimeError(f"{server.name}: {have} of {count} messages arrived")
        time.sleep(0.01)
    return time.monotonic() - begin


def send(bench, server, messages, size, connections=None, recipients=1):
    """One run of the load generator; its figures, and seconds until all is where it belongs."""
    before = server.arrived()
    got = servers.run_json([bench.load, *server.options, "-c", connections or bench.connections, "-n", messages,
                            "-s", size, "-r", recipients, "-u", max(bench.users, recipients), server.port])
    got["seconds"] += wait_arrived(server, before + messages * recipients)
    return got


def run_server(bench, server, messages, size, **options):
    before = cpu_seconds(server.pids())
    got = send(bench, server, messages, size, **options)
    time.sleep(0.3)  # what servers do afterwards belongs to it
    cpu = cpu_seconds(server.pids()) - before
    return {"rate": messages / got["seconds"], "cpu_us": cpu / messages * 1e6, "median_us": got["us_median"],
            "p99_us": got["us_99"], "max_us": got["us_max"]}


def run_floor(bench, directory, messages, size, copying=False):
    got = servers.run_json([bench.floor, *(["-m"] if copying else []), "-t", bench.connections, "-n", messages,
                            "-s", size, "-u", bench.users, directory])
    return {"rate": messages / got["seconds"], "cpu_us": got["cpu"] / messages * 1e6}


def count_syncs(bench, server, size):
    """System calls that sync, a message; None without strace."""
    if not shutil.which("strace"):
        return None
    messages = 200
    with tempfile.NamedTemporaryFile(prefix="syncs-") as out:
        tracer = subprocess.Popen(["strace", "-f", "-qq", "-e", "trace=" + SYNCS, "-o", out.name,
                                   *(word for pid in server.pids() for word in ("-p", str(pid)))],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(1)
        send(bench, server, messages, size)
        time.sleep(1)
        tracer.send_signal(2)
        tracer.wait()
        lines = pathlib.Path(out.name).read_text(errors="replace")
    return len(re.findall(r"^\d+ +\w+\(", lines, re.M)) / messages


# -- The machine ------------------------------------------------------------------------


def file_system(path):
    """The type of the file system that a path is on."""
    path, best, kind = str(pathlib.Path(path).resolve()), "", "?"
    for line in pathlib.Path("/proc/mounts").read_text().splitlines():
        where, this = line.split()[1:3]
        inside = path == where or path.startswith(where.rstrip("/") + "/")
        if inside and len(where) >= len(best):
            best, kind = where, this
    return kind


def machine():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return {"processor": model[1] if model else platform.machine(), "processors": os.cpu_count(),
            "kernel": platform.release()}


def resident(pids):
    """Most and present memory of the largest of the processes, in octets."""
    most = now = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            text = pathlib.Path(f"/proc/{pid}/status").read_text()
            most = max(most, int(re.search(r"VmHWM:\s*(\d+)", text)[1]) * 1024)
            now = max(now, int(re.search(r"VmRSS:\s*(\d+)", text)[1]) * 1024)
    return {"most": most, "now": now}
