// SPDX-License-Identifier: Apache-2.0
//
// Runs a trace in a child and hands on what is to be shown of it, even if the child dies.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "harness/picture/recording.hpp"
#include "subjects/registry.hpp"
#include "tools/show.hpp"

namespace vmapcheck::tool {

/// `sink` is called in the child, with all events but the last. Stops with Exit::subject if the subject cannot be made.
[[nodiscard]] Ran record_with(const Trace& trace, const SubjectEntry& subject, RecordOptions options,
                              const std::function<void(const RunEvent& event, Beacon& beacon)>& sink);

/// What was recorded for a page (tools/show_page.hpp), and how the run ended.
struct Lines {
  std::vector<std::string> text;
  Ran ran;
};

/// Adds a note to `shown` if something is left out.
[[nodiscard]] Lines record_lines(Shown& shown, const SubjectEntry& subject, const RecordOptions& recording);

}  // namespace vmapcheck::tool
