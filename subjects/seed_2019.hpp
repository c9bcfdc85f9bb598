// SPDX-License-Identifier: Apache-2.0
//
// A specimen: our tree with the search as it was first published in 2019.
//
// It looks for `size + align - 1` bytes, so that whatever block is long enough can be aligned, takes the first block on
// the way down or up that holds the aligned request behind the window's begin, and tests the window's end only then.
// The answer depends on the shape of the tree: it is not always the lowest address; it fails although a place exists;
// and where the sum wraps, the climb can enter the same subtree for ever. vmapcheck convicts it of each.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "vmap/free_space.hpp"

namespace vmapcheck {

class Seed2019FreeSpace : public vmap::FreeSpace {
 public:
  [[nodiscard]] std::optional<Fit> lowest_fit(vmap::Size size, vmap::Size align, vmap::Range window) const {
    const std::optional<Fit> found = first_fit(size, align, window.begin);
    if (!found || found->begin >= window.end || window.end - found->begin < size) return std::nullopt;
    return found;
  }

 private:
  [[nodiscard]] std::optional<Fit> first_fit(vmap::Size size, vmap::Size align, vmap::Address window_begin) const {
    using vmap::Side;
    const vmap::Size length = size + align - 1;  // wraps
    const auto long_enough = [&](const vmap::Node* node) {
      return node != nullptr && vmap::SubtreeMaxSize::of(node) >= length;
    };
    const auto fit = [&](vmap::Node* node) -> std::optional<Fit> {
      const auto begin =
          vmap::lowest_placement(vmap::intersection(node->range, {window_begin, vmap::address_max}), size, align);
      if (!begin) return std::nullopt;
      return Fit{node, *begin};
    };
    // No search without a fault comes near this; one that goes in circles must come back to be convicted.
    const std::uint64_t visits_end = visited_ + 1000 * (tree_.size() + 1);

    for (vmap::Node* node = tree_.root(); node != nullptr && visited_ < visits_end;) {
      ++visited_;
      if (long_enough(node->child(Side::left)) && window_begin < node->range.begin) {
        node = node->child(Side::left);
        continue;
      }
      if (const auto found = fit(node)) return found;
      if (long_enough(node->child(Side::right))) {
        node = node->child(Side::right);
        continue;
      }
      while ((node = node->parent()) != nullptr) {
        ++visited_;
        if (const auto found = fit(node)) return found;
        if (long_enough(node->child(Side::right)) && window_begin <= node->range.begin) {
          node = node->child(Side::right);
          break;
        }
      }
    }
    return std::nullopt;
  }
};

}  // namespace vmapcheck
