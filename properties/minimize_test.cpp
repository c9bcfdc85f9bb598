// SPDX-License-Identifier: Apache-2.0
//
// The minimizer: what is simpler is an order in which every descent ends; what it makes of a failure is the same
// failure, again and again the same, no longer than need be, and where it says "proved", the shortest.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <optional>
#include <ostream>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "harness/reduce/minimize.hpp"
#include "harness/reduce/numbers.hpp"
#include "harness/reduce/search.hpp"
#include "harness/reduce/simplify.hpp"
#include "harness/verify/isolated.hpp"
#include "harness/verify/model_subject.hpp"
#include "model/op_kinds.hpp"
#include "properties/traces.hpp"
#include "subjects/faulty.hpp"

namespace vmapcheck {
namespace {

using std::chrono::milliseconds;

Trace trace_of(std::string_view text) { return parse_trace("vmapcheck-trace 1\n" + std::string(text)).value(); }

/// Random traces that place and free much in little space.
rc::Gen<Trace> short_traces() {
  return rc::gen::map(rc::gen::pair(rc::gen::arbitrary<std::uint64_t>(), rc::gen::inRange<std::uint64_t>(0, 30)),
                      [](const auto& of) { return generate_trace(of.first, 0, of.second); });
}

/// A fork costs a sanitized program much: it takes one case in eight of those that need one.
bool is_spared() { return is_sanitized() && *rc::gen::inRange(0, 8) != 0; }

// ---- Simplicity

RC_GTEST_PROP(Simplicity, OrdersTracesTotally, ()) {
  const Trace a = *short_traces(), b = *short_traces(), c = *short_traces();
  const Simplicity x = simplicity(a), y = simplicity(b), z = simplicity(c);
  RC_ASSERT((x < y) + (x == y) + (y < x) == 1);
  RC_ASSERT((!(x < y && y < z) || x < z));
  RC_ASSERT(((x == y) == (print(Trace{{}, a.space, a.ops}) == print(Trace{{}, b.space, b.ops}))));
}

RC_GTEST_PROP(Simplicity, CountsLengthBeforeAllElse, ()) {
  const Trace trace = *short_traces();
  RC_PRE(!trace.ops.empty());
  Trace less = trace;
  less.ops.erase(less.ops.begin() + *rc::gen::inRange<std::ptrdiff_t>(0, std::ssize(less.ops)));
  RC_ASSERT(simplicity(less) < simplicity(trace));
  Trace commented = trace;
  commented.comments = {"a comment"};
  RC_ASSERT(simplicity(commented) == simplicity(trace));
}

RC_GTEST_PROP(Simpler, TracesAreSimplerAndSoundAndSortedAndDifferent, ()) {
  if (is_spared()) return;
  const Trace trace = *short_traces();
  const Placements placed = placements(trace, subject("vmap"));
  const Simplicity now = simplicity(trace);
  std::optional<Simplicity> last;
  for (const Trace& candidate : simpler(trace, placed)) {
    const Simplicity measure = simplicity(candidate);
    RC_ASSERT(measure < now);
    RC_ASSERT(defect(candidate.space) == "");
    RC_ASSERT(candidate == relabel(candidate));
    const auto parsed = parse_trace(print(candidate));
    if (!parsed) RC_FAIL(parsed.error().expected + "\n" + print(candidate));
    RC_ASSERT(*parsed == candidate);
    RC_ASSERT((!last || *last < measure));
    last = measure;
  }
}

TEST(Simpler, NothingIsSimplerThanNothing) {
  EXPECT_TRUE(simpler(Trace{{}, {.range = {0, 1}, .granule = 1, .lazy_limit = {}, .busy = {}}, {}}, {}).empty());
}

/// The simpler traces of one, as `vmap` runs it; also those with lower numbers.
bool has_simpler(std::string_view text, std::string_view expected) {
  const Trace trace = trace_of(text);
  const Placements placed = placements(trace, subject("vmap"));
  std::vector<Trace> all = simpler(trace, placed);
  for (const Dial& dial : dials(trace, placed))
    for (const std::uint64_t n : first_values(dial.now)) all.push_back(relabel(dial.at(n)));
  return std::ranges::find(all, trace_of(expected)) != all.end();
}

TEST(Simpler, TracesIncludeEachOfThese) {
  const struct {
    std::string_view why, text, expected;
  } table[] = {
      {"what lies on granules that are taken out goes with them",
       "space 0x0..0x5\nbusy 0x0..0x1\nalloc a0 size=2\nalloc a1 size=2\n",
       "space 0x0..0x4\nalloc a0 size=2\nalloc a1 size=2\n"},
      {"an op goes with the granules that it lies on", "space 0x0..0x5\nalloc-at a0 0x3..0x5\nalloc a1 size=2\n",
       "space 0x0..0x3\nalloc a0 size=2\n"},
      {"what becomes busy from the start keeps its order", "space 0x0..0x8\nbusy 0x4..0x5\nalloc a0 size=1\nfind 0x0\n",
       "space 0x0..0x8\nbusy 0x4..0x5\nbusy 0x0..0x1\nfind 0x0\n"},
      {"what becomes busy from the start is sorted", "space 0x0..0x8\nbusy 0x4..0x5\nalloc a0 size=1\nfind 0x0\n",
       "space 0x0..0x8\nbusy 0x0..0x1\nbusy 0x4..0x5\nfind 0x0\n"},
      {"one area is freed and placed again and again",
       "space 0x0..0x3\nbusy 0x0..0x1\nbusy 0x1..0x2\nfree-at 0x0\nalloc a0 size=1\nfree-at 0x1\nalloc a1 size=0\n",
       "space 0x0..0x3\nbusy 0x0..0x1\nfree-at 0x0\nalloc a0 size=1\nfree a0\nalloc a1 size=1\n"},
  };
  for (const auto& [why, text, expected] : table) EXPECT_TRUE(has_simpler(text, expected)) << why;
}

TEST(Simpler, ACongruentOpWithoutBlocksIsNoDifficulty) {
  Trace trace{
      {}, {.range = {0, 4}, .granule = 1, .lazy_limit = {}, .busy = {}}, {Congruent{.label = {}, .blocks = {}}}};
  EXPECT_FALSE(simpler(trace, placements(trace, subject("vmap"))).empty());
}

// ---- Dials

RC_GTEST_PROP(Dials, AreAtTheTraceAndTurnToTraces, ()) {
  if (is_spared()) return;
  const Trace trace = *short_traces();
  const Placements placed = placements(trace, subject("vmap"));
  for (const Dial& dial : dials(trace, placed)) {
    RC_ASSERT(dial.now > 0u);
    RC_ASSERT(dial.at(dial.now) == (Trace{{}, trace.space, trace.ops}));
    for (const std::uint64_t n : first_values(dial.now)) {
      const Trace candidate = dial.at(n);
      if (!defect(candidate.space).empty()) continue;
      const auto parsed = parse_trace(print(candidate));
      if (!parsed) RC_FAIL(parsed.error().expected + "\n" + print(candidate));
    }
  }
}

TEST(Dials, HaveFewValuesBelow) {
  constexpr std::uint64_t large = 0x96b11ae900000001;
  for (const std::uint64_t now : {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{3}, large, ~std::uint64_t{0}}) {
    const auto first = first_values(now), odd = odd_values(now);
    EXPECT_LE(first.size(), 4u);
    EXPECT_LE(odd.size(), 2u * 63);
    EXPECT_EQ(first.front(), 0u);
    EXPECT_EQ(first.back(), now - 1);
    for (const auto& values : {first, odd})
      for (const std::uint64_t value : values) EXPECT_LT(value, now);
  }
  const auto odd = odd_values(large);
  for (const std::uint64_t value : {0x100000001u, 0xe900000001u, 0x96b11ae900000000u, 0x16b11ae980000001u})
    EXPECT_EQ(std::ranges::count(odd, value), 1) << std::hex << value;
}

// ---- Placements

/// What is busy and lazily freed behind the op before the last, in the model.
std::vector<std::tuple<Range, bool>> areas_before_last(const Trace& trace) {
  auto executor = Executor::create(trace.space, model_subject(), Checking::amortized).value();
  for (std::size_t i = 0; i + 1 < trace.ops.size(); ++i) (void)executor->step(trace.ops[i]);
  std::vector<std::tuple<Range, bool>> areas;
  for (const auto& [begin, area] : executor->model().areas()) areas.emplace_back(Range{begin, area.end}, area.lazy);
  return areas;
}

RC_GTEST_PROP(Concretised, TracesEndInTheSameState, ()) {
  if (is_spared()) return;
  const Trace trace = *short_traces();
  const Trace concrete = concretised(trace, placements(trace, model_subject()));
  RC_ASSERT(concrete.ops.size() == trace.ops.size());
  if (!trace.ops.empty()) RC_ASSERT(concrete.ops.back() == trace.ops.back());
  // A purge that a request waited for does not happen where it is not searched for a place.
  RC_PRE(std::ranges::none_of(trace.ops, [](const Op& op) {
    return std::holds_alternative<FailMetadata>(op) || std::holds_alternative<OnExhaustion>(op) ||
           kind_frees[op.index()] == Frees::lazily;
  }));
  RC_ASSERT(areas_before_last(concrete) == areas_before_last(trace));
}

TEST(PlacementsOf, ATraceAreWhereItsOpsPlaced) {
  const Trace trace = trace_of(
      "space 0x0..0x10\nbusy 0x0..0x1\nalloc a0 size=2\nfree a0\nalloc-at a1 0x4..0x5\nalloc a2 size=99\n"
      "congruent a3 blocks=0x1+0x1,0x4+0x2\n");
  const std::vector<Range> expected{{1, 3}, {}, {4, 5}, {}, {1, 6}};
  const Placements placed = placements(trace, subject("vmap"));
  ASSERT_EQ(placed.size(), expected.size());
  for (std::size_t i : {0u, 2u}) EXPECT_EQ(placed[i], expected[i]) << i;
  for (std::size_t i : {1u, 3u}) EXPECT_TRUE(placed[i].empty()) << i;
  EXPECT_FALSE(placed[4].empty());
  EXPECT_EQ(placed[4].size(), 5u);
}

// ---- What becomes of failures

/// Of a trace that fails.
Failure failure_of(const Trace& trace, const SubjectFactory& make) { return run_isolated(trace, make)->value(); }

/// What becomes of a trace that fails.
Minimized minimized(const Trace& trace, const SubjectFactory& make, const MinimizeOptions& options = {}) {
  return minimize(trace, failure_of(trace, make), make, options);
}

/// The result fails, each time that it runs, as it says.
void expect_reproducible(const Minimized& minimal, const SubjectFactory& make) {
  const auto again = run_isolated(minimal.trace, make).value();
  ASSERT_TRUE(again);
  EXPECT_EQ(signature(*again), signature(minimal.failure));
  EXPECT_EQ(again->step, minimal.failure.step);
}

struct Case {
  std::string name;
  SubjectFactory make;
  std::optional<std::size_t> length_max;  ///< of what becomes of it; without one it does not matter
  std::size_t ops_min = 0;                ///< that it takes, as the catalogue says
};

void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

/// Those that answer wrongly, and some that die.
std::vector<Case> cases() {
  std::vector<Case> all{{"seed_2019", subject("seed_2019"), 2},
                        {"canary_augment", subject("canary_augment"), 3},
                        {"canary_answer", subject("canary_answer"), 1}};
  for (const FaultySubject& fault : faulty_subjects()) {
    constexpr std::string_view dying[] = {"fault_division", "fault_exit_zero", "fault_out_of_range"};
    // The same code in twenty times the time.
    if (is_sanitized() && fault.entry.name != "fault_window_begin" && fault.entry.name != "fault_division") continue;
    if (fault.dies() && std::ranges::find(dying, fault.entry.name) == std::end(dying)) continue;
    const Trace known = parse_trace(fault.trace).value();
    std::optional<std::size_t> length_max = length_of(known) + 1;
    // What shapes a tree that is searched for long can be simplified to what only a long search shows.
    if (fault.entry.name == "fault_retries") length_max.reset();
    if (fault.entry.name == "fault_rotation") *length_max += 2;
    all.push_back({fault.entry.name, fault.entry.make, length_max, fault.shortest ? known.ops.size() : 0});
  }
  return all;
}

class EachMinimized : public testing::TestWithParam<Case> {};

TEST_P(EachMinimized, KeepsItsSignatureAndIsReproducibleShortAndFinal) {
  const auto& [name, make, length_max, ops_min] = GetParam();
  // Always the same traces: how short they become is known of these.
  CheckOptions options;
  options.cases = 500;
  const CheckReport report = check(make, options).value();
  ASSERT_TRUE(report.found);
  const Minimized minimal = minimize(report.found->trace, report.found->failure, make, {.time = {}});
  ASSERT_NE(minimal.minimality, Minimality::time_is_up);
  EXPECT_EQ(signature(minimal.failure), signature(report.found->failure));
  expect_reproducible(minimal, make);
  EXPECT_EQ(minimal.trace, relabel(minimal.trace));
  EXPECT_FALSE(simplicity(report.found->trace) < simplicity(minimal.trace));
  if (length_max) {
    EXPECT_LE(length_of(minimal.trace), *length_max) << print(minimal.trace);
  }
  EXPECT_GE(minimal.trace.ops.size(), ops_min) << "the catalogue is wrong:\n" << print(minimal.trace);
  // What was searched in vain for long is not searched again.
  const bool search = minimal.minimality == Minimality::proved;
  EXPECT_EQ(print(minimize(minimal.trace, minimal.failure, make, {.time = {}, .search = search}).trace),
            print(minimal.trace));
}

INSTANTIATE_TEST_SUITE_P(Subjects, EachMinimized, testing::ValuesIn(cases()),
                         [](const auto& each) { return each.param.name; });

CheckReport::Found found_in(std::string_view name) { return *check_with(subject(name), 500, 1000).found; }

TEST(Minimize, IsDeterministic) {
  for (const std::string_view name : {"seed_2019", "fault_policy", "fault_exit_zero"}) {
    if (is_sanitized() && name != "seed_2019") continue;
    const auto found = found_in(name);
    const Minimized first = minimize(found.trace, found.failure, subject(name), {.time = {}});
    const Minimized second = minimize(found.trace, found.failure, subject(name), {.time = {}});
    EXPECT_EQ(print(first.trace), print(second.trace));
    EXPECT_EQ(first.minimality, second.minimality);
    EXPECT_EQ(first.states, second.states);
    EXPECT_EQ(first.sequences, second.sequences);
  }
}

TEST(Minimize, EndsWhenTimeIsUp) {
  const auto found = found_in("fault_rotation");
  for (const int budget : {0, 50}) {
    const auto begin = std::chrono::steady_clock::now();
    const Minimized minimal =
        minimize(found.trace, found.failure, subject("fault_rotation"), {.time = milliseconds(budget)});
    EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(budget + 1000));
    EXPECT_EQ(minimal.minimality, Minimality::time_is_up);
    EXPECT_EQ(signature(minimal.failure), signature(found.failure));
    expect_reproducible(minimal, subject("fault_rotation"));
  }
}

TEST(Minimize, EndsWithTheBestSoFarWhereItsCallerSaysSo) {
  const auto found = found_in("fault_rotation");
  MinimizeOptions options;
  std::size_t calls = 0;
  options.on_progress = [&](const MinimizeProgress& progress) {
    EXPECT_FALSE(progress.stage.empty());
    EXPECT_LE(progress.length, found.trace.ops.size());
    return ++calls < 20;
  };
  const Minimized minimal = minimize(found.trace, found.failure, subject("fault_rotation"), options);
  EXPECT_EQ(calls, 20u);
  EXPECT_EQ(minimal.minimality, Minimality::time_is_up);
  EXPECT_LT(minimal.trace.ops.size(), found.trace.ops.size());
  EXPECT_EQ(signature(minimal.failure), signature(found.failure));
  expect_reproducible(minimal, subject("fault_rotation"));
}

/// The fourth allocation has no place for three bytes; from the tenth on that was made, another process kills its
/// child, each time elsewhere.
struct KilledElsewhere : ModelSubject {
  KilledElsewhere(const SubjectConfig& config, std::uint64_t nth) : ModelSubject(config), number(nth) {}
  vmap::Result<vmap::Allocation> allocate(const vmap::Request& request) {
    if (number >= 10 && calls == number % 3) ::raise(SIGKILL);
    if (++calls == 4 && request.size == 3) return std::unexpected(vmap::Error::no_space);
    return ModelSubject::allocate(request);
  }
  std::uint64_t number, calls = 0;
};

TEST(Minimize, KeepsTheBestSoFarWhereChildrenAreKilled) {
  const SharedArray<std::uint64_t> made(1);
  const SubjectFactory make =
      factory([&made](const SubjectConfig& config) { return KilledElsewhere(config, ++made[0]); });
  const Trace trace = trace_of(
      "space 0x0..0x40\nbusy 0x30..0x31\nbusy 0x35..0x36\nalloc a0 size=2\nalloc a1 size=2\nalloc a2 size=4\nalloc a3 "
      "size=3\n");
  const Minimized minimal = minimized(trace, make);
  EXPECT_GE(made[0], 13u);
  EXPECT_EQ(signature(minimal.failure), "answer");
  EXPECT_FALSE(minimal.trace.ops.empty());
}

/// Has no place for three bytes, and exits when it is asked for one.
struct TwoWays : ModelSubject {
  using ModelSubject::ModelSubject;
  vmap::Result<vmap::Allocation> allocate(const vmap::Request& request) {
    if (request.size == 1) std::_Exit(5);
    if (request.size == 3) return std::unexpected(vmap::Error::no_space);
    return ModelSubject::allocate(request);
  }
};
const SubjectFactory two_ways = factory([](const SubjectConfig& config) { return TwoWays(config); });

/// A clock that goes on by a millisecond each time that someone looks, in whatever process.
struct CountedClock {
  const SharedArray<std::uint64_t> looks{1};
  std::chrono::steady_clock::time_point now() const {
    return std::chrono::steady_clock::time_point(milliseconds(++looks[0]));
  }
};

/// Has no place for three bytes once it was asked `asked_min` times; counts the requests of all that are made.
struct FailsLate : ModelSubject {
  FailsLate(const SubjectConfig& config, std::uint64_t min, std::uint64_t& all)
      : ModelSubject(config), asked_min(min), asked_all(&all) {}
  vmap::Result<vmap::Allocation> allocate(const vmap::Request& request) {
    ++*asked_all;
    if (++asked > asked_min && request.size == 3) return std::unexpected(vmap::Error::no_space);
    return ModelSubject::allocate(request);
  }
  std::uint64_t asked_min, asked = 0;
  std::uint64_t* asked_all;
};

Trace allocations(std::uint32_t ops) {
  Trace trace{{}, {.range = {0, 1 << 20}, .lazy_limit = {}, .busy = {}}, {}};
  for (std::uint32_t i = 0; i < ops; ++i) trace.ops.emplace_back(Alloc{{i}, {.size = 2}});
  std::get<Alloc>(trace.ops.back()).request.size = 3;
  return trace;
}

TEST(Minimize, GivesEachCandidateAShareOfItsTime) {
  constexpr std::uint32_t ops = 400;
  const SharedArray<std::uint64_t> asked(1);
  const SubjectFactory make =
      factory([&asked](const SubjectConfig& config) { return FailsLate(config, ops - 1, asked[0]); });
  const Trace trace = allocations(ops);  // each op is needed, and a candidate takes as many milliseconds as it has ops
  const CountedClock clock;
  MinimizeOptions options{.time = milliseconds(1000)};
  options.now = [&clock] { return clock.now(); };
  const Minimized minimal = minimized(trace, make, options);
  EXPECT_EQ(minimal.minimality, Minimality::time_is_up);
  EXPECT_EQ(minimal.trace.ops.size(), ops);
  EXPECT_GE(minimal.candidates, 8u);
  EXPECT_LE(asked[0], 1000u + 2 * ops);  // with the first run and the last
}

/// Has no place for three bytes once it was asked for others, but takes more than its share of the time unless it was
/// asked for an area before.
struct FailsSlowly : TwoWays {
  FailsSlowly(const SubjectConfig& config, milliseconds time, std::uint64_t& clock)
      : TwoWays(config), time_max(time), now(&clock) {}
  vmap::Result<vmap::Allocation> allocate(const vmap::Request& request) {
    if (!hurries) *now += (static_cast<std::uint64_t>(time_max.count()) - *now) / 8 + 1;
    return std::exchange(asked, true) ? TwoWays::allocate(request) : ModelSubject::allocate(request);
  }
  std::optional<Range> find(Address) const {
    hurries = true;
    return std::nullopt;
  }
  milliseconds time_max;
  std::uint64_t* now;
  bool asked = false;
  mutable bool hurries = false;
};

TEST(Minimize, SaysNothingOfCandidatesThatTookMoreThanTheirShare) {
  static constexpr milliseconds time{1'000'000'000};
  const SharedArray<std::uint64_t> clock(1);
  const SubjectFactory make =
      factory([&clock](const SubjectConfig& config) { return FailsSlowly(config, time, clock[0]); });
  const Trace trace = trace_of("space 0x0..0x10\nfind 0x8\nalloc a0 size=2\nalloc a1 size=3\n");
  const Failure failure = failure_of(trace, make);
  MinimizeOptions options{.time = time, .search = false};
  options.now = [&clock] { return std::chrono::steady_clock::time_point(milliseconds(clock[0])); };
  clock[0] = 0;
  const Minimized cut_short = minimize(trace, failure, make, options);
  EXPECT_LT(clock[0], 1'000'000'000u);
  EXPECT_EQ(cut_short.trace.ops.size(), 3u);
  EXPECT_EQ(cut_short.minimality, Minimality::time_is_up);
  options.time.reset();
  const Minimized whole = minimize(trace, failure, make, options);
  EXPECT_EQ(whole.trace.ops.size(), 2u);
  EXPECT_EQ(whole.minimality, Minimality::too_many);
}

TEST(Minimize, TriesTheLastOpsOfALongTraceFirst) {
  constexpr std::uint32_t ops = 3000;
  const SharedArray<std::uint64_t> asked(1);
  const SubjectFactory make = factory([&asked](const SubjectConfig& config) { return FailsLate(config, 0, asked[0]); });
  const Trace trace = allocations(ops);
  const Minimized minimal = minimized(trace, make, {.search = false});
  EXPECT_EQ(print(minimal.trace), "vmapcheck-trace 1\nspace 0x0..0x3\nalloc a0 size=0x3\n");
  EXPECT_LT(asked[0], ops + ops / 10);  // far fewer than once through the trace, after the first run
}

TEST(Minimize, TriesHalvesOfTheOpsBeforeSingleBusyLines) {
  constexpr std::uint32_t busy = 200, ops = 300;
  const SharedArray<std::uint64_t> asked(1);
  const SubjectFactory make = factory([&asked](const SubjectConfig& config) {  // each of them is needed
    return FailsLate(config, config.space.busy.size() == busy ? 0 : ops, asked[0]);
  });
  Trace trace = allocations(ops);
  for (std::uint32_t i = 0; i < busy; ++i) trace.space.busy.push_back({(1 << 19) + 4 * i, (1 << 19) + 4 * i + 1});
  const Minimized minimal = minimized(trace, make, {.search = false});
  EXPECT_EQ(minimal.trace.ops.size(), 1u);
  EXPECT_EQ(minimal.trace.space.busy.size(), busy);
  EXPECT_LT(asked[0], 31 * ops);  // not once for each busy line
}

TEST(Minimize, MayChangeTheFailureOnlyWhereAnyWillDo) {
  const Trace trace = trace_of("space 0x0..0x10\nalloc a0 size=2\nalloc a1 size=3\n");
  const Failure failure = failure_of(trace, two_ways);
  ASSERT_EQ(signature(failure), "answer");
  const Minimized same = minimize(trace, failure, two_ways);
  EXPECT_EQ(signature(same.failure), "answer");
  EXPECT_EQ(print(same.trace), "vmapcheck-trace 1\nspace 0x0..0x3\nalloc a0 size=0x3\n");
  EXPECT_EQ(same.minimality, Minimality::proved);
  const Minimized any = minimize(trace, failure, two_ways, {.keep = Kept::anything});
  EXPECT_EQ(signature(any.failure), "exit 5");
  EXPECT_EQ(print(any.trace), "vmapcheck-trace 1\nspace 0x0..0x1\nalloc a0 size=0x1\n");
}

TEST(Minimize, OfWhatDiesInConstructionHasNoOps) {
  const auto found = found_in("fault_import");
  const Minimized minimal = minimize(found.trace, found.failure, subject("fault_import"));
  EXPECT_TRUE(minimal.trace.ops.empty());
  EXPECT_EQ(minimal.trace.space.busy.size(), 3u);
  EXPECT_EQ(minimal.failure.phase, Phase::construction);
}

TEST(Minimize, WithoutSearchEndsWhereNoMoveHelps) {
  const auto found = found_in("seed_2019");
  const Minimized minimal = minimize(found.trace, found.failure, subject("seed_2019"), {.search = false});
  EXPECT_EQ(minimal.states, 0u);
  for (const Trace& candidate : simpler(minimal.trace, placements(minimal.trace, subject("seed_2019")))) {
    const auto outcome = run_isolated(candidate, subject("seed_2019")).value();
    EXPECT_TRUE(!outcome || signature(*outcome) != signature(minimal.failure)) << print(candidate);
  }
}

// ---- Numbers

/// What is wrongly refused of all that could be placed.
struct Refusal {
  std::function<bool(const Space&, const vmap::Request&)> request = [](const Space&, const vmap::Request&) {
    return false;
  };
  std::function<bool(Range)> placement = [](Range) { return false; };
  std::function<bool(std::span<const vmap::Block>)> congruent = [](std::span<const vmap::Block>) { return false; };
};

struct Refuses : ModelSubject {
  Refuses(const SubjectConfig& config, const Refusal& refusal)
      : ModelSubject(config), space(config.space), refused(&refusal) {}
  template <class Answer>
  static Answer unless(bool is_refused, Answer answer) {
    return is_refused && answer ? std::unexpected(vmap::Error::no_space) : answer;
  }
  vmap::Result<vmap::Allocation> allocate(const vmap::Request& request) {
    return unless(refused->request(space, request), ModelSubject::allocate(request));
  }
  vmap::Result<vmap::Allocation> allocate_at(Range range) {
    return unless(refused->placement(range), ModelSubject::allocate_at(range));
  }
  vmap::Result<Address> allocate_congruent(std::span<const vmap::Block> blocks, Size align, Range within) {
    return unless(refused->congruent(blocks), ModelSubject::allocate_congruent(blocks, align, within));
  }
  Space space;
  const Refusal* refused;
};
SubjectFactory refuses(const Refusal& refusal) {
  return factory([refusal](const SubjectConfig& config) { return Refuses(config, refusal); });
}
SubjectFactory refuses_sizes_from(Size size) {
  return refuses({.request = [size](const Space&, const vmap::Request& r) { return r.size >= size; }});
}

/// Sizes lose what is above 32 bits.
struct Truncates : ModelSubject {
  using ModelSubject::ModelSubject;
  vmap::Result<vmap::Allocation> allocate(vmap::Request request) {
    if (static_cast<std::uint32_t>(request.size) != 0) request.size = static_cast<std::uint32_t>(request.size);
    return ModelSubject::allocate(request);
  }
};

/// Cannot be made in a large space.
struct FitsNoLargeSpace : ModelSubject {
  explicit FitsNoLargeSpace(const SubjectConfig& config) : ModelSubject(config) {
    if (config.space.range.size() >= 0x123456789a) std::_Exit(6);
  }
};

struct NumberCase {
  std::string name;
  SubjectFactory make;
  std::string trace;
  std::string minimal;
};

std::vector<NumberCase> number_cases() {
  return {
      {"SizeInALargeSpace", refuses_sizes_from(3'000'000'018),
       "space 0x0..0x100000000000000\nalloc a0 size=0xfedcba9876543\n",
       "space 0x0..0xb2d05e12\nalloc a0 size=0xb2d05e12\n"},
      {"SizeInAnOddSpace", refuses_sizes_from(3'000'000'018),
       "space 0x1234567..0xfffffffffffff01\nalloc a0 size=0xb2d0123456789\n",
       "space 0x0..0xb2d05e12\nalloc a0 size=0xb2d05e12\n"},
      {"SizeOfPages", refuses_sizes_from(4096), "space 0x0..0x40000000\nalloc a0 size=0x12345678\n",
       "space 0x0..0x1000\nalloc a0 size=0x1000\n"},
      {"SizeTruncated", factory([](const SubjectConfig& config) { return Truncates(config); }),
       "space 0x0..0x10000000\nalloc a0 size=0x96b11ae900000001\n", "space 0x0..0x1\nalloc a0 size=0x100000001\n"},
      {"SizeOfTheWholeSpace",
       refuses({.request = [](const Space& space,
                              const vmap::Request& r) { return r.size == space.range.size() && r.size >= 1000; }}),
       "space 0x0..0x100000000000000\nalloc a0 size=0x100000000000000\n", "space 0x0..0x3e8\nalloc a0 size=0x3e8\n"},
      {"GranuleThatIsNotNeeded", refuses_sizes_from(0x2345),
       "space 0x10000..0x40000000 granule=0x1000\nalloc a0 size=0x123000\n",
       "space 0x0..0x2345\nalloc a0 size=0x2345\n"},
      {"Address", refuses({.placement = [](Range range) { return range.begin >= 0x123456789; }}),
       "space 0x0..0x10000000000\nalloc-at a0 0xabcdef0123..0xabcdef0456\n",
       "space 0x123456789..0x12345678a\nalloc-at a0 0x123456789..0x12345678a\n"},
      {"BlocksOfACongruentOp", refuses({.congruent = [](auto blocks) { return blocks.size() >= 4; }}),
       "space 0x0..0x10000000\ncongruent a0 blocks=0x0+0x1000,0x1000+0x2000,0x4000+0x1000,0x8000+0x1000,0x10000+0x1000,"
       "0x20000+0x1000,0x30000+0x1000,0x40000+0x3000,0x50000+0x1000,0x60000+0x1000\n",
       "space 0x0..0x4\ncongruent a0 blocks=0x0+0x1,0x1+0x1,0x2+0x1,0x3+0x1\n"},
      {"OffsetOfABlock",
       refuses({.congruent = [](auto blocks) { return blocks.size() > 1 && blocks[1].offset >= 0x54321; }}),
       "space 0x0..0x10000000\ncongruent a0 blocks=0x0+0x1000,0x543210+0x1000\n",
       "space 0x0..0x54322\ncongruent a0 blocks=0x0+0x1,0x54321+0x1\n"},
      {"Alignment", refuses({.request = [](const Space&, const vmap::Request& r) { return r.align >= 0x200000; }}),
       "space 0x0..0x100000000\nalloc a0 size=0x1000 align=0x8000000\n",
       "space 0x0..0x1\nalloc a0 size=0x1 align=0x200000\n"},
      {"Window", refuses({.request = [](const Space&, const vmap::Request& r) { return r.within.begin >= 0x12345; }}),
       "space 0x0..0x100000000\nalloc a0 size=0x1000 within=0xabcdef..0xabcdef01\n",
       "space 0x12345..0x12346\nalloc a0 size=0x1 within=0x12345..0x12346\n"},
      {"SpaceThatCannotBeMade", factory([](const SubjectConfig& config) { return FitsNoLargeSpace(config); }),
       "space 0x0..0xffffffffffa74000\n", "space 0x0..0x123456789a\n"},
  };
}

class NumbersMinimized : public testing::TestWithParam<NumberCase> {};

TEST_P(NumbersMinimized, AreTheSmallestAfterFewCandidates) {
  const auto& [name, make, text, expected] = GetParam();
  const Minimized minimal = minimized(trace_of(text), make, {.time = {}});
  EXPECT_EQ(print(minimal.trace), "vmapcheck-trace 1\n" + expected);
  EXPECT_TRUE(minimal.numbers_smallest);
  EXPECT_LE(minimal.candidates, 300u);  // some five numbers, alone and linked, of up to 60 bits
  EXPECT_NE(minimal.minimality, Minimality::time_is_up);
  const Minimized again = minimize(minimal.trace, minimal.failure, make, {.time = {}});
  EXPECT_EQ(print(again.trace), print(minimal.trace));
}

INSTANTIATE_TEST_SUITE_P(Subjects, NumbersMinimized, testing::ValuesIn(number_cases()),
                         [](const auto& each) { return each.param.name; });

TEST(Minimize, DeletesBlocksOfAVeryLongCongruentOp) {
  Congruent op{.label = {0}, .blocks = {}};
  for (std::uint64_t i = 0; i < 300; ++i) op.blocks.push_back({2 * i, 1});
  const Trace trace{{}, {.range = {0, 0x400}, .lazy_limit = {}, .busy = {}}, {op}};
  const SubjectFactory make = refuses({.congruent = [](auto blocks) {
    return std::ranges::any_of(blocks, [](const vmap::Block& block) { return block.offset == 8; });
  }});
  const Minimized minimal = minimized(trace, make, {.search = false});
  ASSERT_EQ(minimal.trace.ops.size(), 1u);
  const std::vector<vmap::Block>& blocks = std::get<Congruent>(minimal.trace.ops[0]).blocks;
  ASSERT_EQ(blocks.size(), 1u);
  EXPECT_EQ(blocks[0].offset, 8u);
}

// ---- A signature that moves

/// An area of 7 corrupts it. A later find() notices, in a way that depends on how many ops there were.
struct Corrupted : ModelSubject {
  using Die = std::function<void(std::size_t ops)>;  ///< where it comes back, find() answers wrongly
  Corrupted(const SubjectConfig& config, const Die& dies) : ModelSubject(config), die(&dies) {}
  vmap::Result<vmap::Allocation> allocate(const vmap::Request& request) {
    ++ops;
    corrupt = corrupt || request.size == 7;
    return ModelSubject::allocate(request);
  }
  Size purge() {
    ++ops;
    return ModelSubject::purge();
  }
  std::optional<Range> find(Address address) const {
    ++ops;
    if (!corrupt) return ModelSubject::find(address);
    (*die)(ops);
    return Range{0, 1};
  }
  const Die* die;
  mutable std::size_t ops = 0;
  bool corrupt = false;
};

constexpr std::size_t corrupted_ops = 80;

struct Corruption {
  Trace trace;
  Failure failure;
  SubjectFactory make;
};

void exits(std::size_t ops) { std::_Exit(static_cast<int>(ops)); }

/// 80 ops, of which two are needed for it to fail at all.
Corruption corruption(const Corrupted::Die& die) {
  Corruption made{trace_of("space 0x0..0x10\n"), {}, factory([die](const SubjectConfig& config) {
                    return Corrupted(config, die);
                  })};
  made.trace.ops.assign(60, Find{0});
  made.trace.ops.push_back(Alloc{{0}, {.size = 7, .align = 1, .within = vmap::everywhere}});
  made.trace.ops.insert(made.trace.ops.end(), 18, Purge{});
  made.trace.ops.push_back(Find{0xf});
  made.failure = run_isolated(made.trace, made.make)->value();
  return made;
}

void expect_kept(const Minimized& minimal, Kept kept, std::string_view signature_kept, std::size_t length) {
  EXPECT_EQ(minimal.kept, kept);
  EXPECT_EQ(signature(minimal.failure), signature_kept);
  EXPECT_EQ(length_of(minimal.trace), length);
}

TEST(SignatureThatMoves, LeavesTheKindOfDeath) {
  const auto [trace, failure, make] = corruption(exits);
  ASSERT_EQ(signature(failure), "exit 80");
  const Minimized minimal = minimize(trace, failure, make, {.time = {}});
  expect_kept(minimal, Kept::kind, "exit 2", 2);
  EXPECT_EQ(print(minimal.trace), "vmapcheck-trace 1\nspace 0x0..0x1\nalloc a0 size=0x7\nfind 0x0\n");
  const Minimized again = minimize(minimal.trace, minimal.failure, make, {.time = {}});
  EXPECT_EQ(again.trace, minimal.trace);
  EXPECT_EQ(again.kept, Kept::signature);
}

TEST(SignatureThatMoves, LeavesWhateverFailsWhereAlsoTheKindMoves) {
  const auto [trace, failure, make] = corruption([](std::size_t ops) {
    if (ops > 50) std::abort();
    if (ops > 25) std::_Exit(static_cast<int>(ops));
  });
  ASSERT_EQ(failure.kind, FailureKind::signal);
  const Minimized minimal = minimize(trace, failure, make, {.time = {}});
  expect_kept(minimal, Kept::anything, "answer", 2);
}

TEST(SignatureThatMoves, IsKeptWhereThatIsWanted) {
  const auto [trace, failure, make] = corruption(exits);
  const Minimized minimal = minimize(trace, failure, make, {.time = {}, .fall_back = false, .search = false});
  expect_kept(minimal, Kept::signature, "exit 80", corrupted_ops);
}

TEST(SignatureThatMoves, IsKeptWhereNothingElseIsMuchShorter) {
  // It takes sixty ops to fail at all.
  const SubjectFactory make = factory([](const SubjectConfig& config) {
    struct NeedsMany : Corrupted {
      using Corrupted::Corrupted;
      std::optional<Range> find(Address address) const {
        return ops < 59 ? (++ops, ModelSubject::find(address)) : Corrupted::find(address);
      }
    };
    static const Corrupted::Die die = exits;
    return NeedsMany(config, die);
  });
  const Trace trace = corruption([](std::size_t) {}).trace;
  const Failure failure = failure_of(trace, make);
  ASSERT_EQ(signature(failure), "exit 80");
  const Minimized minimal = minimize(trace, failure, make, {.time = {}, .search = false});
  expect_kept(minimal, Kept::signature, "exit 80", corrupted_ops);
}

TEST(SignatureThatMoves, OfAShortTraceIsNoReasonToKeepItsOps) {
  static const SharedArray<int> deaths(1);
  struct DiesInTurn : ModelSubject {
    using ModelSubject::ModelSubject;
    int ops = 0;
    vmap::Result<vmap::Allocation> allocate(const vmap::Request& request) {
      if (++ops == 3) std::_Exit(1 + ++deaths[0] % 5);
      return ModelSubject::allocate(request);
    }
  };
  const SubjectFactory make = factory([](const SubjectConfig& config) { return DiesInTurn(config); });
  Trace trace = corruption([](std::size_t) {}).trace;
  trace.ops.resize(7, Purge{});
  for (std::uint32_t label = 0; label < 3; ++label)
    trace.ops.push_back(Alloc{.label = {label}, .request = {.size = 1}});
  const Minimized minimal = minimized(trace, make, {.time = {}, .search = false});
  EXPECT_EQ(minimal.kept, Kept::kind);
  EXPECT_EQ(minimal.failure.kind, FailureKind::exit);
  EXPECT_EQ(length_of(minimal.trace), 3u);
}

TEST(Minimize, ExchangesNoViolationThatAlwaysComes) {
  const auto [trace, failure, make] = corruption([](std::size_t ops) {
    if (ops != corrupted_ops) std::_Exit(static_cast<int>(ops));
  });
  ASSERT_EQ(signature(failure), "answer");
  const Minimized minimal = minimize(trace, failure, make, {.time = {}, .search = false});
  expect_kept(minimal, Kept::signature, "answer", corrupted_ops);
}

TEST(Minimize, ExchangesAViolationThatComesNowAndThen) {
  const SharedArray<std::size_t> runs(1);
  const auto [trace, failure, make] = corruption([&](std::size_t ops) {
    if (runs[0]++ % 16 != 0) std::_Exit(static_cast<int>(ops));
  });
  ASSERT_EQ(signature(failure), "answer");
  const Minimized minimal = minimize(trace, failure, make, {.time = {}, .search = false});
  EXPECT_EQ(minimal.kept, Kept::anything);
  EXPECT_EQ(length_of(minimal.trace), 2u);
}

// ---- Search below the length

/// Its third find() says that there is nothing: the only sign of how many there were.
struct CountsFinds {
  vmap::Result<vmap::Allocation> allocate(const vmap::Request& request) {
    if (request.size == 1) std::_Exit(5);  // or the next find() would be wrong
    return model.allocate(request);
  }
  vmap::Result<Range> free(Address begin) { return model.free(begin); }
  std::optional<Range> find(Address) const {
    if (++finds == 3) return Range{0, 1};
    return std::nullopt;
  }
  ReferenceModel model;
  mutable int finds = 0;
};
const SubjectFactory counts_finds =
    factory([](const SubjectConfig& config) { return CountsFinds{ReferenceModel(config.space)}; });
const auto is_answer = [](const Failure& failure) { return signature(failure) == "answer"; };

TEST(BreadthFirst, LooksBehindStatesThatLookTheSameWhereItHasTheTime) {
  const Vocabulary words(trace_of("space 0x0..0x1\nfind 0x0\npurge\nfind 0x0\nfind 0x0\n"), Placements(4),
                         Vocabulary::Begin::empty);
  const Explored all = search_breadth_first(words, 4, is_answer, counts_finds, {});
  ASSERT_TRUE(all.hit);
  EXPECT_EQ(all.hit->trace.ops, std::vector<Op>(3, Find{0}));
  const Explored none = search_breadth_first(words, 3, is_answer, counts_finds, {});
  EXPECT_FALSE(none.hit);
  EXPECT_EQ(none.complete, Explored::Complete::sequences);
  const Explored states = search_breadth_first(words, 4, is_answer, counts_finds, {.exhaustive_max = 0});
  EXPECT_FALSE(states.hit);
  EXPECT_EQ(states.complete, Explored::Complete::states);
  EXPECT_LT(states.sequences, all.sequences);
  const Explored bounded = search_breadth_first(words, 9, is_answer, model_subject(), {.breadth_first_max = 10});
  EXPECT_FALSE(bounded.hit);
  EXPECT_EQ(bounded.complete, Explored::Complete::no);
}

TEST(RandomSearch, DependsOnNothingButItsSeed) {
  const Vocabulary words(trace_of("space 0x0..0x4\nalloc a0 size=2\nfind 0x0\nfind 0x1\nfind 0x2\npurge\n"),
                         Placements(5), Vocabulary::Begin::empty);
  std::set<std::uint64_t> different;
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    const auto first = search_randomly(words, 6, is_answer, counts_finds, {.seed = seed});
    const auto second = search_randomly(words, 6, is_answer, counts_finds, {.seed = seed});
    ASSERT_TRUE(first && second);
    EXPECT_EQ(first->index, second->index);
    EXPECT_EQ(first->trace, second->trace);
    EXPECT_LT(first->trace.ops.size(), 6u);
    different.insert(first->index);
  }
  EXPECT_GT(different.size(), 1u);
}

// ---- Proved

/// The fewest ops after which `invariant` breaks, of all sequences in a space of `granules`: tried one after another,
/// with nothing left out. Busy ranges count as the ops that would place them.
std::optional<std::size_t> fewest_by_brute_force(const SubjectFactory& make, vmap::Invariant invariant,
                                                 Address granules, std::size_t ops_max) {
  std::vector<Op> words;
  for (const Size size : {1u, 2u, 3u})
    for (const Size align : {1u, 2u})
      words.push_back(Alloc{{}, {.size = size, .align = align, .within = vmap::everywhere}});
  for (Address begin = 0; begin < granules; ++begin)
    for (Address end = begin + 1; end <= granules; ++end) words.push_back(AllocAt{{}, {begin, end}});
  const std::size_t placing = words.size();
  for (std::uint32_t label = 0; label < ops_max; ++label) words.push_back(Free{{label}});
  for (std::size_t length = 1; length <= ops_max; ++length) {
    std::vector<std::size_t> digits(length, 0);
    for (;;) {
      Trace trace{{}, {.range = {0, granules}, .granule = 1, .lazy_limit = {}, .busy = {}}, {}};
      for (std::size_t i = 0; i < length; ++i) {
        Op op = words[digits[i]];
        if (digits[i] < placing) *bound_label(op) = {static_cast<std::uint32_t>(i)};
        trace.ops.push_back(op);
      }
      const auto failure = run(trace, make).value();
      if (failure && failure->violation.invariant == invariant) return length;
      std::size_t wheel = 0;
      while (wheel < length && ++digits[wheel] == words.size()) digits[wheel++] = 0;
      if (wheel == length) break;
    }
  }
  return std::nullopt;
}

TEST(Minimize, ProvesWhatBruteForceFinds) {
  struct Known {
    std::string_view name;
    vmap::Invariant invariant;
    Address granules;
    std::size_t length;
  };
  constexpr Known known[] = {
      {"canary_augment", vmap::Invariant::augment, 5, 3}, {"canary_coalescing", vmap::Invariant::coalescing, 2, 2},
      {"canary_answer", vmap::Invariant::answer, 3, 1},   {"seed_2019", vmap::Invariant::answer, 3, 2},
      {"fault_space_end", vmap::Invariant::answer, 2, 4}, {"fault_free_filter", vmap::Invariant::answer, 2, 4}};
  for (const auto& [name, invariant, granules, length] : known) {
    if (is_sanitized() && length > 2) continue;
    EXPECT_EQ(fewest_by_brute_force(subject(name), invariant, granules, length), length) << name;
    const auto found = found_in(name);
    const Minimized minimal = minimize(found.trace, found.failure, subject(name), {.time = {}});
    EXPECT_EQ(minimal.minimality, Minimality::proved) << name;
    EXPECT_LE(length_of(minimal.trace), length) << name;
  }
}

}  // namespace
}  // namespace vmapcheck
