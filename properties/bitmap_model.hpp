// SPDX-License-Identifier: Apache-2.0
//
// Something simpler still than the reference model, to check it with: one mark for each granule of a small space. All
// questions are answered by trying every place. Addresses have 128 bits here, so that nothing needs care.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <vector>

#include "model/op.hpp"
#include "vmap/error.hpp"
#include "vmap/request.hpp"

namespace vmapcheck {

class BitmapModel {
 public:
  __extension__ using Wide = unsigned __int128;

  explicit BitmapModel(const Space& space)
      : space_(space), marks_(static_cast<std::size_t>(space.range.size() / space.granule)) {
    for (const Range range : space.busy) occupy(range);
  }

  // What may be placed where. Argument errors are told apart by the caller.

  [[nodiscard]] bool is_free(Wide begin, Wide end) const {
    if (begin < space_.range.begin || end > space_.range.end) return false;
    for (Wide address = begin; address < end; address += space_.granule)
      if (marks_[index_of(address)].kind != Kind::free) return false;
    return true;
  }

  /// True if the request may be placed at `begin`.
  [[nodiscard]] bool satisfies(const vmap::Request& request, Wide begin) const {
    return begin % request.align == 0 && begin % space_.granule == 0 && begin >= request.within.begin &&
           begin + request.size <= request.within.end && is_free(begin, begin + request.size);
  }

  [[nodiscard]] std::optional<Range> lowest(const vmap::Request& request) const {
    for (std::size_t i = 0; i < marks_.size(); ++i)
      if (satisfies(request, address_of(i))) return range_of(address_of(i), address_of(i) + request.size);
    return std::nullopt;
  }

  /// The first block is tried on every granule, from the top.
  [[nodiscard]] std::optional<Address> highest_base(const Congruent& op) const {
    for (std::size_t i = marks_.size(); i-- > 0;) {
      if (address_of(i) < op.blocks.front().offset) continue;
      const Wide base = address_of(i) - op.blocks.front().offset;
      const bool fits = std::ranges::all_of(op.blocks, [&](const vmap::Block& block) {
        const Wide begin = base + block.offset;
        return begin >= op.within.begin && begin + block.size <= op.within.end && is_free(begin, begin + block.size);
      });
      if (fits && base % op.align == 0 && base % space_.granule == 0) return static_cast<Address>(base);
    }
    return std::nullopt;
  }

  /// What a free range leaves free on both sides of it.
  [[nodiscard]] vmap::FitType fit_of(Range range) const {
    const bool left = is_free(Wide{range.begin} - std::min<Wide>(range.begin, space_.granule), range.begin) &&
                      range.begin != space_.range.begin;
    const bool right = is_free(range.end, Wide{range.end} + space_.granule);
    if (left) return right ? vmap::FitType::no_edge : vmap::FitType::right_edge;
    return right ? vmap::FitType::left_edge : vmap::FitType::full;
  }

  // What there is.

  [[nodiscard]] std::optional<Range> busy_area_at(Address address) const {
    if (!space_.range.contains(address)) return std::nullopt;
    std::size_t first = index_of(address);
    if (marks_[first].kind != Kind::busy) return std::nullopt;
    while (!marks_[first].begins) --first;
    std::size_t last = first;
    while (last + 1 < marks_.size() && marks_[last + 1].kind == Kind::busy && !marks_[last + 1].begins) ++last;
    return range_of(address_of(first), address_of(last) + space_.granule);
  }

  [[nodiscard]] std::vector<Range> gaps() const {
    std::vector<Range> gaps;
    for (std::size_t i = 0; i < marks_.size(); ++i) {
      if (marks_[i].kind != Kind::free) continue;
      const Range granule = range_of(address_of(i), address_of(i) + space_.granule);
      if (!gaps.empty() && gaps.back().end == granule.begin)
        gaps.back().end = granule.end;
      else
        gaps.push_back(granule);
    }
    return gaps;
  }

  /// The free granules that end at `end`, or begin at `begin`; may be none.
  [[nodiscard]] Range free_before(Address end) const {
    Wide begin = end;
    while (begin > space_.range.begin && is_free(begin - space_.granule, begin)) begin -= space_.granule;
    return range_of(begin, end);
  }
  [[nodiscard]] Range free_after(Address begin) const {
    Wide end = begin;
    while (is_free(end, end + space_.granule)) end += space_.granule;
    return range_of(begin, end);
  }

  [[nodiscard]] Size busy_bytes() const { return bytes_of(Kind::busy); }
  [[nodiscard]] Size lazy_bytes() const { return bytes_of(Kind::lazy); }

  // What happens.

  void occupy(Range range) { mark(range, Kind::busy); }
  void vacate(Range area) { mark(area, Kind::free); }
  void retire(Range area) { mark(area, Kind::lazy); }
  void purge() {
    for (Mark& mark : marks_)
      if (mark.kind == Kind::lazy) mark = {};
  }

 private:
  enum class Kind : std::uint8_t { free, busy, lazy };
  struct Mark {
    Kind kind = Kind::free;
    bool begins = false;  ///< an area
  };

  [[nodiscard]] Wide address_of(std::size_t index) const { return Wide{space_.range.begin} + index * space_.granule; }
  [[nodiscard]] std::size_t index_of(Wide address) const {
    return static_cast<std::size_t>((address - space_.range.begin) / space_.granule);
  }
  [[nodiscard]] static Range range_of(Wide begin, Wide end) {
    return {static_cast<Address>(begin), static_cast<Address>(end)};
  }
  [[nodiscard]] Size bytes_of(Kind kind) const {
    return static_cast<Size>(std::ranges::count(marks_, kind, &Mark::kind)) * space_.granule;
  }
  void mark(Range range, Kind kind) {
    for (Wide address = range.begin; address < range.end; address += space_.granule)
      marks_[index_of(address)] = {kind, address == range.begin};
  }

  Space space_;
  std::vector<Mark> marks_;
};

}  // namespace vmapcheck
