// SPDX-License-Identifier: Apache-2.0
//
// Two subjects, test by test: how much longer one takes than the other.
#pragma once

#include "bench/kernel/settings.hpp"

namespace vmapcheck::bench {

inline constexpr std::uint64_t rounds_usual = 5;

/// Interleaved in one thread: A B, B A, A B ... Measures the processor time of the loops alone, without what a test
/// prepares, and prints ratios `against` : Settings::subject.
[[nodiscard]] tool::Exit compare(const tool::Common& common, const Settings& settings, const SubjectEntry& against,
                                 std::uint64_t rounds);

}  // namespace vmapcheck::bench
