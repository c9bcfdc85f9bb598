// SPDX-License-Identifier: Apache-2.0
//
// Traces as bytes, for fuzzers: fixed-width records, of which every byte string is some trace.
//
// The bytes are records of 40 bytes, numbers little-endian. What is left over at the end, a record cut off, is dropped.
//
//     byte    0      1       2 3     4 5 6 7    8 .. 15   16 .. 23   24 .. 31   32 .. 39
//           +------+-------+-------+----------+---------+----------+----------+----------+
//           | kind | flags |   0   |  label   |    a    |    b     |    c     |    d     |
//           +------+-------+-------+----------+---------+----------+----------+----------+
//
// The first record is the space, whatever its kind. Each further one is an op, a busy range or a block, by `kind`
// modulo 32. Common ops have several of these codes (`shares` in records.cpp has them); encode() uses the first.
//
//      0 .. 8 alloc        13 .. 21 free          25 free-at           28 purge            31 busy
//      9 .. 11 alloc-at    22, 23 free-lazily     26 free-lazily-at    29 fail-metadata
//          12 congruent        24 on-exhaustion   27 find              30 block
//
// A record takes its arguments in one of two forms. *Exact* (flags & 0xf0 all set): a to d are the numbers themselves.
// *Compact*: they are scaled by the space, each modulo what makes sense in its place, so that any bytes, and any byte
// changed in good ones, mostly make an op that has something to do. Here # is a granule, "place" the number of a
// boundary between granules, counted from the begin of the space, and "length" is 1 + n % 16 granules.
//
// The fields of an op take as many of a to d as they need, one field after another; blocks come first.
//
//     field       exact         compact
//     size        size          length
//     align       alignment     n % 16 below 8 is 1, above that 2^(n % 16 - 8) #
//     address     address       place
//     range       begin, end    place, length
//     window      begin, end    two places, if both bits of flags & 0x03 are set; else everywhere, and they say nothing
//     count       count         1 + n % 8
//     used label  part          unused
//     blocks      unused        length of a first block at offset 0
//
// What is no op:
//
//     space       begin, end, granule, limit  a % 4: near 0, near 2^63, near the top, all there is; a / 4 % 1024 #
//                                             away from there; 1 + b % 512 #; # is 2^(c % 32); limit d % 32 #
//                                             (in both forms there is a limit only if flags & 0x04)
//     block       offset, size                gap of a % 8 # behind the block before, length
//     busy        begin, end                  place, length
//
// Labels. The k-th op that binds one binds label k: no record says so. A use names its label exactly (`label`, and `a`
// for the part, 2^32-1 where there is none), or compactly counts back over the areas that the records so far should
// have left busy: all that were bound and that no free or free-lazily has named since. A label that no record binds
// only tells its uses apart from others: decode() gives it a number above those that are bound, as relabel() does.
//
// What cannot be is repaired or dropped. Repaired: a space with a defect (see sound()), a countdown of 0, a label of
// 2^32-1, windows, places and lengths in compact form. Dropped: a busy range that the space or another one rules out,
// or that follows an op; a block that does not follow its congruent op; a compact use where no area is left. Arguments
// that are merely invalid stay: they are answered by an error.
//
//     Trace trace = decode(encode({.comments = {}, .space = {.range = {0, 64}}, .ops = {Purge{}}}));
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "model/op.hpp"

namespace vmapcheck {

inline constexpr std::size_t record_bytes = 40;

/// Total: any bytes are a valid trace, without comments, labelled as relabel() would. Bytes too short for a space are
/// those of an ordinary one. O(n log n).
[[nodiscard]] Trace decode(std::span<const std::uint8_t> bytes);

/// decode(encode(t)) is relabel(t) without its comments, for every valid t: ops, arguments, the order of busy ranges
/// and blocks are kept exactly. Writes the compact form where it says the same, for then a changed byte makes another
/// sensible op. Requires a space without defect, labels bound once, and countdowns of at least 1. O(n log n).
[[nodiscard]] std::vector<std::uint8_t> encode(const Trace& trace);

/// encode(trace) is at most that long: shorter by a record for each congruent op that holds its first block itself.
[[nodiscard]] std::size_t encoded_size_max(const Trace& trace);

/// A space without defect (see model/trace.hpp), near this one; this one if it has none.
[[nodiscard]] Space sound(Space space);

}  // namespace vmapcheck
