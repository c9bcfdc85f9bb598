// SPDX-License-Identifier: Apache-2.0
#include "harness/isolate/failure.hpp"

#include <algorithm>
#include <cctype>
#include <utility>

namespace vmapcheck {
namespace {

/// How many frames a signature has: more would tell apart the callers of one fault.
constexpr std::size_t frames_max = 2;

/// Reads a demangled name from left to right, and keeps what names the function.
class NameReader {
 public:
  explicit NameReader(std::string_view text) : text_(text) {}
  std::string read();

 private:
  [[nodiscard]] bool at(std::string_view part) const { return text_.substr(at_).starts_with(part); }
  [[nodiscard]] char ahead() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  [[nodiscard]] bool at_operator() const;
  void skip_brackets();
  void read_operator();
  bool read_space();

  static constexpr std::string_view operator_word = "operator";

  std::string_view text_;
  std::size_t at_ = 0;
  std::string name_;
  bool behind_parameters_ = false;
};

bool is_in_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$'; }

bool NameReader::at_operator() const {
  const std::size_t end = at_ + operator_word.size();
  return at(operator_word) && (at_ == 0 || !is_in_word(text_[at_ - 1])) &&
         (end >= text_.size() || !is_in_word(text_[end]));
}

/// Goes from an opening bracket to behind its closing one. A parenthesis also closes what is open in it, as in (1<2).
void NameReader::skip_brackets() {
  const std::string name = name_;
  std::string closing;
  do {
    if (at_operator()) {
      read_operator();
      continue;
    }
    const char c = ahead();
    constexpr std::string_view opens = "(<[{", closes = ")>]}";
    if (const std::size_t kind = opens.find(c); kind != std::string_view::npos)
      closing += closes[kind];
    else if (c == ')' ? closing.contains(c) : closing.ends_with(c))
      closing.erase(closing.rfind(c));
    ++at_;
  } while (!closing.empty() && at_ < text_.size());
  name_ = name;
}

/// "operator<" and its like, "operator new", "operator bool".
void NameReader::read_operator() {
  constexpr std::string_view signs[] = {
      "<=>", "<<=", ">>=", "->*", "()", "[]", "<<", ">>", "<=", ">=", "->", "==", "!=",
      "&&",  "||",  "++",  "--",  "+=", "-=", "*=", "/=", "%=", "^=", "&=", "|=", "<",
      ">",   "+",   "-",   "*",   "/",  "%",  "^",  "&",  "|",  "~",  "!",  "=",  ","};
  at_ += operator_word.size();
  for (const std::string_view sign : signs) {
    if (!at(sign)) continue;
    at_ += sign.size();
    // A call operator is named by its lambda or type alone.
    if (sign != "()") name_ += std::string(operator_word) + std::string(sign);
    return;
  }
  name_ += operator_word;
  // The words of a conversion, such as a type.
  while (at_ < text_.size() && ahead() != '(') {
    if (ahead() == '<' || at("[abi:"))
      skip_brackets();
    else
      name_ += text_[at_++];
  }
  while (name_.ends_with(' ')) name_.pop_back();
}

/// At a space. Behind the parameters come qualifiers; otherwise the type of the result stood before the space. False at
/// the end.
bool NameReader::read_space() {
  ++at_;
  if (at("[clone") || at("(.")) return false;
  for (const std::string_view qualifier : {"const", "volatile", "noexcept", "&&", "&"})
    if (behind_parameters_ && at(qualifier)) return at_ += qualifier.size(), true;
  const bool goes_on =
      ahead() == '<' || (ahead() == '(' && !at("(*") && !at("(&"));  // "operator< <int>", "decltype (x)"
  if (!goes_on && at_ < text_.size()) name_.clear(), behind_parameters_ = false;
  return true;
}

std::string NameReader::read() {
  while (at_ < text_.size()) {
    const char c = ahead();
    if (at_operator()) {
      read_operator();
    } else if (at("(anonymous namespace)::") || at("{unnamed") || at("'unnamed")) {
      at_ = std::min(text_.find("::", at_), text_.size() - 2) + 2;
    } else if (at("{lambda") || at("'lambda") || at("$_")) {
      break;  // part of the function around it
    } else if (name_.empty() && (at("(*") || at("(&"))) {
      at_ += 2;  // returns a pointer to a function, whose parameters come last
    } else if (c == '(' || c == '<' || c == '[' || c == '{') {
      behind_parameters_ = behind_parameters_ || c == '(';
      skip_brackets();
    } else if (c == ')' || c == '>') {
      break;
    } else if (c == ' ') {
      if (!read_space()) break;
    } else {
      if (c == ':') behind_parameters_ = false;
      name_ += c;
      ++at_;
    }
  }
  while (name_.ends_with(':') || name_.ends_with(' ')) name_.pop_back();
  // Parts that the compiler made of a function.
  for (const std::string_view part : {".part.", ".isra.", ".constprop.", ".cold", ".lto_priv.", ".llvm."})
    name_.erase(std::min(name_.find(part), name_.size()));
  return std::move(name_);
}

}  // namespace

std::string signature(const Failure& failure) {
  const auto with_frames = [&](std::string text) {
    for (std::size_t i = 0; i < std::min(frames_max, failure.frames.size()); ++i)
      text += (i == 0 ? " in " : " < ") + failure.frames[i].function;
    return text;
  };
  switch (failure.kind) {
    case FailureKind::violation: return std::string(name(failure.violation.invariant));
    case FailureKind::sanitizer:
    case FailureKind::signal: return with_frames(failure.what);
    case FailureKind::exception: return with_frames("exception " + failure.what);
    case FailureKind::exit: return "exit " + failure.what;
    case FailureKind::memory_limit: return with_frames("memory-limit");
    case FailureKind::oracle:
      return "oracle " + failure.what + (failure.frames.empty() ? "" : " in " + failure.frames.front().function);
    case FailureKind::hang: break;
  }
  if (failure.phase == Phase::construction) return "hang in construction";
  return "hang in " + std::string(failure.op ? name(*failure.op) : "destruction");
}

bool alike(const Failure& a, const Failure& b, Kept kept) {
  if ((a.kind == FailureKind::oracle) != (b.kind == FailureKind::oracle)) return false;
  return kept == Kept::anything || (kept == Kept::kind ? a.kind == b.kind : signature(a) == signature(b));
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

std::string function_name(std::string_view demangled) { return NameReader(demangled).read(); }

}  // namespace vmapcheck
