// SPDX-License-Identifier: Apache-2.0
//
// The model's areas by their begin: the part of std::map's interface that the model uses, on a sorted vector.
//
// The model walks from area to area all the time and holds a few hundred or thousand of them: measured against
// std::map, whose next element is a chase of pointers, neighbours in memory make a verified op nearly twice as fast.
// Insertion and erasure are O(n).
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "model/op.hpp"

namespace vmapcheck {

/// An area that is not free: busy, or freed lazily and not purged yet.
struct Area {
  Address end = 0;
  bool lazy = false;
  std::optional<Label> label;  ///< of the op that allocated it; none for what was busy from the start
};

class Areas {
 public:
  using value_type = std::pair<Address, Area>;  ///< by begin
  using iterator = std::vector<value_type>::iterator;
  using const_iterator = std::vector<value_type>::const_iterator;

  [[nodiscard]] const_iterator begin() const { return sorted_.begin(); }
  [[nodiscard]] const_iterator end() const { return sorted_.end(); }
  [[nodiscard]] std::size_t size() const { return sorted_.size(); }
  [[nodiscard]] bool empty() const { return sorted_.empty(); }

  /// The first that begins above `address`.
  [[nodiscard]] const_iterator upper_bound(Address address) const {
    return std::ranges::upper_bound(sorted_, address, {}, &value_type::first);
  }
  /// The one that begins at `begin`, or end().
  [[nodiscard]] const_iterator find(Address begin) const {
    const auto found = std::ranges::lower_bound(sorted_, begin, {}, &value_type::first);
    return found != sorted_.end() && found->first == begin ? found : sorted_.end();
  }
  /// Requires one that begins at `begin`.
  [[nodiscard]] Area& at(Address begin) {
    return sorted_[static_cast<std::size_t>(find(begin) - sorted_.begin())].second;
  }

  void emplace(Address begin, Area area) { sorted_.insert(upper_bound(begin), {begin, area}); }
  /// Returns the next.
  const_iterator erase(const_iterator area) { return sorted_.erase(area); }

 private:
  std::vector<value_type> sorted_;
};

}  // namespace vmapcheck
