# SPDX-License-Identifier: Apache-2.0
"""`campaign` with a stand-in for the fuzz target, which says what libFuzzer would: what it says, keeps and survives."""
import fcntl
import os
import pathlib
import pty
import re
import shutil
import signal
import struct
import subprocess
import termios
import time

import cli
import loaded

# Says what libFuzzer would say, writes the crash that it is given, and ends when it is told to: from its first word on,
# so that a campaign that has seen its executions can end it. What it says of them it says last.
STAND_IN = """#!/bin/sh
for argument; do case "$argument" in -artifact_prefix=*) prefix="${argument#*=}" ;; -runs=*) probe=yes ;; esac; done
echo "INFO: Loaded 1 modules   (${COUNTERS-345} inline 8-bit counters): 345 [0x1, 0x2),"
if [ -n "$probe" ]; then sleep "${PROBE_TAKES-0}"; exit "${PROBE-0}"; fi
echo $$ >>"$PIDS"
if [ -n "$ENDS" ]; then echo "it ends"; exit 9; fi
trap 'sleep "${LINGERS-0}"; echo "stat::number_of_executed_units: 5000"; exit 72' TERM
printf '#2\\tINITED cov: 12 ft: 34 corp: 1/1b exec/s: 0 rss: 30Mb\\n'
if [ -n "$CRASH" ]; then
  cp "$CRASH" "${prefix}crash-$$"
  printf 'SUMMARY: libFuzzer: deadly signal\\n'
  printf "artifact_prefix='%s'; Test unit written to %scrash-%s\\n" "$prefix" "$prefix" $$
fi
printf '#4096\\tpulse  cov: 21 ft: 34 corp: 5/6b exec/s: 2048 rss: 30Mb\\n'
if [ -n "$CRASH" ]; then exit 77; fi
if [ -n "$KILLED" ]; then kill -KILL $$; fi
while :; do sleep 0.05; done
"""
# The subject of 2019 in a file.
SEED_2019 = """
#include "subjects/interface_stamp.hpp"
#include "subjects/loaded.hpp"
extern "C" [[gnu::visibility("default")]] const vmapcheck::LoadedSubject* vmapcheck_loaded() {
  static const vmapcheck::LoadedSubject loaded{VMAPCHECK_INTERFACE_STAMP, vmapcheck::find_subject("seed_2019")};
  return &loaded;
}
"""
BRIEF = "--execs 4000 -j 1"  # one pulse
UNTIL_FOUND = "--time 200s -j 1 --stop-on-first"


class Campaign(cli.Cli):
    def setUp(self):
        super().setUp()
        self.write("target", STAND_IN).chmod(0o755)
        os.environ["PIDS"] = f"{self.scratch}/pids"
        self.addCleanup(os.environ.pop, "PIDS")
        self.ok("encode fault.trace -o crash")
        self.crash = {"CRASH": f"{self.scratch}/crash"}

    def campaign(self, status, options, out=None, err=None, **variables):
        return self.ends(status, f"campaign --target ./target {options}", out, err, **variables)

    def no_workers_left(self):
        self.eventually(lambda: not any(map(is_alive, self.workers())))

    def pulses_of(self, worker, directory):
        log = pathlib.Path(directory, f"worker-{worker}.log")
        return log.read_text().count("pulse") if log.exists() else 0

    def workers(self):
        return [int(pid) for pid in pathlib.Path("pids").read_text().split()] if os.path.exists("pids") else []


