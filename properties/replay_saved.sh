#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# replay_saved.sh VMAPCHECK SUBJECT DIRECTORY...: the failing traces that earlier runs have saved in those directories,
# and in VMAPCHECK_FAILURES, must fail no more. Where there are none, nothing is wrong.
# replay_saved.sh --canary VMAPCHECK TRACE: would it notice? TRACE is one that fails on seed_2019, and not on vmap.
set -eu

main() {
  if [ "$1" = --canary ]; then
    canary "$2" "$3"
  else
    replay_saved "$@"
  fi
}

replay_saved() {
  binary="$1" subject="$2" count=0 failed=0
  shift 2
  for directory in "$@" ${VMAPCHECK_FAILURES:+"$VMAPCHECK_FAILURES"}; do
    for trace in "$directory"/*.trace; do
      [ -f "$trace" ] || continue
      count=$((count + 1)) status=0
      output="$("$binary" replay --subject "$subject" "$trace" 2>&1)" || status=$?
      case "$status" in
        0) ;;
        2 | 4) printf 'passed by: %s\n' "$output" ;; # no trace, or no longer there
        *)
          failed=$((failed + 1))
          printf '%s was saved by an earlier run, and still fails:\n%s\n' "$trace" "$output" | tail -n 40
          ;;
      esac
    done
  done
  if [ "$count" -eq 0 ]; then echo "no failing trace was saved by an earlier run"; fi
  echo "$count saved traces replayed, $failed failed"
  [ "$failed" -eq 0 ]
}

canary() {
  unset VMAPCHECK_FAILURES
  scratch="$(mktemp -d)"
  trap 'rm -rf "$scratch"' EXIT
  "$0" "$1" vmap "$scratch" "$scratch/missing" || fail "nothing is no failure"
  mkdir "$scratch/a folder" "$scratch/other"
  cp "$2" "$scratch/a folder/a name.trace"
  echo rubbish >"$scratch/a folder/rubbish.trace"
  "$0" "$1" vmap "$scratch/a folder" || fail "that one trace cannot be read is no failure"
  if "$0" "$1" seed_2019 "$scratch/other" "$scratch/a folder" >"$scratch/said"; then fail "a trace that fails was not noticed"; fi
  grep -q 'a name.trace was saved' "$scratch/said" || fail "the trace was not named"
  if VMAPCHECK_FAILURES="$scratch/a folder" "$0" "$1" seed_2019; then fail "VMAPCHECK_FAILURES was not looked at"; fi
  echo "noticed"
}

fail() {
  echo "$1"
  exit 1
}

main "$@"
