"""Measures mail servers against each other and against what the file system alone takes.

    bench.py LOAD FLOOR SINK [options]       (see README.md; run.sh builds the programs and calls it)

In every round each server has its turn, so that what else the machine does meets all of them; a figure is
the median of the rounds, a ratio the median of the rounds' ratios.
"""

import argparse
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import servers
from measure import count_syncs, file_system, machine, resident, run_floor, run_server, send


# -- Where -----------------------------------------------------------------------------------


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
    """Runs of one kind, place and size, by contestant, a list each with one entry a round."""

    def __init__(self, kind, place, size):
        self.kind, self.place, self.size, self.runs, self.extra = kind, place, size, {}, {}

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
        return {"kind": self.kind, "place": self.place, "size": self.size, "runs": self.runs, "extra": self.extra}


def start_servers(bench, stack, directory, relay=False):
    """Those that are wanted and there, running."""
    started = []
    kinds = servers.RELAYS if relay else servers.ALL
    for name in bench.servers:
        if name not in kinds:
            continue
        reason = kinds[name].unavailable()
        if reason:
            print(f"skipped: {name}: {reason}", file=sys.stderr)
            continue
        sink = servers.Sink() if relay else None
        if sink:
            stack.callback(sink.stop)
            sink.start()
        server = kinds[name](directory, bench.users, sink)
        stack.callback(server.stop)
        server.start()
        started.append(server)
    return started


def warm_up(bench, server, table):
    """How many messages a run of that server shall have."""
    count = 50
    for _ in range(2):
        got = send(bench, server, count, table.size)
        count = how_many(bench, count / got["seconds"], table.size, table.place)
    server.clear()
    return count


def one_round(bench, table, counts, floor_directory, floor_count):
    for server, count in counts.items():
        table.add(server.name, run_server(bench, server, count, table.size))
        if table.place == "tmpfs":
            server.clear()
    table.add("floor", run_floor(bench, floor_directory, floor_count, table.size))
    table.add("copy", run_floor(bench, floor_directory, floor_count, table.size, copying=True))
    if table.place == "tmpfs":
        servers.clear(pathlib.Path(floor_directory).glob("user*"))


def measure(bench, table, started, directory):
    with tempfile.TemporaryDirectory(prefix="floor-", dir=directory) as floor_directory:
        counts = {server: warm_up(bench, server, table) for server in started}
        warm = run_floor(bench, floor_directory, 500, table.size)
        floor_count = how_many(bench, warm["rate"], table.size, table.place)
        for number in range(bench.repeat):
            print(f"{table.kind}, {table.place}, {table.size} octets, round {number + 1} of {bench.repeat}",
                  file=sys.stderr)
            one_round(bench, table, counts, floor_directory, floor_count)
    for server in started:
        alone = send(bench, server, 100, table.size, connections=1)
        table.extra[server.name] = {"alone_us": alone["us_median"]}
        if table.size == bench.sizes[0]:
            table.extra[server.name]["syncs"] = count_syncs(bench, server, table.size)
        server.clear()


def run(bench):
    tables = []
    for place, directory in places(bench).items():
        for kind in ("local", "relay"):
            if kind not in bench.kinds:
                continue
            with contextlib.ExitStack() as stack:
                started = start_servers(bench, stack, directory, kind == "relay")
                for size in bench.sizes:
                    tables.append(Table(kind, place, size))
                    measure(bench, tables[-1], started, directory)
    return tables


# -- Much at once ------------------------------------------------------------------------------


def many_recipients(bench, directory):
    """A message for very many, relayed to each: {server: figures}."""
    results = {}
    with contextlib.ExitStack() as stack:
        for server in start_servers(bench, stack, directory, relay=True):
            runs = []
            for _ in range(bench.repeat):
                got = run_server(bench, server, 1, bench.sizes[0], recipients=bench.recipients, connections=1)
                runs.append({"seconds": 1 / got["rate"], "accepted": got["median_us"] / 1e6,
                             "cpu_us": got["cpu_us"] / bench.recipients})
            results[server.name] = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
            results[server.name]["memory"] = resident(server.pids())["most"]
    return results


def full_queue(bench, directory):
    """A queue of very many messages for a host that is down."""
    sink = servers.Sink()  # never started
    server = servers.Ours(directory, bench.users, sink)
    result = {}
    try:
        server.start()
        begin = time.monotonic()
        servers.run_json([bench.load, *server.options, "-c", bench.connections, "-n", bench.queued, "-s",
                          bench.sizes[0], "-u", bench.users, server.port])
        result["accepted_rate"] = bench.queued / (time.monotonic() - begin)
        result["filling"] = resident(server.pids())
        server.daemon.stop(remove=False)
        begin = time.monotonic()
        server.daemon.log_file.unlink()
        server.daemon.start()
        result["start_seconds"] = time.monotonic() - begin
        begin = time.monotonic()
        listing = subprocess.Popen([servers.MAILSERVCTL, "-c", server.daemon.conf, "queue", "list"],
                                   stdout=subprocess.PIPE, text=True)
        listing.stdout.readline()
        result["first_line_seconds"] = time.monotonic() - begin
        result["lines"] = 1 + sum(1 for _ in listing.stdout)
        listing.wait()
        result["list_seconds"] = time.monotonic() - begin
        result["started"] = resident(server.pids())
    finally:
        server.stop()
    return result


