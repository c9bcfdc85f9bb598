#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mutation_test.py TOOL: what mutate.py finds to change in a snippet, a handful of mutants judged from end to end, blind
judges and blind drivers, and the drivers measured on a third of the mutants. Prints each check that failed; the last line
counts them.

    mutation_test.py TOOL --all     the drivers, RapidCheck too, measured on all of them
"""

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True

import lists
import measure
import mutants
import mutate
import workshop

# In percent, somewhat less than they were measured to find (docs/mutation.md).
LEAST = "random=92,corpus=85,explore=80,properties=92"
LEAST_IN_CI = "random=85,corpus=75,explore=60"  # a small space makes no alignment row, and the corpus seldom

SNIPPET = """\
#include <cassert>
#include <algorithm>
namespace vmap {
enum class Side { left, right };
struct Range { int begin = 0; int end = 0; };
template <class T>
struct Box {
  T low(T a, T b) const { return std::min(a, b); }
  bool holds(Range r, int n) const {
    assert(n > 0);
    if (r.begin < n && n != 7) return !empty;  // a comment
    return false;
  }
  void grow(int by) {
    size += by - 1;
    ++count;
  }
  void shift(Box& to, int n) {
    size = count;
    count = n;
    lowest = low(n, n);
    grow(n);
    to.size = size;
  }
  static Side other(Side side) { return side == Side::left ? Side::right : Side::left; }
  T lowest;
  bool empty = true;
  int size = 0;
  int count = 0;
};
static_assert(sizeof(Range) == 8);
template struct Box<int>;
}
"""
# Operator, the line as it would be, and what stands there in place of the dots.
EXPECTED_LINES = (
    ("argument", "T low(T a, T b) const { return std::min(...); }", "a, a", "b, b"),
    ("minmax", "T low(T a, T b) const { return std::...(a, b); }", "max"),
    ("return", "T low(T a, T b) const { return ...; }", "0", "(std::min(a, b)) + 1"),
    ("compare", "if (...) return !empty;", "r.begin <= n && n != 7", "r.begin >= n && n != 7", "r.begin < n && n == 7"),
    ("logical", "if (...) return !empty;", "r.begin < n || n != 7", "r.begin < n", "n != 7"),
    ("condition", "if (...) return !empty;", "true", "false"),
    ("member", "if (... < n && n != 7) return !empty;", "r.end"),
    ("constant", "if (r.begin < n && n != ...) return !empty;", "0", "1", "6", "8"),
    ("unary", "if (r.begin < n && n != 7) return ...;", "empty"),
    ("return", "if (r.begin < n && n != 7) return ...;", "true", "false"),
    ("return", "return ...;", "true"),
    ("arithmetic", "size ...;", "-= by - 1", "= by - 1", "+= by + 1", "+= by", "+= 1", "+= 1 - by"),
    ("constant", "size += by - ...;", "0", "2"),
    ("delete", "...;", ""),
    ("step", "...count;", "--"),
    # Of the others in a row, neither does what the other sees.
    ("order", "...;", "count = n; size = count", "to.size = size; grow(n)"),
    ("compare", "static Side other(Side side) { return ... ? Side::right : Side::left; }", "side != Side::left"),
    ("condition", "static Side other(Side side) { return ... ? Side::right : Side::left; }", "true", "false"),
    ("side", "static Side other(Side side) { return side == Side::...; }",
     "right ? Side::right : Side::left", "left ? Side::left : Side::left", "left ? Side::right : Side::right"),
    ("constant", "...;", "bool empty = false", "int size = 1", "int count = 1"),
    ("constant", "struct Range { int begin = ...; };", "1; int end = 0", "0; int end = 1"),
)  # fmt: skip
EXPECTED = {(operator, line.replace("...", part)) for operator, line, *parts in EXPECTED_LINES for part in parts}


# Nothing of it is a fault that a driver could find: it does not apply, does not compile, or changes nothing.
PLANTED = """\
planted_apply  free_space.hpp
  A planted one.
  - Merge adds(Node& area);
  + Merge put(Node& area);
planted_compile  free_space.hpp
  A planted one.
  - Merge add(Node& area);
  + Merge put(Node& area);
planted_equivalent  free_space.hpp
  A planted one.
  - Merge add(Node& area);
  + Merge add(Node& area);  // the area goes
