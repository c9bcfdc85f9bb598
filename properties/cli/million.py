# SPDX-License-Identifier: Apache-2.0
"""A million ops, in bounded memory and time. Takes a minute: `./vmapcheck test --all` runs it."""
import resource
import time

import cli

DEATH = "--subject fault_exit_zero"


class Million(cli.Cli):
    def setUp(self):
        super().setUp()
        with open("million.trace", "w") as trace:
            trace.write(cli.HEADER + "space 0x0..0x1000000000 granule=0x1000\n")
            for i in range(500000):
                trace.write(f"alloc a{i} size={4096 * (1 + i * 7 % 13)}\n")
                if i >= 100:
                    trace.write(f"free a{i - 100}\n")
            trace.writelines(f"free a{i}\n" for i in range(499900, 500000))
            trace.write("alloc a600000 size=0x1000000000\nfree-lazily a600000\nalloc a600001 size=0x1000000000\n")
        if not cli.sanitized():
            before = resource.getrlimit(resource.RLIMIT_AS)
            resource.setrlimit(resource.RLIMIT_AS, (2 << 30, before[1]))
            self.addCleanup(resource.setrlimit, resource.RLIMIT_AS, before)

    def test_replay(self):
        self.assertEqual(1000003, len(self.ends(10, f"replay --json {DEATH} million.trace").out.splitlines()))

    def test_show(self):
        self.ends(10, f"show {DEATH} --html page.html million.trace",
                  [r"^Of 1000003 ops this page holds the steps 995003 to 1000002, where the run ends\.$"])

    def test_minimize(self):
        begun = time.monotonic()
        self.ok(f"minimize {DEATH} --time 10s million.trace -o small.trace")
        self.assertLess(time.monotonic() - begun, 60)
        self.ends(10, f"replay --json {DEATH} small.trace", ['"signature":"exit 0"}$'])
