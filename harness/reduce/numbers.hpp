// SPDX-License-Identifier: Apache-2.0
//
// The numbers of a trace, one by one and linked, as dials that the minimizer turns down: a size, an alignment, an
// address, the length of a gap with all that lies behind it, all addresses by one offset, the granule with all its
// multiples.
//
// A dial is turned by bisection, so that a threshold in 64 bits is found with 64 tries. Where the failure does not come
// from a threshold (a size that is truncated to 32 bits), bisection ends at a value that need not be the smallest, and
// odd_values() are tried: without high bits, without low bits, with the highest bit lower.
//
// To add another dial: write a member function of Dials in numbers.cpp that calls add() with where the dial is now and
// with what sets it to another value in a copy of the trace, and call it in all(). A field of a new meaning gets its
// dials in Dials::op(), which does not compile without. Nothing else knows which dials there are.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "harness/reduce/simplify.hpp"
#include "model/op.hpp"

namespace vmapcheck {

/// One number, or several that change together. Requires of at() that its argument is at most `now`.
struct Dial {
  std::uint64_t now = 0;                   ///< where it is in the trace; never 0
  std::function<Trace(std::uint64_t)> at;  ///< the trace with another; labels and space may need repair
};

/// All dials of a trace that has placed this. What a dial holds refers to `trace` and `placed`.
[[nodiscard]] std::vector<Dial> dials(const Trace& trace, const Placements& placed);

/// False of a trace with so many addresses that those between them have no dials.
[[nodiscard]] bool has_every_dial(const Trace& trace, const Placements& placed);

/// Values below `now` that show at once how far a dial can be turned: 0, 1, half, and the next smaller one. For a
/// failure that comes from some value up, the last fails if and only if `now` is not the smallest.
[[nodiscard]] std::vector<std::uint64_t> first_values(std::uint64_t now);

/// Those that bisection may not meet: at most 64 of each sort above.
[[nodiscard]] std::vector<std::uint64_t> odd_values(std::uint64_t now);

}  // namespace vmapcheck
