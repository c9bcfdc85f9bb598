// SPDX-License-Identifier: Apache-2.0
#include "tools/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstdlib>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "harness/describe.hpp"
#include "harness/isolated.hpp"
#include "model/trace.hpp"
#include "tools/exit_status.hpp"
#include "tools/files.hpp"
#include "tools/interruption.hpp"

namespace vmapcheck::tool {
namespace {

using nlohmann::ordered_json;

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};

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

std::string draw_around(const ReferenceModel& model, Address focus);
Address focus_of(const Failure& failure, Range space);

}  // namespace

// ---- Running
// -----------------------------------------------------------------------------------------------------------

std::optional<Failure> replay(const Trace& trace, const SubjectEntry& subject, Checking checking,
                              const OnStep& on_step) {
  constexpr char mark_stop = 's', mark_unmade = 'u';
  flush_out();
  const auto run_all = [&](Beacon& beacon) -> std::string {
    auto executor = Executor::create(trace.space, subject.make, checking);
    if (!executor) return mark_unmade + executor.error();
    std::optional<Failure> failure;
    for (std::size_t step = 0; step < trace.ops.size() && !failure; ++step) {
      const Op& op = trace.ops[step];
      beacon.at(Phase::op, step);
      if (auto violation = (*executor)->step(op)) failure = Failure{step, op, *std::move(violation)};
      if (!on_step) continue;
      beacon.aside(true);  // who reads what is printed may take his time
      on_step(step, op, (*executor)->answer());
      beacon.aside(false);
    }
    beacon.at(Phase::end, trace.ops.size());
    if (!failure)
      if (auto violation = (*executor)->finish())
        failure = Failure{trace.ops.size(), std::nullopt, *std::move(violation), FailureKind::violation, Phase::end};
    return pack(failure);
  };
  const auto work = [&](std::uint64_t, Beacon& beacon) -> std::optional<std::string> {
    try {
      std::string answer = run_all(beacon);
      beacon.aside(true);
      flush_out();
      return answer;
    } catch (const Stop& stop) {  // the output cannot be written
      return fmt::format("{}{}\n{}", mark_stop, static_cast<int>(stop.status), stop.line);
    }
  };
  const Walked walked = walk(1, work, {.limits = {}, .on_death = {}, .keep_going = [] { return !interrupted(); }});
  if (walked.interrupted) throw Stop{Exit::interrupted, "interrupted"};
  if (walked.death) return failure_of(*walked.death, trace);
  const std::string& answer = *walked.answer;
  if (answer.front() == mark_unmade)
    throw Stop{Exit::subject, fmt::format("subject {}: {}", subject.name, one_line(answer.substr(1)))};
  if (answer.front() == mark_stop) {
    give_up_out();
    throw Stop{static_cast<Exit>(std::atoi(answer.c_str() + 1)), answer.substr(answer.find('\n') + 1)};
  }
  return unpack(answer, trace);
}

// ---- Answers
// -----------------------------------------------------------------------------------------------------------

