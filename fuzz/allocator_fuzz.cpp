// SPDX-License-Identifier: Apache-2.0
//
// Bytes as a trace, run against a subject. VMAPCHECK_SUBJECT names it (default: vmap).
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>

#include "fuzz/records.hpp"
#include "harness/executor.hpp"
#include "model/trace.hpp"
#include "subjects/registry.hpp"
#include "vmap/violation.hpp"

namespace vmapcheck {
namespace {

/// Says why there is nothing to fuzz. No exit(): an engine would take that for a crash of its input.
[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::_Exit(3);
}

const SubjectEntry& chosen_subject() {
  const char* const variable = std::getenv("VMAPCHECK_SUBJECT");
  const std::string name = variable != nullptr ? variable : "vmap";
  if (const SubjectEntry* const entry = find_subject(name)) return *entry;
  give_up("VMAPCHECK_SUBJECT: no subject is named '" + name + "'");
}

/// The last line is what crashes are told apart by: the same for every trace that breaks this invariant of this
/// subject.
[[noreturn]] void report(Trace trace, const Failure& failure, const SubjectEntry& subject) {
  if (failure.step < trace.ops.size()) trace.ops.resize(failure.step + 1);
  const std::string invariant(name(failure.violation.invariant));
  std::fprintf(stderr, "%sstep %zu breaks %s: %s\nASSERTION FAILED: %s %s\n", print(trace).c_str(), failure.step,
               invariant.c_str(), failure.violation.detail.c_str(), invariant.c_str(), subject.name.c_str());
  std::abort();
}

void run_one(std::span<const std::uint8_t> bytes) {
  static const SubjectEntry& subject = chosen_subject();
  const Trace trace = decode(bytes);
  const auto failure = run(trace, subject.make, Checking::amortized);
  if (!failure) give_up(subject.name + ": " + failure.error());
  if (!*failure) return;
  // Checked at every step, the same trace shows the first invariant that broke, and where.
  const auto exact = run(trace, subject.make, Checking::every_step);
  report(trace, exact && *exact ? **exact : **failure, subject);
}

}  // namespace
}  // namespace vmapcheck

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  vmapcheck::run_one({bytes, size});
  return 0;
}
