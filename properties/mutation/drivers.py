# SPDX-License-Identifier: Apache-2.0
"""What mutants are judged by: each driver alone, and the allocator's own tests.

    random      `check`: random traces
    corpus      `replay`: the traces that are kept
    explore     `explore`: every state of small spaces, the index alone and the whole allocator
    properties  RapidCheck generates traces (rapidcheck.cpp)
    fuzz        libFuzzer, from nothing, with the op-level mutator, on the mutant compiled with coverage and sanitizers

Each answers {"found": whether, "ops": how many it ran until then}, and of what it found "invariant" (or how the subject
died), "length" (ops of the minimal trace), "by" (which trace, which space).
"""

import glob
import json
import os
import re
import resource
import tempfile

from processes import FLAKY, OK, SUBJECT, VIOLATION, Refused, execute
from workshop import ROOT

NAMES = ("random", "corpus", "explore", "properties", "fuzz")
OPS_OF_A_CASE = 1000
FUZZ_INPUT_MAX = 256 * 40  # bytes: 256 records, as in a campaign
FUZZ_HANG = 10  # seconds of one input
TEST_SECONDS = 30  # of processor time, for all tests of the allocator; they take a few

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


class Drivers:
    """They work in folders of `scratch`, which are removed when they end. Without `minimize_time` nothing is minimized, and
    no length is known."""

    def __init__(self, scratch, tool, fuzz_target, seed, minimize_time=None):
        self.scratch, self.tool, self.fuzz_target, self.seed = scratch, os.path.abspath(tool), fuzz_target, seed
        self.build = os.path.dirname(os.path.dirname(self.tool))
        self.minimize_time = minimize_time
        self.traces = sorted(glob.glob(os.path.join(ROOT, "corpus", "**", "*.trace"), recursive=True))

    def run(self, name, built, ops, *more):
        """`built` is the mutant."""
        with tempfile.TemporaryDirectory(dir=self.scratch, ignore_cleanup_errors=True) as folder:
            return getattr(self, name)(built, folder, ops, *more)

    def random(self, built, folder, ops):
        cases = -(-ops // OPS_OF_A_CASE)
        minimize = ["--minimize-time", self.minimize_time] if self.minimize_time else ["--no-minimize"]
        done = self.command(built, folder, "check", "--json", "--no-saved", "-j1", "--seed", str(self.seed), "--cases",
                            str(cases), *minimize, "-o", folder)  # fmt: skip
        found = outcome_of(done, lambda answer: answer["ops"])
        return found if self.minimize_time or not found["found"] else {**found, "length": None}

    def corpus(self, built, folder, ops):
        ran = 0
        for begin in range(0, len(self.traces), 8):  # some at once, but not all: what hangs does so in many
            some = self.traces[begin : begin + 8]
            done = self.command(built, folder, "replay", "--json", *some)
            if done.returncode not in (OK, VIOLATION):
                if outcome_of(done, lambda answer: 0)["found"]:
                    return construction(ran)
                continue
            for line in done.stdout.splitlines():
                answer = json.loads(line)
                if "verdict" not in answer:
                    ran += 1
                elif answer["verdict"] == "ok":
                    some.pop(0)
                else:
                    return {"found": True, "ops": ran + 1, "invariant": answer.get("invariant", answer.get("kind", "died")),
                            "length": self.minimal_length(built, folder, some[0]), "by": os.path.relpath(some[0], ROOT)}  # fmt: skip
        return {"found": False, "ops": ran}

    def explore(self, built, folder, ops):
        ran = 0
        for place in EXPLORATIONS:
            if ran >= ops:
                break
            done = self.command(built, folder, "explore", "--json", "--fresh", "-j1", "--state",
                                os.path.join(folder, "explore.state"), "-o", folder, "--no-minimize", *place)  # fmt: skip
            found = outcome_of(done, lambda answer: answer["transitions"])
            ran += found["ops"]
            if found["found"]:
                return {**found, "ops": ran, "by": " ".join(place)}
        return {"found": False, "ops": ran}

    def properties(self, built, folder, ops):
        program = os.path.join(self.build, "properties", "mutants_rapidcheck")
        done = execute([program, built.shared, str(self.seed), str(ops)], folder, environment_of(built))
        return outcome_of(done, lambda answer: answer["ops"])

    def fuzz(self, built, folder, ops, plain):
        """`plain` is the mutant without instrumentation: what is found is minimized on it."""
        tally, crash = os.path.join(folder, "tally"), os.path.join(folder, "crash")
        command = [self.fuzz_target, f"-seed={self.seed}", "-runs=-1", f"-max_len={FUZZ_INPUT_MAX}", f"-timeout={FUZZ_HANG}",
                   f"-exact_artifact_path={crash}"]  # fmt: skip
        done = execute(command, folder, {**environment_of(built), "VMAPCHECK_SUBJECT": built.shared, "VMAPCHECK_TALLY": tally,
                       "VMAPCHECK_OPS_MAX": str(ops), "ASAN_OPTIONS": "detect_leaks=0:symbolize=0"})  # fmt: skip
        if done.returncode == SUBJECT:
            return outcome_of(done, None)
        with open(tally, "rb") as file:  # fuzz/tally.hpp: inputs that were run to their end
            ran = int.from_bytes(file.read(40)[32:], "little")
        if ran >= ops and not os.path.exists(crash):
            return construction(ran) if "cannot construct" in done.stderr else {"found": False, "ops": ran}
        step = re.search(r"^step (\d+), ", done.stderr, re.M)
        what = re.search(r"^(?:ASSERTION FAILED: (\S+)|SUMMARY: (?:libFuzzer: (.+)|\w+Sanitizer: (\S+)))", done.stderr, re.M)
        if not os.path.exists(crash) or what is None:
            raise Refused(f"status {done.returncode}: {done.stderr.strip()[-300:]}")
        trace = os.path.join(folder, "crash.trace")
        execute([self.tool, "decode", crash, "-o", trace], folder)
        return {"found": True, "ops": ran + (int(step[1]) + 1 if step else 0), "invariant": what[1] or what[2] or what[3],
                "length": self.minimal_length(plain, folder, trace)}  # fmt: skip

    def command(self, built, folder, *arguments):
        return execute([self.tool, arguments[0], "--subject", built.shared, *arguments[1:]], folder, environment_of(built))

    def minimal_length(self, built, folder, trace):
        if not self.minimize_time:
            return None
        done = self.command(built, folder, "minimize", "--json", "--time", self.minimize_time, "-o",
                            os.path.join(folder, "minimal.trace"), trace)  # fmt: skip
        try:
            return json.loads(done.stdout.splitlines()[-1])["ops"]
        except (ValueError, IndexError, KeyError):
            return None


def environment_of(built):
    return {"VMAPCHECK_MUTANT": str(built.number)}


def construction(ops):
    """Ours can be made in every space, so that drivers that skip the spaces that are refused have found it all the same."""
    return {"found": True, "ops": ops, "invariant": "construction", "length": 0}


def outcome_of(done, ops_of):
    """What a run with --json says, in our words."""
    if done.returncode == SUBJECT and "cannot construct" in done.stderr:
        return construction(0)
    if done.returncode not in (OK, VIOLATION, FLAKY):
        raise Refused(f"status {done.returncode}: {done.stderr.strip()[-300:]}")
    answer = json.loads(done.stdout.splitlines()[-1])
    if done.returncode == OK and "cannot construct" in answer.get("skipped_because", ""):
        return construction(ops_of(answer))
    if done.returncode == OK:
        return {"found": False, "ops": ops_of(answer)}
    found = answer.get("found", answer)
    how = found.get("invariant") or found.get("kind") or found.get("detail", "").split(":")[0]
    return {"found": True, "ops": ops_of(answer), "invariant": how, "length": found.get("ops", found.get("moves"))}


def run_tests(program, number):
    """The test of the allocator that fails first, or how the tests died; None if none fails."""
    limits = lambda: resource.setrlimit(resource.RLIMIT_CPU, (TEST_SECONDS, TEST_SECONDS))
    done = execute([program, "--gtest_fail_fast", "--gtest_brief=1"], None,
                   {"VMAPCHECK_MUTANT": str(number), "RC_PARAMS": "seed=20240229"}, limits)  # fmt: skip
    if done.returncode == 0:
        return None
    failed = re.search(r"\[  FAILED  \] (\S+)", done.stdout)
    return failed[1].rstrip(",") if failed else f"died: status {done.returncode}"
