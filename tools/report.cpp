// SPDX-License-Identifier: Apache-2.0
#include "tools/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "harness/isolate/symbols.hpp"
#include "harness/verify/describe.hpp"
#include "harness/verify/isolated.hpp"
#include "model/op_kinds.hpp"
#include "model/trace.hpp"
#include "tools/exit_status.hpp"
#include "tools/files.hpp"
#include "tools/in_child.hpp"
#include "tools/interruption.hpp"
#include "tools/map_text.hpp"
#include "tools/progress.hpp"

namespace vmapcheck::tool {
namespace {

constexpr std::array<std::string_view, vmap::invariant_count> invariant_meanings{
    "every result or error is the one that the contract demands",
    "busy areas, lazily freed areas and free blocks are disjoint, inside the space, on granules",
    "together they tile the space without a gap",
    "no two free blocks touch",
    "fit type and number of free blocks change as the placement demands",
    "addresses ascend, parent links agree, red-black rules hold, the list threads the same order",
    "every subtree_max_size equals the value recomputed from its block and children",
    "a call that failed changed nothing",
    "one node for each free block and area; nothing leaks; a free never allocates",
    "nodes visited by an operation stay under their bound"};
static_assert(!invariant_meanings.back().empty(), "an invariant without a meaning");

std::string draw_around(const ReferenceModel& model, Address focus);
Address focus_of(const Failure& failure, Range space);

}  // namespace

// ---- Running

void stop_if_oracle(const std::optional<Failure>& failure, const std::string& command) {
  if (!failure || failure->kind != FailureKind::oracle) return;
  throw Stop{Exit::oracle,
             fmt::format("{} ({}, {}{}); please report this, with {}", one_line(failure->violation.detail, 600),
                         one_line(signature(*failure)), one_line(place_of(*failure)),
                         failure->frames.empty() ? "" : "; " + one_line(text_of(failure->frames.front())),
                         command.empty() ? "what was run" : command)};
}

std::optional<Failure> replay(const Trace& trace, const SubjectEntry& subject, std::optional<Checking> checking,
                              const OnStep& on_step, const std::function<void()>& on_wait) {
  const Checking how = checking.value_or(checking_of(trace));
  const auto run_once = [&](const Closer& closer, Position& position, const OnStep& tell) {
    const SharedArray<Position> shared(1);
    const auto run_all = [&](Beacon& beacon) {
      auto executor = Executor::create(trace.space, subject.make, how);
      if (!executor) throw Stop{Exit::subject, fmt::format("subject {}: {}", subject.name, one_line(executor.error()))};
      (*executor)->look_closer(closer);
      (*executor)->report_to(beacon);
      std::optional<Failure> failure;
      for (std::size_t step = 0; step < trace.ops.size() && !failure; ++step) {
        const Op& op = trace.ops[step];
        beacon.at(Phase::op, step);
        shared[0] = (*executor)->position();
        if (auto violation = (*executor)->step(op)) failure = Failure{step, op, *std::move(violation)};
        if (!tell) continue;
        beacon.aside(true);  // who reads what is printed may take his time
        tell(step, op, (*executor)->answer());
        beacon.aside(false);
      }
      beacon.at(Phase::end, trace.ops.size());
      if (!failure) {
        shared[0] = (*executor)->position();
        if (auto violation = (*executor)->finish())
          failure = Failure{trace.ops.size(), std::nullopt, *std::move(violation), FailureKind::violation, Phase::end};
      }
      return failure;
    };
    auto failure = run_in_child(trace, run_all, on_wait).failure;
    position = shared[0];
    return failure;
  };
  Position position;
  auto failure = run_once({}, position, on_step);
  if (checking || how == Checking::every_step || !failure) return failure;
  return named(*std::move(failure), position,
               [&](const Closer& closer, Position& now) { return run_once(closer, now, {}); });
}

std::string count_of(std::size_t number, std::string_view what) {
  return fmt::format("{} {}{}", number, what, number == 1 ? "" : "s");
}

// ---- Answers

std::string text_of(const Op& op, const Answer& answer) {
  const auto label = [&] { return used_label(op) == nullptr ? "it" : print(*used_label(op)); };
  const bool lazily = kind_frees[op.index()] == Frees::lazily;
  return std::visit(Overloaded{
                        [](Nothing) -> std::string { return "done"; },
                        [&](Skipped skipped) -> std::string {
                          return skipped.unsupported ? "skipped: the subject cannot"
                                                     : fmt::format("skipped: {} is not live", label());
                        },
                        [](const vmap::Allocation& allocation) { return describe(allocation); },
                        [](Base base) { return "base " + describe(base.address); },
                        [&](Range range) { return describe(range) + (lazily ? " lazily freed" : " free"); },
                        [](Purged purged) { return describe(purged.bytes) + " bytes purged"; },
                        [](Found found) { return describe(found.area); },
                        [](vmap::Error error) { return "error " + std::string(name(error)); },
                    },
                    answer);
}

namespace {

void append_number(std::string& text, std::uint64_t number, int base) {
  char digits[20];
  text.append(digits, std::to_chars(std::begin(digits), std::end(digits), number, base).ptr);
}

void append_hex(std::string& text, std::string_view key, std::uint64_t number) {
  text += '"';
  text += key;
  text += "\":\"0x";
  append_number(text, number, 16);
  text += '"';
}

void append_range(std::string& text, Range range) {
  append_hex(text, "begin", range.begin);
  text += ',';
  append_hex(text, "end", range.end);
}

}  // namespace

/// Written without a JSON library, since there may be millions of lines. Nothing in it needs an escape.
void append_json(std::string& line, std::size_t step, const Op& op, const Answer& answer) {
  line += "{\"step\":";
  append_number(line, step, 10);
  line += ",\"op\":\"";
  line += print(op);
  line += "\",";
  const auto result_of = [&](const auto& append) {
    line += "\"result\":{";
    append();
    line += '}';
  };
  std::visit(Overloaded{
                 [&](Nothing) { line += "\"result\":null"; },
                 [&](Skipped) { line += "\"skipped\":true"; },
                 [&](const vmap::Allocation& allocation) {
                   result_of([&] {
                     append_range(line, allocation.range);
                     line += ",\"fit\":\"";
                     line += name(allocation.fit);
                     line += '"';
                   });
                 },
                 [&](Base base) { result_of([&] { append_hex(line, "base", base.address); }); },
                 [&](Range range) { result_of([&] { append_range(line, range); }); },
                 [&](Purged purged) { result_of([&] { append_hex(line, "purged", purged.bytes); }); },
                 [&](Found found) {
                   if (found.area)
                     result_of([&] { append_range(line, *found.area); });
                   else
                     line += "\"result\":null";
                 },
                 [&](vmap::Error error) {
                   line += "\"error\":\"";
                   line += name(error);
                   line += '"';
                 },
             },
             answer);
  line += "}\n";
}

namespace {

/// Of a death, the innermost first. What is not known is null.
ordered_json frames_json(const Failure& failure) {
  ordered_json json = ordered_json::array();
  for (const Frame& frame : failure.frames)
    json.push_back({{"function", frame.function},
                    {"file", frame.file.empty() ? ordered_json() : ordered_json(frame.file)},
                    {"line", frame.line == 0 ? ordered_json() : ordered_json(frame.line)}});
  return json;
}

}  // namespace

std::string verdict_json(const std::optional<Failure>& failure) {
  if (!failure) return "{\"verdict\":\"ok\"}\n";
  ordered_json verdict;
  if (failure->kind == FailureKind::violation) {
    verdict["verdict"] = "violation";
    verdict["invariant"] = name(failure->violation.invariant);
  } else {
    verdict["verdict"] = "died";
    verdict["kind"] = name(failure->kind);
  }
  verdict["step"] = failure->step;
  verdict["detail"] = failure->violation.detail;
  if (failure->kind != FailureKind::violation) verdict["frames"] = frames_json(*failure);
  verdict["signature"] = signature(*failure);
  return line_of(verdict);
}

std::string line_of(const ordered_json& json) {
  return json.dump(-1, ' ', true, ordered_json::error_handler_t::replace) + "\n";
}

void out_json(const ordered_json& json) { out(line_of(json)); }

ordered_json json_of(const Failure& failure) {
  ordered_json json;
  json["kind"] = name(failure.kind);
  if (failure.kind == FailureKind::violation) json["invariant"] = name(failure.violation.invariant);
  json["signature"] = signature(failure);
  json["step"] = failure.step;
  json["op"] = failure.op ? ordered_json(print(*failure.op)) : ordered_json();
  json["detail"] = failure.violation.detail;
  if (failure.kind != FailureKind::violation) json["frames"] = frames_json(failure);
  return json;
}

// ---- Violations

namespace {

std::vector<Row> rows_of(const vmap::Violation& violation) {
  std::vector<Row> rows{{"invariant", std::string(invariant_meanings[static_cast<std::size_t>(violation.invariant)])}};
  // "WHAT: expected E, actual A", or "WHAT is A, REMARK, expected E". A may quote another of these.
  constexpr std::string_view expected_word = "expected ", actual_word = ", actual ", is_word = " is ";
  const std::string_view detail = violation.detail;
  const std::size_t expected = detail.find(expected_word), actual = detail.find(actual_word);
  const std::size_t is = detail.rfind(is_word, expected);
  std::string_view before = detail, value, wanted;
  if (expected != std::string_view::npos && actual != std::string_view::npos && expected < actual) {
    before = detail.substr(0, expected);
    wanted = detail.substr(expected + expected_word.size(), actual - expected - expected_word.size());
    value = detail.substr(actual + actual_word.size());
  } else if (expected != std::string_view::npos && is != std::string_view::npos && is < expected) {
    before = detail.substr(0, is);
    wanted = detail.substr(expected + expected_word.size());
    value = detail.substr(is + is_word.size(), expected - is - is_word.size());
  }
  const auto trimmed = [](std::string_view text) {
    while (text.ends_with(' ') || text.ends_with(':') || text.ends_with(',')) text.remove_suffix(1);
    return std::string(text);
  };
  if (std::string what = trimmed(before); !what.empty()) rows.push_back({"what", std::move(what)});
  if (wanted.empty()) return rows;
  rows.push_back({"expected", std::string(wanted)});
  rows.push_back({"actual", trimmed(value)});
  return rows;
}

/// Why it is not said, or not in full, where the subject died; empty where it is.
std::string why_no_place(const Failure& failure) {
  if (failure.frames.empty())
    return "not known: no function of the subject is on the stack, or the stack could not be seen";
  if (std::ranges::all_of(failure.frames, [](const Frame& frame) { return frame.line != 0; })) return "";
  if (symbolizer().empty())
    return "names alone: neither llvm-symbolizer nor addr2line was found (Debian: llvm, binutils)";
  return fmt::format("{} knows no line of what was compiled without debug information (-g)", symbolizer());
}

/// How it died, where, and the first lines of what was printed meanwhile, which say most.
std::vector<Row> rows_of_death(const Failure& failure) {
  std::vector<Row> rows{{"what", failure.violation.detail}};
  for (const Frame& frame : failure.frames) rows.push_back({rows.size() == 1 ? "in" : "", text_of(frame)});
  if (std::string why = why_no_place(failure); !why.empty())
    rows.push_back({rows.size() == 1 ? "in" : "", std::move(why)});
  constexpr std::size_t lines_max = 12;
  const std::string report = symbolized(failure.report);
  std::string_view rest = report;
  for (std::size_t n = 0; n < lines_max && !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.find_first_not_of("= ") == std::string_view::npos) continue;
    rows.push_back({n++ == 0 ? "printed" : "", std::string(line.substr(0, 160))});
  }
  return rows;
}

/// The map before the step that failed.
std::string draw_before(const Failure& failure, const Trace& trace, const SubjectEntry& subject) {
  const std::size_t ops = std::min(failure.step, trace.ops.size());
  const auto work = [&](std::uint64_t, Beacon& beacon) -> std::optional<std::string> {
    auto executor = Executor::create(trace.space, subject.make, Checking::amortized);
    if (!executor) return "";
    for (std::size_t step = 0; step < ops; ++step) {
      beacon.at(Phase::op, step);
      if ((*executor)->step(trace.ops[step])) break;
    }
    const ReferenceModel& model = (*executor)->model();
    return draw_around(model, focus_of(failure, model.space().range));
  };
  // A slow subject must not keep the report waiting.
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  WalkOptions options;
  options.keep_going = [end] { return std::chrono::steady_clock::now() < end; };
  try {
    return walk(1, work, options).answer.value_or("");
  } catch (const ChildrenKilled&) {
    return "";
  }
}

}  // namespace

