// SPDX-License-Identifier: Apache-2.0
//
// A command's work on a subject, in a child: what it says through out() is not lost when the subject dies, a Stop that
// it throws is thrown here, and Ctrl-C ends it.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>

#include "harness/isolate/isolation.hpp"
#include "harness/verify/executor.hpp"

namespace vmapcheck::tool {

/// How the run of a trace ended.
struct Ran {
  std::size_t steps = 0;  ///< performed; the last of them may have failed
  std::optional<Failure> failure;
  std::string told;  ///< what the child told, see Beacon::tell()
};

/// Runs `work` on `trace`; it returns what failed, if anything. Stops with Exit::interrupted if the user wants it.
/// `on_wait` is called in the parent every few hundredths of a second.
[[nodiscard]] Ran run_in_child(const Trace& trace, const std::function<std::optional<Failure>(Beacon& beacon)>& work,
                               const std::function<void()>& on_wait = {});

}  // namespace vmapcheck::tool
