// SPDX-License-Identifier: Apache-2.0
//
// From text to traces, and what a space must be.
//
// A line is cut at its first '#', and what remains is words that blanks or tabs separate: a name, the operands that
// have a place, then options `key=value` in any order. Every word is a view into the text, so that its address alone
// says in which column an error lies. The first error ends the reading; where a label is bound twice and something else
// is wrong further on, the label is the first error. A byte order mark before everything is no part of the text.

#include <algorithm>
#include <array>
#include <charconv>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <iterator>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "model/ops/field_text.hpp"
#include "model/trace.hpp"

namespace vmapcheck {

namespace {

constexpr std::string_view first_line = "vmapcheck-trace 1";
constexpr std::string_view first_word = "vmapcheck-trace";
constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";  // some editors put one before UTF-8
constexpr std::size_t excerpt_bytes_max = 24;

/// An option that a line accepts, and its value as it was written.
struct Option {
  std::string_view key;
  bool required = false;
  std::optional<std::string_view> value = {};
};

/// The busy ranges of a space that were found to be sound, in the order of addresses.
class SoundBusy {
 public:
  /// Why `range` cannot be busy beside those that were added before, or an empty string: then it is added.
  std::string add(const Space& space, Range range);

 private:
  std::map<Address, Address> end_by_begin_;
};

std::string defect_of_bounds(const Space& space);
std::string defect_of_range(std::string_view what, Range range, Size granule);

bool is_blank(char c) { return c == ' ' || c == '\t'; }
std::string_view without_trailing_space(std::string_view line);
std::string quoted(std::string_view text);
std::string options_or_end(std::span<const Option> options);

template <class... Pieces>
std::string concat(const Pieces&... pieces) {
  std::string out;
  (out.append(pieces), ...);
  return out;
}

class Parser {
 public:
  explicit Parser(std::string_view text)
      : text_(text.starts_with(byte_order_mark) ? text.substr(byte_order_mark.size()) : text) {}

  std::expected<Trace, ParseError> run() {
    read_text();
    reject_label_bound_twice();
    number_names();
    if (error_) return std::unexpected(std::move(*error_));
    return std::move(trace_);
  }

 private:
  // Functions that return bool are true where they could read; false after they have set the error.

  bool read_text() {
    while (next_line()) {
      if (!read_line()) return false;
    }
    const std::string_view end = line_.substr(line_.size());
    if (!has_header_) return mismatch(end, quoted(first_line), "the end of the text");
    return has_space_ || mismatch(end, "space BEGIN..END", "the end of the text");
  }

  /// Of the first line that is not blank or a comment: `words_` is what stands behind `word`.
  bool read_header(std::string_view word) {
    has_header_ = true;
    if (word != first_word) return mismatch(word, quoted(first_line));
    const std::string_view version = next_word();
    if (version.empty()) return mismatch(version, "the version 1");
    if (version != "1") return fail(version, concat("unknown version ", quoted(version), ", expected 1"));
    const std::string_view more = next_word();
    return more.empty() || mismatch(more, "the end of the line");
  }

  bool read_line() {
    std::optional<std::string_view> comment;
    if (const std::size_t hash = words_.find('#'); hash != std::string_view::npos) {
      comment = words_.substr(hash + 1);
      words_ = without_trailing_space(words_.substr(0, hash));
    }
    const std::string_view word = next_word();
    if (word.empty()) {
      if (comment && !has_space_) keep_comment(*comment);
      return true;
    }
    if (!has_header_) return read_header(word);
    if (word == "space") return read_space(word);
    if (!has_space_) return mismatch(word, "space BEGIN..END");
    if (word == "busy") return read_busy(word);
    return read_op(word);
  }

  void keep_comment(std::string_view comment) {
    if (comment.starts_with(' ')) comment.remove_prefix(1);
    trace_.comments.emplace_back(comment);
  }

  bool read_space(std::string_view word) {
    if (has_space_) return fail(word, "expected one space line only, found a second one");
    has_space_ = true;
    Space& space = trace_.space;
    std::array<Option, 2> options{{{.key = "granule"}, {.key = "lazy-limit"}}};
    const auto& [granule, lazy_limit] = options;
    const std::string_view range = next_word();
    if (!read(range, text_of(Meaning::range).expected, space.range) || !read_options(options)) return false;
    if (granule.value && !read(*granule.value, "a granule", space.granule)) return false;
    if (lazy_limit.value && !read(*lazy_limit.value, "a number of bytes", space.lazy_limit.emplace())) return false;
    if (!vmap::is_power_of_two(space.granule)) return fail(*granule.value, defect_of_bounds(space));
    if (std::string defect = defect_of_bounds(space); !defect.empty()) return fail(range, std::move(defect));
    return true;
  }

