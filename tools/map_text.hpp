// SPDX-License-Identifier: Apache-2.0
//
// How the address map is drawn, and the tree of free blocks beside it: in the terminal, in the report of a finding, in
// the report of a campaign. Only the page of `show` draws for itself, in the browser (page/page.js).
//
//         0x1000    0x2000        0x5000
//         |## a0 ##|.... free ....|## a2 ##| ...
//                   ^^^^^^^^^^^^^^
//
// A cell is as wide as its words need, and a little wider where it is larger: areas of one granule that lie 2^60 apart
// are seen as well as neighbours.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/picture/snapshot.hpp"
#include "model/op.hpp"

namespace vmapcheck::tool {

/// What begins and ends a coloured part of a line; all empty where there are no colours.
struct Palette {
  std::string_view busy, lazy, free, mark, bad, dim, strong, end;
};
[[nodiscard]] const Palette& palette(bool coloured);

/// What was drawn with colours as HTML: a span for each coloured part, whose class is the name of the colour above.
[[nodiscard]] std::string html_of_coloured(std::string_view text);
[[nodiscard]] std::string without_colours(std::string_view text);

struct MapCell {
  Range range;
  char fill = '.';   ///< # busy, ~ lazily freed, . free, ? nobody's
  std::string word;  ///< what stands inside
  char mark = ' ';   ///< under it: ^ changed, ! overlaps what stands before
};

/// The cells of a map. Gaps between them, and up to the end of `space`, become cells of nobody. Cells that overlap
/// `changed` are marked.
[[nodiscard]] std::vector<MapCell> cells_of(const AddressMap& map, Range space, std::span<const Range> changed);

/// Lines of one map, each after an indent of four columns; `marks` is empty if nothing is marked.
struct MapText {
  std::string addresses;
  std::string bar;
  std::string marks;
};

/// The cells around `focus`, as many as fit into `columns`; "..." stands where there are more.
[[nodiscard]] MapText draw_map(std::vector<MapCell> cells, Range space, Size granule, Address focus,
                               std::size_t columns, const Palette& colours);

/// One line for each node, ascending, indented by its depth. Where there are more than `lines_max` nodes, only those on
/// the way to one of `focus` and those that are wrong are drawn, with their children.
[[nodiscard]] std::vector<std::string> draw_tree(const TreeListing& tree, std::span<const Range> focus,
                                                 std::size_t lines_max, const Palette& colours);

}  // namespace vmapcheck::tool
