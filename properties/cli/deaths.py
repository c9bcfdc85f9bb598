# SPDX-License-Identifier: Apache-2.0
"""Subjects that die, hang, throw, exit or exhaust memory: as `replay` and `check` say it, and where each dies."""
import json
import os
import pathlib
import re
import shutil

import cli

WAYS = {  # subject: its trace; the step at which it dies; kind and signature
    "null_root": ("space 0..0x1\nalloc a0 size=1\nalloc a1 size=1\n", 1, "signal", "SIGSEGV"),
    "exit_zero": (cli.TRACES["rescue.trace"], 1, "exit", "exit 0"),
    "out_of_range": ("space 0x0..0x10\n" + "".join(f"busy 0x{n}..0x{n + 1}\n" for n in range(6)) +
                     "".join(f"free-lazily-at 0x{n}\n" for n in range(6)), 5, "exception",
                     "exception std::out_of_range"),
    "purge_ring": ("space 0..0x3\nbusy 0..1\nbusy 1..2\nfree-lazily-at 0\nfree-lazily-at 1\npurge\n", 2, "hang",
                   "hang in purge"),
    "waiting_list": ("space 0..1\nbusy 0..1\nalloc a0 size=1\nalloc a1 size=1\nalloc a2 size=1\n", 2, "memory-limit",
                     "memory-limit"),
    "deadlock": ("space 0..1\nalloc a0 size=1\non-exhaustion a0\nalloc a1 size=1\n", 2, "hang", "hang in alloc"),
}


class Deaths(cli.Cli):
    def setUp(self):
        if cli.sanitized():
            self.skipTest("sanitizers report deaths in their own words")
        super().setUp()

    def test_replayed(self):
        for name, (trace, step, kind, signature) in WAYS.items():
            with self.subTest(name):
                self.write("dies.trace", cli.HEADER + trace)
                said = self.ends(10, f"replay --subject fault_{name} dies.trace", [
                    rf"^ +{step}  .*  none: {signature}", rf"^{signature}.* at step {step}: ",
                    rf"replay( --sanitize)? --subject fault_{name} dies.trace$"])
                self.assertEqual([str(n) for n in range(step + 1)], said.found("^ +([0-9]+)  .*[^:]$")[:step + 1], said)
                said = self.ends(10, f"replay --json --subject fault_{name} dies.trace", [
                    rf'^{{"verdict":"died","kind":"{kind}","step":{step},.*"signature":"{signature}[^"]*"}}$'])
                self.assertEqual(step + 1, len(said.out.splitlines()), said)

    def test_while_it_is_made(self):
        self.write("three.trace", cli.HEADER + "space 0..4\nbusy 0..1\nbusy 1..2\nbusy 2..3\n")
        self.ends(10, "replay --subject fault_import three.trace", ["^exception .* while the subject was made$"])

    def test_one_of_several(self):
        said = self.ends(10, "replay --json --subject fault_exit_zero rescue.trace fault.trace rescue.trace")
        self.assertEqual(["died", "ok", "died"], said.found('"verdict":"([a-z]+)"'))

    def test_found(self):
        """Found, saved, and the same when it is replayed, and when it is found again."""
        kinds = {name: kind for name, (_, _, kind, _) in WAYS.items() if name != "purge_ring"}  # another hang

        def check(options):  # all at once: hangs take their time
            running = {name: self.start(f"check --subject fault_{name} --json -o {name} {options}") for name in kinds}
            return {name: self.end(process, status=10) for name, process in running.items()}

        first, again = check("--no-minimize"), check("")
        for name, kind in kinds.items():
            trace = self.only(f"{name}/fault_{name}-*.trace")
            self.only(trace.replace(".trace", ".md"))
            self.says(first[name].out, f'"verdict":"violation","found":{{"kind":"{kind}",', first[name])
            self.says(again[name].out, f'"saved":true,.*"file":"{trace}"', again[name])
            self.holds(trace, rf"^# Dies of .* \(subject fault_{name}\)$")
            self.assertEqual(first[name].json["found"]["signature"], again[name].json["found"]["signature"])

    def test_it_cannot_be_saved(self):
        self.ends(10, "check --subject fault_exit_zero -o /dev/null/x", ["^alloc a0 "],
                  ["^vmapcheck: the trace is not saved; name a directory"])
        self.ends(10, "check --subject fault_exit_zero --json -o /dev/null/x", '"file":null', err=None)

    def test_how_it_died_is_said_once(self):
        said = self.ends(10, "check --subject fault_null_root --cases 200 -o found")
        self.assertEqual(1, len(said.found("died of SIGSEGV")), said)
        self.says(said.out, ["^found: case [0-9]+ fails at step [0-9]+: SIGSEGV in [^ ]+NullRoot::allocate$"], said)
        report = pathlib.Path(self.only("found/*.md")).read_text()
        self.assertEqual(1, report.count("died of SIGSEGV"), report)


