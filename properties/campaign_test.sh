#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# campaign_test.sh VMAPCHECK SOURCE_DIR [TARGET]: what `campaign` says, keeps and survives. VMAPCHECK may be `-`, for the
# program that the variable VMAPCHECK_TOOL names. Without a fuzz target it is run
# with a stand-in, which says what libFuzzer would; with one, real campaigns of seconds are run, found out, and killed.
# shellcheck source=properties/cli_checks.sh
. "$(dirname -- "$0")/cli_checks.sh"

main() {
  target="${3:+$(realpath -- "$3")}" seed="${VMAPCHECK_SEED:-1}" tool="$1"
  if [ "$tool" = - ]; then tool="${VMAPCHECK_TOOL:?names the command line that is to be used}"; fi
  shift
  begin "$tool" "$@"
  if [ -n "$target" ]; then
    export VMAPCHECK_SOURCE_DIR="$source_dir"
    finds_a_planted_fault
    goes_past_what_is_known
    counts_truthfully
    a_killed_worker_is_no_finding
    counts_that_are_damaged
    survives_being_killed
    known_signatures
    a_new_build
  else
    write_stand_in
    bad_arguments
    bad_targets
    a_quiet_campaign
    an_input_that_does_not_fail
    a_subject_in_a_file
    a_minimizer_that_is_killed
    files_that_are_no_crashes
    a_worker_that_ends
    limits
    damaged_state
    damaged_counts
    strange_names
    interruptions
    full_disk
  fi
  finish
}

# ---- With a stand-in -----------------------------------------------------------------------------------------------

# Says what libFuzzer would say, writes the crash that it is given, and ends when it is told to.
write_stand_in() {
  printf 'vmapcheck-trace 1\nspace 0x100000..0x140000 granule=0x1000\nalloc a0 size=0x1000\nalloc a1 size=0x1000 align=0x2000\nalloc a2 size=0x1000\nalloc a3 size=0x1000\n' >fault.trace
  cat >target <<'END'
#!/bin/sh
for argument; do case "$argument" in -artifact_prefix=*) prefix="${argument#*=}" ;; -runs=*) probe=yes ;; esac; done
echo "INFO: Loaded 1 modules   (${COUNTERS-345} inline 8-bit counters): 345 [0x1, 0x2),"
if [ -n "$probe" ]; then sleep "${PROBE_TAKES-0}"; exit "${PROBE-0}"; fi
echo $$ >>pids
if [ -n "$ENDS" ]; then echo "it ends"; exit 9; fi
printf '#2\tINITED cov: 12 ft: 34 corp: 1/1b exec/s: 0 rss: 30Mb\n'
printf '#4096\tpulse  cov: 21 ft: 34 corp: 5/6b exec/s: 2048 rss: 30Mb\n'
if [ -n "$CRASH" ]; then
  cp "$CRASH" "${prefix}crash-$$"
  printf 'SUMMARY: libFuzzer: deadly signal\n'
  printf "artifact_prefix='%s'; Test unit written to %scrash-%s\n" "$prefix" "$prefix" $$
  exit 77
fi
if [ -n "$KILLED" ]; then kill -KILL $$; fi
trap 'echo "stat::number_of_executed_units: 5000"; exit 72' TERM
while :; do sleep 0.05; done
END
  chmod +x target
  export CRASH=
}

alive() {  # what waits to be reaped is not
  local pid
  while read -r pid; do
    [ -e "/proc/$pid" ] && ! grep -q '^State:.*Z' "/proc/$pid/status" && echo "$pid"
  done <pids
}

bad_arguments() {
  run 0 campaign --help
  says out '^Examples:'
  for option in --dir --jobs --time --execs --plateau --disk --memory --stop-on-first --known --engine --target; do
    says out "$option"
  done
  verdict "exit statuses" "0 2 3 4 5 10 11 12 15" "$(statuses)"
  local bad
  for bad in '--time 0' '--time x' '--execs 0' '--execs -1' '--plateau 0' '--disk 1' '--disk 2X' '--memory 1M' '--memory -2G' \
    '--disk 99999999999999999999' '-j 0' '-j 2000' '--engine none' '--frobnicate'; do
    # shellcheck disable=SC2086
    refuses 2 "^vmapcheck: .*${bad%% *}" campaign --target ./target $bad
  done
  refuses 2 "unexpected argument 'x'" campaign --target ./target x
  refuses 3 "no subject 'frob'" campaign --target ./target --subject frob
  refuses 4 'missing' campaign --target ./target --known missing
}

