// SPDX-License-Identifier: Apache-2.0
//
// The trace format: what is accepted, what is rejected and where, and that printing and reading are inverse.
//
// The tables state the format line by line. The properties state what holds for every trace and for any bytes.

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "model/trace.hpp"

namespace vmapcheck {

namespace {

using vmap::address_max;
using vmap::Block;
using vmap::everywhere;
using vmap::Request;

constexpr std::string_view preamble = "vmapcheck-trace 1\nspace 0x0..0x10000\n";
const Space plain{{0, 0x10000}, 1, std::nullopt, {}};  ///< of the preamble

std::string with_preamble(std::string_view lines) { return std::string(preamble).append(lines); }

/// "line:column: message"
std::string shown(const ParseError& error) {
  return std::to_string(error.line) + ":" + std::to_string(error.column) + ": " + error.expected;
}

/// Expects `text` to be read as `expected`.
void expect_read(std::string_view text, const Trace& expected) {
  const auto trace = parse_trace(text);
  ASSERT_TRUE(trace.has_value()) << text << shown(trace.error());
  EXPECT_TRUE(*trace == expected) << print(*trace);
}

/// Expects `text` to be read, and the result to print as `canonical`.
void expect_canonical(std::string_view text, std::string_view canonical) {
  const auto trace = parse_trace(text);
  ASSERT_TRUE(trace.has_value()) << text << shown(trace.error());
  EXPECT_EQ(print(*trace), canonical);
}

/// An error can be shown next to the text: its place exists, and its message is one line of printable ASCII.
bool is_showable(const ParseError& error, std::string_view text) {
  for (std::size_t line = 1; line < error.line; ++line) {
    if (!text.contains('\n')) return false;
    text.remove_prefix(text.find('\n') + 1);
  }
  return error.line >= 1 && error.column >= 1 && error.column <= std::min(text.find('\n'), text.size()) + 1 &&
         !error.expected.empty() && error.expected.size() < 400 &&
         std::ranges::all_of(error.expected, [](char c) { return c >= 0x20 && c < 0x7f; });
}

// ---- Arbitrary traces. RapidCheck's sizes grow from 0, so that numbers are drawn at full size: extremes are the
// ordinary case here.

template <class T>
rc::Gen<T> full_size(rc::Gen<T> gen) {
  return rc::gen::resize(rc::kNominalSize, std::move(gen));
}

rc::Gen<std::uint64_t> any_number() {
  return full_size(
      rc::gen::oneOf(rc::gen::elementOf(std::vector<std::uint64_t>{0, 1, 2, 0x1000, 1ULL << 63, (1ULL << 63) - 1,
                                                                   address_max - 1, address_max}),
                     rc::gen::map(rc::gen::inRange(0, 64), [](int bit) { return std::uint64_t{1} << bit; }),
                     rc::gen::inRange<std::uint64_t>(0, 0x10000), rc::gen::arbitrary<std::uint64_t>()));
}

rc::Gen<std::uint32_t> any_label_number() {
  return full_size(rc::gen::oneOf(rc::gen::inRange<std::uint32_t>(0, 12),
                                  rc::gen::element<std::uint32_t>(Label::whole - 1, Label::whole - 2, 1000000000U),
                                  rc::gen::inRange<std::uint32_t>(0, Label::whole)));
}

rc::Gen<Label> any_bound_label() {
  return rc::gen::map(any_label_number(), [](std::uint32_t id) { return Label{id}; });
}

rc::Gen<Label> any_used_label() {
  const auto part = rc::gen::oneOf(rc::gen::just(Label::whole), any_label_number());
  return rc::gen::apply([](std::uint32_t id, std::uint32_t index) { return Label{id, index}; }, any_label_number(),
                        part);
}

/// Also one that ends before it begins.
rc::Gen<Range> any_range() {
  return rc::gen::oneOf(
      rc::gen::just(everywhere),
      rc::gen::apply([](Address begin, Address end) { return Range{begin, end}; }, any_number(), any_number()));
}

rc::Gen<std::vector<Block>> any_blocks() {
  return rc::gen::container<std::vector<Block>>(
      rc::gen::apply([](Size offset, Size size) { return Block{offset, size}; }, any_number(), any_number()));
}

rc::Gen<Op> any_op() {
  const auto align = rc::gen::oneOf(rc::gen::just(Size{1}), any_number());
  return rc::gen::oneOf(
      rc::gen::apply([](Label label, Size size, Size n, Range within) -> Op { return Alloc{label, {size, n, within}}; },
                     any_bound_label(), any_number(), align, any_range()),
      rc::gen::apply([](Label label, Range range) -> Op { return AllocAt{label, range}; }, any_bound_label(),
                     any_range()),
      rc::gen::apply([](Label label, Size n, Range within,
                        std::vector<Block> blocks) -> Op { return Congruent{label, n, within, std::move(blocks)}; },
                     any_bound_label(), align, any_range(), any_blocks()),
      rc::gen::map(any_used_label(), [](Label label) -> Op { return Free{label}; }),
      rc::gen::map(any_number(), [](Address address) -> Op { return FreeAt{address}; }),
      rc::gen::map(any_used_label(), [](Label label) -> Op { return FreeLazily{label}; }),
      rc::gen::map(any_number(), [](Address address) -> Op { return FreeLazilyAt{address}; }),
      rc::gen::just(Op(Purge{})), rc::gen::map(any_number(), [](Address address) -> Op { return Find{address}; }),
      rc::gen::map(any_used_label(), [](Label label) -> Op { return OnExhaustion{label}; }),
      rc::gen::map(any_number(), [](std::uint64_t n) -> Op { return FailMetadata{std::max<std::uint64_t>(n, 1)}; }));
}

const Label* any_label_of(const Op& op) {
  return std::visit(
      [](const auto& kind) -> const Label* {
        if constexpr (requires { kind.label; }) return &kind.label;
        return nullptr;
      },
      op);
}

/// Any ops, without those that bind a label again.
rc::Gen<std::vector<Op>> any_ops() {
  return rc::gen::map(rc::gen::container<std::vector<Op>>(any_op()), [](std::vector<Op> ops) {
    std::set<std::uint32_t> bound;
    std::erase_if(ops, [&](const Op& op) {
      const Label* label = bound_label(op);
      return label != nullptr && !bound.insert(label->id).second;
    });
    return ops;
  });
}

/// Cuts [0, 2^64) at arbitrary granules. The outermost cuts bound the space; any of the pieces between are busy,
/// written from the lowest up or from the highest down.
rc::Gen<Space> any_space() {
  return rc::gen::exec([] {
    Space space;
    space.granule = Size{1} << *full_size(rc::gen::inRange(0, 64));
    std::set<Address> cuts{0, vmap::align_down(address_max, space.granule)};
    for (const Address cut : *rc::gen::container<std::vector<Address>>(any_number())) {
      cuts.insert(vmap::align_down(cut, space.granule));
    }
    if (cuts.size() > 3 && *rc::gen::arbitrary<bool>()) cuts.erase(cuts.begin());
    if (cuts.size() > 3 && *rc::gen::arbitrary<bool>()) cuts.erase(std::prev(cuts.end()));
    space.range = {*cuts.begin(), *cuts.rbegin()};
    for (auto cut = cuts.begin(); std::next(cut) != cuts.end(); ++cut) {
      if (*rc::gen::arbitrary<bool>()) space.busy.push_back({*cut, *std::next(cut)});
    }
    if (*rc::gen::arbitrary<bool>()) std::ranges::reverse(space.busy);
    if (*rc::gen::arbitrary<bool>()) space.lazy_limit = *any_number();
    return space;
  });
}

/// Any bytes that can stand in a comment line: no newline, and no white space at the end.
rc::Gen<std::string> any_comment() {
  return rc::gen::map(rc::gen::arbitrary<std::string>(), [](std::string text) {
    std::erase(text, '\n');
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) text.pop_back();
    return text;
  });
}

rc::Gen<Trace> any_trace() {
  return rc::gen::apply(
      [](std::vector<std::string> comments, Space space, std::vector<Op> ops) {
        return Trace{std::move(comments), std::move(space), std::move(ops)};
      },
      rc::gen::container<std::vector<std::string>>(any_comment()), any_space(), any_ops());
}

/// A canonical trace with some bytes replaced, removed, inserted, and lines repeated.
rc::Gen<std::string> any_damaged_trace() {
  return rc::gen::exec([] {
    std::string text = print(*any_trace());
    const auto position = [&] { return *full_size(rc::gen::inRange<std::size_t>(0, text.size())); };
    const auto byte = [] {
      constexpr std::string_view syntax = "\n\r\t #=.,+axkmg0123456789-";
      return *rc::gen::oneOf(rc::gen::elementOf(std::string(syntax)), rc::gen::arbitrary<char>());
    };
    for (int damages = *full_size(rc::gen::elementOf(std::vector{1, 1, 2, 5})); damages > 0 && !text.empty();
         --damages) {
      switch (*full_size(rc::gen::inRange(0, 5))) {
        case 0: text[position()] = byte(); break;
        case 1: text.erase(position(), *rc::gen::inRange<std::size_t>(1, 10)); break;
        case 2: text.insert(position(), 1, byte()); break;
        case 3: text.resize(position()); break;
        case 4: {
          const std::size_t begin = position();
          text.insert(position(), text.substr(begin, text.find('\n', begin) - begin + 1));
          break;
        }
      }
    }
    return text;
  });
}

// ---- Tables

TEST(Trace, TheExampleOfTheFormatReadsAsItSays) {
  constexpr std::string_view text =
      "vmapcheck-trace 1\n"
      "# Two frees on both sides of a busy area, then the middle: three blocks must become one.\n"
      "space 0x1000..0x11000 granule=0x1000 lazy-limit=0x4000\n"
      "busy 0x3000..0x4000\n"
      "alloc a0 size=0x1000\n"
      "alloc a1 size=0x2000 align=0x4000 within=0x2000..0x9000\n"
      "alloc-at a2 0xa000..0xb000\n"
      "congruent a3 align=0x1000 blocks=0x0+0x1000,0x4000+0x2000\n"
      "free a0\n"
      "free-lazily a1\n"
      "purge\n"
      "free-at 0x2000\n"
      "free-lazily-at 0x2000\n"
      "find 0x8123\n"
      "on-exhaustion a2\n"
      "fail-metadata 2\n";
  const Trace expected{
      {"Two frees on both sides of a busy area, then the middle: three blocks must become one."},
      {{0x1000, 0x11000}, 0x1000, 0x4000, {{0x3000, 0x4000}}},
      {Alloc{{0}, {0x1000}}, Alloc{{1}, {0x2000, 0x4000, {0x2000, 0x9000}}}, AllocAt{{2}, {0xa000, 0xb000}},
       Congruent{{3}, 0x1000, everywhere, {{0, 0x1000}, {0x4000, 0x2000}}}, Free{{0}}, FreeLazily{{1}}, Purge{},
       FreeAt{0x2000}, FreeLazilyAt{0x2000}, Find{0x8123}, OnExhaustion{{2}}, FailMetadata{2}}};
  expect_read(text, expected);
}

TEST(Trace, WhiteSpaceAndCommentsDoNotChangeWhatIsRead) {
  constexpr std::string_view text =
      "vmapcheck-trace 1 \t\r\n"
      "\r\n"
      "#first\r\n"
      "  #  indented \t\r\n"
      "#\r\n"
      "# \r\n"
      "\tspace\t0..64k # not kept\r\n"
      "# not kept either\r\n"
      "  busy  0..1#nor this\r\n"
      "\t \r\n"
      "  alloc\ta0   size=4k\t# nor this \r\n"
      "free a0#";
  const Trace expected{
      {"first", " indented", "", ""}, {{0, 0x10000}, 1, std::nullopt, {{0, 1}}}, {Alloc{{0}, {0x1000}}, Free{{0}}}};
  expect_read(text, expected);
}

TEST(Trace, AByteOrderMarkAtTheBeginningIsNoPartOfTheText) {
  for (const std::string_view text :
       {"vmapcheck-trace 1\nspace 0x0..0x10\npurge\n", "# why\nvmapcheck-trace 1\nspace 0x0..0x10\n",
        "\n\nvmapcheck-trace 1\nspace 0x0..0x10\n"})
    expect_canonical("\xef\xbb\xbf" + std::string(text), print(parse_trace(text).value()));
}

TEST(Trace, NamesOfOtherFormsAreNumberedBehindTheNumbers) {
  expect_canonical(with_preamble("alloc buffer size=1\nalloc a7 size=1\ncongruent cpu blocks=0x0+0x1\n"
                                 "free buffer\nfree cpu.0\nfree other\n"),
                   with_preamble("alloc a8 size=0x1\nalloc a7 size=0x1\ncongruent a9 blocks=0x0+0x1\n"
                                 "free a8\nfree a9.0\nfree a10\n"));
}

TEST(Trace, EachFormOfANumberIsAccepted) {
  const struct {
    std::string_view text;
    std::uint64_t number;
  } table[] = {
      {"0", 0},
      {"0x0", 0},
      {"007", 7},
      {"4096", 4096},
      {"0x1aBc", 0x1abc},
      {"0X1F", 0x1f},
      {"1k", 1024},
      {"1K", 1024},
      {"0x10k", 0x4000},
      {"3m", 3U << 20},
      {"3M", 3U << 20},
      {"5g", 5ULL << 30},
      {"0xfG", 15ULL << 30},
      {"18446744073709551615", address_max},
      {"0xffffffffffffffff", address_max},
      {"0x00000000000000000000ff", 0xff},
      {"18014398509481983k", address_max - 1023},
      {"0k", 0},
  };
  for (const auto& [text, number] : table) {
    expect_read(with_preamble("find ").append(text), {{}, plain, {Find{number}}});
  }
}

TEST(Trace, AnOpHasOneCanonicalForm) {
  const struct {
    std::string_view text;
    Op op;
    std::string_view canonical;
  } table[] = {
      {"alloc a7 align=1 size=10 within=0..0xffffffffffffffff", Alloc{{7}, {10}}, "alloc a7 size=0xa"},
      {"alloc a7 within=1..2 align=2k size=1m", Alloc{{7}, {0x100000, 0x800, {1, 2}}},
       "alloc a7 size=0x100000 align=0x800 within=0x1..0x2"},
      {"alloc-at a4294967294 4k..8k", AllocAt{{4294967294}, {0x1000, 0x2000}}, "alloc-at a4294967294 0x1000..0x2000"},
      {"congruent a0 blocks=4k+1,0+1 within=0..9 align=8", Congruent{{0}, 8, {0, 9}, {{0x1000, 1}, {0, 1}}},
       "congruent a0 align=0x8 within=0x0..0x9 blocks=0x1000+0x1,0x0+0x1"},
      {"congruent a0 align=1 blocks=0+1", Congruent{{0}, 1, everywhere, {{0, 1}}}, "congruent a0 blocks=0x0+0x1"},
      {"free a3.0", Free{{3, 0}}, "free a3.0"},
      {"free-at 10", FreeAt{10}, "free-at 0xa"},
      {"free-lazily a3.4294967294", FreeLazily{{3, 4294967294}}, "free-lazily a3.4294967294"},
      {"free-lazily-at 10", FreeLazilyAt{10}, "free-lazily-at 0xa"},
      {"purge", Purge{}, "purge"},
      {"find 0XAB", Find{0xab}, "find 0xab"},
      {"on-exhaustion a0", OnExhaustion{{0}}, "on-exhaustion a0"},
      {"fail-metadata 0x10", FailMetadata{16}, "fail-metadata 16"},
      // Bad arguments make bad calls, not bad traces: the answer is an error.
      {"alloc a0 size=0", Alloc{{0}, {0}}, "alloc a0 size=0x0"},
      {"alloc a0 size=1 align=0", Alloc{{0}, {1, 0}}, "alloc a0 size=0x1 align=0x0"},
      {"alloc a0 size=1 align=3", Alloc{{0}, {1, 3}}, "alloc a0 size=0x1 align=0x3"},
      {"alloc a0 size=1 within=2..1", Alloc{{0}, {1, 1, {2, 1}}}, "alloc a0 size=0x1 within=0x2..0x1"},
      {"alloc-at a0 2..1", AllocAt{{0}, {2, 1}}, "alloc-at a0 0x2..0x1"},
      {"congruent a0 blocks=", Congruent{{0}, 1, everywhere, {}}, "congruent a0 blocks="},
      {"congruent a0 blocks= align=3", Congruent{{0}, 3, everywhere, {}}, "congruent a0 align=0x3 blocks="},
      {"congruent a0 blocks=0+0,0+0", Congruent{{0}, 1, everywhere, {{0, 0}, {0, 0}}},
       "congruent a0 blocks=0x0+0x0,0x0+0x0"},
  };
  for (const auto& [text, op, canonical] : table) {
    expect_read(with_preamble(text), {{}, plain, {op}});
    EXPECT_EQ(print(op), canonical);
    expect_canonical(with_preamble(text), with_preamble(canonical).append("\n"));
  }
}

TEST(Trace, ASpaceHasOneCanonicalForm) {
  expect_canonical(
      "vmapcheck-trace 1\n#\n#why\nspace 0..64k lazy-limit=0 granule=4k\nbusy 8k..12k\n",
      "vmapcheck-trace 1\n#\n# why\nspace 0x0..0x10000 granule=0x1000 lazy-limit=0x0\nbusy 0x2000..0x3000\n");
  expect_canonical("vmapcheck-trace 1\nspace 0..64k granule=1", preamble);
}

TEST(Trace, WhatACommentHoldsIsNeverAnOp) {
  const Trace trace{{"one\npurge", "two\n"}, plain, {}};
  const auto read = parse_trace(print(trace));
  ASSERT_TRUE(read.has_value());
  EXPECT_TRUE(read->ops.empty());
  EXPECT_EQ(read->comments, (std::vector<std::string>{"one", "purge", "two", ""}));
}

/// Expects each text to be rejected exactly so: "line:column: message".
struct Rejection {
  std::string_view text;
  std::string_view error;
};

void expect_rejections(std::string_view before, std::initializer_list<Rejection> table) {
  for (const auto& [text, error] : table) {
    const std::string whole = std::string(before).append(text);
    const auto trace = parse_trace(whole);
    ASSERT_FALSE(trace.has_value()) << text;
    EXPECT_EQ(shown(trace.error()), error) << text;
    EXPECT_TRUE(is_showable(trace.error(), whole)) << text;
  }
}

TEST(Trace, TheFirstLineNamesFormatAndVersion) {
  using namespace std::string_view_literals;
  expect_rejections(
      "", {
              {"", "1:1: expected 'vmapcheck-trace 1', found the end of the text"},
              {"\n", "2:1: expected 'vmapcheck-trace 1', found the end of the text"},
              {"space 0..1", "1:1: expected 'vmapcheck-trace 1', found 'space'"},
              {"# comment", "1:10: expected 'vmapcheck-trace 1', found the end of the text"},
              {"# a\n\n space 0..1", "3:2: expected 'vmapcheck-trace 1', found 'space'"},
              {"vmapcheck-trace\t 1 # comment", "1:29: expected space BEGIN..END, found the end of the text"},
              {"vmapcheck-trace", "1:16: expected the version 1, found the end of the line"},
              {"vmapcheck-trace1", "1:1: expected 'vmapcheck-trace 1', found 'vmapcheck-trace1'"},
              {"vmapcheck-trace 2\n", "1:17: unknown version '2', expected 1"},
              {"vmapcheck-trace 1.1", "1:17: unknown version '1.1', expected 1"},
              {"vmapcheck-trace 1 2", "1:19: expected the end of the line, found '2'"},
              {"\xef\xbb\xbf"
               "\xef\xbb\xbfvmapcheck-trace 1",
               "1:1: expected 'vmapcheck-trace 1', found '\\xef\\xbb\\xbfvmapcheck-trace'"},
              {" \xef\xbb\xbfvmapcheck-trace 1",
               "1:2: expected 'vmapcheck-trace 1', found '\\xef\\xbb\\xbfvmapcheck-trace'"},
              {"\xef\xbbvmapcheck-trace 1", "1:1: expected 'vmapcheck-trace 1', found '\\xef\\xbbvmapcheck-trace'"},
              {"\xef\xbb\xbf", "1:1: expected 'vmapcheck-trace 1', found the end of the text"},
              {"\xef\xbb\xbfvmapcheck-trace 2", "1:17: unknown version '2', expected 1"},
              {"\x7f"
               "ELF\x02\x01\x01\0\0"sv,
               "1:1: expected 'vmapcheck-trace 1', found '\\x7fELF\\x02\\x01\\x01\\x00\\x00'"},
              {"vmapcheck-trace 1", "1:18: expected space BEGIN..END, found the end of the text"},
              {"vmapcheck-trace 1\n", "2:1: expected space BEGIN..END, found the end of the text"},
              {"vmapcheck-trace 1\n# why", "2:6: expected space BEGIN..END, found the end of the text"},
          });
}

TEST(Trace, ASpaceThatIsOutOfPlaceOrCannotBeConstructedIsRejected) {
  expect_rejections(
      "vmapcheck-trace 1\n",
      {
          {"busy 0..1", "2:1: expected space BEGIN..END, found 'busy'"},
          {"purge", "2:1: expected space BEGIN..END, found 'purge'"},
          {"frob", "2:1: expected space BEGIN..END, found 'frob'"},
          {"space 0..1\nspace 0..1", "3:1: expected one space line only, found a second one"},
          {"space 0..8\npurge\n busy 0..1", "4:2: expected busy lines before the first op, found 'busy' after one"},
          {"space", "2:6: expected a range BEGIN..END, found the end of the line"},
          {"space 5", "2:7: expected a range BEGIN..END, found '5'"},
          {"space ..5", "2:7: expected an address, found nothing"},
          {"space 5.. granule=1", "2:10: expected an address, found nothing"},
          {"space 5..", "2:10: expected an address, found the end of the line"},
          {"space 0...5", "2:10: expected an address, found '.5'"},
          {"space 0..0x10000000000000000", "2:10: number does not fit 64 bits: '0x10000000000000000'"},
          {"space 0..8 9", "2:12: expected granule=, lazy-limit= or the end of the line, found '9'"},
          {"space 0..8 size=8", "2:12: expected granule=, lazy-limit= or the end of the line, found 'size=8'"},
          {"space 0..8 granule=1 granule=1", "2:22: expected granule= only once, found a second one"},
          {"space 0..8 granule=x", "2:20: expected a granule, found 'x'"},
          {"space 0..8 lazy-limit=", "2:23: expected a number of bytes, found the end of the line"},
          {"space 0..8 lazy-limit=1 granule=0", "2:33: the granule 0x0 is not a power of two"},
          {"space 0..9 granule=3", "2:20: the granule 0x3 is not a power of two"},
          {"space 8..8", "2:7: the space 0x8..0x8 is empty"},
          {"space 8..0", "2:7: the space 0x8..0x0 ends before it begins"},
          {"space 0..9 granule=8", "2:7: the space 0x0..0x9 does not begin and end on granules"},
          {"space 4..8 granule=8", "2:7: the space 0x4..0x8 does not begin and end on granules"},
      });
  expect_rejections(
      "vmapcheck-trace 1\nspace 0x1000..0x9000 granule=0x1000\n",
      {
          {"busy", "3:5: expected a range BEGIN..END, found the end of the line"},
          {"busy 4k..8k now", "3:13: expected the end of the line, found 'now'"},
          {"busy 4k..4k", "3:6: the busy range 0x1000..0x1000 is empty"},
          {"busy 8k..4k", "3:6: the busy range 0x2000..0x1000 ends before it begins"},
          {"busy 4k..5k", "3:6: the busy range 0x1000..0x1400 does not begin and end on granules"},
          {"busy 0..8k", "3:6: the busy range 0x0..0x2000 is not inside the space 0x1000..0x9000"},
          {"busy 32k..40k", "3:6: the busy range 0x8000..0xa000 is not inside the space 0x1000..0x9000"},
          {"busy 4k..8k\nbusy 4k..8k", "4:6: the busy range 0x1000..0x2000 overlaps 0x1000..0x2000"},
          {"busy 12k..16k\nbusy 4k..8k\nbusy 8k..16k", "5:6: the busy range 0x2000..0x4000 overlaps 0x3000..0x4000"},
          {"busy 4k..16k\nbusy 16k..20k\nbusy 8k..12k", "5:6: the busy range 0x2000..0x3000 overlaps 0x1000..0x4000"},
      });
}

TEST(Trace, AnOpThatIsNotWellFormedIsRejectedWhereItFails) {
  using namespace std::string_view_literals;
  constexpr std::string_view ops =
      "expected an op (alloc, alloc-at, congruent, free, free-at, free-lazily, free-lazily-at, purge, find, "
      "on-exhaustion, fail-metadata), found ";
  const auto no_op = [&](std::string_view found) { return std::string("3:1: ").append(ops).append(found); };
  expect_rejections(
      preamble,
      {
          {"frob a0", no_op("'frob'")},
          {"Alloc a0", no_op("'Alloc'")},
          {"vmapcheck-trace 1", no_op("'vmapcheck-trace'")},
          {"\x07\xff\\ x", no_op("'\\x07\\xff\\\\'")},
          {"\0purge"sv, no_op("'\\x00purge'")},
          {"abcdefghijklmnopqrstuvwxyz", no_op("'abcdefghijklmnopqrstuvwx...'")},
          {"alloc", "3:6: expected a label such as a0, found the end of the line"},
          {"alloc size=1", "3:7: expected a label such as a0, found 'size=1'"},
          {"alloc 0b size=1", "3:7: expected a label such as a0, found '0b'"},
          {"alloc a-1 size=1", "3:7: expected a label such as a0 or a0.1, without leading zeros, found 'a-1'"},
          {"alloc a01 size=1", "3:7: expected a label such as a0 or a0.1, without leading zeros, found 'a01'"},
          {"alloc a0x1 size=1", "3:7: expected a label such as a0 or a0.1, without leading zeros, found 'a0x1'"},
          {"alloc a0.1 size=1", "3:7: expected a label without a part, found 'a0.1'"},
          {"alloc a4294967295 size=1", "3:7: expected a label whose numbers are below 4294967295, found 'a4294967295'"},
          {"alloc a99999999999 size=1",
           "3:7: expected a label whose numbers are below 4294967295, found 'a99999999999'"},
          {"alloc a0", "3:9: expected size=, found the end of the line"},
          {"alloc a0  # size=1", "3:9: expected size=, found the end of the line"},
          {"alloc a0 align=1", "3:17: expected size=, found the end of the line"},
          {"alloc a0 size", "3:10: expected size=, align=, within= or the end of the line, found 'size'"},
          {"alloc a0 0x10", "3:10: expected size=, align=, within= or the end of the line, found '0x10'"},
          {"alloc a0 siez=1", "3:10: expected size=, align=, within= or the end of the line, found 'siez=1'"},
          {"alloc a0 size=1 blocks=", "3:17: expected size=, align=, within= or the end of the line, found 'blocks='"},
          {"alloc a0 size=1 size=1", "3:17: expected size= only once, found a second one"},
          {"alloc a0 size=x", "3:15: expected a size, found 'x'"},
          {"alloc a0 size=-1", "3:15: expected a size, found '-1'"},
          {"alloc a0 size=+1", "3:15: expected a size, found '+1'"},
          {"alloc a0 size=1kk", "3:15: expected a size, found '1kk'"},
          {"alloc a0 size=1t", "3:15: expected a size, found '1t'"},
          {"alloc a0 size=0x", "3:15: expected a size, found '0x'"},
          {"alloc a0 size=0xk", "3:15: expected a size, found '0xk'"},
          {"alloc a0 size=k", "3:15: expected a size, found 'k'"},
          {"alloc a0 size=1\0"sv, "3:15: expected a size, found '1\\x00'"},
          {"alloc a0 size=", "3:15: expected a size, found the end of the line"},
          {"alloc a0 size= align=1", "3:15: expected a size, found nothing"},
          {"alloc a0 size=18446744073709551616", "3:15: number does not fit 64 bits: '18446744073709551616'"},
          {"alloc a0 size=18014398509481984k", "3:15: number does not fit 64 bits: '18014398509481984k'"},
          {"alloc a0 size=1111111111111111111111111",
           "3:15: number does not fit 64 bits: '111111111111111111111111...'"},
          {"alloc a0 size=0x400000000g", "3:15: number does not fit 64 bits: '0x400000000g'"},
          {"alloc a0 size=1 align=two", "3:23: expected an alignment, found 'two'"},
          {"alloc a0 size=1 within=5", "3:24: expected a window BEGIN..END, found '5'"},
          {"alloc a0 size=1 within=5..x", "3:27: expected an address, found 'x'"},
          {"alloc-at a0", "3:12: expected a range BEGIN..END, found the end of the line"},
          {"alloc-at a0 1..2 align=1", "3:18: expected the end of the line, found 'align=1'"},
          {"congruent a0", "3:13: expected blocks=, found the end of the line"},
          {"congruent a0 size=1", "3:14: expected align=, within=, blocks= or the end of the line, found 'size=1'"},
          {"congruent a0 blocks=1", "3:21: expected a block OFFSET+SIZE, found '1'"},
          {"congruent a0 blocks=,", "3:21: expected a block OFFSET+SIZE, found nothing"},
          {"congruent a0 blocks=0+1,", "3:25: expected a block OFFSET+SIZE, found the end of the line"},
          {"congruent a0 blocks=0+1,2+x", "3:27: expected a size, found 'x'"},
          {"congruent a0 blocks=0+1,+2", "3:25: expected an offset, found nothing"},
          {"congruent a0 blocks=0+1+2", "3:23: expected a size, found '1+2'"},
          {"free", "3:5: expected a label such as a0, found the end of the line"},
          {"free 0x1000", "3:6: expected a label such as a0, found '0x1000'"},
          {"free a0.", "3:6: expected a label such as a0 or a0.1, without leading zeros, found 'a0.'"},
          {"free a0.01", "3:6: expected a label such as a0 or a0.1, without leading zeros, found 'a0.01'"},
          {"free a0.1.2", "3:6: expected a label such as a0 or a0.1, without leading zeros, found 'a0.1.2'"},
          {"free a0.4294967295", "3:6: expected a label whose numbers are below 4294967295, found 'a0.4294967295'"},
          {"free a0 a1", "3:9: expected the end of the line, found 'a1'"},
          {"free-at a0", "3:9: expected an address, found 'a0'"},
          {"free-lazily 7", "3:13: expected a label such as a0, found '7'"},
          {"free-lazily-at", "3:15: expected an address, found the end of the line"},
          {"purge now", "3:7: expected the end of the line, found 'now'"},
          {"find 0x10 0x20", "3:11: expected the end of the line, found '0x20'"},
          {"on-exhaustion", "3:14: expected a label such as a0, found the end of the line"},
          {"fail-metadata", "3:14: expected a count, found the end of the line"},
          {"fail-metadata 0", "3:15: expected a count of at least 1, found '0'"},
          {"purge\r\n\tfind\tx\r\n", "4:7: expected an address, found 'x'"},
          {"purge\rfind 1", no_op("'purge\\x0dfind'")},
      });
}

TEST(Trace, ALabelIsBoundByOneOpOnly) {
  expect_rejections(
      preamble, {
                    {"alloc a0 size=1\nalloc a0 size=1", "4:7: expected a label that no earlier op binds, found 'a0'"},
                    {"alloc-at a1 0..1\nalloc a2 size=1\n congruent a1 blocks=0+1",
                     "5:12: expected a label that no earlier op binds, found 'a1'"},
                    // The first of several, also where something else is wrong further on.
                    {"alloc a7 size=1\nalloc a5 size=1\nalloc a7 size=1\nalloc a5 size=1\nalloc a7 size=1\nfrob",
                     "5:7: expected a label that no earlier op binds, found 'a7'"},
                    {"alloc b size=1\nalloc b size=1", "4:7: expected a label that no earlier op binds, found 'b'"},
                    {"alloc a0 size=1\nalloc a0 size=x", "4:7: expected a label that no earlier op binds, found 'a0'"},
                });
}

TEST(Trace, RelabellingNumbersInOrderOfBinding) {
  const auto trace =
      parse_trace(with_preamble("free a9\n"
                                "free a0\n"
                                "alloc a7 size=1\n"
                                "congruent a4 blocks=0+1\n"
                                "on-exhaustion a4.0\n"
                                "free-lazily a1\n"
                                "alloc-at a0 0..1\n"
                                "free a7\n"
                                "free a9.3\n"));
  ASSERT_TRUE(trace.has_value());
  EXPECT_EQ(print(relabel(*trace)), with_preamble("free a3\n"
                                                  "free a2\n"
                                                  "alloc a0 size=0x1\n"
                                                  "congruent a1 blocks=0x0+0x1\n"
                                                  "on-exhaustion a1.0\n"
                                                  "free-lazily a4\n"
                                                  "alloc-at a2 0x0..0x1\n"
                                                  "free a0\n"
                                                  "free a3.3\n"));
}

TEST(Trace, ALongLineIsReadAsAShortOne) {
  Congruent op{{0}, 1, everywhere, {}};
  for (Size i = 0; i < 100'000; ++i) op.blocks.push_back({2 * i, 1});
  const Trace trace{{std::string(1'000'000, 'x')}, plain, {op}};
  expect_read(print(trace), trace);
}

// ---- Properties

void demand_read(std::string_view text, const Trace& expected) {
  const auto read = parse_trace(text);
  RC_ASSERT(read.has_value());
  RC_ASSERT(*read == expected);
}

RC_GTEST_PROP(TraceProperty, ReadingWhatWasPrintedGivesTheSameTrace, ()) {
  const Trace trace = *any_trace();
  RC_LOG() << print(trace);
  demand_read(print(trace), trace);
}

RC_GTEST_PROP(TraceProperty, AnOpPrintsAsItsLineInATrace, ()) {
  const Op op = *any_op();
  RC_LOG() << print(op);
  const auto read = parse_trace(with_preamble(print(op)));
  RC_ASSERT(read.has_value());
  RC_ASSERT(read->ops == std::vector<Op>{op});
}

/// What must hold for any bytes at all.
void check_any_text(const std::string& text) {
  const auto trace = parse_trace(text);
  if (!trace) {
    RC_ASSERT(is_showable(trace.error(), text));
    return;
  }
  RC_ASSERT(defect(trace->space).empty());
  demand_read(print(*trace), *trace);
}

RC_GTEST_PROP(TraceProperty, AnyBytesAreATraceOrAnErrorWithAPlace, ()) {
  const std::string bytes = *rc::gen::arbitrary<std::string>();
  check_any_text(bytes);
  check_any_text("vmapcheck-trace 1\n" + bytes);
  check_any_text(with_preamble(bytes));
}

RC_GTEST_PROP(TraceProperty, ADamagedTraceIsATraceOrAnErrorWithAPlace, ()) {
  const std::string text = *any_damaged_trace();
  RC_CLASSIFY(parse_trace(text).has_value());
  check_any_text(text);
}

RC_GTEST_PROP(TraceProperty, ASpaceIsReadIfAndOnlyIfItHasNoDefect, ()) {
  Space space = *any_space();
  RC_ASSERT(defect(space).empty());
  switch (*full_size(rc::gen::inRange(0, 5))) {
    case 0: break;
    case 1: space.granule = *any_number(); break;
    case 2: space.range = *any_range(); break;
    case 3: space.busy.push_back(*any_range()); break;
    case 4: space.busy.insert(space.busy.begin(), *any_range()); break;
  }
  const auto read = parse_trace(print(Trace{{}, space, {}}));
  RC_CLASSIFY(read.has_value());
  RC_ASSERT((read ? std::string() : read.error().expected) == defect(space));
}

RC_GTEST_PROP(TraceProperty, ARangeIsBusyOnceOnly, ()) {
  Space space = *any_space();
  RC_PRE(!space.busy.empty());
  const Range busy = *rc::gen::elementOf(space.busy);
  const Range part{busy.begin, busy.begin + vmap::align_down(busy.size() / 2, space.granule)};
  space.busy.push_back(part.empty() ? busy : part);
  RC_ASSERT(!defect(space).empty());
}

RC_GTEST_PROP(TraceProperty, RelabellingRenamesAndNothingElse, ()) {
  const Trace trace = *any_trace();
  RC_LOG() << print(trace);
  const Trace relabelled = relabel(trace);
  RC_ASSERT(relabel(relabelled) == relabelled);
  RC_ASSERT(relabelled.space == trace.space);
  RC_ASSERT(relabelled.comments == trace.comments);
  RC_ASSERT(relabelled.ops.size() == trace.ops.size());

  std::set<std::pair<std::uint32_t, std::uint32_t>> renamed;
  std::set<std::uint32_t> before;
  std::set<std::uint32_t> after;
  std::uint32_t bound = 0;
  for (std::size_t i = 0; i < trace.ops.size(); ++i) {
    if (const Label* const label = bound_label(relabelled.ops[i])) {
      RC_ASSERT(label->id == bound);
      ++bound;
    }
    const Label* const from = any_label_of(trace.ops[i]);
    const Label* const to = any_label_of(relabelled.ops[i]);
    RC_ASSERT((from == nullptr) == (to == nullptr));
    if (from == nullptr) continue;
    RC_ASSERT(from->part == to->part);
    renamed.emplace(from->id, to->id);
    before.insert(from->id);
    after.insert(to->id);
  }
  // One to one, and without a gap.
  RC_ASSERT(renamed.size() == before.size());
  RC_ASSERT(renamed.size() == after.size());
  if (!after.empty()) {
    RC_ASSERT(*after.rbegin() == after.size() - 1);
  }
  demand_read(print(relabelled), relabelled);
}

}  // namespace
}  // namespace vmapcheck
