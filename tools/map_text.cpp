// SPDX-License-Identifier: Apache-2.0
#include "tools/map_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <iterator>
#include <utility>

#include "harness/verify/describe.hpp"
#include "model/trace.hpp"
#include "tools/files.hpp"

namespace vmapcheck::tool {
namespace {

constexpr std::pair<std::string_view, std::string_view Palette::*> colour_names[] = {
    {"busy", &Palette::busy}, {"lazy", &Palette::lazy}, {"free", &Palette::free},    {"mark", &Palette::mark},
    {"bad", &Palette::bad},   {"dim", &Palette::dim},   {"strong", &Palette::strong}};

MapCell cell_of(const MapItem& item);
std::size_t width_of(const MapCell& cell, Size granule);
std::string_view colour_of(const MapCell& cell, const Palette& colours);
struct TreeDrawing {
  const TreeListing& tree;
  std::vector<bool> drawn;         ///< by index
  std::vector<std::size_t> count;  ///< of nodes in the subtree
  const Palette& colours;
  std::vector<std::string>& lines;
};
void draw_below(TreeDrawing& drawing, std::size_t index, const std::string& stem, int side);
std::vector<bool> worth_drawing(const TreeListing& tree, std::span<const Range> focus);

}  // namespace

const Palette& palette(bool coloured) {
  // Blue and orange are told apart by everyone; the fills say the same without colour.
  static constexpr Palette none{};
  static constexpr Palette some{.busy = "\033[1;34m",
                                .lazy = "\033[33m",
                                .free = "\033[36m",
                                .mark = "\033[1;35m",
                                .bad = "\033[1;31m",
                                .dim = "\033[2m",
                                .strong = "\033[1m",
                                .end = "\033[0m"};
  return coloured ? some : none;
}

namespace {

/// Calls `plain` with each part of the text, and `colour` with what stands between them: the index of one that begins,
/// or the number of colours where one ends.
template <class Plain, class Colour>
void split(std::string_view text, Plain plain, Colour colour) {
  while (!text.empty()) {
    const std::size_t at = std::min(text.find('\033'), text.size());
    plain(text.substr(0, at));
    text.remove_prefix(at);
    if (text.empty()) return;
    const std::string_view code = text.substr(0, std::min(text.find('m'), text.size() - 1) + 1);
    const auto one = std::ranges::find_if(colour_names, [&](const auto& c) { return palette(true).*c.second == code; });
    colour(static_cast<std::size_t>(one - std::begin(colour_names)));
    text.remove_prefix(code.size());
  }
}

}  // namespace

std::string html_of_coloured(std::string_view text) {
  std::string html;
  split(
      text, [&](std::string_view part) { html += escaped(part); },
      [&](std::size_t i) {
        html += i == std::size(colour_names) ? "</span>" : fmt::format("<span class=\"{}\">", colour_names[i].first);
      });
  return html;
}

std::string without_colours(std::string_view text) {
  std::string plain;
  split(text, [&](std::string_view part) { plain += part; }, [](std::size_t) {});
  return plain;
}

// ---- The map

std::vector<MapCell> cells_of(const AddressMap& map, Range space, std::span<const Range> changed) {
  std::vector<MapCell> cells;
  const auto touched = [&](Range range) {
    const auto first = std::ranges::upper_bound(changed, range.begin, {}, &Range::end);
    return first != changed.end() && first->begin < range.end;
  };
  Address covered = space.begin;
  const auto nobodys = [&](Address end) {
    if (covered < end) cells.push_back({{covered, end}, '?', "nobody's", touched({covered, end}) ? '^' : ' '});
  };
  for (const MapItem& item : map) {
    nobodys(item.range.begin);
    MapCell cell = cell_of(item);
    if (touched(item.range)) cell.mark = '^';
    if (item.range.begin < covered) cell.mark = '!';
    cells.push_back(std::move(cell));
    covered = std::max(covered, item.range.end);
  }
  nobodys(space.end);
  return cells;
}

//         0x1000    0x2000    0x3000              0x11000
//         |## a0 ##|.. free ..|## a2 ##|... free ...|
MapText draw_map(std::vector<MapCell> cells, Range space, Size granule, Address focus, std::size_t columns,
                 const Palette& colours) {
  if (cells.empty()) return {};
  // From the focus outwards, to both sides in turn.
  auto first = std::ranges::find_if(cells, [&](const MapCell& cell) { return focus < cell.range.end; });
  if (first == cells.end()) --first;
  auto end = first + 1;
  std::size_t width = 10 + describe(space.end).size() + width_of(*first, granule);
  for (bool left = true, full_left = false, full_right = false; !full_left || !full_right; left = !left) {
    bool& full = left ? full_left : full_right;
    if (full) continue;
    full = left ? first == cells.begin() : end == cells.end();
    if (full) continue;
    const std::size_t more = width_of(left ? *(first - 1) : *end, granule);
    full = width + more > columns;
    if (full) continue;
    width += more;
    left ? --first : ++end;
  }

  const bool more_before = first != cells.begin(), more_after = end != cells.end();
  MapText text{"    ", more_before ? "... " : "    ", "    "};
  bool marked = false;
  for (auto cell = first; cell != end; ++cell) {
    const std::size_t room = width_of(*cell, granule);
    text.addresses += fmt::format("{:<{}}", describe(cell->range.begin), room);
    const std::size_t filled = room - 1 - cell->word.size() - 2, half = filled / 2;
    const std::string_view colour = colour_of(*cell, colours);
    text.bar += fmt::format("|{}{} {} {}{}", colour, std::string(half, cell->fill), cell->word,
                            std::string(filled - half, cell->fill), colour.empty() ? "" : colours.end);
    text.marks += ' ' + std::string(room - 1, cell->mark);
    marked = marked || cell->mark != ' ';
  }
  text.addresses += describe((end - 1)->range.end);
  text.bar += more_after ? "| ..." : "|";
  while (text.marks.ends_with(' ')) text.marks.pop_back();
  if (!marked) text.marks.clear();
  return text;
}

namespace {

MapCell cell_of(const MapItem& item) {
  switch (item.kind) {
    case ItemKind::busy: return {item.range, '#', item.label ? print(*item.label) : "busy"};
    case ItemKind::lazy: return {item.range, '~', "lazy"};
    case ItemKind::free: break;
  }
  return {item.range, '.', "free"};
}

/// Wide enough for its first address, and a little wider where the range is larger.
std::size_t width_of(const MapCell& cell, Size granule) {
  const auto magnitude = static_cast<std::size_t>(std::bit_width(cell.range.size() / granule));
  return std::max(
      {describe(cell.range.begin).size() + 1, cell.word.size() + 5, 5 + std::min<std::size_t>(magnitude, 9)});
}

std::string_view colour_of(const MapCell& cell, const Palette& colours) {
  if (cell.mark == '!') return colours.bad;
  switch (cell.fill) {
    case '#': return colours.busy;
    case '~': return colours.lazy;
    case '.': return colours.free;
    default: return colours.bad;
  }
}

}  // namespace

// ---- The tree

std::vector<std::string> draw_tree(const TreeListing& tree, std::span<const Range> focus, std::size_t lines_max,
                                   const Palette& colours) {
  std::vector<std::string> lines;
  if (tree.nodes.empty()) return lines;
  const bool all = tree.nodes.size() <= lines_max;
  TreeDrawing drawing{tree, all ? std::vector<bool>(tree.nodes.size(), true) : worth_drawing(tree, focus),
                      std::vector<std::size_t>(tree.nodes.size(), 1), colours, lines};
  for (std::size_t i = tree.nodes.size(); i-- > 0;)
    for (const std::int32_t link : {tree.nodes[i].left, tree.nodes[i].right})
      if (link != ListedNode::none) drawing.count[i] += drawing.count[static_cast<std::size_t>(link)];
  draw_below(drawing, 0, "", 0);
  if (!tree.complete) lines.push_back("(more nodes than can be listed)");
  return lines;
}

namespace {

//         ,-- 0x1000..0x2000  red    max 0x1000
//     ,-- 0x3000..0x4000  black  max 0x1000
//     0x8000..0x9000  black  max 0x3000
//     |   ,-- ...
//     `-- 0xa000..0xd000  black  max 0x3000
//
// `side` is -1 for a left child, 1 for a right one, 0 for the root; `stem` is what stands before the lines below.
void draw_below(TreeDrawing& drawing, std::size_t index, const std::string& stem, int side) {
  constexpr std::size_t stem_max = 400;  // a tree that is no tree may be as deep as it has nodes
  const Palette& colours = drawing.colours;
  const ListedNode& node = drawing.tree.nodes[index];
  const auto child = [&](std::int32_t link, int child_side) {
    if (link == ListedNode::none) return;
    const std::string below = side == 0 ? "" : stem + (side == child_side ? "    " : "|   ");
    const auto at = static_cast<std::size_t>(link);
    if (drawing.drawn[at] && below.size() < stem_max) return draw_below(drawing, at, below, child_side);
    drawing.lines.push_back(fmt::format("{}{}{}({} more){}", below, child_side < 0 ? ",-- " : "`-- ", colours.dim,
                                        drawing.count[at], colours.end));
  };
  child(node.left, -1);
  const std::string_view branch = side == 0 ? "" : side < 0 ? ",-- " : "`-- ";
  std::string line = fmt::format("{}{}{}{:<5}{} {}  size {}  subtree_max_size {}", stem, branch,
                                 node.red ? colours.bad : colours.strong, node.red ? "red" : "black", colours.end,
                                 describe(node.range), describe(node.range.size()), describe(node.subtree_max_size));
  if (node.is_augment_wrong())
    line += fmt::format("  {}<== WRONG: should be {}{}", colours.bad, describe(node.size_max_expected), colours.end);
  if (!node.defect.empty()) line += fmt::format("  {}<== WRONG: {}{}", colours.bad, node.defect, colours.end);
  drawing.lines.push_back(std::move(line));
  child(node.right, 1);
}

/// The nodes on the way from the root to each node that is wrong or whose block touches `focus`, and their children.
std::vector<bool> worth_drawing(const TreeListing& tree, std::span<const Range> focus) {
  std::vector<bool> on_way(tree.nodes.size()), drawn(tree.nodes.size());
  for (std::size_t i = tree.nodes.size(); i-- > 0;) {
    const ListedNode& node = tree.nodes[i];
    const bool touched = std::ranges::any_of(
        focus, [&](Range range) { return node.range.begin <= range.end && range.begin <= node.range.end; });
    bool here = i == 0 || touched || node.is_wrong();
    for (const std::int32_t link : {node.left, node.right})
      here = here || (link != ListedNode::none && on_way[static_cast<std::size_t>(link)]);
    on_way[i] = here;
  }
  for (std::size_t i = 0; i < tree.nodes.size(); ++i) {
    if (!on_way[i]) continue;
    drawn[i] = true;
    for (const std::int32_t link : {tree.nodes[i].left, tree.nodes[i].right})
      if (link != ListedNode::none) drawn[static_cast<std::size_t>(link)] = true;
  }
  return drawn;
}

}  // namespace
}  // namespace vmapcheck::tool
