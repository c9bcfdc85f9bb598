// SPDX-License-Identifier: Apache-2.0
//
// The search below the length of a trace: is there a shorter one that fails in the same way? First random sequences of
// the same ops, which often find one where deletion is stuck; then all sequences, breadth first, which find the
// shortest or show that there is none.
//
// Both draw on a Vocabulary: the kinds of op that the trace has (and allocation, placement, free), placed on a grid of
// the addresses that it touches, with the sizes, alignments and windows that these give. Breadth first, two sequences
// after which the subject looks the same (layout, tree with colours and maxima, hooks, spare nodes) are taken for the
// same state, and only the first is continued. If there are not too many sequences, all are run after that, for a fault
// may depend on what cannot be seen.
//
// To have other ops tried: the constructor of Vocabulary lists them by the meanings of their fields, so that a new kind
// of op is tried with the arguments of the trace at least. To search in another way: write a function beside
// search_randomly() that makes traces of a Vocabulary and gives them to first_failing(), and call it in
// Minimizer::find_shorter().
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "harness/random/choices.hpp"
#include "harness/reduce/simplify.hpp"
#include "harness/verify/isolated.hpp"
#include "model/op.hpp"

namespace vmapcheck {

class Vocabulary {
 public:
  enum class Begin : std::uint8_t { empty, as_it_is };

  /// Of a trace that fails, with what its ops placed. A sequence begins with what is busy there, or with nothing.
  Vocabulary(const Trace& trace, const Placements& placed, Begin begin);

  /// A sequence of `length` ops: some of the trace's, the others of its kinds.
  [[nodiscard]] Trace random_trace(Random& random, std::size_t length) const;

  /// Every op that can follow `ops`, in which each op that binds has bound its own index as label.
  [[nodiscard]] std::size_t size(const std::vector<Op>& ops) const;
  [[nodiscard]] Op op(const std::vector<Op>& ops, std::size_t index) const;

  /// The space in which a sequence begins.
  [[nodiscard]] const Space& space() const { return space_; }
  [[nodiscard]] std::size_t grid_size() const { return grid_.size(); }

 private:
  Space space_;
  std::vector<Address> grid_;  ///< ends of what can be placed
  std::vector<Op> fresh_;      ///< ops that use no label; those that bind one bind 0
  std::vector<Op> own_;        ///< the trace's that use no label
  std::vector<Op> using_;      ///< ops that use a label, which is still to be set; in the order of their kinds
};

struct SearchOptions {
  std::uint64_t seed = 0;
  std::uint64_t random_max = 20'000;          ///< sequences
  std::uint64_t breadth_first_max = 200'000;  ///< sequences
  std::uint64_t exhaustive_max = 30'000;      ///< sequences, if all are to be run
  IsolatedOptions run{};
};

/// A trace that fails as wanted, from random sequences of fewer ops than `length`. Deterministic in the seed.
[[nodiscard]] std::optional<Hit> search_randomly(const Vocabulary& vocabulary, std::size_t length,
                                                 const std::function<bool(const Failure&)>& wanted,
                                                 const SubjectFactory& make, const SearchOptions& options);

/// How a search breadth first ended.
struct Explored {
  std::optional<Hit> hit;  ///< the shortest
  enum class Complete : std::uint8_t { no, states, sequences };
  Complete complete = Complete::no;  ///< without a hit: what was run of all below `length`
  std::uint64_t states = 0;
  std::uint64_t sequences = 0;  ///< run
};

/// All sequences of fewer than `length` ops, the shortest first.
[[nodiscard]] Explored search_breadth_first(const Vocabulary& vocabulary, std::size_t length,
                                            const std::function<bool(const Failure&)>& wanted,
                                            const SubjectFactory& make, const SearchOptions& options);

}  // namespace vmapcheck