std::string text_of(const Op& op, const Answer& answer) {
  const auto label = [&]() -> std::string {
    return std::visit(
        [](const auto& o) -> std::string {
          if constexpr (requires { o.label; }) return print(o.label);
          return "it";
        },
        op);
  };
  const bool lazily = std::holds_alternative<FreeLazily>(op) || std::holds_alternative<FreeLazilyAt>(op);
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

/// Written by hand, for there may be millions of them; nothing in it needs an escape.
void append_json(std::string& line, std::size_t step, const Op& op, const Answer& answer) {
  line += "{\"step\":";
  append_number(line, step, 10);
  line += ",\"op\":\"";
  line += print(op);
  line += "\",";
  std::visit(Overloaded{
                 [&](Nothing) { line += "\"result\":null"; },
                 [&](Skipped) { line += "\"skipped\":true"; },
                 [&](const vmap::Allocation& allocation) {
                   line += "\"result\":{";
                   append_range(line, allocation.range);
                   line += ",\"fit\":\"";
                   line += name(allocation.fit);
                   line += "\"}";
                 },
                 [&](Base base) {
                   line += "\"result\":{";
                   append_hex(line, "base", base.address);
                   line += '}';
                 },
                 [&](Range range) {
                   line += "\"result\":{";
                   append_range(line, range);
                   line += '}';
                 },
                 [&](Purged purged) {
                   line += "\"result\":{";
                   append_hex(line, "purged", purged.bytes);
                   line += '}';
                 },
                 [&](Found found) {
                   if (!found.area) {
                     line += "\"result\":null";
                     return;
                   }
                   line += "\"result\":{";
                   append_range(line, *found.area);
                   line += '}';
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
  verdict["signature"] = signature(*failure);
  return verdict.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

ordered_json json_of(const Failure& failure) {
  ordered_json json;
  json["kind"] = name(failure.kind);
  if (failure.kind == FailureKind::violation) json["invariant"] = name(failure.violation.invariant);
  json["signature"] = signature(failure);
  json["step"] = failure.step;
  json["op"] = failure.op ? ordered_json(print(*failure.op)) : ordered_json();
  json["detail"] = failure.violation.detail;
  if (failure.kind != FailureKind::violation) json["frames"] = failure.frames;
  return json;
}

// ---- Violations
// --------------------------------------------------------------------------------------------------------

namespace {

std::string place_of(const Failure& failure) {
  switch (failure.phase) {
    case Phase::construction: return "while the subject was made";
    case Phase::end: return fmt::format("at step {}: the end of the trace", failure.step);
    case Phase::op: break;
  }
  return fmt::format("at step {}: {}", failure.step, failure.op ? print(*failure.op) : "");
}

void append_row(std::string& text, std::string_view title, std::string_view value) {
  text += fmt::format("  {:<10} {}\n", title, one_line(value, 2000));
}

void append_violation(std::string& text, const vmap::Violation& violation) {
  append_row(text, "invariant", invariant_meanings[static_cast<std::size_t>(violation.invariant)]);
  constexpr std::string_view expected_word = "expected ", actual_word = ", actual ";
  const std::string_view detail = violation.detail;
  const std::size_t expected = detail.rfind(expected_word), actual = detail.rfind(actual_word);
  if (expected != std::string_view::npos && actual != std::string_view::npos && expected < actual) {
    std::string_view before = detail.substr(0, expected);
    while (before.ends_with(' ') || before.ends_with(':') || before.ends_with(',')) before.remove_suffix(1);
    if (!before.empty()) append_row(text, "what", before);
    append_row(text, "expected",
               detail.substr(expected + expected_word.size(), actual - expected - expected_word.size()));
    append_row(text, "actual", detail.substr(actual + actual_word.size()));
  } else {
    append_row(text, "what", detail);
  }
}

void append_death(std::string& text, const Failure& failure) {
  append_row(text, "what", failure.violation.detail);
  for (std::size_t i = 0; i < failure.frames.size(); ++i) append_row(text, i == 0 ? "in" : "", failure.frames[i]);
  // What was printed meanwhile: the first lines are those that say most.
  constexpr std::size_t lines_max = 12;
  std::string_view rest = failure.report;
  for (std::size_t n = 0; n < lines_max && !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.find_first_not_of("= ") == std::string_view::npos) continue;
    append_row(text, n++ == 0 ? "printed" : "", line.substr(0, 160));
  }
}

/// What there was before the step that failed.
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
  const Walked walked = walk(1, work);
  return walked.answer.value_or("");
}

}  // namespace

std::string text_of(const Failure& failure, const Trace& trace, const SubjectEntry& subject) {
  std::string text;
  if (failure.kind == FailureKind::violation) {
    text = fmt::format("violation of {} {}\n", name(failure.violation.invariant), place_of(failure));
    append_violation(text, failure.violation);
  } else {
    text = fmt::format("{} {}\n", signature(failure), place_of(failure));
    append_death(text, failure);
  }
  return text + draw_before(failure, trace, subject);
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
  if (failure.op) {
    if (const auto* at = std::get_if<AllocAt>(&*failure.op); at != nullptr && space.contains(at->range.begin))
      return at->range.begin;
    if (const auto* freed = std::get_if<FreeAt>(&*failure.op); freed != nullptr && space.contains(freed->address))
      return freed->address;
  }
  return space.begin;
}

struct Cell {
  Range range;
  char fill = '.';
  std::string word;
};

Cell cell_of(Address begin, const ReferenceModel::Area& area) {
  if (area.lazy) return {{begin, area.end}, '~', "lazy"};
  return {{begin, area.end}, '#', area.label ? print(*area.label) : "busy"};
}

/// Up to three areas on each side of `focus`, and the gaps between them.
std::vector<Cell> cells_around(const ReferenceModel& model, Address focus) {
  const ReferenceModel::Areas& areas = model.areas();
  auto area = areas.upper_bound(focus);
  for (int i = 0; i < 3 && area != areas.begin(); ++i) --area;
  Address at = area == areas.begin() ? model.space().range.begin : std::prev(area)->second.end;
  std::vector<Cell> cells;
  for (int i = 0; i < 7; ++i) {
    const Address end = area == areas.end() ? model.space().range.end : area->first;
    if (at < end) cells.push_back({{at, end}, '.', "free"});
    if (area == areas.end()) break;
    cells.push_back(cell_of(area->first, area->second));
    at = area->second.end;
    ++area;
  }
  return cells;
}

/// Wide enough for its own begin, and a little wider where it is larger.
std::size_t width_of(const Cell& cell, Size granule) {
  const auto magnitude = static_cast<std::size_t>(std::bit_width(cell.range.size() / granule));
  return std::max(
      {describe(cell.range.begin).size() + 1, cell.word.size() + 5, 5 + std::min<std::size_t>(magnitude, 9)});
}

//     0x1000    0x2000    0x3000              0x11000
//     |## a0 ##|.. free ..|## a2 ##|... free ...|
std::string draw_around(const ReferenceModel& model, Address focus) {
  const Size granule = model.space().granule;
  std::vector<Cell> cells = cells_around(model, focus);
  constexpr std::size_t width_max = 108;
  const auto total = [&] {
    std::size_t sum = 20;
    for (const Cell& cell : cells) sum += width_of(cell, granule);
    return sum;
  };
  // What is farther from the focus goes first.
  while (cells.size() > 1 && total() > width_max) {
    const auto here = std::ranges::find_if(cells, [&](const Cell& cell) { return cell.range.contains(focus); });
    const auto left = here - cells.begin(), right = cells.end() - here - 1;
    left > right ? cells.erase(cells.begin()) : cells.erase(cells.end() - 1);
  }
  std::string addresses, bar;
  for (const Cell& cell : cells) {
    const std::size_t width = width_of(cell, granule);
    addresses += fmt::format("{:<{}}", describe(cell.range.begin), width);
    const std::size_t filled = width - 1 - cell.word.size() - 2, half = filled / 2;
    bar += fmt::format("|{} {} {}", std::string(half, cell.fill), cell.word, std::string(filled - half, cell.fill));
  }
  if (cells.empty()) return "";
  addresses += describe(cells.back().range.end);
  const bool more_before = cells.front().range.begin != model.space().range.begin;
  const bool more_after = cells.back().range.end != model.space().range.end;
  return fmt::format("  {:<10}     {}\n  {:<10} {} {}|{}\n", "before", addresses, "", more_before ? "..." : "   ", bar,
                     more_after ? " ..." : "");
}

}  // namespace

// ---- Coverage
// ----------------------------------------------------------------------------------------------------------

namespace {

constexpr vmap::Error errors[] = {vmap::Error::invalid_argument, vmap::Error::no_space, vmap::Error::not_busy,
                                  vmap::Error::out_of_memory};

std::string_view fit_name(std::size_t i) { return name(static_cast<vmap::FitType>(i)); }

/// "full 12  left_edge 3": what was counted, by name, broken into lines.
template <class Names>
std::string counts(std::string_view title, std::size_t n, Names name_of, const std::uint64_t* values) {
  std::string text = fmt::format("{:<15}", title);
  std::size_t width = text.size();
  for (std::size_t i = 0; i < n; ++i) {
    const std::string one = fmt::format(" {} {} ", name_of(i), values[i]);
    if (width + one.size() > 110) {
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

std::string text_of(const Coverage& coverage) {
  std::string text = fmt::format("{:<15}{:>12}{:>10}", "op", "performed", "skipped");
  for (const vmap::Error error : errors) text += fmt::format("{:>18}", name(error));
  text += '\n';
  for (std::size_t i = 0; i < op_kind_count; ++i) {
    text += fmt::format("{:<15}{:>12}{:>10}", op_names[i], coverage.ops[i] - coverage.skipped[i], coverage.skipped[i]);
    for (const vmap::Error error : errors)
      text += fmt::format("{:>18}", coverage.errors[i][static_cast<std::size_t>(error)]);
    text += '\n';
  }
  text += '\n';
  text += counts("fit types", vmap::fit_type_count, fit_name, coverage.fits.data());
  text += counts(
      "coalescing", vmap::coalescing_count, [](std::size_t i) { return vmap::coalescing_names[i]; },
      coverage.coalescings.data());
  text += counts(
      "errors", vmap::error_count, [](std::size_t i) { return name(errors[i]); },
      std::array{coverage.errors_of(errors[0]), coverage.errors_of(errors[1]), coverage.errors_of(errors[2]),
                 coverage.errors_of(errors[3])}
          .data());
  text += counts(
      "tree cases", vmap::tree_case_count, [](std::size_t i) { return vmap::tree_case_names[i]; },
      coverage.tree_cases.data());
  text += fmt::format("{:<15} on limit {}  on exhaustion {}\n", "purges", coverage.purges_on_limit,
                      coverage.purges_on_exhaustion);
  text += fmt::format("{:<15} hooks called {}  allocations rescued {}  metadata failures {}  not supported {}\n",
                      "other", coverage.hooks_called, coverage.rescued, coverage.faults_fired, coverage.unsupported);
  text += fmt::format("{:<15} at most {}; the whole state was checked {} times\n", "free blocks",
                      coverage.free_blocks_max, coverage.full_checks);
  return text;
}

ordered_json json_of(const Coverage& coverage) {
  ordered_json json;
  for (std::size_t i = 0; i < op_kind_count; ++i) {
    ordered_json op;
    op["performed"] = coverage.ops[i] - coverage.skipped[i];
    op["skipped"] = coverage.skipped[i];
    for (const vmap::Error error : errors)
      op["errors"][name(error)] = coverage.errors[i][static_cast<std::size_t>(error)];
    json["ops"][op_names[i]] = std::move(op);
  }
  for (std::size_t i = 0; i < vmap::fit_type_count; ++i) json["fits"][fit_name(i)] = coverage.fits[i];
  for (std::size_t i = 0; i < vmap::coalescing_count; ++i)
    json["coalescings"][vmap::coalescing_names[i]] = coverage.coalescings[i];
  for (const vmap::Error error : errors) json["errors"][name(error)] = coverage.errors_of(error);
  for (std::size_t i = 0; i < vmap::tree_case_count; ++i)
    json["tree_cases"][vmap::tree_case_names[i]] = coverage.tree_cases[i];
  json["purges"] = {{"on_limit", coverage.purges_on_limit}, {"on_exhaustion", coverage.purges_on_exhaustion}};
  json["hooks_called"] = coverage.hooks_called;
  json["rescued"] = coverage.rescued;
  json["metadata_failures"] = coverage.faults_fired;
  json["unsupported"] = coverage.unsupported;
  json["free_blocks_max"] = coverage.free_blocks_max;
  json["full_checks"] = coverage.full_checks;
  return json;
}

}  // namespace vmapcheck::tool
