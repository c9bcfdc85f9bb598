// SPDX-License-Identifier: Apache-2.0
//
// The greedy set cover against the true minimum, found by trying all choices.
#include "tools/corpus/set_cover.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <random>

namespace vmapcheck {
namespace {

/// Up to 12 sets of up to 10 elements, some empty, some twice.
std::vector<CoverSet> random_sets(std::mt19937_64& random) {
  const auto below = [&](std::uint64_t n) { return random() % n; };
  std::vector<CoverSet> sets(1 + below(12));
  const std::uint64_t density = 1 + below(6);
  for (CoverSet& set : sets) {
    set.cost = below(4);
    for (std::uint32_t element = 0; element < 10; ++element)
      if (below(density + 1) == 0) set.elements.push_back(element * 7);
  }
  return sets;
}

std::size_t fewest(const std::vector<CoverSet>& sets) {
  const std::vector<std::uint32_t> all = union_of(sets);
  std::size_t best = sets.size();
  for (std::uint32_t choice = 0; choice < (1u << sets.size()); ++choice) {
    std::vector<std::size_t> chosen;
    for (std::size_t i = 0; i < sets.size(); ++i)
      if ((choice >> i & 1) != 0) chosen.push_back(i);
    if (chosen.size() < best && union_of(sets, chosen) == all) best = chosen.size();
  }
  return best;
}

double harmonic(std::size_t n) {
  double sum = 0;
  for (std::size_t k = 1; k <= n; ++k) sum += 1.0 / static_cast<double>(k);
  return sum;
}

TEST(SetCover, LosesNoElementSparesNoneAndStaysWithinTheBound) {
  std::mt19937_64 random(20240229);
  std::size_t larger = 0;  // than the minimum: a greedy cover that always were minimal would show a test too easy
  for (int round = 0; round < 600; ++round) {
    const std::vector<CoverSet> sets = random_sets(random);
    const std::vector<std::size_t> chosen = greedy_cover(sets);
    ASSERT_TRUE(std::ranges::is_sorted(chosen));
    ASSERT_EQ(union_of(sets, chosen), union_of(sets));
    for (const std::size_t spared : chosen) {
      std::vector<std::size_t> others = chosen;
      std::erase(others, spared);
      ASSERT_NE(union_of(sets, others), union_of(sets)) << "set " << spared << " is in the way";
    }
    std::size_t largest = 0;
    for (const CoverSet& set : sets) largest = std::max(largest, set.elements.size());
    const std::size_t best = fewest(sets);
    ASSERT_GE(chosen.size(), best);
    ASSERT_LE(static_cast<double>(chosen.size()), harmonic(largest) * static_cast<double>(best) + 1e-9);
    if (chosen.size() > best) ++larger;
  }
  EXPECT_GT(larger, 0u);
}

TEST(SetCover, TakesTheCheaperOfEqualsThenTheFirst) {
  const std::vector<CoverSet> sets{{{1, 2}, 5}, {{1, 2}, 3}, {{1, 2}, 3}, {{3}, 9}};
  EXPECT_EQ(greedy_cover(sets), (std::vector<std::size_t>{1, 3}));
}

/// The classic bad case: the largest set is in the way of the two that are enough.
TEST(SetCover, TakesOutAgainWhatTurnsOutToBeInTheWay) {
  const std::vector<CoverSet> sets{{{2, 3, 4, 5}, 0}, {{1, 2, 3}, 0}, {{4, 5, 6}, 0}};
  EXPECT_EQ(greedy_cover(sets), (std::vector<std::size_t>{1, 2}));
}

/// What only takes away from all of them, the most expensive first, would end with the eight.
TEST(SetCover, TakesOneThatHasMuchBeforeManyThatHaveLittle) {
  std::vector<CoverSet> sets{{{1, 2, 3, 4, 5, 6, 7, 8}, 9}};
  for (std::uint32_t element = 1; element <= 8; ++element) sets.push_back({{element}, 1});
  EXPECT_EQ(greedy_cover(sets), (std::vector<std::size_t>{0}));
}

TEST(SetCover, ChoosesNothingFromNothing) {
  EXPECT_TRUE(greedy_cover({}).empty());
  EXPECT_TRUE(greedy_cover(std::vector<CoverSet>{{{}, 1}, {{}, 0}}).empty());
}

TEST(SetCover, OfManySetsIsTheSameEachTime) {
  std::mt19937_64 random(7);
  std::vector<CoverSet> sets(5000);
  for (CoverSet& set : sets) {
    for (int n = 0; n < 60; ++n) set.elements.push_back(static_cast<std::uint32_t>(random() % 3000));
    std::ranges::sort(set.elements);
    set.elements.erase(std::ranges::unique(set.elements).begin(), set.elements.end());
    set.cost = random() % 100;
  }
  const std::vector<std::size_t> chosen = greedy_cover(sets);
  EXPECT_EQ(union_of(sets, chosen), union_of(sets));
  EXPECT_LT(chosen.size(), 250u);  // 50 at the least
  EXPECT_EQ(greedy_cover(sets), chosen);
}

}  // namespace
}  // namespace vmapcheck
