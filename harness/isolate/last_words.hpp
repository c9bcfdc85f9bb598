// SPDX-License-Identifier: Apache-2.0
//
// A process notes how it dies while there is time: deadly signals, uncaught exceptions, a step that uses up its
// processor time.
//
// The caller decides what comes then: a child of isolation.hpp ends; survival.hpp goes on.
#pragma once

#include <chrono>
#include <optional>

#include "harness/isolate/beacon.hpp"
#include "harness/isolate/death.hpp"

namespace vmapcheck {

struct LastWords {
  Beacon::Shared* page = nullptr;    ///< where the death is noted; must outlive the handlers
  void (*leave)() = nullptr;         ///< called in the handler after that; does not come back
  bool memory_faults = true;         ///< handle SIGSEGV and its relatives; else a sanitizer reports them
  bool all_signals = false;          ///< handle whatever ends a process, including SIGTERM and its like
  std::chrono::milliseconds cpu{0};  ///< processor time that a step may use up
  /// Called in the handler. If it returns false, the handlers that were there before are called.
  bool (*is_wanted)() = nullptr;
};

/// Installs the handlers, once for each process. Ticks of processor time come as SIGPROF.
void note_last_words(const LastWords& words);

/// Gives this thread a stack of its own for handlers, so that its stack may overflow.
void stand_on_signal_stack();

/// The processor time of a step counts from here on.
void restart_cpu_time();

/// What was noted.
[[nodiscard]] std::optional<Death> noted_death(const Beacon::Shared& page);

/// The handler of `new` where memory is limited: notes that the limit was reached.
void note_no_memory();

}  // namespace vmapcheck
