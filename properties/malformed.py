#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Malformed input for `vmapcheck replay --json` and the other commands that read a trace, written from the contract alone.

    malformed.py BINARY [--only WORD]

Every malformed trace must give exit status 2 and exactly one line on standard error that
names file:line:column (the line that is at fault, where there is only one reading); what
cannot be read must give 4 and one line that names the file; an unknown subject 3; wrong
usage 2.  Nothing may crash or take longer than 10 s.  "odd" cases are those for which the
contract allows more than one answer: they may succeed (0) or be malformed (2).

Exit status 0 when every case is as it must be, else 1.
"""

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

HEAD = "vmapcheck-trace 1\nspace 0x1000..0x11000 granule=0x1000\n"


def lines(*more):
    return HEAD + "".join(line + "\n" for line in more)


def raw(text):
    return text if isinstance(text, bytes) else text.encode("utf-8")


def malformed_cases():
    """(name, content, line at fault or None when several readings are possible)"""
    r = random.Random(7)
    yield "empty file", "", None
    yield "one newline", "\n", None
    yield "only a comment", "# nothing\n", None
    yield "only blanks", "  \t \n\n", None
    yield "one NUL", b"\0", None
    yield "binary rubbish", bytes(r.randrange(256) for _ in range(4096)), None
    yield "big binary rubbish", r.randbytes(1 << 20), None
    yield "all bytes 0xff", b"\xff" * 1000, 1
    yield "an ELF header", b"\x7fELF\x02\x01\x01" + b"\0" * 57, 1
    yield "not a trace", "hello world\n", 1
    yield "version 0", "vmapcheck-trace 0\nspace 0..0x1000\n", 1
    yield "version 2", "vmapcheck-trace 2\nspace 0..0x1000\n", 1
    yield "version 11", "vmapcheck-trace 11\nspace 0..0x1000\n", 1
    yield "version 1.0", "vmapcheck-trace 1.0\nspace 0..0x1000\n", 1
    yield "version -1", "vmapcheck-trace -1\nspace 0..0x1000\n", 1
    yield "version 1x", "vmapcheck-trace 1x\nspace 0..0x1000\n", 1
    yield "version huge", "vmapcheck-trace 18446744073709551617\nspace 0..0x1000\n", 1
    yield "no version", "vmapcheck-trace\nspace 0..0x1000\n", 1
    yield "two versions", "vmapcheck-trace 1 1\nspace 0..0x1000\n", 1
    yield "wrong magic", "vmapcheck-tracer 1\nspace 0..0x1000\n", 1
    yield "magic in capitals", "VMAPCHECK-TRACE 1\nspace 0..0x1000\n", 1
    yield "header missing", "space 0..0x1000\nalloc a0 size=1\n", 1
    yield "header twice", "vmapcheck-trace 1\nvmapcheck-trace 1\nspace 0..0x1000\n", 2
    yield "only the header", "vmapcheck-trace 1\n", None
    yield "an op before space", "vmapcheck-trace 1\npurge\nspace 0..0x1000\n", 2
    yield "busy before space", "vmapcheck-trace 1\nbusy 0..1\nspace 0..0x1000\n", 2
    yield "no space at all", "vmapcheck-trace 1\nalloc a0 size=1\n", 2
    yield "space twice", lines("space 0x1000..0x11000"), 3
    yield "space twice, later", lines("purge", "space 0x1000..0x11000"), 4

    def space(text):
        return "vmapcheck-trace 1\nspace" + text + "\npurge\n"

    for text in (
        "", " 0", " 0..", " ..0x1000", " ..", " 0...0x1000", " 0-0x1000", " 0x..0x1000",
        " 0 .. 0x1000", " 0..0x10000000000000000", " 0..18446744073709551616",
        " 0..17179869184g", " 0x10000000000000000..0x20000000000000000", " -1..0x1000",
        " 0..0x1000 granule", " 0..0x1000 granule=", " 0..0x1000 granule=x",
        " 0..0x1000 granule=16 granule=16", " 0..0x1000 lazy-limit", " 0..0x1000 lazy-limit=",
        " 0..0x1000 lazy-limit=-1", " 0..0x1000 lazy-limit=1 lazy-limit=1", " 0..0x1000 foo=1",
        " 0..0x1000 foo", " 0..0x1000 granule=0x10000000000000000", " 0..0x1000 0..0x1000",
        " 0..0x1000 align=16", " 0..0x1000,", " granule=16 0..0x1000x",
        # these read well, but nothing can be constructed from them
        " 0x2000..0x1000", " 0..0x1000 granule=0", " 0..0x1000 granule=3",
        " 0..0x1800 granule=0x1000", " 0x800..0x2000 granule=0x1000",
        " 0..0xffffffffffffffff granule=2",
    ):
        yield "space" + text, space(text), 2

    for text in (
        "busy", "busy 0x3000", "busy 0x3000..", "busy ..0x3000", "busy 0x3000..0x4000 x",
        "busy a0 0x3000..0x4000", "busy 0x3000..0x4000,0x5000..0x6000",
        "busy 0x3000..0x10000000000000000",
        # readable, but not what a space can be constructed from
        "busy 0x3000..0x3800", "busy 0x3800..0x5000", "busy 0x5000..0x4000",
        "busy 0..0x1000", "busy 0x0..0x2000", "busy 0x10000..0x12000", "busy 0x11000..0x12000",
        "busy 0xfffffffffffff000..0x1000",
    ):
        yield text, lines(text), 3
    yield "busy overlaps", lines("busy 0x3000..0x5000", "busy 0x4000..0x6000"), None
    yield "busy overlaps, first later", lines("busy 0x4000..0x6000", "busy 0x3000..0x5000"), None
    yield "busy twice", lines("busy 0x3000..0x5000", "busy 0x3000..0x5000"), None
    yield "busy inside busy", lines("busy 0x3000..0x8000", "busy 0x4000..0x5000"), None
    yield "busy after an op", lines("purge", "busy 0x3000..0x4000"), 4

    for text in (
        "frobnicate", "frobnicate a0", "allocate a0 size=0x1000", "Alloc a0 size=0x1000",
        "ALLOC a0 size=0x1000", "alloc_at a0 0x1000..0x2000", "purges", "-", "=", "..", "0x1000",
        "alloc", "alloc a0", "alloc size=0x1000", "alloc a0 size", "alloc a0 size=",
        "alloc a0 size=x", "alloc a0 0x1000", "alloc a0 size=0x1000 size=0x1000",
        "alloc a0 size=0x1000 align=", "alloc a0 size=0x1000 align=q",
        "alloc a0 size=0x1000 align=1 align=1", "alloc a0 size=0x1000 within=",
        "alloc a0 size=0x1000 within=0x1000", "alloc a0 size=0x1000 within=0x1000..",
        "alloc a0 size=0x1000 within=..0x1000",
        "alloc a0 size=0x1000 within=0..1 within=0..1",
        "alloc a0 size=0x1000 within=0..1..2", "alloc a0 size=0x1000 foo=1",
        "alloc a0 size=0x1000 foo", "alloc a0 a1 size=0x1000", "alloc a0 size=0x1000,",
        "alloc a0 size=0x1000 blocks=0+0x1000", "alloc a0 align=0x1000",
        "alloc a0 size=0x", "alloc a0 size=0xg", "alloc a0 size=0x1g2", "alloc a0 size=12q",
        "alloc a0 size=-1", "alloc a0 size=+1", "alloc a0 size=1.5", "alloc a0 size=1e3",
        "alloc a0 size=k", "alloc a0 size=1kk", "alloc a0 size=1km", "alloc a0 size=0x1000p",
        "alloc a0 size=1t", "alloc a0 size=1kb", "alloc a0 size=4 k", "alloc a0 size= 0x1000",
        "alloc a0 size =0x1000", "alloc a0 size==0x1000", "alloc a0 size=0b1", "alloc a0 size=1_0",
        "alloc a0 size=1,000", "alloc a0 size='1'", 'alloc a0 size="1"', "alloc a0 size=ffff",
        "alloc a0 size=18446744073709551616", "alloc a0 size=0x10000000000000000",
        "alloc a0 size=99999999999999999999999999999999999999999999",
        "alloc a0 size=0x" + "f" * 17, "alloc a0 size=0x1" + "0" * 1000,
        "alloc a0 size=" + "9" * 100000, "alloc a0 size=18014398509481984k",
        "alloc a0 size=17592186044416m", "alloc a0 size=17179869184g",
        "alloc a0 size=18446744073709551615k", "alloc a0 size=0xffffffffffffffffg",
        "alloc a0 size=36028797018963968k", "alloc a0 size=1 align=0x10000000000000000",
        "alloc a0 size=1 within=0..0x10000000000000000",
        "alloc-at", "alloc-at a0", "alloc-at a0 0x1000", "alloc-at a0 0x1000..", "alloc-at a0 ..",
        "alloc-at 0x1000..0x2000", "alloc-at a0 0x1000..0x2000 align=1",
        "alloc-at a0 0x1000..0x2000 x", "alloc-at a0 0x1000:0x2000",
        "alloc-at a0 0x1000..0x10000000000000000", "alloc-at a0 size=0x1000",
        "congruent", "congruent a0", "congruent a0 align=1", "congruent a0 blocks",
        "congruent a0 blocks=0", "congruent a0 blocks=0+", "congruent a0 blocks=+0x1000",
        "congruent a0 blocks=0+0x1000,", "congruent a0 blocks=,0+0x1000",
        "congruent a0 blocks=0+0x1000,,0x2000+0x1000", "congruent a0 blocks=0+0x1000+0x1000",
        "congruent a0 blocks=0..0x1000", "congruent a0 blocks=0+0x1000 0x2000+0x1000",
        "congruent a0 blocks=0+0x10000000000000000", "congruent a0 blocks=0x10000000000000000+1",
        "congruent a0 blocks=0+0x1000 blocks=0+0x1000", "congruent a0 size=0x1000",
        "congruent a0 blocks=0+0x1000 size=0x1000", "congruent blocks=0+0x1000",
        "congruent a0 blocks=" + "0x0+0x1000," * 20000 + "q",
        "free", "free a0 a1", "free-lazily", "free-lazily a0 x", "on-exhaustion",
        "on-exhaustion a0 a0", "purge 1", "purge a0", "free-at", "free-at a0", "free-at 0x1000 1",
        "free-at 0x1000..0x2000", "free-at -1", "free-at 0x10000000000000000", "free-lazily-at",
        "free-lazily-at x", "free-lazily-at 0x1000 1", "find", "find a0", "find 0x1 0x2",
        "find 0x10000000000000000", "find 18446744073709551616", "fail-metadata",
        "fail-metadata x", "fail-metadata 1 2", "fail-metadata -1",
        "fail-metadata 0x10000000000000000", "find \x01", "find 0x1000\x7f",
        "fínd 0x1000", "find ０x1000", "find 1\u00a0",
    ):
        yield text[:60], lines("find 0", text, "find 0"), 4
    yield "1 MB line of a", lines("a" * (1 << 20)), 3
    yield "1 MB line, a number", lines("find " + "1" * (1 << 20)), 3
    yield "1 MB of words", lines("free" + " a" * (1 << 19)), 3
    yield "1 MB first line", "v" * (1 << 20), 1
    yield "1 MB first line, blanks first", " " * (1 << 20) + "v\n", 1
    yield "16 MB without a newline", "x" * (1 << 24), 1
    yield "an error on line 200003", lines(*["find 0"] * 200000 + ["find q"]), 200003
    yield "an error without a newline", HEAD + "find q", 3
    yield "an op cut off", HEAD + "alloc a0 si", 3
    yield "a label twice", lines("alloc a0 size=0x1000", "alloc a0 size=0x1000"), 4
    yield "a label twice, alloc-at", lines("alloc a0 size=0x1000", "alloc-at a0 0x3000..0x4000"), 4
    yield "a label twice, congruent", lines("alloc a0 size=1", "congruent a0 blocks=0+0x1000"), 4
    yield "a label twice, freed", lines("alloc a0 size=0x1000", "free a0", "alloc a0 size=1"), 5
    yield "NUL in a label", raw(lines("find 0")) + b"free a\0b\n", 4
    yield "NUL in a number", raw(lines("find 0")) + b"find 0x10\x0000\n", 4
    yield "NUL in an op", raw(lines("find 0")) + b"pur\0ge\n", 4
    yield "NULs at the end", raw(HEAD) + b"purge\n\0\0\0\0", 4
    yield "NUL in the header", b"vmapcheck-trace\x001\nspace 0..1\n", 1
    yield "a byte order mark on the second line", raw(HEAD.replace("space", "\ufeffspace")), 2
    yield "two byte order marks", raw("\ufeff\ufeff" + HEAD), 1
    yield "Latin-1", raw(HEAD) + b"fr\xe9e a0\n", 3
    yield "UTF-16", HEAD.encode("utf-16"), 1
    yield "UTF-16 without a mark", HEAD.encode("utf-16-le"), 1
    yield "a bare CR between lines", raw(HEAD.replace("\n", "\r")), None
    yield "an escape sequence", lines("\x1b[2J\x1b[31mred"), 3


def odd_cases():
    """What the contract leaves open; 0 or 2, but no crash."""
    yield "only a space", HEAD
    yield "CRLF", lines("find 0").replace("\n", "\r\n")
    yield "a comment before the header", "# first\n" + HEAD
    yield "a blank line before the header", "\n" + HEAD
    yield "an empty space", "vmapcheck-trace 1\nspace 0x1000..0x1000\n"
    yield "an empty busy line", lines("busy 0x3000..0x3000")
    yield "fail-metadata 0", lines("fail-metadata 0")
    yield "fail-metadata huge", lines("fail-metadata 0xffffffffffffffff", "alloc a size=0x1000")
    yield "congruent without blocks", lines("congruent a0 align=0x1000 blocks=")
    yield "clash with a congruent's label", lines(
        "alloc a0.0 size=0x1000", "congruent a0 blocks=0+0x1000"
    )
    yield "0X", lines("find 0X10")
    yield "suffix K", lines("find 1K")
    yield "a hexadecimal number with a suffix", lines("find 0x10k")
    yield "leading zeros", lines("find 007", "find 0x" + "0" * 200 + "1", "find " + "0" * 200)
    yield "NUL in a comment", raw(HEAD) + b"# a\0b\n"
    yield "Latin-1 in a comment", raw(HEAD) + b"# caf\xe9\n"
    yield "1 MB comment", lines("#" + "c" * (1 << 20))
    yield "1 MB of blanks", lines(" " * (1 << 20), "find 0")
    yield "1 MB of blank lines", HEAD + "\n" * (1 << 20)
    yield "1 MB label", lines("alloc a" + "b" * (1 << 20) + " size=0x1000")
    yield "100000 blocks", "vmapcheck-trace 1\nspace 0..0x10000000\ncongruent a blocks=" + ",".join(
        "%#x+0x1" % (2 * i) for i in range(100000)
    )
    yield "20000 busy lines, backwards", "vmapcheck-trace 1\nspace 0..0x1000000\n" + "".join(
        "busy %#x..%#x\n" % (i, i + 1) for i in range(40000, 0, -2)
    )
    yield "everything", "vmapcheck-trace 1\nspace 0..0xffffffffffffffff\nalloc a size=0xffffffffffffffff\n"
    yield "label is an op", lines("alloc purge size=0x1000", "free purge")
    yield "label is a number", lines("alloc 0x1000 size=0x1000", "free 0x1000")
    yield "strange labels", lines("alloc é size=0x1000", 'alloc " size=0x1000', "alloc \\ size=1")
    yield "labels with escapes", lines("alloc \x1b[2J size=0x1000", "alloc <b> size=0x1000")
    yield "not UTF-8 in a label", raw(HEAD) + b"alloc \xff\xfe size=0x1000\n"


class Tester:
    def __init__(self, binary, only):
        self.binary, self.only = os.path.abspath(binary), only
        self.folder = tempfile.mkdtemp(prefix="vmapcheck-malformed-")
        self.count = self.bad = 0
        self.odd = []

    def write(self, name, content):
        slug = re.sub(r"[^a-zA-Z0-9]+", "_", name)[:40].strip("_") or "x"
        path = os.path.join(self.folder, "%03d_%s.trace" % (self.count, slug))
        with open(path, "wb") as file:
            file.write(raw(content))
        return path

    def fail(self, name, why, done=None, path=None):
        self.bad += 1
        print("FAILED %s: %s" % (name, why))
        if path:
            print("  file: %s" % path)
        if done is not None:
            errors = done.stderr.decode("utf-8", "replace")
            print("  exit status %d; standard error: %r" % (done.returncode, errors[:400]))

    def run(self, name, arguments, path=None):
        self.count += 1
        try:
            return subprocess.run(
                [self.binary] + arguments,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                timeout=10,
                check=False,
            )
        except subprocess.TimeoutExpired:
            self.fail(name, "no end after 10 s", path=path)
            return None

    def wanted(self, name):
        return not self.only or self.only in name

    def crashed(self, name, done, path=None):
        text = done.stderr
        if done.returncode < 0 or done.returncode >= 126 or b"Sanitizer" in text or b"runtime error" in text:
            self.fail(name, "crashed", done, path)
            return True
        if b"terminate called" in text or b"ssertion" in text:
            self.fail(name, "crashed", done, path)
            return True
        return False

    def one_line(self, done):
        """The single line of standard error, or None."""
        text = done.stderr
        if not text.endswith(b"\n") or text.count(b"\n") != 1 or len(text) < 2:
            return None
        return text[:-1].decode("utf-8", "replace")

    def malformed(self, name, content, line, command="replay"):
        if not self.wanted(name):
            return
        path = self.write(name, content)
        output = os.path.join(self.folder, "out.bin")
        arguments = {
            "replay": ["replay", "--json", path],
            "replay as text": ["replay", path],
            "replay as test": ["replay", "--format", "cpp", path],
            "replay in gdb": ["replay", "--gdb", path],
            "encode": ["encode", path, "-o", output],
            "minimize": ["minimize", path, "-o", output],
            "minimize any": ["minimize", "--any", "--json", "--subject", "seed_2019", path, "-o", output],
            "show": ["show", path],
            "show a page": ["show", "--html", output, path],
            "corpus add": ["corpus", "add", path, "--because", "it is malformed", "--dir", os.path.join(self.folder, "corpus")],
        }[command]
        name = "%s (%s)" % (name, command)
        done = self.run(name, arguments, path)
        if done is None or self.crashed(name, done, path):
            return
        if done.returncode != 2:
            return self.fail(name, "exit status is not 2", done, path)
        if done.stdout:
            return self.fail(name, "says something on standard output", done, path)
        if os.path.exists(output) or os.path.exists(os.path.join(self.folder, "corpus")):
            return self.fail(name, "writes something", done, path)
        said = self.one_line(done)
        if said is None:
            return self.fail(name, "not exactly one line on standard error", done, path)
        if any(ord(c) < 32 or ord(c) == 127 for c in said):
            return self.fail(name, "control characters on standard error", done, path)
        if len(said) > 2000 + len(path):
            return self.fail(name, "a very long line on standard error", done, path)
        place = re.search(re.escape(path) + r":(\d+):(\d+)\b(.*)", said)
        if not place:
            return self.fail(name, "no file:line:column", done, path)
        at, column = int(place[1]), int(place[2])
        content_lines = raw(content).split(b"\n")
        if not 1 <= at <= max(1, len(content_lines)):
            return self.fail(name, "there is no line %d" % at, done, path)
        if not 1 <= column <= len(content_lines[at - 1]) + 1:
            return self.fail(name, "line %d has no column %d" % (at, column), done, path)
        if line is not None and at != line:
            return self.fail(name, "line %d expected" % line, done, path)
        if not re.search(r"\w{2,}", place[3]):
            return self.fail(name, "does not say what is wrong", done, path)
        os.unlink(path)

    def odd_one(self, name, content):
        if not self.wanted(name):
            return
        path = self.write(name, content)
        done = self.run(name, ["replay", "--json", path], path)
        if done is None or self.crashed(name, done, path):
            return
        if done.returncode not in (0, 2):
            return self.fail(name, "exit status is neither 0 nor 2", done, path)
        if done.returncode == 2 and self.one_line(done) is None:
            return self.fail(name, "not exactly one line on standard error", done, path)
        try:
            done.stdout.decode("utf-8")
        except UnicodeDecodeError:
            return self.fail(name, "the output is not UTF-8, so not JSON", done, path)
        if b"\x1b" in done.stdout:
            return self.fail(name, "a raw escape character in the output", done, path)
        self.odd.append("%s %d" % (name, done.returncode))
        os.unlink(path)

    def usage(self, name, arguments, status, mention=None, one_line=False):
        if not self.wanted(name):
            return
        done = self.run(name, arguments)
        if done is None or self.crashed(name, done):
            return
        if done.returncode != status:
            return self.fail(name, "exit status is not %d" % status, done)
        if status and not done.stderr.strip():
            return self.fail(name, "silent on standard error", done)
        said = self.one_line(done)
        if one_line and said is None:
            return self.fail(name, "not exactly one line on standard error", done)
        if mention and mention not in done.stderr.decode("utf-8", "replace"):
            return self.fail(name, "does not name %r" % mention, done)

    def hostile_text(self):
        """No command sends what a terminal takes for a command, wherever in its input that stands; and the replay line
        of a file with such a name works when it is pasted."""
        folder = os.path.join(self.folder, "hostile \x1b]0;x\x07\u009b2J")
        os.mkdir(folder)
        path = os.path.join(folder, "a'b\\ \x1b[2J\r\x07\u009b\u202e\x7f.trace")
        fault = "space 0x100000..0x140000 granule=0x1000\n" + "".join(
            "alloc a%d size=0x1000 align=0x%x\n" % (i, 0x2000 if i == 1 else 0x1000) for i in range(3))
        with open(path, "wb") as file:
            file.write("vmapcheck-trace 1\n# \x1b]0;y\x07 \u009b2J \r \u202e \x7f ".encode() + b"\x9b2J \xff.\n" + fault.encode())
        broken = os.path.join(self.folder, "broken \x1b[2J\u009b.trace")
        with open(broken, "w", encoding="utf-8") as file:
            file.write(lines("alloc \x1b[2J\u009b size=1"))
        log = os.path.join(self.folder, "log \x1b[2J\u009b.strace")
        with open(log, "w", encoding="utf-8") as file:
            file.write("mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3, 0) = 0x7f0000000000\nmad\x1b[2J\u009bvise(1) = 0\n")
        small, gone = os.path.join(folder, "small.trace"), "gone \x1b[2J\u009b\u202e"
        seed = ["--subject", "seed_2019"]
        commands = [["replay"] + seed + [path], ["replay", "--json"] + seed + [path], ["replay", "-n", "2"] + seed + [path],
                    ["replay", "--format", "cpp"] + seed + [path], ["show"] + seed + [path], ["show", "--at", "2"] + seed + [path],
                    ["show", "--html", path + ".html"] + seed + [path], ["minimize"] + seed + [path, "-o", small],
                    ["minimize", "--json"] + seed + [path, "-o", small], ["minimize"] + seed + [path, "-o", gone + "/x"],
                    ["check", "--cases", "1", "--ops", "10", "--save-dir", folder] + seed,
                    ["check", "--json", "--cases", "1", "--ops", "10", "--save-dir", folder] + seed,
                    ["corpus", "list", folder], ["corpus", "list", "--json", folder], ["corpus", "stats", folder],
                    ["corpus", "stats", "--json", folder], ["corpus", "add", path, "--because", gone, "--dir", folder],
                    ["corpus", "import", path, broken, "-o", os.path.join(folder, "new")],
                    ["corpus", "import", "--json", path, broken, "-o", os.path.join(folder, "new")],
                    ["corpus", "minimize"] + seed + [folder, "-o", folder + " 2"],
                    ["corpus", "minimize", "--json"] + seed + [folder, "-o", folder + " 3"],
                    ["corpus", "export", "--format", "traces", folder, "-o", os.path.join(folder, "out")],
                    ["corpus", "import", "--strace", log, "--program", gone, "-o", small],
                    ["encode", broken], ["decode", gone], ["explore", "--subject", gone], ["campaign", "status", folder],
                    ["campaign", "report", gone], ["campaign", "--dir", broken],
                    ["replay", broken], ["replay", gone], ["replay", "--subject", gone, path], [gone], ["replay", gone, "--" + gone]]
        dangerous = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ufffd]")
        for command in commands:
            name = "hostile text: " + " ".join(command[:2])
            done = self.run(name, command)
            if not self.wanted(name) or done is None or self.crashed(name, done):
                continue
            for stream in (done.stdout, done.stderr):
                found = dangerous.search(stream.decode("utf-8", "replace"))
                if found:
                    at = max(found.start() - 60, 0)
                    self.fail(name, "prints %r" % stream.decode("utf-8", "replace")[at:found.end() + 20], done)
        done = self.run("hostile replay line", ["show"] + seed + [path])
        said = re.search(rb"^  replay +(.*)$", done.stdout, re.MULTILINE)
        if not said:
            return self.fail("hostile replay line", "there is none", done)
        pasted = subprocess.run(["bash", "-c", said.group(1)], cwd=self.folder, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=10, check=False)
        if pasted.returncode != 10:
            self.fail("hostile replay line", "does not work: %r" % said.group(1), pasted)

    def all(self):
        for case in malformed_cases():
            self.malformed(*case)
        others = ["replay as text", "replay as test", "replay in gdb", "encode", "minimize", "minimize any", "show"]
        others += ["show a page", "corpus add"]
        for command in others:
            self.malformed("cut off in an op", HEAD + "alloc a0 size=0x1000\nalloc a1 si", 4, command)
            self.malformed("cut off in the space", HEAD[:30], 2, command)
            self.malformed("binary rubbish", random.Random(8).randbytes(4096), None, command)
            self.malformed("unknown op", lines("find 0", "frobnicate", "purge"), 4, command)
            self.malformed("version 2", "vmapcheck-trace 2\nspace 0..1\n", 1, command)
            self.malformed("empty file", "", None, command)
        for case in odd_cases():
            self.odd_one(*case)

        good = self.write("good", lines("find 0"))
        gone = os.path.join(self.folder, "gone.trace")
        inside = os.path.join(good, "x.trace")
        long = os.path.join(self.folder, "n" * 300)
        loop = os.path.join(self.folder, "loop.trace")
        os.symlink(loop, loop)
        unreadable = [("a missing file", gone), ("a directory", self.folder)]
        unreadable += [("below a file", inside), ("a name that is too long", long)]
        unreadable += [("a link to itself", loop), ("an empty name", "")]
        if os.path.exists("/proc/self/mem"):
            unreadable.append(("a read error", "/proc/self/mem"))
        if os.geteuid() != 0:
            secret = self.write("secret", HEAD)
            os.chmod(secret, 0)
            unreadable.append(("no permission", secret))
        for name, path in unreadable:
            self.usage(name, ["replay", "--json", path], 4, path, one_line=True)
            self.usage(name + " (text)", ["replay", path], 4, path, one_line=True)
        for name, path in unreadable[:2]:
            out = os.path.join(self.folder, "out.bin")
            self.usage(name + " (encode)", ["encode", path, "-o", out], 4, path, one_line=True)
        for name, path in unreadable:
            out = os.path.join(self.folder, "out.bin")
            kept = os.path.join(self.folder, "corpus")
            because = ["--because", "it cannot be read", "--dir", kept]
            self.usage(name + " (minimize)", ["minimize", path, "-o", out], 4, path, one_line=True)
            self.usage(name + " (show)", ["show", path], 4, path, one_line=True)
            self.usage(name + " (corpus add)", ["corpus", "add", path] + because, 4, path, one_line=True)
            if os.path.exists(out) or os.path.exists(kept):
                self.fail(name, "writes something")
        self.usage("the second file is missing", ["replay", "--json", good, gone], 4, gone)
        broken = self.write("broken", lines("find q"))
        self.usage("the second file is malformed", ["replay", "--json", good, broken], 2, broken)
        self.usage("good", ["replay", "--json", good], 0)
        marked = self.write("marked", "\ufeff" + lines("purge"))
        self.usage("a byte order mark", ["replay", "--json", marked], 0)
        if os.path.exists("/dev/full"):
            with open("/dev/full", "wb") as full:
                self.count += 1
                done = subprocess.run(
                    [self.binary, "replay", "--json", good],
                    stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE,
                    timeout=10, check=False,
                )
                if done.returncode != 4 and self.wanted("the output is full"):
                    self.fail("the output is full", "exit status is not 4", done)

        for name, subject in (
            ("an unknown subject", "no-such-subject"),
            ("a missing library", os.path.join(self.folder, "gone.so")),
            ("a library that is none", good),
        ):
            self.usage(name, ["replay", "--json", "--subject", subject, good], 3)
        notso = self.write("notso", b"\x7fELF rubbish")
        os.rename(notso, notso + ".so")
        self.usage("a broken library", ["replay", "--json", "--subject", notso + ".so", good], 3)
        self.usage("an unknown command", ["frobnicate"], 2, "frobnicate")
        self.usage("an empty command", [""], 2)
        self.usage("an unknown option", ["replay", "--frobnicate", good], 2, "--frobnicate")
        self.usage("an unknown short option", ["replay", "-Z", good], 2, "-Z")
        self.usage("replay without a file", ["replay"], 2)
        self.usage("replay --json without a file", ["replay", "--json"], 2)
        self.usage("--subject without a value", ["replay", good, "--subject"], 2)
        self.usage("--seed without a value", ["replay", good, "--seed"], 2)
        self.usage("--seed is no number", ["replay", "--seed", "x", good], 2)
        self.usage("--seed is too big", ["replay", "--seed", "18446744073709551616", good], 2)
        for command in ("minimize", "show"):
            self.usage(command + " without a file", [command], 2)
            self.usage(command + " with two files", [command, good, good], 2)
        self.usage("minimize without --output", ["minimize", good], 2, "--output")
        self.usage("minimize onto itself", ["minimize", good, "-o", good], 2, "overwritten", one_line=True)
        self.usage("minimize what passes", ["minimize", good, "-o", "x"], 13, good, one_line=True)
        for text in ("", "0", "-1", "1y", "1e3s", "nan", "inf", "99999999h", "1 s"):
            self.usage("--time " + text, ["minimize", good, "-o", "x", "--time", text], 2, "--time", one_line=True)
        for text in ("", "0", "-1", "x", "1.5", "1000001", "18446744073709551616"):
            self.usage("-n " + text, ["replay", "-n", text, good], 2, "--times", one_line=True)
        self.usage("--format is none", ["replay", "--format", "xml", good], 2, "--format")
        self.usage("--gdb on standard input", ["replay", "--gdb", "-"], 2, "--gdb", one_line=True)
        self.usage("corpus add without a reason", ["corpus", "add", good], 2, "--because", one_line=True)
        self.usage("--because nothing", ["corpus", "add", good, "--because", "\n\t \x1b"], 2, "--because", one_line=True)
        self.usage("--json with a value", ["replay", "--json=maybe", good], 2)

        self.hostile_text()

        print("malformed: %d cases, %d failed" % (self.count, self.bad))
        print("left open by the contract: " + "; ".join(self.odd))
        if self.bad:
            print("the files of the failed cases: " + self.folder)
            return 1
        shutil.rmtree(self.folder)
        return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("binary")
    parser.add_argument("--only", help="only the cases whose name contains this")
    options = parser.parse_args()
    return Tester(options.binary, options.only).all()


if __name__ == "__main__":
    sys.exit(main())
