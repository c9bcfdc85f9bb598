#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Dependencies point one way: allocator <- model <- harness <- subjects <- fuzz <- tools <- bench, and properties may use
# all of them; within the harness: isolate <- verify <- random <- reduce; verify <- picture, explore. `import` needs the
# model alone.
#
#   check_includes.sh [DIRECTORY]   checks the sources below DIRECTORY (default: this checkout); 0 all is well, 1 not
#   check_includes.sh --canary      plants one forbidden line after another and fails unless each is found
set -euo pipefail

# What a room may include, as extended regular expressions over <...> and "...".
standard='<[a-z_0-9]+>'
posix='<(sys/[a-z]+|unistd|fcntl|signal|poll|sched|spawn|dlfcn|termios|pthread|malloc|ucontext|execinfo|cxxabi|dirent|elf|link)\.h>'
fmt='<fmt/[a-z]+\.h>'
tests='<(gtest|gmock|rapidcheck)[./].*>|<rapidcheck\.h>'
words='(range|error|request|violation|stats|tree_case)\.hpp' # the allocator's vocabulary: values without code

allowed() {
  case "$1" in
    allocator/vmap/range.hpp | allocator/vmap/error.hpp | allocator/vmap/request.hpp | allocator/vmap/violation.hpp | \
      allocator/vmap/stats.hpp | allocator/vmap/tree_case.hpp) echo "$standard|\"vmap/$words\"" ;;
    allocator/*) echo "$standard|\"vmap/.*\"" ;;
    model/*) echo "$standard|$fmt|\"model/.*\"|\"vmap/$words\"" ;;
    harness/isolate/*) echo "$standard|$posix|\"(harness/isolate/.*|model/op.hpp)\"|\"vmap/$words\"" ;;
    harness/verify/*) echo "$standard|$posix|\"(harness/(isolate|verify)|model)/.*\"|\"vmap/$words\"" ;;
    harness/random/*) echo "$standard|$posix|$fmt|\"(harness/(isolate|verify|random)|model)/.*\"|\"vmap/$words\"" ;;
    harness/reduce/*) echo "$standard|$posix|$fmt|\"(harness/(isolate|verify|random|reduce)|model)/.*\"|\"vmap/$words\"" ;;
    harness/picture/*) echo "$standard|$posix|$fmt|\"(harness/(isolate|verify|picture)|model)/.*\"|\"vmap/$words\"" ;;
    harness/explore/*) echo "$standard|$posix|$fmt|\"(harness/(isolate|verify|explore)|model)/.*\"|\"vmap/$words\"" ;;
    import/*) echo "$standard|$posix|$fmt|\"(import|model)/.*\"|\"vmap/$words\"" ;;
    subjects/*) echo "$standard|$posix|$fmt|\"(subjects|harness|model|vmap)/.*\"" ;;
    fuzz/*) echo "$standard|$posix|$fmt|\"(fuzz|subjects|harness|model|vmap)/.*\"" ;;
    tools/*) echo "$standard|$posix|$fmt|<CLI/.*>|<nlohmann/.*>|<pugixml\.hpp>|<archive(_entry)?\.h>|\"(tools|import|fuzz|subjects|harness|model|vmap)/.*\"" ;;
    bench/*) echo "$standard|$posix|<linux/perf_event\.h>|$fmt|<CLI/.*>|<nlohmann/.*>|<benchmark/.*>|\"(bench|tools|fuzz|subjects|harness|model|vmap)/.*\"" ;;
    properties/*) echo "$standard|$posix|$fmt|$tests|<nlohmann/.*>|\".*\"" ;;
    *) echo 'nothing: no room holds it' ;;
  esac
}

# What the harness may not name in its code even without an include.
foreign='\b(AddressSpace|BasicAddressSpace|FreeSpace|AugmentedRbTree|NodePool)\b|\bTreeCase::|\brc::|\bRC_[A-Z]+|\bLLVMFuzzer|\btesting::'

check() {
  local root="$1" file line found=0
  cd "$root"
  while IFS= read -r file; do
    while IFS= read -r line; do
      echo "$root/$file:${line%%:*}: may not be used here: ${line#*:}"
      found=1
    done < <(
      grep -nE '^[[:space:]]*#[[:space:]]*include' "$file" |
        grep -vE "^[0-9]+:[[:space:]]*#[[:space:]]*include[[:space:]]*($(allowed "$file"))" || true
      case "$file" in model/* | harness/* | import/*) sed -E 's,//.*,,' "$file" | grep -nE "$foreign" || true ;; esac
    )
  done < <(find allocator model harness import subjects fuzz tools bench properties -path properties/consumer -prune -o \
    \( -name '*.hpp' -o -name '*.cpp' \) -print | sort)
  return "$found"
}

canary() {
  local scratch file line missed=0
  scratch="$(mktemp -d)"
  # shellcheck disable=SC2064
  trap "rm -rf '$scratch'" EXIT
  mkdir -p "$scratch"/{allocator/vmap,model,harness/{isolate,verify,random,reduce,picture,explore},import,subjects,fuzz,tools,bench,properties}
  while read -r file line; do
    printf '#include <vector>\n%s\n' "$line" >"$scratch/$file"
    if (check "$scratch") >/dev/null; then
      echo "not found in $file: $line"
      missed=1
    fi
    rm "$scratch/$file"
  done <<'EOF'
allocator/vmap/a.hpp #include "model/op.hpp"
allocator/vmap/a.hpp #include <fmt/core.h>
allocator/vmap/range.hpp #include "vmap/address_space.hpp"
model/a.hpp #include "vmap/address_space.hpp"
model/a.hpp #include "../allocator/vmap/free_space.hpp"
model/a.hpp #include "harness/verify/executor.hpp"
harness/a.hpp #include <vector>
harness/isolate/a.hpp #include "model/trace.hpp"
harness/isolate/a.hpp #include "harness/verify/executor.hpp"
harness/verify/a.hpp #include "vmap/augmented_rbtree.hpp"
harness/verify/a.hpp #include <rapidcheck.h>
harness/verify/a.hpp #include "harness/random/check.hpp"
harness/verify/a.cpp   # include <gtest/gtest.h>
harness/verify/a.hpp #include "subjects/ours.hpp"
harness/verify/a.hpp vmap::AddressSpace* space;
harness/verify/a.cpp auto happened = vmap::TreeCase::erase_black_leaf;
harness/random/a.hpp auto choice = *rc::gen::arbitrary<int>();
harness/random/a.hpp #include "harness/reduce/minimize.hpp"
harness/picture/a.hpp #include "harness/reduce/minimize.hpp"
harness/explore/a.hpp #include "harness/random/check.hpp"
import/a.hpp #include "harness/verify/executor.hpp"
fuzz/a.cpp #include <rapidcheck/gtest.h>
tools/a.cpp #include "properties/corpus.hpp"
tools/a.cpp #include "bench/loads.hpp"
subjects/a.hpp #include "fuzz/records.hpp"
EOF
  printf '#include <vector>\n#include "model/op.hpp" // fine\n' >"$scratch/harness/verify/a.hpp"
  if ! check "$scratch"; then missed=1; fi
  return "$missed"
}

case "${1-}" in
  --canary) canary ;;
  *) check "${1:-$(dirname -- "$(readlink -f -- "$0")")/..}" ;;
esac
