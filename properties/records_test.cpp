// SPDX-License-Identifier: Apache-2.0
//
// Records and their mutations: any bytes are a valid trace, no trace is changed by being written and read, and the
// mutator makes valid traces, of every kind of op, of what it is given.

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "fuzz/mutator.hpp"
#include "fuzz/records.hpp"
#include "harness/random/check.hpp"
#include "harness/random/choices.hpp"
#include "harness/verify/executor.hpp"
#include "harness/verify/model_subject.hpp"
#include "model/trace.hpp"

namespace vmapcheck {
namespace {

using vmap::address_max;
using vmap::everywhere;
using Bytes = std::vector<std::uint8_t>;

constexpr Address middle = Address{1} << 63;

/// What encoding keeps of a trace.
Trace kept(const Trace& trace) {
  Trace result = relabel(trace);
  result.comments.clear();
  return result;
}

/// Why `trace` is not valid, or an empty string. The parser accepts exactly the valid ones.
std::string invalidity(const Trace& trace) {
  if (std::string why = defect(trace.space); !why.empty()) return why;
  const auto read = parse_trace(print(trace));
  if (!read) return read.error().expected;
  return *read == trace ? "" : "is read differently";
}

Bytes random_bytes(Random& random, std::size_t size) {
  Bytes bytes(size);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random.next());
  return bytes;
}

/// An ordinary trace, of some case of the grammar.
Trace some_trace(std::uint64_t seed) { return generate_trace(seed, seed % 7, 20 + seed % 200); }

std::uint64_t any_seed() { return *rc::gen::resize(rc::kNominalSize, rc::gen::arbitrary<std::uint64_t>()); }

// ---- Records

RC_GTEST_PROP(Records, AnyBytesAreAValidTrace, ()) {
  Random random(any_seed());
  const Bytes bytes = random_bytes(random, random.below(4000));
  const Trace trace = decode(bytes);
  RC_ASSERT(invalidity(trace) == "");
  RC_ASSERT(relabel(trace) == trace);
}

RC_GTEST_PROP(Records, DamagedRecordsAreAValidTrace, ()) {
  Random random(any_seed());
  Bytes bytes = encode(some_trace(random.next()));
  for (std::uint64_t n = 1 + random.below(40); n > 0; --n)
    bytes[random.below(bytes.size())] = static_cast<std::uint8_t>(random.next());
  const Trace trace = decode(bytes);
  RC_ASSERT(invalidity(trace) == "");
  RC_ASSERT(relabel(trace) == trace);
}

RC_GTEST_PROP(Records, ATraceIsReadAsItWasWritten, ()) {
  Random random(any_seed());
  Trace trace = some_trace(random.next());
  for (std::uint64_t n = random.below(20); n > 0; --n) trace = mutate(trace, 20'000, random.next());
  trace.comments = {"not kept"};
  const Bytes bytes = encode(trace);
  RC_ASSERT(decode(bytes) == kept(trace));
  RC_ASSERT(bytes.size() <= encoded_size_max(trace));
}

RC_GTEST_PROP(Records, ATraceOfAnyBytesIsReadAsItWasWritten, ()) {
  Random random(any_seed());
  const Trace trace = decode(random_bytes(random, random.below(4000)));
  RC_ASSERT(decode(encode(trace)) == trace);
}

RC_GTEST_PROP(Records, ARecordCutOffIsDropped, ()) {
  Random random(any_seed());
  Bytes bytes = random_bytes(random, random.below(2000));
  const Trace whole = decode(std::span(bytes).first(bytes.size() / record_bytes * record_bytes));
  RC_ASSERT(decode(bytes) == whole);
}

TEST(Records, ExtremesAreReadAsTheyWereWritten) {
  const Address top = vmap::align_down(address_max, 0x1000);
  const Space spaces[] = {
      {{0, 1}, 1, {}, {}},
      {{0, address_max}, 1, 0, {{0, 1}, {address_max - 1, address_max}}},
      {{0, address_max}, 1, address_max, {}},
      {{0, middle}, middle, {}, {}},
      {{0, middle}, middle, 5, {{0, middle}}},
      {{middle, middle + 0x1000}, 0x1000, 0x1000, {}},
      {{0, top}, 0x1000, {}, {{0x3000, 0x4000}, {0, 0x1000}, {0x40000, 0x80000}}},
      {{top - 0x1000, top}, 0x1000, 0x1001, {}},
      {{0x1000, 0x11000}, 0x1000, 0x4000, {{0x3000, 0x4000}}},
      {{0x123456789000, 0x1234ffff8000}, 0x1000, 0x40000000, {}},
  };
  const std::uint64_t numbers[] = {0,      1,          2,      3,          0xfff,        0x1000,          0x1001,
                                   0x3000, middle - 1, middle, middle + 1, top - 0x1000, address_max - 1, address_max};
  for (const Space& space : spaces) {
    Trace trace{{}, space, {}};
    std::uint32_t label = 0;
    for (const std::uint64_t a : numbers) {
      for (const std::uint64_t b : numbers) {
        trace.ops.push_back(Alloc{{label++}, {a, b, {b, a}}});
        trace.ops.push_back(AllocAt{{label++}, {a, b}});
        trace.ops.push_back(Congruent{{label++}, a, {a, b}, {{a, b}, {b, a}, {0, 0x1000}, {a, b}}});
      }
      trace.ops.push_back(Alloc{{label++}, {a, 1, everywhere}});
      trace.ops.push_back(Congruent{{label++}, a, everywhere, {}});
      trace.ops.push_back(Congruent{{label++}, 1, everywhere, {{a, 0x1000}}});
      trace.ops.push_back(FreeAt{a});
      trace.ops.push_back(FreeLazilyAt{a});
      trace.ops.push_back(Find{a});
      trace.ops.push_back(FailMetadata{std::max<std::uint64_t>(a, 1)});
    }
    for (const Label used : {Label{0}, Label{0}, Label{1, 0}, Label{2, 3}, Label{2, 4}, Label{2, Label::whole - 1},
                             Label{2}, Label{label - 1}, Label{label}, Label{Label::whole - 1, 7}}) {
      trace.ops.push_back(OnExhaustion{used});
      trace.ops.push_back(FreeLazily{used});
      trace.ops.push_back(Free{used});
    }
    trace.ops.push_back(Purge{});
    const Trace read = decode(encode(trace));
    EXPECT_EQ(print(read), print(kept(trace)));
    EXPECT_TRUE(read == kept(trace));
  }
}

TEST(Records, TooFewBytesAreAnOrdinarySpace) {
  const Trace empty = decode({});
  EXPECT_EQ(invalidity(empty), "");
  EXPECT_TRUE(empty.ops.empty());
  EXPECT_TRUE(decode(Bytes(record_bytes - 1, 0xff)) == empty);
}

/// One record, byte by byte as the table in records.hpp has it.
Bytes record(std::uint8_t kind, std::uint8_t flags, std::uint32_t label, std::array<std::uint64_t, 4> args) {
  Bytes bytes{kind, flags, 0xaa, 0xaa};  // what the two unused bytes hold does not matter
  for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<std::uint8_t>(label >> (8 * i)));
  for (const std::uint64_t arg : args)
    for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<std::uint8_t>(arg >> (8 * i)));
  return bytes;
}

