#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# check.sh WHAT SOURCE_DIRECTORY BUILD_DIRECTORY SCRATCH_DIRECTORY
# Uses what this repository offers to others in the projects beside this script. CXX, CXXFLAGS: the compiler.
#
#   installed   vmap, installed by the command that README.md names: by find_package and by pkg-config
#   part        vmap as a part of the build: add_subdirectory and FetchContent, of its folder and of the checkout
#   harness     vmapcheck, installed from the build directory
#   old         a compiler that has no C++23 is told so: by CMake, by the package and by the header
set -eu
what="$1" source="$2" build="$3" scratch="$4/$1"
here="$(cd "$(dirname "$0")" && pwd)"
export CMAKE_GENERATOR=Ninja
rm -rf "$scratch"
mkdir -p "$scratch"
ln -s "$source/allocator" "$scratch/allocator"
prefix="$scratch/.local"

fail() {
  echo "check.sh: $1"
  exit 1
}

# The command of README.md, in a directory of ours.
install_vmap() {
  command="$(grep '^cmake .*-S allocator' "$source/README.md")" || fail "README.md does not say how vmap is installed"
  (cd "$scratch" && HOME="$scratch" env -u CMAKE_GENERATOR sh -ec "$command")
}

# use PROJECT BUILD CMAKE_OPTION...
use() {
  project="$1" place="$scratch/$2"
  shift 2
  cmake -S "$here/$project" -B "$place" "$@"
  cmake --build "$place"
  "$place/consumer"
}

refused() {
  if "$@" >"$scratch/said" 2>&1; then fail "accepted: $*"; fi
  # CMake breaks lines.
  tr -s ' \n' ' ' <"$scratch/said" | grep -q "vmap needs C++23" || { cat "$scratch/said"; fail "does not say why: $*"; }
}

case "$what" in
  installed)
    install_vmap
    use vmap package -DWAY=find_package -DCMAKE_PREFIX_PATH="$prefix"
    command -v pkg-config || { echo "skipped: pkg-config is not installed"; exit 77; }
    # shellcheck disable=SC2046,SC2086
    PKG_CONFIG_PATH="$(dirname "$(find "$prefix" -name vmap.pc)")" &&
      export PKG_CONFIG_PATH &&
      "$CXX" ${CXXFLAGS-} -std=c++23 "$here/vmap/main.cpp" $(pkg-config --cflags --libs vmap) -o "$scratch/by_pkg_config"
    "$scratch/by_pkg_config"
    ;;
  part)
    use vmap folder -DWAY=add_subdirectory -DVMAP_FOLDER="$source/allocator"
    use vmap checkout -DWAY=FetchContent -DVMAP_FOLDER="$source"
    # Nothing else came along: no test, no warning of ours, nothing to install, and only what vmap consists of.
    for place in folder checkout; do
      ctest --test-dir "$scratch/$place" -N | grep -q "Total Tests: 0" || fail "$place: there are tests"
      DESTDIR="$scratch/installed" cmake --install "$scratch/$place"
      [ ! -e "$scratch/installed" ] || fail "$place: something is installed"
      objects="$(find "$scratch/$place" -name '*.o' ! -path '*/CompilerId*' | wc -l)"
      [ "$objects" -le 3 ] || fail "$place: $objects objects were compiled"
      ! grep -q -e -Wconversion "$scratch/$place/build.ninja" || fail "$place: it has our warnings"
    done
    ;;
  harness)
    for component in vmap vmapcheck; do cmake --install "$build" --component "$component" --prefix "$prefix"; done
    use harness package -DCMAKE_PREFIX_PATH="$prefix"
    # The project of docs/ci.md, around an allocator that refuses everything, with the package instead of the sources.
    block() { awk -v begin='```'"$1" '$0 == "```" {on = 0} on {print} $0 == begin {on = 1}' "$source/docs/ci.md"; }
    mkdir "$scratch/ci"
    cp "$here/mine.hpp" "$scratch/ci"
    block cpp >"$scratch/ci/mine_test.cpp"
    block cmake | sed '/^add_subdirectory/d; s/^set(VMAPCHECK_ONLY_HARNESS ON)$/find_package(vmapcheck REQUIRED)/' \
      >"$scratch/ci/CMakeLists.txt"
    cmake -S "$scratch/ci" -B "$scratch/ci/build" -DCMAKE_PREFIX_PATH="$prefix"
    cmake --build "$scratch/ci/build"
    ctest --test-dir "$scratch/ci/build" --output-on-failure
    sed -i 's/no_space/not_busy/' "$scratch/ci/mine.hpp"
    cmake --build "$scratch/ci/build"
    for run in first second; do
      ! (cd "$scratch/ci" && build/mine_test) >"$scratch/ci/$run" || fail "an allocator with a fault passes the $run run"
      grep -q '^answer' "$scratch/ci/$run" || fail "the $run run does not say why it fails"
    done
    grep -q 'still fails' "$scratch/ci/second" || fail "what failed was not tried first"
    # From the sources: what would be built, which takes long.
    cmake -S "$here/harness" -B "$scratch/along" -DVMAPCHECK_FOLDER="$source"
    cmake -S "$source" -B "$scratch/alone" -DVMAPCHECK_ONLY_HARNESS=ON
    for place in along alone; do
      # Subjects are there along, for who asks for them: the test case that a report prints.
      libraries="$(ninja -C "$scratch/$place" -t targets all | sed -n 's,.*/lib\(.*\)\.a: .*,\1,p' | sort -u |
        if [ "$place" = along ]; then grep -v -E '_subjects$|_red_black_cost$'; else cat; fi | xargs)"
      expected="vmap vmapcheck_explore vmapcheck_isolate vmapcheck_model vmapcheck_picture vmapcheck_random vmapcheck_reduce vmapcheck_verify"
      [ "$libraries" = "$expected" ] || fail "$place: it builds $libraries"
      ctest --test-dir "$scratch/$place" -N | grep -q "Total Tests: 0" || fail "$place: there are tests"
    done
    ;;
  old)
    install_vmap
    printf '#!/bin/bash\nexec %s "${@/-std=*23/-std=c++20}"\n' "$CXX" >"$scratch/old"
    chmod +x "$scratch/old"
    export CXX="$scratch/old"
    refused cmake -S "$source/allocator" -B "$scratch/from_source"
    refused cmake -S "$source" -B "$scratch/all"
    refused cmake -S "$here/vmap" -B "$scratch/package" -DWAY=find_package -DCMAKE_PREFIX_PATH="$prefix"
    refused "$CXX" -std=c++20 -I"$prefix/include" -c "$here/vmap/main.cpp" -o "$scratch/main.o"
    ;;
  *) fail "unknown: $what" ;;
esac
