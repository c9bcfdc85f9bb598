// SPDX-License-Identifier: Apache-2.0
//
// Why a minimal trace fails: which of its ops and arguments matter, and the neighbouring trace that passes.
//
// Each op is left out, and each argument is replaced by others, one at a time; what the trace then does says whether it
// matters. The values tried are those nearby, the powers of two, and the ends of what is possible: up to some twenty
// for each argument. If all values from some threshold up fail and all below pass, or the other way round, it is found
// by bisection.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "harness/isolate/failure.hpp"
#include "harness/isolate/isolation.hpp"
#include "harness/verify/subject.hpp"
#include "model/op.hpp"

namespace vmapcheck {

/// What a changed trace does.
enum class Effect : std::uint8_t { same, passes, other };

/// The value of an argument at which the effect changes.
struct Threshold {
  std::string value;        ///< the last with which the trace fails in the same way
  bool up = true;           ///< it does so with what is above
  bool with_space = false;  ///< if the space is as much larger
  Effect beyond = Effect::passes;
};

/// One argument of one op.
struct ArgumentRole {
  std::string name;                 ///< "size", "begin"
  std::string value;                ///< as it stands in the trace
  std::vector<std::string> same;    ///< values with which the trace fails in the same way
  std::vector<std::string> passes;  ///< with which it passes
  std::vector<std::string> other;   ///< with which it fails in another way
  std::optional<Threshold> threshold{};
};

struct OpRole {
  std::size_t step = 0;
  std::string op;
  Effect without = Effect::passes;  ///< the trace without it
  std::vector<ArgumentRole> arguments;
};

struct Explanation {
  std::vector<OpRole> ops;
  /// The trace that passes and differs least: one argument of one op, or one op.
  struct Neighbour {
    Trace trace;
    std::string difference;  ///< "alloc a1 size=0x20 instead of size=0x10 at step 3"
  };
  std::optional<Neighbour> passing;
};

struct ExplainOptions {
  Limits limits{};
  Kept kept = Kept::signature;  ///< what failures must have in common to be the same
  /// When this has passed, what was not tried is left out. The last ops are tried first.
  std::chrono::nanoseconds time = std::chrono::seconds(10);
  std::function<bool()> keep_going{};  ///< false also ends it early
};

/// Requires that `trace` fails with this subject as `failure` says. A long trace is explained by its last ops.
[[nodiscard]] Explanation explain(const Trace& trace, const Failure& failure, const SubjectFactory& make,
                                  const ExplainOptions& options = {});

/// As text: lines with newlines, indented by two.
[[nodiscard]] std::string print(const Explanation& explanation);

}  // namespace vmapcheck
