#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""contract.py [--variant ENGINE-SANITIZER]... [--keep FOLDER] [--no-self-test]

Builds the fuzz targets as OSS-Fuzz and ClusterFuzzLite do and has check.py look at what came out. Then tests the test:
breaks each property in a copy of a build that is right, and demands that check.py names it. What is looked at, and what
stands in for the services' compiler, is said in docs/beyond-one-machine.md (Debian: libc++-19-dev libc++abi-19-dev afl++).

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
    "coverage": "-fprofile-instr-generate -fcoverage-mapping -pthread",
}
ENGINE_FLAGS = {"afl": "-fsanitize-coverage=trace-pc-guard", "libfuzzer": "-fsanitize=fuzzer-no-link"}


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
        faults += [fault for service in services for fault in self_test_faults(service)]
    for fault in faults:
        print(fault)
    return 10 if faults else 0


def archive_faults(services):
    archives = [f"{target}_seed_corpus.zip" for target in check.our_targets()]
    return [f"{archive}: not the same bytes from each build" for archive in archives
            if len({(service.out / archive).read_bytes() for service in services}) > 1]


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
        if self.sanitizer != "coverage":
            flags += f" {ENGINE_FLAGS[self.engine]}"
        kept = {name: value for name, value in os.environ.items() if re.match("PATH$|HOME$|CCACHE_", name)}
        return {**kept, "SRC": str(self.root / "src"), "WORK": str(self.work),
                "OUT": str(self.root / "out"), "CC": "clang-19", "CXX": "clang++-19", "CFLAGS": flags,
                "CXXFLAGS": f"{flags} -stdlib=libc++", "FUZZING_ENGINE": self.engine, "SANITIZER": self.sanitizer,
                "ARCHITECTURE": "x86_64", "FUZZING_LANGUAGE": "c++", "UBSAN_OPTIONS": "silence_unsigned_overflow=1",
                "LIB_FUZZING_ENGINE": str(self.make_engine())}

    def make_engine(self):
        archive = self.root / "libFuzzingEngine.a"
        if self.engine == "afl":
            driver = self.root / "aflpp_driver.o"
            driver.write_bytes(run_for(["ar", "p", "/usr/lib/afl/libAFLDriver.a", driver.name]))
            objects = [driver, "/usr/lib/afl/afl-compiler-rt.o"]
        else:
            objects = [make_libfuzzer(self.root)]
        run_for(["ar", "rcs", archive, *objects])
        return archive

    def compile_commands(self):
        entries = json.loads((self.build_folder() / "compile_commands.json").read_text())
        return [shlex.split(entry["command"]) for entry in entries]

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

def self_test_faults(service):
    """Breaks a copy of the build in each way: it must be named by its property and by no other."""
    missed = [f"{service.variant}: self-test: {flag} is not named" for flag in ("-march=native", "-fsanitize=leak", "-O3")
              if not flag_faults([[*service.compile_commands()[0], flag]], service.environment["CXXFLAGS"])]
    copy = service.root / "broken"
    for prop, name, variants, file, how in BREAKAGES:
        if service.variant not in variants:
            continue
        shutil.copytree(service.out, copy)
        copy.chmod(0o755)
        for path in copy.iterdir():
            path.chmod(path.stat().st_mode | 0o200)
        how(copy / file, service)
        protect(copy)
        found = check.check(copy, service.engine, service.sanitizer, check.our_targets())
        properties = {fault.split(":")[0] for fault in found}
        if properties != {prop}:
            missed.append(f"{service.variant}: self-test: {name}: named {sorted(properties)}, not {prop}")
            missed += [f"    {fault}" for fault in found]
        else:
            print(f"{service.variant}: {name}: {found[0]}", flush=True)
        make_writable(copy)
        shutil.rmtree(copy)
    return missed


# What is done to a file of the copy, which is there already or not.

def remove(file, _service):
    file.unlink()


def content(made, mode=None):
    """What `made` makes of its bytes, or these bytes."""
    def how(file, _service):
        file.write_bytes(made(file.read_bytes()) if callable(made) else made)
        if mode:
            file.chmod(mode)
    return how


def appended(more):
    return content(lambda old: old + more)


def replaced(old, new, count=-1):
    def made(text):
        assert old in text, f"there is no {old} to replace: the self-test is out of date"
        return text.replace(old, new, count)
    return content(made)


def with_seed(name, text):
    def how(file, _service):
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr(name, text)
    return how


def with_code(code):
    """Links the target anew with this in it, which runs before main. @ROOT@ is the folder that it was built in."""
    def how(target, service):
        source = service.root / "broken.cpp"
        body = code.replace("@ROOT@", str(service.root))
        source.write_text(f"""#include <cstdio>
            #include <cstdlib>
            #include <unistd.h>
            __attribute__((constructor)) static void broken() {{ {body} }}""")
        command = run_for(["ninja", "-C", service.build_folder(), "-t", "commands", target.name]).decode().splitlines()[-1]
        target.unlink()
        subprocess.run(command.replace(f"-o fuzz/{target.name}", f"-o {target} {source}"), shell=True,
                       cwd=service.build_folder(), env=service.environment, check=True)
    return how