std::vector<Row> rows_of(const Failure& failure) {
  return failure.kind == FailureKind::violation ? rows_of(failure.violation) : rows_of_death(failure);
}

std::string place_of(const Failure& failure) {
  switch (failure.phase) {
    case Phase::construction: return "while the subject was made";
    case Phase::end: return fmt::format("at step {}: the end of the trace", failure.step);
    case Phase::op: break;
  }
  return fmt::format("at step {}: {}", failure.step, failure.op ? print(*failure.op) : "");
}

std::string text_of(const Failure& failure, const Trace& trace, const SubjectEntry& subject) {
  return title_of(failure) + "\n" + text_of(rows_of(failure)) + draw_before(failure, trace, subject);
}

std::string title_of(const Failure& failure) {
  const bool is_violation = failure.kind == FailureKind::violation;
  return fmt::format("{}{} {}", is_violation ? "violation of " : "", signature(failure), place_of(failure));
}

std::string what_broke(const Failure& failure) {
  return failure.kind == FailureKind::violation ? ": " + one_line(failure.violation.detail) : "";
}

std::string text_of(const Row& row) { return fmt::format("  {:<10} {}\n", row.title, one_line(row.text, 2000)); }

std::string text_of(const std::vector<Row>& rows) {
  std::string text;
  for (const Row& row : rows) text += text_of(row);
  return text;
}

