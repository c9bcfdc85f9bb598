# SPDX-License-Identifier: Apache-2.0
"""Subjects in files: how findings of them are named, spaces that they refuse, and what is no subject of this build."""
import os
import pathlib
import subprocess
import tempfile

import cli

# It refuses whatever is asked of it. SUBJECT_IS=picky: sound, but for spaces without granules, which it refuses; never: it
# refuses all spaces; broken: it throws when it is made; tired: it serves 50 times in a process, whatever spaces it is
# made for. Its file has the name of a room of the harness.
REFUSES = """#line 1 "/mine/harness/verify/refuses.cpp"
#include <cstdlib>
#include <stdexcept>
#include <string_view>

#include "harness/verify/model_subject.hpp"
#include "subjects/interface_stamp.hpp"
#include "subjects/loaded.hpp"

using namespace vmapcheck;

static int served = 0;
struct Tired : ModelSubject {
  using ModelSubject::ModelSubject;
  vmap::Result<vmap::Allocation> allocate(const vmap::Request& request) {
    if (++served > 50) return std::unexpected(vmap::Error::no_space);
    return ModelSubject::allocate(request);
  }
};
struct Refuses {
  vmap::Result<vmap::Allocation> allocate(const vmap::Request&) { return std::unexpected(vmap::Error::no_space); }
  vmap::Result<Range> free(Address) { return std::unexpected(vmap::Error::not_busy); }
};

static std::expected<std::unique_ptr<AnySubject>, std::string> make(const SubjectConfig& config) {
  const char* const text = std::getenv("SUBJECT_IS");
  const std::string_view is = text != nullptr ? text : "";
  if (is == "broken") throw std::runtime_error("no arena");
  if (is == "never" || (is == "picky" && config.space.granule == 1)) return std::unexpected("granules are too small");
  if (is == "picky") return model_subject()(config);
  if (is == "tired") return factory([](const SubjectConfig& its) { return Tired(its); })(config);
  return factory([](const SubjectConfig&) { return Refuses{}; })(config);
}

extern "C" [[gnu::visibility("default")]] const LoadedSubject* vmapcheck_loaded() {
  static const SubjectEntry entry{"refuses", SubjectKind::faulty, "refuses all", make};
  static const LoadedSubject loaded{.stamp = VMAPCHECK_INTERFACE_STAMP, .entry = &entry};
  return &loaded;
}
"""
NONE_OF_THIS_BUILD = [
    ("has no stamp of a build", "const void* vmapcheck_loaded(void) { static const void* no[2]; return no; }"),
    ("has no stamp of a build", "const void* vmapcheck_loaded(void) { return 0; }"),
    ("compiled for another build of vmapcheck",
     'const void* vmapcheck_loaded(void) { static const void* other[2] = {"1"}; return other; }'),
    ("compiled for another build of vmapcheck.*undefined symbol",
     "extern int gone; const void* vmapcheck_loaded(void) { return &gone; }"),
    ("it does not export vmapcheck_loaded", "int nothing;")]


def compile_subject(source, output):
    """With the compiler that g++ is, against the build of the command line."""
    build = os.path.dirname(os.path.dirname(cli.Cli.binary))
    return subprocess.run(["g++", "-std=c++23", "-w", "-fPIC", "-fvisibility=hidden", "-shared", "-Wl,-Bsymbolic", "-g",
                           "-I", cli.SOURCE, "-I", f"{cli.SOURCE}/allocator", "-I", build, "-x", "c++", "-", "-o", output],
                          input=source.encode(), check=True)


