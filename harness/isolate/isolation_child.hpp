// SPDX-License-Identifier: Apache-2.0
//
// The child's side of isolation.hpp: it works, and notes how it dies.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "harness/isolate/beacon.hpp"
#include "harness/isolate/isolation.hpp"

namespace vmapcheck {

/// The items that a child works on.
struct Task {
  const Work& work;
  std::uint64_t first;
  std::uint64_t count;
  int answer_to;  ///< file
};

/// All that the child does, after the fork. `output` is the file for what it prints.
[[noreturn]] void be_the_child(Beacon::Shared& shared, const Task& task, int output, const Limits& limits,
                               pid_t parent);

}  // namespace vmapcheck
