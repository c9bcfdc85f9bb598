#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""page_test.py VMAPCHECK [--screenshots DIR]: the pages that `show --html` writes, in a headless Chromium.

Writes pages of a few traces (one that passes, ones that fail, one whose comments are hostile, one of 5,000 ops), opens
each through chromedriver, and looks at what a reader would see: that the slider, the keys and the buttons move the step,
that the failing step names the invariant with what was expected and what it was, that the wrong node is marked, that
in windows of 400 and of 1200 pixels nothing is cut off or lies outside and that an address has one place in all rows of
the map, and that the console stays silent. Prints each check that failed; the last line counts them. With --screenshots, pictures of every page are left in DIR for a human: light, dark, narrow, and printed.
"""
import argparse
import base64
import json
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

sys.path.append(str(pathlib.Path(__file__).resolve().parent / "cli"))
from cli import HEADER, SKIPPED, TRACES  # noqa: E402

LEFT, RIGHT, HOME, END, PAGE_UP, PAGE_DOWN = "\ue012", "\ue014", "\ue011", "\ue010", "\ue00e", "\ue00f"
KEYS = {LEFT: "Left", RIGHT: "Right", HOME: "Home", END: "End", PAGE_UP: "Page Up", PAGE_DOWN: "Page Down"}


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
    with tempfile.TemporaryDirectory() as scratch, Browser(arguments, scratch) as browser:
        checks = Checks(browser, pathlib.Path(arguments.vmapcheck).resolve(), pathlib.Path(scratch), arguments.screenshots)
        for look in (of_a_trace_that_passes, of_a_wrong_answer, of_a_wrong_node, of_an_overlap, of_a_death, of_hostile_text,
                     of_the_highest_addresses, of_a_subject_that_shows_nothing, of_an_empty_trace, of_one_op, of_5000_ops,
                     of_a_part):
            look(checks)
    print(f"page_test: {checks.count} checks, {checks.failed} failed")
    return 0 if checks.failed == 0 else 1


# ---- The pages -------------------------------------------------------------------------------------------------------


def of_a_trace_that_passes(checks):
    page = checks.open("passes", EVERY_OP, steps=17, at="step 0")
    checks.shows({"#verdict": "✓ ok: 17 steps, no violation", ".badge.fit": "left_edge"})
    checks.that("no failure is shown", not page.shown("#failure"))
    checks.that("no failing step to jump to", not page.shown("#jump"))
    checks.follows([("f", 0)])
    checks.moves(first=0, last=16)

    page.go(2)
    checks.shows({".badge.fit": "no_edge", "#op": "step 2 alloc-at a2 0xa000..0xb000"})
    checks.equal("cells before", page.texts(".cell.faint b"), ["a0", "free", "busy", "a1", "free"])
    checks.equal("cells after", page.texts(".cell:not(.faint) b"), ["a0", "free", "busy", "a1", "free", "a2", "free"])
    checks.equal("what changed", page.texts("#detail .word"), ["changed: no_edge"])
    checks.equal("nodes", len(page.texts("#tree tbody tr")), 3)
    page.go(6)
    checks.that("lazily freed", "lazy" in page.texts(".cell:not(.faint) b"))
    for scale in ("equal", "linear", "log"):
        page.click(f"input[name=scale][value={scale}]")
        checks.that(f"the overview with {scale} widths", page.count("#overview rect") >= 8)
        checks.is_laid_out(f"with {scale} widths")
    page.go(16)
    checks.shows({".badge.error": "error"})


def of_a_wrong_answer(checks):
    page = checks.open("answer", FAULT, "--subject", "seed_2019", status=10, steps=3, at="step 2")
    checks.shows({"#verdict": "✗ violation of answer at step 2: alloc a2 size=0x1000",
                  "dd.expected": "0x101000..0x102000 full", "dd.actual": "0x103000..0x104000 left_edge"})
    checks.that("the failure is shown", page.shown("#failure"))
    checks.equal("rows of the map", page.texts("#detail .title"), ["before", "after: subject", "expected: model"])
    page.press("body", HOME)
    checks.that("no failure before", not page.shown("#failure"))
    checks.follows([("f", 2), (LEFT, 1), ("#jump", 2)])
    checks.that("the failure is shown", page.shown("#failure"))


def of_a_wrong_node(checks):
    trace = HEADER + TRACES["stale.trace"]
    page = checks.open("augment", trace, "--subject", "canary_augment", status=10, steps=4, at="step 3")
    checks.that("the invariant", "violation of augment at step 3" in page.text("#failure-title"))
    checks.equal("wrong nodes", page.count("#tree tr.wrong"), 1)
    checks.that("marked", "WRONG: should be " + page.text("dd.expected") in page.text("#tree tr.wrong"))
    checks.shows({"#tree tr.wrong .max": page.text("dd.actual")})
    checks.that("counted", "1 wrong" in page.text("#tree-note"))
    checks.is_laid_out("at the wrong node")
    page.press("body", LEFT)
    checks.equal("wrong nodes before", page.count("#tree tr.wrong"), 0)


def of_an_overlap(checks):
    page = checks.open("overlap", LEFT_EDGE, "--subject", "canary_overlap", status=10)
    checks.that("the invariant", "violation of overlap" in page.text("#failure-title"))
    checks.that("marked", page.count(".cell.overlaps") >= 1)
    checks.is_laid_out("where areas overlap")


def of_a_death(checks):
    """The page is made of what the subject did before it died."""
    listed = json.loads(subprocess.run([checks.vmapcheck, "subjects", "--json"], capture_output=True, check=True).stdout)
    trace = next(one["trace"] for one in listed if one["name"] == "fault_null_root")
    ops = sum(line.split(" ")[0] not in ("vmapcheck-trace", "space", "busy", "") for line in trace.split("\n"))
    page = checks.open("death", trace, "--subject", "fault_null_root", status=10, steps=ops, at=f"step {ops - 1}")
    checks.that("the verdict", page.text("#verdict").startswith("✗ ") and f"at step {ops - 1}: " in page.text("#verdict"))
    checks.that("the failure is shown", page.shown("#failure"))
    page.press("body", LEFT)
    checks.that("no failure before", not page.shown("#failure"))
    checks.that("a map before", page.count(".cell") >= 1)


def of_hostile_text(checks):
    page = checks.open("hostile", HOSTILE, steps=1, at="step 0")
    source = checks.path.read_text()
    checks.equal("ends of scripts", source.count("</script>"), 2)
    checks.that("no tag of theirs", "<img" not in source and "<!-- x" not in source)
    page.run("document.getElementById('comments').open = true")
    comments = page.text("#comments pre")
    for piece in ("</script><img src=x onerror", "<!-- x", "\u2028", "]]>", "&lt;b&gt;", "ünï", "</style>"):
        checks.that(f"{piece!r} is shown as it is", piece in comments)
    checks.equal("images", page.count("img"), 0)
    checks.equal("nothing ran", page.run("return window.hostile === undefined"), True)


def of_the_highest_addresses(checks):
    page = checks.open("highest", HIGHEST, "--subject", "canary_augment", status=10)
    checks.that("marked", "WRONG: should be 0x" in page.text("#tree tr.wrong"))
    checks.that("the map shows them", "0xffffffff\n" in "".join(page.texts("#detail .tick")))


def of_one_op(checks):
    checks.open("one", HEADER + "space 0x0..0x3\nalloc a0 size=0x1\n", steps=1, at="step 0")


def of_a_subject_that_shows_nothing(checks):
    page = checks.open("model", EVERY_OP, "--subject", "model", steps=17)
    checks.that("said", "does not show its tree" in page.text("#tree-note"))


def of_an_empty_trace(checks):
    page = checks.open("empty", HEADER + "space 0x0..0x10\n")
    checks.shows({"#of": "the trace has no steps"})
    for key in (RIGHT, END, HOME, "f"):
        page.press("body", key)
    checks.shows({"#op .at": "before step 0"})


def of_5000_ops(checks):
    page = checks.open("long", long_trace(5000), steps=5000, at="step 0")
    checks.that("below 20 MB", checks.path.stat().st_size < 20_000_000)
    state = """const s = stateAt(index);
        return JSON.stringify([s.map.map((i) => [hex(i.begin), hex(i.end), i.kind]), [...s.nodes.values()].sort()])"""
    seen = {}
    for step in (0, 4999, 2500, 2499, 2500, 17, 4321):
        page.go(step)
        checks.shows({"#op .at": f"step {step}"})
        found = page.run(state)
        checks.equal("the same state from either side", seen.setdefault(step, found), found)
    step, nodes = page.run("""let most = 0;
        for (let i = 1; i <= lastIndex; ++i) if (stateAt(i).nodes.size > stateAt(most).nodes.size) most = i;
        return [entries[most].step, stateAt(most).nodes.size]""")
    checks.that("hundreds of nodes", nodes > 250, f": {nodes}")
    page.go(step)
    checks.that("not all are drawn", 0 < page.count("#tree tbody tr") < 100)
    page.click("#whole")
    checks.equal("all nodes", page.count("#tree tbody tr"), nodes)
    checks.is_laid_out("with all nodes")
    page.click("#whole")
    checks.take_pictures()
    for button in ("#lower", "#lower", "#higher", "#center"):
        page.click(button)
        checks.is_laid_out(button)
    # Every step follows from the one before: the state at the end, gone to step by step, is that gone to at once.
    page.run("for (let i = 4000; i <= lastIndex; ++i) stateAt(i)")
    page.go(4999)
    checks.equal("the same state step by step", page.run(state), seen[4999])


def of_a_part(checks):
    page = checks.open("part", EVERY_OP, "--from", "3", "--to", "14", steps=12, at="step 3")
    checks.moves(first=3, last=14)
    page.go(7)
    checks.shows({"#op": "step 7 purge"})


# ---- Traces ----------------------------------------------------------------------------------------------------------

EVERY_OP = HEADER + TRACES["all.trace"]
FAULT = """vmapcheck-trace 1
space 0x100000..0x140000 granule=0x1000
alloc a0 size=0x1000
alloc a1 size=0x1000 align=0x2000
alloc a2 size=0x1000
"""
LEFT_EDGE = """vmapcheck-trace 1
space 0x0..0xfffffffffffff000 granule=0x1000
alloc-at a0 0x28000..0x32000
alloc-at a1 0x32000..0x38000
"""
HIGHEST = """vmapcheck-trace 1
space 0xffff800000000000..0xfffffffffffff000 granule=0x1000
alloc-at a0 0xffff800000028000..0xffff800000032000
alloc-at a1 0xffff800000aa9000..0xffff800000aaa000
alloc-at a2 0xffff800000ae5000..0xffff800000af2000
free a2
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


