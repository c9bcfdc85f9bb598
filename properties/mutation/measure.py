#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Which driver finds which fault of the allocator? (docs/mutation.md)

Faults that somebody thought of, catalogue.txt, and a sample of those that mutants.py makes systematically; each is compiled
into a shared object and given to each driver alone, within equal ops.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # nothing is left in the sources

import drivers
import lists
import mutants as mutation
import workshop
from options import SEED, OptionParser, number, positive
from processes import INTERRUPTED, OK, VIOLATION, Interrupted, Refused, WrongList, progress, run_all, status_of, stop, tell

GROUP = 60  # mutants in one compilation: few enough that all cores compile
# Of these no op of a trace says anything: what verify() would say of a broken allocator, and what traces do not have.
UNSEEN_FILES = {"verify.cpp", "verify.hpp", "violation.hpp", "error.hpp"}
UNSEEN_FUNCTIONS = {"create", "reserve", "remove_hook", "for_each", "for_each_busy", "for_each_free", "for_each_lazy",
                    "verify", "fragmentation", "name", "Stats", "operator="}  # fmt: skip


def main(arguments=None):
    options = parse_options(arguments)

    def measure():
        with tempfile.TemporaryDirectory(prefix="vmapcheck-mutants-", ignore_cleanup_errors=True) as scratch:
            return Measurement(options, scratch).run()

    return status_of(measure)


def parse_options(arguments):
    return parser().parse_args(arguments)


def parser():
    options = OptionParser("vmapcheck mutants")
    add = options.add_argument
    add("--driver", default="random,corpus,explore", type=drivers_of)
    add("--until-found", action="store_true")
    add("--least", default={}, type=shares_of)
    add("--ops", type=positive, default=1_000_000)
    add("--seed", type=number, default=SEED)
    add("-j", "--jobs", type=positive, default=os.cpu_count())
    add("--sample", type=number, default=60)
    add("--only", action="append", default=[])
    add("--third", type=int, choices=(1, 2, 3))
    add("--minimize-time", default="2s")
    add("--list", action="store_true")
    add("--keep")
    add("--json", action="store_true")
    add("--catalogue", default=os.path.join(workshop.HERE, "catalogue.txt"))
    return options


def drivers_of(text):
    names = drivers.NAMES if text == "all" else tuple(text.split(","))
    for name in names:
        if name not in drivers.NAMES:
            raise argparse.ArgumentTypeError(f"there is no driver '{name}', but {', '.join(drivers.NAMES)} and all")
    return names


def shares_of(text):
    try:
        return {drivers_of(name)[0]: int(share) for name, share in (part.split("=") for part in text.split(","))}
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no list such as random=90,corpus=80")


def sample_of(mutants, proofs, count):
    """So many systematic mutants, chosen by their ids: an edit of a line changes the choice by what is on that line."""
    within_reach = (m for m in mutants if os.path.basename(m.file) not in UNSEEN_FILES and m.function not in UNSEEN_FUNCTIONS
                    and m.body and m.id not in proofs)  # fmt: skip
    return sorted(within_reach, key=lambda mutant: mutant.id)[:count]


