"""Measures mail servers against each other and against what the file system alone takes.

    bench.py LOAD FLOOR [options]       (see README.md; run.sh builds the programs and calls it)

In every round each server has its turn, so that what else the machine does meets all of them; a figure is
the median of the rounds, a ratio the median of the rounds' ratios.
"""

import argparse
import contextlib
import json
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import servers

TICK = os.sysconf("SC_CLK_TCK")
SYNCS = "fsync,fdatasync,sync_file_range,syncfs,sync,msync"


# -- What is measured ----------------------------------------------------------------


def cpu_seconds(pids):
    """What the processes and their children that have ended used, user and system."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += sum(map(int, fields[11:15]))
    return total / TICK


def wait_stored(server, count, seconds=300):
    """Waits until so many messages are where they belong; how long that took."""
    begin = time.monotonic()
    while (have := server.stored()) < count:
        if time.monotonic() - begin > seconds:
            raise RuntimeError(f"{server.name}: {have} of {count} messages arrived")
        time.sleep(0.01)
    return time.monotonic() - begin


def send(bench, server, messages, size, connections=None):
    """One run of the load generator; its figures, and seconds until all is where it belongs."""
    before = server.stored()
    got = servers.run_json([bench.load, *server.options, "-c", connections or bench.connections, "-n", messages,
                            "-s", size, "-u", bench.users, server.port])
    got["seconds"] += wait_stored(server, before + messages)
    return got


def run_server(bench, server, messages, size):
    before = cpu_seconds(server.pids())
    got = send(bench, server, messages, size)
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


def places(bench):
    """{name: directory} of those that are wanted and there."""
    found = {}
    for name, directory in (("tmpfs", bench.tmpfs), ("disk", bench.disk)):
        if name not in bench.places:
            continue
        if not os.path.isdir(directory):
            print(f"skipped: {name}: {directory} is not there", file=sys.stderr)
        elif (file_system(directory) == "tmpfs") != (name == "tmpfs"):
            print(f"skipped: {name}: {directory} is {file_system(directory)}", file=sys.stderr)
        else:
            found[name] = directory
    return found


# -- Rounds ---------------------------------------------------------------------------------


def how_many(bench, rate, size, name):
    """Messages of a run: some seconds' worth, not more than fits."""
    most = min(bench.most, bench.bytes // size)
    if name == "disk":
        most = min(most, bench.most_disk)
    return int(max(100, min(most, rate * bench.seconds)))


class Table:
    """Runs of one place and size, by contestant, a list each with one entry a round."""

    def __init__(self, place, size):
        self.place, self.size, self.runs, self.extra = place, size, {}, {}

    def add(self, name, result):
        self.runs.setdefault(name, []).append(result)

    def median(self, name, key):
        return statistics.median(run[key] for run in self.runs[name]) if name in self.runs else None

    def ratio(self, name, other, key):
        """The median of the rounds' ratios."""
        if name not in self.runs or other not in self.runs:
            return None
        return statistics.median(a[key] / b[key] for a, b in zip(self.runs[name], self.runs[other]) if b[key])

    def result(self):
        return {"place": self.place, "size": self.size, "runs": self.runs, "extra": self.extra}


def start_servers(bench, stack, directory):
    started = []
    for name in bench.servers:
        kind = servers.ALL[name]
        reason = kind.unavailable()
        if reason:
            print(f"skipped: {name}: {reason}", file=sys.stderr)
            continue
        server = kind(pathlib.Path(directory), bench.users)
        stack.callback(server.stop)
        server.start()
        started.append(server)
    return started


def measure(bench, table, started, directory, floor_directory):
    size, counts = table.size, {}
    for server in started:
        warm = send(bench, server, 100, size)
        counts[server] = how_many(bench, 100 / warm["seconds"], size, table.place)
        warm = send(bench, server, counts[server] // 2 + 1, size)
        counts[server] = how_many(bench, (counts[server] // 2 + 1) / warm["seconds"], size, table.place)
        server.clear()
    warm = run_floor(bench, floor_directory, 500, size)
    floor_count = how_many(bench, warm["rate"], size, table.place)
    for number in range(bench.repeat):
        print(f"{table.place}, {size} octets, round {number + 1} of {bench.repeat}", file=sys.stderr)
        for server in started:
            table.add(server.name, run_server(bench, server, counts[server], size))
            if table.place == "tmpfs":
                server.clear()
        table.add("floor", run_floor(bench, floor_directory, floor_count, size))
        table.add("copy", run_floor(bench, floor_directory, floor_count, size, copying=True))
        if table.place == "tmpfs":
            servers.clear(pathlib.Path(floor_directory).glob("user*"))
    for server in started:
        alone = servers.run_json([bench.load, *server.options, "-c", 1, "-n", 100, "-s", size, "-u", bench.users,
                                  server.port])
        table.extra[server.name] = {"alone_us": alone["us_median"]}
        if size == bench.sizes[0]:
            table.extra[server.name]["syncs"] = count_syncs(bench, server, size)


def run(bench):
    tables = []
    for name, directory in places(bench).items():
        with contextlib.ExitStack() as stack:
            floor_directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="floor-", dir=directory))
            started = start_servers(bench, stack, directory)
            for size in bench.sizes:
                tables.append(Table(name, size))
                measure(bench, tables[-1], started, directory, floor_directory)
                for server in started:
                    server.clear()
    return tables


# -- Words --------------------------------------------------------------------------------------


def number(value, form="{:.0f}"):
    return "-" if value is None else form.format(value)


def show(table):
    print(f"\n## {table.size} octets, {table.place}\n")
    print("| | messages/s | x Postfix's | CPU us/message | of Postfix's | median ms | 99 % ms | alone ms "
          "| syncs/message |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in table.runs:
        extra = table.extra.get(name, {})
        served = "median_us" in table.runs[name][0]
        cells = [
            number(table.median(name, "rate")), number(table.ratio(name, "postfix", "rate"), "{:.2f}"),
            number(table.median(name, "cpu_us")), number(table.ratio(name, "postfix", "cpu_us"), "{:.3f}"),
            number(table.median(name, "median_us") / 1000 if served else None, "{:.1f}"),
            number(table.median(name, "p99_us") / 1000 if served else None, "{:.1f}"),
            number(extra["alone_us"] / 1000 if extra else None, "{:.1f}"),
            number(extra.get("syncs"), "{:.1f}"),
        ]
        print("| " + " | ".join([name, *cells]) + " |")


def by(tables, place, size):
    return next((table for table in tables if (table.place, table.size) == (place, size)), None)


def check(what, value, wanted, least=False):
    if value is None:
        print(f"- {what}: not measured")
        return
    good = value >= wanted if least else value <= wanted
    print(f"- {what}: {value:.3f}, wanted at {'least' if least else 'most'} {wanted:g}: {'yes' if good else 'NO'}")


def verdict(bench, tables):
    print("\n## Wanted\n")
    small, large = bench.sizes[0], bench.sizes[-1]
    memory, disk = by(tables, "tmpfs", small), by(tables, "disk", small)
    if memory:
        check("CPU a message, of Postfix's", memory.ratio("mailservd", "postfix", "cpu_us"), 1 / 10)
        check("CPU a message, of OpenSMTPD's", memory.ratio("mailservd", "opensmtpd", "cpu_us"), 1 / 25)
        check("messages/s, times Postfix's", memory.ratio("mailservd", "postfix", "rate"), 5, least=True)
    if disk:
        check("messages/s on disk, of the floor's", disk.ratio("mailservd", "floor", "rate"), 0.8, least=True)
    big = by(tables, "tmpfs", large)
    if big and memory and large > small and "mailservd" in big.runs:
        # What a large message costs more than a small one, and what copying that much costs.
        more = [(b["cpu_us"] - s["cpu_us"]) / (cb["cpu_us"] - cs["cpu_us"]) for b, s, cb, cs in zip(
            big.runs["mailservd"], memory.runs["mailservd"], big.runs["copy"], memory.runs["copy"])]
        check(f"CPU of {large - small} octets more, times copying them", statistics.median(more), 1.5)


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("load")
    parser.add_argument("floor")
    parser.add_argument("--servers", type=lambda s: s.split(","), default=list(servers.ALL))
    parser.add_argument("--places", type=lambda s: s.split(","), default=["tmpfs", "disk"])
    parser.add_argument("--tmpfs", default="/dev/shm")
    parser.add_argument("--disk", default="/var/tmp")
    parser.add_argument("--sizes", type=lambda s: [int(n) for n in s.split(",")], default=[4096, 102400])
    parser.add_argument("--connections", type=int, default=10)
    parser.add_argument("--users", type=int, default=10)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5, help="of a run, about")
    parser.add_argument("--most", type=int, default=30000, help="messages of a run")
    parser.add_argument("--most-disk", type=int, default=4000, help="messages of a run on disk")
    parser.add_argument("--bytes", type=int, default=400 << 20, help="of a run")
    parser.add_argument("--json", help="a file for all that was measured")
    return parser.parse_args()


def main():
    bench = options()
    about = machine()
    tables = run(bench)
    print(f"{about['processor']}, {about['processors']} processors, Linux {about['kernel']}; "
          f"tmpfs, and disk: {file_system(bench.disk)}; {bench.connections} connections, {bench.users} mailboxes, "
          f"medians of {bench.repeat} rounds")
    for table in tables:
        show(table)
    verdict(bench, tables)
    if bench.json:
        pathlib.Path(bench.json).write_text(json.dumps(
            {"machine": about, "options": vars(bench), "tables": [table.result() for table in tables]}, indent=1))


main()
