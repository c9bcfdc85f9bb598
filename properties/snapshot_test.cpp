// SPDX-License-Identifier: Apache-2.0
//
// Snapshots and recordings: they show what is there, mark what is wrong, and survive a broken subject.
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "harness/picture/recording.hpp"
#include "harness/picture/snapshot.hpp"
#include "model/trace.hpp"
#include "properties/plain_tree.hpp"
#include "subjects/registry.hpp"

namespace vmapcheck {
namespace {

const SubjectFactory& named(std::string_view name) { return find_subject(name)->make; }

Trace parsed(const std::string& lines) { return parse_trace("vmapcheck-trace 1\n" + lines).value(); }

struct Recording {
  std::optional<Begun> begun;
  std::vector<Answered> answered;
  std::vector<Held> held;
  std::optional<Ended> ended;
};

Recording recorded(const Trace& trace, const SubjectFactory& make, const RecordOptions& options = {}) {
  Recording recording;
  const auto made = record(trace, make, options, [&](const RunEvent& event) {
    EXPECT_FALSE(recording.ended) << "nothing comes after the end";
    if (const auto* begun = std::get_if<Begun>(&event)) recording.begun = *begun;
    if (const auto* answered = std::get_if<Answered>(&event)) recording.answered.push_back(*answered);
    if (const auto* ended = std::get_if<Ended>(&event)) recording.ended = *ended;
    if (const auto* held = std::get_if<Held>(&event)) {
      EXPECT_EQ(recording.answered.size(), recording.held.size() + 1) << "the answer comes before the state";
      recording.held.push_back(*held);
    }
  });
  EXPECT_TRUE(made) << (made ? "" : made.error());
  return recording;
}

std::string text_of(const AddressMap& map) {
  std::string text;
  for (const MapItem& item : map)
    text += (text.empty() ? "" : " ") + std::string(1, "#~."[static_cast<std::size_t>(item.kind)]) + print(item.range) +
            (item.label ? "=" + print(*item.label) : "");
  return text;
}

// ---- Trees made by hand

///         1         0x100..0x130
///       0   2       0x000..0x010, 0x200..0x220
struct Three {
  std::array<PlainNode, 3> node{};
  PlainView view;

  Three() {
    node[0] = {.parent = &node[1], .next = &node[1], .red = true, .range = {0x0, 0x10}, .size_max = 0x10};
    node[1] = {.left = &node[0],
               .right = &node[2],
               .next = &node[2],
               .previous = &node[0],
               .range = {0x100, 0x130},
               .size_max = 0x30};
    node[2] = {.parent = &node[1], .previous = &node[1], .red = true, .range = {0x200, 0x220}, .size_max = 0x20};
    view.top = &node[1];
  }
  Three(const Three&) = delete;
  Three& operator=(const Three&) = delete;