# -- Words --------------------------------------------------------------------------------------


def number(value, form="{:.0f}"):
    return "-" if value is None else form.format(value)


def show(table):
    what = "local delivery" if table.kind == "local" else "relaying"
    print(f"\n## {what}, {table.size} octets, {table.place}\n")
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


def show_many(bench, results):
    print(f"\n## A message for {bench.recipients} recipients, relayed\n")
    print("| | accepted in s | all sent in s | CPU us/recipient | most memory MB |")
    print("|---|---|---|---|---|")
    for name, result in results.items():
        print(f"| {name} | {result['accepted']:.2f} | {result['seconds']:.2f} | {result['cpu_us']:.0f} "
              f"| {result['memory'] / 1e6:.0f} |")


def show_queue(bench, result):
    print(f"\n## {bench.queued} messages in the queue\n")
    print(f"- accepted at {result['accepted_rate']:.0f}/s")
    print(f"- most memory {result['filling']['most'] / 1e6:.0f} MB; {result['started']['most'] / 1e6:.0f} MB after a "
          "new start and a listing")
    print(f"- started in {result['start_seconds']:.2f} s")
    print(f"- the first line of `queue list` after {result['first_line_seconds']:.3f} s, all {result['lines']} after "
          f"{result['list_seconds']:.2f} s")


def by(tables, kind, place, size):
    return next((t for t in tables if (t.kind, t.place, t.size) == (kind, place, size)), None)


def check(what, value, wanted, least=False):
    if value is None:
        print(f"- {what}: not measured")
        return
    good = value >= wanted if least else value <= wanted
    print(f"- {what}: {value:.3f}, wanted at {'least' if least else 'most'} {wanted:g}: {'yes' if good else 'NO'}")


def verdict(bench, tables):
    print("\n## Wanted\n")
    small, large = bench.sizes[0], bench.sizes[-1]
    memory, disk = by(tables, "local", "tmpfs", small), by(tables, "local", "disk", small)
    if memory:
        check("CPU a message, of Postfix's", memory.ratio("mailservd", "postfix", "cpu_us"), 1 / 10)
        check("CPU a message, of OpenSMTPD's", memory.ratio("mailservd", "opensmtpd", "cpu_us"), 1 / 25)
        check("messages/s, times Postfix's", memory.ratio("mailservd", "postfix", "rate"), 5, least=True)
    if disk:
        check("messages/s on disk, of the floor's", disk.ratio("mailservd", "floor", "rate"), 0.8, least=True)
    relay = by(tables, "relay", "tmpfs", small)
    if relay:
        check("CPU of relaying a message, of Postfix's", relay.ratio("mailservd", "postfix", "cpu_us"), 1 / 5)
    big = by(tables, "local", "tmpfs", large)
    if big and memory and large > small and "mailservd" in big.runs:
        # What a large message costs more than a small one, and what copying that much costs.
        more = [(b["cpu_us"] - s["cpu_us"]) / (cb["cpu_us"] - cs["cpu_us"]) for b, s, cb, cs in zip(
            big.runs["mailservd"], memory.runs["mailservd"], big.runs["copy"], memory.runs["copy"])]
        check(f"CPU of {large - small} octets more, times copying them", statistics.median(more), 1.5)


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("load")
    parser.add_argument("floor")
    parser.add_argument("sink")
    parser.add_argument("--kinds", type=lambda s: s.split(","), default=["local", "relay", "many", "queue"],
                        help="of measurements: local, relay, many (recipients), queue (full)")
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
    parser.add_argument("--recipients", type=int, default=2000, help="of the message for many")
    parser.add_argument("--queued", type=int, default=100000, help="messages in the full queue")
    parser.add_argument("--json", help="a file for all that was measured")
    return parser.parse_args()


def main():
    bench = options()
    servers.Sink.program = bench.sink
    about = machine()
    tables = run(bench)
    where = next(iter(places(bench).values()))
    many = many_recipients(bench, where) if "many" in bench.kinds else None
    queue = full_queue(bench, where) if "queue" in bench.kinds else None
    print(f"{about['processor']}, {about['processors']} processors, Linux {about['kernel']}; "
          f"tmpfs, and disk: {file_system(bench.disk)}; {bench.connections} connections, {bench.users} mailboxes, "
          f"medians of {bench.repeat} rounds")
    for table in tables:
        show(table)
    if many:
        show_many(bench, many)
    if queue:
        show_queue(bench, queue)
    verdict(bench, tables)
    if bench.json:
        pathlib.Path(bench.json).write_text(json.dumps(
            {"machine": about, "options": vars(bench), "tables": [table.result() for table in tables],
             "many": many, "queue": queue}, indent=1))


main()
