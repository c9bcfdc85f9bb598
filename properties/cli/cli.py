# SPDX-License-Identifier: Apache-2.0
"""cli.py VMAPCHECK NAME [--target TARGET] [-k TEST] [-v]

How the command line is tested from outside. NAME is a file beside this one, which holds the tests of one command, or a
class in it: replay, replay.Gdb. VMAPCHECK may be `-`: then it is what the variable VMAPCHECK_TOOL names. TARGET is a
fuzz target, for tests that need one. Exit status: 0 all passed, 1 one failed, 2 usage, 77 none failed, but some could not
be run here; what is said tells why.
"""
import argparse
import functools
import json
import os
import pathlib
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
SEED = os.environ.get("VMAPCHECK_SEED", "1")
SKIPPED = 77

HEADER = "vmapcheck-trace 1\n"
# What is said now and then, where a command takes longer than ten seconds.
PROGRESS = re.compile(r"^(check|soak|explor|minimiz|explain|reproduc|measur|verify|compar)ing\b.*\n", re.MULTILINE)
# In each test's folder.
TRACES = {
    "all.trace": """# one of each
space 0x1000..0x11000 granule=0x1000 lazy-limit=0x4000
busy 0x3000..0x4000
alloc a0 size=0x1000
alloc a1 size=8k align=0x4000 within=0x2000..0x9000
alloc-at a2 0xa000..0xb000
congruent a3 align=0x1000 blocks=0x0+0x1000,0x4000+0x2000
free a0
free a0
free-lazily a1
purge
free-at 0x2000
free-lazily-at 0x3000
find 0x8123
find 0xf800
on-exhaustion a2
on-exhaustion a9
fail-metadata 2
alloc a5 size=7
alloc a6 size=0x20000
""",
    # Fails on seed_2019 at step 2, with answer.
    "fault.trace": """space 0x100000..0x140000 granule=0x1000
alloc a0 size=0x1000
alloc a1 size=0x1000 align=0x2000
alloc a2 size=0x1000
alloc a3 size=0x1000
""",
    "bad.trace": "space 0..0x1000\nfind 0\nfrobnicate\n",
    # Fails on canary_augment at step 3.
    "stale.trace": """space 0x0..0xfffffffffffff000 granule=0x1000
alloc-at a0 0x28000..0x32000
alloc-at a1 0xaa9000..0xaaa000
alloc-at a2 0xae5000..0xaf2000
free a2
""",
    # Ends fault_exit_zero at step 1.
    "rescue.trace": "space 0x0..0x1\nbusy 0x0..0x1\nfree-lazily-at 0x0\nalloc a0 size=1\n",
    # Fails on `flaky` each second time.
    "found.trace": "space 0..0x1000\nalloc a0 size=1\nfind 0\n",
}


class Said:
    """What a command said, and how it ended."""

    def __init__(self, words, status, *texts):
        self.words, self.status = words, status
        self.out, self.err = (text.decode(errors="surrogateescape") for text in texts)
        self.err = PROGRESS.sub("", self.err)

    @property
    def json(self):
        return json.loads(self.out)

    def found(self, pattern):
        """All places of standard output that match, or what their groups hold."""
        return re.findall(pattern, self.out, re.MULTILINE)

    def __str__(self):
        return f"\n$ {shlex.join(map(str, self.words))}\nended with {self.status}; said\n{self.out[:3000]}\nand\n{self.err[:1000]}"


