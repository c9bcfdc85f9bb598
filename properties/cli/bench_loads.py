# SPDX-License-Identifier: Apache-2.0
"""`bench`: subjects on the same loads. The smallest run there is, read as text, as JSON and as a page; and what it says has
changed since files that are made here."""
import copy
import json
import pathlib
import shutil
import sys
import types
import unittest

import cli

sys.path.insert(0, str(cli.SOURCE / "properties"))
import page_test  # noqa: E402

TINY = "bench --loads churn,find --live-min 100 --live-max 100 --time 3ms --repetitions 3"
DEFAULT = ["vmap", "seed_2019", "linear_scan", "null", "malloc"]


class Bench(cli.Cli):
    def measured(self, options=""):
        return self.ok(f"{TINY} {options} --json", None, None).json

    def old(self, results, factor=1.0, **context):
        """As if each row had been measured before, in that much time; 0: in any."""
        before = copy.deepcopy(results)
        before["context"] |= context
        for row in before["rows"]:
            if "ns" in row:
                row["ns"] = [factor * ns for ns in row["ns"]] if factor else [1e-6, 1, 1e12]
        return self.write("old.json", json.dumps(before))


class Measured(Bench):
    def test_rows(self):
        said = self.measured()
        self.assertEqual([(load, subject) for load in ("churn", "find") for subject in DEFAULT],
                         [(row["load"], row["subject"]) for row in said["rows"]])
        for row in said["rows"]:
            if (row["load"], row["subject"]) == ("find", "malloc"):
                self.assertEqual("finds no areas", row["skipped"])
                continue
            self.assertEqual(3, len(row["ns"]), row)
            self.assertEqual(sorted(row["ns"])[1], row["median_ns"])
            self.assertEqual((100, 0), (row["live"], row["failed"]))
            self.assertEqual(row["subject"] in ("vmap", "seed_2019", "linear_scan"), "metadata_bytes" in row, row)
        vmap = said["rows"][0]
        self.assertTrue(1 < vmap["nodes_visited"] < 100 and 64 <= vmap["metadata_bytes"] < 300, vmap)
        self.assertTrue(1 <= vmap["extent"] < 2 and 0 < vmap["fragmentation"] < 1, vmap)
        self.assertEqual((1, 20240229), (said["vmapcheck_bench"], said["context"]["seed"]))

    def test_text(self):
        said = self.ok(f"{TINY} --subject null,malloc --live-max 1000", None, [r"^vmapcheck: 4 loads, 2 subjects: about \d+ s$"])
        self.says(said.out, ["^churn: a random area is freed", r"^  ns for each pair +100 +1,000$", r"^  ns for each find +100 +1,000$",
                             r"^  null +\d+\.\d ±\d+ % +\d", "^  malloc +- +-$", "^  - malloc: finds no areas$"], said)

    def test_who_takes_too_long_is_not_asked_for_more(self):
        said = self.ok("bench --loads churn --subject linear_scan --live-min 10000 --time 3ms --repetitions 3 --json", None, None).json
        self.assertEqual([10_000, 100_000, 1_000_000], [row["live"] for row in said["rows"]])
        for row in said["rows"][1:]:
            self.assertRegex(row["skipped"], "^(not tried, since a state of 10,000 took|takes longer than [12] s to make$)")

    def test_recordings(self):
        self.write("corpus/real/two.trace", "vmapcheck-trace 1\nspace 0x0..0x10\nalloc a0 size=0x1\nalloc-at a1 0x8..0x9\n")
        self.write("corpus/real/none.trace", "vmapcheck-trace 1\nspace 0x0..0x10\nfind 0x1\n")
        said = self.ok("bench --loads real --subject vmap,malloc --time 3ms --repetitions 3", None,
                       ["^vmapcheck: real/none has ops that no recording has: it is not measured$"],
                       VMAPCHECK_SOURCE_DIR=self.scratch)
        self.says(said.out, [r"^  two +\d+\.\d ±\d+ % +-$", "^  - malloc: chooses no addresses$"], said)

    def test_refused(self):
        self.refuses(2, {
            "bench --live-min 1000 --live-max 100": "^vmapcheck: --live-min 1000 is above --live-max 100$",
            "bench --live-min 10": "^vmapcheck: --live-min: expected a number from 100 to 10000000",
            "bench --loads churn,lofi": "^vmapcheck: --loads: expected .*did you mean lifo\?",
            "bench --subject nul": "^vmapcheck: --subject: expected .*did you mean null\?",
            "bench --time 0": "^vmapcheck: --time: ",
            "bench --repetitions 2": "^vmapcheck: --repetitions: expected a number from 3 to 1000",
            "bench --html x kernel": "^vmapcheck: --html: ",
            "bench frobnicate": "unknown command 'frobnicate'"})
        self.refuses(4, {f"{TINY} --html no/page.html": "^vmapcheck: cannot write .*no/page.html",
                         f"{TINY} --compare no.json": "^vmapcheck: cannot read no.json"})


