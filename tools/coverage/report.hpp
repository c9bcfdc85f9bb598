// SPDX-License-Identifier: Apache-2.0
//
// What `coverage` found, as text, as JSON and as a page.
//
// The matrix. A row is a kind of op; the columns are what can come of it (the fit types, the errors, skipped) and the
// invariants, each with how often. A cell that is zero has either a reason for which it cannot be anything else, or is
// listed as never exercised.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/verify/coverage.hpp"
#include "tools/coverage/measure.hpp"

namespace vmapcheck::tool {

/// A part of what was run.
struct CoverageSource {
  std::string name;  ///< "corpus"
  std::string what;  ///< "44 traces, 9000 ops"
  Ratio lines;       ///< by this part alone; of what is reachable
  Ratio branches;
};

struct CoverageReport {
  std::vector<CoverageSource> sources;
  Measured measured;
  std::string list;  ///< the file that names what is unreachable
  std::vector<Exclusion> exclusions;
  std::vector<std::string> defects;   ///< of the list
  std::optional<Coverage> exercised;  ///< where traces were run
};

/// One cell of the matrix.
struct Cell {
  std::string_view row;
  std::string_view column;
  std::uint64_t count = 0;
  std::string_view cannot;  ///< why it is zero in every run; empty where it could be more
};
/// By rows.
[[nodiscard]] std::vector<std::vector<Cell>> outcome_matrix(const Coverage& coverage);
[[nodiscard]] std::vector<std::vector<Cell>> invariant_matrix(const Coverage& coverage);
/// What could have happened and did not: "alloc-at: out_of_memory", "coalescing both", ...
[[nodiscard]] std::vector<std::string> never_exercised(const Coverage& coverage);

[[nodiscard]] std::string text_of(const CoverageReport& report);
[[nodiscard]] nlohmann::ordered_json json_of(const CoverageReport& report);
/// One file that loads nothing. `lines` is the page, beside it, that shows the source with its counts; or empty.
[[nodiscard]] std::string page_of(const CoverageReport& report, std::string_view lines);

}  // namespace vmapcheck::tool
