#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# cli_test.sh VMAPCHECK [SOURCE_DIR]: the command line from outside: exit statuses, what is said where, the JSON to the
# letter, and that neither signals nor full disks leave a mess. Prints each check that failed; the last line counts them.
# VMAPCHECK_SLOW=1: also traces of a million ops, which take a minute.
# shellcheck source=properties/cli_checks.sh
. "$(dirname -- "$0")/cli_checks.sh"

main() {
  begin "$@"
  write_traces
  usage
  replay_as_json
  replay_as_text
  replay_of_bad_input
  replay_of_several
  show_in_the_terminal
  show_as_a_page
  show_of_bad_input
  broken_outputs
  check_finds_nothing
  check_finds_something
  check_is_interrupted
  deaths_replayed
  deaths_found
  replay_many_times
  replay_as_test
  replay_in_gdb
  minimizing
  minimizing_what_does_not_fail
  minimizing_to_nowhere
  minimizing_is_interrupted
  flaky
  corpus_add
  time_limits
  long_traces
  codec
  corpus
  subjects
  finish
}

write_traces() {
  cat >all.trace <<'END'
vmapcheck-trace 1
# one of each
space 0x1000..0x11000 granule=0x1000 lazy-limit=0x4000
busy 0x3000..0x4000
alloc a0 size=0x1000
alloc a1 size=8k align=0x4000 within=0x2000..0x9000
alloc-at a2 0xa000..0xb000
congruent a3 align=0x1000 blocks=0x0+0x1000,0x4000+0x2000
free a0
free a0
free-lazily a1
purge
free-at 0x2000
free-lazily-at 0x3000
find 0x8123
find 0xf800
on-exhaustion a2
on-exhaustion a9
fail-metadata 2
alloc a5 size=7
alloc a6 size=0x20000
END
  cat >fault.trace <<'END'
vmapcheck-trace 1
space 0x100000..0x140000 granule=0x1000
alloc a0 size=0x1000
alloc a1 size=0x1000 align=0x2000
alloc a2 size=0x1000
alloc a3 size=0x1000
END
  printf 'vmapcheck-trace 1\nspace 0..0x1000\nfind 0\nfrobnicate\n' >bad.trace
  {
    printf 'vmapcheck-trace 1\nspace 0..0x1000\n'
    yes 'find 0x10' | head -n 20000
  } >long.trace
  {
    cat long.trace
    echo 'find 0x11'
  } >longer.trace
  cat >stale.trace <<'END'
vmapcheck-trace 1
space 0x0..0xfffffffffffff000 granule=0x1000
alloc-at a0 0x28000..0x32000
alloc-at a1 0xaa9000..0xaaa000
alloc-at a2 0xae5000..0xaf2000
free a2
END
  cat >rescue.trace <<'END'
vmapcheck-trace 1
space 0x0..0x1
busy 0x0..0x1
free-lazily-at 0x0
alloc a0 size=1
END
  printf 'vmapcheck-trace 1\nspace 0..0x1\nalloc a0 size=1\nalloc a1 size=1\n' >full.trace
  printf 'vmapcheck-trace 1\nspace 0..0x1000\nalloc a0 size=1\nfind 0\n' >found.trace
}

# ---- The checks ----------------------------------------------------------------------------------------------------

usage() {
  run 0 --version
  says out '^vmapcheck [0-9]'
  run 0 --help
  verdict "exit statuses" "0 2 3 4 5 10 11 12 13 14 15" "$(statuses)"
  local command
  for command in check campaign replay show; do
    run 0 "$command" --help
    says out '^Examples:'
    says out '^ *10  a violation$'
    silent err
  done
  for command in 'corpus list' encode decode; do
    # shellcheck disable=SC2086
    run 0 $command --help
    says out '^Examples:'
    verdict "exit statuses" "0 2 4 5" "$(statuses)"
    silent err
  done
  run 0 corpus --help
  verdict "exit statuses" "0 2 3 4 5 10 12 15" "$(statuses)"
  run 0 subjects --help
  verdict "exit statuses" "0 2 3 4" "$(statuses)"
  run 2
  silent out
  says err '^Usage: vmapcheck'
  refuses 2 "^vmapcheck: unknown command 'frobnicate'" frobnicate
  refuses 2 "^vmapcheck: unknown command ''" ''
  refuses 2 "^vmapcheck: unknown option '--frobnicate'" --frobnicate
  refuses 2 "^vmapcheck: unknown option '--frobnicate'" replay all.trace --frobnicate
  refuses 2 '^vmapcheck: .*FILE' replay
  refuses 2 "unexpected argument 'x'" check x
  refuses 2 'corpus needs a command' corpus
  refuses 2 "unknown command 'x'" corpus x
  refuses 2 './vmapcheck test' test --compiler gcc
  # Help for what there is not would pass for that of another.
  local help
  for help in --help -h; do
    refuses 2 "^vmapcheck: unknown command 'nonsense' \(see vmapcheck --help\)$" nonsense "$help"
    refuses 2 "unknown command 'nonsense'" "$help" nonsense
    refuses 2 "unknown command 'nonsense' \(see vmapcheck corpus --help\)$" corpus nonsense "$help"
    refuses 2 "'nonsense' \(see vmapcheck campaign --help\)$" campaign nonsense "$help"
    refuses 2 "unexpected argument 'nonsense' \(see vmapcheck check --help\)$" check nonsense "$help"
  done
  refuses 2 "unknown command 'nonsense'" nonsense --version
  # The script at the top of a checkout, where it answers itself.
  local script
  for script in 'test nonsense --help' 'test --help nonsense' 'mutants nonsense --help' 'mutants -h nonsense'; do
    # shellcheck disable=SC2086
    VMAPCHECK_BUILD_DIR="$scratch/build" binary="$source_dir/vmapcheck" run 2 $script
    says err 'nonsense'
    silent out
  done
  VMAPCHECK_BUILD_DIR="$scratch/build" binary="$source_dir/vmapcheck" run 0 test --help
  says out '^Usage: ./vmapcheck test '
  local bad
  for bad in '--cases 0' '--cases -1' '--cases x' '--cases 18446744073709551616' '--ops 0' '--ops 1e3' '--time 0' \
    '--time 5y' '--time -1s' '--seed x' '--seed 18446744073709551616' '--seed' '--checking never' '--json=x'; do
    # shellcheck disable=SC2086
    refuses 2 "^vmapcheck: .*${bad%%[ =]*}" check $bad
  done
  refuses 3 "no subject 'frob'" check --subject frob
  refuses 3 "no subject 'frob'" --subject frob replay all.trace
  refuses 3 'mine.so: cannot open shared object file' check --subject ./mine.so
  refuses 3 'invalid ELF header' replay --subject "$scratch/all.trace" all.trace
}

