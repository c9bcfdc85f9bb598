// SPDX-License-Identifier: Apache-2.0
//
// Faulty subjects: our allocator with one fault each, on which it is measured how failures are found, shortened and
// replayed.
//
// The canaries ask whether each invariant is checked at all; these ask what is made of a failure. Each does what no
// change of a single token does (those are made by systematic mutation, docs/mutation.md): it dies in a way of its own,
// or it needs a history, because its fault waits in hidden state for an order of steps, for the n-th step of a kind, or
// for a place. Each is deterministic: its state is in the subject, so that a trace shows the same in every process.
//
//     for (const FaultySubject& fault : faulty_subjects())
//       std::printf("%s: %s\n", fault.entry.name.c_str(), std::string(fault.shows).c_str());
//
// A fault that dies takes the process with it: run it in a process of its own, with limits on its time and memory.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "subjects/registry.hpp"
#include "vmap/violation.hpp"

namespace vmapcheck {

/// The deaths that faults die, as FaultySubject::shows names them.
inline constexpr std::array<std::string_view, 7> death_names{"SIGSEGV", "SIGABRT",   "SIGFPE",      "hang",
                                                             "exit",    "exception", "memory-limit"};

struct FaultySubject {
  SubjectEntry entry;  ///< named fault_<what>

  /// What it must be found by: the name of the first invariant broken, or one of death_names. That of a build without
  /// sanitizers on Linux and x86-64; AddressSanitizer reports a memory fault where it happens, before it kills.
  std::string_view shows;

  /// A trace that shows it at its last op (or at the end, when the subject is destroyed).
  std::string trace;

  /// True if it was shown that no trace with fewer ops does, whatever the space and its busy ranges.
  bool shortest = true;

  [[nodiscard]] bool dies() const { return !vmap::invariant_named(shows).has_value(); }
};

/// Those that break an invariant, then those that die.
[[nodiscard]] std::span<const FaultySubject> faulty_subjects();

/// Those on which failures are not measured: five faults at once (five_faults), one whose failures do not come again
/// (flaky), and one whose state is not seen (worn_out).
[[nodiscard]] std::vector<SubjectEntry> faulty_specimens();

}  // namespace vmapcheck
