// SPDX-License-Identifier: Apache-2.0
//
// Answers, violations and coverage as text for people and as JSON for programs.
#pragma once

#include <cstddef>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/coverage.hpp"
#include "harness/executor.hpp"
#include "model/op.hpp"
#include "model/reference_model.hpp"
#include "subjects/registry.hpp"

namespace vmapcheck::tool {

/// "0x1000..0x2000 no_edge", "error no_space", "skipped: a7 is not live"
[[nodiscard]] std::string text_of(const Op& op, const Answer& answer);

/// The line of `replay --json` for one step, with its newline.
void append_json(std::string& line, std::size_t step, const Op& op, const Answer& answer);
/// And for the verdict.
[[nodiscard]] std::string verdict_json(const std::optional<Failure>& failure);

/// A violation in words: what the invariant demands, what broke it, what was expected, what it was.
struct Row {
  std::string_view title;
  std::string text;
};
[[nodiscard]] std::vector<Row> rows_of(const vmap::Violation& violation);

/// Which invariant broke where: step, op, expected, actual, and the surroundings as they should be. Lines with
/// newlines.
[[nodiscard]] std::string text_of(const Failure& failure, const Executor& executor);

[[nodiscard]] std::string text_of(const Coverage& coverage);
[[nodiscard]] nlohmann::ordered_json json_of(const Coverage& coverage);
[[nodiscard]] nlohmann::ordered_json json_of(const Failure& failure);

/// What a run of a trace showed.
struct Replayed {
  std::optional<Failure> failure;
  std::string failure_text;  ///< see text_of(Failure)
};
using OnStep = std::function<void(std::size_t step, const Op& op, const Answer& answer)>;

/// Runs a trace to its end or its first violation. Stops with Exit::subject if the subject cannot be made, with
/// Exit::interrupted if the user wants it.
[[nodiscard]] Replayed replay(const Trace& trace, const SubjectEntry& subject, Checking checking,
                              const OnStep& on_step);

}  // namespace vmapcheck::tool
