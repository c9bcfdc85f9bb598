#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# check_format.sh CLANG_FORMAT DIRECTORY: every C++ source of the rooms below DIRECTORY is as .clang-format says.
# check_format.sh CLANG_FORMAT --canary: would it notice one that is not?
set -eu

main() {
  command -v "$1" >/dev/null || { echo "skipped: $1 is not found"; exit 77; }
  if [ "$2" != --canary ]; then
    check "$1" "$2"
    return
  fi
  scratch="$(mktemp -d)"
  trap 'rm -rf "$scratch"' EXIT
  cp "$(dirname -- "$0")/../.clang-format" "$scratch"
  mkdir "$scratch/model" "$scratch/build"
  echo 'int a = 1;' >"$scratch/model/good.hpp"
  echo 'int  a=1;' >"$scratch/build/no_source_of_ours.cpp"
  check "$1" "$scratch" || { echo "a formatted file was refused"; exit 1; }
  cp "$scratch/build/no_source_of_ours.cpp" "$scratch/model/bad.cpp"
  if check "$1" "$scratch" 2>/dev/null; then echo "a file that is not formatted was not noticed"; exit 1; fi
}

check() {
  (cd "$2" && find . \( -name build -o -name '.?*' \) -prune -o -name '*.[ch]pp' -print0 |
    xargs -0 -n 16 -P 2 "$1" --style=file --dry-run -Werror)
}

main "$@"