  bool read_busy(std::string_view word) {
    if (!trace_.ops.empty()) return fail(word, "expected busy lines before the first op, found 'busy' after one");
    Range busy;
    const std::string_view range = next_word();
    if (!read(range, text_of(Meaning::range).expected, busy) || !read_options({})) return false;
    if (std::string defect = sound_busy_.add(trace_.space, busy); !defect.empty()) {
      return fail(range, std::move(defect));
    }
    trace_.space.busy.push_back(busy);
    return true;
  }

  bool read_op(std::string_view word) {
    const auto* const kind = std::ranges::find(op_names, word);
    if (kind == op_names.end()) {
      std::string names;
      for (const std::string_view op_name : op_names) names.append(names.empty() ? "" : ", ").append(op_name);
      return mismatch(word, concat("an op (", names, ")"));
    }
    Op& op = trace_.ops.emplace_back(op_of_kind(static_cast<std::size_t>(kind - op_names.begin())));
    return std::visit([&](auto& one) { return read_fields(one); }, op);
  }

  // Fields and options.

  template <class T>
  bool read_fields(T& op) {
    bool good = true;
    std::array<Option, std::tuple_size_v<decltype(T::fields())>> room;
    std::size_t count = 0;
    for_each_field_of(op, [&]<class Field>(Field, auto& value) {
      constexpr FieldText text = text_of(Field::meaning);
      if constexpr (text.key.empty()) {
        good = good && read_field<Field::meaning>(next_word(), value);
      } else {
        room[count++] = {text.key, text.required};
      }
    });
    const auto options = std::span(room).first(count);
    good = good && read_options(options);
    auto option = options.begin();
    for_each_field_of(op, [&]<class Field>(Field, auto& value) {
      if constexpr (!text_of(Field::meaning).key.empty()) {
        const std::optional<std::string_view> word = option++->value;
        good = good && (!word || read_field<Field::meaning>(*word, value));
      }
    });
    return good;
  }

  template <Meaning meaning>
  bool read_field(std::string_view word, ValueOf<meaning>& value) {
    if (!read(word, text_of(meaning).expected, value)) return false;
    if constexpr (meaning == Meaning::label_bound) {
      if (value.part != Label::whole) return mismatch(word, "a label without a part");
      bindings_.push_back({value.id, line_number_, column(word)});
    } else if constexpr (meaning == Meaning::count) {
      if (value == 0) return mismatch(word, "a count of at least 1");
    }
    return true;
  }

  bool read_options(std::span<Option> options) {
    for (std::string_view word = next_word(); !word.empty(); word = next_word()) {
      const std::size_t equals = word.find('=');
      const auto option = std::ranges::find(options, word.substr(0, equals), &Option::key);
      if (equals == std::string_view::npos || option == options.end()) return mismatch(word, options_or_end(options));
      if (option->value) return fail(word, concat("expected ", option->key, "= only once, found a second one"));
      option->value = word.substr(equals + 1);
    }
    const auto missing = std::ranges::find_if(options, [](const Option& o) { return o.required && !o.value; });
    return missing == options.end() || mismatch(words_, concat(missing->key, "="));
  }

  // Labels.

  bool read(std::string_view word, std::string_view what, Label& label) {
    const std::size_t dot = word.find('.');
    if (const std::string_view stem = word.substr(0, dot); is_name(stem)) {
      label.id = id_of_name(stem);
      return dot == std::string_view::npos || read_label_number(word, word.substr(dot + 1), label.part);
    }
    if (!word.starts_with('a')) return mismatch(word, what);
    if (!read_label_number(word, word.substr(1, dot == std::string_view::npos ? dot : dot - 1), label.id)) return false;
    number_max_ = std::max(number_max_, label.id);
    return dot == std::string_view::npos || read_label_number(word, word.substr(dot + 1), label.part);
  }

  /// A label of another form than a0: a word of letters, digits and underscores that does not look like one of that
  /// form.
  static bool is_name(std::string_view stem) {
    const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    if (stem.empty() || !letter(stem.front()) || (stem.front() == 'a' && stem.size() > 1 && digit(stem[1])))
      return false;
    return std::ranges::all_of(stem, [&](char c) { return letter(c) || digit(c); });
  }

  /// Until all numbers are known names count down from the highest.
  std::uint32_t id_of_name(std::string_view name) {
    const auto [entry, is_new] = names_.try_emplace(name, Label::whole - 1 - static_cast<std::uint32_t>(names_.size()));
    if (is_new) name_of_[entry->second] = name;
    return entry->second;
  }

