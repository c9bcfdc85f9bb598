// SPDX-License-Identifier: Apache-2.0
#include "subjects/linear_scan.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>
#include <variant>

namespace vmapcheck {
namespace {

using vmap::Allocation;
using vmap::Block;
using vmap::Coalescing;
using vmap::Error;
using vmap::Result;
using vmap::Side;

bool reaches_too_far(const Block& block) { return block.size > vmap::address_max - block.offset; }

/// A scan looks at each area once, behind a descent; what an address leads to is one descent.
struct ScanCost final : CostBound {
  [[nodiscard]] Visits visits(const Step& step, const Observation&, std::uint64_t) const override {
    const std::uint64_t areas = step.areas_max();
    const std::uint64_t descent = 2 * static_cast<std::uint64_t>(std::bit_width(areas + 1));
    std::uint64_t scans = std::holds_alternative<Alloc>(*step.op) ? step.attempts : 0;
    if (const auto* const congruent = std::get_if<Congruent>(step.op)) {
      // Each hole lowers the base once for each block, and every block then looks again.
      const std::uint64_t blocks = congruent->blocks.size();
      scans = step.attempts * blocks * (blocks * areas + 1);
    }
    return {.min = 0, .max = scans * (areas + descent) + (3 * step.touched.size() + 4) * descent};
  }
};

}  // namespace

std::expected<LinearScan, std::string> LinearScan::create(const SubjectConfig& config) {
  LinearScan space(config);
  space.stats_.free_blocks = 1;
  for (const Range range : config.space.busy) {
    if (!space.pool_.ensure(1)) return std::unexpected("no memory for the busy areas");
    space.place(range);
  }
  space.stats_.fits = {};
  space.cache_ = {};
  space.visited_ = 0;
  return space;
}

Result<Allocation> LinearScan::allocate(const vmap::Request& request) {
  const bool sound = request.size > 0 && vmap::is_aligned(request.size, granule_) &&
                     vmap::is_power_of_two(request.align) && request.within.begin <= request.within.end;
  if (!sound) return counted<Allocation>(std::unexpected(Error::invalid_argument));
  const Size align = std::max(request.align, granule_);
  const Range window = intersection(request.within, range_);
  std::optional<Address> begin = scan(request.size, align, window);
  if (!begin && lazy_first_ != nullptr) {
    purge();
    begin = scan(request.size, align, window);
  }
  if (!begin) return counted<Allocation>(std::unexpected(Error::no_space));
  if (!pool_.ensure(1)) return counted<Allocation>(std::unexpected(Error::out_of_memory));
  const Allocation allocation = place({*begin, *begin + request.size});
  cache_.area = busy_at(*begin);
  return allocation;
}

Result<Allocation> LinearScan::allocate_at(Range range) {
  if (!is_sound(range)) return counted<Allocation>(std::unexpected(Error::invalid_argument));
  const auto is_free = [&] { return hole_at(range.begin).range.contains(range); };
  if (!is_free() && purge() == 0) return counted<Allocation>(std::unexpected(Error::no_space));
  if (!is_free()) return counted<Allocation>(std::unexpected(Error::no_space));
  if (!pool_.ensure(1)) return counted<Allocation>(std::unexpected(Error::out_of_memory));
  return place(range);
}

Result<vmap::Address> LinearScan::allocate_congruent(std::span<const Block> blocks, Size align, Range within) {
  if (!vmap::is_power_of_two(align) || within.end < within.begin || !is_sound(blocks))
    return counted<Address>(std::unexpected(Error::invalid_argument));
  align = std::max(align, granule_);
  const Range window = intersection(within, range_);
  std::optional<Address> base = highest_base(blocks, align, window);
  if (!base && purge() != 0) base = highest_base(blocks, align, window);
  if (!base) return counted<Address>(std::unexpected(Error::no_space));
  if (!pool_.ensure(blocks.size())) return counted<Address>(std::unexpected(Error::out_of_memory));
  for (const Block& block : blocks) place({*base + block.offset, *base + block.offset + block.size});
  return *base;
}

Result<Range> LinearScan::free(Address begin) {
  Node* const area = busy_at(begin);
  if (area == nullptr) return counted<Range>(std::unexpected(Error::not_busy));
  stats_.busy_bytes -= area->range.size();
  --stats_.busy_areas;
  return remove(*area);
}

Result<Range> LinearScan::free_lazily(Address begin) {
  Node* const area = busy_at(begin);
  if (area == nullptr) return counted<Range>(std::unexpected(Error::not_busy));
  const Range range = area->range;
  area->subtree_max_size = reinterpret_cast<std::uintptr_t>(lazy_first_) | 1;
  lazy_first_ = area;
  stats_.busy_bytes -= range.size();
  stats_.lazy_bytes += range.size();
  --stats_.busy_areas;
  ++stats_.lazy_areas;
  if (stats_.lazy_bytes > lazy_limit_) purge();
  return range;
}

Size LinearScan::purge() {
  if (lazy_first_ == nullptr) return 0;
  while (Node* const area = lazy_first_) {
    lazy_first_ = reinterpret_cast<Node*>(area->subtree_max_size & ~std::uintptr_t{1});
    remove(*area);
  }
  ++stats_.purges;
  stats_.lazy_areas = 0;
  return std::exchange(stats_.lazy_bytes, 0);
}

std::optional<Range> LinearScan::find(Address address) const {
  const Node* const area = last_at_or_below(areas_, address, visited_);
  if (area == nullptr || is_lazy(*area) || !area->range.contains(address)) return std::nullopt;
  return area->range;
}

vmap::Stats LinearScan::stats() const {
  vmap::Stats stats = stats_;
  stats.free_bytes = range_.size() - stats.busy_bytes - stats.lazy_bytes;
  for_each_free([&](Range hole) { stats.largest_free = std::max(stats.largest_free, hole.size()); });
  stats.nodes_alive = pool_.alive();
  stats.nodes_spare = pool_.spares();
  stats.nodes_visited = visited_;
  return stats;
}

const CostBound* LinearScan::cost() {
  static const ScanCost bound;
  return &bound;
}

std::uint64_t LinearScan::digest() const {
  if (cache_.area == nullptr) return 0;  // the next request begins anew
  std::uint64_t hash = 1;
  for (const std::uint64_t n : {cache_.area->range.end, cache_.hole, cache_.window_begin, cache_.align})
    hash = (hash ^ n) * 0x9e3779b97f4a7c15u + (n >> 29) + (hash >> 31);
  return hash;
}

// ---- The scan

void LinearScan::forget_unless_it_helps(Size size, Size align, Address window_begin) {
  const bool is_less_restrictive = window_begin < cache_.window_begin || align < cache_.align;
  if (cache_.area == nullptr || size <= cache_.hole || is_less_restrictive) cache_ = {};
  cache_.window_begin = window_begin;
  cache_.align = align;
}

/// The first place from the cached area on; it remembers the largest hole that it passed.
std::optional<vmap::Address> LinearScan::scan(Size size, Size align, Range window) {
  forget_unless_it_helps(size, align, window.begin);
  const Node* previous = cache_.area;
  if (previous == nullptr || previous->range.end < window.begin) {
    // In front: behind the last area that begins at or below the window.
    previous = last_at_or_below(areas_, window.begin, visited_);
  }
  const Node* next = previous != nullptr ? previous->next() : areas_.outermost(Side::left);
  for (;;) {
    const Range hole{previous != nullptr ? previous->range.end : range_.begin,
                     next != nullptr ? next->range.begin : range_.end};
    if (const auto begin = vmap::lowest_placement(intersection(hole, window), size, align)) return begin;
    if (next == nullptr || hole.end >= window.end) return std::nullopt;
    cache_.hole = std::max(cache_.hole, hole.size());
    ++visited_;
    previous = std::exchange(next, next->next());
  }
}

// ---- Areas and the holes between them

bool LinearScan::is_sound(Range range) const {
  return range.begin < range.end && range_.contains(range) && vmap::is_aligned(range.begin, granule_) &&
         vmap::is_aligned(range.end, granule_);
}

bool LinearScan::is_sound(std::span<const Block> blocks) const {
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const Block& block = blocks[i];
    if (block.size == 0 || !vmap::is_aligned(block.size, granule_) || !vmap::is_aligned(block.offset, granule_) ||
        reaches_too_far(block))
      return false;
    for (const Block& other : blocks.first(i))
      if (block.offset < other.offset + other.size && other.offset < block.offset + block.size) return false;
  }
  return !blocks.empty();
}

