# SPDX-License-Identifier: Apache-2.0
"""The table of arguments, which ./vmapcheck checks them by before it builds: what it says of a command line is what the
program says. And what else is made of all commands and options: completions, the manual page."""
import sys

import cli

LAUNCHER = cli.SOURCE / "vmapcheck"
TABLE = cli.SOURCE / "tools/arguments.table"
# What is only answered, and what is refused; | is between two command lines.
HELP = """
--help | -h | --version | help | help check | help corpus import | help help | help table | check --help | test --help
mutants --help | coverage --help | corpus --help | corpus list -h | step-to --help | --version check --cases 0
check --cases 0xffffffffffffffff --help | check --cases 010 --help | check --cases= 5 --help | check --json=true --help
check --time .5s --help | check --time 8784h --help | check --time 1ms --help | check --time 10 --help
check --subject ./all.trace --help
check --seed random --help | replay a -n5 --help | replay -hn5 x | replay a b -h | campaign --memory 64M --help
campaign --disk 0x10000K --help | campaign -j4 --help | campaign report -o a.html b --help | explore --ops lazy,,all --help
bench --help | bench kernel --help | help bench kernel | bench kernel --tests 0x3,fix_size,16 --against model --rounds 7 --help
mutants --minimize-time 0 --help | mutants --least random=90,corpus=80 --help | coverage --fail-under-lines 99.95 --help
"""
WRONG = """
'' | chek | frobnicate | --frobnicate | nonsense --version | chek --help
help corpus imprt | help nonsense | check nonsense --help | check -- nonsense | check -5 | check ---x
check --=x | check --cses=5 | check --cases | check --cases 0 | check --cases -1 | check --cases x | check --cases 1e3
check --cases 18446744073709551616 | check --cases 0x1ffffffffffffffff | check --cases 0x | check --cases 0 -x
check -x --cases 0 | check --help --cases 0 | check --version | check --ops 0 --cases 0 | check --json=x | check -h=x
check --time 0 | check --time 5y | check --time -1s | check --time . | check --time 1.5.5 | check --time 8784.1h
check --time 0.0009s | check --time 0.5ms | check --time '' | check --checking never | check --checking every-stp
check --seed x | check --seed rndom | check --sbject vmap | --subject frob check | --subject frob corpus list
check --subject canary_tre | check --subject nowhere.so | check --subject ./nowhere | check --subject 'a\tb\x7f'
check --no-saved --all-saved | check --require fit.noedge>=1% | check --require zebra>=1 | check --require ops>=1%
check --require ops>=x | check --require fit.no_edge>=101% | check --require fit.no_edge=1 | check --require >=1
check --require 'fit.no_edge >= 1e3' | check --require '' | replay | replay --frobnicate | replay a --times 0
replay a --times 1000001 | replay a --format cp | corpus | corpus x | corpus lst | corpus list a b | corpus import
corpus import --pid 5 | corpus import --strace a b | corpus import --placement first | corpus export --oss-fuzz --format traces
corpus minimize | corpus minimize d -o e --keep-old | campaign nonsense | campaign statsu | campaign --engine afll
campaign --memory 1k | campaign --disk 99999999T | campaign --execs 0 | campaign -j0 | campaign -j=4 | campaign status a b
campaign report --format html5 | explore --ops aligned,bogus | explore --searches | explore --granules 99
show --at 1 --from 2 x | show x --at -1 | minimize a | minimize a -o b --any --same-invariant | encode a -o | completion
completion bsh | completion bash extra | man x | step-to | table x | test nonsense | test nonsense --help
test --help nonsense | test --compiler gc | test --seed 99999999999999999999 | test -- nonsense | mutants -h nonsense
mutants --driver random,fuz | mutants --least random=,corpus=80 | mutants --least foo=3 | mutants --third 4
mutation --operator nothing | mutation --until quik | coverage --with foo | coverage --fail-under-lines 101
bench nonsense | bench krnel | bench kernel x | bench kernel --tests foo | bench kernel --tests fix_sise | bench kernel --tests 0
bench kernel --tests 0x2000 | bench kernel --tests fix_size,foo | bench kernel --tests 1,0x10000 | bench kernel --loops 0
bench kernel --loops 1000000001 | bench kernel --mode fast | bench kernel --against frob | bench kernel --against vmpa
bench kernel --rounds 5 | bench kernel --rounds 4 --against model | bench kernel --verify --against model
bench kernel --against model --mode smoke | bench kernel --workers 1025 | bench kernel --subject frob
coverage --fail-under-lines '' | coverage --from | coverage --sbject vmap
"""
RIGHT = ("check --cases 5 --time 10 --seed random --require fit.no_edge>=99.5% --require 'ops > 1k' --require help",
         "replay -- -x --help", "campaign -j4 --memory 2G -- -a=1 -b",
         "test --compiler gcc --seed random -- -R corpus -j1", "mutants --driver random,fuzz --list", "mutation -j 4 --only x",
         "bench", "bench kernel --tests 0x11,pcpu --loops 5 --verify", "bench kernel --against linear_scan --rounds 5 --json",
         "coverage --with corpus --fail-under-lines 99.5", "corpus import --strace log --pid 0", "--json campaign status",
         "explore --index-only --searches", "completion zsh", "man", "table")


