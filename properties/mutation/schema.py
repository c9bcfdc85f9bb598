# SPDX-License-Identifier: Apache-2.0
"""Many mutants of one file in one compilation, and one mutant in a compilation of its own.

A function of which there are mutants becomes a switch over copies of its body, one for each mutant, and the original as
the default; which it is, is chosen while it runs:

    bool is_red() const {
      switch (::vmapcheck_mutation::chosen) {
      case 7: { return (parent_and_colour_ & red_bit) == 0; }
      default: { return (parent_and_colour_ & red_bit) != 0; }
      }
    }

So a thousand mutants take a minute to compile, and not an hour.  A copy that does not compile is found by the lines of
what clang says, and left out.  What is not in a body (a default member initializer) is compiled alone.
"""

import os
import re
import shutil
import subprocess

from mutants import Broken, DoesNotCompile, apply

DECLARATION = "namespace vmapcheck_mutation { extern int chosen; } "
SUBJECT = """\
#include "subjects/vmap_subject.hpp"
#include "vmap/address_space.cpp"
#include "vmap/verify.cpp"

namespace vmapcheck_mutation { int chosen = 0; }

extern "C" [[gnu::visibility("default")]] const vmapcheck::SubjectFactory* vmapcheck_mutants() {
  static const vmapcheck::SubjectFactory make = vmapcheck::over<vmap::FreeSpace>();
  return &make;
}
extern "C" [[gnu::visibility("default")]] void vmapcheck_choose(int mutant) { vmapcheck_mutation::chosen = mutant; }
"""
TESTS = ("address_space", "exhaustion", "free_space", "range", "tree", "verify", "vocabulary")
TESTS_OF_TYPES = ("tree", "vocabulary")  # of what lies outside of functions: how a type begins
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
# Ahead of what is mutated: the standard library, and the harness where it does not include the mutated file.
AHEAD_STANDARD = "".join(f"#include <{name}>\n" for name in (
    "algorithm", "array", "atomic", "bit", "cassert", "charconv", "concepts", "cstddef", "cstdint", "expected",
    "functional", "limits", "list", "memory", "memory_resource", "optional", "span", "string", "string_view", "tuple",
    "unordered_set", "utility", "variant", "vector"))  # fmt: skip
AHEAD_HARNESS = AHEAD_STANDARD + '#include "harness/verify/subject.hpp"\n'


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