namespace {

/// Where to look: the first address that the detail names, or the one that the op names.
Address focus_of(const Failure& failure, Range space) {
  const std::string_view detail = failure.violation.detail;
  for (std::size_t at = detail.find("0x"); at != std::string_view::npos; at = detail.find("0x", at + 2)) {
    Address address = 0;
    std::from_chars(detail.data() + at + 2, detail.data() + detail.size(), address, 16);
    if (space.contains(address)) return address;
  }
  Address focus = space.begin;
  if (failure.op)
    for_each_field(*failure.op, [&](auto field, const auto& value) {
      const auto look_at = [&](Address address) { focus = space.contains(address) ? address : focus; };
      if constexpr (field.meaning == Meaning::range) look_at(value.begin);
      if constexpr (field.meaning == Meaning::address) look_at(value);
    });
  return focus;
}

/// The model's areas near `focus`: as much as can be seen.
std::string draw_around(const ReferenceModel& model, Address focus) {
  const Range space = model.space().range;
  const ReferenceModel::Areas& areas = model.areas();
  auto area = areas.upper_bound(focus);
  for (int i = 0; i < 12 && area != areas.begin(); ++i) --area;
  const Address begin = area == areas.begin() ? space.begin : std::prev(area)->second.end;
  AddressMap map;
  Address at = begin;
  for (int i = 0; i < 25; ++i) {
    const Address end = area == areas.end() ? space.end : area->first;
    if (at < end) map.push_back({{at, end}, ItemKind::free, {}});
    at = end;
    if (area == areas.end()) break;
    map.push_back({{area->first, area->second.end},
                   area->second.lazy ? ItemKind::lazy : ItemKind::busy,
                   area->second.lazy ? std::nullopt : area->second.label});
    at = area->second.end;
    ++area;
  }
  if (map.empty()) return "";
  const MapText text =
      draw_map(cells_of(map, {begin, at}, {}), {begin, at}, model.space().granule, focus, 108, palette(false));
  return fmt::format("  {:<10} {}\n  {:<10} {}\n", "before", text.addresses, "", text.bar);
}

}  // namespace