bad_targets() {
  refuses 3 'no fuzz target' campaign
  refuses 3 'no fuzz target ./missing' campaign --target ./missing
  refuses 3 'no fuzz target' campaign --target fault.trace
  refuses 4 'null' campaign --time 1s --target ./target --dir /dev/null/x
  refuses 3 '^vmapcheck: /bin/false ended with status 1' campaign --time 1s --target /bin/false --dir broken
  refuses 3 '/bin/true is not instrumented, or no libFuzzer target' campaign --time 1s --target /bin/true --dir broken
  COUNTERS=0 run 3 campaign --time 1s --target ./target --dir broken
  one_line 'is not instrumented: it has no counters'
  PROBE=3 run 3 campaign --time 1s --target ./target --dir broken
  one_line 'ended with status 3'
  # The clock starts with the command, and a target that hangs does not stop it.
  PROBE_TAKES=30 run 3 campaign --time 1s --target ./target --dir broken
  one_line 'does not come to the end of one input in 1 s '
  ENDS=1 run 3 campaign --time 20s -j 1 --target ./target --dir broken
  says err 'ended with status 9: it ends'
  verdict "workers left over" "" "$(alive)"
}

a_quiet_campaign() {
  run 0 campaign --time 1s -j 2 --target ./target --dir new --seed 3
  says out '^[0-9]+\.[0-9]+ s, 10000 executions, [0-9]+ per second, 0 ops, 21 edges, 34 features, 0 inputs kept in new/corpus$'
  says out '^ok: nothing found$'
  verdict "workers left over" "" "$(alive)"
  run 0 campaign --time 1s -j 1 --target ./target --dir new --json
  verdict "lines" 1 "$(wc -l <out)"
  says out '"subject":"vmap".*"session":2,.*"totals":\{"seconds":[0-9]\.[0-9]+,"executions":15000,.*"verdict":"ok"'
  run 2 campaign --time 300ms --target ./target --dir new --subject model
  one_line 'holds a campaign with subject vmap, not model'
  verdict "is at its second session" 1 "$(grep -c '"session": 2' new/campaign.json)"
}

an_input_that_does_not_fail() {
  local trace
  run 0 encode fault.trace -o crash
  export CRASH="$scratch/crash"
  run 10 campaign --time 20s -j 2 --stop-on-first --target ./target --dir found --subject seed_2019
  says out '^found: answer after '
  says out '^minimized from 4 to 1 op '
  says out '^violation of answer '
  says out '^new: answer, met [0-9]+ times, 1 op in found/findings/seed_2019-answer-'
  verdict "reported once" 1 "$(grep -c '^found:' out)"
  verdict "inputs that wait" 0 "$(find found/crashes -type f | wc -l)"
  run 10 replay --subject seed_2019 found/findings/seed_2019-answer-*.trace
  # What waited to be looked at when a campaign was killed is looked at by the next.
  mkdir -p waits/crashes
  cp crash waits/crashes/crash-0
  CRASH='' run 10 campaign --time 1s -j 1 --target ./target --dir waits --subject seed_2019
  says out '^found: answer after 0 s, 0 executions'
  verdict "inputs that wait" 0 "$(find waits/crashes -type f | wc -l)"
  # It has stayed what it was, and is known by now.
  run 10 campaign --time 300ms -j 1 --target ./target --dir found --subject seed_2019
  verdict "reported no more" 0 "$(grep -c '^found:' out)"
  # The target was built anew: what cannot be read of what it found is said, and is not fixed.
  cp -r found rebuilt
  echo "#" >>target
  for trace in rebuilt/findings/seed_2019-answer-*.trace; do echo "damaged" >"$trace"; done
  CRASH='' run 10 campaign --time 300ms -j 1 --target ./target --dir rebuilt --subject seed_2019
  says err '^rebuilt/findings/seed_2019-answer-.*.trace:1:1: expected'
  says out '^new: answer, met '
  # The same bytes end the target, and nothing is wrong here.
  run 12 campaign --time 2s -j 1 --target ./target --dir flaky
  says out '^flaky: libFuzzer: deadly signal, met '
  verdict "the input is kept" 1 "$(find flaky/findings/bytes -type f ! -name '*.log' | wc -l)"
  says "$(find flaky/findings/bytes -name '*.log')" '^SUMMARY: libFuzzer: deadly signal'
  export CRASH=
}

