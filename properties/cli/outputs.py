# SPDX-License-Identifier: Apache-2.0
"""Full disks, closed pipes and late readers: what cannot be said is an error, and never a wrong verdict."""
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


if __name__ == "__main__":
    cli.main()
