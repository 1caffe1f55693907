"""Runs the end-to-end tests: run.py NAME RESULTS-FILE [MODULE...]

MAILSERV_BUILD names the build directory whose programs are tested.  Appends
"NAME:MODULE passed failed skipped" lines to the results file.
"""

import os
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent


def main(name, results, modules):
    results = os.path.abspath(results)
    sys.path.insert(0, str(HERE))
    os.chdir(HERE)
    modules = modules or sorted(p.stem for p in HERE.glob("test_*.py"))
    failed_any = False
    for module in modules:
        print(f"-- {module}", file=sys.stderr)
        suite = unittest.defaultTestLoader.loadTestsFromName(module)
        outcome = unittest.TextTestRunner(verbosity=1).run(suite)
        bad = len(outcome.failures) + len(outcome.errors) + len(outcome.unexpectedSuccesses)
        skipped = len(outcome.skipped)
        passed = max(outcome.testsRun - bad - skipped, 0)
        for test, reason in outcome.skipped:
            print(f"skipped: {test}: {reason}", file=sys.stderr)
        with open(results, "a", encoding="utf-8") as out:
            out.write(f"e2e-{name}:{module} {passed} {bad} {skipped}\n")
        failed_any = failed_any or bad > 0
    return 1 if failed_any else 0


sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
