// SPDX-License-Identifier: Apache-2.0
//
// Says where a run is, before it goes there: to the process that watches over it, or to the handler of the signal that
// it dies of.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "harness/isolate/death.hpp"
#include "harness/isolate/failure.hpp"

namespace vmapcheck {

/// Where the child is: written by it, read by its parent. A default one says it to nobody.
class Beacon {
 public:
  struct Shared;

  Beacon() = default;
  explicit Beacon(Shared* shared) : shared_(shared) {}

  /// The next thing that happens is this.
  void at(Phase phase, std::uint64_t step);
  /// Sends bytes at once: they are not lost when the child dies.
  void tell(std::string_view bytes);
  /// Ends the walk with this answer here and now: nothing is destroyed, which might not survive it. Comes back only
  /// where nobody listens.
  void answer(std::string_view answer);
  /// From here on, or no longer, it is not the subject that works: it takes as long as it takes.
  void aside(bool now);
  /// What happens until the next at() may take so many times longer than anything else, in processor time.
  void allow(std::uint32_t times_longer);
  /// The parent asks for an early end.
  [[nodiscard]] bool stop_wanted() const;

 private:
  Shared* shared_ = nullptr;
};

/// What is shared by those who send and those who watch.
struct Beacon::Shared {
  enum class Cause : int { none, signal, exception, terminate, memory, cpu };

  std::atomic<std::uint64_t> item;
  std::atomic<std::uint64_t> step;
  std::atomic<std::uint64_t> progress;  ///< grows with every sign of life
  std::atomic<Phase> phase;
  std::atomic<bool> stop;
  std::atomic<bool> finished;
  std::atomic<bool> answered;
  std::atomic<bool> aside;
  std::atomic<std::uint32_t> times_longer;  ///< than its limit says this may take, in processor time
  std::atomic<std::uint64_t> told;          ///< bytes
  std::atomic<std::uint64_t> told_before;   ///< by items before this one
  int answer_to;                            ///< file, in the child
  std::atomic<bool> doomed;                 ///< at() does not come back: it leaves
  void (*leave)();

  // Written once by a child that dies.
  Cause cause;
  int signal;
  bool stack_overflow;
  bool by_other;  ///< another process sent it
  Stack stack;
  char what[256];
  char detail[512];
};

/// Of a child that died in a way of which it could leave word.
inline constexpr int status_of_dying = 86;

/// Writes all, or what can be written; returns how many bytes that was.
std::size_t write_all(int file, std::string_view bytes);

}  // namespace vmapcheck
