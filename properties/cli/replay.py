# SPDX-License-Identifier: Apache-2.0
"""`replay`: the JSON to the letter, the text, many times, as a test, in gdb; and `encode` and `decode`."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import cli

ALL_AS_JSON = """\
{"step":0,"op":"alloc a0 size=0x1000","result":{"begin":"0x1000","end":"0x2000","fit":"left_edge"}}
{"step":1,"op":"alloc a1 size=0x2000 align=0x4000 within=0x2000..0x9000","result":{"begin":"0x4000","end":"0x6000","fit":"left_edge"}}
{"step":2,"op":"alloc-at a2 0xa000..0xb000","result":{"begin":"0xa000","end":"0xb000","fit":"no_edge"}}
{"step":3,"op":"congruent a3 align=0x1000 blocks=0x0+0x1000,0x4000+0x2000","result":{"base":"0xb000"}}
{"step":4,"op":"free a0","result":{"begin":"0x1000","end":"0x3000"}}
{"step":5,"op":"free a0","skipped":true}
{"step":6,"op":"free-lazily a1","result":{"begin":"0x4000","end":"0x6000"}}
{"step":7,"op":"purge","result":{"purged":"0x2000"}}
{"step":8,"op":"free-at 0x2000","error":"not_busy"}
{"step":9,"op":"free-lazily-at 0x3000","result":{"begin":"0x3000","end":"0x4000"}}
{"step":10,"op":"find 0x8123","result":null}
{"step":11,"op":"find 0xf800","result":{"begin":"0xf000","end":"0x11000"}}
{"step":12,"op":"on-exhaustion a2","result":null}
{"step":13,"op":"on-exhaustion a9","skipped":true}
{"step":14,"op":"fail-metadata 2","result":null}
{"step":15,"op":"alloc a5 size=0x7","error":"invalid_argument"}
{"step":16,"op":"alloc a6 size=0x20000","error":"no_space"}
{"verdict":"ok"}
"""
FAULT_AS_JSON = """\
{"step":0,"op":"alloc a0 size=0x1000","result":{"begin":"0x100000","end":"0x101000","fit":"left_edge"}}
{"step":1,"op":"alloc a1 size=0x1000 align=0x2000","result":{"begin":"0x102000","end":"0x103000","fit":"no_edge"}}
{"step":2,"op":"alloc a2 size=0x1000","result":{"begin":"0x103000","end":"0x104000","fit":"left_edge"}}
"""


def gdb_can_trace():
    done = subprocess.run("gdb -batch -ex run --args /bin/true".split(), capture_output=True, check=False)
    return b"exited normally" in done.stdout


class Replay(cli.Cli):
    def test_json(self):
        for command in ("replay --json all.trace", "--json replay all.trace", "replay all.trace --json",
                        "--subject vmap --seed 7 replay --json --checking amortized all.trace",
                        "replay --format json all.trace"):
            self.assertEqual(ALL_AS_JSON, self.ok(command).out)
        self.assertEqual(ALL_AS_JSON, self.ok("replay --json -", stdin=pathlib.Path("all.trace").read_bytes()).out)

    def test_json_of_a_violation(self):
        said = self.ends(10, "replay --json --subject seed_2019 fault.trace").out
        self.assertTrue(said.startswith(FAULT_AS_JSON), said)
        self.assertRegex(said[len(FAULT_AS_JSON):], r'^\{"verdict":"violation","invariant":"answer","step":2,'
                                                    r'"detail":"[^"]+","signature":"answer"\}\n$')
        self.ok("replay --json fault.trace")

    def test_text(self):
        self.ok("replay all.trace", [
            "^all.trace: 17 ops ", r"^ +2  alloc-at a2 0xa000\.\.0xb000 +0xa000\.\.0xb000 no_edge$",
            "^ +5  free a0 +skipped: a0 is not live$", "^ +8  free-at 0x2000 +error not_busy$", "^ok: 17 steps"])
        self.ends(10, "replay --subject seed_2019 fault.trace", [
            "^violation of answer at step 2: alloc a2 size=0x1000$", r"^ +expected +0x101000\.\.0x102000",
            r"^ +actual +0x103000\.\.0x104000", "replay( --sanitize)? --subject seed_2019 fault.trace$"])

    def test_bad_input(self):
        """More of it: ../malformed.py."""
        self.refuses(2, {"replay bad.trace": "^bad.trace:4:1: expected "})
        self.refuses(4, {"replay missing.trace": "missing.trace: No such file", "replay 'a\nb'": r"a\\x0ab"})

    def test_several(self):
        said = self.ends(4, "replay --json all.trace bad.trace missing.trace all.trace",
                         err=["^bad.trace:4:1", "missing"])
        self.assertEqual(2, len(said.found(r'^\{"verdict":"ok"\}$')), said)
        self.ends(2, "replay all.trace bad.trace", err=None)
        self.ends(10, "replay --subject seed_2019 bad.trace fault.trace missing.trace", err=None)

    def test_folders(self):
        """One line, or one object, for each trace; the worst status."""
        for name, trace in (("traces/good.trace", "all.trace"), ("traces/below/bad.trace", "fault.trace")):
            self.write(name, pathlib.Path(trace).read_bytes())
        self.ends(10, "replay --subject seed_2019 traces", ["^traces/below/bad.trace: fails at step 2: answer: expected ",
                                                            "^traces/good.trace: ok, 17 steps$",
                                                            "^1 of 2 traces in folders pass, subject seed_2019$"])
        self.assertEqual("2 of 2 traces in folders pass, subject vmap", self.ok("replay traces").out.splitlines()[2])
        said = self.ends(10, "replay --json --subject seed_2019 traces all.trace").out.splitlines()
        self.assertEqual({"file": "traces/below/bad.trace", "verdict": "violation", "invariant": "answer", "step": 2},
                         {name: json.loads(said[0])[name] for name in ("file", "verdict", "invariant", "step")})
        self.assertEqual('{"file":"traces/good.trace","verdict":"ok"}', said[1])
        self.assertEqual(ALL_AS_JSON.splitlines(), said[2:])
        self.ends(10, "replay -n 3 --subject seed_2019 traces", ["^traces/below/bad.trace: failed 3 of 3 times"])
        self.write("traces/malformed.trace", "no trace")
        self.ends(2, "replay traces", ["^traces/good.trace: ok", "^2 of 3 traces in folders pass"], "^traces/malformed.trace:1:1: ")
        pathlib.Path("empty").mkdir()
        self.refuses(2, {"replay empty": "^vmapcheck: no traces in empty$"})

    def test_interrupted(self):
        process = self.start("replay -", stdin=subprocess.PIPE)
        self.addCleanup(process.stdin.close)
        time.sleep(0.3)
        self.end(process, signal.SIGINT, 5)

    def test_many_times(self):
        for n in (1, 10):
            self.ends(10, f"replay -n {n} --subject seed_2019 fault.trace",
                      [f"^fault.trace: failed {n} of {n} times, subject seed_2019$", f"^ +{n}  answer$"])
        self.ok("replay -n 10 fault.trace", ["^fault.trace: failed 0 of 10 times, subject vmap$"])
        self.ok("replay --json -n 1 fault.trace", '^{"file":"fault.trace","runs":1,"failed":0,"verdict":"ok",')
        self.ends(10, "replay --json -n 2 --subject seed_2019 fault.trace",
                  '^{"file":"fault.trace","runs":2,"failed":2,"verdict":"violation","signatures":{"answer":2}}$')
        self.refuses(2, {"replay -n 0 fault.trace": "--times"})

    def test_many_times_of_a_flaky_one(self):
        self.ends(12, "replay -n 10 --subject flaky found.trace",
                  ["^found.trace: failed 5 of 10 times, subject flaky: flaky$"])
        self.ends(12, "replay --json -n 4 --subject flaky found.trace", '"failed":2,"verdict":"flaky"')
        self.ends(12, "replay -n 4 --subject flaky found.trace missing.trace bad.trace", err=None)

    def test_as_a_test(self):
        odd = b"""vmapcheck-trace 1
