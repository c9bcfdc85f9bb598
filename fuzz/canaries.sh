#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# canaries.sh TARGET: fuzzing from nothing must convict each subject that is broken on purpose, by the invariant that it is
# named after. VMAPCHECK_SEED makes it repeatable.
set -eu
target="$1" scratch="$(mktemp -d)" missed=""
trap 'rm -rf "$scratch"' EXIT

for invariant in answer overlap partition coalescing classification tree augment atomicity memory cost; do
  mkdir "$scratch/$invariant"
  if VMAPCHECK_SUBJECT="canary_$invariant" "$target" -seed="${VMAPCHECK_SEED:-1}" -max_total_time=60 -max_len=8192 \
    -artifact_prefix="$scratch/$invariant/" "$scratch/$invariant" >"$scratch/log" 2>&1; then
    missed="$missed $invariant"
  elif grep -q "^ASSERTION FAILED: $invariant " "$scratch/log"; then
    echo "canary_$invariant: caught"
  else
    echo "canary_$invariant: not by its invariant, but: $(grep '^ASSERTION FAILED' "$scratch/log" || tail -n 3 "$scratch/log")"
    missed="$missed $invariant"
  fi
done
[ -z "$missed" ] || { echo "missed:$missed"; exit 1; }