# What is found of it lies in the campaign's directory, where it is said to be, and nowhere else.
a_subject_in_a_file() {
  local build trace log
  build="$(dirname -- "$(dirname -- "$binary")")"
  mkdir -p "its own"
  "${CXX:-c++}" -std=c++23 -shared -fPIC -DFMT_HEADER_ONLY=1 -I "$source_dir" -I "$source_dir/allocator" -I "$build" \
    -x c++ - -o "its own/a b.so" <<'END'
#include "subjects/interface_stamp.hpp"
#include "subjects/loaded.hpp"
extern "C" const vmapcheck::LoadedSubject* vmapcheck_loaded() {
  static const vmapcheck::LoadedSubject loaded{VMAPCHECK_INTERFACE_STAMP, vmapcheck::find_subject("seed_2019")};
  return &loaded;
}
END
  if [ ! -e "its own/a b.so" ]; then
    echo "campaign_test: skipped: a_subject_in_a_file, for it cannot be compiled here"
    return
  fi
  run 0 encode fault.trace -o crash
  CRASH="$scratch/crash" run 10 campaign --time 20s -j 1 --stop-on-first --target ./target --dir of_file --subject "$scratch/its own/a b.so"
  trace="$(sed -n 's/^new: .* in //p' out)"
  verdict "the trace is there" yes "$([ -f "$trace" ] && echo yes)"
  verdict "it is in the directory" of_file/findings "$(dirname -- "$trace")"
  for log in replay report; do verdict "$log" 1 "$(grep -c "^  $log .*of_file/findings/" out)"; done
  verdict "beside the subject" "a b.so" "$(ls "its own")"
  eval "run 10 $(sed -n 's/^  replay  *[^ ]* //p' out)"
  run 0 campaign report of_file --format json
  says out '"path": "of_file/findings/'
}

# Processes that minimize are children in groups of their own, but not in sessions of their own, which run the
# campaign's program.
minimizers_of() {  # PID
  local pid group session
  for pid in $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
    read -r _ _ _ _ group session _ <"/proc/$pid/stat"
    [ "$(readlink "/proc/$pid/exe")" = "$(readlink "/proc/$1/exe")" ] && [ "$group" = "$pid" ] && [ "$session" != "$pid" ] && echo "$pid"
  done 2>/dev/null
}

# It has not said that there is no failure: what was found stays so, can be replayed, and is minimized in the end.
a_minimizer_that_is_killed() {
  local campaign pid i
  {
    printf 'vmapcheck-trace 1\nspace 0x100000..0x140000 granule=0x1000\n'
    for i in $(seq 0 200); do printf 'alloc a%d size=0x1000\nfree a%d\n' "$i" "$i"; done
    tail -n +3 fault.trace | sed 's/ a\([0-9]\) / a90\1 /'
  } >long.trace
  run 0 encode long.trace -o crash
  mkdir -p unminimized/crashes
  cp crash unminimized/crashes/crash-0
  "$binary" campaign --time 120s --stop-on-first -j 1 --target ./target --dir unminimized --subject seed_2019 >out 2>err </dev/null &
  campaign=$!
  while [ -e "/proc/$campaign/exe" ]; do
    for pid in $(minimizers_of $campaign); do kill -KILL "$pid"; done
    sleep 0.01
  done
  wait $campaign
  verdict "exit status" 10 "$?"
  command=(campaign "with minimizers that are killed")
  says out '^not yet minimized, which the next session tries again: .* killed by signal 9$'
  says out '^new: answer, met once, 40[0-9] ops in unminimized/findings/.*, not yet minimized$'
  run 10 replay --subject seed_2019 unminimized/findings/seed_2019-answer-*.trace
  says "$(find unminimized/findings -name 'seed_2019-answer-*.md')" '^\* Found by: `vmapcheck campaign --subject seed_2019 --seed'
  run 10 campaign status unminimized
  says out 'not yet minimized$'
  run 10 campaign --time 20s --stop-on-first -j 1 --target ./target --dir unminimized --subject seed_2019
  says out '^new: answer, met once, 1 op in unminimized/findings/seed_2019-answer-[0-9a-f]*.trace$'
  verdict "traces" 1 "$(find unminimized/findings -maxdepth 1 -name '*.trace' | wc -l)"
}