class Workshop:
    """Compiles; `root` is the project, `folder` is where things are made."""

    def __init__(self, root, folder, compiler, allocator):
        self.root, self.folder, self.compiler = root, folder, compiler
        self.flags = ["-std=c++23", "-O1", "-g0", "-DNDEBUG", "-fPIC", "-fvisibility=hidden", "-w"]
        self.include = ["-I", allocator, "-I", root]
        self.source = os.path.join(folder, "subject.cpp")
        write(self.source, SUBJECT)
        self.ahead = {}
        self.vocabulary = self.included_by_the_harness()

    def run(self, *command):
        try:
            return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                  encoding="utf-8", errors="replace")  # fmt: skip
        except OSError as error:
            raise Broken(f"{command[0]}: {error.strerror}")

    def included_by_the_harness(self):
        path = os.path.join(self.folder, "ahead.hpp")
        write(path, AHEAD_HARNESS)
        run = self.run(self.compiler, *self.flags, *self.include, "-MM", path)
        if run.returncode != 0:
            raise Broken(run.stderr)
        return {os.path.basename(word) for word in run.stdout.split() if "/allocator/vmap/" in word}

    def compile_ahead(self):
        """Precompiled headers, both kinds."""
        for kind, text in (("standard", AHEAD_STANDARD), ("harness", AHEAD_HARNESS)):
            path = os.path.join(self.folder, f"ahead_{kind}.hpp")
            write(path, text)
            run = self.run(self.compiler, *self.flags, *self.include, "-Xclang", "-fno-pch-timestamp",
                           "-fpch-instantiate-templates", "-x", "c++-header", path, "-o", path + ".pch")  # fmt: skip
            if run.returncode != 0:
                raise Broken(run.stderr)
            self.ahead[kind] = path + ".pch"

    def compile(self, overlay, file, *more):
        """The subject with the files of `overlay` before those of the allocator, of which `file` is one."""
        kind = "standard" if os.path.basename(file) in self.vocabulary else "harness"
        return self.run(self.compiler, *self.flags, "-include-pch", self.ahead[kind], "-I", overlay, *self.include,
                        "-ferror-limit=0", *more, self.source)  # fmt: skip

    def link(self, object_file, shared):
        run = self.run(self.compiler, "-shared", "-Wl,-Bsymbolic", "-o", shared, object_file)
        if run.returncode != 0:
            raise Broken(run.stderr)

    # -- many

    def compile_group(self, name, text, mutants):
        """A shared object with these mutants of one file, numbered from 1: its path, and those that do not compile."""
        file = os.path.basename(mutants[0].file)
        overlay = os.path.join(self.folder, name)
        path = os.path.join(overlay, "vmap", file)
        rejected = set()
        while True:
            source, lines = schema(text, [m for m in mutants if m.id not in rejected], mutants)
            write(path, source)
            object_file = os.path.join(overlay, "subject.o")
            run = self.compile(overlay, file, "-c", "-o", object_file)
            if run.returncode == 0:
                break
            blamed = blame(run.stderr, path, lines) - rejected
            if not blamed:
                raise Broken(f"{file}, with its mutants, does not compile:\n{run.stderr}")
            rejected |= blamed
        shared = os.path.join(overlay, "mutants.so")
        self.link(object_file, shared)
        os.remove(object_file)
        return shared, rejected

    # -- the tests

    def compile_tests(self, texts, mutants, libraries, pool, tests=TESTS):
        """The allocator's own tests, as one program in which a mutant is chosen; and those that do not compile in it."""
        overlay = os.path.join(self.folder, "tests")
        shutil.rmtree(overlay, ignore_errors=True)
        by_file = {}
        for mutant in mutants:
            by_file.setdefault(mutant.file, []).append(mutant)
        write(os.path.join(overlay, "main.cpp"), TESTS_MAIN)
        properties = os.path.join(self.root, "properties")
        # The vocabulary is the harness's, too: its mutants are judged without the tests that use the harness.
        sources = [os.path.join(overlay, "main.cpp"), os.path.join(properties, "refused_new.cpp"),
                   *(os.path.join(overlay, "vmap", name) for name in ("address_space.cpp", "verify.cpp")),
                   *(os.path.join(properties, name + "_test.cpp") for name in tests)]  # fmt: skip
        rejected, objects, to_compile = set(), {}, set(sources)
        while to_compile:
            lines = {}
            for path, text in texts.items():
                kept = [m for m in by_file.get(path, []) if m.id not in rejected]
                copy = os.path.join(overlay, "vmap", os.path.basename(path))
                source, lines[copy] = schema(text, kept, mutants) if kept else (text, {})
                write(copy, source)
            blamed = set()
            for source, run in zip(sources, pool.map(lambda s: self.compile_test(overlay, s, objects), sources)):
                if run is not None and run.returncode != 0:
                    for copy in lines:
                        blamed |= blame(run.stderr, copy, lines[copy])
                    if not blamed - rejected:
                        raise DoesNotCompile(f"{source}, with mutants of the allocator, does not compile:\n{run.stderr}")
            if not blamed - rejected:
                break
            rejected |= blamed
            objects.clear()
        program = os.path.join(overlay, "tests")
        run = self.run(self.compiler, "-o", program, *objects.values(), *libraries, "-lrapidcheck", "-lgtest", "-lpthread")
        if run.returncode != 0:
            raise Broken(run.stderr)
        return program, rejected

    def compile_test(self, overlay, source, objects):
        if source in objects:
            return None
        object_file = os.path.join(overlay, os.path.basename(source) + ".o")
        flags = [*(flag for flag in self.flags if flag != "-fvisibility=hidden"), "-D_GLIBCXX_ASSERTIONS"]
        run = self.run(self.compiler, *flags, "-I", overlay, *self.include, "-ferror-limit=0", "-c", source, "-o", object_file)
        if run.returncode == 0:
            objects[source] = object_file
        return run

    # -- one

    def codes_of_original(self, texts):
        """With either of the headers that are compiled ahead."""
        codes = set()
        for file in ("range.hpp", "address_space.hpp"):
            text = next(text for path, text in texts.items() if os.path.basename(path) == file)
            codes.add(self.object_code("original-" + file, file, text))
        return codes

    def compile_one(self, text, mutant, shared=None):
        """The object code of one mutant, or None if it does not compile."""
        return self.object_code(mutant.id, os.path.basename(mutant.file), apply(text, mutant.changes), shared)

    def object_code(self, name, file, text, shared=None):
        overlay = os.path.join(self.folder, "one", name)
        object_file = os.path.join(overlay, "subject.o")
        write(os.path.join(overlay, "vmap", file), text)
        run = self.compile(overlay, file, "-c", "-o", object_file)
        code = None
        if run.returncode == 0:
            with open(object_file, "rb") as stream:
                code = stream.read()
            if shared:
                self.link(object_file, shared)
            os.remove(object_file)
        shutil.rmtree(overlay)
        return code


def schema(text, mutants, numbered):
    """The text with a switch in every body of which there are mutants, and the mutant of each of its lines."""
    number = {mutant.id: i for i, mutant in enumerate(numbered, 1)}
    bodies = {}
    for mutant in mutants:
        bodies.setdefault(mutant.body, []).append(mutant)
    parts, at, lines = [DECLARATION], 0, {}
    line = 1

    def put(piece, mutant=None):
        nonlocal line
        parts.append(piece)
        for _ in range(piece.count("\n") + 1):
            if mutant:
                lines[line] = mutant.id
            line += 1
        line -= 1

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
    errors, others = set(), set()
    for match in at.finditer(messages):
        mutant = lines.get(int(match[1]))
        if mutant:
            (others if match[2] == "note" else errors).add(mutant)
    return errors or others
