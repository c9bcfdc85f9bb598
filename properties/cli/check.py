# SPDX-License-Identifier: Apache-2.0
"""`check`: what it counts, several processes, JUnit, demanded coverage, histograms, the hash of all states, soaks."""
import re
import signal
import subprocess
import time
import xml.etree.ElementTree

import cli

COUNTS = "check --cases 20 --ops 100"


class Check(cli.Cli):
    def test_nothing_found(self):
        self.ok(COUNTS, ["^20 cases, 2000 ops in .* ops per second$", "^alloc +[0-9]+ +0 ",
                         "^fit types +full [0-9]+  left_edge [0-9]+  right_edge [0-9]+  no_edge [0-9]+$",
                         "^errors +invalid_argument [0-9]+ ", "^purges +on limit [0-9]+  on exhaustion [0-9]+$",
                         "^ok: no violation$"])
        self.ok(f"{COUNTS} --json",
                '^{"subject":"vmap","seed":20240229,"checking":"amortized","cases":20,"ops":2000,.*"verdict":"ok"}$')
        self.files("vmapcheck-failures", 0)

    def test_seeds(self):
        def counts(options):
            return [line for line in self.ok(f"{COUNTS} {options}").out.splitlines() if " in " not in line]
        self.assertEqual(counts(""), counts("--seed 20240229"))
        self.assertNotEqual(counts(""), counts("--seed 2"))
        self.ok("check --cases 3 --ops 10 --seed random --checking every-step")
        self.ok("check --time 100ms --ops 10", err=None)

    def test_interrupted(self):
        for sent in (signal.SIGINT, signal.SIGTERM):
            process = self.start("check --time 30s")
            time.sleep(1)
            said = self.end(process, sent, 5)
            self.says(said.out, ["^fit types "], said)
            self.says(said.err, "interrupted", said)

    def test_its_children_end_with_it(self):
        def running():
            found = subprocess.run(["pgrep", "-r", "R,S,D", "-f", f"vmapcheck .*{self.scratch}"], capture_output=True)
            return found.stdout.split()
        process = self.start(f"check --subject fault_recursion --time 60s --seed 3 --ops 2 -o {self.scratch}/found")
        self.eventually(lambda: len(running()) >= 2)
        self.end(process, signal.SIGKILL)
        self.eventually(lambda: not running(), 2)

    def test_histograms(self):
        said = self.ok("check --cases 50 --stats", [
            "^ops that were performed", "^sizes asked for, in granules: ", "^alignments asked for", "^fit types$",
            "^coalescing$", "^busy and lazily freed areas", "^free blocks, after each op: ", "^depth of the tree",
            "^nodes visited", "^  no_edge +[0-9]+ +[0-9.]+% #+$", r"^  2\^10 +[0-9]+ ", r"^  2\^48\.\.2\^63 +[0-9]+ "])
        histograms = said.out[said.out.index("ops that"):]
        self.assertTrue(histograms.isascii())
        self.assertLessEqual(max(map(len, histograms.splitlines())), 80)
        counted = self.ok("check --cases 50 --stats --json").json
        its = counted["histograms"]
        self.assertEqual([50000] * 3, [sum(its["ops"].values()), its["free_blocks"]["count"],
                                       sum(bucket["count"] for bucket in its["nodes_visited"]["buckets"])])
        self.assertEqual(its["free_blocks"]["max"], counted["coverage"]["free_blocks_max"])
        coverage = counted["coverage"]
        for group in "errors", "fits":
            by_op = [op[group] for op in coverage["ops"].values()]
            self.assertEqual(coverage[group], {name: sum(op[name] for op in by_op) for name in coverage[group]})
        self.ok("check --cases 5 --ops 50 --subject model --stats", ["^  nothing$"])

    def test_hash_of_states(self):
        command = "check --cases 30 --ops 300 --seed 5"
        first = self.ok(f"{command} --json").json["states_hash"]
        self.assertRegex(first, "^0x[0-9a-f]{16}$")
        for process in [self.start(f"{command} --json") for _ in range(2)]:
            self.assertEqual(first, self.end(process, status=0).json["states_hash"])
        self.ok(f"{command} --stats", [f"^states hash  {first}$"])
        self.assertNotEqual(first, self.ok(f"{command} --seed 6 --json").json["states_hash"])
        self.ok("check --time 100ms --stats", ["^states hash  none: the run was cut short$"], None)
        self.assertIsNone(self.ok("check --time 100ms --json", err=None).json["states_hash"])

    def test_warnings(self):
        warning = "^vmapcheck: warning: [0-9]+% of 3000 states stayed small: there were fewer than 4 free blocks$"
        self.ok("check --cases 1000 --ops 3", None, warning)
        self.assertEqual(1, len(self.ok("check --cases 1000 --ops 3 --json", None, warning).json["warnings"]))
        self.ok("check --cases 100")


