#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What is made of failures: over all subjects that are broken on purpose, found, minimized, reproduced.

    bench/failures.py BINARY [--seeds N] [--json] [SUBJECT...]

For each subject and seed: `check` finds a failure and minimizes it; the saved trace is replayed three times. A length
counts ops and ranges that are busy from the start. "known" is the shortest that is known: proved by the search, or that
of the trace in subjects/faulty.cpp, if it is shorter.
"""
import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time


def run(binary, *arguments):
    done = subprocess.run([binary, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout, done.stderr


def measure(binary, subject, seed, scratch):
    begin = time.monotonic()
    status, out, err = run(binary, "check", "--subject", subject, "--seed", str(seed), "--cases", "400", "--json",
                           "--no-saved", "-o", f"{scratch}/{subject}-{seed}")
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
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("subjects", nargs="*")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    listed = json.loads(run(options.binary, "subjects", "--json")[1])
    known = {s["name"]: sum(bool(line) and not line.startswith(("vmapcheck-trace", "#", "space")) for line in s["trace"].split("\n"))
             for s in listed if "trace" in s}
    names = options.subjects or [s["name"] for s in listed if s["kind"] != "sound" and s["name"] not in ("five_faults", "flaky", "worn_out")]
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for name in names:
            for seed in range(1, options.seeds + 1):
                row = measure(options.binary, name, seed, scratch)
                rows.append(row)
                if options.json:
                    print(json.dumps(row), flush=True)
                elif row["status"] != 10:
                    print(f"{name:28} NOT FOUND: status {row['status']} {row.get('error', '')}", flush=True)
                else:
                    length = row["ops"] + row["busy"]
                    if row["minimality"] == "proved":
                        known[name] = min(length, known.get(name, length))
                    row["above"] = length - known[name] if name in known else None
                    print(f"{name:28} {row['ops_found']:5} -> {length:3} known {known.get(name, '?'):>2}  {row['minimality']:14} "
                          f"{row['seconds_to_best']:6.2f} s {row['seconds']:6.2f} s  "
                          f"{'' if row['reproduced'] else 'NOT REPRODUCED '}{row['signature']}", flush=True)
    found = [row for row in rows if row["status"] == 10]
    if not options.json and found:
        above = [row["above"] for row in found if row["above"] is not None]
        print(f"\nlength: {sum(a <= 0 for a in above)} of {len(above)} are the shortest that is known, "
              f"at most {max(above)} above; {len(found) - len(above)} of which no shortest is known")
        print(f"\n{len(rows)} runs, {len(found)} found, {sum(row['reproduced'] for row in found)} reproduced; "
              f"median time to the shortest {statistics.median(row['seconds_to_best'] for row in found):.2f} s, "
              f"to the end of the search {statistics.median(row['seconds'] for row in found):.2f} s")
    return 0 if len(found) == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
