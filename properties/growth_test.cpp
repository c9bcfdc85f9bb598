// SPDX-License-Identifier: Apache-2.0
//
// Nodes visited by an op grow with the logarithm of the state, counted, not timed: from 10^2 areas to 10^5, and to 10^6
// with VMAPCHECK_SLOW=1. The table that is printed is that of docs/cost.md.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory_resource>
#include <utility>
#include <vector>

#include "harness/random/choices.hpp"
#include "properties/traces.hpp"
#include "vmap/address_space.hpp"

namespace vmapcheck {
namespace {

constexpr Size granule = 0x1000;
constexpr int measured_ops = 4000;

/// Of ops in a state of so many areas.
struct Cost {
  std::size_t areas = 0;
  std::size_t free_blocks = 0;
  double mean = 0;  ///< nodes visited by an op
  std::uint64_t max = 0;
};

/// A subject that is filled, and emptied at random to half of that: about as many holes as areas. No alignment, which
/// may have a search pass over as many blocks as it wants (docs/contract.md).
class Population {
 public:
  Population(const SubjectFactory& make, std::size_t areas) : random_(seed_of_this_run()) {
    space_.range = {0, 64 * areas * granule};
    space_.granule = granule;
    subject_ = make({.space = space_, .metadata = std::pmr::new_delete_resource()}).value();
    while (live_.size() < 2 * areas) allocate();
    while (live_.size() > areas) free();
  }

  Cost measure() {
    Cost cost{.areas = live_.size()};
    for (int op = 0; op < measured_ops; ++op) {
      const std::uint64_t before = stats().nodes_visited;
      if (op % 2 == 0)
        free();
      else
        allocate();
      const std::uint64_t visited = stats().nodes_visited - before;
      cost.mean += static_cast<double>(visited) / measured_ops;
      cost.max = std::max(cost.max, visited);
    }
    cost.free_blocks = stats().free_blocks;
    return cost;
  }

 private:
  void allocate() {
    vmap::Request request{.size = (1 + random_.below(16)) * granule};
    if (one_in(random_, 4)) request.within.begin = random_.below(space_.range.end / 8);
    if (const auto placed = subject_->allocate(request)) live_.push_back(placed->range.begin);
  }
  void free() {
    std::swap(live_[random_.below(live_.size())], live_.back());
    EXPECT_TRUE(subject_->free(live_.back()));
    live_.pop_back();
  }
  [[nodiscard]] vmap::Stats stats() const {
    vmap::Stats stats;
    subject_->stats(stats);
    return stats;
  }

  Random random_;
  Space space_;
  std::unique_ptr<AnySubject> subject_;
  std::vector<Address> live_;
};

Cost cost_among(std::string_view name, std::size_t areas) { return Population(subject(name), areas).measure(); }

/// Ten times the areas are log2(10) more levels of a balanced tree, in each of the few descents of an op.
constexpr double growth_max = 10;
/// Descents of an op, each of at most 2 log2(n + 1) nodes.
constexpr double descents_max = 4;

TEST(Growth, OfNodesVisitedIsLogarithmic) {
  const bool slow = std::getenv("VMAPCHECK_SLOW") != nullptr;
  std::printf("%10s %12s %24s %8s %14s\n", "areas", "free blocks", "nodes visited, on average", "at most",
              "2 log2(n + 1)");
  double before = 0;
  for (std::size_t areas = 100; areas <= (slow ? 1'000'000u : 100'000u); areas *= 10) {
    const Cost cost = cost_among("vmap", areas);
    const double height = 2 * std::log2(static_cast<double>(cost.areas + cost.free_blocks + 1));
    std::printf("%10zu %12zu %25.1f %8llu %14.1f\n", cost.areas, cost.free_blocks, cost.mean,
                static_cast<unsigned long long>(cost.max), height);
    EXPECT_GT(cost.free_blocks, areas / 10);  // else the tree would not have grown
    EXPECT_GT(cost.mean, std::log2(static_cast<double>(areas)) / 2);
    EXPECT_LE(cost.mean, descents_max * height);
    if (before != 0) {
      EXPECT_LE(cost.mean - before, growth_max) << areas;
    }
    before = cost.mean;
  }
}

/// Each tree is looked at where it was changed last, and that is enough.
TEST(Growth, OfFreesInTheOrderOfTheAllocationsOrInTheReverseOneIsNone) {
  for (const bool reversed : {false, true}) {
    auto space = vmap::AddressSpace::create({.range = {0, 1 << 20}}).value();
    std::vector<Address> areas;
    for (int i = 0; i < 10'000; ++i) areas.push_back(space.allocate({.size = 3})->range.begin);
    if (reversed) std::ranges::reverse(areas);
    ASSERT_TRUE(space.free(areas[0]));
    const std::uint64_t before = space.stats().nodes_visited;
    for (std::size_t i = 1; i < areas.size(); ++i) ASSERT_TRUE(space.free(areas[i]));
    EXPECT_EQ(space.stats().nodes_visited - before, 2 * (areas.size() - 1)) << reversed;
  }
}

TEST(Growth, OfALinearSearchIsNotLogarithmic) {
  const double small = cost_among("canary_cost", 100).mean, large = cost_among("canary_cost", 1000).mean;
  EXPECT_GT(large - small, growth_max);
}

}  // namespace
}  // namespace vmapcheck
