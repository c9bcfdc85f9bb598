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

// ---- What the contract calls invalid_argument

bool ReferenceModel::is_valid(const Request& request) const {
  return request.size != 0 && request.size % space_.granule == 0 && power_of_two(request.align) &&
         request.within.begin <= request.within.end;
}

bool ReferenceModel::is_valid(Range exactly) const {
  return exactly.begin < exactly.end && exactly.begin >= space_.range.begin && exactly.end <= space_.range.end &&
         exactly.begin % space_.granule == 0 && exactly.end % space_.granule == 0;
}

bool ReferenceModel::is_valid(const Congruent& op) const {
  if (op.blocks.empty() || !power_of_two(op.align) || op.within.end < op.within.begin) return false;
  const Sorted sorted(op);
  Wide end = 0;
  for (const vmap::Block& block : sorted.blocks) {
    if (block.size == 0 || block.size % space_.granule != 0 || block.offset % space_.granule != 0) return false;
    if (block.offset < end) return false;  // it overlaps the one before
    end = Wide{block.offset} + block.size;
    if (end > vmap::address_max) return false;
  }
  return true;
}

// ---- Where something is placed

/// The lowest place, in the first gap that has one.
Result<Allocation> ReferenceModel::predict(const Request& request) const {
  if (!is_valid(request)) return std::unexpected(Error::invalid_argument);
  const Size align = std::max(request.align, space_.granule);
  for (auto next = areas_.upper_bound(request.within.begin);; ++next) {
    const Range gap = gap_before(next);
    if (const auto range = lowest_in(gap, request.within, request.size, align))
      return Allocation{*range, fit_of(gap, *range)};
    if (next == areas_.end() || gap.end >= request.within.end) return std::unexpected(Error::no_space);
  }
}

/// That place, or none.
Result<Allocation> ReferenceModel::predict(Range exactly) const {
  if (!is_valid(exactly)) return std::unexpected(Error::invalid_argument);
  if (!is_free(exactly)) return std::unexpected(Error::no_space);
  return Allocation{exactly, fit_of(gap_around(exactly.begin), exactly)};
}

/// The highest base at which all blocks are free. One step of `align` higher some block would leave its gap or the
/// window at the top: so it is the highest multiple at which that block ends in that gap and the window, for one of all
/// blocks and gaps.
Result<Address> ReferenceModel::predict(const Congruent& op) const {
  if (!is_valid(op)) return std::unexpected(Error::invalid_argument);
  const Sorted sorted(op);
  const Size align = std::max(op.align, space_.granule);
  const auto fits = [&](Address base) {
    // From the top: a base that is too high fails at once.
    return std::ranges::all_of(std::views::reverse(sorted.blocks), [&](const vmap::Block& block) {
      const Wide begin = Wide{base} + block.offset, end = begin + block.size;
      return begin >= op.within.begin && end <= op.within.end && end <= space_.range.end &&
             is_free({static_cast<Address>(begin), static_cast<Address>(end)});
    });
  };
  std::optional<Address> highest;
  std::optional<Address> tried;  // with a large alignment many blocks and gaps lead to the same base
  for (auto next = areas_.end();; --next) {
    const Range gap = gap_before(next);
    if (highest && gap.end <= *highest) break;  // what fits there has a lower base
    const Address top = std::min(gap.end, op.within.end);
    for (const vmap::Block& block : sorted.blocks) {
      if (gap.size() < block.size || Wide{block.offset} + block.size > top) continue;
      const Address base = (top - block.offset - block.size) / align * align;
      if ((!highest || base > *highest) && base != tried && fits(base)) highest = base;
      tried = base;
    }
    if (next == areas_.begin()) break;
  }
  if (!highest) return std::unexpected(Error::no_space);
  return *highest;
}

// ---- What is busy

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

// ---- Whether an answer keeps the promises

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

// ---- What has happened

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

// ---- The calls of an address space

/// Before an allocation fails with no_space: a purge, then the hooks in their order, and another try after each that
/// released something.
template <class Place>
auto ReferenceModel::until_satisfied(Place place) -> decltype(place()) {
  auto answer = place();
  const auto exhausted = [&] { return !answer && answer.error() == Error::no_space; };
  if (exhausted() && purge() != 0) answer = place();
  while (exhausted() && !hooks_.empty()) {
    const Address begin = hooks_.front();
    hooks_.erase(hooks_.begin());
    if (free(begin)) answer = place();
  }
  return answer;
}

Result<Allocation> ReferenceModel::allocate(const Request& request) {
  const auto placed = until_satisfied([&] { return predict(request); });
  if (placed) occupy(placed->range, std::nullopt);
  return placed;
}

Result<Allocation> ReferenceModel::allocate_at(Range range) {
  const auto placed = until_satisfied([&] { return predict(range); });
  if (placed) occupy(placed->range, std::nullopt);
  return placed;
}

Result<Address> ReferenceModel::allocate_congruent(std::span<const vmap::Block> blocks, Size align, Range within) {
  const Congruent op{{}, align, within, {blocks.begin(), blocks.end()}};
  const auto base = until_satisfied([&] { return predict(op); });
  if (base)
    for (const vmap::Block& block : blocks)
      occupy({*base + block.offset, *base + block.offset + block.size}, std::nullopt);
  return base;
}

Result<Range> ReferenceModel::free(Address begin) {
  if (busy_at(begin) == nullptr) return std::unexpected(Error::not_busy);
  return vacate(begin);
}

Result<Range> ReferenceModel::free_lazily(Address begin) {
  if (busy_at(begin) == nullptr) return std::unexpected(Error::not_busy);
  const Range area = retire(begin);
  if (space_.lazy_limit && lazy_bytes_ > *space_.lazy_limit) purge();
  return area;
}

// ---- What there is

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
