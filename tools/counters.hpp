// SPDX-License-Identifier: Apache-2.0
//
// What was exercised, as counters with names. Text, JSON and pages are renderings of these pairs:
//
//     named(error_names, errors_of(coverage))     {"invalid_argument":0,"no_space":3,...}
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "harness/verify/coverage.hpp"
#include "model/op.hpp"
#include "vmap/error.hpp"
#include "vmap/request.hpp"
#include "vmap/violation.hpp"

namespace vmapcheck {

/// One for each counter. The library has those of ops, invariants, coalescings and tree cases.
using Names = std::span<const std::string_view>;
using Counters = std::span<const std::uint64_t>;

template <class Enum, std::size_t n>
[[nodiscard]] constexpr std::array<std::string_view, n> names_of_all() {
  std::array<std::string_view, n> names;
  for (std::size_t i = 0; i < n; ++i) names[i] = name(static_cast<Enum>(i));
  return names;
}
inline constexpr auto error_names = names_of_all<vmap::Error, vmap::error_count>();
inline constexpr auto fit_names = names_of_all<vmap::FitType, vmap::fit_type_count>();

/// By kind of op: those that were not skipped.
[[nodiscard]] constexpr std::array<std::uint64_t, op_kind_count> performed_of(const Coverage& coverage) {
  auto performed = coverage.ops;
  for (std::size_t i = 0; i < op_kind_count; ++i) performed[i] -= std::min(performed[i], coverage.skipped[i]);
  return performed;
}

/// The sum of all rows.
template <std::size_t columns, std::size_t rows>
[[nodiscard]] constexpr std::array<std::uint64_t, columns> sum_of(
    const std::array<std::array<std::uint64_t, columns>, rows>& matrix) {
  std::array<std::uint64_t, columns> sum{};
  for (const auto& row : matrix)
    for (std::size_t i = 0; i < columns; ++i) sum[i] += row[i];
  return sum;
}

/// Of all ops, by error.
[[nodiscard]] constexpr auto errors_of(const Coverage& coverage) { return sum_of(coverage.errors); }

/// How often each invariant was checked: after all ops, and at the begin and the end of runs.
[[nodiscard]] constexpr auto checks_of(const Coverage& coverage) { return sum_of(coverage.checks); }

}  // namespace vmapcheck
