#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# check_cli_test.sh VMAPCHECK: demanded coverage, warnings, histograms and the hash of all states, as `check` shows them;
# where findings are saved, and what becomes of those that are; subjects in files.
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
  saved_before_minimizing
  saved_of_other_subjects
  saved_and_changed
  if compile_subject; then
    named_by_the_last_part
    spaces_refused
  fi
  no_subject_of_this_build
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

# ---- Where findings are saved ----------------------------------------------------------------------------------------

traces_of() { find "$1" -maxdepth 1 -name '*.trace'; }

saved_before_minimizing() {
  local options dir trace
  for options in '' --json; do
    dir="killed$options"
    command=(check "$options" 'and SIGKILL while it minimizes')
    # shellcheck disable=SC2086
    "$binary" check --subject canary_cost --seed 7 --minimize-time 5m -o "$dir" $options >out 2>err </dev/null &
    for _ in {1..100}; do
      traces_of "$dir" 2>/dev/null | grep -q . && break
      sleep 0.1
    done
    sleep 0.2
    { kill -KILL $! && wait $!; } 2>/dev/null
    cp out said
    verdict "saved traces" 1 "$(traces_of "$dir" | wc -l)"
    trace="$(traces_of "$dir")"
    says "$trace" '^# Breaks cost \(subject canary_cost\): '
    says "$trace" '^# Found by vmapcheck check --subject canary_cost --seed 7 --cases [0-9]+ --ops 1000; not minimized\.$'
    run 10 check --subject canary_cost -o "$dir"
    says out "^$trace, which was saved by an earlier run, still fails:\$"
  done
  verdict "what was said, with --json" "" "$(cat said)"
  # Found again, and minimized: then it is no longer there as it was found, but for originals/.
  trace="$(traces_of killed)"
  run 10 check --subject canary_cost --seed 7 --no-saved --minimize-time 500ms -o killed
  says out "^saved as $trace until it is minimized\$"
  verdict "saved traces" 1 "$(traces_of killed | wc -l)"
  [ -e "$trace" ]
  verdict "the trace as it was found" 1 "$?"
  says "killed/originals/$(basename "$(traces_of killed)")" '^# Found by vmapcheck check --subject canary_cost --seed 7 '
  verdict "saved traces, originals and reports" 3 "$(find killed -type f | wc -l)"
  run 10 explore --subject canary_tree --granules 3 -o explored
  says out '^saved as explored/canary_tree-tree-[0-9a-f]{8}\.trace until it is minimized$'
  verdict "saved traces" 1 "$(traces_of explored | wc -l)"
  # What cannot be saved is said before it is minimized, and once.
  run 10 check --subject seed_2019 -o /dev/null/x
  verdict "lines on standard error" 2 "$(wc -l <err)"
  says err "; it was found by vmapcheck check --subject seed_2019 --seed 20240229 --cases 2 --ops 1000\$"
  verdict "what was said to be saved" 0 "$(grep -cE '^saved|^  (replay|report) ' out)"
  # The trace as it was found is kept where what it was minimized to cannot be saved.
  mkdir half
  touch half/originals
  run 10 check --subject seed_2019 -o half
  trace="$(traces_of half)"
  says err "^vmapcheck: only the trace as it was found is saved: $trace\$"
  says out "^  replay .* $trace\$"
  says "$trace" '; not minimized\.$'
}

fails_on_seed_2019() {  # COMMENT
  printf 'vmapcheck-trace 1\n# %s\nspace 0..4\nbusy 2..3\nalloc a0 size=2 align=2\n' "$1"
}