class Measurement:
    def __init__(self, options, scratch):
        self.options, self.scratch = options, scratch
        self.built, self.instrumented = {}, {}

    def run(self):
        options = self.options
        sources = mutation.mutants_of(options.allocator, options.compiler)
        proofs = lists.read_proofs(os.path.join(workshop.HERE, "equivalent.txt"))
        chosen = self.choose(lists.read_catalogue(options.catalogue, sources), sources, proofs)
        if options.list:
            for mutant in chosen:
                print(f"{mutant.id:<30} {lists.describe(mutant)}")
            return OK
        minimize_time = None if options.minimize_time == "0" else options.minimize_time
        self.drivers = drivers.Drivers(self.scratch, options.tool, options.fuzz_target, options.seed, minimize_time)
        self.shop = workshop.Workshop(self.scratch, options.compiler, sources.texts, self.drivers.build)
        self.fuzz_shop = workshop.Workshop(os.path.join(self.scratch, "fuzz"), options.compiler, sources.texts,
                                           self.drivers.build, workshop.FUZZ_FLAGS)  # fmt: skip
        return self.measure(chosen)

    def choose(self, entries, sources, proofs):
        options = self.options
        chosen = [*entries, *sample_of(sources.mutants, proofs, options.sample)]
        if options.only:
            there = {mutant.id: mutant for mutant in (*entries, *sources.mutants)}
            if strangers := [name for name in options.only if name not in there]:
                raise WrongList(f"there is no mutant '{strangers[0]}'")
            chosen = [there[name] for name in options.only]
        chosen = chosen[options.third - 1 :: 3] if options.third else chosen
        if not chosen:
            raise WrongList(f"there are no mutants in {options.catalogue}")
        return chosen

    def measure(self, chosen):
        options = self.options
        for path in (options.tool, *([options.fuzz_target] if "fuzz" in options.driver else [])):
            if not os.access(path, os.X_OK):
                raise Refused(f"{path}: not there (./vmapcheck mutants, at the top of a checkout, builds it)")
        tell(f"{len(chosen)} mutants: {', '.join(options.driver)}, {options.ops} ops each, seed {options.seed}")
        begin, results = time.monotonic(), []
        self.shop.compile_ahead()
        if "fuzz" in options.driver:
            self.fuzz_shop.compile_ahead()
        groups = workshop.grouped([mutant for mutant in chosen if mutant.changes], GROUP)
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            try:
                for _ in run_all(pool, [lambda g=g: self.compile(g) for g in groups]):
                    pass
                for result in run_all(pool, [lambda m=m: self.judge(m) for m in chosen]):
                    self.note(results, result, chosen)
            except Interrupted:
                return stop(INTERRUPTED, f"interrupted: {len(results)} of {len(chosen)} were run")
        progress("")
        return self.report(sorted(results, key=lambda result: result["mutant"]), time.monotonic() - begin)

    def compile(self, group):
        self.built.update(self.shop.compile_group(group))
        if "fuzz" in self.options.driver:
            self.instrumented.update(self.fuzz_shop.compile_group(group))
        progress(f"compiled {len(self.built)}")

    def judge(self, mutant):
        built = self.built.get(mutant.id)
        state = "lives" if built else "does not compile" if mutant.changes else "does not apply"
        result = {"mutant": mutant.id, "of": "catalogue" if mutant.operator == lists.CATALOGUE else "sample",
                  "breaks": lists.describe(mutant), "state": state, "drivers": {}}  # fmt: skip
        if not built:
            return result
        try:
            if self.options.keep:
                self.shop.object_code(mutant, os.path.join(os.path.abspath(self.options.keep), mutant.id + ".so"))
            for name in self.options.driver:
                if name == "fuzz":  # the engine learns from the coverage of what it runs
                    found = self.drivers.run(name, self.instrumented[mutant.id], self.options.ops, built)
                else:
                    found = self.drivers.run(name, built, self.options.ops)
                result["drivers"][name] = found
                if found["found"]:
                    result["state"] = "found"
                    if self.options.until_found:
                        break
        except Refused as refused:
            result.update(state="not run", why=str(refused))
        return result

    # -- what is said

    def note(self, results, result, chosen):
        results.append(result)
        if not self.options.json:
            progress("")
            print(line_of(self.options, result), flush=True)
        progress(f"{len(results)} of {len(chosen)}: {result['mutant']}")

    def report(self, results, seconds):
        options = self.options
        summary = summary_of(options, results, seconds)
        if options.json:
            print(json.dumps({**summary, "all": results}, indent=1))
        else:
            print_summary(options, summary, results)
        missed = [r["mutant"] for r in results if r["of"] == "catalogue" and r["state"] != "found"]
        blind = [f"{name} found {row['found']} of {row['ran']} mutants, of which {options.least[name]} % are demanded"
                 for name, row in summary["drivers"].items() if 100 * row["found"] < options.least.get(name, 0) * row["ran"]]  # fmt: skip
        for line in ([f"of the catalogue not found: {', '.join(missed)}"] if missed else []) + blind:
            tell(line)
        unrun = any(r["state"] == "not run" for r in results)
        return VIOLATION if missed or blind or unrun else OK


def line_of(options, result):
    line = f"{result['mutant']:<30}"
    for name in options.driver:
        found = result["drivers"].get(name)
        text = "" if found is None else f"{name}: -"
        if found and found["found"]:
            text = f"{name}: {found['ops']} {found['invariant']}" + ("" if found["length"] is None else f" {found['length']}")
        line += f" {text:<38}"
    if result["state"] != "found":
        state = "NOT FOUND" if result["state"] == "lives" else result["state"].upper()
        line += f" {state}: {result.get('why', result['breaks'])}"
    return line.rstrip()


def summary_of(options, results, seconds):
    count = lambda of: [len([r for r in results if r["of"] == of and r["state"] in states])
                        for states in (("found",), ("found", "lives"))]  # fmt: skip
    summary = {"catalogue": count("catalogue"), "sample": count("sample"), "ops_max": options.ops, "seed": options.seed,
               "seconds": round(seconds, 1), "drivers": {}}  # fmt: skip
    for name in options.driver:
        ran = [result for result in results if name in result["drivers"]]
        found = [result["drivers"][name] for result in ran if result["drivers"][name]["found"]]
        alone = [r["mutant"] for r in ran if [d for d, f in r["drivers"].items() if f["found"]] == [name]]
        ops, lengths = sorted(f["ops"] for f in found), sorted(f["length"] for f in found if f["length"] is not None)
        summary["drivers"][name] = {
            "ran": len(ran), "found": len(found), "alone": len(alone),
            "ops_median": ops[len(ops) // 2] if ops else None, "ops_most": ops[-1] if ops else None,
            "length_median": lengths[len(lengths) // 2] if lengths else None,
            "invariants": dict(collections.Counter(f["invariant"] for f in found).most_common()),
            "missed": [r["mutant"] for r in ran if not r["drivers"][name]["found"]]}  # fmt: skip
    return summary


def print_summary(options, summary, results):
    found = [f"{summary[of][0]} of {summary[of][1]} of the {of}" for of in ("catalogue", "sample") if summary[of][1]]
    print(f"\nfound: {', '.join(found) or 'none, for none was run'}, in {summary['seconds']:.0f} s\n")
    print(f"{'driver':<12}{'ran on':>8}{'found':>8}{'only it':>9}{'ops, median':>13}{'ops, most':>11}{'trace, median':>15}")
    for name, row in summary["drivers"].items():
        number = lambda value: "-" if value is None else f"{value}"
        print(f"{name:<12}{row['ran']:>8}{row['found']:>8}{row['alone']:>9}{number(row['ops_median']):>13}"
              f"{number(row['ops_most']):>11}{number(row['length_median']):>15}")  # fmt: skip
    for result in results:
        if result["state"] != "found":
            print("\n" + line_of(options, result))


if __name__ == "__main__":
    sys.exit(main())
