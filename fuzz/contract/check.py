#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check.py OUT --engine libfuzzer|afl --sanitizer address|undefined|coverage

Would the services that fuzz elsewhere (OSS-Fuzz, ClusterFuzzLite) find, run and understand what a build left in OUT? They
drop without a word what they cannot use; this says what, one line for each fault, "<property>: <file>: <what is wrong>".
docs/beyond-one-machine.md lists the properties.

Exit status: 0 nothing is wrong, 10 something is, 2 usage, 3 a tool is missing.
"""
import argparse
import configparser
import contextlib
import functools
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile

# What the services count as coverage too small, and calls of a sanitizer too few or too many.
EDGES_MIN = 100
SANITIZER_CALLS = {  # the least with it, the most without
    "address": ("AddressSanitizer", 1000, 0),
    "undefined": ("UndefinedBehaviorSanitizer", 168, 200),
}
AFL_MAP_WITHOUT_EDGES = 65536  # what a target says whose edges are not counted

LIBRARIES = {"libc.so.6", "libm.so.6", "libgcc_s.so.1", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libresolv.so.2",
             "ld-linux-x86-64.so.2"}

# How a target is made to break an invariant: the subject of 2019 and seeds that convict it.
FAILING = {"allocator_fuzz": ({"VMAPCHECK_SUBJECT": "seed_2019"}, ["faults-not-lowest", "faults-false-no-space"])}

# The environment of a runner.
SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": "allocator_may_return_null=1:detect_leaks=0:detect_odr_violation=0:detect_stack_use_after_return=1:"
                    "handle_abort=1:handle_segv=1:handle_sigill=1:print_scariness=1:quarantine_size_mb=10:"
                    "strict_memcmp=1:symbolize=0:use_sigaltstack=1:dedup_token_length=3",
    "UBSAN_OPTIONS": "print_stacktrace=1:print_summary=1:silence_unsigned_overflow=1:symbolize=0:dedup_token_length=3",
}
AFL_ENVIRONMENT = {
    "AFL_NO_UI": "1", "AFL_SKIP_CPUFREQ": "1", "AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES": "1", "AFL_NO_AFFINITY": "1",
    "AFL_FAST_CAL": "1", "AFL_FORKSRV_INIT_TMOUT": "30000",
    "ASAN_OPTIONS": SANITIZER_OPTIONS["ASAN_OPTIONS"] + ":abort_on_error=1",
}
LIBFUZZER_ARGUMENTS = ["-rss_limit_mb=2560", "-timeout=25"]
PLAIN_NAME = r"[A-Za-z0-9_-]+"


class Out:
    """What a build left, as a runner sees it."""

    def __init__(self, folder, engine, sanitizer, targets):
        self.folder, self.engine, self.sanitizer = pathlib.Path(folder).resolve(), engine, sanitizer
        self.expected = targets
        self.found = [path for path in sorted(self.folder.iterdir()) if is_target(path)]
        self.faults = []

    def fault(self, prop, file, what):
        self.faults.append(f"{prop}: {file}: {what}")


def check(folder, engine, sanitizer, targets):
    """The faults, as lines."""
    out = Out(folder, engine, sanitizer, targets)
    check_names(out)
    for target in out.found:
        if target.name in targets and check_libraries(out, target) and check_start(out, target):
            check_instrumentation(out, target)
            max_len = check_options(out, target)
            check_dictionary(out, target)
            check_seeds(out, target, max_len)
            check_bucketing(out, target)
    return out.faults


def output(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode(errors="replace")


# ---- names ----------------------------------------------------------------------------------------------------------

def is_target(path):
    """As the services decide it: from its mode and its bytes, not from its name."""
    if path.name == "llvm-symbolizer" or path.name.startswith(("afl-", "jazzer_")) or not path.is_file():
        return False
    return path.stat().st_mode & 0o111 != 0 and b"LLVMFuzzerTestOneInput" in path.read_bytes()


def check_names(out):
    for path in out.found:
        if not re.fullmatch(PLAIN_NAME, path.name):
            out.fault("names", path.name, "is taken for a target, but with such a name it never runs")
        elif path.name not in out.expected:
            out.fault("names", path.name, "is taken for a target, but is none of ours")
    for name in out.expected:
        if name not in [path.name for path in out.found]:
            out.fault("names", name, "is no executable that contains LLVMFuzzerTestOneInput: it is not found")


# ---- running --------------------------------------------------------------------------------------------------------

class Place:
    """A working directory that cannot be written to, and a scratch folder that can, both for another user."""

    def __init__(self, scratch):
        self.scratch = pathlib.Path(scratch)
        self.scratch.chmod(0o777)
        self.here = self.scratch / "here"
        self.here.mkdir()
        self.here.chmod(0o555)

    def run(self, command, seconds=120, **environment):
        env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "TMPDIR": str(self.scratch),
               "LLVM_PROFILE_FILE": str(self.scratch / "%m.profraw"), **SANITIZER_OPTIONS, **environment}
        done = subprocess.run([*as_nobody(), *map(str, command)], cwd=self.here, env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds, check=False)
        return done.returncode, done.stdout.decode(errors="replace")

    def folder(self, name):
        path = self.scratch / name
        path.mkdir()
        path.chmod(0o777)
        return path


@contextlib.contextmanager
def elsewhere():
    with tempfile.TemporaryDirectory(prefix="vmapcheck-elsewhere-") as scratch:
        yield Place(scratch)


@functools.cache
def as_nobody():
    """Root may write where nobody may: a command in front that gives that up, if we are root."""
    if os.geteuid() != 0:
        return []
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"]
    with contextlib.suppress(OSError):
        if subprocess.run([*command, "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return command
    print("note: cannot run as nobody here: that targets write nothing is looked for, but not enforced", file=sys.stderr)
    return []


def check_start(out, target):
    """Four runs with nothing, as the services try a new build."""
    with elsewhere() as place:
        before = listing(out.folder)
        if out.engine == "libfuzzer":
            status, said = place.run([target, *LIBFUZZER_ARGUMENTS, "-seed=1337", "-runs=4"])
            started = status == 0 and "Done 4 runs" in said
        else:
            empty = place.scratch / "empty"
            empty.write_bytes(b"")
            status, said = place.run([target, empty])
            started = status == 0
        if not started:
            out.fault("elsewhere", target.name, f"does not start from another directory (status {status}): {tail(said)}")
        written = sorted(listing(out.folder) - before) + sorted(os.listdir(place.here))
        if written:
            out.fault("elsewhere", target.name, "writes into the working directory: " + " ".join(written))
        return started


def listing(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def tail(text):
    lines = [line for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-3:])[-400:] or "it says nothing"


# ---- instrumentation ------------------------------------------------------------------------------------------------

def check_instrumentation(out, target):
    calls = sanitizer_calls(str(target), hashlib.sha256(target.read_bytes()).digest())
    wrong = []
    for sanitizer, (name, at_least, at_most_elsewhere) in SANITIZER_CALLS.items():
        if out.sanitizer == sanitizer and calls[sanitizer] < at_least:
            wrong.append(f"{calls[sanitizer]} calls of {name}: fewer than {at_least}")
        if out.sanitizer != sanitizer and calls[sanitizer] > at_most_elsewhere:
            wrong.append(f"{calls[sanitizer]} calls of {name} in a build without it")
    for what in wrong + coverage_faults(out, target):
        out.fault("instrumentation", target.name, what)


@functools.lru_cache(maxsize=64)
def sanitizer_calls(path, _digest):
    """Counts call instructions by what is called."""
    code = output("objdump", "-d", "--no-show-raw-insn", path)
    return {sanitizer: len(re.findall(rf"\tcall\s+[0-9a-f]+ <{prefix}", code))
            for sanitizer, prefix in (("address", "__asan"), ("undefined", "__ubsan"))}


def coverage_faults(out, target):
    with elsewhere() as place:
        if out.engine == "afl":
            return afl_faults(out, target, place)
        if out.sanitizer == "coverage":
            place.run([target, "-runs=4"])
            written = any(path.stat().st_size > 0 for path in place.scratch.glob("*.profraw"))
            if written and "__llvm_covmap" in output("readelf", "-SW", target):
                return []
            return ["no source coverage: it writes no profile, or has no map of its regions"]
        _, said = place.run([target, "-seed=1337", "-runs=4"])
        counters = re.search(r"INFO: Loaded \d+ modules?\s+\((\d+) inline 8-bit counters\)", said)
        edges = int(counters[1]) if counters else 0
        return [] if edges >= EDGES_MIN else [f"{edges} counters for libFuzzer: fewer than {EDGES_MIN}"]


def afl_faults(out, target, place):
    """Its edges, and whether afl-fuzz takes it, in the environment in which the services start that."""
    _, said = place.run([target], AFL_DUMP_MAP_SIZE="1")
    edges = int(said.strip()) if said.strip().isdigit() else 0
    if edges < EDGES_MIN or edges == AFL_MAP_WITHOUT_EDGES:
        return [f"it has no edges for AFL++, or too few: a map of {edges}"]
    (place.folder("afl-in") / "input").write_bytes(b"input\n")
    _, said = place.run(
        ["afl-fuzz", "-V", "1", "-m", "none", "-t", "5000+", "-i", place.scratch / "afl-in",
         "-o", place.folder("afl-out"), "--", target],
        **AFL_ENVIRONMENT)
    return [] if "All set and ready to roll" in said else [f"afl-fuzz does not take it: {tail(said)}"]


# ---- libraries ------------------------------------------------------------------------------------------------------

def check_libraries(out, target):
    """False if some are missing."""
    dynamic = output("readelf", "-dW", target)
    missing = set(re.findall(r"\(NEEDED\)\s+Shared library: \[(.*?)\]", dynamic)) - LIBRARIES
    for name in sorted(missing):
        out.fault("libraries", target.name, f"needs {name}, which a runner does not have")
    for path in re.findall(r"\((?:RPATH|RUNPATH)\).*\[(.*?)\]", dynamic):
        out.fault("libraries", target.name, f"looks for libraries in {path}")
    return not missing


# ---- options --------------------------------------------------------------------------------------------------------

def check_options(out, target):
    """The max_len that they set, or 0."""
    file = out.folder / f"{target.name}.options"
    fault = functools.partial(out.fault, "options", file.name)
    parser = configparser.ConfigParser()
    try:
        parser.read_string(file.read_text(encoding="utf-8"))
    except (OSError, configparser.Error, UnicodeDecodeError) as error:
        fault("cannot be read: " + " ".join(str(error).split()))
        return 0
    for section in {*parser.sections()} - {"libfuzzer", "asan", "ubsan"}:
        fault(f"nobody reads the section {section}")
    if "libfuzzer" not in parser:
        fault("there is no section libfuzzer")
        return 0
    options = parser["libfuzzer"]
    known = set(options)
    if out.engine == "libfuzzer":
        with elsewhere() as place:
            known = set(re.findall(r"^ ([a-z_0-9]+)\s+\S+\s", place.run([target, "-help=1"])[1], re.MULTILINE))
    for key, value in options.items():
        if key not in known:
            fault(f"libFuzzer knows no option {key}")
        elif not re.fullmatch(r"-?[0-9]+", value):
            fault(f"{key} = {value} is no number: a path would be relative to an unknown directory")
    if "max_len" not in options:
        fault("max_len is missing")
    max_len = options.get("max_len", "")
    return int(max_len) if max_len.isdecimal() else 0


# ---- dictionaries ---------------------------------------------------------------------------------------------------

def check_dictionary(out, target):
    file = out.folder / f"{target.name}.dict"
    fault = functools.partial(out.fault, "dictionaries", file.name)
    if not file.is_file():
        fault("is missing")
        return
    entries = 0
    for number, line in enumerate(file.read_bytes().split(b"\n"), 1):
        line = line.strip()
        if not line or line.startswith(b"#"):
            continue
        entry = re.fullmatch(rb'[A-Za-z0-9_@]*(?:\s*=\s*)?"((?:[^"\\\x00-\x1f\x7f-\xff]|\\["\\]|\\x[0-9a-fA-F]{2})+)"', line)
        if not entry:
            fault(f"line {number} is no entry: {line.decode(errors='replace')}")
        elif len(re.sub(rb"\\x..|\\.", b".", entry[1])) > 64:
            fault(f"line {number} is longer than 64 bytes, which libFuzzer refuses")
        entries += 1
    if out.engine == "libfuzzer":  # and what the engine itself says
        with elsewhere() as place:
            _, said = place.run([target, f"-dict={file}", "-runs=0"])
            if f"Dictionary: {entries} entries" not in said:
                fault(f"libFuzzer does not read its {entries} entries: {tail(said)}")


# ---- seeds ----------------------------------------------------------------------------------------------------------

def check_seeds(out, target, max_len):
    """Each seed is run: the services do not, and a seed that fails ends every session at its start."""
    file = seeds_of(out, target)
    fault = functools.partial(out.fault, "seeds", file.name)
    try:
        archive = zipfile.ZipFile(file)
    except (OSError, zipfile.BadZipFile) as error:
        fault(f"cannot be read: {error}")
        return
    with archive, elsewhere() as place:
        if broken := archive.testzip():
            fault(f"{broken} is damaged")
            return
        folder = place.folder("seeds")
        for entry in archive.infolist():
            if not re.fullmatch(PLAIN_NAME, entry.filename):
                fault(f"{entry.filename} is no plain name")
                continue
            if not 0 < entry.file_size <= (max_len or 1 << 20):
                fault(f"{entry.filename} has {entry.file_size} bytes, and max_len is {max_len}")
            (folder / entry.filename).write_bytes(archive.read(entry))
        files = sorted(folder.iterdir())
        if not files:
            fault("has no seeds")
            return
        status, said = run_on(out, target, place, files)
        begun = re.findall(r"^(?:Running: |Reading \d+ bytes from )(\S+)$", said, re.MULTILINE)
        if status != 0:
            which = pathlib.Path(begun[-1]).name if begun else "one of its seeds"
            fault(f"{which} fails (status {status}): {tail(said)}")
        elif len(begun) != len(files):
            fault(f"{len(begun)} of {len(files)} seeds were run: {tail(said)}")


def seeds_of(out, target):
    return out.folder / f"{target.name}_seed_corpus.zip"


def run_on(out, target, place, files, **environment):
    arguments = ["-timeout=25", f"-artifact_prefix={place.scratch}/"] if out.engine == "libfuzzer" else []
    return place.run([target, *arguments, *files], seconds=300, **environment)


# ---- bucketing ------------------------------------------------------------------------------------------------------

def check_bucketing(out, target):
    environment, seeds = FAILING.get(target.name, ({}, []))
    lines = set()
    for seed in seeds:
        fault = functools.partial(out.fault, "bucketing", target.name)
        with elsewhere() as place:
            try:
                with zipfile.ZipFile(seeds_of(out, target)) as archive:
                    file = archive.extract(seed, place.scratch)
            except (OSError, KeyError, zipfile.BadZipFile):
                return  # said of the seeds
            status, said = run_on(out, target, place, [file], **environment)
            line = bucket(said)
            if status == 0:
                fault(f"{seed} breaks no invariant of {environment}")
            elif line is None:
                fault(f"{seed}: no line ASSERTION FAILED: <what> <subject> by itself")
            elif not re.fullmatch(r"[a-z_]+ [a-z][a-z0-9_]*", line):
                fault(f"{seed}: '{line}' has more in it than <what> <subject>")
            else:
                lines.add(line)
    if len(lines) > 1:
        out.fault("bucketing", target.name, "one fault, several buckets: " + ", ".join(sorted(lines)))


def bucket(said):
    """What crashes are told apart by: the services take the first line of this form."""
    found = re.search(r"^ASSERTION FAILED: (.*)$", said, re.MULTILINE)
    return found[1] if found else None


# ---- the command ----------------------------------------------------------------------------------------------------

def our_targets():
    return sorted(path.stem for path in pathlib.Path(__file__).resolve().parents[1].glob("*_fuzz.cpp"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--engine", choices=["libfuzzer", "afl"], required=True)
    parser.add_argument("--sanitizer", choices=["address", "undefined", "coverage"], required=True)
    arguments = parser.parse_args()
    tools = ["objdump", "readelf"] + (["afl-fuzz"] if arguments.engine == "afl" else [])
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        print(f"not found: {' '.join(missing)} (Debian: binutils afl++)")
        return 3
    if not pathlib.Path(arguments.out).is_dir():
        parser.error(f"{arguments.out} is no directory")
    faults = check(arguments.out, arguments.engine, arguments.sanitizer, our_targets())
    print("\n".join(faults) or f"{arguments.out}: as the services want it")
    return 10 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
