// SPDX-License-Identifier: Apache-2.0
//
// Counts the cache misses of this thread in user space, where the kernel and the processor let it.
#pragma once

#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

namespace vmapcheck::bench {

class CacheMisses {
 public:
  CacheMisses() {
    perf_event_attr event{};
    event.type = PERF_TYPE_HARDWARE;
    event.size = sizeof event;
    event.config = PERF_COUNT_HW_CACHE_MISSES;
    event.exclude_kernel = 1;
    event.exclude_hv = 1;
    descriptor_ = static_cast<int>(::syscall(SYS_perf_event_open, &event, 0, -1, -1, PERF_FLAG_FD_CLOEXEC));
    if (descriptor_ < 0) why_not_ = std::strerror(errno);
  }
  CacheMisses(const CacheMisses&) = delete;
  CacheMisses& operator=(const CacheMisses&) = delete;
  ~CacheMisses() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  /// Since this was made.
  [[nodiscard]] std::optional<std::uint64_t> count() const {
    std::uint64_t counted = 0;
    if (descriptor_ < 0 || ::read(descriptor_, &counted, sizeof counted) != sizeof counted) return std::nullopt;
    return counted;
  }
  /// Empty if they are counted.
  [[nodiscard]] const std::string& why_not() const { return why_not_; }

 private:
  int descriptor_ = -1;
  std::string why_not_;
};

}  // namespace vmapcheck::bench
