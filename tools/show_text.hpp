// SPDX-License-Identifier: Apache-2.0
//
// A recording drawn in the terminal, one block of lines for each step, as soon as it is known.
//
//     step 3  alloc a1 size=0x2000 align=0x4000
//             0x4000..0x6000 left_edge: the begin of the free block moves up
//                 0x1000    0x2000      0x4000    0x6000
//                 |## a0 ##|.. free ..|## a1 ##|... free ...|
//                                      ^^^^^^^^
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "tools/map_text.hpp"
#include "tools/show.hpp"

namespace vmapcheck::tool {

struct TextStyle {
  std::size_t columns = 100;
  bool coloured = false;
  bool always_draws = false;   ///< also after a step that changed nothing
  std::size_t tree_lines = 0;  ///< the tree is drawn, in full up to so many nodes; 0: only where it is wrong
};

/// Turns events into text.
class TextShow {
 public:
  using Write = std::function<void(std::string_view)>;

  TextShow(const Shown& shown, const TextStyle& style, Write write);

  /// What stands above the steps.
  void begin();
  void operator()(const RunEvent& event);
  /// What stands below them.
  void end(const Verdict& verdict);

 private:
  void show(const Begun& begun);
  void show(const Answered& answered);
  void show(const Held& held);
  void show(const Ended&) {}
  void draw(const Snapshot& snapshot, bool broken);
  void draw_map_of(std::string_view title, const AddressMap& map, bool complete, std::span<const Range> marked);
  void draw_tree_of(const Snapshot& snapshot, bool broken);

  const Shown& shown_;
  TextStyle style_;
  const Palette& colours_;
  Write write_;
  std::optional<Answered> answered_;  ///< whose state is still to come
  AddressMap before_;
  std::vector<Range> changed_;
  Address focus_ = 0;
  bool said_ = false;  ///< what the subject does not show
};

/// One step: the map before it, what was answered, the map that it left, and how it should be; without an empty line at
/// either end. Runs the trace in a child, for some seconds at most: what is not drawn by then is left out.
[[nodiscard]] std::string drawn_step(const Shown& shown, const SubjectEntry& subject, std::size_t step,
                                     const TextStyle& style);

}  // namespace vmapcheck::tool
