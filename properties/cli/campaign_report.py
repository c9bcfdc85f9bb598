# SPDX-License-Identifier: Apache-2.0
"""`campaign status` and `campaign report` on directories that are made here: a campaign with findings of each status and
2,000 samples, one that ran nowhere, ones whose files are damaged, missing or hostile. What is written is read as its
readers do: JSON, SARIF, JUnit, and, where there is a browser, the page."""
import collections
import fcntl
import json
import os
import pathlib
import re
import shutil
import sys
import types
import unittest
import xml.etree.ElementTree

import cli

sys.path.insert(0, str(cli.SOURCE / "properties"))
import page_test  # noqa: E402

COUNTERS = 11 + 11 + 1 + 11 * 4 + 4 + 11 * 4 + 12 * 10 + 4 + 6 + 21 + 2  # of harness/verify/coverage.hpp
FITS = 11 + 11 + 1 + 11 * 4
CHECKS = FITS + 4 + 11 * 4  # rows of ops, of the ten invariants each
HOSTILE = "SIGSEGV in <script>window.hostile=1</script>&amp;\"'\n]]>--><!--body-->\u202e\x01" + "\U0001f41b" + "x" * 5000

PASSING = "vmapcheck-trace 1\nspace 0x0..0x10\nalloc a0 size=0x1\n"
NOT_LOWEST = page_test.FAULT
WRAPPED = ("vmapcheck-trace 1\n# a length that wraps\nspace 0x1000..0x11000 granule=0x1000\n" +
           "".join(f"alloc a{i} size=0x1000\n" for i in range(8)) + "".join(f"free a{i}\n" for i in (0, 2, 4, 6)) +
           "alloc a8 size=0xfffffffffffff000 align=0x2000\n")
TRACES = {"seed_2019-answer-1.trace": NOT_LOWEST, "seed_2019-cost-2.trace": WRAPPED,
          "seed_2019-hang-3.trace": PASSING, "seed_2019-overlap-4.trace": PASSING}


def coverage():
    """Every counter has its own number, but some that are zero."""
    counters = [1000 + i for i in range(COUNTERS)]
    counters[11:22] = [1] * 11
    for zero in (10, 21, FITS + 3):  # fail-metadata was never performed; no_edge
        counters[zero] = 0
    return counters


def totals(seconds, counters=None):
    return {"seconds": seconds, "executions": 1234567, "ops": 98765432, "skipped": 321, "restarts": 7,
            "counters": counters if counters is not None else coverage()}


def sample_line(numbers):
    """As it is appended: an empty line comes first, and a checksum last."""
    line = json.dumps(numbers, separators=(",", ":"))[:-1]
    total = len(line)
    for byte in line.encode():
        total = (total ^ byte) * 0x9e3779b97f4a7c15 & (1 << 64) - 1
        total ^= total >> 32
    return f'\n{line},"{total:016x}"]\n'


def finding(status, signature, trace, **more):
    return {"signature": signature, "aliases": [], "status": status, "seconds": 61.5, "executions": 12345, "times": 3,
            "input": "crash-0123", "trace": trace, "ops_found": 57, "ops": 3, "minimality": "proved",
            "by_sanitizer": False, **more}


OF_EACH_STATUS = [
    finding("new", "answer", "seed_2019-answer-1.trace", aliases=["ASSERTION FAILED: answer"]),
    finding("known", "cost", "seed_2019-cost-2.trace", seconds=400, ops=13, minimality="too_many"),
    finding("flaky", "hang in alloc", "seed_2019-hang-3.trace", seconds=1900, minimality="time_is_up"),
    finding("fixed", "overlap", "seed_2019-overlap-4.trace", seconds=2500),
    finding("new", "heap-use-after-free in Mine::free < Mine::grow", "gone.trace", seconds=3000)]


