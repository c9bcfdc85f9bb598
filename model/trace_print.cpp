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
#include <type_traits>
#include <unordered_map>
#include <variant>

#include "model/trace.hpp"

namespace vmapcheck {

namespace {

void append_comment(std::string& out, std::string_view comment);
void append_space(std::string& out, const Space& space);
void append(std::string& out, const Op& op);
void append(std::string& out, Label label);
void append(std::string& out, Range range);
void append_number(std::string& out, std::uint64_t number, int base);
void append_hex(std::string& out, std::uint64_t number);

template <class Token>
std::string printed(const Token& piece) {
  std::string out;
  append(out, piece);
  return out;
}

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

Trace relabel(const Trace& trace) {
  std::unordered_map<std::uint32_t, std::uint32_t> renamed;
  const auto number = [&](std::uint32_t id) { renamed.try_emplace(id, static_cast<std::uint32_t>(renamed.size())); };

  // Bound labels come first, so that a label that no op binds lies above all of them, whenever it is used.
  for (const Op& op : trace.ops) {
    if (const auto* alloc = std::get_if<Alloc>(&op)) number(alloc->label.id);
    if (const auto* alloc_at = std::get_if<AllocAt>(&op)) number(alloc_at->label.id);
    if (const auto* congruent = std::get_if<Congruent>(&op)) number(congruent->label.id);
  }

  Trace result = trace;
  for (Op& op : result.ops) {
    std::visit(
        [&](auto& kind) {
          if constexpr (requires { kind.label; }) {
            number(kind.label.id);
            kind.label.id = renamed.at(kind.label.id);
          }
        },
        op);
  }
  return result;
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
    append_hex(out, space.granule);
  }
  if (space.lazy_limit) {
    out += " lazy-limit=";
    append_hex(out, *space.lazy_limit);
  }
  out += '\n';
  for (const Range busy : space.busy) {
    out += "busy ";
    append(out, busy);
    out += '\n';
  }
}

/// What follows the op's name on its line.
struct Operands {
  std::string& out;

  void operator()(const Alloc& op) {
    positional(op.label);
    out += " size=";
    append_hex(out, op.request.size);
    placement(op.request.align, op.request.within);
  }
  void operator()(const AllocAt& op) {
    positional(op.label);
    positional(op.range);
  }
  void operator()(const Congruent& op) {
    positional(op.label);
    placement(op.align, op.within);
    out += " blocks=";
    for (std::size_t i = 0; i < op.blocks.size(); ++i) {
      if (i != 0) out += ',';
      append_hex(out, op.blocks[i].offset);
      out += '+';
      append_hex(out, op.blocks[i].size);
    }
  }
  void operator()(const Free& op) { positional(op.label); }
  void operator()(const FreeAt& op) { address(op.address); }
  void operator()(const FreeLazily& op) { positional(op.label); }
  void operator()(const FreeLazilyAt& op) { address(op.address); }
  void operator()(const Purge&) {}
  void operator()(const Find& op) { address(op.address); }
  void operator()(const OnExhaustion& op) { positional(op.label); }
  void operator()(const FailMetadata& op) {
    out += ' ';
    append_number(out, op.countdown, 10);
  }

 private:
  template <class Token>
  void positional(Token piece) {
    out += ' ';
    append(out, piece);
  }
  void address(Address address) {
    out += ' ';
    append_hex(out, address);
  }
  void placement(Size align, Range within) {
    if (align != 1) {
      out += " align=";
      append_hex(out, align);
    }
    if (within != vmap::everywhere) {
      out += " within=";
      append(out, within);
    }
  }
};

void append(std::string& out, const Op& op) {
  out += op_names[op.index()];
  std::visit(Operands{out}, op);
}

void append(std::string& out, Label label) {
  out += 'a';
  append_number(out, label.id, 10);
  if (label.part == Label::whole) return;
  out += '.';
  append_number(out, label.part, 10);
}

void append(std::string& out, Range range) {
  append_hex(out, range.begin);
  out += "..";
  append_hex(out, range.end);
}

void append_hex(std::string& out, std::uint64_t number) {
  out += "0x";
  append_number(out, number, 16);
}

void append_number(std::string& out, std::uint64_t number, int base) {
  char digits[20];  // 2^64-1 in decimal
  const std::to_chars_result written = std::to_chars(std::begin(digits), std::end(digits), number, base);
  out.append(digits, written.ptr);
}

}  // namespace

}  // namespace vmapcheck
