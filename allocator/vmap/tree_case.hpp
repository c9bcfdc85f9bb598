// SPDX-License-Identifier: Apache-2.0
//
// The cases of linking into, erasing from and rebalancing a red-black tree, to be counted: tests that do not reach them
// all have not tested the tree.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace vmap {

/// What happened while a node was linked or erased. Cases with a mirror image come in pairs, the left one first.
enum class TreeCase : std::uint8_t {
  // link: the new node is red; its parent is red and on the named side of the grandparent
  link_recolour_left,  // uncle red: colours move up
  link_recolour_right,
  link_inner_left,  // uncle black, node on the inside: rotate it to the outside first
  link_inner_right,
  link_outer_left,  // uncle black, node on the outside: one rotation ends it
  link_outer_right,
  // erase: what was taken out
  erase_red_leaf,
  erase_black_leaf,
  erase_one_child,
  erase_next_is_child,  // two children, and the successor is the right child
  erase_next_is_deeper,
  // erase: the side named is one black node short
  fix_red_sibling_left,
  fix_red_sibling_right,
  fix_recolour_up_left,  // sibling and nephews black, parent black: the lack moves up
  fix_recolour_up_right,
  fix_recolour_end_left,  // the same under a red parent: ends
  fix_recolour_end_right,
  fix_inner_nephew_left,
  fix_inner_nephew_right,
  fix_outer_nephew_left,
  fix_outer_nephew_right,
};

inline constexpr std::size_t tree_case_count = 21;

inline constexpr std::array<std::string_view, tree_case_count> tree_case_names{
    "link_recolour_left",     "link_recolour_right",   "link_inner_left",        "link_inner_right",
    "link_outer_left",        "link_outer_right",      "erase_red_leaf",         "erase_black_leaf",
    "erase_one_child",        "erase_next_is_child",   "erase_next_is_deeper",   "fix_red_sibling_left",
    "fix_red_sibling_right",  "fix_recolour_up_left",  "fix_recolour_up_right",  "fix_recolour_end_left",
    "fix_recolour_end_right", "fix_inner_nephew_left", "fix_inner_nephew_right", "fix_outer_nephew_left",
    "fix_outer_nephew_right"};

using TreeCaseCounts = std::array<std::uint64_t, tree_case_count>;

}  // namespace vmap