class Campaign(cli.Cli):
    def campaign(self, name, findings=(), traces=None, samples=2000, **more):
        directory = self.scratch / name
        (directory / "findings" / "bytes").mkdir(parents=True)
        (directory / "lock").touch()
        for file, text in (traces or {}).items():
            (directory / "findings" / file).write_text(text)
        (directory / "campaign.json").write_text(json.dumps({
            "format": 1, "subject": "seed_2019", "engine": "libfuzzer", "target": "/opt/allocator_fuzz", "build": "abcd",
            "codec": 24, "seed": 7, "workers": 2, "began": 1709211909, "written": 1709215509, "session": 3,
            "running": False, "budget": 3600.0, "budget_began": 0.0, "budget_began_executions": 0, "ended": "time",
            "before": totals(100.0) | {"executions": 1000}, "totals": totals(3600.0), "coverage": {}, "edges": 812,
            "features": 4310, "corpus": 1234, "corpus_bytes": 345678, "last_new_coverage": 2400.0,
            "executions_per_second": 3456.0, "ops_per_second": 654321.0, "findings": list(findings), **more}))
        # The last is cut off. The third session begins after 2,700 s.
        lines = [sample_line([i * 3600 / samples, i * 600, i * 49000, int(812 * (1 - 0.99 ** (i / 9))),
                              int(4310 * (1 - 0.994 ** (i / 9))), int(1234 * (i / samples) ** 0.5),
                              sum(one["seconds"] <= i * 3600 / samples for one in findings),
                              1 + (i >= samples / 4) + (i >= samples * 3 / 4)])
                 for i in range(samples)]
        if samples:
            (directory / "samples.jsonl").write_text("".join(lines) + "\n[3600.0,12")
        return directory

    def of_each_status(self):
        return self.campaign("all", OF_EACH_STATUS, TRACES)

    def nothing_yet(self):
        zeros = totals(0.0, [0] * COUNTERS) | {"executions": 0, "ops": 0}
        directory = self.campaign("empty", samples=0, totals=zeros, before=zeros, edges=0, features=0, corpus=0,
                                  corpus_bytes=0, last_new_coverage=0.0, running=True, written=0)
        self.ok("campaign report empty")
        return directory

    def hostile(self):
        trace = NOT_LOWEST.replace("\n",
                                   "\n# \x1b[2J \u009b2J \x07 </pre><script>window.hostile=2</script> \u2028 ]]> "
                                   "<!--body-->\n", 1)
        directory = self.campaign("hostile", [finding("new", HOSTILE, "h&\"'<b>.trace", aliases=["<i>", "\ufffe"]),
                                              finding("new", HOSTILE[::-1], "", input="\"><img src=x>")],
                                  {"h&\"'<b>.trace": trace}, target="<u>", ended="<s>", engine="]]>")
        self.ok("campaign report hostile")
        return directory

    def report(self, name, form):
        said = self.ok(f"campaign report {name} --format {form}").out
        return {"json": json.loads, "sarif": json.loads, "junit": xml.etree.ElementTree.fromstring,
                "text": str}[form](said)

    def holds_all(self, expected, actual):
        """What `expected` has is so in `actual`, at any depth."""
        for key, value in expected.items():
            if isinstance(value, dict):
                self.holds_all(value, actual[key])
            else:
                self.assertEqual(value, actual[key], key)


