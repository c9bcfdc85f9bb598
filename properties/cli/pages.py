# SPDX-License-Identifier: Apache-2.0
"""What the pages say, a test for each page: an example prints what stands below it, a command line has the options and
values that it uses, and a file, a link or a heading that is named exists. docs/testing.md says how to write an example."""
import difflib
import functools
import itertools
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import textwrap

import cli

PAGES = {str(page.relative_to(cli.SOURCE)): page.read_text()
         for page in [*sorted(cli.SOURCE.glob("*.md")), *sorted(cli.SOURCE.glob("docs/*.md"))]}
FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^\1```\n", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+(?:\n[^`\n]+)?)`")
LINK = re.compile(r"\[[^]]*\]\(([^)\s]+)\)")
DURATION = re.compile(r"\b[\d.]+ (ms|s)\b")
# Those of the checkout: what building and running makes lies in none of them.
FOLDERS = (".ci", ".clusterfuzzlite", ".github", "allocator", "bench", "cmake", "corpus", "docs", "fuzz", "harness",
           "import", "model", "oss-fuzz", "properties", "subjects", "tools")
PATH = re.compile(rf"(?<![\w./$-])(?:{'|'.join(map(re.escape, FOLDERS))})/[\w./*-]*[\w/*]")
# The name of a source, without its folder.
SOURCE = re.compile(r"(?<![\w./$-])\w+\.(?:cpp|css|hpp|js|py|sh|yml)\b")
# Files that a page tells its reader to write.
WRITTEN = {"docs/adding-an-op.md": {"model/ops/touch.hpp"}, "README.md": {"hello.cpp"}, "docs/ci.md": {"mine_test.cpp", "mine.hpp"}}
# What the launcher at the top of a checkout does itself.
LAUNCHED = ("test", "mutants", "mutation", "coverage", "bench")

TRUE = """# What holds

The [first](#what-holds) of `properties/cli/*.py`, cli.py and `explore --granules`.

```console
$ ./vmapcheck replay corpus/fits/full.trace
...
     0  alloc a0 size=0x10000        0x1000..0x11000 ...
...
ok: 4 steps, no violation
```

```sh
./vmapcheck explore --granules 5 | cat  # and so on
./vmapcheck check --subject model
cmake -G Ninja -S . -B build
```

```
vmapcheck-trace 1
space 0..1
```
"""
UNTRUE = {
    "4 steps": "5 steps",
    "no violation": "no fault",
    "0x11000 ...": "0x11000",
    "...\nok": "ok",
    "$ ./vmapcheck": "./vmapcheck",
    "--granules 5": "--grains 5",
    "--granules 5 ": "--granules x ",
    "--subject model": "--subject muddle",
    " -G Ninja": "",
    "`explore --granules`": "`explore --grains`",
    "space 0..1": "space 1",
    "cli/*.py": "cli/*.pl",
    " cli.py": " clip.py",
    "#what-holds": "#what-held",
    "(#what-holds)": "(what.md)",
}


class Pages(cli.Cli):
    def setUp(self):
        """A folder like the top of a checkout, as far as the examples see it."""
        super().setUp()
        shutil.copytree(cli.SOURCE / "corpus", "checkout/corpus")
        self.write("checkout/vmapcheck", f'#!/bin/sh\nexec {shlex.quote(self.binary)} "$@"\n').chmod(0o755)
        os.chdir("checkout")

    def holds(self, page):
        untrue = [f"{what}: {why}" for what, why in untruths(page, PAGES[page])]
        if untrue:
            self.fail("\n".join([f"{page} is not true of:", *untrue]))

    def test_what_is_untrue_is_noticed(self):
        self.assertEqual([], list(untruths("docs/true.md", TRUE)))
        for true, untrue in UNTRUE.items():
            with self.subTest(untrue):
                self.assertEqual(1, TRUE.count(true))
                self.assertEqual(1, len(list(untruths("docs/true.md", TRUE.replace(true, untrue)))))


def test_of(page):
    return lambda self: self.holds(page)


for name in PAGES:
    setattr(Pages, f"test_{name}", test_of(name))


def untruths(page, text):
    """Pairs of what a page says and why that is not true."""
    for language, lines in blocks(text):
        if language == "console":
            yield from untrue_examples(lines)
        if language in ("sh", "yaml"):
            for words in commands(lines):
                yield from untrue_command(words)
            for line in lines:
                if re.match("cmake (?!-G Ninja |--build |--install )", line):
                    yield line, "without -G Ninja it asks for make, which is not among what ./vmapcheck installs"
        if lines[0] == "vmapcheck-trace 1":
            yield from untrue_trace(lines)
    prose = FENCED.sub("", text)
    for span in SPAN.findall(prose):
        yield from untrue_span(span)
    for path in sorted({*PATH.findall(text), *SOURCE.findall(text)} - WRITTEN.get(page, set())):
        if "/" in path:
            exists = any(cli.SOURCE.glob(re.sub("[A-Z]{4,}", "*", path)))  # a word in capitals stands for any
        else:
            exists = path in source_names()
        if not exists:
            yield path, "there is no such file"
    for target in LINK.findall(prose):
        yield from untrue_link(page, text, target)


def blocks(text):
    for _, language, content in FENCED.findall(text):
        yield language, textwrap.dedent(content).splitlines()


# ---- Examples --------------------------------------------------------------------------------------------------------


def untrue_examples(lines):
    if not lines[0].startswith("$ "):
        yield lines[0], "an example begins with a command"
    starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
    for start, end in zip(starts, [*starts[1:], len(lines)]):
        expected, actual = lines[start + 1:end], printed_by(lines[start][2:])
        if not pattern_of(expected).fullmatch("".join(f"{settled(line)}\n" for line in actual)):
            yield lines[start], "prints something else\n" + "\n".join(
                difflib.unified_diff(expected, actual, "the page", "the command", lineterm=""))


def printed_by(command):
    """Lines of standard output and error, in the order in which a terminal shows them."""
    done = subprocess.run(["bash", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=300,
                          stderr=subprocess.STDOUT, check=False,
                          env=cli.variables({"VMAPCHECK_COMMAND": "./vmapcheck"}))
    return cli.PROGRESS.sub("", done.stdout.decode(errors="replace")).splitlines()


def untrue_trace(lines):
    pathlib.Path("shown.trace").write_text("\n".join(lines) + "\n")
    printed = printed_by("./vmapcheck replay shown.trace")
    if not any(line.startswith("ok: ") for line in printed):
        yield "the trace", "does not pass\n" + "\n".join(printed)


def pattern_of(lines):
    """A line `...` stands for any lines, and `...` within a line for the rest of a word or of the line."""
    return re.compile("".join(r"(?:.*\n)*?" if line.strip() == "..." else
                              r".*".join(map(re.escape, settled(line).split("..."))) + r"\n" for line in lines))


def settled(line):
    """Without what differs from run to run."""
    return DURATION.sub("TIME", line.rstrip())


# ---- Command lines ---------------------------------------------------------------------------------------------------


def commands(lines):
    """Those of programs of ours, as words from the program on."""
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if "vmapcheck" not in line and ".py" not in line:
            continue
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words = []
        for word in [*lexer, ";"]:
            if not set(word) <= set(";|&()<>"):
                words.append(word)
                continue
            ours = [at for at, each in enumerate(words) if is_ours(each)]
            if ours:
                yield words[ours[0]:]
            words = []


def is_ours(word):
    return word in ("vmapcheck", "./vmapcheck") or word.endswith(".py") and (cli.SOURCE / word).exists()


def untrue_command(words):
    """Options that are not in its help, and values that it refuses."""
    command = shlex.join(words)
    if "--" in words:
        words = words[:words.index("--")]
    # Subjects are looked at apart: a page has some that only its reader has.
    done = helped(*("vmap" if before == "--subject" else word for before, word in itertools.pairwise(["", *words])))
    if done.returncode != 0:
        yield command, done.stderr.strip()
    else:
        yield from untrue_options(command, words, done.stdout)


def untrue_span(span):
    """In prose, where values are mostly said by a word in capitals: `replay --json FILE`."""
    try:
        found = list(commands([span])) or [["vmapcheck", *shlex.split(span)]]
    except ValueError:  # no command: it has a single quote
        return
    for words in found:
        names = list(itertools.takewhile(re.compile("[a-z]+").fullmatch, words[1:3]))
        if words[0].endswith(".py") or names and names[0] in command_names():
            yield from untrue_options(span, words, helped(words[0], *names).stdout)


def untrue_options(command, words, help_text):
    for before, word in itertools.pairwise(["", *words]):
        if before == "--subject" and re.fullmatch(r"[a-z]\w+", word) and word not in subject_names():
            yield command, f"there is no subject {word}"
        option = re.match(r"--[a-z][a-z-]*|-[a-z](?![a-z])", word)
        if option and not re.search(rf"(?<![\w-]){option[0]}(?![\w-])", help_text):
            yield command, f"there is no {option[0]}"


@functools.cache
def helped(program, *arguments):
    """What it says where --help comes last: that is obeyed when all before has been understood."""
    if program.endswith(".py"):
        words = [sys.executable, cli.SOURCE / program]
    elif arguments and arguments[0] in LAUNCHED:
        words = [cli.SOURCE / "vmapcheck"]
    else:
        words = [cli.Cli.binary]
    return subprocess.run([*words, *arguments, "--help"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          env=cli.variables({"VMAPCHECK_BUILD_DIR": os.path.abspath("build")}), check=False)


@functools.cache
def subject_names():
    """And `mine`, the reader's own."""
    listed = subprocess.run([cli.Cli.binary, "subjects"], capture_output=True, text=True, check=True).stdout
    return {"mine", *re.findall(r"^\w+", listed, re.MULTILINE)}


@functools.cache
def command_names():
    return set(re.findall("^  ([a-z]+) +[A-Z]", helped("vmapcheck").stdout, re.MULTILINE))


# ---- Files and links -------------------------------------------------------------------------------------------------


@functools.cache
def source_names():
    return {name for folder in FOLDERS for _, _, names in os.walk(cli.SOURCE / folder) for name in names}


def untrue_link(page, text, target):
    path, _, heading = target.partition("#")
    if re.match("[a-z]+:", path):
        return
    linked = os.path.normpath(pathlib.Path(page).parent / path) if path else page
    if path and not (cli.SOURCE / linked).exists():
        yield target, "there is no such file"
    elif heading and heading not in headings(text if linked == page else PAGES[linked]):
        yield target, "there is no such heading"


def headings(text):
    """As the hosting services name them in links."""
    found = re.findall("^#+ +(.*)$", FENCED.sub("", text), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found]
