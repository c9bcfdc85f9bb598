// SPDX-License-Identifier: Apache-2.0
//
// The member functions of BasicAddressSpace. Include "vmap/address_space.hpp" instead.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <limits>
#include <memory_resource>
#include <utility>

#include "vmap/address_space.hpp"
#include "vmap/verify.hpp"

namespace vmap {

template <class Index>
Result<BasicAddressSpace<Index>> BasicAddressSpace<Index>::create(const Options& options) {
  const bool sound = is_power_of_two(options.granule) && options.range.begin < options.range.end &&
                     is_aligned(options.range.begin, options.granule) &&
                     is_aligned(options.range.end, options.granule) && options.nodes_per_slab > 0;
  if (!sound) return std::unexpected(Error::invalid_argument);
  std::pmr::memory_resource* const resource =
      options.resource != nullptr ? options.resource : std::pmr::get_default_resource();
  BasicAddressSpace space(options, resource);
  if (const Result<void> imported = space.import(options.busy); !imported) return std::unexpected(imported.error());
  return space;
}

/// The whole range as one free block, then each busy range carved out of it. Arguments are reported before memory: a
/// range that cannot be carved is looked for even after memory has run out.
template <class Index>
Result<void> BasicAddressSpace<Index>::import(std::span<const Range> busy) {
  bool memory = pool_.ensure(1);
  if (memory) {
    Node& whole = *pool_.take();
    whole.range = range_;
    free_.add(whole);
  }
  for (const Range range : busy) {
    if (range.begin >= range.end || !range_.contains(range) || !is_aligned(range.begin, granule_) ||
        !is_aligned(range.end, granule_))
      return std::unexpected(Error::invalid_argument);
    if (!memory) continue;
    Node* const block = free_.last_at_or_below(range.begin);
    if (block == nullptr || !block->range.contains(range)) return std::unexpected(Error::invalid_argument);
    memory = place(*block, range).has_value();
  }
  if (!memory) return std::unexpected(overlap_within(busy) ? Error::invalid_argument : Error::out_of_memory);
  // What was imported is what there is; nothing has happened yet.
  fits_ = {};
  areas_visited_ = 0;
  free_.forget_counts();
  return {};
}

template <class Index>
Result<Allocation> BasicAddressSpace<Index>::allocate(const Request& request) {
  if (!is_sound(request)) return counted<Allocation>(std::unexpected(Error::invalid_argument));
  const Size align = std::max(request.align, granule_);
  const Range window = intersection(request.within, range_);
  if (!free_.rows().empty()) drop_idle_rows();
  if (align > granule_) prepare_row(align);
  return counted(with_retries([&]() -> Result<Allocation> {
    const std::uint64_t misfits = free_.misfits();
    const auto fit = free_.lowest_fit(request.size, align, window);
    row_policy_.passed(align, free_.misfits() - misfits);
    if (!fit) return std::unexpected(Error::no_space);
    return place(*fit->block, {fit->begin, fit->begin + request.size});
  }));
}

/// Before a search of that alignment: makes a row for it, if it is due.
template <class Index>
void BasicAddressSpace<Index>::prepare_row(Size align) {
  if (const std::size_t row = free_.rows().row_of(align); row != AlignmentRows::none) return row_policy_.used(row);
  if (!row_policy_.is_due(align, pool_.alive())) return;
  const std::size_t row = free_.rows().unused();
  if (row == AlignmentRows::none) return;
  row_policy_.begins_anew(align);
  if (!pool_.wide() && !rehouse(true)) {
    ++rows_refused_;
    return;
  }
  free_.make_row(row, align);
  row_policy_.used(row);
  ++rows_made_;
}

template <class Index>
void BasicAddressSpace<Index>::drop_idle_rows() {
  for (std::size_t row = 0; row < alignment_rows_max; ++row) {
    if (free_.rows().alignments()[row] == 0 || !row_policy_.is_idle(row, pool_.alive())) continue;
    free_.drop_row(row);
    ++rows_dropped_;
  }
  if (free_.rows().empty()) (void)rehouse(false);  // or the nodes stay wide
}

/// Moves all nodes to a pool of that width, with as many spare ones, in order of address. False, and nothing has
/// changed, where there is no memory for it. Requires that there are no rows.
template <class Index>
bool BasicAddressSpace<Index>::rehouse(bool wide) {
  auto pool = pool_.empty_one(wide);
  if (!pool.ensure(pool_.alive() + pool_.spares())) return false;
  const auto fresh = [&]() -> Node& { return *pool.take(); };
  free_.move_nodes(fresh);
  move_nodes(busy_, fresh);
  move_nodes(lazy_, fresh);
  pool_ = std::move(pool);
  return true;
}

template <class Index>
Result<Allocation> BasicAddressSpace<Index>::allocate_at(Range range) {
  if (range.begin >= range.end || !range_.contains(range) || !is_aligned(range.begin, granule_) ||
      !is_aligned(range.end, granule_))
    return counted<Allocation>(std::unexpected(Error::invalid_argument));
  return counted(with_retries([&]() -> Result<Allocation> {
    Node* const block = free_.last_at_or_below(range.begin);
    if (block == nullptr || !block->range.contains(range)) return std::unexpected(Error::no_space);
    return place(*block, range);
  }));
}

template <class Index>
Result<Address> BasicAddressSpace<Index>::allocate_congruent(std::span<const Block> blocks, Size align, Range within) {
  if (!is_power_of_two(align) || within.end < within.begin || !is_sound(blocks))
    return counted<Address>(std::unexpected(Error::invalid_argument));
  const Range window = intersection(within, range_);
  align = std::max(align, granule_);
  return counted(with_retries([&]() -> Result<Address> {
    const std::optional<Address> base = highest_base(blocks, align, window);
    if (!base) return std::unexpected(Error::no_space);
    if (!pool_.ensure(nodes_needed(blocks, *base))) return std::unexpected(Error::out_of_memory);
    for (const Block& block : blocks) {
      const Address begin = *base + block.offset;
      (void)place(*free_.last_at_or_below(begin), {begin, begin + block.size});  // has its nodes: cannot fail
    }
    return *base;
  }));
}

template <class Index>
Result<Range> BasicAddressSpace<Index>::free(Address begin) {
  Node* const area = take_out(busy_, begin);
  if (area == nullptr) return counted<Range>(std::unexpected(Error::not_busy));
  busy_bytes_ -= area->range.size();
  return make_free(*area);
}

template <class Index>
Result<Range> BasicAddressSpace<Index>::free_lazily(Address begin) {
  Node* const area = take_out(busy_, begin);
  if (area == nullptr) return counted<Range>(std::unexpected(Error::not_busy));
  const Range range = area->range;
  busy_bytes_ -= range.size();
  lazy_bytes_ += range.size();
  link_in_order(lazy_, *area, areas_visited_);
  if (lazy_bytes_ > lazy_limit_) purge();
  return range;
}

template <class Index>
Size BasicAddressSpace<Index>::purge() {
  if (lazy_.empty()) return 0;
  while (Node* const area = lazy_.outermost(Side::left)) {
    lazy_.erase(*area);
    make_free(*area);
  }
  ++purges_;
  return std::exchange(lazy_bytes_, 0);
}

template <class Index>
std::optional<Range> BasicAddressSpace<Index>::find(Address address) const {
  std::uint64_t visited = 0;
  const Node* const area = last_at_or_below(busy_, address, visited);
  // Many threads may look at the same time: no two of them race, though the visits of one may be lost.
  const std::atomic_ref<std::uint64_t> total(areas_visited_);
  total.store(total.load(std::memory_order_relaxed) + visited, std::memory_order_relaxed);
  if (area == nullptr || !area->range.contains(address)) return std::nullopt;
  return area->range;
}

template <class Index>
Result<void> BasicAddressSpace<Index>::reserve(std::size_t count) {
  // A no_edge split needs two: the area's node, and the second remainder's.
  if (count > std::numeric_limits<std::size_t>::max() / 2 || !pool_.reserve(2 * count))
    return counted<void>(std::unexpected(Error::out_of_memory));
  return {};
}

template <class Index>
Result<HookId> BasicAddressSpace<Index>::on_exhaustion(ExhaustionHook hook) {
  if (!hook) return counted<HookId>(std::unexpected(Error::invalid_argument));
  try {
    hooks_.push_back({hook_last_ + 1, std::move(hook)});
  } catch (...) {
    return counted<HookId>(std::unexpected(Error::out_of_memory));
  }
  return ++hook_last_;
}

template <class Index>
bool BasicAddressSpace<Index>::remove_hook(HookId id) {
  const auto hook = std::ranges::find(hooks_, id, &Hook::id);
  if (id == 0 || hook == hooks_.end()) return false;
  if (calling_hooks_)
    hook->id = 0;  // it may be the one that runs: it is dropped when the calls are over
  else
    hooks_.erase(hook);
  return true;
}

template <class Index>
Stats BasicAddressSpace<Index>::stats() const {
  Stats s;
  s.busy_bytes = busy_bytes_;
  s.lazy_bytes = lazy_bytes_;
  s.free_bytes = range_.size() - busy_bytes_ - lazy_bytes_;
  s.busy_areas = busy_.size();
  s.lazy_areas = lazy_.size();
  s.free_blocks = free_.tree().size();
  s.largest_free = SubtreeMaxSize::of(free_.tree().root());
  s.nodes_alive = pool_.alive();
  s.nodes_spare = pool_.spares();
  s.hooks = static_cast<std::size_t>(std::ranges::count_if(hooks_, [](const Hook& hook) { return hook.id != 0; }));
  s.fits = fits_;
  s.coalescings = coalescings_;
  s.failures = failures_;
  s.rows = free_.rows().alignments();
  s.rows_made = rows_made_;
  s.rows_dropped = rows_dropped_;
  s.rows_refused = rows_refused_;
  s.purges = purges_;
  s.hooks_called = hooks_called_;
  s.nodes_visited = free_.visited() + std::atomic_ref<std::uint64_t>(areas_visited_).load(std::memory_order_relaxed);
  s.nodes_propagated = free_.tree().propagated();
  s.tree_cases = free_.tree().cases();
  return s;
}

template <class Index>
std::optional<Violation> BasicAddressSpace<Index>::verify() const noexcept {
  return verify_layout({.range = range_,
                        .granule = granule_,
                        .free = free_.tree(),
                        .busy = busy_,
                        .lazy = lazy_,
                        .busy_bytes = busy_bytes_,
                        .lazy_bytes = lazy_bytes_,
                        .nodes_alive = pool_.alive()});
}

template <class Index>
bool BasicAddressSpace<Index>::is_sound(const Request& request) const {
  return request.size > 0 && is_aligned(request.size, granule_) && is_power_of_two(request.align) &&
         request.within.begin <= request.within.end;
}

template <class Index>
bool BasicAddressSpace<Index>::is_sound(std::span<const Block> blocks) const {
  for (const Block& block : blocks)
    if (block.size == 0 || !is_aligned(block.size, granule_) || !is_aligned(block.offset, granule_) ||
        block.size > address_max - block.offset)
      return false;
  return !blocks.empty() && !overlap_within(blocks);
}

/// Runs `attempt` until it does not fail with no_space, or nothing is left that might release something.
template <class Index>
template <class Attempt>
auto BasicAddressSpace<Index>::with_retries(Attempt attempt) -> decltype(attempt()) {
  const auto purge_and_attempt = [&] {
    auto result = attempt();
    if (result || result.error() != Error::no_space || lazy_.empty()) return result;
    purge();
    return attempt();
  };
  auto result = purge_and_attempt();
  if (calling_hooks_) return result;
  calling_hooks_ = true;
  for (auto hook = hooks_.begin(); hook != hooks_.end() && !result && result.error() == Error::no_space; ++hook) {
    if (hook->id == 0) continue;
    ++hooks_called_;
    bool released = false;
    try {
      released = hook->call();
    } catch (...) {
      released = false;
    }
    if (released) result = purge_and_attempt();
  }
  calling_hooks_ = false;
  std::erase_if(hooks_, [](const Hook& hook) { return hook.id == 0; });
  return result;
}

/// Takes `range` out of the free `block` and makes it a busy area. Gets all nodes before anything is modified.
///
/// Nodes: full turns the block's node into the area's; the edges need one for the area; no_edge one more for the
/// remainder.
template <class Index>
Result<Allocation> BasicAddressSpace<Index>::place(Node& block, Range range) {
  const FitType fit = classify(block.range, range);
  const std::size_t needed = fit == FitType::full ? 0 : fit == FitType::no_edge ? 2 : 1;
  if (!pool_.ensure(needed)) return std::unexpected(Error::out_of_memory);
  Node* area = needed >= 1 ? pool_.take() : nullptr;
  Node* const remainder = needed >= 2 ? pool_.take() : nullptr;
  if (Node* const unneeded = free_.carve(block, range, remainder)) area = unneeded;
  area->range = range;
  link_in_order(busy_, *area, areas_visited_);
  busy_bytes_ += range.size();
  ++fits_[static_cast<std::size_t>(fit)];
  row_policy_.changed();
  return Allocation{range, fit};
}

/// Takes the area that begins at `begin` out of its tree and returns it. Null if there is none.
template <class Index>
Node* BasicAddressSpace<Index>::take_out(AreaTree& areas, Address begin) {
  Node* const area = last_at_or_below(areas, begin, areas_visited_);
  if (area == nullptr || area->range.begin != begin) return nullptr;
  areas.erase(*area);
  return area;
}

template <class Index>
Range BasicAddressSpace<Index>::make_free(Node& area) {
  const typename Index::Merge merge = free_.add(area);
  for (Node* const node : merge.unneeded)
    if (node != nullptr) pool_.give(node);
  ++coalescings_[static_cast<std::size_t>(merge.coalescing)];
  row_policy_.changed();
  return merge.block;
}

/// The highest base at which every block is free inside `window`. It starts at the highest that the window allows; a
/// block that does not fit there lowers it to the highest base at which it does, and no base in between is possible. It
/// ends when every block in turn has found the base that the last one left.
template <class Index>
std::optional<Address> BasicAddressSpace<Index>::highest_base(std::span<const Block> blocks, Size align,
                                                              Range window) const {
  Size reach = 0;
  Size offset_min = address_max;
  for (const Block& block : blocks) {
    reach = std::max(reach, block.offset + block.size);
    offset_min = std::min(offset_min, block.offset);
  }
  if (window.end < reach) return std::nullopt;
  const Address base_min = window.begin > offset_min ? window.begin - offset_min : 0;
  Address base = align_down(window.end - reach, align);
  std::size_t settled = 0;  // consecutive blocks that fit at `base`
  for (std::size_t i = 0; settled < blocks.size(); i = (i + 1) % blocks.size()) {
    const std::optional<Address> lowered = lower_until_free(base, blocks[i], align, base_min);
    if (!lowered) return std::nullopt;
    settled = *lowered == base ? settled + 1 : 1;
    base = *lowered;
  }
  return base;
}

/// The highest base in [base_min, base] at which `block` is free, or nullopt.
template <class Index>
std::optional<Address> BasicAddressSpace<Index>::lower_until_free(Address base, Block block, Size align,
                                                                  Address base_min) const {
  while (base >= base_min) {
    const Address begin = base + block.offset;  // does not wrap: the window's end is beyond
    Node* candidate = free_.last_at_or_below(begin);
    if (candidate == nullptr) return std::nullopt;
    if (candidate->range.contains({begin, begin + block.size})) return base;
    // A lower base puts the block at the end of this free block, or of the last one before that is long enough.
    if (candidate->range.size() < block.size) candidate = free_.previous_at_least(*candidate, block.size);
    if (candidate == nullptr) return std::nullopt;
    const Address begin_max = candidate->range.end - block.size;
    if (begin_max < block.offset) return std::nullopt;
    base = align_down(begin_max - block.offset, align);
  }
  return std::nullopt;
}

/// New nodes for the blocks placed at `base`: one for each area and one for each additional free block. Placements that
/// touch form a run; a run inside a free block leaves one part more, and one less for each end of the free block that
/// it reaches.
template <class Index>
std::size_t BasicAddressSpace<Index>::nodes_needed(std::span<const Block> blocks, Address base) const {
  const bool ascending = std::ranges::is_sorted(blocks, {}, &Block::offset);
  std::size_t needed = blocks.size();
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const auto touches = [&](const Block& other) { return other.offset + other.size == blocks[i].offset; };
    const bool begins_a_run = ascending ? i == 0 || !touches(blocks[i - 1]) : std::ranges::none_of(blocks, touches);
    const Range placement{base + blocks[i].offset, base + blocks[i].offset + blocks[i].size};
    const Range block = free_.last_at_or_below(placement.begin)->range;
    needed += begins_a_run ? 1 : 0;
    needed -= placement.begin == block.begin ? 1 : 0;
    needed -= placement.end == block.end ? 1 : 0;
  }
  return needed;
}

template <class Index>
template <class Tree, class Visit>
void BasicAddressSpace<Index>::for_each(const Tree& tree, Visit& visit, Range window) {
  std::uint64_t visited = 0;
  const Node* node = last_at_or_below(tree, window.begin, visited);
  if (node == nullptr)
    node = tree.outermost(Side::left);
  else if (!node->range.overlaps(window))
    node = node->next();
  for (; node != nullptr && node->range.overlaps(window); node = node->next()) visit(node->range);
}

}  // namespace vmap
