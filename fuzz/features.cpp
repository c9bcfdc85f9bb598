// SPDX-License-Identifier: Apache-2.0
#include "fuzz/features.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace vmapcheck {
namespace {

constexpr std::size_t counter_count = sizeof(Coverage) / sizeof(std::uint64_t);
using Counters = std::array<std::uint64_t, counter_count>;
static_assert(sizeof(Counters) == sizeof(Coverage));

/// libFuzzer finds them by the name of their section, and puts their values into classes: 1, 2, 3, 4 to 7, ...
__attribute__((section("__libfuzzer_extra_counters"), used)) std::uint8_t extra_counters[counter_count];

}  // namespace

void publish_features(const Coverage& coverage) {
  const auto counters = std::bit_cast<Counters>(coverage);
  for (std::size_t i = 0; i < counter_count; ++i)
    extra_counters[i] = static_cast<std::uint8_t>(std::min<std::uint64_t>(counters[i], 255));
}

}  // namespace vmapcheck
