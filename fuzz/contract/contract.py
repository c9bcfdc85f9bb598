#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""contract.py [--variant ENGINE-SANITIZER]... [--keep FOLDER] [--no-self-test]

Builds the fuzz targets as OSS-Fuzz and ClusterFuzzLite do, moves what came out, makes it read-only, and has check.py look
at it: libFuzzer with AddressSanitizer, UndefinedBehaviorSanitizer and source coverage, AFL++ with AddressSanitizer (there
also the op-level mutator, which services do not use). Then tests the test: breaks each property in a copy of a build that is right, and demands that check.py names it.

Their compiler is stood in for by clang 19 of Debian with libc++ (libc++-19-dev libc++abi-19-dev) and the flags of their
images; afl++ is Debian's. The seed archives of all builds must be the same bytes.

Exit status: 0 all is well, 10 not, 2 usage, 3 cannot be built here.
"""
import argparse
import contextlib
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile

sys.dont_write_bytecode = True  # the checkout stays as it is
import check  # noqa: E402

SOURCE = pathlib.Path(__file__).resolve().parents[2]
VARIANTS = ["libfuzzer-address", "libfuzzer-undefined", "libfuzzer-coverage", "afl-address"]

# As their images have them.
COMMON_FLAGS = "-O1 -fno-omit-frame-pointer -gline-tables-only -DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION"
UNDEFINED = ("array-bounds,bool,builtin,enum,function,integer-divide-by-zero,null,object-size,return,"
             "returns-nonnull-attribute,shift,signed-integer-overflow,unreachable,vla-bound,vptr")
SANITIZER_FLAGS = {
    "address": "-fsanitize=address -fsanitize-address-use-after-scope",
    "undefined": f"-fsanitize={UNDEFINED},unsigned-integer-overflow -fno-sanitize-recover={UNDEFINED}",
    "coverage": "",
}
COVERAGE_FLAGS = "-fprofile-instr-generate -fcoverage-mapping -pthread"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", action="append", choices=VARIANTS)
    parser.add_argument("--keep", help="keep what is built in this folder")
    parser.add_argument("--no-self-test", action="store_true")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        root = pathlib.Path(arguments.keep or stack.enter_context(tempfile.TemporaryDirectory(prefix="vmapcheck-contract-")))
        stack.callback(make_writable, root)
        root.mkdir(exist_ok=True)
        root.chmod(0o755)
        return run(root, arguments.variant or VARIANTS, not arguments.no_self_test)


def run(root, variants, self_test):
    faults = []
    services = [Service(root, variant) for variant in variants]
    for service in services:
        begun = time.monotonic()
        service.build()
        built = time.monotonic()
        found = flag_faults(service.compile_commands(), service.environment["CXXFLAGS"])
        found += check.check(service.out, service.engine, service.sanitizer, check.our_targets())
        if service.engine == "afl":
            found += mutator_faults(service)
        print(f"{service.variant}: built in {built - begun:.0f} s, checked in {time.monotonic() - built:.0f} s: "
              f"{'as the services want it' if not found else f'{len(found)} faults'}", flush=True)
        faults += [f"{service.variant}: {fault}" for fault in found]
    faults += archive_faults(services)
    if self_test and not faults:
        faults += [fault for service in services for fault in Breakage(service).faults()]
    for fault in faults:
        print(fault)
    return 10 if faults else 0


def archive_faults(services):
    faults = []
    for target in check.our_targets():
        archives = {service.variant: (service.out / f"{target}_seed_corpus.zip").read_bytes() for service in services}
        if len(set(archives.values())) > 1:
            faults.append(f"{target}_seed_corpus.zip: not the same bytes from each build: " + " ".join(archives))
    return faults


def make_writable(folder):
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)


# ---- a service that builds ------------------------------------------------------------------------------------------

class Service:
    """One build: $SRC with the checkout in it, $WORK, $OUT, the flags; and what is left of it for a runner."""

    def __init__(self, root, variant):
        self.variant = variant
        self.engine, self.sanitizer = variant.split("-")
        self.root = root / variant
        self.out = self.root / "moved"
        self.work = self.root / "work"

    def build(self):
        if self.root.exists():
            print(f"{self.root} is there already")
            sys.exit(2)
        for folder in ("src", "work", "out"):
            (self.root / folder).mkdir(parents=True)
        (self.root / "src/vmapcheck").symlink_to(SOURCE)
        shutil.copy(SOURCE / ".clusterfuzzlite/build.sh", self.root / "src/build.sh")
        self.environment = self.make_environment()
        with open(self.root / "log", "wb") as log:
            status = subprocess.run(["bash", "-eux", self.root / "src/build.sh"], cwd=self.root / "src/vmapcheck",
                                    env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                    check=False).returncode
        if status != 0:
            sys.stdout.write((self.root / "log").read_text(errors="replace")[-4000:])
            print(f"{self.variant}: build.sh fails (status {status})")
            sys.exit(3)
        (self.root / "out").rename(self.out)
        protect(self.out)

    def make_environment(self):
        flags = f"{COMMON_FLAGS} {SANITIZER_FLAGS[self.sanitizer]}"
        if self.sanitizer == "coverage":
            flags += f" {COVERAGE_FLAGS}"
        elif self.engine == "afl":
            flags += " -fsanitize-coverage=trace-pc-guard"
        else:
            flags += " -fsanitize=fuzzer-no-link"
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME") or name.startswith("CCACHE_")}
        return {**kept, "SRC": str(self.root / "src"), "WORK": str(self.work),
                "OUT": str(self.root / "out"), "CC": "clang-19", "CXX": "clang++-19", "CFLAGS": flags,
                "CXXFLAGS": f"{flags} -stdlib=libc++", "FUZZING_ENGINE": self.engine, "SANITIZER": self.sanitizer,
                "ARCHITECTURE": "x86_64", "FUZZING_LANGUAGE": "c++", "UBSAN_OPTIONS": "silence_unsigned_overflow=1",
                "LIB_FUZZING_ENGINE": str(self.make_engine())}

    def make_engine(self):
        archive = self.root / "libFuzzingEngine.a"
        if self.engine == "afl":
            driver = run_for(["ar", "p", "/usr/lib/afl/libAFLDriver.a", "aflpp_driver.o"])
            (self.root / "aflpp_driver.o").write_bytes(driver)
            run_for(["ar", "rcs", archive, self.root / "aflpp_driver.o", "/usr/lib/afl/afl-compiler-rt.o"])
        else:
            run_for(["ar", "rcs", archive, make_libfuzzer(self.root)])
        return archive

    def compile_commands(self):
        return [shlex.split(entry["command"])
                for entry in json.loads((self.build_folder() / "compile_commands.json").read_text())]

    def build_folder(self):
        return next(self.work.glob("vmapcheck-*"))


def flag_faults(commands, given):
    """What instruments, optimizes or picks a processor must be what we were given, and no more."""
    def chosen(words):
        return sorted(word for word in words if re.match(
            r"-f(no-)?sanitize|-fprofile|-fcoverage|-O|-g|-march|-mtune|-mcpu|-stdlib|-static", word))
    expected = chosen(given.split())
    return [f"flags: {command[-1]}: compiled with {' '.join(chosen(command))}, not {' '.join(expected)}"
            for command in commands if chosen(command) != expected]


def make_libfuzzer(folder):
    """libFuzzer for a program of libc++. Debian's needs libstdc++; that of the services has a C++ library inside."""
    runtime = pathlib.Path(run_for(["clang++-19", "-print-resource-dir"]).decode().strip()) / "lib/linux"
    standard_library = run_for(["g++", "-print-file-name=libstdc++.a"]).decode().strip()
    whole, engine, exported = folder / "whole.o", folder / "libFuzzer.o", folder / "exported"
    # What it shares with a program by name must not be kept in place of the program's: hence no groups.
    run_for(["ld", "-r", "--force-group-allocation", "-o", whole, "--whole-archive",
             runtime / "libclang_rt.fuzzer-x86_64.a", "--no-whole-archive", standard_library])
    symbols = run_for(["nm", "-g", "--defined-only", whole]).decode().split()
    exported.write_text("\n".join(name for name in symbols if re.match(r"main$|LLVMFuzzer|__sanitizer_|__sancov", name)))
    run_for(["objcopy", f"--keep-global-symbols={exported}", whole, engine])
    return engine


