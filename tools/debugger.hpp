// SPDX-License-Identifier: Apache-2.0
//
// A failing trace in gdb, stopped before the op that fails.
#pragma once

#include <string>
#include <vector>

#include "tools/options.hpp"

namespace vmapcheck::tool {

/// Finds out where the one trace fails, then becomes gdb, which runs this program on it again, in one process, up to
/// that op. Comes back only if that cannot be: a Stop with Exit::subject where there is no gdb, with Exit::usage for
/// more than one file; Exit::not_reproduced where the trace does not fail.
Exit debug(const std::vector<std::string>& files, const SubjectEntry& subject);

/// The command `step-to`, which gdb runs: not for people, and not listed.
void add_step_to(CLI::App& app, Session& session);

}  // namespace vmapcheck::tool
