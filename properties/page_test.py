#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""page_test.py VMAPCHECK [--screenshots DIR]: the pages that `show --html` writes, in a headless Chromium.

Writes pages of a few traces (one that passes, ones that fail, one whose comments are hostile, one of 5,000 ops), opens
each through chromedriver, and looks at what a reader would see: that the slider, the keys and the buttons move the step,
that the failing step names the invariant with what was expected and what it was, that the wrong node is marked, that
nothing is wider than the window, and that the console stays silent. Prints each check that failed; the last line counts
them. With --screenshots, pictures of every page are left in DIR for a human: light, dark, narrow, and printed.
"""
import argparse
import base64
import json
import pathlib
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

SKIPPED = 77
LEFT, RIGHT, HOME, END, PAGE_UP, PAGE_DOWN = "\ue012", "\ue014", "\ue011", "\ue010", "\ue00e", "\ue00f"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("vmapcheck")
    parser.add_argument("--screenshots", type=pathlib.Path)
    parser.add_argument("--chromium", default=shutil.which("chromium"))
    parser.add_argument("--chromedriver", default=shutil.which("chromedriver"))
    arguments = parser.parse_args()
    if not arguments.chromium or not arguments.chromedriver:
        print("skipped: no Chromium with its driver (Debian: chromium chromium-driver)")
        return SKIPPED
    checks = Checks()
    with tempfile.TemporaryDirectory() as scratch:
        pages = Pages(arguments.vmapcheck, pathlib.Path(scratch))
        with Browser(arguments, pathlib.Path(scratch)) as browser:
            checks.browser, checks.pictures = browser, arguments.screenshots
            of_a_trace_that_passes(checks, pages)
            of_a_wrong_answer(checks, pages)
            of_a_wrong_node(checks, pages)
            of_an_overlap(checks, pages)
            of_a_death(checks, pages)
            of_hostile_text(checks, pages)
            of_a_subject_that_shows_nothing(checks, pages)
            of_an_empty_trace(checks, pages)
            of_5000_ops(checks, pages)
            of_a_part(checks, pages)
    print(f"page_test: {checks.count} checks, {checks.failed} failed")
    return 0 if checks.failed == 0 else 1


# ---- The pages -------------------------------------------------------------------------------------------------------


def of_a_trace_that_passes(checks, pages):
    page = checks.open(pages.write("passes", EVERY_OP), steps=17, at=0)
    checks.equal("verdict", page.text("#verdict"), "✓ ok: 17 steps, no violation")
    checks.that("no failure is shown", not page.shown("#failure"))
    checks.that("no failing step to jump to", not page.shown("#jump"))
    checks.equal("fit type", page.text(".badge.fit"), "left_edge")
    page.press("body", "f")
    checks.equal("f without a failing step", page.step(), 0)
    moves(checks, page, first=0, last=16)

    page.go(2)
    checks.equal("fit type", page.text(".badge.fit"), "no_edge")
    checks.equal("the op", page.text("#op"), "step 2 alloc-at a2 0xa000..0xb000")
    checks.equal("cells before", page.texts(".cell.faint b"), ["a0", "free", "busy", "a1", "free"])
    checks.equal("cells after", page.texts(".cell:not(.faint) b"), ["a0", "free", "busy", "a1", "free", "a2", "free"])
    checks.equal("what changed", page.texts("#detail .word"), ["changed: no_edge"])
    checks.equal("nodes", len(page.texts("#tree tbody tr")), 3)
    page.go(6)
    checks.that("lazily freed", "lazy" in page.texts(".cell:not(.faint) b"))
    for scale in ("equal", "linear", "log"):
        page.click(f"input[name=scale][value={scale}]")
        checks.that(f"the overview with {scale} widths", page.count("#overview rect") >= 8)
        checks.fits(page, f"with {scale} widths")
    page.go(16)
    checks.equal("an error", page.text(".badge.error"), "error")


def moves(checks, page, first, last):
    """Slider, buttons, keys, the number and the list of steps all lead to the same."""
    page.press("body", HOME)
    checks.equal("Home", page.text("#op .at"), f"before step {first}")
    page.press("body", RIGHT)
    checks.equal("Right", page.step(), first)
    page.press("body", RIGHT)
    checks.equal("Right", page.step(), first + 1)
    page.press("body", LEFT)
    checks.equal("Left", page.step(), first)
    page.press("body", PAGE_DOWN)
    checks.equal("Page Down", page.step(), min(last, first + 10))
    page.press("body", END)
    checks.equal("End", page.step(), last)
    page.press("body", RIGHT)
    checks.equal("Right at the end", page.step(), last)
    page.press("body", PAGE_UP)
    checks.equal("Page Up", page.step(), last - 10)
    page.press("#slider", LEFT)
    checks.equal("Left on the slider", page.step(), last - 11)
    page.slide(3)
    checks.equal("the slider", page.step(), first + 2)
    page.click("#next")
    checks.equal("next", page.step(), first + 3)
    page.click("#previous")
    checks.equal("previous", page.step(), first + 2)
    page.click("#last")
    checks.equal("last", page.step(), last)
    page.click("#steps tbody tr:nth-last-child(2)")
    checks.equal("the list of steps", page.step(), last - 1)
    page.click("#first")
    checks.equal("first", page.text("#op .at"), f"before step {first}")


def of_a_wrong_answer(checks, pages):
    path = pages.write("answer", FAULT, "--subject", "seed_2019", status=10)
    page = checks.open(path, steps=3, at=2)
    checks.equal("verdict", page.text("#verdict"), "✗ violation of answer at step 2: alloc a2 size=0x1000")
    checks.that("the failure is shown", page.shown("#failure"))
    checks.equal("expected", page.text("dd.expected"), "0x101000..0x102000 full")
    checks.equal("actual", page.text("dd.actual"), "0x103000..0x104000 left_edge")
    checks.equal("rows of the map", page.texts("#detail .title"), ["before", "after: subject", "expected: model"])
    page.press("body", HOME)
    checks.that("no failure before", not page.shown("#failure"))
    page.press("body", "f")
    checks.equal("f", page.step(), 2)
    page.press("body", LEFT)
    page.click("#jump")
    checks.equal("the button", page.step(), 2)
    checks.that("the failure is shown", page.shown("#failure"))


def of_a_wrong_node(checks, pages):
    path = pages.write("augment", STALE, "--subject", "canary_augment", status=10)
    page = checks.open(path, steps=4, at=3)
    checks.that("the invariant", "violation of augment at step 3" in page.text("#failure-title"))
    checks.equal("wrong nodes", page.count("#tree tr.wrong"), 1)
    checks.that("marked", "WRONG: should be " + page.text("dd.expected") in page.text("#tree tr.wrong"))
    checks.equal("its value", page.text("#tree tr.wrong .max"), page.text("dd.actual"))
    checks.that("counted", "1 wrong" in page.text("#tree-note"))
    page.press("body", LEFT)
    checks.equal("wrong nodes before", page.count("#tree tr.wrong"), 0)


def of_an_overlap(checks, pages):
    path = pages.write("overlap", LEFT_EDGE, "--subject", "canary_overlap", status=10)
    page = checks.open(path)
    checks.that("the invariant", "violation of overlap" in page.text("#failure-title"))
    checks.that("marked", page.count(".cell.overlaps") >= 1)


def of_a_death(checks, pages):
    """The page is made of what the subject did before it died."""
    listed = json.loads(subprocess.run([pages.vmapcheck, "subjects", "--json"], capture_output=True, check=True).stdout)
    trace = next(one["trace"] for one in listed if one["name"] == "fault_null_root")
    ops = sum(line.split(" ")[0] not in ("vmapcheck-trace", "space", "busy", "") for line in trace.split("\n"))
    path = pages.write("death", trace, "--subject", "fault_null_root", status=10)
    page = checks.open(path, steps=ops, at=ops - 1)
    checks.that("the verdict", page.text("#verdict").startswith("✗ ") and f"at step {ops - 1}: " in page.text("#verdict"))
    checks.that("the failure is shown", page.shown("#failure"))
    page.press("body", LEFT)
    checks.that("no failure before", not page.shown("#failure"))
    checks.that("a map before", page.count(".cell") >= 1)


def of_hostile_text(checks, pages):
    path = pages.write("hostile", HOSTILE)
    source = path.read_text()
    checks.equal("ends of scripts", source.count("</script>"), 2)
    checks.that("no tag of theirs", "<img" not in source and "<!-- x" not in source)
    page = checks.open(path, steps=1, at=0)
    page.run("document.getElementById('comments').open = true")
    comments = page.text("#comments pre")
    for piece in ("</script><img src=x onerror", "<!-- x", "\u2028", "]]>", "&lt;b&gt;", "ünï", "</style>"):
        checks.that(f"{piece!r} is shown as it is", piece in comments)
    checks.equal("images", page.count("img"), 0)
    checks.equal("nothing ran", page.run("return window.hostile === undefined"), True)


def of_a_subject_that_shows_nothing(checks, pages):
    page = checks.open(pages.write("model", EVERY_OP, "--subject", "model"), steps=17)
    checks.that("said", "does not show its tree" in page.text("#tree-note"))


def of_an_empty_trace(checks, pages):
    page = checks.open(pages.write("empty", "vmapcheck-trace 1\nspace 0x0..0x10\n"))
    checks.equal("said", page.text("#of"), "the trace has no steps")
    for key in (RIGHT, END, HOME, "f"):
        page.press("body", key)
    checks.equal("still", page.text("#op .at"), "before step 0")


def of_5000_ops(checks, pages):
    path = pages.write("long", long_trace(5000))
    checks.that("below 20 MB", path.stat().st_size < 20_000_000)
    page = checks.open(path, steps=5000, at=0)
    state = "const s = stateAt(index); return JSON.stringify([s.map.map((i) => [hex(i.begin), hex(i.end), i.kind]), [...s.nodes.values()].sort()])"
    seen = {}
    for step in (0, 4999, 2500, 2499, 2500, 17, 4321):
        page.go(step)
        checks.equal("step", page.step(), step)
        found = page.run(state)
        checks.equal("the same state from either side", seen.setdefault(step, found), found)
    most = page.run("let most = 0; for (let i = 1; i <= lastIndex; ++i) if (stateAt(i).nodes.size > stateAt(most).nodes.size) most = i;"
                    "return [entries[most].step, stateAt(most).nodes.size]")
    checks.that("hundreds of nodes", most[1] > 250, f": {most[1]}")
    page.go(most[0])
    drawn_at_first = page.count("#tree tbody tr")
    checks.that("not all are drawn", 0 < drawn_at_first < 100)
    page.click("#whole")
    checks.equal("all nodes", page.count("#tree tbody tr"), page.run("return stateAt(index).nodes.size"))
    checks.fits(page, "with all nodes")
    page.click("#whole")
    if checks.pictures:
        take_pictures(page, path, checks.pictures)
    for button in ("#lower", "#lower", "#higher", "#center"):
        page.click(button)
        checks.fits(page, button)
    # Every step follows from the one before: the state at the end, gone to step by step, is that gone to at once.
    page.run("for (let i = 4000; i <= lastIndex; ++i) stateAt(i)")
    page.go(4999)
    checks.equal("the same state step by step", page.run(state), seen[4999])


def of_a_part(checks, pages):
    path = pages.write("part", EVERY_OP, "--from", "3", "--to", "14")
    page = checks.open(path, steps=12, at=3)
    moves(checks, page, first=3, last=14)
    page.go(7)
    checks.equal("the op", page.text("#op"), "step 7 purge")


# ---- Traces ----------------------------------------------------------------------------------------------------------

EVERY_OP = """vmapcheck-trace 1
# one of each
space 0x1000..0x11000 granule=0x1000 lazy-limit=0x4000
busy 0x3000..0x4000
alloc a0 size=0x1000
alloc a1 size=0x2000 align=0x4000 within=0x2000..0x9000
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
alloc a5 size=0x7
alloc a6 size=0x20000
"""
FAULT = """vmapcheck-trace 1
space 0x100000..0x140000 granule=0x1000
alloc a0 size=0x1000
alloc a1 size=0x1000 align=0x2000
alloc a2 size=0x1000
"""
STALE = """vmapcheck-trace 1
# the root's maximum stays below that of the block that was merged on its right
space 0x0..0xfffffffffffff000 granule=0x1000
alloc-at a0 0x28000..0x32000
alloc-at a1 0xaa9000..0xaaa000
alloc-at a2 0xae5000..0xaf2000
free a2
"""
LEFT_EDGE = """vmapcheck-trace 1
space 0x0..0xfffffffffffff000 granule=0x1000
alloc-at a0 0x28000..0x32000
alloc-at a1 0x32000..0x38000
"""
HOSTILE = """vmapcheck-trace 1
# </script><img src=x onerror="window.hostile=1"><script>window.hostile=2</script>
# <!-- x --> <![CDATA[ ]]> &lt;b&gt; </style> {/*recording*/} \u2028 \u2029 ünï \\u003c
space 0x0..0x10
alloc a0 size=0x1
"""


def long_trace(ops):
    """Fills to 1,300 areas and drains to 600, in turns: up to 300 free blocks."""
    choices = random.Random(5)
    lines = ["vmapcheck-trace 1", "space 0xffff800000000000..0xffffc00000000000 granule=0x1000"]
    live, filling = [], True
    for i in range(ops):
        filling = len(live) < 1300 if filling else len(live) < 600
        if filling != (choices.random() < 0.1) or not live:
            size, align = choices.choice((1, 2, 4, 16)), choices.choice((1, 1, 4))
            lines.append(f"alloc a{i} size={size * 4096:#x} align={align * 4096:#x}")
            live.append(i)
        elif choices.random() < 0.02:
            lines.append("purge")
        else:
            how = choices.choice(("free", "free", "free-lazily"))
            lines.append(f"{how} a{live.pop(choices.randrange(len(live)))}")
    return "\n".join(lines) + "\n"


class Pages:
    def __init__(self, vmapcheck, directory):
        self.vmapcheck, self.directory = pathlib.Path(vmapcheck).resolve(), directory

    def write(self, name, trace, *options, status=0):
        (self.directory / f"{name}.trace").write_text(trace)
        path = self.directory / f"{name}.html"
        command = [self.vmapcheck, "show", *options, "--html", path.name, f"{name}.trace"]
        done = subprocess.run(command, cwd=self.directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != status:
            sys.exit(f"page_test: {' '.join(map(str, command))}: exit status {done.returncode}\n{done.stdout}")
        return path


# ---- Checks ----------------------------------------------------------------------------------------------------------


class Checks:
    def __init__(self):
        self.count = self.failed = 0
        self.page = self.browser = self.pictures = None

    def that(self, what, holds, actual=""):
        self.count += 1
        if not holds:
            self.failed += 1
            print(f"FAILED {self.page}: {what}{actual}")

    def equal(self, what, actual, expected):
        self.that(what, actual == expected, f": expected {expected!r}, actual {actual!r}")

    def fits(self, page, what):
        """Nothing is wider than the window, so that there is no bar to scroll it sideways."""
        wide = page.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
        self.that(f"fits the window {what}", wide <= 0, f": {wide} pixels too wide")

    def open(self, path, steps=None, at=None):
        """What holds for every page."""
        self.page = path.name
        page = self.browser
        for width in (800, 1600):
            page.resize(width, 1000)
            page.load(path)
            self.fits(page, f"at {width}")
        if steps is not None:
            self.equal("steps", page.run("return Number(document.getElementById('slider').max)"), steps)
        if at is not None:
            self.equal("begins at step", page.step(), at)
        source = path.read_text()
        self.that("loads nothing", not re.search(r"(src|href)\s*=\s*[\"']?(https?:)?//", source.split('id="recording"')[0]))
        self.equal("console", page.console(), [])
        self.equal("unnamed controls", page.run(UNNAMED), 0)
        if self.pictures:
            take_pictures(page, path, self.pictures)
        return page


UNNAMED = """return [...document.querySelectorAll('button, input')].filter((one) =>
  !one.textContent.trim() && !one.getAttribute('aria-label') && !one.labels?.length).length"""


def take_pictures(page, path, directory):
    directory.mkdir(parents=True, exist_ok=True)
    for name, width, scheme in (("light", 1280, "light"), ("dark", 1280, "dark"), ("narrow", 800, "light")):
        page.resize(width, 1200)
        page.emulate(scheme)
        (directory / f"{path.stem}-{name}.png").write_bytes(base64.b64decode(page.call("GET", "/screenshot")))
    page.emulate("light")
    printed = page.call("POST", "/print", {"background": True})
    (directory / f"{path.stem}.pdf").write_bytes(base64.b64decode(printed))
    page.resize(1600, 1000)


# ---- The browser: WebDriver in plain HTTP ----------------------------------------------------------------------------


class Browser:
    def __init__(self, programs, scratch):
        self.programs, self.scratch = programs, scratch

    def __enter__(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.driver = subprocess.Popen(
            [self.programs.chromedriver, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.base = f"http://127.0.0.1:{port}"
        try:
            self.wait_for_driver()
            options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                       f"--user-data-dir={self.scratch}/profile", "--host-resolver-rules=MAP * ~NOTFOUND"]
            chrome = {"args": options, "binary": self.programs.chromium}
            wanted = {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": chrome,
                                      "goog:loggingPrefs": {"browser": "ALL"}}}
            session = self.send("POST", "/session", {"capabilities": wanted})
            self.base += f"/session/{session['sessionId']}"
        except BaseException:
            self.driver.kill()
            raise
        return self

    def __exit__(self, *_):
        try:
            self.send("DELETE", "")
        finally:
            self.driver.terminate()
            self.driver.wait()

    def wait_for_driver(self):
        for _ in range(300):
            try:
                if self.send("GET", "/status")["ready"]:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        sys.exit("page_test: chromedriver does not answer")

    def send(self, method, path, body=None):
        data = json.dumps(body if body is not None else {}).encode() if method == "POST" else None
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.load(error)["value"]["message"].splitlines()[0]) from None

    call = send

    def load(self, path):
        self.send("POST", "/url", {"url": path.as_uri()})

    def run(self, script):
        return self.send("POST", "/execute/sync", {"script": script, "args": []})

    def settled(self):
        """What was asked for is drawn: a frame has passed."""
        self.send("POST", "/execute/async", {"script": "requestAnimationFrame(() => requestAnimationFrame(arguments[0]))", "args": []})

    def resize(self, width, height):
        self.send("POST", "/window/rect", {"width": width, "height": height})

    def emulate(self, scheme):
        features = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.send("POST", "/goog/cdp/execute", {"cmd": "Emulation.setEmulatedMedia", "params": features})
        self.settled()

    def console(self):
        entries = self.send("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries]

    def find(self, selector):
        found = self.send("POST", "/element", {"using": "css selector", "value": selector})
        return next(iter(found.values()))

    def click(self, selector):
        self.send("POST", f"/element/{self.find(selector)}/click")
        self.settled()

    def press(self, selector, key):
        self.send("POST", f"/element/{self.find(selector)}/value", {"text": key})
        self.settled()

    def slide(self, value):
        self.run(f"const s = document.getElementById('slider'); s.value = {value}; s.dispatchEvent(new Event('input'))")
        self.settled()

    def go(self, step):
        self.run(f"const n = document.getElementById('number'); n.value = {step}; n.dispatchEvent(new Event('change'))")
        self.settled()

    def text(self, selector):
        return self.run(f"const e = document.querySelector({json.dumps(selector)}); return e ? e.innerText : null")

    def texts(self, selector):
        return self.run(f"return [...document.querySelectorAll({json.dumps(selector)})].map((e) => e.innerText)")

    def count(self, selector):
        return self.run(f"return document.querySelectorAll({json.dumps(selector)}).length")

    def shown(self, selector):
        return self.run(f"return document.querySelector({json.dumps(selector)}).checkVisibility()")

    def step(self):
        found = re.match(r"step (\d+)$", self.text("#op .at"))
        return int(found[1]) if found else None


if __name__ == "__main__":
    sys.exit(main())
