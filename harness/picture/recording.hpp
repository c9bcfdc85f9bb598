// SPDX-License-Identifier: Apache-2.0
//
// A run of a trace, recorded step by step for pictures.
//
// What happens goes to a sink, event by event, as soon as it is known, so that a run that crashes makes pictures of all
// that came before. First comes Begun, then Answered and Held for each step, at last Ended. The answer of a step comes
// before the state that it left, because listing the state of a broken subject may be what crashes.
//
//     const Trace trace = parse_trace("vmapcheck-trace 1\nspace 0x0..0x10\nalloc a0 size=1\n").value();
//     std::size_t events = 0;
//     const auto made = record(trace, model_subject(), {}, [&](const RunEvent&) { ++events; });   // events is 4
#pragma once

#include <cstddef>
#include <expected>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <variant>

#include "harness/picture/snapshot.hpp"
#include "harness/verify/executor.hpp"
#include "model/op.hpp"

namespace vmapcheck {

struct RecordOptions {
  std::size_t from = 0;                                      ///< the first step that is recorded
  std::size_t to = std::numeric_limits<std::size_t>::max();  ///< and the last; the others are performed all the same
  std::size_t run_to = std::numeric_limits<std::size_t>::max();  ///< the last step that is performed
  std::optional<Checking> checking{};                            ///< none: as checking_of() has it
  std::size_t items_max = 20'000;                                ///< of each list of a snapshot
  Beacon beacon = {};                                            ///< is told where the run is
};

/// Before the first recorded step.
struct Begun {
  std::size_t step = 0;
  Snapshot before;
};
struct Answered {
  std::size_t step = 0;
  Answer answer;  ///< Nothing, if it was not asked because of the violation
  std::optional<vmap::Violation> violation;
};
/// The state after the step.
struct Held {
  std::size_t step = 0;
  Snapshot after;
};
/// The last event. It speaks of the whole run, whatever part of it was recorded. A run that stops before the end of the
/// trace has no check there.
struct Ended {
  std::size_t steps = 0;  ///< performed; the last may have broken an invariant
  std::optional<vmap::Violation> violation;
  std::size_t step = 0;  ///< of the violation; the number of ops if it showed at the end
};
using RunEvent = std::variant<Begun, Answered, Held, Ended>;
using Sink = std::function<void(const RunEvent&)>;

/// Runs the trace to its end or its first violation. The error says why the subject could not be made.
std::expected<void, std::string> record(const Trace& trace, const SubjectFactory& make, const RecordOptions& options,
                                        const Sink& sink);

}  // namespace vmapcheck
