// SPDX-License-Identifier: Apache-2.0
//
// What is explored, as one worker sees it: a subject that can be brought into any state met, and from there does every
// move. explore.hpp knows no more of it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "harness/explore/state_set.hpp"
#include "harness/isolate/beacon.hpp"
#include "harness/verify/coverage.hpp"
#include "model/op.hpp"
#include "vmap/violation.hpp"

namespace vmapcheck {

/// No space that can be explored to its end is deeper by far.
inline constexpr std::size_t explore_depth_max = 250;

/// Where a worker is, in memory that outlives its process: written before a move is made.
struct Whereabouts {
  std::uint32_t length = 0;
  bool astray = false;  ///< on another way to a state than its first
  std::array<Move, explore_depth_max + 1> moves{};
  Beacon beacon{};  ///< each move is a sign of life: a state has many, and a subject may be slow
};

/// Is told what the moves from a state lead to.
class Explorer {
 public:
  virtual ~Explorer() = default;
  virtual void arrived(Move move, StateKey key) = 0;
  virtual void failed(Move move, vmap::Violation violation) = 0;
  /// What failed is no move but a question, in the state that was entered; `line` asks it in a trace, if that can be.
  virtual void failed(const std::string& line, vmap::Violation violation) = 0;
};

/// What one worker has done, beside states and transitions.
struct Exercised {
  Coverage coverage{};         ///< of all moves made; of the tree's cases, where the subject counts them
  std::uint64_t searches = 0;  ///< that were compared with every answer there could be, and changed nothing
  std::uint64_t again = 0;     ///< moves made from states that were entered on another way than their first
  bool sees_tree = false;      ///< the subject shows one, which tells states apart
  bool shows_all = false;      ///< the subject says that what tells states apart decides what it does
  bool has_digest = false;     ///< it says so of its digest, which tells states apart, too
  [[nodiscard]] bool keys_decide() const { return shows_all || has_digest; }
};

class World {
 public:
  virtual ~World() = default;
  /// Into the state that these moves lead to from the first. A violation on a way that was gone before without one is
  /// that of a subject that does not repeat itself.
  virtual std::optional<vmap::Violation> enter(std::span<const Move> path) = 0;
  /// Of the state that was entered.
  [[nodiscard]] virtual StateKey key() const = 0;
  /// Makes every move there is from the state that was entered, each from that state.
  virtual void expand(Explorer& explorer) = 0;
  [[nodiscard]] virtual Exercised exercised() const = 0;
  /// When all is done: does the subject give everything back?
  virtual std::optional<vmap::Violation> finish() = 0;
};

/// What there is to explore.
struct Territory {
  std::function<std::expected<std::unique_ptr<World>, std::string>(Whereabouts& here)> world;
  /// The moves as a trace that any subject with the needed ops can run.
  std::function<Trace(std::span<const Move>)> trace;
  std::uint64_t moves_max = 1;  ///< from a state, about
  /// Of a key, what is seen without the tree: what is busy, lazily freed, free.
  std::function<std::uint64_t(StateKey)> layout;
};

}  // namespace vmapcheck
