#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# replay_corpus.sh VMAPCHECK DIRECTORY: every trace below DIRECTORY must replay without a violation, and there is one.
set -eu
find "$2" -name '*.trace' | sort | {
  count=0 failed=0
  while read -r trace; do
    count=$((count + 1))
    output="$("$1" replay "$trace" 2>&1)" || {
      failed=$((failed + 1))
      printf '%s\n%s\n' "$trace" "$output" | tail -n 40
    }
  done
  echo "$count traces replayed, $failed failed"
  [ "$count" -gt 0 ] && [ "$failed" -eq 0 ]
}
