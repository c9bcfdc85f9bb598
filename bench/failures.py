#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What is made of failures: over all subjects that are broken on purpose, found, minimized, reproduced.

    bench/failures.py BINARY [--seeds N] [--json] [SUBJECT...]

For each subject and seed: `check` finds a failure and minimizes it; the saved trace is replayed three times. A length
counts ops and ranges that are busy from the start. "known" is the shortest that is known: proved by the search, or that
of the trace in subjects/faulty.cpp, if it is shorter.
"""
import argparse
import itertools
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time

LEFT_OUT = "five_faults", "flaky", "worn_out"  # more than one fault, or one that does not come each time


def run(binary, *arguments):
    done = subprocess.run([binary, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout, done.stderr


def measure(binary, subject, seed, scratch):
    begin = time.monotonic()
    status, out, err = run(binary, "check", "--subject", subject, "--seed", str(seed), "--cases", "400", "--json",
                           "-j1", "--no-saved", "-o", f"{scratch}/{subject}-{seed}")
    row = {"subject": subject, "seed": seed, "status": status, "wall": time.monotonic() - begin}
    if status != 10:
        row["error"] = err.strip()[-300:]
        return row
    found = json.loads(out)["found"]
    row.update({key: found.get(key) for key in
                ("signature", "signature_found", "ops_found", "ops", "busy", "minimality", "seconds", "seconds_to_best", "trace")})
    status, out, _ = run(binary, "replay", "-n", "3", "--json", "--subject", subject, found["file"])
    row["reproduced"] = status == 10 and list(json.loads(out)["signatures"]) == [found["signature"]]
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("subjects", nargs="*")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_intermixed_args()
    listed = json.loads(run(options.binary, "subjects", "--json")[1])
    known = {one["name"]: len(re.findall(r"^(?!vmapcheck-trace|#|space).", one["trace"], re.MULTILINE))
             for one in listed if "trace" in one}
    names = options.subjects or [one["name"] for one in listed if one["kind"] != "sound" and one["name"] not in LEFT_OUT]
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        tasks = list(itertools.product(names, range(1, options.seeds + 1)))
        for name, seed in tasks:
            row = measure(options.binary, name, seed, scratch)
            if row["status"] == 10:
                found.append(row)
            if options.json:
                print(json.dumps(row), flush=True)
            elif row["status"] != 10:
                print(f"{name:28} NOT FOUND: status {row['status']} {row['error']}", flush=True)
            else:
                length = row["ops"] + row["busy"]
                if row["minimality"] == "proved":
                    known[name] = min(length, known.get(name, length))
                row["above"] = length - known[name] if name in known else None
                print(f"{name:28} {row['ops_found']:5} -> {length:3} known {known.get(name, '?'):>2}  {row['minimality']:14} "
                      f"{row['seconds_to_best']:6.2f} s {row['seconds']:6.2f} s  "
                      f"{'' if row['reproduced'] else 'NOT REPRODUCED '}{row['signature']}", flush=True)
    if not options.json and found:
        above = [row["above"] for row in found if row["above"] is not None]
        to_best, to_end = (statistics.median(row[what] for row in found) for what in ("seconds_to_best", "seconds"))
        print(f"\nlength: {sum(a <= 0 for a in above)} of {len(above)} are the shortest that is known, "
              f"at most {max(above)} above; {len(found) - len(above)} of which no shortest is known\n"
              f"\n{len(tasks)} runs, {len(found)} found, {sum(row['reproduced'] for row in found)} reproduced; "
              f"median time to the shortest {to_best:.2f} s, to the end of the search {to_end:.2f} s")
    return 0 if len(found) == len(tasks) else 1


if __name__ == "__main__":
    sys.exit(main())
