#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Malformed input for `vmapcheck replay --json` and the other commands that read a trace, written from the contract alone.

    malformed.py BINARY

Every malformed trace must give exit status 2 and exactly one line on standard error that names file:line:column (the line
that is at fault, where there is only one reading); what cannot be read must give 4 and one line that names the file; an
unknown subject 3; wrong usage 2. Nothing may crash or take longer than 10 s. "Odd" cases are those for which the contract
allows more than one answer: they may succeed (0) or be malformed (2).

Exit status 0 when every case is as it must be, else 1.
"""
import argparse
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile

MAGIC = "vmapcheck-trace 1\n"
HEAD = MAGIC + "space 0x1000..0x11000 granule=0x1000\n"
MIB = 1 << 20


def lines(*more):
    return HEAD + "".join(line + "\n" for line in more)


def raw(text):
    return text if isinstance(text, bytes) else text.encode("utf-8")


def alternatives(text):
    return [" ".join(one.split()) for one in text.split("|")]


# ---- What is no trace ------------------------------------------------------------------------------------------------

FIRST_LINES = alternatives("""vmapcheck-trace 0 | vmapcheck-trace 2 | vmapcheck-trace 11 | vmapcheck-trace 1.0 |
    vmapcheck-trace -1 | vmapcheck-trace 1x | vmapcheck-trace 18446744073709551617 | vmapcheck-trace | vmapcheck-trace 1 1 |
    vmapcheck-tracer 1 | VMAPCHECK-TRACE 1 | hello world | space 0..0x1000""")
SPACES = alternatives("""| 0 | 0.. | ..0x1000 | .. | 0...0x1000 | 0-0x1000 | 0x..0x1000 | 0 .. 0x1000 |
    0..0x10000000000000000 | 0..18446744073709551616 | 0..17179869184g | 0x10000000000000000..0x20000000000000000 |
    -1..0x1000 | 0..0x1000 granule | 0..0x1000 granule= | 0..0x1000 granule=x | 0..0x1000 granule=16 granule=16 |
    0..0x1000 lazy-limit | 0..0x1000 lazy-limit= | 0..0x1000 lazy-limit=-1 | 0..0x1000 lazy-limit=1 lazy-limit=1 |
    0..0x1000 foo=1 | 0..0x1000 foo | 0..0x1000 granule=0x10000000000000000 | 0..0x1000 0..0x1000 | 0..0x1000 align=16 |
    0..0x1000, | granule=16 0..0x1000x""")
# They read well, but nothing can be constructed from them.
SPACES += alternatives("""0x2000..0x1000 | 0..0x1000 granule=0 | 0..0x1000 granule=3 | 0..0x1800 granule=0x1000 |
    0x800..0x2000 granule=0x1000 | 0..0xffffffffffffffff granule=2""")
BUSY = alternatives("""| 0x3000 | 0x3000.. | ..0x3000 | 0x3000..0x4000 x | a0 0x3000..0x4000 |
    0x3000..0x4000,0x5000..0x6000 | 0x3000..0x10000000000000000""")
BUSY += alternatives("""0x3000..0x3800 | 0x3800..0x5000 | 0x5000..0x4000 | 0..0x1000 | 0x0..0x2000 | 0x10000..0x12000 |
    0x11000..0x12000 | 0xfffffffffffff000..0x1000""")
NO_NUMBERS = alternatives("""| x | 0x | 0xg | 0x1g2 | 12q | -1 | +1 | 1.5 | 1e3 | k | 1kk | 1km | 0x1000p | 1t | 1kb | 4 k |
    =0x1000 | 0b1 | 1_0 | 1,000 | '1' | "1" | ffff | 18446744073709551616 | 0x10000000000000000 | 18014398509481984k |
    17592186044416m | 17179869184g | 18446744073709551615k | 0xffffffffffffffffg | 36028797018963968k""")
NO_NUMBERS += [" 0x1000", "9" * 44, "0x" + "f" * 17, "0x1" + "0" * 1000, "9" * 100000]
OPS = {
    "": "frobnicate | frobnicate a0 | allocate a0 size=0x1000 | Alloc a0 size=0x1000 | ALLOC a0 size=0x1000 | = | .. | - |"
        "alloc_at a0 0x1000..0x2000 | purges | 0x1000 | fínd 0x1000",
    "alloc": "| a0 | size=0x1000 | a0 size | a0 0x1000 | a0 a1 size=0x1000 | a0 align=0x1000 | a0 size =0x1000 |"
             "a0 size=1 align=0x10000000000000000 | a0 size=1 within=0..0x10000000000000000",
    "alloc a0 size=0x1000": "size=0x1000 | align= | align=q | align=1 align=1 | within= | within=0x1000 | within=0x1000.. |"
                            "within=..0x1000 | within=0..1 within=0..1 | within=0..1..2 | foo=1 | foo | blocks=0+0x1000",
    "alloc-at": "| a0 | a0 0x1000 | a0 0x1000.. | a0 .. | 0x1000..0x2000 | a0 0x1000..0x2000 align=1 | a0 size=0x1000 |"
                "a0 0x1000..0x2000 x | a0 0x1000:0x2000 | a0 0x1000..0x10000000000000000",
    "congruent": "| a0 | a0 align=1 | a0 blocks | a0 size=0x1000 | a0 blocks=0+0x1000 size=0x1000 | blocks=0+0x1000 |"
                 "a0 blocks=0+0x1000 blocks=0+0x1000 | a0 blocks=0+0x1000 0x2000+0x1000 | a0 blocks=0 | a0 blocks=0+ |"
                 "a0 blocks=+0x1000 | a0 blocks=0+0x1000, | a0 blocks=,0+0x1000 | a0 blocks=0+0x1000,,0x2000+0x1000 |"
                 "a0 blocks=0+0x1000+0x1000 | a0 blocks=0..0x1000 | a0 blocks=0+0x10000000000000000 |"
                 "a0 blocks=0x10000000000000000+1 | a0 blocks=" + "0x0+0x1000," * 20000 + "q",
    "free": "| a0 a1", "free-lazily": "| a0 x", "on-exhaustion": "| a0 a0", "purge": "1 | a0",
    "free-at": "| a0 | 0x1000 1 | 0x1000..0x2000 | -1 | 0x10000000000000000", "free-lazily-at": "| x | 0x1000 1",
    "find": "| a0 | 0x1 0x2 | 0x10000000000000000 | 18446744073709551616 | ０x1000",
    "fail-metadata": "| x | 1 2 | -1 | 0x10000000000000000",
}


# The line at fault, or ? where several readings are possible, and what follows HEAD, with ; between lines.
IN_A_TRACE = alternatives("""3 space 0x1000..0x11000 | 4 purge ; space 0x1000..0x11000 | 4 purge ; busy 0x3000..0x4000 |
    ? busy 0x3000..0x5000 ; busy 0x4000..0x6000 | ? busy 0x4000..0x6000 ; busy 0x3000..0x5000 |
    ? busy 0x3000..0x5000 ; busy 0x3000..0x5000 | ? busy 0x3000..0x8000 ; busy 0x4000..0x5000 |
    4 alloc a0 size=0x1000 ; alloc a0 size=0x1000 | 4 alloc a0 size=0x1000 ; alloc-at a0 0x3000..0x4000 |
    4 alloc a0 size=1 ; congruent a0 blocks=0+0x1000 | 5 alloc a0 size=0x1000 ; free a0 ; alloc a0 size=1""")


def malformed_cases():
    """(name, content, line at fault or None when several readings are possible)"""
    def space(text):
        return text, f"{MAGIC}{text}\npurge\n", 2

    def op(text):
        return text[:60], lines("find 0", text, "find 0"), 4

    def whole(content, line):
        return repr(content[:60]), content, line

    r = random.Random(7)
    yield from ((first, first + "\nspace 0..0x1000\n", 1) for first in FIRST_LINES)
    yield from (space(f"space {text}".strip()) for text in SPACES)
    yield from map(space, ("vmapcheck-trace 1", "purge", "busy 0..1", "alloc a0 size=1", "\ufeffspace 0..0x1000"))
    yield from ((f"busy {text}", lines(f"busy {text}".strip()), 3) for text in BUSY)
    yield from (op(f"{begin} {text}".strip()) for begin, texts in OPS.items() for text in alternatives(texts))
    yield from (op(f"alloc a0 size={number}") for number in NO_NUMBERS)
    yield from map(op, ("alloc a0 size=0x1000,", "find \x01", "find 0x1000\x7f", "find 1\u00a0", "free a\0b", "pur\0ge",
                        "find 0x10\x0000", "\x1b[2J\x1b[31mred", "a" * MIB, "find " + "1" * MIB,
                        "free" + " a" * (MIB // 2)))
    for line, text in (case.split(" ", 1) for case in IN_A_TRACE):
        yield text, lines(*text.split(" ; ")), None if line == "?" else int(line)
    for content in ("\n", "# nothing\n", "  \t \n\n", b"\0", bytes(r.randrange(256) for _ in range(4096)),
                    r.randbytes(MIB), MAGIC, HEAD.replace("\n", "\r")):
        yield whole(content, None)
    for content in (b"\xff" * 1000, b"\x7fELF\x02\x01\x01" + b"\0" * 57, "v" * MIB, " " * MIB + "v\n", "x" * 16 * MIB,
                    b"vmapcheck-trace\x001\nspace 0..1\n", "\ufeff\ufeff" + HEAD, HEAD.encode("utf-16"),
                    HEAD.encode("utf-16-le")):
        yield whole(content, 1)
    yield whole(HEAD + "find q", 3)
    yield whole(raw(HEAD) + b"fr\xe9e a0\n", 3)
    yield whole(lines("purge") + "\0\0\0\0", 4)
    yield "an error on line 200003", lines(*["find 0"] * 200000 + ["find q"]), 200003


READERS = alternatives("""replay TRACE | replay --format cpp TRACE | replay --gdb TRACE | encode TRACE -o out |
    minimize TRACE -o out | minimize --any --json --subject seed_2019 TRACE -o out | show TRACE | show --html out TRACE |
    corpus add TRACE --because malformed --dir out""")
MALFORMED_FOR_ALL = [
    ("cut off in an op", HEAD + "alloc a0 size=0x1000\nalloc a1 si", 4),
    ("cut off in the space", HEAD[:30], 2),
    ("binary rubbish", random.Random(8).randbytes(4096), None),
    ("unknown op", lines("find 0", "frobnicate", "purge"), 4),
    ("version 2", "vmapcheck-trace 2\nspace 0..1\n", 1),
    ("empty file", "", None),
]

# What the contract leaves open: 0 or 2, but no crash.
ODD_CASES = {text: lines(*text.split(" ; ")) for text in alternatives("""busy 0x3000..0x3000 | fail-metadata 0 |
    fail-metadata 0xffffffffffffffff ; alloc a size=0x1000 | congruent a0 align=0x1000 blocks= | find 0X10 | find 1K |
    find 0x10k | alloc a0.0 size=0x1000 ; congruent a0 blocks=0+0x1000 | alloc purge size=0x1000 ; free purge |
    alloc 0x1000 size=0x1000 ; free 0x1000 | alloc é size=0x1000 ; alloc " size=0x1000 ; alloc \\ size=1""")}
