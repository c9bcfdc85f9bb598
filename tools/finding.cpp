// SPDX-License-Identifier: Apache-2.0
#include "tools/finding.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "harness/isolate/symbols.hpp"
#include "model/trace.hpp"
#include "subjects/loaded.hpp"
#include "tools/files.hpp"
#include "tools/interruption.hpp"
#include "tools/progress.hpp"
#include "tools/report.hpp"
#include "tools/show.hpp"
#include "tools/show_text.hpp"

namespace vmapcheck::tool {
namespace {

/// One part in so many of the time for minimizing is for the explanation.
constexpr int explanation_share = 10;

std::string report_of(const Finding& finding, const Common& common, const std::string& path);

constexpr std::string_view breaks = "Breaks ", dies_of = "Dies of ", of_subject = " (subject ", end_of_subject = ")";

/// Read again by saved_for().
std::string what_it_shows(const Failure& failure, const std::string& subject) {
  return fmt::format("{}{}{}{}{}{}", failure.kind == FailureKind::violation ? breaks : dies_of,
                     signature_in_comment(failure), of_subject, one_line(subject), end_of_subject, what_broke(failure));
}

/// Too long to be printed as a whole.
bool is_long(const Trace& trace) { return trace.space.busy.size() + trace.ops.size() > 2000; }

/// The trace as text; only the begin and the end of a long one.
std::string excerpt(const Trace& trace) {
  constexpr std::size_t lines_shown = 20;
  std::string text = print(trace);
  if (!is_long(trace)) return text;
  std::size_t begin = 0, end = text.size();
  for (std::size_t i = 0; i < lines_shown; ++i) begin = text.find('\n', begin) + 1;
  for (std::size_t i = 0; i < lines_shown; ++i) end = text.rfind('\n', end - 2) + 1;
  return text.substr(0, begin) +
         fmt::format("... {} lines more, in the file\n",
                     std::count(text.begin() + static_cast<std::ptrdiff_t>(begin),
                                text.begin() + static_cast<std::ptrdiff_t>(end), '\n')) +
         text.substr(end);
}

double seconds(std::chrono::nanoseconds time) { return std::chrono::duration<double>(time).count(); }

void say_in_comments(Finding& finding) {
  finding.trace.comments = {what_it_shows(finding.failure, finding.subject->name),
                            fmt::format("Found by {}; {}.", one_line(finding.found_by), how_minimal(finding))};
}

Finding as_found(const SubjectEntry& subject, const Trace& trace, const Failure& failure, const std::string& found_by) {
  stop_if_oracle(failure, found_by);
  Finding finding{&subject, {}, trace, failure, std::nullopt, signature(failure), found_by, std::nullopt};
  say_in_comments(finding);
  finding.original = finding.trace;
  return finding;
}

void minimize_and_explain(Finding& finding, MinimizeOptions options) {
  const auto begin = std::chrono::steady_clock::now();
  const auto time = options.time;
  const std::size_t ops = finding.original.ops.size();
  Progress progress;
  // What is left of the time is for the explanation.
  if (time) *options.time -= *time / explanation_share;
  options.on_progress = [&](const MinimizeProgress& now) {
    progress.update([&] {
      Fields fields{fmt::format("minimizing {} ops: {} so far", ops, now.length), std::string(now.stage),
                    count_of(now.candidates, "candidate")};
      if (now.at_once != 0) fields.insert(fields.begin() + 2, fmt::format("{} at once", now.at_once));
      return fields;
    });
    return !interrupted();
  };
  const SubjectFactory& make = finding.subject->make;
  finding.minimized = minimize(finding.original, finding.failure, make, options);
  finding.trace = std::exchange(finding.minimized->trace, {});
  finding.failure = std::exchange(finding.minimized->failure, {});
  if (!interrupted()) {
    ExplainOptions explaining{.limits = options.limits, .kept = finding.minimized->kept};
    if (time)
      explaining.time =
          std::min<std::chrono::nanoseconds>(explaining.time, begin + *time - std::chrono::steady_clock::now());
    explaining.keep_going = [&] {
      progress.update([&] { return fmt::format("explaining {} ops", finding.trace.ops.size()); });
      return !interrupted();
    };
    Explanation explanation = explain(finding.trace, finding.failure, make, explaining);
    if (!explanation.ops.empty()) finding.explanation = std::move(explanation);
  }
  say_in_comments(finding);
}

}  // namespace

Finding make_finding(const SubjectEntry& subject, const Trace& trace, const Failure& failure,
                     const Minimizing& minimizing, const std::string& found_by) {
  Finding finding = as_found(subject, trace, failure, found_by);
  if (minimizing.wanted) minimize_and_explain(finding, minimizing.options);
  return finding;
}

std::string signature_in_comment(const Failure& failure) { return one_line(signature(failure)); }

SavedFor saved_for(const Trace& trace) {
  if (trace.comments.empty()) return {};
  std::string_view comment = trace.comments.front();
  if (!comment.starts_with(breaks) && !comment.starts_with(dies_of)) return {};
  comment.remove_prefix(comment.starts_with(breaks) ? breaks.size() : dies_of.size());
  const std::size_t middle = comment.find(of_subject);
  if (middle == std::string_view::npos) return {};
  const std::string_view subject = comment.substr(middle + of_subject.size());
  std::size_t end = subject.find(fmt::format("{}: ", end_of_subject));
  if (end == std::string_view::npos && subject.ends_with(end_of_subject)) end = subject.size() - end_of_subject.size();
  if (end == std::string_view::npos) return {};
  return {std::string(subject.substr(0, end)), std::string(comment.substr(0, middle))};
}

bool is_same_subject(std::string_view a, std::string_view b) { return file_name_of(a) == file_name_of(b); }

std::string how_minimal(const Finding& finding) {
  const bool has_changed = finding.minimized && (finding.minimized->minimality != Minimality::time_is_up ||
                                                 simplicity(finding.trace) != simplicity(relabel(finding.original)));
  if (!has_changed) return "not minimized";
  return fmt::format("minimized from {} to {}{}", finding.original.ops.size(), count_of(finding.trace.ops.size(), "op"),
                     what_was_kept(finding));
}

std::string what_was_kept(const Finding& finding) {
  if (!finding.minimized) return "";
  switch (finding.minimized->kept) {
    case Kept::signature: break;
    case Kept::kind:
      return fmt::format(", keeping the kind of failure ({}) and not the signature, which was `{}`",
                         name(finding.failure.kind), one_line(finding.signature_found));
    case Kept::anything:
      return fmt::format(", taking any failure; at first it was `{}`", one_line(finding.signature_found));
  }
  return "";
}

namespace {

std::string_view name(Minimality minimality) {
  switch (minimality) {
    case Minimality::proved: return "proved";
    case Minimality::proved_visible: return "proved_visible";
    case Minimality::time_is_up: return "time_is_up";
    case Minimality::too_many: return "too_many";
  }
  return "";
}

/// How sure it is that no trace has fewer ops: a sentence.
std::string fewest_ops(const Minimized& minimized) {
  switch (minimized.minimality) {
    case Minimality::proved:
      if (minimized.sequences == 0) return "No trace of fewer ops fails so.";
      return fmt::format("No trace of fewer ops fails so: all sequences of its ops over {} were run.",
                         count_of(minimized.granules, "granule"));
    case Minimality::proved_visible:
      return fmt::format(
          "No trace of fewer ops fails so: sequences of its ops over {} granules were run through all {} states "
          "that look different.",
          minimized.granules, minimized.states);
    case Minimality::time_is_up: return "Time was up: there may be a shorter one.";
    case Minimality::too_many: return "No op can be spared; there may be a shorter one of other ops.";
  }
  return "";
}

/// What is known of the trace: sentences. Fewer ops and smaller numbers are two claims.
std::string minimality_of(const Minimized& minimized) {
  std::string text = fewest_ops(minimized);
  if (minimized.numbers_smallest)
    text += " Each number is at its smallest: with the next smaller one it does not fail so.";
  if (minimized.kept != Kept::signature && !is_sanitized())
    text += " A failure that shows now here, now there can be corrupt memory: --sanitize names it where it happens.";
  return text;
}

}  // namespace

std::string file_name_of(std::string_view name_or_path) {
  constexpr std::size_t bytes_max = 60;
  while (name_or_path.ends_with('/')) name_or_path.remove_suffix(1);
  const std::string_view last = name_or_path.substr(name_or_path.rfind('/') + 1);  // npos + 1 is 0
  std::string name;
  for (const char c : last) {
    const bool is_plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' || c == '-';
    name += is_plain ? c : '_';
  }
  name.erase(0, name.find_first_not_of(".-"));
  name.resize(std::min(name.size(), bytes_max));
  return name.empty() ? "unnamed" : name;
}

std::string base_name(const Finding& finding) {
  const std::string& subject = finding.subject->name;
  const std::string name = file_name_of(subject);
  std::string text = print(Trace{{}, finding.trace.space, finding.trace.ops});
  if (name != subject) text += subject;  // else two subjects in files of one name would share the names of findings
  return fmt::format("{}-{}-{}", name, short_name(finding.failure), hash_of(text));
}

/// Source: the hash FNV-1a of Fowler, Noll and Vo, folded to 32 bits.
std::string hash_of(std::string_view bytes) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return fmt::format("{:08x}", static_cast<std::uint32_t>(hash ^ hash >> 32));
}

