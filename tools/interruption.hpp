// SPDX-License-Identifier: Apache-2.0
//
// Ctrl-C and its relatives: the first asks the command to come to its end, the second ends it.
#pragma once

#include <signal.h>

namespace vmapcheck::tool {

inline volatile sig_atomic_t interrupt_signal = 0;

[[nodiscard]] inline bool interrupted() { return interrupt_signal != 0; }

/// SIGINT, SIGTERM and SIGHUP are noted; they interrupt a read that waits. A signal that is ignored stays ignored.
inline void watch_for_interrupts() {
  struct sigaction note{};
  note.sa_handler = [](int number) { interrupt_signal = number; };
  note.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before{};
    if (sigaction(number, nullptr, &before) == 0 && before.sa_handler != SIG_IGN) sigaction(number, &note, nullptr);
  }
}

}  // namespace vmapcheck::tool
