# SPDX-License-Identifier: Apache-2.0
"""Would the tests of the command line notice? With a program that says nothing and ends with 0, or with 10, each fails."""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
NO_COMMAND_LINES = {"says_nothing": "#!/bin/sh\nexit 0\n", "finds_something": "#!/bin/sh\nexit 10\n"}
# What they test needs more than a command line: a fuzz target, a folder, a million ops. Of pages some hold no command.
PASSED_BY = {"canary", "cli", "campaign_target", "million", "pages"}


def main():
    names = sorted(path.stem for path in HERE.glob("*.py") if path.stem not in PASSED_BY)
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [(name, program) for name in names for program in NO_COMMAND_LINES]
        for program, text in NO_COMMAND_LINES.items():
            path = pathlib.Path(folder, program)
            path.write_text(text)
            path.chmod(0o755)
        passed = [line for lines in pool.map(lambda job: passing(*job, folder), jobs) for line in lines]
    print("\n".join(passed) or "noticed")
    return 1 if passed else 0


def passing(name, program, folder):
    """Tests of that file which pass with the program."""
    done = subprocess.run([sys.executable, HERE / "cli.py", f"{folder}/{program}", name, "-v"], capture_output=True,
                          text=True)
    # A test's docstring stands on a line of its own.
    passed = re.findall(r"^(\w+) \([\w.]+\)(?:\n.*)? \.\.\. ok$", done.stderr, re.MULTILINE)
    return [f"{name}: {test} passes with a program that {program.replace('_', ' ')}" for test in passed
            if not test.startswith("test_launcher")]


if __name__ == "__main__":
    sys.exit(main())