# Nothing of it is a finding on a sound allocator, and nobody's file is removed.
files_that_are_no_crashes() {
  local names
  mkdir -p foreign/crashes/crash-3
  : >foreign/crashes/crash-0
  head -c 50 crash >foreign/crashes/crash-1
  cp crash foreign/crashes/crash-2
  ln -s /etc/passwd foreign/crashes/crash-4
  head -c 3000000 /dev/zero >foreign/crashes/crash-5
  echo "to do" >foreign/crashes/notes.txt
  names="$(ls foreign/crashes)"
  run 0 campaign --time 300ms -j 1 --target ./target --dir foreign
  says err '^campaign: 7 files in foreign/crashes are left alone: no input of this target that fails$'
  verdict "files" "$names" "$(ls foreign/crashes)"
  # The one that fails is taken.
  mkdir -p taken
  cp -r foreign/crashes taken
  run 10 campaign --time 300ms -j 1 --target ./target --dir taken --subject seed_2019
  verdict "files" "$(echo "$names" | grep -v crash-2)" "$(ls taken/crashes)"
  : >empty
  CRASH="$scratch/empty" run 0 campaign --time 300ms -j 1 --target ./target --dir cut_off
}

a_worker_that_ends() {
  run 0 campaign --time 1500ms -j 1 --target ./target --dir ends &
  sleep 0.7
  kill -KILL "$(tail -n 1 pids)" 2>/dev/null
  wait $!
  run 0 campaign --time 100ms -j 1 --target ./target --dir ends --json
  says out '"restarts":1,"killed":1[,}]'
  run 0 campaign status ends
  says out '^  workers     1 worker was killed from outside$'
  KILLED=1 run 3 campaign --time 20s -j 1 --target ./target --dir killed_at_once
  says err 'was killed by signal 9, 5 times in a row within 10 s: '
}

limits() {
  run 0 campaign --execs 4000 -j 1 --target ./target --dir execs
  says out '^[0-9.]+ s, 5000 executions'
  run 0 campaign --plateau 300ms -j 1 --target ./target --dir plateau
  says out '^ended: no new coverage'
  mkdir -p disk/corpus
  head -c 3000000 /dev/zero >disk/corpus/large
  run 4 campaign --time 20s --disk 2M -j 1 --target ./target --dir disk
  says err 'more than --disk allows'
  verdict "workers left over" "" "$(alive)"
}

damaged_state() {
  local text
  for text in '' '{' '[]' '{"format":1}' '{"format":99}' '{"format":1,"subject":7}'; do
    mkdir -p damaged
    printf '%s' "$text" >damaged/campaign.json
    run 2 campaign --time 300ms -j 1 --target ./target --dir damaged
    one_line '^vmapcheck: damaged/campaign.json: it '
    verdict "left as it was" "$text" "$(cat damaged/campaign.json)"
  done
  # Each change of a value is noticed. What an earlier version has written has no checksum: its values are checked.
  run 0 campaign --execs 4000 -j 1 --target ./target --dir sums
  cp sums/campaign.json whole.json
  refuse_changed 's/"executions": 5000/"executions": 5001/' 's/"executions": 5000/"executions": -1/' 's/"findings": \[\]/"findings": null/' \
    's/"edges": 21/"edges": 29/' 's/"format": 2/"format": 1/;s/"seed": [0-9]*/"seed": -1/' '/"checksum"/d;s/"findings": \[\],/"findings": []/'
  sed -i 's/"format": 2/"format": 1/;/"checksum"/d;s/"findings": \[\],/"findings": []/;/"killed"/d' whole.json
  cp whole.json sums/campaign.json
  run 0 campaign status sums
  refuse_changed 's/"executions": 5000/"executions": -1/' 's/"executions": 5000/"executions": 18446744073709551615/' 's/"findings": \[\]/"findings": null/' \
    's/"before": {/"before": 7, "x": {/' 's/"seconds": [0-9.]*/"seconds": -1.0/' 's/"running": false/"running": 0/' 's/"workers": 1/"workers": 1e9/'
  cp whole.json sums/campaign.json
  run 0 campaign --time 300ms -j 1 --target ./target --dir sums
  says err 'goes on: so far .* 5000 executions'
  verdict "format" 1 "$(grep -c '"format": 2' sums/campaign.json)"
  run 0 campaign --time 300ms -j 1 --target ./target --dir cut
  printf '[1.0,2' >>cut/samples.jsonl
  : >cut/tally-0
  run 0 campaign --time 300ms -j 1 --target ./target --dir cut
}

