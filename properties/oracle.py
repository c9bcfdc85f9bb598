#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An oracle for `vmapcheck replay --json`, written from the contract alone.

It is written in another language than the tool, from the text of the contract (the
allocator, the trace format, the JSON of `replay`), and shares no code with the model or
with the allocator.  It generates random traces, predicts every line that `replay --json`
must print from a naive model (a sorted list of areas), runs the tool and compares.

    oracle.py BINARY [--seed N] [--traces N] [--ops N] [--keep DIR] [FILE.trace ...]

Given files are replayed and checked first.  Exit status: 0 when everything agrees and every
op kind, fit type and error kind was seen (with `--traces 0` only the given files are checked
and nothing is demanded of the coverage); else 1.  The trace of a mismatch is kept.

What the oracle cannot know is whether an injected metadata failure fires: while one may
still be armed, an allocation that would succeed may also answer `out_of_memory`; then
nothing changed except what a purge or a hook had released before.  Each armed failure is
accepted at most once.

The text of an op in the JSON is compared by its meaning: it must parse to the same op.
"""

import argparse
import collections
import json
import os
import random
import subprocess
import sys
import tempfile

TOP = 1 << 64
MAX = TOP - 1

OP_KINDS = (
    "alloc",
    "alloc-at",
    "congruent",
    "free",
    "free-lazily",
    "purge",
    "free-at",
    "free-lazily-at",
    "find",
    "on-exhaustion",
    "fail-metadata",
)
FITS = ("full", "left_edge", "right_edge", "no_edge")
ERRORS = ("invalid_argument", "no_space", "not_busy", "out_of_memory")
# Not named by the contract as kinds, but a run that never sees them has tested too little.
EVENTS = (
    "skipped",
    "allocated after a purge",
    "allocated after a hook",
    "purged by the limit",
    "no space after a purge or a hook",
    "congruent placed",
    "found",
    "found nothing",
)


# --------------------------------------------------------------------------- the text format


class Malformed(Exception):
    pass


Op = collections.namedtuple("Op", "kind label args")
Trace = collections.namedtuple("Trace", "begin end granule limit busy ops")
EVERYTHING = (0, MAX)


def parse_number(text):
    factor = 1
    digits = text
    if digits and digits[-1] in "kmg":
        factor = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}[digits[-1]]
        digits = digits[:-1]
    if digits.startswith("0x"):
        body, base = digits[2:], 16
        allowed = "0123456789abcdefABCDEF"
    else:
        body, base = digits, 10
        allowed = "0123456789"
    if not body or any(c not in allowed for c in body):
        raise Malformed("not a number: %r" % text)
    value = int(body, base) * factor
    if value > MAX:
        raise Malformed("more than 64 bits: %r" % text)
    return value


def parse_range(text):
    begin, dots, end = text.partition("..")
    if not dots:
        raise Malformed("not a range: %r" % text)
    return parse_number(begin), parse_number(end)


def parse_blocks(text):
    if text == "":
        return ()
    blocks = []
    for part in text.split(","):
        offset, plus, size = part.partition("+")
        if not plus:
            raise Malformed("not a block: %r" % part)
        blocks.append((parse_number(offset), parse_number(size)))
    return tuple(blocks)


def parse_keys(words, required, optional):
    readers = dict(required)
    readers.update({key: reader for key, (reader, _) in optional.items()})
    values = {key: default for key, (_, default) in optional.items()}
    seen = set()
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or key not in readers or key in seen:
            raise Malformed("unexpected %r" % word)
        seen.add(key)
        values[key] = readers[key](value)
    for key in required:
        if key not in seen:
            raise Malformed("missing %s" % key)
    return values


def parse_op(words):
    kind, rest = words[0], words[1:]

    def need(count):
        if len(rest) != count:
            raise Malformed("%s: %d words" % (kind, len(rest)))

    within = {"align": (parse_number, 1), "within": (parse_range, EVERYTHING)}
    if kind == "alloc":
        if not rest:
            raise Malformed("label expected")
        keys = parse_keys(rest[1:], {"size": parse_number}, within)
        return Op(kind, rest[0], (keys["size"], keys["align"], keys["within"]))
    if kind == "alloc-at":
        need(2)
        return Op(kind, rest[0], parse_range(rest[1]))
    if kind == "congruent":
        if not rest:
            raise Malformed("label expected")
        keys = parse_keys(rest[1:], {"blocks": parse_blocks}, within)
        return Op(kind, rest[0], (keys["blocks"], keys["align"], keys["within"]))
    if kind in ("free", "free-lazily", "on-exhaustion"):
        need(1)
        return Op(kind, rest[0], ())
    if kind == "purge":
        need(0)
        return Op(kind, None, ())
    if kind in ("free-at", "free-lazily-at", "find", "fail-metadata"):
        need(1)
        return Op(kind, None, (parse_number(rest[0]),))
    raise Malformed("unknown op %r" % kind)


def parse_trace(text):
    lines = [line.partition("#")[0].split() for line in text.split("\n")]
    lines = [words for words in lines if words]
    if not lines or lines[0] != ["vmapcheck-trace", "1"]:
        raise Malformed("version")
    if len(lines) < 2 or lines[1][0] != "space" or len(lines[1]) < 2:
        raise Malformed("space expected")
    begin, end = parse_range(lines[1][1])
    keys = parse_keys(
        lines[1][2:], {}, {"granule": (parse_number, 1), "lazy-limit": (parse_number, None)}
    )
    busy, ops, bound = [], [], set()
    for words in lines[2:]:
        if words[0] == "busy":
            if ops or len(words) != 2:
                raise Malformed("busy")
            busy.append(parse_range(words[1]))
            continue
        op = parse_op(words)
        if op.kind in ("alloc", "alloc-at", "congruent"):
            if op.label in bound:
                raise Malformed("label %s is bound twice" % op.label)
            bound.add(op.label)
        ops.append(op)
    return Trace(begin, end, keys["granule"], keys["lazy-limit"], busy, ops)


# --------------------------------------------------------------------------- the naive model


class Area:
    """A busy or lazily freed area; `state` ends as "gone"."""

    __slots__ = ("begin", "end", "state")

    def __init__(self, begin, end):
        self.begin, self.end, self.state = begin, end, "busy"


class Failure(Exception):
    pass


def power_of_two(n):
    return n > 0 and n & (n - 1) == 0


class Model:
    """The whole state: areas in order of address, and everything between them is free."""

    def __init__(self, trace, brute_force=True):
        self.begin, self.end, self.granule = trace.begin, trace.end, trace.granule
        self.limit = trace.limit
        self.areas = []
        self.labels = {}
        self.hooks = []
        self.armed = 0
        self.events = collections.Counter()
        self.brute_force = brute_force
        for begin, end in trace.busy:
            self.insert(begin, end)

    # -- areas and gaps

    def insert(self, begin, end):
        area = Area(begin, end)
        self.areas.append(area)
        self.areas.sort(key=lambda a: a.begin)
        return area

    def remove(self, area):
        area.state = "gone"
        self.areas.remove(area)

    def gaps(self):
        """The free blocks, in order, each as long as possible."""
        result, at = [], self.begin
        for area in self.areas:
            assert area.begin >= at, "the model's areas overlap"
            if area.begin > at:
                result.append((at, area.begin))
            at = area.end
        if at < self.end:
            result.append((at, self.end))
        return result

    def gap_around(self, begin, end):
        for b, e in self.gaps():
            if b <= begin and end <= e:
                return b, e
        return None

    def busy_at(self, begin):
        for area in self.areas:
            if area.begin == begin and area.state == "busy":
                return area
        return None

    def lazy(self):
        return [a for a in self.areas if a.state == "lazy"]

    # -- placing: each returns where the areas go, or None when there is no space

    def check_alignment(self, align):
        if not power_of_two(align):
            raise Failure("invalid_argument")
        return max(align, self.granule)

    def check_window(self, within):
        if within[1] < within[0]:
            raise Failure("invalid_argument")
        return max(within[0], self.begin), min(within[1], self.end)

    def place(self, size, align, within):
        if size == 0 or size % self.granule:
            raise Failure("invalid_argument")
        align = self.check_alignment(align)
        low, high = self.check_window(within)
        found = None
        for b, e in self.gaps():
            at = -(-max(b, low) // align) * align
            if at + size <= min(e, high):
                found = at
                break
        if self.brute_force and (self.end - self.begin) // self.granule <= 96:
            assert found == self.place_by_force(size, align, low, high)
        return None if found is None else [(found, found + size)]

    def place_by_force(self, size, align, low, high):
        for at in range(self.begin, self.end, self.granule):
            if at % align == 0 and low <= at and at + size <= high and self.all_free(at, size):
                return at
        return None

    def all_free(self, at, size):
        return (
            self.begin <= at
            and at + size <= self.end
            and not any(a.begin < at + size and at < a.end for a in self.areas)
        )

    def place_at(self, begin, end):
        if begin >= end or begin % self.granule or end % self.granule:
            raise Failure("invalid_argument")
        if begin < self.begin or end > self.end:
            raise Failure("invalid_argument")
        return [(begin, end)] if self.all_free(begin, end - begin) else None

    def place_congruent(self, blocks, align, within):
        if not blocks:
            raise Failure("invalid_argument")
        for offset, size in blocks:
            if size == 0 or offset % self.granule or size % self.granule:
                raise Failure("invalid_argument")
            if offset + size > MAX:
                raise Failure("invalid_argument")
        in_order = sorted(blocks)
        for (o1, s1), (o2, _) in zip(in_order, in_order[1:]):
            if o1 + s1 > o2:
                raise Failure("invalid_argument")
        align = self.check_alignment(align)
        low, high = self.check_window(within)
        # The bases that each block allows, as closed intervals; then their intersection.
        bases = [(0, MAX)]
        for offset, size in blocks:
            allowed = []
            for b, e in self.gaps():
                first, last = max(b, low) - offset, min(e, high) - offset - size
                for f, l in bases:
                    f, l = max(f, first), min(l, last)
                    if f <= l:
                        allowed.append((f, l))
            bases = allowed
        base = None
        for f, l in bases:
            at = l // align * align
            if at >= f and (base is None or at > base):
                base = at
        if self.brute_force and (self.end - self.begin) // self.granule <= 96:
            assert base == self.congruent_by_force(blocks, align, low, high)
        return None if base is None else [(base + o, base + o + s) for o, s in blocks]

    def congruent_by_force(self, blocks, align, low, high):
        o0 = blocks[0][0]  # the first block is in the space, so the base is near it
        for at in range(self.end - self.granule, self.begin - 1, -self.granule):
            base = at - o0
            if base < 0 or base % align:
                continue
            if all(
                low <= base + o and base + o + s <= high and self.all_free(base + o, s)
                for o, s in blocks
            ):
                return base
        return None

    # -- releasing

    def purge(self):
        released = 0
        for area in self.lazy():
            released += area.end - area.begin
            self.remove(area)
        return released

    def free(self, area):
        begin, end = area.begin, area.end
        self.remove(area)
        return self.gap_around(begin, end)

    def free_lazily(self, area):
        area.state = "lazy"
        if self.limit is not None and sum(a.end - a.begin for a in self.lazy()) > self.limit:
            self.purge()
            self.events["purged by the limit"] += 1
        return area.begin, area.end

    def with_retries(self, placing):
        """Purge, retry; then the hooks in order, a retry after each that released."""
        ranges = placing()
        helped = None
        if ranges is None and self.purge():
            ranges = placing()
            helped = "purge"
        while ranges is None and self.hooks:
            area = self.hooks.pop(0)
            if area.state == "busy":
                self.free(area)
                ranges = placing()
                helped = "hook"
        if ranges is None:
            if helped:
                self.events["no space after a purge or a hook"] += 1
            raise Failure("no_space")
        if helped:
            self.events["allocated after a " + helped] += 1
        return ranges

    # -- one op

    def step(self, op, out_of_memory):
        """The answer without "step" and "op".

        `out_of_memory`: the tool said so; it is believed where it can be true.
        """
        try:
            return self.answer(op, out_of_memory)
        except Failure as failure:
            return {"error": str(failure)}

    def answer(self, op, out_of_memory):
        kind = op.kind
        if kind in ("alloc", "alloc-at", "congruent"):
            placing = {
                "alloc": self.place,
                "alloc-at": self.place_at,
                "congruent": self.place_congruent,
            }[kind]
            ranges = self.with_retries(lambda: placing(*op.args))
            if out_of_memory and self.armed > 0:
                self.armed -= 1
                raise Failure("out_of_memory")
            if kind == "congruent":
                for index, (begin, end) in enumerate(ranges):
                    self.labels["%s.%d" % (op.label, index)] = self.insert(begin, end)
                self.events["congruent placed"] += 1
                return {"result": {"base": hex(ranges[0][0] - op.args[0][0][0])}}
            ((begin, end),) = ranges
            b, e = self.gap_around(begin, end)
            fit = {
                (True, True): "full",
                (True, False): "left_edge",
                (False, True): "right_edge",
                (False, False): "no_edge",
            }[b == begin, e == end]
            self.labels[op.label] = self.insert(begin, end)
            return {"result": {"begin": hex(begin), "end": hex(end), "fit": fit}}
        if kind in ("free", "free-lazily", "on-exhaustion"):
            area = self.labels.get(op.label)
            if area is None or area.state != "busy":
                return {"skipped": True}
            if kind == "on-exhaustion":
                self.hooks.append(area)
                return {"result": None}
        if kind in ("free-at", "free-lazily-at"):
            area = self.busy_at(op.args[0])
            if area is None:
                raise Failure("not_busy")
        if kind in ("free", "free-at"):
            begin, end = self.free(area)
            return {"result": {"begin": hex(begin), "end": hex(end)}}
        if kind in ("free-lazily", "free-lazily-at"):
            begin, end = self.free_lazily(area)
            return {"result": {"begin": hex(begin), "end": hex(end)}}
        if kind == "purge":
            return {"result": {"purged": hex(self.purge())}}
        if kind == "find":
            for area in self.areas:
                if area.state == "busy" and area.begin <= op.args[0] < area.end:
                    return {"result": {"begin": hex(area.begin), "end": hex(area.end)}}
            return {"result": None}
        assert kind == "fail-metadata"
        self.armed += 1
        return {"result": None}


# --------------------------------------------------------------------------- random traces


class Generator:
    """One random valid trace.  It runs the model along, to aim at what is interesting."""

    def __init__(self, seed, ops):
        self.r = random.Random(seed)
        self.ops = ops
        self.plain = self.r.random() < 0.3  # only hexadecimal, no comments
        self.failing = self.r.random() < 0.35
        self.hungry = self.r.random() < 0.25  # full spaces, many hooks
        self.names = []
        self.lines = []

    # -- text

    def number(self, n):
        r = self.r
        if self.plain or r.random() < 0.5:
            return hex(n)
        forms = [str(n), hex(n), "0x%X" % n, "0x0%x" % n]
        for suffix, factor in (("k", 1 << 10), ("m", 1 << 20), ("g", 1 << 30)):
            if n % factor == 0 and (n or r.random() < 0.2):
                forms += ["%d%s" % (n // factor, suffix)] * 2
                forms.append("0x%x%s" % (n // factor, suffix))
        return r.choice(forms)

    def range(self, pair):
        return self.number(pair[0]) + ".." + self.number(pair[1])

    def decorate(self, line):
        r = self.r
        if self.plain:
            self.lines.append(line)
            return
        if r.random() < 0.06:
            self.lines.append(r.choice(["", "", "# note", "#", "  # alloc x size=0", "\t"]))
        if r.random() < 0.05:
            line = line.replace(" ", r.choice(["  ", "\t", " \t "]))
        if r.random() < 0.04:
            line = r.choice([" ", "\t", "   "]) + line
        if r.random() < 0.06:
            line += r.choice([" ", "  # why", " #", "\t# free a0"])
        self.lines.append(line)

    def new_label(self):
        label = "a" + str(len(self.names))  # what the contract shows; other words would be renamed
        self.names.append(label)
        return label

    # -- the space

    def space(self):
        r = self.r
        g = self.granule = 1 << r.choice([0, 0, 1, 3, 4, 8, 12, 12, 12, 14, 16])
        top = MAX // g  # the last boundary, in granules
        kind = 0 if self.hungry else r.random()
        if kind < 0.65:
            count = r.randint(1, 96) if r.random() < 0.5 else r.randint(8, 48)
        elif kind < 0.9:
            count = r.randint(100, 1 << r.randint(8, 40))
        else:
            count = top - r.randint(0, 3)
        count = min(count, top)
        where = r.random()
        if where < 0.3:
            begin = r.choice([0, 0, 1, 2, r.randint(0, 40)])
        elif where < 0.6:
            begin = top - count - r.choice([0, 0, 1, 2, r.randint(0, 40)])
        else:
            begin = r.randint(0, top - count)
            if r.random() < 0.7:
                unit = 1 << r.randint(0, 20)
                begin = begin // unit * unit
        begin = max(0, min(begin, top - count))
        self.begin, self.end = begin * g, (begin + count) * g
        self.count = count
        line = "space " + self.range((self.begin, self.end))
        words = []
        if g != 1 or r.random() < 0.3:
            words.append("granule=" + self.number(g))
        if r.random() < 0.55:
            limit = g * r.choice([0, 1, 2, 3, 4, 6, 8, r.randint(0, min(20, count))])
            if r.random() < 0.2:
                limit = r.randint(0, 20 * g)
            words.append("lazy-limit=" + self.number(limit))
        if len(words) == 2 and r.random() < 0.1:
            words.reverse()
        self.decorate("vmapcheck-trace 1")
        self.decorate(" ".join([line] + words))
        if r.random() < 0.5:
            self.busy_lines()

    def busy_lines(self):
        r, g = self.r, self.granule
        points = {r.randint(0, min(self.count, 60)) for _ in range(2 * r.randint(1, 5))}
        if r.random() < 0.3:
            points.add(0)
        if r.random() < 0.3:
            points.add(self.count)
        if r.random() < 0.1:
            points = set(range(0, min(self.count, 20) + 1))  # adjacent ones, all of it
        points = sorted(points)
        pairs = list(zip(points, points[1:]))
        pairs = [p for p in pairs if r.random() < 0.5]
        if r.random() < 0.3:
            r.shuffle(pairs)
        for b, e in pairs:
            self.decorate("busy " + self.range((self.begin + b * g, self.begin + e * g)))

    # -- arguments

    def point(self):
        """An address worth trying."""
        r, g = self.r, self.granule
        kind = r.random()
        edges = [self.begin, self.end]
        for area in self.model.areas:
            edges += [area.begin, area.end]
        if kind < 0.5:
            at = r.choice(edges) + r.choice([0, 0, 0, -1, 1, -g, g, g // 2])
        elif kind < 0.8:
            at = self.begin + r.randint(0, min(self.count, 64)) * g
        elif kind < 0.9:
            at = r.randint(self.begin, self.end)
        else:
            at = r.choice([0, 1, MAX, MAX - 1, 1 << 63, r.randint(0, MAX)])
        return max(0, min(at, MAX))

    def window(self):
        r = self.r
        if r.random() < (0.9 if self.hungry else 0.55):
            return None
        if r.random() < 0.05:
            return r.choice([(0, MAX), (0, 0), (MAX, MAX), (self.begin, self.end), (0, 1)])
        a, b = self.point(), self.point()
        if a > b and r.random() < 0.93:
            a, b = b, a
        return a, b

    def alignment(self):
        r, g = self.r, self.granule
        kind = r.random()
        if kind < 0.45:
            return 1
        if kind < 0.8:
            return min(g << r.randint(0, 5), 1 << 63)
        if kind < 0.95:
            return 1 << r.randint(0, 63)
        if kind < 0.97:
            return g
        return r.choice([0, 0, 3, 6, MAX, g + (g // 2 or 2), (1 << 63) + 1, r.randint(0, MAX)])

    def size(self):
        r, g = self.r, self.granule
        gaps = self.model.gaps()
        kind = r.random()
        if kind < 0.55 or (kind < 0.8 and not gaps):
            return g * r.randint(1, 1 + min(8, self.count // 4))
        if kind < 0.8:
            b, e = r.choice(gaps)
            size = (e - b) // g // 2 * g
            if r.random() < 0.8:
                size = e - b + r.choice([0, 0, 0, g, -g])
            return min(max(g, size), MAX // g * g)
        if kind < 0.85:
            return g * r.randint(1, self.count)
        if kind < 0.88:
            return max(g, sum(e - b for b, e in gaps))
        if kind < 0.92:
            return r.choice([MAX // g * g, (1 << 63), self.end - self.begin, MAX // g * g - g])
        if kind < 0.94:
            return 0
        return r.choice([1, g + 1, g // 2, max(0, g - 1), MAX, r.randint(0, MAX)])

    # -- ops

    def request_words(self, first, align, window):
        r = self.r
        words = [first]
        if align != 1 or r.random() < 0.05:
            words.append("align=" + self.number(align))
        if window is not None:
            words.append("within=" + self.range(window))
        if not self.plain and r.random() < 0.05:
            r.shuffle(words)
        return " ".join(words)

    def alloc(self):
        size = "size=" + self.number(self.size())
        return "alloc %s %s" % (
            self.new_label(),
            self.request_words(size, self.alignment(), self.window()),
        )

    def alloc_at(self):
        r, g = self.r, self.granule
        gaps = self.model.gaps()
        kind = r.random()
        if kind < 0.7 and gaps:
            b, e = r.choice(gaps)
            count = (e - b) // g
            x = r.choice([0, 0, count, r.randint(0, count), r.randint(0, min(count, 8))])
            y = r.choice([0, count, count, r.randint(0, count), min(count, x + r.randint(1, 4))])
            x, y = min(x, y), max(x, y)
            pair = (b + x * g, b + y * g)
        elif kind < 0.95:
            pair = (self.point(), self.point())
            if pair[0] > pair[1] and r.random() < 0.8:
                pair = pair[::-1]
            if r.random() < 0.7:
                pair = (pair[0] // g * g, pair[1] // g * g)
        else:
            pair = r.choice(
                [(0, MAX), (MAX, MAX), (0, 0), (MAX, 0), (self.begin, self.end), (self.begin, MAX)]
            )
        return "alloc-at %s %s" % (self.new_label(), self.range(pair))

    def congruent(self):
        r, g = self.r, self.granule
        align = self.alignment()
        unit = max(align, g) if r.random() < 0.5 and align <= 16 * g else g
        if not power_of_two(unit) or unit > 1 << 40:
            unit = g
        blocks = []
        gaps = self.model.gaps()
        if gaps and r.random() < 0.5:
            # Pieces of what is free, seen from a base: a fit exists if the base is aligned.
            base = r.choice([self.begin, max(0, self.begin - 4 * g), 0, gaps[0][0]])
            if r.random() < 0.5:
                align = r.choice([1, g])
            for b, e in r.sample(gaps, r.randint(1, min(4, len(gaps)))):
                if b < base:
                    continue
                count = (e - b) // g
                x = r.choice([0, 0, r.randint(0, count - 1)])
                y = r.choice([count, r.randint(x + 1, count), x + 1])
                blocks.append((b + x * g - base, (y - x) * g))
        if not blocks:
            at = r.choice([0, 0, 0, r.randint(0, 8), r.randint(0, 2 * self.count)]) * unit
            for _ in range(r.choice([1, 2, 2, 3, 4, 6])):
                size = unit * r.choice([1, 1, 2, 3, r.randint(1, 1 + min(8, self.count // 4))])
                if at + size > MAX:
                    break
                blocks.append((at, size))
                at += size + unit * r.choice([0, 0, 1, 2, r.randint(0, 10)])
        if not blocks:
            blocks = [(0, g)]
        if r.random() < 0.6:
            r.shuffle(blocks)
        bad = r.random()
        index = r.randrange(len(blocks))
        offset, size = blocks[index]
        if bad < 0.03:
            blocks[index] = (offset, 0)
        elif bad < 0.06:
            blocks.append((offset, r.choice([size, g])))
        elif bad < 0.08:
            blocks.append((offset + size - g, g))
        elif bad < 0.10:
            blocks[index] = (offset + g // 2, size)
        elif bad < 0.12:
            blocks[index] = (offset, size + 1)
        elif bad < 0.14:
            blocks[index] = (MAX // g * g, r.choice([g, 2 * g]))
        elif bad < 0.16:
            blocks[index] = (offset, MAX // g * g)
        elif bad < 0.17:
            blocks[index] = (MAX // g * g - g, g)
        elif bad < 0.19:
            blocks = []
        blocks = [(min(o, MAX), min(s, MAX)) for o, s in blocks]
        text = "blocks=" + ",".join(self.number(o) + "+" + self.number(s) for o, s in blocks)
        return "congruent %s %s" % (
            self.new_label(),
            self.request_words(text, align, self.window()),
        )

    def some_label(self):
        r = self.r
        live = [n for n, a in self.model.labels.items() if a.state == "busy"]
        if live and r.random() < 0.85:
            return r.choice(live)
        dead = [n for n, a in self.model.labels.items() if a.state != "busy"]
        bound = dead + self.names  # failed ones too, and a congruent's name without a number
        if bound and r.random() < 0.9:
            return r.choice(bound)
        return r.choice(["a99999", "a9999", "a9999.0"])

    def address(self):
        r, g = self.r, self.granule
        busy = [a for a in self.model.areas if a.state == "busy"]
        lazy = self.model.lazy()
        kind = r.random()
        if busy and kind < 0.6:
            return r.choice(busy).begin
        if busy and kind < 0.7:
            area = r.choice(busy)
            return r.choice([area.end, area.end - g, area.end - 1, area.begin + 1, area.begin + g])
        if lazy and kind < 0.85:
            return r.choice(lazy).begin
        return self.point()

    def one_op(self):
        r = self.r
        weights = [30, 8, 9, 13, 9, 2, 7, 5, 7, 7, 4]
        if self.hungry:
            weights = [45, 6, 6, 3, 4, 1, 2, 2, 4, 20, 4]
        if not self.failing:
            weights[-1] = 0
        kind = r.choices(OP_KINDS, weights)[0]
        if kind == "alloc":
            return self.alloc()
        if kind == "alloc-at":
            return self.alloc_at()
        if kind == "congruent":
            return self.congruent()
        if kind in ("free", "free-lazily", "on-exhaustion"):
            return kind + " " + self.some_label()
        if kind == "purge":
            return kind
        if kind == "fail-metadata":
            return kind + " " + self.number(r.choice([1, 1, 1, 2, 2, 3, 5, r.randint(1, 40)]))
        return kind + " " + self.number(min(MAX, self.address()))

    def trace(self):
        self.space()
        self.model = Model(parse_trace("\n".join(self.lines)), brute_force=False)
        for _ in range(self.r.randint(self.ops // 2, self.ops)):
            line = self.one_op()
            self.model.step(parse_op(line.split()), False)
            self.decorate(line)
        text = "\n".join(self.lines)
        return text if self.r.random() < 0.05 else text + "\n"


# --------------------------------------------------------------------------- comparing


class Mismatch(Exception):
    def __init__(self, step, op, expected, actual):
        Exception.__init__(self)
        self.step, self.op, self.expected, self.actual = step, op, expected, actual


def no_doubles(pairs):
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        raise ValueError("a key twice")
    return dict(pairs)


def same(expected, actual):
    """Equality that, unlike Python's, keeps True and 1 apart."""
    return json.dumps(expected, sort_keys=True) == json.dumps(actual, sort_keys=True)