def lines(text):
    return [line.strip() for line in text.replace("\n", " | ").split(" | ") if line.strip()]


def rows(kind):
    """What stands in the lines of that kind, field by field."""
    return [line.split("\t")[1:] for line in TABLE.read_text().splitlines() if line.startswith(kind + "\t")]


class Table(cli.Cli):
    def test_is_what_the_program_prints(self):
        """Else: vmapcheck table >tools/arguments.table"""
        self.assertEqual(TABLE.read_text(), self.ok("table").out)

    def test_launcher_scripts_take_what_it_says(self):
        """The commands that scripts do take the options of the table, and no others; of fixed lists, the same names."""
        sys.path[:0] = [str(cli.SOURCE / "tools"), str(cli.SOURCE / "properties/mutation")]
        sys.dont_write_bytecode = True
        import coverage
        import measure
        import mutate
        for command, script in (("coverage", coverage), ("mutants", measure), ("mutation", mutate)):
            told = {}
            for path, names, takes, _, _, _, kind, _ in rows("option"):
                if path == f"vmapcheck {command}" and names != "-h,--help":
                    told[names] = takes == "flag", kind.split()[1:] if kind.startswith("choice") else None
            taken = {",".join(action.option_strings): (action.nargs == 0, action.choices and [str(c) for c in action.choices])
                     for action in script.parser()._actions}
            self.assertEqual(told, taken, command)


class Launcher(cli.Cli):
    def both(self, status, command):
        """Both end so, and say the same. The launcher has not even a place to build in."""
        build = self.scratch / "build"
        program = self.ends(status, command, err=None)
        launcher = self.ends(status, command, err=None, program=LAUNCHER, VMAPCHECK_BUILD_DIR=str(build))
        self.assertEqual((program.out, program.err), (launcher.out, launcher.err), command)
        self.assertFalse(build.exists(), command)
        return program

    def test_answers(self):
        for command in lines(HELP):
            with self.subTest(command):
                self.assertEqual("", self.both(0, command).err)

    def test_lists_subjects_before_it_has_built(self):
        self.assertIn("\ncanary_cost ", self.both(0, "subjects").out)

    def test_refuses(self):
        for command in lines(WRONG):
            with self.subTest(command):
                said = self.both(2, command)
                self.assertEqual(("", 1), (said.out, len(said.err.splitlines())))

    def test_no_command(self):
        for command in "", "--json", "--seed 5", "-- check --help":
            self.assertIn("Usage: vmapcheck", self.both(2, command).err)

    def test_launcher_lets_pass_what_is_right(self):
        for command in RIGHT:
            self.ends(4, command, (), "^vmapcheck: cannot write to /dev/null/build ", program=LAUNCHER,
                      VMAPCHECK_BUILD_DIR="/dev/null/build")

    def test_every_help(self):
        """Of each command, and by both ways to ask for it."""
        paths = [path.split()[1:] for path, *_ in rows("command")]
        self.assertGreater(len(paths), 25)
        for path in paths:
            self.assertEqual(self.both(0, [*path, "--help"]).out, self.ok(["help", *path], program=LAUNCHER).out)


