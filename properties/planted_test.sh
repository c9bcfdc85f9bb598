#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# planted_test.sh PLANTED: vmapcheck with errors in copies of its own files. A sound subject is not convicted of them: the
# command ends with 15, says who is at fault, and neither minimizes nor saves anything.
. "$(dirname -- "$0")/cli_checks.sh"
begin "$@"

# own ERROR SIGNATURE ARGUMENT...
own() {
  export VMAPCHECK_PLANTED="$1"
  local signature="$2"
  shift 2
  run 15 "$@"
  unset VMAPCHECK_PLANTED
  one_line "vmapcheck is at fault, not the subject: .*\(oracle $signature.*please report this"
  verdict "kept" "" "$(ls -A vmapcheck-failures 2>/dev/null)"
}

printf 'vmapcheck-trace 1\nspace 0x0..0x10\nalloc a0 size=1\nfree a0\n' >two.trace
soak=(check --live 9000 --ops 30000)

for place in model executor; do
  function="vmapcheck::ReferenceModel::predict"
  [ $place = executor ] && function="vmapcheck::Executor::step"
  own "$place throw" "std::logic_error in $function" replay two.trace
  own "$place assert" "SIGABRT in $function" replay --json two.trace
  own "$place crash" "SIGSEGV in $function" check --cases 2
  own "$place crash" "SIGSEGV in $function" minimize two.trace -o small.trace
done
own "index throw" "std::logic_error in vmapcheck::GapIndex::predict" "${soak[@]}"
own "index crash" "SIGSEGV in vmapcheck::GapIndex::predict" "${soak[@]}"
own "index wrong" "std::logic_error in vmapcheck::Executor::demand_same" "${soak[@]}"

# Where nothing is planted it is as sound as the other; and a subject that fails is at fault itself.
run 0 replay two.trace
run 0 "${soak[@]}"
run 10 check --subject fault_null_root --cases 20 --no-minimize
says out 'SIGSEGV in .*NullRoot::allocate'
finish