/// `records` behind those of a space of 64 granules of 0x1000 from 0x1000 on, as text without its first two lines.
std::string read(std::initializer_list<Bytes> records) {
  Bytes bytes = record(0, 0xf0, 0, {0x1000, 0x41000, 0x1000, 0});
  for (const Bytes& one : records) bytes.insert(bytes.end(), one.begin(), one.end());
  const std::string text = print(decode(bytes));
  constexpr std::string_view before = "vmapcheck-trace 1\nspace 0x1000..0x41000 granule=0x1000\n";
  EXPECT_TRUE(text.starts_with(before)) << text;
  return text.substr(before.size());
}

TEST(Records, EachRecordSaysWhatTheTableSays) {
  constexpr std::uint32_t none = Label::whole;
  // Exact.
  EXPECT_EQ(read({record(0, 0xf0, 9, {5, 6, 7, 8}), record(9, 0xff, 9, {5, 6, 7, 8})}),
            "alloc a0 size=0x5 align=0x6 within=0x7..0x8\nalloc-at a1 0x5..0x6\n");
  EXPECT_EQ(
      read({record(12, 0xf0, 0, {5, 6, 7, 8}), record(30, 0xf0, 0, {1, 2, 0, 0}), record(62, 0xf0, 0, {3, 4, 0, 0})}),
      "congruent a0 align=0x6 within=0x7..0x8 blocks=0x1+0x2,0x3+0x4\n");
  EXPECT_EQ(read({record(13, 0xf0, 4, {none, 0, 0, 0}), record(22, 0xf0, 4, {7, 0, 0, 0}),
                  record(24, 0xf0, 4, {none, 0, 0, 0})}),
            "free a0\nfree-lazily a0.7\non-exhaustion a0\n");
  EXPECT_EQ(read({record(25, 0xf0, 0, {5, 0, 0, 0}), record(26, 0xf0, 0, {5, 0, 0, 0}),
                  record(27, 0xf0, 0, {5, 0, 0, 0}), record(28, 0xf0, 0, {}), record(29, 0xf0, 0, {5, 0, 0, 0})}),
            "free-at 0x5\nfree-lazily-at 0x5\nfind 0x5\npurge\nfail-metadata 5\n");
  EXPECT_EQ(read({record(31, 0xf0, 0, {0x2000, 0x4000, 0, 0})}), "busy 0x2000..0x4000\n");
  // Compact.
  EXPECT_EQ(
      read({record(8, 0, 9, {17, 9, 1, 2}), record(32, 3, 9, {0, 0, 67, 0}), record(11, 0, 9, {65, 1, 0, 0})}),
      "alloc a0 size=0x2000 align=0x2000\nalloc a1 size=0x1000 within=0x1000..0x3000\nalloc-at a2 0x2000..0x4000\n");
  EXPECT_EQ(read({record(12, 0, 0, {1, 0, 0, 0}), record(30, 0, 0, {2, 0, 0, 0})}),
            "congruent a0 blocks=0x0+0x2000,0x4000+0x1000\n");
  EXPECT_EQ(read({record(0, 0, 0, {}), record(12, 0, 0, {}), record(0, 0, 0, {}), record(13, 0, 1, {}),
                  record(23, 0, 1, {}), record(24, 0, 7, {})}),
            "alloc a0 size=0x1000\ncongruent a1 blocks=0x0+0x1000\nalloc a2 size=0x1000\nfree a1.0\nfree-lazily a0\n"
            "on-exhaustion a2\n");
  EXPECT_EQ(read({record(25, 0, 0, {64, 0, 0, 0}), record(26, 0, 0, {65, 0, 0, 0}), record(29, 0, 0, {9, 0, 0, 0})}),
            "free-at 0x41000\nfree-lazily-at 0x1000\nfail-metadata 2\n");
  EXPECT_EQ(read({record(31, 0, 0, {63, 3, 0, 0})}), "busy 0x40000..0x41000\n");
}

