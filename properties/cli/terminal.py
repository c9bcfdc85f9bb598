# SPDX-License-Identifier: Apache-2.0
"""What is shown on terminals of several widths: whole fields that fit, whole words, and nothing wider."""
import errno
import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time

import cli
import corpus

WIDTHS = (200, 80, 60, 40)


class Terminal(corpus.Corpora):
    def resize(self, descriptor, columns):
        fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def terminal(self, columns):
        ours, theirs = os.openpty()
        self.addCleanup(os.close, ours)
        self.resize(theirs, columns)
        return ours, theirs

    def read(self, descriptor, end):
        """What comes until that time, or until there is no more."""
        text = b""
        while (left := end - time.monotonic()) > 0:
            if not select.select([descriptor], [], [], left)[0]:
                break
            try:
                piece = os.read(descriptor, 1 << 16)
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                break
            if not piece:
                break
            text += piece
        return text.decode()

    def lines(self, command, columns, statuses=(0,)):
        """What a command says on standard output, a terminal."""
        ours, theirs = self.terminal(columns)
        process = subprocess.Popen(self.words_of(command), stdin=subprocess.DEVNULL, stdout=theirs,
                                   stderr=subprocess.PIPE, env=cli.variables({}))
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.kill)
        os.close(theirs)
        text = self.read(ours, time.monotonic() + 100)
        self.assertIn(process.wait(100), statuses, text)
        return text.replace("\r\n", "\n").splitlines()

    def progress(self, command, *widths):
        """Lines of progress at each width, which changes while the command runs; shown(line) of each."""
        ours, theirs = self.terminal(widths[0])
        process = subprocess.Popen(self.words_of(command), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=theirs, env=cli.variables({}))
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        found = {}
        for columns in widths:
            self.resize(ours, columns)
            self.read(ours, time.monotonic() + 0.3)  # may be of the width before
            frames = []
            self.eventually(lambda: frames.extend(re.findall(r"\r\x1b\[J([^\r]+)", self.read(ours, time.monotonic() + 0.5)))
                            or frames or process.poll() is not None)
            self.assertTrue(frames, f"{command} says nothing at {columns} columns")
            found[columns] = frames[-1]
        process.kill()
        os.close(theirs)
        return found

    def holds_whole_fields(self, command, least, is_short=False):
        """Each width has so many fields at least, in their order, and none is cut. A command that may end too soon for
        all widths is run for each."""
        runs = [[columns] for columns in (*WIDTHS, 12)] if is_short else [[*WIDTHS, 12]]
        found = {columns: line for widths in runs for columns, line in self.progress(command, *widths).items()}
        kinds = {columns: [re.sub("[0-9.,]*[0-9]", "N", field) for field in line.split(", ")]
                 for columns, line in found.items()}
        for columns, fields in zip(WIDTHS, least):
            self.assertLess(len(found[columns]), columns, found)
            self.assertGreaterEqual(len(kinds[columns]), fields, found)
            self.assertEqual(kinds[200][:len(kinds[columns])], kinds[columns], found)
        # Not even the first one fits.
        self.assertRegex(found[12], r"^\w+\.\.\.$")
        self.assertLess(len(found[12]), 12)

    def test_check(self):
        self.holds_whole_fields("check --time 100s --no-saved", (4, 4, 3, 2))

    def test_soak(self):
        self.holds_whole_fields("check --live 1000 --time 100s --no-saved", (5, 4, 3, 2))

    def test_explore(self):
        self.holds_whole_fields("explore --granules 10 --state state -j 1", (5, 3, 2, 1))

    def test_minimize(self):
        """One that hangs takes seconds to be reproduced."""
        self.write("never-comes-to-an-end.trace", cli.HEADER + "space 0x0..0x10\nbusy 0x0..0x1\nbusy 0x1..0x2\n"
                   "free-lazily-at 0x0\nfree-lazily-at 0x1\npurge\n")
        self.holds_whole_fields("minimize --subject fault_purge_ring never-comes-to-an-end.trace -o out", (2, 2, 2, 1),
                                is_short=True)

    def test_tables_fit(self):
        """Of each table as many columns as fit, and of a text whole words."""
        for name, trace in self.traces.items():
            self.write(f"some/{name}.trace", trace)
        self.write("some/words.trace", self.traces["one"].replace("a first", "many words of several lengths " * 9))
        for command, part in (("subjects", "^"), ("corpus list some", "^"), ("corpus stats some", "^op "),
                              ("check --cases 3 --ops 100 --stats --no-saved --require 'free_blocks.max>=1'", "^op "),
                              ("check --require help", "^fit.no_edge")):
            full = self.ok(command, err=None).out
            words, widest = set(self.words_in(full)), max(map(len, full.splitlines()))
            for columns in WIDTHS:
                with self.subTest(command, columns=columns):
                    lines = self.lines(command, columns)
                    begin = next(i for i, line in enumerate(lines) if re.search(part, line))
                    for line in lines[begin:]:
                        self.assertLessEqual(len(line), columns, line)
                        if not re.match("[0-9]+ columns? more where", line):
                            self.assertLessEqual(set(self.words_in(line)), words, line)
                    self.assertGreater(max(map(len, lines)), min(columns, widest) - 25, lines)

    def words_in(self, text):
        """Without what ends a text that is cut, and without bars."""
        return [word for piece in text.split() if (word := piece.strip(".,;:#"))]
