// SPDX-License-Identifier: Apache-2.0
//
// Answers, violations and coverage as text for people and as JSON for programs.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/verify/coverage.hpp"
#include "harness/verify/executor.hpp"
#include "model/op.hpp"
#include "model/reference_model.hpp"
#include "subjects/registry.hpp"
#include "tools/counters.hpp"

namespace vmapcheck::tool {

using nlohmann::ordered_json;

/// "1 op", "2 ops"
[[nodiscard]] std::string count_of(std::size_t number, std::string_view what);

/// "0x1000..0x2000 no_edge", "error no_space", "skipped: a7 is not live"
[[nodiscard]] std::string text_of(const Op& op, const Answer& answer);

/// The line of `replay --json` for one step, with its newline.
void append_json(std::string& line, std::size_t step, const Op& op, const Answer& answer);
/// And for the verdict.
[[nodiscard]] std::string verdict_json(const std::optional<Failure>& failure);

/// A failure in words: what the invariant demands, what broke it, what was expected, what it was; or how the subject
/// died.
struct Row {
  std::string_view title;
  std::string text;
};
[[nodiscard]] std::vector<Row> rows_of(const Failure& failure);
/// "  expected   0x1000", with its newline.
[[nodiscard]] std::string text_of(const Row& row);
[[nodiscard]] std::string text_of(const std::vector<Row>& rows);
/// "violation of answer at step 3: free a0"
[[nodiscard]] std::string title_of(const Failure& failure);
/// ": expected 0x1000, actual 0x2000", to be said behind the signature; of a death that says all.
[[nodiscard]] std::string what_broke(const Failure& failure);
/// "at step 3: free a0", "while the subject was made"
[[nodiscard]] std::string place_of(const Failure& failure);

/// How a trace failed: step, op, invariant, expected and actual, or how the subject died; and the state before that
/// step, drawn around the place. Lines with newlines. Runs the ops before it again, in a child.
[[nodiscard]] std::string text_of(const Failure& failure, const Trace& trace, const SubjectEntry& subject);

/// A column of a table that has a row for each kind of op.
struct OpColumn {
  std::string_view name;
  std::array<std::uint64_t, op_kind_count> counters;
};
/// One for each name.
template <std::size_t n>
void add_columns(std::vector<OpColumn>& columns, const std::array<std::string_view, n>& names,
                 const std::array<std::array<std::uint64_t, n>, op_kind_count>& by_op) {
  for (std::size_t i = 0; i < n; ++i) {
    OpColumn& column = columns.emplace_back(OpColumn{names[i], {}});
    for (std::size_t op = 0; op < op_kind_count; ++op) column.counters[op] = by_op[op][i];
  }
}
/// With `zero` where nothing was counted; as wide as `width` at most.
[[nodiscard]] std::string text_of(const std::vector<OpColumn>& columns, std::string_view zero, std::size_t width);

[[nodiscard]] std::string text_of(const Coverage& coverage, std::size_t width);
[[nodiscard]] ordered_json json_of(const Coverage& coverage);
/// An object of counters.
[[nodiscard]] ordered_json named(Names names, Counters counters);
[[nodiscard]] ordered_json json_of(const Failure& failure);

/// Where vmapcheck itself is at fault, ends the command with Exit::oracle: what it says of the subject is not to be
/// believed then, nor to be minimized or saved. `command` is what to report, if it is known.
void stop_if_oracle(const std::optional<Failure>& failure, const std::string& command = "");

/// One line of plain ASCII, with its newline; bytes that are no UTF-8 are replaced.
[[nodiscard]] std::string line_of(const ordered_json& json);
void out_json(const ordered_json& json);

/// Called in the child for each step, also for the one that shows a violation.
using OnStep = std::function<void(std::size_t step, const Op& op, const Answer& answer)>;

/// Runs a trace in a child, to its end or its first failure. What `on_step` says through out() is not lost when the
/// subject dies. Without `checking`: as checking_of() has it, and a failure is that of checking at every step (see
/// named()). Stops with Exit::subject if the subject cannot be made, with Exit::interrupted if the user wants it.
/// `on_wait` is called in the parent every few hundredths of a second.
[[nodiscard]] std::optional<Failure> replay(const Trace& trace, const SubjectEntry& subject,
                                            std::optional<Checking> checking, const OnStep& on_step,
                                            const std::function<void()>& on_wait = {});

}  // namespace vmapcheck::tool
