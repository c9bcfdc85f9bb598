#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A second oracle for `vmapcheck replay --json`, in another language, written from docs/ alone.

    oracle.py BINARY [--seed N] [--traces N] [--ops N] [--subject NAME] [FILE.trace ...]

It replays the given traces and random ones, and says of each line what it must be. Exit status 0: all agrees, and
every kind of op, fit type and error was seen (`--traces 0` demands nothing); else 1, and the trace is kept.

Whether an injected metadata failure fires cannot be known from outside: while one may be armed, an allocation that
would succeed may answer `out_of_memory`, once for each. What is no trace is the affair of malformed.py.
"""

import argparse
import collections
import json
import os
import random
import subprocess
import sys
import tempfile
import types

MAX = (1 << 64) - 1  # the greatest number; no range covers the byte there
KINDS = ("alloc", "alloc-at", "congruent", "free", "free-lazily", "purge", "free-at", "free-lazily-at", "find",
         "on-exhaustion", "fail-metadata")
FITS = {(True, True): "full", (True, False): "left_edge", (False, True): "right_edge", (False, False): "no_edge"}
EVERYTHING = (*KINDS, *FITS.values(), "invalid_argument", "no_space", "not_busy", "out_of_memory", "skipped",
              "placed after a purge", "placed after a hook", "purged by the limit", "congruent placed", "found")

# ---- Traces

Op = collections.namedtuple("Op", "kind label args")
Trace = collections.namedtuple("Trace", "begin end granule limit busy ops")


def number(text):
    return int(text, 0)


def pair(text, between=".."):
    return tuple(number(part) for part in text.split(between))


def parse_op(words):
    kind, rest = words[0], words[1:]
    if kind in ("alloc", "congruent"):
        options = {"align": "1", "within": "0..%d" % MAX, **dict(word.split("=") for word in rest[1:])}
        blocks = tuple(pair(block, "+") for block in options.get("blocks", "").split(",") if block)
        what = number(options["size"]) if kind == "alloc" else blocks
        return Op(kind, rest[0], (what, number(options["align"]), pair(options["within"])))
    if kind == "alloc-at":
        return Op(kind, rest[0], (pair(rest[1]),))
    if kind in ("free", "free-lazily", "on-exhaustion"):
        return Op(kind, rest[0], ())
    return Op(kind, None, tuple(number(word) for word in rest))


def parse_trace(text):
    lines = [words for words in (line.partition("#")[0].split() for line in text.split("\n")) if words]
    options = {"granule": "1", "lazy-limit": str(MAX), **dict(word.split("=") for word in lines[1][2:])}
    busy = [pair(words[1]) for words in lines[2:] if words[0] == "busy"]
    ops = [parse_op(words) for words in lines[2:] if words[0] != "busy"]
    return Trace(*pair(lines[1][1]), number(options["granule"]), number(options["lazy-limit"]), busy, ops)


# ---- What must be answered


class Refused(Exception):
    pass


def require(*conditions):
    if not all(conditions):
        raise Refused("invalid_argument")


def up(n, step):
    return -(-n // step) * step


class Space:
    """Areas in order of address: begin, end, and state "busy", "lazy" or "gone". What lies between them is free."""

    def __init__(self, trace):
        self.trace, self.areas, self.labels, self.hooks, self.armed = trace, [], {}, [], 0
        self.events = collections.Counter()
        for begin, end in trace.busy:
            self.insert(begin, end)

    def insert(self, begin, end):
        area = types.SimpleNamespace(begin=begin, end=end, state="busy")
        self.areas = sorted(self.areas + [area], key=lambda a: a.begin)
        return area

    def gaps(self):
        edges = [self.trace.begin] + [edge for a in self.areas for edge in (a.begin, a.end)] + [self.trace.end]
        return [(b, e) for b, e in zip(edges[::2], edges[1::2]) if b < e]

    def gap_around(self, begin, end):
        return next(((b, e) for b, e in self.gaps() if b <= begin and end <= e), None)

    # Where areas go: a list of ranges, or None where there is no space.

    def place(self, op, what, align, within):
        """One area at the lowest place; or blocks at the highest base, over all bases at which they are free."""
        blocks = [(0, what)] if op == "alloc" else sorted(what)
        require(blocks, align > 0, align & (align - 1) == 0, within[0] <= within[1])
        require(*(a[0] + a[1] <= b[0] for a, b in zip(blocks, blocks[1:])))
        bases, step = [(0, MAX)], max(align, self.trace.granule)  # closed intervals
        for offset, size in blocks:
            require(size > 0, offset % self.trace.granule == 0, size % self.trace.granule == 0, offset + size <= MAX)
            here = [(max(b, within[0]) - offset, min(e, within[1]) - offset - size) for b, e in self.gaps()]
            bases = [(max(f, b), min(l, e)) for f, l in bases for b, e in here if max(f, b) <= min(l, e)]
        if op == "alloc":
            return next(([(up(f, step), up(f, step) + what)] for f, l in sorted(bases) if up(f, step) <= l), None)
        highest = max((l // step * step for f, l in bases if l // step * step >= f), default=None)
        return None if highest is None else [(highest + offset, highest + offset + size) for offset, size in what]

    def place_at(self, where):
        begin, end = where
        require(self.trace.begin <= begin < end <= self.trace.end)
        require(begin % self.trace.granule == 0, end % self.trace.granule == 0)
        return [where] if self.gap_around(begin, end) else None

    # What is released.

    def free(self, area):
        self.areas.remove(area)
        area.state = "gone"
        return self.gap_around(area.begin, area.end)

    def purge(self):
        lazy = [area for area in self.areas if area.state == "lazy"]
        for area in lazy:
            self.free(area)
        return sum(area.end - area.begin for area in lazy)

    def free_lazily(self, area):
        area.state = "lazy"
        if sum(a.end - a.begin for a in self.areas if a.state == "lazy") > self.trace.limit:
            self.purge()
            self.events["purged by the limit"] += 1
        return area.begin, area.end

    def allocate(self, op, out_of_memory):
        """A purge where there is no space, then the hooks in their order; another try after each that released."""
        placing = (lambda: self.place_at(*op.args)) if op.kind == "alloc-at" else lambda: self.place(op.kind, *op.args)
        ranges = placing()
        if ranges is None and self.purge():
            ranges = placing()
            self.events["placed after a purge"] += ranges is not None
        while ranges is None and self.hooks:
            area = self.hooks.pop(0)
            if area.state == "busy":
                self.free(area)
                ranges = placing()
                self.events["placed after a hook"] += ranges is not None
        if ranges is None:
            raise Refused("no_space")
        if out_of_memory and self.armed > 0:
            self.armed -= 1
            raise Refused("out_of_memory")
        if op.kind == "congruent":
            self.events["congruent placed"] += 1
            for index, where in enumerate(ranges):
                self.labels["%s.%d" % (op.label, index)] = self.insert(*where)
            return {"base": hex(ranges[0][0] - op.args[0][0][0])}
        begin, end = ranges[0]
        gap = self.gap_around(begin, end)
        self.labels[op.label] = self.insert(begin, end)
        return {"begin": hex(begin), "end": hex(end), "fit": FITS[gap[0] == begin, gap[1] == end]}

    def result(self, op, out_of_memory):
        if op.kind in ("alloc", "alloc-at", "congruent"):
            return self.allocate(op, out_of_memory)
        if op.kind == "purge":
            return {"purged": hex(self.purge())}
        if op.kind == "fail-metadata":
            self.armed += 1
            return None
        busy = [area for area in self.areas if area.state == "busy"]
        if op.kind == "find":
            found = [area for area in busy if area.begin <= op.args[0] < area.end]
            self.events["found"] += len(found)
            return {"begin": hex(found[0].begin), "end": hex(found[0].end)} if found else None
        by_label = op.label is not None
        area = self.labels.get(op.label) if by_label else next((a for a in busy if a.begin == op.args[0]), None)
        if area is None or area.state != "busy":
            raise Refused("skipped" if by_label else "not_busy")
        if op.kind == "on-exhaustion":
            return self.hooks.append(area)
        begin, end = self.free(area) if op.kind in ("free", "free-at") else self.free_lazily(area)
        return {"begin": hex(begin), "end": hex(end)}

    def answer(self, op, out_of_memory=False):
        try:
            return {"result": self.result(op, out_of_memory)}
        except Refused as why:
            return {"skipped": True} if str(why) == "skipped" else {"error": str(why)}


# ---- Random traces


def random_records(r, ops):
    """Bytes that `vmapcheck decode` makes a trace of (fuzz/records.hpp): mostly of a space that fills."""
    records = [bytearray(r.randbytes(40)) for _ in range(r.randint(ops // 2, ops))]
    records[0][16:24] = r.choice([r.randint(4, 40), r.randint(4, 100), 511]).to_bytes(8, "little")  # granules
    fills = r.random() < 0.5
    for record in records[1:]:
        record[1] &= r.choice([0x0F, 0x0F, 0x0C, 0xFF])  # in compact form, without a window, or as it comes
        if fills and record[0] % 32 in range(13, 22):
            record[0] = r.choice([0, 0, 9, 12, 24])  # no free, but a placement or a hook
    return b"".join(records)


# ---- Comparing


def mismatch(trace, output, seen):
    """None where each line is what it must be; else what was expected, and what is there."""
    space, lines = Space(trace), output.split("\n")
    for step, op in enumerate(trace.ops):
        try:
            actual = json.loads(lines[step])
            meant = parse_op(actual["op"].split())
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            return "step %d: a JSON object with an op" % step, lines[step : step + 1]
        expected = {"step": step, "op": actual["op"]}
        expected.update(space.answer(op, actual.get("error") == "out_of_memory"))
        # As text, for Python takes True and 1 for the same.
        if json.dumps(expected, sort_keys=True) != json.dumps(actual, sort_keys=True) or meant != op:
            return "step %d: %s" % (step, op), json.dumps(expected), lines[step]
        seen[op.kind] += 1
        result = expected.get("result")
        seen[expected.get("error") or ("skipped" if "skipped" in expected else (result or {}).get("fit"))] += 1
    seen.update(space.events)
    end = lines[len(trace.ops) :]
    return None if end == ['{"verdict":"ok"}', ""] else ("the end", '{"verdict":"ok"}', end)


def agrees(options, path, seen):
    with open(path, encoding="utf-8-sig") as file:
        trace = parse_trace(file.read())
    command = [options.binary, "replay", "--json", "--subject", options.subject, path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    wrong = mismatch(trace, done.stdout, seen)
    if wrong is None and done.returncode != 0:
        wrong = "exit status 0", done.returncode
    if wrong is not None:
        print("%s: " % path + "\n  ".join(str(part) for part in wrong) + "\n" + done.stderr[:500])
    return wrong is None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("binary", type=os.path.abspath)
    parser.add_argument("files", nargs="*")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--traces", type=int, default=500)
    parser.add_argument("--ops", type=int, default=60)
    parser.add_argument("--subject", default="vmap")
    options = parser.parse_intermixed_args()
    seen = collections.Counter()
    if not all(agrees(options, path, seen) for path in options.files):
        return 1
    for index in range(options.traces):
        path = os.path.join(tempfile.gettempdir(), "vmapcheck-oracle-%d-%d.trace" % (os.getpid(), index))
        records = random_records(random.Random("%d/%d" % (options.seed, index)), options.ops)
        subprocess.run([options.binary, "decode", "-", "-o", path], input=records, check=True)
        if not agrees(options, path, seen):
            return 1
        os.unlink(path)
    print("oracle: each line is as it must be; ", {name: seen[name] for name in EVERYTHING})
    return 1 if options.traces > 0 and not all(seen[name] for name in EVERYTHING) else 0


if __name__ == "__main__":
    sys.exit(main())
