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
    survives_being_killed
    known_signatures
    a_new_build
  else
    write_stand_in
    bad_arguments
    bad_targets
    a_quiet_campaign
    an_input_that_does_not_fail
    a_worker_that_ends
    limits
    damaged_state
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
if [ -n "$probe" ]; then exit "${PROBE-0}"; fi
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
  verdict "exit statuses" "0 2 3 4 5 10 11 12" "$(statuses)"
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
  ENDS=1 run 3 campaign --time 20s -j 1 --target ./target --dir broken
  says err 'ended with status 9: it ends'
  verdict "workers left over" "" "$(alive)"
}

a_quiet_campaign() {
  run 0 campaign --time 500ms -j 2 --target ./target --dir new --seed 3
  says out '^0\.[0-9]+ s, 10000 executions, [0-9]+ per second, 0 ops, 21 edges, 34 features, 0 inputs kept in new/corpus$'
  says out '^ok: nothing found$'
  verdict "workers left over" "" "$(alive)"
  run 0 campaign --time 300ms -j 1 --target ./target --dir new --json
  verdict "lines" 1 "$(wc -l <out)"
  says out '"subject":"vmap".*"session":2,.*"totals":\{"seconds":0\.[0-9]+,"executions":15000,.*"verdict":"ok"'
  run 2 campaign --time 300ms --target ./target --dir new --subject model
  one_line 'holds a campaign with subject vmap, not model'
  verdict "is at its second session" 1 "$(grep -c '"session": 2' new/campaign.json)"
}

an_input_that_does_not_fail() {
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
  CRASH='' run 10 campaign --time 300ms -j 1 --target ./target --dir waits --subject seed_2019
  says out '^found: answer after 0 s, 0 executions'
  verdict "inputs that wait" 0 "$(find waits/crashes -type f | wc -l)"
  # It has stayed what it was, and is known by now.
  run 10 campaign --time 300ms -j 1 --target ./target --dir found --subject seed_2019
  verdict "reported no more" 0 "$(grep -c '^found:' out)"
  # The same bytes end the target, and nothing is wrong here.
  run 12 campaign --time 300ms -j 1 --target ./target --dir flaky
  says out '^flaky: libFuzzer: deadly signal, met '
  verdict "the input is kept" 1 "$(find flaky/findings/bytes -type f ! -name '*.log' | wc -l)"
  says "$(find flaky/findings/bytes -name '*.log')" '^SUMMARY: libFuzzer: deadly signal'
  export CRASH=
}

a_worker_that_ends() {
  run 0 campaign --time 1500ms -j 1 --target ./target --dir ends &
  sleep 0.7
  kill -KILL "$(tail -n 1 pids)" 2>/dev/null
  wait $!
  run 0 campaign --time 100ms -j 1 --target ./target --dir ends --json
  says out '"restarts":1[,}]'
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
  run 0 campaign --time 300ms -j 1 --target ./target --dir cut
  printf '[1.0,2' >>cut/samples.jsonl
  : >cut/tally-0
  run 0 campaign --time 300ms -j 1 --target ./target --dir cut
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
  mount -t tmpfs -o size=12m none small 2>/dev/null || return 0
  head -c 5000000 /dev/zero >small/ballast
  run 4 campaign --time 20s -j 1 --target ./target --dir small/campaign
  says err 'no space left on device'
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

# Killed twice at some moment: what was counted, kept and found before is there afterwards.
survives_being_killed() {
  local k before after inputs
  command=(campaign "killed and resumed")
  for k in 1 2; do
    "$binary" campaign --time 60s -j 2 --seed "$seed" --subject canary_answer --target "$target" --dir killed >out 2>err </dev/null &
    sleep $((3 + k))
    { kill -KILL $! && wait $!; } 2>/dev/null
    sleep 0.5
    before="$(od -A n -t u8 -j 24 -N 8 killed/tally-0 | tr -d ' ')"
    verdict "session $k has executed something" 1 "$((before > 0))"
    find killed/corpus -type f | sort >corpus.$k
  done
  inputs="$(wc -l <corpus.2)"
  before="$(od -A n -t u8 -j 24 -N 8 killed/tally-0 | tr -d ' ')"
  after="$(od -A n -t u8 -j 24 -N 8 killed/tally-1 | tr -d ' ')"
  local earlier
  earlier="$(python3 -c 'import json; print(json.load(open("killed/campaign.json"))["before"]["executions"])')"
  run 10 campaign --execs 1 -j 1 --seed "$seed" --subject canary_answer --target "$target" --dir killed
  verdict "executions before" $((earlier + before + after)) \
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
  sed -i 's/"subject": "canary_coalescing"/"subject": "vmap"/; s/"build": "[^"]*"/"build": "x"/' rebuilt/campaign.json
  run 0 campaign --execs 100 -j 1 --target "$target" --dir rebuilt
  says err 'coalescing is fixed'
  says out '^fixed: coalescing'
}

main "$@"
