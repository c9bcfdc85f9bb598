# SPDX-License-Identifier: Apache-2.0
"""Compiles mutants: many in one shared object, or one alone.

A function of which there are mutants becomes a switch over copies of its body, one for each mutant, and the original as
the default; which it is, is chosen when it is loaded (subject.cpp):

    bool is_red() const {
      switch (::vmapcheck_mutation::chosen) {
      case 7: { return (parent_and_colour_ & red_bit) == 0; }
      default: { return (parent_and_colour_ & red_bit) != 0; }
      }
    }

So a thousand mutants take a minute to compile, and not an hour. A copy that does not compile is found by the lines of
what clang says, and left out. What is not in one body (a default member initializer, an edit in two functions) is
compiled alone.
"""

import collections
import os
import pathlib
import re
import shutil

from mutants import DoesNotCompile, apply
from processes import Broken, execute

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
DECLARATION = "namespace vmapcheck_mutation { extern int chosen; } "
# No assertions: it is the harness that is measured, and not they. -O1 costs as much as -O0, and runs faster.
FLAGS = ("-std=c++23", "-O1", "-g0", "-DNDEBUG", "-fPIC", "-w")
HIDDEN = "-fvisibility=hidden"
# As the preset `fuzz` compiles what is under test, recovering from what the sanitizers see.
FUZZ_FLAGS = ("-fsanitize=fuzzer-no-link,address,undefined", "-fsanitize-recover=address,undefined",
              "-fno-sanitize-coverage=trace-cmp", "-fno-omit-frame-pointer")  # fmt: skip
# The allocator's own tests. What lies outside of functions, how a type begins, two of them see.
TESTS = ("address_space", "exhaustion", "free_space", "range", "tree", "verify", "vocabulary")
TESTS_OF_TYPES = ("tree", "vocabulary")
TESTS_MAIN = """\
#include <gtest/gtest.h>

#include <cstdlib>

namespace vmapcheck_mutation { int chosen = 0; }

int main(int count, char** values) {
  testing::InitGoogleTest(&count, values);
  vmapcheck_mutation::chosen = std::atoi(std::getenv("VMAPCHECK_MUTANT"));
  return RUN_ALL_TESTS();
}
"""
# What no mutant changes, compiled once for all.
AHEAD = "".join(f"#include <{name}>\n" for name in (
    "algorithm", "array", "atomic", "bit", "cassert", "charconv", "concepts", "cstddef", "cstdint", "expected",
    "functional", "limits", "list", "map", "memory", "memory_resource", "optional", "span", "string", "string_view",
    "tuple", "type_traits", "unordered_set", "utility", "variant", "vector"))  # fmt: skip

# A shared object, and the number by which a mutant in it is chosen.
Built = collections.namedtuple("Built", "shared number")


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def grouped(mutants, most):
    """Those of one file together, at most so many; what lies outside of bodies alone."""
    groups = [[mutant] for mutant in mutants if not mutant.body]
    inside = sorted((mutant for mutant in mutants if mutant.body), key=lambda mutant: mutant.file)
    return [inside[begin : begin + most] for begin in range(0, len(inside), most)] + groups


