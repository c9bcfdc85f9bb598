// SPDX-License-Identifier: Apache-2.0
//
// How a campaign stands: what its directory says, and whether anything still runs there. Nothing is written, and a
// campaign that runs does not notice.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "tools/amounts.hpp"
#include "tools/campaign/state.hpp"
#include "tools/counters.hpp"
#include "tools/exit_status.hpp"
#include "tools/progress.hpp"

namespace vmapcheck::tool {

enum class Condition : std::uint8_t {
  running,  ///< its directory is locked
  ended,    ///< in order
  killed,   ///< it says that it runs, and nothing holds the lock
};
[[nodiscard]] std::string_view name(Condition condition);

struct Standing {
  std::string directory;
  State state;
  Condition condition = Condition::ended;
};

/// Stops with Exit::usage if there is no campaign, or it cannot be read.
[[nodiscard]] Standing standing_of(const std::string& directory);

/// Of what was found: Exit::violation if there is something new, flaky if nothing else failed, known, ok.
[[nodiscard]] Exit verdict_of(const State& state);

/// What a campaign should exercise, and how often it did.
struct CounterGroup {
  std::string_view kind;  ///< "invariants", "ops", "errors", "fit types", "coalescings", "tree cases"
  Names names;
  std::vector<std::uint64_t> counters;
};
/// In this order of kinds. An invariant counts each time that it was checked.
[[nodiscard]] std::vector<CounterGroup> exercised(const Coverage& coverage);
/// False: the target does not say what it exercises, so that zeros mean nothing.
[[nodiscard]] bool is_counted(const State& state);

/// How a finding is called among invariants and ways to die: "answer", "heap-use-after-free", "hang".
[[nodiscard]] std::string kind_of(std::string_view signature);

[[nodiscard]] std::string text_of(const Standing& standing);
[[nodiscard]] nlohmann::ordered_json json_of(const Standing& standing);

// How these pages write things.

/// "running", "ended: time", "killed"
[[nodiscard]] std::string condition_of(const Standing& standing);
/// "3 new, 1 known"; "none"
[[nodiscard]] std::string findings_text(const State& state);
/// "2 workers were killed from outside"
[[nodiscard]] std::string killed_text(std::uint64_t count);
/// "2 ops; no trace of fewer ops fails so", "not yet minimized"
[[nodiscard]] std::string minimality_text(const FoundFailure& found);
/// "found at 3m 02s, execution 12,345; met 17 times"
[[nodiscard]] std::string met_text(const FoundFailure& found);
/// "12 repeats", "12 repeats; known ones met 3 times"
[[nodiscard]] std::string repeats_text(const State& state);

/// How far it has come: a line for logs, a block for terminals. What matters most comes first in each line of the
/// block.
[[nodiscard]] Fields progress_line(const State& state);

/// `minimizing` is how many findings wait to be minimized.
[[nodiscard]] std::vector<Fields> progress_block(const State& state, const std::string& directory,
                                                 std::size_t minimizing);

}  // namespace vmapcheck::tool
