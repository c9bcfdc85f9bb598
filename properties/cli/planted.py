# SPDX-License-Identifier: Apache-2.0
"""vmapcheck with errors in copies of its own files. A sound subject is not convicted of them: the command ends with 15,
says who is at fault, and neither minimizes nor saves anything as a failure."""
import pathlib

import cli

SOAK = "check --live 9000 --ops 30000"
PLACES = {"model": "vmapcheck::ReferenceModel::predict", "executor": "vmapcheck::Executor::step"}


class Planted(cli.Cli):
    def own(self, error, signature, command):
        with self.subTest(f"{error}: {command}"):
            self.ends(15, command, None, rf"vmapcheck is at fault, not the subject: .*\(oracle {signature}.*please report this",
                      VMAPCHECK_PLANTED=error)
            self.assertFalse(pathlib.Path("vmapcheck-failures").exists())

    def test_in_model_and_executor(self):
        for place, function in PLACES.items():
            self.own(f"{place} throw", f"std::logic_error in {function}", "replay two.trace")
            self.own(f"{place} assert", f"SIGABRT in {function}", "replay --json two.trace")
            self.own(f"{place} crash", f"SIGSEGV in {function}", "check --cases 2")
            self.own(f"{place} crash", f"SIGSEGV in {function}", "minimize two.trace -o small.trace")

    def test_each_command_says_so(self):
        self.write("some/one.trace", pathlib.Path("two.trace").read_bytes())
        for command in ("show two.trace", "explore --granules 3", "corpus stats some", "corpus minimize some -o fewer",
                        "corpus add two.trace --dir kept --because why", "replay -n 2 two.trace",
                        "replay --gdb two.trace"):
            for what, signature in (("throw", "std::logic_error"), ("crash", "SIGSEGV")):
                self.own(f"executor {what}", f"{signature} in {PLACES['executor']}", command)
        self.files("fewer", 0)

    def test_in_the_index(self):
        self.own("index throw", "std::logic_error in vmapcheck::GapIndex::predict", SOAK)
        self.own("index crash", "SIGSEGV in vmapcheck::GapIndex::predict", SOAK)
        self.own("index wrong", "std::logic_error in vmapcheck::Executor::demand_same", SOAK)

    def test_without_an_error_it_judges_as_ever(self):
        self.ok("replay two.trace", None)
        self.ok(SOAK, None, None)
        self.ends(10, "check --subject fault_null_root --cases 20 --no-minimize", ["SIGSEGV in .*NullRoot::allocate"], None)

    def setUp(self):
        super().setUp()
        self.write("two.trace", cli.HEADER + "space 0x0..0x10\nalloc a0 size=1\nfree a0\n")
