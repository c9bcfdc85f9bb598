// SPDX-License-Identifier: Apache-2.0
//
// The words in which the allocator is spoken to: each has a name of its own, and two values are equal only if they are
// so in every part.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <set>
#include <string_view>
#include <vector>

#include "vmap/error.hpp"
#include "vmap/request.hpp"
#include "vmap/stats.hpp"
#include "vmap/violation.hpp"

namespace vmap {
namespace {

/// Names of `count` enumerators, and of a value that is none.
template <class Enum>
void every_name_is_its_own(std::size_t count) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < count; ++i) names.insert(name(static_cast<Enum>(i)));
  EXPECT_EQ(names.size(), count);
  EXPECT_FALSE(names.contains("unknown"));
  EXPECT_EQ(name(static_cast<Enum>(count)), "unknown");
}

TEST(Names, OfErrorsAndFitTypesAreTheirOwnAndWhatIsNoneIsUnknown) {
  every_name_is_its_own<Error>(error_count);
  every_name_is_its_own<FitType>(fit_type_count);
}

TEST(Names, OfInvariantsLeadBackToThem) {
  for (std::size_t i = 0; i < invariant_count; ++i) {
    const auto invariant = static_cast<Invariant>(i);
    EXPECT_EQ(invariant_named(name(invariant)), invariant);
  }
  EXPECT_EQ(invariant_named("answers"), std::nullopt);
  EXPECT_EQ(invariant_named(""), std::nullopt);
}

/// No two of them are equal.
template <class Value>
void all_differ(const std::vector<Value>& values) {
  for (std::size_t i = 0; i < values.size(); ++i)
    for (std::size_t j = 0; j < values.size(); ++j) EXPECT_EQ(values[i] == values[j], i == j) << i << ", " << j;
}

TEST(Values, BeginWithNothing) {
  EXPECT_EQ(Range{}, (Range{0, 0}));
  const Stats nothing{};
  for (const std::uint64_t value :
       {nothing.busy_bytes, nothing.free_bytes, nothing.lazy_bytes, nothing.busy_areas, nothing.free_blocks,
        nothing.lazy_areas, nothing.largest_free, nothing.nodes_alive, nothing.nodes_spare, nothing.hooks,
        nothing.purges, nothing.hooks_called, nothing.nodes_visited, nothing.nodes_propagated})
    EXPECT_EQ(value, 0u);
}

TEST(Values, AreEqualOnlyIfEveryPartIs) {
  all_differ<Range>({{1, 2}, {0, 2}, {1, 3}});
  all_differ<Block>({{1, 2}, {0, 2}, {1, 3}});
  all_differ<Request>({{1, 2, {3, 4}}, {2, 2, {3, 4}}, {1, 4, {3, 4}}, {1, 2, {2, 4}}, {1, 2, {3, 5}}});
  all_differ<Allocation>({{{1, 2}, FitType::full}, {{0, 2}, FitType::full}, {{1, 2}, FitType::no_edge}});
}

}  // namespace
}  // namespace vmap
