// SPDX-License-Identifier: Apache-2.0
//
// Exhaustive exploration: every state that any sequence of moves can reach, each transition checked.
//
// It goes breadth first, so that the first violation is also one with the fewest moves. Workers share the set of states
// met and the level that is being expanded. A worker enters a state by making the moves that lead to it, on a subject
// that it can rewind (executor.hpp) or makes anew. The states, the number of transitions, the depth and the violation
// reported do not depend on the number of workers.
//
// A state met again is not expanded again, which is right only if what tells states apart decides what the subject
// does. So other ways to states are tried: from each of a sample of states a walk of some moves begins, and in each
// state of the walk every move is made and checked. If the subject says that what tells states apart decides, the
// walk's last state that was met before is also expanded on its first way: the same moves must lead to the same states.
// What a walk finds is reported when all shorter sequences of moves have been tried. Which walks are made depends only
// on the states.
//
// Everything runs in a child process (isolation.hpp): a subject that dies is a finding, with the moves that killed it.
//
// A state file keeps an exploration that was interrupted or killed. It is written at intervals and when the run is told
// to end, whole or not at all, and removed when the run is complete.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "harness/explore/world.hpp"
#include "harness/isolate/death.hpp"
#include "harness/isolate/isolation.hpp"
#include "vmap/violation.hpp"

namespace vmapcheck {

struct ExploreReport;

struct ExploreOptions {
  std::uint64_t depth_max = explore_depth_max;     ///< moves; at most explore_depth_max
  unsigned jobs = 1;                               ///< threads
  std::optional<std::chrono::nanoseconds> time{};  ///< ends the run; what is left is for the next
  std::string state_file{};                        ///< empty: none is written or read
  std::string identity{};                          ///< of what is explored: the state file of something else is refused
  bool afresh = false;                             ///< the state file is not read, and overwritten
  std::chrono::nanoseconds save_every = std::chrono::minutes(1);
  Limits limits{.cpu = std::chrono::seconds(5), .memory = std::size_t{1} << 40};
  /// Called every few hundredths of a second; false ends the run.
  std::function<bool(const ExploreReport&)> on_progress{};
};

struct ExploreReport {
  std::uint64_t states = 0;
  std::uint64_t layouts = 0;      ///< states that differ in what is busy, lazily freed and free; counted at the end
  std::uint64_t transitions = 0;  ///< moves made and checked
  std::uint64_t depth = 0;        ///< moves to the farthest state met
  std::uint64_t level = 0;        ///< the depth that is being expanded
  std::uint64_t level_states = 0;
  std::uint64_t level_done = 0;
  bool complete = false;  ///< from every state every move was made
  bool resumed = false;
  bool interrupted = false;  ///< on_progress() or the time ended it
  bool saved = false;        ///< the state file has what was done
  Exercised exercised;
  std::size_t bytes = 0;               ///< of the set of states
  std::chrono::nanoseconds elapsed{};  ///< of this run and those that it goes on from
  std::chrono::nanoseconds cpu{};      ///< processor time, the same
  struct Found {
    std::vector<Move> moves;
    std::string line;           ///< of a trace, behind the moves; or empty
    bool astray = false;        ///< on a walk: there may be a way with fewer moves
    std::vector<Move> other{};  ///< another way to the same state, from which the last move leads elsewhere
    std::optional<vmap::Violation> violation;  ///< either this
    std::optional<Death> death;                ///< or this
  };
  std::optional<Found> found;
};

struct ExploreError {
  enum class Kind { subject, state_file, io } kind = Kind::subject;
  std::string text;  ///< one line
};

[[nodiscard]] std::expected<ExploreReport, ExploreError> explore(const Territory& territory,
                                                                 const ExploreOptions& options);

}  // namespace vmapcheck
