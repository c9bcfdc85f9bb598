// SPDX-License-Identifier: Apache-2.0
#include "tools/corpus/directory_swap.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>

namespace vmapcheck::tool {
namespace {

namespace fs = std::filesystem;

std::error_code last_error() { return {errno, std::generic_category()}; }

std::error_code sync(const fs::path& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (file < 0) return errno == ELOOP ? std::error_code() : last_error();  // a link is written with its directory
  const bool done = ::fsync(file) == 0 || errno == EINVAL;
  const std::error_code error = done ? std::error_code() : last_error();
  ::close(file);
  return error;
}

std::error_code rename_one(const fs::path& from, const fs::path& to) {
  return ::rename(from.c_str(), to.c_str()) == 0 ? std::error_code() : last_error();
}

std::error_code swap_by_renames(const fs::path& fresh, const fs::path& target) {
  const fs::path before = target.string() + ".before." + std::to_string(::getpid());
  if (const std::error_code error = rename_one(target, before)) return error;
  if (const std::error_code error = rename_one(fresh, target)) {
    (void)rename_one(before, target);
    return error;
  }
  return rename_one(before, fresh);
}

}  // namespace

std::error_code swap_directories(const fs::path& fresh, const fs::path& target, SwapBy how) {
  const auto swap = [&] {
    if (how == SwapBy::renames) return swap_by_renames(fresh, target);
    if (::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) == 0) return std::error_code();
    if (errno == EINVAL || errno == ENOSYS || errno == ENOTSUP) return swap_by_renames(fresh, target);
    return last_error();
  };
  if (const std::error_code error = sync_below(fresh)) return error;
  if (const std::error_code error = swap()) return error;
  // The swap is done, even if the names cannot be written to the disk at once.
  (void)sync(target.has_parent_path() ? target.parent_path() : fs::path("."));
  return {};
}

std::error_code sync_below(const fs::path& directory) {
  std::error_code error;
  fs::recursive_directory_iterator entry(directory, error);
  for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error))
    if (!entry->is_symlink())
      if (const std::error_code failed = sync(entry->path())) return failed;
  if (error) return error;
  return sync(directory);
}

}  // namespace vmapcheck::tool
