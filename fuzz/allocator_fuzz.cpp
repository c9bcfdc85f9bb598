// SPDX-License-Identifier: Apache-2.0
//
// Bytes as a trace, run against a subject. VMAPCHECK_SUBJECT names it (default: vmap). In a campaign what is known is
// skipped: see supervised.hpp.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <expected>
#include <optional>
#include <span>
#include <string>

#include "fuzz/features.hpp"
#include "fuzz/records.hpp"
#include "fuzz/supervised.hpp"
#include "harness/isolate/symbols.hpp"
#include "harness/random/check.hpp"
#include "harness/verify/executor.hpp"
#include "harness/verify/isolated.hpp"
#include "model/trace.hpp"
#include "subjects/loaded.hpp"
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
  if (names_shared_object(name)) {
    const auto loaded = load_subject(name);
    if (!loaded) give_up("VMAPCHECK_SUBJECT: " + loaded.error());
    return **loaded;
  }
  give_up("VMAPCHECK_SUBJECT: no subject is named '" + name + "'");
}

/// The last line is what crashes are told apart by: the same for every trace that fails in this way on this subject.
[[noreturn]] void report(Trace trace, const Failure& failure, const SubjectEntry& subject) {
  cut_behind(trace, failure);
  const std::string what = short_name(failure);
  std::fprintf(stderr, "%s%s\nstep %zu, %s: %s\n", print(trace).c_str(), symbolized(failure.report).c_str(),
               failure.step, signature(failure).c_str(), failure.violation.detail.c_str());
  for (const Frame& frame : failure.frames) std::fprintf(stderr, "  in %s\n", text_of(frame).c_str());
  std::fprintf(stderr, "ASSERTION FAILED: %s %s\n", what.c_str(), subject.name.c_str());
  std::abort();
}

/// Dies of what it finds, if that is no violation.
std::expected<std::optional<Failure>, std::string> run_alone(const Trace& trace, const SubjectEntry& subject) {
  Coverage coverage;
  auto failure = run(trace, subject.make, {.checking = Checking::amortized, .coverage = &coverage});
  publish_features(coverage);
  if (!failure || !*failure) return failure;
  // Checked at every step, the same trace shows the first invariant that broke, and where.
  auto exact = run(trace, subject.make);
  return exact && *exact ? exact : failure;
}

void run_one(std::span<const std::uint8_t> bytes) {
  static const SubjectEntry& subject = chosen_subject();
  static Supervised* const campaign = Supervised::in_campaign();
  const Trace trace = decode(bytes);
  const auto failure = campaign != nullptr ? campaign->run(bytes, trace, subject) : run_alone(trace, subject);
  // Some spaces may be refused. Where nearly all are, nothing is fuzzed.
  static std::uint64_t made = 0, refused = 0;
  if (!failure) {
    if (++refused >= refusals_min && is_nearly_none(made, refused)) give_up(subject.name + ": " + failure.error());
    if (refused == 1)
      std::fprintf(stderr, "%s: an input is passed by: %s\n", subject.name.c_str(), failure.error().c_str());
    return;
  }
  ++made;
  if (*failure) report(trace, **failure, subject);
}

}  // namespace
}  // namespace vmapcheck

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  vmapcheck::run_one({bytes, size});
  return 0;
}
