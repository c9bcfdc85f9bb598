#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How many ops the fuzz target performs and verifies in a second, on one core.

    bench/fuzz_speed.py [--build DIR] [--corpus DIR] [--variants plain,asan,asan+ubsan] [--seconds S] [--runs N] [--json]

Builds the target with a clock (bench/fuzz_speed.cpp) in each variant: coverage counters alone, with AddressSanitizer, and
with UndefinedBehaviorSanitizer, too. Without --corpus a fuzzing run from a fixed seed makes one, in DIR/corpus if there
is a DIR. Then measures, in processor time of the process and ops that were performed:

    target   the corpus, over and over (the median round): what an execution costs
    fuzzing  a run of libFuzzer on it: with mutation and all that the engine does; its files are thrown away

--everywhere instruments all of the program, not only what is under test: what that costs.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VARIANTS = {"plain": "", "asan": ",address", "asan+ubsan": ",address,undefined"}
MAX_LEN = 256 * 40  # as a campaign has it


def run(command, **arguments):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, **arguments)
    if done.returncode != 0:
        sys.exit(f"fuzz_speed: {' '.join(command)}: status {done.returncode}\n{done.stderr[-2000:]}{done.stdout[-2000:]}")
    return done.stdout


def build(directory, variant, everywhere):
    sanitizers = "-fsanitize=fuzzer-no-link" + VARIANTS[variant]
    recover = ";-fsanitize-recover=" + VARIANTS[variant][1:] if VARIANTS[variant] else ""
    instrument = sanitizers + recover + ";-fno-sanitize-coverage=trace-cmp"  # as the preset has it
    flags = ["-DVMAPCHECK_INSTRUMENT=" + ("" if everywhere else instrument),
             "-DCMAKE_CXX_FLAGS=-fno-omit-frame-pointer" + (" " + sanitizers if everywhere else ""),
             "-DCMAKE_EXE_LINKER_FLAGS=" + sanitizers,
             "-DVMAPCHECK_FAULTY_SUBJECTS=OFF"]  # they take as long to compile as everything else
    run(["cmake", "--preset", "fuzz", "-B", directory] + flags, cwd=SOURCE)
    run(["ninja", "-C", directory, "fuzz_speed"])
    return f"{directory}/bench/fuzz_speed"


def fuzz(program, corpus, runs):
    """What the clock said of a run that grows the corpus."""
    return run([program, "-seed=20240229", f"-runs={runs}", f"-max_len={MAX_LEN}", f"-artifact_prefix={corpus}/", corpus])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--build", metavar="DIR", help="where to build, to be kept; else a temporary folder")
    add("--corpus", metavar="DIR")
    add("--variants", default=",".join(VARIANTS))
    add("--seconds", type=float, default=3, help="processor time for each measurement of the target")
    add("--runs", type=int, default=20000, help="executions of a fuzzing run")
    add("--everywhere", action="store_true")
    add("--json", action="store_true")
    options = parser.parse_args()
    variants = options.variants.split(",")
    if unknown := [v for v in variants if v not in VARIANTS]:
        parser.error(f"no variant is named {unknown[0]}: {', '.join(VARIANTS)}")

    with tempfile.TemporaryDirectory() as scratch:
        home = os.path.abspath(options.build) if options.build else scratch
        programs = {v: build(f"{home}/{v}", v, options.everywhere) for v in variants}
        corpus = options.corpus or f"{home}/corpus"
        if not options.corpus and not os.path.isdir(corpus):
            os.makedirs(corpus)
            fuzz(programs[variants[0]], corpus, 20000)
        rows = {}
        for variant, program in programs.items():
            target = json.loads(run([program, "--replay", corpus, str(options.seconds)]))
            copy = shutil.copytree(corpus, f"{scratch}/{variant}.corpus")
            rows[variant] = {"target": target, "fuzzing": json.loads(fuzz(program, copy, options.runs).splitlines()[-1])}
    if options.json:
        print(json.dumps(rows))
        return
    first = rows[variants[0]]["target"]
    print(f"{first['inputs']} inputs, {first['ops']} ops: {first['trace_length']} ops in a trace, "
          f"{first['free_blocks']} free blocks on average\n")
    print(f"{'verified ops per second':24} {'target':>12} {'best round':>12} {'fuzzing':>12} {'share of target':>16}")
    for variant, row in rows.items():
        print(f"{variant:24} {row['target']['ops_per_second']:12,.0f} {row['target']['best']:12,.0f} "
              f"{row['fuzzing']['ops_per_second']:12,.0f} {row['fuzzing']['share_of_target']:16.0%}")


if __name__ == "__main__":
    main()