refuse_changed() {  # SCRIPT...: what sed makes of whole.json is none
  local script
  for script in "$@"; do
    sed "$script" whole.json >sums/campaign.json
    verdict "changed by $script" 1 "$(cmp -s whole.json sums/campaign.json || echo 1)"
    run 2 campaign status sums
    one_line '^vmapcheck: sums/campaign.json: it is damaged: '
    run 2 campaign --time 300ms -j 1 --target ./target --dir sums
    one_line '^vmapcheck: sums/campaign.json: it is damaged: '
  done
}

# Where a part of the counts is lost, it is said.
damaged_counts() {
  "$binary" campaign --time 20s -j 2 --target ./target --dir counts >out 2>err </dev/null &
  sleep 1
  { kill -KILL $! && wait $!; } 2>/dev/null
  head -c "$(wc -c <counts/tally-1)" /dev/urandom >counts/tally-1
  sed -i '0,/^\[\([0-9.]*\),[0-9]*/s//[\1,77/' counts/samples.jsonl
  run 0 campaign status counts
  says out '^  lost        tally-1 cannot be read: what was counted after .* is lost$'
  run 0 campaign report counts --format text
  says out '^  lost        1 line of samples.jsonl cannot be read, and left out of the curves$'
  run 0 campaign --time 300ms -j 1 --target ./target --dir counts
  says err '^campaign: tally-1 cannot be read: what was counted after .* is lost$'
}

# Whatever a directory is called, what is said of files in it is true, and can be given to a shell.
strange_names() {
  local name="a \"b\" \$HOME \\n <i> 'q' :c"
  run 0 encode fault.trace -o crash
  mkdir -p "$name"
  cp target "$name/target"
  CRASH="$scratch/crash" run 10 campaign --time 20s -j 1 --stop-on-first --target "./$name/target" --dir "$name/D" --subject seed_2019
  local replay trace
  replay="$(sed -n 's/^  replay  *[^ ]* //p' out)"
  trace="$(sed -n 's/^new: .* in //p' out)"
  verdict "the trace is there" yes "$([ -f "$trace" ] && echo yes)"
  eval "run 10 $replay"
  run 0 campaign report "$name/D" --json
  verdict "reports" 0 "$("$binary" campaign report "$name/D" >/dev/null 2>&1; echo $?)"
  # Where CMake itself cannot build, the launcher says so.
  mkdir -p 'quoted "b"'
  cp "$source_dir/vmapcheck" 'quoted "b"'
  command=(launcher "in a checkout with a strange path")
  'quoted "b"/vmapcheck' subjects >out 2>err </dev/null
  verdict "exit status" 3 "$?"
  one_line '^vmapcheck: the checkout is in .*: CMake cannot build with '
  CRASH='' run 0 campaign --time 300ms -j 1 --target ./target --dir=-D
  refuses 2 'control character' campaign --time 300ms -j 1 --target ./target --dir "a
b"
}

interruptions() {
  local begin
  command=(campaign "and SIGINT")
  begin="$(date +%s%N)"
  env --default-signal=INT timeout --preserve-status -s INT 0.7 \
    "$binary" campaign --time 20s -j 2 --target ./target --dir new >out 2>err </dev/null
  verdict "exit status" 5 "$?"
  verdict "ended at once" 1 "$((($(date +%s%N) - begin) / 1000000 < 6000))"
  says err 'interrupted, state saved; to go on from here: .* campaign --subject vmap --dir new -j 2 --time 20s'
  verdict "workers left over" "" "$(alive)"
  run 0 campaign --time 3s -j 1 --target ./target --dir new
  says err 's are left of its time$'
  command=(campaign "and SIGKILL")
  "$binary" campaign --time 20s -j 2 --target ./target --dir new >out 2>err </dev/null &
  sleep 0.7
  run 4 campaign --time 1s --target ./target --dir new
  one_line 'another campaign runs in new'
  { kill -KILL $! && wait $!; } 2>/dev/null
  sleep 0.3
  verdict "workers left over" "" "$(alive)"
  run 0 campaign --time 800ms -j 2 --target ./target --dir new
  says err 'goes on: so far'
}

