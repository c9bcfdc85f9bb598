// SPDX-License-Identifier: Apache-2.0
//
// vmap::AddressSpace::verify() names each invariant when the structure is broken on purpose, with memory and without.

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "properties/address_spaces.hpp"
#include "properties/refused_new.hpp"
#include "vmap/address_space.hpp"
#include "vmap/verify.hpp"

namespace vmap {
namespace {

std::optional<Invariant> broken(const std::optional<Violation>& violation) {
  return violation ? std::optional(violation->invariant) : std::nullopt;
}

template <class Verify>
std::optional<Violation> without_memory(Verify verify) {
  const RefusedNew refused;
  return verify();
}

// ---- verify() names what is broken

/// What can break a tree.
struct Links : FreeTree {
  using FreeTree::set_child;
  using FreeTree::set_neighbour;
  using FreeTree::set_parent;
  using FreeTree::set_red;
};

/// Its nodes are where a tree can be broken.
class Index : public FreeSpace {
 public:
  [[nodiscard]] Node& root() const { return *tree_.root(); }
  [[nodiscard]] Node& first() const { return *tree_.outermost(Side::left); }
  [[nodiscard]] Node& last() const { return *tree_.outermost(Side::right); }
};

/// Eight free blocks of one byte, at 0, 2, ... 14, and the last one of 87, at 16; areas of one byte between them.
BasicAddressSpace<Index> breakable_space() {
  auto space = BasicAddressSpace<Index>::create({.range = {0, 103}});
  for (Address address = 1; address < 17; address += 2) (void)space->allocate_at({address, address + 1});
  return std::move(*space);
}

using Breaker = void (*)(const Index& index);

struct Damage {
  const char* name;
  Invariant invariant;
  const char* detail;
  Breaker inflict;
};
void PrintTo(const Damage& damage, std::ostream* os) { *os << damage.name; }

const std::vector<Damage> damages{
    {"FreeBlockOverAnArea", Invariant::overlap, "busy area [0x1, 0x2) begins below 0x2",
     [](const Index& index) { index.first().range.end = 2; }},
    {"EmptyFreeBlock", Invariant::overlap, "free block [0x0, 0x0) is empty or leaves the space [0x0, 0x67)",
     [](const Index& index) { index.first().range.end = 0; }},
    {"FreeBlockBeyondTheSpace", Invariant::overlap, "free block [0x10, 0x68) is empty or leaves the space [0x0, 0x67)",
     [](const Index& index) { ++index.last().range.end; }},
    {"NeitherFreeNorBusyAtTheEnd", Invariant::partition, "[0x66, 0x67) is neither free nor an area",
     [](const Index& index) { --index.last().range.end; }},
    {"NeitherFreeNorBusyInside", Invariant::partition, "[0x10, 0x11) is neither free nor an area",
     [](const Index& index) { ++index.last().range.begin; }},
    {"BlockNotInTheList", Invariant::partition, "[0x10, 0x67) is neither free nor an area",
     [](const Index& index) { Links::set_neighbour(*index.last().previous(), Side::right, nullptr); }},
    {"ListThatMissesABlockBackwards", Invariant::tree, "the list does not thread the order of the tree",
     [](const Index& index) { Links::set_neighbour(index.last(), Side::left, index.last().previous()->previous()); }},
    {"ListThatGoesOnAfterTheLast", Invariant::tree, "the list goes on after the last",
     [](const Index& index) { Links::set_neighbour(index.last(), Side::right, &index.first()); }},
    {"RedRoot", Invariant::tree, "the root is red", [](const Index& index) { Links::set_red(index.root(), true); }},
    {"RedBelowRed", Invariant::tree, "red below a red parent",
     [](const Index& index) {
       for (Node* node = &index.last(); node != &index.root(); node = node->parent()) Links::set_red(*node, true);
     }},
    {"BlackHeight", Invariant::tree, "black heights differ",
     [](const Index& index) { Links::set_red(index.last(), !index.last().is_red()); }},
    {"ParentLink", Invariant::tree, "its parent link is wrong",
     [](const Index& index) { Links::set_parent(index.first(), &index.last()); }},
    {"RootWithAParent", Invariant::tree, "its parent link is wrong",
     [](const Index& index) { Links::set_parent(index.root(), &index.first()); }},
    {"LostChild", Invariant::tree, "the list does not thread the order of the tree",
     [](const Index& index) { Links::set_child(*index.root().child(Side::right), Side::left, nullptr); }},
    {"OrderOfTheTree", Invariant::tree, "the list does not thread the order of the tree",
     [](const Index& index) {
       Node& parent = *index.root().child(Side::right);
       Node* const left = parent.child(Side::left);
       Links::set_child(parent, Side::left, parent.child(Side::right));
       Links::set_child(parent, Side::right, left);
     }},
    {"CycleOnTheRight", Invariant::tree, "its parent link is wrong",
     [](const Index& index) { Links::set_child(index.last(), Side::right, &index.last()); }},
    {"CycleOnTheLeft", Invariant::partition, "[0x0, 0x1) is neither free nor an area",
     [](const Index& index) { Links::set_child(index.first(), Side::left, &index.first()); }},
    {"MaximumOfALeaf", Invariant::augment, "node [0x0, 0x1): subtree_max_size is 0x2, expected 0x1",
     [](const Index& index) { index.first().subtree_max_size = 2; }},
    {"MaximumOfTheRoot", Invariant::augment, "subtree_max_size is 0x1, expected 0x57",
     [](const Index& index) { index.root().subtree_max_size = 1; }},
};

class Verify : public testing::TestWithParam<Damage> {};

TEST_P(Verify, NamesTheInvariantThatIsBrokenAlsoWithoutMemoryForADetail) {
  const BasicAddressSpace<Index> space = breakable_space();
  ASSERT_EQ(space.verify(), std::nullopt);
  GetParam().inflict(space.index());
  const std::optional<Violation> violation = space.verify();
  ASSERT_TRUE(violation.has_value());
  EXPECT_EQ(name(violation->invariant), name(GetParam().invariant)) << violation->detail;
  EXPECT_NE(violation->detail.find(GetParam().detail), std::string::npos) << violation->detail;
  EXPECT_EQ(without_memory([&] { return space.verify(); }), (Violation{GetParam().invariant, ""}));
}

INSTANTIATE_TEST_SUITE_P(Each, Verify, testing::ValuesIn(damages),
                         [](const testing::TestParamInfo<Damage>& damage) { return damage.param.name; });

/// A layout made by hand: any ranges, as free blocks, busy areas and lazily freed areas, linked in the order given.
struct HandMade {
  std::deque<Node> storage;
  FreeTree free;
  AreaTree busy;
  AreaTree lazy;
  Size granule = 4;