def check(trace, output, seen):
    model = Model(trace)
    lines = output.split("\n")
    if lines and lines[-1] == "":
        lines.pop()
    for step, op in enumerate(trace.ops):
        shown = "%s %s %s" % (op.kind, op.label or "", op.args)
        line = lines[step] if step < len(lines) else "(no line)"
        try:
            actual = json.loads(line, object_pairs_hook=no_doubles)
        except ValueError:
            raise Mismatch(step, shown, "a JSON object", line) from None
        if not isinstance(actual, dict):
            raise Mismatch(step, shown, "a JSON object", line)
        says = actual.get("error") == "out_of_memory"
        expected = {"step": step, "op": actual.get("op")}
        expected.update(model.step(op, says))
        if not same(expected, actual):
            raise Mismatch(step, shown, json.dumps(expected), line)
        try:
            meant = parse_op(actual["op"].split())
        except (Malformed, IndexError, AttributeError):
            meant = None
        if meant != op:
            raise Mismatch(step, shown, "an op text that means the same", line)
        seen[op.kind] += 1
        if "error" in expected:
            seen[expected["error"]] += 1
        elif "skipped" in expected:
            seen["skipped"] += 1
        elif isinstance(expected["result"], dict) and "fit" in expected["result"]:
            seen[expected["result"]["fit"]] += 1
        elif op.kind == "find":
            seen["found" if expected["result"] else "found nothing"] += 1
    rest = lines[len(trace.ops) :]
    try:
        verdict = json.loads(rest[0], object_pairs_hook=no_doubles) if len(rest) == 1 else None
    except ValueError:
        verdict = None
    if not same(verdict, {"verdict": "ok"}):
        raise Mismatch(len(trace.ops), "(the end)", '{"verdict":"ok"} and nothing more', rest)
    seen.update(model.events)
    seen["steps"] += len(trace.ops)


