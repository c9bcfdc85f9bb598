# SPDX-License-Identifier: Apache-2.0
"""`corpus import PATH`: what is taken from where, that nothing is lost, what is said of bad input."""
import io
import os
import pathlib
import tarfile
import zipfile

import cli
import corpus


class Import(corpus.Corpora):
    def test_refused(self):
        self.refuses(2, {
            "corpus import": "PATH, or --strace", "corpus import one.trace": "name a folder with -o",
            "corpus import one.trace --pid 3 -o x": "--strace", "corpus import one.trace --strace log -o x": "excludes",
            "corpus import empty -o x": "nothing to import in empty"})
        self.refuses(4, {"corpus import missing -o x": "cannot read missing: No such file",
                         "corpus import one.trace -o /dev/null/x": "cannot make the directory /dev/null/x",
                         "corpus import two.trace -o one.trace": "cannot make the directory one.trace"})
        self.files("x", 0)

    def test_afl(self):
        for name, of in (("queue/id:000000,time:0,orig:one", "one"), ("crashes/id:000000,sig:06", "two"),
                         ("hangs/id:000000,src:000000", "three"), ("queue/.state/id:000009", "one")):
            self.write(f"afl/main/{name}", self.bytes[of])
        for name in ("crashes/README.txt", "fuzzer_stats", "fuzz_bitmap"):
            self.write(f"afl/main/{name}", "for people")
        self.ok("corpus import afl -o from-afl",
                ["read +3 traces in 3 files: 1 AFL crash, 1 AFL hang, 1 AFL queue$", "passed by +1 file "])
        for trace in self.files("from-afl/*.trace", 3):
            self.ok(["replay", trace])
        # The first comment says whence. Readable in, the same bytes out.
        whence = "From afl/main/crashes/id:000000,sig:06 (AFL crash)"
        (crash,) = [file for file in self.files("from-afl/*") if whence in pathlib.Path(file).read_text()]
        self.ok(["encode", crash, "-o", "again.bytes"])
        self.same_files("again.bytes", "two.bytes")
        self.ok("corpus import afl/main/queue -o from-queue")
        self.only("from-queue/*.trace")

    def test_campaign(self):
        self.write("campaign/corpus/0123456789012345678901234567890123456789", self.bytes["one"])
        self.write("campaign/crashes/crash-1", self.bytes["two"])
        for name in ("lock", "worker-0.log"):
            self.write(f"campaign/{name}", "")
        self.ok("corpus import campaign -o imported", ["1 libFuzzer corpus$"])
        self.only("imported/*.trace")

    def test_folder(self):
        for name, content in {
                "crash-1": self.bytes["one"], "sub/clusterfuzz-testcase-minimized-2": self.bytes["two"],
                "three.trace": self.traces["three"],
                "name with spaces\nand a newline.trace": self.traces["one"], "same.trace": self.traces["same"],
                ".hidden": self.bytes["one"], "README": "text", "empty": ""}.items():
            self.write(f"mixed/{name}", content)
        os.symlink(".", "mixed/loop")
        self.ok("corpus import mixed -o out",
                ["^read +5 traces in 6 files: 1 ClusterFuzz test case, 1 libFuzzer artifact, 3 trace$",
                                               "^duplicates 2, ", "^left out +1, 1 of them empty$"])
        self.files("out/*.trace", 3)
        self.only("out/three.trace")
        before = cli.snapshot("out")
        self.ok("corpus import mixed -o out --json", [r'"written":\[\],"duplicates":0,"already_there":5,'])
        self.assertEqual(before, cli.snapshot("out"))

    def test_names(self):
        other = self.write("taken/three.trace", cli.HEADER + "# other\nspace 0x0..0x80\n").read_text()
        self.ok("corpus import three.trace -o taken")
        self.files("taken/*.trace", 2)
        self.assertEqual(other, pathlib.Path("taken/three.trace").read_text())
        self.ok("corpus import one.trace -o comment")
        self.holds("comment/one.trace", "^# a first$")
        self.ok("corpus import - -o piped", stdin=self.bytes["one"])
        self.only("piped/*.trace")

    def test_what_cannot_be_read_is_said_and_the_others_are_imported(self):
        for name in ("one.trace", "bad.trace"):
            self.write(f"folder/{name}", pathlib.Path(name).read_bytes())
        os.symlink("nowhere", "folder/dangling")
        os.mkfifo("folder/pipe")
        said = self.ends(4, "corpus import folder -o good", None,
                         ["^folder/bad.trace:4:1: expected", "cannot read folder/dangling: No such file"])
        self.assertEqual(2, len(said.err.splitlines()), said)
        self.only("good/*.trace")
        self.ends(2, "corpus import bad.trace one.trace -o good --json", [r'"left_out":\["bad.trace:4:1: expected'],
                  None)
        pathlib.Path("huge").touch()
        os.truncate("huge", 300 << 20)
        self.ends(2, "corpus import huge -o good", ["^left out +1$"], "^huge:1:1: expected at most 256 MiB$")

    def test_nothing_is_opened_that_may_block(self):
        """And a directory that links lead to is listed once."""
        self.write("round/sub/one.trace", self.traces["one"])
        self.write("round/queue/id:000001", self.bytes["one"])
        os.symlink("..", "round/sub/up")
        os.symlink("sub", "round/also")
        os.symlink("one.trace", "round/sub/again.trace")
        for pipe in ("pipe.trace", "sub/pipe", "queue/id:000000"):
            os.mkfifo(f"round/{pipe}")
        self.assertEqual(["sub/again.trace", "sub/one.trace"], self.ok("corpus list round").found("^[^ ]+"))
        for command in ("stats round", "import round -o a", "export --format traces round -o b",
                        "import round/queue -o c"):
            self.ok(f"corpus {command}")
        self.only("a/*.trace")


