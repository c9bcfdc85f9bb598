// SPDX-License-Identifier: Apache-2.0
//
// What is explored, as one worker sees it: a subject that can be brought into any state met, and makes every move from
// there. explore.hpp knows no more of it.
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

/// Far deeper than any space that can be explored to its end.
inline constexpr std::size_t explore_depth_max = 250;

/// Where a worker is. In memory that outlives its process; written before a move is made.
struct Whereabouts {
  std::uint32_t length = 0;
  bool astray = false;  ///< on another way to a state than its first
  std::array<Move, explore_depth_max + 1> moves{};
  Beacon beacon{};  ///< gets a sign of life for each move: a state has many, and a subject may be slow
};

/// Is told what the moves from a state lead to.
class Explorer {
 public:
  virtual ~Explorer() = default;
  virtual void arrived(Move move, StateKey key) = 0;
  virtual void failed(Move move, vmap::Violation violation) = 0;
  /// A question in the state that was entered failed, not a move. `line` asks it in a trace, if that is possible.
  virtual void failed(const std::string& line, vmap::Violation violation) = 0;
};

/// What one worker has done, beside states and transitions.
struct Exercised {
  Coverage coverage{};         ///< of all moves made; of the tree's cases, if the subject counts them
  std::uint64_t searches = 0;  ///< searches that were compared with every possible answer, and changed nothing
  std::uint64_t again = 0;     ///< moves made from states that were entered on another way than their first
  bool sees_tree = false;      ///< the subject shows its tree, which tells states apart
  bool shows_all = false;      ///< the subject says that what tells states apart decides what it does
  bool has_digest = false;     ///< the same, if its digest tells states apart as well
  [[nodiscard]] bool keys_decide() const { return shows_all || has_digest; }
};

class World {
 public:
  virtual ~World() = default;
  /// Enters the state that these moves lead to from the first. If it returns a violation on a way that was gone before
  /// without one, the subject does not repeat itself.
  virtual std::optional<vmap::Violation> enter(std::span<const Move> path) = 0;
  /// The key of the state that was entered.
  [[nodiscard]] virtual StateKey key() const = 0;
  /// Makes every move there is from the state that was entered, each from that state.
  virtual void expand(Explorer& explorer) = 0;
  [[nodiscard]] virtual Exercised exercised() const = 0;
  /// To be called when all is done: a violation if the subject does not give everything back.
  virtual std::optional<vmap::Violation> finish() = 0;
};

/// What there is to explore.
struct Territory {
  std::function<std::expected<std::unique_ptr<World>, std::string>(Whereabouts& here)> world;
  /// The moves as a trace that any subject with the needed ops can run.
  std::function<Trace(std::span<const Move>)> trace;
  std::uint64_t moves_max = 1;  ///< from a state, about
  /// The part of a key that says what is busy, lazily freed and free.
  std::function<std::uint64_t(StateKey)> layout;
};

}  // namespace vmapcheck
