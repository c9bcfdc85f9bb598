#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds the fuzz targets for whoever runs them elsewhere: OSS-Fuzz, ClusterFuzzLite, AFL++, another host. Leaves in $OUT,
# for each target X: X, X.options, X.dict, X_seed_corpus.zip. Needs CMake, Python and a compiler for C++23; no package.
#
#   CXX CXXFLAGS LIB_FUZZING_ENGINE   taken as they come: what instruments the code is theirs to say, and nothing is added
#   OUT WORK                          where the result goes, and where to build
#   FUZZING_ENGINE SANITIZER          only for the defaults of the above, where they are not set
#
# By hand, with clang 19 from Debian:
#
#   OUT=/tmp/out oss-fuzz/build.sh                                     libFuzzer and AddressSanitizer
#   OUT=/tmp/out SANITIZER=undefined oss-fuzz/build.sh                 or coverage, or none
#   OUT=/tmp/out FUZZING_ENGINE=afl oss-fuzz/build.sh                  AFL++
set -euo pipefail

source_dir="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)"

main() {
  defaults
  configure
  cmake --build "$build_dir" --parallel "$(nproc 2>/dev/null || echo 2)" --target seeds "${targets[@]}"
  make_seeds
  local target
  for target in "${targets[@]}"; do
    install -m 755 "$build_dir/fuzz/$target" "$OUT/$target"
    install -m 644 "$source_dir/fuzz/$target.options" "$build_dir/seeds/$target.dict" "$OUT/"
    python3 "$source_dir/oss-fuzz/seed_archive.py" "$build_dir/seeds/$target" "$OUT/${target}_seed_corpus.zip"
  done
}

defaults() {
  : "${SANITIZER:=address}" "${FUZZING_ENGINE:=libfuzzer}" "${OUT:=$source_dir/build/out}" "${WORK:=$source_dir/build/work}"
  if [[ -z ${CXX-} ]]; then
    CXX="$(command -v clang++-19 || command -v clang++)" || { echo "no clang++ and no \$CXX" >&2; exit 3; }
  fi
  local sanitizer_flags="" engine_flags=-fsanitize=fuzzer-no-link engine=-fsanitize=fuzzer
  case "$SANITIZER" in
    none) ;;
    coverage) engine_flags="-fprofile-instr-generate -fcoverage-mapping" ;;
    undefined) sanitizer_flags="-fsanitize=undefined -fno-sanitize-recover=undefined" ;;
    *) sanitizer_flags="-fsanitize=$SANITIZER" ;;
  esac
  if [[ $FUZZING_ENGINE == afl ]]; then
    # clang instruments, for the compiler that Debian's afl-clang-fast wraps is too old for C++23.
    engine_flags=-fsanitize-coverage=trace-pc-guard
    engine="/usr/lib/afl/libAFLDriver.a /usr/lib/afl/afl-compiler-rt.o"
  fi
  : "${CXXFLAGS=-O1 -fno-omit-frame-pointer -gline-tables-only $sanitizer_flags $engine_flags}"
  : "${LIB_FUZZING_ENGINE:=$engine}"
  mkdir -p "$OUT" "$WORK"
  OUT="$(cd -- "$OUT" && pwd -P)"
  build_dir="$(cd -- "$WORK" && pwd -P)/vmapcheck-$FUZZING_ENGINE-$SANITIZER"
  targets=()
  local source
  for source in "$source_dir"/fuzz/*_fuzz.cpp; do targets+=("$(basename "$source" .cpp)"); done
}

# Afresh each time: what an old configuration remembers of flags would be believed.
configure() {
  rm -rf "$build_dir"
  local generator="Unix Makefiles"
  if command -v ninja >/dev/null; then generator=Ninja; fi
  # A build type of no meaning, so that CMake adds no flags of its own.
  cmake -S "$source_dir" -B "$build_dir" -G "$generator" \
    -DVMAPCHECK_ONLY_FUZZ=ON -DVMAPCHECK_FAULTY_SUBJECTS=OFF -DBUILD_TESTING=OFF -DCMAKE_BUILD_TYPE=AsGiven \
    -DCMAKE_CXX_COMPILER="$CXX" -DCMAKE_CXX_FLAGS="$CXXFLAGS" -DLIB_FUZZING_ENGINE="$LIB_FUZZING_ENGINE"
}

# What encodes the corpus is instrumented as everything here. It is not what is tested: no leak check, which containers
# often do not allow, and no profile.
make_seeds() {
  ASAN_OPTIONS="${ASAN_OPTIONS-}:detect_leaks=0" UBSAN_OPTIONS="${UBSAN_OPTIONS-}:silence_unsigned_overflow=1" \
    LLVM_PROFILE_FILE=/dev/null "$build_dir/fuzz/seeds" "$source_dir/corpus" "$build_dir/seeds"
}

main
