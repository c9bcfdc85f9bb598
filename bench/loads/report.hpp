// SPDX-License-Identifier: Apache-2.0
//
// Results as text, as JSON and as a page.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>

#include "bench/loads/results.hpp"

namespace vmapcheck::bench {

using nlohmann::ordered_json;

/// "9.6 ns", "1.2 us", "60 ms": three digits.
[[nodiscard]] std::string time_of(double ns);

/// Rows of one load, which have all their subjects for each number of areas; of recordings all rows. As many columns as
/// fit.
[[nodiscard]] std::string text_of(std::span<const Row> rows, std::size_t columns);

/// What has changed, a line for each row that is news, and a last one that counts; `file` is what it is compared with.
[[nodiscard]] std::string text_of(std::span<const Change> changed, const Context& before, const Context& now,
                                  const std::string& file);

/// The object of `bench --json`, and back. The latter stops with Exit::usage where the text is none of this format.
[[nodiscard]] ordered_json json_of(const Results& results);
[[nodiscard]] ordered_json json_of(std::span<const Change> changed);
[[nodiscard]] Results results_from(const std::string& text, const std::string& file);

/// One file that loads nothing. `notes` are said above the charts.
[[nodiscard]] std::string page_of(const Results& results, std::span<const std::string> notes);

/// Rows of one load after another, in the order in which they were measured; recordings are one.
[[nodiscard]] std::vector<std::span<const Row>> by_load(std::span<const Row> rows);

[[nodiscard]] std::string meaning_of(std::span<const Row> rows);
/// Who was skipped, from which number of areas on if not from the first, and why: "linear_scan with 100,000 areas:
/// takes longer than 2 s to make".
[[nodiscard]] std::vector<std::string> skips_of(std::span<const Row> rows);
[[nodiscard]] bool is_recording(const Row& row);

/// What is counted beside the time: its heading, and its value as text; empty where it is absent.
struct Count {
  std::string_view name;
  std::string_view meaning;
  std::string (*text)(const Row& row);
};
[[nodiscard]] std::span<const Count> all_counts();

}  // namespace vmapcheck::bench