class Cli(unittest.TestCase):
    """A test has a folder of its own to work in, with TRACES, and no variable of ours is set."""
    binary = target = None
    maxDiff = None

    def setUp(self):
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="vmapcheck-cli-"))
        self.addCleanup(shutil.rmtree, self.scratch, ignore_errors=True)
        os.chdir(self.scratch)
        self.addCleanup(os.chdir, "/")
        for name, text in TRACES.items():
            self.write(name, HEADER + text)

    def write(self, name, content):
        path = pathlib.Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    # ---- Running ----------------------------------------------------------------------------------------------------

    def ends(self, status, command, out=None, err=(), stdin=None, program=None, **environment):
        """The command, as a string or a list of words, ends with that status, and says that: of `out` and `err`, None is
        anything, () nothing, a string one line that matches it, a list of strings lines of which some match each."""
        words = self.words_of(command, program)
        done = subprocess.run(words, input=stdin or b"", capture_output=True, env=variables(environment), timeout=300,
                              check=False)
        said = Said(words, done.returncode, done.stdout, done.stderr)
        self.assertEqual(status, said.status, said)
        self.says(said.out, out, f"standard output{said}")
        self.says(said.err, err, f"standard error{said}")
        return said

    def ok(self, command, out=None, err=(), **more):
        return self.ends(0, command, out, err, **more)

    def refuses(self, status, commands, **more):
        """Each command ends so, with the one line that is given for it on standard error, and says nothing else."""
        for command, pattern in commands.items():
            with self.subTest(command):
                self.ends(status, command, (), pattern, **more)

    def shell(self, status, script, out=None, err=(), **more):
        """A script of bash, in which `vmapcheck` is the command line."""
        script = f'vmapcheck() {{ "$BINARY" "$@"; }}\n{script}'
        return self.ends(status, ["-c", script], out, err, program="bash", BINARY=self.binary, **more)

    def words_of(self, command, program=None):
        return [str(program or self.binary), *(shlex.split(command) if isinstance(command, str) else map(str, command))]

    def start(self, command, stdin=subprocess.DEVNULL, **environment):
        """Runs in the background, with files for what it says; end() gives it. Killed at the end of the test."""
        files = [tempfile.TemporaryFile() for _ in range(2)]
        process = subprocess.Popen(self.words_of(command), stdin=stdin, stdout=files[0], stderr=files[1],
                                   env=variables(environment))
        process.files = files
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def end(self, process, sent=None, status=None):
        """Waits for it, after a signal if one is given: not before it is ready for one that it catches."""
        if sent in (signal.SIGINT, signal.SIGTERM):
            self.eventually(lambda: process.poll() is not None or catches(process.pid, sent))
        if sent:
            process.send_signal(sent)
        process.wait(timeout=300)
        for file in process.files:
            file.seek(0)
        said = Said(process.args, process.returncode, *(file.read() for file in process.files))
        if status is not None:
            self.assertEqual(status, said.status, said)
        return said

    # ---- What holds -------------------------------------------------------------------------------------------------

    def says(self, text, patterns, where):
        if patterns is None:
            return
        if isinstance(patterns, str):
            self.assertEqual(1, len(text.splitlines()), f"lines of {where}")
            patterns = [patterns]
        if not patterns:
            self.assertEqual("", text, where)
        for pattern in patterns:
            if not re.search(pattern, text, re.MULTILINE):
                self.fail(f"no line matches {pattern} in {where}")

    def holds(self, file, *patterns):
        """Lines of the file match."""
        self.says(pathlib.Path(file).read_text(errors="replace"), patterns, str(file))

    def files(self, pattern, count=None):
        """Those that the pattern finds; so many if that is said."""
        found = sorted(str(path) for path in pathlib.Path().glob(pattern))
        if count is not None:
            self.assertEqual(count, len(found), f"{pattern}: {found}")
        return found

    def only(self, pattern):
        return self.files(pattern, 1)[0]

    def same_files(self, one, other):
        self.assertEqual(pathlib.Path(one).read_bytes(), pathlib.Path(other).read_bytes(), f"{one} and {other}")

    def eventually(self, what, seconds=20):
        """What a function gives, once that is true."""
        end = time.monotonic() + seconds
        while not (value := what()):
            self.assertLess(time.monotonic(), end, "waited in vain")
            time.sleep(0.02)
        return value


def catches(pid, sent):
    caught = re.search("^SigCgt:\t(.*)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)[1]
    return int(caught, 16) >> (sent - 1) & 1


def variables(more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VMAPCHECK_")}
    return {**kept, **more}


@functools.cache
def sanitized():
    """Sanitizers report some deaths in their own words."""
    return subprocess.run([Cli.binary, *"check --sanitize --cases 1 --ops 1".split()], capture_output=True, check=False,
                          env=variables({}), stdin=subprocess.DEVNULL, cwd=tempfile.gettempdir()).returncode == 0


def needs(*commands):
    """For a test that cannot be run where one of the commands is missing."""
    missing = [command for command in commands if shutil.which(command) is None]
    return unittest.skipIf(missing, f"not found: {' '.join(missing)}")


def rubbish(size):
    """Bytes that are no trace, from the first on; the same in each run."""
    return b"\xff" + random.Random(size).randbytes(size - 1)


def snapshot(folder):
    """Names and contents of all files."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in pathlib.Path(folder).rglob("*")
            if path.is_file() and not path.is_symlink()}


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("vmapcheck")
    parser.add_argument("name")
    parser.add_argument("--target", type=os.path.realpath)
    arguments, rest = parser.parse_known_args()
    tool = os.environ.get("VMAPCHECK_TOOL") if arguments.vmapcheck == "-" else arguments.vmapcheck
    if not tool:
        print("skipped: VMAPCHECK_TOOL names no command line")
        sys.exit(SKIPPED)
    Cli.binary, Cli.target = os.path.realpath(tool), arguments.target
    signal.signal(signal.SIGINT, signal.default_int_handler)  # children must not inherit that it is ignored
    result = unittest.main(module=None, argv=[sys.argv[0], arguments.name, *rest], exit=False, warnings="ignore").result
    for test, why in result.skipped:
        print(f"skipped: {test}: {why}")
    sys.exit(1 if not result.wasSuccessful() else SKIPPED if result.skipped else 0)


if __name__ == "__main__":
    import cli  # the classes whose tests are run know it by this name
    cli.main()
