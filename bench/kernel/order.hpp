// SPDX-License-Identifier: Apache-2.0
//
// The order in which a worker runs the tests.
#pragma once

#include <cstddef>
#include <numeric>
#include <utility>
#include <vector>

#include "harness/random/choices.hpp"

namespace vmapcheck::bench {

/// 0, 1, ... in a random order of one cycle, in which nothing stays where it was; each such order is as likely.
/// Source: Sattolo, "An algorithm to generate a random cyclic permutation" (1986).
template <Choices C>
[[nodiscard]] std::vector<std::size_t> cyclic_order(std::size_t count, C& choices) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t i = count; i > 1; --i) std::swap(order[i - 1], order[choices.below(i - 1)]);
  return order;
}

}  // namespace vmapcheck::bench