def run_for(command):
    """Its output; without it there is nothing to do here."""
    try:
        return subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"cannot build here: {error}")
        sys.exit(3)


def protect(folder):
    """Read-only for all, and open to the user that targets run as."""
    for path in folder.iterdir():
        path.chmod(path.stat().st_mode & ~0o222 | 0o444)
    folder.chmod(0o555)


# ---- the op-level mutator under AFL++, which no service has but everybody who runs afl-fuzz by hand -----------------------

def mutator_faults(service):
    """Built as docs/beyond-one-machine.md says, it alone must lead afl-fuzz from nothing to the fault of 2019."""
    folder = service.root / "mutator"
    run_for(["cmake", "-S", SOURCE, "-B", folder, "-DVMAPCHECK_ONLY_FUZZ=ON", "-DVMAPCHECK_FUZZ=OFF",
             "-DVMAPCHECK_AFL_MUTATOR=ON", "-DVMAPCHECK_FAULTY_SUBJECTS=OFF", "-DCMAKE_BUILD_TYPE=AsGiven",
             "-DCMAKE_CXX_COMPILER=clang++-19", "-DCMAKE_CXX_FLAGS=-O1"])
    run_for(["cmake", "--build", folder, "--parallel", str(os.cpu_count() or 1), "--target", "allocator_afl_mutator"])
    with check.elsewhere() as place:
        (place.folder("in") / "nothing").write_bytes(bytes(40))
        status, said = place.run(
            ["afl-fuzz", "-V", "60", "-m", "none", "-t", "5000+", "-i", place.scratch / "in", "-o", place.folder("found"),
             "--", service.out / "allocator_fuzz"],
            AFL_CUSTOM_MUTATOR_LIBRARY=str(folder / "fuzz/allocator_afl_mutator.so"), AFL_CUSTOM_MUTATOR_ONLY="1",
            AFL_DISABLE_TRIM="1", AFL_BENCH_UNTIL_CRASH="1", VMAPCHECK_SUBJECT="seed_2019", **check.AFL_ENVIRONMENT)
        crashes = list((place.scratch / "found").glob("default/crashes/id:*"))
        if not crashes:
            return [f"mutator: afl-fuzz finds nothing with it (status {status}): {check.tail(said)}"]
        if "op:allocator_afl_mutator" not in crashes[0].name:
            return [f"mutator: {crashes[0].name} was not found by it"]
        _, said = place.run([service.out / "allocator_fuzz", crashes[0]], VMAPCHECK_SUBJECT="seed_2019")
        # Mostly a wrong answer; where a length wraps, an endless search.
        if check.bucket(said) not in ("answer seed_2019", "cost seed_2019"):
            return [f"mutator: what it found is no fault of seed_2019, but {check.bucket(said)}: {check.tail(said)}"]
    return []


