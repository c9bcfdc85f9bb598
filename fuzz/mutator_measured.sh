#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# mutator_measured.sh BENCH TARGET: bench/mutator.py finds a canary in all three ways, each by its own work, and nothing
# in the sound allocator. With the command line that VMAPCHECK_TOOL names.
set -eu
[ -n "${VMAPCHECK_TOOL-}" ] || { echo "skipped: VMAPCHECK_TOOL names no command line"; exit 77; }
bench="$1" target="$2" tool="$VMAPCHECK_TOOL" scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT

"$bench" "$target" "$tool" --seeds 1 --execs-max 1000 canary_answer >"$scratch/canary" 2>"$scratch/log"
"$bench" "$target" "$tool" --seeds 1 --execs-max 20 vmap >"$scratch/sound" 2>>"$scratch/log"
cat "$scratch/log" "$scratch/canary" "$scratch/sound"
grep -q '^| `canary_answer` | 1 of 1 | [0-9,]* | [0-9,]* | 1 of 1 | [0-9,]* | [0-9,]* | 1 of 1 | [0-9,]* | [0-9,]* |$' "$scratch/canary"
grep -q '^| `vmap` | 0 of 1 | >20 | >cap | 0 of 1 | >60 | >cap | 0 of 1 | >5 | >cap |$' "$scratch/sound"
# The same seed: were the variable without effect, the work would be the same.
worked() { sed -n "s/.*'way': '$1', 'subject': 'canary_answer'.*'executions': \([0-9]*\), 'ops': \([0-9]*\),.*/\1 \2/p" "$scratch/log"; }
[ -n "$(worked ops)" ] && [ "$(worked ops)" != "$(worked bytes)" ] || { echo "VMAPCHECK_MUTATOR=bytes changes nothing"; exit 1; }
