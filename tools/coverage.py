#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`vmapcheck coverage`: which lines and branches of the allocator the corpus and the properties execute (docs/coverage.md).

llvm-profdata and llvm-cov count. This script runs the programs of the preset `coverage`, which lie in VMAPCHECK_COVERAGE_DIR,
leaves out what is not the allocator's own, holds the rest against the list of what no run can reach, and adds the matrix
of ops. What each run counted and said stays in VMAPCHECK_COVERAGE_DIR/profiles.
"""
import argparse
import collections
import fcntl
import functools
import html
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

OK, USAGE, SUBJECT, IO, INTERRUPTED, VIOLATION, FLAKY, COVERAGE = 0, 2, 3, 4, 5, 10, 12, 14
CHECKOUT = pathlib.Path(__file__).resolve().parent.parent


class Stop(Exception):
    """Ends the command: with a status, and a line for standard error."""


def main():
    options = parse_options()
    page = pathlib.Path(options.html) / "index.html" if options.html else None
    if page:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.open("a").close()  # refused before the work is done
    entries, failed, lines = read_list(options.unreachable), False, ""
    if options.export:
        report = report_on(read_export(pathlib.Path(options.export).read_text(), options.export), entries)
    else:
        runs = Runs(options)
        report, failed = runs.report(entries), runs.failed
        if page:
            lines = runs.write_lines(page.parent)
    text = visible(text_of(report, options.unreachable))
    if page:
        page.write_text(PAGE.format(lines=lines, text=html.escape(text)))
    sys.stdout.write(json.dumps(report) + "\n" if options.json else text)
    sys.stdout.flush()
    for defect in report["defects"]:
        say(f"{options.unreachable}:{defect}")
    missed = False
    for what, least in ("lines", options.fail_under_lines), ("branches", options.fail_under_branches):
        ratio = report[what]
        if ratio["percent"] < least:
            missed = True
            say(f"vmapcheck: {ratio['percent']:.4f} % of {what} are covered, {least:g} % are demanded: "
                f"{least - ratio['percent']:.4f} too little, {ratio['total'] - ratio['covered']} not executed")
    # What counts most comes first: a failure, a list that is wrong, a percentage that was demanded.
    return VIOLATION if failed else USAGE if report["defects"] else COVERAGE if missed else OK


# ---- What counts

# The allocator is templates, and tests make other things of them: of other types than these.
FOREIGN = "|".join((
    "BasicAddressSpace<(?!vmap::FreeSpace>)",
    "BasicAddressSpaceI(?!NS_9FreeSpaceEE)",  # there are lambdas whose names no demangler reads
    "AugmentedRbTree<(?!vmap::Node, vmap::(SubtreeMaxima|NoAugment)>)",
    "(TreeLinks|NodePool|NoAugment::recompute|NoAugment::copy)<(?!vmap::Node>)",
    "(place_of|last_at_or_below|link_in_order)<(?!vmap::AugmentedRbTree<)"))
CODE, EXPANSION, SKIPPED = 0, 1, 2  # kinds of regions: of pieces of a function that are executed as one


def read_export(text, path):
    """What `llvm-cov export` says of allocator/vmap: its places, how often each function was entered, and how many functions
    do not count. A place is a line, or one outcome of a condition."""
    places, entered, sources, left_out = {}, {}, {}, 0
    try:
        functions = {}
        for one in json.loads(text)["data"][0]["functions"]:
            if any(re.search("(^|/)allocator/vmap/[^/]+$", file) for file in one["filenames"]):
                # One that is in several programs is described by each, with the same counts: those of all together.
                functions[one["name"]] = max(functions.get(one["name"], one), one, key=lambda each: each["count"])
        # llvm-cov puts the file before the name of a function that no other file sees.
        names = run_tool(["c++filt"], "\n".join(name.rpartition(":")[2] for name in functions)).split("\n")
        for function, name in zip(functions.values(), names):
            if re.search(FOREIGN, name):
                left_out += 1
                continue
            entered[name] = function["count"]
            for file, span, what, count in counts_of(function):
                if file not in sources:
                    sources[file] = pathlib.Path(file).read_text().split("\n")
                if what != "line" and "= default;" in sources[file][span[0] - 1]:
                    continue  # clang does not count the comparisons in it: it says "always" of each
                place = places.setdefault((file, span, what), {
                    "file": os.path.basename(file), "line": span[0], "function": "", "what": what,
                    "text": text_at(sources[file], *span), "count": 0})
                place["count"] += count  # the instantiations of a template together are its source
                if not name.startswith("_Z"):
                    place["function"] = short_name(name)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise Stop(USAGE, f"vmapcheck: {path}: expected what llvm-cov export writes: {type(error).__name__} {error}")
    if not places:
        raise Stop(USAGE, f"vmapcheck: {path}: nothing in it is of allocator/vmap")
    return [places[key] for key in sorted(places)], entered, left_out


def short_name(function):
    """Without namespaces, parameters and arguments of templates: "carve"."""
    name = function
    while name != (shorter := re.sub("<[^<>]*>", "", name)):
        name = shorter
    return name.replace("(anonymous namespace)", "").split("(")[0].split(" ")[-1].rpartition("::")[2]


def counts_of(function):
    """(file, span, what, count) of each line and each outcome of a condition."""
    for index, file in enumerate(function["filenames"]):
        for line, count in count_lines([region for region in function["regions"] if region[5] == index]).items():
            yield file, (line, 0, line, 0), "line", count
        for *span, when_true, when_false, in_file, _, _ in function["branches"]:
            if in_file == index:
                yield file, tuple(span), "true", when_true
                yield file, tuple(span), "false", when_false


def count_lines(regions):
    """As llvm-cov does: of the regions that begin on a line the most executed one, else the one that goes on there."""
    lines, begun = {}, collections.Counter()
    # The outer ones before those inside of them, so that the innermost comes last.
    for line, column, end, end_column, count, _, _, kind in sorted(regions, key=lambda r: (r[0], r[1], -r[2], -r[3])):
        # A comment is left out from its own line on, code goes on from the next.
        for number in range(line + (kind != SKIPPED), end + (end_column > 1)) if kind != EXPANSION else ():
            lines[number] = None if kind == SKIPPED else count
        if kind == CODE:
            begun[line] = max(begun[line], count)
    lines = {line: count for line, count in lines.items() if count is not None}
    return lines | {line: max(lines.get(line, 0), count) for line, count in begun.items()}


def text_at(lines, line, column, end, end_column):
    piece = lines[line - 1:end]
    if column:
        piece[-1] = piece[-1][:end_column - 1]
        piece[0] = piece[0][column - 1:]
    return " ".join(" ".join(piece).split())


# ---- What is unreachable

def read_list(path):
    """The entries of allocator/unreachable.txt, each with its `number` there, and with `because`."""
    entries, group, waiting, file, number = [], [], False, None, 0  # waiting: the group has no reason yet
    for number, raw in enumerate(pathlib.Path(path).read_text().splitlines(), 1):
        text = " ".join(raw.split())
        word, _, rest = text.partition(" ")
        if not text or text.startswith("#"):
            pass
        elif not raw.startswith(" ") and ", " in text and not waiting:
            (file, function), group = text.split(", ", 1), []
        elif raw.startswith(" ") and word in ("line", "true", "false") and rest and file:
            entry = {"number": number, "file": file, "function": function, "what": word, "text": rest}
            group = [*group, entry] if waiting else [entry]
            entries.append(entry)
            waiting = True
        elif raw.startswith(" ") and group and (not waiting or word == "because" and rest):
            for entry in group:
                entry["because"] = rest if waiting else f"{entry['because']} {text}"
            waiting = False
        else:
            waiting = True
            break
    if waiting:
        raise Stop(USAGE, f"{path}:{max(number, 1)}: expected `FILE, FUNCTION`, below it `line`, `true` or `false` with a "
                   "text, and `because` with the reason for what stands above")
    return entries


def exclude(places, entries):
    """Gives what cannot be reached its reason. Returns the defects of the list: what matches nothing, or was executed."""
    defects = []
    for entry in entries:
        where = "{number}: {file}, {function}: {what} {text}".format(**entry)
        matching = [one for one in places if all(one[key] == entry[key] for key in ("file", "function", "what", "text"))]
        never = [one for one in matching if one["count"] == 0]
        if not matching:
            defects.append(f"{where}: matches nothing that is there")
        elif len(never) < len(matching):
            defects.append(f"{where}: is reachable: it was executed")
        for place in never:
            for one in [place] if place["what"] != "line" else with_what_it_closes(places, place):
                one["because"] = entry["because"]
    return defects


def with_what_it_closes(places, place):
    """An unreachable line, with its conditions, and with the brackets behind it that close its block."""
    lines = {one["line"]: one for one in places if one["file"] == place["file"] and one["what"] == "line"}
    end = place["line"] + 1
    while end in lines and lines[end]["count"] == 0 and re.fullmatch(r"[\]}); ]+", lines[end]["text"]):
        end += 1
    return [one for one in places if one["file"] == place["file"] and place["line"] <= one["line"] < end]


# ---- What is run

class Runs:
    """The programs that count, each run under a profile of its own. One at a time for each build."""

    def __init__(self, options):
        directory = os.environ.get("VMAPCHECK_COVERAGE_DIR", "")
        self.options, self.failed = options, False
        self.profiles = pathlib.Path(directory) / "profiles"
        self.tool = os.path.join(directory, "tools/vmapcheck")
        self.properties = os.path.join(directory, "properties/allocator_properties")
        if not directory or not os.access(self.tool, os.X_OK) or not os.access(self.properties, os.X_OK):
            raise Stop(SUBJECT, "vmapcheck: there is no build that counts: ./vmapcheck coverage, at the top of a checkout, "
                       "makes one")
        self.lock = open(os.path.join(directory, "profiles.lock"), "w")  # held until this process ends
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Stop(IO, f"vmapcheck: another coverage runs in {directory}")
        shutil.rmtree(self.profiles, ignore_errors=True)
        self.profiles.mkdir()

    def report(self, entries):
        seed, parts = str(self.options.seed), []  # of a part: name, what was run, what the executors counted
        if self.options.parts != "properties":
            corpora = [str(CHECKOUT / "corpus")]
            if kept := self.options.dir:
                corpora.append(os.path.join(kept, "corpus") if os.path.isdir(os.path.join(kept, "corpus")) else kept)
            parts.append(self.run_traces("corpus", "traces", *(["corpus", "stats", "--json", one] for one in corpora)))
        if self.options.parts != "corpus":
            failures = str(self.profiles / "failures")
            # Processes at the same time would lose counts to each other.
            check = ["check", "--json", "--no-saved", "-j1", "--save-dir", failures, "--seed", seed]
            parts += [self.run_traces("random", "cases", check), self.run_properties(seed)]
        sources = []
        for name, what, coverage in parts:
            export = self.export(name)
            if coverage and not self.failed:
                expect_nothing_lost(name, export[1], coverage)
            alone = report_on(export, entries)
            sources.append({"name": name, "what": what, "lines": alone["lines"], "branches": alone["branches"]})
        exercised = functools.reduce(added, (coverage for _, _, coverage in parts if coverage))
        return report_on(self.export(""), entries, sources, exercised)

    def run_traces(self, name, noun, *commands):
        """Each command says in JSON what it exercised."""
        answers = []
        for command in commands:
            status, said, log = self.execute(name, [self.tool, *command])
            if status not in (OK, VIOLATION, FLAKY):
                why = log.splitlines()[0].removeprefix("vmapcheck: ") if log else f"ended with status {status}"
                raise Stop(status if USAGE <= status <= INTERRUPTED else SUBJECT, f"vmapcheck: {name}: {why}")
            if status != OK:
                self.failed = True
                say(f"vmapcheck: {name} fails: vmapcheck {' '.join(command)} says how")
            answers.append(json.loads(said))
        coverage = functools.reduce(added, (answer["coverage"] for answer in answers))
        traces = sum(answer.get("traces", answer.get("cases")) for answer in answers)
        ops = sum(op["performed"] + op["skipped"] for op in coverage["ops"].values())
        return name, f"{traces} {noun}, {ops} ops", coverage

    def run_properties(self, seed):
        os.environ.update(VMAPCHECK_SEED=seed, RC_PARAMS=f"seed={seed}")
        status, said, _ = self.execute("properties", [self.properties, "--gtest_brief=1", "--gtest_color=no"])
        if status != OK:
            self.failed = True
            say(f"vmapcheck: properties failed; what they said is in {self.profiles / 'properties.txt'}")
        ran = re.search(r"^\[=+\] (.*) ran\.", said, re.MULTILINE)  # "97 tests from 17 test suites"
        return "properties", ran[1] if ran else "", None

    def execute(self, part, command):
        """A child shares the counters with its parent, mapped from the file (%c): neither _exit nor a crash loses any."""
        environment = os.environ | {"LLVM_PROFILE_FILE": f"{self.profiles}/{part}-%p%c.profraw"}
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="replace")
        (self.profiles / f"{part}.txt").write_text(done.stdout)
        (self.profiles / f"{part}.log").write_text(done.stderr)
        return done.returncode, done.stdout, done.stderr

    def export(self, part):
        """What llvm-cov says of a part, or of all. Of both programs, whatever was run: they have all that could be."""
        profiles = list(map(str, self.profiles.glob(f"{part}*.profraw")))
        if not profiles:
            raise Stop(SUBJECT, f"vmapcheck: {part} left no profile: it was not built to count")
        self.merged = str(self.profiles / f"{part or 'all'}.profdata")
        run_tool([llvm_tool("llvm-profdata"), "merge", "-sparse", "-o", self.merged, *profiles])
        return read_export(self.cov("export"), part)

    def cov(self, what, *options):
        return run_tool([llvm_tool("llvm-cov"), what, self.tool, "-object", self.properties,
                         f"-instr-profile={self.merged}", *options])

    def write_lines(self, directory):
        """The source, each line with its count. Returns a link to it."""
        self.cov("show", "-format=html", "-show-branches=count", "-show-instantiations=false",
                 f"-output-dir={directory / 'lines'}", "-sources", str(CHECKOUT / "allocator/vmap"))
        return ('<p><a href="lines/index.html">The source, each line with its count</a>, as llvm-cov shows it: with the '
                "instantiations that tests make of the templates, which are not counted here.</p>")


def expect_nothing_lost(part, entered, coverage):
    """The profile must have all allocations that the executors have counted, also those of children."""
    for op, function in ("alloc", "allocate"), ("alloc-at", "allocate_at"), ("congruent", "allocate_congruent"):
        start = f"vmap::BasicAddressSpace<vmap::FreeSpace>::{function}("
        counted = sum(count for name, count in entered.items() if name.startswith(start) and "{" not in name)
        made = coverage["ops"][op]["performed"] + coverage["ops"][op]["skipped"]
        if counted != made:
            raise Stop(SUBJECT, f"vmapcheck: {part}: the profile is not whole: it has {counted} calls of {function}, and "
                       f"{made} were made")


def added(one, other):
    """The sum of two objects of numbers, at any depth."""
    return {key: added(one[key], other[key]) for key in other} if isinstance(other, dict) else one + other


def llvm_tool(name):
    """Debian has them under names with their version, and under their own in a directory of that version."""
    found = shutil.which(f"{name}-19") or shutil.which(name, path="/usr/lib/llvm-19/bin")
    if not found:
        raise Stop(SUBJECT, f"vmapcheck: there is no {name}-19 (Debian: llvm-19)")
    return found


def run_tool(command, text=None):
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    if done.returncode != 0:
        raise Stop(SUBJECT, f"vmapcheck: {os.path.basename(command[0])} failed: {' '.join(done.stderr.split())[:300]}")
    return done.stdout


# ---- The matrix: a row is a kind of op, a column is what can come of it, or an invariant that is checked after it

PLACE, FREE_AN_ADDRESS = ("alloc", "alloc-at", "congruent"), ("free-at", "free-lazily-at")
BETWEEN = "begin and end"  # the row of what is checked when a run begins and ends
# For which ops a cell can be more than zero, and why it cannot for the others; what is not here always can.
CAN = {
    "skipped": (("free", "free-lazily", "on-exhaustion"), "it uses no label"),
    **dict.fromkeys(("full", "left_edge", "right_edge", "no_edge"), (PLACE, "it places nothing")),
    "invalid_argument": (PLACE, "it has no argument that could be invalid"),
    "no_space": (PLACE, "it needs no space"),
    "not_busy": (FREE_AN_ADDRESS, "it frees nothing by its address"),
    "out_of_memory": (PLACE, "it needs no memory"),
    "atomicity": (PLACE + FREE_AN_ADDRESS, "it cannot fail"),
}
CANNOT = {
    ("on-exhaustion", "invalid_argument"): "the hook of a trace is never empty",
    ("on-exhaustion", "out_of_memory"): "a trace cannot make operator new fail",
    ("on-exhaustion", "atomicity"): "a trace cannot make it fail",
    ("fail-metadata", "answer"): "nothing is asked of the subject",
    (BETWEEN, "answer"): "nothing was asked",
    (BETWEEN, "cost"): "nothing was asked",
}


def cell(op, column, count):
    """The count, or {"cannot": why} where it cannot be anything but zero."""
    ops, why = CAN.get(column, ((op,), ""))
    why = CANNOT.get((op, column), "" if op in ops else why)
    return {"cannot": why} if why and count == 0 else count


def matrices_of(exercised):
    """For the report: both matrices, and what could have happened and did not."""
    ops = exercised["ops"]
    rows = {"outcomes": {op: {"performed": row["performed"], "skipped": row["skipped"], **row["fits"], **row["errors"]}
                         for op, row in ops.items()},
            "invariants": {op: row["checks"] for op, row in ops.items()} | {BETWEEN: exercised["checks_begin_and_end"]}}
    report = {name: {op: {column: cell(op, column, count) for column, count in row.items()} for op, row in matrix.items()}
              for name, matrix in rows.items()}
    counted = {f"{op}: {column}": count for matrix in report.values() for op, row in matrix.items()
               for column, count in row.items()}
    for key, what in ("coalescings", "coalescing"), ("tree_cases", "tree case"), ("purges", "purge"):
        counted |= {f"{what} {name.replace('on_', 'on ')}": count for name, count in exercised[key].items()}
    counted |= {"exhaustion hook": exercised["hooks_called"], "metadata failure": exercised["metadata_failures"],
                "allocation after a purge or a hook": exercised["rescued"]}
    return report | {"never_exercised": [what for what, count in counted.items() if count == 0]}


# ---- The report, which is the answer in JSON; and as text

def report_on(export, entries, sources=(), exercised=None):
    places, _, left_out = export
    defects = exclude(places, entries)
    return {
        **ratios(places),
        "sources": sources,
        "files": [{"name": file, **ratios([place for place in places if place["file"] == file])}
                  for file in sorted({place["file"] for place in places})],
        "missed": [place for place in places if place["count"] == 0 and "because" not in place],
        "unreachable": [place for place in places if "because" in place],
        "defects": defects,
        "instantiations_left_out": left_out,
        **(matrices_of(exercised) if exercised else {}),
    }


def ratios(places):
    """How many lines and branches are covered, of those that are reachable; and how many are not."""
    answer = {"unreachable": {}}
    for kind in "lines", "branches":
        of_kind = [place for place in places if (place["what"] == "line") == (kind == "lines")]
        reachable = [place["count"] > 0 for place in of_kind if "because" not in place]
        percent = 100 * sum(reachable) / len(reachable) if reachable else 100.0
        answer[kind] = {"covered": sum(reachable), "total": len(reachable), "percent": percent}
        answer["unreachable"][kind] = len(of_kind) - len(reachable)
    return answer


def text_of(report, unreachable):
    text = ""
    for one in report["sources"]:
        text += (f"{one['name']:<12} {one['what']}: {percent_text(one['lines'])} % of lines, "
                 f"{percent_text(one['branches'])} % of branches alone\n")
    head = ["of what is reachable", "lines", "%", "not", "branches", "%", "not"]
    excluded = {kind: sum(file["unreachable"][kind] for file in report["files"]) for kind in ("lines", "branches")}
    text += "\n" + table([head] + [
        [file["name"], *(text for kind in ("lines", "branches") for text in (
            f"{file[kind]['covered']}/{file[kind]['total']}", percent_text(file[kind]), file["unreachable"][kind] or ""))]
        for file in [*report["files"], report | {"name": "all", "unreachable": excluded}]])
    text += listed("reachable, and not executed", map(place_text, report["missed"]))
    text += listed(f"unreachable, by {unreachable}", [
        line for because, places in itertools.groupby(report["unreachable"], key=lambda place: place["because"])
        for line in [*map(place_text, places), f"    because {because}"]])
    if "outcomes" not in report:
        return text
    for title, matrix in (("ops by outcome", report["outcomes"]),
                          ("ops by invariant: how often it was checked", report["invariants"])):
        rows = [[op, *("-" if isinstance(count, dict) else count for count in row.values())] for op, row in matrix.items()]
        text += f"\n{title} (- cannot be)\n" + table([["op", *next(iter(matrix.values()))], *rows])
    return text + (listed("never exercised", report["never_exercised"]) or "\nnever exercised: nothing\n")


def table(rows):
    widths = [max(len(str(one)) for one in column) for column in zip(*rows)]
    lines = ("  ".join(f"{one:>{width}}" if i else f"  {one:<{width}}" for i, (one, width) in enumerate(zip(row, widths)))
             for row in rows)
    return "".join(line.rstrip() + "\n" for line in lines)


def listed(title, items):
    lines = "".join(f"  {item}\n" for item in items)
    return lines and f"\n{title}\n{lines}"


def place_text(place):
    what = "" if place["what"] == "line" else f"never {place['what']}: "
    return f"{place['file']}:{place['line']}, {place['function']}: {what}{place['text']}"


def percent_text(ratio):
    """What is not all of it does not look like it."""
    return f"{100 if ratio['covered'] == ratio['total'] else min(99.99, ratio['percent']):.2f}"


PAGE = """\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>vmapcheck coverage</title><style>:root {{ color-scheme: light dark; }}</style></head>
<body><h1>Coverage of the allocator</h1>{lines}<pre>
{text}</pre></body>
</html>
"""


# ---- The command line

def parse_options():
    return parser().parse_args()


def parser():
    """tools/checkout.cpp describes these options, for the help and for ./vmapcheck, which checks them before it builds."""
    all_options = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    all_options.error = refuse
    add = all_options.add_argument
    add("--with", dest="parts", choices=("corpus", "properties", "both"), default="both")
    add("--dir")
    add("--html")
    for what in "lines", "branches":
        add(f"--fail-under-{what}", type=percentage, default=0)
    add("--unreachable", default=str(CHECKOUT / "allocator/unreachable.txt"))
    add("--from", dest="export")
    add("--seed", type=seed, default=20240229)
    add("--json", action="store_true")
    return all_options


def refuse(line):
    raise Stop(USAGE, f"vmapcheck: {line} (see vmapcheck coverage --help)")


def percentage(text):
    if not re.fullmatch(r"\d+(\.\d*)?|\.\d+", text) or float(text) > 100:
        raise argparse.ArgumentTypeError(f"expected a percentage from 0 to 100, found {text!r}")
    return float(text)


def seed(text):
    if text == "random":
        return int.from_bytes(os.urandom(4), "big")
    number = int(text, 16 if text.startswith("0x") else 10) if re.fullmatch(r"\d+|0x[0-9a-fA-F]+", text) else 1 << 64
    if number >> 64:
        raise argparse.ArgumentTypeError(f"expected a number of 64 bits or 'random', found {text!r}")
    return number


def visible(text):
    """What a terminal may take for a command, or shows other than it stands there, is escaped."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def say(line):
    print(visible(line), file=sys.stderr)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main())
    except Stop as ended:
        say(ended.args[1])
        sys.exit(ended.args[0])
    except BrokenPipeError:
        sys.stdout = None  # nobody reads any more
        sys.exit(IO)
    except OSError as error:
        say(f"vmapcheck: {error.filename or 'standard output'}: {error.strerror}")
        sys.exit(IO)
    except KeyboardInterrupt:
        say("vmapcheck: interrupted")
        sys.exit(INTERRUPTED)
