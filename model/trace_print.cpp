// SPDX-License-Identifier: Apache-2.0
//
// From traces to text, and the canonical numbering of labels.
//
// The text is canonical: equal values print equally. Addresses and sizes are hexadecimal, defaults are left out,
// options stand in one order. parse_trace(print(t)) == t holds for every trace whose space has no defect, whose labels
// are bound once and lie in the range that labels have, whose countdowns are at least 1, and whose comments can be
// comments: no newline, and no blank, tab or carriage return at the end. A newline in a comment begins another comment
// line, so that whatever a comment holds, it is never read as an op; white space at its end is lost when the text is
// read.

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "model/ops/field_text.hpp"
#include "model/trace.hpp"
#include "vmap/request.hpp"

namespace vmapcheck {

namespace {

void append_comment(std::string& out, std::string_view comment);
void append_space(std::string& out, const Space& space);
void append(std::string& out, const Op& op);
void append(std::string& out, Label label);
void append(std::string& out, Range range);
void append(std::string& out, const std::vector<vmap::Block>& blocks);
void append(std::string& out, std::uint64_t address_or_size);
void append_number(std::string& out, std::uint64_t number, int base);

std::string printed(const auto& what) {
  std::string out;
  append(out, what);
  return out;
}

/// A field that may be left out is written where it differs from this one's.
template <class T>
constexpr T usual;

}  // namespace

std::string print(const Trace& trace) {
  std::string out = "vmapcheck-trace 1\n";
  for (const std::string& comment : trace.comments) append_comment(out, comment);
  append_space(out, trace.space);
  for (const Op& op : trace.ops) {
    append(out, op);
    out += '\n';
  }
  return out;
}

std::string print(const Op& op) { return printed(op); }
std::string print(Label label) { return printed(label); }
std::string print(Range range) { return printed(range); }

Trace relabel(Trace trace) {
  std::uint32_t in_order = 0;  // that many labels are bound as a0, a1, ... from the start and keep their numbers
  std::unordered_map<std::uint32_t, std::uint32_t> numbers;
  const auto number = [&](Label label) {
    if (label.id < in_order) return label.id;
    return numbers.try_emplace(label.id, in_order + static_cast<std::uint32_t>(numbers.size())).first->second;
  };
  // Bound labels come first, so that a label that no op binds lies above all of them, whenever it is used.
  for (const Op& op : trace.ops) {
    const Label* const label = bound_label(op);
    if (label != nullptr && label->id == in_order && numbers.empty())
      ++in_order;
    else if (label != nullptr)
      number(*label);
  }
  for (Op& op : trace.ops) for_each_label(op, [&](Label& label) { label.id = number(label); });
  return trace;
}

namespace {

void append_comment(std::string& out, std::string_view comment) {
  while (true) {
    const std::size_t newline = comment.find('\n');
    const std::string_view line = comment.substr(0, newline);
    out += '#';
    if (!line.empty()) out += ' ';
    out += line;
    out += '\n';
    if (newline == std::string_view::npos) return;
    comment.remove_prefix(newline + 1);
  }
}

void append_space(std::string& out, const Space& space) {
  out += "space ";
  append(out, space.range);
  if (space.granule != 1) {
    out += " granule=";
    append(out, space.granule);
  }
  if (space.lazy_limit) {
    out += " lazy-limit=";
    append(out, *space.lazy_limit);
  }
  out += '\n';
  for (const Range busy : space.busy) {
    out += "busy ";
    append(out, busy);
    out += '\n';
  }
}

void append(std::string& out, const Op& op) {
  std::visit(
      [&]<class T>(const T& one) {
        out += T::word;
        for_each_field_of(one, [&]<class Field>(Field, const auto& value) {
          constexpr FieldText text = text_of(Field::meaning);
          if constexpr (!text.required) {
            if (value == Field::of(usual<T>)) return;
          }
          out += ' ';
          if constexpr (!text.key.empty()) {
            out += text.key;
            out += '=';
          }
          if constexpr (Field::meaning == Meaning::count) {
            append_number(out, value, 10);
          } else {
            append(out, value);
          }
        });
      },
      op);
}

void append(std::string& out, Label label) {
  out += 'a';
  append_number(out, label.id, 10);
  if (label.part == Label::whole) return;
  out += '.';
  append_number(out, label.part, 10);
}

void append(std::string& out, Range range) {
  append(out, range.begin);
  out += "..";
  append(out, range.end);
}

void append(std::string& out, const std::vector<vmap::Block>& blocks) {
  std::string_view comma;
  for (const vmap::Block& block : blocks) {
    out += std::exchange(comma, ",");
    append(out, block.offset);
    out += '+';
    append(out, block.size);
  }
}

void append(std::string& out, std::uint64_t address_or_size) {
  out += "0x";
  append_number(out, address_or_size, 16);
}

void append_number(std::string& out, std::uint64_t number, int base) {
  char digits[20];  // 2^64-1 in decimal
  const std::to_chars_result written = std::to_chars(std::begin(digits), std::end(digits), number, base);
  out.append(digits, written.ptr);
}

}  // namespace

}  // namespace vmapcheck
