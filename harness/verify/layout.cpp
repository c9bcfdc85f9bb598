// SPDX-License-Identifier: Apache-2.0
#include "harness/verify/layout.hpp"

#include <algorithm>
#include <utility>

#include "harness/verify/describe.hpp"

namespace vmapcheck {
namespace {

struct Extent {
  Range range;
  enum Kind { busy, lazy, free } kind = busy;
};

std::string text_of(const Extent& extent) {
  constexpr const char* kinds[] = {"busy area ", "lazily freed area ", "free block "};
  return kinds[extent.kind] + describe(extent.range);
}

/// All that is listed, in order of address.
std::vector<Extent> extents_of(const Layout& layout) {
  std::vector<Extent> extents;
  for (const Range range : layout.busy) extents.push_back({range, Extent::busy});
  for (const Range range : layout.lazy) extents.push_back({range, Extent::lazy});
  for (const Range range : layout.free) extents.push_back({range, Extent::free});
  std::ranges::sort(extents, {}, [](const Extent& extent) { return std::pair(extent.range.begin, extent.kind); });
  return extents;
}

std::string difference(const char* kind, const std::vector<Range>& expected, const std::vector<Range>& actual) {
  const auto [e, a] = std::ranges::mismatch(expected, actual);
  if (e == expected.end() && a == actual.end()) return {};
  const auto at = [](auto it, const std::vector<Range>& list) {
    return it == list.end() ? std::string("no more") : describe(*it);
  };
  return std::string(kind) + ": expected " + at(e, expected) + ", actual " + at(a, actual);
}

}  // namespace

std::optional<std::string> broken_overlap(const Layout& layout, const Space& space) {
  for (const std::vector<Range>* list : {&layout.busy, &layout.lazy, &layout.free})
    if (!std::ranges::is_sorted(*list, {}, &Range::begin))
      return "areas or free blocks are not listed in ascending order";
  const Extent* last = nullptr;
  const std::vector<Extent> extents = extents_of(layout);
  for (const Extent& extent : extents) {
    const Range range = extent.range;
    if (range.begin >= range.end) return text_of(extent) + " is empty";
    if (range.begin < space.range.begin || range.end > space.range.end) return text_of(extent) + " leaves the space";
    if (range.begin % space.granule != 0 || range.end % space.granule != 0)
      return text_of(extent) + " is not on granules";
    if (last != nullptr && range.begin < last->range.end) return text_of(extent) + " overlaps " + text_of(*last);
    last = &extent;
  }
  return std::nullopt;
}

std::optional<std::string> broken_partition(const Layout& layout, const Space& space) {
  Address covered = space.range.begin;
  std::vector<Extent> extents = extents_of(layout);
  extents.push_back({{space.range.end, space.range.end}});
  for (const Extent& extent : extents) {
    if (covered < extent.range.begin)
      return describe(Range{covered, extent.range.begin}) + " is neither free nor an area";
    covered = extent.range.end;
  }
  return std::nullopt;
}

std::optional<std::string> broken_coalescing(const Layout& layout) {
  for (std::size_t i = 1; i < layout.free.size(); ++i)
    if (layout.free[i - 1].end == layout.free[i].begin)
      return "free block " + describe(layout.free[i - 1]) + " touches free block " + describe(layout.free[i]);
  return std::nullopt;
}

std::string difference(const Layout& expected, const Layout& actual) {
  if (std::string text = difference("busy areas", expected.busy, actual.busy); !text.empty()) return text;
  if (std::string text = difference("lazily freed areas", expected.lazy, actual.lazy); !text.empty()) return text;
  return difference("free blocks", expected.free, actual.free);
}

}  // namespace vmapcheck
