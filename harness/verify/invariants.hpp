// SPDX-License-Identifier: Apache-2.0
//
// The ten invariants (docs/architecture.md has a sentence for each), as functions of what should be, the model, and of
// what was observed in and after a step. They are checked and reported in the order in which they stand here: where one
// fault breaks several, the first names the failure.
#pragma once

#include <expected>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/verify/describe.hpp"
#include "harness/verify/observation.hpp"
#include "model/reference_model.hpp"
#include "vmap/violation.hpp"

namespace vmapcheck {

[[nodiscard]] std::string expected_actual(const std::string& expected, const std::string& actual);

/// answer: an answer other than the expected one.
template <class Expected, class Actual>
[[nodiscard]] std::optional<vmap::Violation> wrong_answer(const Expected& expected, const Actual& actual) {
  return vmap::Violation{vmap::Invariant::answer, expected_actual(describe(expected), describe(actual))};
}

/// answer: the error `actual` of an allocation is what was expected. A request for metadata that failed in this step
/// excuses an allocation that has a place.
template <class T>
[[nodiscard]] std::optional<vmap::Violation> judge_failure(const vmap::Result<T>& expected,
                                                           const vmap::Result<T>& actual, bool metadata_failed) {
  if (actual == expected) return std::nullopt;
  const bool excused = expected && actual.error() == vmap::Error::out_of_memory;
  if (excused && metadata_failed) return std::nullopt;
  auto violation = wrong_answer(expected, actual);
  if (excused) violation->detail += ", though no request for metadata failed";
  return violation;
}

/// Whether an invariant could be checked on what was observed. The error says how it is broken.
enum class Checked : bool { no, yes };
using CheckResult = std::expected<Checked, std::string>;

struct Check {
  vmap::Invariant invariant;
  CheckResult (*result)(const ReferenceModel& model, const Observation& seen, const Step& step);
};

/// In the order in which they are made.
struct Checks {
  std::span<const Check> layout;   ///< overlap, partition, coalescing
  std::span<const Check> count;    ///< classification, on the number of free blocks
  std::span<const Check> tree;     ///< tree, augment, atomicity; requires that those of the layout hold
  std::span<const Check> account;  ///< memory, cost
};
extern const Checks checks;

/// answer: what stats() says is true. The first counter that is not.
[[nodiscard]] std::optional<std::string> untrue_counter(const Observation& seen, const Step& step);
/// answer: stats() has counted nothing yet, whatever had to be done to import what was busy.
[[nodiscard]] bool has_counted(const vmap::Stats& stats);

/// True if the subject lists the model's areas, in their order, and the gaps between them.
[[nodiscard]] bool is_right(const Layout& layout, const ReferenceModel& model, const std::vector<Range>& gaps);
/// True if a descent to `begin` met the free blocks that the model has around it.
[[nodiscard]] bool is_right(const Near& near, const ReferenceModel& model, Address begin);

}  // namespace vmapcheck
