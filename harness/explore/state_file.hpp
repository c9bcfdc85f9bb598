// SPDX-License-Identifier: Apache-2.0
//
// The file of an exploration that was interrupted: every state met, the level that was being expanded, and how far.
//
//     "vmapcheck-explore 1\n", identity, "\n"    what is explored: the file of something else is refused
//     Progress                                   numbers
//     for each shard: its size, its level        numbers
//                     its states                 16 bytes each
//     a checksum of all before it
//
// Numbers are as this machine has them in memory: the file is for this machine only. It is written under another name,
// flushed to the disk and then renamed, so that a run that is killed meanwhile leaves the file that was there before.
#pragma once

#include <cstdint>
#include <expected>
#include <string>

#include "harness/explore/explore.hpp"
#include "harness/explore/state_set.hpp"

namespace vmapcheck {

/// What is kept beside the states, as bytes.
struct ExploreProgress {
  std::uint64_t level = 0;
  std::uint64_t tasks_done = 0;
  std::uint64_t transitions = 0;
  std::uint64_t level_done = 0;
  std::int64_t elapsed = 0;  ///< nanoseconds
  std::int64_t cpu = 0;
  Exercised exercised{};
};

/// Empty, or one line that says why it could not be written.
[[nodiscard]] std::string write_state_file(const std::string& path, const std::string& identity,
                                           const ExploreProgress& progress, const StateSet& states);

/// Reads into an empty set. False if there is no file.
[[nodiscard]] std::expected<bool, ExploreError> read_state_file(const std::string& path, const std::string& identity,
                                                                ExploreProgress& progress, StateSet& states);

}  // namespace vmapcheck