ODD_CASES |= {
    "only a space": HEAD,
    "CRLF": lines("find 0").replace("\n", "\r\n"),
    "a comment before the header": "# first\n" + HEAD,
    "a blank line before the header": "\n" + HEAD,
    "an empty space": MAGIC + "space 0x1000..0x1000\n",
    "leading zeros": lines("find 007", "find 0x" + "0" * 200 + "1", "find " + "0" * 200),
    "NUL in a comment": lines("# a\0b"),
    "Latin-1 in a comment": raw(HEAD) + b"# caf\xe9\n",
    "1 MB comment": lines("#" + "c" * MIB),
    "1 MB of blanks": lines(" " * MIB, "find 0"),
    "1 MB of blank lines": HEAD + "\n" * MIB,
    "1 MB label": lines("alloc a" + "b" * MIB + " size=0x1000"),
    "100000 blocks": MAGIC + "space 0..0x10000000\ncongruent a blocks=" + ",".join(
        f"{i:#x}+0x1" for i in range(0, 200000, 2)),
    "20000 busy lines, backwards": MAGIC + "space 0..0x1000000\n" + "".join(
        f"busy {i:#x}..{i + 1:#x}\n" for i in range(40000, 0, -2)),
    "everything": MAGIC + "space 0..0xffffffffffffffff\nalloc a size=0xffffffffffffffff\n",
    "labels with escapes": lines("alloc \x1b[2J size=0x1000", "alloc <b> size=0x1000"),
    "not UTF-8 in a label": raw(HEAD) + b"alloc \xff\xfe size=0x1000\n",
}

