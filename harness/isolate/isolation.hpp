// SPDX-License-Identifier: Apache-2.0
//
// Work in a child process, which may crash, hang, exit, throw or exhaust memory: the parent learns how, and goes on.
//
// The child is a fork: it sees all that its parent sees, and what it does to it is gone with it. It says where it is
// in shared memory before it goes there (a write-ahead index), so that after its death the parent knows which item and
// which step killed it. A list of items is walked by one child; another is forked only after one that died.
//
//     const Walked walked = walk(1, [](std::uint64_t, Beacon&) -> std::optional<std::string> { return "done"; });
//     if (!walked.death) std::puts(walked.answer->c_str());   // "done"
//
// How a child that does not end is noticed: it has processor time for each step (a timer of the child, which has the
// stack then; and its parent looks, whatever became of that timer), and it may not sleep, or be stopped, for long
// within one (its parent looks). Neither depends on how busy the machine is.
//
// A child begins with the signals as the system has them, in a group of its own: what it sends to its group, or the
// terminal to that of its parent, stays there (but Ctrl-Z stops both). It ends as a whole, with all processes that it
// has left behind. Those do not see what it shares with its parent: one that goes on in the harness ends there. Its
// standard input is empty; what it prints, on standard output too, is kept to its last part.
//
// A child that another process has killed (SIGKILL, by the system for want of memory) says nothing of the subject: the
// item is tried again. At the same step each time the child did it itself, and that is its death.
//
// Under AddressSanitizer and UndefinedBehaviorSanitizer their report is the death. Reports are not symbolized by the
// sanitizer, which would take a second for each: harness/isolate/symbols.hpp does that for those that are kept.
//
// Requires one thread: a fork has no other. POSIX.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "harness/isolate/beacon.hpp"
#include "harness/isolate/death.hpp"

namespace vmapcheck {

/// What a child may use up.
struct Limits {
  std::chrono::milliseconds cpu{1500};        ///< processor time of one step
  std::chrono::milliseconds asleep{1000};     ///< that a step may sleep in one piece
  std::size_t memory = std::size_t{1} << 30;  ///< bytes, beyond what the parent has
};

/// Returns an answer to end the walk with, or nothing to go on.
using Work = std::function<std::optional<std::string>(std::uint64_t item, Beacon& beacon)>;

struct Walked {
  std::uint64_t items = 0;  ///< that were completed; where an answer or a death ended it, the index of that item
  std::optional<std::string> answer;  ///< of the item at which work ended the walk
  std::string told;                   ///< by each item; of one that was tried again, the last time
  std::optional<Death> death;         ///< at which `on_death` ended the walk
  bool interrupted = false;           ///< `keep_going` ended it
};

struct WalkOptions {
  Limits limits{};
  /// True ends the walk (the default: at the first death); false goes on behind the item that died.
  std::function<bool(std::uint64_t item, const Death& death)> on_death{};
  /// Asked in the parent every few hundredths of a second; false ends the walk.
  std::function<bool()> keep_going{};
  /// How long a child may still come to its end after that, and Beacon::stop_wanted(). None: it is killed at once.
  std::chrono::milliseconds grace{0};
  std::uint64_t first = 0;  ///< item
  /// How often an item is tried that dies by another's hand. Once: that is its death (see Death::by_other).
  int tries = 3;
};

/// Children were killed by other processes, again and again, and not where the subject would do it itself.
struct ChildrenKilled : std::runtime_error {
  explicit ChildrenKilled(const Death& last);
};

/// Calls `work` in children for each item below `count`, in order, until it answers. What a child that came to its end
/// printed goes to standard error then: of all children of this process, a mebibyte.
/// Throws std::system_error if there can be no child (no process, no memory), ChildrenKilled if there can be none that
/// lives.
[[nodiscard]] Walked walk(std::uint64_t count, const Work& work, const WalkOptions& options = {});

/// Zeroed memory that this process shares with the children of walks that begin later, but not with theirs. Throws
/// std::system_error.
[[nodiscard]] void* share_memory(std::size_t bytes);
void unshare_memory(void* memory, std::size_t bytes);

/// Values that children write and their parent reads. At first they are all zero.
template <class T>
  requires std::is_trivially_copyable_v<T>
class SharedArray {
 public:
  explicit SharedArray(std::size_t size) : size_(size), first_(static_cast<T*>(share_memory(size * sizeof(T)))) {}
  SharedArray(const SharedArray&) = delete;
  SharedArray& operator=(const SharedArray&) = delete;
  ~SharedArray() { unshare_memory(first_, size_ * sizeof(T)); }

  [[nodiscard]] std::size_t size() const { return size_; }
  T& operator[](std::size_t i) const { return first_[i]; }

 private:
  std::size_t size_;
  T* first_;
};

/// For the child of a fork: it dies with its parent, which was `parent`.
void die_with_parent(int parent);

/// For the child of a walk: what it forks does not see the memory that was shared with it.
void keep_shared_memory_to_itself();

}  // namespace vmapcheck
