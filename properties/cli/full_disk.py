# SPDX-License-Identifier: Apache-2.0
"""On a small file system that is full: where one can be mounted."""
import pathlib
import subprocess
import unittest

import cli

CAN_MOUNT = subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode == 0


@unittest.skipUnless(CAN_MOUNT, "no file system can be mounted here")
class FullDisk(cli.Cli):
    def on_a_disk(self, size, script, patterns):
        """The script says what it has to say with `check`: nothing, if all is well."""
        pathlib.Path("tiny").mkdir()
        script = f"mount -t tmpfs -o size={size} none tiny || exit 77\n" + script
        said = self.ends(0, ["-rm", "bash", "-c", script], None, program="unshare", BINARY=self.binary, SOURCE=str(cli.SOURCE))
        self.says(said.out, patterns, said)

    def test_corpus(self):
        self.on_a_disk("256k", """
            "$BINARY" corpus import "$SOURCE/corpus" -o tiny/imported 2>&1 >out; echo "import: $?"
            find tiny -name "*.tmp"
            rm -rf tiny/imported
            mkdir tiny/c && cp "$SOURCE"/corpus/fits/*.trace "$SOURCE/corpus/real/python3.trace" tiny/c
            head -c 1M /dev/zero >tiny/fill 2>/dev/null
            cp -r tiny/c before
            "$BINARY" corpus minimize tiny/c 2>&1 >out; echo "minimize: $?"
            diff -r before tiny/c
            ls -A tiny | grep -v -e "^c$" -e "^fill$"; echo done""", [
            r"\A[^\n]*cannot write tiny/imported/[^\n]*: No space left on device\nimport: 4\n[^\n]*No space left on device\nminimize: 4\ndone\n\Z"])


if __name__ == "__main__":
    cli.main()
