// SPDX-License-Identifier: Apache-2.0
//
// How a process dies, noted from inside of it while there is time: deadly signals, uncaught exceptions, a step that
// uses up its processor time.
//
// What comes then is the caller's: a child of isolation.hpp ends; survival.hpp goes on.
#pragma once

#include <chrono>
#include <optional>

#include "harness/isolate/beacon.hpp"
#include "harness/isolate/death.hpp"

namespace vmapcheck {

struct LastWords {
  Beacon::Shared* page = nullptr;    ///< where it is noted; as long as there are handlers
  void (*leave)() = nullptr;         ///< is called then, in the handler, and does not come back
  bool memory_faults = true;         ///< SIGSEGV and its relatives, too; else a sanitizer reports them
  bool all_signals = false;          ///< whatever ends a process, also SIGTERM and its like
  std::chrono::milliseconds cpu{0};  ///< processor time that a step may use up
  /// False: the handlers that were there before are called. In the handler.
  bool (*is_wanted)() = nullptr;
};

/// Installs the handlers. Ticks of processor time come as SIGPROF, on a stack of their own for the thread that calls
/// stand_on_signal_stack(). Once for each process.
void note_last_words(const LastWords& words);

/// A thread whose stack may overflow.
void stand_on_signal_stack();

/// Counts the processor time of a step from here on.
void restart_cpu_time();

/// What was noted.
[[nodiscard]] std::optional<Death> noted_death(const Beacon::Shared& page);

/// Why new has no memory to give, where there is a limit: to be set as its handler.
void note_no_memory();

}  // namespace vmapcheck