saved_of_other_subjects() {
  mkdir mixed
  fails_on_seed_2019 'Breaks answer (subject mine): expected a, actual b' >mixed/a.trace
  fails_on_seed_2019 'Dies of SIGSEGV in f (subject ../so/mine.so): died of SIGSEGV' >mixed/b.trace
  run 10 check --subject seed_2019 --no-minimize -o mixed
  says out '^2 saved traces of other subjects in mixed not replayed; --all-saved replays them, too$'
  says out '^found: case '
  rm mixed/seed_2019*
  run 0 check --cases 2 --ops 10 -o mixed
  says out '^2 saved traces of other subjects in mixed not replayed'
  run 0 check --cases 2 --ops 10 -o mixed --json
  one_line_of out '"saved":\{"replayed":0,"of_other_subjects":2,"left":0\}'
  run 0 check --cases 2 --ops 10 -o mixed --all-saved
  says out '^2 traces saved in mixed replayed: none fails$'
  run 10 check --subject seed_2019 -o mixed --all-saved
  says out '^mixed/a.trace, .*, fails here, too: with answer; it was saved with answer of subject mine:$'
  refuses 2 'all-saved' check --all-saved --no-saved
}

saved_and_changed() {
  mkdir changed
  fails_on_seed_2019 'Breaks tree (subject seed_2019): expected a, actual b' >changed/a.trace
  run 10 check --subject seed_2019 -o changed
  says out '^changed/a.trace, which was saved by an earlier run, fails differently now: with answer; it was saved with tree:$'
  run 10 check --subject seed_2019 -o changed --json
  one_line_of out '"signature":"answer",.*"signature_saved":"tree"'
  # A trace that does not say of which subject it is may be of this one.
  fails_on_seed_2019 'one that fails' >changed/a.trace
  run 10 check --subject seed_2019 -o changed
  says out '^changed/a.trace, which was saved by an earlier run, still fails:$'
}

# ---- Subjects in files -------------------------------------------------------------------------------------------------

# so/refuses.so: it refuses whatever is asked of it. SUBJECT_IS=picky: sound, but for spaces without granules, which it
# refuses; never: it refuses all spaces; tired: it serves 50 times in a process, whatever spaces it is made for.
compile_subject() {
  command -v g++ >/dev/null || return
  mkdir so
  cat >subject.cpp <<'END'
#include <cstdlib>
#include <string_view>

#include "harness/verify/model_subject.hpp"
#include "subjects/interface_stamp.hpp"
#include "subjects/loaded.hpp"

using namespace vmapcheck;

static int served = 0;
struct Tired : ModelSubject {
  using ModelSubject::ModelSubject;
  vmap::Result<vmap::Allocation> allocate(const vmap::Request& request) {
    if (++served > 50) return std::unexpected(vmap::Error::no_space);
    return ModelSubject::allocate(request);
  }
};
struct Refuses {
  vmap::Result<vmap::Allocation> allocate(const vmap::Request&) { return std::unexpected(vmap::Error::no_space); }
  vmap::Result<Range> free(Address) { return std::unexpected(vmap::Error::not_busy); }
};

static std::expected<std::unique_ptr<AnySubject>, std::string> make(const SubjectConfig& config) {
  const char* const text = std::getenv("SUBJECT_IS");
  const std::string_view is = text != nullptr ? text : "";
  if (is == "never" || (is == "picky" && config.space.granule == 1)) return std::unexpected("granules are too small");
  if (is == "picky") return model_subject()(config);
  if (is == "tired") return factory([](const SubjectConfig& its) { return Tired(its); })(config);
  return factory([](const SubjectConfig&) { return Refuses{}; })(config);
}

extern "C" [[gnu::visibility("default")]] const LoadedSubject* vmapcheck_loaded() {
  static const SubjectEntry entry{"refuses", SubjectKind::faulty, "refuses all", make};
  static const LoadedSubject loaded{.stamp = VMAPCHECK_INTERFACE_STAMP, .entry = &entry};
  return &loaded;
}
END
  command=(g++ subject.cpp)
  g++ -std=c++23 -w -fPIC -fvisibility=hidden -shared -Wl,-Bsymbolic -I"$source_dir" -I"$source_dir/allocator" \
    -I"$(dirname -- "$binary")/.." subject.cpp -o so/refuses.so 2>err
  verdict "exit status" 0 "$?"
}

