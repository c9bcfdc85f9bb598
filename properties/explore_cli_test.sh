#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# explore_cli_test.sh VMAPCHECK [SOURCE_DIR]: `explore` from outside: what it says, what it refuses, that an exploration
# that is interrupted or killed goes on, what it makes of a violation. Prints each check that failed; the last line counts
# them.
# shellcheck source=properties/cli_checks.sh
. "$(dirname -- "$0")/cli_checks.sh"

main() {
  begin "$@"
  usage
  sound
  unseen_state
  numbers
  interrupted_runs
  state_files
  violations
  full_disk
  finish
}

field() { sed -nE "s/.*\"$1\":\"?([^,\"}]*)\"?.*/\1/p" out; }
same() { verdict "$1" "$2" "$(field "$1")"; }

usage() {
  run 0 explore --help
  says out '^Examples:'
  says out '--index-only'
  refuses 2 'granules' explore --granules 0
  refuses 2 'granules' explore --granules 26
  refuses 2 'at most 16' explore --granules 17
  refuses 2 "no ops 'quick'" explore --ops first-fit,quick
  refuses 2 'ops' explore --index-only --ops lazy
  refuses 2 'index-only' explore --searches
  refuses 2 'power of two' explore --granule 3
  refuses 2 'not on granules' explore --granule 4 --base 2
  refuses 2 'expected an address' explore --base hither
  refuses 2 '2\^64-1' explore --base 0xffffffffffffffff
  refuses 2 '2\^64-1' explore --base top --granule 2
  refuses 2 '2\^64' explore --granule 0x8000000000000000 --granules 4
  refuses 3 'no free-space index' explore --subject model --index-only
  refuses 3 'no_such' explore --subject no_such
  refuses 2 'lazily' explore --index-only --lazy-limit 1
}

sound() {
  run 0 explore --granules 3
  says out '^proved: in a space of 3 granules from 0x0, every state'
  silent err
  run 0 explore --index-only --granules 12
  says out '^12,585 states, 250,829 transitions, depth 12,'
  says out 'that were reached: 21 of 21$'
  says out '^proved: '
  run 0 explore --index-only --granules 4
  says out 'reached: [0-9]+ of 21; not$'
  run 0 explore --index-only --granules 6 --searches --base top
  says out 'proved: .* with every search in each, keeps every invariant'
  run 0 explore --subject model --granules 3
  says out 'shows no tree'
  says out '^proved: '
  run 0 explore --granules 4 --base 0x40 --granule 0x10 --lazy-limit 0x20 --ops lazy
  says out 'ops: first-fit, lazy:'
  verdict "nothing is left behind" "err out" "$(echo *)"
}

# What a subject may hold that is not seen is not proved.
unseen_state() {
  run 0 explore --subject worn_out --granules 1 --depth 3 --json -o found
  says out '"claim":"no_violation_seen"'
  rm -rf vmapcheck-explore
  run 0 explore --subject seed_2019 --index-only --granules 2 --json
  says out '"complete":true.*"verdict":"ok","claim":"no_violation_seen"'
  run 0 explore --subject seed_2019 --index-only --granules 2
  says out '^no violation in [0-9]+ states that differ in what is seen: in a space of 2 granules'
  says out '^no proof: the subject may hold state that is not seen'
  if grep -q '^proved' out; then verdict 'not proved' no yes; fi
  run 0 explore --granules 2 --json
  says out '"claim":"proved"'
  run 10 explore --subject worn_out --ops first-fit --granules 3 -o found
  says out '^found after [0-9]+ ops, on another way to a state than its first: answer: '
  rm -rf found
}

