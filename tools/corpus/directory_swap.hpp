// SPDX-License-Identifier: Apache-2.0
//
// A directory takes the place of another in one step: whoever looks, and whatever kills this process or the machine,
// finds the old one whole or the new one whole.
//
//     system call            what is seen at the name        where the other one is
//     renameat2(EXCHANGE)    old, then new, nothing between  at the name of the fresh one
//     two renames            old, then nothing, then new     beside it, as NAME.before.PID, between the two
//
// The second way is for file systems that cannot do the first.
#pragma once

#include <filesystem>
#include <system_error>

namespace vmapcheck::tool {

enum class SwapBy : unsigned char { exchange_or_renames, renames };

/// Afterwards `target` is what `fresh` was, and the other way round. What is below both was written to the disk before,
/// and the names are afterwards. Both are directories beside each other. On an error nothing has changed.
[[nodiscard]] std::error_code swap_directories(const std::filesystem::path& fresh, const std::filesystem::path& target,
                                               SwapBy how = SwapBy::exchange_or_renames);

/// Every file and directory below is on the disk.
[[nodiscard]] std::error_code sync_below(const std::filesystem::path& directory);

}  // namespace vmapcheck::tool
