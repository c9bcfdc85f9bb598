# SPDX-License-Identifier: Apache-2.0
"""`corpus list`, `add`, `stats`, `export`, and `import --strace`."""
import functools
import os
import pathlib
import re
import signal
import subprocess
import zipfile

import cli


class Corpora(cli.Cli):
    """With a few traces, the bytes of fuzzers that they are, and a folder without any."""
    traces = {"one": "# a first\nspace 0x0..0x10\nalloc a0 size=1\n",
              "same": "space 0x0..0x10\nalloc a7 size=1\n",  # another label, no comment: the same trace
              "two": "space 0x0..0x20\nalloc a0 size=2\nfree a0\n",
              "three": "space 0x0..0x40\nalloc a0 size=3\nfind 0\npurge\n"}
    traces = {name: cli.HEADER + text for name, text in traces.items()}

    def setUp(self):
        super().setUp()
        pathlib.Path("empty").mkdir()
        self.bytes = {}
        for name, text in self.traces.items():
            self.write(f"{name}.trace", text)
            self.ok(f"encode {name}.trace -o {name}.bytes")
            self.bytes[name] = pathlib.Path(f"{name}.bytes").read_bytes()


@functools.cache
def reads_archives():
    done = subprocess.run([cli.Cli.binary, *"corpus export --oss-fuzz -o /dev/null /dev/null".split()],
                          capture_output=True, check=False)
    return b"without libarchive" not in done.stderr


class List(cli.Cli):
    def test_list(self):
        for name, trace in (("traces/sub/one.trace", "all.trace"), ("traces/two.trace", "fault.trace")):
            self.write(name, pathlib.Path(trace).read_bytes())
        self.ok("corpus list traces", ["^sub/one.trace +17  one of each$"])
        self.assertEqual([{"name": "sub/one.trace", "ops": 17, "comment": "one of each"},
                          {"name": "two.trace", "ops": 4, "comment": ""}], self.ok("corpus list --json traces").json)
        os.rename("bad.trace", "traces/bad.trace")
        said = self.ends(2, "corpus list traces", None, "^traces/bad.trace:4:1: expected")
        self.assertEqual(2, len(said.out.splitlines()))
        self.refuses(4, {"corpus list missing": "missing"})
        self.ok("corpus list", ["^coalescing/"], VMAPCHECK_SOURCE_DIR=str(cli.SOURCE))


class Add(cli.Cli):
    def add(self, ops, options, out=None, err=()):
        self.write("new.trace", cli.HEADER + f"space 0..0x1000\n{ops}\n")
        self.ok(f"corpus add new.trace --dir kept {options}", out, err)

    def test_name_and_reason(self):
        self.ok("corpus add all.trace --dir kept --because ' A hook: frees\nwhat was \"kept\"! '",
                "^kept/hooks/a-hook-frees-what-was-kept.trace: 17 ops$")
        self.holds("kept/hooks/a-hook-frees-what-was-kept.trace", '^# A hook: frees what was "kept"!$')
        self.ok("replay kept/hooks/a-hook-frees-what-was-kept.trace")
        self.refuses(2, {"corpus add all.trace --dir kept --because other":
                         "kept/hooks/a-hook-frees-what-was-kept.trace holds the same ops"})
        self.ok("corpus add fault.trace --dir kept --because 'a hook frees what was kept'", ["^kept/fits/a-hook"])

    def test_groups(self):
        for group, ops in (("windows", "alloc a0 size=7 within=0..0x10"), ("lazy", "free-lazily-at 0"),
                           ("errors", "fail-metadata 1"), ("congruent", "congruent a0 align=1 blocks=0+1"),
                           ("coalescing", "free-at 0x76")):
            self.add(ops, "--because 'a hole'", f"^kept/{group}/a-hole.trace: 1 op$")

    def test_names_that_are_taken(self):
        for n, name in enumerate(("a-hole", "a-hole-2", "a-hole-3")):
            self.add(f"free-at 0x{n}", "--because 'a hole'", f"^kept/coalescing/{name}.trace")
        self.add("free-at 0x9", "--because x --as real/x.trace", "^kept/real/x.trace: 1 op$")
        self.refuses(2, {"corpus add all.trace --dir kept --because x --as real/x": "kept/real/x.trace is there already"})
        self.ok("corpus add - --dir kept --because piped", "^kept/fits/piped",
                stdin=pathlib.Path("found.trace").read_bytes())

    def test_refused(self):
        for bad in ("/a/b", "../a", "a/../b", "a/..", ".", "..", "a/", "a//b", "a/.b", "-a", "a\nb", ".trace"):
            self.refuses(2, {f"corpus add all.trace --dir kept --because x '--as={bad}'":
                             "--as is GROUP/NAME below the corpus"})
        self.refuses(2, {"corpus add all.trace --dir kept": "--because is required",
                         "corpus add all.trace --dir kept --because ''": "--because says in words",
                         "corpus add all.trace --dir kept --because ' ... '": "--because says in words"})
        self.refuses(4, {"corpus add all.trace --dir /dev/null/x --because x": "cannot make the directory /dev/null/x"})

    def test_one_that_fails_is_said(self):
        for trace, subject, said in (("found", "seed_2019", ()), ("rescue", "fault_exit_zero", "exit 0 at step 1"),
                                     ("fault", "seed_2019",
                                      "it fails on seed_2019 with answer at step 2: the tests will say so")):
            self.ok(f"corpus add {trace}.trace --subject {subject} --dir kept --because 'one more'", None, said)


