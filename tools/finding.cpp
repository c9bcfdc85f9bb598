// SPDX-License-Identifier: Apache-2.0
#include "tools/finding.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "model/trace.hpp"
#include "tools/files.hpp"
#include "tools/interruption.hpp"
#include "tools/progress.hpp"
#include "tools/report.hpp"

namespace vmapcheck::tool {
namespace {

namespace fs = std::filesystem;

std::string report_of(const Finding& finding, const Common& common, const std::string& path);

std::string what_it_shows(const Failure& failure) {
  if (failure.kind != FailureKind::violation) return "Dies of " + signature(failure);
  return fmt::format("Breaks {}", name(failure.violation.invariant));
}

/// Nobody would read it as a whole.
bool is_long(const Trace& trace) { return trace.space.busy.size() + trace.ops.size() > 2000; }

/// The trace as text; of a long one its begin and its end.
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

}  // namespace

Finding make_finding(const SubjectEntry& subject, const Trace& trace, const Failure& failure,
                     const Minimizing& minimizing, const std::string& found_by) {
  Finding finding{&subject, trace, trace, failure, std::nullopt, signature(failure), found_by, std::nullopt};
  if (minimizing.wanted) {
    Progress progress;
    MinimizeOptions options = minimizing.options;
    options.on_progress = [&](const MinimizeProgress& now) {
      progress.update(
          [&] { return fmt::format("minimizing {} ops: {} so far, {}", trace.ops.size(), now.length, now.stage); });
      return !interrupted();
    };
    finding.minimized = minimize(trace, failure, subject.make, options);
    finding.trace = std::exchange(finding.minimized->trace, {});
    finding.failure = std::exchange(finding.minimized->failure, {});
    if (!interrupted()) {
      Explanation explanation = explain(
          finding.trace, finding.failure, subject.make,
          {.limits = options.limits, .kept = finding.minimized->kept, .keep_going = [] { return !interrupted(); }});
      if (!explanation.ops.empty()) finding.explanation = std::move(explanation);
    }
  }
  finding.trace.comments = {fmt::format("{} (subject {}): {}", what_it_shows(finding.failure), subject.name,
                                        one_line(finding.failure.violation.detail)),
                            fmt::format("Found by {}; {}.", found_by, how_minimal(finding))};
  return finding;
}

std::string how_minimal(const Finding& finding) {
  if (!finding.minimized) return "not minimized";
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

std::string base_name(const Finding& finding) {
  const Trace bare{{}, finding.trace.space, finding.trace.ops};
  return fmt::format("{}-{}-{}", finding.subject->name, short_name(finding.failure), hash_of(print(bare)));
}

/// Source: the hash FNV-1a of Fowler, Noll and Vo, folded to 32 bits.
std::string hash_of(std::string_view bytes) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return fmt::format("{:08x}", static_cast<std::uint32_t>(hash ^ hash >> 32));
}

std::string save(const Finding& finding, const Common& common, const std::string& directory) {
  make_directory(directory);
  const std::string base = (fs::path(directory) / base_name(finding)).string();
  write_file(base + ".trace", print(finding.trace));
  if (finding.minimized) {
    const std::string originals = (fs::path(directory) / "originals").string();
    make_directory(originals);
    write_file((fs::path(originals) / (base_name(finding) + ".trace")).string(), print(finding.original));
  }
  write_file(base + ".md", report_of(finding, common, base + ".trace"));
  return base + ".trace";
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

std::string replay_command(const Common& common, const std::string& subject, const std::string& path) {
  return fmt::format("{} replay{} --subject {} {}", shell_word(common.program), is_sanitized() ? " --sanitize" : "",
                     shell_word(subject), shell_word(path));
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

std::string test_case(const Trace& trace, const std::string& subject, const std::string& name, bool whole) {
  std::string text;
  if (whole)
    text =
        "#include <gtest/gtest.h>\n\n#include \"harness/isolated.hpp\"\n#include \"model/trace.hpp\"\n"
        "#include \"subjects/registry.hpp\"\n\n";
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
      "  const auto* const subject = vmapcheck::find_subject(\"{}\");\n"
      "  ASSERT_NE(subject, nullptr);\n"
      "  const auto failure = vmapcheck::run_isolated(*trace, subject->make);\n"
      "  ASSERT_TRUE(failure) << failure.error();\n"
      "  EXPECT_FALSE(failure->has_value()) << vmapcheck::signature(**failure) << \" at step \" << (*failure)->step << "
      "\": \"\n"
      "                                     << (*failure)->violation.detail;\n"
      "}}\n",
      name, print(bare), subject);
  return text;
}

namespace {

/// All that an engineer needs to go on: Markdown.
std::string report_of(const Finding& finding, const Common& common, const std::string& path) {
  const auto block = [](std::string_view language, std::string_view text) {
    std::string fence = "```";
    while (text.find(fence) != std::string_view::npos) fence += '`';
    return fmt::format("{}{}\n{}{}{}\n", fence, language, text, text.ends_with('\n') ? "" : "\n", fence);
  };
  const std::string name = fs::path(path).stem().string();
  std::string text = fmt::format("# {}\n\n", name);
  text += fmt::format("* Subject: `{}`\n* Signature: `{}`\n* Found by: `{}`\n* Length: {}", finding.subject->name,
                      signature(finding.failure), finding.found_by, how_minimal(finding));
  if (finding.minimized) text += ". " + minimality_of(*finding.minimized);
  text += fmt::format("\n\nReplay it:\n\n{}\n", block("sh", replay_command(common, finding.subject->name, path)));
  text += "## The trace\n\n" + block("", excerpt(finding.trace)) + "\n";
  text += "## How it fails\n\n" + block("", text_of(finding.failure, finding.trace, *finding.subject)) + "\n";
  if (finding.explanation) {
    text += "## What matters\n\n" + block("", print(*finding.explanation)) + "\n";
    if (finding.explanation->passing)
      text +=
          fmt::format("The nearest trace that passes is the same {}:\n\n{}\n", finding.explanation->passing->difference,
                      block("", print(finding.explanation->passing->trace)));
  }
  if (!finding.failure.report.empty())
    text += "## What was printed when it died\n\n" + block("", finding.failure.report) + "\n";
  if (!is_long(finding.trace))
    text += "## As a test\n\n" + block("cpp", test_case(finding.trace, finding.subject->name, test_name(name), true));
  return text;
}

}  // namespace
}  // namespace vmapcheck::tool