namespace {

std::string save_trace(const Finding& finding, const std::string& directory) {
  make_directory(directory);
  const fs::path path = fs::path(directory) / (base_name(finding) + ".trace");
  write_durably(path.string(), print(finding.trace));
  return path.string();
}

}  // namespace

std::string save(const Finding& finding, const Common& common, const std::string& directory) {
  if (finding.minimized) {
    const fs::path originals = fs::path(directory) / "originals";
    make_directory(originals.string());
    write_durably((originals / (base_name(finding) + ".trace")).string(), print(finding.original));
  }
  const std::string path = save_trace(finding, directory);
  write_durably(fs::path(path).replace_extension(".md").string(), visible(report_of(finding, common, path)));
  return path;
}

SavedFinding keep_finding(const SubjectEntry& subject, const Trace& trace, const Failure& failure,
                          const Minimizing& minimizing, const std::string& found_by, const Common& common,
                          const std::string& directory) {
  SavedFinding kept{as_found(subject, trace, failure, found_by), {}};
  Finding& finding = kept.finding;
  std::string as_it_was_found;
  bool said = false;
  const auto save_or_say = [&](const auto& write) -> std::string {
    try {
      return write();
    } catch (const Stop& stop) {
      if (stop.status != Exit::io || out_is_broken()) throw;
      if (std::exchange(said, true)) return "";
      report(stop);
      say(as_it_was_found.empty()
              ? fmt::format("vmapcheck: the trace is not saved; name a directory that can be written with --save-dir. "
                            "It was found by {}",
                            one_line(found_by))
              : fmt::format("vmapcheck: only the trace as it was found is saved: {}", one_line(as_it_was_found)));
      return "";
    }
  };
  if (minimizing.wanted) {
    as_it_was_found = save_or_say([&] { return save_trace(finding, directory); });
    if (!common.json && !as_it_was_found.empty())
      out(fmt::format("saved as {} until it is minimized\n", one_line(as_it_was_found)));
    flush_out();
    minimize_and_explain(finding, minimizing.options);
  }
  if (!common.json) out(text_of(finding));
  kept.path = save_or_say([&] { return save(finding, common, directory); });
  if (kept.path.empty()) kept.path = as_it_was_found;  // better than nothing
  if (!as_it_was_found.empty() && kept.path != as_it_was_found) {
    std::error_code ignored;
    fs::remove(as_it_was_found, ignored);
    fs::remove(fs::path(as_it_was_found).replace_extension(".md"), ignored);  // of a run that did not minimize it
  }
  if (!common.json && !kept.path.empty()) {
    out("\n" + text_of(Row{"replay", replay_command(common, subject.name, kept.path)}));
    const std::string about = fs::path(kept.path).replace_extension(".md").string();
    std::error_code ignored;
    if (fs::exists(about, ignored)) out(text_of(Row{"report", about}));
  }
  return kept;
}