class Strace(cli.Cli):
    def test_import(self):
        self.write("log", """7  mmap(NULL, 8192, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000000000
7  munmap(0x7f0000000000, 4096) = 0
7  mprotect(0x7f0000001000, 4096, PROT_NONE) = 0
""")
        self.ok("corpus import --strace log -o new.trace --program 'a program'", (), ["no meaning +.*mprotect"])
        self.holds("new.trace", r"^alloc-at a0 0x7f0000000000\.\.0x7f0000002000$")
        self.ok("replay new.trace")
        self.ok("corpus import --strace log --placement first-fit --pid 7", ["^alloc a0 size=0x2000$"], None)
        self.write("empty", "")
        self.refuses(2, {
            "corpus import --strace log --pid 8": "pid 8",
            "corpus import --strace all.trace": "^all.trace:[0-9]+:[0-9]+: expected",
            "corpus import --strace empty -o x": "^empty:1:1: expected the log of an strace",
            "corpus import --strace log --placement somewhere": "placement",
            "corpus import --strace log --page 3": "power of two"})
        self.refuses(4, {"corpus import --strace missing": "missing",
                         "corpus import --strace . -o x": r"cannot read \.: Is a directory"})

    def test_of_many_processes_the_largest_are_listed(self):
        """Child 100 + n of pid 100 maps n pages: 41 processes, of 820 ops."""
        forks = [f"100  clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|SIGCHLD) = {100 + n}\n" for n in range(1, 41)]
        maps = [f"{100 + n}  mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = {0x7f0000000000 + (i << 12):#x}\n"
                for n in range(1, 41) for i in range(n)]
        self.write("log", "".join(forks + maps))
        self.assertEqual(820, len(maps))
        said = self.ok("corpus import --strace log -o out.trace", (), ["^pid +ops +calls ", "^860 calls in 41 address spaces",
            "^36 other address spaces: 630 ops, 670 calls, 0 approximated$", "^the trace is that of pid 140; --pid chooses another"])
        table = re.findall("^([0-9]+) +([0-9]+) +([0-9]+) ", said.err, re.MULTILINE)
        self.assertEqual([(f"{100 + n}", f"{n}", f"{n}") for n in (40, 39, 38, 37, 36)], table)
        self.assertEqual(["140"], re.findall("^pid ([0-9]+): ", said.err, re.MULTILINE))
        chosen = self.ok("corpus import --strace log -o out.trace --pid 103", (), ["^pid 103: 3 ops from 3 calls, 1 thread"])
        self.assertEqual(1, chosen.err.count("became ops"))
        said = self.ok("corpus import --strace log -o out.trace --json").json
        self.assertEqual([140, 41, 860], [said["pid"], len(said["processes"]), said["calls"]])
        self.assertEqual(820, sum(one["ops"] for one in said["processes"]))
        self.assertEqual({"clone": 40}, next(one["process_calls"] for one in said["processes"] if one["pid"] == 100))
        self.refuses(2, {"corpus import --strace log --json": "name a file for the trace with -o"})

    def test_interrupted(self):
        """What was read before is kept."""
        process = self.start("corpus import --strace - -o begun.trace", stdin=subprocess.PIPE)
        self.addCleanup(process.stdin.close)
        for i in range(10000, 30000):
            process.stdin.write(f"mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3, 0) = 0x7f{i}000\n".encode())
        process.stdin.flush()
        said = self.end(process, signal.SIGTERM, 5)
        self.says(said.err, [r"^vmapcheck: interrupted: the trace says what was done up to line [0-9]+ of "], said)
        lines = int(said.err.split("up to line ")[1].split(" ")[0])
        self.assertGreater(lines, 15000)
        self.assertEqual(lines, pathlib.Path("begun.trace").read_text().count("\nalloc-at"))
        self.ok("replay begun.trace")