  template <class Tree>
  void append(Tree& tree, Range range) {
    Node& node = storage.emplace_back();
    node.range = range;
    tree.link(tree.outermost(Side::right), Side::right, node);
  }
  HandMade(const Ranges& free_blocks, const Ranges& busy_areas, const Ranges& lazy_areas = {}) {
    for (const Range range : free_blocks) append(free, range);
    for (const Range range : busy_areas) append(busy, range);
    for (const Range range : lazy_areas) append(lazy, range);
  }

  /// In [0, 64). `nodes` and bytes are added to what is right.
  std::optional<Violation> verify(std::size_t nodes = 0, Size busy_bytes = 0, Size lazy_bytes = 0) {
    const auto bytes = [](const AreaTree& tree) {
      Size sum = 0;
      for (const Node* node = tree.outermost(Side::left); node != nullptr; node = node->next())
        sum += node->range.size();
      return sum;
    };
    return verify_layout({.range = {0, 64},
                          .granule = granule,
                          .free = free,
                          .busy = busy,
                          .lazy = lazy,
                          .busy_bytes = bytes(busy) + busy_bytes,
                          .lazy_bytes = bytes(lazy) + lazy_bytes,
                          .nodes_alive = storage.size() + nodes});
  }
};

TEST(VerifyLayout, NamesTheFirstInvariantThatIsBrokenAlsoWithoutMemoryForADetail) {
  using enum Invariant;
  struct {
    std::optional<Invariant> invariant;
    HandMade layout;
    std::size_t nodes = 0;
    Size busy_bytes = 0;
    Size lazy_bytes = 0;
  } table[] = {
      {{}, {{{0, 64}}, {}}},
      {{}, {{}, {{0, 64}}}},
      {{}, {{}, {}, {{0, 64}}}},
      {{}, {{{0, 4}, {8, 12}}, {{4, 8}, {12, 16}, {16, 24}}, {{24, 64}}}},
      {{}, {{{0, 8}, {56, 64}}, {{8, 32}, {32, 56}}}},
      // What overlaps, leaves the space or is off the granule.
      {overlap, {{{0, 16}}, {{12, 64}}}},
      {overlap, {{{0, 64}}, {{4, 8}}}},
      {overlap, {{}, {{0, 32}}, {{28, 64}}}},
      {overlap, {{{0, 64}}, {}, {{0, 64}}}},
      {overlap, {{{0, 68}}, {}}},
      {overlap, {{{0, 2}}, {{2, 64}}}},
      {overlap, {{{0, 6}, {6, 64}}, {}}},
      {overlap, {{{0, 4}}, {{4, 4}, {4, 64}}}},
      {overlap, {{{0, 64}}, {{8, 4}}}},
      {overlap, {{{0, 4}, {4, 8}, {4, 64}}, {}}},
      {overlap, {{{0, 62}}, {}}},
      {overlap, {{{2, 64}}, {}}},
      // What is neither free nor an area.
      {partition, {{}, {}}},
      {partition, {{{4, 64}}, {}}},
      {partition, {{{0, 60}}, {}}},
      {partition, {{{0, 8}}, {{12, 60}}, {{60, 64}}}},
      // Free blocks that touch.
      {coalescing, {{{0, 8}, {8, 16}}, {{16, 64}}}},
      {coalescing, {{{0, 8}, {56, 60}, {60, 64}}, {{8, 56}}}},
      // Nodes and bytes that are miscounted.
      {memory, {{{0, 64}}, {}}, 1},
      {memory, {{{0, 4}}, {{4, 8}}, {{8, 64}}}, 1},
      {memory, {{{0, 4}}, {{4, 8}}, {{8, 64}}}, 0, 4},
      {memory, {{{0, 4}}, {{4, 8}}, {{8, 64}}}, 0, 0, 4},
      // More than one of these: overlap before partition before coalescing before the rest.
      {overlap, {{{0, 8}, {8, 16}, {20, 40}}, {{36, 64}}}, 1},
      {partition, {{{0, 8}, {8, 16}, {20, 64}}, {}}, 1},
      {coalescing, {{{0, 8}, {8, 64}}, {}}, 1},
  };
  int row = 0;
  for (auto& [invariant, layout, nodes, busy_bytes, lazy_bytes] : table) {
    SCOPED_TRACE("row " + std::to_string(row++));
    EXPECT_EQ(broken(layout.verify(nodes, busy_bytes, lazy_bytes)), invariant);
    const auto violation = without_memory([&] { return layout.verify(nodes, busy_bytes, lazy_bytes); });
    EXPECT_EQ(broken(violation), invariant);
    EXPECT_EQ(violation ? violation->detail : "", "");
  }
}

TEST(VerifyLayout, NamesTheFirstOfSeveralFreeBlocksThatTouch) {
  const auto violation = HandMade({{0, 8}, {8, 16}, {16, 64}}, {}).verify();
  EXPECT_EQ(violation.value().detail, "free block [0x8, 0x10) touches the free block before it");
}

/// The first free block is the root, the second its right child, and the areas are where the second one should be.
TEST(VerifyLayout, NamesABlockThatIsCountedAndNotInTheTree) {
  HandMade layout({{0, 8}, {16, 24}}, {{8, 64}});
  Links::set_child(*layout.free.root(), Side::right, nullptr);
  Links::set_neighbour(*layout.free.root(), Side::right, nullptr);
  EXPECT_EQ(layout.verify(), (Violation{Invariant::tree, "1 nodes, counted as 2"}));
}

TEST(VerifyLayout, NamesABlockInTheTreeThatTheListForwardsMisses) {
  HandMade layout({{0, 8}, {16, 24}}, {{8, 64}});
  Links::set_neighbour(*layout.free.root(), Side::right, nullptr);
  EXPECT_EQ(layout.verify(),
            (Violation{Invariant::tree, "node [0x10, 0x18): the list does not thread the order of the tree"}));
}

TEST(VerifyLayout, NamesABlockThatIsOutOfOrderInTheTreeAlone) {
  HandMade layout({{8, 16}, {0, 4}}, {{0, 8}, {16, 64}});
  Links::set_neighbour(*layout.free.root(), Side::right, nullptr);
  EXPECT_EQ(layout.verify(), (Violation{Invariant::tree, "node [0x0, 0x4): is out of order"}));
}

/// Hangs `node`, black and without children, below `parent`.
void hang(Node& parent, Side side, Node& node) {
  Links::set_child(parent, side, &node);
  Links::set_parent(node, &parent);
  Links::set_red(node, false);
  for (const Side below : {Side::left, Side::right}) Links::set_child(node, below, nullptr);
}

void expect_too_deep(const std::optional<Violation>& violation) {
  ASSERT_EQ(broken(violation), Invariant::tree);
  EXPECT_NE(violation->detail.find("is deeper than a red-black tree can be"), std::string::npos) << violation->detail;
}

/// A block of one byte at each even address, and areas of one byte between them. The blocks are linked one after
/// another from the side `from` on: the root stays near that side.
HandMade many_blocks(Side from) {
  HandMade layout({}, {});
  layout.granule = 1;
  for (Address i = 0; i < 32; ++i) {
    Node& node = layout.storage.emplace_back();
    node.range.begin = 2 * (from == Side::left ? i : 31 - i);
    node.range.end = node.range.begin + 1;
    layout.free.link(layout.free.outermost(opposite(from)), opposite(from), node);
    layout.append(layout.busy, {2 * i + 1, 2 * i + 2});
  }
  return layout;
}

/// The blocks on one side of the root in one line, all black, and the list as it should be.
TEST(VerifyLayout, NamesANodeThatIsTooDeep) {
  for (const Side side : {Side::right, Side::left}) {
    HandMade layout = many_blocks(opposite(side));
    EXPECT_EQ(layout.verify(), std::nullopt);
    Node* parent = layout.free.root();
    int links = 0;
    for (Node* node = parent->neighbour(side); node != nullptr; node = node->neighbour(side), ++links) {
      hang(*parent, side, *node);
      parent = node;
    }
    ASSERT_GT(links, 13) << "the limit for 32 nodes is 12";
    expect_too_deep(layout.verify());
  }
}

/// The blocks behind the root in a line that turns at every node, so that no side alone is long.
TEST(VerifyLayout, NamesANodeThatIsTooDeepOnALineThatTurns) {
  HandMade layout = many_blocks(Side::left);
  std::deque<Node*> behind;
  for (Node* node = layout.free.root()->next(); node != nullptr; node = node->next()) behind.push_back(node);
  ASSERT_GT(behind.size(), 13u) << "the limit for 32 nodes is 12";
  Node* parent = layout.free.root();
  for (Side side = Side::right; !behind.empty(); side = opposite(side)) {
    Node* const node = side == Side::left ? behind.front() : behind.back();
    side == Side::left ? behind.pop_front() : behind.pop_back();
    hang(*parent, side, *node);
    parent = node;
  }
  expect_too_deep(layout.verify());
}

TEST(VerifyLayout, NamesAnAugmentOrATreeBeforeAMiscount) {
  HandMade augment({{0, 64}}, {});
  augment.free.root()->subtree_max_size = 1;
  EXPECT_EQ(broken(augment.verify(1)), Invariant::augment);
  Links::set_red(*augment.free.root(), true);
  EXPECT_EQ(broken(augment.verify(1)), Invariant::tree);
}

/// A page between two that may not be touched.
class GuardedPage {
 public:
  GuardedPage() : pages_(static_cast<std::byte*>(::mmap(nullptr, 3 * size_, PROT_NONE, flags, -1, 0))) {
    if (pages_ == MAP_FAILED || ::mprotect(pages_ + size_, size_, PROT_READ | PROT_WRITE) != 0) std::abort();
  }
  ~GuardedPage() { ::munmap(pages_, 3 * size_); }
  GuardedPage(const GuardedPage&) = delete;
  GuardedPage& operator=(const GuardedPage&) = delete;

