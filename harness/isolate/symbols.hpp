// SPDX-License-Identifier: Apache-2.0
//
// Names, files and lines for the addresses of a stack, for the signatures and reports of runs that died; and whose code
// died, the subject's or the harness's.
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
#include <string_view>
#include <vector>

#include "harness/isolate/failure.hpp"

namespace vmapcheck {

/// The functions at `address` as they stand in the source, the innermost first (more than one where calls were
/// inlined). `address` is one of this program, or of a child that it forked.
[[nodiscard]] const std::vector<Frame>& frames_at(std::uintptr_t address);

/// "f at file:line", or as much of it as is known; as short as it can be from the folder in which this program runs.
[[nodiscard]] std::string text_of(const Frame& frame);

/// What a sanitizer has printed, with functions, files and lines in its stacks: "#0 0x55d0c0de (module+0xc0de)" becomes
/// "#0 0x55d0c0de in f at file:line".
[[nodiscard]] std::string symbolized(std::string_view report);

/// The program that is asked for functions, files and lines; empty where none was found: then functions are known only
/// where the dynamic linker knows them, and files and lines are not.
[[nodiscard]] const std::string& symbolizer();

/// What a stack says of a death.
struct Blame {
  /// It happened in the code of the harness, and no code of a subject called that: the executor, the model or what
  /// they use is at fault.
  bool harness = false;
  /// The functions, the innermost first, as function_name() writes them, without those of the standard library: the
  /// subject's, up to the harness, which called it; or the harness's, up to the executor. A function that called itself
  /// appears once, where it was innermost.
  std::vector<Frame> frames{};
};

[[nodiscard]] Blame blame_for(std::span<const std::uintptr_t> stack);

}  // namespace vmapcheck
