# SPDX-License-Identifier: Apache-2.0
"""`corpus minimize`: fewer traces that exercise the same; whenever it is ended, the old corpus whole or the new one."""
import os
import pathlib
import shutil
import signal
import time

import cli
import corpus

CORPUS = cli.SOURCE / "corpus"


class Minimize(corpus.Corpora):
    def tearDown(self):
        self.files(".*minimized*", 0)  # nothing is left over

    def features(self, folder):
        return self.ok(f"corpus stats {folder} --json").json["features"]

    def test_readable(self):
        shutil.copytree(CORPUS, "big")
        self.write("big/README.md", "notes\n")
        self.write("big/.keep", "hidden\n")
        os.symlink("fits", "big/link")
        for path in list(pathlib.Path("big/fits").glob("*.trace")):
            shutil.copy(path, f"big/fits/twin-{path.name}")
        before, features = cli.snapshot("big"), self.features("big")
        self.ok("corpus minimize big -o smaller")
        self.assertEqual(before, cli.snapshot("big"))
        self.ok("corpus minimize big",
                [r"^features +([0-9]+) of \1 on vmap: the new corpus was run, and none is missing$"])
        after = cli.snapshot("big")
        self.assertLess(len(after), len(before))
        self.assertLessEqual(after.items(), before.items())  # what is kept is as it was
        self.assertEqual(cli.snapshot("smaller").keys() - {"README.md", ".keep"}, after.keys() - {"README.md", ".keep"})
        self.assertEqual("fits", os.readlink("big/link"))
        self.assertLessEqual({"README.md", ".keep"}, after.keys())
        self.assertEqual(features, self.features("big"))
        self.ok("corpus minimize big --keep-old --json")
        self.assertEqual([after, after], [cli.snapshot("big"), cli.snapshot("big.before")])
        self.refuses(2, {"corpus minimize big --keep-old": "big.before is there already"})

    def test_bytes(self):
        self.ok(f"corpus export --format libfuzzer {CORPUS} -o bytes")
        before = cli.snapshot("bytes")
        shutil.copytree("bytes", "run/corpus")
        self.ok("corpus minimize bytes")
        after = cli.snapshot("bytes")
        self.assertTrue(0 < len(after) < len(before))
        self.assertLessEqual(after.items(), before.items())
        os.symlink("bytes", "link")
        self.ok("corpus minimize link")
        self.assertEqual("bytes", os.readlink("link"))
        self.write("run/lock", "")  # the directory of a campaign
        self.ok("corpus minimize run")
        self.assertEqual(len(after), len(cli.snapshot("run/corpus")))

    def test_failures_are_kept_aside(self):
        for name, trace in (("one", "one"), ("two", "two"), ("sub/fault", "fault")):
            self.write(f"some/{name}.trace", pathlib.Path(f"{trace}.trace").read_bytes())
        self.ends(10, "corpus minimize some --subject seed_2019",
                  ["^fails +sub/fault.trace: answer at step 2: alloc a2"])
        self.same_files("some.failing/sub/fault.trace", "fault.trace")
        self.files("some/sub/fault.trace", 0)
        self.write("some/bad.trace", pathlib.Path("bad.trace").read_bytes())
        self.ends(2, "corpus minimize some", None, ["some/bad.trace:4:1: expected"])
        self.same_files("some/bad.trace", "bad.trace")

    def test_deaths_are_failures(self):
        self.write("deadly/dies.trace", cli.HEADER + "space 0x0..0x10\nalloc a0 size=1\nfree a0\n")
        self.write("deadly/lives.trace", cli.HEADER + "space 0x0..0x10\nfind 0\n")
        self.ends(10, "corpus minimize deadly --subject fault_division --json",
                  [r'"kept":\["lives.trace"\],"failing":\[{"name":"dies.trace","signature":"'])

    def test_refused(self):
        for folder in ("seeds", "mixed"):
            self.write(f"{folder}/a.trace", self.traces["one"])
        self.write("afl/main/queue/id:000000", self.bytes["one"])
        self.write("afl/main/fuzzer_stats", "")
        self.refuses(2, {
            "corpus minimize empty": "no traces in .*empty", "corpus minimize one.trace": "one.trace is a file",
            "corpus minimize afl/main": "belongs to AFL", "corpus minimize seeds -o mixed": "mixed is there already",
            "corpus minimize .": "you are in it"})
        os.symlink("nowhere", "seeds/dangling")
        self.refuses(4, {"corpus minimize missing": "cannot read missing",
                         "corpus minimize seeds": "cannot read .*seeds/dangling"})
        os.remove("seeds/dangling")
        os.mkfifo("seeds/pipe")
        self.ends(4, "corpus minimize seeds", None, ["seeds/pipe is neither a file nor a folder"])
        self.only("seeds/*.trace")


class Ended(cli.Cli):
    def test_whenever_it_is_killed_or_interrupted(self):
        shutil.copytree(CORPUS, "new")
        old = cli.snapshot("new")
        self.ok("corpus minimize new")
        new = cli.snapshot("new")
        self.assertNotEqual(old, new)
        for delay in (0.01, 0.03, 0.05, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3, 0.4, 0.6):
            for sent in (signal.SIGKILL, signal.SIGINT):
                victim = f"victim-{delay}-{sent}"
                shutil.copytree(CORPUS, victim)
                process = self.start(f"corpus minimize {victim}")
                time.sleep(delay)
                self.end(process, sent)
                self.assertIn(cli.snapshot(victim), (old, new), f"killed after {delay} s")
                if sent == signal.SIGINT:
                    self.files(f".{victim}*", 0)

    def test_interrupted(self):
        shutil.copytree(CORPUS, "victim")
        for n in range(400):
            shutil.copy("victim/real/java.trace", f"victim/real/java-{n}.trace")
        old = cli.snapshot("victim")
        process = self.start("corpus minimize victim")
        time.sleep(0.3)
        self.assertIn("interrupted", self.end(process, signal.SIGTERM, 5).err)
        self.assertEqual(old, cli.snapshot("victim"))
        self.files(".victim*", 0)