# Where root may mount one.
full_disk() {
  mkdir -p small
  if ! mount -t tmpfs -o size=12m none small 2>/dev/null; then
    echo "campaign_test: skipped: full_disk, for no file system can be mounted here"
    return
  fi
  head -c 5000000 /dev/zero >small/ballast
  run 4 campaign --time 20s -j 1 --target ./target --dir small/campaign
  says err 'no space left on device'
  # No room for what the target has to say when it is looked at first.
  rm -r small/campaign
  mkdir -p small/campaign/probe
  head -c 20000000 /dev/zero >>small/ballast 2>/dev/null
  run 4 campaign --time 20s -j 1 --target ./target --dir small/campaign
  one_line 'no space left on device'
  verdict "workers left over" "" "$(alive)"
  sleep 0.3  # the workers have children of their own
  umount small
}

# ---- With a fuzz target --------------------------------------------------------------------------------------------

total() { grep -m 1 -o "\"$1\": [0-9]*" "$2/campaign.json" | head -n 1 | grep -o '[0-9]*$'; }

finds_a_planted_fault() {
  run 10 campaign --time 60s -j 2 --stop-on-first --seed "$seed" --subject canary_coalescing --target "$target" --dir planted
  says out '^found: coalescing after '
  says out '^new: coalescing, met '
  local trace
  trace="$(find planted/findings -maxdepth 1 -name '*-coalescing-*.trace')"
  run 10 replay --subject canary_coalescing "$trace"
  says out '^violation of coalescing '
  verdict "reports" 1 "$(find planted/findings -maxdepth 1 -name '*-coalescing-*.md' | wc -l)"
}

# A shallow fault must not stop the search, whether it answers wrongly or kills.
goes_past_what_is_known() {
  local subject
  for subject in canary_answer fault_null_root; do
    run 10 campaign --execs 3000 -j 1 --seed "$seed" --subject "$subject" --target "$target" --dir "past-$subject"
    verdict "findings of $subject" 1 "$(grep -c '"signature"' "past-$subject/campaign.json")"
    verdict "skipped with $subject" 1 "$(($(total skipped "past-$subject") > 100))"
    verdict "restarts with $subject" 1 "$(($(total restarts "past-$subject") <= 2))"
    verdict "executions with $subject" 1 "$(($(total executions "past-$subject") >= 3000))"
  done
}

counts_truthfully() {
  run 0 campaign --execs 2000 -j 2 --seed "$seed" --target "$target" --dir truth
  local said counted
  said="$(sed -n 's/^stat::number_of_executed_units: //p' truth/worker-*.log | awk '{ sum += $1 } END { print sum }')"
  counted="$(total executions truth)"
  # Each of the two workers may have been ended within an input, which the engine has counted at its begin.
  verdict "executions: $counted, by the engine $said" 1 "$((said - counted >= 0 && said - counted <= 2))"
}

# Killed in the middle of an input, for which it is stopped first.
a_killed_worker_is_no_finding() {
  local campaign worker name
  "$binary" campaign --time 15s -j 1 --seed "$seed" --target "$target" --dir shot >out 2>err </dev/null &
  campaign=$!
  sleep 2
  for name in KILL TERM; do
    sleep 2
    worker="$(cat "/proc/$campaign/task/$campaign/children")"
    stop_within_an_input
    kill -"$name" $worker
    kill -CONT $worker 2>/dev/null
  done
  wait $campaign
  verdict "exit status" 0 "$?"
  command=(campaign "whose workers are killed")
  says out '^2 workers were killed from outside$'
  says out '^ok: nothing found$'
}

# The size of the input that is being run stands before the signature and the input, at the end of the tally.
stop_within_an_input() {
  local i
  for i in $(seq 300); do
    kill -STOP $worker
    sleep 0.02
    [ "$(od -A n -t u8 -j $(($(wc -c <shot/tally-0) - (1 << 20) - 512 - 8)) -N 8 shot/tally-0 | tr -d ' ')" != 0 ] && return
    kill -CONT $worker
    sleep 0.01
  done
}