  /// Names become the numbers above all that the text uses, in order of first use.
  void number_names() {
    if (error_ || names_.empty()) return;
    const std::uint32_t lowest_name = Label::whole - static_cast<std::uint32_t>(names_.size());
    if (number_max_ >= lowest_name) {
      error_ = ParseError{
          line_number_, 1,
          concat("expected labels with room above the highest number for ", std::to_string(names_.size()), " names")};
      return;
    }
    std::uint32_t next = 0;
    for (Op& op : trace_.ops)
      for_each_label(op, [&](const Label& label) {
        if (label.id < lowest_name) next = std::max(next, label.id + 1);
      });
    for (Op& op : trace_.ops)
      for_each_label(op, [&](Label& label) {
        if (label.id >= lowest_name) label.id = next + (Label::whole - 1 - label.id);
      });
  }

  bool read_label_number(std::string_view word, std::string_view digits, std::uint32_t& number) {
    const std::from_chars_result result = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    const bool leading_zero = digits.size() > 1 && digits.front() == '0';
    if (digits.empty() || result.ptr != digits.data() + digits.size() || leading_zero) {
      return mismatch(word, "a label such as a0 or a0.1, without leading zeros");
    }
    // The highest value is what stands for "no part".
    if (result.ec != std::errc{} || number == Label::whole) {
      return mismatch(word, "a label whose numbers are below 4294967295");
    }
    return true;
  }

  /// All bindings were read before the error, if there is one, so that the second binding of a label is the first
  /// error.
  void reject_label_bound_twice() {
    std::ranges::sort(bindings_);
    const Binding* first = nullptr;
    for (std::size_t i = 1; i < bindings_.size(); ++i) {
      const Binding& binding = bindings_[i];
      if (binding.id == bindings_[i - 1].id && (first == nullptr || binding.line < first->line)) first = &binding;
    }
    if (first == nullptr) return;
    error_ = ParseError{
        first->line, first->column,
        concat("expected a label that no earlier op binds, found ",
               quoted(name_of_.contains(first->id) ? std::string(name_of_[first->id]) : print(Label{first->id})))};
  }

  // Ranges, blocks and numbers.

  bool read(std::string_view word, std::string_view what, Range& range) {
    const std::size_t dots = word.find("..");
    if (dots == std::string_view::npos) return mismatch(word, what);
    return read(word.substr(0, dots), "an address", range.begin) &&
           read(word.substr(dots + 2), "an address", range.end);
  }

  /// OFFSET+SIZE,OFFSET+SIZE,... or nothing at all: the empty list is a bad argument, not a bad trace.
  bool read(std::string_view list, std::string_view what, std::vector<vmap::Block>& blocks) {
    if (list.empty()) return true;
    while (true) {
      const std::size_t comma = list.find(',');
      const std::string_view item = list.substr(0, comma);
      const std::size_t plus = item.find('+');
      if (plus == std::string_view::npos) return mismatch(item, what);
      vmap::Block& block = blocks.emplace_back();
      if (!read(item.substr(0, plus), "an offset", block.offset)) return false;
      if (!read(item.substr(plus + 1), "a size", block.size)) return false;
      if (comma == std::string_view::npos) return true;
      list.remove_prefix(comma + 1);
    }
  }

  bool read(std::string_view word, std::string_view what, std::uint64_t& number) {
    const bool hexadecimal = word.starts_with("0x") || word.starts_with("0X");
    const char* const begin = word.data() + (hexadecimal ? 2 : 0);
    const char* const end = word.data() + word.size();
    const auto [digits_end, error] = std::from_chars(begin, end, number, hexadecimal ? 16 : 10);
    if (digits_end == begin) return mismatch(word, what);
    const std::optional<int> shift = shift_of_suffix({digits_end, end});
    if (!shift) return mismatch(word, what);
    if (error == std::errc::result_out_of_range || number > vmap::address_max >> *shift) {
      return fail(word, concat("number does not fit 64 bits: ", quoted(word)));
    }
    number <<= *shift;
    return true;
  }

  static std::optional<int> shift_of_suffix(std::string_view suffix) {
    if (suffix.empty()) return 0;
    if (suffix == "k" || suffix == "K") return 10;
    if (suffix == "m" || suffix == "M") return 20;
    if (suffix == "g" || suffix == "G") return 30;
    return std::nullopt;
  }

  // Lines and words.

  /// False after the last line. A text that ends with a newline has an empty last line.
  bool next_line() {
    if (!text_) return false;
    ++line_number_;
    const std::size_t newline = text_->find('\n');
    line_ = text_->substr(0, newline);
    if (newline == std::string_view::npos) {
      text_.reset();
    } else {
      text_->remove_prefix(newline + 1);
    }
    words_ = without_trailing_space(line_);
    return true;
  }

