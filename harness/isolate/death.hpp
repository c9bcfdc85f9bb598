// SPDX-License-Identifier: Apache-2.0
//
// How a process died, and how it finds that out itself: by its stack, the signal, what a sanitizer reports.
#pragma once

#include <signal.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "harness/isolate/failure.hpp"

namespace vmapcheck {

/// How a run died, and where it was.
struct Death {
  FailureKind kind = FailureKind::signal;
  Phase phase = Phase::op;
  std::uint64_t step = 0;
  std::string what{};                    ///< as Failure::what
  std::string detail{};                  ///< what the exception said
  std::vector<std::uintptr_t> frames{};  ///< return addresses, the innermost first
  std::string report{};                  ///< what was printed, its last 64 KiB
  bool by_other = false;                 ///< another process sent the signal, or may have
};

/// A stack as it is taken where something dies: return addresses, the innermost first.
struct Stack {
  static constexpr int frames_max = 64;
  int count = 0;
  void* frames[frames_max] = {};

  /// Takes the stack of the caller. If the address `from` is on it, frames inside of that one (those of the handler of
  /// a signal) are left out. Safe in the handler of a signal once load_unwinder() was called.
  void take(const void* from);
  [[nodiscard]] std::vector<std::uintptr_t> addresses() const;
};

/// Loads the library that taking a stack needs, which a handler must not do.
void load_unwinder();

/// From what the handler of a signal is given: where the program was, and whether it had used up its stack.
[[nodiscard]] const void* pc_of(const void* context);
[[nodiscard]] bool is_stack_overflow(int number, const siginfo_t& info, const void* context);

/// "SIGSEGV"
[[nodiscard]] std::string signal_name(int number);

/// "heap-use-after-free" for "SUMMARY: AddressSanitizer: heap-use-after-free (...) in f". Empty if there is no report.
[[nodiscard]] std::string sanitizer_verdict(std::string_view report);
/// The addresses in the first stack of a sanitizer's report: lines "    #0 0x55d0c0de ...".
[[nodiscard]] std::vector<std::uintptr_t> sanitizer_frames(std::string_view report);
/// The kind of death that such a verdict means.
[[nodiscard]] FailureKind kind_of(std::string_view verdict);

/// AddressSanitizer watches this program, or the part of it that is under test.
[[nodiscard]] bool is_sanitized();

}  // namespace vmapcheck