std::string text_of(const Finding& finding) {
  std::string text = how_minimal(finding);
  if (finding.minimized)
    text += fmt::format(" in {:.2f} s. {}", seconds(finding.minimized->elapsed), minimality_of(*finding.minimized));
  text += fmt::format("\n\n{}\n{}", excerpt(finding.trace), text_of(finding.failure, finding.trace, *finding.subject));
  if (finding.explanation) text += "\nwhat matters\n" + print(*finding.explanation);
  return text;
}

nlohmann::ordered_json json_of(const Finding& finding) {
  nlohmann::ordered_json json = json_of(finding.failure);
  json["ops_found"] = finding.original.ops.size();
  json["ops"] = finding.trace.ops.size();
  json["busy"] = finding.trace.space.busy.size();
  if (finding.minimized) {
    const Minimized& minimized = *finding.minimized;
    json["minimality"] = name(minimized.minimality);
    json["numbers_smallest"] = minimized.numbers_smallest;
    json["kept"] = name(minimized.kept);
    json["candidates"] = minimized.candidates;
    json["states"] = minimized.states;
    json["sequences"] = minimized.sequences;
    json["granules"] = minimized.granules;
    json["seconds"] = seconds(minimized.elapsed);
    json["seconds_to_best"] = seconds(minimized.elapsed_to_best);
  }
  json["trace"] = print(finding.trace);
  return json;
}

