// SPDX-License-Identifier: Apache-2.0
#include "harness/failure.hpp"

#include <algorithm>
#include <cctype>
#include <utility>

namespace vmapcheck {
namespace {

/// Frames in a signature: more would tell apart the callers of one fault.
constexpr std::size_t frames_max = 2;

void remove_all(std::string& text, std::string_view part) {
  for (std::size_t at; (at = text.find(part)) != std::string::npos;) text.erase(at, part.size());
}

/// Without what stands between an opening and its closing character.
std::string without(std::string_view text, char open, char close) {
  std::string kept;
  std::size_t depth = 0;
  for (const char c : text) {
    if (c == open) ++depth;
    if (depth == 0) kept += c;
    if (c == close && depth > 0) --depth;
  }
  return kept;
}

/// "f::{lambda#1}::operator" and "f::'lambda'::operator" are part of f.
void remove_lambdas(std::string& text) {
  for (const std::string_view open : {"::{lambda", "::'lambda"}) {
    const std::size_t at = text.find(open);
    if (at != std::string::npos) text.erase(at);
  }
}

}  // namespace

std::string signature(const Failure& failure) {
  const auto with_frames = [&](std::string text) {
    for (std::size_t i = 0; i < std::min(frames_max, failure.frames.size()); ++i)
      text += (i == 0 ? " in " : " < ") + failure.frames[i];
    return text;
  };
  switch (failure.kind) {
    case FailureKind::violation: return std::string(name(failure.violation.invariant));
    case FailureKind::sanitizer:
    case FailureKind::signal: return with_frames(failure.what);
    case FailureKind::exception: return with_frames("exception " + failure.what);
    case FailureKind::exit: return "exit " + failure.what;
    case FailureKind::memory_limit: return with_frames("memory-limit");
    case FailureKind::hang: break;
  }
  if (failure.phase == Phase::construction) return "hang in construction";
  return "hang in " + (failure.op ? std::string(op_names[failure.op->index()]) : std::string("destruction"));
}

std::string short_name(const Failure& failure) {
  std::string text;
  switch (failure.kind) {
    case FailureKind::violation: text = name(failure.violation.invariant); break;
    case FailureKind::sanitizer:
    case FailureKind::signal: text = failure.what; break;
    default: text = name(failure.kind);
  }
  for (char& c : text)
    c = std::isalnum(static_cast<unsigned char>(c)) != 0
            ? static_cast<char>(std::tolower(static_cast<unsigned char>(c)))
            : '-';
  while (text.ends_with('-')) text.pop_back();
  constexpr std::size_t length_max = 40;
  return text.substr(0, length_max);
}

std::string function_name(std::string_view demangled) {
  std::string text(demangled);
  remove_all(text, "(anonymous namespace)::");
  remove_all(text, "operator()");  // of a lambda, or of a type that then stands for it
  for (const std::string_view comparison :
       {"operator<=>", "operator<<", "operator>>", "operator->", "operator<", "operator>"})
    for (std::size_t at; (at = text.find(comparison)) != std::string::npos;)
      text.replace(at, comparison.size(), "operator");
  text = without(without(text, '[', ']'), '<', '>');
  text = without(text, '(', ')');
  remove_lambdas(text);
  for (bool trimmed = true; std::exchange(trimmed, false);)
    for (const std::string_view suffix : {" const", " volatile", " noexcept", "&", " "})
      while (text.ends_with(suffix)) text.erase(text.size() - suffix.size()), trimmed = true;
  while (text.ends_with(':')) text.pop_back();
  // What stands before the last space is the type of the result, but for "operator new".
  const std::size_t scan_end = std::min(text.find("operator "), text.size());
  if (const std::size_t space = text.rfind(' ', scan_end == text.size() ? std::string::npos : scan_end);
      space != std::string::npos && space < scan_end)
    text.erase(0, space + 1);
  return text;
}

}  // namespace vmapcheck
