// SPDX-License-Identifier: Apache-2.0
//
// How a fuzz target is started: the engine's flags, and what the target is told in its environment.
//
// Plain libFuzzer processes that reload a shared corpus do several times the work of its own -fork on a target this
// fast.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "tools/campaign/options.hpp"
#include "tools/campaign/workers.hpp"

namespace vmapcheck::tool {

/// Records of an input: with a few hundred, traces reach about a hundred free blocks, and still run by the thousand per
/// second.
inline constexpr std::size_t records_max = 256;

/// What was learned of a target before the campaign begins.
struct Target {
  std::string path;
  std::string build;    ///< a hash of its contents
  bool counts = false;  ///< in a tally, and it can survive what it finds
};

/// Looks for the program.
[[nodiscard]] Target find_target(const CampaignOptions& options);
/// True if a target has counted in that tally. Stops with Exit::subject if it is one of another version.
[[nodiscard]] bool has_counted(const std::string& tally, const std::string& target);

/// How long a target may take for one input: a minute, or less if the campaign is to take less.
[[nodiscard]] std::chrono::nanoseconds probe_time(const CampaignOptions& options);

/// Looks for the program, and runs it for an instant in DIRECTORY/probe. Stops with Exit::subject if it is no program,
/// no fuzz target, not instrumented, of another version, or cannot start.
[[nodiscard]] Target probe_target(const CampaignOptions& options, const std::string& subject);

/// Worker `number` of the campaign in `options.directory`, from `seed`.
[[nodiscard]] Command worker_command(const CampaignOptions& options, const Target& target, const std::string& subject,
                                     std::uint64_t number, std::uint64_t seed);

}  // namespace vmapcheck::tool
