// SPDX-License-Identifier: Apache-2.0
//
// Trees made by hand, of plain nodes, so that every link can be broken.
#pragma once

#include "harness/verify/tree_view.hpp"

namespace vmapcheck {

struct PlainNode {
  PlainNode* left = nullptr;
  PlainNode* right = nullptr;
  PlainNode* parent = nullptr;
  PlainNode* next = nullptr;
  PlainNode* previous = nullptr;
  bool red = false;
  Range range;
  Size size_max = 0;
};

struct PlainView {
  using Node = const PlainNode*;
  const PlainNode* top = nullptr;
  [[nodiscard]] Node root() const { return top; }
  static Node left(Node node) { return node->left; }
  static Node right(Node node) { return node->right; }
  static Node parent(Node node) { return node->parent; }
  static Node next(Node node) { return node->next; }
  static Node previous(Node node) { return node->previous; }
  static bool is_red(Node node) { return node->red; }
  static Range range(Node node) { return node->range; }
  static Size subtree_max_size(Node node) { return node->size_max; }
};

}  // namespace vmapcheck