replay_as_json() {
  cat >golden <<'END'
{"step":0,"op":"alloc a0 size=0x1000","result":{"begin":"0x1000","end":"0x2000","fit":"left_edge"}}
{"step":1,"op":"alloc a1 size=0x2000 align=0x4000 within=0x2000..0x9000","result":{"begin":"0x4000","end":"0x6000","fit":"left_edge"}}
{"step":2,"op":"alloc-at a2 0xa000..0xb000","result":{"begin":"0xa000","end":"0xb000","fit":"no_edge"}}
{"step":3,"op":"congruent a3 align=0x1000 blocks=0x0+0x1000,0x4000+0x2000","result":{"base":"0xb000"}}
{"step":4,"op":"free a0","result":{"begin":"0x1000","end":"0x3000"}}
{"step":5,"op":"free a0","skipped":true}
{"step":6,"op":"free-lazily a1","result":{"begin":"0x4000","end":"0x6000"}}
{"step":7,"op":"purge","result":{"purged":"0x2000"}}
{"step":8,"op":"free-at 0x2000","error":"not_busy"}
{"step":9,"op":"free-lazily-at 0x3000","result":{"begin":"0x3000","end":"0x4000"}}
{"step":10,"op":"find 0x8123","result":null}
{"step":11,"op":"find 0xf800","result":{"begin":"0xf000","end":"0x11000"}}
{"step":12,"op":"on-exhaustion a2","result":null}
{"step":13,"op":"on-exhaustion a9","skipped":true}
{"step":14,"op":"fail-metadata 2","result":null}
{"step":15,"op":"alloc a5 size=0x7","error":"invalid_argument"}
{"step":16,"op":"alloc a6 size=0x20000","error":"no_space"}
{"verdict":"ok"}
END
  local arguments
  for arguments in 'replay --json all.trace' '--json replay all.trace' 'replay all.trace --json' \
    '--subject vmap --seed 7 replay --json --checking amortized all.trace' 'replay --seed 7 --json all.trace'; do
    # shellcheck disable=SC2086
    run 0 $arguments
    silent err
    verdict "standard output" "" "$(diff golden out)"
  done
  "$binary" replay --json - <all.trace >out 2>err
  verdict "from standard input" "" "$(diff golden out)"

  cat >golden <<'END'
{"step":0,"op":"alloc a0 size=0x1000","result":{"begin":"0x100000","end":"0x101000","fit":"left_edge"}}
{"step":1,"op":"alloc a1 size=0x1000 align=0x2000","result":{"begin":"0x102000","end":"0x103000","fit":"no_edge"}}
{"step":2,"op":"alloc a2 size=0x1000","result":{"begin":"0x103000","end":"0x104000","fit":"left_edge"}}
END
  run 10 replay --json --subject seed_2019 fault.trace
  silent err
  verdict "the steps" "" "$(head -n 3 out | diff golden -)"
  verdict "lines" 4 "$(wc -l <out)"
  says out '^\{"verdict":"violation","invariant":"answer","step":2,"detail":"[^"]+","signature":"answer"\}$'
  run 0 replay --json fault.trace
}

replay_as_text() {
  run 0 replay all.trace
  silent err
  says out '^all.trace: 17 ops '
  says out '^ +2  alloc-at a2 0xa000\.\.0xb000 +0xa000\.\.0xb000 no_edge$'
  says out '^ +5  free a0 +skipped: a0 is not live$'
  says out '^ +8  free-at 0x2000 +error not_busy$'
  says out '^ok: 17 steps'
  run 10 replay --subject seed_2019 fault.trace
  says out '^violation of answer at step 2: alloc a2 size=0x1000$'
  says out '^ +expected +0x101000\.\.0x102000'
  says out '^ +actual +0x103000\.\.0x104000'
  says out 'replay( --sanitize)? --subject seed_2019 fault.trace$'
}

replay_of_bad_input() {
  refuses 2 '^bad.trace:4:1: expected ' replay --json bad.trace
  run 2 replay bad.trace
  one_line '^bad.trace:4:1: expected '
  refuses 4 'missing.trace: No such file' replay missing.trace
  refuses 4 "''" replay ''
  refuses 4 'directory' replay "$scratch"
  head -c 100000 /dev/urandom >rubbish
  refuses 2 '^rubbish:1:[0-9]+: expected ' replay --json rubbish
  refuses 4 'a\\x0ab' replay $'a\nb'
  if [ "$(id -u)" -ne 0 ]; then
    cp all.trace secret.trace
    chmod 0 secret.trace
    refuses 4 'secret.trace: Permission denied' replay secret.trace
  fi
}

replay_of_several() {
  run 4 replay --json all.trace bad.trace missing.trace all.trace
  verdict "lines on standard error" 2 "$(wc -l <err)"
  verdict "verdicts" 2 "$(grep -c '^{"verdict":"ok"}$' out)"
  run 2 replay all.trace bad.trace
  run 10 replay --subject seed_2019 bad.trace fault.trace missing.trace
}