# ---- Other input -----------------------------------------------------------------------------------------------------

FILES = {"good.trace": lines("find 0"), "broken.trace": lines("find q"), "marked.trace": "\ufeff" + lines("purge"),
         "secret.trace": HEAD, "broken.so": b"\x7fELF rubbish"}
# Missing, below a file, too long, a link to itself, empty, a read error, without permission.
UNREADABLE = ["gone.trace", "good.trace/x.trace", "n" * 300, "loop.trace", "", "/proc/self/mem", "secret.trace"]

USAGE = [  # the status, commands that have it, what each names on standard error
    (0, "replay --json good.trace | replay --json marked.trace", ""),
    (4, "replay --json good.trace gone.trace", "gone.trace"),
    (2, "replay --json good.trace broken.trace", "broken.trace"),
    (3, "replay --json --subject ./good.trace good.trace | replay --json --subject ./broken.so good.trace", ""),
    (2, "replay --json --subject no-such-subject good.trace | replay --json --subject ./gone.so good.trace", "--subject"),
    (2, "replay --json /usr | replay /usr | replay --format cpp /usr", "/usr"),
    (2, "replay -Z good.trace", "-Z"),
    (2, "EMPTY | replay | replay --json | replay good.trace --subject | replay good.trace --seed |"
        "replay --seed x good.trace | replay --seed 18446744073709551616 good.trace | replay --json=maybe good.trace |"
        "minimize | minimize good.trace good.trace | show | show good.trace good.trace", ""),
    (2, "corpus add good.trace --because BLANK", "--because"),
    *((2, f"minimize good.trace -o x --time {time}", "--time")
      for time in ("EMPTY", "0", "-1", "1y", "1e3s", "nan", "inf", "99999999h", "1SPACEs")),
    *((2, f"replay -n {count} good.trace", "--times")
      for count in ("EMPTY", "0", "-1", "x", "1.5", "1000001", "18446744073709551616")),
]
SPECIAL = {"EMPTY": "", "BLANK": "\n\t \x1b", "SPACE": " "}

