// SPDX-License-Identifier: Apache-2.0
//
// The names of the functions on a stack, for the signatures of runs that died.
//
// `llvm-symbolizer` or `addr2line`, whichever there is, does the work, and runs as long as this program. Without either
// the dynamic linker's table does. Each address is looked up once.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace vmapcheck {

/// The functions at `address` as the source names them, the innermost first: more than one where calls were inlined,
/// "module+0x1234" where nothing is known. `address` is one of this program or of a child that it forked.
[[nodiscard]] const std::vector<std::string>& functions_at(std::uintptr_t address);

/// The subject's frames on a stack, the innermost first, as function_name() writes them: what lies between the harness,
/// which called it, and the standard library, which it called. A function that called itself appears once.
[[nodiscard]] std::vector<std::string> subject_frames(std::span<const std::uintptr_t> stack);

}  // namespace vmapcheck
