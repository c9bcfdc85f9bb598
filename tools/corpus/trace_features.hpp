// SPDX-License-Identifier: Apache-2.0
//
// What a trace exercises, as a set of features: two traces with the same features test much the same, and a trace all
// of whose features others have adds nothing to a corpus.
//
//     op               that an op was performed, or skipped since its label was not live      how often
//     outcome          op x error                                                             how often
//     fit              op x fit type                                                          how often
//     coalescing       op x what a free touched                                               how often
//     tree case        of the free-space index, where the subject counts them                 how often
//     event            purges, hooks called, rescued allocations, metadata failures           how often
//     shape            op x fit type or coalescing x tree case, in one step
//     request          size and alignment above the granule (powers of two), kind of window
//     free blocks      the most that there were (powers of two)
//     space            where it is, its granule, its lazy limit, what is busy from the start
//
// "How often" is a range, as in the counters of AFL and libFuzzer: 1, 2, 3, 4-7, 8-15, 16-31, 32-127, from 128 up. Each
// range is a feature of its own: a trace that coalesces a hundred times does not stand for one that does it once.
//
//     std::vector<Feature> features;
//     (void)exercise(1, [](std::size_t) { return Trace{.comments = {}, .space = {.range = {0, 64}}, .ops = {Purge{}}}; },
//                    model_subject(), [&](std::size_t, Exercised&& done) { features = std::move(done.features); });
//     for (const Feature feature : features) std::puts(describe(feature).c_str());
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/isolate/failure.hpp"
#include "harness/isolate/isolation.hpp"
#include "harness/verify/coverage.hpp"
#include "harness/verify/model_subject.hpp"
#include "harness/verify/subject.hpp"
#include "model/op.hpp"
#include "vmap/request.hpp"
#include "vmap/stats.hpp"

namespace vmapcheck {

/// Numbers mean the same within one version of this program, and are for no file.
using Feature = std::uint32_t;

/// "alloc: no_space, 4-7 times": one line.
[[nodiscard]] std::string describe(Feature feature);

/// Which of the kinds above: "fit".
[[nodiscard]] std::string_view kind_of(Feature feature);

/// What came of the ops, by Op::index().
struct Outcomes {
  std::array<std::array<std::uint64_t, vmap::fit_type_count>, op_kind_count> fits{};
  std::array<std::array<std::uint64_t, vmap::coalescing_count>, op_kind_count> coalescings{};

  Outcomes& operator+=(const Outcomes& other);
};

/// What came of one trace.
struct Exercised {
  std::vector<Feature> features;  ///< ascending, each once; none where it failed
  Coverage coverage;              ///< the same
  Outcomes outcomes;              ///< the same
  std::optional<Failure> failure;
};

struct ExerciseOptions {
  Limits limits{};
  std::function<bool()> keep_going{};  ///< false ends it
};

struct CannotExercise {
  std::size_t index = 0;  ///< of the trace for which the subject could not be made
  std::string why;
};

/// What the contract allows to happen and nothing did: ops, their errors, fit types, coalescings, events; tree cases if
/// any was counted. One line each.
[[nodiscard]] std::vector<std::string> missing_from(const Coverage& coverage);

/// Runs `count` traces in children, many to a child, and calls `done` for each in order; a trace that fails or dies
/// does not keep the others from running, and has failed alone in a child of its own. `trace(i)` is called in children,
/// and here for one that failed. True if all were run, false if `keep_going` ended it.
[[nodiscard]] std::expected<bool, CannotExercise> exercise(std::size_t count,
                                                           const std::function<Trace(std::size_t)>& trace,
                                                           const SubjectFactory& make,
                                                           const std::function<void(std::size_t, Exercised&&)>& done,
                                                           const ExerciseOptions& options = {});

}  // namespace vmapcheck
