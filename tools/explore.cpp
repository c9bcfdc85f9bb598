// SPDX-License-Identifier: Apache-2.0
//
// `explore`: every state of a small space that any sequence of ops can reach, each transition checked.
#include "harness/explore/explore.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "harness/explore/index_world.hpp"
#include "harness/explore/whole_world.hpp"
#include "harness/verify/isolated.hpp"
#include "model/trace.hpp"
#include "tools/amounts.hpp"
#include "tools/commands.hpp"
#include "tools/files.hpp"
#include "tools/finding.hpp"
#include "tools/interruption.hpp"
#include "tools/progress.hpp"
#include "tools/report.hpp"

namespace vmapcheck::tool {
namespace {

struct Options {
  bool index_only = false;
  bool searches = false;
  std::uint64_t granules = 0;  ///< 0: was not said
  std::optional<std::uint64_t> depth;
  std::uint64_t granule = 1;
  std::string base = "0";
  std::optional<std::uint64_t> lazy_limit;
  std::vector<std::string> ops;
  std::uint64_t jobs = 0;
  std::optional<std::chrono::nanoseconds> time;
  std::string state_file;
  bool afresh = false;
  std::string save_dir = "vmapcheck-failures";
  bool no_minimize = false;
};

/// What is explored, and what is said of it.
struct Plan {
  const SubjectEntry& subject;
  Territory territory{};
  std::uint64_t granules = 0;
  Address base = 0;
  std::vector<std::string> ops{};  ///< of the whole allocator
  std::uint64_t moves = 0;         ///< in each state; 0: depends on the state
  std::string identity{};
  std::string state_file{};
};

struct OpKind {
  std::string_view name;
  bool ExploreOps::* flag;
};
constexpr std::array<OpKind, 8> op_kinds{{{"aligned", &ExploreOps::aligned},
                                          {"windows", &ExploreOps::windows},
                                          {"placed", &ExploreOps::placed},
                                          {"lazy", &ExploreOps::lazy},
                                          {"congruent", &ExploreOps::congruent},
                                          {"failures", &ExploreOps::failures},
                                          {"find", &ExploreOps::find},
                                          {"refused", &ExploreOps::refused}}};

Exit run_explore(const Common& common, const Options& options);
Plan plan_of(const Common& common, const Options& options);
ExploreReport explore_all(const Plan& plan, const Options& options);
Exit report_found(const Common& common, const Options& options, const Plan& plan, const ExploreReport& report);

}  // namespace

void add_explore(CLI::App& app, Session& session) {
  CLI::App& command = add_command(
      app, session, "explore", "Every state of a small space, and every op from each of them", uses_subject | uses_json,
      "vmapcheck explore                                  the whole allocator, all ops, 5 granules\n"
      "vmapcheck explore --ops first-fit --granules 12    sizes and frees alone reach farther\n"
      "vmapcheck explore --index-only --granules 16       the tree of free blocks alone\n"
      "vmapcheck explore --index-only --searches          and every search in each of them\n"
      "vmapcheck explore --base top --granules 4          where addresses end\n"
      "vmapcheck explore --subject canary_tree            a shortest sequence that breaks it\n"
      "Ctrl-C, --time and --depth leave a state file, from which the same command goes on.",
      {Exit::ok, Exit::usage, Exit::subject, Exit::io, Exit::interrupted, Exit::violation, Exit::flaky});
  const auto options = add_options<Options>(command, session, run_explore);
  add_count(command, "--granules", options->granules,
            "Granules of the space (default: 5; with --ops first-fit 10; with --index-only 12)", 1, index_granules_max);
  add_step(command, "--depth", options->depth, "Only what so many ops can reach");
  command.add_flag("--index-only", options->index_only,
                   "The free-space index alone: carves and adds of every range, whoever may ask for them");
  command
      .add_flag("--searches", options->searches,
                "With --index-only: in each state every search, of all sizes, alignments and windows")
      ->needs("--index-only");
  std::string kinds;
  std::vector<std::string> names{"first-fit", "all"};
  for (const OpKind& kind : op_kinds) kinds += fmt::format(", {}", kind.name), names.emplace_back(kind.name);
  add_list(command, "--ops", options->ops,
           fmt::format("Ops of the whole allocator, with commas between: first-fit (allocations of all sizes and\n"
                       "frees, always there){}; all (default)",
                       kinds),
           names)
      ->excludes("--index-only");
  add_text(command, "--base", options->base, "Where the space begins (default: 0); top: it ends at 2^64-1, granule 1",
           "ADDRESS");
  add_count(command, "--granule", options->granule, "Bytes of a granule, a power of two (default: 1)");
  add_step(command, "--lazy-limit", options->lazy_limit, "Bytes freed lazily above which all are purged");
  add_jobs(command, options->jobs, "Threads");
  add_duration(command, "--time", options->time, "End when this has passed");
  add_text(command, "--state", options->state_file,
           "Where an unfinished exploration is kept (default: vmapcheck-explore/NAME.state)", "FILE");
  command.add_flag("--fresh", options->afresh, "Begin anew, whatever is kept");
  add_save_dir(command, options->save_dir);
  command.add_flag("--no-minimize", options->no_minimize, "Keep the trace as it was found");
}

namespace {

double seconds_of(std::chrono::nanoseconds time) { return std::chrono::duration<double>(time).count(); }

// ---- What is to be explored

[[noreturn]] void refuse(const std::string& line) { throw Stop{Exit::usage, line}; }

Address base_of(const Options& options, std::uint64_t granules) {
  if (!vmap::is_power_of_two(options.granule)) refuse("--granule: a power of two is needed");
  if (options.granule > vmap::address_max / granules) refuse("--granule: so many granules are more than 2^64 bytes");
  const Size bytes = options.granule * granules;
  if (options.base == "top") {
    if (options.granule != 1) refuse("--base top: the space ends at 2^64-1, which is on granules of 1 only");
    return vmap::address_max - bytes;
  }
  const auto base = parse_count(options.base);
  if (!base) refuse(fmt::format("--base: expected an address or 'top', found '{}'", one_line(options.base, 60)));
  if (*base % options.granule != 0) refuse("--base: not on granules");
  if (*base > vmap::address_max - bytes) refuse("--base: the space would not end at or below 2^64-1");
  return *base;
}

/// Sizes and times of this program and of the file with the subject: another build is another subject.
std::string build_stamp(const std::string& subject) {
  std::string stamp;
  for (const std::string& path : {std::string("/proc/self/exe"), subject}) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) continue;
    stamp += fmt::format(" {}.{}.{}", status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
  }
  return stamp;
}

Plan plan_of(const Common& common, const Options& options) {
  Plan plan{.subject = subject_named(common.subject)};
  ExploreOps ops;
  const auto named = [&](std::string_view name) { return std::ranges::find(options.ops, name) != options.ops.end(); };
  for (const OpKind& kind : op_kinds) {
    ops.*kind.flag = options.ops.empty() || named("all") || named(kind.name);
    if (ops.*kind.flag) plan.ops.emplace_back(kind.name);
  }
  plan.ops.insert(plan.ops.begin(), "first-fit");
  plan.granules = options.granules;
  if (plan.granules == 0) plan.granules = options.index_only ? 12 : plan.ops.size() == 1 ? 10 : 5;
  plan.base = base_of(options, plan.granules);
  if (options.index_only) {
    if (!plan.subject.index)
      throw Stop{Exit::subject,
                 fmt::format("subject {} has no free-space index that can be explored alone", plan.subject.name)};
    if (options.lazy_limit) refuse("--lazy-limit: an index alone frees nothing lazily");
    plan.territory = index_territory(
        plan.subject.index,
        {.granules = plan.granules, .base = plan.base, .granule = options.granule, .searches = options.searches});
  } else {
    if (plan.granules > whole_granules_max)
      refuse(fmt::format("--granules: at most {} for the whole allocator", whole_granules_max));
    const WholeWorldOptions world{.granules = plan.granules,
                                  .base = plan.base,
                                  .granule = options.granule,
                                  .lazy_limit = options.lazy_limit,
                                  .ops = ops};
    plan.territory = whole_territory(plan.subject.make, world);
    plan.moves = alphabet(world).size();
  }
  plan.identity =
      fmt::format("{} {} granules={} base={} granule={} lazy-limit={} searches={} ops={}{}",
                  one_line(plan.subject.name), options.index_only ? "index" : "whole", plan.granules, plan.base,
                  options.granule, options.lazy_limit ? std::to_string(*options.lazy_limit) : "-", options.searches,
                  options.index_only ? "-" : fmt::format("{}", fmt::join(plan.ops, ",")), build_stamp(common.subject));
  plan.state_file = options.state_file;
  if (plan.state_file.empty()) {
    const std::size_t stamp = plan.identity.size() - build_stamp(common.subject).size();
    plan.state_file = fmt::format("vmapcheck-explore/{}-{}.state", file_name_of(plan.subject.name),
                                  hash_of(std::string_view(plan.identity).substr(0, stamp)));
  }
  return plan;
}

// ---- The run

Fields progress_line(const Plan& plan, const ExploreReport& report) {
  const double percent = report.level_states == 0 ? 0.0
                                                  : 100.0 * static_cast<double>(report.level_done) /
                                                        static_cast<double>(report.level_states);
  return {fmt::format("exploring {}: {} states", plan.subject.name, grouped(report.states)),
          fmt::format("depth {} is {:.0f} % done", report.level, percent),
          fmt::format("{:.0f} s", seconds_of(report.elapsed)),
          fmt::format("{} transitions", grouped(report.transitions)), bytes_text(report.bytes)};
}

ExploreReport explore_all(const Plan& plan, const Options& options) {
  ExploreOptions explore_options{
      .depth_max = std::min<std::uint64_t>(options.depth.value_or(explore_depth_max), explore_depth_max),
      .jobs = static_cast<unsigned>(options.jobs),
      .time = options.time,
      .state_file = plan.state_file,
      .identity = plan.identity,
      .afresh = options.afresh};
  Progress progress;
  explore_options.on_progress = [&](const ExploreReport& report) {
    progress.update([&] { return progress_line(plan, report); });
    return !interrupted();
  };
  const std::string directory = std::filesystem::path(plan.state_file).parent_path().string();
  if (!directory.empty() && options.state_file.empty()) make_directory(directory);
  auto report = explore(plan.territory, explore_options);
  if (!report) {
    using Kind = ExploreError::Kind;
    const ExploreError& error = report.error();
    const Exit status = error.kind == Kind::subject      ? Exit::subject
                        : error.kind == Kind::state_file ? Exit::usage
                                                         : Exit::io;
    throw Stop{status, error.kind == Kind::subject
                           ? fmt::format("subject {}: {}", plan.subject.name, one_line(error.text))
                           : one_line(error.text)};
  }
  std::error_code ignored;
  if (report->complete || report->found) std::filesystem::remove(plan.state_file, ignored);
  if (options.state_file.empty()) std::filesystem::remove(directory, ignored);  // if nothing else is in it
  return *std::move(report);
}

// ---- What is said of it

std::vector<std::string_view> cases_not_reached(const ExploreReport& report) {
  std::vector<std::string_view> missing;
  for (std::size_t i = 0; i < vmap::tree_case_count; ++i)
    if (report.exercised.coverage.tree_cases[i] == 0) missing.push_back(vmap::tree_case_names[i]);
  return missing;
}

/// Words with commas between them, in lines of at most 100 columns.
std::string wrapped(const std::vector<std::string_view>& words) {
  const std::size_t columns = std::min<std::size_t>(window_of(1).columns, 100);
  std::string text, line;
  for (const std::string_view word : words) {
    if (!line.empty() && line.size() + word.size() + 5 > columns) text += "  " + std::exchange(line, "") + ",\n";
    line += fmt::format("{}{}", line.empty() ? "" : ", ", word);
  }
  return text + "  " + line + "\n";
}

std::string_view verdict_of(const ExploreReport& report) {
  if (report.found) return "violation";
  if (report.complete) return "ok";
  return report.interrupted ? "interrupted" : "incomplete";
}

/// True if every state was seen, and the subject says that it holds no hidden state.
bool is_proved(const ExploreReport& report) {
  return report.complete && !report.found && report.exercised.keys_decide();
}

/// What is known now. It claims only what was run.
std::string claim_of(const Plan& plan, const Options& options, const ExploreReport& report) {
  const std::string what = options.index_only ? fmt::format("any sequence of carves and adds{}",
                                                            options.searches ? ", with every search in each," : "")
                                              : fmt::format("any sequence of ops ({})", fmt::join(plan.ops, ", "));
  const std::string where = fmt::format("in a space of {} from {:#x}", count_of(plan.granules, "granule"), plan.base);
  if (is_proved(report))
    return fmt::format("proved: {}, every state reachable by {} keeps every invariant\n{}", where, what,
                       report.exercised.has_digest
                           ? "if states that differ have different digests and hashes, and the digest is of all that "
                             "decides what the subject does, as it says of itself"
                           : "if what the subject shows decides what it does, as it says of itself");
  if (report.complete)
    return fmt::format(
        "no violation in {} that differ in what is seen: {}, by {}\nno proof: the subject may hold state "
        "that is not seen, for it has no digest and does not say that it shows all",
        count_of(report.states, "state"), where, what);
  return fmt::format("incomplete: no violation in the states reached by {}, up to {} of them in a row", what,
                     report.level);
}

std::string summary_of(const Plan& plan, const Options& options, const ExploreReport& report) {
  const double seconds = std::max(seconds_of(report.elapsed), 1e-9);
  std::string text = fmt::format("subject {}, {}, {} of size {:#x} from {:#x}\n", plan.subject.name,
                                 options.index_only ? "its free-space index alone" : "the whole allocator",
                                 count_of(plan.granules, "granule"), options.granule, plan.base);
  if (plan.moves != 0)
    text += fmt::format("ops: {}: {} in each state\n", fmt::join(plan.ops, ", "), grouped(plan.moves));
  text += fmt::format(
      "{}{} states, {} transitions{}, depth {}, in {:.2f} s ({:.2f} s of processor time, {:.0f} "
      "transitions per second, {})\n",
      report.resumed ? "gone on from a state file: " : "", grouped(report.states), grouped(report.transitions),
      report.exercised.searches != 0 ? fmt::format(", {} searches", grouped(report.exercised.searches)) : "",
      report.depth, seconds_of(report.elapsed), seconds_of(report.cpu),
      static_cast<double>(report.transitions) / seconds, bytes_text(report.bytes));
  if (report.found && report.found->death) return text;  // not all was told
  text += fmt::format("{} more transitions, from states that were entered on another way than their first\n",
                      grouped(report.exercised.again));
  text += fmt::format("{} layouts differ in what is {}; {}\n", grouped(report.layouts),
                      options.index_only ? "free" : "busy, lazily freed and free",
                      report.exercised.sees_tree ? "states also in the shape and the colours of the tree of free blocks"
                                                 : "the subject shows no tree, so that states do in nothing else");
  const auto missing = cases_not_reached(report);
  const std::size_t reached = vmap::tree_case_count - missing.size();
  if (report.found || !report.exercised.sees_tree || reached == 0) return text;
  text += fmt::format("cases of linking, erasing and rebalancing that were reached: {} of {}", reached,
                      vmap::tree_case_count);
  text += missing.empty() ? std::string("\n") : fmt::format("; not\n{}", wrapped(missing));
  return text;
}

ordered_json json_of(const Plan& plan, const Options& options, const ExploreReport& report) {
  ordered_json json;
  json["subject"] = plan.subject.name;
  json["mode"] = options.index_only ? "index" : "whole";
  json["granules"] = plan.granules;
  json["base"] = fmt::format("{:#x}", plan.base);
  if (!options.index_only) json["ops"] = plan.ops;
  json["states"] = report.states;
  json["layouts"] = report.layouts;
  json["transitions"] = report.transitions;
  json["transitions_again"] = report.exercised.again;
  json["searches"] = report.exercised.searches;
  json["depth"] = report.depth;
  json["complete"] = report.complete;
  json["resumed"] = report.resumed;
  json["seconds"] = seconds_of(report.elapsed);
  json["cpu_seconds"] = seconds_of(report.cpu);
  json["bytes"] = report.bytes;
  json["tree_cases"] = named(vmap::tree_case_names, report.exercised.coverage.tree_cases);
  json["verdict"] = verdict_of(report);
  if (!report.found) json["claim"] = is_proved(report) ? "proved" : "no_violation_seen";
  return json;
}

Exit run_explore(const Common& common, const Options& options) {
  const Plan plan = plan_of(common, options);
  const ExploreReport report = explore_all(plan, options);
  if (!common.json) out(summary_of(plan, options, report));
  if (report.found) return report_found(common, options, plan, report);
  if (common.json)
    out_json(json_of(plan, options, report));
  else
    out("\n" + claim_of(plan, options, report) + "\n");
  if (!report.complete && report.saved)
    say(fmt::format("vmapcheck: the state is saved in {}: the same command goes on", one_line(plan.state_file)));
  return report.interrupted && !report.complete ? Exit::interrupted : Exit::ok;
}

/// Two ways lead to one state, from which one op leads to two. The model allows each trace: neither fails by itself.
Exit report_broken_word(const Common& common, const Plan& plan, const ExploreReport::Found& found, ordered_json json,
                        const std::string& what) {
  const std::string trace = print(plan.territory.trace(found.moves)), other = print(plan.territory.trace(found.other));
  json["found"] = {{"moves", found.moves.size()}, {"detail", what}, {"trace", trace}, {"other", other}};
  if (common.json)
    out_json(json);
  else
    out(fmt::format("each by itself is allowed; replay --json shows what the last op of each does:\n\n{}\n{}\n", trace,
                    other));
  return Exit::violation;
}

/// Reports a shortest sequence as a trace. That of an index alone becomes ops on whole areas; if these do not fail, the
/// report says so.
Exit report_found(const Common& common, const Options& options, const Plan& plan, const ExploreReport& report) {
  const ExploreReport::Found& found = *report.found;
  Trace trace = plan.territory.trace(found.moves);
  if (!found.line.empty())
    if (auto longer = parse_trace(print(trace) + found.line + "\n")) trace = *std::move(longer);
  std::optional<Failure> failure;
  try {
    const auto ran =
        run_isolated(trace, plan.subject.make, {.checking = Checking::every_step, .limits = {}, .keep_going = {}});
    if (ran) failure = *ran;
  } catch (const ChildrenKilled&) {}  // what was found is shown all the same
  ordered_json json = json_of(plan, options, report);
  const std::string what =
      found.violation ? fmt::format("{}: {}", name(found.violation->invariant), one_line(found.violation->detail))
                      : fmt::format("it died: {}", name(found.death->kind));
  if (!common.json)
    out(fmt::format("\nfound after {}, {}: {}\n", count_of(found.moves.size(), options.index_only ? "change" : "op"),
                    found.astray ? "on another way to a state than its first" : "and there is no way with fewer",
                    what));
  if (!found.other.empty()) return report_broken_word(common, plan, found, std::move(json), what);
  const bool reproduced = failure.has_value();
  if (!reproduced && options.index_only) {
    // The trace of whole areas does not show it. What was found in the index stays true.
    json["found"] = {{"moves", found.moves.size()}, {"detail", what}, {"trace", print(trace)}, {"reproduced", false}};
    if (common.json)
      out_json(json);
    else
      out(fmt::format("the same, done by whole areas, does not fail; it is:\n\n{}\n", print(trace)));
    return Exit::violation;
  }
  if (!reproduced) {
    if (!common.json) out("flaky: run again by itself, this trace did not fail\n");
    const std::size_t last = trace.ops.empty() ? 0 : trace.ops.size() - 1;
    Death death = found.death.value_or(Death{});
    if (death.phase == Phase::op) death.step = last;  // it counted those of the exploration
    failure = found.violation ? failure_of(*found.violation, last, trace) : failure_of(death, trace);
  }
  cut_behind(trace, *failure);
  Minimizing minimizing{.wanted = reproduced && !options.no_minimize};
  const std::string found_by =
      fmt::format("vmapcheck explore --subject {} --granules {}{}{}", shell_word(plan.subject.name), plan.granules,
                  options.index_only ? " --index-only" : " --ops ",
                  options.index_only ? "" : fmt::format("{}", fmt::join(plan.ops, ",")));
  const SavedFinding kept = keep_finding(plan.subject, trace, *failure, minimizing, found_by, common, options.save_dir);
  if (common.json) {
    json["found"] = tool::json_of(kept.finding);
    json["found"]["moves"] = found.moves.size();
    json["found"]["reproduced"] = reproduced;
    json["found"]["file"] = kept.path.empty() ? ordered_json() : ordered_json(kept.path);
    out_json(json);
  }
  return reproduced ? Exit::violation : Exit::flaky;
}

}  // namespace
}  // namespace vmapcheck::tool