# ---- Checks ----------------------------------------------------------------------------------------------------------


class Checks:
    """What is looked at in pages, which `vmapcheck` writes into a folder; pictures are optional."""

    def __init__(self, browser=None, vmapcheck=None, folder=None, pictures=None):
        self.browser, self.vmapcheck, self.folder, self.pictures = browser, vmapcheck, folder, pictures
        self.count = self.failed = 0
        self.page = self.path = None

    def that(self, what, holds, actual=""):
        self.count += 1
        if not holds:
            self.failed += 1
            print(f"FAILED {self.page}: {what}{actual}")

    def equal(self, what, actual, expected):
        self.that(what, actual == expected, f": expected {expected!r}, actual {actual!r}")

    def is_laid_out(self, what):
        """In a narrow and in a wide window: nothing is cut off or lies outside of it, so that there is no bar to scroll it
        sideways; an address has the same place in the overview and in all rows; sizes are all in one unit."""
        for width in (400, 1200):
            self.browser.resize(width, 1000)
            found = self.browser.run(LAYOUT)
            for fault, where in found["faults"].items():
                self.that(f"{fault} in {width} pixels {what}", not where, f": {len(where)}, as {where[:3]}")
            self.that(f"addresses are compared in {width} pixels {what}", found["compared"] >= 2, f": {found['compared']}")
        self.browser.resize(1600, 1000)

    def shows(self, texts):
        """These are the texts of these elements."""
        for selector, expected in texts.items():
            self.equal(selector, self.browser.text(selector), expected)

    def follows(self, ways):
        """A key or a click leads to that step; None is before the first one."""
        for way, step in ways:
            if way.startswith("#"):
                self.browser.click(way)
            else:
                self.browser.press("body", way)
            self.equal(f"the step after {KEYS.get(way, way)}", self.browser.step(), step)

    def moves(self, first, last):
        """Slider, buttons, keys, the number and the list of steps all lead to the same."""
        self.follows([(HOME, None)])
        self.shows({"#op .at": f"before step {first}"})
        self.follows([(RIGHT, first), (RIGHT, first + 1), (LEFT, first), (PAGE_DOWN, min(last, first + 10)), (END, last),
                      (RIGHT, last), (PAGE_UP, last - 10)])
        self.browser.press("#slider", LEFT)
        self.equal("Left on the slider", self.browser.step(), last - 11)
        self.browser.slide(3)
        self.equal("the slider", self.browser.step(), first + 2)
        self.follows([("#next", first + 3), ("#previous", first + 2), ("#last", last),
                      ("#steps tbody tr:nth-last-child(2)", last - 1), ("#first", None)])
        self.shows({"#op .at": f"before step {first}"})

    def open(self, name, trace, *options, status=0, steps=None, at=None):
        """Writes the page of a trace, and looks at what holds for every page."""
        self.page, self.path = f"{name}.html", self.folder / f"{name}.html"
        (self.folder / f"{name}.trace").write_text(trace)
        command = [self.vmapcheck, "show", *options, "--html", self.page, f"{name}.trace"]
        done = subprocess.run(command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != status:
            sys.exit(f"page_test: {' '.join(map(str, command))}: exit status {done.returncode}\n{done.stdout}")
        page = self.browser
        page.load(self.path)
        self.is_laid_out("as it opens")
        if steps is not None:
            self.equal("steps", page.run("return Number(document.getElementById('slider').max)"), steps)
        if at is not None:
            self.shows({"#op .at": at})
        source = self.path.read_text().split('id="recording"')[0]
        self.that("loads nothing", not re.search(r"(src|href)\s*=\s*[\"']?(https?:)?//", source))
        self.equal("console", page.console(), [])
        self.equal("unnamed controls", page.run(UNNAMED), 0)
        self.take_pictures()
        return page

    def take_pictures(self):
        if not self.pictures:
            return
        self.pictures.mkdir(parents=True, exist_ok=True)
        for name, width, scheme in (("dark", 1280, "dark"), ("light", 1280, "light"), ("narrow", 400, "light")):
            self.browser.resize(width, 2000 if width == 400 else 1200)
            self.browser.emulate(scheme)
            self.take_picture("GET", "/screenshot", f"-{name}.png")
        self.take_picture("POST", "/print", ".pdf", {"background": True})
        self.browser.resize(1600, 1000)

    def take_picture(self, method, how, ending, options=None):
        picture = self.browser.send(method, how, options)
        (self.pictures / f"{self.path.stem}{ending}").write_bytes(base64.b64decode(picture))


UNNAMED = """return [...document.querySelectorAll('button, input')].filter((one) =>
  !one.textContent.trim() && !one.getAttribute('aria-label') && !one.labels?.length).length"""


LAYOUT = """
const faults = {outside: [], 'cut off': [], 'at another place': [], 'another unit': []};
const right = document.documentElement.clientWidth, slack = 0.6;
const name = (e) => e.nodeName === '#text' ? `'${e.data.trim().slice(0, 40)}'` : e.tagName + (e.id ? '#' + e.id : '.' + e.getAttribute('class'));
// A trace in a report of a campaign is scrolled sideways in its box.
const seen = (e) => !e.closest('[hidden], article pre') && e.getClientRects().length > 0;
const look = (e, box) => {
  if (box.width > 0 && (box.left < -slack || box.right > right + slack)) faults.outside.push(`${name(e)} ${box.left}..${box.right}`);
};
for (const e of document.querySelectorAll('body *')) {
  if (!seen(e) || e.matches('script, style')) continue;
  look(e, e.getBoundingClientRect());
  // An svg scales, and has its own coordinates.
  if (!(e instanceof SVGElement) && getComputedStyle(e).overflowX !== 'visible' && e.scrollWidth > e.clientWidth + 1)
    faults['cut off'].push(`${name(e)} ${e.scrollWidth} in ${e.clientWidth}`);
}
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (texts.nextNode()) {
  const text = texts.currentNode, range = document.createRange();
  if (!text.data.trim() || !seen(text.parentElement) || text.parentElement.matches('script, style')) continue;
  let cuts = text.parentElement;
  while (cuts !== document.body && getComputedStyle(cuts).overflowX === 'visible') cuts = cuts.parentElement;
  const bounds = cuts.getBoundingClientRect();
  range.selectNodeContents(text);
  for (const box of range.getClientRects()) {
    look(text, box);
    if (cuts !== document.body && (box.left < bounds.left - slack || box.right > bounds.right + slack)) faults['cut off'].push(name(text));
  }
}
const places = new Map();
for (const e of document.querySelectorAll('#overview [data-begin]')) places.set(e.dataset.begin, e.getBoundingClientRect().left);
let compared = 0;
for (const e of document.querySelectorAll('#detail [data-begin]')) {
  const place = places.get(e.dataset.begin), left = e.getBoundingClientRect().left;
  if (place === undefined) continue;
  ++compared;
  if (Math.abs(place - left) > 1.5) faults['at another place'].push(`${e.dataset.begin} ${place} ${left}`);
}
for (const e of document.querySelectorAll('.cell span'))
  if (!/^0x[0-9a-f\\n]+$/.test(e.innerText)) faults['another unit'].push(e.innerText);
return {faults, compared};
"""


# ---- The browser: WebDriver in plain HTTP ----------------------------------------------------------------------------


class Browser:
    def __init__(self, programs, scratch):
        self.programs, self.scratch = programs, scratch

    def __enter__(self):
        self.driver = subprocess.Popen([self.programs.chromedriver, "--port=0"], stdout=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL, text=True)
        try:
            self.base = f"http://127.0.0.1:{self.port()}"
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
            self.driver.stdout.close()
            self.driver.wait()

    def port(self):
        for line in self.driver.stdout:
            if found := re.search(r"started successfully on port (\d+)", line):
                return found[1]
        sys.exit("page_test: chromedriver does not start")

    def send(self, method, path, body=None):
        data = json.dumps(body or {}).encode() if method == "POST" else None
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.load(error)["value"]["message"].splitlines()[0]) from None

    def load(self, path):
        self.send("POST", "/url", {"url": path.as_uri()})

    def run(self, script):
        return self.send("POST", "/execute/sync", {"script": script, "args": []})

    def settled(self):
        """What was asked for is drawn: a frame has passed."""
        self.send("POST", "/execute/async", {"script": "requestAnimationFrame(() => requestAnimationFrame(arguments[0]))", "args": []})

    def resize(self, width, height):
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.send("POST", "/goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": metrics})
        self.settled()

    def emulate(self, scheme):
        features = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.send("POST", "/goog/cdp/execute", {"cmd": "Emulation.setEmulatedMedia", "params": features})
        self.settled()

    def console(self):
        return [entry["message"] for entry in self.send("POST", "/se/log", {"type": "browser"})]

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
        self.enter("slider", "input", value)

    def go(self, step):
        self.enter("number", "change", step)

    def enter(self, control, event, value):
        self.run(f"const c = document.getElementById('{control}'); c.value = {value};"
                 f"c.dispatchEvent(new Event('{event}'))")
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