TEST(Records, WhatCannotBeIsRepairedOrDropped) {
  const Bytes busy = record(31, 0xf0, 0, {0x2000, 0x4000, 0, 0});
  const Bytes block = record(30, 0xf0, 0, {0, 0x1000, 0, 0});
  const Bytes purge = record(28, 0, 0, {});
  EXPECT_EQ(read({busy, record(31, 0xf0, 0, {0x3000, 0x5000, 0, 0})}), "busy 0x2000..0x4000\n");
  EXPECT_EQ(read({record(31, 0xf0, 0, {0x2000, 0x2800, 0, 0}), record(31, 0xf0, 0, {0x2000, 0x2000, 0, 0}),
                  record(31, 0xf0, 0, {0, 0x2000, 0, 0}), record(31, 0xf0, 0, {0x4000, 0x3000, 0, 0})}),
            "");
  EXPECT_EQ(read({purge, busy}), "purge\n");
  EXPECT_EQ(read({block, purge, block}), "purge\n");
  EXPECT_EQ(read({record(13, 0, 0, {})}), "");
  EXPECT_EQ(read({record(13, 0xf0, Label::whole, {Label::whole, 0, 0, 0}), record(29, 0xf0, 0, {})}),
            "free a0\nfail-metadata 1\n");
}