FAULTY = cli.SOURCE / "subjects/faulty.cpp"
PLACE = re.compile(r"^  (?:in)? +([A-Za-z_][^ ]*) at (/[^ ]+):([0-9]+)$", re.MULTILINE)
ADDRESSES = re.compile(r"#[0-9]+ 0x[0-9a-f]+ +\(")


def struct_at(line):
    """The fault in whose code that line of the faulty subjects is."""
    before = FAULTY.read_text().splitlines()[:line]
    return [found[1] for found in map(re.compile("^struct ([A-Za-z]+)").match, before) if found][-1]


def function_of(fault, frames):
    """The innermost function in the code of that fault: of frames that are (function, file, line)."""
    named = FAULTY.read_text().split(f'"{fault.removeprefix("fault_")}"')[0].count("\n") + 1
    return next((function for function, file, line in frames
                 if pathlib.Path(file) == FAULTY and struct_at(int(line)) == struct_at(named)), None)


class Where(cli.Cli):
    """Functions, files and lines of the subject, the innermost first, in each form in which a death is said."""
    def deadly(self):
        invariants = {"answer", "cost", "atomicity", "memory"}
        for subject in json.loads(self.ok("subjects --json").out):
            if subject["name"].startswith("fault_") and subject["shows"] not in invariants:
                self.write("dies.trace", subject["trace"])
                yield subject["name"]

    def test_each_says_where(self):
        # What has no stack: a process that is stopped, one that has overwritten it, which a sanitizer prevents.
        nowhere = ["fault_stopped"] if cli.sanitized() else ["fault_stopped", "fault_stack_table"]
        seen = 0
        for name in self.deadly():
            with self.subTest(name):
                said = self.ends(10, f"replay --subject {name} dies.trace")
                if name in nowhere:
                    self.says(said.out, ["^  in +not known: "], said)
                else:
                    self.assertIsNotNone(function_of(name, PLACE.findall(said.out)), said)
                self.assertNotRegex(said.out, ADDRESSES)
                seen += 1
        self.assertGreaterEqual(seen, 17)

    def test_in_json_and_in_pages(self):
        self.write("dies.trace", cli.HEADER + WAYS["null_root"][0])
        command = "--subject fault_null_root dies.trace"
        said = self.ends(10, f"replay --json {command}")
        frames = json.loads(said.out.splitlines()[-1])["frames"]
        self.assertIn("NullRoot::allocate", function_of("fault_null_root", [frame.values() for frame in frames]), said)
        self.ok(f"minimize {command} -o small.trace --json", '"frames":\\[{"function":"[^"]*","file":"/[^"]*","line":[0-9]+}')
        self.assertIsNotNone(function_of("fault_null_root", PLACE.findall(self.ok(f"minimize {command} -o small.trace").out)))
        self.assertIsNotNone(function_of("fault_null_root", PLACE.findall(self.ends(10, f"show {command}").out)))
        self.ends(10, f"show --html page.html {command}", None)
        self.holds("page.html", "NullRoot::allocate at /[^ ]*/subjects/faulty.cpp:[0-9]+")

    def test_below_this_folder_files_are_short(self):
        os.chdir(FAULTY.parent)
        self.ends(10, ["replay", "--subject", "fault_null_root", self.write(self.scratch / "dies.trace",
                                                                          cli.HEADER + WAYS["null_root"][0])],
                  [r"^  in? +[^ ]*NullRoot::allocate at faulty\.cpp:[0-9]+$"])

    @cli.needs("addr2line")
    def test_by_what_there_is(self):
        """By addr2line alone; by neither that nor llvm-symbolizer, which is said."""
        self.write("dies.trace", cli.HEADER + WAYS["null_root"][0])
        pathlib.Path("some").mkdir()
        os.symlink(shutil.which("addr2line"), "some/addr2line")
        command = "replay --subject fault_null_root dies.trace"
        said = self.ends(10, command, PATH=f"{self.scratch}/some", ASAN_SYMBOLIZER_PATH="")
        self.assertIsNotNone(function_of("fault_null_root", PLACE.findall(said.out)), said)
        self.assertNotRegex(said.out, "not found")
        self.ends(10, command, [r"^  (in)? +names alone: neither llvm-symbolizer nor addr2line was found "],
                  PATH="/", ASAN_SYMBOLIZER_PATH="")
