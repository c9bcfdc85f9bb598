// SPDX-License-Identifier: Apache-2.0
//
// What a campaign is told on the command line.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "subjects/registry.hpp"
#include "tools/options.hpp"

namespace vmapcheck::tool {

struct CampaignOptions {
  std::string directory = "vmapcheck-campaign";
  std::uint64_t workers = 1;
  std::optional<std::chrono::nanoseconds> time;
  std::optional<std::uint64_t> executions;
  std::optional<std::chrono::nanoseconds> plateau;
  std::optional<std::uint64_t> disk;              ///< bytes
  std::uint64_t memory = std::uint64_t{2} << 30;  ///< bytes, of each worker
  bool stop_on_first = false;
  std::string known;  ///< file of signatures
  std::string engine = "libfuzzer";
  std::string target;
  std::vector<std::string> engine_flags;
};

}  // namespace vmapcheck::tool
