// SPDX-License-Identifier: Apache-2.0
//
// The allocator that the tree of free blocks replaced: areas alone, and a scan over them.
//
// Busy areas lie in a red-black tree, threaded by a list in order of address; nothing records what is free. An
// allocation walks from area to area until the hole between two of them holds it. So that it need not always begin in
// front, it remembers where the last one was placed, and begins there: a *cached* area, with the largest hole that was
// passed below it, and the window's begin and the alignment that this was found with. What is remembered is dropped for
// a request that is less restrictive (a lower window, a smaller alignment) or that fits the remembered hole; a free at
// or below the cached area steps back to the area before.
//
// So a placement need not be the lowest: promises() says so. A request is refused only where there is no room: no hole
// below the cached area, in the window, is larger than the remembered one. The remembered hole may be filled by now,
// which costs a scan from the front in vain. O(n) areas for a scan; O(log n) for what an address leads to.
//
// Source: the allocator of Linux' vmalloc area up to 5.1, as its design has been described; no line is derived from it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>

#include "harness/verify/cost.hpp"
#include "harness/verify/subject.hpp"
#include "model/promises.hpp"
#include "vmap/node.hpp"
#include "vmap/node_pool.hpp"

namespace vmapcheck {

class LinearScan {
 public:
  using Address = vmap::Address;
  using Node = vmap::Node;

  static std::expected<LinearScan, std::string> create(const SubjectConfig& config);

  vmap::Result<vmap::Allocation> allocate(const vmap::Request& request);
  vmap::Result<vmap::Allocation> allocate_at(Range range);
  vmap::Result<Address> allocate_congruent(std::span<const vmap::Block> blocks, Size align, Range within);
  vmap::Result<Range> free(Address begin);
  /// The area stays where it is, in the way of every scan, until a purge.
  vmap::Result<Range> free_lazily(Address begin);
  Size purge();
  [[nodiscard]] std::optional<Range> find(Address address) const;

  template <class Visit>
  void for_each_busy(Visit visit) const {
    for_each_area([&](const Node& area) {
      if (!is_lazy(area)) visit(area.range);
    });
  }
  template <class Visit>
  void for_each_lazy(Visit visit) const {
    for_each_area([&](const Node& area) {
      if (is_lazy(area)) visit(area.range);
    });
  }
  template <class Visit>
  void for_each_free(Visit visit) const {
    Address end = range_.begin;
    for_each_area([&](const Node& area) {
      if (end < area.range.begin) visit(Range{end, area.range.begin});
      end = area.range.end;
    });
    if (end < range_.end) visit(Range{end, range_.end});
  }
  [[nodiscard]] vmap::Stats stats() const;
  [[nodiscard]] static const CostBound* cost();
  /// What is remembered.
  [[nodiscard]] std::uint64_t digest() const;
  static Promises promises() { return {.lowest = false, .free_nodes = false}; }

 private:
  explicit LinearScan(const SubjectConfig& config)
      : range_(config.space.range),
        granule_(config.space.granule),
        lazy_limit_(config.space.lazy_limit.value_or(vmap::address_max)),
        pool_(config.metadata, config.nodes_per_slab) {}

  /// Where the next scan begins.
  struct Cache {
    const Node* area = nullptr;  ///< behind it; null: nothing is remembered, and it begins in front
    Size hole = 0;               ///< bytes of the largest hole that was passed below it
    Address window_begin = 0;
    Size align = 1;
  };

  /// A free range between two neighbours in the list, either of which may be missing.
  struct Hole {
    Node* previous = nullptr;
    Node* next = nullptr;
    Range range;
  };

  [[nodiscard]] bool is_sound(Range range) const;
  [[nodiscard]] bool is_sound(std::span<const vmap::Block> blocks) const;
  void forget_unless_it_helps(Size size, Size align, Address window_begin);
  std::optional<Address> scan(Size size, Size align, Range window);
  [[nodiscard]] Hole hole_at(Address address) const;
  [[nodiscard]] Hole hole_between(Node* previous, Node* next) const;
  [[nodiscard]] std::optional<Address> highest_base(std::span<const vmap::Block> blocks, Size align,
                                                    Range window) const;
  [[nodiscard]] std::optional<Address> lower_until_free(Address base, vmap::Block block, Size align,
                                                        Address base_min) const;
  vmap::Allocation place(Range range);
  [[nodiscard]] Node* busy_at(Address begin) const;
  Range remove(Node& area);
  void step_back_from(const Node& area);

  static bool is_lazy(const Node& area) { return area.subtree_max_size != 0; }

  template <class Visit>
  void for_each_area(Visit visit) const {
    for (const Node* area = areas_.outermost(vmap::Side::left); area != nullptr; area = area->next()) visit(*area);
  }
  template <class T>
  vmap::Result<T> counted(vmap::Result<T> result) {
    if (!result) ++stats_.failures[static_cast<std::size_t>(result.error())];
    return result;
  }

  Range range_;
  Size granule_;
  Size lazy_limit_;
  vmap::NodePool<Node> pool_;
  vmap::AreaTree areas_;        ///< busy, and lazily freed
  Node* lazy_first_ = nullptr;  ///< of a list through subtree_max_size, which areas have no other use for
  Cache cache_;
  vmap::Stats stats_;  ///< kept as areas come and go, but for what stats() adds
  mutable std::uint64_t visited_ = 0;
};

}  // namespace vmapcheck
