// SPDX-License-Identifier: Apache-2.0
#include "tools/in_child.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "harness/verify/isolated.hpp"
#include "tools/files.hpp"
#include "tools/interruption.hpp"
#include "tools/report.hpp"

namespace vmapcheck::tool {

namespace {

/// Runs the work once, so that nothing is printed twice. If another process killed the child, it is run again in
/// silence.
Walked walk_once(const Work& work, const std::function<void()>& on_wait) {
  const auto keep_going = [&] {
    if (on_wait) on_wait();
    return !interrupted();
  };
  WalkOptions options{.limits = {}, .on_death = {}, .keep_going = keep_going, .tries = 1};
  Walked walked = walk(1, work, options);
  if (!walked.death || !walked.death->by_other) return walked;
  options.tries = WalkOptions{}.tries;
  const Death first = *walked.death;
  const Walked again =
      walk(1, [&](std::uint64_t item, Beacon& beacon) { return give_up_out(), work(item, beacon); }, options);
  walked.interrupted = again.interrupted;
  const bool same = again.death && again.death->phase == first.phase && again.death->step == first.step;
  if (!same && !again.interrupted) throw ChildrenKilled(first);
  return walked;
}

}  // namespace

Ran run_in_child(const Trace& trace, const std::function<std::optional<Failure>(Beacon& beacon)>& work,
                 const std::function<void()>& on_wait) {
  constexpr char mark_stop = 's';
  flush_out();
  const OutOfChildren out_of_children;
  const auto packed = [&](std::uint64_t, Beacon& beacon) -> std::optional<std::string> {
    try {
      std::string answer = pack(work(beacon));
      beacon.aside(true);
      flush_out();
      return answer;
    } catch (const Stop& stop) {
      return fmt::format("{}{}\n{}", mark_stop, static_cast<int>(stop.status), stop.line);
    }
  };
  Walked walked;
  try {
    walked = walk_once(packed, on_wait);
  } catch (const ChildrenKilled& killed) {
    throw Stop{Exit::subject, killed.what()};
  }
  if (walked.interrupted) throw Stop{Exit::interrupted, "interrupted"};
  Ran ran;
  ran.told = std::move(walked.told);
  if (walked.death) {
    ran.failure = failure_of(*walked.death, trace);
  } else if (const std::string& answer = *walked.answer; answer.front() == mark_stop) {
    const auto status = static_cast<Exit>(std::atoi(answer.c_str() + 1));
    if (status == Exit::io) give_up_out();
    throw Stop{status, answer.substr(answer.find('\n') + 1)};
  } else {
    ran.failure = unpack(answer, trace);
  }
  stop_if_oracle(ran.failure);
  ran.steps = ran.failure && ran.failure->phase != Phase::end
                  ? std::min(trace.ops.size(), ran.failure->step + (ran.failure->phase == Phase::op ? 1 : 0))
                  : trace.ops.size();
  return ran;
}

}  // namespace vmapcheck::tool