# A bit of a tally that has changed is noticed, wherever it is: the other copy is used, or the loss is said.
counts_that_are_damaged() {
  local expected
  "$binary" campaign --time 60s -j 1 --seed "$seed" --target "$target" --dir bits >out 2>err </dev/null &
  sleep 5
  { kill -KILL $! && wait $!; } 2>/dev/null
  sleep 0.3
  command=(campaign "status with changed bits")
  expected="$("$binary" campaign status bits --json)"
  cp bits/tally-0 whole_tally
  python3 - "$binary" >bits.out <<'END'
import json, random, subprocess, sys
status = lambda: json.loads(subprocess.run([sys.argv[1], "campaign", "status", "bits", "--json"], capture_output=True).stdout)
whole, bytes_of = status(), open("whole_tally", "rb").read()
last = json.load(open("bits/campaign.json"))["totals"]
counted = lambda one: (one["totals"]["executions"], one["totals"]["ops"], one["totals"]["counters"])
chance, wrong, said = random.Random(7), 0, 0
for k in range(60):
    changed = bytearray(bytes_of)
    for _ in range(1 + k % 3):
        changed[chance.randrange(24 if k % 4 == 0 else 6000)] ^= 1 << chance.randrange(8)
    open("bits/tally-0", "wb").write(changed)
    now = status()
    if now["losses"]: said += 1
    # One copy lacks what was counted last.
    elif not (0 <= whole["totals"]["executions"] - now["totals"]["executions"] <= 1): wrong += 1
    elif now["totals"]["executions"] == whole["totals"]["executions"] and counted(now) != counted(whole): wrong += 1
print(wrong, said > 0)
END
  verdict "wrong numbers, and losses that were said" "0 True" "$(cat bits.out)"
}

so_far() { "$binary" campaign status killed --json | grep -o "\"$1\":[0-9]*" | head -n 1 | grep -o '[0-9]*$'; }

# Killed twice at some moment: what was counted, kept and found before is there afterwards.
survives_being_killed() {
  local k before inputs
  command=(campaign "killed and resumed")
  for k in 1 2; do
    "$binary" campaign --time 60s -j 2 --seed "$seed" --subject canary_answer --target "$target" --dir killed >out 2>err </dev/null &
    sleep $((3 + k))
    { kill -KILL $! && wait $!; } 2>/dev/null
    sleep 0.5
    before="$(so_far executions)"
    verdict "session $k has executed something" 1 "$((before > 0))"
    find killed/corpus -type f | sort >corpus.$k
  done
  inputs="$(wc -l <corpus.2)"
  before="$(so_far executions)"
  local earlier
  earlier="$(python3 -c 'import json; print(json.load(open("killed/campaign.json"))["before"]["executions"])')"
  run 10 campaign --execs 1 -j 1 --seed "$seed" --subject canary_answer --target "$target" --dir killed
  verdict "executions before" "$before" \
    "$(python3 -c 'import json; print(json.load(open("killed/campaign.json"))["before"]["executions"])')"
  verdict "the first session is in it" 1 "$((earlier > 0))"
  find killed/corpus -type f | sort >corpus.3
  verdict "inputs lost" 0 "$(comm -23 corpus.2 corpus.3 | wc -l)"
  verdict "inputs lost by the first kill" 0 "$(comm -23 corpus.1 corpus.2 | wc -l)"
  verdict "there are inputs" 1 "$((inputs > 10))"
  verdict "findings" 1 "$(grep -c '"signature"' killed/campaign.json)"
  says out '^new: answer, met [0-9]+ times, [0-9]+ ops? in killed/findings/'
}

known_signatures() {
  printf '# known\n\nanswer \n' >known.txt
  run 11 campaign --execs 500 -j 1 --seed "$seed" --subject canary_answer --known known.txt --target "$target" --dir known
  says out '^known: answer, met [0-9]+ times$'
  verdict "reported" 0 "$(grep -c '^found:' out)"
}

# What was found with one build and fails no more with another is fixed; a stand-in for a build is another file.
a_new_build() {
  cp -r planted rebuilt
  cp "$target" ./other_build
  printf ' ' >>other_build
  run 10 campaign --execs 100 -j 1 --subject canary_coalescing --target ./other_build --dir rebuilt
  says err 'built anew'
  # As an earlier version wrote it, without a checksum.
  sed -i 's/"subject": "canary_coalescing"/"subject": "vmap"/; s/"build": "[^"]*"/"build": "x"/
    s/"format": 2/"format": 1/; /"checksum"/d; s/^ \],$/ ]/' rebuilt/campaign.json
  run 0 campaign --execs 100 -j 1 --target "$target" --dir rebuilt
  says err 'coalescing is fixed'
  says out '^fixed: coalescing'
}

main "$@"