TEST(Records, LabelsThatNothingBindsAreNumberedAboveThoseThatAreBound) {
  constexpr std::uint32_t none = Label::whole;
  const Bytes alloc = record(0, 0, 0, {});
  EXPECT_EQ(read({record(13, 0xf0, 9, {none, 0, 0, 0}), record(13, 0xf0, 1, {none, 0, 0, 0}), alloc, alloc,
                  record(22, 0xf0, 2, {7, 0, 0, 0}), record(24, 0xf0, 9, {none, 0, 0, 0})}),
            "free a2\nfree a1\nalloc a0 size=0x1000\nalloc a1 size=0x1000\nfree-lazily a3.7\non-exhaustion a2\n");
}

TEST(Records, ASpaceIsMadeSound) {
  const auto made = [](Range range, Size granule) {
    const Space space = sound({range, granule, {}, {}});
    EXPECT_EQ(defect(space), "");
    return space;
  };
  EXPECT_EQ(made({0x1234, 0x5678}, 0x1800), (Space{{0x1000, 0x5000}, 0x1000, {}, {}}));
  EXPECT_EQ(made({0x5000, 0x1000}, 0x1000), (Space{{0x1000, 0x5000}, 0x1000, {}, {}}));
  EXPECT_EQ(made({7, 7}, 0), (Space{{6, 7}, 1, {}, {}}));
  EXPECT_EQ(made({0, 0}, middle), (Space{{0, middle}, middle, {}, {}}));
  EXPECT_EQ(made({address_max, address_max}, address_max), (Space{{0, middle}, middle, {}, {}}));
}

TEST(Records, AnAlignmentStaysAPowerOfTwoInALargeSpace) {
  Bytes bytes = record(0, 0xf0, 0, {0, middle, middle, 0});
  const Bytes alloc = record(0, 0, 0, {0, 15, 0, 0});
  bytes.insert(bytes.end(), alloc.begin(), alloc.end());
  const Trace trace = decode(bytes);
  EXPECT_TRUE(trace.ops == std::vector<Op>({Alloc{{0}, {middle, middle}}})) << print(trace);
}

/// A byte changed in an exact record seldom leaves a valid argument: ordinary ops of every kind are written compactly.
TEST(Records, MostOrdinaryOpsAreWrittenCompactly) {
  std::size_t records = 0;
  std::size_t compact = 0;
  std::set<std::uint8_t> kinds;
  for (std::uint64_t i = 0; i < 50; ++i) {
    const Bytes bytes = encode(generate_trace(1, i, 200));
    for (std::size_t at = record_bytes; at < bytes.size(); at += record_bytes) {
      ++records;
      if ((bytes[at + 1] & 0xf0) == 0xf0) continue;
      ++compact;
      kinds.insert(bytes[at]);
    }
  }
  EXPECT_EQ(kinds.size(), op_kind_count + 2);  // and blocks, and busy ranges
  EXPECT_GT(compact * 4, records * 3) << compact << " of " << records;
}

/// Bytes that know nothing of records mostly are ops that do something: not skipped, and with valid arguments.
TEST(Records, MostRandomRecordsAreMeaningful) {
  Random random(1);
  Coverage coverage;
  for (int i = 0; i < 200; ++i) {
    const auto failure = run(decode(random_bytes(random, 100 * record_bytes)), model_subject(),
                             {.checking = Checking::amortized, .coverage = &coverage});
    ASSERT_TRUE(failure.has_value());
    ASSERT_FALSE(failure->has_value());
  }
  std::uint64_t meaningless = 0;  // the model has no hooks, which is not the records' fault
  for (std::size_t kind = 0; kind < op_kind_count; ++kind) {
    EXPECT_GT(coverage.ops[kind], 0u) << op_names[kind];
    meaningless +=
        coverage.skipped[kind] + coverage.errors[kind][static_cast<std::size_t>(vmap::Error::invalid_argument)];
  }
  meaningless -= coverage.unsupported;
  RecordProperty("percent", std::to_string(100 - 100 * meaningless / coverage.steps()));
  EXPECT_LT(meaningless * 5, coverage.steps());
}

