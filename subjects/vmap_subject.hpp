// SPDX-License-Identifier: Apache-2.0
//
// Our allocator, over any free-space index, as a subject.
#pragma once

#include <concepts>
#include <cstddef>
#include <expected>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include "harness/verify/subject.hpp"
#include "subjects/red_black_cost.hpp"
#include "vmap/address_space.hpp"

namespace vmapcheck {

/// The nodes of the allocator's red-black tree of free blocks.
class FreeTreeView {
 public:
  using Node = const vmap::Node*;
  explicit FreeTreeView(const vmap::FreeTree& tree) : tree_(tree) {}

  [[nodiscard]] Node root() const { return tree_.root(); }
  static Node left(Node node) { return node->child(vmap::Side::left); }
  static Node right(Node node) { return node->child(vmap::Side::right); }
  static Node parent(Node node) { return node->parent(); }
  static Node next(Node node) { return node->next(); }
  static Node previous(Node node) { return node->previous(); }
  static bool is_red(Node node) { return node->is_red(); }
  static Range range(Node node) { return node->range; }
  static Size subtree_max_size(Node node) { return node->subtree_max_size; }
  [[nodiscard]] vmap::RowAlignments rows() const { return tree_.augment().rows.alignments(); }
  static RowValues subtree_max_aligned(Node node) {
    return static_cast<const vmap::WideNode*>(node)->subtree_max_aligned;
  }

 private:
  const vmap::FreeTree& tree_;
};

/// `row_patience` is that of vmap::Options.
template <class Index, std::size_t row_patience = vmap::Options{}.row_patience>
class VmapSubject {
 public:
  using FreeIndex = Index;
  using AddressSpace = vmap::BasicAddressSpace<Index>;
  /// Unless the index keeps something elsewhere. Hooks do, but they are no part of what is rewound.
  using Rewindable = std::conditional_t<std::is_trivially_destructible_v<Index>, VmapSubject, void>;
  /// Of our own index only: it keeps counters and the tree. Counters decide when an alignment gets its row, and stats()
  /// shows which have one; with another patience than none that takes more searches than a path of the explorer has.
  /// Which tree the busy areas have, and where nodes lie in memory, decides nothing.
  using Transparent = std::conditional_t<std::same_as<Index, vmap::FreeSpace>, VmapSubject, void>;

  static std::expected<VmapSubject, std::string> create(const SubjectConfig& config) {
    auto space = AddressSpace::create({.range = config.space.range,
                                       .granule = config.space.granule,
                                       .lazy_limit = config.space.lazy_limit.value_or(vmap::address_max),
                                       .busy = config.space.busy,
                                       .resource = config.metadata,
                                       .nodes_per_slab = config.nodes_per_slab,
                                       .row_patience = row_patience});
    if (!space) return std::unexpected("cannot construct the address space: " + std::string(name(space.error())));
    return VmapSubject(*std::move(space));
  }

  vmap::Result<vmap::Allocation> allocate(const vmap::Request& request) { return space_.allocate(request); }
  vmap::Result<vmap::Allocation> allocate_at(Range range) { return space_.allocate_at(range); }
  vmap::Result<Address> allocate_congruent(std::span<const vmap::Block> blocks, Size align, Range within) {
    return space_.allocate_congruent(blocks, align, within);
  }
  vmap::Result<Range> free(Address begin) { return space_.free(begin); }
  vmap::Result<Range> free_lazily(Address begin) { return space_.free_lazily(begin); }
  Size purge() { return space_.purge(); }
  [[nodiscard]] std::optional<Range> find(Address address) const { return space_.find(address); }
  auto on_exhaustion(std::function<bool()> hook) { return space_.on_exhaustion(std::move(hook)); }

  template <class Visit>
  void for_each_busy(Visit visit) const {
    space_.for_each_busy(visit);
  }
  template <class Visit>
  void for_each_free(Visit visit) const {
    space_.for_each_free(visit);
  }
  template <class Visit>
  void for_each_lazy(Visit visit) const {
    space_.for_each_lazy(visit);
  }
  [[nodiscard]] FreeTreeView tree() const { return FreeTreeView(space_.index().tree()); }
  [[nodiscard]] vmap::Stats stats() const { return space_.stats(); }
  [[nodiscard]] static const CostBound* cost() { return &red_black_cost(); }
  [[nodiscard]] std::optional<vmap::Violation> verify() const { return space_.verify(); }

 private:
  explicit VmapSubject(AddressSpace space) : space_(std::move(space)) {}

  AddressSpace space_;
};

/// Our allocator over `Index`.
template <class Index, std::size_t row_patience = vmap::Options{}.row_patience>
[[nodiscard]] SubjectFactory over() {
  return factory(VmapSubject<Index, row_patience>::create);
}

/// `Derived`, which is made from the subject that it is put around, and from what that was made from if it wants that.
template <class Derived>
[[nodiscard]] SubjectFactory around() {
  using Sound = VmapSubject<typename Derived::FreeIndex>;
  return factory([](const SubjectConfig& config) -> std::expected<Derived, std::string> {
    auto sound = Sound::create(config);
    if (!sound) return std::unexpected(std::move(sound.error()));
    if constexpr (std::constructible_from<Derived, Sound, const SubjectConfig&>)
      return Derived(*std::move(sound), config);
    else
      return Derived(*std::move(sound));
  });
}

}  // namespace vmapcheck
