// SPDX-License-Identifier: Apache-2.0
//
// Names of functions for the addresses of a stack, for the signatures of runs that died; and whose code died, the
// subject's or the harness's.
//
// The work is done by `llvm-symbolizer` or `addr2line`, whichever there is, which runs for as long as this program
// does, and by the dynamic linker's table where there is neither. Each address is looked up once.
//
// Whose code a function is, is said by the file that it was compiled from, as debug information has it for each
// function, also for those that were inlined: the subject and what judges it are inlined into each other, and a
// template or inline function that both use is one function, wherever the linker took it from. Hence:
//  - Code of the harness's headers that a subject runs is the subject's doing, and code of a subject that the harness
//    runs is, too: who called, decides (see Blame).
//  - Without debug information (release builds of this project have it), or without a symbolizer, nothing is the
//    harness's.
//  - Where a subject is compiled into this program, its own file in a folder harness/verify/, or of another room's
//    name, is taken for the harness's. In a shared object of its own, nothing is.
//  - A subject shares its memory with the harness. What it has overwritten may make the harness die. Code cannot tell
//    that apart; run the trace on the model instead of the subject (failure_of() in harness/verify/isolated.hpp).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace vmapcheck {

struct Frame {
  std::string function;  ///< as it stands in the source; "module+0x1234" where nothing is known
  std::string file{};    ///< that it was compiled from; empty or "??" where that is not known
};

/// The functions at `address`, the innermost first (more than one where calls were inlined). `address` is one of this
/// program, or of a child that it forked.
[[nodiscard]] const std::vector<Frame>& frames_at(std::uintptr_t address);

/// What a stack says of a death.
struct Blame {
  /// It happened in the code of the harness, and no code of a subject called that: the executor, the model or what
  /// they use is at fault.
  bool harness = false;
  /// The functions, the innermost first, as function_name() writes them, without those of the standard library: the
  /// subject's, up to the harness, which called it; or the harness's, up to the executor. A function that called itself
  /// appears once.
  std::vector<std::string> frames{};
};

[[nodiscard]] Blame blame_for(std::span<const std::uintptr_t> stack);

}  // namespace vmapcheck
