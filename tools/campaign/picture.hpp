// SPDX-License-Identifier: Apache-2.0
//
// The address map around the step that fails, as HTML that needs no script: what was there before it, what the subject
// holds after it, and what it should hold.
//
//               0x1000  0x2000      0x4000
//     before    [  a0  ][.. free ..]
//     after     [  a0  ][  a1  ][..]
//     expected  [  a0  ][.. free ..]
#pragma once

#include <span>
#include <string>

#include "tools/show.hpp"

namespace vmapcheck::tool {

/// From the lines of a recording (tools/show_page.hpp); empty where they hold no map. `verdict` says where to look.
[[nodiscard]] std::string picture_of(std::span<const std::string> lines, const Verdict& verdict);

}  // namespace vmapcheck::tool
