# SPDX-License-Identifier: Apache-2.0
"""The GoogleTest case in the report of a finding: built as it says there, it fails as the finding does."""
import os
import pathlib

import cli
from saved import block


class Built(cli.Cli):
    def builds_and_fails(self, instead):
        """With `instead` of the line that adds a checkout."""
        if not os.path.exists("/usr/include/gtest/gtest.h"):
            self.skipTest("GoogleTest is not installed")
        self.ends(10, "check --subject seed_2019 -o found", VMAPCHECK_SOURCE_DIR=str(cli.SOURCE))
        report = self.only("found/*.md")
        source, project, commands = (block(report, "As a test", language) for language in ("cpp", "cmake", "sh"))
        (checkout,) = [line for line in project.splitlines() if line.startswith(f"add_subdirectory([[{cli.SOURCE}]] ")]
        self.write("project/regression.cpp", source)
        self.write("project/CMakeLists.txt", project.replace(checkout, instead(checkout)))
        self.assertTrue(commands.startswith("cmake -G Ninja "), commands)  # make need not be there
        os.chdir("project")
        said = self.ends(1, ["-c", commands], None, None, program="bash")
        self.says(said.out, [r"^\[  FAILED  \] Traces\.Seed2019Answer[0-9a-f]+",
                             "^answer at step 0: .*expected .*actual "], said)


@cli.needs("cmake", "g++")
class Regression(Built):
    def test_with_the_libraries_of_this_build(self):
        if cli.sanitized():
            self.skipTest("they have sanitizers")
        self.builds_and_fails(lambda _: f"set(CMAKE_CXX_STANDARD 23)\n"
                              f"include([[{pathlib.Path(self.binary).parents[1]}/built.cmake]])")


@cli.needs("cmake", "g++")
class Whole(Built):
    def test_from_the_sources(self):
        """Of vmapcheck only what the case needs, and as fast as it can be compiled."""
        self.builds_and_fails(lambda checkout: "set(CMAKE_BUILD_TYPE None)\nset(VMAPCHECK_FAULTY_SUBJECTS OFF)\n" + checkout)