@cli.needs("g++")
class Loaded(cli.Cli):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="vmapcheck-cli-")
        cls.addClassCleanup(cls.folder.cleanup)
        compile_subject(REFUSES, f"{cls.folder.name}/refuses.so")

    def setUp(self):
        super().setUp()
        pathlib.Path("so").mkdir()
        for name in ("refuses.so", "-we ird'.so"):
            os.link(f"{self.folder.name}/refuses.so", f"so/{name}")
        pathlib.Path("work").mkdir()
        os.chdir("work")

    def test_named_by_the_last_part(self):
        for subject, name in (("../so/refuses.so", "refuses.so"), (f"{self.scratch}/so/refuses.so", "refuses.so"),
                              ("../so/-we ird'.so", "we_ird_.so")):
            folder = f"fail{len(self.files('*'))}"
            self.ends(10, ["check", "--subject", subject, "-o", folder])
            trace = self.only(f"{folder}/{name}-answer-????????.trace")
            self.assertEqual(3, len([file for file in self.files(f"{folder}/**/*{name}-answer-????????.*")]))
            ops = [pathlib.Path(file).read_text().count("\nalloc")
                   for file in (trace, trace.replace("/", "/originals/"))]
            self.assertEqual([1, 3], ops)
            said = self.ends(10, ["check", "--subject", subject, "-o", folder],
                             ["still fails:$", f"^  replay .* {trace}$"])
            report = trace.replace(".trace", ".md")
            self.holds(report, r'^  const auto loaded = vmapcheck::load_subject\("')
            in_report = pathlib.Path(report).read_text().split("\n## Next")[1].split("\n## ")[0]
            for command in (said.found("^  replay  *(.*)")[0],
                            *(line for line in in_report.splitlines() if " replay " in line and "--gdb" not in line)):
                self.shell(10, command, ["^violation of answer at step 0"])
            self.ends(10, ["explore", "--subject", subject, "--granules", "2", "-o", f"explored-{folder}"])
            self.only(f"explored-{folder}/{name}-answer-????????.trace")
            self.files("../so/*", 2)

    def test_what_does_not_fail_by_itself_is_saved_too(self):
        self.ends(12, "explore --subject ../so/refuses.so --granules 3 --ops first-fit -o fail",
                  ["^flaky: run again by itself, this trace did not fail$"], None, SUBJECT_IS="tired")
        self.only("fail/refuses.so-answer-????????.trace")

    def test_spaces_refused(self):
        command = "check --subject ../so/refuses.so --cases 300 --ops 20"
        self.ok(command, ["^skipped +[0-9]+ cases: the subject cannot be made in their space: granules are too small$"],
                None, SUBJECT_IS="picky")
        said = self.ok(f"{command} --json", err=None, SUBJECT_IS="picky").json
        self.assertEqual((300, "granules are too small"), (said["cases"] + said["cases_skipped"],
                                                           said["skipped_because"]))
        self.assertTrue(said["cases"] > 50 and said["cases_skipped"] > 10, said)
        said = self.ok("check --cases 20 --ops 10 --json", err=None).json
        self.assertEqual((20, 0), (said["cases"], said["cases_skipped"]))

    def test_all_spaces_refused(self):
        for option in ("--cases 1", "--time 1h"):
            self.refuses(3,
                         {f"check --subject ../so/refuses.so {option}": r"subject ../so/refuses.so: granules are too small$"},
                         SUBJECT_IS="never")

    def test_what_it_throws_is_its_own_whatever_its_files_are_called(self):
        self.ends(10, "replay --subject ../so/refuses.so ../found.trace",
                  ["^exception std::runtime_error in make while the subject was made$"], SUBJECT_IS="broken")

    def test_a_saved_trace_in_a_space_refused(self):
        self.write("picky/a.trace", cli.HEADER + "# of no subject\nspace 0..4\nbusy 2..3\nalloc a0 size=2 align=2\n")
        self.ok("check --subject ../so/refuses.so --cases 30 --ops 20 -o picky", None, ["granules are too small"],
                SUBJECT_IS="picky")


@cli.needs("cc")
class OfNoBuild(cli.Cli):
    def test_refused(self):
        for said, source in NONE_OF_THIS_BUILD:
            subprocess.run("cc -w -fPIC -shared -x c - -o other.so".split(), input=source.encode(), check=True)
            self.refuses(3, {"check --subject ./other.so": f"^vmapcheck: ./other.so: .*{said}"})
