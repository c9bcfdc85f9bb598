// SPDX-License-Identifier: Apache-2.0
//
// A campaign whose workers are processes of afl-fuzz, which share what they find by themselves.
//
//     DIR/afl/wK/queue      what worker K has kept: the campaign's corpus
//     DIR/afl/wK/crashes    what it has found, until the campaign has looked at it; and hangs
//
// The target counts and skips as under libFuzzer (fuzz/supervised.hpp): it is the same code.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/campaign/engine.hpp"
#include "tools/campaign/workers.hpp"

namespace vmapcheck::tool {

/// As probe_target(), for a target that is linked with AFL++'s driver; afl-fuzz itself looks at its instrumentation.
[[nodiscard]] Target probe_afl_target(const CampaignOptions& options, const std::string& subject);

/// Worker `number`: the first is the main one. It goes on where the last process of that number was.
[[nodiscard]] Command afl_command(const CampaignOptions& options, const Target& target, const std::string& subject,
                                  std::uint64_t number, std::uint64_t seed);

/// What it says of itself in a file, now and then.
[[nodiscard]] Pulse afl_pulse(const std::string& directory, std::uint64_t number);

/// Inputs that it could not digest.
[[nodiscard]] std::vector<std::string> afl_artifacts(const std::string& directory, std::uint64_t number);

}  // namespace vmapcheck::tool
