// SPDX-License-Identifier: Apache-2.0
//
// How a fuzz target is started: the engine's flags, and what the target is told in its environment.
//
// Plain libFuzzer processes that reload a shared corpus do several times the work of its own -fork on a target this
// fast.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/campaign/workers.hpp"
#include "tools/options.hpp"

namespace vmapcheck::tool {

/// What a campaign is told on the command line.
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

/// Waits until the target has come to the end of its one input, for a minute, or less if the campaign is to take less.
/// Stops with Exit::subject if it does not, with Exit::interrupted if the user wants it.
void wait_for_probe(Worker& probe, const CampaignOptions& options, const std::string& target);
/// That the target ended badly: how, its last line, and where its log is. Requires that it does not run.
[[nodiscard]] Stop bad_end(const Worker& worker, const std::string& target, const std::string& how);

/// Looks for the program, and runs it for an instant in DIRECTORY/probe. Stops with Exit::subject if it is no program,
/// no fuzz target, not instrumented, of another version, or cannot start.
[[nodiscard]] Target probe_target(const CampaignOptions& options, const std::string& subject);

/// Worker `number` of the campaign in `options.directory`, from `seed`.
[[nodiscard]] Command worker_command(const CampaignOptions& options, const Target& target, const std::string& subject,
                                     std::uint64_t number, std::uint64_t seed);

}  // namespace vmapcheck::tool