class Status(Campaign):
    def test_text_and_json(self):
        self.of_each_status()
        said = self.ends(10, "campaign status all", [
            "^campaign in all: ended: time", "1,234,567", "98,765,432", "812 edges, 4,310 features",
            "1h 00m 00s in 3 sessions",
            "1,234 inputs, 337.6 KiB",
            "2 new, 1 known, 1 flaky, 1 fixed; 8 repeats; known ones met 3 times$",
            "last grew at 40m 00s, 20m 00s before the end",
            "2024-02-29 13:05:09 UTC", "new    answer", "the target: ASSERTION FAILED: answer",
            "found at 1m 02s, execution 12,345; met 3 times",
            "minimized from 57 to 3 ops: no trace of fewer ops fails so",
            "all/findings/seed_2019-answer-1.trace",
            "invariants 10 of 10, ops 10 of 11, errors 4 of 4, fit types 3 of 4",
            r"never +ops: fail-metadata\n +fit types: no_edge$"])
        self.assertEqual(said.out, self.ends(10, "campaign --dir all status").out)
        of_classification = sum(coverage()[CHECKS + 4:CHECKS + 120:10])
        found = self.ends(10, "campaign status --json all").json
        self.holds_all({"condition": "ended", "exit_status": 10, "repeats": 8, "known_met": 3,
                        "totals": {"executions": 1234567}, "exercised": {
            "fit types": {"no_edge": 0}, "ops": {"alloc": 999}, "invariants": {"classification": of_classification}}},
            found)
        self.assertEqual(5, len(found["findings"]))

    def test_verdicts(self):
        for statuses, expected in ((["known", "fixed"], 11), (["flaky", "known"], 12), (["fixed"], 0),
                                   (["fixed", "known", "flaky", "new"], 10)):
            self.campaign("-".join(statuses), [finding(status, f"exit {i}", "") for i, status in enumerate(statuses)])
            self.ends(expected, f"campaign status {'-'.join(statuses)}")
        for command in ("status", "report"):
            self.refuses(2, {f"campaign {command} nowhere": "^vmapcheck: there is no campaign in nowhere$"})

    def test_running_and_killed(self):
        lock = self.campaign("runs", running=True, ended="") / "lock"
        self.ok("campaign status runs", [r"\Acampaign in runs: killed"])
        killed = self.report("runs", "sarif")["runs"][0]
        self.assertEqual((False, []), (killed["invocations"][0]["executionSuccessful"], killed["results"]))
        with open(lock, "w") as held:
            fcntl.lockf(held, fcntl.LOCK_EX)
            self.ok("campaign status runs", [r"\Acampaign in runs: running, session 3"])
            self.ok("campaign report runs -o runs.html")
            self.holds("runs.html", "running, session 3")
            watching = self.start("campaign status --watch runs")
            self.eventually(lambda: os.fstat(watching.files[0].fileno()).st_size)
        said = self.end(watching, status=0)
        self.says(said.out, [r"\Acampaign in runs: running", "^campaign in runs: killed"], said)

    def test_nothing_yet(self):
        self.nothing_yet()
        self.ok("campaign status empty", ["invariants 0 of 10", "findings    none"])
        self.holds("empty/report.html", "Too little was sampled", "nothing found")
        (suite,) = xml.etree.ElementTree.parse("empty/report.xml").getroot()
        self.assertEqual(["10", "10"], [suite.get("tests"), suite.get("skipped")])  # no invariant has passed

    def test_a_target_that_counts_nothing(self):
        self.campaign("uncounted", totals=totals(3600.0, [0] * COUNTERS) | {"ops": 0})
        self.assertNotIn("never", self.ok("campaign status uncounted", ["not counted by this target"]).out)