class Workshop:
    """Things are made in `folder`, of the sources in `allocator`, {path: text}; `build` is where the harness was built."""

    def __init__(self, folder, compiler, allocator, build, flags=()):
        self.folder, self.compiler, self.allocator, self.build = folder, compiler, allocator, build
        self.flags = [*FLAGS, *flags]
        places = {os.path.dirname(os.path.dirname(path)) for path in allocator}
        self.include = [part for place in (*places, ROOT, os.path.join(build, "subjects")) for part in ("-I", place)]

    def compile(self, *arguments):
        return execute([self.compiler, *self.flags, *arguments])

    def must(self, *arguments):
        run = self.compile(*arguments)
        if run.returncode != 0:
            raise Broken(run.stderr)

    def compile_ahead(self):
        header = os.path.join(self.folder, "ahead.hpp")
        self.ahead = header + ".pch"
        write(header, AHEAD)
        self.must(HIDDEN, *self.include, "-Xclang", "-fno-pch-timestamp", "-fpch-instantiate-templates",
                  "-x", "c++-header", header, "-o", self.ahead)  # fmt: skip

    def compile_subject(self, overlay, object_file):
        """The subject, with the files of `overlay` in front of those of the allocator."""
        return self.compile(HIDDEN, "-include-pch", self.ahead, "-I", overlay, *self.include, "-ferror-limit=0", "-c",
                            os.path.join(HERE, "subject.cpp"), "-o", object_file)  # fmt: skip

    # -- many

    def compile_group(self, group):
        """{id: Built} of those mutants that compile."""
        overlay = os.path.join(self.folder, "groups", group[0].id)
        object_file, shared = os.path.join(overlay, "subject.o"), os.path.join(overlay, "mutants.so")
        if not group[0].body:
            return {group[0].id: Built(shared, 0)} if self.object_code(group[0], shared) else {}
        rejected = self.compile_without_rejected(overlay, group, lambda: [self.compile_subject(overlay, object_file)])
        self.must("-shared", "-Wl,-Bsymbolic", "-o", shared, object_file)
        os.remove(object_file)
        return {m.id: Built(shared, number) for number, m in enumerate(group, 1) if m.id not in rejected}

    def compile_without_rejected(self, overlay, group, compile_all):
        """Compiles, and once more without those mutants that do not compile, until everything does: their ids."""
        rejected = set()
        while True:
            lines = {}
            for path in {mutant.file for mutant in group}:
                copy = os.path.join(overlay, "vmap", os.path.basename(path))
                kept = [m for m in group if m.file == path and m.id not in rejected]
                text, lines[copy] = schema(self.allocator[path], kept, group)
                write(copy, text)
            failed = [run.stderr for run in compile_all() if run.returncode != 0]
            if not failed:
                return rejected
            blamed = set().union(*(blame(stderr, copy, lines[copy]) for stderr in failed for copy in lines))
            if not blamed - rejected:
                raise DoesNotCompile(f"the allocator, with mutants in it, does not compile:\n{failed[0]}")
            rejected |= blamed

    # -- the tests

    def compile_tests(self, group, pool, alone=None):
        """The allocator's own tests, as one program in which a mutant of the group is chosen, or with the one that is
        alone; and the ids of those that do not compile in it."""
        overlay = os.path.join(self.folder, "tests")
        shutil.rmtree(overlay, ignore_errors=True)
        for path, text in self.allocator.items():
            changes = alone.changes if alone and alone.file == path else ()
            write(os.path.join(overlay, "vmap", os.path.basename(path)), apply(text, changes))
        write(os.path.join(overlay, "main.cpp"), TESTS_MAIN)
        properties = os.path.join(ROOT, "properties")
        sources = [os.path.join(overlay, "main.cpp"), os.path.join(properties, "refused_new.cpp"),
                   *(os.path.join(overlay, "vmap", name) for name in ("address_space.cpp", "verify.cpp")),
                   *(os.path.join(properties, f"{name}_test.cpp") for name in (TESTS if group else TESTS_OF_TYPES))]  # fmt: skip
        objects = [os.path.join(overlay, os.path.basename(source) + ".o") for source in sources]

        def compile_one(source, object_file):
            return self.compile("-D_GLIBCXX_ASSERTIONS", "-I", overlay, *self.include, "-ferror-limit=0", "-c", source,
                                "-o", object_file)  # fmt: skip

        rejected = self.compile_without_rejected(overlay, group, lambda: list(pool.map(compile_one, sources, objects)))
        libraries = [os.path.join(path, name) for room in ("harness", "model")
                     for path, _, names in os.walk(os.path.join(self.build, room)) for name in names if name.endswith(".a")]  # fmt: skip
        program = os.path.join(overlay, "tests")
        self.must("-o", program, *objects, "-Wl,--start-group", *libraries, "-Wl,--end-group", "-lrapidcheck", "-lgtest",
                  "-lpthread")  # fmt: skip
        return program, rejected

    # -- one

    def object_code(self, mutant, shared=None):
        """Of the subject with that mutant alone; nothing if it does not compile."""
        overlay = os.path.join(self.folder, "one", mutant.id)
        object_file = os.path.join(overlay, "subject.o")
        text = apply(self.allocator[mutant.file], mutant.changes)
        write(os.path.join(overlay, "vmap", os.path.basename(mutant.file)), text)
        code = None
        if self.compile_subject(overlay, object_file).returncode == 0:
            code = pathlib.Path(object_file).read_bytes()
            if shared:
                os.makedirs(os.path.dirname(shared), exist_ok=True)
                self.must("-shared", "-Wl,-Bsymbolic", "-o", shared, object_file)
        shutil.rmtree(overlay)
        return code


def schema(text, mutants, numbered):
    """The text with a switch in every body of which there are mutants, and the mutant of each of its lines."""
    number = {mutant.id: i for i, mutant in enumerate(numbered, 1)}
    bodies = collections.defaultdict(list)
    for mutant in mutants:
        bodies[mutant.body].append(mutant)
    parts, at, lines, line = [DECLARATION], 0, {}, 1

    def put(piece, mutant=None):
        nonlocal line
        first, line = line, line + piece.count("\n")
        parts.append(piece)
        if mutant:
            lines.update(dict.fromkeys(range(first, line + 1), mutant.id))

    for body in sorted(bodies):
        original = text[body.begin : body.end]
        end = "return;\n" if body.falls_off else "__builtin_trap();\n"
        put(text[at : body.begin] + "{\n")
        if body.is_constexpr:
            put(f"if consteval {original} else {{\n")
        put("switch (::vmapcheck_mutation::chosen) {\n")
        for mutant in bodies[body]:
            copy = apply(original, [(b - body.begin, e - body.begin, t) for b, e, t in mutant.changes])
            put(f"case {number[mutant.id]}:\n")
            put(copy, mutant)
            put("\n" + end)
        put(f"default:\n{original}\n{end}}}\n" + ("}}" if body.is_constexpr else "}"))
        at = body.end
    put(text[at:])
    return "".join(parts), lines


def blame(messages, path, lines):
    """The mutants on whose lines there is an error; else those through which one was instantiated."""
    at = re.compile(rf"^{re.escape(path)}:(\d+):\d+: (fatal error|error|note):", re.M)
    blamed = collections.defaultdict(set)  # by whether it is only a note
    for match in at.finditer(messages):
        if mutant := lines.get(int(match[1])):
            blamed[match[2] == "note"].add(mutant)
    return blamed[False] or blamed[True]
