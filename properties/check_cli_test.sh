#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# check_cli_test.sh VMAPCHECK: demanded coverage, warnings, histograms and the hash of all states, as `check` shows them.
# shellcheck source=properties/cli_checks.sh
. "$(dirname -- "$0")/cli_checks.sh"

main() {
  begin "$@"
  demands_met
  demands_missed
  demands_refused
  names_listed
  violation_before_demands
  warnings
  histograms
  hash_of_states
  soak
  finish
}

json() { # EXPRESSION: of the object in `out`, as Python has it
  python3 -c 'import json, sys; r = json.load(open("out")); print(eval(sys.argv[1]))' "$1"
}

demands_met() {
  run 0 check --cases 100 --require 'fit.no_edge>=1%' --require 'free_blocks.max >= 100' --require 'tree_depth.max>=5'
  silent err
  says out '^demanded$'
  says out '^  met     fit\.no_edge>=1%      +[0-9.]+% \([0-9]+ of [0-9]+ placements\)$'
  says out '^  met     free_blocks\.max>=100  [0-9]+$'
  says out '^  met     tree_depth\.max>=5 +[0-9]+$'
  says out '^ok: no violation$'
  run 0 check --cases 100 --json --require 'ops==100k' --require 'error.no_space>0%'
  one_line_of out '"verdict":"ok"'
  verdict "demands" "[('ops==100k', 100000, None, True), ('error.no_space>0%', True)]" "$(json '[
    (d["demand"], int(d["reached"]), d["whole"], d["met"]) for d in r["demands"][:1]] + [
    (d["demand"], d["met"] and abs(d["percent"] - 100 * d["reached"] / d["whole"]) < 1e-9) for d in r["demands"][1:]]')"
  run 0 check --cases 1 --ops 10
  verdict "without demands nothing is said of them" 0 "$(grep -c demanded out)"
}

demands_missed() {
  run 14 check --cases 2 --ops 10 --require 'free_blocks.max>=100k' --require 'ops==20' --require 'fit.full<0%'
  silent err
  says out '^  MISSED  free_blocks\.max>=100k  [0-9]+$'
  says out '^  met     ops==20 '
  says out '^coverage missed: no violation, but 2 of 3 demands not met$'
  run 14 check --cases 2 --ops 10 --require 'free_blocks.max>=100k' --json
  one_line_of out '"verdict":"coverage_missed"'
  verdict "met" "[False]" "$(json '[d["met"] for d in r["demands"]]')"
  # A subject that has no tree has no depth, and no part of nothing is enough.
  run 14 check --subject model --cases 2 --ops 10 --require 'tree_depth.max<=99' --require 'tree.link_inner_left<=100%'
  says out 'tree_depth\.max<=99 +not measured'
  says out 'tree\.link_inner_left<=100% +no all tree\.link_\*$'
}

demands_refused() {
  local bad
  for bad in 'ops' 'ops=1' 'ops>=' 'ops>=-1' 'ops>=1x' '>=1' '' 'ops>=1%' 'fit.full>=101%'; do
    refuses 2 '^vmapcheck: --require' check --require "$bad"
  done
  refuses 2 "there is no 'fit.noedge', but fit.no_edge.*--require help lists all" check --require 'fit.noedge>=1%'
  # Before anything is run, also where another demand is right.
  refuses 2 "there is no 'zebra'" check --time 1h --require 'ops>=1' --require 'zebra>=1'
  refuses 2 'require' check --require
}

names_listed() {
  run 0 check --require help
  silent err
  local name
  for name in fit.no_edge free_blocks.max op.alloc-at.skipped tree.fix_outer_nephew_left nodes_visited.mean; do
    says out "^$name  "
  done
  says out '^fit.no_edge .*; % of placements$'
  verdict "columns" 0 "$(awk 'length > 140' out | wc -l)"
  local missed=0
  while read -r name _; do
    "$binary" check --cases 1 --ops 1 --require "$name>=0" >/dev/null 2>&1 </dev/null
    case $? in 0 | 14) ;; *) missed=$((missed + 1)) ;; esac
  done < <(sed '1,/^$/d' out | awk 'NR % 7 == 1')
  verdict "names that are listed and refused" 0 "$missed"
  run 0 check --help
  says out '^ *14  a demanded coverage was missed$'
}

