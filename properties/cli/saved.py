# SPDX-License-Identifier: Apache-2.0
"""What `check` and `explore` find: how it is said, where it is saved, and what becomes of what was saved before."""
import os
import pathlib
import re
import signal

import cli

# Fails on seed_2019.
FAILS = cli.HEADER + "# {}\nspace 0..4\nbusy 2..3\nalloc a0 size=2 align=2\n"


class Found(cli.Cli):
    def test_said_and_saved(self):
        command = "check --subject seed_2019"
        self.ends(10, command, [
            r"^minimized from 26 to 1 op in [0-9.]+ s\. No trace of fewer ops fails so: all sequences of its ops over "
            r"[0-9]+ granules were run\. Each number is at its smallest: ", "^what matters$",
            "^  nearest that passes: ",
            "replay( --sanitize)? --subject seed_2019 vmapcheck-failures/seed_2019-answer-[0-9a-f]{8}.trace$",
            "^violation of answer at step "])
        trace = self.only("vmapcheck-failures/seed_2019-answer-????????.trace")
        original, report = f"vmapcheck-failures/originals/{os.path.basename(trace)}", trace.replace(".trace", ".md")
        self.assertEqual(sorted([original, report, trace]), sorted(filter(os.path.isfile,
                                                                          self.files("vmapcheck-failures/**/*"))))
        self.holds(trace, r"^# Breaks answer \(subject seed_2019\): ",
                   f"^# Found by vmapcheck {command} --seed 20240229 ")
        self.holds(report, r"^\* Signature: `answer`$", f"replay( --sanitize)? --subject seed_2019 {trace}$",
                   r"^TEST\(Traces, Seed2019Answer")
        self.ends(10, f"replay --subject seed_2019 {original}", ["26 ops"])
        self.ends(10, f"replay --subject seed_2019 {trace}")
        self.ok(f"replay {trace}")
        # The next run begins with it.
        self.ends(10, command, [f"^{trace}, which was saved by an earlier run, still fails:$", "^violation of answer"])
        self.ends(10, f"{command} --json", '"saved":true')
        self.ends(10, f"{command} --json --save-dir a/b",
                  r'"verdict":"violation","found":{"kind":"violation","invariant":"answer",.*"trace":"vmapcheck-trace 1\\n')
        self.only(f"a/b/{os.path.basename(trace)}")

    def test_not_minimized(self):
        self.ends(10, "check --subject seed_2019 --no-minimize -o c", ["^not minimized$"])
        self.ends(10, "check --subject canary_augment --no-saved", ["^violation of augment "])

    def test_flaky(self):
        self.ends(12, "check --subject flaky -j 1 -o found", ["^flaky: run again by itself, this trace did not fail$"])
        self.only("found/*.trace")
        self.ends(12, "check --subject flaky -j 1 -o found",
                  ["which was saved by an earlier run, is flaky: it failed in one of two runs:$"])
        self.ends(12, "check --subject flaky -j 1 -o found --json", '"verdict":"flaky","saved":true')

    def test_it_cannot_be_saved(self):
        """That is said before it is minimized, and once."""
        said = self.ends(10, "check --subject seed_2019 -o /dev/null/x", ["^alloc a0 "], [
            "^vmapcheck: cannot make the directory /dev/null/x", "^vmapcheck: the trace is not saved; name a directory",
            "It was found by vmapcheck check --subject seed_2019 --seed 20240229 --cases 2 --ops 1000$"])
        self.assertEqual(2, len(said.err.splitlines()), said)
        self.assertEqual([], said.found("^saved|^  (?:replay|report) "))

    def test_only_the_original_can_be_saved(self):
        self.write("half/originals", "")
        said = self.ends(10, "check --subject seed_2019 -o half", err=None)
        trace = self.only("half/*.trace")
        self.says(said.err, [f"^vmapcheck: only the trace as it was found is saved: {trace}$"], said)
        self.says(said.out, [f"^  replay .* {trace}$"], said)
        self.holds(trace, r"; not minimized\.$")


def block(report, section, language):
    """What stands between the fences of that language in that section."""
    text = pathlib.Path(report).read_text().split(f"\n## {section}\n")[1].split("\n## ")[0]
    return text.split(f"```{language}\n")[1].split("```")[0]


