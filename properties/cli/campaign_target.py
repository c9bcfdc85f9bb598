# SPDX-License-Identifier: Apache-2.0
"""`campaign` with a real fuzz target: campaigns of seconds are run, found out, and killed."""
import json
import os
import pathlib
import random
import shutil
import signal
import time

import cli


class Campaign(cli.Cli):
    def setUp(self):
        if not self.target:
            self.skipTest("no fuzz target")
        super().setUp()

    def campaign(self, status, options, out=None, err=None, target=None):
        return self.ends(status, self.words(options, target), out, err, VMAPCHECK_SOURCE_DIR=str(cli.SOURCE))

    def words(self, options, target=None):
        return ["campaign", "--seed", cli.SEED, "--target", target or self.target, *options.split()]

    def begin(self, options):
        return self.start(self.words(options), VMAPCHECK_SOURCE_DIR=str(cli.SOURCE))

    def killed(self, options, seconds):
        process = self.begin(options)
        time.sleep(seconds)
        self.end(process, signal.SIGKILL)
        time.sleep(0.3)

    def state(self, directory):
        return json.loads(pathlib.Path(directory, "campaign.json").read_text())

    def test_a_planted_fault_is_found_and_fixed(self):
        self.campaign(10, "--time 60s -j 2 --stop-on-first --subject canary_coalescing --dir planted",
                      ["^found: coalescing after ", "^new: coalescing, met "])
        trace = self.only("planted/findings/*-coalescing-*.trace")
        self.ends(10, f"replay --subject canary_coalescing {trace}", ["^violation of coalescing "])
        self.only("planted/findings/*-coalescing-*.md")
        # What was found with one build and fails no more with another is fixed; a stand-in for a build is another file.
        shutil.copy(self.target, "other_build")
        with open("other_build", "a") as other:
            other.write(" ")
        self.campaign(10, "--execs 100 -j 1 --subject canary_coalescing --dir planted", err=["built anew"],
                      target="./other_build")
        # As an earlier version wrote it, without a checksum.
        old = {**self.state("planted"), "subject": "vmap", "build": "x", "format": 1}
        del old["checksum"]
        self.write("planted/campaign.json", json.dumps(old))
        self.campaign(0, "--execs 100 -j 1 --dir planted", ["^fixed: coalescing"], ["coalescing is fixed"])

    def test_it_goes_past_what_is_known(self):
        """A shallow fault must not stop the search, whether it answers wrongly or kills."""
        for subject in ("canary_answer", "fault_null_root"):
            self.campaign(10, f"--execs 3000 -j 1 --subject {subject} --dir {subject}")
            state = self.state(subject)
            self.assertEqual(1, len(state["findings"]))
            totals = state["totals"]
            self.assertTrue(totals["skipped"] > 100 and totals["restarts"] <= 2 and totals["executions"] >= 3000,
                            totals)

    def test_known_signatures(self):
        self.write("known.txt", "# known\n\nanswer \n")
        said = self.campaign(11, "--execs 500 -j 1 --subject canary_answer --known known.txt --dir known",
                             ["^known: answer, met [0-9]+ times$"])
        self.assertEqual([], said.found("^found:"))

    def test_it_counts_truthfully(self):
        self.campaign(0, "--execs 2000 -j 2 --dir truth")
        logs = "".join(pathlib.Path(log).read_text() for log in self.files("truth/worker-*.log"))
        by_the_engine = sum(int(line.split()[1]) for line in logs.splitlines()
                            if line.startswith("stat::number_of_executed_units:"))
        # Each of the two workers may have been ended within an input, which the engine has counted at its begin.
        self.assertIn(by_the_engine - self.state("truth")["totals"]["executions"], (0, 1, 2))

    def test_a_worker_that_is_killed_within_an_input_is_no_finding(self):
        process = self.begin("--time 15s -j 1 --dir shot")
        time.sleep(2)
        for sent in (signal.SIGKILL, signal.SIGTERM):
            time.sleep(2)
            worker = int(pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text())
            self.stop_within_an_input(worker)
            os.kill(worker, sent)
            os.kill(worker, signal.SIGCONT)
        said = self.end(process, status=0)
        self.says(said.out, ["^2 workers were killed from outside$", "^ok: nothing found$"], said)

    def stop_within_an_input(self, worker):
        """The size of the input that is being run stands before the signature and the input, at the end of the tally."""
        for _ in range(300):
            os.kill(worker, signal.SIGSTOP)
            time.sleep(0.02)
            if pathlib.Path("shot/tally-0").read_bytes()[-(1 << 20) - 512 - 8:][:8] != bytes(8):
                return
            os.kill(worker, signal.SIGCONT)
            time.sleep(0.01)

    def test_a_bit_that_has_changed_is_noticed(self):
        """Wherever it is in a tally: the other copy is used, or the loss is said."""
        self.killed("--time 60s -j 1 --dir bits", 5)
        whole, tally = self.ok("campaign status bits --json").json, pathlib.Path("bits/tally-0").read_bytes()
        executions = whole["totals"]["executions"]
        chance, losses = random.Random(7), 0
        for k in range(60):
            changed = bytearray(tally)
            for _ in range(1 + k % 3):
                changed[chance.randrange(24 if k % 4 == 0 else 6000)] ^= 1 << chance.randrange(8)
            self.write("bits/tally-0", bytes(changed))
            now = self.ok("campaign status bits --json").json
            if now["losses"]:
                losses += 1
            elif now["totals"]["executions"] == executions:
                self.assertEqual(*([one["totals"][key] for key in ("ops", "counters")] for one in (whole, now)))
            else:  # one copy lacks what was counted last
                self.assertEqual(executions - 1, now["totals"]["executions"])
        self.assertGreater(losses, 0)

    def test_it_is_killed_twice(self):
        """What was counted, kept and found before is there afterwards."""
        kept = [set()]
        for seconds in (4, 5):
            self.killed("--time 60s -j 2 --subject canary_answer --dir killed", seconds)
            executions = self.ends(10, "campaign status killed --json").json["totals"]["executions"]
            self.assertGreater(executions, 0)
            kept.append(set(self.files("killed/corpus/*")))
        earlier = self.state("killed")["before"]["executions"]
        self.campaign(10, "--execs 1 -j 1 --subject canary_answer --dir killed",
                      ["^new: answer, met [0-9]+ times, [0-9]+ ops? in killed/findings/"])
        kept.append(set(self.files("killed/corpus/*")))
        self.assertTrue(kept[1] <= kept[2] <= kept[3] and len(kept[2]) > 10)
        self.assertTrue(0 < earlier < executions)
        self.assertEqual(executions, self.state("killed")["before"]["executions"])
        self.assertEqual(1, len(self.state("killed")["findings"]))