numbers() {
  run 0 explore --index-only --granules 10 --json
  verdict "lines of out" 1 "$(wc -l <out)"
  same states 2366
  same transitions 39852
  same depth 7
  same complete true
  same verdict ok
  run 0 explore --index-only --granules 10 --depth 3 --json
  same complete false
  same depth 3
  same verdict incomplete
  says err 'state is saved in vmapcheck-explore/vmap-[0-9a-f]+\.state: the same command goes on'
  run 0 explore --index-only --granules 10 --json
  same resumed true
  same states 2366
  same transitions 39852
  verdict "nothing is left behind" "err out" "$(echo *)"
}

# A signal at any time, and the same command again, until it is done: the numbers are those of one run.
interrupted_runs() {
  run 0 explore --index-only --granules 13 --json
  local states transitions sessions=0 status=5
  states="$(field states)" transitions="$(field transitions)"
  command=(explore --index-only --granules 13 --json)
  while ((status == 5 && sessions < 60)); do
    "$binary" "${command[@]}" --state x.state >out 2>err &
    local pid=$!
    sleep "0.0$((RANDOM % 9 + 1))"
    kill -INT "$pid" 2>/dev/null
    wait "$pid"
    status=$?
    sessions=$((sessions + 1))
    if ((status == 5)); then same verdict interrupted; fi
    if ((sessions > 20)); then run 0 "${command[@]}" --state x.state; status=0; fi
  done
  verdict "exit status" 0 "$status"
  same states "$states"
  same transitions "$transitions"
  verdict "state file" "no" "$([ -e x.state ] && echo yes || echo no)"
  # Killed, it goes on from what was kept before.
  run 0 explore --index-only --granules 13 --depth 4 --state x.state
  "$binary" explore --index-only --granules 13 --state x.state >out 2>err &
  kill -KILL $!
  wait $! 2>/dev/null
  run 0 explore --index-only --granules 13 --state x.state --json
  same states "$states"
  same transitions "$transitions"
  # Time that is up is no interruption.
  run 0 explore --index-only --granules 16 --time 50ms --json --state x.state
  same verdict incomplete
  rm x.state
}

state_files() {
  run 0 explore --index-only --granules 9 --depth 2 --state y.state
  refuses 2 'y.state is of another exploration' explore --index-only --granules 8 --state y.state
  refuses 2 'y.state is of another exploration' explore --granules 3 --state y.state
  cp y.state kept
  head -c 700 kept >y.state
  refuses 2 'y.state is damaged; --fresh begins anew' explore --index-only --granules 9 --state y.state
  echo text >y.state
  refuses 2 'is not a state of an exploration' explore --index-only --granules 9 --state y.state
  verdict "bytes kept" 5 "$(wc -c <y.state)"
  run 0 explore --index-only --granules 9 --state y.state --fresh --json
  same states 1072
  rm -f kept
  mkdir folder
  refuses 4 'folder' explore --index-only --granules 9 --state folder
  refuses 4 'nowhere/z' explore --index-only --granules 9 --depth 2 --state nowhere/z
  rmdir folder
}

violations() {
  run 10 explore --subject canary_tree --granules 5
  says out '^found after 2 ops, and there is no way with fewer: tree:'
  says out '^vmapcheck-trace 1$'
  local trace
  trace="$(echo vmapcheck-failures/*/*.trace vmapcheck-failures/*.trace | tr ' ' '\n' | grep -v '\*' | head -n 1)"
  run 10 replay --subject canary_tree "$trace"
  rm -rf vmapcheck-failures
  run 10 explore --subject canary_augment --index-only --granules 10 --json -o found
  same verdict violation
  says out '"moves":3'
  run 10 explore --subject canary_answer --index-only --granules 4 --searches --no-minimize -o found
  says out 'after 0 changes'
  run 10 explore --subject seed_2019 --granules 4 -o found
  says out '^found after [0-9]+ ops?, and there is no way with fewer: answer:'
  rm -rf found
}

full_disk() {
  [ -c /dev/full ] || return
  command=(explore --granules 2 "> /dev/full")
  "$binary" explore --granules 2 >/dev/full 2>err </dev/null
  verdict "exit status" 4 "$?"
}

main "$@"
