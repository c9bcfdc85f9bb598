# SPDX-License-Identifier: Apache-2.0
"""Full disks, closed pipes, late readers, files that may not be read: an error, and never a wrong verdict."""
import os
import pathlib
import subprocess
import unittest

import cli


class Outputs(cli.Cli):
    def setUp(self):
        super().setUp()
        self.write("long.trace", cli.HEADER + "space 0..0x1000\n" + "find 0x10\n" * 80000)

    def test_full_disk(self):
        for command in ("replay --json all.trace", "check --cases 1 --ops 1", "explore --granules 2",
                        "replay --subject seed_2019 fault.trace fault.trace",
                        "replay --subject fault_exit_zero rescue.trace"):
            self.shell(4, f"vmapcheck {command} >/dev/full", (), "cannot write to standard output")
        self.ends(4, "encode all.trace -o /dev/full", None, "/dev/full")

    def test_no_output(self):
        self.shell(4, "vmapcheck replay --json all.trace >&-", err=None)
        self.shell(4, "vmapcheck --help <&- >&- 2>&-")

    def test_closed_pipe(self):
        self.shell(4, "vmapcheck replay --json long.trace | head -n 1; exit ${PIPESTATUS[0]}", '^{"step":0')
        self.shell(0, "vmapcheck replay --subject fault_exit_zero rescue.trace | head -n 1", "^rescue.trace: 2 ops")

    def test_late_reader(self):
        said = self.shell(0, "vmapcheck replay --json long.trace | { sleep 3; tail -n 1; }; exit ${PIPESTATUS[0]}")
        self.assertEqual('{"verdict":"ok"}\n', said.out)


class Permissions(cli.Cli):
    def test_denied(self):
        """Root may do what is to be refused: then it is done as nobody."""
        as_nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups" if os.geteuid() == 0 else "env"
        program, *command = [*as_nobody.split(), self.binary]
        self.scratch.chmod(0o755)
        if subprocess.run([program, *command, "--version"], capture_output=True).returncode != 0:
            self.skipTest("nobody can run the command line")
        pathlib.Path("all.trace").chmod(0)
        pathlib.Path("locked").mkdir(0o555)
        for refused, said in (("replay all.trace", "all.trace: Permission denied"),
                              ("minimize --subject seed_2019 fault.trace -o locked/x", "locked/x: Permission denied")):
            self.ends(4, [*command, *refused.split()], (), said, program=program)


CAN_MOUNT = subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"],
                           capture_output=True).returncode == 0


@unittest.skipUnless(CAN_MOUNT, "no file system can be mounted here")
class FullDisk(cli.Cli):
    def on_a_disk(self, size, script, patterns):
        """The script says what it has to say with `check`: nothing, if all is well."""
        pathlib.Path("tiny").mkdir()
        script = f"mount -t tmpfs -o size={size} none tiny || exit 77\n" + script
        said = self.ends(0, ["-rm", "bash", "-c", script], None, program="unshare", BINARY=self.binary,
                         SOURCE=str(cli.SOURCE))
        self.says(said.out, patterns, said)

    def test_corpus(self):
        self.on_a_disk("256k", """
            "$BINARY" corpus import "$SOURCE/corpus" -o tiny/imported 2>&1 >out; echo "import: $?"
            find tiny -name "*.tmp"
            rm -rf tiny/imported
            mkdir tiny/c && cp "$SOURCE"/corpus/fits/*.trace "$SOURCE/corpus/real/python3.trace" tiny/c
            head -c 1M /dev/zero >tiny/fill 2>/dev/null
            cp -r tiny/c before
            "$BINARY" corpus minimize tiny/c 2>&1 >out; echo "minimize: $?"
            diff -r before tiny/c
            ls -A tiny | grep -v -e "^c$" -e "^fill$"; echo done""", [
            r"\A[^\n]*cannot write tiny/imported/[^\n]*: No space left on device\nimport: 4\n[^\n]*No space left on device\nminimize: 4\ndone\n\Z"])