show_in_the_terminal() {
  run 0 show all.trace
  silent err
  says out '^all.trace: 17 ops in 0x1000\.\.0x11000, subject vmap$'
  says out '^step 2  alloc-at a2 0xa000\.\.0xb000$'
  says out '^ +0xa000\.\.0xb000 no_edge: the free block is split'
  says out '^ +\|# a0 #\|\. free \.\|# busy #\|# a1 #\|\. free \.\|# a2 #\|\. free \.\|$'
  says out '^ +\^\^\^\^\^\^$'
  says out '^ +0x1000\.\.0x3000 free: coalesces with the free block after$'
  says out '~ lazy ~'
  says out '\(the map is as before\)'
  says out '^ok: 17 steps, no violation$'
  verdict "steps" 17 "$(grep -c '^step ' out)"
  verdict "colours" 0 "$(grep -c $'\033' out)"
  verdict "the longest line of a map" 1 "$(awk '/\|/ && length > 108 {bad = 1} END {print !bad}' out)"
  command=(show 'of 70 columns')
  COLUMNS=70 "$binary" show all.trace >out 2>err
  verdict "the longest line of a map" 1 "$(awk '/^ .*\|/ && length > 70 {bad = 1} END {print !bad}' out)"

  run 10 show --subject seed_2019 fault.trace
  says out '<== breaks answer$'
  says out '^ subject +\|## a0 ##\|\. free \.\|## a1 ##\|## a2 ##\|'
  says out '^ model +\|## a0 ##\|## a2 ##\|## a1 ##\|'
  says out '^violation of answer at step 2: alloc a2 size=0x1000$'
  says out '^  expected   0x101000\.\.0x102000 full$'
  says out '^  actual     0x103000\.\.0x104000 left_edge$'
  says out 'replay( --sanitize)? --subject seed_2019 fault.trace$'
  run 10 show --subject canary_augment stale.trace
  says out '<== WRONG: should be 0xffffffffff555000$'
  says out '^  expected   0xffffffffff555000$'
  run 10 show --subject seed_2019 --at 3 fault.trace
  says out '^The run ends at step 2, before'

  run 0 show --at 3 all.trace
  verdict "steps" 1 "$(grep -c '^step 3 ' out)"
  verdict "steps" 1 "$(grep -c '^step ' out)"
  says out '^ +tree of free blocks$'
  says out '^ +(black|,-- red  ) 0x[0-9a-f]+\.\.0x[0-9a-f]+  size 0x[0-9a-f]+  subtree_max_size 0x'
  run 0 show --from 4 --to 6 all.trace
  verdict "steps" 'step 4 step 5 step 6' "$(grep -oE '^step [0-9]+' out | paste -sd ' ')"
  run 0 show --from 15 all.trace
  verdict "steps" 2 "$(grep -c '^step ' out)"
  run 0 show --to 0 all.trace
  verdict "steps" 1 "$(grep -c '^step ' out)"
  # The run ends there, whatever would come.
  run 0 show --subject seed_2019 --to 1 fault.trace
  says out '^ok: 2 steps, no violation$'
  run 0 show --subject fault_exit_zero --to 0 rescue.trace
  run 0 show --subject fault_exit_zero --at 0 rescue.trace
  run 10 show --subject fault_exit_zero --to 1 rescue.trace
  "$binary" show - <all.trace >out 2>err
  verdict "from standard input" 0 "$?"
  if command -v script >/dev/null; then
    command=(show 'on a terminal')
    script -qec "env -u NO_COLOR TERM=xterm '$binary' show all.trace" /dev/null >out 2>err </dev/null
    says out $'\033'
    script -qec "env NO_COLOR=1 TERM=xterm '$binary' show all.trace" /dev/null >out 2>err </dev/null
    verdict "colours with NO_COLOR" 0 "$(grep -c $'\033' out)"
  fi
}

show_as_a_page() {
  run 0 show --html page.html all.trace
  silent err
  says out '^ok: 17 steps, no violation$'
  says out '^wrote page.html: [0-9]+ KiB$'
  says page.html '^<!doctype html>$'
  verdict "addresses that would be loaded" 0 "$(grep -cE '(src|href|url)[=(]' page.html)"
  run 0 show --html - all.trace
  verdict "the same on standard output" "" "$(cmp page.html out 2>&1)"
  run 10 show --subject seed_2019 --html page.html fault.trace
  says out '^violation of answer at step 2'
  says page.html '"verdict":.*"name":"answer"'
  run 0 show --html page.html --from 2 --to 3 all.trace
  says out '^Of 17 ops this page holds the steps 2 to 3; --from and --to select others\.$'
  run 10 show --subject seed_2019 --html page.html --from 3 fault.trace
  says out '^Of 4 ops this page holds the steps 0 to 2, where the run ends\.$'
  run 0 show --html page.html long.trace
  says out '^Of 20000 ops this page holds the steps 15000 to 19999'
  says page.html '"step":19999'
  run 4 show --html /dev/full all.trace
  one_line '/dev/full'
  run 4 show --html missing/page.html all.trace
  one_line 'missing/page.html: No such file'
}

show_of_bad_input() {
  refuses 2 '^vmapcheck: .*FILE' show
  refuses 2 '^bad.trace:4:1: expected ' show bad.trace
  refuses 4 'missing.trace: No such file' show missing.trace
  refuses 3 "no subject 'frob'" show --subject frob all.trace
  refuses 2 '--at 17: the trace has the steps 0 to 16' show --at 17 all.trace
  refuses 2 '--from 99: the trace has the steps 0 to 16' show --from 99 --html page.html all.trace
  refuses 2 '--to 17: ' show --to 17 all.trace
  refuses 2 '--from 3 is after --to 2' show --from 3 --to 2 all.trace
  refuses 2 '--at excludes --from' show --at 3 --from 2 all.trace
  refuses 2 "^vmapcheck: .*--at.*expected the number of a step, found 'x'" show --at x all.trace
  refuses 2 "^vmapcheck: .*--to" show --to -1 all.trace
  refuses 2 'a page holds at most 20000 steps' show --html page.html --from 0 --to 20000 longer.trace
  printf 'vmapcheck-trace 1\nspace 0..0x10\n' >empty.trace
  refuses 2 '--at 0: the trace has no steps' show --at 0 empty.trace
  run 0 show empty.trace
  run 0 show --html page.html empty.trace
}

broken_outputs() {
  command=(replay 'to a full disk')
  "$binary" replay --json all.trace >/dev/full 2>err
  verdict "exit status" 4 "$?"
  one_line 'cannot write to standard output'
  command=(check 'to a full disk')
  "$binary" check --cases 1 --ops 1 >/dev/full 2>err
  verdict "exit status" 4 "$?"
  one_line 'cannot write to standard output'
  command=(replay 'with a violation, to a full disk')
  "$binary" replay --subject seed_2019 fault.trace fault.trace >/dev/full 2>err
  verdict "exit status" 4 "$?"
  one_line 'cannot write to standard output'
  command=(replay 'to nowhere')
  "$binary" replay --json all.trace >&- 2>err
  verdict "exit status" 4 "$?"
  command=(replay 'to a pipe that is closed')
  "$binary" replay --json long.trace 2>err | head -n 1 >out
  verdict "exit status" 4 "${PIPESTATUS[0]}"
  silent err
  command=(--help 'without any file')
  "$binary" --help <&- >&- 2>&-
  verdict "exit status" 4 "$?"
  run 4 encode all.trace -o /dev/full
  one_line '/dev/full'
}

