// SPDX-License-Identifier: Apache-2.0
#include "tools/debugger.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "harness/verify/isolated.hpp"
#include "model/trace.hpp"
#include "tools/files.hpp"
#include "tools/report.hpp"

/// gdb stops here, right before the op that fails.
extern "C" void vmapcheck_before_failing_op(unsigned long step);
extern "C" [[gnu::noinline]] void vmapcheck_before_failing_op(unsigned long step) {
  asm volatile("" : : "r"(step) : "memory");
}

namespace vmapcheck::tool {
namespace {

struct Options {
  std::string file;
  std::uint64_t step = 0;
};

Exit step_to(const Common& common, const Options& options);

}  // namespace

Exit debug(const std::vector<std::string>& files, const SubjectEntry& subject) {
  if (files.size() != 1 || files.front() == "-") throw Stop{Exit::usage, "--gdb takes one trace, from a file"};
  const std::string& file = files.front();
  const Trace trace = read_trace(file);
  const auto failure = replay(trace, subject, {}, {});
  if (!failure) {
    say(fmt::format("vmapcheck: {} does not fail on {}: there is nothing to stop at", one_line(file), subject.name));
    return Exit::not_reproduced;
  }
  say(fmt::format("vmapcheck: {} at step {}; gdb stops before it", signature(*failure), failure->step));
  const std::string step = std::to_string(failure->phase == Phase::construction ? 0 : failure->step);
  std::error_code ignored;
  const std::string self = std::filesystem::read_symlink("/proc/self/exe", ignored).string();
  std::vector<std::string> arguments{"gdb",        "-q",
                                     "-ex",        "set breakpoint pending on",
                                     "-ex",        "break vmapcheck_before_failing_op",
                                     "-ex",        "run",
                                     "-ex",        "up",
                                     "--args",     self,
                                     "step-to",    "--subject",
                                     subject.name, "--step",
                                     step,         "--",
                                     file};
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  flush_out();
  ::execvp("gdb", pointers.data());
  throw Stop{Exit::subject, fmt::format("cannot run gdb: {} (Debian: gdb)", std::strerror(errno))};
}

void add_step_to(CLI::App& app, Session& session) {
  CLI::App& command = *app.add_subcommand("step-to", "Run a trace in this process, for a debugger");
  command.group("");
  const auto options = add_options<Options>(command, session, step_to);
  add_common_options(command, session.common, uses_none);
  command.add_option("FILE", options->file, "Trace")->required();
  add_count(command, "--step", options->step, "Step to stop before", 0);
}

namespace {

Exit step_to(const Common& common, const Options& options) {
  const SubjectEntry& subject = subject_named(common.subject);
  const Trace trace = read_trace(options.file);
  if (trace.ops.empty()) vmapcheck_before_failing_op(0);
  auto executor = Executor::create(trace.space, subject.make, checking_of(trace));
  if (!executor) throw Stop{Exit::subject, one_line(executor.error())};
  (*executor)->look_closer({.from = options.step - std::min<std::uint64_t>(options.step, 1)});
  for (std::size_t step = 0; step < trace.ops.size(); ++step) {
    if (step == options.step) {
      say(fmt::format("vmapcheck: the next is step {}: {}", step, print(trace.ops[step])));
      vmapcheck_before_failing_op(step);
    }
    if (const auto violation = (*executor)->step(trace.ops[step])) {
      say(fmt::format("vmapcheck: {} at step {}: {}", name(violation->invariant), step, one_line(violation->detail)));
      return Exit::violation;
    }
  }
  if (options.step >= trace.ops.size()) vmapcheck_before_failing_op(trace.ops.size());
  if (const auto violation = (*executor)->finish()) {
    say(fmt::format("vmapcheck: {} at the end: {}", name(violation->invariant), one_line(violation->detail)));
    return Exit::violation;
  }
  return Exit::ok;
}

}  // namespace
}  // namespace vmapcheck::tool
