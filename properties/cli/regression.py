# SPDX-License-Identifier: Apache-2.0
"""The GoogleTest case in the report of a finding: built as it says there, it fails as the finding does."""
import os
import pathlib
import shutil

import cli
from saved import block


@cli.needs("cmake", "g++")
class Regression(cli.Cli):
    def test_it_compiles_and_fails(self):
        if not os.path.exists("/usr/include/gtest/gtest.h"):
            self.skipTest("GoogleTest is not installed")
        self.ends(10, "check --subject seed_2019 -o found", VMAPCHECK_SOURCE_DIR=str(cli.SOURCE))
        report = self.only("found/*.md")
        self.write("project/regression.cpp", block(report, "As a test", "cpp"))
        project = block(report, "As a test", "cmake")
        self.assertIn(f"add_subdirectory([[{cli.SOURCE}]] ", project)
        # Of vmapcheck only what the case needs, and as fast as it can be compiled.
        self.write("project/CMakeLists.txt", project.replace(
            "add_subdirectory", "set(CMAKE_BUILD_TYPE None)\nset(VMAPCHECK_FAULTY_SUBJECTS OFF)\nadd_subdirectory"))
        os.chdir("project")
        said = self.ends(1, ["-c", block(report, "As a test", "sh")], None, None, program="bash")
        self.says(said.out, [r"^\[  FAILED  \] Traces\.Seed2019Answer[0-9a-f]+", r"answer at step 0: .*expected .*actual "], said)
