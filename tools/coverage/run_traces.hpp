// SPDX-License-Identifier: Apache-2.0
//
// The part of `coverage` that is executed under a profile: a process that runs traces on our allocator, each checked as
// replay and check do, and says what that exercised.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>

#include "harness/verify/coverage.hpp"

namespace vmapcheck::tool {

/// What a run of traces exercised.
struct Exercised {
  Coverage coverage;
  std::uint64_t traces = 0;
  std::uint64_t failed = 0;  ///< of those
};

/// What that process says, in one line; those counters of Coverage that the report shows.
[[nodiscard]] nlohmann::ordered_json json_of(const Exercised& exercised);
/// Throws nlohmann::json::exception where it is something else.
[[nodiscard]] Exercised exercised_of(const nlohmann::ordered_json& json);

}  // namespace vmapcheck::tool