std::string replay_command(const Common& common, const std::string& subject, const std::string& path,
                           std::string_view what) {
  const bool is_like_option = path.size() > 1 && path.starts_with('-');
  return fmt::format("{} {}{} --subject {} {}", shell_word(common.program), what, is_sanitized() ? " --sanitize" : "",
                     shell_word(subject), shell_word(is_like_option ? "./" + path : path));
}

std::string test_name(std::string_view name) {
  std::string identifier;
  bool upper = true;
  for (const char c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) {
      upper = true;
      continue;
    }
    identifier += upper ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
    upper = false;
  }
  const bool is_identifier = !identifier.empty() && std::isdigit(static_cast<unsigned char>(identifier[0])) == 0;
  return is_identifier ? identifier : "Trace" + identifier;
}

namespace {

/// The text as a literal of C++, whatever bytes it holds.
std::string string_literal(std::string_view text) {
  std::string literal = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f)
      literal += fmt::format("\\{:03o}", byte);
    else
      literal += c == '"' || c == '\\' ? std::string{'\\', c} : std::string{c};
  }
  return literal + "\"";
}

}  // namespace

std::string test_case(const Trace& trace, const std::string& subject, const std::string& name, bool whole) {
  std::string text;
  const bool is_loaded = names_shared_object(subject);
  if (whole)
    text = fmt::format(
        "#include <gtest/gtest.h>\n\n#include \"harness/verify/isolated.hpp\"\n#include \"model/trace.hpp\"\n"
        "#include \"subjects/{}.hpp\"\n\n",
        is_loaded ? "loaded" : "registry");
  for (const std::string& comment : trace.comments) {
    std::string line = fmt::format("// {}", one_line(comment, 2000));
    while (line.ends_with(' ')) line.pop_back();
    if (line.ends_with('\\')) line += '.';  // else the next line would be part of it
    text += line + "\n";
  }
  const Trace bare{{}, trace.space, trace.ops};
  text += fmt::format(
      "TEST(Traces, {}) {{\n"
      "  const auto trace = vmapcheck::parse_trace(R\"({})\");\n"
      "  ASSERT_TRUE(trace) << trace.error().expected;\n"
      "{}"
      "  const auto failure = vmapcheck::run_isolated(*trace, subject->make);\n"
      "  ASSERT_TRUE(failure) << failure.error();\n"
      "  EXPECT_FALSE(failure->has_value()) << vmapcheck::signature(**failure) << \" at step \" << (*failure)->step << "
      "\": \"\n"
      "                                     << (*failure)->violation.detail;\n"
      "}}\n",
      name, print(bare),
      is_loaded ? fmt::format("  const auto loaded = vmapcheck::load_subject({});\n"
                              "  ASSERT_TRUE(loaded) << loaded.error();\n"
                              "  const auto* const subject = *loaded;\n",
                              string_literal(subject))
                : fmt::format("  const auto* const subject = vmapcheck::find_subject(\"{}\");\n"
                              "  ASSERT_NE(subject, nullptr);\n",
                              subject));
  return text;
}

