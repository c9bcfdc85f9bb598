// SPDX-License-Identifier: Apache-2.0
//
// Work in this process that may die, and what comes back from its death: for a fuzz target that is to go on past a
// fault which is known, without a process for each input.
//
//     const auto death = survive([](Beacon& beacon) { beacon.at(Phase::op, 0); });   // nothing: it came to its end
//
// It survives deadly signals, a stack that overflows, uncaught exceptions, std::terminate, a step that does not end
// (by its processor time), and what AddressSanitizer and UndefinedBehaviorSanitizer report, if the code under test was
// compiled with -fsanitize-recover and they run with halt_on_error=0; the work then ends at the next Beacon::at().
//
// Nothing is destroyed that lives when the work dies: its memory is lost, locks that it held stay locked, what it has
// corrupted is corrupt. Who calls this again and again should now and then begin in a new process (see deaths()). What
// ends the process (exit, the kernel for want of memory) is not survived; isolation.hpp is for that.
//
// One thread, which is always the same. POSIX.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

#include "harness/isolate/beacon.hpp"
#include "harness/isolate/death.hpp"

namespace vmapcheck {

/// How `work` died. The first call installs handlers, which hand on all that does not happen in `work`; `cpu` of that
/// call is the processor time that a step may take. `work` throws nothing that it means to be caught outside.
[[nodiscard]] std::optional<Death> survive(const std::function<void(Beacon& beacon)>& work,
                                           std::chrono::milliseconds cpu = std::chrono::milliseconds(1500));

/// How many deaths were survived in this process: each may have cost memory.
[[nodiscard]] std::uint64_t deaths_survived();

}  // namespace vmapcheck
