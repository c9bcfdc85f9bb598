// SPDX-License-Identifier: Apache-2.0
//
// A run says where it is going before it goes there: to the process that watches it, or to the handler of the signal
// that it dies of.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "harness/isolate/death.hpp"
#include "harness/isolate/failure.hpp"

namespace vmapcheck {

/// Where the child is: written by it, read by its parent. A default-made beacon tells nobody.
class Beacon {
 public:
  struct Shared;

  Beacon() = default;
  explicit Beacon(Shared* shared) : shared_(shared) {}

  /// The next thing that happens is this.
  void at(Phase phase, std::uint64_t step);
  /// Sends bytes at once, so that they are not lost when the child dies.
  void tell(std::string_view bytes);
  /// Ends the walk with this answer here and now, and destroys nothing, since a subject might not survive that. Comes
  /// back only where nobody listens.
  void answer(std::string_view answer);
  /// True: from here on it is not the subject that works, and the time does not count. False: it is the subject again.
  void aside(bool now);
  /// What happens until the next at() may use so many times more processor time than the limit says.
  void allow(std::uint32_t times_longer);
  /// The parent asks for an early end.
  [[nodiscard]] bool stop_wanted() const;

 private:
  Shared* shared_ = nullptr;
};

/// The memory that the sender and the watcher share.
struct Beacon::Shared {
  enum class Cause : int { none, signal, exception, terminate, memory, cpu };

  std::atomic<std::uint64_t> item;
  std::atomic<std::uint64_t> step;
  std::atomic<std::uint64_t> progress;  ///< grows with every sign of life
  std::atomic<Phase> phase;
  std::atomic<bool> stop;
  std::atomic<Cause> asked;  ///< the parent is about to kill the child for this: a SIGPROF asks for its stack first
  std::atomic<bool> finished;
  std::atomic<bool> answered;
  std::atomic<bool> aside;
  std::atomic<std::uint32_t> times_longer;  ///< set by allow()
  std::atomic<std::uint64_t> told;          ///< bytes sent by tell()
  std::atomic<std::uint64_t> told_before;   ///< bytes sent by the items before this one
  int answer_to;                            ///< file, in the child
  std::atomic<bool> doomed;                 ///< the next at() does not come back: it calls leave()
  void (*leave)();

  // Written once by a child that dies.
  Cause cause;
  int signal;
  bool stack_overflow;
  bool by_other;  ///< another process sent the signal
  Stack stack;
  char what[256];
  char detail[512];
};

/// The exit status of a child that could note how it died.
inline constexpr int status_of_dying = 86;

/// Writes all bytes, or as many as can be written. Returns how many.
std::size_t write_all(int file, std::string_view bytes);

}  // namespace vmapcheck