auto LinearScan::hole_between(Node* previous, Node* next) const -> Hole {
  return {previous,
          next,
          {previous != nullptr ? previous->range.end : range_.begin, next != nullptr ? next->range.begin : range_.end}};
}

/// The hole that begins at or below `address`, behind the last area that does; it may be empty.
auto LinearScan::hole_at(Address address) const -> Hole {
  Node* const previous = last_at_or_below(areas_, address, visited_);
  return hole_between(previous, previous != nullptr ? previous->next() : areas_.outermost(Side::left));
}

Allocation LinearScan::place(Range range) {
  const Hole hole = hole_at(range.begin);
  const vmap::FitType fit = vmap::classify(hole.range, range);
  Node& area = *pool_.take();
  area.range = range;
  link_in_order(areas_, area, visited_);
  stats_.free_blocks += fit == vmap::FitType::no_edge ? 1 : 0;
  stats_.free_blocks -= fit == vmap::FitType::full ? 1 : 0;
  ++stats_.fits[static_cast<std::size_t>(fit)];
  ++stats_.busy_areas;
  stats_.busy_bytes += range.size();
  return {range, fit};
}

vmap::Node* LinearScan::busy_at(Address begin) const {
  Node* const area = last_at_or_below(areas_, begin, visited_);
  return area != nullptr && area->range.begin == begin && !is_lazy(*area) ? area : nullptr;
}

