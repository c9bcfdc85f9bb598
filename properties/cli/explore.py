# SPDX-License-Identifier: Apache-2.0
"""`explore`: what it says and refuses, that one that is interrupted or killed goes on, what it makes of a violation."""
import os
import pathlib
import random
import signal
import time

import cli

INDEX = "explore --index-only --granules"


class Explored(cli.Cli):
    def counts(self, command, **expected):
        """What it says as JSON has these values."""
        said = self.ok(f"{command} --json", err=None).json
        self.assertEqual(expected, {key: said[key] for key in expected})


class Explore(Explored):
    def test_refused(self):
        self.refuses(2, {
            "explore --granules 0": "granules", "explore --granules 26": "granules",
            "explore --granules 17": "at most 16",
            "explore --ops first-fit,quick": "expected first-fit, .* found 'quick'", "explore --index-only --ops lazy": "ops",
            "explore --searches": "index-only", "explore --granule 3": "power of two",
            "explore --granule 4 --base 2": "not on granules", "explore --base hither": "expected an address",
            "explore --base 0xffffffffffffffff": r"2\^64-1", "explore --base top --granule 2": r"2\^64-1",
            "explore --granule 0x8000000000000000 --granules 4": r"2\^64",
            "explore --index-only --lazy-limit 1": "lazily"})
        self.refuses(3, {"explore --subject model --index-only": "no free-space index"})

    def test_a_proof(self):
        self.ok("explore --granules 3", ["^proved: in a space of 3 granules from 0x0, every state"])
        self.ok(f"{INDEX} 12",
                ["^12,585 states, 250,829 transitions, depth 12,", "that were reached: 21 of 21$", "^proved: "])
        self.ok(f"{INDEX} 4", ["reached: [0-9]+ of 21; not$"])
        self.ok(f"{INDEX} 6 --searches --base top", ["proved: .* with every search in each, keeps every invariant"])
        self.ok("explore --subject model --granules 3", ["shows no tree", "^proved: "])
        self.ok("explore --granules 4 --base 0x40 --granule 0x10 --lazy-limit 0x20 --ops lazy",
                ["ops: first-fit, lazy:"])
        self.files("vmapcheck*", 0)  # nothing is left behind

    def test_no_proof_where_state_is_not_seen(self):
        self.counts("explore --subject worn_out --granules 1 --depth 3 -o found", claim="no_violation_seen")
        self.counts("explore --subject seed_2019 --index-only --granules 2", complete=True, verdict="ok",
                    claim="no_violation_seen")
        said = self.ok("explore --subject seed_2019 --index-only --granules 2", [
            "^no violation in [0-9]+ states that differ in what is seen: in a space of 2 granules",
            "^no proof: the subject may hold state that is not seen"])
        self.assertEqual([], said.found("^proved"))
        self.counts("explore --granules 2", claim="proved")
        self.ends(10, "explore --subject worn_out --ops first-fit --granules 3 -o found",
                  ["^found after [0-9]+ ops, on another way to a state than its first: answer: "], None)

    def test_numbers(self):
        self.counts(f"{INDEX} 10", states=2366, transitions=39852, depth=7, complete=True, verdict="ok")
        self.ok(f"{INDEX} 10 --depth 3 --json", '"complete":false,.*"verdict":"incomplete"',
                [r"state is saved in vmapcheck-explore/vmap-[0-9a-f]+\.state: the same command goes on"])
        self.counts(f"{INDEX} 10", resumed=True, states=2366, transitions=39852)
        self.files("vmapcheck*", 0)

    def test_violations(self):
        self.ends(10, "explore --subject canary_tree --granules 5",
                  ["^found after 2 ops, and there is no way with fewer: tree:", "^vmapcheck-trace 1$",
                   r"^saved as vmapcheck-failures/canary_tree-tree-[0-9a-f]{8}\.trace until it is minimized$"])
        self.ends(10, f"replay --subject canary_tree {self.only('vmapcheck-failures/*.trace')}")
        self.ends(10, "explore --subject canary_augment --index-only --granules 10 -o found --json",
                  '"moves":3.*"verdict":"violation"|"verdict":"violation".*"moves":3', None)
        self.ends(10, "explore --subject canary_answer --index-only --granules 4 --searches --no-minimize -o found",
                  ["after 0 changes"], None)
        self.ends(10, "explore --subject seed_2019 --granules 4 -o found",
                  ["^found after [0-9]+ ops?, and there is no way with fewer: answer:"])


class Resumed(Explored):
    """A signal at any time, and the same command again: the numbers are those of one run."""

    def setUp(self):
        super().setUp()
        said = self.ok(f"{INDEX} 13 --json").json
        self.whole = {key: said[key] for key in ("states", "transitions")}

    def test_interrupted(self):
        for _ in range(20):
            process = self.start(f"{INDEX} 13 --json --state x.state")
            time.sleep(random.uniform(0.01, 0.1))
            said = self.end(process, signal.SIGINT)
            if said.status == 0 or said.json["complete"]:  # the signal may come when all is done
                break
            self.assertEqual((5, "interrupted"), (said.status, said.json["verdict"]), said)
        else:
            said = self.ok(f"{INDEX} 13 --json --state x.state")
        self.assertEqual(self.whole, {key: said.json[key] for key in self.whole}, said)
        self.files("x.state", 0)

    def test_killed(self):
        self.ok(f"{INDEX} 13 --depth 4 --state x.state", err=None)
        self.end(self.start(f"{INDEX} 13 --state x.state"), signal.SIGKILL)
        self.counts(f"{INDEX} 13 --state x.state", **self.whole)

    def test_time_that_is_up_is_no_interruption(self):
        self.counts(f"{INDEX} 16 --time 50ms --state x.state", verdict="incomplete")

    def test_state_files(self):
        self.ok(f"{INDEX} 9 --depth 2 --state y.state", err=None)
        self.refuses(2, {f"{INDEX} 8 --state y.state": "y.state is of another exploration",
                         "explore --granules 3 --state y.state": "y.state is of another exploration"})
        self.write("y.state", pathlib.Path("y.state").read_bytes()[:700])
        self.refuses(2, {f"{INDEX} 9 --state y.state": "y.state is damaged; --fresh begins anew"})
        self.write("y.state", "text\n")
        self.refuses(2, {f"{INDEX} 9 --state y.state": "is not a state of an exploration"})
        self.assertEqual("text\n", pathlib.Path("y.state").read_text())
        self.counts(f"{INDEX} 9 --state y.state --fresh", states=1072)
        os.mkdir("folder")
        self.refuses(4, {f"{INDEX} 9 --state folder": "folder", f"{INDEX} 9 --depth 2 --state nowhere/z": "nowhere/z"})
