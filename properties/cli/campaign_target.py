# SPDX-License-Identifier: Apache-2.0
"""`campaign` with a real fuzz target: campaigns of seconds are run, found out, and killed."""
import json
import os
import pathlib
import random
import shutil
import signal

import campaign
import cli


PATIENCE = 240  # seconds; only what never comes takes so long, however busy the machine is


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

    def killed(self, directory, options, when):
        """Once its state, as it is written each second, is so that `when` is true."""
        process = self.begin(f"--time 1h {options} --dir {directory}")
        self.eventually(lambda: process.poll() is not None or when(self.state(directory)), PATIENCE)
        self.assertIsNone(process.poll(), "it has ended")
        workers = self.workers_of(process)
        self.end(process, signal.SIGKILL)
        self.eventually(lambda: not any(map(campaign.is_alive, workers)), PATIENCE)

    def workers_of(self, process):
        """Children that run the target: what else a campaign forks runs its own program."""
        return [child for child in campaign.children_of(process.pid) if campaign.program_of(child) == self.target]

    def state(self, directory):
        """Empty where there is none yet."""
        state = pathlib.Path(directory, "campaign.json")
        return json.loads(state.read_text()) if state.exists() else {}

    def test_a_planted_fault_is_found_and_fixed(self):
        self.campaign(10, "--time 200s -j 2 --stop-on-first --subject canary_coalescing --dir planted",
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

    def test_the_program_that_only_has_campaigns(self):
        """What ./vmapcheck builds for a campaign on ours: with less in it, it finds the same."""
        lean = pathlib.Path(self.binary).parents[1] / "campaign/vmapcheck"
        if not lean.exists():
            self.skipTest(f"not built: {lean}")
        self.ends(10, self.words("--time 60s -j 1 --stop-on-first --subject seed_2019 --dir lean"),
                  ["^found: answer after ", "^new: answer, met "], None, program=lean,
                  VMAPCHECK_SOURCE_DIR=str(cli.SOURCE))
        self.only("lean/findings/*-answer-*.trace")

    def test_it_goes_past_what_is_known(self):
        """A shallow fault must not stop the search, whether it answers wrongly or kills."""
        for subject in ("canary_answer", "fault_null_root"):
            self.campaign(10, f"--execs 3000 -j 1 --subject {subject} --dir {subject}")
            state = self.state(subject)
            self.assertEqual(1, len(state["findings"]))
            totals = state["totals"]
            # A target that has survived some thousand deaths is started anew, too.
            self.assertTrue(totals["skipped"] > 100 * totals["restarts"] > 0 and totals["executions"] >= 3000, totals)

    def test_a_seed_that_ends_each_worker_does_not_stop_the_search(self):
        self.campaign(10, "--execs 5000 -j 1 --subject five_faults --dir five")
        state = self.state("five")
        self.assertGreater(state["edges"], 0)  # a worker says them once it is past the seeds
        self.assertGreaterEqual(len(state["findings"]), 3)

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
        process = self.begin("--time 1h -j 1 --dir shot")
        for killed, sent in enumerate((signal.SIGKILL, signal.SIGTERM), 1):
            worker = self.eventually(lambda: self.stopped_within_an_input(process), PATIENCE)
            os.kill(worker, sent)
            os.kill(worker, signal.SIGCONT)
            self.eventually(lambda: self.state("shot")["totals"]["killed"] == killed, PATIENCE)
        said = self.end(process, signal.SIGINT, status=5)  # interrupted, and nothing found
        self.says(said.out, ["^2 workers were killed from outside$"], said)

    def stopped_within_an_input(self, process):
        """The worker; nothing if there is none, or it is not within an input. The size of the input that is being run
        stands before the signature and the input, at the end of the tally."""
        tally = pathlib.Path("shot/tally-0")
        for worker in self.workers_of(process) if tally.exists() else ():  # before, the target is only tried
            os.kill(worker, signal.SIGSTOP)
            self.eventually(lambda: campaign.state_of(worker) in "TZ")
            if tally.read_bytes()[-(1 << 20) - 512 - 8:][:8] != bytes(8):
                return worker
            os.kill(worker, signal.SIGCONT)
        return None

    def test_a_bit_that_has_changed_is_noticed(self):
        """Wherever it is in a tally: the other copy is used, or the loss is said."""
        self.killed("bits", "-j 1", lambda state: state.get("totals", {}).get("executions", 0) > 100)
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
        counted = [0]
        for session in (1, 2):
            self.killed("killed", "-j 2 --subject canary_answer", lambda state: (
                state.get("session") == session and state["findings"] and state["corpus"] > 10
                and state["totals"]["executions"] > counted[-1] + 100))
            counted.append(self.ends(10, "campaign status killed --json").json["totals"]["executions"])
            kept.append(set(self.files("killed/corpus/*")))
        self.assertEqual(counted[1], self.state("killed")["before"]["executions"])
        self.campaign(10, "--execs 1 -j 1 --subject canary_answer --dir killed",
                      ["^new: answer, met .*, [0-9]+ ops? in killed/findings/"])
        kept.append(set(self.files("killed/corpus/*")))
        self.assertTrue(kept[1] <= kept[2] <= kept[3] and len(kept[2]) > 10)
        self.assertTrue(counted[0] < counted[1] < counted[2])
        self.assertEqual(counted[2], self.state("killed")["before"]["executions"])
        self.assertEqual(1, len(self.state("killed")["findings"]))
