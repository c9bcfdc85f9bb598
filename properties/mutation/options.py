# SPDX-License-Identifier: Apache-2.0
"""What the options of both commands have in common."""

import argparse
import os
import re
import sys

from processes import OK
from workshop import ROOT

SEED = 20240229


class OptionParser(argparse.ArgumentParser):
    def __init__(self, prog, **more):
        super().__init__(prog=prog, add_help=False, formatter_class=argparse.RawDescriptionHelpFormatter, **more)
        # Not argparse's own, which would print it before it looks at what comes after.
        self.add_argument("-h", "--help", action="store_true", help="print this help")
        for name, default in (("--allocator", os.path.join(ROOT, "allocator")), ("--compiler", "clang++-19"),
                              ("--tool", os.path.join(ROOT, "build", "release", "tools", "vmapcheck")),
                              ("--fuzz-target", os.path.join(ROOT, "build", "fuzz", "fuzz", "allocator_fuzz"))):  # fmt: skip
            self.add_argument(name, default=default, help=argparse.SUPPRESS)

    def parse_args(self, arguments):
        options = super().parse_args(arguments)
        if options.help:
            self.print_help()
            sys.exit(OK)
        return options


def positive(text):
    if not re.fullmatch(r"[0-9]+", text) or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return int(text)