// ---- Coverage

namespace {

/// "full 12  left_edge 3", broken into lines.
std::string line_of(std::string_view title, Names names, Counters counters, std::size_t width_max) {
  std::string text = fmt::format("{:<15}", title);
  std::size_t width = text.size();
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string one = fmt::format(" {} {} ", names[i], counters[i]);
    if (width > 15 && width + one.size() > std::min<std::size_t>(width_max, 110) + 1) {
      while (text.ends_with(' ')) text.pop_back();
      text += fmt::format("\n{:<15}", "");
      width = 15;
    }
    text += one;
    width += one.size();
  }
  while (text.ends_with(' ')) text.pop_back();
  return text + "\n";
}

}  // namespace

std::string text_of(const std::vector<OpColumn>& columns, std::string_view zero, std::size_t width) {
  std::vector<Fields> rows{{"op"}};
  for (const std::string_view name : op_names) rows.push_back({std::string(name)});
  for (const OpColumn& column : columns) {
    rows.front().emplace_back(column.name);
    for (std::size_t op = 0; op < op_kind_count; ++op)
      rows[op + 1].push_back(column.counters[op] == 0 ? std::string(zero) : fmt::format("{}", column.counters[op]));
  }
  return table(rows, width);
}

std::string text_of(const Coverage& coverage, std::size_t width) {
  std::vector<OpColumn> columns{{"performed", performed_of(coverage)}, {"skipped", coverage.skipped}};
  add_columns(columns, error_names, coverage.errors);
  std::string text = text_of(columns, "0", width) + "\n";
  const auto line = [&](std::string_view title, Names names, Counters counters) {
    text += line_of(title, names, counters, width);
  };
  line("fit types", fit_names, coverage.fits);
  line("coalescing", vmap::coalescing_names, coverage.coalescings);
  line("errors", error_names, errors_of(coverage));
  line("tree cases", vmap::tree_case_names, coverage.tree_cases);
  line("purges", std::array<std::string_view, 2>{"on limit", "on exhaustion"},
       std::array<std::uint64_t, 2>{coverage.purges_on_limit, coverage.purges_on_exhaustion});
  line("other",
       std::array<std::string_view, 5>{"hooks called", "allocations rescued", "metadata failures",
                                       "alignment rows made", "not supported"},
       std::array<std::uint64_t, 5>{coverage.hooks_called, coverage.rescued, coverage.faults_fired, coverage.rows_made,
                                    coverage.unsupported});
  line("free blocks", std::array<std::string_view, 1>{"at most"},
       std::array<std::uint64_t, 1>{coverage.free_blocks_max});
  line("whole state", std::array<std::string_view, 1>{"checks"}, std::array<std::uint64_t, 1>{coverage.full_checks});
  return text;
}

