#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Systematic mutation of the allocator: makes every small change of a kind, and says which of them nobody notices.

    properties/mutation/mutate.py                          everything, or what is left of it
    properties/mutation/mutate.py --list --operator side   what would be changed
    properties/mutation/mutate.py --file free_space.hpp --ops 100000
    properties/mutation/mutate.py --only 1fe748e8b3        one mutant, with the failure that convicts it

Each mutant is judged by random traces, as `vmapcheck check` draws them; what they do not find is compared with the
original by its object code, and then given to the corpus.  A survivor must be equivalent: written down in
equivalent.txt, with the proof.  Results are kept: a run that was cut off goes on where it was.

Exit status: 0 if every mutant is found, or equivalent and written down; 10 if one is not; 2 for wrong usage, or an
entry of equivalent.txt that is no longer true; 3 if the allocator or the judge cannot be built; 4 if a file cannot be
read or written; 5 if it was interrupted.

docs/mutation.md says more.
"""

import argparse
import collections
import concurrent.futures
import glob
import hashlib
import json
import os
import re
import resource
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

sys.dont_write_bytecode = True  # nothing is left in the sources

import mutants as mutation
import schema

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.relpath(os.path.dirname(os.path.abspath(__file__)), ROOT)
OK, SURVIVED, USAGE, BUILD, IO, INTERRUPTED = 0, 10, 2, 3, 4, 5

OPS_OF_A_CASE = 1000
SEED = 20240229
FIRST_OPS = 40_000  # most mutants are found in far fewer; what is not is looked at before more is spent on it
GROUP = 120  # mutants in one compilation
TEST_SECONDS = 30  # of processor time, for all tests; they take a few
JUDGE_SECONDS = 240  # without a line from it

STAGES = ("quick", "tests", "code", "random", "corpus")

# What became of a mutant, in the order in which it is asked for.
REJECTED = "rejected"  # does not compile
SAME = "same"  # compiles to the object code of the original
TWIN = "twin"  # compiles to the object code of an earlier mutant
UNUSED = "unused"  # in a function that is not in the object code of the subject at all
FOUND = "found"
EQUIVALENT = "equivalent"  # written down
LIVES = "lives"


def main():
    options = read_options()
    try:
        return Run(options).run()
    except mutation.Broken as error:
        return stop(BUILD, str(error))
    except WrongList as error:
        return stop(USAGE, str(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return IO
    except OSError as error:
        return stop(IO, f"{error.filename or ''}: {error.strerror}")
    except KeyboardInterrupt:
        return stop(INTERRUPTED, "interrupted; what was found out is kept, the same command goes on")


def stop(status, why):
    print(f"mutate.py: {why}", file=sys.stderr)
    return status


def read_options():
    def count(text):
        if not re.fullmatch(r"[0-9]+", text) or int(text) == 0:
            raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
        return int(text)

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="print the mutants, and judge none")
    parser.add_argument("--file", action="append", default=[], metavar="NAME", help="only of this file: free_space.hpp")
    parser.add_argument("--function", action="append", default=[], metavar="NAME", help="only of this function")
    parser.add_argument("--operator", action="append", default=[], metavar="NAME", choices=mutation.OPERATORS,
                        help="only of this kind: " + ", ".join(mutation.OPERATORS))  # fmt: skip
    parser.add_argument("--only", action="append", default=[], metavar="ID", help="only this mutant")
    parser.add_argument("-j", type=count, default=os.cpu_count(), metavar="N", help="jobs (default: one a processor)")
    parser.add_argument("--ops", type=count, default=2_000_000, metavar="N", help="random ops, at most (default: 2000000)")
    parser.add_argument("--until", default=STAGES[-1], choices=STAGES, help="the last stage (default: corpus)")
    parser.add_argument("--seed", type=count, default=SEED, metavar="N", help=f"of the random traces (default: {SEED})")
    parser.add_argument("--json", metavar="FILE", help="write everything as one object; - is standard output")
    parser.add_argument("--fresh", action="store_true", help="believe nothing of what earlier runs found out")
    parser.add_argument("--work", default=os.path.join(ROOT, "build", "mutation"), metavar="DIR",
                        help="where things are made and results kept (default: build/mutation)")  # fmt: skip
    parser.add_argument("--judge", metavar="PROGRAM", help="built already (default: built in the folder of --work)")
    parser.add_argument("--allocator", default=os.path.join(ROOT, "allocator"), metavar="DIR", help=argparse.SUPPRESS)
    parser.add_argument("--compiler", default="clang++-19", metavar="PROGRAM", help="default: clang++-19")
    parser.add_argument("--equivalent", default=os.path.join(ROOT, HERE, "equivalent.txt"), metavar="FILE",
                        help="mutants that are equivalent, with the proofs")  # fmt: skip
    return parser.parse_args()


# ---------------------------------------------------------------------------------------------------- the run


class Run:
    def __init__(self, options):
        self.options = options
        self.lock = threading.Lock()
        self.began = time.monotonic()
        self.shown = 0.0
        self.unused = {}  # by file and body, whether a function is not in the object code
        paths = sorted(glob.glob(os.path.join(options.allocator, "vmap", "*.[hc]pp")))
        self.texts = {}
        for path in paths:
            with open(path, encoding="utf-8") as file:
                self.texts[path] = file.read()
        self.sources = hashlib.sha256("\0".join(f"{os.path.basename(p)}\0{t}" for p, t in self.texts.items()).encode())
        self.proofs = read_proofs(options.equivalent)

    def run(self):
        options = self.options
        os.makedirs(options.work, exist_ok=True)
        everything = self.find()
        attach_proofs(self.proofs, everything, options.equivalent)
        chosen = [m for m in everything if self.is_chosen(m)]
        if not chosen:
            raise WrongList("no mutant is of that kind, in that place")
        if options.list:
            for mutant in chosen:
                print(describe(mutant))
            print(f"{len(chosen)} mutants")
            return OK
        self.shop = schema.Workshop(ROOT, options.work, options.compiler, options.allocator)
        self.judge = Judge(options)
        self.results = Results(os.path.join(options.work, "results.jsonl"), self.sources.hexdigest(), options)
        self.shop.compile_ahead()
        self.judge_all(chosen)
        return self.report(chosen)

    def find(self):
        source = os.path.join(self.options.work, "ast.cpp")
        schema.write(source, "".join(f'#include "{path}"\n' for path in self.texts))
        flags = ["-std=c++23", "-DNDEBUG", "-w", "-I", self.options.allocator]
        trees = mutation.dump_ast(self.options.compiler, flags, source, "vmap")
        return mutation.find_mutants(self.texts, trees)

    def is_chosen(self, mutant):
        options = self.options
        return (
            (not options.file or os.path.basename(mutant.file) in options.file)
            and (not options.function or mutant.function in options.function)
            and (not options.operator or mutant.operator in options.operator)
            and (not options.only or mutant.id in options.only)
        )

    # -- the stages

    def judge_all(self, chosen):
        self.pool = concurrent.futures.ThreadPoolExecutor(self.options.j)
        try:
            fresh = [m for m in chosen if not self.results.of(m)]
            groups, alone = grouped([m for m in fresh if m.body]), [m for m in fresh if not m.body]
            self.stage("quick", [*(lambda g=g: self.first_of_group(*g) for g in groups),
                                 *(lambda m=m: self.first_alone(m) for m in alone)], len(fresh))  # fmt: skip
            stages = {
                "tests": lambda: self.test(chosen),
                "code": lambda: self.stage("object code", self.comparisons(chosen)),
                "random": lambda: self.stage(
                    "random", self.deeper(chosen, self.thorough, lambda r: r["ops"] < self.options.ops)
                ),
                "corpus": lambda: self.stage(
                    "corpus", self.deeper(chosen, self.replay, lambda r: r.get("corpus") != self.judge.corpus_hash)
                ),
            }
            for name in STAGES[1 : STAGES.index(self.options.until) + 1]:
                stages[name]()
        finally:
            self.pool.shutdown(wait=False, cancel_futures=True)

    def stage(self, name, works, count=None):
        works = list(works)
        if not works:
            return
        running = [self.pool.submit(work) for work in works]
        for done, future in enumerate(concurrent.futures.as_completed(running), 1):
            future.result()
            self.progress(f"{name}: {done} of {len(works)} steps")
        self.progress(f"{name}: {len(works)} steps done", True)

    def first_of_group(self, name, group):
        """A new group of mutants: those that do not compile, and what a few random traces say of the others."""
        shared, rejected = self.shop.compile_group(name, self.texts[group[0].file], group)
        for mutant in group:
            if mutant.id in rejected:
                self.results.add(mutant, {"state": REJECTED})
        numbers = {i: m for i, m in enumerate(group, 1) if m.id not in rejected}
        self.judge_numbers(shared, numbers, FIRST_OPS)

    def first_alone(self, mutant):
        shared = os.path.join(self.options.work, "one", mutant.id + ".so")
        if self.shop.compile_one(self.texts[mutant.file], mutant, shared) is None:
            self.results.add(mutant, {"state": REJECTED})
            return
        self.judge_numbers(shared, {0: mutant}, FIRST_OPS)
        os.remove(shared)

    def judge_numbers(self, shared, numbers, ops):
        for number, verdict in self.judge.random(shared, list(numbers), min(ops, self.options.ops)):
            state = FOUND if verdict["found"] else LIVES
            self.results.add(numbers[number], {**verdict, "state": state, "by": "random", "judge": self.judge.hash})
            self.progress("random traces")

    def comparisons(self, chosen):
        """Survivors whose object code was not yet compared."""
        waiting = [m for m in chosen if self.results.of(m)["state"] == LIVES and "code" not in self.results.of(m)]
        if not waiting:
            return []
        self.originals = self.shop.codes_of_original(self.texts)
        return [lambda m=m: self.compare(m) for m in waiting]

    def compare(self, mutant):
        code = self.shop.compile_one(self.texts[mutant.file], mutant)
        if code is None:  # was taken with its group, where what it lacks was there
            self.results.add(mutant, {"state": REJECTED})
            return
        same = code in self.originals
        state = (UNUSED if self.is_unused(mutant) else SAME) if same else LIVES
        self.results.add(mutant, {**self.results.of(mutant), "state": state, "code": hashlib.sha256(code).hexdigest()})

    def is_unused(self, mutant):
        """True if the function could as well not be there."""
        if not mutant.body:
            return False
        place = (mutant.file, mutant.body)
        if place not in self.unused:
            trap = ((mutant.body.begin, mutant.body.end, "{ __builtin_trap(); }"),)
            code = self.shop.compile_one(self.texts[mutant.file], mutant._replace(id="trap-" + mutant.id, changes=trap))
            self.unused[place] = code in self.originals
        return self.unused[place]

    def deeper(self, chosen, work, is_wanting):
        """`work` for each survivor that is no twin of another."""
        self.find_twins(chosen)
        waiting = [m for m in chosen if self.results.of(m)["state"] == LIVES and is_wanting(self.results.of(m))]
        return [lambda m=m: work(m) for m in waiting]

    def find_twins(self, chosen):
        first = {}
        for mutant in chosen:
            result = self.results.of(mutant)
            if result["state"] in (LIVES, FOUND, TWIN) and "code" in result:
                twin = first.setdefault(result["code"], mutant)
                if twin is not mutant and result["state"] == LIVES:
                    self.results.add(mutant, {**result, "state": TWIN, "of": twin.id})

    def thorough(self, mutant):
        self.alone(mutant, lambda shared: self.judge_numbers_keeping(shared, mutant))

    def judge_numbers_keeping(self, shared, mutant):
        before = self.results.of(mutant)
        for _, verdict in self.judge.random(shared, [0], self.options.ops):
            state = FOUND if verdict["found"] else LIVES
            self.results.add(mutant, {**before, **verdict, "state": state, "by": "random", "judge": self.judge.hash})

    def replay(self, mutant):
        def judge(shared):
            before = self.results.of(mutant)
            verdict = self.judge.corpus(shared)
            result = {**before, "corpus": self.judge.corpus_hash}
            if verdict["found"]:
                result.update(verdict, state=FOUND, by="corpus", trace=os.path.relpath(verdict["by"], ROOT))
            self.results.add(mutant, result)

        self.alone(mutant, judge)

    def test(self, chosen):
        """The allocator's own tests, for what no op reaches: construction that is refused, reserve(), verify()."""
        waiting = [m for m in chosen if self.results.of(m)["state"] in (LIVES, UNUSED) and "tests" not in self.results.of(m)]
        outside = [m for m in waiting if not m.body]
        waiting = [m for m in waiting if m.body]
        if waiting:
            self.test_together(waiting)
        if outside:
            program, _ = self.tests_of_types(self.texts)
            if run_tests(program, 0) is not None:
                raise mutation.Broken(f"{program} fails without a mutant: {run_tests(program, 0)}")
        for i, mutant in enumerate(outside):
            self.test_alone(mutant)
            self.progress(f"tests, outside of functions: {i + 1} of {len(outside)}")

    def test_together(self, waiting):
        self.progress(f"tests: compiling them with {len(waiting)} mutants", True)
        program, rejected = self.shop.compile_tests(self.texts, waiting, self.judge.libraries(), self.pool)
        if run_tests(program, 0) is not None:
            raise mutation.Broken(f"{program} fails without a mutant: {run_tests(program, 0)}")
        numbers = [(i, m) for i, m in enumerate(waiting, 1) if m.id not in rejected]

        judge = lambda number, mutant: self.tested(mutant, run_tests(program, number))
        self.stage("tests", [lambda n=n, m=m: judge(n, m) for n, m in numbers])

    def test_alone(self, mutant):
        try:
            program, _ = self.tests_of_types({**self.texts, mutant.file: mutation.apply(self.texts[mutant.file], mutant.changes)})
        except mutation.DoesNotCompile:
            return self.tested(mutant, "does not compile")  # a static_assert of the tests, or of what they compile
        self.tested(mutant, run_tests(program, 0))

    def tests_of_types(self, texts):
        return self.shop.compile_tests(texts, [], self.judge.libraries(), self.pool, schema.TESTS_OF_TYPES)

    def tested(self, mutant, failed):
        result = {**self.results.of(mutant), "tests": True}
        if failed is not None:
            result.update(found=True, state=FOUND, by="tests", invariant="test", detail=failed)
        self.results.add(mutant, result)

    def alone(self, mutant, work):
        shared = os.path.join(self.options.work, "one", mutant.id + ".so")
        if not os.path.exists(shared):
            self.shop.compile_one(self.texts[mutant.file], mutant, shared)
        work(shared)
        if self.results.of(mutant)["state"] != LIVES:
            os.remove(shared)

    def progress(self, text, always=False):
        now = time.monotonic()
        with self.lock:
            if sys.stderr.isatty() or always or now - self.shown > 20:
                self.shown = now
                line = f"{now - self.began:6.0f} s  {text}; {self.results.summary()}"
                print(line, file=sys.stderr, end="\r\033[K" if sys.stderr.isatty() and not always else "\n", flush=True)

    # -- the end

    def report(self, chosen):
        proven, untrue = {}, []
        for mutant in chosen:
            proof = proof_of(self.proofs, mutant)
            if not proof:
                continue
            state = self.results.of(mutant)["state"]
            if state in (LIVES, TWIN):
                proven[mutant.id] = proof
            elif state in (FOUND, REJECTED):  # where the object code is the same, that is one proof more
                untrue.append((mutant, state))
        lives, rows = [], []
        for mutant in chosen:
            result = dict(self.results.of(mutant))
            if mutant.id in proven:
                result.update(state=EQUIVALENT, because=proven[mutant.id].because)
            if result["state"] == LIVES:
                lives.append(mutant)
            rows.append((mutant, result))
        if self.options.json:
            write_json(self.options, rows)
        if self.options.json != "-":
            print(tables(rows))
            for mutant in lives:
                print(describe(mutant))
        if untrue:
            mutant, state = untrue[0]
            raise WrongList(f"{self.options.equivalent}: no longer true: {mutant.id} is {state}\n{describe(mutant)}")
        if lives:
            return stop(SURVIVED, f"{len(lives)} of {len(chosen)} mutants survive and are not written down")
        return OK