class Guess(cli.Cli):
    def test_what_was_meant(self):
        self.refuses(2, {
            "chek": r"^vmapcheck: unknown command 'chek': did you mean check\? \(see vmapcheck --help\)$",
            "corpus mini": "'mini': did you mean minimize\\?",
            "campaign statsu": "unknown command 'statsu': did you mean status\\?",
            "help corpus imprt": "'imprt': did you mean import\\? .see vmapcheck corpus --help",
            "check --cses=5": "unknown option '--cses=5': did you mean --cases\\?",
            "check --checking amortised": "expected every-step or amortized, found 'amortised': did you mean amortized",
            "check --subject canary_tre": "found 'canary_tre': did you mean canary_tree\\?",
            "explore --ops lazi": "expected first-fit, all, .* or refused, found 'lazi': did you mean lazy\\?"})

    def test_what_nobody_could_mean(self):
        self.refuses(2, {"xyzzy": r"'xyzzy' \(see", "check --xyzzy": r"'--xyzzy' \(see", "check --cases x": "found 'x' .see"})


class Completion(cli.Cli):
    def script(self, shell):
        return self.write("script", self.ok(f"completion {shell}", ["minimize"]).out)


@cli.needs("bash")
class Bash(Completion):
    def completes(self, *words):
        """What is offered for the last word."""
        self.script("bash")
        run = ('source ./script; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _vmapcheck; '
               'printf "%s\\n" "${COMPREPLY[@]}"')
        return self.ok(["-c", run, "bash", "vmapcheck", *words], program="bash").out.split()

    def test_is_a_script(self):
        self.script("bash")
        self.ok("-n script", (), program="bash")
        self.ok(["-c", 'source ./script; complete -p vmapcheck'], ["-F _vmapcheck vmapcheck"], program="bash")

    def test_completes(self):
        self.write("traces/one.trace", "")
        for words, expected in ((["ch"], ["check"]), (["corpus", "im"], ["import"]), (["check", "--check"], ["--checking"]),
                                (["check", "--checking", ""], ["every-step", "amortized"]),
                                (["check", "--checking", "=", "am"], ["amortized"]), (["-h", "corpus", "li"], ["list"]),
                                (["check", "--subject", "seed"], ["seed_2019"]), (["check", "--cases", ""], []),
                                (["replay", "traces/"], ["traces/one.trace"]), (["corpus", "list", "tr"], ["traces"]),
                                (["replay", "--format", "c"], ["cpp"]), (["test", "--compiler", "g"], ["gcc"]),
                                (["completion", "z"], ["zsh"]), (["help", "corp"], ["corpus"]),
                                (["check", "--time", "corp"], []), (["bench", "kernel", "--tests", "fix_a"], ["fix_align"]),
                                (["bench", "kernel", "--against", "lin"], ["linear_scan"])):
            self.assertEqual(expected, self.completes(*words), words)
        self.assertNotIn("table", self.completes(""))
        self.assertNotIn("--tool", self.completes("mutants", "-"))


@cli.needs("zsh")
class Zsh(Completion):
    def test_is_a_script(self):
        self.script("zsh")
        self.ok("-n script", (), program="zsh")

    def test_is_what_completes(self):
        self.script("zsh")
        script = 'autoload -U compinit; compinit -u -D; source ./script; print ${_comps[vmapcheck]}'
        self.ok(["-f", "-c", script], "^_vmapcheck$", program="zsh")


@cli.needs("fish")
class Fish(Completion):
    def test_completes(self):
        self.script("fish")
        self.ok("-n script", (), program="fish")
        for line, expected in (("vmapcheck ch", "check"), ("vmapcheck corpus im", "import"),
                               ("vmapcheck check --checking am", "amortized"), ("vmapcheck help corp", "corpus"),
                               ("vmapcheck completion z", "zsh"), ("vmapcheck check --subject seed_", "seed_2019")):
            said = self.ok(["-c", f"source script; complete -C '{line}'"], program="fish", HOME=str(self.scratch))
            self.assertEqual([expected], [each.split("\t")[0] for each in said.out.splitlines()], line)


class Man(cli.Cli):
    def setUp(self):
        super().setUp()
        self.write("vmapcheck.1", self.ok("man", ["^[.]TH "]).out)

    @cli.needs("groff")
    def test_has_every_option(self):
        """And groff finds no fault in it."""
        page = self.ok("-ww -man -Tascii -P-cbou vmapcheck.1", program="groff").out
        for path, names, _, shown, *_ in rows("option"):
            if shown != "hidden" and path not in ("vmapcheck table", "vmapcheck step-to"):
                self.assertIn(names.split(",")[-1], page, path)

    @cli.needs("mandoc")
    def test_is_good_style(self):
        self.ok("-T lint -W error vmapcheck.1", (), program="mandoc")
