// SPDX-License-Identifier: Apache-2.0
#include "model/reference_model.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <memory_resource>
#include <ranges>
#include <utility>
#include <vector>

#include "model/placement.hpp"
#include "model/trace.hpp"

namespace vmapcheck {
namespace {

using vmap::Allocation;
using vmap::Error;
using vmap::Request;
using vmap::Result;

bool power_of_two(Size n) {
  for (int bit = 0; bit < 64; ++bit)
    if (n == Size{1} << bit) return true;
  return false;
}

/// The blocks of an op by their offsets.
struct Sorted {
  explicit Sorted(const Congruent& op) : blocks(op.blocks.begin(), op.blocks.end(), &resource) {
    std::ranges::sort(blocks, {}, &vmap::Block::offset);
  }
  std::array<std::byte, 1024> room;  // nothing is allocated for a few blocks
  std::pmr::monotonic_buffer_resource resource{room.data(), room.size()};
  std::pmr::vector<vmap::Block> blocks;
};

}  // namespace

ReferenceModel::ReferenceModel(const Space& space) : space_(space) {
  for (const Range range : space_.busy) occupy(range, std::nullopt);
}

bool ReferenceModel::is_valid(const Request& request) const {
  return request.size != 0 && request.size % space_.granule == 0 && power_of_two(request.align) &&
         request.within.begin <= request.within.end;
}

bool ReferenceModel::is_valid(const Congruent& op) const {
  if (op.blocks.empty() || !power_of_two(op.align) || op.within.end < op.within.begin) return false;
  const Sorted sorted(op);
  Wide end = 0;
  for (const vmap::Block& block : sorted.blocks) {
    if (block.size == 0 || block.size % space_.granule != 0 || block.offset % space_.granule != 0 || block.offset < end)
      return false;
    end = Wide{block.offset} + block.size;
    if (end > vmap::address_max) return false;
  }
  return true;
}

Result<Allocation> ReferenceModel::predict(const Request& request) const {
  if (!is_valid(request)) return std::unexpected(Error::invalid_argument);
  const Size align = std::max(request.align, space_.granule);

  // Gap by gap, from the one before or around the window's begin.
  auto area = areas_.upper_bound(request.within.begin);
  const auto last = areas_.end();
  Address begin = gap_before(area).begin;
  for (;; begin = area->second.end, ++area) {
    const Range gap{begin, area == last ? space_.range.end : area->first};
    if (const auto range = lowest_in(gap, request.within, request.size, align))
      return Allocation{*range, fit_of(gap, *range)};
    if (area == last || gap.end >= request.within.end) break;
  }
  return std::unexpected(Error::no_space);
}

Result<Allocation> ReferenceModel::predict(Range exactly) const {
  if (exactly.begin >= exactly.end || exactly.begin < space_.range.begin || exactly.end > space_.range.end ||
      exactly.begin % space_.granule != 0 || exactly.end % space_.granule != 0)
    return std::unexpected(Error::invalid_argument);
  if (!is_free(exactly)) return std::unexpected(Error::no_space);
  return Allocation{exactly, fit_of(gap_around(exactly.begin), exactly)};
}

Result<Address> ReferenceModel::predict(const Congruent& op) const {
  if (!is_valid(op)) return std::unexpected(Error::invalid_argument);
  const Sorted in_order(op);
  const auto& sorted = in_order.blocks;
  const Size align = std::max(op.align, space_.granule);

  const auto fits = [&](Address base) {
    // From the top: a base that is too high fails at once.
    return std::ranges::all_of(std::views::reverse(sorted), [&](const vmap::Block& block) {
      const Wide block_begin = Wide{base} + block.offset;
      const Wide block_end = block_begin + block.size;
      return block_begin >= op.within.begin && block_end <= op.within.end && block_end <= space_.range.end &&
             is_free({static_cast<Address>(block_begin), static_cast<Address>(block_end)});
    });
  };
  // At the highest base, one step of `align` higher some block would leave its gap or the window at the top: so it is
  // the highest multiple at which that block is inside that gap and the window.
  std::optional<Address> highest;
  std::optional<Address> tried;  // with a large alignment many blocks and gaps lead to the same base
  for (auto area = areas_.end();; --area) {
    const Range gap = gap_before(area);
    if (highest && gap.end <= *highest) break;  // what fits there has a lower base
    const Address top = std::min(gap.end, op.within.end);
    for (const vmap::Block& block : sorted) {
      if (gap.size() < block.size || Wide{block.offset} + block.size > top) continue;
      const Address base = (top - block.offset - block.size) / align * align;
      if ((!highest || base > *highest) && base != tried && fits(base)) highest = base;
      tried = base;
    }
    if (area == areas_.begin()) break;
  }
  if (!highest) return std::unexpected(Error::no_space);
  return *highest;
}

std::optional<Range> ReferenceModel::find(Address address) const {
  auto area = areas_.upper_bound(address);
  if (area == areas_.begin()) return std::nullopt;
  --area;
  if (area->second.lazy || address >= area->second.end) return std::nullopt;
  return Range{area->first, area->second.end};
}

const ReferenceModel::Area* ReferenceModel::busy_at(Address begin) const {
  const auto area = areas_.find(begin);
  return area == areas_.end() || area->second.lazy ? nullptr : &area->second;
}

std::optional<std::string> ReferenceModel::judge(const Request& request, const Result<Allocation>& expected,
                                                 const Result<Allocation>& actual, const Promises& promises) const {
  if (actual == expected) return std::nullopt;
  const auto say = [](const Result<Allocation>& answer, bool with_fit) {
    if (!answer) return std::string(name(answer.error()));
    std::string text = print(answer->range);
    if (with_fit) text.append(" ").append(name(answer->fit));
    return text;
  };
  const auto mismatch = [&](const char* why) {
    return "expected " + say(expected, promises.fit_type) + ", actual " + say(actual, promises.fit_type) + why;
  };
  if (!expected && expected.error() == Error::invalid_argument) return mismatch("");
  if (!actual) {
    if (actual.error() != Error::no_space || (expected && promises.complete)) return mismatch("");
    return std::nullopt;
  }
  if (!expected) return mismatch(": no placement exists");
  const Range range = actual->range;
  if (promises.lowest && range != expected->range) return mismatch("");
  if (range.begin > range.end || range.end - range.begin != request.size) return mismatch(": wrong size");
  if (range.begin % std::max(request.align, space_.granule) != 0) return mismatch(": misaligned");
  if (range.begin < request.within.begin || range.end > request.within.end) return mismatch(": outside the window");
  if (!is_free(range)) return mismatch(": not free");
  if (promises.fit_type && actual->fit != fit_of(gap_around(range.begin), range)) return mismatch(": wrong fit type");
  return std::nullopt;
}

void ReferenceModel::occupy(Range range, std::optional<Label> label) {
  areas_.emplace(range.begin, Area{range.end, false, label});
  busy_bytes_ += range.size();
}

Range ReferenceModel::vacate(Address begin) {
  const auto area = areas_.find(begin);
  busy_bytes_ -= area->second.end - begin;
  const auto next = areas_.erase(area);
  return gap_before(next);
}

Range ReferenceModel::retire(Address begin) {
  Area& area = areas_.at(begin);
  area.lazy = true;
  busy_bytes_ -= area.end - begin;
  lazy_bytes_ += area.end - begin;
  lazy_.push_back(begin);
  return {begin, area.end};
}

Range ReferenceModel::purge_one() {
  const auto area = areas_.find(lazy_.back());
  lazy_.pop_back();
  lazy_bytes_ -= area->second.end - area->first;
  const auto next = areas_.erase(area);
  return gap_before(next);
}

Size ReferenceModel::purge() {
  const Size bytes = lazy_bytes_;
  while (!lazy_.empty()) purge_one();
  return bytes;
}

std::vector<Range> ReferenceModel::gaps() const {
  std::vector<Range> gaps;
  gaps_into(gaps);
  return gaps;
}

void ReferenceModel::gaps_into(std::vector<Range>& gaps) const {
  gaps.clear();
  Address covered = space_.range.begin;
  for (const auto& [begin, area] : areas_) {
    if (covered < begin) gaps.push_back({covered, begin});
    covered = area.end;
  }
  if (covered < space_.range.end) gaps.push_back({covered, space_.range.end});
}

Range ReferenceModel::gap_before(Areas::const_iterator area) const {
  const Address begin = area == areas_.begin() ? space_.range.begin : std::prev(area)->second.end;
  return {begin, area == areas_.end() ? space_.range.end : area->first};
}

Range ReferenceModel::gap_after(Areas::const_iterator area) const {
  const auto next = std::next(area);
  return {area->second.end, next == areas_.end() ? space_.range.end : next->first};
}

Range ReferenceModel::gap_around(Address address) const { return gap_before(areas_.upper_bound(address)); }

bool ReferenceModel::is_free(Range range) const {
  const Range gap = gap_around(range.begin);
  return gap.begin <= range.begin && range.end <= gap.end;
}

}  // namespace vmapcheck
