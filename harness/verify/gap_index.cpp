// SPDX-License-Identifier: Apache-2.0
#include "harness/verify/gap_index.hpp"

#include <algorithm>
#include <ranges>

#include "model/placement.hpp"

namespace vmapcheck {

using vmap::Allocation;
using vmap::Error;
using vmap::Request;
using vmap::Result;

GapIndex::GapIndex(std::span<const Range> gaps, std::size_t chunk_max) : chunk_max_(chunk_max), size_(gaps.size()) {
  const std::size_t each = std::max<std::size_t>(1, chunk_max / 2);
  for (; !gaps.empty(); gaps = gaps.subspan(std::min(each, gaps.size()))) {
    const auto part = gaps.first(std::min(each, gaps.size()));
    chunks_.emplace_back(part.begin(), part.end());
  }
  if (chunks_.empty()) chunks_.emplace_back();
  firsts_.resize(chunks_.size());
  maxima_.resize(chunks_.size());
  for (std::size_t i = 0; i < chunks_.size(); ++i) changed(i);
}

// ---- Predictions

Result<Allocation> GapIndex::predict(const Space& space, const Request& request) const {
  const Size align = std::max(request.align, space.granule);
  for (auto gap = first_above(request.within.begin, request.size); gap && gap->begin < request.within.end;
       gap = first_above(gap->end, request.size))
    if (const auto range = lowest_in(*gap, request.within, request.size, align))
      return Allocation{*range, fit_of(*gap, *range)};
  return std::unexpected(Error::no_space);
}

/// From the top downwards: a block that is not in a gap lowers the base to where it is, until none does.
Result<Address> GapIndex::predict(const Space& space, const Congruent& op) const {
  const Size align = std::max(op.align, space.granule);
  const Address top = std::min(op.within.end, space.range.end);
  std::optional<Address> base;
  /// To the highest base at which the block ends at or below `end`.
  const auto lower = [&](const vmap::Block& block, Address end) {
    if (Wide{block.offset} + block.size > end) return false;
    const Address highest = (end - block.offset - block.size) / align * align;
    base = base ? std::min(*base, highest) : highest;
    return true;
  };
  for (const vmap::Block& block : op.blocks)
    if (!lower(block, top)) return std::unexpected(Error::no_space);
  for (std::size_t settled = 0, i = 0; settled < op.blocks.size(); i = (i + 1) % op.blocks.size(), ++settled) {
    const vmap::Block& block = op.blocks[i];
    const Address begin = *base + block.offset;
    if (begin < op.within.begin) return std::unexpected(Error::no_space);
    const auto gap = last_from(begin, block.size);
    if (!gap) return std::unexpected(Error::no_space);
    if (gap->end - begin >= block.size && gap->end > begin) continue;
    if (!lower(block, gap->end)) return std::unexpected(Error::no_space);
    settled = static_cast<std::size_t>(-1);  // the others have moved, too
  }
  return *base;
}

std::optional<Range> GapIndex::first_above(Address address, Size size) const {
  std::size_t i = chunk_of(address);
  for (const Range gap : chunks_[i])
    if (gap.end > address && gap.size() >= size) return gap;
  // In the chunks behind it every gap ends above the address.
  const auto large = std::find_if(maxima_.begin() + static_cast<std::ptrdiff_t>(i) + 1, maxima_.end(),
                                  [size](Size largest) { return largest >= size; });
  if (large == maxima_.end()) return std::nullopt;
  const Chunk& chunk = chunks_[static_cast<std::size_t>(large - maxima_.begin())];
  return *std::ranges::find_if(chunk, [size](Range gap) { return gap.size() >= size; });
}

std::optional<Range> GapIndex::last_from(Address address, Size size) const {
  std::size_t i = chunk_of(address);
  for (const Range gap : std::views::reverse(chunks_[i]))
    if (gap.begin <= address && gap.size() >= size) return gap;
  while (i > 0 && maxima_[i - 1] < size) --i;
  if (i == 0) return std::nullopt;
  for (const Range gap : std::views::reverse(chunks_[i - 1]))
    if (gap.size() >= size) return gap;
  return std::nullopt;
}

// ---- What has happened

void GapIndex::take(Range range) {
  const Range gap = *last_from(range.begin, 0);
  erase(gap);
  if (gap.begin < range.begin) insert({gap.begin, range.begin});
  if (range.end < gap.end) insert({range.end, gap.end});
}

void GapIndex::give(Range gap) {
  for (auto within = first_above(gap.begin, 0); within && within->begin < gap.end; within = first_above(gap.begin, 0))
    erase(*within);
  insert(gap);
}

/// The last chunk whose first gap begins at or below the address, or the first one.
std::size_t GapIndex::chunk_of(Address address) const {
  const auto above = std::ranges::upper_bound(firsts_, address);
  return above == firsts_.begin() ? 0 : static_cast<std::size_t>(above - firsts_.begin()) - 1;
}

void GapIndex::insert(Range gap) {
  const std::size_t i = chunk_of(gap.begin);
  Chunk& chunk = chunks_[i];
  chunk.insert(std::ranges::upper_bound(chunk, gap.begin, {}, &Range::begin), gap);
  ++size_;
  firsts_[i] = chunk.front().begin;
  maxima_[i] = std::max(maxima_[i], gap.size());
  if (chunk.size() <= chunk_max_) return;
  const auto middle = chunk.begin() + static_cast<std::ptrdiff_t>(chunk.size() / 2);
  Chunk upper(middle, chunk.end());
  chunk.erase(middle, chunk.end());
  const auto next = static_cast<std::ptrdiff_t>(i) + 1;
  chunks_.insert(chunks_.begin() + next, std::move(upper));
  firsts_.insert(firsts_.begin() + next, 0);
  maxima_.insert(maxima_.begin() + next, 0);
  changed(i);
  changed(i + 1);
}

void GapIndex::erase(Range gap) {
  const std::size_t i = chunk_of(gap.begin);
  Chunk& chunk = chunks_[i];
  chunk.erase(std::ranges::lower_bound(chunk, gap.begin, {}, &Range::begin));
  --size_;
  if (!chunk.empty() || chunks_.size() == 1) {
    if (gap.size() == maxima_[i] || chunk.empty() || firsts_[i] == gap.begin) changed(i);
    return;
  }
  const auto place = static_cast<std::ptrdiff_t>(i);
  chunks_.erase(chunks_.begin() + place);
  firsts_.erase(firsts_.begin() + place);
  maxima_.erase(maxima_.begin() + place);
}

/// What is kept of a chunk is computed anew.
void GapIndex::changed(std::size_t chunk) {
  const Chunk& gaps = chunks_[chunk];
  firsts_[chunk] = gaps.empty() ? 0 : gaps.front().begin;
  maxima_[chunk] = 0;
  for (const Range gap : gaps) maxima_[chunk] = std::max(maxima_[chunk], gap.size());
}

}  // namespace vmapcheck
