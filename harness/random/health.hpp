// SPDX-License-Identifier: Apache-2.0
//
// Signs that a run of random checking has tested less than its number of ops says: nothing is wrong with the subject,
// but little was asked of it.
#pragma once

#include <string>
#include <vector>

#include "harness/random/check.hpp"

namespace vmapcheck {

/// Shorter runs are not judged.
inline constexpr std::uint64_t health_ops_min = 1000;
/// More than this part of all ops was skipped.
inline constexpr double skipped_part_max = 0.5;
/// More than this part of the allocations that were performed ended with an error.
inline constexpr double failed_part_max = 0.5;
/// In more than this part of the spaces the subject could not be made.
inline constexpr double cases_skipped_part_max = 0.5;
/// More than this part of all ops left a small state: one of fewer than `small_free_blocks` free blocks.
inline constexpr double small_part_max = 0.75;

/// One line for each that applies.
[[nodiscard]] std::vector<std::string> health_warnings(const CheckReport& report);

}  // namespace vmapcheck
