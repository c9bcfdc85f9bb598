// SPDX-License-Identifier: Apache-2.0
#include "bench/loads/results.hpp"

#include <algorithm>
#include <cmath>

namespace vmapcheck::bench {

double median_of(std::vector<double> numbers) {
  const auto middle = numbers.begin() + static_cast<std::ptrdiff_t>(numbers.size() / 2);
  std::ranges::nth_element(numbers, middle);
  if (numbers.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(numbers.begin(), middle)) / 2;
}

double spread_of(std::span<const double> numbers) {
  const auto [least, greatest] = std::ranges::minmax(numbers);
  return (greatest - least) / 2 / median_of({numbers.begin(), numbers.end()});
}

namespace {

Change change_of(const Row& before, const Row& now) {
  Change change{&before, &now, median_of(now.ns) / median_of(before.ns)};
  const auto then = std::ranges::minmax(before.ns), today = std::ranges::minmax(now.ns);
  if (today.min > then.max && change.ratio > 1 + news_least) change.verdict = Change::Verdict::slower;
  if (today.max < then.min && change.ratio < 1 / (1 + news_least)) change.verdict = Change::Verdict::faster;
  return change;
}

}  // namespace

std::vector<Change> changes(std::span<const Row> before, std::span<const Row> now) {
  std::vector<Change> all;
  for (const Row& row : now) {
    const auto same = std::ranges::find_if(before, [&](const Row& other) { return other.is_of(row); });
    if (same != before.end() && !row.ns.empty() && !same->ns.empty()) all.push_back(change_of(*same, row));
  }
  return all;
}

}  // namespace vmapcheck::bench
