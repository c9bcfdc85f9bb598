#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# check.sh BUILD_DIRECTORY SCRATCH_DIRECTORY CMAKE_OPTION...
# Installs the library from a build, then configures, builds and runs the project beside this script against it alone.
set -eu
build="$1" scratch="$2"
shift 2
rm -rf "$scratch"
cmake --install "$build" --component vmap --prefix "$scratch/prefix"
cmake -S "$(dirname "$0")" -B "$scratch/build" -G Ninja -DCMAKE_PREFIX_PATH="$scratch/prefix" "$@"
cmake --build "$scratch/build"
"$scratch/build/consumer"
