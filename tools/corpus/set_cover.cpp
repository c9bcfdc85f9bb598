// SPDX-License-Identifier: Apache-2.0
#include "tools/corpus/set_cover.hpp"

#include <algorithm>
#include <numeric>
#include <queue>
#include <tuple>
#include <utility>

namespace vmapcheck {
namespace {

/// Counts for each element how many of the chosen sets have it.
class Tally {
 public:
  explicit Tally(std::vector<std::uint32_t> elements) : elements_(std::move(elements)), counts_(elements_.size()) {}

  std::size_t& of(std::uint32_t element) {
    return counts_[static_cast<std::size_t>(std::ranges::lower_bound(elements_, element) - elements_.begin())];
  }
  void add(const CoverSet& set) {
    for (const std::uint32_t element : set.elements) ++of(element);
  }
  void remove(const CoverSet& set) {
    for (const std::uint32_t element : set.elements) --of(element);
  }
  [[nodiscard]] std::size_t gain(const CoverSet& set) {
    return static_cast<std::size_t>(std::ranges::count_if(set.elements, [&](auto e) { return of(e) == 0; }));
  }
  [[nodiscard]] bool can_spare(const CoverSet& set) {
    return std::ranges::all_of(set.elements, [&](auto e) { return of(e) >= 2; });
  }

 private:
  std::vector<std::uint32_t> elements_;
  std::vector<std::size_t> counts_;
};

/// How many new elements a set would bring, as last counted. The number can only have fallen since, so that the bid on
/// top is the best one if it is still right.
struct Bid {
  std::size_t gain;
  std::uint64_t cost;
  std::size_t index;
  friend bool operator<(const Bid& a, const Bid& b) {
    return std::tuple(a.gain, b.cost, b.index) < std::tuple(b.gain, a.cost, a.index);
  }
};

}  // namespace

std::vector<std::size_t> greedy_cover(std::span<const CoverSet> sets) {
  Tally tally(union_of(sets));
  std::priority_queue<Bid> bids;
  for (std::size_t i = 0; i < sets.size(); ++i) bids.push({sets[i].elements.size(), sets[i].cost, i});

  std::vector<std::size_t> chosen;
  while (!bids.empty()) {
    Bid bid = bids.top();
    bids.pop();
    const std::size_t gain = tally.gain(sets[bid.index]);
    if (gain == 0) continue;
    if (std::exchange(bid.gain, gain) != gain) {
      bids.push(bid);
      continue;
    }
    tally.add(sets[bid.index]);
    chosen.push_back(bid.index);
  }

  // The most expensive first; among equals the last one first.
  std::ranges::sort(
      chosen, [&](std::size_t a, std::size_t b) { return std::tuple(sets[a].cost, a) > std::tuple(sets[b].cost, b); });
  std::erase_if(chosen, [&](std::size_t index) {
    if (!tally.can_spare(sets[index])) return false;
    tally.remove(sets[index]);
    return true;
  });
  std::ranges::sort(chosen);
  return chosen;
}

std::vector<std::uint32_t> union_of(std::span<const CoverSet> sets, std::span<const std::size_t> chosen) {
  std::vector<std::uint32_t> all;
  for (const std::size_t index : chosen) {
    all.insert(all.end(), sets[index].elements.begin(), sets[index].elements.end());
    if (all.size() < (std::size_t{1} << 20)) continue;
    std::ranges::sort(all);
    all.erase(std::ranges::unique(all).begin(), all.end());
  }
  std::ranges::sort(all);
  all.erase(std::ranges::unique(all).begin(), all.end());
  return all;
}

std::vector<std::uint32_t> union_of(std::span<const CoverSet> sets) {
  std::vector<std::size_t> indices(sets.size());
  std::iota(indices.begin(), indices.end(), std::size_t{0});
  return union_of(sets, indices);
}

}  // namespace vmapcheck