namespace {

/// Text between fences: Markdown.
std::string block(std::string_view language, std::string_view text) {
  std::string fence = "```";
  while (text.find(fence) != std::string_view::npos) fence += '`';
  return fmt::format("{}{}\n{}{}{}\n", fence, language, text, text.ends_with('\n') ? "" : "\n", fence);
}

/// The step that failed, with the maps before and after it; empty where there is no step.
std::string drawing_of(const Finding& finding, const Common& common, const std::string& path) {
  if (finding.trace.ops.empty()) return "";
  const Shown shown{.file = path,
                    .subject = finding.subject->name,
                    .replay = replay_command(common, finding.subject->name, path),
                    .trace = finding.trace};
  return drawn_step(shown, *finding.subject, std::min(finding.failure.step, finding.trace.ops.size() - 1),
                    {.always_draws = true});
}

/// Commands that go on from here, to be pasted as they are.
std::string next_steps(const Finding& finding, const Common& common, const std::string& path) {
  const std::string& subject = finding.subject->name;
  std::error_code ignored;
  std::string text = fmt::format("cd {}\n", shell_word(fs::current_path(ignored).string()));
  const auto add = [&](std::string_view why, const std::string& what) {
    text += fmt::format("# {}:\n{}\n", why, replay_command(common, subject, path, what));
  };
  add("each step with its answer, and how it fails", "replay");
  add("in gdb (Debian: gdb), stopped before the op that fails", "replay --gdb");
  // The launcher builds what this program is not. A subject in a file would have to be compiled anew.
  if (!is_sanitized() && environment("VMAPCHECK_SOURCE_DIR") && !names_shared_object(subject))
    add("with AddressSanitizer and UndefinedBehaviorSanitizer, in a build of its own, which takes minutes the first "
        "time",
        "replay --sanitize");
  if (!finding.trace.ops.empty())
    add("the map and the tree of free blocks at that step",
        fmt::format("show --at {}", std::min(finding.failure.step, finding.trace.ops.size() - 1)));
  add("all steps, as a page for the browser",
      fmt::format("show --html {}", shell_word(fs::path(path).replace_extension(".html").string())));
  return text;
}

/// A project that builds the case beside it.
std::string test_project(const std::string& subject) {
  const std::string checkout = environment("VMAPCHECK_SOURCE_DIR").value_or("vmapcheck");
  std::string text = fmt::format(
      "cmake_minimum_required(VERSION 3.25)\n"
      "project(regression LANGUAGES CXX)\n"
      "find_package(GTest REQUIRED)\n"
      "set(VMAPCHECK_ONLY_HARNESS ON)\n"
      "add_subdirectory([[{}]] vmapcheck EXCLUDE_FROM_ALL)  # a checkout of vmapcheck\n"
      "add_executable(regression regression.cpp)\n"
      "target_link_libraries(regression PRIVATE vmapcheck_subjects GTest::gtest_main)\n",
      checkout);
  if (names_shared_object(subject))  // which finds the harness in the program that loads it
    text +=
        "target_link_options(regression PRIVATE -rdynamic)\n"
        "set_target_properties(regression PROPERTIES\n"
        "  LINK_LIBRARY_OVERRIDE \"WHOLE_ARCHIVE,vmapcheck_isolate,vmapcheck_verify\")\n";
  return text;
}

/// All that an engineer needs to go on: Markdown.
std::string report_of(const Finding& finding, const Common& common, const std::string& path) {
  const std::string name = fs::path(path).stem().string();
  std::string text = fmt::format("# {}\n\n", name);
  text += fmt::format("* Subject: `{}`\n* Signature: `{}`\n* Found by: `{}`\n* Length: {}", finding.subject->name,
                      signature(finding.failure), finding.found_by, how_minimal(finding));
  if (finding.minimized) text += ". " + minimality_of(*finding.minimized);
  text += "\n\n## The trace\n\n" + block("", excerpt(finding.trace));
  text += "\n## How it fails\n\n" + block("", title_of(finding.failure) + "\n" + text_of(rows_of(finding.failure)));
  if (const std::string drawing = drawing_of(finding, common, path); !drawing.empty())
    text += "\n## Before and after\n\n" + block("", drawing);
  text += "\n## Next\n\n" + block("sh", next_steps(finding, common, path));
  if (finding.explanation) {
    text += "\n## What matters\n\n" + block("", print(*finding.explanation));
    if (finding.explanation->passing)
      text +=
          fmt::format("\nThe nearest trace that passes is the same {}:\n\n{}", finding.explanation->passing->difference,
                      block("", print(finding.explanation->passing->trace)));
  }
  if (!finding.failure.report.empty())
    text += "\n## What was printed when it died\n\n" + block("", symbolized(finding.failure.report));
  if (is_long(finding.trace)) return text;
  const std::string& subject = finding.subject->name;
  text += fmt::format(
      "\n## As a test\n\n{}ave it as `regression.cpp`:\n\n{}",
      names_shared_object(subject) ? "S" : "In a checkout, a file in `properties/` is all that it takes. Elsewhere, s",
      block("cpp", test_case(finding.trace, subject, test_name(name), true)));
  text += "\nand this beside it as `CMakeLists.txt`:\n\n" + block("cmake", test_project(subject));
  return text + "\nIt fails as long as the fault is there:\n\n" +
         block("sh", "cmake -G Ninja -B build && cmake --build build --parallel $(nproc) && build/regression");
}

}  // namespace
}  // namespace vmapcheck::tool