"""
# A command line that is blind: whatever it shall judge, it judges ours instead, which is sound.
BLIND = """\
#!/bin/sh
command="$1"
shift 3
exec '{tool}' "$command" --subject vmap "$@"
"""


class Tests:
    def __init__(self, tool, folder):
        self.tool, self.folder = tool, folder
        self.checks = self.failed = 0
        # In a build folder of its own, beside the header that is compiled with mutants.
        self.blind = self.write("build/tools/blind", BLIND.format(tool=os.path.abspath(tool)))
        os.chmod(self.blind, 0o755)
        build = os.path.dirname(os.path.dirname(os.path.abspath(tool)))
        os.symlink(os.path.join(build, "subjects"), os.path.join(folder, "build", "subjects"))

    def expect(self, what, expected, found, more=""):
        self.checks += 1
        if expected != found:
            self.failed += 1
            print(f"{what}: expected {expected!r}, found {found!r} {more}")

    def run(self, script, *options):
        """Status, standard output, standard error; in this process, so that the sources are read once."""
        out, error = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
            try:
                status = script.main(["--tool", self.tool, *options])  # the last of two --tool counts
            except SystemExit as end:
                status = end.code
        return status, out.getvalue(), error.getvalue()

    def mutate(self, *options):
        return self.run(mutate, "--work", os.path.join(self.folder, "work"), *options)

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        workshop.write(path, text)
        return path

    # -- the checks

    def finds_what_there_is_to_change(self):
        path = self.write("snippet.cpp", SNIPPET)
        trees = mutants.dump_ast("clang++-19", ["-std=c++23"], path, "vmap")
        found = mutants.find_mutants({path: SNIPPET}, trees).mutants
        pairs = {(m.operator, m.mutated) for m in found}
        self.expect("not found", set(), EXPECTED - pairs)
        self.expect("not expected", set(), pairs - EXPECTED)
        self.expect("found once each", len({(m.changes, m.file) for m in found}), len(found))
        self.expect("names that tell mutants apart", len({m.id for m in found}), len(found))
        source, lines = workshop.schema(SNIPPET, [m for m in found if m.body], found)
        at = source.split("\n")
        for mutant in found:
            if mutant.body and mutant.operator == "member":
                self.expect("a line of a mutant", True, any(lines[i] == mutant.id and "r.end" in at[i - 1] for i in lines))

    def judges(self):
        some = ("--file", "free_space.hpp", "--function", "add", "--operator", "compare", "--ops", "40000", "--until", "quick",
                "--equivalent", self.write("none.txt", ""))  # fmt: skip
        status, out, error = self.mutate(*some, "--json", "-")
        self.expect("status of mutants that are all found", 0, status, error)
        report = json.loads(out or "{}")
        self.expect("each found", {"found": report.get("mutants")}, report.get("states"))
        self.expect("as many as expected", True, report.get("mutants", 0) >= 4)
        status, out, again = self.mutate(*some)
        self.expect("from what was kept", (0, True), (status, "quick" not in again), again)
        status, _, error = self.mutate(*some, "--fresh", "--tool", self.blind)
        self.expect("status where a blind command line judges", 10, status, error)

    def says_what_survives(self):
        some = ("--file", "free_space.hpp", "--function", "add", "--operator", "argument", "--ops", "10000", "--until", "quick")
        status, _, error = self.mutate(*some, "--equivalent", self.write("none.txt", ""))
        self.expect("status of a survivor", 10, status, error)
        proven = self.write("proven.txt", "".join(f"it is\n{entry}\n" for entry in self.entries("free_space.hpp, add: ")))
        status, _, error = self.mutate(*some, "--equivalent", proven)
        self.expect("status of survivors that are written down", 0, status, error)

    def entries(self, place):
        with open(os.path.join(workshop.HERE, "equivalent.txt"), encoding="utf-8") as file:
            return [line.rstrip() for line in file if place in line]

    def has_a_list_that_holds(self):
        status, out, error = self.mutate("--list")
        self.expect("every entry of equivalent.txt is that of a mutant", 0, status, error)
        self.expect("mutants of everything", True, int(out.split()[-2]) > 2000)
        entry = self.entries("free_space.hpp, add: return {place.previous->range, Coalescing::previous")[0]
        found = "8e6a1f0b7c  free_space.hpp, add: const bool next = place.next == nullptr;"
        for name, text, why in (
            ("text", f"it is\n{entry.replace('&area', 'area')}\n", "there is no such mutant"),
            ("indentation", f"it is\n{found}\n", "a reason without entries"),
            ("none", f"it is\n  {found}\n", "there is no such mutant"),
            ("reason", f"{entry}\n", "expected a reason"),
            ("twice", f"it is\n{entry}\n{entry}\n", "expected a reason"),
        ):  # fmt: skip
            status, _, error = self.mutate("--list", "--equivalent", self.write(name + ".txt", text))
            self.expect(f"an entry that is wrong by its {name}", (2, True), (status, why in error), error)
        dead = self.mutate("--list", "--file", "free_space.hpp", "--function", "add", "--operator", "condition")[1].split()[0]
        mutant = next(m for m in mutants.mutants_of(os.path.join(workshop.ROOT, "allocator"), "clang++-19").mutants if m.id == dead)
        status, _, error = self.mutate("--only", dead, "--until", "quick", "--equivalent",
                                       self.write("dead.txt", f"it is\n  {dead}  {lists.describe(mutant)}\n"))  # fmt: skip
        self.expect("an entry whose mutant is found", (2, True), (status, "is found" in error), error)

    def refuses(self):
        self.expect("an unknown operator", 2, self.mutate("--operator", "nothing")[0])
        self.expect("nothing chosen", 2, self.mutate("--file", "nothing.hpp", "--list")[0])
        self.expect("no compiler", 3, self.mutate("--list", "--compiler", "no-such-compiler")[0])
        self.expect("an unknown mutant", 2, self.run(measure, "--only", "nothing")[0])
        self.expect("an unknown driver", 2, self.run(measure, "--driver", "nothing")[0])
        self.expect("no command line", 3, self.run(measure, "--only", "lazy_twice", "--tool", "nothing")[0])

    def refuses_what_is_no_subject(self):
        """With 3 and one line."""
        other = """struct { const char* stamp; void* entry; } other = {"of another build", nullptr};
                   extern "C" void* vmapcheck_loaded() { return &other; }"""
        for name, text, why in (("text", None, "text.so: "), ("nothing", "int nothing;", "does not export vmapcheck_loaded()"),
                                ("other", other, "compiled for another build of vmapcheck")):  # fmt: skip
            path = self.write(name + ".so", "no object\n")
            if text:
                source = self.write(name + ".cpp", text)
                subprocess.run(["clang++-19", "-shared", "-fPIC", source, "-o", path], check=True)
            done = subprocess.run([self.tool, "check", "--subject", path, "--cases", "1"], capture_output=True, encoding="utf-8")
            said = done.stderr.splitlines()
            self.expect(f"{name}.so as a subject", (3, 1, True), (done.returncode, len(said), why in done.stderr), done.stderr)

    def sees_what_is_no_fault(self):
        planted = self.write("planted.txt", PLANTED)
        status, out, error = self.run(measure, "--catalogue", planted, "--sample", "0", "--ops", "20000", "--json",
                                      "--driver", "random,corpus")  # fmt: skip
        states = {result["mutant"]: result["state"] for result in json.loads(out or "{}").get("all", [])}
        self.expect("planted ones", {"planted_apply": "does not apply", "planted_compile": "does not compile",
                                     "planted_equivalent": "lives"}, states, error)  # fmt: skip
        self.expect("status of planted ones", 10, status)

    def sees_a_blind_driver(self):
        some = ("--only", "purge_first_only", "--only", "pool_node_missing", "--ops", "20000", "--minimize-time", "0",
                "--least", "random=50,corpus=50,explore=50")  # fmt: skip
        status, _, error = self.run(measure, *some)
        self.expect("drivers that see", 0, status, error)
        status, _, error = self.run(measure, *some, "--tool", self.blind)
        named = [name for name in ("random", "corpus", "explore") if f"{name} found 0 of 2 mutants" in error]
        self.expect("blind drivers", (10, ["random", "corpus", "explore"]), (status, named), error)

    def measures_the_drivers(self, *options):
        status, out, error = self.run(measure, *options)
        print(out + error)
        self.expect("each driver finds its share", 0, status)


def main():
    with tempfile.TemporaryDirectory() as folder:
        tests = Tests(sys.argv[1], folder)
        if sys.argv[2:] == ["--all"]:
            build = os.path.dirname(os.path.dirname(os.path.abspath(sys.argv[1])))
            subprocess.run(["cmake", "--build", build, "--target", "mutants_rapidcheck"], check=True)
            tests.measures_the_drivers("--driver", "random,corpus,explore,properties", "--ops", "200000", "--minimize-time",
                                       "500ms", "--least", LEAST)  # fmt: skip
        else:
            tests.finds_what_there_is_to_change()
            tests.judges()
            tests.says_what_survives()
            tests.has_a_list_that_holds()
            tests.refuses()
            tests.refuses_what_is_no_subject()
            tests.sees_what_is_no_fault()
            tests.sees_a_blind_driver()
            tests.measures_the_drivers("--third", third_of_the_commit(), "--ops", "20000", "--minimize-time", "0", "--least",
                                       LEAST_IN_CI)  # fmt: skip
    print(f"{tests.checks} checks, {tests.failed} failed")
    return 1 if tests.failed or tests.checks == 0 else 0


def third_of_the_commit():
    """Chosen by the commit, so that all have their turn; VMAPCHECK_MUTANTS may say which: 1, 2 or 3."""
    run = subprocess.run(["git", "-C", HERE, "rev-parse", "--short=8", "HEAD"], capture_output=True, encoding="utf-8")
    return os.environ.get("VMAPCHECK_MUTANTS") or str(int(run.stdout or "0", 16) % 3 + 1)


if __name__ == "__main__":
    sys.exit(main())
