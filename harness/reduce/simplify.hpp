// SPDX-License-Identifier: Apache-2.0
//
// What is simpler than a trace, and the traces that are one step simpler: the moves of the minimizer. They know nothing
// of subjects; whether a simpler trace still fails is for others to find out.
//
// To add another move: write a member function of Moves in simplify.cpp that calls add() with each trace that it makes,
// and call it in all(). What is not simpler is dropped there, and the rest is sorted, so that a move neither has to ask
// whether it helps nor where it stands among the others. What is simpler than a new kind of op, if anything is, stands
// in simpler_kinds(). A field of a new meaning does not compile until simpler_arguments() knows it. Numbers are
// bisected by the dials of numbers.hpp.
#pragma once

#include <algorithm>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "model/op.hpp"

namespace vmapcheck {

/// Ops, and ranges that are busy from the start.
[[nodiscard]] inline std::size_t length_of(const Trace& trace) { return trace.ops.size() + trace.space.busy.size(); }

/// How much there is to read in a trace, in the order of what counts most. It is a total order in which every descent
/// ends: a minimizer that takes only what is simpler comes to an end, and there leaves its own result alone.
struct Simplicity {
  std::size_t length = 0;  ///< length_of() the trace
  std::size_t ops = 0;
  std::size_t words = 0;   ///< options in the text: alignments, windows, limits
  std::uint64_t span = 0;  ///< granules in the space
  std::size_t bytes = 0;   ///< of the text
  std::string text;        ///< without comments
  friend auto operator<=>(const Simplicity&, const Simplicity&) = default;
};
[[nodiscard]] Simplicity simplicity(const Trace& trace);

/// What each op of a run placed: empty where it placed nothing; of several areas their hull.
using Placements = std::vector<Range>;

/// The same trace with placements that were chosen by the subject made explicit: an allocation becomes `alloc-at` where
/// it was placed, so that it stays there when others are deleted. The last op stays what it is.
[[nodiscard]] Trace concretised(const Trace& trace, const Placements& placed);

/// Every trace one move away that is simpler, the simplest first, each once. The moves: delete up to three ops, or what
/// was busy; what is allocated as busy from the start; drop an argument; a simpler kind of op; two placements as one;
/// ops in another order; the same area freed again and again. The number of moves grows with the cube of a short
/// trace's length; in a long one fewer deletions are tried together.
[[nodiscard]] std::vector<Trace> simpler(const Trace& trace, const Placements& placed);

/// In order, each once.
template <class T>
void make_set(std::vector<T>& values) {
  std::ranges::sort(values);
  values.erase(std::ranges::unique(values).begin(), values.end());
}

}  // namespace vmapcheck
