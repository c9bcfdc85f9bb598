#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the op-level mutator is worth: work until a planted fault is found, from nothing, in three ways.

    bench/mutator.py TARGET TOOL [--seeds 10] [--execs-max N] [--bytes-max N] [--cases-max N] [--jobs 1] [--json FILE] [SUBJECT...]

    ops      libFuzzer with the op-level mutator
    bytes    libFuzzer with its own mutators (VMAPCHECK_MUTATOR=bytes) and the dictionary of records that is built beside TARGET
    random   `TOOL check`: each case 256 fresh ops of the grammar, as long as an input may get

TARGET is the fuzz target allocator_fuzz, TOOL is vmapcheck. Work is counted, not timed: executions (cases), and ops that
were performed and verified, up to and with the one that failed. A run that finds nothing within its cap counts as
longer than all others: where the median is such a one, the table says `>cap`. All seeds of all subjects are repeatable.
Exit status: 0 measured, 2 usage, 3 a run ended in a way that is neither found nor not found.
"""
import argparse
import concurrent.futures
import json
import math
import os
import re
import statistics
import struct
import subprocess
import sys
import tempfile

SUBJECTS = ["canary_augment", "fault_hole_cache", "fault_purge_forgets", "fault_rotation", "fault_twelve_areas"]
OPS_MAX = 256  # of a case, and of an input: 40 bytes each
WAYS = ["ops", "bytes", "random"]


class Broken(Exception):
    """A run that ended in a way that is neither found nor not found."""


def executed(command, **environment):
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                          env={**os.environ, **environment})


def counts_in(tally):
    """Executions and ops, as fuzz/tally.hpp says: of the newer of two copies, both whole in a target that has ended."""
    with open(tally, "rb") as file:
        head = file.read(1 << 16)
    second = 24 + struct.unpack_from("<Q", head, 16)[0]
    copies = [struct.unpack_from("<QQQQ", head, at) for at in (24, second)]  # each begins with the number of the write
    return max(copies)[2:]


def fuzz(target, way, subject, seed, cap):
    with tempfile.TemporaryDirectory() as scratch:
        tally = f"{scratch}/tally"
        command = [target, f"-runs={cap}", f"-seed={seed}", f"-max_len={OPS_MAX * 40}", f"-artifact_prefix={scratch}/"]
        if way == "bytes":
            command.append(f"-dict={os.path.dirname(os.path.abspath(target))}/seeds_of_corpus/allocator_fuzz.dict")
        done = executed(command, VMAPCHECK_SUBJECT=subject, VMAPCHECK_MUTATOR=way, VMAPCHECK_TALLY=tally,
                        ASAN_OPTIONS="detect_leaks=0")
        try:
            executions, ops = counts_in(tally)
        except (OSError, struct.error):
            executions, ops = 0, 0
    failed = re.search(r"^step (\d+), ([^:]+):", done.stderr, re.M)
    found = failed is not None and "\nASSERTION FAILED: " in done.stderr
    if not found and (done.returncode != 0 or executions == 0):
        raise Broken(f"{way} {subject} seed {seed}: status {done.returncode}\n{done.stderr[-1000:]}")
    # The tally has inputs that were run to their end: the one that failed comes on top.
    return {"found": found, "executions": executions + found, "ops": ops + (int(failed[1]) + 1 if found else 0),
            "signature": failed[2] if found else None}


def check(tool, subject, seed, cap):
    with tempfile.TemporaryDirectory() as scratch:
        done = executed([tool, "check", "--json", "--subject", subject, "--seed", str(seed), "--ops", str(OPS_MAX),
                         "--cases", str(cap), "-j1", "--no-minimize", "--no-saved", "--save-dir", scratch])
    if done.returncode not in (0, 10):
        raise Broken(f"random {subject} seed {seed}: status {done.returncode}\n{done.stderr[-1000:]}")
    said = json.loads(done.stdout)
    return {"found": done.returncode == 10, "executions": said["cases"], "ops": said["ops"],
            "signature": said["found"]["signature"] if done.returncode == 10 else None}


def median_text(rows, what, cap):
    """A run that found nothing is longer than any that did."""
    median = statistics.median(row[what] if row["found"] else math.inf for row in rows)
    return f"{median:,.0f}" if median < math.inf else cap


def table(runs, subjects, caps):
    lines = ["| subject | " + " | ".join(f"{way}: found | executions | verified ops" for way in WAYS) + " |",
             "| --- |" + " ---: |" * 9]
    for subject in subjects:
        cells = []
        for way in WAYS:
            rows = [run for run in runs if run["subject"] == subject and run["way"] == way]
            cells += [f"{sum(row['found'] for row in rows)} of {len(rows)}",
                      median_text(rows, "executions", f">{caps[way]:,}"), median_text(rows, "ops", ">cap")]
        lines.append(f"| `{subject}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("target")
    add("tool")
    add("subjects", nargs="*", metavar="SUBJECT", help=f"default: {' '.join(SUBJECTS)}")
    add("--seeds", type=int, default=10, help="from 1")
    add("--execs-max", type=int, default=20000, help="cap of executions with the op-level mutator")
    add("--bytes-max", type=int, help="with mutators of bytes; default: three times as many")
    add("--cases-max", type=int, help="of `check`; default: a quarter as many")
    add("--jobs", type=int, default=1)
    add("--json", metavar="FILE", help="also each run")
    options = parser.parse_intermixed_args()
    if min(options.seeds, options.execs_max, options.jobs) < 1:
        parser.error("--seeds, --execs-max and --jobs are at least 1")
    subjects = options.subjects or SUBJECTS
    caps = {"ops": options.execs_max, "bytes": options.bytes_max or 3 * options.execs_max,
            "random": options.cases_max or max(1, options.execs_max // 4)}

    def measured(task):
        way, subject, seed = task
        row = check(options.tool, subject, seed, caps[way]) if way == "random" else fuzz(
            options.target, way, subject, seed, caps[way])
        return {"way": way, "subject": subject, "seed": seed, **row}

    tasks = [(way, subject, seed) for seed in range(1, options.seeds + 1) for subject in subjects for way in WAYS]
    runs = []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        try:
            for row in pool.map(measured, tasks):
                runs.append(row)
                print(f"{len(runs)} of {len(tasks)}: {row}", file=sys.stderr)
        except (Broken, OSError) as broken:
            pool.shutdown(cancel_futures=True)
            print(f"mutator: {broken}", file=sys.stderr)
            sys.exit(3)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"caps": caps, "runs": runs}, file, indent=1)
    print(table(runs, subjects, caps))


if __name__ == "__main__":
    main()
