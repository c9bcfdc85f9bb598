#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""coverage_test.py VMAPCHECK: what `coverage` makes of what llvm-cov says, without a build that counts.

Writes a small source, and what `llvm-cov export` would say of it, and looks at the report: which instantiations count,
what the list of what is unreachable does and where it is wrong, which percentages are demanded and missed, and the exit
status of each. Prints each check that failed; the last line counts them.
"""
import copy
import json
import os
import pathlib
import subprocess
import sys
import tempfile

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
# Lines and columns of the pieces: the body, the two that return, and what comes behind each.
BODY, FIRST, SECOND, BEHIND = (3, 44, 9, 2), (5, 5, 5, 13), (7, 5, 7, 13), (8, 3, 9, 2)
POSITIVE, NEGATIVE, NOT_ONE = (4, 7, 4, 12), (6, 7, 6, 12), (6, 16, 6, 23)
OURS = "_ZN4vmap17BasicAddressSpaceINS_9FreeSpaceEE4pickEi"
FOREIGN = "_ZN4vmap17BasicAddressSpaceINS_6BrokenEE4pickEi"
PLAIN = "_ZN4vmap5twiceEv"
EQUAL = "_ZN4vmapeqEii"

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
    all_of_them = positive + negative + other
    below = negative + other
    region = lambda span, count, kind=0: [*span, count, 0, 0, kind]
    branch = lambda span, true, false: [*span, true, false, 0, 0, 4]
    return {
        "name": name, "count": all_of_them, "filenames": ["@/toy.hpp"],
        "regions": [region(BODY, all_of_them), region(FIRST, positive), region(SECOND, other), region(BEHIND, 0),
                    # Between a condition and what follows on the next line, clang has a gap.
                    region((4, 13, 5, 5), positive, 3), region((5, 13, 6, 3), below, 3),
                    region((6, 24, 7, 5), other, 3), region((7, 13, 8, 3), 0, 3)],
        "branches": [branch(POSITIVE, positive, below), branch(NEGATIVE, below, 0), branch(NOT_ONE, other, negative)],
    }


def plain(name, line, count, branches=()):
    return {"name": name, "count": count, "filenames": ["@/toy.hpp"],
            "regions": [[line, 13, line, 26, count, 0, 0, 0]], "branches": list(branches)}


class Tests:
    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.checks = self.failed = 0
        self.sources = folder / "allocator/vmap"
        self.sources.mkdir(parents=True)
        (self.sources / "toy.hpp").write_text(SOURCE)
        self.write_list(LIST)

    def write_list(self, text):
        (self.folder / "unreachable.txt").write_text(text)

    def run(self, functions, *options):
        """The status, the report (JSON, or text where that is not wanted), and what was said on standard error."""
        functions = copy.deepcopy(functions)
        for function in functions:
            function["filenames"] = [name.replace("@", str(self.sources)) for name in function["filenames"]]
        export = self.folder / "export.json"
        export.write_text(json.dumps({"data": [{"functions": functions, "files": [], "totals": {}}],
                                      "type": "llvm.coverage.json.export", "version": "2.0.1"}))
        return self.call("--from", export, "--unreachable", self.folder / "unreachable.txt", *options)

    def call(self, *options):
        environment = {name: value for name, value in os.environ.items() if name != "VMAPCHECK_COVERAGE_DIR"}
        done = subprocess.run([self.program, "coverage", *map(str, options)], cwd=self.folder, text=True,
                              capture_output=True, env=environment)
        return done.returncode, done.stdout, done.stderr

    def check(self, what, holds, found=""):
        self.checks += 1
        if not holds:
            self.failed += 1
            print(f"{what}: {found}")

    def expect(self, what, expected, found):
        self.check(what, expected == found, f"expected {expected!r}, found {found!r}")

    # ---- What counts ----

    def counts_only_what_is_the_allocators(self):
        functions = [pick(OURS, 0, 1, 0), pick(FOREIGN, 7, 7, 7)]
        status, text, _ = self.run(functions, "--json")
        report = json.loads(text)
        self.write_list("")
        bare = json.loads(self.run(functions, "--json")[1])
        self.write_list(LIST)
        self.expect("status", 0, status)
        self.expect("left out", 1, report["instantiations_left_out"])
        self.expect("lines without a list", {"covered": 3, "total": 7}, counted(bare["lines"]))
        self.expect("branches without a list", {"covered": 3, "total": 6}, counted(bare["branches"]))
        missed = [(one["line"], one["what"], one["text"]) for one in bare["missed"]]
        self.expect("missed", [(4, "true", "n > 0"), (5, "line", "return 1;"), (6, "false", "n < 0"),
                               (6, "true", "n != -1"), (7, "line", "return 2;"), (8, "line", "std::unreachable();"),
                               (9, "line", "}")], missed)
        self.expect("function", {"pick"}, {one["function"] for one in bare["missed"]})
        self.expect("lines of what is reachable", {"covered": 3, "total": 3}, counted(report["lines"]))
        self.expect("branches of what is reachable", {"covered": 3, "total": 4}, counted(report["branches"]))
        self.expect("still missed", [(6, "n < 0")], [(one["line"], one["text"]) for one in report["missed"]])
        reasons = {one["line"]: one["because"] for one in report["unreachable"]}
        self.expect("a reason of two lines", "nothing is positive, as far as we know", reasons[5])
        self.expect("what closes the block behind", "it is", reasons[9])

    def adds_up_instantiations_and_programs(self):
        both = [pick(OURS, 0, 1, 0), pick(OURS, 0, 1, 0), plain(PLAIN, 10, 3)]
        report = json.loads(self.run(both, "--json")[1])
        self.expect("lines of two programs and a function", {"covered": 4, "total": 4}, counted(report["lines"]))
        lambdas = OURS.replace("_ZN", "_ZZN").replace("4pickEi", "4pickEiENKUlvE_clEv")
        report = json.loads(self.run([pick(OURS, 0, 1, 0), pick(lambdas, 0, 1, 1)], "--json",
                                     "--unreachable", "/dev/null")[1])
        self.expect("lines of two instantiations", {"covered": 4, "total": 7}, counted(report["lines"]))

    def leaves_out_comments(self):
        twice = plain(PLAIN, 10, 1)
        twice["regions"] = [[10, 13, 13, 2, 1, 0, 0, 0], [11, 3, 11, 30, 0, 0, 0, 2]]
        report = json.loads(self.run([pick(OURS, 0, 1, 0), twice], "--json")[1])
        self.expect("lines with a comment", {"covered": 6, "total": 6}, counted(report["lines"]))

    def leaves_out_what_clang_does_not_count(self):
        always = [[14, 13, 14, 14, 5, 0, 0, 0, 4]]
        report = json.loads(self.run([pick(OURS, 0, 1, 0), plain(EQUAL, 14, 5, always)], "--json")[1])
        self.expect("branches with a defaulted comparison", {"covered": 3, "total": 4}, counted(report["branches"]))
        self.expect("lines with a defaulted comparison", {"covered": 4, "total": 4}, counted(report["lines"]))

    # ---- The list ----

    def finds_what_is_excluded_and_executed(self):
        status, _, said = self.run([pick(OURS, 1, 1, 0)])
        self.expect("status of an entry that was executed", 2, status)
        self.expect("lines on standard error", 2, said.count("\n"))
        self.check("the line of an outcome", "unreachable.txt:3: toy.hpp, pick: true n > 0: is reachable: it was executed" in said, said)
        self.check("the line of a line", "unreachable.txt:4: toy.hpp, pick: line return 1;: is reachable: it was executed" in said, said)

    def finds_what_matches_nothing(self):
        for entry in ("line  return 3;", "true  n > 1", "false  n >0", "line  return"):
            self.write_list(f"toy.hpp, pick\n  {entry}\n  because  so\n")
            status, _, said = self.run([pick(OURS, 0, 1, 0)])
            self.expect(f"status of {entry}", 2, status)
            self.check(f"what is said of {entry}", "unreachable.txt:2:" in said and "matches nothing" in said, said)
        for place in ("toy.cpp, pick", "toy.hpp, twice"):
            self.write_list(f"{place}\n  line  return 1;\n  because  so\n")
            status, _, said = self.run([pick(OURS, 0, 1, 0), plain(PLAIN, 10, 1)])
            self.expect(f"status in {place}", 2, status)
        self.write_list(LIST)

    def follows_the_text_where_lines_move(self):
        moved = lambda spans: [[span[0] + 2, span[1], span[2] + 2, *span[3:]] for span in spans]
        function = pick(OURS, 0, 1, 0)
        function["regions"], function["branches"] = moved(function["regions"]), moved(function["branches"])
        (self.sources / "toy.hpp").write_text("//\n//\n" + SOURCE)
        status, text, _ = self.run([function], "--json")
        self.expect("status of lines that moved", 0, status)
        self.expect("lines that moved", {"covered": 3, "total": 3}, counted(json.loads(text)["lines"]))
        (self.sources / "toy.hpp").write_text(SOURCE)

    def refuses_a_list_that_is_none(self):
        for text, line in (("toy.hpp\n", 1), ("  line x\n", 1), ("toy.hpp, pick\n  line x\n", 2),
                           ("toy.hpp, pick\n  because so\n", 2), ("toy.hpp, pick\n  lines x\n  because so\n", 2),
                           ("toy.hpp, pick\n  line x\ntoy.hpp, twice\n", 3)):
            self.write_list(text)
            status, out, said = self.run([pick(OURS, 0, 1, 0)])
            self.expect(f"status of {text!r}", 2, status)
            self.check(f"place of {text!r}", f"unreachable.txt:{line}: expected " in said, said)
            self.expect(f"report with {text!r}", "", out)
        self.write_list(LIST)

    # ---- Percentages and files ----

    def demands_percentages(self):
        functions = [pick(OURS, 0, 1, 0)]
        for options, expected in ((("--fail-under-lines", "100", "--fail-under-branches", "75"), 0),
                                  (("--fail-under-branches", "75.01"), 14), (("--fail-under-branches=0"), 0)):
            options = (options,) if isinstance(options, str) else options
            self.expect(f"status of {options}", expected, self.run(functions, *options)[0])
        _, text, said = self.run(functions, "--fail-under-branches", "99.5")
        self.check("by how much", "75.0000 % of branches are covered, 99.5 % are demanded: 24.5000 too little, 1 not "
                   "executed" in said, said)
        self.check("the report comes all the same", "reachable, and not executed" in text, text)
        for wrong in ("-1", "100.01", "1e2", "nan", "inf", "abc", "50%", " 50", ""):
            for option in ("--fail-under-lines", "--fail-under-branches"):
                status, _, said = self.run(functions, f"{option}={wrong}")
                self.expect(f"status of {option}={wrong}", 2, status)
                self.expect(f"lines said of {option}={wrong}", 1, said.count("\n"))

    def says_what_it_cannot_read_or_write(self):
        unreadable = self.folder / "nowhere"
        self.expect("status without the file", 4, self.call("--from", unreadable, "--unreachable", "/dev/null")[0])
        self.expect("status without the list", 4, self.run([pick(OURS, 0, 1, 0)], "--unreachable", unreadable)[0])
        broken = self.folder / "broken.json"
        for text in ("", "{", "[]", '{"data":[]}', '{"data":[{"functions":[{"name":1}]}]}',
                     '{"data":[{"functions":[]}]}'):
            broken.write_text(text)
            status, _, said = self.call("--from", broken, "--unreachable", "/dev/null")
            self.expect(f"status of {text!r}", 2, status)
            self.expect(f"lines said of {text!r}", 1, said.count("\n"))
        self.expect("status of pages that cannot be written", 4,
                    self.run([pick(OURS, 0, 1, 0)], "--html", "/dev/null/pages")[0])
        self.expect("status of a page that cannot be replaced", 4, self.page_over_a_directory())
        self.expect("status without a build that counts", 3, self.call("--unreachable", "/dev/null")[0])
        self.expect("status with another subject", 2, self.run([pick(OURS, 0, 1, 0)], "--subject", "seed_2019")[0])

    def page_over_a_directory(self):
        (self.folder / "taken/index.html").mkdir(parents=True)
        return self.run([pick(OURS, 0, 1, 0)], "--html", self.folder / "taken")[0]

    def writes_a_page(self):
        status, _, _ = self.run([pick(OURS, 0, 1, 0)], "--html", self.folder / "new/pages")
        page = (self.folder / "new/pages/index.html").read_text()
        self.expect("status of a page", 0, status)
        self.check("the page has the file", "<td>toy.hpp</td><td>3/3</td>" in page, page)
        self.check("the page has what is missed", "never false: <code>n &lt; 0</code>" in page, page)
        self.check("the page has reasons", "as far as we know" in page, page)
        self.check("the page loads nothing", "<script" not in page and "http" not in page and "src=" not in page, page)


def counted(ratio):
    return {"covered": ratio["covered"], "total": ratio["total"]}


def main():
    with tempfile.TemporaryDirectory() as folder:
        tests = Tests(sys.argv[1], pathlib.Path(folder))
        for test in (tests.counts_only_what_is_the_allocators, tests.adds_up_instantiations_and_programs,
                     tests.leaves_out_comments, tests.leaves_out_what_clang_does_not_count, tests.finds_what_is_excluded_and_executed,
                     tests.finds_what_matches_nothing, tests.follows_the_text_where_lines_move,
                     tests.refuses_a_list_that_is_none, tests.demands_percentages,
                     tests.says_what_it_cannot_read_or_write, tests.writes_a_page):
            test()
    print(f"{tests.checks} checks, {tests.failed} failed")
    return 1 if tests.failed else 0


if __name__ == "__main__":
    sys.exit(main())
