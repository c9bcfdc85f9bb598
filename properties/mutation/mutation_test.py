#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mutation_test.py JUDGE: what mutate.py finds to change in a snippet, what it says of its list of equivalent mutants, and
a handful of mutants judged from end to end.  Prints each check that failed; the last line counts them.
"""

import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

sys.dont_write_bytecode = True

import mutants
import schema

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
# Operator, and the line as it would be.
EXPECTED = {
    ("argument", "T low(T a, T b) const { return std::min(a, a); }"),
    ("argument", "T low(T a, T b) const { return std::min(b, b); }"),
    ("minmax", "T low(T a, T b) const { return std::max(a, b); }"),
    ("return", "T low(T a, T b) const { return 0; }"),
    ("return", "T low(T a, T b) const { return (std::min(a, b)) + 1; }"),
    ("compare", "if (r.begin <= n && n != 7) return !empty;"),
    ("compare", "if (r.begin >= n && n != 7) return !empty;"),
    ("compare", "if (r.begin < n && n == 7) return !empty;"),
    ("logical", "if (r.begin < n || n != 7) return !empty;"),
    ("logical", "if (r.begin < n) return !empty;"),
    ("logical", "if (n != 7) return !empty;"),
    ("condition", "if (true) return !empty;"),
    ("condition", "if (false) return !empty;"),
    ("unary", "if (r.begin < n && n != 7) return empty;"),
    ("return", "if (r.begin < n && n != 7) return true;"),
    ("return", "if (r.begin < n && n != 7) return false;"),
    ("member", "if (r.end < n && n != 7) return !empty;"),
    ("constant", "if (r.begin < n && n != 0) return !empty;"),
    ("constant", "if (r.begin < n && n != 1) return !empty;"),
    ("constant", "if (r.begin < n && n != 6) return !empty;"),
    ("constant", "if (r.begin < n && n != 8) return !empty;"),
    ("return", "return true;"),
    ("arithmetic", "size -= by - 1;"),
    ("arithmetic", "size = by - 1;"),
    ("arithmetic", "size += by + 1;"),
    ("arithmetic", "size += by;"),
    ("arithmetic", "size += 1;"),
    ("arithmetic", "size += 1 - by;"),
    ("constant", "size += by - 0;"),
    ("constant", "size += by - 2;"),
    ("delete", ";"),
    ("step", "--count;"),
    # Of the others in a row, neither does what the other sees.
    ("order", "count = n; size = count;"),
    ("order", "to.size = size; grow(n);"),
    ("compare", "static Side other(Side side) { return side != Side::left ? Side::right : Side::left; }"),
    ("condition", "static Side other(Side side) { return true ? Side::right : Side::left; }"),
    ("condition", "static Side other(Side side) { return false ? Side::right : Side::left; }"),
    ("side", "static Side other(Side side) { return side == Side::right ? Side::right : Side::left; }"),
    ("side", "static Side other(Side side) { return side == Side::left ? Side::left : Side::left; }"),
    ("side", "static Side other(Side side) { return side == Side::left ? Side::right : Side::right; }"),
    ("constant", "bool empty = false;"),
    ("constant", "int size = 1;"),
    ("constant", "int count = 1;"),
    ("constant", "struct Range { int begin = 1; int end = 0; };"),
    ("constant", "struct Range { int begin = 0; int end = 1; };"),
}


class Tests:
    def __init__(self, judge, folder):
        self.judge, self.folder = judge, folder
        self.checks = self.failed = 0

    def expect(self, what, expected, found, more=""):
        self.checks += 1
        if expected != found:
            self.failed += 1
            print(f"{what}: expected {expected!r}, found {found!r} {more}")

    def run(self, *options):
        command = [sys.executable, os.path.join(HERE, "mutate.py"), "--judge", self.judge, "--work",
                   os.path.join(self.folder, "work"), *options]  # fmt: skip
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
        return done.returncode, done.stdout, done.stderr

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    # -- the checks

    def finds_what_there_is_to_change(self):
        path = self.write("snippet.cpp", SNIPPET)
        trees = mutants.dump_ast("clang++-19", ["-std=c++23"], path, "vmap")
        found = mutants.find_mutants({path: SNIPPET}, trees)
        pairs = {(m.operator, m.mutated) for m in found}
        self.expect("not found", set(), EXPECTED - pairs)
        self.expect("not expected", set(), pairs - EXPECTED)
        self.expect("found once each", len({(m.changes, m.file) for m in found}), len(found))
        self.expect("names that tell mutants apart", len({m.id for m in found}), len(found))
        source, lines = schema.schema(SNIPPET, [m for m in found if m.body], found)
        at = source.split("\n")
        for mutant in found:
            if mutant.body and mutant.operator == "member":
                self.expect("a line of a mutant", True, any(lines[i] == mutant.id and "r.end" in at[i - 1] for i in lines))

    def judges(self):
        some = ("--file", "free_space.hpp", "--function", "add", "--operator", "compare", "--operator", "side")
        empty = self.write("none.txt", "")
        status, out, error = self.run(*some, "--ops", "40000", "--until", "quick", "--equivalent", empty, "--json", "-")
        self.expect("status of mutants that are all found", 0, status, error)
        report = json.loads(out or "{}")
        self.expect("each found", {"found": report.get("mutants")}, report.get("states"))
        self.expect("as many as expected", True, report.get("mutants", 0) >= 4)
        status, out, again = self.run(*some, "--ops", "40000", "--until", "quick", "--equivalent", empty)
        self.expect("from what was kept", (0, True), (status, "quick" not in again), again)

    def says_what_survives(self):
        line = "    return {place.previous->range, Coalescing::previous, {&area, nullptr}};"
        mutant = line.replace("&area, nullptr", "nullptr, &area").strip()
        entry = f"free_space.hpp, add\n  line    {line.strip()}\n  mutant  {mutant}\n  because  it is\n"
        some = ("--file", "free_space.hpp", "--function", "add", "--operator", "argument", "--ops", "10000", "--until", "quick")
        status, _, error = self.run(*some, "--equivalent", self.write("none.txt", ""))
        self.expect("status of a survivor", 10, status, error)
        gone = self.write("gone.txt", entry.replace("nullptr, &area", "nullptr, area"))
        status, _, error = self.run(*some, "--equivalent", gone)
        self.expect("an entry without a mutant", (2, True), (status, "there is no such mutant" in error), error)
        dead = "return {place.previous->range, Coalescing::previous, {nullptr, nullptr}};"
        status, _, error = self.run(*some, "--equivalent", self.write("dead.txt", entry.replace(mutant, dead)))
        self.expect("an entry whose mutant is found", (2, True), (status, "is found" in error), error)
        status, _, error = self.run(*some, "--equivalent", self.write("bad.txt", "free_space.hpp\n"))
        self.expect("an entry that is none", 2, status, error)

    def refuses(self):
        self.expect("an unknown operator", 2, self.run("--operator", "nothing")[0])
        self.expect("nothing chosen", 2, self.run("--file", "nothing.hpp", "--list")[0])
        self.expect("no compiler", 3, self.run("--list", "--compiler", "no-such-compiler")[0])

    def has_a_list_that_holds(self):
        status, out, error = self.run("--list")
        self.expect("every entry of equivalent.txt is that of a mutant", 0, status, error)
        self.expect("mutants of everything", True, int(out.split()[-2]) > 2000)


def main():
    with tempfile.TemporaryDirectory() as folder:
        tests = Tests(sys.argv[1], folder)
        tests.finds_what_there_is_to_change()
        tests.judges()
        tests.says_what_survives()
        tests.refuses()
        tests.has_a_list_that_holds()
    print(f"{tests.checks} checks, {tests.failed} failed")
    return 1 if tests.failed or tests.checks == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
