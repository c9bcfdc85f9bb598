// SPDX-License-Identifier: Apache-2.0
//
// The subjects beside ours that are sound: random traces, and what is peculiar to each. The corpus and the explorer try
// them, too (whole_traces_test.cpp, explore_test.cpp).
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <memory_resource>
#include <string>
#include <string_view>

#include "properties/traces.hpp"

namespace vmapcheck {
namespace {

using vmap::Error;

class SoundSubject : public testing::TestWithParam<std::string_view> {};

TEST_P(SoundSubject, KeepsEveryInvariantInRandomTraces) {
  const CheckReport report = check_with(subject(GetParam()), 100, 1000);
  if (report.found)
    FAIL() << report.found->failure.violation.detail << "\nkept as "
           << keep(report.found->trace, report.found->failure, std::string(GetParam()) + "-check");
  EXPECT_GT(report.ops, 60'000u);
}
INSTANTIATE_TEST_SUITE_P(Each, SoundSubject, testing::Values("vmap_rows", "linear_scan"),
                         [](const auto& each) { return std::string(each.param); });

TEST(RowCanary, IsConvictedOfItsCost) {
  const CheckReport report = check_with(subject("canary_row_cost"), 300, 1000);
  ASSERT_TRUE(report.found);
  EXPECT_EQ(report.found->failure.violation.invariant, vmap::Invariant::cost) << report.found->failure.violation.detail;
}

// ---- linear_scan

/// Ten pages from address 0, of one byte each.
class LinearScan : public testing::Test {
 protected:
  [[nodiscard]] Address place(Size size, Size align = 1, Range within = vmap::everywhere) {
    return subject_->allocate({.size = size, .align = align, .within = within}).value().range.begin;
  }
  void free(Address begin) { ASSERT_TRUE(subject_->free(begin)); }
  [[nodiscard]] std::uint64_t visits() const {
    vmap::Stats stats;
    subject_->stats(stats);
    return stats.nodes_visited;
  }
  /// Areas of one byte from 0 on, as many as are asked for.
  void fill(Size areas) {
    for (Address begin = 0; begin < areas; ++begin) ASSERT_EQ(place(1), begin);
  }

  Space space_{.range = {0, 1000}, .granule = 1, .lazy_limit = {}, .busy = {}};
  std::unique_ptr<AnySubject> subject_ =
      subject("linear_scan")({.space = space_, .metadata = std::pmr::new_delete_resource()}).value();
};

/// A hole of one byte lies in front, and is not remembered: what fits it goes behind the cached area. The tree of free
/// blocks would place it at 2.
TEST_F(LinearScan, DoesNotAlwaysPlaceAtTheLowestAddress) {
  fill(10);
  free(2);
  EXPECT_EQ(place(2), 10u);  // scans from behind 1, passes the hole at 2, remembers one byte
  EXPECT_EQ(place(1), 2u);   // fits what is remembered: from the front
  free(4);
  free(5);
  EXPECT_EQ(place(3), 12u);  // passes the hole at 4: two bytes
  EXPECT_EQ(place(3, 1, {6, 1000}), 15u);
  EXPECT_EQ(place(2, 1, {6, 1000}), 18u) << "no more than two bytes, and behind the window's begin";
}

TEST_F(LinearScan, BeginsBehindTheAreaThatItPlacedLast) {
  fill(500);
  const std::uint64_t before = visits();
  (void)place(1);
  EXPECT_LT(visits() - before, 100u);
}

/// The case in which it is lost: a request that fits the hole in front, in turn with one that does not.
TEST_F(LinearScan, VisitsEveryAreaWhereRequestsAreMadeInTurn) {
  fill(400);
  free(0);
  EXPECT_EQ(place(2), 400u);
  EXPECT_EQ(place(1), 0u);
  free(0);
  const std::uint64_t before = visits();
  EXPECT_EQ(place(2), 402u);
  EXPECT_GT(visits() - before, 400u);
}

TEST_F(LinearScan, ScansFromTheFrontForALowerWindow) {
  fill(20);
  EXPECT_EQ(place(4, 1, {50, 1000}), 50u);
  EXPECT_EQ(place(4, 1, {40, 1000}), 40u);
}

TEST_F(LinearScan, ScansFromTheFrontForASmallerAlignment) {
  fill(1);
  EXPECT_EQ(place(8, 64), 64u);
  EXPECT_EQ(place(8, 8), 8u);
}

TEST_F(LinearScan, StepsBackWhereAnAreaBelowIsFreed) {
  fill(10);
  EXPECT_EQ(place(5), 10u);
  free(3);
  free(4);
  free(5);
  free(6);
  free(7);
  EXPECT_EQ(place(5), 3u) << "the hole that frees have made is not passed by";
}

TEST_F(LinearScan, HoldsWhatWasFreedLazilyUntilThePurge) {
  fill(10);
  ASSERT_TRUE(subject_->free_lazily(4));
  EXPECT_EQ(subject_->find(4), std::nullopt);
  EXPECT_EQ(place(1), 10u);
  EXPECT_EQ(subject_->purge(), 1u);
  EXPECT_EQ(place(1), 4u);
}

TEST_F(LinearScan, PurgesWhereThereIsNoRoomOtherwise) {
  ASSERT_EQ(place(1000), 0u);
  ASSERT_TRUE(subject_->free_lazily(0));
  EXPECT_EQ(place(1000), 0u);
  const auto none = subject_->allocate({.size = 1});
  EXPECT_EQ(none, vmap::Result<vmap::Allocation>(std::unexpected(Error::no_space)));
}

}  // namespace
}  // namespace vmapcheck
