#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""coverage_test.py COVERAGE.PY: what `coverage` makes of what llvm-cov says, without a build that counts.

Writes a small source, and what `llvm-cov export` would say of it, and looks at the report: which instantiations count,
what the list of what is unreachable does and where it is wrong, which percentages are missed, and the exit statuses.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = os.path.abspath(sys.argv.pop(1))
SOURCE = """\
// A comment of two
// lines.
int BasicAddressSpace<Index>::pick(int n) {
  if (n > 0)
    return 1;
  if (n < 0 && n != -1)
    return 2;
  std::unreachable();
}
int twice() {
  // Not executed: a comment.
  return 2;
}
bool operator==(const T<int>&, const T<int>&) = default;
"""
OURS = "_ZN4vmap17BasicAddressSpaceINS_9FreeSpaceEE4pickEi"
FOREIGN = "_ZN4vmap17BasicAddressSpaceINS_6BrokenEE4pickEi"
PLAIN, EQUAL = "_ZN4vmap5twiceEv", "_ZN4vmapeqEii"
LIST = """\
# A comment.
toy.hpp, pick
  true   n > 0
  line   return 1;
  because  nothing is positive,
           as far as we know
toy.hpp, pick
  line  std::unreachable();
  because  it is
toy.hpp, pick
  true  n != -1
  line  return 2;
  because  it is always that
"""


def pick(name, positive, negative, other):
    """Entered once for each of these: with a positive number, with -1, and with another one."""
    all_of_them, below = positive + negative + other, negative + other
    # Line and column of the begin and the end, then the count. Between a condition and the next line, clang has a gap (3).
    regions = [(3, 44, 9, 2, all_of_them, 0), (5, 5, 5, 13, positive, 0), (7, 5, 7, 13, other, 0), (8, 3, 9, 2, 0, 0),
               (4, 13, 5, 5, positive, 3), (5, 13, 6, 3, below, 3), (6, 24, 7, 5, other, 3), (7, 13, 8, 3, 0, 3)]
    branches = [(4, 7, 4, 12, positive, below), (6, 7, 6, 12, below, 0), (6, 16, 6, 23, other, negative)]
    return {"name": name, "count": all_of_them, "filenames": ["toy.hpp"],
            "regions": [[*span, count, 0, 0, kind] for *span, count, kind in regions],
            "branches": [[*span, true, false, 0, 0, 4] for *span, true, false in branches]}


def plain(name, line, count, branches=()):
    return {"name": name, "count": count, "filenames": ["toy.hpp"],
            "regions": [[line, 13, line, 26, count, 0, 0, 0]], "branches": list(branches)}


def counted(report):
    """Lines that are covered, all lines; branches that are covered, all branches."""
    return tuple(report[kind][what] for kind in ("lines", "branches") for what in ("covered", "total"))


NEGATIVE = pick(OURS, 0, 1, 0)


