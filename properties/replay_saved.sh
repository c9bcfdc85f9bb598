#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# replay_saved.sh VMAPCHECK SUBJECT DIRECTORY...: the failing traces that earlier runs have saved in those directories,
# and in VMAPCHECK_FAILURES, must fail no more, but for those that say that they are of another subject. Where there are
# none, nothing is wrong.
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
  binary="$1" subject="$2" count=0 failed=0 of_others=0
  shift 2
  for directory in "$@" ${VMAPCHECK_FAILURES:+"$VMAPCHECK_FAILURES"}; do
    for trace in "$directory"/*.trace; do
      [ -f "$trace" ] || continue
      if is_of_another "$trace"; then
        of_others=$((of_others + 1))
        continue
      fi
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
  echo "$count saved traces replayed, $failed failed; $of_others of other subjects were not replayed"
  [ "$failed" -eq 0 ]
}

# The first comment says so: "Breaks answer (subject NAME): ...".
is_of_another() {
  saved_for="$(sed -nE '2s/^# (Breaks|Dies of) .* \(subject ([^)]*)\): .*/\2/p' "$1")"
  [ -n "$saved_for" ] && [ "${saved_for##*/}" != "$subject" ]
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
  for of in mine seed_2019; do
    mkdir "$scratch/$of"
    sed "1a # Breaks answer (subject $of): expected a, actual b" "$2" >"$scratch/$of/a.trace"
  done
  "$0" "$1" seed_2019 "$scratch/mine" || fail "a trace of another subject is no failure of this one"
  if "$0" "$1" seed_2019 "$scratch/seed_2019"; then fail "a trace that fails on its subject was not noticed"; fi
  if VMAPCHECK_FAILURES="$scratch/a folder" "$0" "$1" seed_2019; then fail "VMAPCHECK_FAILURES was not looked at"; fi
  echo "noticed"
}

fail() {
  echo "$1"
  exit 1
}

main "$@"
