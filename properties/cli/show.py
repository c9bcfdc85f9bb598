# SPDX-License-Identifier: Apache-2.0
"""`show`: the map of each step in the terminal, and the page that --html writes (which page_test.py looks at)."""
import pathlib
import re
import subprocess

import cli


class Show(cli.Cli):
    def steps(self, command, status=0):
        return self.ends(status, f"show {command}").found("^step ([0-9]+) ")

    def test_in_the_terminal(self):
        said = self.ok("show all.trace", [
            r"^all.trace: 17 ops in 0x1000\.\.0x11000, subject vmap$", r"^step 2  alloc-at a2 0xa000\.\.0xb000$",
            r"^ +0xa000\.\.0xb000 no_edge: the free block is split",
            r"^ +\|# a0 #\|\. free \.\|# busy #\|# a1 #\|\. free \.\|# a2 #\|\. free \.\|$", r"^ +\^\^\^\^\^\^$",
            r"^ +0x1000\.\.0x3000 free: coalesces with the free block after$", "~ lazy ~", r"\(the map is as before\)",
            "^ok: 17 steps, no violation$"])
        self.assertEqual(17, len(said.found("^step ")))
        self.assertNotIn("\033", said.out)
        self.ok("show -", ["^ok: 17"], stdin=pathlib.Path("all.trace").read_bytes())
        for columns, said in ((108, said), (70, self.ok("show all.trace", COLUMNS="70"))):
            self.assertLessEqual(max(map(len, said.found(r"^ .*\|.*$"))), columns, said)

    def test_a_violation(self):
        self.ends(10, "show --subject seed_2019 fault.trace", [
            "<== breaks answer$", r"^ subject +\|## a0 ##\|\. free \.\|## a1 ##\|## a2 ##\|",
            r"^ model +\|## a0 ##\|## a2 ##\|## a1 ##\|", "^violation of answer at step 2: alloc a2 size=0x1000$",
            r"^  expected   0x101000\.\.0x102000 full$", r"^  actual     0x103000\.\.0x104000 left_edge$",
            "replay( --sanitize)? --subject seed_2019 fault.trace$"])
        self.ends(10, "show --subject canary_augment stale.trace",
                  ["<== WRONG: should be 0xffffffffff555000$", "^  expected   0xffffffffff555000$"])
        self.ends(10, "show --subject seed_2019 --at 3 fault.trace", ["^The run ends at step 2, before"])

    def test_some_steps(self):
        self.assertEqual(["3"], self.steps("--at 3 all.trace"))
        self.assertEqual(["4", "5", "6"], self.steps("--from 4 --to 6 all.trace"))
        self.assertEqual(["15", "16"], self.steps("--from 15 all.trace"))
        self.assertEqual(["0"], self.steps("--to 0 all.trace"))
        self.ok("show --at 3 all.trace", ["^ +tree of free blocks$",
            r"^ +(black|,-- red  ) 0x[0-9a-f]+\.\.0x[0-9a-f]+  size 0x[0-9a-f]+  subtree_max_size 0x"])

    def test_the_run_ends_at_the_last_step_asked_for(self):
        self.ok("show --subject seed_2019 --to 1 fault.trace", ["^ok: 2 steps, no violation$"])
        for step, status in (("--to 0", 0), ("--at 0", 0), ("--to 1", 10)):
            self.ends(status, f"show --subject fault_exit_zero {step} rescue.trace")

    @cli.needs("script")
    def test_colours_are_for_terminals(self):
        for variables, coloured in (("-u NO_COLOR", True), ("NO_COLOR=1", False)):
            command = f"env {variables} TERM=xterm '{self.binary}' show all.trace"
            said = subprocess.run(["script", "-qec", command, "/dev/null"], stdin=subprocess.DEVNULL,
                                  capture_output=True)
            self.assertEqual(coloured, b"\033" in said.stdout)

    def test_bad_input(self):
        self.write("empty.trace", cli.HEADER + "space 0..0x10\n")
        self.refuses(2, {
            "show": "^vmapcheck: .*FILE", "show --at 17 all.trace": "--at 17: the trace has the steps 0 to 16",
            "show --from 99 --html page.html all.trace": "--from 99: the trace has the steps 0 to 16",
            "show --to 17 all.trace": "--to 17: ", "show --from 3 --to 2 all.trace": "--from 3 is after --to 2",
            "show --at 3 --from 2 all.trace": "--at excludes --from", "show --to -1 all.trace": "^vmapcheck: .*--to",
            "show --at x all.trace": "^vmapcheck: .*--at.*expected a number from 0 up, found 'x'",
            "show --at 0 empty.trace": "--at 0: the trace has no steps"})
        self.ok("show empty.trace")
        self.ok("show --html page.html empty.trace")


class Page(cli.Cli):
    def test_it_is_written(self):
        self.ok("show --html page.html all.trace", ["^ok: 17 steps, no violation$", "^wrote page.html: [0-9]+ KiB$"])
        page = pathlib.Path("page.html").read_text()
        self.assertTrue(page.startswith("<!doctype html>\n"))
        self.assertIsNone(re.search("(src|href|url)[=(]", page), "it loads something")
        self.assertEqual(page, self.ok("show --html - all.trace").out)

        self.ends(10, "show --subject seed_2019 --html page.html fault.trace", ["^violation of answer at step 2"])
        self.holds("page.html", '"verdict":.*"name":"answer"')

    def test_some_steps(self):
        self.ok("show --html page.html --from 2 --to 3 all.trace",
                ["^Of 17 ops this page holds the steps 2 to 3; --from and --to select others\\.$"])
        self.ends(10, "show --subject seed_2019 --html page.html --from 3 fault.trace",
                  [r"^Of 4 ops this page holds the steps 0 to 2, where the run ends\.$"])

    def test_a_page_holds_20000_steps(self):
        self.write("long.trace", cli.HEADER + "space 0..0x1000\n" + "find 0x10\n" * 20000)
        self.ok("show --html page.html long.trace", ["^Of 20000 ops this page holds the steps 15000 to 19999"])
        self.holds("page.html", '"step":19999')
        self.write("long.trace", cli.HEADER + "space 0..0x1000\n" + "find 0x10\n" * 20001)
        self.refuses(2, {"show --html page.html --from 0 --to 20000 long.trace": "a page holds at most 20000 steps"})

    def test_it_cannot_be_written(self):
        self.ends(4, "show --html /dev/full all.trace", None, "/dev/full")
        self.ends(4, "show --html missing/page.html all.trace", None, "missing/page.html: No such file")
