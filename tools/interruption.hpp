// SPDX-License-Identifier: Apache-2.0
//
// Ctrl-C and its relatives: the first asks the command to come to its end, a later one ends it.
#pragma once

#include <signal.h>

#include <ctime>
#include <initializer_list>

namespace vmapcheck::tool {

inline volatile sig_atomic_t interrupt_signal = 0;
inline timespec interrupted_at{};

[[nodiscard]] inline bool interrupted() { return interrupt_signal != 0; }

/// 0 if there was none.
[[nodiscard]] inline double seconds_since_interrupt() {
  if (!interrupted()) return 0;
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec - interrupted_at.tv_sec) +
         static_cast<double>(now.tv_nsec - interrupted_at.tv_nsec) / 1e9;
}

/// Those who send a signal to a process and to its group send it twice: what comes at once is one.
inline void note_interrupt(int number) {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  if (!interrupted()) {
    interrupted_at = now;
    interrupt_signal = number;
    return;
  }
  const auto milliseconds =
      (now.tv_sec - interrupted_at.tv_sec) * 1000 + (now.tv_nsec - interrupted_at.tv_nsec) / 1'000'000;
  if (milliseconds < 500) return;
  signal(number, SIG_DFL);
  raise(number);
}

/// SIGINT, SIGTERM and SIGHUP are noted; they interrupt a read that waits. A signal that is ignored stays ignored.
inline void watch_for_interrupts() {
  struct sigaction note{};
  note.sa_handler = note_interrupt;
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before{};
    if (sigaction(number, nullptr, &before) == 0 && before.sa_handler != SIG_IGN) sigaction(number, &note, nullptr);
  }
}

}  // namespace vmapcheck::tool