# quotes " and ', a raw string's end )", \\n, %s {} and */
# the next line is not part of this one \\
# nor of this one \\  \nspace 0x100000..0x140000 granule=0x1000
alloc a0 size=0x1000
# \001 \033[31m \tand a tab\\
"""
        for name in ("one/odd.trace", "two/odd.trace", "7.trace"):
            self.write(name, odd)
        said = self.ok("replay --format cpp one/odd.trace two/odd.trace 7.trace fault.trace")
        self.assertEqual(["Odd", "Odd_2", "Trace7", "Fault"], said.found(r"^TEST\(Traces, (.*)\) {$"))
        self.assertIsNone(re.search("[\001-\011\033]", said.out))
        self.write("test.cpp", said.out)
        if shutil.which("g++") and os.path.exists("/usr/include/gtest/gtest.h"):
            self.ok(["-std=c++23", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", f"-I{cli.SOURCE}",
                     f"-I{cli.SOURCE}/allocator", "test.cpp"], program="g++")
        self.ends(4, "replay --format cpp missing.trace fault.trace", ["^#include <gtest/gtest.h>$"],
                  "missing.trace: No such file")
        self.refuses(2, {"replay --format xml fault.trace": "--format"})


class Gdb(cli.Cli):
    def test_refused(self):
        self.refuses(13, {"replay --gdb fault.trace": "fault.trace does not fail on vmap"})
        for traces in ("fault.trace fault.trace", "-"):
            self.refuses(2, {f"replay --gdb {traces}": "--gdb takes one trace"})
        self.ends(3, "replay --gdb --subject seed_2019 fault.trace", None, [r"cannot run gdb: .*\(Debian: gdb\)"],
                  PATH="/")

    def test_what_it_is_told(self):
        self.write("bin/gdb", '#!/bin/sh\nprintf "<%s>\\n" "$@"\n').chmod(0o755)
        os.rename("fault.trace", "-it is.trace")
        said = self.ok("replay --gdb --subject seed_2019 -- '-it is.trace'", ["^<break vmapcheck_before_failing_op>$"],
                       ["answer at step 2; gdb stops before it$"], PATH=f"{self.scratch}/bin:{os.environ['PATH']}")
        told = f"--args {self.binary} step-to --subject seed_2019 --step 2 --".split()
        self.assertTrue(said.out.endswith("".join(f"<{word}>\n" for word in [*told, "-it is.trace"])), said)

    @cli.needs("gdb")
    def test_it_stops_before_the_op(self):
        if cli.sanitized() or not gdb_can_trace():
            self.skipTest("no process can be traced here")
        self.write("bin/gdb", f'#!/bin/sh\nexec "{shutil.which("gdb")}" -batch "$@"\n').chmod(0o755)
        self.ok("replay --gdb --subject seed_2019 fault.trace",
                [r"^Breakpoint 1, .*vmapcheck_before_failing_op \(step=(step@entry=)?2\)"],
                ["the next is step 2: alloc a2 size=0x1000$"], PATH=f"{self.scratch}/bin:{os.environ['PATH']}")


class Codec(cli.Cli):
    def test_round_trip(self):
        self.ok("encode all.trace -o bytes", ())
        self.ok("decode bytes -o back.trace")
        renamed = ALL_AS_JSON.replace("a9", "a6", 1).replace("a6 size", "a5 size").replace("a5 size=0x7", "a4 size=0x7")
        self.assertEqual(renamed, self.ok("replay --json back.trace").out)
        with open("piped", "wb") as piped:
            subprocess.run([self.binary, "encode", "all.trace"], stdout=piped, check=True)
        self.same_files("bytes", "piped")

    def test_any_bytes_are_a_trace(self):
        self.write("rubbish", cli.rubbish(1000))
        for file in ("rubbish", "/dev/null"):
            self.ok(f"decode {file}", ["^vmapcheck-trace 1$"])

    def test_bad_input(self):
        self.refuses(4, {"decode missing -o none": "missing", "encode all.trace -o /dev/null/x": "/dev/null/x"})
        self.assertEqual([], self.files("none") + self.files("*.tmp"))
