// SPDX-License-Identifier: Apache-2.0
//
// Where something lies in a gap: the arithmetic of predictions, in 128 bits, so that sums are written as they are
// meant.
#pragma once

#include <algorithm>
#include <optional>

#include "model/op.hpp"
#include "vmap/request.hpp"

namespace vmapcheck {

__extension__ using Wide = unsigned __int128;  // sums and multiples of 64-bit numbers, as in school

[[nodiscard]] inline Wide round_up(Address n, Size align) {
  return n % align == 0 ? Wide{n} : Wide{n} - n % align + align;
}

/// Where `placement` lies in `gap`, which contains it.
[[nodiscard]] inline vmap::FitType fit_of(Range gap, Range placement) {
  if (placement == gap) return vmap::FitType::full;
  if (placement.begin == gap.begin) return vmap::FitType::left_edge;
  if (placement.end == gap.end) return vmap::FitType::right_edge;
  return vmap::FitType::no_edge;
}

/// The lowest multiple of `align` at which `size` bytes lie in both ranges.
[[nodiscard]] inline std::optional<Range> lowest_in(Range gap, Range window, Size size, Size align) {
  if (gap.end - gap.begin < size) return std::nullopt;
  const Wide begin = round_up(std::max(gap.begin, window.begin), align);
  const Wide end = begin + size;
  if (end > std::min(gap.end, window.end)) return std::nullopt;
  return Range{static_cast<Address>(begin), static_cast<Address>(end)};
}

}  // namespace vmapcheck