def without_instrumentation(target, service):
    (service.root / "broken.cpp").write_text("""#include <cstddef>
        #include <cstdint>
        extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
          return size > 3 && bytes[0] == 1 ? bytes[1] - bytes[1] : 0;
        }""")
    flags = re.sub(r"-f(sanitize=fuzzer|sanitize-coverage|profile|coverage)\S*", "", service.environment["CXXFLAGS"])
    target.unlink()
    subprocess.run("clang++-19 -stdlib=libc++ -c broken.cpp -o broken.o && clang++-19 "
                   f"{flags} -static-libstdc++ broken.o {service.environment['LIB_FUZZING_ENGINE']} -o {target}",
                   shell=True, cwd=service.root, env=service.environment, check=True)


LIBFUZZER = {"libfuzzer-address"}
WITH_AFL = {"libfuzzer-address", "afl-address"}
TARGET, SUBJECTS = "trace_fuzz", "allocator_fuzz"  # the latter takes VMAPCHECK_SUBJECT
SEEDS, DICTIONARY, OPTIONS = f"{TARGET}_seed_corpus.zip", f"{TARGET}.dict", f"{TARGET}.options"
ASSERTION = b"ASSERTION FAILED: "
BREAKAGES = [  # the property, what is wrong, in which builds, in which file, how
    ("names", "dot in the name", LIBFUZZER, TARGET, lambda file, _: shutil.copy(file, file.with_name("trace.fuzz"))),
    ("names", "missing target", LIBFUZZER, TARGET, remove),
    ("names", "target not executable", LIBFUZZER, TARGET, lambda file, _: file.chmod(0o644)),
    ("names", "stray executable", LIBFUZZER, "run", content(b"#!/bin/sh\n# runs what has LLVMFuzzerTestOneInput\n", 0o755)),
    ("instrumentation", "not instrumented", {*VARIANTS}, TARGET, without_instrumentation),
    ("instrumentation", "sanitizer of another build", {"libfuzzer-undefined", "libfuzzer-coverage"}, TARGET,
     lambda file, service: shutil.copy(service.root.parent / "libfuzzer-address/moved" / TARGET, file)),
    ("libraries", "missing library", WITH_AFL, TARGET, replaced(b"\0libm.so.6\0", b"\0libq.so.6\0")),
    ("seeds", "no seeds", LIBFUZZER, SEEDS, remove),
    ("seeds", "seeds that are no archive", LIBFUZZER, SEEDS, content(b"vmapcheck-trace 1\n")),
    ("seeds", "seed with a path", LIBFUZZER, SEEDS, with_seed("../outside", b"vmapcheck-trace 1\n")),
    ("seeds", "seed too long", LIBFUZZER, SEEDS, with_seed("long", b"#" * 20000)),
    ("seeds", "seed damaged", LIBFUZZER, SEEDS, replaced(b"vmapcheck-trace 1\n", b"vmapcheck-trace 2\n", 1)),
    # The subject of 2019 in place of ours: then faults-not-lowest convicts it.
    ("seeds", "seed that crashes", WITH_AFL, SUBJECTS, with_code('setenv("VMAPCHECK_SUBJECT", "seed_2019", 1);')),
    ("dictionaries", "no dictionary", LIBFUZZER, DICTIONARY, remove),
    ("dictionaries", "malformed dictionary", WITH_AFL, DICTIONARY, appended(b'"an entry without an end\n')),
    ("options", "option that nobody knows", LIBFUZZER, OPTIONS, replaced(b"timeout =", b"time_out=")),
    ("options", "option with a relative path", LIBFUZZER, OPTIONS, appended(b"dict = trace_fuzz.dict\n")),
    ("options", "options without a section", WITH_AFL, OPTIONS, replaced(b"[libfuzzer]\n", b"")),
    ("elsewhere", "dies if it cannot write a relative path", WITH_AFL, TARGET,
     with_code('if (std::FILE* file = std::fopen("log", "w")) std::fclose(file); else std::abort();')),
    ("elsewhere", "needs the place where it was built", LIBFUZZER, TARGET,
     with_code('if (access("@ROOT@/out/trace_fuzz.dict", R_OK) != 0) std::exit(1);')),
    ("bucketing", "no assertion line", WITH_AFL, SUBJECTS, replaced(ASSERTION, b"assertion   broken")),
    ("bucketing", "assertion line behind other text", LIBFUZZER, SUBJECTS, replaced(b"\n" + ASSERTION, b" " + ASSERTION)),
    ("bucketing", "assertion line with an address", LIBFUZZER, SUBJECTS,
     replaced(ASSERTION + b"%s %s\n", ASSERTION + b"%s %p\n")),
]


if __name__ == "__main__":
    sys.exit(main())