check_finds_nothing() {
  run 0 check --cases 20 --ops 100
  silent err
  says out '^20 cases, 2000 ops in .* ops per second$'
  says out '^alloc +[0-9]+ +0 '
  says out '^fit types +full [0-9]+  left_edge [0-9]+  right_edge [0-9]+  no_edge [0-9]+$'
  says out '^errors +invalid_argument [0-9]+ '
  says out '^purges +on limit [0-9]+  on exhaustion [0-9]+$'
  says out '^ok: no violation$'
  cut -d: -f1 out | grep -v ' in ' >first
  run 0 check --cases 20 --ops 100
  cut -d: -f1 out | grep -v ' in ' >second
  verdict "the same seed, the same counts" "" "$(diff first second)"
  run 0 check --cases 20 --ops 100 --seed 2
  cut -d: -f1 out | grep -v ' in ' >second
  checks=$((checks + 1))
  cmp -s first second && verdict "another seed" "other counts" "the same"
  run 0 check --cases 3 --ops 10 --seed random --checking every-step
  run 0 check --time 100ms --ops 10
  run 0 check --cases 20 --ops 100 --json
  verdict "lines" 1 "$(wc -l <out)"
  says out '^\{"subject":"vmap","seed":20240229,"checking":"amortized","cases":20,"ops":2000,.*"verdict":"ok"\}$'
  [ -e vmapcheck-failures ]
  verdict "directory of failures" 1 "$?"
}

check_finds_something() {
  run 10 check --subject seed_2019
  silent err
  says out '^minimized from 26 to 1 op in [0-9.]+ s\. No trace of fewer ops fails so: all sequences of its ops over [0-9]+ granules were run\. Each number is at its smallest: '
  says out '^what matters$'
  says out "replay( --sanitize)? --subject seed_2019 vmapcheck-failures/seed_2019-answer-[0-9a-f]{8}.trace\$"
  says out '^  nearest that passes: '
  says out '^violation of answer at step '
  verdict "saved traces" 1 "$(find vmapcheck-failures -maxdepth 1 | grep -cE '/seed_2019-answer-[0-9a-f]{8}\.trace$')"
  verdict "saved traces, originals and reports" 3 "$(find vmapcheck-failures -type f | wc -l)"
  local trace
  trace="$(echo vmapcheck-failures/*.trace)"
  run 10 replay --subject seed_2019 "vmapcheck-failures/originals/${trace##*/}"
  says out '26 ops'
  says "${trace%.trace}.md" '^\* Signature: `answer`$'
  says "${trace%.trace}.md" "replay( --sanitize)? --subject seed_2019 $trace\$"
  says "${trace%.trace}.md" '^TEST\(Traces, Seed2019Answer'
  run 10 check --subject seed_2019
  says out "^$trace, which was saved by an earlier run, still fails:\$"
  says out '^violation of answer at step '
  run 10 check --subject seed_2019 --json
  one_line_of out '"saved":true'
  run 10 check --subject seed_2019 --no-saved
  says "$trace" '^# Breaks answer \(subject seed_2019\): '
  says "$trace" '^# Found by vmapcheck check --subject seed_2019 --seed 20240229 '
  run 10 replay --subject seed_2019 "$trace"
  run 0 replay "$trace"
  run 10 check --subject seed_2019 --json --save-dir a/b
  verdict "lines" 1 "$(wc -l <out)"
  says out '"verdict":"violation","found":\{"kind":"violation","invariant":"answer",.*"trace":"vmapcheck-trace 1.n'
  [ -e "a/b/${trace##*/}" ]
  verdict "the same name for the same trace" 0 "$?"
  run 10 check --subject seed_2019 --no-minimize -o c
  says out '^not minimized$'
  run 10 check --subject seed_2019 -o /dev/null/x
  says err '^vmapcheck: cannot make the directory /dev/null/x'
  says err '^vmapcheck: the trace is not saved: --save-dir names'
  says out '^alloc a0 '
  run 10 check --subject canary_augment --no-saved
  says out '^violation of augment '
}

check_is_interrupted() {
  local signal
  for signal in INT TERM; do
    command=(check "and SIG$signal")
    env --default-signal="$signal" timeout --preserve-status -s "$signal" 1 "$binary" check --time 30s >out 2>err </dev/null
    verdict "exit status" 5 "$?"
    one_line 'interrupted'
    says out '^fit types '
  done
  command=(replay - 'interrupted')
  sleep 3 | env --default-signal=INT timeout --preserve-status -s INT 0.3 "$binary" replay - >out 2>err
  verdict "exit status" 5 "${PIPESTATUS[1]}"
}

# ---- Subjects that die -----------------------------------------------------------------------------------------------

# dies SUBJECT KIND SIGNATURE STEPS TRACE: after so many steps, as text and as JSON.
dies() {
  local subject="fault_$1" kind="$2" signature="$3" steps="$4" trace="$5"
  run 10 replay --subject "$subject" "$trace"
  silent err
  verdict "steps before the death" "$steps" "$(grep -cE '^ +[0-9]+  .*[^:]$' out | awk -v n="$steps" '{print $1 < n ? $1 : n}')"
  says out "^ +$steps  .*  none: $signature"
  says out "^$signature.* at step $steps: "
  says out "replay( --sanitize)? --subject $subject $trace\$"
  [ "$kind" = hang ] && return # its second is long enough
  run 10 replay --json --subject "$subject" "$trace"
  silent err
  verdict "lines" "$((steps + 1))" "$(wc -l <out)"
  says out "^\{\"verdict\":\"died\",\"kind\":\"$kind\",\"step\":$steps,.*\"signature\":\"$signature[^\"]*\"\}\$"
}

