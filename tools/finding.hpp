// SPDX-License-Identifier: Apache-2.0
//
// A violation that a driver has found: shortened, shown, and kept as a trace that says what it breaks.
#pragma once

#include <optional>
#include <string>

#include "harness/executor.hpp"
#include "model/op.hpp"
#include "subjects/registry.hpp"
#include "tools/options.hpp"

namespace vmapcheck::tool {

struct Finding {
  const SubjectEntry* subject = nullptr;
  Trace trace;  ///< its comments say what it breaks and what found it
  Failure failure;
  std::string shortened;  ///< "shortened from 512 to 5 ops", and whether that is the end of it
};

/// The failure as it was found, unless `minimizing` without a single op that can be spared. `found_by` is the second
/// comment. Ctrl-C ends the shortening early.
[[nodiscard]] Finding make_finding(const SubjectEntry& subject, const Trace& trace, const Failure& failure,
                                   bool minimizing, const std::string& found_by);

/// "vmap-answer-1a2b3c4d.trace": equal traces have equal names.
[[nodiscard]] std::string file_name(const Finding& finding);
[[nodiscard]] std::string hash_of(std::string_view bytes);

/// Writes it into `directory`; returns the path. Stops with Exit::io if that cannot be.
[[nodiscard]] std::string save(const Finding& finding, const std::string& directory);

/// The trace, the violation, and where `path` was saved the command that replays it. Lines with newlines.
[[nodiscard]] std::string text_of(const Finding& finding);
[[nodiscard]] std::string replay_command(const Finding& finding, const Common& common, const std::string& path);

}  // namespace vmapcheck::tool
