// SPDX-License-Identifier: Apache-2.0
//
// What the tests allocate from. A target has areas, and gives nothing where the subject gave an error:
//
//     Bare      a subject as it is
//     Recorder  notes the ops, and takes every allocation to succeed
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "harness/verify/subject.hpp"
#include "model/op.hpp"

namespace vmapcheck::bench {

inline constexpr Size page = 4096;
/// 32 TiB high up, as the virtual addresses of a 64-bit kernel are.
inline constexpr Range kernel_range{0xffff'c900'0000'0000, 0xffff'e900'0000'0000};
[[nodiscard]] inline Space kernel_space() {
  return {.range = kernel_range, .granule = page, .lazy_limit = {}, .busy = {}};
}

/// Every area is one guard page longer than asked.
[[nodiscard]] constexpr Size with_guard(std::uint64_t pages) { return (pages + 1) * page; }

/// The blocks of a congruent pair of areas.
[[nodiscard]] constexpr std::array<vmap::Block, 2> pair_far_apart(std::uint64_t pages) {
  constexpr Size apart = Size{1} << 42;
  return {{{0, with_guard(pages)}, {apart, with_guard(pages)}}};
}

class Bare {
 public:
  using Area = Address;
  explicit Bare(AnySubject& subject) : subject_(subject) {}

  std::optional<Area> allocate(std::uint64_t pages, Size align) {
    const auto allocation = subject_.allocate({.size = with_guard(pages), .align = align});
    return allocation ? std::optional(allocation->range.begin) : std::nullopt;
  }
  std::optional<std::array<Area, 2>> allocate_pair(std::uint64_t pages) {
    const auto blocks = pair_far_apart(pages);
    const auto base = subject_.allocate_congruent(blocks, page, vmap::everywhere);
    if (!base) return std::nullopt;
    return std::array{*base + blocks[0].offset, *base + blocks[1].offset};
  }
  bool free(Area area) { return subject_.free(area).has_value(); }
  bool free_lazily(Area area) { return subject_.free_lazily(area).has_value(); }
  void purge() { subject_.purge(); }

 private:
  AnySubject& subject_;
};

class Recorder {
 public:
  using Area = Label;

  std::optional<Area> allocate(std::uint64_t pages, Size align) {
    const Label label{next_++};
    ops_.emplace_back(Alloc{label, {.size = with_guard(pages), .align = align}});
    return label;
  }
  std::optional<std::array<Area, 2>> allocate_pair(std::uint64_t pages) {
    const auto blocks = pair_far_apart(pages);
    const std::uint32_t id = next_++;
    ops_.emplace_back(Congruent{.label = {id}, .align = page, .blocks = {blocks.begin(), blocks.end()}});
    return std::array{Label{id, 0}, Label{id, 1}};
  }
  bool free(Area area) { return ops_.emplace_back(Free{area}), true; }
  bool free_lazily(Area area) { return ops_.emplace_back(FreeLazily{area}), true; }
  void purge() { ops_.emplace_back(Purge{}); }

  [[nodiscard]] std::vector<Op> ops() && { return std::move(ops_); }

 private:
  std::vector<Op> ops_;
  std::uint32_t next_ = 0;
};

}  // namespace vmapcheck::bench
