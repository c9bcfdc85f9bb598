// SPDX-License-Identifier: Apache-2.0
//
// How a run failed: by a broken invariant, or by its death. Each failure has a signature: a short text that is the same
// each time that the same fault shows. By it failures are told apart, counted, and kept while minimizing.
//
//     violation      the invariant                                answer
//     sanitizer      its verdict, and the subject's frames        heap-use-after-free in Mine::free
//     signal         its name, and the frames                     SIGSEGV in Mine::find < Mine::allocate
//     exception      its type, and the frames                     exception std::out_of_range in Mine::free
//     exit           the status                                   exit 3
//     memory_limit   the frames                                   memory-limit in Mine::grow
//     hang           the kind of op, not where it was stopped,    hang in alloc
//                    which differs from run to run
//     oracle         what vmapcheck itself died of, and where     oracle std::logic_error in vmapcheck::GapIndex::predict
//
// The last one is no failure of the subject: the model, the executor or what they use is at fault. Whoever meets it
// stops, for what vmapcheck says is not to be believed then.
//
// Frames are functions without parameters and template arguments, the innermost first; those of the standard library
// and of the harness do not count.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/op.hpp"
#include "vmap/violation.hpp"

namespace vmapcheck {

enum class FailureKind : std::uint8_t { violation, sanitizer, signal, exception, exit, memory_limit, hang, oracle };

inline constexpr std::array<std::string_view, 8> failure_kind_names{"violation", "sanitizer",    "signal", "exception",
                                                                    "exit",      "memory-limit", "hang",   "oracle"};

[[nodiscard]] constexpr std::string_view name(FailureKind kind) {
  return failure_kind_names[static_cast<std::size_t>(kind)];
}

/// What the subject was asked for when a run failed.
enum class Phase : std::uint8_t {
  construction,  ///< to be made
  op,            ///< the op of Failure::step
  end,           ///< after the last op: a last check, and to be destroyed
};

/// A function on the stack of a death, and the place in it.
struct Frame {
  std::string function;  ///< "module+0x1234" where nothing is known
  std::string file{};    ///< that it was compiled from; empty where that is not known
  unsigned line = 0;     ///< in that file; 0 where that is not known
};

struct Failure {
  std::size_t step = 0;         ///< index of the op; 0 for construction; the number of ops for the end
  std::optional<Op> op;         ///< at Phase::op
  vmap::Violation violation{};  ///< what broke; if the run died, its detail says how, for people
  FailureKind kind = FailureKind::violation;
  Phase phase = Phase::op;
  std::string what{};           ///< of a death: "SIGSEGV", "heap-use-after-free", "std::out_of_range", "3"
  std::vector<Frame> frames{};  ///< where it died, the innermost first: the subject's, or vmapcheck's own
  std::string report{};         ///< what was printed on standard error while it died: lines
};

/// As above: one line, never empty.
[[nodiscard]] std::string signature(const Failure& failure);

/// How much two failures must have in common to count as the same. A signature is not always kept: corrupted memory is
/// noticed at one place or another.
enum class Kept : std::uint8_t { signature, kind, anything };

inline constexpr std::array<std::string_view, 3> kept_names{"signature", "kind", "anything"};

[[nodiscard]] constexpr std::string_view name(Kept kept) { return kept_names[static_cast<std::size_t>(kept)]; }

/// What is vmapcheck's own fault is never like what is the subject's.
[[nodiscard]] bool alike(const Failure& a, const Failure& b, Kept kept);

/// The name of what failed, for file names and statistics: the invariant, or "sigsegv", "heap-use-after-free", "hang".
[[nodiscard]] std::string short_name(const Failure& failure);

/// "mine::Tree::rotate" for "void mine::Tree<Node, Max>::rotate(Node*) [clone .part.0]".
[[nodiscard]] std::string function_name(std::string_view demangled);

}  // namespace vmapcheck
