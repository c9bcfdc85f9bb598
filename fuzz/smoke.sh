#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# smoke.sh TARGET SEEDS: what `seeds` made of the corpus, then a second of fuzzing, must find nothing. VMAPCHECK_SEED makes
# it repeatable.
set -eu
target="$1" seeds="$2/$(basename "$1")" scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/found"

set -- -seed="${VMAPCHECK_SEED:-1}" -max_total_time=1 -timeout=25 -artifact_prefix="$scratch/crash-" -dict="$seeds.dict"
"$target" "$@" "$scratch/found" "$seeds" 2>&1 || {
  status=$?
  for crash in "$scratch"/crash-*; do
    if [ -e "$crash" ]; then echo "$crash:" && base64 "$crash"; fi
  done
  exit "$status"
}