# ---- the test of the test -------------------------------------------------------------------------------------------

class Breakage:
    """Ways to break a build. Each is done to a copy, and must be named by its property and by no other."""

    def __init__(self, service):
        self.service = service

    def faults(self):
        missed = []
        for flag in ("-march=native", "-fsanitize=leak", "-O3"):
            if not flag_faults([[*self.service.compile_commands()[0], flag]], self.service.environment["CXXFLAGS"]):
                missed.append(f"{self.service.variant}: self-test: {flag} is not named")
        broken = [(prop, how) for prop, how, variants in BREAKAGES if self.service.variant in variants]
        for prop, how in broken:
            copy = self.service.root / "broken"
            shutil.copytree(self.service.out, copy)
            copy.chmod(0o755)
            for path in copy.iterdir():
                path.chmod(path.stat().st_mode | 0o200)
            how(copy, self.service)
            protect(copy)
            found = check.check(copy, self.service.engine, self.service.sanitizer, check.our_targets())
            properties = {fault.split(":")[0] for fault in found}
            if properties != {prop}:
                missed.append(f"{self.service.variant}: self-test: {how.__name__}: named {sorted(properties)}, not {prop}")
                missed += [f"    {fault}" for fault in found]
            else:
                print(f"{self.service.variant}: {how.__name__}: {found[0]}", flush=True)
            make_writable(copy)
            shutil.rmtree(copy)
        return missed


