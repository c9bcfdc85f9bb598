// SPDX-License-Identifier: Apache-2.0
//
// A few sets that together have every element that all of them have: which traces of a corpus are worth keeping.
//
// To find the fewest is NP-hard. Greedy is what is done: again and again the set with the most elements that none has
// yet; among equals the cheapest, then the first. Then those that turn out to be in the way are taken out again: a set
// whose elements others have, too, the most expensive first. Without that step the number of sets is at most
// H(n) = 1 + 1/2 + ... + 1/n times the fewest, n being the size of the largest set; the step only takes away.
//
// Sources: D. S. Johnson, "Approximation algorithms for combinatorial problems", Journal of Computer and System
// Sciences 9 (1974); V. Chvatal, "A greedy heuristic for the set-covering problem", Mathematics of Operations Research
// 4 (1979).
//
//     const std::vector<CoverSet> sets{{.elements = {1, 2}, .cost = 1}, {.elements = {1, 2, 3}, .cost = 9}};
//     for (const std::size_t index : greedy_cover(sets)) std::printf("%zu\n", index);   // 1
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>
#include <vector>

namespace vmapcheck {

struct CoverSet {
  std::vector<std::uint32_t> elements;  ///< ascending, each once
  std::uint64_t cost = 0;
};

/// Indices, ascending. Deterministic. A set without elements is never among them. O(m log m) for m elements in all,
/// times the number of rounds in which a gain has to be counted again, which is small in practice.
[[nodiscard]] std::vector<std::size_t> greedy_cover(std::span<const CoverSet> sets);

/// Every element of any of the sets that `chosen` names, ascending, each once.
[[nodiscard]] std::vector<std::uint32_t> union_of(std::span<const CoverSet> sets, std::span<const std::size_t> chosen);
[[nodiscard]] std::vector<std::uint32_t> union_of(std::span<const CoverSet> sets);

}  // namespace vmapcheck