class Forms(Campaign):
    def test_json(self):
        self.of_each_status()
        report = self.report("all", "json")
        self.assertEqual((2001, [3600.0, 1234567, 98765432, 812, 4310, 1234, 5, 3]),
                         (len(report["samples"]), report["samples"][-1]))
        times = [sample[0] for sample in report["samples"]]
        self.assertEqual(sorted(times), times)
        self.assertEqual("session", report["sample_fields"][-1])
        self.assertEqual({1: 500, 2: 1000, 3: 501}, collections.Counter(sample[-1] for sample in report["samples"]))
        first, known, flaky, fixed, gone = report["findings"]
        self.holds_all({"trace_text": NOT_LOWEST, "run_again": {"step": 2}}, first)
        rows = {row["title"]: row["text"] for row in first["run_again"]["rows"]}
        self.holds_all({"expected": "0x101000..0x102000 full", "actual": "0x103000..0x104000 left_edge"}, rows)
        self.assertIn("## a0 ##", first["run_again"]["drawn"])
        self.assertEqual("replay --subject seed_2019 all/findings/seed_2019-answer-1.trace",
                         first["replay"].split(" ", 1)[1])
        self.assertEqual(("violation of cost", []), (known["run_again"]["title"].split(" at ")[0], known["notes"]))
        self.assertTrue(not flaky["run_again"]["fails"] and "did not fail" in flaky["notes"][0])
        self.assertEqual((False, []), (fixed["run_again"]["fails"], fixed["notes"]))
        self.assertIn("There is no trace to show: cannot read", gone["notes"][0])
        self.assertNotIn("run_again", gone)
        self.assertEqual(["answer", "cost", "hang", "overlap", "heap-use-after-free"],
                         [one["kind"] for one in report["findings"]])
        self.says(self.report("all", "text"), ["violation of answer at step 2", "## a0 ##"], "text")

    def test_sarif(self):
        self.of_each_status()
        log = self.report("all", "sarif")
        (run,) = log["runs"]
        self.holds_all({"version": "2.1.0"}, log)
        self.assertEqual(("vmapcheck", "2024-02-29T13:05:09Z"),
                         (run["tool"]["driver"]["name"], run["invocations"][0]["startTimeUtc"]))
        rules = run["tool"]["driver"]["rules"]
        self.assertEqual(["answer", "overlap", "partition", "coalescing", "classification", "tree", "augment",
                          "atomicity", "memory", "cost", "hang", "heap-use-after-free"], [rule["id"] for rule in rules])
        self.assertTrue(all(len(rule["shortDescription"]["text"]) > 20 for rule in rules))
        self.assertRegex(run["originalUriBaseIds"]["CAMPAIGN"]["uri"], "^file:///.*/all/$")
        self.assertEqual(["error", "note", "warning", "none", "error"], [one["level"] for one in run["results"]])
        self.assertEqual(5, len({one["partialFingerprints"]["signature/v1"] for one in run["results"]}))
        for result in run["results"]:
            self.assertEqual(result["ruleId"], rules[result["ruleIndex"]]["id"])
            # SARIF: a kind other than fail has the level none.
            self.assertEqual("pass" if result["level"] == "none" else "fail", result["kind"])
            place = result["locations"][0]["physicalLocation"]
            self.assertEqual("CAMPAIGN", place["artifactLocation"]["uriBaseId"])
            self.assertRegex(place["artifactLocation"]["uri"], r"^findings/[-\w.]+\.trace$")
            self.assertRegex(result["partialFingerprints"]["signature/v1"], "^[0-9a-f]{8}$")
            self.assertTrue(result["message"]["text"] and place["region"]["startLine"] >= 1)
        self.assertIn("expected: 0x101000..0x102000 full", run["results"][0]["message"]["text"])
        self.assertEqual([5, 16], [one["locations"][0]["physicalLocation"]["region"]["startLine"]
                                   for one in run["results"][:2]])

    def test_junit(self):
        self.of_each_status()
        (suite,) = self.report("all", "junit")
        self.assertEqual(["13", "3", "0", "1"], [suite.get(key) for key in ("tests", "failures", "errors", "skipped")])
        cases = suite.findall("testcase")
        tags = [[child.tag for child in case] for case in cases]
        # What broke an invariant, or is known to, fails once, as a finding; one that a fixed fault broke has passed.
        self.assertEqual(["overlap", "partition", "coalescing", "classification", "tree", "augment", "atomicity",
                          "memory"], [case.get("name").split(":")[0] for case in cases[:8]])
        self.assertEqual([[]] * 8, tags[:8])
        self.assertEqual(["failure", "skipped", "failure", "system-out", "failure"], [tag[0] for tag in tags[8:]])
        self.assertEqual(3, len(suite.findall(".//failure")))
        failure = cases[8].find("failure")
        self.assertEqual("violation of answer at step 2: alloc a2 size=0x1000", failure.get("message"))
        self.assertTrue(NOT_LOWEST in failure.text and "replay --subject seed_2019" in failure.text)
        self.holds_all({"executions": "1234567", "findings": "2 new, 1 known, 1 flaky, 1 fixed", "repeats": "8",
                        "known_met": "3"},
                       {one.get("name"): one.get("value") for one in suite.iter("property")})

    def test_what_was_not_exercised_has_not_passed(self):
        counters = [1] + [0] * (COUNTERS - 1)
        counters[CHECKS] = counters[CHECKS + 119] = 1  # the answer of one op; the cost at the end
        self.campaign("unexercised", totals=totals(3600.0, counters))
        (suite,) = self.report("unexercised", "junit")
        self.assertEqual(["answer", "cost"], [case.get("name").split(":")[0] for case in suite.findall("testcase")
                                              if not list(case)])

    def test_where_it_goes(self):
        self.of_each_status()
        said = self.ok("campaign report all --pages").out
        for name in ("report.html", "report.json", "report.sarif", "report.xml", "findings/seed_2019-answer-1.html"):
            self.assertIn(f"wrote all/{name}", said)
            self.assertGreater(pathlib.Path("all", name).stat().st_size, 500)
        self.holds("all/report.html", 'href="findings/seed_2019-answer-1.html"')
        pathlib.Path("else").mkdir()
        self.ok("campaign report all -o else/page.html -o else/log.sarif -o else/text.txt")
        self.assertEqual(["else/log.sarif", "else/page.html", "else/text.txt"], self.files("else/*"))
        self.holds("else/page.html", 'href="../all/findings/seed_2019-answer-1.trace"')
        self.ok("campaign report all -o else/odd --format junit")
        xml.etree.ElementTree.parse("else/odd")
        self.ends(2, "campaign report all -o else/odd.doc", None, ["odd.doc.*--format"])
        self.ends(2, "campaign report all --format pdf", None, None)
        self.ends(4, "campaign report all -o missing/x.html", None,
                  "^vmapcheck: cannot write missing/x.html: No such file or directory$")
        self.ends(4, "campaign report all -o /dev/full --format html", None, ["^vmapcheck: cannot write /dev/full"])