def state_of(pid):
    """As /proc says it: R, S, T (stopped), Z (waits to be reaped); Z also for one that is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "Z"


def is_alive(pid):
    return state_of(pid) != "Z"


def children_of(pid):
    try:
        return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def program_of(pid):
    return link(f"/proc/{pid}/exe")


def link(path):
    """Where it leads; nothing of a process that is gone."""
    try:
        return os.readlink(path)
    except OSError:
        return None


class Started(Campaign):
    def test_options(self):
        options = "dir jobs time execs plateau disk memory stop-on-first known engine target".split()
        self.ok("campaign --help", [f"--{option}" for option in options])
        for bad in ("--time 0", "--time x", "--execs 0", "--execs -1", "--plateau 0", "--disk 1", "--disk 2X",
                    "--disk 99999999999999999999", "--memory 1M", "--memory -2G", "-j 0", "-j 2000", "--engine none",
                    "--frobnicate"):
            self.refuses(2, {f"campaign --target ./target {bad}": f"^vmapcheck: .*{bad.split()[0]}"})
        self.refuses(2, {"campaign --target ./target x": "unknown command 'x'",
                         f"campaign --target ./target {BRIEF} --dir 'a\nb'": "control character"})
        self.refuses(2, {"campaign --target ./target --subject frob": "found 'frob'"})
        self.refuses(4, {"campaign --target ./target --known missing": "missing"})

    def test_bad_targets(self):
        self.refuses(3, {
            "campaign": "no fuzz target", "campaign --target ./missing": "no fuzz target ./missing",
            "campaign --target fault.trace": "no fuzz target",
            "campaign --target /bin/false --dir broken": "^vmapcheck: /bin/false ended with status 1",
            "campaign --target /bin/true --dir broken": "/bin/true is not instrumented, or no libFuzzer target"})
        self.refuses(4, {"campaign --target ./target --dir /dev/null/x": "null"})
        self.campaign(3, "--dir broken", err="is not instrumented: it has no counters", COUNTERS="0")
        self.campaign(3, "--dir broken", err="ended with status 3", PROBE="3")
        # The clock starts with the command, and a target that hangs does not stop it.
        self.campaign(3, "--time 1s --dir broken", err="does not come to the end of one input in 1 s ",
                      PROBE_TAKES="30")
        self.campaign(3, "-j 1 --dir broken", err=["ended with status 9: it ends"], ENDS="1")
        self.no_workers_left()

    def test_quiet(self):
        self.campaign(0, "--execs 8000 -j 2 --dir new --seed 3", [
            r"^[0-9]+\.[0-9]+ s, 10000 executions, [0-9]+ per second, 0 ops, 21 edges, 34 features, 0 inputs kept in new/corpus$",
            "^ok: nothing found$"])
        self.no_workers_left()
        self.campaign(0, f"{BRIEF} --dir new --json",
                      r'"subject":"vmap".*"session":2,.*"totals":{"seconds":[0-9]+\.[0-9]+,"executions":15000,.*"verdict":"ok"')
        self.campaign(2, f"{BRIEF} --dir new --subject model", err="holds a campaign with subject vmap, not model")
        self.campaign(0, f"{BRIEF} --dir=-D")

    def test_limits(self):
        # A worker that needs a while to end says what it has done all the same.
        self.campaign(0, f"{BRIEF} --dir execs", ["^[0-9.]+ s, 5000 executions"], LINGERS="3")
        self.campaign(0, "--time 3s -j 1 --dir time", [r"^([3-9]|[0-9]{2,})\.[0-9] s, "])
        self.campaign(0, "--plateau 300ms -j 1 --dir plateau", ["^ended: no new coverage"])
        self.write("disk/corpus/large", bytes(3000000))
        self.campaign(4, "--disk 2M -j 1 --dir disk", err=["more than --disk allows"])
        self.no_workers_left()

    def test_a_worker_that_ends(self):
        process = self.start("campaign --target ./target --execs 8000 -j 1 --dir ends")
        self.eventually(lambda: self.pulses_of(0, "ends"))
        os.kill(self.workers()[-1], signal.SIGKILL)
        self.end(process, status=0)  # by the pulse of another
        self.campaign(0, f"{BRIEF} --dir ends --json", '"restarts":1,"killed":1[,}]')
        self.ok("campaign status ends", ["^  workers     1 worker was killed from outside$"])
        self.campaign(3, "-j 1 --dir killed_at_once",
                      err=["was killed by signal 9, 5 times in a row within 10 s: "], KILLED="1")

    def test_interrupted(self):
        process = self.start("campaign --target ./target --time 1h --execs 12000 -j 2 --dir new")
        self.eventually(lambda: self.pulses_of(0, "new") and self.pulses_of(1, "new"))
        said = self.end(process, signal.SIGINT, 5)
        self.says(said.err, ["interrupted, state saved; to go on from here: "
                             ".* campaign --subject vmap --dir new -j 2 --time 3600s --execs 12000"], said)
        self.no_workers_left()
        self.campaign(0, "--time 1h --execs 12000 -j 1 --dir new", err=["s are left of its time$"])

    def test_killed(self):
        process = self.start("campaign --target ./target --time 1h -j 2 --dir new")
        self.eventually(lambda: len(self.workers()) == 2)
        self.campaign(4, "--dir new", err="another campaign runs in new")
        self.end(process, signal.SIGKILL)
        self.no_workers_left()
        self.campaign(0, "--execs 8000 -j 2 --dir new", err=["goes on: so far"])

    def test_on_a_terminal(self):
        """Of a line that it has no room for, whole fields are left out, from the end."""
        numbers = "[0-9,]+"
        lines = [  # fields, each behind what must stand before it
            ["vmap: [0-9.hms ]+ of 1h 00m 00s [(]0 %[)]", ", 1 worker", ", session 1", ", in new"],
            [f"  executions  {numbers}", f", {numbers} per second", f", {numbers} ops", f", {numbers} per second"],
            [f"  coverage    {numbers} edges", ", last new [0-9.hms ]+ ago", f", {numbers} features"], ["  corpus      0 inputs", ", 0 B"],
            ["  findings    0 new", ", 0 known", ", 0 flaky"],
            ["  fits        full 0", ", left_edge 0", ", right_edge 0", ", no_edge 0"],
            ["  invariants  0 of 10 checked", ", the whole state 0 times", ", up to 0 free blocks"]]
        for columns in (36, 48, 200):
            shown = self.shown_on_terminal("--time 1h -j 1 --dir new", columns)
            self.assertEqual(len(lines), len(shown), shown)
            for line, fields in zip(shown, lines):
                self.assertLess(len(line), columns)
                whole = ["".join(fields[:count]) for count in range(1, len(fields) + 1)]
                self.assertRegex(line, f"^({'|'.join(whole if columns < 200 else whole[-1:])})$")
            shutil.rmtree("new")

    def shown_on_terminal(self, options, columns):
        """The first block of lines."""
        try:
            ours, its = pty.openpty()
        except OSError as error:
            self.skipTest(f"no pseudo-terminal here: {error}")
        self.addCleanup(os.close, ours)
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = subprocess.Popen(self.words_of(f"campaign --target ./target {options}"), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=its, env=cli.variables({}))
        self.addCleanup(process.kill)
        os.close(its)
        text = ""
        while "\r\x1b[" not in text:  # where the first block is taken off
            text += os.read(ours, 10000).decode()
        process.kill()
        process.wait()
        block = text.split("\r\x1b[")[0]
        return block[block.index("vmap: "):].split("\r\n")


class Found(Campaign):
    def test_said_and_kept(self):
        self.campaign(10, "--time 200s -j 2 --stop-on-first --dir found --subject seed_2019", [
            "^found: answer after ", "^minimized from 4 to 1 op ", "^violation of answer ",
            "^new: answer, met .*, 1 op in found/findings/seed_2019-answer-"], **self.crash)
        self.ends(10, f"replay --subject seed_2019 {self.only('found/findings/seed_2019-answer-*.trace')}")
        # It is known by now.
        said = self.campaign(10, f"{BRIEF} --dir found --subject seed_2019", **self.crash)
        self.assertEqual([], said.found("^found:"))
        # The target was built anew: what cannot be read of what it found is said, and is not fixed.
        self.write(self.only("found/findings/seed_2019-answer-*.trace"), "damaged")
        self.write("target", STAND_IN + "#\n")
        self.campaign(10, f"{BRIEF} --dir found --subject seed_2019", ["^new: answer, met "],
                      ["^found/findings/seed_2019-answer-.*.trace:1:1: expected"])

    def test_what_waits_is_looked_at_by_the_next_session(self):
        self.write("waits/crashes/crash-0", pathlib.Path("crash").read_bytes())
        self.campaign(10, f"{BRIEF} --dir waits --subject seed_2019", ["^found: answer after 0 s, 0 executions"])
        self.files("waits/crashes/*", 0)

    def test_nothing_is_wrong_here(self):
        self.campaign(12, f"{BRIEF} --dir flaky", ["^flaky: libFuzzer: deadly signal, met "], **self.crash)
        log = self.only("flaky/findings/bytes/*.log")
        self.files("flaky/findings/bytes/*", 2)
        self.holds(log, "^SUMMARY: libFuzzer: deadly signal")

    def test_files_that_are_no_crashes(self):
        """Nothing of it is a finding on a sound allocator, and nobody's file is removed."""
        crash = pathlib.Path("crash").read_bytes()
        for name, content in (("crash-0", b""), ("crash-1", crash[:50]), ("crash-2", crash),
                              ("crash-5", bytes(3000000)), ("notes.txt", b"to do")):
            self.write(f"foreign/crashes/{name}", content)
        pathlib.Path("foreign/crashes/crash-3").mkdir()
        os.symlink("/etc/passwd", "foreign/crashes/crash-4")
        names = set(os.listdir("foreign/crashes"))
        self.campaign(0, f"{BRIEF} --dir foreign",
                      err=["^campaign: 7 files in foreign/crashes are left alone: no input of this target that fails$"])
        self.assertEqual(names, set(os.listdir("foreign/crashes")))
        shutil.copytree("foreign/crashes", "taken/crashes", symlinks=True)
        self.campaign(10, f"{BRIEF} --dir taken --subject seed_2019")
        self.assertEqual(names - {"crash-2"}, set(os.listdir("taken/crashes")))
        self.campaign(0, f"{BRIEF} --dir cut_off", CRASH=str(self.write("empty", "").resolve()))

    @cli.needs("g++")
    def test_a_subject_in_a_file(self):
        """What is found of it lies in the campaign's directory, where it is said to be, and nowhere else."""
        pathlib.Path("its own").mkdir()
        loaded.compile_subject(SEED_2019, "its own/a b.so")
        said = self.campaign(10, f"{UNTIL_FOUND} --dir found --subject '{self.scratch}/its own/a b.so'", [
            "^  replay .*found/findings/", "^  report .*found/findings/"], **self.crash)
        (trace,) = said.found("^new: .* in (.*)")
        self.assertEqual(("found/findings", True), (os.path.dirname(trace), os.path.isfile(trace)))
        self.assertEqual(["a b.so"], os.listdir("its own"))
        self.shell(10, said.found("^  replay  *(.*)")[0])
        self.ok("campaign report found --format json", ['"path": "found/findings/'])

    def test_strange_names(self):
        """Whatever a directory is called, what is said of files in it is true, and can be given to a shell."""
        name = "a \"b\" $HOME \\n <i> 'q' :c"
        pathlib.Path(name).mkdir()
        os.rename("target", f"{name}/target")
        said = self.ends(10, ["campaign", *UNTIL_FOUND.split(), "--target", f"./{name}/target", "--dir", f"{name}/D",
                              "--subject", "seed_2019"], err=None, **self.crash)
        self.assertTrue(os.path.isfile(said.found("^new: .* in (.*)")[0]))
        self.shell(10, said.found("^  replay  *(.*)")[0])
        self.ok(["campaign", "report", f"{name}/D", "--json"])
        self.ok(["campaign", "report", f"{name}/D"])

    def test_a_minimizer_that_is_killed(self):
        """It has not said that there is no failure: what was found stays so, can be replayed, and is minimized in the end."""
        ops = "".join(f"alloc a{i} size=0x1000\nfree a{i}\n" for i in range(201))
        fault = re.sub(r" a(\d)", r" a90\1", cli.TRACES["fault.trace"].split("\n", 1)[1])
        self.write("long.trace", cli.HEADER + "space 0x100000..0x140000 granule=0x1000\n" + ops + fault)
        pathlib.Path("found/crashes").mkdir(parents=True)
        self.ok("encode long.trace -o found/crashes/crash-0")
        command = "campaign --target ./target --time 120s --stop-on-first -j 1 --dir found --subject seed_2019"
        process = self.start(command)
        while process.poll() is None:
            for pid in minimizers_of(process.pid):
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)
        said = self.end(process, status=10)
        self.says(said.out, ["^not yet minimized, which the next session tries again: .* killed by signal 9$",
                             "^new: answer, met once, 40[0-9] ops in found/findings/.*, not yet minimized$"], said)
        trace = self.only("found/findings/seed_2019-answer-*.trace")
        self.ends(10, f"replay --subject seed_2019 {trace}")
        self.holds(trace.replace(".trace", ".md"), r"^\* Found by: `vmapcheck campaign --subject seed_2019 --seed")
        self.ends(10, "campaign status found", ["not yet minimized$"])
        self.ends(10, command, ["^new: answer, met once, 1 op in found/findings/seed_2019-answer-[0-9a-f]*.trace$"],
                  None)
        self.only("found/findings/*.trace")


