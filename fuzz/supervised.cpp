// SPDX-License-Identifier: Apache-2.0
#include "fuzz/supervised.hpp"

#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <expected>
#include <fstream>
#include <system_error>
#include <utility>

#include "fuzz/features.hpp"
#include "harness/isolate/survival.hpp"
#include "harness/verify/executor.hpp"
#include "harness/verify/isolated.hpp"

namespace vmapcheck {
namespace {

/// Each may have cost some kilobytes, and left what was corrupted: then the campaign starts the target anew.
constexpr std::uint64_t deaths_max = 5'000;

using Outcome = std::expected<std::optional<Failure>, std::string>;

/// In this process, which survives. A violation counts although the subject may die when it is destroyed.
Outcome run_and_survive(const Trace& trace, const SubjectEntry& subject, Checking checking, Coverage* coverage) {
  Outcome outcome;
  std::optional<Failure> violation;
  const auto on_violation = [&](const Failure& failure) { violation = failure; };
  const auto death = survive([&](Beacon& beacon) {
    outcome = run(trace, subject.make,
                  {.checking = checking, .coverage = coverage, .beacon = beacon, .on_violation = on_violation});
  });
  if (violation) return violation;
  if (death) return failure_of(*death, trace);
  return outcome;
}

}  // namespace

Supervised* Supervised::in_campaign() {
  static const std::unique_ptr<Supervised> one = []() -> std::unique_ptr<Supervised> {
    const char* const tally = std::getenv("VMAPCHECK_TALLY");
    const char* const known = std::getenv("VMAPCHECK_KNOWN");
    if (tally == nullptr) return nullptr;
    try {
      return std::unique_ptr<Supervised>(new Supervised(tally, known != nullptr ? known : ""));
    } catch (const std::system_error& error) {
      std::fprintf(stderr, "cannot count in the file VMAPCHECK_TALLY: %s\n", error.what());
      std::_Exit(4);
    }
  }();
  return one.get();
}

Supervised::Supervised(const std::string& tally, std::string known) : tally_(tally), known_file_(std::move(known)) {
  if (const char* const ops = std::getenv("VMAPCHECK_OPS_MAX")) ops_max_ = std::strtoull(ops, nullptr, 10);
  if (const auto before = newest(tally_->copies)) session_ = before->session, counts_ = before->counts;
  write(*tally_, session_, counts_);
  tally_->bytes = sizeof(Tally);
  tally_->copy_bytes = sizeof(Tally::Copy);
  tally_->magic = Tally::magic_value;
}

Outcome Supervised::run(std::span<const std::uint8_t> bytes, const Trace& trace, const SubjectEntry& subject) {
  Tally& tally = *tally_;
  // An engine that forks has counted in another process meanwhile.
  if (const auto now = newest(tally.copies); now && now->counts.executions > counts_.executions) counts_ = now->counts;
  const std::size_t size = std::min(bytes.size(), Tally::input_bytes_max);
  std::copy_n(bytes.begin(), size, tally.input);
  tally.input_size.store(size, std::memory_order_release);

  Coverage coverage;
  Outcome outcome = run_and_survive(trace, subject, Checking::amortized, &coverage);
  if (!outcome) return outcome;
  if (*outcome) {
    // Checked at every step, the same trace shows the first invariant that broke, and where.
    if (auto exact = run_and_survive(trace, subject, Checking::every_step, nullptr); exact && *exact)
      outcome = std::move(exact);
    const std::string what = signature(**outcome);
    const auto place = place_among_known(what);
    if (!place) {
      std::snprintf(tally.signature, sizeof tally.signature, "%s", what.c_str());
      return outcome;
    }
    ++counts_.skipped;
    if (*place < Counts::known_max) ++counts_.skipped_of[*place];
  }
  publish_features(coverage);
  counts_.coverage += coverage;
  counts_.ops += coverage.steps();
  ++counts_.executions;
  write(tally, session_, counts_);
  tally.input_size.store(0, std::memory_order_relaxed);
  renew();
  return std::nullopt;
}

std::optional<std::size_t> Supervised::place_among_known(const std::string& signature) {
  if (const std::uint64_t changes = tally_->known_changes.load(); changes != known_changes_seen_) {
    known_changes_seen_ = changes;
    read_known();
  }
  const auto found = std::ranges::find(known_, signature);
  if (found == known_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - known_.begin());
}

void Supervised::read_known() {
  known_.clear();
  std::ifstream file(known_file_);
  for (std::string line; std::getline(file, line);)
    if (!line.empty() && line.front() != '#') known_.push_back(line);
}

/// After many deaths: the engine ends in order when it is asked to, and the campaign starts another. And when it has
/// done what it was to do.
void Supervised::renew() {
  if (deaths_survived() == deaths_max || counts_.ops >= ops_max_) ::raise(SIGTERM);
}

}  // namespace vmapcheck