def grouped(waiting):
    """Mutants of one file together, so many that it pays."""
    by_file = collections.defaultdict(list)
    for mutant in waiting:
        by_file[mutant.file].append(mutant)
    groups = []
    for file, members in by_file.items():
        for begin in range(0, len(members), GROUP):
            part = members[begin : begin + GROUP]
            name = hashlib.sha256("".join(m.id for m in part).encode()).hexdigest()[:10]
            groups.append((os.path.join("groups", name), part))
    return sorted(groups, key=lambda g: -len(g[1]))


def describe(mutant, width=160):
    cut = lambda text: text if len(text) <= width else text[: width - 3] + "..."
    file = os.path.basename(mutant.file)
    nth = f" ({mutant.occurrence})" if mutant.occurrence > 1 else ""
    return (f"{mutant.id}  {mutant.operator:<10} {file}:{mutant.line}, {mutant.function}{nth}\n"
            f"    line    {cut(mutant.original)}\n    mutant  {cut(mutant.mutated)}")  # fmt: skip


# ---------------------------------------------------------------------------------------------------- what judges


class Judge:
    def __init__(self, options):
        self.options = options
        self.program = options.judge or self.build()
        with open(self.program, "rb") as file:
            self.hash = hashlib.sha256(file.read()).hexdigest()[:16]
        self.traces = sorted(glob.glob(os.path.join(ROOT, "corpus", "**", "*.trace"), recursive=True))
        texts = []
        for path in self.traces:
            with open(path, "rb") as file:
                texts.append(file.read())
        self.corpus_hash = hashlib.sha256(b"\0".join([*texts, self.hash.encode()])).hexdigest()[:16]

    def libraries(self):
        """Of the build that the judge is from; the model last, which the harness needs."""
        build = os.path.dirname(os.path.dirname(self.program))
        return [path for room in ("harness", "model") for path in glob.glob(os.path.join(build, room, "lib*.a"))]

    def build(self):
        folder = os.path.join(self.options.work, "judge")
        for command in (["cmake", "--preset", "release", "-S", ROOT, "-B", folder], ["ninja", "-C", folder, "mutation_judge"]):
            try:
                run = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")
            except OSError as error:
                raise mutation.Broken(f"{command[0]}: {error.strerror}")
            if run.returncode != 0:
                raise mutation.Broken(f"{' '.join(command)}:\n{run.stdout}")
        return os.path.join(folder, "properties", "mutation_judge")

    def random(self, shared, numbers, ops):
        """Yields (number, verdict); one that takes for ever, or the judge with it, is found by that."""
        cases = str(-(-ops // OPS_OF_A_CASE))
        while numbers:
            command = [self.program, "random", shared, str(self.options.seed), cases, str(OPS_OF_A_CASE), *map(str, numbers)]
            answered = 0
            for line in lines_of(command, JUDGE_SECONDS):
                verdict = json.loads(line)
                number = verdict.pop("mutant")
                answered += 1
                yield number, verdict
            if answered < len(numbers):
                yield numbers[answered], {"found": True, "ops": 0, "invariant": "time", "detail": "no end in sight"}
                answered += 1
            numbers = numbers[answered:]

    def corpus(self, shared):
        for line in lines_of([self.program, "replay", shared, *self.traces, "--", "0"], JUDGE_SECONDS):
            return json.loads(line)
        return {"found": True, "ops": 0, "invariant": "time", "detail": "no end in sight", "by": self.traces[0]}


def run_tests(program, number):
    """The test that fails first, or how the tests died; None if none fails."""
    limits = lambda: resource.setrlimit(resource.RLIMIT_CPU, (TEST_SECONDS, TEST_SECONDS))
    environment = {**os.environ, "VMAPCHECK_MUTANT": str(number), "RC_PARAMS": f"seed={SEED}"}
    command = [program, "--gtest_fail_fast", "--gtest_brief=1"]
    try:
        run = subprocess.run(command, env=environment, preexec_fn=limits, stdin=subprocess.DEVNULL, encoding="utf-8",
                             errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             timeout=20 * TEST_SECONDS)  # fmt: skip
    except subprocess.TimeoutExpired:
        return "no end in sight"
    if run.returncode == 0:
        return None
    failed = re.search(r"\[  FAILED  \] (\S+)", run.stdout)
    return failed[1].rstrip(",") if failed else f"died: status {run.returncode}"


def lines_of(command, seconds):
    """The lines that a program prints; it is killed when there is none for so long."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                               encoding="utf-8", errors="replace")  # fmt: skip
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        for line in process.stdout:
            timer.cancel()
            timer = threading.Timer(seconds, process.kill)
            timer.start()
            yield line
        status = process.wait()
        if status > 0:
            raise mutation.Broken(process.stderr.read().strip() or f"{command[0]} ended with status {status}")
    finally:
        timer.cancel()
        process.kill()
        process.wait()


# ---------------------------------------------------------------------------------------------------- what is kept


class Results:
    """By mutant and the sources that it is a mutant of.  What was found stays found; a survivor is judged again when the
    judge is another."""

    def __init__(self, path, sources, options):
        self.path, self.sources, self.lock = path, sources, threading.Lock()
        self.kept = {}
        if options.fresh and os.path.exists(path):
            os.remove(path)
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                for line in file:
                    try:
                        record = json.loads(line)
                    except ValueError:  # the last line of a run that was cut off
                        continue
                    if record["sources"] == sources:
                        self.kept[record["id"]] = record
        self.file = open(path, "a", encoding="utf-8")

    def of(self, mutant):
        return self.kept.get(mutant.id)

    def add(self, mutant, result):
        record = {**result, "id": mutant.id, "sources": self.sources}
        with self.lock:
            self.kept[mutant.id] = record
            self.file.write(json.dumps(record) + "\n")
            self.file.flush()

    def summary(self):
        with self.lock:
            states = collections.Counter(record["state"] for record in self.kept.values())
        return ", ".join(f"{states[s]} {s}" for s in (FOUND, REJECTED, SAME, TWIN, UNUSED, LIVES) if states[s])


# ---------------------------------------------------------------------------------------------------- equivalent.txt


class WrongList(Exception):
    """Wrong usage, or a list that is wrong."""


class Proof:
    def __init__(self, where, file, function):
        self.where, self.file, self.function = where, file, function
        self.original, self.mutated, self.because = None, [], ""
        self.met = 0


def read_proofs(path):
    """Entries of the form

    free_space.hpp, lowest_fit
      line    the line as it is
      mutant  the line as it would be; more than one may follow
      because  why nobody can tell the difference
    """
    if not os.path.exists(path):
        return []
    proofs, entry, last = [], None, None
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            where = f"{path}:{number}"
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            if not line[0].isspace():
                match = re.fullmatch(r"(\S+), (\S+)", text)
                if not match:
                    raise WrongList(f"{where}: expected FILE, FUNCTION")
                entry, last = Proof(where, match[1], match[2]), None
                proofs.append(entry)
                continue
            match = re.match(r"  (line|mutant|because)\s+(.*)", line.rstrip())
            if entry is None or (not match and last != "because"):
                raise WrongList(f"{where}: expected `line`, `mutant` or `because`, and a text")
            if not match:
                entry.because += " " + text
                continue
            last, value = match[1], match[2]
            if last == "line":
                entry.original = value
            elif last == "mutant":
                entry.mutated.append(value)
            else:
                entry.because = value
    for entry in proofs:
        if not entry.original or not entry.mutated or not entry.because:
            raise WrongList(f"{entry.where}: an entry has a line, a mutant and a because")
    return proofs


def proof_of(proofs, mutant):
    for proof in proofs:
        if (proof.file, proof.function, proof.original) == (os.path.basename(mutant.file), mutant.function, mutant.original):
            if mutant.mutated in proof.mutated:
                return proof
    return None


def attach_proofs(proofs, everything, path):
    """Every text of every entry must be that of a mutant."""
    there = {(os.path.basename(m.file), m.function, m.original, m.mutated) for m in everything}
    for proof in proofs:
        for mutated in proof.mutated:
            if (proof.file, proof.function, proof.original, mutated) not in there:
                raise WrongList(f"{proof.where}: no longer true: there is no such mutant: {mutated}")


# ---------------------------------------------------------------------------------------------------- what is said


def tables(rows):
    states = (FOUND, EQUIVALENT, LIVES, TWIN, SAME, UNUSED, REJECTED)
    lines = [f"{'operator':<11}{'mutants':>8}" + "".join(f"{s:>11}" for s in states)]
    for name, select in [*((o, lambda m, o=o: m.operator == o) for o in mutation.OPERATORS), ("all", lambda m: True)]:
        counts = collections.Counter(r["state"] for m, r in rows if select(m))
        if counts:
            lines.append(f"{name:<11}{sum(counts.values()):>8}" + "".join(f"{counts[s]:>11}" for s in states))
    found = [r for _, r in rows if r["state"] == FOUND]
    random = sorted(r["ops"] for r in found if r["by"] == "random")
    by = collections.Counter(r["by"] for r in found)
    lines += ["", f"found by random traces: {len(random)}; by the tests of the allocator alone: {by['tests']}; "
                  f"by the corpus alone: {by['corpus']}"]  # fmt: skip
    bounds = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 2_000_000)
    for least, most in zip((-1, *bounds), bounds):
        lines.append(f"  within {most:>9,} ops: {sum(ops <= most for ops in random):>5}   {sum(least < ops <= most for ops in random):>5} more")
    by = collections.Counter(r["invariant"] for r in found)
    lines += ["", "by invariant: " + ", ".join(f"{name} {count}" for name, count in by.most_common()), ""]
    return "\n".join(lines)


def write_json(options, rows):
    out = [
        {"id": m.id, "operator": m.operator, "file": os.path.basename(m.file), "function": m.function, "line": m.line,
         "original": m.original, "mutant": m.mutated,
         **{k: v for k, v in r.items() if k not in ("id", "sources", "judge", "corpus", "code", "found", "mutant")}}
        for m, r in rows
    ]  # fmt: skip
    states = collections.Counter(r["state"] for _, r in rows)
    text = json.dumps({"mutants": len(rows), "states": states, "ops": options.ops, "seed": options.seed, "all": out}, indent=1)
    if options.json == "-":
        print(text)
    else:
        schema.write(os.path.abspath(options.json), text + "\n")


if __name__ == "__main__":
    sys.exit(main())