class Compared(Bench):
    def test_noise_is_no_news(self):
        self.old(self.measured(), 0)
        self.ok(f"{TINY} --compare old.json", ["^0 of 9 rows have changed since old.json: "], None)
        self.assertEqual(["same"] * 9, [change["verdict"] for change in self.measured("--compare old.json")["changes"]])

    def test_a_change_is_named(self):
        results = self.measured()
        for factor, verdict in ((0.01, "slower"), (100, "faster")):
            self.old(results, factor)
            self.ok(f"{TINY} --compare old.json", [
                f"^{verdict}: churn, vmap, 100 areas: .* now, .* before: [0-9.]+ times$", "^9 of 9 rows have changed"], None)
            for change in self.measured("--compare old.json")["changes"]:
                self.assertEqual((verdict, verdict == "slower"), (change["verdict"], change["ratio"] > 1), change)

    def test_refused(self):
        results = self.measured()
        no_file = "^vmapcheck: old.json is not what this version of `bench --json` says"
        other = results | {"vmapcheck_bench": 2}
        without = copy.deepcopy(results)
        del without["rows"][0]["ns"]
        never = copy.deepcopy(results)
        never["rows"][0]["ns"] = [0]
        for text in ("", "{}", "[]", "\xff", "{\"vmapcheck_bench\": 1}", *map(json.dumps, (other, without, never))):
            self.write("old.json", text)
            self.refuses(2, {f"{TINY} --compare old.json": no_file})
        self.old(results, build="of another kind")
        self.refuses(2, {f"{TINY} --compare old.json": "^vmapcheck: old.json is of a build of another kind, and this of a build "})
        self.old(results, seed=7)
        self.refuses(2, {f"{TINY} --compare old.json": "^vmapcheck: old.json is of loads of seed 7, and this of loads of seed 20240229$"})
        self.old(results, 0, seed=7)
        self.ok(f"{TINY} --compare old.json --seed 7", ["^0 of 9 rows"], None)


class Page(Bench):
    """What a reader sees of it, in three windows, with all tables open."""

    def test_page(self):
        programs = types.SimpleNamespace(chromium=shutil.which("chromium"), chromedriver=shutil.which("chromedriver"))
        if not programs.chromium or not programs.chromedriver:
            self.skipTest("no Chromium with its driver (Debian: chromium chromium-driver)")
        self.write("corpus/real/two.trace", "vmapcheck-trace 1\nspace 0x0..0x10\nalloc a0 size=0x1\nalloc-at a1 0x8..0x9\n")
        self.ok("bench --loads churn,adversarial,real --live-min 100 --live-max 10000 --time 3ms --repetitions 3 --html page.html",
                None, None, VMAPCHECK_SOURCE_DIR=self.scratch)
        path = pathlib.Path("page.html").resolve()
        profile = self.enterContext(cli.tempfile.TemporaryDirectory())
        page = self.enterContext(page_test.Browser(programs, pathlib.Path(profile)))
        page.load(path)
        page.run("for (const one of document.querySelectorAll('details')) one.open = true")
        for width in (400, 900, 1600):
            page.resize(width, 1000)
            self.assertEqual({}, {fault: where for fault, where in page.run(page_test.LAYOUT)["faults"].items() if where}, width)
        self.assertEqual([], page.console())
        self.assertNotRegex(path.read_text(), r"(src|href)\s*=\s*[\"']?(https?:)?//|url\(|@import")  # it loads nothing

        self.assertEqual(["churn", "adversarial"], page.texts(".plot figcaption b"))
        self.assertEqual((9, 15 + 12), (page.count(".plot polyline"), page.count(".plot .marker")))
        self.assertEqual(set(DEFAULT), set(page.run("return [...document.querySelectorAll('.plot .line text')].map((e) => e.textContent)")))
        self.assertEqual(["100", "1k", "10k"], page.run(
            "return [...document.querySelector('.plot svg').querySelectorAll('.tick')].map((e) => e.textContent).filter((t) => /^[0-9]+k?$/.test(t))"))
        # No label lies on another; each has the colour of its line; the axis of time goes up by decades.
        self.assertEqual(0, page.run("""let found = 0;
          for (const svg of document.querySelectorAll('.plot svg')) {
            const tops = [...svg.querySelectorAll('.line text')].map((e) => e.getBoundingClientRect().top).sort((a, b) => a - b);
            for (let i = 1; i < tops.length; ++i) if (tops[i] - tops[i - 1] < 9) ++found;
          }
          return found"""))
        colours = page.run("""return [...document.querySelector('.plot svg').querySelectorAll('.line')].map(
          (e) => getComputedStyle(e.querySelector('polyline')).stroke)""")
        self.assertEqual(5, len(set(colours)), colours)
        self.assertIn("malloc: chooses no addresses", page.texts(".plot .note"))
        self.assertEqual(["two"], page.texts("section > table tbody th"))
