# SPDX-License-Identifier: Apache-2.0
"""`minimize`: what it keeps, what it refuses, what an interrupt leaves, and its limit of time."""
import os
import pathlib
import re
import signal
import time

import cli


class Minimize(cli.Cli):
    def test_text(self):
        before = pathlib.Path("fault.trace").read_bytes()
        self.ok("minimize --subject seed_2019 fault.trace -o small.trace", [
            r"^minimized from 3 to 1 op in [0-9.]+ s\. No trace of fewer ops fails so",
            "replay( --sanitize)? --subject seed_2019 small.trace$"])
        self.assertEqual(before, pathlib.Path("fault.trace").read_bytes())
        self.holds("small.trace", r"^# Breaks answer \(subject seed_2019\): ", r"^# Minimized from 4 to 1 op\.$")
        self.ends(10, "replay --json --subject seed_2019 small.trace", ['"signature":"answer"}$'])
        self.ok("minimize --subject seed_2019 small.trace -o again.trace")
        self.same_files("small.trace", "again.trace")
        self.ok("minimize --subject seed_2019 - -o piped.trace", stdin=before)
        self.same_files("small.trace", "piped.trace")
        said = self.ok("minimize --subject seed_2019 fault.trace -o -", err="minimized from 3 to 1 op")
        self.assertEqual(pathlib.Path("small.trace").read_text(), said.out)

        self.ok("minimize --subject seed_2019 fault.trace -o object.trace --json",
                '^{"kind":"violation","invariant":"answer","signature":"answer",.*"ops":1,.*"minimality":"proved",.*"file":"object.trace"}$')

    def test_it_claims_what_check_claims(self):
        """Of what `check` has found and minimized, and of that as it was found."""
        claims = ("ops", "minimality", "numbers_smallest", "kept", "states", "sequences", "granules", "trace")
        for subject in ("seed_2019", "fault_hole_cache", "fault_exit_zero"):
            with self.subTest(subject):
                found = self.ends(10, f"check --subject {subject} --json -o found").json["found"]
                for trace in (found["file"], found["file"].replace("found/", "found/originals/")):
                    again = self.ok(f"minimize --subject {subject} {trace} -o again.trace --json").json
                    for each in (found, again):
                        each["trace"] = re.sub("^#.*\n", "", each["trace"], flags=re.MULTILINE)
                    self.assertEqual([found[claim] for claim in claims], [again[claim] for claim in claims])

    def test_any(self):
        self.ok("minimize --subject seed_2019 fault.trace -o any.trace --any")
        self.refuses(2, {"minimize fault.trace -o any.trace --any --same-invariant": "--any"})

    def test_of_two_failures_the_first_counts(self):
        text = pathlib.Path("fault.trace").read_text().replace("alloc a0", "busy 0x130000..0x131000\nalloc a0")
        self.write("two.trace", text + "alloc a7 size=0x1000 align=0x4000\nalloc a8 size=0x1000\n")
        self.ok("minimize --subject seed_2019 two.trace -o any.trace", ["^minimized from 3 to 1 op"])

    def test_a_death(self):
        if cli.sanitized():
            self.skipTest("sanitizers report deaths in their own words")
        self.ok("minimize --subject fault_exit_zero rescue.trace -o dead.trace --json",
                '"kind":"exit","signature":"exit 0",.*"ops":2,')
        self.ends(10, "replay --json --subject fault_exit_zero dead.trace", ['"signature":"exit 0"}$'])
        self.holds("dead.trace", r"^# Dies of exit 0 \(subject fault_exit_zero\)$")

    def test_what_found_it_is_kept_where_it_fails_as_then(self):
        for subject, kept in (("seed_2019", ["Found by vmapcheck check --seed 3."]), ("mine", [])):
            self.write("told.trace", cli.HEADER + f"""# Breaks answer (subject {subject}): a
# Found by vmapcheck check --seed 3; minimized from 9 to 4 ops.
# Found by chance; kept.
""" + cli.TRACES["fault.trace"])
            self.ok("minimize --subject seed_2019 told.trace -o retold.trace")
            comments = [line[2:] for line in pathlib.Path("retold.trace").read_text().splitlines()
                        if line.startswith("# ")]
            found_by = [line for line in comments if line.startswith("Found by vmapcheck")]
            self.assertEqual(kept, found_by)
            if kept:
                self.assertEqual(["Minimized from 4 to 1 op.", *kept, "Found by chance; kept."], comments[1:])

    def test_a_link_stays_a_link(self):
        os.symlink("target.trace", "link.trace")
        for _ in range(2):
            self.ok("minimize --subject seed_2019 fault.trace -o link.trace")
        self.assertEqual("target.trace", os.readlink("link.trace"))
        self.holds("target.trace", "^alloc a0")

    def test_what_does_not_fail(self):
        self.write("empty.trace", cli.HEADER + "space 0..0x10\n")
        self.refuses(13, {"minimize fault.trace -o none": "fault.trace does not fail on vmap",
                          "minimize empty.trace -o none": "empty.trace does not fail"})
        for command in ("minimize", "minimize --any"):
            self.refuses(12, {f"{command} --subject flaky found.trace -o none":
                              "found.trace fails on flaky in one of two runs, with answer$"})
        self.refuses(2, {"minimize fault.trace": "--output is required", "minimize -o none": "FILE"})
        self.files("none", 0)

    def test_never_onto_its_input(self):
        os.symlink("fault.trace", "same.trace")
        os.link("fault.trace", "hard.trace")
        before = pathlib.Path("fault.trace").read_bytes()
        for other in ("fault.trace", "./fault.trace", f"{self.scratch}/fault.trace", "same.trace", "hard.trace"):
            for files in (f"fault.trace -o {other}", f"{other} -o fault.trace"):
                self.refuses(2, {f"minimize --subject seed_2019 {files}": "would be overwritten"})
        self.assertEqual(before, pathlib.Path("fault.trace").read_bytes())

    def test_to_nowhere(self):
        os.symlink("nowhere/x", "dangling")
        os.symlink("loop", "loop")
        for other in ("nowhere/x.trace", "nowhere/", ".", "''", "/dev/null/x", "dangling", "loop"):
            self.refuses(4, {f"minimize --subject seed_2019 fault.trace -o {other}": "cannot write"})
        self.ends(4, "minimize --subject seed_2019 fault.trace -o /dev/full", ["^alloc a0 "],
                  "cannot write /dev/full: No space")
        self.ends(4, "minimize --subject seed_2019 fault.trace -o /dev/full --json", '"file":null', None)
        self.files("*.tmp", 0)

    def test_interrupted(self):
        self.ends(10, "check --subject fault_rotation --no-minimize -o costly", err=None)
        trace = self.only("costly/fault_rotation-*.trace")
        for sent in (signal.SIGINT, signal.SIGTERM):
            process = self.start(f"minimize --subject fault_rotation --time 5m {trace} -o best.trace")
            time.sleep(1)
            said = self.end(process, sent, 5)
            self.says(said.err, "interrupted; the best so far was written$", said)
            self.ends(10, "replay --json --subject fault_rotation best.trace", ['"signature":"answer"}$'])
            os.remove("best.trace")

    def test_a_long_trace(self):
        """The limit of time is the user's: it begins with the command, and includes the first run of the trace."""
        self.write("grown.trace", cli.HEADER + "space 0x0..0x100000000\n" +
                   "".join(f"alloc a{i} size=16\n" for i in range(20000)) + "free a3\nfree a4\n")
        begun = time.monotonic()
        self.ok("minimize --subject canary_coalescing --time 20s grown.trace -o small.trace")
        self.assertLess(time.monotonic() - begun, 60)
        self.assertLess(len(pathlib.Path("small.trace").read_text().splitlines()), 20)
        self.ends(10, "replay --json --subject canary_coalescing small.trace", ['"signature":"coalescing"}$'])
        self.ends(10, "replay --json --subject canary_coalescing grown.trace",
                  ['"step":20001,.*"signature":"coalescing"}$'])
        self.refuses(13, {"minimize --subject canary_coalescing --time 1ms grown.trace -o none":
                          "grown.trace did not fail on canary_coalescing before time was up: --time gives it more"})
