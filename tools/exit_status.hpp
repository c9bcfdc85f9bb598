// SPDX-License-Identifier: Apache-2.0
//
// How a command ends. The numbers are part of the contract, and mean the same for every command.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace vmapcheck::tool {

enum class Exit : int {
  ok = 0,
  usage = 2,
  subject = 3,
  io = 4,
  interrupted = 5,
  violation = 10,
  known = 11,
  flaky = 12,
  not_reproduced = 13,
  coverage = 14,
  oracle = 15,
};

struct ExitMeaning {
  Exit status;
  std::string_view meaning;
};

inline constexpr std::array<ExitMeaning, 11> exit_meanings{{
    {Exit::ok, "nothing found"},
    {Exit::usage, "usage (an unknown subject, too), or malformed input"},
    {Exit::subject, "the subject cannot be run"},
    {Exit::io, "input or output"},
    {Exit::interrupted, "interrupted, state saved"},
    {Exit::violation, "a violation"},
    {Exit::known, "known violations only"},
    {Exit::flaky, "flaky: what failed once did not fail again"},
    {Exit::not_reproduced, "did not reproduce"},
    {Exit::coverage, "a demanded coverage was missed"},
    {Exit::oracle, "vmapcheck itself is at fault"},
}};

/// Ends the command: thrown from wherever it becomes clear that there is nothing more to do.
struct Stop {
  Exit status;
  std::string line;  ///< for standard error, without prefix and newline; empty: nothing is to be said
};

}  // namespace vmapcheck::tool