def minimizers_of(campaign):
    """Children that run the campaign's program, and have nowhere to say anything: a worker that does not run its own
    program yet has, and so has what runs an input."""
    return [child for child in children_of(campaign) if program_of(child) is not None
            and program_of(child) == program_of(campaign) and link(f"/proc/{child}/fd/1") == "/dev/null"]


class Damaged(Campaign):
    CHANGES = [  # of what was written: each is noticed
        ('"executions": 5000', '"executions": 5001'), ('"executions": 5000', '"executions": -1'),
        ('"findings": []', '"findings": null'),
        ('"edges": 21', '"edges": 29'), ('"seed": ', '"seed": -'), ('"checksum"', '"no_checksum"')]
    CHANGES_OF_FORMAT_1 = [  # it has no checksum: its values are checked
        ('"executions": 5000', '"executions": -1'), ('"executions": 5000', '"executions": 18446744073709551615'),
        ('"findings": []', '"findings": null'), ('"before": {', '"before": 7, "x": {'), ('"seconds": ', '"seconds": -'),
        ('"running": false', '"running": 0'), ('"workers": 1', '"workers": 1e9'), ('"seed": ', '"seed": -')]

    def is_refused(self, text, said):
        self.write("sums/campaign.json", text)
        self.refuses(2, {"campaign status sums": said, "campaign report sums": said,
                         f"campaign --target ./target {BRIEF} --dir sums": said})
        self.assertEqual(text, pathlib.Path("sums/campaign.json").read_text())

    def test_no_state(self):
        for text in ("", "{", "[]", '{"format":1}', '{"format":99}', '{"format":1,"subject":7}'):
            self.is_refused(text, "^vmapcheck: sums/campaign.json: it ")

    def test_changed(self):
        self.campaign(0, "--execs 4000 -j 1 --dir sums")
        whole = pathlib.Path("sums/campaign.json").read_text()
        old = re.sub(r'.*"(?:checksum|killed)".*\n', "", whole).replace('"findings": [],', '"findings": []')
        old = old.replace('"format": 2', '"format": 1')
        for text, changes in ((whole, self.CHANGES), (old, self.CHANGES_OF_FORMAT_1)):
            for before, after in changes:
                self.assertIn(before, text)
                self.is_refused(text.replace(before, after, 1), "^vmapcheck: sums/campaign.json: it is damaged: ")
        self.write("sums/campaign.json", old)
        self.ok("campaign status sums")
        self.campaign(0, f"{BRIEF} --dir sums", err=["goes on: so far .* 5000 executions"])
        self.holds("sums/campaign.json", '"format": 2')

    def test_cut_off(self):
        self.campaign(0, f"{BRIEF} --dir cut")
        with open("cut/samples.jsonl", "a") as samples:
            samples.write("[1.0,2")
        self.write("cut/tally-0", "")
        self.campaign(0, f"{BRIEF} --dir cut")

    def test_losses_are_said(self):
        process = self.start("campaign --target ./target --time 1h -j 2 --dir counts")
        samples = pathlib.Path("counts/samples.jsonl")
        self.eventually(lambda: samples.exists() and samples.read_text().endswith("]\n"))
        self.end(process, signal.SIGKILL)
        self.write("counts/tally-1", cli.rubbish(os.path.getsize("counts/tally-1")))
        self.write(samples, re.sub(r"^\[([0-9.]*),[0-9]*", r"[\1,77", samples.read_text(), count=1, flags=re.MULTILINE))
        lost = "tally-1 cannot be read: what was counted after .* is lost$"
        self.ok("campaign status counts", [f"^  lost        {lost}"])
        self.ok("campaign report counts --format text",
                ["^  lost        1 line of samples.jsonl cannot be read, and left out of the curves$"])
        self.campaign(0, f"{BRIEF} --dir counts", err=[f"^campaign: {lost}"])


class FullDisk(Campaign):
    def test_said(self):
        pathlib.Path("small").mkdir()
        if subprocess.run("mount -t tmpfs -o size=12m none small".split(), capture_output=True).returncode != 0:
            self.skipTest("no file system can be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", str(self.scratch / "small")])
        self.write("small/ballast", bytes(5000000))
        self.campaign(4, "--time 20s -j 1 --dir small/campaign", err=["no space left on device"])
        # No room for what the target has to say when it is looked at first.
        shutil.rmtree("small/campaign")
        pathlib.Path("small/campaign/probe").mkdir(parents=True)
        subprocess.run("head -c 20000000 /dev/zero >>small/ballast", shell=True, stderr=subprocess.DEVNULL)
        self.campaign(4, "--time 20s -j 1 --dir small/campaign", err="no space left on device")
        self.no_workers_left()