class Stats(Corpora):
    def test_counts(self):
        for name in ("one", "two", "three", "same"):
            self.write(f"counted/{name}.trace", self.traces[name])
        self.ok("corpus stats counted", ["^traces +4: 4 readable, 0 bytes of fuzzers, 1 duplicate, in counted$",
                                         r"^ops +7: median 1, most 3$", "^alloc +4 ", "^  free-lazily$",
                                         "1 trace: t(wo|hree).trace$"])
        self.ok("corpus stats counted --json --rarest 0",
                [r'"ops":{"sum":7,"median":1,"most":3,"histogram":\[0,2,2\],"by_kind":{"alloc":4,'])
        os.rename("fault.trace", "counted/fault.trace")
        self.ok("corpus stats counted")
        self.ends(10, "corpus stats counted --subject seed_2019", ["^fails +fault.trace: answer at step 2: alloc a2"])
        os.rename("bad.trace", "counted/bad.trace")
        self.ends(2, "corpus stats counted", None, ["^counted/bad.trace:4:1: expected"])

    def test_refused(self):
        self.refuses(2, {"corpus stats empty": "no traces in empty", "corpus stats one.trace": "one.trace is a file"})
        self.refuses(4, {"corpus stats missing": "cannot read missing"})


class Export(Corpora):
    def test_an_archive(self):
        """The same bytes, whatever the times, modes and order of the files and the time zone and the language."""
        if not reads_archives():
            self.skipTest("built without libarchive")
        for folder in ("seeds", "again"):
            for name, content in (("group/b.trace", self.traces["two"]), ("a.trace", self.traces["one"]),
                                  ("z", self.bytes["one"])):
                self.write(f"{folder}/{name}", content)
        os.utime("seeds/a.trace", (981200000, 981200000))
        os.chmod("again/a.trace", 0o600)
        self.ok("corpus export --oss-fuzz seeds",
                ["^allocator_fuzz_seed_corpus.zip: 2 traces, [0-9]+ bytes; 1 left out"])
        self.ok("corpus export --format oss-fuzz again -o again.zip", TZ="Asia/Kolkata", LC_ALL="C")
        self.same_files("allocator_fuzz_seed_corpus.zip", "again.zip")
        archive = zipfile.ZipFile("again.zip")
        self.assertIsNone(archive.testzip())
        self.assertEqual(["a", "group-b"], archive.namelist())
        self.assertEqual(self.bytes["one"], archive.read("a"))
        self.assertEqual({(1980, 1, 1, 0, 0, 0)}, {entry.date_time for entry in archive.infolist()})
        self.ok("corpus import again.zip -o round")
        self.files("round/**/*.trace", 2)
        self.ends(4, "corpus export --oss-fuzz seeds -o /dev/full", None, ["cannot write /dev/full: No space"])

    def test_folders(self):
        self.write("few/a.trace", self.traces["one"])
        self.write("few/group/b", self.bytes["two"])
        for _ in range(2):
            self.ok("corpus export --format libfuzzer few -o inputs")
        self.assertEqual({"a": self.bytes["one"], "group-b": self.bytes["two"]}, cli.snapshot("inputs"))
        self.ok("corpus export --format traces few -o readable --json",
                [r'^{"output":"readable","format":"traces","traces":2,'])
        self.holds("readable/a.trace", "^# a first$")
        self.holds("readable/group-b.trace", "^# From group/b ")
        self.ok("replay readable/group-b.trace")
        self.write("inputs/a", "other\n")
        self.refuses(2, {"corpus export --format libfuzzer few -o inputs": "inputs/a is there already, and is another"})
        self.assertEqual("other\n", pathlib.Path("inputs/a").read_text())

    def test_refused(self):
        self.refuses(2, {"corpus export --format traces empty": "needs a folder",
                         "corpus export empty": "corpus export needs --oss-fuzz",
                         "corpus export --oss-fuzz empty": "no traces in empty"})
        self.refuses(4, {"corpus export --oss-fuzz missing": "cannot read missing",
                         "corpus export --oss-fuzz one.trace -o /dev/null/x": "cannot write /dev/null/x"})