def run(binary, path):
    done = subprocess.run(
        [binary, "replay", "--json", path],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    return (
        done.returncode,
        done.stdout.decode("utf-8", "replace"),
        done.stderr.decode("utf-8", "replace"),
    )


def check_file(binary, path, seen):
    """True if the tool and the oracle agree about the trace in this file."""
    try:
        with open(path, encoding="utf-8") as file:
            trace = parse_trace(file.read())
    except (OSError, UnicodeDecodeError, Malformed) as error:
        print("%s: the oracle cannot read this trace: %s" % (path, error))
        return False
    try:
        status, output, errors = run(binary, path)
    except subprocess.TimeoutExpired:
        print("%s: no end after 60 s" % path)
        return False
    try:
        check(trace, output, seen)
    except Mismatch as m:
        print("%s: mismatch at step %d" % (path, m.step))
        print("  op:       %s" % m.op)
        print("  expected: %s" % m.expected)
        print("  actual:   %s" % m.actual)
        print("  exit status %d, standard error: %s" % (status, errors.strip()[:500]))
        return False
    if status != 0:
        print("%s: every line agrees, but exit status %d" % (path, status))
        print("  standard error: %s" % errors.strip()[:500])
        return False
    seen["traces"] += 1
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("binary")
    parser.add_argument("files", nargs="*")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--traces", type=int, default=500)
    parser.add_argument("--ops", type=int, default=60)
    parser.add_argument("--keep", help="where to write traces (default: a new temporary folder)")
    options = parser.parse_intermixed_args()

    seen = collections.Counter()
    binary = os.path.abspath(options.binary)
    for path in options.files:
        if not check_file(binary, path, seen):
            return 1

    folder = options.keep or tempfile.mkdtemp(prefix="vmapcheck-oracle-")
    os.makedirs(folder, exist_ok=True)
    for index in range(options.traces):
        path = os.path.join(folder, "seed%d-%d.trace" % (options.seed, index))
        with open(path, "w", encoding="utf-8") as file:
            file.write(Generator("%d/%d" % (options.seed, index), options.ops).trace())
        if not check_file(binary, path, seen):
            return 1
        os.unlink(path)
    if not options.keep:
        os.rmdir(folder)

    names = OP_KINDS + FITS + ERRORS + EVENTS
    print(
        "oracle: %d traces, %d steps agree; " % (seen["traces"], seen["steps"])
        + ", ".join("%s %d" % (name, seen[name]) for name in names)
    )
    missing = [name for name in names if not seen[name]]
    if missing and options.traces > 0:
        print("oracle: never exercised: " + ", ".join(missing))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
