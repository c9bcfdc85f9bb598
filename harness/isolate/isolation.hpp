// SPDX-License-Identifier: Apache-2.0
//
// Work in a child process, which may crash, hang, exit, throw or exhaust memory: the parent learns how, and goes on.
//
// The child is a fork: it sees all that its parent sees, and what it changes is gone with it. It writes into shared
// memory where it is going before it goes there (a write-ahead index), so that after its death the parent knows which
// item and which step killed it. One child walks a list of items; another is forked only after one that died.
//
//     const Walked walked = walk(1, [](std::uint64_t, Beacon&) -> std::optional<std::string> { return "done"; });
//     if (!walked.death) std::puts(walked.answer->c_str());   // "done"
//
// A child that does not end is noticed in two ways, neither of which depends on how busy the machine is. Each step has
// a limit of processor time: a timer of the child watches it and has the stack; the parent looks as well, whatever
// became of that timer. And a step may not sleep or be stopped for long: the parent looks.
//
// A child begins with the system's default signal handlers, in a process group of its own. What it sends to its group
// stays there, and so does what the terminal sends to its parent's (but Ctrl-Z stops both). It ends as a whole, with
// all processes that it has left behind. These do not see what it shares with its parent: one that goes on in the
// harness ends there. Its standard input is empty; the last part of what it prints, also on standard output, is kept.
//
// If another process kills a child (with SIGKILL, as the system does for want of memory), that says nothing of the
// subject, and the item is tried again. If it dies at the same step each time, the child did it itself: that is its
// death.
//
// Under AddressSanitizer and UndefinedBehaviorSanitizer their report is the death. Symbolizing would take the sanitizer
// a second for each report: harness/isolate/symbols.hpp does it for those that are kept.
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
  std::chrono::milliseconds asleep{1000};     ///< how long a step may sleep in one piece
  std::size_t memory = std::size_t{1} << 30;  ///< bytes, beyond what the parent has
};

/// Returns an answer, which ends the walk, or nothing, and the walk goes on.
using Work = std::function<std::optional<std::string>(std::uint64_t item, Beacon& beacon)>;

struct Walked {
  std::uint64_t items = 0;  ///< how many were completed; if an answer or a death ended it, the index of that item
  std::optional<std::string> answer;  ///< of the item at which work ended the walk
  std::string told;                   ///< what all items told; an item that was tried again, the last time
  std::optional<Death> death;         ///< the one at which `on_death` ended the walk
  bool interrupted = false;           ///< `keep_going` ended it
};

struct WalkOptions {
  Limits limits{};
  /// True ends the walk (the default: at the first death); false goes on behind the item that died.
  std::function<bool(std::uint64_t item, const Death& death)> on_death{};
  /// Asked in the parent every few hundredths of a second; false ends the walk.
  std::function<bool()> keep_going{};
  /// How long a child may take to end after that, when Beacon::stop_wanted() is true. Zero: it is killed at once.
  std::chrono::milliseconds grace{0};
  std::uint64_t first = 0;  ///< the item to begin with
  /// How often an item is tried that another process kills. With 1 the first time is its death (see Death::by_other).
  int tries = 3;
};

/// Other processes killed children again and again, and not always at the same step.
struct ChildrenKilled : std::runtime_error {
  using std::runtime_error::runtime_error;
  explicit ChildrenKilled(const Death& last);
};

/// Calls `work` in children for each item below `count`, in order, until it answers. What a child printed that came to
/// its end goes to standard error: up to a mebibyte from all children of this process.
/// Throws std::system_error if there can be no child (no process, no memory), and ChildrenKilled.
[[nodiscard]] Walked walk(std::uint64_t count, const Work& work, const WalkOptions& options = {});

/// Zeroed memory that this process shares with the children of walks that begin later, but not with their own children.
/// Throws std::system_error.
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

/// To be called in the child of a fork: makes it die with its parent, which was `parent`.
void die_with_parent(int parent);

/// To be called in the child of a walk: what it forks does not see the memory that it shares with its parent.
void keep_shared_memory_to_itself();

}  // namespace vmapcheck
