# SPDX-License-Identifier: Apache-2.0
"""Help, and what is no command; also of the script at the top of a checkout, where it answers itself, and what it waits for."""
import fcntl
import os
import shlex

import cli

EXIT_STATUSES = {"": "0 2 3 4 5 10 11 12 13 14 15", "campaign": "0 2 3 4 5 10 11 12 15", "corpus": "0 2 3 4 5 10 12 15",
                 "corpus list": "0 2 4 5", "encode": "0 2 4 5", "decode": "0 2 4 5", "subjects": "0 2 3 4", "bench": "0 2 3 4 5", "bench kernel": "0 2 3 4 5 10 15", "test": "0 2 3 4 5", "help": "0 2 4"}


class Usage(cli.Cli):
    def test_help(self):
        for command in ("check", "campaign", "replay", "show", "explore", "corpus list", "encode", "decode"):
            self.ok(f"{command} --help", ["^Examples:", "^Exit status:$"])
        for command in ("import", "minimize", "export", "stats"):
            self.ok(f"corpus {command} --help", ["^Exit status:$"])
        for command in ("check", "campaign", "replay", "show"):
            self.ok(f"{command} --help", ["^ *10  a violation$"])
        self.ok("check --help", ["^ *14  a demanded coverage was missed$"])
        self.ok("--version", "^vmapcheck [0-9]")
        self.ok("check --help", ["without a unit it is seconds"])

    def test_exit_statuses(self):
        for command, statuses in EXIT_STATUSES.items():
            said = self.ok(f"{command} --help").out.split("\nExit status:\n")[1]
            self.assertEqual(statuses, " ".join(line.split()[0] for line in said.splitlines() if line.strip()), command)

    def test_no_command(self):
        self.ends(2, "", (), ["^Usage: vmapcheck"])

    def test_unknown(self):
        self.refuses(2, {
            "frobnicate": "^vmapcheck: unknown command 'frobnicate'",
            "''": "^vmapcheck: unknown command ''",
            "--frobnicate": "^vmapcheck: unknown option '--frobnicate'",
            "replay all.trace --frobnicate": "^vmapcheck: unknown option '--frobnicate'",
            "replay": "^vmapcheck: .*FILE",
            "check x": "unexpected argument 'x'",
            "corpus": "corpus needs a command",
            "corpus x": "unknown command 'x'",
            "test --compiler gcc": "./vmapcheck test",
            "bench kernel --loops 5": "^vmapcheck: `bench kernel` builds a checkout: ./vmapcheck bench kernel, at its top$",
            "nonsense --version": "unknown command 'nonsense'"})

    def test_no_help_for_what_there_is_not(self):
        for option in ("--help", "-h"):
            self.refuses(2, {
                f"nonsense {option}": r"^vmapcheck: unknown command 'nonsense' \(see vmapcheck --help\)$",
                f"{option} nonsense": "unknown command 'nonsense'",
                f"corpus nonsense {option}": r"unknown command 'nonsense' \(see vmapcheck corpus --help\)$",
                f"campaign nonsense {option}": r"'nonsense' \(see vmapcheck campaign --help\)$",
                f"check nonsense {option}": r"unexpected argument 'nonsense' \(see vmapcheck check --help\)$"})

    def test_bad_values(self):
        for bad in ("--cases 0", "--cases -1", "--cases x", "--cases 18446744073709551616", "--ops 0", "--ops 1e3",
                    "--time 0", "--time 5y", "--time -1s", "--seed x", "--seed 18446744073709551616", "--seed",
                    "--checking never", "--json=x"):
            self.refuses(2, {f"check {bad}": f"^vmapcheck: .*{bad.split('=')[0].split()[0]}"})

    def test_bad_subjects(self):
        for command in ("check", "replay all.trace", "show all.trace", "minimize all.trace -o none", "explore",
                        "corpus stats .", "corpus minimize . -o none"):
            self.refuses(2, {f"--subject frob {command}": "^vmapcheck: --subject: expected vmap, .*, found 'frob'",
                             f"{command} --subject ./mine.so": "file that is there, found './mine.so'"})
        self.refuses(3, {f"replay --subject {self.scratch}/all.trace all.trace": "invalid ELF header"})

    def test_launcher(self):
        more = {"program": cli.SOURCE / "vmapcheck", "VMAPCHECK_BUILD_DIR": str(self.scratch / "build")}
        self.ok("test --help", ["^Usage: vmapcheck test ", "^ *--all "], **more)

    def test_launcher_in_a_strange_place(self):
        """Where CMake itself cannot build, the launcher says so."""
        for name in "vmapcheck", "tools/arguments.bash", "tools/arguments.table":
            self.write(f'quoted "b"/{name}', (cli.SOURCE / name).read_bytes()).chmod(0o755)
        self.ends(3, "corpus list", (), "^vmapcheck: the checkout is in .*: CMake cannot build with ",
                  program='quoted "b"/vmapcheck')

    def test_launcher_locks(self):
        """It waits for who builds the same preset, and for nobody else."""
        self.write("bin/cmake", """#!/bin/sh
case "$1" in
  --version) echo "cmake version 3.25.1" ;;
  --build) mkdir -p "$2/tools"; printf '#!/bin/sh\\necho built\\n' >"$2/tools/vmapcheck"; chmod +x "$2/tools/vmapcheck" ;;
esac
""").chmod(0o755)
        os.mkdir("build")
        more = {"program": cli.SOURCE / "vmapcheck", "VMAPCHECK_BUILD_DIR": str(self.scratch / "build"),
                "PATH": f"{self.scratch}/bin:{os.environ['PATH']}"}
        self.ok("corpus list", "^built$", None, **more)  # from now on it is known which packages there are
        with open("build/.lock-fuzz", "w") as fuzz, open("build/.lock-packages", "w") as packages:
            fcntl.flock(fuzz, fcntl.LOCK_EX)
            fcntl.flock(packages, fcntl.LOCK_EX)
            self.ok("corpus list", "^built$", None, **more)
        launcher = shlex.quote(str(more.pop("program")))
        self.shell(0, f"""
(flock 9; while [[ ! -e go ]]; do sleep 0.05; done) 9>build/.lock-release &
until ! flock --nonblock build/.lock-release true; do sleep 0.05; done
{launcher} subjects 2>said & launched=$!
until grep -q 'waiting for another vmapcheck that is building (release)' said || ! kill -0 $launched; do sleep 0.05; done
touch go
wait $launched""", "^built$", None, **more)
        self.holds("said", "^vmapcheck: waiting for another vmapcheck that is building .release. in ")

    def test_subjects(self):
        self.ok("subjects", ["^vmap +sound ", "^seed_2019 +specimen "])
        self.ok("subjects --json", r'^\[\{"name":"vmap","kind":"sound","summary":"[^"]+","promises":\{"lowest":true,')
