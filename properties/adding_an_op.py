#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/adding-an-op.md is true: its steps add an op, and none of them can be forgotten.

    adding_an_op.py [--compiler CXX]

In a copy of the sources the steps of the page are taken: a block of C++ is a new file, one of diff changes a file where it
has exactly those lines. Then the new op goes from text to records and back, and all that must know each op compiles. After
that, one step after another is left out: what the page names then must not compile, with the words that the page quotes.
Exit status: 0 all is so, 1 something is not.
"""
import argparse
import concurrent.futures
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

SOURCES = pathlib.Path(__file__).resolve().parent.parent
PAGE = SOURCES / "docs/adding-an-op.md"
ROOMS = ["allocator/vmap", "model", "harness", "fuzz"]
FILES_MAX = 5
LINKED = ["model/op.cpp", "model/trace_parse.cpp", "model/trace_print.cpp", "model/reference_model.cpp", "fuzz/records.cpp"]
ROUND_TRIP = r"""
#include <cstdio>
#include <string>

#include "fuzz/records.hpp"
#include "model/trace.hpp"

using namespace vmapcheck;

int failures = 0;
void expect(bool holds, const char* what) {
  if (!holds) std::printf("does not hold: %s\n", what), ++failures;
}

int main() {
  // The first one is compact as a record, the second one has no compact form.
  const std::string text =
      "vmapcheck-trace 1\nspace 0x1000..0x41000 granule=0x1000\nalloc a7 size=0x1000\ntouch 0x2000..0x4000 3\n"
      "touch 0x2001..0x9 1000\nfree a7\n";
  const auto trace = parse_trace(text);
  if (!trace) return std::printf("%s\n", trace.error().expected.c_str()), 1;
  expect(trace->ops[1] == Op(Touch{{0x2000, 0x4000}, 3}), "it is read as it is written");
  expect(print(*trace) == text, "it is printed as it was read");
  const auto wrong = parse_trace(text + "touch 1..2\n");
  expect(!wrong && wrong.error().expected == "expected a count, found the end of the line", "all fields are required");

  const Trace relabelled = relabel(*trace);
  expect(relabelled.ops[0] == Op(Alloc{{0}, {0x1000}}) && relabelled.ops[1] == trace->ops[1], "relabelling leaves it alone");

  const auto bytes = encode(*trace);
  expect(bytes.size() == 5 * record_bytes && decode(bytes) == relabelled, "records are read as they were written");
  expect(bytes[2 * record_bytes] == bytes[3 * record_bytes], "both records are of its kind");
  expect(bytes[2 * record_bytes] != bytes[record_bytes], "which is not that of an alloc");
  expect(bytes[2 * record_bytes + 1] == 0 && bytes[3 * record_bytes + 1] == 0xf0, "compact where it can be, else exact");
  return failures;
}
"""


def steps_of(page):
    """(files, edits, where, words) of each: edits are (file, old, new), where old is None for a new file."""
    steps = []
    for part in re.split(r"^## (?=\d+\. )", page, flags=re.M)[1:]:
        part = re.split(r"^## ", part, flags=re.M)[0]
        file = re.match(r"\d+\. `([^`]+)`", part)[1]
        edits = [(file, None, body) for body in re.findall(r"^```cpp\n(.*?)^```$", part, re.M | re.S)]
        for body in re.findall(r"^```diff\n(.*?)^```$", part, re.M | re.S):
            lines = body.splitlines(keepends=True)
            edits.append((file, "".join(line[1:] for line in lines if line[0] in " -"),
                          "".join(line[1:] for line in lines if line[0] in " +")))
        where, words = re.search(r"^Without it, `([^`]+)` does not compile: `([^`]+)`\.$", part, re.M).groups()
        steps.append((file, edits, where, words))
    return steps


def copy_with(steps, folder):
    for room in ROOMS:
        shutil.copytree(SOURCES / room, folder / room)
    for _, edits, _, _ in steps:
        for file, old, new in edits:
            path = folder / file
            if old is None:
                path.write_text(new)
                continue
            text = path.read_text()
            if text.count(old) != 1:
                sys.exit(f"{PAGE.name}: {file} does not have these lines once:\n{old}")
            path.write_text(text.replace(old, new))


def knowing_each_op(folder):
    """Sources in which a case for each kind of op may stand, and one that includes the grammar."""
    files = [file for room in ["model", "harness", "fuzz"] for file in (folder / room).rglob("*.cpp")]
    found = {str(file.relative_to(folder)) for file in files
             if re.search(r"\bOverloaded\b|op_kind|Executor::perform", file.read_text())}
    return found | {"fuzz/mutator.cpp"}


class Compiler:
    def __init__(self, name):
        launcher = [path] if (path := shutil.which("ccache")) else []
        self.command = [*launcher, name, "-std=c++23", "-O0", "-I.", "-Iallocator"]

    def run(self, folder, *arguments):
        done = subprocess.run([*self.command, *arguments], cwd=folder, capture_output=True, text=True, errors="replace")
        return done.returncode, done.stderr

    def check(self, folder, file):
        return self.run(folder, "-Wall", "-Wextra", "-Werror", "-fsyntax-only", file)

    def must(self, what, result):
        status, said = result
        if status != 0:
            sys.exit(f"{what} does not compile:\n{said[:4000]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compiler", default="c++")
    compiler = Compiler(parser.parse_args().compiler)
    steps = steps_of(PAGE.read_text())
    files = {file for file, _, _, _ in steps}
    if not steps or len(files) > FILES_MAX:
        sys.exit(f"{PAGE.name}: {len(files)} files are changed, and at most {FILES_MAX} are allowed")

    with tempfile.TemporaryDirectory() as scratch, concurrent.futures.ThreadPoolExecutor(2) as pool:
        whole = pathlib.Path(scratch, "whole")
        copy_with(steps, whole)
        (whole / "round_trip.cpp").write_text(ROUND_TRIP)
        sources = [*LINKED, "round_trip.cpp"]
        objects = [f"{index}.o" for index in range(len(sources))]
        compiled = [pool.submit(compiler.run, whole, "-c", file, "-o", made) for file, made in zip(sources, objects)]
        checked = {file: pool.submit(compiler.check, whole, file) for file in sorted(knowing_each_op(whole) - set(LINKED))}
        lacking = []
        for number, step in enumerate(steps):
            folder = pathlib.Path(scratch, str(number))
            copy_with(steps[:number] + steps[number + 1:], folder)
            lacking.append((step, pool.submit(compiler.check, folder, step[2])))

        for file, result in zip(sources, compiled):
            compiler.must(file, result.result())
        compiler.must("the round trip", compiler.run(whole, *objects, "-o", "round_trip"))
        done = subprocess.run([whole / "round_trip"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"the op is there, but:\n{done.stdout}{done.stderr}")
        print(f"with {len(files)} files changed the op is read, printed, encoded and decoded")
        for file, result in checked.items():
            compiler.must(file, result.result())
            print(f"{file} knows it")
        for (file, _, where, words), result in lacking:
            status, said = result.result()
            if status == 0 or words not in said:
                sys.exit(f"without the change of {file}, {where} " +
                         ("compiles" if status == 0 else f"does not say {words!r}:\n{said[:4000]}"))
            print(f"without {file}: {where} does not compile, {words!r}")


if __name__ == "__main__":
    main()