class Damaged(Campaign):
    def test_missing_and_malformed(self):
        directory = self.campaign("damaged", [
            finding("new", "answer", "a.trace"), finding("new", "exit 1", "", minimality="", input="crash-77"),
            finding("new", "memory", "m.trace", by_sanitizer=True, places=["f at g.cpp:12", "h\x1b"])],
            {"a.trace": "vmapcheck-trace 1\nspace 0x0..0x10\nalloc b", "m.trace": PASSING})
        (directory / "samples.jsonl").write_bytes(b"[1,2\n{}\nnull\n[1,2,3,4,5,6,7]\n\xff\xfe\n[5,20,3,4,5,6,7]\n[2,21,4,4,5,6,7]\n")
        report = self.report("damaged", "json")
        # Those that are whole, time ascending.
        self.assertEqual([1, 5, 5, 3600], [sample[0] for sample in report["samples"]])
        self.assertEqual(["4 lines of samples.jsonl cannot be read, and left out of the curves"], report["losses"])
        for one, note in zip(report["findings"], ("a.trace:3:", "findings/bytes/crash-77", "sanitizers")):
            self.assertIn(note, one["notes"][0])
        self.assertIn("--sanitize", report["findings"][2]["replay"])
        self.assertEqual(r"When it was found it died in f at g.cpp:12, called by h\x1b.", report["findings"][2]["notes"][1])
        self.ok("campaign report damaged -o damaged.html -o damaged.xml")
        for form in ("html", "xml"):
            self.holds(f"damaged.{form}", "4 lines of samples.jsonl")
        place = self.report("damaged", "sarif")["runs"][0]["results"][1]["locations"][0]["physicalLocation"]
        self.assertEqual("findings/bytes/crash-77", place["artifactLocation"]["uri"])

    def test_an_unknown_subject(self):
        self.campaign("stranger", [finding("new", "answer", "a.trace")], {"a.trace": NOT_LOWEST}, subject="nobody")
        self.assertEqual(["It was not run again: this program has no subject nobody."],
                         self.report("stranger", "json")["findings"][0]["notes"])

    def test_nothing_from_outside(self):
        self.write("outside.trace", NOT_LOWEST)
        self.campaign("outside", [finding("new", "tree", "../../outside.trace")])
        self.ends(2, "campaign report outside", None, ["`trace` is no name of a file"])


class Hostile(Campaign):
    def test_no_text_is_a_command(self):
        directory = self.hostile()
        page = (directory / "report.html").read_text()
        self.assertEqual([2, 2], [page.count("<script"), page.count("</script>")])
        for tag in ("<img", "<i>", "<u>", "<s>", "</pre><script"):
            self.assertNotIn(tag, page)
        for shown in ("&lt;!--body--&gt;", "x" * 5000, 'href="findings/h%26%22%27%3Cb%3E.trace"'):
            self.assertIn(shown, page)
        (suite,) = xml.etree.ElementTree.parse(directory / "report.xml").getroot()
        self.assertTrue(any("<script>window.hostile=1</script>" in case.get("name") for case in suite.iter("testcase")))
        self.assertEqual("sigsegv", self.report("hostile", "sarif")["runs"][0]["results"][0]["ruleId"])
        json.loads((directory / "report.json").read_text())
        for form in ("text", "json", "sarif"):
            said = self.ok(f"campaign report hostile --format {form}").out
            self.assertNotRegex(said, "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\ud800-\udfff]")
        for line in self.ends(10, "campaign status hostile").out.split("\n"):
            self.assertTrue(len(line) < 600 and "\x01" not in line)