  /// The defects of nodes 0, 1 and 2, "max" for a wrong maximum.
  [[nodiscard]] std::array<std::string, 3> defects() const {
    std::array<std::string, 3> found;
    for (const ListedNode& listed : list_tree(view, 100).nodes)
      for (std::size_t i = 0; i < node.size(); ++i)
        if (listed.at == &node[i]) found[i] = listed.is_augment_wrong() ? "max" + listed.defect : listed.defect;
    return found;
  }
};

using Defects = std::array<std::string, 3>;

TEST(TreeListing, HasEveryNodeOfASoundTreeAndNoDefect) {
  const Three tree;
  const TreeListing listing = list_tree(tree.view, 100);
  EXPECT_TRUE(listing.complete);
  ASSERT_EQ(listing.nodes.size(), 3u);
  EXPECT_EQ(listing.nodes[0].range, (Range{0x100, 0x130}));
  const auto left = static_cast<std::size_t>(listing.nodes[0].left);
  const auto right = static_cast<std::size_t>(listing.nodes[0].right);
  EXPECT_EQ(listing.nodes[left].range, (Range{0x0, 0x10}));
  EXPECT_EQ(listing.nodes[right].range, (Range{0x200, 0x220}));
  EXPECT_EQ(tree.defects(), Defects{});
  EXPECT_TRUE(list_tree(PlainView{}, 100).nodes.empty());
}

TEST(TreeListing, MarksEveryWrongMaximumAndOnlyThose) {
  Three tree;
  tree.node[2].size_max = 0x1000;  // the root does not believe it: its own is right
  EXPECT_EQ(tree.defects(), (Defects{"", "", "max"}));
  tree.node[1].size_max = 0x1000;
  EXPECT_EQ(tree.defects(), (Defects{"", "max", "max"}));
}

TEST(TreeListing, NamesWhatIsWrongWithColoursOrderAndLinks) {
  {
    Three tree;
    tree.node[0].red = false;
    EXPECT_EQ(tree.defects()[1], "1 black nodes on paths to the left, 0 to the right");
  }
  {
    Three tree;
    tree.node[1].red = true;
    EXPECT_EQ(tree.defects(),
              (Defects{"is red, and so is its parent", "the root is red", "is red, and so is its parent"}));
  }
  {
    Three tree;
    tree.node[2].range = {0x80, 0xa0};
    EXPECT_EQ(tree.defects()[2], "follows 0x100..0x130 in the tree: addresses must ascend");
  }
  {
    Three tree;
    tree.node[2].parent = &tree.node[0];
    EXPECT_EQ(tree.defects()[2], "its parent link does not lead to its parent");
  }
  {
    Three tree;
    tree.node[0].next = &tree.node[2];
    EXPECT_EQ(tree.defects()[1], "the list does not thread the order of the tree here");
  }
}

TEST(TreeListing, SurvivesLinksThatLeadBack) {
  for (const std::size_t from : {0u, 1u, 2u})
    for (const std::size_t to : {0u, 1u, 2u})
      for (const bool left : {false, true}) {
        Three tree;
        (left ? tree.node[from].left : tree.node[from].right) = &tree.node[to];
        const TreeListing listing = list_tree(tree.view, 100);
        EXPECT_LE(listing.nodes.size(), 3u);
        EXPECT_TRUE(listing.complete);
      }
  Three tree;
  tree.node[2].right = &tree.node[1];
  EXPECT_NE(tree.defects()[2].find("its right child is a node above it or beside it"), std::string::npos);
}

/// A chain of 5,000 nodes is no red-black tree, but it can be listed, or cut off.
TEST(TreeListing, SurvivesAnyDepthAndStopsWhereItIsTold) {
  std::vector<PlainNode> chain(5000);
  for (std::size_t i = 0; i < chain.size(); ++i) {
    chain[i].range = {i * 16, i * 16 + 8};
    chain[i].size_max = 8;
    if (i == 0) continue;
    chain[i].parent = chain[i].previous = &chain[i - 1];
    chain[i - 1].right = chain[i - 1].next = &chain[i];
  }
  const PlainView view{&chain.front()};
  EXPECT_EQ(list_tree(view, 5000).nodes.size(), 5000u);
  const TreeListing cut = list_tree(view, 100);
  EXPECT_EQ(cut.nodes.size(), 100u);
  EXPECT_FALSE(cut.complete);
}

TEST(ListRanges, StopsAnEndlessListUnlessItMayNotThrow) {
  std::vector<Range> ranges;
  EXPECT_FALSE(list_ranges(ranges, 10, [](auto visit) {
    while (true) visit(Range{0, 1});
  }));
  EXPECT_EQ(ranges.size(), 10u);
  EXPECT_FALSE(list_ranges(ranges, 10, [](auto visit) noexcept {
    for (int i = 0; i < 100; ++i) visit(Range{0, 1});
  }));
  EXPECT_EQ(ranges.size(), 10u);
  EXPECT_TRUE(list_ranges(ranges, 10, [](auto visit) { visit(Range{0, 1}); }));
  EXPECT_EQ(ranges.size(), 1u);
}

// ---- Snapshots and recordings of subjects

TEST(Snapshot, ListsTheMapAsTheSubjectAndTheModelHaveIt) {
  const Trace trace = parsed(
      "space 0x1000..0x9000 granule=0x1000\nbusy 0x3000..0x4000\nalloc a0 size=0x1000\nalloc a1 size=0x2000\n"
      "free-lazily a1\nfree a0\n");
  const Recording recording = recorded(trace, named("vmap"));
  ASSERT_EQ(recording.held.size(), 4u);
  EXPECT_EQ(text_of(recording.begun->before.actual), ".0x1000..0x3000 #0x3000..0x4000 .0x4000..0x9000");
  EXPECT_EQ(text_of(recording.held[1].after.actual),
            "#0x1000..0x2000=a0 .0x2000..0x3000 #0x3000..0x4000 #0x4000..0x6000=a1 .0x6000..0x9000");
  EXPECT_EQ(text_of(recording.held[3].after.actual), ".0x1000..0x3000 #0x3000..0x4000 ~0x4000..0x6000 .0x6000..0x9000");
  for (const Held& held : recording.held) {
    EXPECT_EQ(held.after.actual, held.after.expected);
    EXPECT_TRUE(held.after.observable && held.after.inspectable && held.after.actual_complete);
    for (const ListedNode& node : held.after.tree.nodes) EXPECT_FALSE(node.is_wrong());
  }
  EXPECT_FALSE(recording.ended->violation);
  EXPECT_EQ(recording.ended->steps, 4u);
}

TEST(Snapshot, MarksTheNodeWhoseMaximumTheCanaryForgets) {
  const Trace trace = parsed(
      "space 0x0..0xfffffffffffff000 granule=0x1000\nalloc-at a0 0x28000..0x32000\nalloc-at a1 0xaa9000..0xaaa000\n"
      "alloc-at a2 0xae5000..0xaf2000\nfree a2\n");
  const Recording recording = recorded(trace, named("canary_augment"));
  ASSERT_TRUE(recording.ended->violation);
  EXPECT_EQ(recording.ended->violation->invariant, vmap::Invariant::augment);
  std::size_t wrong = 0;
  for (const ListedNode& node : recording.held.back().after.tree.nodes)
    if (node.is_augment_wrong()) {
      ++wrong;
      EXPECT_NE(recording.ended->violation->detail.find("node " + print(node.range)), std::string::npos);
      EXPECT_LT(node.subtree_max_size, node.size_max_expected);
    }
  EXPECT_EQ(wrong, 1u);
  EXPECT_EQ(recording.held.back().after.actual, recording.held.back().after.expected);
}

/// Where the answer is wrong, the model's map has what was expected, and the subject's what it did.
TEST(Snapshot, ShowsWhatWasExpectedBesideAWrongAnswer) {
  const Trace trace = parsed(
      "space 0x100000..0x140000 granule=0x1000\nalloc a0 size=0x1000\nalloc a1 size=0x1000 align=0x2000\n"
      "alloc a2 size=0x1000\n");
  const Recording recording = recorded(trace, named("seed_2019"));
  ASSERT_TRUE(recording.ended->violation);
  EXPECT_EQ(recording.ended->step, 2u);
  const Snapshot& after = recording.held.back().after;
  EXPECT_EQ(text_of(after.expected),
            "#0x100000..0x101000=a0 #0x101000..0x102000=a2 #0x102000..0x103000=a1 .0x103000..0x140000");
  EXPECT_EQ(text_of(after.actual),
            "#0x100000..0x101000=a0 .0x101000..0x102000 #0x102000..0x103000=a1 #0x103000..0x104000=a2 "
            ".0x104000..0x140000");
}

TEST(Snapshot, OfASubjectThatShowsNothingIsTheModels) {
  struct Silent {
    vmap::Result<vmap::Allocation> allocate(const vmap::Request&) { return std::unexpected(vmap::Error::no_space); }
    vmap::Result<Range> free(Address) { return std::unexpected(vmap::Error::not_busy); }
    static Promises promises() { return {.complete = false}; }
  };
  const Trace trace = parsed("space 0x1000..0x2000\nalloc a0 size=1\n");
  const Recording recording = recorded(trace, factory([](const SubjectConfig&) { return Silent{}; }));
  EXPECT_FALSE(recording.begun->before.observable);
  EXPECT_FALSE(recording.begun->before.inspectable);
  EXPECT_EQ(text_of(recording.begun->before.map()), ".0x1000..0x2000");
}

/// Every canary's run can be recorded up to its end, whatever it left; the map that is listed has the areas that it
/// has.
TEST(Recording, SurvivesEveryCanary) {
  const Trace trace = parsed(
      "space 0x0..0x100000 granule=0x1000\nalloc a0 size=0x1000\nalloc-at a1 0x8000..0xa000\nalloc-at a2 "
      "0x10000..0x11000\n"
      "free-lazily a1\ncongruent a3 align=0x1000 blocks=0x0+0x1000,0x4000+0x2000\nfree a0\nfree a2\nalloc a4 "
      "size=0x200000\n"
      "purge\n");
  for (const SubjectEntry& entry : subjects()) {
    if (entry.kind == SubjectKind::faulty) continue;  // some would take this process along
    const Recording recording = recorded(trace, entry.make);
    ASSERT_TRUE(recording.ended) << entry.name;
    EXPECT_EQ(recording.answered.size(), recording.ended->steps) << entry.name;
    EXPECT_EQ(recording.held.size(), recording.ended->steps) << entry.name;
  }
}

TEST(Recording, TellsOfASpanAndStillRunsToTheEnd) {
  const Trace trace = parsed("space 0x0..0x10\nalloc a0 size=1\nalloc a1 size=1\nalloc a2 size=1\nalloc a3 size=1\n");
  const Recording recording = recorded(trace, named("vmap"), {.from = 1, .to = 2});
  EXPECT_EQ(recording.begun->step, 1u);
  EXPECT_EQ(text_of(recording.begun->before.actual), "#0x0..0x1=a0 .0x1..0x10");
  ASSERT_EQ(recording.held.size(), 2u);
  EXPECT_EQ(recording.held[0].step, 1u);
  EXPECT_EQ(recording.ended->steps, 4u);
}

TEST(Recording, CutsOffWhatIsTooMuch) {
  const Trace trace = parsed("space 0x0..0x10\nalloc a0 size=1\nalloc-at a1 2..3\nalloc-at a2 4..5\n");
  const Recording recording = recorded(trace, named("vmap"), {.items_max = 2});
  const Snapshot& after = recording.held.back().after;
  EXPECT_EQ(after.expected.size(), 2u);
  EXPECT_FALSE(after.expected_complete);
  EXPECT_FALSE(after.actual_complete);
  EXPECT_FALSE(after.differs());
  EXPECT_EQ(text_of(after.actual), "#0x0..0x1=a0 .0x1..0x2 #0x2..0x3=a1");
  EXPECT_FALSE(after.tree.complete);
  EXPECT_EQ(after.tree.nodes.size(), 2u);
  for (const ListedNode& node : after.tree.nodes) EXPECT_FALSE(node.is_wrong());
}

TEST(Changed, IsTheBytesThatAreOfAnotherKindOrArea) {
  const Label a{0}, b{1};
  const AddressMap before{{{0, 2}, ItemKind::busy, a}, {{2, 9}, ItemKind::free, {}}};
  const AddressMap placed{{{0, 2}, ItemKind::busy, a}, {{2, 4}, ItemKind::busy, b}, {{4, 9}, ItemKind::free, {}}};
  EXPECT_EQ(changed(before, before), std::vector<Range>{});
  EXPECT_EQ(changed(before, placed), (std::vector<Range>{{2, 4}}));
  EXPECT_EQ(changed(placed, before), (std::vector<Range>{{2, 4}}));
  const AddressMap renamed{{{0, 2}, ItemKind::busy, b}, {{2, 9}, ItemKind::free, {}}};
  EXPECT_EQ(changed(before, renamed), (std::vector<Range>{{0, 2}}));
  const AddressMap merged{{{0, 9}, ItemKind::free, {}}};
  EXPECT_EQ(changed(placed, merged), (std::vector<Range>{{0, 4}}));
}

}  // namespace
}  // namespace vmapcheck
