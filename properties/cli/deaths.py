# SPDX-License-Identifier: Apache-2.0
"""Subjects that die, hang, throw, exit or exhaust memory: as `replay` and `check` say it. Without sanitizers, which report
some deaths in their own words."""
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
            self.assertEqual(first[name].json["found"]["signature"], again[name].json["found"]["signature"])

    def test_it_cannot_be_saved(self):
        self.ends(10, "check --subject fault_exit_zero -o /dev/null/x", ["^alloc a0 "],
                  ["^vmapcheck: the trace is not saved: --save-dir names"])
        self.ends(10, "check --subject fault_exit_zero --json -o /dev/null/x", '"file":null', err=None)