deaths_replayed() {
  is_sanitized && return
  local n
  {
    printf 'vmapcheck-trace 1\nspace 0x0..0x10\n'
    for n in 0 1 2 3 4 5; do echo "busy 0x$n..0x$((n + 1))"; done
    for n in 0 1 2 3 4 5; do echo "free-lazily-at 0x$n"; done
  } >lazy.trace
  printf 'vmapcheck-trace 1\nspace 0..0x3\nbusy 0..1\nbusy 1..2\nfree-lazily-at 0\nfree-lazily-at 1\npurge\n' >ring.trace
  printf 'vmapcheck-trace 1\nspace 0..1\nalloc a0 size=1\non-exhaustion a0\nalloc a1 size=1\n' >lock.trace
  printf 'vmapcheck-trace 1\nspace 0..1\nbusy 0..1\nalloc a0 size=1\nalloc a1 size=1\nalloc a2 size=1\n' >wait.trace
  printf 'vmapcheck-trace 1\nspace 0..4\nbusy 0..1\nbusy 1..2\nbusy 2..3\n' >three.trace
  dies null_root signal SIGSEGV 1 full.trace
  dies exit_zero exit 'exit 0' 1 rescue.trace
  dies out_of_range exception 'exception std::out_of_range' 5 lazy.trace
  dies purge_ring hang 'hang in purge' 2 ring.trace
  dies deadlock hang 'hang in alloc' 2 lock.trace
  run 10 replay --json --subject fault_waiting_list wait.trace
  says out '^\{"verdict":"died","kind":"memory-limit","step":2,'
  run 10 replay --subject fault_import three.trace
  says out '^exception .* while the subject was made$'

  run 10 replay --json --subject fault_exit_zero rescue.trace fault.trace rescue.trace
  verdict "verdicts" 'died ok died' "$(grep -oE '"verdict":"[a-z]+"' out | cut -d'"' -f4 | paste -sd ' ')"

  command=(replay 'of a death, to a full disk')
  "$binary" replay --subject fault_exit_zero rescue.trace >/dev/full 2>err
  verdict "exit status" 4 "$?"
  one_line 'cannot write to standard output'
  command=(replay 'of a death, to a pipe that is closed')
  "$binary" replay --subject fault_exit_zero rescue.trace 2>err | head -n 1 >out
  verdict "lines" 1 "$(wc -l <out)"
  says out '^rescue.trace: 2 ops'
  silent err
  command=(replay 'to someone who reads late')
  yes 'find 0x10' | head -n 60000 >>long.trace
  "$binary" replay --json long.trace 2>err | { sleep 3; cat; } >out
  verdict "exit status" 0 "${PIPESTATUS[0]}"
  says out '^\{"verdict":"ok"\}$'
  silent err
}