class CoverageTest(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        self.source = self.folder / "allocator/vmap/toy.hpp"
        self.source.parent.mkdir(parents=True)
        self.source.write_text(SOURCE)
        self.list = self.folder / "unreachable.txt"
        self.list.write_text(LIST)

    def call(self, *options):
        """The status, standard output, standard error."""
        environment = {name: value for name, value in os.environ.items() if name != "VMAPCHECK_COVERAGE_DIR"}
        done = subprocess.run([sys.executable, SCRIPT, *map(str, options)], cwd=self.folder, text=True, capture_output=True,
                              env=environment)
        return done.returncode, done.stdout, done.stderr

    def run_on(self, *functions, options=()):
        functions = [function | {"filenames": [str(self.source)]} for function in functions]
        export = self.folder / "export.json"
        export.write_text(json.dumps({"data": [{"functions": functions}], "type": "llvm.coverage.json.export"}))
        return self.call("--from", export, "--unreachable", self.list, *options)

    def with_options(self, *options):
        return self.run_on(NEGATIVE, options=options)

    def report(self, *functions):
        return json.loads(self.run_on(*functions, options=["--json"])[1])

    def refused(self, status, call):
        self.assertEqual((status, ""), call[:2], call)
        self.assertEqual(1, call[2].count("\n"), call)

    # ---- What counts

    def test_only_the_allocators_own_instantiations_count(self):
        functions = NEGATIVE, pick(FOREIGN, 7, 7, 7)
        report = self.report(*functions)
        self.assertEqual(1, report["instantiations_left_out"])
        self.assertEqual((3, 3, 3, 4), counted(report))
        self.assertEqual([(6, "n < 0")], [(one["line"], one["text"]) for one in report["missed"]])
        reasons = {one["line"]: one["because"] for one in report["unreachable"]}
        self.assertEqual("nothing is positive, as far as we know", reasons[5])
        self.assertEqual("it is", reasons[9])  # what closes the block behind
        self.list.write_text("")
        bare = self.report(*functions)
        self.assertEqual((3, 7, 3, 6), counted(bare))
        self.assertEqual([(4, "true", "n > 0"), (5, "line", "return 1;"), (6, "false", "n < 0"), (6, "true", "n != -1"),
                          (7, "line", "return 2;"), (8, "line", "std::unreachable();"), (9, "line", "}")],
                         [(one["line"], one["what"], one["text"]) for one in bare["missed"]])
        self.assertEqual({"pick"}, {one["function"] for one in bare["missed"]})

    def test_what_is_counted_together(self):
        commented = plain(PLAIN, 10, 1) | {"regions": [[10, 13, 13, 2, 1, 0, 0, 0], [11, 3, 11, 30, 0, 0, 0, 2]]}
        equal = plain(EQUAL, 14, 5, [[14, 13, 14, 14, 5, 0, 0, 0, 4]])
        lambdas = OURS.replace("_ZN", "_ZZN").replace("4pickEi", "4pickEiENKUlvE_clEv")
        for what, functions, listed, expected in (
                ("a function of two programs", [NEGATIVE, pick(OURS, 0, 0, 0), plain(PLAIN, 10, 3)], LIST, (4, 4, 3, 4)),
                ("instantiations", [pick(lambdas, 0, 1, 1), NEGATIVE], "", (4, 7, 4, 6)),
                ("no comments", [NEGATIVE, commented], LIST, (6, 6, 3, 4)),
                ("no comparison that is = default", [NEGATIVE, equal], LIST, (4, 4, 3, 4))):
            with self.subTest(what):
                self.list.write_text(listed)
                self.assertEqual(expected, counted(self.report(*functions)))

    # ---- The list

    def test_a_wrong_list_is_refused(self):
        for text, line in (("toy.hpp\n", 1), ("  line x\n", 1), ("toy.hpp, pick\n  line x\n", 2),
                           ("toy.hpp, pick\n  because so\n", 2), ("toy.hpp, pick\n  lines x\n  because so\n", 2),
                           ("toy.hpp, pick\n  line x\ntoy.hpp, twice\n  line y\n  because so\n", 3)):
            with self.subTest(text=text):
                self.list.write_text(text)
                call = self.with_options()
                self.refused(2, call)
                self.assertIn(f"unreachable.txt:{line}: expected ", call[2])

    def test_an_entry_that_was_executed_or_matches_nothing_is_an_error(self):
        status, _, said = self.run_on(pick(OURS, 1, 1, 0))
        self.assertEqual((2, 2), (status, said.count("\n")))
        self.assertIn("unreachable.txt:3: toy.hpp, pick: true n > 0: is reachable: it was executed", said)
        self.assertIn("unreachable.txt:4: toy.hpp, pick: line return 1;: is reachable: it was executed", said)
        for entry in ("toy.hpp, pick\n  line  return 3;", "toy.hpp, pick\n  true  n > 1", "toy.hpp, pick\n  false  n >0",
                      "toy.hpp, pick\n  line  return", "toy.cpp, pick\n  line  return 1;",
                      "toy.hpp, twice\n  line  return 1;"):
            with self.subTest(entry):
                self.list.write_text(f"{entry}\n  because  so\n")
                status, _, said = self.run_on(NEGATIVE, plain(PLAIN, 10, 1))
                self.assertEqual(2, status)
                self.assertRegex(said, "unreachable.txt:2:.*matches nothing")

    def test_entries_follow_the_text_where_lines_move(self):
        moved = NEGATIVE | {kind: [[line + 2, column, end + 2, *rest] for line, column, end, *rest in NEGATIVE[kind]]
                            for kind in ("regions", "branches")}
        self.source.write_text("//\n//\n" + SOURCE)
        self.assertEqual((3, 3, 3, 4), counted(self.report(moved)))

    # ---- Percentages and files

    def test_demanded_percentages(self):
        for options, status in ((("--fail-under-lines", "100", "--fail-under-branches", "75"), 0),
                                (("--fail-under-branches", "75.01"), 14), (("--fail-under-branches=0",), 0)):
            self.assertEqual(status, self.with_options(*options)[0], options)
        _, text, said = self.with_options("--fail-under-branches", "99.5")
        self.assertIn("75.0000 % of branches are covered, 99.5 % are demanded: 24.5000 too little, 1 not executed", said)
        self.assertIn("reachable, and not executed\n  toy.hpp:6, pick: never false: n < 0\n", text)
        for wrong in ("-1", "100.01", "1e2", "nan", "inf", "abc", "50%", " 50", ""):
            self.refused(2, self.with_options(f"--fail-under-lines={wrong}"))

    def test_what_cannot_be_read_or_written(self):
        (self.folder / "taken/index.html").mkdir(parents=True)
        for status, options in ((4, ["--unreachable", "nowhere"]), (4, ["--html", "/dev/null/pages"]),
                                (4, ["--html", "taken"])):
            self.refused(status, self.with_options(*options))
        self.refused(4, self.call("--from", "nowhere", "--unreachable", "/dev/null"))
        self.refused(3, self.call("--unreachable", "/dev/null"))  # no build that counts
        broken = self.folder / "broken.json"
        for text in ("", "{", "[]", '{"data":[]}', '{"data":[{"functions":[{"name":1}]}]}', '{"data":[{"functions":[]}]}'):
            broken.write_text(text)
            self.refused(2, self.call("--from", broken, "--unreachable", "/dev/null"))

    def test_names_of_files_are_text_and_nothing_else(self):
        name = "\x1b[31m\u202e.json"
        self.refused(4, self.call("--from", name))
        self.list.rename(self.folder / name)
        for text in self.call("--from", name)[2], self.with_options("--unreachable", name)[1]:
            self.assertIn("\\x1b[31m\\u202e.json", text)
            self.assertNotRegex(text, "[\x1b\u202e]")

    def test_the_page(self):
        self.assertEqual(0, self.with_options("--html", "new/pages")[0])
        page = (self.folder / "new/pages/index.html").read_text()
        for part in ("toy.hpp                 3/3  100.00", "toy.hpp:6, pick: never false: n &lt; 0", "as far as we know"):
            self.assertIn(part, page)
        self.assertNotRegex(page, "<script|http|src=")  # it loads nothing


if __name__ == "__main__":
    unittest.main()