class Page(Campaign):
    """What a reader sees of it."""

    @classmethod
    def setUpClass(cls):
        programs = types.SimpleNamespace(chromium=shutil.which("chromium"), chromedriver=shutil.which("chromedriver"))
        if not programs.chromium or not programs.chromedriver:
            raise unittest.SkipTest("no Chromium with its driver (Debian: chromium chromium-driver)")
        profile = cls.enterClassContext(cli.tempfile.TemporaryDirectory())
        cls.browser = cls.enterClassContext(page_test.Browser(programs, pathlib.Path(profile)))

    def opened(self, path):
        checks, page = page_test.Checks(), self.browser
        checks.page = path.name
        for width in (400, 900, 1600):
            page.resize(width, 1000)
            # A window of Chromium is not as narrow as a phone.
            page.send("POST", "/goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": {
                "width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}})
            page.load(path)
            for fault, where in page.run(page_test.LAYOUT)["faults"].items():
                checks.equal(f"{fault} at {width}", where, [])
        self.assertEqual((0, []), (checks.failed, page.console()))
        self.assertNotRegex(path.read_text(), r"(src|href)\s*=\s*[\"']?(https?:)?//|url\(|@import")  # it loads nothing
        return page

    def of_all(self):
        directory = self.of_each_status()
        self.ok("campaign report all")
        return self.opened(directory / "report.html")

    def test_curves(self):
        page = self.of_all()
        self.assertEqual([5, 5, 5, 2], [page.count(what) for what in (
            ".plot svg", ".plot .curve", "#plot-corpus a.mark", "#plot-corpus .mark.session")])
        self.assertEqual(["session 2 begins", "session 3 begins"], page.run("""
        return [...document.querySelectorAll('#plot-edges .session title')].map((e) => e.textContent.split(': ')[1])"""))
        # They go from the begin to the end, and rise.
        self.assertEqual([[True, True, 0, True]] * 5, page.run("""
        return [...document.querySelectorAll('.plot .curve')].map((line) => {
          const p = line.points, s = line.ownerSVGElement.dataset;
          let falls = 0;
          for (let i = 1; i < p.length; ++i) if (p[i].y > p[i - 1].y + 0.2 || p[i].x < p[i - 1].x - 0.01) ++falls;
          return [Math.abs(p[0].x - s.left) < 1, Math.abs(p[p.length - 1].x - s.right) < 1, falls, p.length >= 400];
        })"""))
        # Each has an axis of its own, and says what is counted.
        times = ["0", "10 min", "20 min", "30 min", "40 min", "50 min", "60 min"]
        for name, values in (("edges", ["0", "500", "1k"]), ("features", ["0", "2k", "4k", "6k"])):
            self.assertEqual(values + times, page.run(
                f"return [...document.querySelectorAll('#plot-{name} > svg > .tick')].map((e) => e.textContent)"))
            self.assertRegex(page.text(f"#plot-{name} .note"), f"^An? {name[:-1]} ")

    def test_a_moment_of_the_curves(self):
        page = self.of_all()
        before = page.text("#plot-edges output")
        page.run("""const svg = document.querySelector('#plot-edges svg'), box = svg.getBoundingClientRect();
          const left = Number(svg.dataset.left), right = Number(svg.dataset.right), wide = svg.viewBox.baseVal.width;
          svg.dispatchEvent(new PointerEvent('pointermove', {clientX: box.left + box.width * (left + (right - left) / 2) / wide}))""")
        hovered = page.text("#plot-edges output")
        self.assertRegex(hovered, r"^(29m 5|30m 0)\ds: [\d,]+$")
        self.assertTrue(page.text("#plot-corpus output").startswith(hovered.split(":")[0]))  # in all plots
        page.run("document.querySelector('#plot-edges svg').dispatchEvent(new PointerEvent('pointerleave'))")
        self.assertEqual(before, page.text("#plot-edges output"))
        for key, said in ((page_test.END, "1h 00m 00s: 1,234"), (page_test.LEFT, "59m 49s: ")):
            page.press("#plot-corpus svg", key)
            self.assertTrue(page.text("#plot-corpus output").startswith(said), page.text("#plot-corpus output"))

    def test_findings(self):
        page = self.of_all()
        self.assertEqual("✗ findings: 2 new, 1 known, 1 flaky, 1 fixed", page.text("#verdict"))
        self.assertEqual(["fail-metadata", "no_edge"],
                         page.run("return [...document.querySelectorAll('tr:has(.never) th')].map((e) => e.innerText)"))
        self.assertEqual(["999", "1", "1,023", "1,024", "1,025", "1,026"], page.texts("#ops tbody tr:first-child td"))
        self.assertEqual(["new", "known", "flaky", "fixed", "new"], page.texts("article h3 .badge"))
        totals = dict(zip(page.texts(".totals dt"), page.texts(".totals dd")))
        self.assertEqual(["8", "3", "1,234,567\nmedian 333 per second"],
                         [totals[one] if one == "executions" else totals[one].split("\n")[0]
                          for one in ("repeats", "known", "executions")])
        self.assertEqual([[3, 3], [5, 2], [5, 3]], page.run("""
          return [...document.querySelectorAll('table')].filter((one) => one.caption?.innerText.startsWith('tree: '))
            .map((one) => [one.tBodies[0].rows.length, one.tBodies[0].rows[0].cells.length])"""))
        drawn = page.run("return document.querySelector('#finding-1 .drawn').textContent")
        bars = [line for line in drawn.split("\n") if "|" in line and "##" in line]
        self.assertEqual([["a0", "free", "a1", "free"], ["subject", "a0", "free", "a1", "a2", "free"],
                          ["model", "a0", "a2", "a1", "free"]], [re.findall(r"[a-z]\w*", bar) for bar in bars])
        self.assertEqual(["busy", "free", "busy", "free"],
                         page.run("""return [...document.querySelectorAll('#finding-1 .drawn span')]
          .slice(1, 5).map((span) => span.className)"""))
        self.assertEqual(0, page.run("""return [...document.querySelectorAll('.drawn span')].filter((one) => {
          const style = getComputedStyle(one);
          return style.color === style.backgroundColor;
        }).length"""), "unreadable labels")
        self.assertIn("0x101000..0x102000 full", page.texts("#finding-1 dd.strong"))
        self.assertEqual(0, page.count("#finding-5 pre"))
        self.assertIn("There is no trace", page.text("#finding-5 .warn"))
        self.assertEqual(0, page.run("""return [...document.querySelectorAll('a[href^="#"]')].filter((a) =>
          !document.querySelector(a.getAttribute('href'))).length"""), "links that lead nowhere")
        page.click("td.signature a[href='#finding-2']")
        self.assertEqual("finding-2", page.run("return document.querySelector(':target').id"))

    def test_hostile_text(self):
        page = self.opened(self.hostile() / "report.html")
        self.assertEqual((True, 0), (page.run("return window.hostile === undefined"),
                                     page.count("img, article script")))
        self.assertIn("<script>window.hostile=2</script>", page.text("#finding-1 details pre"))

    def test_nothing_yet(self):
        page = self.opened(self.nothing_yet() / "report.html")
        self.assertEqual("✓ nothing found", page.text("#verdict"))
        self.assertGreater(page.count("td.never"), 40)

    def test_a_death(self):
        trace = next(one["trace"] for one in self.ok("subjects --json").json if one["name"] == "fault_null_root")
        directory = self.campaign("death", [finding("new", "SIGSEGV in somewhere", "d.trace")], {"d.trace": trace},
                                  subject="fault_null_root")
        self.ok("campaign report death --pages")
        page = self.opened(directory / "report.html")
        self.assertEqual(1, page.text("#finding-1 .drawn").count("before step"))
        self.assertRegex(page.text("#finding-1 h4"), "SIGSEGV|undefined-behavior")  # the latter with a sanitizer
        self.assertIn("did not come back", page.text("#finding-1 .drawn"))
        page.load(directory / "findings" / "d.html")
        self.assertRegex(page.text("#verdict"), "^✗ (SIGSEGV|undefined-behavior)")
