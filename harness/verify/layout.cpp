// SPDX-License-Identifier: Apache-2.0
#include "harness/verify/layout.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "harness/verify/describe.hpp"

namespace vmapcheck {
namespace {

using vmap::Invariant;
using vmap::Violation;

struct Extent {
  Range range;
  enum Kind { busy, lazy, free } kind = busy;
};

std::string text_of(const Extent& extent) {
  constexpr const char* kinds[] = {"busy area ", "lazily freed area ", "free block "};
  return kinds[extent.kind] + describe(extent.range);
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

std::optional<Violation> check_layout(const Layout& layout, const Space& space) {
  std::vector<Extent> extents;
  bool ascending = true;
  const auto add = [&](const std::vector<Range>& ranges, Extent::Kind kind) {
    for (const Range range : ranges) extents.push_back({range, kind});
    ascending = ascending && std::ranges::is_sorted(ranges, {}, &Range::begin);
  };
  add(layout.busy, Extent::busy);
  add(layout.lazy, Extent::lazy);
  add(layout.free, Extent::free);
  if (!ascending) return Violation{Invariant::overlap, "areas or free blocks are not listed in ascending order"};
  std::ranges::sort(extents, {}, [](const Extent& extent) { return std::pair(extent.range.begin, extent.kind); });

  std::optional<Violation> partition;
  std::optional<Violation> coalescing;
  const auto uncovered = [&](Address begin, Address end) {
    if (begin < end && !partition)
      partition = Violation{Invariant::partition, describe(Range{begin, end}) + " is neither free nor an area"};
  };
  Address covered = space.range.begin;
  const Extent* last = nullptr;
  for (const Extent& extent : extents) {
    const Range range = extent.range;
    if (range.begin >= range.end) return Violation{Invariant::overlap, text_of(extent) + " is empty"};
    if (range.begin < space.range.begin || range.end > space.range.end)
      return Violation{Invariant::overlap, text_of(extent) + " leaves the space"};
    if (range.begin % space.granule != 0 || range.end % space.granule != 0)
      return Violation{Invariant::overlap, text_of(extent) + " is not on granules"};
    if (range.begin < covered) return Violation{Invariant::overlap, text_of(extent) + " overlaps " + text_of(*last)};
    uncovered(covered, range.begin);
    if (last != nullptr && last->kind == Extent::free && extent.kind == Extent::free && covered == range.begin &&
        !coalescing)
      coalescing = Violation{Invariant::coalescing, text_of(*last) + " touches " + text_of(extent)};
    covered = range.end;
    last = &extent;
  }
  uncovered(covered, space.range.end);
  return partition ? partition : coalescing;
}

std::string difference(const Layout& expected, const Layout& actual) {
  if (std::string text = difference("busy areas", expected.busy, actual.busy); !text.empty()) return text;
  if (std::string text = difference("lazily freed areas", expected.lazy, actual.lazy); !text.empty()) return text;
  return difference("free blocks", expected.free, actual.free);
}

}  // namespace vmapcheck
