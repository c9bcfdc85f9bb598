# SPDX-License-Identifier: Apache-2.0
#
# How the command line is checked from outside, for scripts that source this:
#
#     begin "$@"       binary, source_dir; an empty folder to work in; no variable of ours is set
#     run 0 replay x   ...
#     finish           how many checks failed is the exit status
set -u

begin() {  # VMAPCHECK [SOURCE_DIR]
  binary="$(realpath -- "$1")"
  source_dir="$(realpath -- "${2:-"$(dirname -- "$0")/.."}")"
  scratch="$(mktemp -d)"
  trap 'rm -rf "$scratch"' EXIT
  cd "$scratch" || exit 1
  slow="${VMAPCHECK_SLOW-}"
  unset "${!VMAPCHECK_@}"
  checks=0 failed=0
}

finish() {
  echo "$(basename "$0" .sh): $checks checks, $failed failed"
  [ "$failed" -eq 0 ]
}

# run STATUS ARGUMENT...: standard output goes to the file `out`, standard error to `err`.
run() {
  local expected="$1"
  shift
  command=("$@")
  "$binary" "$@" >out 2>err </dev/null
  verdict "exit status" "$expected" "$?"
}

verdict() {  # WHAT EXPECTED ACTUAL
  checks=$((checks + 1))
  [ "$2" = "$3" ] && return
  failed=$((failed + 1))
  printf 'FAILED vmapcheck %s\n  %s: expected %s\n  actual   %s\n' "${command[*]}" "$1" "$2" "$3"
  [ "$1" = "exit status" ] && head -n 5 err
}

says() {  # FILE PATTERN
  checks=$((checks + 1))
  grep -qE -- "$2" "$1" && return
  failed=$((failed + 1))
  printf 'FAILED vmapcheck %s\n  no line of %s matches %s:\n' "${command[*]}" "$1" "$2"
  head -n 20 "$1"
}

one_line_of() { verdict "lines of $1" 1 "$(wc -l <"$1")"; says "$1" "$2"; }
one_line() { verdict "lines on standard error" 1 "$(wc -l <err)"; says err "$1"; }
silent() { verdict "bytes of $1" 0 "$(wc -c <"$1")"; }

# refuses STATUS PATTERN ARGUMENT...: ends so, with one line on standard error that matches, and says nothing else.
refuses() {
  local status="$1" pattern="$2"
  shift 2
  run "$status" "$@"
  one_line "$pattern"
  silent out
}

# The exit statuses that a help page in `out` says.
statuses() { sed '1,/^Exit status:$/d' out | awk '{ print $1 }' | paste -sd ' '; }
