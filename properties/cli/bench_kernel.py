# SPDX-License-Identifier: Apache-2.0
"""`bench kernel`, of the program vmapcheck_bench: what it runs, what it says, and how it ends. What a test asks for is seen
in properties/kernel_tests_test.cpp."""
import os
import signal
import time

import cli
import loaded

TESTS = ("fix_size", "full_fit", "long_busy_list", "hole_in_front", "random_size", "fix_align", "random_size_align",
         "align_shift", "pcpu", "lazy_free", "lazy_free_batch", "map_ram", "eight_workers")
OURS = ("hole_in_front", "eight_workers")
CORES = len(os.sched_getaffinity(0))


def summary(name, passed=3, failed=0, loops=5):
    return rf"^Summary: {name} passed: {passed} failed: {failed} repeat: {passed + failed} loops: {loops} avg: \d+ usec$"


class Kernel(cli.Cli):
    def names(self, said):
        return said.found(r"^Summary: (\w+) ")


class Measured(Kernel):
    def test_all_tests_in_their_order(self):
        said = self.ok("bench kernel --loops 5", [
            *(summary(name) for name in TESTS if name != "align_shift"), summary("align_shift", 0, 3, 1),
            r"^All tests took worker0=\d+ usec$"])
        self.assertEqual([*TESTS], self.names(said))
        self.assertEqual(len(TESTS) + 1, len(said.out.splitlines()), said)

    def test_some_by_name_or_mask(self):
        for chosen, names in (("fix_size", TESTS[:1]), ("0x11", ("fix_size", "random_size")), ("16", ("random_size",)),
                              ("pcpu,0x1,fix_size", ("fix_size", "pcpu")), ("0x1fff", TESTS)):
            self.assertEqual([*names], self.names(self.ok(f"bench kernel --loops 1 --repeat 1 --tests {chosen}")), chosen)

    def test_modes(self):
        for mode, loops, runs in (("performance", 1000000, 3), ("smoke", 10000, 10), ("stress", 1000000, 20 * CORES)):
            with self.subTest(mode):
                said = self.ok(f"bench kernel --mode {mode} --tests pcpu", [summary("pcpu", runs, 0, min(loops, 35000))])
                self.assertEqual(runs // 20 if mode == "stress" else 1, len(said.found("^All tests took worker")))

    def test_workers(self):
        said = self.ok("bench kernel --workers 3 --loops 50 --repeat 2 --tests fix_size,lazy_free,pcpu", [
            summary("fix_size", 6, 0, 50), summary("lazy_free", 6, 0, 50), summary("pcpu", 6, 0, 50)])
        self.assertEqual(["0", "1", "2"], said.found(r"^All tests took worker(\d)=\d+ usec$"))

    def test_json(self):
        said = self.ok("bench kernel --workers 2 --loops 7 --repeat 2 --json --tests fix_size,align_shift").json
        self.assertEqual(("vmap", "performance", 2, "ok", 2), (said["subject"], said["mode"], said["workers"], said["verdict"],
                                                              len(said["usec_of_workers"])))
        self.assertEqual([("fix_size", 4, 0, 4, 7), ("align_shift", 0, 4, 4, 1)],
                         [tuple(test[key] for key in ("name", "passed", "failed", "repeat", "loops")) for test in said["tests"]])
        self.assertTrue(all(test["usec"] >= 0 for test in said["tests"]))

    def test_what_fails_that_should_not(self):
        said = self.ends(10, "bench kernel --subject worn_out --loops 9 --repeat 1 --tests fix_size,align_shift",
                         [summary("fix_size", 0, 1, 9), summary("align_shift", 0, 1, 1)],
                         "^vmapcheck: 1 test failed that should not: fix_size$")
        self.assertNotIn("interrupted", said.err)
        self.assertEqual("failed", self.ends(10, "bench kernel --subject worn_out --loops 9 --tests 1 --json", None, None).json["verdict"])

    def test_what_a_subject_throws(self):
        self.refuses(3, {"bench kernel --subject fault_out_of_range --loops 9 --tests lazy_free": "^vmapcheck: a subject has thrown: "})

    def test_interrupted(self):
        running = self.start("bench kernel --subject linear_scan --tests fix_size,hole_in_front --loops 1000000")
        time.sleep(1)
        said = self.end(running, signal.SIGINT, 5)
        self.assertRegex(said.err, r"^vmapcheck: interrupted: \d of 6 runs are done\n$")
        self.assertEqual([], said.found("^Summary: hole_in_front"))
        self.assertEqual(1, len(said.found("^All tests took worker0=")))

    def test_refused(self):
        self.refuses(2, {
            "bench kernel --tests foo": "--tests: expected fix_size, .*, or a mask from 1 to 0x1fff, found 'foo'",
            "bench kernel --tests fix_sise": "did you mean fix_size",
            "bench kernel --tests 0": "found '0'", "bench kernel --tests 0x2000": "found '0x2000'",
            "bench kernel --tests fix_size,foo": "found 'foo'",
            "bench kernel --loops 0": "--loops", "bench kernel --workers 1025": "--workers", "bench kernel --mode fast": "--mode",
            "bench kernel --against frob": "--against: expected vmap,", "bench kernel --rounds 5": "--rounds requires --against",
            "bench kernel --against model --rounds 4": "--rounds: expected a number from 5",
            "bench kernel --against model --verify": "excludes", "bench kernel --against model --mode smoke": "excludes",
            "bench kernel --verify --workers 2": "^vmapcheck: --verify judges the ops of one worker",
            "bench kernel --verify --mode stress": "^vmapcheck: --verify judges the ops of one worker",
            "bench nonsense": "unknown command 'nonsense'", "check": "unknown command 'check'"})


class Verified(Kernel):
    def tool(self):
        """The command line of the same build."""
        return os.path.join(os.path.dirname(os.path.dirname(self.binary)), "tools/vmapcheck")

    def test_sound(self):
        for subject in "vmap", "linear_scan":
            said = self.ok(f"bench kernel --verify --subject {subject} --loops 20 --repeat 2 --tests 0xff0", [
                summary("random_size", 2, 0, 20), summary("align_shift", 0, 2, 1), summary("pcpu", 2, 0, 20)])
            self.assertEqual([*TESTS[4:12]], self.names(said))
            self.assertNotIn("worker", said.out)

    def test_violation(self):
        said = self.ends(10, "bench kernel --verify --subject seed_2019 --loops 20 --tests fix_size,full_fit", [
            summary("fix_size", 3, 0, 20), "^found: full_fit fails at step 49152: answer: expected 0x",
            "^# Found by vmapcheck bench kernel --verify --subject seed_2019 --seed 20240229 --tests full_fit --loops 20 --repeat 1;",
            "^ +replay +vmapcheck replay --subject seed_2019 vmapcheck-failures/"])
        self.ends(10, f"replay --subject seed_2019 {self.only('vmapcheck-failures/*.trace')}", ["^violation of answer"],
                  program=self.tool())
        self.assertEqual([], said.found("^Summary: full_fit"))

    def test_violation_in_json(self):
        said = self.ends(10, "bench kernel --verify --json --subject canary_tree --loops 20 --tests full_fit -o kept").json
        self.assertEqual(("violation", "full_fit", "tree"), (said["verdict"], said["found"]["test"], said["found"]["invariant"]))
        self.assertRegex(said["found"]["replay"], "replay --subject canary_tree kept/")
        self.only("kept/*.trace")

    def test_death(self):
        self.ends(10, "bench kernel --verify --subject fault_division --loops 20 --tests fix_size",
                  ["^found: fix_size fails at step 1: SIGFPE"])

    def test_interrupted(self):
        running = self.start("bench kernel --verify --subject linear_scan --tests fix_size,full_fit --loops 1000")
        time.sleep(1)
        said = self.end(running, signal.SIGINT, 5)
        self.assertRegex(said.err, r"^vmapcheck: interrupted: \d of 6 runs are done\n$")
        self.assertNotIn(" repeat: 6 ", said.out)


class Compared(Kernel):
    RATIO = r"\d+(?:\.\d+)?x"
    TIME = r"\d+(?:\.\d)? [num]?s"

    def test_form(self):
        """Of what stands in the rows; how fast anything is, nobody knows."""
        for against, published in (("seed_2019", False), ("linear_scan", True)):
            said = self.ok(f"bench kernel --against {against} --loops 3", [f"^{against} : vmap, processor time of a loop; median of 5 rounds"])
            rows = said.found(rf"^(\w+) +({self.RATIO}) +(?:({self.RATIO}) +)?({self.RATIO})[.][.]({self.RATIO}) +{self.TIME} +{self.TIME} +([\d,]+)$")
            self.assertEqual([*TESTS], [row[0] for row in rows], said)
            for name, ratio, of_others, lowest, highest, loops in rows:
                low, middle, high = (float(text[:-1]) for text in (lowest, ratio, highest))
                self.assertTrue(low <= middle <= high, name)
                self.assertEqual("107x" if published and name == "eight_workers" else "", of_others)
                self.assertEqual("3", loops)
            self.assertEqual(published, "published" in said.out)
            self.assertEqual([], said.found("^whole run"))  # of so few pairs it would say nothing

    def test_whole_run(self):
        chosen = ",".join(set(TESTS) - set(OURS))
        said = self.ok(f"bench kernel --against seed_2019 --loops 35000 --tests {chosen} --json").json
        rows = {test["name"]: test for test in said["tests"]}
        self.assertEqual(set(TESTS) - set(OURS), set(rows))
        for side in "seconds", "seconds_against":
            expected = sum(row[side] * {"align_shift": 1, "pcpu": 35000}.get(name, 1e6) for name, row in rows.items())
            self.assertAlmostEqual(1, said["whole_run"][side] / expected, delta=0.3)  # of medians, here and there
        self.assertEqual("ok", said["verdict"])

    def test_which_by_which(self):
        """Among an odd number of rounds there is one in which the one took at most, and the other at least, its median."""
        said = self.ok("bench kernel --against linear_scan --loops 20 --tests fix_size,hole_in_front --json").json
        for row in said["tests"]:
            self.assertLessEqual(row["ratio_lowest"], row["seconds_against"] / row["seconds"] * (1 + 1e-9), row)
            self.assertGreaterEqual(row["ratio_highest"], row["seconds_against"] / row["seconds"] * (1 - 1e-9), row)

    def test_some(self):
        said = self.ok("bench kernel --subject seed_2019 --against vmap --loops 40 --rounds 6 --tests pcpu,align_shift --seed 5 --json").json
        self.assertEqual(("seed_2019", "vmap", 5, 6), tuple(said[key] for key in ("subject", "against", "seed", "rounds")))
        self.assertEqual([("align_shift", 40), ("pcpu", 40)], [(test["name"], test["loops"]) for test in said["tests"]])
        self.assertNotIn("published", said)
        said = self.ok("bench kernel --against linear_scan --loops 1 --tests pcpu --json").json
        self.assertEqual({"cycles_one_worker": [3.35, 7.5], "time_all_cores": 107}, said["published"])

    def test_what_fails(self):
        self.refuses(10, {"bench kernel --against worn_out --loops 9 --tests fix_size": "^vmapcheck: fix_size failed on worn_out$"})

    def test_interrupted(self):
        running = self.start("bench kernel --against linear_scan --json")
        time.sleep(0.5)
        said = self.end(running, signal.SIGINT, 5)
        self.assertRegex(said.err, r"^vmapcheck: interrupted: \d of 13 tests are done\n$")
        self.assertEqual("interrupted", said.json["verdict"])


@cli.needs("g++")
class Lacking(Kernel):
    """Of a subject that has two functions alone, and refuses all."""

    def test_is_skipped_and_said(self):
        loaded.compile_subject(loaded.REFUSES, "refuses.so")
        chosen = "--tests fix_size,pcpu,lazy_free,lazy_free_batch --loops 3"
        skipped = ["^Skipped: pcpu: the subject does not place congruently$", "^Skipped: lazy_free: the subject has no lazy frees$",
                   "^Skipped: lazy_free_batch: the subject has no lazy frees$"]
        self.ends(10, f"bench kernel --subject ./refuses.so {chosen}", [summary("fix_size", 0, 3, 3), *skipped], None)
        self.ok(f"bench kernel --against ./refuses.so {chosen.replace('fix_size,', '')}",
                ["^skipped: pcpu: ./refuses.so: the subject does not place congruently$"])
        said = self.ends(10, f"bench kernel --subject ./refuses.so {chosen} --json", None, None).json
        self.assertEqual(["name", "skipped"], list(said["tests"][1]))
        self.ok("bench kernel --verify --subject ./refuses.so --tests pcpu --loops 3", skipped[0])