// ---- Mutations

RC_GTEST_PROP(Mutator, MutantsAreValidAndFit, ()) {
  Random random(any_seed());
  Trace trace = some_trace(random.next());
  for (int i = 0; i < 20; ++i) {
    const std::size_t size_max = record_bytes + random.below(12'000);
    trace = mutate(trace, size_max, random.next());
    RC_ASSERT(invalidity(trace) == "");
    RC_ASSERT(encode(trace).size() <= size_max);
  }
}

RC_GTEST_PROP(Mutator, ChildrenOfTwoTracesAreValidAndFit, ()) {
  Random random(any_seed());
  Trace trace = some_trace(random.next());
  for (int i = 0; i < 10; ++i) {
    const std::size_t size_max = record_bytes + random.below(12'000);
    trace = cross(trace, decode(random_bytes(random, random.below(2000))), size_max, random.next());
    trace = cross(some_trace(random.next()), trace, size_max, random.next());
    RC_ASSERT(invalidity(trace) == "");
    RC_ASSERT(encode(trace).size() <= size_max);
  }
}

RC_GTEST_PROP(Mutator, TheSeedDecides, ()) {
  Random random(any_seed());
  const Trace first = some_trace(random.next());
  const Trace second = some_trace(random.next());
  const std::uint64_t seed = random.next();
  RC_ASSERT(mutate(first, 8000, seed) == mutate(first, 8000, seed));
  RC_ASSERT(cross(first, second, 8000, seed) == cross(first, second, 8000, seed));
}

TEST(Mutator, EveryKindOfOpIsReachedFromNothing) {
  std::set<std::size_t> reached;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    Trace trace = decode({});
    for (std::uint64_t i = 0; i < 20; ++i) trace = mutate(trace, 4000, seed * 1000 + i);
    for (const Op& op : trace.ops) reached.insert(op.index());
  }
  EXPECT_EQ(reached.size(), op_kind_count);
}

TEST(Mutator, TheSpaceChangesInEveryRespect) {
  const Trace trace = decode({});
  bool range = false;
  bool granule = false;
  bool limit = false;
  bool busy = false;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    const Space space = mutate(trace, 4000, seed).space;
    range = range || space.range != trace.space.range;
    granule = granule || space.granule != trace.space.granule;
    limit = limit || space.lazy_limit != trace.space.lazy_limit;
    busy = busy || space.busy != trace.space.busy;
  }
  EXPECT_TRUE(range);
  EXPECT_TRUE(granule);
  EXPECT_TRUE(limit);
  EXPECT_TRUE(busy);
}

/// The frees of a run that is put into another trace free what its allocations bound, or an area of the other one.
TEST(Mutator, UsesFollowTheirAreasIntoAnotherTrace) {
  const Space space{{0x1000, 0x101000}, 0x1000, {}, {}};
  Trace first{{}, space, {}};
  Trace second{{}, space, {}};
  for (std::uint32_t i = 0; i < 30; ++i) {
    first.ops.push_back(Alloc{{i}, {0x1000}});
    second.ops.push_back(Alloc{{i}, {0x2000}});
    second.ops.push_back(Free{{i}});
  }
  Coverage coverage;
  for (std::uint64_t seed = 0; seed < 100; ++seed)
    ASSERT_TRUE(
        run(cross(first, second, 8000, seed), model_subject(), {.checking = Checking::amortized, .coverage = &coverage})
            .has_value());
  const std::size_t free = Op(Free{}).index();
  EXPECT_GT(coverage.ops[free], 500u);
  EXPECT_LT(coverage.skipped[free] * 10, coverage.ops[free]);
}

}  // namespace
}  // namespace vmapcheck
