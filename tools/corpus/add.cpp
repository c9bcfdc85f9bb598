// SPDX-License-Identifier: Apache-2.0
//
// `corpus add FILE --because "..."`: keeps a trace for good, under a name that says what it is about.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <string>

#include "harness/verify/isolated.hpp"
#include "model/op_kinds.hpp"
#include "model/trace.hpp"
#include "tools/commands.hpp"
#include "tools/files.hpp"
#include "tools/interruption.hpp"
#include "tools/report.hpp"

namespace vmapcheck::tool {
namespace {

struct Options {
  std::string file;
  std::string because;
  std::string name;
  std::string directory;
};

Exit add_trace(const Common& common, const Options& options);
std::string sentence(std::string text);
bool is_name(std::string_view name);
std::string group_of(const Trace& trace);
std::string slug(std::string_view text);

}  // namespace

void add_corpus_add(CLI::App& corpus, Session& session) {
  CLI::App& command = add_command(
      corpus, session, "add", "Keep a trace in the corpus, with the reason for it", uses_subject,
      "vmapcheck corpus add vmapcheck-failures/vmap-answer-1a2b3c4d.trace --because \"a window cuts the last block\"\n"
      "Becomes corpus/windows/a-window-cuts-the-last-block.trace. A trace of the same ops is not added twice.",
      {Exit::ok, Exit::usage, Exit::subject, Exit::io});
  const auto options = add_options<Options>(command, session, add_trace);
  add_place(command, "FILE", options->file, "Trace; - is standard input")->required();
  add_text(command, "--because", options->because, "What the trace is about: its first comment, and its name", "TEXT")
      ->required();
  add_text(command, "--as", options->name, "Another name, as GROUP/NAME", "NAME");
  add_text(command, "--dir", options->directory, "The corpus (default: corpus/ of the checkout)", "DIR");
}

namespace {

Exit add_trace(const Common& common, const Options& options) {
  const SubjectEntry& subject = subject_named(common.subject);
  const std::string because = sentence(options.because);
  const std::string words = slug(because);
  if (words.empty()) throw Stop{Exit::usage, "--because says in words what the trace is about"};
  Trace trace = read_trace(options.file);
  const std::string directory = options.directory.empty() ? corpus_of_the_checkout() : options.directory;

  // The same ops must not be kept twice under two reasons.
  const std::string text = print(Trace{{}, relabel(trace).space, relabel(trace).ops});
  std::error_code ignored;
  if (fs::is_directory(directory, ignored))
    for (const std::string& name : traces_below(directory)) {
      const std::string path = path_in(directory, name);
      const auto other = parse_trace(read_file(path, trace_bytes_max));
      if (other && print(Trace{{}, other->space, other->ops}) == text)
        throw Stop{Exit::usage, fmt::format("{} holds the same ops", one_line(path))};
    }

  std::string name = options.name.empty() ? group_of(trace) + "/" + words : options.name;
  if (name.ends_with(".trace")) name.resize(name.size() - 6);
  if (!is_name(name))
    throw Stop{Exit::usage, fmt::format("--as is GROUP/NAME below the corpus, not '{}'", one_line(options.name))};
  fs::path path = fs::path(directory) / (name + ".trace");
  for (int n = 2; fs::exists(path, ignored); ++n) {
    if (!options.name.empty()) throw Stop{Exit::usage, fmt::format("{} is there already", one_line(path.string()))};
    path = fs::path(directory) / fmt::format("{}-{}.trace", name, n);
  }
  const auto failure = run_isolated(trace, subject.make, {.keep_going = [] { return !interrupted(); }});
  if (!failure) throw Stop{Exit::subject, fmt::format("subject {}: {}", subject.name, one_line(failure.error()))};
  stop_if_oracle(*failure);
  trace = relabel(trace);
  trace.comments = {because};
  make_directory(path.parent_path().string());
  write_file(path.string(), print(trace));
  out(fmt::format("{}: {}\n", one_line(path.string()), count_of(trace.ops.size(), "op")));
  if (*failure)
    say(fmt::format("vmapcheck: it fails on {} with {} at step {}: the tests will say so until that is mended",
                    subject.name, signature(**failure), (*failure)->step));
  return Exit::ok;
}

/// On one line, without blanks around it.
std::string sentence(std::string text) {
  for (char& c : text)
    if (std::iscntrl(static_cast<unsigned char>(c)) != 0) c = ' ';
  while (text.starts_with(' ')) text.erase(0, 1);
  while (text.ends_with(' ')) text.pop_back();
  return one_line(text, 2000);
}

/// True for words between single slashes, none of which begins with a dot or a dash.
bool is_name(std::string_view name) {
  while (true) {
    const std::string_view word = name.substr(0, name.find('/'));
    if (word.empty() || word.starts_with('.') || word.starts_with('-') || one_line(word) != word) return false;
    if (word.size() == name.size()) return true;
    name.remove_prefix(word.size() + 1);
  }
}

/// The folder of the corpus to which a trace belongs: its rarest op decides.
std::string group_of(const Trace& trace) {
  const auto has = [&](auto test) { return std::ranges::any_of(trace.ops, test); };
  if (has([](const Op& op) { return std::holds_alternative<OnExhaustion>(op); })) return "hooks";
  if (has([](const Op& op) { return blocks_of(op) != nullptr; })) return "congruent";
  if (has([](const Op& op) { return kind_frees[op.index()] == Frees::lazily; })) return "lazy";
  if (has([](const Op& op) {
        const auto* const window = find_field<Meaning::window>(op);
        return window != nullptr && *window != vmap::everywhere;
      }))
    return "windows";
  if (has([](const Op& op) { return std::holds_alternative<FailMetadata>(op); })) return "errors";
  if (has([](const Op& op) { return kind_frees[op.index()] == Frees::at_once; })) return "coalescing";
  return "fits";
}

/// "a-window-cuts-the-last-block": the first words, up to some sixty letters.
std::string slug(std::string_view text) {
  constexpr std::size_t length_max = 60;
  std::string words;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0) {
      words += static_cast<char>(std::tolower(byte));
    } else if (!words.empty() && words.back() != '-') {
      if (words.size() >= length_max) break;
      words += '-';
    }
  }
  words.resize(std::min(words.size(), 2 * length_max));
  while (words.ends_with('-')) words.pop_back();
  return words;
}

}  // namespace
}  // namespace vmapcheck::tool
