// SPDX-License-Identifier: Apache-2.0
//
// A soak reaches the size that was asked for, finds what shows only there, and gives it as a trace that fails again.
#include "harness/random/soak.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "harness/verify/isolated.hpp"
#include "harness/verify/model_subject.hpp"
#include "model/trace.hpp"
#include "properties/traces.hpp"
#include "subjects/vmap_subject.hpp"

namespace vmapcheck {
namespace {

constexpr std::uint32_t live = 12'000;

CheckReport soaked(const SubjectFactory& make, std::uint64_t ops) {
  SoakOptions options{.seed = seed_of_this_run(), .live = live, .ops = ops};
  return soak(make, options).value();
}

TEST(Soak, KeepsAsManyAreasAsWereAskedFor) {
  const CheckReport report = soaked(subject("vmap"), 8 * live);
  if (report.found) FAIL() << report.found->failure.violation.detail;
  EXPECT_TRUE(report.complete);
  EXPECT_EQ(report.ops, 8 * live);
  EXPECT_GE(report.histograms->areas.max, live);
  EXPECT_LE(report.histograms->areas.max, live + live / 8);
  // It is there half of the time at the least, and in pieces.
  EXPECT_GE(report.histograms->areas.mean(), live / 2.0);
  EXPECT_GE(report.coverage.free_blocks_max, live / 20);
  EXPECT_GE(report.histograms->tree_depth.max, 10u);
  for (const std::size_t op : {0u, 1u, 2u, 3u, 4u, 5u, 6u, 7u, 8u, 10u})
    EXPECT_GT(report.coverage.ops[op], 0u) << op_names[op];
  for (std::size_t fit = 0; fit < vmap::fit_type_count; ++fit) EXPECT_GT(report.coverage.fits[fit], 0u) << fit;
  for (const std::uint64_t n : report.coverage.tree_cases) EXPECT_GT(n, 0u);
}

TEST(Soak, IsRepeatable) {
  const auto hash = [](std::uint64_t ops) { return soaked(subject("vmap"), ops).histograms->states_hash; };
  EXPECT_EQ(hash(30'000), hash(30'000));
  EXPECT_NE(hash(30'000), hash(30'001));
}

/// From so many free blocks on, more than random checking reaches in its cases, these are wrong, and die.
constexpr std::size_t large = 1000;

struct WrongWhenLarge : VmapSubject<vmap::FreeSpace> {
  explicit WrongWhenLarge(VmapSubject<vmap::FreeSpace> sound) : VmapSubject<vmap::FreeSpace>(std::move(sound)) {}
  vmap::Result<vmap::Allocation> allocate(const vmap::Request& request) {
    if (stats().free_blocks < large || request.size != 0x3000) return VmapSubject<vmap::FreeSpace>::allocate(request);
    vmap::Request higher = request;
    if (const auto lowest = VmapSubject<vmap::FreeSpace>::allocate(request)) {
      higher.within.begin = lowest->range.end;
      (void)VmapSubject<vmap::FreeSpace>::free(lowest->range.begin);
      if (const auto second = VmapSubject<vmap::FreeSpace>::allocate(higher)) return second;
    }
    return VmapSubject<vmap::FreeSpace>::allocate(request);
  }
};

struct DiesWhenLarge : VmapSubject<vmap::FreeSpace> {
  explicit DiesWhenLarge(VmapSubject<vmap::FreeSpace> sound) : VmapSubject<vmap::FreeSpace>(std::move(sound)) {}
  vmap::Result<Range> free(Address begin) {
    if (stats().free_blocks >= large && begin % 0x5000 == 0) std::_Exit(9);
    return VmapSubject<vmap::FreeSpace>::free(begin);
  }
};

/// The trace of what was found begins close to the failure, and fails again, by itself.
void fails_again(const SubjectFactory& make, const CheckReport& report, const std::string& expected) {
  ASSERT_TRUE(report.found);
  const CheckReport::Found& found = *report.found;
  EXPECT_EQ(signature(found.failure), expected) << found.failure.violation.detail;
  EXPECT_TRUE(found.reproduced);
  EXPECT_LE(found.trace.ops.size(), 4096u);
  EXPECT_FALSE(found.trace.space.busy.empty());
  const auto again = run_isolated(found.trace, make, {.checking = Checking::amortized, .keep_going = {}}).value();
  ASSERT_TRUE(again);
  EXPECT_EQ(signature(*again), expected);
  EXPECT_EQ(parse_trace(print(found.trace)).value(), found.trace);
}

TEST(Soak, FindsAWrongAnswerThatShowsOnlyInALargeState) {
  const SubjectFactory make = around<WrongWhenLarge>();
  EXPECT_FALSE(check_with(make, 100, 1000).found);
  fails_again(make, soaked(make, 8 * live), "answer");
}

TEST(Soak, FindsADeathThatShowsOnlyInALargeState) {
  const SubjectFactory make = around<DiesWhenLarge>();
  EXPECT_FALSE(check_with(make, 100, 1000).found);
  fails_again(make, soaked(make, 8 * live), "exit 9");
}

}  // namespace
}  // namespace vmapcheck
