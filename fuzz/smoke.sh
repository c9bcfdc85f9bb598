#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# smoke.sh TARGET CORPUS: the corpus, then a second of fuzzing, must find nothing. A trace is a seed of trace_fuzz as it
# is; for allocator_fuzz it is encoded, by VMAPCHECK_TOOL. VMAPCHECK_SEED makes it repeatable.
set -eu
target="$1" corpus="$2" name="$(basename "$1")"
if [ "$name" != trace_fuzz ] && [ -z "${VMAPCHECK_TOOL-}" ]; then
  echo "skipped: VMAPCHECK_TOOL names no command line that encodes the corpus"
  exit 77
fi
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/found" "$scratch/seeds"

count=0
find "$corpus" -name '*.trace' | sort >"$scratch/traces"
while read -r trace; do
  count=$((count + 1))
  if [ "$name" = trace_fuzz ]; then cp "$trace" "$scratch/seeds/$count"
  else "$VMAPCHECK_TOOL" encode "$trace" -o "$scratch/seeds/$count" >/dev/null; fi
done <"$scratch/traces"

set -- -seed="${VMAPCHECK_SEED:-1}" -max_total_time=1 -timeout=25 -artifact_prefix="$scratch/crash-"
dictionary="$(dirname "$0")/$name.dict"
if [ -e "$dictionary" ]; then set -- "$@" -dict="$dictionary"; fi
"$target" "$@" "$scratch/found" "$scratch/seeds" 2>&1 || {
  status=$?
  for crash in "$scratch"/crash-*; do
    if [ -e "$crash" ]; then echo "$crash:" && base64 "$crash"; fi
  done
  exit "$status"
}