class Jobs(cli.Cli):
    TIMES = ("seconds", "ops_per_second")

    def test_change_nothing_but_the_time(self):
        for command, status in (("check --cases 200 --ops 1000", 0),
                                ("check --subject fault_destructor --no-minimize --no-saved -o found", 10),
                                ("check --subject fault_hole_cache --ops 300 --no-minimize --no-saved -o found", 10)):
            reports = [self.ends(status, f"{command} --json -j {jobs}").json for jobs in (1, 2, 3, 8)]
            for report in reports:
                self.assertTrue(all(report.pop(name) > 0 for name in self.TIMES))
            for report in reports[1:]:
                self.assertEqual(reports[0], report, command)

    def test_interrupted(self):
        for sent in (signal.SIGINT, signal.SIGTERM):
            process = self.start("check --time 60s -j 3 --output-junit check.xml")
            time.sleep(1)
            said = self.end(process, sent, 5)
            self.says(said.out, ["^fit types "], said)
            self.says(said.err, "interrupted", said)
            self.assertGreater(int(said.found("^([0-9]+) cases, ")[0]), 3)
            self.holds("check.xml", '<skipped message="interrupted" />')

    def test_its_processes_end_with_it(self):
        def running():
            found = subprocess.run(["pgrep", "-r", "R,S,D", "-f", f"vmapcheck .*{self.scratch}"], capture_output=True)
            return found.stdout.split()
        process = self.start(f"check --time 60s -j 3 -o {self.scratch}/found")
        self.eventually(lambda: len(running()) >= 7)  # it, three, and a child of each
        self.end(process, signal.SIGKILL)
        self.eventually(lambda: not running(), 5)

    def test_demands_and_time(self):
        self.ends(14, "check --time 300ms -j 3 --require 'cases>=1000m' --stats", ["^  MISSED  cases", "^fit types$"])

    def test_refused(self):
        self.refuses(2, {"check -j 0": "^vmapcheck: --jobs: expected a number from 1 to 1024, found '0'",
                         "check -j many": "^vmapcheck: --jobs: expected"})


class JUnit(cli.Cli):
    def cases(self):
        """Of check.xml: each case with its outcome."""
        (suite,) = xml.etree.ElementTree.parse("check.xml").getroot()
        cases = suite.findall("testcase")
        outcomes = [next((child.tag for child in case if child.tag != "system-out"), "passed") for case in cases]
        self.assertEqual([str(len(cases)), *(str(outcomes.count(tag)) for tag in ("failure", "skipped"))],
                         [suite.get(key) for key in ("tests", "failures", "skipped")])
        return [(case.get("classname"), case.get("name"), outcome) for case, outcome in zip(cases, outcomes)], suite

    def test_nothing_found(self):
        self.ok(f"{COUNTS} --output-junit check.xml", ["^ok: no violation$"])
        cases, suite = self.cases()
        self.assertEqual([("vmapcheck.check", "random traces", "passed")], cases)
        self.assertIn("20 cases, 2000 ops", suite.find("testcase/system-out").text)
        self.assertLessEqual({("seed", "20240229"), ("ops", "2000")},
                             {(one.get("name"), one.get("value")) for one in suite.iter("property")})
        self.assertLess(0, float(suite.get("time")))

    def test_demands(self):
        self.ends(14, f"{COUNTS} --output-junit check.xml --require 'ops==2000' --require 'fit.no_edge>=100%'")
        cases, suite = self.cases()
        self.assertEqual(["passed", "passed", "failure"], [outcome for _, _, outcome in cases])
        self.assertEqual(("vmapcheck.demands", "fit.no_edge>=100%", "failure"), cases[2])
        self.assertRegex(suite.find("testcase/failure").get("message"), r"^reached: [0-9.]+%$")

    def test_found_and_then_saved(self):
        self.ends(10, "check --subject seed_2019 -o found --output-junit check.xml")
        for before in (["passed"], ["skipped"]):  # the run; then it is not run
            cases, suite = self.cases()
            self.assertEqual([*before, "failure"], [outcome for _, _, outcome in cases])
            self.assertEqual(("vmapcheck.findings", "answer"), cases[1][:2])
            failure = suite.find("testcase/failure")
            self.assertRegex(failure.get("message"), "^violation of answer at step 0: alloc a0 ")
            self.says(failure.text, ["^violation of answer", f"^replay: .* replay --subject seed_2019 {self.only('found/*.trace')}"],
                      failure.text)
            self.ends(10, "check --subject seed_2019 -o found --output-junit check.xml")

    def test_a_death(self):
        self.ends(10, "check --subject fault_exit_zero --no-minimize -o found --output-junit check.xml")
        self.assertEqual(("vmapcheck.findings", "exit 0", "failure"), self.cases()[0][1])

    def test_what_else_can_be(self):
        self.refuses(2, {"check --output-junit -": "^vmapcheck: --output-junit: a file"})
        self.refuses(4, {"check --output-junit missing/check.xml": "^vmapcheck: cannot write missing/check.xml"})
        # Full where it is written: what was found counts more.
        self.ends(4, f"{COUNTS} --output-junit /dev/full", None, ["^vmapcheck: cannot write /dev/full"])
        self.ends(10, "check --subject seed_2019 --no-minimize -o found --output-junit /dev/full", None,
                  ["^vmapcheck: cannot write /dev/full"])


