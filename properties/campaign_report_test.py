#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""campaign_report_test.py VMAPCHECK [--chromium C --chromedriver D] [--screenshots DIR]

`campaign status` and `campaign report` on directories that are made here: a campaign with findings of each status and
2,000 samples, one that ran nowhere, ones whose files are damaged, missing or hostile. Reads the JSON, SARIF and JUnit
that are written as their readers do, and, where there is a browser, looks at the page. Prints each check that failed;
the last line counts them.
"""
import argparse
import fcntl
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

import page_test

COUNTERS = 11 + 11 + 1 + 11 * 4 + 4 + 11 * 4 + 12 * 10 + 4 + 5 + 21 + 2  # of harness/verify/coverage.hpp; checked by the test of what was exercised
HOSTILE = "SIGSEGV in <script>window.hostile=1</script>&amp;\"'\n]]>--><!--body-->\u202e\x01" + "\U0001f41b" + "x" * 5000

PASSING = "vmapcheck-trace 1\nspace 0x0..0x10\nalloc a0 size=0x1\n"
NOT_LOWEST = page_test.FAULT
WRAPPED = """vmapcheck-trace 1
# a length that wraps
space 0x1000..0x11000 granule=0x1000
""" + "".join(f"alloc a{i} size=0x1000\n" for i in range(8)) + """free a0
free a2
free a4
free a6
alloc a8 size=0xfffffffffffff000 align=0x2000
"""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("vmapcheck")
    parser.add_argument("--screenshots", type=pathlib.Path)
    parser.add_argument("--chromium")
    parser.add_argument("--chromedriver")
    arguments = parser.parse_args()
    checks = page_test.Checks()
    checks.page, checks.pictures = "campaign", arguments.screenshots
    with tempfile.TemporaryDirectory() as scratch:
        tool = Tool(arguments.vmapcheck, pathlib.Path(scratch))
        every_status(checks, tool)
        status_of_each_verdict(checks, tool)
        running_and_killed(checks, tool)
        json_form(checks, tool)
        sarif_form(checks, tool)
        junit_form(checks, tool)
        where_it_goes(checks, tool)
        missing_and_damaged(checks, tool)
        nothing_yet(checks, tool)
        hostile_text(checks, tool)
        if arguments.chromium and arguments.chromedriver:
            with page_test.Browser(arguments, pathlib.Path(scratch)) as browser:
                checks.browser = browser
                the_page(checks, tool)
                the_hostile_page(checks, tool)
                the_empty_page(checks, tool)
                the_page_of_a_death(checks, tool)
        else:
            print("skipped: the pages, for there is no Chromium with its driver (Debian: chromium chromium-driver)")
    print(f"campaign_report_test: {checks.count} checks, {checks.failed} failed")
    return 1 if checks.failed else 0 if checks.browser else page_test.SKIPPED


# ---- Campaigns -------------------------------------------------------------------------------------------------------


def coverage():
    """Every counter has its own number, but some that are zero."""
    counters = [1000 + i for i in range(COUNTERS)]
    counters[10] = 0  # fail-metadata was never performed
    counters[11:22] = [1] * 11
    counters[21] = 0
    counters[FITS + 3] = 0  # no_edge
    return counters


FITS = 11 + 11 + 1 + 11 * 4
CHECKS = FITS + 4 + 11 * 4  # rows of ops, of the ten invariants each


def totals(seconds, counters=None):
    return {"seconds": seconds, "executions": 1234567, "ops": 98765432, "skipped": 321, "restarts": 7,
            "counters": counters if counters is not None else coverage()}


def finding(status, signature, trace, **more):
    made = {"signature": signature, "aliases": [], "status": status, "seconds": 61.5, "executions": 12345, "times": 3,
            "input": "crash-0123", "trace": trace, "ops_found": 57, "ops": 3, "minimality": "proved",
            "by_sanitizer": False}
    return {**made, **more}


def campaign(tool, name, subject="seed_2019", findings=(), traces=None, samples=2000, **more):
    directory = tool.scratch / name
    (directory / "findings" / "bytes").mkdir(parents=True)
    (directory / "lock").touch()
    for file, text in (traces or {}).items():
        (directory / "findings" / file).write_text(text)
    state = {"format": 1, "subject": subject, "engine": "libfuzzer", "target": "/opt/allocator_fuzz", "build": "abcd",
             "codec": 24, "seed": 7, "workers": 2, "began": 1709211909, "written": 1709215509, "session": 3,
             "running": False, "budget": 3600.0, "budget_began": 0.0, "budget_began_executions": 0, "ended": "time", "before": totals(100.0) | {"executions": 1000}, "totals": totals(3600.0),
             "coverage": {}, "edges": 812, "features": 4310, "corpus": 1234, "corpus_bytes": 345678,
             "last_new_coverage": 2400.0, "executions_per_second": 3456.0, "ops_per_second": 654321.0,
             "findings": list(findings), **more}
    (directory / "campaign.json").write_text(json.dumps(state))
    # As it is appended: an empty line comes first. The last is cut off.
    lines = ["\n" + json.dumps([i * 3600 / samples, i * 600, i * 49000, int(812 * (1 - 0.99 ** (i / 9))),
                                int(4310 * (1 - 0.994 ** (i / 9))), int(1234 * (i / samples) ** 0.5),
                                sum(one["seconds"] <= i * 3600 / samples for one in findings)]) + "\n"
             for i in range(samples)]
    if samples:
        (directory / "samples.jsonl").write_text("".join(lines) + "\n[3600.0,12")
    return directory


def findings_of_each_status():
    return [finding("new", "answer", "seed_2019-answer-1.trace", aliases=["ASSERTION FAILED: answer"]),
            finding("known", "cost", "seed_2019-cost-2.trace", seconds=400, ops=13, minimality="too_many"),
            finding("flaky", "hang in alloc", "seed_2019-hang-3.trace", seconds=1900, minimality="time_is_up"),
            finding("fixed", "overlap", "seed_2019-overlap-4.trace", seconds=2500),
            finding("new", "heap-use-after-free in Mine::free < Mine::grow", "gone.trace", seconds=3000)]


TRACES = {"seed_2019-answer-1.trace": NOT_LOWEST, "seed_2019-cost-2.trace": WRAPPED,
          "seed_2019-hang-3.trace": PASSING, "seed_2019-overlap-4.trace": PASSING}


class Tool:
    def __init__(self, vmapcheck, scratch):
        self.vmapcheck, self.scratch = pathlib.Path(vmapcheck).resolve(), scratch

    def __call__(self, *words, status=0):
        done = subprocess.run([self.vmapcheck, "campaign", *words], cwd=self.scratch, capture_output=True)
        done.stdout, done.stderr = (text.decode(errors="surrogateescape") for text in (done.stdout, done.stderr))
        if done.returncode != status:
            sys.exit(f"campaign_report_test: campaign {' '.join(map(str, words))}: exit status {done.returncode}, "
                     f"expected {status}\n{done.stdout}{done.stderr}")
        return done


# ---- How it stands ---------------------------------------------------------------------------------------------------


def every_status(checks, tool):
    campaign(tool, "all", findings=findings_of_each_status(), traces=TRACES)
    text = tool("status", "all", status=10).stdout
    for piece in ("campaign in all: ended: time", "1,234,567", "98,765,432", "812 edges, 4,310 features",
                  "1h 00m 00s in 3 sessions", "1,234 inputs, 337.6 KiB", "2 new, 1 known, 1 flaky, 1 fixed",
                  "last grew at 40m 00s, 20m 00s before the end", "2024-02-29 13:05:09 UTC",
                  "new    answer", "the target: ASSERTION FAILED: answer", "found at 1m 02s, execution 12,345; met 3 times",
                  "minimized from 57 to 3 ops: no trace of fewer ops fails so", "all/findings/seed_2019-answer-1.trace",
                  "invariants 10 of 10, ops 10 of 11, errors 4 of 4, fit types 3 of 4"):
        checks.that(f"status says {piece!r}", piece in text, ":\n" + text)
    checks.that("never", re.search(r"never +ops: fail-metadata\n +fit types: no_edge\n", text), ":\n" + text)
    found = json.loads(tool("status", "--json", "all", status=10).stdout)
    checks.equal("condition", found["condition"], "ended")
    checks.equal("exit status", found["exit_status"], 10)
    checks.equal("executions", found["totals"]["executions"], 1234567)
    checks.equal("fit types", found["exercised"]["fit types"]["no_edge"], 0)
    checks.equal("ops", found["exercised"]["ops"]["alloc"], 999)
    checks.equal("invariants", found["exercised"]["invariants"]["classification"],
                 sum(coverage()[CHECKS + 4:CHECKS + 120:10]))
    checks.equal("findings", len(found["findings"]), 5)
    by_option = tool("--dir", "all", "status", status=10).stdout
    checks.equal("--dir", by_option, text)


def status_of_each_verdict(checks, tool):
    for name, statuses, expected in (("known", ["known", "fixed"], 11), ("flaky", ["flaky", "known"], 12),
                                     ("fixed", ["fixed"], 0), ("fresh", ["fixed", "known", "flaky", "new"], 10)):
        campaign(tool, f"verdict-{name}", findings=[finding(status, f"exit {i}", "") for i, status in enumerate(statuses)])
        tool("status", f"verdict-{name}", status=expected)
    said = tool("status", "nowhere", status=2)
    checks.equal("no campaign", said.stderr, "vmapcheck: there is no campaign in nowhere\n")
    said = tool("report", "nowhere", status=2)
    checks.equal("no campaign", said.stderr, "vmapcheck: there is no campaign in nowhere\n")


def running_and_killed(checks, tool):
    directory = campaign(tool, "runs", running=True, ended="")
    checks.that("killed", tool("status", "runs").stdout.startswith("campaign in runs: killed"))
    with open(directory / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        checks.that("running", tool("status", "runs").stdout.startswith("campaign in runs: running, session 3"))
        tool("report", "runs", "-o", "runs.html")
        checks.that("a report of one that runs", "running, session 3" in (tool.scratch / "runs.html").read_text())
        watching = subprocess.Popen([tool.vmapcheck, "campaign", "status", "--watch", "runs"], cwd=tool.scratch,
                                    stdout=subprocess.PIPE, text=True)
        checks.that("watched", watching.stdout.readline().startswith("campaign in runs: running"))
    rest = watching.communicate(timeout=120)[0]
    checks.that("until it ended", "campaign in runs: killed" in rest, ":\n" + rest)
    checks.equal("with its verdict", watching.returncode, 0)
    with open(directory / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # whoever looked has let go


# ---- Forms -----------------------------------------------------------------------------------------------------------


def json_form(checks, tool):
    report = json.loads(tool("report", "all", "--format", "json").stdout)
    checks.equal("samples", len(report["samples"]), 2001)
    checks.equal("the last is how it stands", report["samples"][-1], [3600.0, 1234567, 98765432, 812, 4310, 1234, 5])
    checks.equal("samples ascend", sorted(sample[0] for sample in report["samples"]), [s[0] for s in report["samples"]])
    first, known, flaky, fixed, gone = report["findings"]
    checks.equal("trace", first["trace_text"], NOT_LOWEST)
    checks.equal("fails at", first["run_again"]["step"], 2)
    rows = {row["title"]: row["text"] for row in first["run_again"]["rows"]}
    checks.equal("expected", rows["expected"], "0x101000..0x102000 full")
    checks.equal("actual", rows["actual"], "0x103000..0x104000 left_edge")
    checks.that("drawn", "## a0 ##" in first["run_again"]["drawn"], first["run_again"]["drawn"])
    checks.equal("replay", first["replay"].split(" ", 1)[1],
                 "replay --subject seed_2019 all/findings/seed_2019-answer-1.trace")
    checks.equal("the known one fails", known["run_again"]["title"].split(" at ")[0], "violation of cost")
    checks.equal("no remark on it", known["notes"], [])
    checks.that("the flaky one did not fail", not flaky["run_again"]["fails"] and "did not fail" in flaky["notes"][0])
    checks.that("the fixed one need not", not fixed["run_again"]["fails"] and fixed["notes"] == [])
    checks.that("a missing trace is said", "There is no trace to show: cannot read" in gone["notes"][0])
    checks.that("and not run", "run_again" not in gone)
    checks.equal("kinds", [one["kind"] for one in report["findings"]],
                 ["answer", "cost", "hang", "overlap", "heap-use-after-free"])
    text = tool("report", "all", "--format", "text").stdout
    checks.that("text", "violation of answer at step 2" in text and "## a0 ##" in text)


def sarif_form(checks, tool):
    log = json.loads(tool("report", "all", "--format", "sarif").stdout)
    checks.equal("version", log["version"], "2.1.0")
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    checks.equal("tool", driver["name"], "vmapcheck")
    rules = [rule["id"] for rule in driver["rules"]]
    checks.equal("rules", rules, ["answer", "overlap", "partition", "coalescing", "classification", "tree", "augment",
                                  "atomicity", "memory", "cost", "hang", "heap-use-after-free"])
    for rule in driver["rules"]:
        checks.that(f"rule {rule['id']} is described", len(rule["shortDescription"]["text"]) > 20)
    base = run["originalUriBaseIds"]["CAMPAIGN"]["uri"]
    checks.that("base", re.fullmatch(r"file:///.*/all/", base), ": " + base)
    checks.equal("levels", [one["level"] for one in run["results"]], ["error", "note", "warning", "none", "error"])
    for result in run["results"]:
        checks.equal("its rule", rules[result["ruleIndex"]], result["ruleId"])
        checks.that("message", result["message"]["text"])
        # SARIF: a kind other than fail has the level none.
        checks.that("kind", result["kind"] in ("fail", "pass") and (result["kind"] == "pass") == (result["level"] == "none"))
        (location,) = result["locations"]
        place = location["physicalLocation"]
        checks.equal("base", place["artifactLocation"]["uriBaseId"], "CAMPAIGN")
        checks.that("relative", re.fullmatch(r"findings/[-\w.]+\.trace", place["artifactLocation"]["uri"]), str(place))
        checks.that("line", place["region"]["startLine"] >= 1)
        checks.that("fingerprint", re.fullmatch("[0-9a-f]{8}", result["partialFingerprints"]["signature/v1"]))
    checks.equal("fingerprints differ", len({one["partialFingerprints"]["signature/v1"] for one in run["results"]}), 5)
    first = run["results"][0]
    checks.that("detail", "expected: 0x101000..0x102000 full" in first["message"]["text"], first["message"]["text"])
    checks.equal("line of the op", first["locations"][0]["physicalLocation"]["region"]["startLine"], 5)
    checks.equal("line of the op", run["results"][1]["locations"][0]["physicalLocation"]["region"]["startLine"], 16)
    checks.equal("began", run["invocations"][0]["startTimeUtc"], "2024-02-29T13:05:09Z")
    killed = json.loads(tool("report", "runs", "--format", "sarif").stdout)
    checks.equal("a killed one", killed["runs"][0]["invocations"][0]["executionSuccessful"], False)
    checks.equal("no findings", killed["runs"][0]["results"], [])


def junit_form(checks, tool):
    (suite,) = xml.etree.ElementTree.fromstring(tool("report", "all", "--format", "junit").stdout)
    checks.equal("counts", [suite.get(key) for key in ("tests", "failures", "errors", "skipped")], ["15", "4", "0", "2"])
    cases = suite.findall("testcase")
    outcome = {case.get("name").split(":")[0]: [child.tag for child in case] for case in cases}
    checks.equal("cases", len(cases), 15)
    checks.equal("failures", len(suite.findall("testcase/failure")), 4)
    checks.equal("skipped", len(suite.findall("testcase/skipped")), 2)
    checks.equal("an invariant that held", outcome["tree"], [])
    checks.equal("an invariant that a fixed fault broke", [c.tag for c in cases[1]], [])
    checks.equal("an invariant that broke", [c.tag for c in cases[0]], ["failure"])
    checks.equal("an invariant that is known to break", [c.tag for c in cases[9]], ["skipped"])
    checks.equal("findings", [[c.tag for c in case][0] for case in cases[10:]],
                 ["failure", "skipped", "failure", "system-out", "failure"])
    failure = cases[10].find("failure")
    checks.equal("message", failure.get("message"), "violation of answer at step 2: alloc a2 size=0x1000")
    checks.that("text", NOT_LOWEST in failure.text and "replay --subject seed_2019" in failure.text)
    properties = {one.get("name"): one.get("value") for one in suite.iter("property")}
    checks.equal("executions", properties["executions"], "1234567")
    checks.equal("findings", properties["findings"], "2 new, 1 known, 1 flaky, 1 fixed")
    # What was not exercised has not passed.
    counters = [1] + [0] * (COUNTERS - 1)
    counters[CHECKS] = counters[CHECKS + 119] = 1  # the answer of one op; the cost at the end
    campaign(tool, "unexercised", totals=totals(3600.0, counters))
    (suite,) = xml.etree.ElementTree.fromstring(tool("report", "unexercised", "--format", "junit").stdout)
    passed = [case.get("name").split(":")[0] for case in suite.findall("testcase") if not list(case)]
    checks.equal("passed", passed, ["answer", "cost"])


def where_it_goes(checks, tool):
    said = tool("report", "all", "--pages").stdout
    for name in ("report.html", "report.json", "report.sarif", "report.xml", "findings/seed_2019-answer-1.html"):
        checks.that(f"{name} is there", (tool.scratch / "all" / name).stat().st_size > 500)
        checks.that(f"{name} is said", f"wrote all/{name}" in said, said)
    page = (tool.scratch / "all" / "report.html").read_text()
    checks.that("a link to the page of show", 'href="findings/seed_2019-answer-1.html"' in page)
    (tool.scratch / "else").mkdir()
    tool("report", "all", "-o", "else/page.html", "-o", "else/log.sarif", "-o", "else/text.txt")
    checks.equal("only those", sorted(one.name for one in (tool.scratch / "else").iterdir()),
                 ["log.sarif", "page.html", "text.txt"])
    checks.that("links start where the page is",
                'href="../all/findings/seed_2019-answer-1.trace"' in (tool.scratch / "else" / "page.html").read_text())
    tool("report", "all", "-o", "else/odd", "--format", "junit")
    xml.etree.ElementTree.parse(tool.scratch / "else" / "odd")
    said = tool("report", "all", "-o", "else/odd.doc", status=2).stderr
    checks.that("an unknown suffix", "odd.doc" in said and "--format" in said, said)
    tool("report", "all", "--format", "pdf", status=2)
    said = tool("report", "all", "-o", "missing/x.html", status=4).stderr
    checks.equal("cannot write", said, "vmapcheck: cannot write missing/x.html: No such file or directory\n")
    said = tool("report", "all", "-o", "/dev/full", "--format", "html", status=4).stderr
    checks.that("a full disk", said.startswith("vmapcheck: cannot write /dev/full"), said)


def missing_and_damaged(checks, tool):
    directory = campaign(tool, "damaged", findings=[
        finding("new", "answer", "a.trace"), finding("new", "exit 1", "", minimality="", input="crash-77"),
        finding("new", "memory", "m.trace", by_sanitizer=True)],
        traces={"a.trace": "vmapcheck-trace 1\nspace 0x0..0x10\nalloc b", "m.trace": PASSING})
    (directory / "samples.jsonl").write_bytes(b"[1,2\n{}\nnull\n[1,2,3,4,5,6,7]\n\xff\xfe\n[5,20,3,4,5,6,7]\n[2,21,4,4,5,6,7]\n")
    report = json.loads(tool("report", "damaged", "--format", "json").stdout)
    checks.equal("samples that are whole, time ascending", [sample[0] for sample in report["samples"]], [1, 5, 5, 3600])
    checks.that("malformed", "a.trace:3:" in report["findings"][0]["notes"][0], str(report["findings"][0]["notes"]))
    checks.that("not minimized", "findings/bytes/crash-77" in report["findings"][1]["notes"][0])
    checks.that("sanitizers", "sanitizers" in report["findings"][2]["notes"][0] and "--sanitize" in report["findings"][2]["replay"])
    checks.equal("said to be lost", report["losses"], ["4 lines of samples.jsonl cannot be read, and left out of the curves"])
    tool("report", "damaged", "-o", "damaged.html", "-o", "damaged.sarif", "-o", "damaged.xml")
    for form in ("html", "xml"):
        checks.that(f"said to be lost in {form}", "4 lines of samples.jsonl" in (tool.scratch / f"damaged.{form}").read_text())
    log = json.loads((tool.scratch / "damaged.sarif").read_text())
    checks.equal("bytes", log["runs"][0]["results"][1]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
                 "findings/bytes/crash-77")
    campaign(tool, "stranger", subject="nobody", findings=[finding("new", "answer", "a.trace")], traces={"a.trace": NOT_LOWEST})
    report = json.loads(tool("report", "stranger", "--json").stdout)
    checks.equal("an unknown subject", report["findings"][0]["notes"],
                 ["It was not run again: this program has no subject nobody."])
    (tool.scratch / "outside.trace").write_text(NOT_LOWEST)
    campaign(tool, "outside", findings=[finding("new", "tree", "../../outside.trace")])
    checks.that("nothing from outside", "`trace` is no name of a file" in tool("report", "outside", status=2).stderr)
    for name, text in (("cut", '{"format":1,"subj'), ("other", '{"format":9}'), ("poor", '{"format":1}')):
        (tool.scratch / name).mkdir()
        (tool.scratch / name / "campaign.json").write_text(text)
        for command in ("status", "report"):
            said = tool(command, name, status=2).stderr
            checks.that("one line", said.count("\n") == 1 and f"{name}/campaign.json" in said, said)


def nothing_yet(checks, tool):
    zeros = totals(0.0, [0] * COUNTERS) | {"executions": 0, "ops": 0}
    campaign(tool, "empty", samples=0, totals=zeros, before=zeros, edges=0, features=0, corpus=0, corpus_bytes=0,
             last_new_coverage=0.0, running=True, written=0)
    said = tool("status", "empty").stdout
    checks.that("nothing", "invariants 0 of 10" in said and "findings    none" in said, said)
    tool("report", "empty")
    page = (tool.scratch / "empty" / "report.html").read_text()
    checks.that("said", "Too little was sampled" in page and "nothing found" in page)
    (suite,) = xml.etree.ElementTree.parse(tool.scratch / "empty" / "report.xml").getroot()
    checks.equal("no invariant has passed", [suite.get("tests"), suite.get("skipped")], ["10", "10"])
    # A target that counts nothing: zeros mean nothing.
    campaign(tool, "uncounted", totals=totals(3600.0, [0] * COUNTERS) | {"ops": 0})
    said = tool("status", "uncounted").stdout
    checks.that("not counted", "not counted by this target" in said and "never" not in said, said)


def hostile_text(checks, tool):
    trace = NOT_LOWEST.replace("\n", "\n# \x1b[2J \u009b2J \x07 </pre><script>window.hostile=2</script> \u2028 ]]> <!--body-->\n", 1)
    directory = campaign(tool, "hostile", subject="seed_2019",
                         findings=[finding("new", HOSTILE, "h&\"'<b>.trace", aliases=["<i>", "\ufffe"]),
                                   finding("new", HOSTILE[::-1], "", input="\"><img src=x>")],
                         traces={"h&\"'<b>.trace": trace}, target="<u>", ended="<s>", engine="]]>")
    broken = (directory / "campaign.json").read_bytes().replace(b'"/opt', b'"/\\u0000opt')
    (directory / "campaign.json").write_bytes(broken)
    tool("report", "hostile")
    page = (directory / "report.html").read_text()
    checks.equal("scripts", page.count("<script"), 2)
    checks.equal("ends of scripts", page.count("</script>"), 2)
    for tag in ("<img", "<i>", "<u>", "<s>", "</pre><script"):
        checks.that(f"no {tag}", tag not in page)
    checks.that("a mark that came with a name is no mark", "&lt;!--body--&gt;" in page)
    checks.that("the whole signature", "x" * 5000 in page)
    checks.that("links", 'href="findings/h%26%22%27%3Cb%3E.trace"' in page)
    (suite,) = xml.etree.ElementTree.parse(directory / "report.xml").getroot()
    checks.that("JUnit", any("<script>window.hostile=1</script>" in case.get("name") for case in suite.iter("testcase")))
    log = json.loads((directory / "report.sarif").read_text())
    checks.equal("rule", log["runs"][0]["results"][0]["ruleId"], "sigsegv")
    json.loads((directory / "report.json").read_text())
    for form in ("text", "json", "sarif"):
        text = tool("report", "hostile", "--format", form).stdout
        found = re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\ud800-\udfff]", text)
        checks.that(f"no command for a terminal in {form}", found is None, repr(text[found.start() - 50:][:99]) if found else "")
    for line in tool("status", "hostile", status=10).stdout.split("\n"):
        checks.that("no line is too long", len(line) < 600 and "\x01" not in line)


# ---- The page --------------------------------------------------------------------------------------------------------


def opened(checks, path):
    checks.page = path.name if path.parent.name == path.stem else f"{path.parent.name}/{path.name}"
    page = checks.browser
    for width in (520, 900, 1600):
        page.resize(width, 1000)
        page.load(path)
        checks.fits(page, f"at {width}")
    checks.equal("console", page.console(), [])
    source = path.read_text()
    checks.that("loads nothing", not re.search(r"(src|href)\s*=\s*[\"']?(https?:)?//|url\(|@import", source))
    if checks.pictures:
        page_test.take_pictures(page, path.rename(path.with_stem(f"{path.parent.name}-report")), checks.pictures)
    return page


def the_page(checks, tool):
    page = opened(checks, tool.scratch / "all" / "report.html")
    checks.equal("verdict", page.text("#verdict"), "✗ findings: 2 new, 1 known, 1 flaky, 1 fixed")
    checks.equal("plots", page.count(".plot svg"), 4)
    checks.equal("curves", page.count(".plot .curve"), 5)
    checks.equal("marks", page.count("#plot-corpus .mark"), 5)
    ends = page.run("""return [...document.querySelectorAll('.plot .curve')].map((line) => {
      const p = line.points, s = line.ownerSVGElement.dataset;
      let falls = 0;
      for (let i = 1; i < p.length; ++i) if (p[i].y > p[i - 1].y + 0.2 || p[i].x < p[i - 1].x - 0.01) ++falls;
      return [Math.abs(p[0].x - s.left) < 1, Math.abs(p[p.length - 1].x - s.right) < 1, falls, p.length >= 400];
    })""")
    checks.equal("curves go from the begin to the end, and rise", ends, [[True, True, 0, True]] * 5)
    ticks = page.run("return [...document.querySelectorAll('#plot-coverage .tick')].map((e) => e.textContent)")
    checks.equal("ticks of values", ticks[:6], ["0", "2k", "4k", "6k", "0", "10 min"])
    checks.equal("ticks of time", ticks[4:], ["0", "10 min", "20 min", "30 min", "40 min", "50 min", "60 min"])
    before = page.text("#plot-coverage output")
    page.run("""const svg = document.querySelector('#plot-coverage svg'), box = svg.getBoundingClientRect();
      const left = Number(svg.dataset.left), right = Number(svg.dataset.right), wide = svg.viewBox.baseVal.width;
      svg.dispatchEvent(new PointerEvent('pointermove', {clientX: box.left + box.width * (left + (right - left) / 2) / wide}))""")
    hovered = page.text("#plot-coverage output")
    checks.that("half of the time", re.match(r"(29m 5|30m 0)\ds: [\d,]+ features, [\d,]+ edges$", hovered), ": " + hovered)
    checks.that("in all plots", page.text("#plot-corpus output").startswith(hovered.split(":")[0]))
    page.run("document.querySelector('#plot-coverage svg').dispatchEvent(new PointerEvent('pointerleave'))")
    checks.equal("and again", page.text("#plot-coverage output"), before)
    page.press("#plot-corpus svg", page_test.END)
    checks.that("End", page.text("#plot-corpus output").startswith("1h 00m 00s: 1,234 inputs"), page.text("#plot-corpus output"))
    page.press("#plot-corpus svg", page_test.LEFT)
    checks.that("Left", page.text("#plot-corpus output").startswith("59m 49s: "), page.text("#plot-corpus output"))

    checks.equal("what was never performed", page.texts("#ops tr:has(.never) th"), ["fail-metadata"])
    checks.equal("what never was", page.run("return [...document.querySelectorAll('tr:has(.never) th')].map((e) => e.innerText)"),
                 ["fail-metadata", "no_edge"])
    checks.equal("a cell", page.texts("#ops tbody tr:first-child td"), ["999", "1", "1,023", "1,024", "1,025", "1,026"])
    checks.equal("findings", page.count("article"), 5)
    checks.equal("badges", page.texts("article h3 .badge"), ["new", "known", "flaky", "fixed", "new"])
    checks.equal("rows of the map", page.texts("#finding-1 .map .title"), ["before", "after: subject", "expected: model"])
    bands = page.run("""return [...document.querySelectorAll('#finding-1 .map .title')].map((title) =>
      [...document.querySelectorAll('#finding-1 .map .cell')].filter((cell) => cell.style.gridRowStart === title.style.gridRowStart)
      .map((cell) => cell.querySelector('b').innerText + ' ' + cell.querySelector('span').innerText).join(' '))""")
    checks.equal("the map", bands, ["a0 0x1000 free 0x1000 a1 0x1000 free 0x3d000",
                                    "a0 0x1000 free 0x1000 a1 0x1000 a2 0x1000 free 0x3c000",
                                    "a0 0x1000 a2 0x1000 a1 0x1000 free 0x3d000"])
    checks.that("expected", "0x101000..0x102000 full" in page.texts("#finding-1 dd.strong"))
    checks.equal("a missing trace", page.count("#finding-5 pre"), 0)
    checks.that("is said", "There is no trace" in page.text("#finding-5 .warn"))
    checks.equal("links lead somewhere", page.run("""return [...document.querySelectorAll('a[href^="#"]')].filter((a) =>
      !document.querySelector(a.getAttribute('href'))).length"""), 0)
    page.click("td.signature a[href='#finding-2']")
    checks.equal("a link", page.run("return document.querySelector(':target').id"), "finding-2")


def the_hostile_page(checks, tool):
    page = opened(checks, tool.scratch / "hostile" / "report.html")
    checks.equal("nothing ran", page.run("return window.hostile === undefined"), True)
    checks.equal("images", page.count("img, article script"), 0)
    checks.that("shown as it is", "<script>window.hostile=2</script>" in page.text("#finding-1 pre"))


def the_empty_page(checks, tool):
    page = opened(checks, tool.scratch / "empty" / "report.html")
    checks.equal("verdict", page.text("#verdict"), "✓ nothing found")
    checks.that("nothing was exercised", page.count("td.never") > 40)


def the_page_of_a_death(checks, tool):
    listed = json.loads(subprocess.run([tool.vmapcheck, "subjects", "--json"], capture_output=True, check=True).stdout)
    trace = next(one["trace"] for one in listed if one["name"] == "fault_null_root")
    directory = campaign(tool, "death", subject="fault_null_root", traces={"d.trace": trace},
                         findings=[finding("new", "SIGSEGV in somewhere", "d.trace")])
    tool("report", "death", "--pages")
    page = opened(checks, directory / "report.html")
    checks.equal("rows of the map", page.texts("#finding-1 .map .title"), ["before"])
    died = re.compile("SIGSEGV|undefined-behavior")  # the latter with a sanitizer
    checks.that("it died", died.search(page.text("#finding-1 h4")), page.text("#finding-1 h4"))
    checks.that("said", "did not come back" in page.text("#finding-1 .picture .note"))
    page.load(directory / "findings" / "d.html")
    checks.that("the page of show", re.match("✗ (SIGSEGV|undefined-behavior)", page.text("#verdict")), page.text("#verdict"))


if __name__ == "__main__":
    sys.exit(main())