# convicts SUBJECT KIND OPTION...: found, saved, and the same when it is replayed and when it is found again.
convicts() {
  local subject="fault_$1" kind="$2" trace signature
  shift 2
  run 10 check --subject "$subject" --json -o deaths "$@"
  verdict "lines" 1 "$(wc -l <out)"
  says out "\"verdict\":\"violation\",\"found\":\{\"kind\":\"$kind\","
  signature="$(grep -oE '"signature":"[^"]*"' out | head -n 1)"
  trace="$(echo "deaths/$subject"-*.trace)"
  verdict "report" 1 "$(find deaths -name "$(basename "$trace" .trace).md" | wc -l)"
  run 10 check --subject "$subject" --json -o deaths
  verdict "signature of the saved trace" "$signature" "$(grep -oE '"signature":"[^"]*"' out)"
  says out "\"saved\":true,.*\"file\":\"$trace\""
  rm -rf deaths
}

deaths_found() {
  is_sanitized && return
  convicts null_root signal
  convicts exit_zero exit
  convicts out_of_range exception --minimize-time 1s
  convicts deadlock hang --no-minimize
  convicts waiting_list memory-limit --no-minimize

  mkdir deaths
  cp rubbish deaths/a.trace
  cp fault.trace deaths/b.trace
  mkdir deaths/c.trace deaths/originals
  cp rescue.trace deaths/originals/d.trace
  run 10 check --subject fault_exit_zero -o deaths
  one_line '^deaths/a.trace:1:[0-9]+: expected'
  says out '^1 trace saved in deaths replayed: none fails$'
  run 10 check --subject fault_exit_zero -o /dev/null/x
  verdict "lines on standard error" 2 "$(wc -l <err)"
  says err '^vmapcheck: the trace is not saved: --save-dir names'
  says out '^alloc a0 '
  run 10 check --subject fault_exit_zero --json -o /dev/null/x
  one_line_of out '"file":null'

  # Nothing outlives it: its children have its arguments.
  local mark="deaths/$$.of.nobody"
  command=(check 'and SIGKILL')
  "$binary" check --subject fault_recursion --time 60s --seed 3 --ops 2 -o "$mark" >out 2>err </dev/null &
  sleep 0.5
  verdict "itself and its child" 2 "$(running "$mark" | wc -l)"
  { kill -KILL $! && wait $!; } 2>/dev/null
  sleep 0.3
  verdict "children left over" "" "$(running "$mark")"
}

running() {  # what has this argument, and does not just wait to be reaped
  local directory
  for directory in /proc/[0-9]*; do
    tr '\0' ' ' 2>/dev/null <"$directory/cmdline" | grep -q "vmapcheck .*$1" && echo "${directory#/proc/}"
  done
}

# Sanitizers report some deaths in their own words.
is_sanitized() { "$binary" check --sanitize --cases 1 --ops 1 >/dev/null 2>&1 </dev/null; }

# ---- What is made of a failing trace ---------------------------------------------------------------------------------

replay_many_times() {
  run 10 replay -n 10 --subject seed_2019 fault.trace
  silent err
  says out '^fault.trace: failed 10 of 10 times, subject seed_2019$'
  says out '^ +10  answer$'
  run 10 replay -n 1 --subject seed_2019 fault.trace
  says out '^fault.trace: failed 1 of 1 times, subject seed_2019$'
  run 0 replay --json -n 1 fault.trace
  one_line_of out '^\{"file":"fault.trace","runs":1,"failed":0,"verdict":"ok",'
  run 0 replay -n 10 fault.trace
  says out '^fault.trace: failed 0 of 10 times, subject vmap$'
  run 10 replay --json -n 2 --subject seed_2019 fault.trace
  verdict "the object" '{"file":"fault.trace","runs":2,"failed":2,"verdict":"violation","signatures":{"answer":2}}' "$(cat out)"
  run 12 replay -n 10 --subject flaky found.trace
  says out '^found.trace: failed 5 of 10 times, subject flaky: flaky$'
  run 12 replay --json -n 4 --subject flaky found.trace
  one_line_of out '"failed":2,"verdict":"flaky"'
  run 12 replay -n 4 --subject flaky found.trace missing.trace bad.trace
  refuses 2 '--times' replay -n 0 fault.trace
}

replay_as_test() {
  mkdir -p one two
  cat >one/odd.trace <<'END'
vmapcheck-trace 1
# quotes " and ', a raw string's end )", \n, %s {} and */
# the next line is not part of this one \
# nor of this one \  
space 0x100000..0x140000 granule=0x1000
alloc a0 size=0x1000
END
  printf '# \001 \033[31m \tand a tab\\\n' >>one/odd.trace
  cp one/odd.trace two/odd.trace
  cp one/odd.trace 7.trace
  run 0 replay --format cpp one/odd.trace two/odd.trace 7.trace fault.trace
  silent err
  verdict "names" 'Odd Odd_2 Trace7 Fault' "$(sed -n 's/^TEST(Traces, \(.*\)) {$/\1/p' out | paste -sd ' ')"
  verdict "control characters" 0 "$(grep -c $'[\001-\011\033]' out)"
  if command -v g++ >/dev/null && [ -e /usr/include/gtest/gtest.h ]; then
    cp out test.cpp
    g++ -std=c++23 -fsyntax-only -Wall -Wextra -Werror -I"$source_dir" -I"$source_dir/allocator" test.cpp >err 2>&1
    verdict "exit status" 0 "$?"
  fi
  run 4 replay --format cpp missing.trace fault.trace
  one_line 'missing.trace: No such file'
  says out '^#include <gtest/gtest.h>$'
  refuses 2 '^bad.trace:4:1: expected ' replay --format cpp bad.trace
  refuses 2 '--format' replay --format xml fault.trace
  run 0 replay --format json fault.trace
  says out '^\{"verdict":"ok"\}$'
}

replay_in_gdb() {
  refuses 13 'fault.trace does not fail on vmap' replay --gdb fault.trace
  refuses 2 '--gdb takes one trace' replay --gdb fault.trace fault.trace
  refuses 2 '--gdb takes one trace' replay --gdb -
  mkdir -p bin/empty
  PATH="$scratch/bin/empty" run 3 replay --gdb --subject seed_2019 fault.trace
  says err 'cannot run gdb: .*\(Debian: gdb\)'
  printf '#!/bin/sh\nprintf "<%%s>\\n" "$@"\n' >bin/gdb
  chmod +x bin/gdb
  cp fault.trace -- '-it is.trace'
  PATH="$scratch/bin:$PATH" run 0 replay --gdb --subject seed_2019 -- '-it is.trace'
  says err 'answer at step 2; gdb stops before it$'
  says out '^<break vmapcheck_before_failing_op>$'
  verdict "what gdb runs" "<--args> <$binary> <step-to> <--subject> <seed_2019> <--step> <2> <--> <-it is.trace>" \
    "$(sed -n '/^<--args>$/,$p' out | paste -sd ' ')"
  rm -- '-it is.trace'
  if ! command -v gdb >/dev/null || is_sanitized; then return; fi
  gdb -batch -ex run --args /bin/true 2>&1 | grep -q 'exited normally' || return # no process may be traced here
  local real
  real="$(command -v gdb)"
  printf '#!/bin/sh\nexec "%s" -batch "$@"\n' "$real" >bin/gdb
  PATH="$scratch/bin:$PATH" run 0 replay --gdb --subject seed_2019 fault.trace
  says out '^Breakpoint 1, .*vmapcheck_before_failing_op \(step=(step@entry=)?2\)'
  says err 'the next is step 2: alloc a2 size=0x1000$'
}

minimizing() {
  cp fault.trace before
  run 0 minimize --subject seed_2019 fault.trace -o small.trace
  silent err
  says out '^minimized from 3 to 1 op in [0-9.]+ s\. No trace of fewer ops fails so'
  says out 'replay( --sanitize)? --subject seed_2019 small.trace$'
  verdict "the trace itself" "" "$(cmp fault.trace before 2>&1)"
  says small.trace '^# Breaks answer \(subject seed_2019\): '
  says small.trace '^# Minimized from 4 to 1 op\.$'
  run 10 replay --json --subject seed_2019 small.trace
  says out '"signature":"answer"\}$'
  run 0 minimize --subject seed_2019 small.trace -o smaller.trace
  verdict "minimized again" "" "$(cmp small.trace smaller.trace 2>&1)"

  run 0 minimize --subject seed_2019 fault.trace -o object.trace --json
  silent err
  one_line_of out '^\{"kind":"violation","invariant":"answer","signature":"answer",.*"ops":1,.*"minimality":"proved",.*"file":"object.trace"\}$'
  run 0 minimize --subject seed_2019 fault.trace -o -
  verdict "on standard output" "" "$(cmp small.trace out 2>&1)"
  one_line 'minimized from 3 to 1 op'
  "$binary" minimize --subject seed_2019 - -o piped.trace <fault.trace >out 2>err
  verdict "from standard input" "" "$(cmp small.trace piped.trace 2>&1)"
  run 0 minimize --subject seed_2019 fault.trace -o any.trace --any
  refuses 2 '--any' minimize fault.trace -o any.trace --any --same-invariant
  # Of two failures the first counts: it ends the run.
  sed 's/^space.*/&\nbusy 0x130000..0x131000/' fault.trace >two.trace
  printf 'alloc a7 size=0x1000 align=0x4000\nalloc a8 size=0x1000\n' >>two.trace
  run 0 minimize --subject seed_2019 two.trace -o any.trace
  says out '^minimized from 3 to 1 op'

  if ! is_sanitized; then
    run 0 minimize --subject fault_exit_zero rescue.trace -o dead.trace --json
    one_line_of out '"kind":"exit","signature":"exit 0",.*"ops":2,'
    run 10 replay --json --subject fault_exit_zero dead.trace
    says out '"signature":"exit 0"\}$'
    says dead.trace '^# Dies of exit 0 \(subject fault_exit_zero\): '
  fi

  # What found it is kept where it fails as it did then; how long it was then is not.
  {
    sed 1q fault.trace
    printf '# %s\n' 'Breaks answer (subject seed_2019): a' 'Found by vmapcheck check --seed 3; minimized from 9 to 4 ops.' \
      'Found by chance; kept.'
    sed 1d fault.trace
  } >told.trace
  run 0 minimize --subject seed_2019 told.trace -o retold.trace
  verdict "its comments" '# Minimized from 4 to 1 op.|# Found by vmapcheck check --seed 3.|# Found by chance; kept.' \
    "$(grep '^#' retold.trace | sed 1d | paste -sd '|')"
  sed -i 's/Breaks answer (subject seed_2019)/Breaks answer (subject mine)/' told.trace
  run 0 minimize --subject seed_2019 told.trace -o retold.trace
  verdict "what found another" 0 "$(grep -c 'Found by vmapcheck' retold.trace)"

  # A link stays a link.
  ln -s target.trace link.trace
  run 0 minimize --subject seed_2019 fault.trace -o link.trace
  run 0 minimize --subject seed_2019 fault.trace -o link.trace
  verdict "the link" target.trace "$(readlink link.trace)"
  verdict "its target" "" "$(cmp small.trace target.trace 2>&1)"
}

minimizing_what_does_not_fail() {
  refuses 13 'fault.trace does not fail on vmap' minimize fault.trace -o none
  refuses 13 'empty.trace does not fail' minimize empty.trace -o none
  refuses 2 '^bad.trace:4:1: expected ' minimize bad.trace -o none
  head -c 90 fault.trace >cut.trace
  refuses 2 '^cut.trace:4:[0-9]+: expected ' minimize cut.trace -o none
  refuses 2 '^rubbish:1:[0-9]+: expected ' minimize rubbish -o none
  refuses 4 'missing: No such file' minimize missing -o none
  refuses 4 'directory' minimize . -o none
  refuses 2 '--output is required' minimize fault.trace
  refuses 2 'FILE' minimize -o none
  refuses 3 "no subject 'frob'" minimize --subject frob fault.trace -o none
  [ -e none ]
  verdict "no output where nothing was minimized" 1 "$?"
}

minimizing_to_nowhere() {
  ln -sf fault.trace same.trace
  ln -f fault.trace hard.trace
  local other
  for other in fault.trace ./fault.trace "$scratch/fault.trace" same.trace hard.trace; do
    refuses 2 'would be overwritten' minimize --subject seed_2019 fault.trace -o "$other"
    refuses 2 'would be overwritten' minimize --subject seed_2019 "$other" -o fault.trace
  done
  verdict "the trace itself" "" "$(cmp fault.trace before 2>&1)"
  rm same.trace hard.trace
  ln -s nowhere/x dangling
  ln -s loop loop
  for other in nowhere/x.trace nowhere/ . '' /dev/null/x dangling loop; do
    refuses 4 'cannot write' minimize --subject seed_2019 fault.trace -o "$other"
  done
  run 4 minimize --subject seed_2019 fault.trace -o /dev/full
  one_line 'cannot write /dev/full: No space'
  says out '^alloc a0 '
  run 4 minimize --subject seed_2019 fault.trace -o /dev/full --json
  one_line_of out '"file":null'
  if [ "$(id -u)" -ne 0 ]; then
    mkdir -p locked
    chmod 555 locked
    refuses 4 'locked/x: Permission denied' minimize --subject seed_2019 fault.trace -o locked/x
  fi
  verdict "no file is left over" 0 "$(find . -name '*.tmp' | wc -l)"
}

minimizing_is_interrupted() {
  "$binary" check --subject fault_rotation --no-minimize -o costly >out 2>err </dev/null
  local signal trace
  trace="$(echo costly/fault_rotation-*.trace)"
  for signal in INT TERM; do
    command=(minimize "and SIG$signal")
    env --default-signal="$signal" timeout --preserve-status -s "$signal" 1 \
      "$binary" minimize --subject fault_rotation --time 5m "$trace" -o best.trace >out 2>err </dev/null
    verdict "exit status" 5 "$?"
    one_line 'interrupted; the best so far was written$'
    run 10 replay --json --subject fault_rotation best.trace
    says out '"signature":"answer"\}$'
    rm -f best.trace
  done
}

flaky() {
  refuses 12 'found.trace fails on flaky in one of two runs, with answer$' minimize --subject flaky found.trace -o none
  refuses 12 'found.trace fails on flaky in one of two runs' minimize --any --subject flaky found.trace -o none
  [ -e none ]
  verdict "no output where nothing was minimized" 1 "$?"
  run 12 check --subject flaky -o unreliable
  says out '^flaky: run again by itself, this trace did not fail$'
  verdict "saved traces" 1 "$(find unreliable -name '*.trace' | wc -l)"
  run 12 check --subject flaky -o unreliable
  says out 'which was saved by an earlier run, is flaky: it failed in one of two runs:$'
  run 12 check --subject flaky -o unreliable --json
  one_line_of out '"verdict":"flaky","saved":true'
}

corpus_add() {
  run 0 corpus add all.trace --dir kept --because ' A hook: frees
what was "kept"! '
  verdict "said" 'kept/hooks/a-hook-frees-what-was-kept.trace: 17 ops' "$(cat out)"
  silent err
  verdict "its reason" '# A hook: frees what was "kept"!' "$(sed -n 2p kept/hooks/a-hook-frees-what-was-kept.trace)"
  run 0 replay kept/hooks/a-hook-frees-what-was-kept.trace
  refuses 2 'kept/hooks/a-hook-frees-what-was-kept.trace holds the same ops' corpus add all.trace --dir kept --because other
  run 0 corpus add fault.trace --dir kept --because 'a hook frees what was kept'
  says out '^kept/fits/a-hook'
  run 0 corpus add stale.trace --dir kept --because 'a hole'
  says out '^kept/coalescing/a-hole.trace: 4 ops$'
  local groups=('windows:alloc a0 size=7 within=0..0x10' 'lazy:free-lazily-at 0' 'errors:fail-metadata 1'
                'congruent:congruent a0 align=1 blocks=0+1')
  local group
  for group in "${groups[@]}"; do
    printf 'vmapcheck-trace 1\nspace 0..0x1000\n%s\n' "${group#*:}" >new.trace
    run 0 corpus add new.trace --dir kept --because 'a hole'
    says out "^kept/${group%%:*}/a-hole.trace: 1 op\$"
  done
  printf 'vmapcheck-trace 1\nspace 0..0x1000\nfree-at 0x77\n' >new.trace
  "$binary" corpus add - --dir kept --because 'a hole' <new.trace >out 2>err
  says out '^kept/coalescing/a-hole-2.trace'
  printf 'vmapcheck-trace 1\nspace 0..0x1000\nfree-at 0x78\n' >new.trace
  run 0 corpus add new.trace --dir kept --because 'a hole'
  says out '^kept/coalescing/a-hole-3.trace'
  printf 'vmapcheck-trace 1\nspace 0..0x1000\nfree-at 0x79\n' >new.trace
  refuses 2 'kept/lazy/a-hole.trace is there already' corpus add new.trace --dir kept --because x --as lazy/a-hole
  local bad
  for bad in /a/b ../a a/../b a/.. . .. a/ a//b a/.b -a $'a\nb' .trace; do
    refuses 2 '--as is GROUP/NAME below the corpus' corpus add new.trace --dir kept --because x "--as=$bad"
  done
  refuses 2 '--because is required' corpus add new.trace --dir kept
  refuses 2 '--because says in words' corpus add new.trace --dir kept --because ''
  refuses 2 '--because says in words' corpus add new.trace --dir kept --because ' ... '
  refuses 2 '^bad.trace:4:1: expected ' corpus add bad.trace --dir kept --because x
  refuses 4 'missing: No such file' corpus add missing --dir kept --because x
  refuses 4 'cannot make the directory /dev/null/x' corpus add new.trace --dir /dev/null/x --because x
  run 0 corpus add new.trace --dir kept --because x --as real/x.trace
  says out '^kept/real/x.trace: 1 op$'
  cp bad.trace kept
  run 0 corpus add found.trace --subject seed_2019 --dir kept --because 'one that passes'
  silent err
  run 0 corpus add two.trace --subject seed_2019 --dir kept --because 'one that fails'
  one_line 'it fails on seed_2019 with answer at step 2: the tests will say so'
  run 0 corpus add rescue.trace --subject fault_exit_zero --dir kept --because 'one that dies'
  one_line 'it fails on fault_exit_zero with exit 0 at step 1'
}

# The limit is the user's: it begins with the command, and a long trace is reproduced and deleted from within it.
time_limits() {
  awk 'BEGIN {
    print "vmapcheck-trace 1\nspace 0x0..0x100000000"
    for (i = 0; i < 20000; ++i) printf "alloc a%d size=16\n", i
    print "free a3\nfree a4"
  }' >grown.trace
  SECONDS=0
  run 0 minimize --subject canary_coalescing --time 20s grown.trace -o small.trace
  verdict "in time" 1 "$((SECONDS < 60))"
  verdict "made small" 1 "$(($(wc -l <small.trace) < 20))"
  run 10 replay --json --subject canary_coalescing small.trace
  says out '"signature":"coalescing"\}$'
  run 10 replay --json --subject canary_coalescing grown.trace
  says out '"step":20001,.*"signature":"coalescing"\}$'
  run 13 minimize --subject canary_coalescing --time 1ms grown.trace -o none
  one_line 'grown.trace did not fail on canary_coalescing before time was up: --time gives it more'
}

# A million ops, in bounded memory and time. VMAPCHECK_SLOW was unset with the others: main() has kept it.
long_traces() {
  [ -n "$slow" ] || return
  awk 'BEGIN {
    print "vmapcheck-trace 1\nspace 0x0..0x1000000000 granule=0x1000"
    for (i = 0; i < 500000; ++i) {
      printf "alloc a%d size=%d\n", i, 4096 * (1 + i * 7 % 13)
      if (i >= 100) printf "free a%d\n", i - 100
    }
    for (i = 499900; i < 500000; ++i) printf "free a%d\n", i
    print "alloc a600000 size=0x1000000000\nfree-lazily a600000\nalloc a600001 size=0x1000000000"
  }' >million.trace
  is_sanitized || ulimit -Sv 2097152
  run 10 replay --json --subject fault_exit_zero million.trace
  verdict "lines" 1000003 "$(wc -l <out)"
  run 10 show --subject fault_exit_zero --html page.html million.trace
  says out '^Of 1000003 ops this page holds the steps 995003 to 1000002, where the run ends\.$'
  SECONDS=0
  run 0 minimize --subject fault_exit_zero --time 10s million.trace -o small.trace
  verdict "in time" 1 "$((SECONDS < 60))"
  run 10 replay --json --subject fault_exit_zero small.trace
  says out '"signature":"exit 0"\}$'
  ulimit -Sv unlimited
}