class Demands(cli.Cli):
    def test_met(self):
        self.ok("check --cases 100 --require 'fit.no_edge>=1%' --require 'free_blocks.max >= 100' --require 'tree_depth.max>=5'", [
            "^demanded$", r"^  met     fit\.no_edge>=1%      +[0-9.]+% \([0-9]+ of [0-9]+ placements\)$",
            r"^  met     free_blocks\.max>=100  [0-9]+$", r"^  met     tree_depth\.max>=5 +[0-9]+$",
            "^ok: no violation$"])
        said = self.ok("check --cases 100 --json --require 'ops==100k' --require 'error.no_space>0%'", '"verdict":"ok"')
        ops, no_space = said.json["demands"]
        self.assertEqual(("ops==100k", 100000, None, True),
                         tuple(ops[key] for key in ("demand", "reached", "whole", "met")))
        self.assertEqual(("error.no_space>0%", True), (no_space["demand"], no_space["met"]))
        self.assertAlmostEqual(no_space["percent"], 100 * no_space["reached"] / no_space["whole"])
        self.assertNotIn("demanded", self.ok("check --cases 1 --ops 10").out)

    def test_missed(self):
        self.ends(14,
                  "check --cases 2 --ops 10 --require 'free_blocks.max>=100k' --require 'ops==20' --require 'fit.full<0%'", [
            r"^  MISSED  free_blocks\.max>=100k  [0-9]+$", "^  met     ops==20 ",
            "^coverage missed: no violation, but 2 of 3 demands not met$"])
        said = self.ends(14, "check --cases 2 --ops 10 --require 'free_blocks.max>=100k' --json",
                         '"verdict":"coverage_missed"')
        self.assertEqual([False], [demand["met"] for demand in said.json["demands"]])
        # A subject that has no tree has no depth, and no part of nothing is enough.
        self.ends(14,
                  "check --subject model --cases 2 --ops 10 --require 'tree_depth.max<=99' --require 'tree.link_inner_left<=100%'",
                  [r"tree_depth\.max<=99 +not measured", r"tree\.link_inner_left<=100% +no all tree\.link_\*$"])

    def test_refused(self):
        for bad in ("ops", "ops=1", "ops>=", "ops>=-1", "ops>=1x", ">=1", "", "ops>=1%", "fit.full>=101%"):
            self.refuses(2, {f"check --require '{bad}'": "^vmapcheck: --require"})
        self.refuses(2, {
            "check --require 'fit.noedge>=1%'": "there is no 'fit.noedge': did you mean fit.no_edge.*--require help lists all",
            # Before anything is run, also where another demand is right.
            "check --time 1h --require 'ops>=1' --require 'zebra>=1'": "there is no 'zebra'",
            "check --require": "require"})

    def test_each_name_that_is_listed_is_one(self):
        said = self.ok("check --require help", [
            r"^fit.no_edge .*; % of placements$", "^free_blocks.max  ", "^op.alloc-at.skipped  ",
            "^tree.fix_outer_nephew_left  ", "^nodes_visited.mean  "])
        self.assertLessEqual(max(map(len, said.out.splitlines())), 140)
        names = re.findall(r"^(\S+)  ", said.out.split("\n\n", 1)[1], re.MULTILINE)
        self.assertGreater(len(names), 100)
        demands = [word for name in names for word in ("--require", f"{name}>=0")]
        said = self.end(self.start(["check", "--cases", "1", "--ops", "1", "--json", *demands]))
        self.assertIn(said.status, (0, 14), said)

    def test_a_violation_comes_first(self):
        command = "check --subject canary_answer --no-minimize --no-saved --require 'free_blocks.max>=100k' -o found"
        self.ends(10, command, ["MISSED  free_blocks"])
        self.ends(10, f"{command} --json", '"verdict":"violation"')


class Soak(cli.Cli):
    def test_figures(self):
        self.ok("check --live 10000 --ops 60000 --require 'areas.max>=10k' --require 'free_blocks.max>=1k'", [
            r"^areas +at most [0-9]+, median \S+$",
            r"^nodes visited +at most [0-9]+, median \S+ by an op, [0-9.]+ on average$"])
        soak = self.ok("check --live 1000 --ops 5000 --json").json["soak"]
        self.assertEqual(["areas", "free_blocks", "tree_depth", "nodes_visited"], list(soak))

    def test_a_violation(self):
        self.ends(10, "check --subject canary_memory --live 5000 --ops 50000 --minimize-time 2s -o found",
                  ["^violation of memory "])
        self.holds(self.only("found/*.trace"),
                   "^# Found by vmapcheck check --subject canary_memory --seed [0-9]+ --live 5000 --ops [0-9]+;")

    def test_refused(self):
        self.refuses(2, {"check --live 1000 --cases 2": "soak is one case",
                         "check --live 1000 --checking every-step": "not checked in full",
                         "check --live 1": "expected a number from 64", "check --ops 10000001": "--live is for more"})
