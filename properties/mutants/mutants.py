#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does each driver find each fault of the catalogue? (docs/mutants.md)

Applies each patch of the catalogue to a copy of the file of allocator/ that it changes, compiles the allocator with it as
a shared object (subject.cpp), and lets drivers loose on that: each alone, within equal ops.

    random      `check`: random traces
    corpus      `replay`: the traces that are kept
    explore     `explore`: every state of small spaces, the index alone and the whole allocator
    properties  RapidCheck generates traces (rapidcheck.cpp)
    fuzz        libFuzzer, from nothing, with the op-level mutator, on the mutant compiled with coverage and sanitizers

A mutant is a patch, a compilation and a few runs of the command line, so this is a script and not a part of that.
"""
import argparse
import collections
import concurrent.futures
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
OK, USAGE, SUBJECT, IO, INTERRUPTED, VIOLATION, FLAKY = 0, 2, 3, 4, 5, 10, 12
DRIVERS = ("random", "corpus", "explore", "properties", "fuzz")
SEED = 20240229
FUZZ_INPUT_MAX = 256 * 40  # bytes: 256 records, as in a campaign
FUZZ_HANG = 10  # seconds of one input
TIMEOUT = 600  # seconds of one run: nothing takes so long, and what does has failed

# Each in turn, until one finds the mutant or the ops are spent. The last that is begun is not cut short.
EXPLORATIONS = (
    ("--granules", "3"),
    ("--granules", "3", "--base", "top"),
    ("--granules", "3", "--granule", "16", "--base", "0x40", "--lazy-limit", "16"),
    ("--granules", "5", "--ops", "congruent"),
    ("--index-only", "--granules", "10", "--searches"),
    ("--index-only", "--granules", "11"),
    ("--granules", "9", "--ops", "first-fit"),
    ("--granules", "4"),
    ("--granules", "4", "--base", "top"),
    ("--granules", "4", "--granule", "16", "--base", "0x40", "--lazy-limit", "16"),
    ("--granules", "7", "--ops", "placed,lazy,find"),
)

# No assertions: it is the harness that is measured, and not they. -O1 costs as much as -O0, and runs faster.
FLAGS = ("-std=c++23", "-O1", "-g0", "-DNDEBUG", "-fPIC", "-fvisibility=hidden", "-w")
STANDARD = ("algorithm", "array", "atomic", "bit", "cassert", "charconv", "concepts", "cstddef", "cstdint", "expected",
            "functional", "limits", "list", "map", "memory", "memory_resource", "optional", "span", "string", "string_view",
            "tuple", "type_traits", "utility", "variant", "vector")  # fmt: skip
# As the preset `fuzz` compiles what is under test, recovering from what the sanitizers see.
FUZZ_FLAGS = ("-fsanitize=fuzzer-no-link,address,undefined", "-fsanitize-recover=address,undefined",
              "-fno-sanitize-coverage=trace-cmp", "-fno-omit-frame-pointer")  # fmt: skip
# What the harness includes of the allocator: where one of these is mutated, only the standard library is compiled ahead.
VOCABULARY = {"range.hpp", "error.hpp", "request.hpp", "violation.hpp", "stats.hpp", "tree_case.hpp"}


def main():
    options = parse_options()
    signal.signal(signal.SIGINT, on_interrupt)
    signal.signal(signal.SIGTERM, on_interrupt)
    mutants = read_catalogue(options)
    try:
        with tempfile.TemporaryDirectory(prefix="vmapcheck-mutants-", ignore_cleanup_errors=True) as scratch:
            workshop = Workshop(options.tool, scratch)
            if "fuzz" in options.driver:
                workshop.fuzz = Workshop(options.fuzz_target, os.path.join(scratch, "instrumented"), FUZZ_FLAGS)
            status = run_all(options, mutants, workshop)
    except OSError as error:
        stop(IO, f"{error.filename or 'scratch directory'}: {error.strerror}")
    sys.stdout.flush()
    sys.exit(INTERRUPTED if interrupted.is_set() else status)


def parse_options():
    parser = argparse.ArgumentParser(
        prog="vmapcheck mutants", description="Faults of the allocator, each as a patch: which driver finds it?",
        formatter_class=argparse.RawDescriptionHelpFormatter, add_help=False,
        epilog="Exit status:\n   0  each was found\n   2  usage\n   3  cannot compile or run\n   4  input or output\n"
               "   5  interrupted\n  10  a patch does not apply, or no driver found a mutant")  # fmt: skip
    # Not argparse's own, which would print it before it looks at what comes after.
    parser.add_argument("-h", "--help", action="store_true", help="print this help")
    parser.add_argument("--driver", default="random,corpus,explore", metavar="LIST", type=drivers_of,
                        help=f"{', '.join(DRIVERS)}; several with commas between, or all (default: random,corpus,explore)")  # fmt: skip
    parser.add_argument("--until-found", action="store_true", help="leave out the drivers after the first that finds it")
    parser.add_argument("--ops", type=positive, default=1_000_000, metavar="N", help="ops of each driver (default: 1000000)")
    parser.add_argument("--seed", type=int, default=SEED, metavar="N", help="of random and properties")
    parser.add_argument("-j", "--jobs", type=positive, default=os.cpu_count(), metavar="N", help="at once (default: one a core)")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="this mutant; may be repeated")
    parser.add_argument("--third", type=int, choices=(1, 2, 3), metavar="K", help="the first, second or third third of them")
    parser.add_argument("--minimize-time", default="2s", metavar="TIME", help="for each finding (default: 2s)")
    parser.add_argument("--list", action="store_true", help="only list them, and what each breaks")
    parser.add_argument("--keep", metavar="DIR", help="keep the shared objects there, for --subject")
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    parser.add_argument("--catalogue", default=HERE, metavar="DIR", help="of *.patch (default: properties/mutants)")
    parser.add_argument("--tool", default=os.path.join(ROOT, "build", "release", "tools", "vmapcheck"), help=argparse.SUPPRESS)
    parser.add_argument("--fuzz-target", default=os.path.join(ROOT, "build", "fuzz", "fuzz", "allocator_fuzz"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.help:
        parser.print_help()
        sys.exit(OK)
    return options


def drivers_of(text):
    names = DRIVERS if text == "all" else tuple(text.split(","))
    for name in names:
        if name not in DRIVERS:
            raise argparse.ArgumentTypeError(f"there is no driver '{name}', but {', '.join(DRIVERS)} and all")
    return names


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("at least 1 is needed")
    return value


def stop(status, line):
    print(f"vmapcheck: {line}", file=sys.stderr)
    sys.exit(status)


Mutant = collections.namedtuple("Mutant", "name patch breaks")


def read_catalogue(options):
    try:
        names = sorted(name[:-6] for name in os.listdir(options.catalogue) if name.endswith(".patch"))
        mutants = []
        for name in names:
            path = os.path.join(options.catalogue, name + ".patch")
            with open(path, encoding="utf-8") as file:
                mutants.append(Mutant(name, path, file.readline().strip()))
    except OSError as error:
        stop(IO, f"{error.filename}: {error.strerror}")
    for name in options.only:
        if name not in names:
            stop(USAGE, f"there is no mutant '{name}' in {options.catalogue}")
    if options.only:
        mutants = [mutant for mutant in mutants if mutant.name in options.only]
    if options.third:
        mutants = mutants[options.third - 1 :: 3]
    if not mutants:
        stop(USAGE, f"there are no mutants in {options.catalogue}")
    if options.list:
        for mutant in mutants:
            print(f"{mutant.name:<34} {mutant.breaks}")
        sys.exit(OK)
    return mutants


# ---------------------------------------------------------------------------------------------------- all of them


def run_all(options, mutants, workshop):
    which = f", {('first', 'second', 'last')[options.third - 1]} third" if options.third else ""
    tell(f"{len(mutants)} mutants{which}: {', '.join(options.driver)}, {options.ops} ops each, seed {options.seed}")
    begin = time.monotonic()
    workshop.compile_ahead()
    if workshop.fuzz:
        workshop.fuzz.compile_ahead()
    results = []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        pending = [pool.submit(run_one, options, mutant, workshop) for mutant in mutants]
        for done in concurrent.futures.as_completed(pending):
            if interrupted.is_set():
                break
            results.append(done.result())
            show(options, results[-1], len(results), len(mutants))
        for task in pending:
            task.cancel()
    progress("")
    if interrupted.is_set():
        tell(f"interrupted: {len(results)} of {len(mutants)} were run")
        return INTERRUPTED
    results.sort(key=lambda result: result["mutant"])
    summary = summary_of(options, results, time.monotonic() - begin)
    if options.json:
        print(json.dumps({**summary, "all": results}, indent=1))
    else:
        print_summary(options, summary, results)
    return OK if summary["found"] == len(mutants) else VIOLATION


def run_one(options, mutant, workshop):
    result = {"mutant": mutant.name, "breaks": mutant.breaks, "state": "lives", "drivers": {}}
    if interrupted.is_set():
        return result
    folder = os.path.join(workshop.folder, mutant.name)
    try:
        subject = workshop.make(mutant, folder, options.keep)
        for driver in options.driver:
            # The engine learns from the coverage of what it runs, so that is compiled once more for it.
            own = workshop.fuzz.make(mutant, os.path.join(folder, "instrumented"), None) if driver == "fuzz" else subject
            found = globals()["run_" + driver](options, workshop, own, folder)
            result["drivers"][driver] = found
            if found["found"]:
                result["state"] = "found"
                if options.until_found:
                    break
    except Refused as refused:
        result["state"], result["why"] = refused.args
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return result


class Refused(Exception):
    """State and reason of a mutant that was not run."""


# ---------------------------------------------------------------------------------------------------- compiling


class Workshop:
    fuzz = None  # the workshop of what is fuzzed

    def __init__(self, tool, folder, more_flags=()):
        self.tool, self.folder, self.flags = os.path.abspath(tool), folder, (*FLAGS, *more_flags)
        self.build = os.path.dirname(os.path.dirname(self.tool))
        if not os.access(self.tool, os.X_OK):
            stop(SUBJECT, f"{tool}: not there (./vmapcheck mutants, at the top of a checkout, builds it)")
        try:
            with open(os.path.join(self.build, "CMakeCache.txt"), encoding="utf-8") as cache:
                self.compiler = re.search(r"^CMAKE_CXX_COMPILER:\w+=(.*)$", cache.read(), re.M)[1]
        except (OSError, TypeError):
            stop(SUBJECT, f"{tool}: not in a build directory")
        self.is_clang = "clang" in os.path.basename(self.compiler)
        self.include = ["-I", os.path.join(ROOT, "allocator"), "-I", ROOT, "-I", os.path.join(self.build, "subjects")]

    def compile_ahead(self):
        """What no mutant changes, once for all."""
        standard = "".join(f"#include <{name}>\n" for name in STANDARD)
        harness = standard + '#include "harness/explore/free_index.hpp"\n#include "subjects/loaded.hpp"\n'
        for name, text in (("standard", standard), ("harness", harness)):
            header = os.path.join(self.folder, name, "ahead.hpp")
            os.makedirs(os.path.dirname(header))
            with open(header, "w", encoding="utf-8") as file:
                file.write(text)
            more = ["-fpch-instantiate-templates"] if self.is_clang else []
            output = header + (".pch" if self.is_clang else ".gch")
            done = execute([self.compiler, *self.flags, *more, *self.include, "-x", "c++-header", header, "-o", output])
            if done.returncode != 0 and not interrupted.is_set():
                stop(SUBJECT, f"{self.compiler} does not compile the harness:\n{done.stderr}")

    def make(self, mutant, folder, keep):
        """The shared object of a mutant."""
        with open(mutant.patch, encoding="utf-8") as file:
            changed = re.findall(r"^--- a/(\S+)", file.read(), re.M)
        for name in changed:
            source = os.path.join(ROOT, "allocator", name)
            if not os.path.exists(source):
                raise Refused("does not apply", f"there is no allocator/{name}")
            os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
            shutil.copy(source, os.path.join(folder, name))
        if not changed:
            raise Refused("does not apply", "it changes no file")
        done = execute(["patch", "--strip=1", "--fuzz=0", "--batch", "--forward", "--silent", "--no-backup-if-mismatch",
                        "--input", mutant.patch], cwd=folder)  # fmt: skip
        if done.returncode != 0:
            raise Refused("does not apply", " ".join(done.stdout.split())[:300])
        subject = os.path.join(folder, mutant.name + ".so")
        vocabulary = any(os.path.basename(name) in VOCABULARY for name in changed)
        ahead = os.path.join(self.folder, "standard" if vocabulary else "harness", "ahead.hpp")
        first = ["-include-pch", ahead + ".pch"] if self.is_clang else ["-include", ahead, "-fno-gnu-unique"]
        done = execute([self.compiler, *self.flags, *first, "-I", folder, *self.include, "-shared", "-Wl,-Bsymbolic",
                        os.path.join(HERE, "subject.cpp"), "-o", subject])  # fmt: skip
        if done.returncode != 0:
            raise Refused("does not compile", "\n".join(line for line in done.stderr.splitlines() if "error" in line)[:600])
        if keep:
            os.makedirs(keep, exist_ok=True)
            shutil.copy(subject, keep)
        return subject


# ---------------------------------------------------------------------------------------------------- the drivers


def run_random(options, workshop, subject, folder):
    done = run_tool(workshop, folder, "check", "--json", "--no-saved", "--subject", subject, "--seed", str(options.seed), "--cases",
                    str(max(1, options.ops // 1000)), "--minimize-time", options.minimize_time, "-o", folder)  # fmt: skip
    return outcome_of(done, lambda answer: answer["ops"])


def run_corpus(options, workshop, subject, folder):
    traces = sorted(os.path.join(path, name) for path, _, names in os.walk(os.path.join(ROOT, "corpus"))
                    for name in names if name.endswith(".trace"))  # fmt: skip
    ops = 0
    for begin in range(0, len(traces), 8):  # some at once, but not all: what hangs does so in many
        some = traces[begin : begin + 8]
        done = run_tool(workshop, folder, "replay", "--json", "--subject", subject, *some)
        if done.returncode in (OK, VIOLATION):
            for line in done.stdout.splitlines():
                answer = json.loads(line)
                if "verdict" not in answer:
                    ops += 1
                elif answer["verdict"] == "ok":
                    some.pop(0)
                else:
                    length = minimal_length(options, workshop, subject, folder, some[0])
                    return {"found": True, "ops": ops + 1, "invariant": answer.get("invariant", answer.get("kind", "died")),
                            "length": length, "by": os.path.relpath(some[0], ROOT)}  # fmt: skip
        elif outcome_of(done, lambda answer: 0)["found"]:
            return {"found": True, "ops": ops, "invariant": "construction", "length": 0}
    return {"found": False, "ops": ops}


def minimal_length(options, workshop, subject, folder, trace):
    done = run_tool(workshop, folder, "minimize", "--json", "--subject", subject, "--time", options.minimize_time,
                    "-o", os.path.join(folder, "minimal.trace"), trace)  # fmt: skip
    try:
        return json.loads(done.stdout.splitlines()[-1])["ops"]
    except (ValueError, IndexError, KeyError):
        return None


def run_explore(options, workshop, subject, folder):
    ops = 0
    for place in EXPLORATIONS:
        if ops >= options.ops:
            break
        done = run_tool(workshop, folder, "explore", "--json", "--fresh", "-j1", "--subject", subject, "--state",
                        os.path.join(folder, "explore.state"), "-o", folder, "--no-minimize", *place)  # fmt: skip
        found = outcome_of(done, lambda answer: answer["transitions"])
        ops += found["ops"]
        if found["found"]:
            return {**found, "ops": ops, "by": " ".join(place)}
    return {"found": False, "ops": ops}


def run_properties(options, workshop, subject, folder):
    program = os.path.join(workshop.build, "properties", "mutants_rapidcheck")
    if not os.access(program, os.X_OK):
        raise Refused("not run", f"{program} is not there")
    return outcome_of(execute([program, subject, str(options.seed), str(options.ops)], cwd=folder), lambda answer: answer["ops"])


def run_fuzz(options, workshop, subject, folder):
    tally, crash = os.path.join(folder, "tally"), os.path.join(folder, "crash")
    done = execute([workshop.fuzz.tool, f"-seed={options.seed}", "-runs=-1", f"-max_len={FUZZ_INPUT_MAX}", f"-timeout={FUZZ_HANG}",
                    f"-exact_artifact_path={crash}"], cwd=folder,
                   environment={"VMAPCHECK_SUBJECT": subject, "VMAPCHECK_TALLY": tally, "VMAPCHECK_OPS_MAX": str(options.ops),
                                "ASAN_OPTIONS": "detect_leaks=0:symbolize=0"})  # fmt: skip
    if interrupted.is_set():
        return {"found": False, "ops": 0}
    if done.returncode == SUBJECT:
        return outcome_of(done, None)
    with open(tally, "rb") as file:  # fuzz/tally.hpp: inputs that were run to their end
        ops = int.from_bytes(file.read(40)[32:], "little")
    if ops >= options.ops and not os.path.exists(crash):
        return construction(ops) if "cannot construct" in done.stderr else {"found": False, "ops": ops}
    step = re.search(r"^step (\d+), ", done.stderr, re.M)
    what = (re.search(r"^ASSERTION FAILED: (\S+)", done.stderr, re.M) or re.search(r"^SUMMARY: libFuzzer: (.+)", done.stderr, re.M)
            or re.search(r"^SUMMARY: \w+Sanitizer: (\S+)", done.stderr, re.M))  # fmt: skip
    if not os.path.exists(crash) or what is None:
        raise Refused("not run", f"status {done.returncode}: {done.stderr.strip()[-300:]}")
    trace = os.path.join(folder, "crash.trace")
    run_tool(workshop, folder, "decode", crash, "-o", trace)
    length = minimal_length(options, workshop, os.path.join(folder, os.path.basename(subject)), folder, trace)
    return {"found": True, "ops": ops + (int(step[1]) + 1 if step else 0), "invariant": what[1], "length": length,
            **({"step": int(step[1])} if step else {})}  # fmt: skip


def run_tool(workshop, folder, *arguments):
    return execute([workshop.tool, *arguments], cwd=folder)


def construction(ops):
    """Ours can be made in every space, so that drivers that skip the spaces that are refused have found it all the same."""
    return {"found": True, "ops": ops, "invariant": "construction", "length": 0}


def outcome_of(done, ops_of):
    """What a run with --json says, in our words."""
    if interrupted.is_set():
        return {"found": False, "ops": 0}
    if done.returncode == SUBJECT and "cannot construct" in done.stderr:
        return construction(0)
    if done.returncode not in (OK, VIOLATION, FLAKY):
        raise Refused("not run", f"status {done.returncode}: {done.stderr.strip()[-300:]}")
    answer = json.loads(done.stdout.splitlines()[-1])
    if done.returncode == OK and "cannot construct" in answer.get("skipped_because", ""):
        return construction(ops_of(answer))
    if done.returncode == OK:
        return {"found": False, "ops": ops_of(answer)}
    found = answer.get("found", answer)
    how = found.get("invariant") or found.get("kind") or found.get("detail", "").split(":")[0]
    return {"found": True, "ops": ops_of(answer), "invariant": how, "length": found.get("ops", found.get("moves")),
            **({"step": found["step"]} if "step" in found else {})}  # fmt: skip


# ---------------------------------------------------------------------------------------------------- processes

interrupted = threading.Event()
running = set()


def on_interrupt(number, frame):
    interrupted.set()
    for process in list(running):
        try:
            os.killpg(process.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass


def execute(command, cwd=None, environment={}):
    """Runs a command in a group of its own, so that an interruption ends what it has started, too."""
    if interrupted.is_set():
        return subprocess.CompletedProcess(command, INTERRUPTED, "", "")
    try:
        process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   encoding="utf-8", errors="replace", start_new_session=True,
                                   env={**os.environ, **environment})  # fmt: skip
    except OSError as error:
        raise Refused("not run", f"{command[0]}: {error.strerror}")
    running.add(process)
    try:
        out, err = process.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise Refused("not run", f"{' '.join(command[:3])} took more than {TIMEOUT} s")
    finally:
        running.discard(process)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


# ---------------------------------------------------------------------------------------------------- what is said


def tell(line):
    progress("")
    print(f"vmapcheck: {line}", file=sys.stderr, flush=True)


def progress(line):
    if sys.stderr.isatty():
        print(f"\r\033[K{line[:78]}", end="", file=sys.stderr, flush=True)


def show(options, result, done, total):
    if options.json:
        if not sys.stderr.isatty() and done % 25 == 0:
            tell(f"{done} of {total}")
    else:
        progress("")
        print(line_of(options, result), flush=True)
    progress(f"{done} of {total}: {result['mutant']}")


def line_of(options, result):
    line = f"{result['mutant']:<34}"
    for driver in options.driver:
        found = result["drivers"].get(driver)
        if found is None:
            text = ""
        elif not found["found"]:
            text = f"{driver}: -"
        else:
            text = f"{driver}: {found['ops']} {found['invariant']} {found['length']}"
        line += f" {text:<38}"
    if result["state"] == "lives":
        line += f" NOT FOUND: {result['breaks']}"
    elif result["state"] != "found":
        line += f" {result['state'].upper()}: {result.get('why', '')}"
    return line.rstrip()


def summary_of(options, results, seconds):
    states = collections.Counter(result["state"] for result in results)
    summary = {"mutants": len(results), "found": states["found"], "ops_max": options.ops, "seed": options.seed,
               "seconds": round(seconds, 1), "drivers": {}}  # fmt: skip
    for driver in options.driver:
        ran = [result for result in results if driver in result["drivers"]]
        found = [result["drivers"][driver] for result in ran if result["drivers"][driver]["found"]]
        alone = [r["mutant"] for r in ran if [d for d, f in r["drivers"].items() if f["found"]] == [driver]]
        ops, lengths = sorted(f["ops"] for f in found), sorted(f["length"] for f in found if f["length"] is not None)
        summary["drivers"][driver] = {
            "ran": len(ran), "found": len(found), "alone": len(alone),
            "ops_median": ops[len(ops) // 2] if ops else None, "ops_most": ops[-1] if ops else None,
            "length_median": lengths[len(lengths) // 2] if lengths else None,
            "invariants": dict(collections.Counter(f["invariant"] for f in found).most_common()),
            "missed": [r["mutant"] for r in ran if not r["drivers"][driver]["found"]]}  # fmt: skip
    return summary


def print_summary(options, summary, results):
    print(f"\n{summary['found']} of {summary['mutants']} mutants found in {summary['seconds']:.0f} s\n")
    print(f"{'driver':<12}{'ran on':>8}{'found':>8}{'only it':>9}{'ops, median':>13}{'ops, most':>11}{'trace, median':>15}")
    for driver, row in summary["drivers"].items():
        number = lambda value: "-" if value is None else f"{value}"
        print(f"{driver:<12}{row['ran']:>8}{row['found']:>8}{row['alone']:>9}{number(row['ops_median']):>13}"
              f"{number(row['ops_most']):>11}{number(row['length_median']):>15}")  # fmt: skip
    for result in results:
        if result["state"] != "found":
            print("\n" + line_of(options, result))


if __name__ == "__main__":
    main()