codec() {
  run 0 encode all.trace -o bytes
  silent out
  run 0 decode bytes -o back.trace
  run 0 replay --json back.trace
  cp out back.json
  run 0 replay --json all.trace
  verdict "answers after a round trip" "" "$(sed 's/a9/a6/; s/a6 size/a5 size/; s/a5 size=0x7/a4 size=0x7/' out | diff - back.json)"
  run 0 encode all.trace
  cmp -s out bytes
  verdict "bytes on standard output" 0 "$?"
  run 0 decode rubbish
  says out '^vmapcheck-trace 1$'
  run 0 decode /dev/null
  refuses 2 '^bad.trace:4:1: expected ' encode bad.trace -o none
  refuses 4 'missing' decode missing -o none
  refuses 4 '/dev/null/x' encode all.trace -o /dev/null/x
  [ -e none ]
  verdict "no output where there was no input" 1 "$?"
  verdict "no file is left over" 0 "$(find . -name '*.tmp' | wc -l)"
}

corpus() {
  mkdir -p traces/sub
  cp all.trace traces/sub/one.trace
  cp fault.trace traces/two.trace
  run 0 corpus list traces
  says out '^sub/one.trace +17  one of each$'
  run 0 corpus list --json traces
  verdict "the list" \
    '[{"name":"sub/one.trace","ops":17,"comment":"one of each"},{"name":"two.trace","ops":4,"comment":""}]' "$(cat out)"
  cp bad.trace traces
  run 2 corpus list traces
  one_line '^traces/bad.trace:4:1: expected'
  verdict "lines" 2 "$(wc -l <out)"
  refuses 4 'missing' corpus list missing
  if [ -n "$(find "$source_dir/corpus" -name '*.trace' -print -quit)" ]; then
    VMAPCHECK_SOURCE_DIR="$source_dir" run 0 corpus list
  fi

  printf '%s\n' '7  mmap(NULL, 8192, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000000000' \
    '7  munmap(0x7f0000000000, 4096) = 0' '7  mprotect(0x7f0000001000, 4096, PROT_NONE) = 0' >log
  run 0 corpus import --strace log -o new.trace --program 'a program'
  silent out
  says err 'no meaning +.*mprotect'
  says new.trace '^alloc-at a0 0x7f0000000000\.\.0x7f0000002000$'
  run 0 replay new.trace
  run 0 corpus import --strace log --placement first-fit --pid 7
  says out '^alloc a0 size=0x2000$'
  refuses 2 'pid 8' corpus import --strace log --pid 8
  refuses 2 '^all.trace:[0-9]+:[0-9]+: expected' corpus import --strace all.trace
  refuses 2 'placement' corpus import --strace log --placement somewhere
  refuses 2 'power of two' corpus import --strace log --page 3
  refuses 4 'missing' corpus import --strace missing
}

subjects() {
  run 0 subjects
  says out '^vmap +sound '
  says out '^seed_2019 +specimen '
  run 0 subjects --json
  verdict "lines" 1 "$(wc -l <out)"
  says out '^\[\{"name":"vmap","kind":"sound","summary":"[^"]+","promises":\{"lowest":true,'
}

main "$@"