ordered_json named(Names names, Counters counters) {
  ordered_json json;
  for (std::size_t i = 0; i < names.size(); ++i) json[names[i]] = counters[i];
  return json;
}

ordered_json json_of(const Coverage& coverage) {
  ordered_json json;
  const auto performed = performed_of(coverage);
  for (std::size_t i = 0; i < op_kind_count; ++i)
    json["ops"][op_names[i]] = {{"performed", performed[i]},
                                {"skipped", coverage.skipped[i]},
                                {"errors", named(error_names, coverage.errors[i])},
                                {"fits", named(fit_names, coverage.fits_of[i])},
                                {"checks", named(vmap::invariant_names, coverage.checks[i])}};
  json["checks_begin_and_end"] = named(vmap::invariant_names, coverage.checks[op_kind_count]);
  json["fits"] = named(fit_names, coverage.fits);
  json["coalescings"] = named(vmap::coalescing_names, coverage.coalescings);
  json["errors"] = named(error_names, errors_of(coverage));
  json["tree_cases"] = named(vmap::tree_case_names, coverage.tree_cases);
  json["purges"] = {{"on_limit", coverage.purges_on_limit}, {"on_exhaustion", coverage.purges_on_exhaustion}};
  json["hooks_called"] = coverage.hooks_called;
  json["rescued"] = coverage.rescued;
  json["metadata_failures"] = coverage.faults_fired;
  json["rows_made"] = coverage.rows_made;
  json["unsupported"] = coverage.unsupported;
  json["free_blocks_max"] = coverage.free_blocks_max;
  json["full_checks"] = coverage.full_checks;
  return json;
}

}  // namespace vmapcheck::tool