violation_before_demands() {
  run 10 check --subject canary_answer --no-minimize --require 'free_blocks.max>=100k' -o found
  says out 'MISSED  free_blocks'
  run 10 check --subject canary_answer --no-minimize --no-saved --require 'free_blocks.max>=100k' -o found --json
  one_line_of out '"verdict":"violation"'
}

warnings() {
  run 0 check --cases 1000 --ops 3
  one_line '^vmapcheck: warning: [0-9]+% of 3000 states stayed small: there were fewer than 4 free blocks$'
  run 0 check --cases 1000 --ops 3 --json
  one_line 'states stayed small'
  verdict "warnings" 1 "$(json 'len(r["warnings"])')"
  run 0 check --cases 100
  silent err
}

histograms() {
  run 0 check --cases 50 --stats
  silent err
  local title
  for title in 'ops that were performed' 'sizes asked for, in granules: ' 'alignments asked for' 'fit types$' \
    'coalescing$' 'busy and lazily freed areas' 'free blocks, after each op: ' 'depth of the tree' 'nodes visited'; do
    says out "^$title"
  done
  says out '^  no_edge +[0-9]+ +[0-9.]+% #+$'
  says out '^  2\^10 +[0-9]+ '
  says out '^  2\^48\.\.2\^63 +[0-9]+ '
  verdict "lines of histograms beyond 80 columns" 0 "$(sed -n '/^ops that/,$p' out | awk 'length > 80' | wc -l)"
  verdict "bytes that are not ASCII" 0 "$(sed -n '/^ops that/,$p' out | LC_ALL=C grep -c '[^ -~]')"
  run 0 check --cases 50 --stats --json
  verdict "ops are counted once" "[50000, 50000, 50000, True]" "$(json '[
    sum(r["histograms"]["ops"].values()), r["histograms"]["free_blocks"]["count"],
    sum(b["count"] for b in r["histograms"]["nodes_visited"]["buckets"]),
    r["histograms"]["free_blocks"]["max"] == r["coverage"]["free_blocks_max"]]')"
  run 0 check --cases 5 --ops 50 --subject model --stats
  says out '^  nothing$'
}

hash_of_states() {
  run 0 check --cases 30 --ops 300 --seed 5 --json
  local first pids=() i
  first="$(json 'r["states_hash"]')"
  says out '"states_hash":"0x[0-9a-f]{16}"'
  for i in 1 2; do
    "$binary" check --cases 30 --ops 300 --seed 5 --json >"parallel$i" 2>/dev/null </dev/null &
    pids+=($!)
  done
  for i in 1 2; do
    wait "${pids[i - 1]}"
    says "parallel$i" "\"states_hash\":\"$first\""
  done
  run 0 check --cases 30 --ops 300 --seed 5 --stats
  says out "^states hash  $first\$"
  run 0 check --cases 30 --ops 300 --seed 6 --json
  checks=$((checks + 1))
  [ "$(json 'r["states_hash"]')" = "$first" ] && verdict "another seed" "another hash" "$first"
  run 0 check --time 100ms --stats
  says out '^states hash  none: the run was cut short$'
  run 0 check --time 100ms --json
  verdict "hash of a run that was cut short" None "$(json 'r["states_hash"]')"
}

soak() {
  run 0 check --live 10000 --ops 60000 --require 'areas.max>=10k' --require 'free_blocks.max>=1k'
  silent err
  says out '^areas +at most [0-9]+, [0-9.]+ on average$'
  says out '^nodes visited +at most [0-9]+, [0-9.]+ on average by an op$'
  run 0 check --live 1000 --ops 5000 --json
  verdict "figures" "['areas', 'free_blocks', 'tree_depth', 'nodes_visited']" "$(json 'list(r["soak"])')"
  run 10 check --subject canary_memory --live 5000 --ops 50000 --minimize-time 2s -o soaked
  says out '^violation of memory '
  says "$(echo soaked/*.trace)" '^# Found by vmapcheck check --subject canary_memory --seed [0-9]+ --live 5000 --ops [0-9]+;'
  refuses 2 'soak is one case' check --live 1000 --cases 2
  refuses 2 'not checked in full' check --live 1000 --checking every-step
  refuses 2 'expected a number from 64' check --live 1
  refuses 2 '--live is for more' check --ops 10000001
}

main "$@"
