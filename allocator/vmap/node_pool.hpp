// SPDX-License-Identifier: Apache-2.0
//
// Nodes in slabs from a memory resource, recycled through a free list.
//
// A node that is given back serves the next one that is taken; slabs return to the resource only when the pool is
// destroyed. Node must be trivially destructible and default constructible without throwing. Not for use by many
// threads.
//
//     slab    | node | node | ... | node | next, bytes |     aligned as Node is
//
// The two words that the pool itself keeps stand behind the nodes, so that the first node has the alignment of the slab
// and nothing is lost to padding: a slab of n nodes takes n * sizeof(Node) bytes and two words.
//
//     struct Item { int value = 0; void* link = nullptr; };
//     vmap::NodePool<Item> pool(std::pmr::get_default_resource(), 64);  // 64 nodes a slab
//     if (!pool.ensure(2)) return;                                      // the resource threw
//     Item* item = pool.take();                                         // two of these need no memory now
//     pool.give(item);
#pragma once

#include <cassert>
#include <concepts>
#include <cstddef>
#include <limits>
#include <memory_resource>
#include <new>
#include <type_traits>
#include <utility>

namespace vmap {

/// Its nodes are all of type Node, or all of type Wide.
template <class Node, class Wide = Node>
class NodePool {
 public:
  /// Requires nodes_per_slab > 0 and a resource that outlives the pool.
  NodePool(std::pmr::memory_resource* resource, std::size_t nodes_per_slab, bool wide = false)
      : resource_(resource), nodes_per_slab_(nodes_per_slab), wide_(wide) {}

  /// An empty pool like this one, with nodes of the other width or of the same.
  [[nodiscard]] NodePool empty_one(bool wide) const { return NodePool(resource_, nodes_per_slab_, wide); }

  NodePool(NodePool&& other) noexcept
      : resource_(other.resource_),
        nodes_per_slab_(other.nodes_per_slab_),
        wide_(other.wide_),
        slabs_(std::exchange(other.slabs_, nullptr)),
        spare_(std::exchange(other.spare_, nullptr)),
        spares_(std::exchange(other.spares_, 0)),
        alive_(std::exchange(other.alive_, 0)) {}
  NodePool& operator=(NodePool&& other) noexcept {
    if (this == &other) return *this;
    release_slabs();
    resource_ = other.resource_;
    nodes_per_slab_ = other.nodes_per_slab_;
    wide_ = other.wide_;
    slabs_ = std::exchange(other.slabs_, nullptr);
    spare_ = std::exchange(other.spare_, nullptr);
    spares_ = std::exchange(other.spares_, 0);
    alive_ = std::exchange(other.alive_, 0);
    return *this;
  }
  ~NodePool() { release_slabs(); }

  /// Gets slabs until the next `count` calls of take() need no memory. False if the resource threw; the slabs that it
  /// gave before are kept as spare nodes.
  [[nodiscard]] bool ensure(std::size_t count);

  /// The same with one slab for all that is missing: a count that cannot be met takes nothing.
  [[nodiscard]] bool reserve(std::size_t count);

  /// A fresh node. Requires a spare one: call ensure() first.
  [[nodiscard]] Node* take() noexcept;

  /// Takes back a node that take() returned.
  void give(Node* node) noexcept {
    spare_ = new (node) Spare{spare_};
    ++spares_;
    --alive_;
  }

  [[nodiscard]] bool wide() const { return wide_; }
  [[nodiscard]] std::size_t alive() const { return alive_; }
  [[nodiscard]] std::size_t spares() const { return spares_; }

 private:
  struct Spare {
    Spare* next;
  };
  /// The end of a slab.
  struct Slab {
    Slab* next;
    std::size_t bytes;  ///< of the nodes before it, and its own
  };
  template <class N>
  static constexpr bool is_simple = std::is_trivially_destructible_v<N> && std::is_nothrow_default_constructible_v<N>;
  static_assert(is_simple<Node> && is_simple<Wide>);
  static_assert(std::derived_from<Wide, Node> && alignof(Wide) == alignof(Node));
  static_assert(sizeof(Node) >= sizeof(Spare) && alignof(Node) >= alignof(Spare));
  static_assert(alignof(Node) >= alignof(Slab), "a slab's end follows its last node at once");

  [[nodiscard]] std::size_t node_bytes() const { return wide_ ? sizeof(Wide) : sizeof(Node); }
  bool grow(std::size_t nodes) noexcept;
  void release_slabs() noexcept;

  std::pmr::memory_resource* resource_;
  std::size_t nodes_per_slab_;
  bool wide_;
  Slab* slabs_ = nullptr;
  Spare* spare_ = nullptr;
  std::size_t spares_ = 0;
  std::size_t alive_ = 0;
};

template <class Node, class Wide>
bool NodePool<Node, Wide>::ensure(std::size_t count) {
  while (spares_ < count)
    if (!grow(nodes_per_slab_)) return false;
  return true;
}

template <class Node, class Wide>
bool NodePool<Node, Wide>::reserve(std::size_t count) {
  return spares_ >= count || grow(count - spares_);
}

template <class Node, class Wide>
Node* NodePool<Node, Wide>::take() noexcept {
  assert(spare_ != nullptr && "ensure() before take()");
  Spare* const taken = spare_;
  spare_ = taken->next;
  --spares_;
  ++alive_;
  return wide_ ? new (taken) Wide{} : new (taken) Node{};
}

/// One slab more. Its nodes are handed out in the order of their addresses.
template <class Node, class Wide>
bool NodePool<Node, Wide>::grow(std::size_t nodes) noexcept {
  if (nodes > (std::numeric_limits<std::size_t>::max() - sizeof(Slab)) / node_bytes()) return false;
  const std::size_t bytes = nodes * node_bytes() + sizeof(Slab);
  void* memory = nullptr;
  try {
    memory = resource_->allocate(bytes, alignof(Node));
  } catch (...) {
    return false;
  }
  std::byte* const first = static_cast<std::byte*>(memory);
  slabs_ = new (first + nodes * node_bytes()) Slab{slabs_, bytes};
  for (std::size_t i = nodes; i-- > 0;) spare_ = new (first + i * node_bytes()) Spare{spare_};
  spares_ += nodes;
  return true;
}

template <class Node, class Wide>
void NodePool<Node, Wide>::release_slabs() noexcept {
  while (slabs_ != nullptr) {
    const Slab slab = *slabs_;
    std::byte* const first = reinterpret_cast<std::byte*>(slabs_ + 1) - slab.bytes;
    slabs_ = slab.next;
    resource_->deallocate(first, slab.bytes, alignof(Node));
  }
}

}  // namespace vmap
