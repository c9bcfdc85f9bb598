// SPDX-License-Identifier: Apache-2.0
#include "harness/random/health.hpp"

#include <fmt/format.h>

#include <numeric>

namespace vmapcheck {

std::vector<std::string> health_warnings(const CheckReport& report) {
  std::vector<std::string> warnings;
  if (report.ops < health_ops_min) return warnings;
  const auto warn_above = [&](double most, std::uint64_t part, std::uint64_t whole, const char* what) {
    const double is = whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
    if (is > most) warnings.push_back(fmt::format("{:.0f}% of {} {}", 100 * is, whole, what));
  };
  const auto sum = [](const auto& counts) { return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0}); };
  const Coverage& coverage = report.coverage;
  warn_above(cases_skipped_part_max, report.cases_skipped, report.cases + report.cases_skipped,
             "cases were skipped: the subject cannot be made in their space");
  warn_above(skipped_part_max, sum(coverage.skipped), report.ops,
             "ops did nothing: their label was not live, or the subject lacks the function");
  std::uint64_t failed = 0, allocations = 0;
  for (std::size_t op = 0; op < op_kind_count; ++op) {
    if (!kinds_with<Meaning::label_bound>[op]) continue;
    failed += sum(coverage.errors[op]);
    allocations += coverage.ops[op] - coverage.skipped[op];
  }
  warn_above(failed_part_max, failed, allocations, "allocations failed");
  warn_above(small_part_max, report.small_states, report.ops,
             "states stayed small: there were fewer than 4 free blocks");
  static_assert(small_free_blocks == 4);
  return warnings;
}

}  // namespace vmapcheck