  /// Empty, and at the end of the words, where there is no further one.
  std::string_view next_word() {
    const auto begin = std::ranges::find_if_not(words_, is_blank);
    const auto end = std::find_if(begin, words_.end(), is_blank);
    const std::string_view word(begin, end);
    words_ = {end, words_.end()};
    return word;
  }

  // Errors.

  bool mismatch(std::string_view word, std::string_view expected) {
    const bool at_end = word.data() == words_.data() + words_.size();
    return mismatch(word, expected, !word.empty() ? quoted(word) : at_end ? "the end of the line" : "nothing");
  }

  bool mismatch(std::string_view where, std::string_view expected, std::string_view found) {
    return fail(where, concat("expected ", expected, ", found ", found));
  }

  bool fail(std::string_view where, std::string expected) {
    error_ = ParseError{line_number_, column(where), std::move(expected)};
    return false;
  }

  [[nodiscard]] std::size_t column(std::string_view part_of_line) const {
    return static_cast<std::size_t>(part_of_line.data() - line_.data()) + 1;
  }

  /// Ordered by label, then by place.
  struct Binding {
    std::uint32_t id;
    std::size_t line;
    std::size_t column;
    friend auto operator<=>(const Binding&, const Binding&) = default;
  };

  std::optional<std::string_view> text_;  ///< what follows the current line; nothing after the last one
  std::string_view line_;
  std::string_view words_;  ///< what is not read yet of the line, without the comment and white space at the end
  std::size_t line_number_ = 0;

  bool has_header_ = false;
  bool has_space_ = false;
  SoundBusy sound_busy_;
  std::vector<Binding> bindings_;
  std::uint32_t number_max_ = 0;
  std::unordered_map<std::string_view, std::uint32_t> names_;
  std::unordered_map<std::uint32_t, std::string_view> name_of_;
  Trace trace_;
  std::optional<ParseError> error_;
};

}  // namespace

std::expected<Trace, ParseError> parse_trace(std::string_view text) { return Parser(text).run(); }

std::string defect(const Space& space) {
  std::string result = defect_of_bounds(space);
  SoundBusy busy;
  for (std::size_t i = 0; i < space.busy.size() && result.empty(); ++i) result = busy.add(space, space.busy[i]);
  return result;
}

namespace {

std::string defect_of_bounds(const Space& space) {
  if (!vmap::is_power_of_two(space.granule)) {
    char digits[16];
    const char* const end = std::to_chars(std::begin(digits), std::end(digits), space.granule, 16).ptr;
    return concat("the granule 0x", std::string_view(std::begin(digits), end), " is not a power of two");
  }
  return defect_of_range("the space", space.range, space.granule);
}

std::string SoundBusy::add(const Space& space, Range range) {
  if (std::string defect = defect_of_range("the busy range", range, space.granule); !defect.empty()) return defect;
  if (!space.range.contains(range)) {
    return concat("the busy range ", print(range), " is not inside the space ", print(space.range));
  }
  const auto after = end_by_begin_.upper_bound(range.begin);
  for (auto other : {after == end_by_begin_.begin() ? after : std::prev(after), after}) {
    if (other == end_by_begin_.end() || !range.overlaps({other->first, other->second})) continue;
    return concat("the busy range ", print(range), " overlaps ", print(Range{other->first, other->second}));
  }
  end_by_begin_.emplace_hint(after, range.begin, range.end);
  return {};
}

std::string defect_of_range(std::string_view what, Range range, Size granule) {
  if (range.begin > range.end) return concat(what, " ", print(range), " ends before it begins");
  if (range.empty()) return concat(what, " ", print(range), " is empty");
  if (!vmap::is_aligned(range.begin, granule) || !vmap::is_aligned(range.end, granule)) {
    return concat(what, " ", print(range), " does not begin and end on granules");
  }
  return {};
}

std::string_view without_trailing_space(std::string_view line) {
  while (!line.empty() && (is_blank(line.back()) || line.back() == '\r')) line.remove_suffix(1);
  return line;
}

/// An excerpt that can be shown anywhere: one line of printable ASCII, whatever the text holds.
std::string quoted(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out = "'";
  for (const char c : text.substr(0, excerpt_bytes_max)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\\') {
      out += "\\\\";
    } else if (byte >= 0x20 && byte < 0x7f) {
      out += c;
    } else {
      out += "\\x";
      out += digits[byte >> 4];
      out += digits[byte & 0xf];
    }
  }
  if (text.size() > excerpt_bytes_max) out += "...";
  out += '\'';
  return out;
}

/// "size=, align= or the end of the line"
std::string options_or_end(std::span<const Option> options) {
  std::string out;
  for (const Option& option : options) out.append(out.empty() ? "" : ", ").append(option.key).append("=");
  if (!out.empty()) out += " or ";
  out += "the end of the line";
  return out;
}

}  // namespace

}  // namespace vmapcheck
