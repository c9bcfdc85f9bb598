// SPDX-License-Identifier: Apache-2.0
#include "tools/campaign/progress_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "tools/campaign/status.hpp"
#include "tools/files.hpp"
#include "tools/report.hpp"

namespace vmapcheck::tool {
namespace {

/// New, known, flaky: also where there are none.
std::string counts_of(const State& state) {
  const auto count = [&](FindingStatus status) {
    return std::ranges::count(state.findings, status, &FoundFailure::status);
  };
  return fmt::format("{} new, {} known, {} flaky", count(FindingStatus::fresh), count(FindingStatus::known),
                     count(FindingStatus::flaky));
}

std::string whole(double number) { return grouped(static_cast<std::uint64_t>(number)); }

}  // namespace

std::string progress_line(const State& state) {
  std::string time = fmt::format("{:.0f}", state.now.seconds - state.budget_began);
  if (state.budget) time += fmt::format("/{:.0f}", *state.budget);
  return fmt::format(
      "campaign: {} s, {} executions, {:.0f} per second, {:.0f} ops per second, {} edges, {} features, {} inputs, "
      "findings: {}",
      time, state.now.executions, state.per_second, state.ops_per_second, state.edges, state.features, state.corpus,
      counts_of(state));
}

std::string progress_block(const State& state, const std::string& directory, std::size_t minimizing) {
  const double spent = state.now.seconds - state.budget_began;
  const Coverage& coverage = state.now.coverage;
  std::string text = fmt::format("{} in {}: {}", state.subject, one_line(directory, 40), duration_text(spent));
  if (state.budget) text += fmt::format(" of {} ({:.0f} %)", duration_text(*state.budget), 100 * spent / *state.budget);
  text += fmt::format(", {}, session {}", count_of(state.workers, "worker"), state.session);
  text += fmt::format("\n  executions  {}, {} per second; {} ops, {} per second", grouped(state.now.executions),
                      whole(state.per_second), grouped(state.now.ops), whole(state.ops_per_second));
  text += fmt::format("\n  coverage    {} edges, {} features, last new {} ago", grouped(state.edges),
                      grouped(state.features), duration_text(state.now.seconds - state.last_new_coverage));
  text += fmt::format("\n  corpus      {}, {}", count_of(state.corpus, "input"), bytes_text(state.corpus_bytes));
  text += "\n  findings    " + counts_of(state);
  if (minimizing != 0) text += fmt::format("; minimizing {}", minimizing);
  if (state.now.skipped != 0) text += fmt::format("; known ones met {} times", grouped(state.now.skipped));
  text += "\n  fits       ";
  for (std::size_t i = 0; i < vmap::fit_type_count; ++i)
    text += fmt::format(" {} {}", vmap::name(static_cast<vmap::FitType>(i)), grouped(coverage.fits[i]));
  const auto all = exercised(coverage);
  const auto is_invariant = [](const Exercised& one) { return one.kind == "invariants"; };
  text +=
      fmt::format("\n  invariants  {} of {} checked; the whole state {} times; up to {} free blocks",
                  std::ranges::count_if(all, [&](const Exercised& one) { return is_invariant(one) && one.times != 0; }),
                  std::ranges::count_if(all, is_invariant), grouped(coverage.full_checks), coverage.free_blocks_max);
  return text;
}

}  // namespace vmapcheck::tool