named_by_the_last_part() {
  cp so/refuses.so "so/-we ird'.so"
  mkdir work
  cd work || return
  local subject name trace
  for subject in ../so/refuses.so "$scratch/so/refuses.so" "../so/-we ird'.so"; do
    name="$(basename "$subject" | tr -c 'a-z.\n-' _)"
    name="${name#-}"
    run 10 check --subject "$subject" -o fail
    silent err
    verdict "saved traces, originals and reports" 3 "$(find fail -type f -name "$name-answer-????????.*" | wc -l)"
    verdict "files in all" 3 "$(find . -type f ! -name out ! -name err | wc -l)"
    trace="$(traces_of fail)"
    verdict "ops of the minimal trace, and of that as it was found" '1 3' \
      "$(grep -hcE '^alloc' "$trace" "fail/originals/$(basename "$trace")" | paste -sd ' ')"
    verdict "files beside the subject" 2 "$(find ../so -type f | wc -l)"
    says out "^  replay .* $trace\$"
    for command in "$(sed -n 's/^  replay  *//p' out)" "$(sed -n '/^Replay it/,/^## /{/ replay /p}' "${trace%.trace}.md")"; do
      bash -c "$command" >out 2>err </dev/null
      verdict "exit status" 10 "$?"
      says out '^violation of answer at step 0'
    done
    run 10 check --subject "$subject" -o fail
    says out 'which was saved by an earlier run, still fails:$'
    says "${trace%.trace}.md" '^  const auto loaded = vmapcheck::load_subject\("'
    rm -r fail
    run 10 explore --subject "$subject" --granules 2 -o fail
    verdict "saved traces" 1 "$(find fail -maxdepth 1 -name "$name-answer-????????.trace" | wc -l)"
    verdict "files beside the subject" 2 "$(find ../so -type f | wc -l)"
    rm -r fail
  done
  # What does not fail by itself is saved, too.
  SUBJECT_IS=tired run 12 explore --subject ../so/refuses.so --granules 3 --ops first-fit -o fail
  says out '^flaky: run again by itself, this trace did not fail$'
  verdict "saved traces" 1 "$(find fail -maxdepth 1 -name 'refuses.so-answer-????????.trace' | wc -l)"
  rm -r fail
  cd ..
}

spaces_refused() {
  SUBJECT_IS=picky run 0 check --subject so/refuses.so --cases 300 --ops 20
  says out '^skipped +[0-9]+ cases: the subject cannot be made in their space: granules are too small$'
  SUBJECT_IS=picky run 0 check --subject so/refuses.so --cases 300 --ops 20 --json
  verdict "cases, and those that were skipped" "(300, True, True, 'granules are too small')" "$(json '(
    r["cases"] + r["cases_skipped"], r["cases"] > 50, r["cases_skipped"] > 10, r["skipped_because"])')"
  SUBJECT_IS=never refuses 3 'subject so/refuses.so: granules are too small$' check --subject so/refuses.so --cases 1
  SUBJECT_IS=never refuses 3 'subject so/refuses.so: granules are too small$' check --subject so/refuses.so --time 1h
  # Nor does a saved trace end the run.
  mkdir picky
  fails_on_seed_2019 'of no subject' >picky/a.trace
  SUBJECT_IS=picky run 0 check --subject so/refuses.so --cases 30 --ops 20 -o picky
  one_line 'granules are too small'
  run 0 check --cases 20 --ops 10 --json
  verdict "spaces that ours refuses" "(20, 0)" "$(json '(r["cases"], r["cases_skipped"])')"
}

no_subject_of_this_build() {
  command -v cc >/dev/null || return
  local it
  # shellcheck disable=SC2016
  for it in 'has no stamp of a build:const void* vmapcheck_loaded(void) { static const void* no[2]; return no; }' \
    'has no stamp of a build:const void* vmapcheck_loaded(void) { return 0; }' \
    'compiled for another build of vmapcheck:const void* vmapcheck_loaded(void) { static const void* other[2] = {"1"}; return other; }' \
    'compiled for another build of vmapcheck.*undefined symbol:extern int gone; const void* vmapcheck_loaded(void) { return &gone; }' \
    'it does not export vmapcheck_loaded:int nothing;'; do
    echo "${it#*:}" >other.c
    cc -w -fPIC -shared other.c -o other.so
    refuses 3 "^vmapcheck: ./other.so: .*${it%%:*}" check --subject ./other.so
  done
}

main "$@"