# Commands with names that a terminal would take for commands, or for a text that runs from right to left.
HOSTILE = alternatives("""replay SEED TRACE | replay --json SEED TRACE | replay -n 2 SEED TRACE |
    replay --format cpp SEED TRACE | show SEED TRACE | show --at 2 SEED TRACE | show --html TRACE.html SEED TRACE |
    minimize SEED TRACE -o FOLDER/small.trace | minimize --json SEED TRACE -o FOLDER/small.trace |
    minimize SEED TRACE -o GONE/x | check --cases 1 --ops 10 --save-dir FOLDER SEED |
    check --json --cases 1 --ops 10 --save-dir FOLDER SEED | corpus list FOLDER | corpus list --json FOLDER |
    corpus stats FOLDER | corpus stats --json FOLDER | corpus add TRACE --because GONE --dir FOLDER |
    corpus import TRACE BROKEN -o FOLDER/new | corpus import --json TRACE BROKEN -o FOLDER/new |
    corpus minimize SEED FOLDER -o FOLDER2 | corpus minimize --json SEED FOLDER -o FOLDER3 |
    corpus export --format traces FOLDER -o FOLDER/out |
    corpus import --strace LOG --program GONE -o FOLDER/small.trace | encode BROKEN | decode GONE | explore --subject GONE |
    campaign status FOLDER | campaign report GONE | campaign --dir BROKEN | replay BROKEN | replay GONE |
    replay --subject GONE TRACE | GONE | replay GONE --GONE""")
