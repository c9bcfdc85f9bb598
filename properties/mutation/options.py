# SPDX-License-Identifier: Apache-2.0
"""What the options of both commands have in common. tools/checkout.cpp describes them, for the help and for ./vmapcheck, which
checks them before it builds."""

import argparse
import os
import re

from workshop import ROOT

SEED = 20240229


class OptionParser(argparse.ArgumentParser):
    def __init__(self, prog):
        super().__init__(prog=prog, add_help=False, allow_abbrev=False)
        for name, default in (("--allocator", os.path.join(ROOT, "allocator")), ("--compiler", "clang++-19"),
                              ("--tool", os.path.join(ROOT, "build", "release", "tools", "vmapcheck")),
                              ("--fuzz-target", os.path.join(ROOT, "build", "fuzz", "fuzz", "allocator_fuzz"))):  # fmt: skip
            self.add_argument(name, default=default)


def number(text):
    if not re.fullmatch(r"[0-9]+|0x[0-9a-fA-F]+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number")
    return int(text, 16 if text.startswith("0x") else 10)


def positive(text):
    if number(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return number(text)
