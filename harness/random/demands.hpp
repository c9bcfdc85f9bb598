// SPDX-License-Identifier: Apache-2.0
//
// Demanded coverage: what a run must have exercised if its silence is to mean something.
//
//     const auto demand = parse_demand("fit.no_edge>=1%");   // or an error that says what is wrong with it
//     const CheckReport report;                              // of a run
//     if (demand && !reached(*demand, report).met) std::puts("missed");
//
// A demand is NAME OP NUMBER: a metric, one of >= > <= < ==, and a count (300, 2.5, 10k, 1m) or a percentage of what
// the metric is a part of, which metrics() says. A percentage of nothing is missed, and so is a demand for the mean or
// the maximum of what the run has not measured.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "harness/random/check.hpp"

namespace vmapcheck {

/// What a run came to.
struct Amount {
  double number = 0;
  std::optional<double> whole{};  ///< of which it is a part
  bool measured = true;
};

/// Something that can be demanded.
struct Metric {
  std::string name;
  std::string meaning;
  std::string whole;      ///< what a percentage is of; empty if there is none
  bool observed = false;  ///< needs CheckOptions::observe
  std::function<Amount(const CheckReport&)> measure;
};

/// All of them, in the order in which they are listed.
[[nodiscard]] std::span<const Metric> metrics();

enum class Comparison : std::uint8_t { at_least, above, at_most, below, equal };

struct Demand {
  std::string text;  ///< as it was written, without blanks
  const Metric* metric = nullptr;
  Comparison comparison = Comparison::at_least;
  double number = 0;
  bool percent = false;
};

/// The error says what was expected, or which name may have been meant.
[[nodiscard]] std::expected<Demand, std::string> parse_demand(std::string_view text);

struct Reached {
  Amount amount;
  bool met = false;
};
[[nodiscard]] Reached reached(const Demand& demand, const CheckReport& report);

/// In percent; nothing where there is nothing to be a part of.
[[nodiscard]] std::optional<double> percent_of(const Amount& amount);

}  // namespace vmapcheck