def dot_in_the_name(out, _service):
    shutil.copy(out / "trace_fuzz", out / "trace.fuzz")


def missing_target(out, _service):
    (out / "trace_fuzz").unlink()


def target_not_executable(out, _service):
    (out / "trace_fuzz").chmod(0o644)


def stray_executable(out, _service):
    (out / "run").write_text("#!/bin/sh\n# runs what has LLVMFuzzerTestOneInput\n")
    (out / "run").chmod(0o755)


def not_instrumented(out, service):
    link(service, out / "trace_fuzz", """
        #include <cstddef>
        #include <cstdint>
        extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
          return size > 3 && bytes[0] == 1 ? bytes[1] - bytes[1] : 0;
        }""", objects=False)


def sanitizer_of_another_build(out, service):
    other = service.root.parent / "libfuzzer-address/moved/trace_fuzz"
    shutil.copy(other, out / "trace_fuzz")


def missing_library(out, _service):
    replace(out / "trace_fuzz", b"\0libm.so.6\0", b"\0libq.so.6\0")


def no_seeds(out, _service):
    (out / "trace_fuzz_seed_corpus.zip").unlink()


def seeds_that_are_no_archive(out, _service):
    (out / "trace_fuzz_seed_corpus.zip").write_bytes(b"vmapcheck-trace 1\n")


def seed_with_a_path(out, _service):
    add_seed(out, "../outside", b"vmapcheck-trace 1\n")


def seed_too_long(out, _service):
    add_seed(out, "long", b"#" * 20000)


def seed_damaged(out, _service):
    replace(out / "trace_fuzz_seed_corpus.zip", b"vmapcheck-trace 1\n", b"vmapcheck-trace 2\n", once=True)


def seed_that_crashes(out, service):
    """The subject of 2019 in place of ours: then faults-not-lowest convicts it."""
    link(service, out / "allocator_fuzz", """
        #include <cstdlib>
        __attribute__((constructor)) static void choose() { setenv("VMAPCHECK_SUBJECT", "seed_2019", 1); }""")


def no_dictionary(out, _service):
    (out / "trace_fuzz.dict").unlink()


def malformed_dictionary(out, _service):
    with open(out / "trace_fuzz.dict", "a", encoding="ascii") as text:
        text.write('"an entry without an end\n')


def option_that_nobody_knows(out, _service):
    replace(out / "trace_fuzz.options", b"timeout =", b"time_out=")


def option_with_a_relative_path(out, _service):
    with open(out / "trace_fuzz.options", "a", encoding="ascii") as text:
        text.write("dict = trace_fuzz.dict\n")


def options_without_a_section(out, _service):
    replace(out / "trace_fuzz.options", b"[libfuzzer]\n", b"")


def writes_a_relative_path(out, service):
    """Into a directory that is read-only: it dies of it."""
    link(service, out / "trace_fuzz", """
        #include <cstdio>
        #include <cstdlib>
        __attribute__((constructor)) static void log() {
          if (std::FILE* file = std::fopen("log", "w")) std::fclose(file); else std::abort();
        }""")


