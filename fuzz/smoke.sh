#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# smoke.sh TARGET SEEDS: the seeds, then a second of fuzzing, must find nothing. VMAPCHECK_SEED makes it repeatable.
set -eu
found="$(mktemp -d)"
trap 'rm -rf "$found"' EXIT
"$1" -seed="${VMAPCHECK_SEED:-1}" -max_total_time=1 -timeout=25 -artifact_prefix="$found/crash-" "$found" "$2" 2>&1 || {
  status=$?
  for crash in "$found"/crash-*; do
    [ -e "$crash" ] && echo "$crash:" && base64 "$crash"
  done
  exit "$status"
}
