// SPDX-License-Identifier: Apache-2.0
//
// What `check` says of a run beside its coverage: histograms, demands and what was reached, warnings.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "harness/random/check.hpp"
#include "harness/random/demands.hpp"

namespace vmapcheck::tool {

/// Of ops, outcomes and sizes, as bars of ASCII in at most 80 columns, or as many as are given. Requires
/// CheckReport::histograms.
[[nodiscard]] std::string histograms_text(const CheckReport& report, std::size_t columns);
[[nodiscard]] nlohmann::ordered_json histograms_json(const CheckReport& report);

/// What a soak reached: areas, depth of the tree, nodes that an op visited. Requires CheckReport::histograms.
[[nodiscard]] std::string soak_text(const CheckReport& report);
[[nodiscard]] nlohmann::ordered_json soak_json(const CheckReport& report);

/// "0x0123456789abcdef" where every case was run to its end, else null; requires CheckReport::histograms.
[[nodiscard]] nlohmann::ordered_json states_hash_json(const CheckReport& report);

/// Each demand, whether it was met, and what was reached.
[[nodiscard]] std::string demands_text(const std::vector<Demand>& demands, const CheckReport& report,
                                       std::size_t columns);
[[nodiscard]] nlohmann::ordered_json demands_json(const std::vector<Demand>& demands, const CheckReport& report);
[[nodiscard]] std::size_t demands_missed(const std::vector<Demand>& demands, const CheckReport& report);

/// All names that can be demanded, with what they count.
[[nodiscard]] std::string metrics_text(std::size_t columns);

}  // namespace vmapcheck::tool