def needs_the_place_where_it_was_built(out, service):
    link(service, out / "trace_fuzz", f"""
        #include <cstdlib>
        #include <unistd.h>
        __attribute__((constructor)) static void look() {{
          if (access("{service.root}/out/trace_fuzz.dict", R_OK) != 0) std::exit(1);
        }}""")


def assertion_line_missing(out, _service):
    replace(out / "allocator_fuzz", b"ASSERTION FAILED: %s %s\n", b"assertion   broken %s %s")


def assertion_line_behind_other_text(out, _service):
    replace(out / "allocator_fuzz", b"\nASSERTION FAILED: ", b" ASSERTION FAILED: ")


def assertion_line_with_an_address(out, _service):
    replace(out / "allocator_fuzz", b"ASSERTION FAILED: %s %s\n", b"ASSERTION FAILED: %s %p\n")


LIBFUZZER = {"libfuzzer-address"}
AFL = {"afl-address"}
BREAKAGES = [
    ("names", dot_in_the_name, LIBFUZZER),
    ("names", missing_target, LIBFUZZER),
    ("names", target_not_executable, LIBFUZZER),
    ("names", stray_executable, LIBFUZZER),
    ("instrumentation", not_instrumented, {*VARIANTS}),
    ("instrumentation", sanitizer_of_another_build, {"libfuzzer-undefined", "libfuzzer-coverage"}),
    ("libraries", missing_library, LIBFUZZER | AFL),
    ("seeds", no_seeds, LIBFUZZER),
    ("seeds", seeds_that_are_no_archive, LIBFUZZER),
    ("seeds", seed_with_a_path, LIBFUZZER),
    ("seeds", seed_too_long, LIBFUZZER),
    ("seeds", seed_damaged, LIBFUZZER),
    ("seeds", seed_that_crashes, LIBFUZZER | AFL),
    ("dictionaries", no_dictionary, LIBFUZZER),
    ("dictionaries", malformed_dictionary, LIBFUZZER | AFL),
    ("options", option_that_nobody_knows, LIBFUZZER),
    ("options", option_with_a_relative_path, LIBFUZZER),
    ("options", options_without_a_section, LIBFUZZER | AFL),
    ("elsewhere", writes_a_relative_path, LIBFUZZER | AFL),
    ("elsewhere", needs_the_place_where_it_was_built, LIBFUZZER),
    ("bucketing", assertion_line_missing, LIBFUZZER | AFL),
    ("bucketing", assertion_line_behind_other_text, LIBFUZZER),
    ("bucketing", assertion_line_with_an_address, LIBFUZZER),
]


def replace(file, old, new, once=False):
    content = file.read_bytes()
    assert old in content, f"{file.name} has no {old} to replace: the self-test is out of date"
    file.write_bytes(content.replace(old, new, 1 if once else -1))


def add_seed(out, name, content):
    with zipfile.ZipFile(out / "trace_fuzz_seed_corpus.zip", "a") as archive:
        archive.writestr(name, content)


def link(service, target, code, objects=True):
    """Links `target` anew with `code` in it; without `objects` of `code` alone, compiled without instrumentation."""
    source = service.root / "broken.cpp"
    source.write_text(code)
    environment = service.environment
    if objects:
        folder = service.build_folder()
        command = run_for(["ninja", "-C", folder, "-t", "commands", target.name]).decode().splitlines()[-1]
        command = command.replace(f"-o fuzz/{target.name}", f"-o {target} {source}")
    else:
        folder = service.root
        flags = " ".join(flag for flag in environment["CXXFLAGS"].split()
                         if not flag.startswith(("-fsanitize=fuzzer", "-fsanitize-coverage", "-fprofile", "-fcoverage")))
        command = (f"clang++-19 -stdlib=libc++ -c {source} -o broken.o && "
                   f"clang++-19 {flags} -static-libstdc++ broken.o {environment['LIB_FUZZING_ENGINE']} -o {target}")
    target.unlink()
    subprocess.run(command, shell=True, cwd=folder, env=environment, check=True)


if __name__ == "__main__":
    sys.exit(main())
