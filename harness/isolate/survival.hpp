// SPDX-License-Identifier: Apache-2.0
//
// Runs work in this process and survives its death, so that a fuzz target can go on past a known fault without a
// process for each input.
//
//     const auto death = survive([](Beacon& beacon) { beacon.at(Phase::op, 0); });   // nullopt: it came to its end
//
// It survives deadly signals, a stack that overflows, uncaught exceptions, std::terminate, a step that does not end
// (by its processor time), and what AddressSanitizer and UndefinedBehaviorSanitizer report, if the code under test was
// compiled with -fsanitize-recover and they run with halt_on_error=0; the work then ends at the next Beacon::at().
//
// What lives when the work dies is not destroyed: its memory is lost, locks that it held stay locked, what it has
// corrupted is corrupt. Who calls this often should now and then begin in a new process (see deaths_survived()). What
// ends the process (exit, the kernel for want of memory) is not survived; isolation.hpp is for that.
//
// To be called always from the same thread. POSIX.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

#include "harness/isolate/beacon.hpp"
#include "harness/isolate/death.hpp"

namespace vmapcheck {

/// How `work` died, or nullopt. The first call installs handlers, which hand on whatever does not happen in `work`; its
/// `cpu` is the processor time that a step may take. An uncaught exception is a death; none may leave `work` to be
/// caught outside.
[[nodiscard]] std::optional<Death> survive(const std::function<void(Beacon& beacon)>& work,
                                           std::chrono::milliseconds cpu = std::chrono::milliseconds(1500));

/// How many deaths were survived in this process: each may have cost memory.
[[nodiscard]] std::uint64_t deaths_survived();

}  // namespace vmapcheck
