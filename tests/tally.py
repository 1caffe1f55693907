"""Counts the checks in a Meson test log: tally.py NAME testlog.json

Prints "NAME:TEST passed failed skipped" a line each, and what failed to
standard error.
"""

import json
import re
import sys

CHECK = re.compile(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)", re.M)


def count(entry):
    """(passed, failed, skipped) of one test program."""
    checks = CHECK.findall(entry.get("stdout", ""))
    if entry["result"] == "SKIP":
        return 0, 0, 1
    total = sum(int(c[0]) for c in checks)
    failed = sum(int(c[1]) + int(c[2]) for c in checks)
    if entry["returncode"] != 0 and failed == 0:
        failed = 1  # it crashed, or is no Check program
        total = max(total, 1)
    if not checks and entry["returncode"] == 0:
        total = 1
    return total - failed, failed, 0


def main(name, path):
    with open(path, encoding="utf-8") as log:
        entries = [json.loads(line) for line in log if line.strip()]
    for entry in entries:
        passed, failed, skipped = count(entry)
        test = entry["name"].split(" / ")[-1].replace(" ", "_")
        print(f"{name}:{test} {passed} {failed} {skipped}")
        if failed:
            print(f"FAILED: {name} {test} ({entry['result']})", file=sys.stderr)
            print(entry.get("stdout", "")[-3000:], file=sys.stderr)
            print(entry.get("stderr", "")[-3000:], file=sys.stderr)
        elif skipped:
            print(f"skipped: {name} {test}: {entry.get('stdout', '').strip()[-200:]}", file=sys.stderr)


main(sys.argv[1], sys.argv[2])