class Archives(corpus.Corpora):
    def setUp(self):
        if not corpus.reads_archives():
            self.skipTest("built without libarchive")
        super().setUp()
        self.one, self.two, self.three = (self.bytes[name] for name in ("one", "two", "three"))

    def zip(self, entries, kind=zipfile.ZIP_DEFLATED):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", kind) as archive:
            for name, content in entries.items():
                archive.writestr(name, content)
        return packed.getvalue()

    def tar(self, entries, **how):
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, **how) as archive:
            for name, content in entries.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        return packed.getvalue()

    def imports(self, content, traces, errors=(), name="fuzz.zip"):
        """So many traces come of the archive; with 2 if there are errors."""
        self.write(name, content)
        self.ends(2 if errors else 0, f"corpus import {name} -o out", None, errors)
        self.files("out/*.trace", traces)

    def test_one(self):
        self.imports(self.zip({"crash-1": self.one, "sub/": b"", "sub/id_000001,src_1": self.two,
                               "README.txt": b"for people"}), 2)
        self.assertTrue(any(b"From fuzz.zip: crash-1 (libFuzzer artifact)" in text
                            for text in cli.snapshot("out").values()))

    def test_in_an_archive(self):
        inner = self.tar({"corpus/a": self.one, "corpus/b": self.two}, mode="w:gz")
        self.imports(self.zip({"cifuzz-corpus.tar.gz": inner, "c": self.three}), 3)

    def test_too_deep(self):
        for nameless in (self.tar({"a": self.one}, mode="w", format=tarfile.USTAR_FORMAT), self.zip({"a": self.one})):
            self.imports(self.zip({"inner.zip": self.zip({"in": nameless}), "b": self.two}), 1, [
                r"^fuzz.zip: inner.zip: in[^ ]*: an archive in an archive in an archive: expected at most one in another$"])

    def test_of_other_kinds(self):
        self.imports(self.zip({"all.7z": b"7z rubbish", "c": self.three}), 1, [
            "fuzz.zip: all.7z: an archive of a kind that is not read: expected zip, tar or tar.gz$"])
        self.imports(b"xz rubbish", 1, ["fuzz.tar.xz: an archive of a kind"], "fuzz.tar.xz")

    def test_that_leads_out(self):
        self.imports(self.zip({"../../escaped": self.one, "fine": self.two}), 1, [
            r"fuzz.zip: entry '\.\./\.\./escaped': leads out of the archive"])
        self.assertEqual([], [up for up in ("", "../", "../../") if os.path.exists(f"{up}escaped")])

    def test_bomb(self):
        self.imports(self.zip({"zeros": bytes(270 << 20), "fine": self.two}), 1,
                     ["fuzz.zip: entry 'zeros': expected at most 256 MiB"])

    def test_damaged(self):
        whole = self.zip({"crash-1": self.one, "fine": self.two}, zipfile.ZIP_STORED)
        self.imports(whole[:45], 0, ["fuzz.zip: "])
        self.imports(b"this is no archive at all, but it says so" * 9, 0, ["fuzz.zip: "])
        wrong = bytearray(whole)
        wrong[wrong.index(self.one) + 16] ^= 1
        self.imports(bytes(wrong), 1, ["fuzz.zip: entry 'crash-1'"])