/// Takes the area out and returns the hole that resulted.
Range LinearScan::remove(Node& area) {
  step_back_from(area);
  Node* const previous = area.previous();
  Node* const next = area.next();
  const bool free_before = hole_between(previous, &area).range.size() != 0;
  const bool free_behind = hole_between(&area, next).range.size() != 0;
  stats_.free_blocks += !free_before && !free_behind ? 1 : 0;
  stats_.free_blocks -= free_before && free_behind ? 1 : 0;
  const Coalescing kind = free_before ? (free_behind ? Coalescing::both : Coalescing::previous)
                                      : (free_behind ? Coalescing::next : Coalescing::none);
  ++stats_.coalescings[static_cast<std::size_t>(kind)];
  areas_.erase(area);
  pool_.give(&area);
  return hole_between(previous, next).range;
}

/// An area at or below the cached one goes: the next scan begins behind the one before it, and so sees the hole. One
/// below the window that was searched tells that the window has changed: nothing is remembered any more.
void LinearScan::step_back_from(const Node& area) {
  if (cache_.area == nullptr) return;
  if (area.range.end < cache_.window_begin)
    cache_.area = nullptr;
  else if (area.range.begin <= cache_.area->range.begin)
    cache_.area = area.previous();
}

/// The highest base at which every block is free: one that is not lowers it, until all in turn have let it be.
std::optional<vmap::Address> LinearScan::highest_base(std::span<const Block> blocks, Size align, Range window) const {
  Size reach = 0;
  Size offset_min = vmap::address_max;
  for (const Block& block : blocks) {
    reach = std::max(reach, block.offset + block.size);
    offset_min = std::min(offset_min, block.offset);
  }
  if (window.end < reach) return std::nullopt;
  const Address base_min = window.begin > offset_min ? window.begin - offset_min : 0;
  Address base = vmap::align_down(window.end - reach, align);
  std::size_t settled = 0;
  for (std::size_t i = 0; settled < blocks.size(); i = (i + 1) % blocks.size()) {
    const std::optional<Address> lowered = lower_until_free(base, blocks[i], align, base_min);
    if (!lowered) return std::nullopt;
    settled = *lowered == base ? settled + 1 : 1;
    base = *lowered;
  }
  return base;
}

/// The highest base in [base_min, base] at which `block` is free: hole by hole, downwards.
std::optional<vmap::Address> LinearScan::lower_until_free(Address base, Block block, Size align,
                                                          Address base_min) const {
  Hole hole = hole_at(base + block.offset);
  while (base >= base_min) {
    const Address begin = base + block.offset;
    if (hole.range.contains(Range{begin, begin + block.size})) return base;
    if (hole.range.begin <= begin && hole.range.size() >= block.size && hole.range.end - block.size < begin) {
      if (hole.range.end - block.size < block.offset) return std::nullopt;
      base = vmap::align_down(hole.range.end - block.size - block.offset, align);
      continue;
    }
    if (hole.previous == nullptr) return std::nullopt;
    ++visited_;
    hole = hole_between(hole.previous->previous(), hole.previous);
  }
  return std::nullopt;
}

}  // namespace vmapcheck