class Report(cli.Cli):
    """NAME.md: all that is known, and how to go on."""
    def test_before_and_after(self):
        self.ends(10, "check --subject canary_augment -o found")
        drawn = block(self.only("found/*.md"), "Before and after", "")
        for pattern in (r"\Abefore step \d+\n", r"^ +\|.*\|$", r"^step \d+  .*  <== breaks augment$", r"^ +\^+",
                        "^ +tree of free blocks$", "<== "):
            self.assertRegex(drawn, re.compile(pattern, re.MULTILINE))
        self.ends(10, "check --subject fault_exit_zero -o found --no-minimize")
        self.assertRegex(block(self.only("found/fault_exit*.md"), "Before and after", ""),
                         r"(?s)\Abefore step \d+\n.*\n +\(it did not come back from step \d+: alloc .*\)\n\Z")

    def test_the_next_commands_can_be_pasted(self):
        os.mkdir("of it's own")
        os.chdir("of it's own")
        self.ends(10, "check --subject seed_2019 -o 'fo und'")
        commands = block(self.only("*/*.md"), "Next", "sh")
        self.write("../bin/gdb", '#!/bin/sh\necho "gdb $@"\n').chmod(0o755)
        os.chdir("/")
        said = self.ends(10, ["-c", commands], None, None, program="bash",
                         PATH=f"{self.scratch}/bin:{os.environ['PATH']}")
        self.says(said.out, ["^violation of answer at step 0: ", "^gdb .*step-to --subject seed_2019 --step 0",
                             "^step 0 .*<== breaks answer$", "^wrote fo und/seed_2019-.*html: "], said)
        self.assertEqual(4, len(re.findall(f"^{re.escape(str(self.binary))} ", commands, re.MULTILINE)), commands)
        if cli.sanitized():
            return
        self.assertNotIn("--sanitize", commands)  # this program cannot; the launcher can
        os.chdir(self.scratch)
        self.ends(10, "check --subject seed_2019 -o found", VMAPCHECK_COMMAND="./vmapcheck",
                  VMAPCHECK_SOURCE_DIR=str(cli.SOURCE))
        self.assertIn("\n./vmapcheck replay --sanitize --subject seed_2019 found/",
                      block(self.only("found/*.md"), "Next", "sh"))


class KilledWhileMinimizing(cli.Cli):
    def killed(self, options):
        process = self.start(f"check --subject canary_cost --seed 7 --minimize-time 5m -o found {options}")
        self.eventually(lambda: self.files("found/*.trace"))
        said = self.end(process, signal.SIGKILL)
        trace = self.only("found/*.trace")
        self.holds(trace, r"^# Breaks cost \(subject canary_cost\): ",
                   r"^# Found by vmapcheck check --subject canary_cost --seed 7 --cases [0-9]+ --ops 1000; not minimized\.$")
        return trace, said

    def test_it_is_on_disk(self):
        trace, _ = self.killed("")
        # Found again, and minimized: then it is no longer there as it was found, but for originals/.
        self.ends(10, "check --subject canary_cost --seed 7 --no-saved --minimize-time 500ms -o found",
                  [f"^saved as {trace} until it is minimized$"])
        self.assertNotEqual(trace, self.only("found/*.trace"))
        self.holds(f"found/originals/{os.path.basename(self.only('found/*.trace'))}",
                   "^# Found by vmapcheck check --subject")
        self.assertEqual(3, len([name for name in self.files("found/**/*") if os.path.isfile(name)]))

    def test_with_json(self):
        trace, said = self.killed("--json")
        self.assertEqual("", said.out)
        self.ends(10, "check --subject canary_cost -o found",
                  [f"^{trace}, which was saved by an earlier run, still fails:$"])


class SavedBefore(cli.Cli):
    def test_of_other_subjects(self):
        self.write("mixed/a.trace", FAILS.format("Breaks answer (subject mine): expected a, actual b"))
        self.write("mixed/b.trace", FAILS.format("Dies of SIGSEGV in f (subject ../so/mine.so): died of SIGSEGV"))
        passed_by = "^2 saved traces of other subjects in mixed not replayed"
        self.ok("check --cases 2 --ops 10 -o mixed", [f"{passed_by}; --all-saved replays them, too$"])
        self.ok("check --cases 2 --ops 10 -o mixed --json", '"saved":{"replayed":0,"of_other_subjects":2,"left":0}')
        self.ok("check --cases 2 --ops 10 -o mixed --all-saved", ["^2 traces saved in mixed replayed: none fails$"])
        self.ends(10, "check --subject seed_2019 -o mixed --all-saved", [
            "^mixed/a.trace, .*, fails here, too: with answer; it was saved with answer of subject mine:$"])
        self.ends(10, "check --subject seed_2019 --no-minimize -o mixed", [passed_by, "^found: case "])
        self.refuses(2, {"check --all-saved --no-saved": "all-saved"})

    def test_it_fails_differently(self):
        self.write("changed/a.trace", FAILS.format("Breaks tree (subject seed_2019): expected a, actual b"))
        self.ends(10, "check --subject seed_2019 -o changed", [
            "^changed/a.trace, which was saved by an earlier run, fails differently now: with answer; it was saved with tree:$"])
        self.ends(10, "check --subject seed_2019 -o changed --json", '"signature":"answer",.*"signature_saved":"tree"')

    def test_it_does_not_say_of_which_subject_it_is(self):
        self.write("saved/a.trace", FAILS.format("one that fails"))
        self.ends(10, "check --subject seed_2019 -o saved",
                  ["^saved/a.trace, which was saved by an earlier run, still fails:$"])

    def test_what_else_lies_there(self):
        self.write("deaths/a.trace", cli.rubbish(1000))
        os.rename("fault.trace", "deaths/b.trace")
        pathlib.Path("deaths/c.trace").mkdir()
        self.write("deaths/originals/d.trace", pathlib.Path("rescue.trace").read_bytes())
        self.ends(10, "check --subject fault_exit_zero -o deaths", ["^1 trace saved in deaths replayed: none fails$"],
                  "^deaths/a.trace:1:[0-9]+: expected")
