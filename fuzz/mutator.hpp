// SPDX-License-Identifier: Apache-2.0
//
// Mutation and crossover of traces, op by op.
//
// A byte mutator sees forty bytes where there is one op, and seldom makes two of them agree. These change what matters:
//   - ops are drawn by the grammar of harness/random/draw.hpp for the state at their place, deleted, repeated, moved,
//   exchanged;
//   - a number is nudged by a granule, halved, doubled, put at a boundary (0, 2^63, near 2^64) or taken from another
//   op;
//   - a use names another area, an op becomes a kindred one, a window comes or goes, a congruent op gains or loses a
//   block;
//   - the space moves, its granule, length and lazy limit change, and mostly the ops are scaled along with it;
//   - runs of ops of another trace, scaled to this one's space, take the place of its end or are put between its ops.
// A copy of ops that bind labels binds new ones, and its own uses follow; uses of what stays behind find an area of
// their new surroundings. So a copied "allocate, free" still frees what it allocated.
//
//     Trace trace{.comments = {}, .space = {.range = {0x1000, 0x9000}, .granule = 0x1000}, .ops = {Purge{}}};
//     Trace other = mutate(trace, 4096, 1);   // the same on every machine for the same arguments
//     Trace child = cross(trace, other, 4096, 2);
#pragma once

#include <cstddef>
#include <cstdint>

#include "model/op.hpp"

namespace vmapcheck {

/// A valid trace near `trace`, without comments, whose encoding (see records.hpp) has at most `size_max` bytes: ops in
/// excess go. Requires a valid trace and room for the space: size_max >= record_bytes.
[[nodiscard]] Trace mutate(const Trace& trace, std::size_t size_max, std::uint64_t seed);

/// The same, with ops of both and mostly the space of the first.
[[nodiscard]] Trace cross(const Trace& first, const Trace& second, std::size_t size_max, std::uint64_t seed);

}  // namespace vmapcheck
