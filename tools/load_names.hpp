// SPDX-License-Identifier: Apache-2.0
//
// What `bench` can measure with, and whom it measures unless others are named.
#pragma once

#include <array>
#include <string_view>

namespace vmapcheck::tool {

struct LoadName {
  std::string_view name;
  std::string_view meaning;
};
inline constexpr std::array<LoadName, 12> load_names{{
    {"churn", "a random area is freed, and another of 1 to 64 granules allocated"},
    {"one-granule", "churn with areas of one granule"},
    {"lifo", "the 64 newest areas are freed, the newest first, and as many allocated"},
    {"fifo", "the oldest area is freed, and another of 1 to 64 granules allocated"},
    {"holes", "every other area is freed; then all these holes of one granule are filled"},
    {"windows", "churn, where each area has a window of its own, from a 16th of the space to all of it"},
    {"aligned", "churn, where half of the areas have alignments of 2 to 64 granules"},
    {"adversarial", "an area is allocated and freed, behind as many holes as areas: all long enough, none alignable"},
    {"find", "the area at a random address, after churn"},
    {"congruent", "four areas at fixed distances are freed, and four others placed"},
    {"lazy", "churn with lazy frees, and a purge after each 64"},
    {"real", "recordings of programs (corpus/real), from an empty space and back to one"},
}};

/// Two of them are no subjects: bench/loads/baselines.hpp.
inline constexpr std::array<std::string_view, 5> default_performers{"vmap", "seed_2019", "linear_scan", "null",
                                                                    "malloc"};

}  // namespace vmapcheck::tool
