# SPDX-License-Identifier: Apache-2.0
"""Files that the user may neither read nor write. Root may."""
import os
import pathlib
import unittest

import cli


@unittest.skipIf(os.geteuid() == 0, "root may do what is to be refused")
class Permissions(cli.Cli):
    def test_denied(self):
        pathlib.Path("all.trace").chmod(0)
        pathlib.Path("locked").mkdir(0o555)
        self.refuses(4, {
            "replay all.trace": "all.trace: Permission denied",
            "minimize --subject seed_2019 fault.trace -o locked/x": "locked/x: Permission denied"})


if __name__ == "__main__":
    cli.main()
