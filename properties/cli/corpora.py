# SPDX-License-Identifier: Apache-2.0
"""What the tests of `corpus` have in common: a few traces, and the bytes of fuzzers that they are."""
import functools
import pathlib
import subprocess

import cli


class Corpora(cli.Cli):
    traces = {"one": "# a first\nspace 0x0..0x10\nalloc a0 size=1\n",
              "same": "space 0x0..0x10\nalloc a7 size=1\n",  # another label, no comment: the same trace
              "two": "space 0x0..0x20\nalloc a0 size=2\nfree a0\n",
              "three": "space 0x0..0x40\nalloc a0 size=3\nfind 0\npurge\n"}
    traces = {name: cli.HEADER + text for name, text in traces.items()}

    def setUp(self):
        super().setUp()
        self.bytes = {}
        for name, text in self.traces.items():
            self.write(f"{name}.trace", text)
            self.ok(f"encode {name}.trace -o {name}.bytes")
            self.bytes[name] = pathlib.Path(f"{name}.bytes").read_bytes()


@functools.cache
def reads_archives():
    done = subprocess.run([cli.Cli.binary, *"corpus export --oss-fuzz -o /dev/null /dev/null".split()], capture_output=True, check=False)
    return b"without libarchive" not in done.stderr
