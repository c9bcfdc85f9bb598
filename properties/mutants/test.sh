#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
#   test.sh TOOL    mutants of the allocator are found, and what is no fault is not
#
# The quick drivers on a third of the catalogue, which the commit chooses, so that all have their turn; VMAPCHECK_MUTANTS
# may say which (1, 2, 3), or `all`. Before that the run itself is seen to fail: on a patch that does not apply, one that
# does not compile, and one that changes nothing.
set -euo pipefail
here="$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")"
tool="$1"
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT

main() {
  planted apply "does not apply" 's/Merge add/Merge adds/' 'Merge put'
  planted compile "does not compile" '' 'Merge put'
  planted equivalent lives '' 'Merge add' ' // the area goes'
  refused
  # A subject that dies as soon as it is made is a finding of each driver, and no end of it.
  local status=0
  mutants --driver random,corpus,explore --ops 10000 --only pool_node_missing --json >"$scratch/dies.json" || status=$?
  if ((status != 0)) || (($(grep -c '"found": true' "$scratch/dies.json") != 3)); then cat "$scratch/dies.json"; exit 1; fi
  local which="${VMAPCHECK_MUTANTS-}" options=()
  if [[ -z $which ]]; then which=$((0x$(commit) % 3 + 1)); fi
  if [[ $which != all ]]; then
    options=(--third "$which")
    echo "mutants: third $which of 3 (VMAPCHECK_MUTANTS=$which)"
  fi
  mutants --driver random,corpus,explore --until-found --ops 300000 --minimize-time 500ms "${options[@]}"
}

commit() { git -C "$here" rev-parse --short=8 HEAD 2>/dev/null || printf '%x' "${VMAPCHECK_SEED:-20240229}"; }

mutants() { python3 "$here/mutants.py" --tool "$tool" "$@"; }

# planted NAME STATE EDIT TEXT [COMMENT]: a catalogue of one patch, in which `Merge add(Node& area);` becomes TEXT, and to
# which EDIT is done then, ends with 10 and that state.
planted() {
  local name="$1" state="$2" edit="$3" text="$4" comment="${5-}" line status=0
  mkdir -p "$scratch/$name"
  line="$(grep -n 'Merge add(Node& area);' "$here/../../allocator/vmap/free_space.hpp" | cut -d: -f1)"
  {
    echo "A planted one"
    printf -- '--- a/vmap/free_space.hpp\n+++ b/vmap/free_space.hpp\n@@ -%d,1 +%d,1 @@\n' "$line" "$line"
    printf -- '-  Merge add(Node& area);\n+  %s(Node& area);%s\n' "$text" "$comment" | sed -e "1{$edit
    }"
  } >"$scratch/$name/$name.patch"
  mutants --catalogue "$scratch/$name" --driver random,corpus --ops 20000 --json >"$scratch/$name.json" 2>/dev/null || status=$?
  if ((status != 10)) || ! grep -q "\"state\": \"$state\"" "$scratch/$name.json"; then
    echo "a planted patch ($name) ended with $status, not with 10 and \"$state\":"
    cat "$scratch/$name.json"
    exit 1
  fi
}

# What is no subject of this build is refused with 3 and one line.
refused() {
  echo "no object" >"$scratch/text.so"
  refuse text "$scratch/text.so: "
  object nothing 'int nothing;'
  refuse nothing "not a subject: it does not export vmapcheck_loaded()"
  object other 'struct { const char* stamp; void* entry; } other = {"of another build", nullptr};
                extern "C" void* vmapcheck_loaded() { return &other; }'
  refuse other "compiled for another build of vmapcheck"
}

object() { echo "$2" | c++ -x c++ -shared -fPIC -o "$scratch/$1.so" -; }

# refuse NAME TEXT
refuse() {
  local status=0
  "$tool" check --subject "$scratch/$1.so" --cases 1 >/dev/null 2>"$scratch/line" || status=$?
  if ((status != 3)) || (($(wc -l <"$scratch/line") != 1)) || ! grep -qF "$2" "$scratch/line"; then
    echo "$1.so as a subject: status $status, not 3 with '$2', and:"
    cat "$scratch/line"
    exit 1
  fi
}

main