  /// A copy that begins where the page does, or ends where it does.
  template <class T>
  std::span<const T> copy(const std::vector<T>& items, bool at_end) const {
    const std::size_t bytes = items.size() * sizeof(T);
    std::byte* const begin = pages_ + size_ + (at_end ? size_ - bytes : 0);
    if (bytes != 0) std::memcpy(begin, items.data(), bytes);
    return {reinterpret_cast<const T*>(begin), items.size()};
  }

 private:
  static constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS;
  std::size_t size_ = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  std::byte* pages_;
};

TEST(OverlapWithin, IsSaidOfWhatIsGivenAndNothingBesideItIsRead) {
  struct {
    Ranges ranges;
    bool overlap;
  } const cases[] = {
      {{}, false},
      {{{0, 1}}, false},
      {{{0, 1}, {1, 2}, {4, 8}}, false},
      {{{4, 8}, {1, 2}, {0, 1}}, false},
      {{{4, 8}, {0, 1}, {1, 2}}, false},
      {{{0, 1}, {4, 8}, {1, 2}, {7, 9}}, true},
      {{{0, 4}, {3, 5}, {6, 7}}, true},
      {{{6, 7}, {3, 5}, {0, 4}}, true},
      {{{3, 5}, {6, 7}, {0, 4}}, true},
      {{{0, 1}, {0, 1}}, true},
  };
  const GuardedPage page;
  for (const auto& [ranges, overlap] : cases)
    for (const bool at_end : {false, true}) {
      EXPECT_EQ(overlap_within(page.copy(ranges, at_end)), overlap);
      Blocks blocks;
      for (const Range range : ranges) blocks.push_back({range.begin, range.size()});
      EXPECT_EQ(overlap_within(page.copy(blocks, at_end)), overlap);
    }
}

/// A comparison of each with each would take hours.
TEST(OverlapWithin, WalksOnceOverWhatAscends) {
  Ranges ranges;
  Blocks blocks;
  for (Address begin = 0; begin < 2'000'000; ++begin) {
    ranges.push_back({begin, begin + 1});
    blocks.push_back({begin, 1});
  }
  EXPECT_FALSE(overlap_within(ranges));
  EXPECT_FALSE(overlap_within(blocks));
}

struct AreaLinks : AreaTree {
  using AreaTree::set_parent;
  using AreaTree::set_red;
};

TEST(VerifyLayout, LooksAtTheTreesOfAreasToo) {
  const Ranges areas{{0, 8}, {8, 16}, {16, 64}};
  HandMade busy({}, areas);
  AreaLinks::set_red(*busy.busy.outermost(Side::left), false);
  EXPECT_EQ(broken(busy.verify()), Invariant::tree);
  HandMade lazy({}, {}, areas);
  AreaLinks::set_parent(*lazy.lazy.outermost(Side::left), nullptr);
  EXPECT_EQ(broken(lazy.verify()), Invariant::tree);
}

}  // namespace
}  // namespace vmap
