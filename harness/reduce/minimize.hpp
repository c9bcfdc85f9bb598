// SPDX-License-Identifier: Apache-2.0
//
// The smallest trace that still fails in the same way.
//
//   1. Delete: of a long trace all but the last ops and what they use, if that is enough; then runs of ops, halves
//      first, down to single ones. Every subsequence of a trace is a trace (model/op.hpp), so deletion needs no repair.
//      Source: Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input" (2002).
//   2. Make placements concrete, and delete again: an area that stays where it was needs no others to get there.
//   3. Simplify: all single moves of simplify.hpp, the best first; and bisect each number, alone and with those linked
//      to it (numbers.hpp); until neither finds a simpler one.
//   4. Search below the length, at random and then breadth first (search.hpp); from a hit, go on with 1.
//
// Every candidate runs in a child process, many to a child: a candidate that crashes or hangs costs one fork. What is
// taken was run again in a child of its own. Deterministic for a seed; where time did not run out, minimizing the
// result again changes nothing, but for a long one whose signature moves (fall_back).
//
// The signature is kept (failure.hpp) unless it moves: the best trace does not always fail in the same way, or it is
// long and gets no shorter since what is tried fails in other ways. Then the same kind of failure will do if that makes
// the trace shorter (a long one half as long), and then any failure; `kept` says which.
//
//     const SubjectFactory make = model_subject();
//     const Trace trace = parse_trace("vmapcheck-trace 1\nspace 0x0..0x10\nalloc a0 size=1\n").value();
//     if (const auto failure = run_isolated(trace, make); failure && *failure)
//       std::puts(print(minimize(trace, **failure, make).trace).c_str());
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "harness/isolate/failure.hpp"
#include "harness/isolate/isolation.hpp"
#include "harness/reduce/simplify.hpp"
#include "harness/verify/executor.hpp"
#include "harness/verify/subject.hpp"
#include "model/op.hpp"

namespace vmapcheck {

/// How sure it is that there is no shorter trace, in the vocabulary of search.hpp.
enum class Minimality : std::uint8_t {
  proved,          ///< all shorter sequences were run
  proved_visible,  ///< all that lead through states that look different were run
  time_is_up,      ///< or the caller ended it, or a candidate took too long: a longer run may find a shorter one
  too_many,        ///< there are more than are looked at; no single op can be spared
};

struct MinimizeProgress {
  std::string_view stage;        ///< what is going on: "deleting ops"
  std::size_t at_once = 0;       ///< ops or busy lines that a candidate lacks, while they are deleted; else 0
  std::size_t length = 0;        ///< of the best so far, in ops
  std::uint64_t candidates = 0;  ///< that were run
};

struct MinimizeOptions {
  std::uint64_t seed = 20240229;
  /// All ends when it has passed. A candidate may take an eighth of what is left of it: one that takes longer counts as
  /// not failing.
  std::optional<std::chrono::nanoseconds> time = std::chrono::seconds(30);
  std::function<std::chrono::steady_clock::time_point()> now = std::chrono::steady_clock::now;
  Kept keep = Kept::signature;  ///< of the first failure
  bool fall_back = true;        ///< keep less where the signature moves
  bool search = true;           ///< also below the length; else only what simplification reaches
  /// Sequences that are looked at breadth first, at most, before the search gives up.
  std::uint64_t sequences_max = 200'000;
  /// If there are no more than this, all are run, also those after which the subject looks the same.
  std::uint64_t exhaustive_max = 30'000;
  Limits limits{};
  /// Called every few hundredths of a second; false ends it with the best so far.
  std::function<bool(const MinimizeProgress&)> on_progress{};
};

struct Minimized {
  Trace trace;      ///< relabelled, without comments; ends with the op that fails
  Failure failure;  ///< of that trace
  Minimality minimality = Minimality::time_is_up;
  std::uint64_t states = 0;      ///< that were visited breadth first, below the length
  std::uint64_t sequences = 0;   ///< that were run for that
  std::size_t granules = 0;      ///< of the space that was searched
  std::uint64_t candidates = 0;  ///< traces that were run, if only in part, before that search
  /// Each number, and each group of linked ones, was tried with the next smaller value: the trace did not fail so.
  bool numbers_smallest = false;
  Kept kept = Kept::signature;  ///< of the first failure
  std::chrono::nanoseconds elapsed{};
  std::chrono::nanoseconds elapsed_to_best{};  ///< until the result was found
};

/// Requires that `trace` fails with this subject as `failure` says: as run_isolated() reported it.
[[nodiscard]] Minimized minimize(const Trace& trace, const Failure& failure, const SubjectFactory& make,
                                 const MinimizeOptions& options = {});

/// Where each op of a run places something, up to the op that fails or kills it.
[[nodiscard]] Placements placements(const Trace& trace, const SubjectFactory& make, const Limits& limits = {},
                                    const std::function<bool()>& keep_going = {});

}  // namespace vmapcheck
