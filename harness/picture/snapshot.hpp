// SPDX-License-Identifier: Apache-2.0
//
// The state after a step, for pictures: what the subject holds, and what it should hold.
//
//     auto executor = Executor::create({.range = {0x1000, 0x9000}}, model_subject(), Checking::every_step);
//     (void)(*executor)->step(Alloc{Label{0}, {.size = 0x1000}});
//     const Snapshot snapshot = (*executor)->snapshot(1000);   // two items: a0, and the free block behind it
//
// Both maps are lists of items in order of address. The expected one tiles the space, for it is the model's areas and
// the gaps between them; the actual one is as the subject lists it, so it may overlap itself, leave bytes to nobody, or
// be out of the space.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "harness/verify/holding.hpp"
#include "model/op.hpp"

namespace vmapcheck {

class ReferenceModel;

enum class ItemKind : std::uint8_t { busy, lazy, free };

/// A busy area, a lazily freed area, or a free block.
struct MapItem {
  Range range;
  ItemKind kind = ItemKind::free;
  std::optional<Label> label;  ///< of a busy area; none for what was busy from the start

  friend bool operator==(const MapItem&, const MapItem&) = default;
};

/// By address; of two at the same address, any order that is always the same.
[[nodiscard]] bool comes_before(const MapItem& a, const MapItem& b);

using AddressMap = std::vector<MapItem>;

struct Snapshot {
  AddressMap expected;            ///< by the model
  bool expected_complete = true;  ///< false: cut off above the items that were wanted
  AddressMap actual;              ///< by the subject; empty where it is not observable
  bool actual_complete = true;
  TreeListing tree;  ///< empty where the subject is not inspectable
  bool observable = false;
  bool inspectable = false;

  /// What to draw: the subject's map, or the model's where the subject does not show its own.
  [[nodiscard]] const AddressMap& map() const { return observable ? actual : expected; }
  [[nodiscard]] bool complete() const { return expected_complete && (actual_complete || !observable); }
  /// The subject holds something else than it should, as far as that is listed.
  [[nodiscard]] bool differs() const { return observable && complete() && actual != expected; }
};

/// The model's areas and gaps, at most `items_max` of them. False if there were more.
bool list_model(const ReferenceModel& model, std::size_t items_max, AddressMap& map);

/// The bytes that are of another kind, or of another area, in `after` than in `before`: ascending and disjoint.
[[nodiscard]] std::vector<Range> changed(const AddressMap& before, const AddressMap& after);

}  // namespace vmapcheck
