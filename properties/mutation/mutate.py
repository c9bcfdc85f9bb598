#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Systematic mutation: makes every small change of a kind in the allocator, and says which of them nobody notices.

`./vmapcheck mutation --help` says how it is used, docs/mutation.md what it does.
"""

import collections
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shutil
import sys
import threading
import time

sys.dont_write_bytecode = True  # nothing is left in the sources

import drivers
import lists
import mutants as mutation
import workshop
from options import SEED, OptionParser, positive
from processes import OK, VIOLATION, Broken, NoEnd, WrongList, run_all, status_of, stop

FIRST_OPS = 40_000  # most mutants are found in far fewer; what is not is looked at before more is spent on it
GROUP = 120  # mutants in one compilation
STAGES = ("quick", "tests", "code", "random", "corpus")

# What became of a mutant, in the order in which it is asked for.
REJECTED = "rejected"  # does not compile
SAME = "same"  # compiles to the object code of the original
TWIN = "twin"  # compiles to the object code of an earlier mutant
UNUSED = "unused"  # in a function that is not in the object code of the subject at all
FOUND = "found"
EQUIVALENT = "equivalent"  # written down
LIVES = "lives"


def main(arguments=None):
    options = read_options(arguments)
    return status_of(lambda: Run(options).run())


def read_options(arguments):
    return parser().parse_args(arguments)


def parser():
    options = OptionParser("vmapcheck mutation")
    add = options.add_argument
    add("--list", action="store_true")
    add("--file", action="append", default=[])
    add("--function", action="append", default=[])
    add("--operator", action="append", default=[], choices=mutation.OPERATORS)
    add("--only", action="append", default=[])
    add("-j", "--jobs", type=positive, default=os.cpu_count())
    add("--ops", type=positive, default=2_000_000)
    add("--until", default=STAGES[-1], choices=STAGES)
    add("--seed", type=positive, default=SEED)
    add("--json")
    add("--fresh", action="store_true")
    add("--work", default=os.path.join(workshop.ROOT, "build", "mutation"))
    add("--equivalent", default=os.path.join(workshop.HERE, "equivalent.txt"))
    return options


# ---------------------------------------------------------------------------------------------------- the run


class Run:
    def __init__(self, options):
        self.options = options
        self.lock = threading.Lock()
        self.began = time.monotonic()
        self.shown = 0.0
        self.unused = {}  # by file and body, whether a function is not in the object code
        self.sources = mutation.mutants_of(options.allocator, options.compiler)
        self.proofs = lists.read_proofs(options.equivalent)

    def run(self):
        options = self.options
        lists.check_proofs(self.proofs, self.sources.mutants)
        chosen = [m for m in self.sources.mutants if self.is_chosen(m)]
        if not chosen:
            raise WrongList("no mutant is of that kind, in that place")
        if options.list:
            for mutant in chosen:
                print(describe(mutant))
            print(f"{len(chosen)} mutants")
            return OK
        if not os.access(options.tool, os.X_OK):
            raise Broken(f"{options.tool}: not there (./vmapcheck mutation, at the top of a checkout, builds it)")
        os.makedirs(options.work, exist_ok=True)
        self.drivers = drivers.Drivers(options.work, options.tool, None, options.seed)
        self.shop = workshop.Workshop(options.work, options.compiler, self.sources.texts, self.drivers.build)
        self.results = Results(options, self.sources.texts, self.drivers)
        self.shop.compile_ahead()
        self.judge_all(chosen)
        return self.report(chosen)

    def is_chosen(self, mutant):
        options = self.options
        wanted = ((options.file, os.path.basename(mutant.file)), (options.function, mutant.function),
                  (options.operator, mutant.operator), (options.only, mutant.id))  # fmt: skip
        return all(not names or name in names for names, name in wanted)

    # -- the stages

    def judge_all(self, chosen):
        self.pool = concurrent.futures.ThreadPoolExecutor(self.options.jobs)
        fresh = [m for m in chosen if not self.results.of(m)]
        stages = {
            "quick": lambda: self.stage("quick", [lambda g=g: self.first(g) for g in workshop.grouped(fresh, GROUP)]),
            "tests": lambda: self.test(chosen),
            "code": lambda: self.stage("object code", self.comparisons(chosen)),
            "random": lambda: self.deeper(chosen, "random", self.options.ops),
            "corpus": lambda: self.deeper(chosen, "corpus", 0),
        }
        try:
            for name in STAGES[: STAGES.index(self.options.until) + 1]:
                stages[name]()
        finally:
            self.pool.shutdown(wait=False, cancel_futures=True)

    def stage(self, name, works):
        for done, _ in enumerate(run_all(self.pool, works), 1):
            self.progress(f"{name}: {done} of {len(works)} steps")
        if works:
            self.progress(f"{name}: {len(works)} steps done", True)

    def first(self, group):
        """Of new mutants: those that do not compile, and what a few random traces say of the others."""
        built = self.shop.compile_group(group)
        for mutant in group:
            if mutant.id in built:
                self.judge(mutant, built[mutant.id], "random", min(FIRST_OPS, self.options.ops))
            else:
                self.results.add(mutant, {"state": REJECTED})
        shutil.rmtree(os.path.join(self.options.work, "groups", group[0].id))

    def judge(self, mutant, built, name, ops):
        try:
            verdict = self.drivers.run(name, built, ops)
        except NoEnd:
            verdict = {"found": True, "ops": 0, "invariant": "time"}
        result = {**(self.results.of(mutant) or {}), f"{name}_by": self.results.judge[name]}
        if name == "random" or verdict["found"]:
            result.update(verdict, driver=name, state=FOUND if verdict["found"] else LIVES)
        self.results.add(mutant, result)
        self.progress(name)

    def comparisons(self, chosen):
        """Survivors whose object code was not yet compared."""
        waiting = [m for m in self.living(chosen) if "code" not in self.results.of(m)]
        if waiting:
            self.original = self.shop.object_code(waiting[0]._replace(id="original", changes=()))
        return [lambda m=m: self.compare(m) for m in waiting]

    def compare(self, mutant):
        code = self.shop.object_code(mutant)
        if code is None:  # was taken with its group, where what it lacks was there
            return self.results.add(mutant, {"state": REJECTED})
        state = LIVES if code != self.original else UNUSED if self.is_unused(mutant) else SAME
        self.results.add(mutant, {**self.results.of(mutant), "state": state, "code": hashlib.sha256(code).hexdigest()})

    def is_unused(self, mutant):
        """True if the function could as well not be there."""
        if not mutant.body:
            return False
        place = (mutant.file, mutant.body)
        if place not in self.unused:
            trap = ((mutant.body.begin, mutant.body.end, "{ __builtin_trap(); }"),)
            code = self.shop.object_code(mutant._replace(id="trap-" + mutant.id, changes=trap))
            self.unused[place] = code == self.original
        return self.unused[place]

    def deeper(self, chosen, name, ops):
        """More of a driver for each survivor that is no twin of another."""
        self.find_twins(chosen)
        is_wanting = lambda result: result.get(f"{name}_by") != self.results.judge[name] or result["ops"] < ops
        self.stage(name, [lambda m=m: self.alone(m, name, ops) for m in self.living(chosen) if is_wanting(self.results.of(m))])

    def living(self, chosen, *others):
        """Those that live, or whose state is one of the others."""
        return [m for m in chosen if self.results.of(m)["state"] in (LIVES, *others)]

    def find_twins(self, chosen):
        first = {}
        for mutant in chosen:
            result = self.results.of(mutant)
            if result["state"] in (LIVES, FOUND, TWIN) and "code" in result:
                twin = first.setdefault(result["code"], mutant)
                if twin is not mutant and result["state"] == LIVES:
                    self.results.add(mutant, {**result, "state": TWIN, "of": twin.id})

    def alone(self, mutant, name, ops):
        shared = os.path.join(self.options.work, "one", mutant.id + ".so")
        if not os.path.exists(shared):
            self.shop.object_code(mutant, shared)
        self.judge(mutant, workshop.Built(shared, 0), name, ops)
        if self.results.of(mutant)["state"] != LIVES:
            os.remove(shared)

    # -- the allocator's own tests, for what no op reaches: construction that is refused, reserve(), verify()

    def test(self, chosen):
        waiting = [m for m in self.living(chosen, UNUSED) if "tests" not in self.results.of(m)]
        together, outside = [m for m in waiting if m.body], [m for m in waiting if not m.body]
        if together:
            self.progress(f"tests: compiling them with {len(together)} mutants", True)
            program, rejected = self.shop.compile_tests(together, self.pool)
            self.expect_to_pass(program)
            self.stage("tests", [lambda n=n, m=m: self.tested(m, drivers.run_tests(program, n))
                                 for n, m in enumerate(together, 1) if m.id not in rejected])  # fmt: skip
        if outside:
            self.expect_to_pass(self.shop.compile_tests([], self.pool)[0])
        for done, mutant in enumerate(outside, 1):
            try:
                program, _ = self.shop.compile_tests([], self.pool, mutant)
                self.tested(mutant, drivers.run_tests(program, 0))
            except mutation.DoesNotCompile:  # a static_assert of the tests, or of what they compile
                self.tested(mutant, "does not compile")
            self.progress(f"tests, outside of functions: {done} of {len(outside)}")

    def expect_to_pass(self, program):
        if (failed := drivers.run_tests(program, 0)) is not None:
            raise Broken(f"{program} fails without a mutant: {failed}")

    def tested(self, mutant, failed):
        result = {**self.results.of(mutant), "tests": True}
        if failed is not None:
            result.update(found=True, state=FOUND, driver="tests", invariant="test", by=failed)
        self.results.add(mutant, result)

    def progress(self, text, always=False):
        now = time.monotonic()
        with self.lock:
            if sys.stderr.isatty() or always or now - self.shown > 20:
                self.shown = now
                line = f"{now - self.began:6.0f} s  {text}; {self.results.summary()}"
                print(line, file=sys.stderr, end="\r\033[K" if sys.stderr.isatty() and not always else "\n", flush=True)

    # -- the end

    def report(self, chosen):
        rows, lives, untrue = [], [], []
        for mutant in chosen:
            result = dict(self.results.of(mutant))
            if mutant.id in self.proofs:
                if result["state"] in (LIVES, TWIN):
                    result.update(state=EQUIVALENT, because=self.proofs[mutant.id][2])
                elif result["state"] in (FOUND, REJECTED):  # where the object code is the same, that is one proof more
                    untrue.append((mutant, result["state"]))
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
            return stop(VIOLATION, f"{len(lives)} of {len(chosen)} mutants survive and are not written down")
        return OK


def describe(mutant, width=160):
    cut = lambda text: text if len(text) <= width else text[: width - 3] + "..."
    file = os.path.basename(mutant.file)
    nth = f" ({mutant.occurrence})" if mutant.occurrence > 1 else ""
    return (f"{mutant.id}  {mutant.operator:<10} {file}:{mutant.line}, {mutant.function}{nth}\n"
            f"    line    {cut(mutant.original)}\n    mutant  {cut(mutant.mutated)}")  # fmt: skip


# ---------------------------------------------------------------------------------------------------- what is kept


class Results:
    """By mutant and the sources that it is a mutant of. What was found stays found; a survivor is judged again when what
    judges it is another."""

    def __init__(self, options, texts, judges):
        self.path, self.lock = os.path.join(options.work, "results.jsonl"), threading.Lock()
        self.sources = digest(*(f"{os.path.basename(path)}\0{text}" for path, text in texts.items()))
        tool = os.stat(judges.tool)
        program = f"{tool.st_size} {tool.st_mtime_ns}"
        traces = (pathlib.Path(path).read_text(encoding="utf-8") for path in judges.traces)
        self.judge = {"random": digest(program, str(options.seed)), "corpus": digest(program, *traces)}
        self.kept = {}
        if os.path.exists(self.path) and not options.fresh:
            for line in pathlib.Path(self.path).read_text(encoding="utf-8").splitlines():
                try:
                    record = json.loads(line)
                except ValueError:  # the last line of a run that was cut off
                    continue
                if record["sources"] == self.sources:
                    self.kept[record["id"]] = record
        self.file = open(self.path, "w" if options.fresh else "a", encoding="utf-8")

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


def digest(*texts):
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


# ---------------------------------------------------------------------------------------------------- what is said


def tables(rows):
    states = (FOUND, EQUIVALENT, LIVES, TWIN, SAME, UNUSED, REJECTED)
    lines = [f"{'operator':<11}{'mutants':>8}" + "".join(f"{s:>11}" for s in states)]
    for name, select in [*((o, lambda m, o=o: m.operator == o) for o in mutation.OPERATORS), ("all", lambda m: True)]:
        counts = collections.Counter(r["state"] for m, r in rows if select(m))
        if counts:
            lines.append(f"{name:<11}{sum(counts.values()):>8}" + "".join(f"{counts[s]:>11}" for s in states))
    found = [r for _, r in rows if r["state"] == FOUND]
    random = sorted(r["ops"] for r in found if r["driver"] == "random")
    by = collections.Counter(r["driver"] for r in found)
    lines += ["", f"found by random traces: {len(random)}; by the tests of the allocator alone: {by['tests']}; "
                  f"by the corpus alone: {by['corpus']}"]  # fmt: skip
    bounds = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 2_000_000)
    for least, most in zip((-1, *bounds), bounds):
        lines.append(f"  within {most:>9,} ops: {sum(ops <= most for ops in random):>5}   {sum(least < ops <= most for ops in random):>5} more")
    by = collections.Counter(r["invariant"] for r in found)
    lines += ["", "by invariant: " + ", ".join(f"{name} {count}" for name, count in by.most_common()), ""]
    return "\n".join(lines)


def write_json(options, rows):
    kept = ("state", "ops", "driver", "invariant", "by", "of", "tests", "because")
    out = [{"id": m.id, "operator": m.operator, "file": os.path.basename(m.file), "function": m.function, "line": m.line,
            "original": m.original, "mutant": m.mutated, **{k: r[k] for k in kept if k in r}} for m, r in rows]  # fmt: skip
    states = collections.Counter(r["state"] for _, r in rows)
    text = json.dumps({"mutants": len(rows), "states": states, "ops": options.ops, "seed": options.seed, "all": out}, indent=1)
    if options.json == "-":
        print(text)
    else:
        workshop.write(os.path.abspath(options.json), text + "\n")


if __name__ == "__main__":
    sys.exit(main())