DANGEROUS = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ufffd]"


# ---- What must hold --------------------------------------------------------------------------------------------------

def one_line(done):
    """That of standard error."""
    assert re.fullmatch(rb"[^\n]+\n", done.stderr), "not exactly one line on standard error"
    return done.stderr[:-1].decode("utf-8", "replace")


def words_of(command, **names):
    """Its words, with what the names in capitals stand for."""
    names |= SPECIAL
    return [re.sub("|".join(names), lambda found: str(names[found[0]]), word) for word in command.split()]


class Tester:
    def __init__(self, binary):
        self.binary = os.path.abspath(binary)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="vmapcheck-malformed-"))
        self.count = self.bad = 0
        self.odd = []

    def all(self):
        for case in malformed_cases():
            self.malformed("replay --json TRACE", *case)
        for command in READERS:
            for case in MALFORMED_FOR_ALL:
                self.malformed(command, *case)
        for name, content in ODD_CASES.items():
            self.odd_one(name, content)
        for name, content in FILES.items():
            (self.folder / name).write_bytes(raw(content))
        (self.folder / "secret.trace").chmod(0)
        (self.folder / "loop.trace").symlink_to("loop.trace")
        for path in UNREADABLE:
            if path != "secret.trace" or os.geteuid() != 0:
                for command in ["replay --json TRACE", *READERS]:
                    if "--gdb" not in command:
                        self.refused(f"{path!r} ({command})", words_of(command, TRACE=path), 4, path)
        for status, commands, mention in USAGE:
            for command in alternatives(commands):
                self.refused(command, words_of(command), status, mention)
        with open("/dev/full", "wb") as full:
            self.refused("the output is full", ["replay", "--json", "good.trace"], 4, "", stdout=full)
        self.hostile_text()

        print(f"malformed: {self.count} cases, {self.bad} failed")
        print("left open by the contract: " + "; ".join(self.odd))
        if self.bad:
            print(f"the files of the failed cases: {self.folder}")
            return 1
        shutil.rmtree(self.folder)
        return 0

    def run(self, name, words, judge, content=None, stdout=subprocess.PIPE):
        """A case: TRACE of the words is a file with that content, which is kept if `judge` finds it wrong."""
        self.count += 1
        path = self.folder / f"{self.count:03}_{re.sub('[^a-zA-Z0-9]+', '_', name)[:40]}.trace"
        if content is not None:
            path.write_bytes(raw(content))
            words = words_of(words, TRACE=path)
        done = None
        try:
            done = subprocess.run([self.binary, *map(str, words)], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=stdout,
                                  stderr=subprocess.PIPE, timeout=10, check=False)
            crashed = re.search(rb"Sanitizer|runtime error|terminate called|ssertion", done.stderr)
            assert 0 <= done.returncode < 126 and not crashed, "crashed"
            judge(done)
        except (AssertionError, UnicodeDecodeError, subprocess.TimeoutExpired) as wrong:
            self.bad += 1
            print(f"FAILED {name}: {wrong}\n  command: {words}")
            if done:
                print(f"  exit status {done.returncode}; standard error: {done.stderr.decode('utf-8', 'replace')[:400]!r}")
        else:
            path.unlink(missing_ok=True)

    def malformed(self, command, name, content, line):
        def judge(done):
            assert done.returncode == 2, "exit status is not 2"
            assert not done.stdout, "says something on standard output"
            assert not (self.folder / "out").exists(), "writes something"
            said = one_line(done)
            assert not any(ord(c) < 32 or ord(c) == 127 for c in said), "control characters on standard error"
            path = next(word for word in done.args if word.endswith(".trace"))
            assert len(said) <= 2000 + len(path), "a very long line on standard error"
            place = re.search(re.escape(path) + r":(\d+):(\d+)\b(.*)", said)
            assert place, "no file:line:column"
            at, column = int(place[1]), int(place[2])
            content_lines = raw(content).split(b"\n")
            assert 1 <= at <= len(content_lines), f"there is no line {at}"
            assert 1 <= column <= len(content_lines[at - 1]) + 1, f"line {at} has no column {column}"
            assert line in (None, at), f"line {line} expected"
            assert re.search(r"\w{2,}", place[3]), "does not say what is wrong"
        self.run(f"{name} ({command})", command, judge, content)

    def odd_one(self, name, content):
        def judge(done):
            assert done.returncode in (0, 2), "exit status is neither 0 nor 2"
            if done.returncode == 2:
                one_line(done)
            assert "\x1b" not in done.stdout.decode("utf-8"), "a raw escape character in the output"
            self.odd.append(f"{name} {done.returncode}")
        self.run(name, "replay --json TRACE", judge, content)

    def refused(self, name, words, status, mention, **more):
        def judge(done):
            assert done.returncode == status, f"exit status is not {status}"
            assert status == 0 or mention in one_line(done), f"does not name {mention!r}"
            assert not (self.folder / "out").exists(), "writes something"
        self.run(name, words, judge, **more)

    def hostile_text(self):
        """No command sends what a terminal takes for a command, wherever in its input that stands; and the replay line
        of a file with such a name works when it is pasted."""
        folder = self.folder / "hostile \x1b]0;x\x07\u009b2J"
        folder.mkdir()
        names = {"FOLDER": folder, "TRACE": folder / "a'b\\ \x1b[2J\r\x07\u009b\u202e\x7f.trace",
                 "BROKEN": self.folder / "broken \x1b[2J\u009b.trace", "LOG": self.folder / "log \x1b[2J\u009b.strace",
                 "GONE": "gone \x1b[2J\u009b\u202e"}
        names["TRACE"].write_bytes((MAGIC + "# \x1b]0;y\x07 \u009b2J \r \u202e \x7f ").encode() + b"\x9b2J \xff.\n"
                                   b"space 0x100000..0x140000 granule=0x1000\nalloc a0 size=0x1000 align=0x1000\n"
                                   b"alloc a1 size=0x1000 align=0x2000\nalloc a2 size=0x1000 align=0x1000\n")
        names["BROKEN"].write_text(lines("alloc \x1b[2J\u009b size=1"))
        names["LOG"].write_text(
            "mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3, 0) = 0x7f0000000000\nmad\x1b[2J\u009bvise(1) = 0\n")

        def harmless(done):
            for said in (done.stdout, done.stderr):
                found = re.search(f".{{,60}}{DANGEROUS}.{{,20}}", said.decode("utf-8", "replace"))
                assert not found, f"prints {found[0]!r}"

        def can_be_pasted(done):
            said = re.search(rb"^  replay +(.*)$", done.stdout, re.MULTILINE)
            assert said, "there is none"
            pasted = subprocess.run(["bash", "-c", said[1]], cwd=self.folder, stdin=subprocess.DEVNULL,
                                    capture_output=True, timeout=10, check=False)
            assert pasted.returncode == 10, f"does not work: {said[1]!r} gives {pasted.returncode}, {pasted.stderr!r}"

        for command in HOSTILE:
            self.run(f"hostile text: {command}", words_of(command.replace("SEED", "--subject seed_2019"), **names), harmless)
        self.run("hostile replay line", words_of("show --subject seed_2019 TRACE", **names), can_be_pasted)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("binary")
    sys.exit(Tester(parser.parse_args().binary).all())
