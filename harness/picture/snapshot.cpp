// SPDX-License-Identifier: Apache-2.0
#include "harness/picture/snapshot.hpp"

#include <algorithm>
#include <iterator>
#include <tuple>

#include "harness/verify/executor.hpp"
#include "model/reference_model.hpp"

namespace vmapcheck {
namespace {

AddressMap as_map(const Layout& layout, const ReferenceModel& model);
void keep_what_is_whole(AddressMap& map, const Layout& layout, std::size_t items_max);
const MapItem* covering(const AddressMap& items, Address address);

}  // namespace

Snapshot Executor::snapshot(std::size_t items_max) const {
  Snapshot snapshot;
  snapshot.expected_complete = list_model(model_, items_max, snapshot.expected);
  if (subject_ == nullptr) return snapshot;
  snapshot.observable = features_.observable;
  snapshot.inspectable = features_.inspectable;
  if (!snapshot.observable && !snapshot.inspectable) return snapshot;
  Holding holding = ask([&](const AnySubject& s) { return s.holding(items_max); });
  snapshot.actual = as_map(holding.layout, model_);
  if (!holding.complete) keep_what_is_whole(snapshot.actual, holding.layout, items_max);
  snapshot.actual_complete = holding.complete;
  snapshot.tree = std::move(holding.tree);
  return snapshot;
}

bool comes_before(const MapItem& a, const MapItem& b) {
  const auto key = [](const MapItem& item) {
    return std::tuple(item.range.begin, item.range.end, item.kind, item.label);
  };
  return key(a) < key(b);
}

bool list_model(const ReferenceModel& model, std::size_t items_max, AddressMap& map) {
  map.clear();
  Address at = model.space().range.begin;
  const auto add = [&](const MapItem& item) {
    if (map.size() == items_max) return false;
    map.push_back(item);
    return true;
  };
  for (const auto& [begin, area] : model.areas()) {
    if (at < begin && !add({{at, begin}, ItemKind::free, {}})) return false;
    const ItemKind kind = area.lazy ? ItemKind::lazy : ItemKind::busy;
    if (!add({{begin, area.end}, kind, area.lazy ? std::nullopt : area.label})) return false;
    at = area.end;
  }
  return at == model.space().range.end || add({{at, model.space().range.end}, ItemKind::free, {}});
}

//     before   |### a0 ###|.... free ....|### a1 ###|       |### a0 ###|   lists and bytes that differ
//     after    |### a0 ###|#a2#|.. free .|### a1 ###|                   ^^^^
std::vector<Range> changed(const AddressMap& before, const AddressMap& after) {
  AddressMap gone, come;
  std::ranges::set_difference(before, after, std::back_inserter(gone), comes_before);
  std::ranges::set_difference(after, before, std::back_inserter(come), comes_before);
  std::vector<Address> bounds;
  for (const AddressMap* items : {&gone, &come})
    for (const MapItem& item : *items) bounds.insert(bounds.end(), {item.range.begin, item.range.end});
  std::ranges::sort(bounds);
  const auto repeated = std::ranges::unique(bounds);
  bounds.erase(repeated.begin(), repeated.end());

  std::vector<Range> ranges;
  for (std::size_t i = 0; i + 1 < bounds.size(); ++i) {
    const MapItem* const was = covering(gone, bounds[i]);
    const MapItem* const is = covering(come, bounds[i]);
    if (was == nullptr && is == nullptr) continue;
    if (was != nullptr && is != nullptr && was->kind == is->kind && was->label == is->label) continue;
    if (!ranges.empty() && ranges.back().end == bounds[i])
      ranges.back().end = bounds[i + 1];
    else
      ranges.push_back({bounds[i], bounds[i + 1]});
  }
  return ranges;
}

namespace {

/// In order of address, whatever the order in which the subject listed it; the labels are the model's.
AddressMap as_map(const Layout& layout, const ReferenceModel& model) {
  AddressMap map;
  map.reserve(layout.busy.size() + layout.lazy.size() + layout.free.size());
  for (const Range range : layout.busy) {
    const auto area = model.areas().find(range.begin);
    const bool known = area != model.areas().end() && !area->second.lazy;
    map.push_back({range, ItemKind::busy, known ? area->second.label : std::nullopt});
  }
  for (const Range range : layout.lazy) map.push_back({range, ItemKind::lazy, {}});
  for (const Range range : layout.free) map.push_back({range, ItemKind::free, {}});
  std::ranges::sort(map, comes_before);
  return map;
}

/// Drops what lies beyond the end of a list that was cut off: there, the map would have holes that are none.
void keep_what_is_whole(AddressMap& map, const Layout& layout, std::size_t items_max) {
  Address end = vmap::address_max;
  for (const std::vector<Range>* list : {&layout.busy, &layout.lazy, &layout.free})
    if (list->size() == items_max && items_max > 0) end = std::min(end, list->back().end);
  std::erase_if(map, [&](const MapItem& item) { return item.range.begin >= end; });
}

/// Of few items: those that one step changed.
const MapItem* covering(const AddressMap& items, Address address) {
  const auto found = std::ranges::find_if(items, [&](const MapItem& item) { return item.range.contains(address); });
  return found == items.end() ? nullptr : &*found;
}

}  // namespace
}  // namespace vmapcheck
