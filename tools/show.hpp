// SPDX-License-Identifier: Apache-2.0
//
// What `show` says, in whatever form. The parts of the command:
//
//     recording.hpp     runs the trace, and tells what happens event by event
//     show_text.hpp     draws the events in the terminal
//     show_page.hpp     makes them the data of a page; page/ is how that page looks and what it does
//     show.cpp          the command
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "harness/picture/recording.hpp"
#include "tools/in_child.hpp"
#include "tools/report.hpp"

namespace vmapcheck::tool {

/// What is shown, and where it comes from.
struct Shown {
  std::string file;
  std::string subject;
  std::string replay;  ///< the command that runs it again
  const Trace& trace;
  std::vector<std::string> notes = {};  ///< what the reader should know: that the beginning is left out, ...
};

/// How a run ended, in words.
struct Verdict {
  bool ok = true;
  std::size_t step = 0;   ///< where it failed; the number of ops if it showed at the end
  std::string op;         ///< of that step; empty if it showed at the end
  std::string name;       ///< of what went wrong, in a word: "augment"
  std::string title;      ///< "violation of augment at step 7: free a3", "ok: 17 steps, no violation"
  std::vector<Row> rows;  ///< expected, actual, ...
};
[[nodiscard]] Verdict verdict_of(const Ran& ran);

/// What a step did to the free blocks: "the begin of the free block moves up"; may be empty.
[[nodiscard]] std::string effect_of(const Op& op, const Answer& answer, std::span<const Range> changed);

/// What the subject answered; that it was not asked, if what broke was there before the first op.
[[nodiscard]] std::string text_of(const Trace& trace, const Answered& answered);

}  // namespace vmapcheck::tool
