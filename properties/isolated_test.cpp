// SPDX-License-Identifier: Apache-2.0
//
// Traces in child processes: each faulty subject fails as the catalogue says, at the op that it says, in the same way
// each time; and what children report comes back as it was.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/random/check.hpp"
#include "harness/verify/isolated.hpp"
#include "harness/verify/model_subject.hpp"
#include "model/trace.hpp"
#include "subjects/faulty.hpp"

namespace vmapcheck {
namespace {

using std::chrono::milliseconds;

Trace trace_of(std::string_view ops) { return parse_trace("vmapcheck-trace 1\n" + std::string(ops)).value(); }

Failure fail(const Trace& trace, const SubjectFactory& make, const IsolatedOptions& options = {}) {
  const auto outcome = run_isolated(trace, make, options);
  if (!outcome || !*outcome) throw std::logic_error("it does not fail");
  return **outcome;
}

/// What an entry of the catalogue says of how a failure shows, without its frames.
bool shows(const Failure& failure, std::string_view expected) {
  if (const auto invariant = vmap::invariant_named(expected))
    return failure.kind == FailureKind::violation && failure.violation.invariant == *invariant;
  if (is_sanitized() && failure.kind == FailureKind::sanitizer) return expected.starts_with("SIG");
  if (expected == "exit") return failure.kind == FailureKind::exit;
  if (expected == "exception") return failure.kind == FailureKind::exception;
  if (expected == "hang") return failure.kind == FailureKind::hang;
  if (expected == "memory-limit") return failure.kind == FailureKind::memory_limit;
  // An exception that ends in std::terminate() is named by its type.
  if (expected == "SIGABRT" && failure.kind == FailureKind::exception) return true;
  return failure.kind == FailureKind::signal &&
         (failure.what == expected || (expected == "SIGSEGV" && failure.what == "stack-overflow"));
}

// ---- Ops that take long

/// Compares blocks for 200 ms of processor time.
struct ComparesForLong : ModelSubject {
  using ModelSubject::ModelSubject;
  vmap::Result<Address> allocate_congruent(std::span<const vmap::Block> blocks, Size align, Range within) {
    for (const std::clock_t begin = std::clock(); std::clock() - begin < CLOCKS_PER_SEC / 5;) {}
    return ModelSubject::allocate_congruent(blocks, align, within);
  }
};

TEST(RunIsolated, GivesBlocksThatDoNotAscendTheTimeToCompareEachWithEach) {
  const SubjectFactory make = factory([](const SubjectConfig& config) { return ComparesForLong(config); });
  IsolatedOptions options;
  options.limits.cpu = milliseconds(40);
  Trace trace = trace_of("space 0x0..0x100000\n");
  Congruent op{.label = {0}, .align = 1, .within = vmap::everywhere, .blocks = {}};
  for (Address offset = 0; offset < 40'000; ++offset) op.blocks.push_back({2 * offset, 1});
  trace.ops.push_back(op);
  EXPECT_EQ(signature(fail(trace, make, options)), "hang in congruent");
  std::ranges::reverse(op.blocks);
  trace.ops[0] = op;
  EXPECT_FALSE(run_isolated(trace, make, options).value());
}

// ---- The catalogue

class EachFault : public testing::TestWithParam<FaultySubject> {
 protected:
  /// Hangs end soon; what takes memory has the time to take it.
  [[nodiscard]] static IsolatedOptions options() {
    Limits limits{.memory = std::size_t{256} << 20};
    if (GetParam().shows == "hang") limits.cpu = limits.asleep = milliseconds(100);
    return {.limits = limits, .keep_going = {}};
  }
};

TEST_P(EachFault, FailsOnItsTraceAtItsLastOpInTheSameWayEachTime) {
  const FaultySubject& fault = GetParam();
  const Trace trace = parse_trace(fault.trace).value();
  const Failure failure = fail(trace, fault.entry.make, options());
  EXPECT_TRUE(shows(failure, fault.shows)) << signature(failure) << " instead of " << fault.shows;
  EXPECT_EQ(failure.op.has_value(), failure.phase == Phase::op);
  switch (failure.phase) {
    case Phase::construction:
      EXPECT_TRUE(trace.ops.empty());
      EXPECT_EQ(failure.step, 0u);
      break;
    case Phase::op:
      EXPECT_EQ(failure.step + 1, trace.ops.size());
      EXPECT_EQ(failure.op, trace.ops.back());
      break;
    case Phase::end: EXPECT_EQ(failure.step, trace.ops.size()); break;
  }
  EXPECT_EQ(signature(fail(trace, fault.entry.make, options())), signature(failure));
  EXPECT_FALSE(failure.violation.detail.empty());
}

INSTANTIATE_TEST_SUITE_P(Catalogue, EachFault, testing::ValuesIn(faulty_subjects().begin(), faulty_subjects().end()),
                         [](const auto& each) { return each.param.entry.name; });

const FaultySubject& fault_named(std::string_view name) {
  return *std::ranges::find(faulty_subjects(), name, [](const auto& fault) { return fault.entry.name; });
}

TEST(RunIsolated, NamesThePhaseInWhichASubjectDies) {
  const auto phase_of = [](std::string_view name) {
    const FaultySubject& fault = fault_named(name);
    return fail(parse_trace(fault.trace).value(), fault.entry.make).phase;
  };
  EXPECT_EQ(phase_of("fault_import"), Phase::construction);
  EXPECT_EQ(phase_of("fault_destructor"), Phase::end);
  EXPECT_EQ(phase_of("fault_division"), Phase::op);
}

TEST(RunIsolated, TellsFiveFaultsOfOneSubjectApart) {
  for (const std::string_view name :
       {"fault_hole_cache", "fault_retries", "fault_congruent_rollback", "fault_free_allocates", "fault_exit_zero"}) {
    const FaultySubject& fault = fault_named(name);
    const Failure failure = fail(parse_trace(fault.trace).value(), find_subject("five_faults")->make);
    EXPECT_TRUE(shows(failure, fault.shows)) << signature(failure) << " instead of " << fault.shows;
  }
}

TEST(RunIsolated, FindsNothingWhereNothingIsWrong) {
  const Trace trace = trace_of("space 0x0..0x10\nalloc a0 size=1\nfree a0\nfree a0\n");
  EXPECT_FALSE(run_isolated(trace, model_subject()).value());
}

TEST(RunIsolated, SaysWhyASubjectCannotBeMade) {
  const SubjectFactory refuses = [](const SubjectConfig&) {
    return std::unexpected(std::string("not today\nnor then"));
  };
  const auto outcome = run_isolated(trace_of("space 0x0..0x10\n"), refuses);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error(), "not today\nnor then");
  EXPECT_FALSE(run_isolated(Trace{{}, {.range = {5, 3}, .lazy_limit = {}, .busy = {}}, {}}, model_subject()));
}

TEST(RunIsolated, IsEndedByItsCaller) {
  const FaultySubject& fault = fault_named("fault_purge_ring");
  const auto begin = std::chrono::steady_clock::now();
  const auto outcome = run_isolated(parse_trace(fault.trace).value(), fault.entry.make,
                                    {.limits = {.cpu = std::chrono::seconds(60)}, .keep_going = [] { return false; }});
  EXPECT_TRUE(outcome && !*outcome);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(1000));
}

// ---- Whose fault it is

/// Overwrites the model's granule, by which the model then divides.
struct Overwrites : ModelSubject {
  explicit Overwrites(const SubjectConfig& config) : ModelSubject(config), space(const_cast<Space*>(&config.space)) {}
  vmap::Result<Range> free(Address begin) {
    space->granule = 0;
    return ModelSubject::free(begin);
  }
  Space* space;
};

TEST(RunIsolated, BlamesTheSubjectThatHasOverwrittenWhatTheHarnessThenDiesOf) {
  const SubjectFactory make = factory([](const SubjectConfig& config) { return Overwrites(config); });
  const Failure failure = fail(trace_of("space 0x0..0x10\nfree-at 0x1\nalloc a0 size=1\n"), make);
  EXPECT_NE(failure.kind, FailureKind::oracle) << signature(failure);
  EXPECT_EQ(failure.step, 1u);
  EXPECT_EQ(is_sanitized() ? "SIGFPE" : signature(failure), "SIGFPE");
}

// ---- What broke first names the failure

/// Says that nothing fits, and dies when it is destroyed after that.
struct LiesAndDies {
  explicit LiesAndDies(bool* dies) : dies_(dies) {}
  LiesAndDies(LiesAndDies&& other) noexcept : lied_(other.lied_), dies_(std::exchange(other.dies_, nullptr)) {}
  LiesAndDies& operator=(LiesAndDies&&) = delete;
  ~LiesAndDies() {
    if (dies_ != nullptr && lied_) std::abort();
  }
  vmap::Result<vmap::Allocation> allocate(const vmap::Request&) {
    lied_ = true;
    return std::unexpected(vmap::Error::no_space);
  }
  vmap::Result<Range> free(Address) { return std::unexpected(vmap::Error::not_busy); }

 private:
  bool lied_ = false;
  bool* dies_;
};
bool mark = true;
const SubjectFactory lies_and_dies = factory([](const SubjectConfig&) { return LiesAndDies(&mark); });
const auto is_answer = [](const Failure& failure) { return signature(failure) == "answer"; };

TEST(RunIsolated, TellsTheViolationEvenWhereTheSubjectThenDiesOfIt) {
  const Failure failure = fail(trace_of("space 0x0..0x10\nfree-at 0x0\nalloc a0 size=1\n"), lies_and_dies);
  EXPECT_EQ(signature(failure), "answer");
  EXPECT_EQ(failure.step, 1u);
  EXPECT_EQ(failure.phase, Phase::op);
}

TEST(FirstFailing, FindsTheViolationEvenWhereTheSubjectThenDiesOfIt) {
  const auto candidate = [](std::uint64_t i) {
    return trace_of("space 0x0..0x10\nfree-at 0x0\n" + std::string(i < 3 ? "" : "alloc a0 size=1\npurge\n"));
  };
  const auto hit = first_failing(10, candidate, is_answer, lies_and_dies);
  ASSERT_TRUE(hit);
  EXPECT_EQ(hit->index, 3u);
  EXPECT_EQ(hit->trace.ops.size(), 2u);
  const auto died = [](const Failure& failure) { return failure.kind == FailureKind::signal; };
  EXPECT_FALSE(first_failing(10, candidate, died, lies_and_dies));
}

// ---- Killed by others

/// Lies and dies; the child that makes the nth of all is killed.
SubjectFactory killed_once(int nth) {
  const auto made = std::make_shared<SharedArray<int>>(1);
  return [made, nth](const SubjectConfig& config) {
    if (++(*made)[0] == nth) ::kill(::getpid(), SIGKILL);
    return lies_and_dies(config);
  };
}

TEST(RunIsolated, IsTriedAgainWhereAnotherProcessKilledTheChild) {
  const Trace trace = trace_of("space 0x0..0x10\nalloc a0 size=1\n");
  EXPECT_EQ(signature(fail(trace, killed_once(1))), "answer");
}

TEST(FirstFailing, IsTriedAgainWhereAnotherProcessKilledTheChild) {
  const auto candidate = [](std::uint64_t i) {
    return trace_of("space 0x0..0x10\n" + std::string(i < 3 ? "" : "alloc a0 size=1\n"));
  };
  for (const int nth : {2, 4, 5}) {  // passes, hits, is run alone
    const auto hit = first_failing(10, candidate, is_answer, killed_once(nth));
    ASSERT_TRUE(hit) << nth;
    EXPECT_EQ(hit->index, 3u);
  }
}

TEST(RunIsolated, NamesTheSignalWhereTheSubjectKillsItself) {
  const SubjectFactory make = [](const SubjectConfig& config) {
    ::raise(SIGKILL);
    return model_subject()(config);
  };
  EXPECT_EQ(signature(fail(trace_of("space 0x0..0x10\n"), make)), "SIGKILL");
}

// ---- Lists of traces

/// Traces 2, 5, 8, ... exit on fault_exit_zero.
Trace exits_or_not(std::uint64_t i) {
  return i % 3 == 2 ? trace_of("space 0x0..0x1\nbusy 0x0..0x1\nfree-lazily-at 0x0\nalloc a0 size=1\npurge\n")
                    : trace_of("space 0x0..0x1\nalloc a0 size=1\n");
}

TEST(FirstFailing, IsTheFirstThatFailsAsWanted) {
  const auto any = [](const Failure&) { return true; };
  const auto hit = first_failing(100, exits_or_not, any, fault_named("fault_exit_zero").entry.make);
  ASSERT_TRUE(hit);
  EXPECT_EQ(hit->index, 2u);
  EXPECT_EQ(signature(hit->failure), "exit 0");
  EXPECT_EQ(hit->trace.ops.size(), 2u);  // cut behind the op that failed
  EXPECT_FALSE(first_failing(100, exits_or_not, is_answer, fault_named("fault_exit_zero").entry.make));
  EXPECT_FALSE(first_failing(2, exits_or_not, any, fault_named("fault_exit_zero").entry.make));
  EXPECT_FALSE(first_failing(0, exits_or_not, any, fault_named("fault_exit_zero").entry.make));
}

TEST(FirstFailing, PassesByWhatIsNoSpace) {
  const auto candidate = [](std::uint64_t i) {
    Trace trace = exits_or_not(2);
    if (i < 2) trace.space.range = {7, 3};
    return trace;
  };
  const auto hit =
      first_failing(3, candidate, [](const Failure&) { return true; }, fault_named("fault_exit_zero").entry.make);
  ASSERT_TRUE(hit);
  EXPECT_EQ(hit->index, 2u);
}

TEST(FirstFailing, PassesByWhatFailsOnlyBehindOthers) {
  // The fourth subject made in one process exits.
  static int made = 0;
  const SubjectFactory make = [](const SubjectConfig& config) {
    if (++made == 4) std::_Exit(9);
    return model_subject()(config);
  };
  made = 0;
  const auto any = [](const Failure&) { return true; };
  EXPECT_FALSE(first_failing(10, exits_or_not, any, make));
}

TEST(FirstFailing, PassesByWhatTakesMoreThanItsShare) {
  // Each may perform as many ops as its index.
  std::uint64_t item = 0;
  const auto candidate = [&](std::uint64_t i) {
    item = i;
    return trace_of("space 0x0..0x1\nbusy 0x0..0x1\nfree-lazily-at 0x0\nalloc a0 size=1\npurge\n");
  };
  IsolatedOptions options;
  options.share = [&] { return [left = item]() mutable { return left-- != 0; }; };
  const auto any = [](const Failure&) { return true; };
  const auto hit = first_failing(10, candidate, any, fault_named("fault_exit_zero").entry.make, options);
  ASSERT_TRUE(hit);
  EXPECT_EQ(hit->index, 2u);  // it fails at the second op
}

// ---- How thoroughly

TEST(CheckingOf, FollowsFromOpsTimesAreas) {
  const auto grown = [](std::uint32_t busy, std::uint32_t ops, bool freed) {
    Trace trace{{}, {.range = {0, 1 << 30}, .lazy_limit = {}, .busy = {}}, {}};
    for (std::uint32_t i = 0; i < busy; ++i) trace.space.busy.push_back({4 * i, 4 * i + 1});
    for (std::uint32_t i = 0; i < ops; ++i) {
      trace.ops.emplace_back(Alloc{{i}, {.size = 1}});
      if (freed) trace.ops.emplace_back(Free{{i}});
    }
    return checking_of(trace);
  };
  EXPECT_EQ(grown(0, 1000, false), Checking::every_step);
  EXPECT_EQ(grown(0, 50'002, false), Checking::amortized);      // many live in the end
  EXPECT_EQ(grown(100'001, 2000, false), Checking::amortized);  // and from the start
  EXPECT_EQ(grown(0, 500'000, true), Checking::every_step);     // one at a time
  Trace congruent{{}, {.range = {0, 1 << 30}, .lazy_limit = {}, .busy = {}}, {}};
  congruent.ops.emplace_back(Congruent{.label = {0}, .blocks = std::vector<vmap::Block>(20'000, {0, 1})});
  for (int i = 0; i < 1000; ++i) congruent.ops.emplace_back(Find{0});
  EXPECT_EQ(checking_of(congruent), Checking::amortized);
}

/// After so many allocations it does not list its first area any more, which only a check of everything sees.
struct Hides : ModelSubject {
  Hides(const SubjectConfig& config, std::uint64_t after) : ModelSubject(config), left(after) {}
  vmap::Result<vmap::Allocation> allocate(const vmap::Request& request) {
    left -= left == 0 ? 0 : 1;
    return ModelSubject::allocate(request);
  }
  template <class Visit>
  void for_each_busy(Visit visit) const {
    bool hidden = left != 0;
    ModelSubject::for_each_busy([&](Range area) {
      if (std::exchange(hidden, true)) visit(area);
    });
  }
  std::uint64_t left;
};
SubjectFactory hides_after(std::uint64_t allocations) {
  return factory([=](const SubjectConfig& config) { return Hides(config, allocations); });
}

/// `busy` areas from the start, and allocations.
Trace long_trace(std::uint32_t busy, std::uint32_t ops) {
  Trace trace{{}, {.range = {0, 1 << 30}, .lazy_limit = {}, .busy = {}}, {}};
  for (std::uint32_t i = 0; i < busy; ++i) trace.space.busy.push_back({4 * i, 4 * i + 2});
  for (std::uint32_t i = 0; i < ops; ++i) trace.ops.emplace_back(Alloc{{i}, {.size = 1}});
  return trace;
}

TEST(Named, IsTheStepThatCheckingAtEveryStepNames) {
  const Trace trace = long_trace(200, 800);
  for (const std::size_t step : {0u, 1u, 137u, 500u, 798u, 799u}) {
    const SubjectFactory make = hides_after(step + 1);
    const auto exact = run(trace, make).value();
    ASSERT_TRUE(exact);
    ASSERT_EQ(exact->step, step);
    Position position;
    const auto late = run(trace, make, {.checking = Checking::amortized, .position = &position}).value();
    ASSERT_TRUE(late);
    EXPECT_GE(late->step, step);
    EXPECT_LE(position.sound, step);
    std::size_t passes = 0;
    std::uint64_t full_checks = 0;
    const auto again = [&](const Closer& closer, Position& now) {
      Coverage coverage;
      const RunOptions options{
          .checking = Checking::amortized, .closer = closer, .coverage = &coverage, .position = &now};
      auto failure = run(trace, make, options).value();
      ++passes;
      full_checks += coverage.full_checks;
      return failure;
    };
    const Failure found = named(*late, position, again, 10'000);
    EXPECT_EQ(found.step, step);
    EXPECT_EQ(signature(found), signature(*exact));
    EXPECT_LE(passes, 8u);
    EXPECT_LE(full_checks, 200u) << "at step " << step;  // where every step has one, there are up to 800
  }
}

TEST(RunIsolated, NamesTheStepWhereCheckingIsAmortized) {
  const Trace trace = long_trace(5000, 4000);
  ASSERT_EQ(checking_of(trace), Checking::amortized);
  EXPECT_EQ(fail(trace, hides_after(2501)).step, 2500u);
  // As it is found without that.
  EXPECT_EQ(fail(trace, hides_after(2501), {.checking = Checking::amortized}).step, 4000u);
}

/// What the executor itself does within a step is not the subject's time.
TEST(Run, GivesSignsOfLifeWithinAStep) {
  Congruent op{.label = {0}, .blocks = {}};
  for (std::uint64_t i = 0; i < 100; ++i) op.blocks.push_back({2 * i, 1});
  const Trace trace{{}, {.range = {0, 1 << 20}, .lazy_limit = {}, .busy = {}}, {op}};
  Beacon::Shared shared{};
  ASSERT_FALSE(run(trace, find_subject("vmap")->make, {.beacon = Beacon(&shared)}).value());
  constexpr std::uint64_t phases = 3;  // construction, op, end
  EXPECT_GE(shared.progress.load(), phases + 5);
  EXPECT_FALSE(shared.aside.load());
}

// ---- Bytes

TEST(Pack, WhatIsAViolationComesBackAsItWas) {
  const Trace trace = trace_of("space 0x0..0x10\nalloc a0 size=1\nfree a0\n");
  EXPECT_FALSE(unpack(pack(std::nullopt), trace));
  EXPECT_FALSE(unpack("", trace));
  for (std::size_t invariant = 0; invariant < vmap::invariant_names.size(); ++invariant) {
    for (std::size_t step = 0; step <= trace.ops.size(); ++step) {
      for (const std::string_view detail : {"", "one line", "two\nlines", "12"}) {
        const vmap::Violation violation{static_cast<vmap::Invariant>(invariant), std::string(detail)};
        const Failure failure = failure_of(violation, step, trace);
        const auto back = unpack(pack(failure), trace);
        ASSERT_TRUE(back);
        EXPECT_EQ(back->kind, FailureKind::violation);
        EXPECT_EQ(back->violation.invariant, violation.invariant);
        EXPECT_EQ(back->violation.detail, detail);
        EXPECT_EQ(back->step, step);
        EXPECT_EQ(back->phase, step < trace.ops.size() ? Phase::op : Phase::end);
        EXPECT_EQ(back->op, failure.op);
      }
    }
  }
}

TEST(CutBehind, KeepsWhatTheFailureNeeds) {
  const Trace trace = trace_of("space 0x0..0x10\npurge\npurge\npurge\n");
  const auto length_at = [&](Phase phase, std::size_t step) {
    Failure failure{.step = step, .op = {}};
    failure.phase = phase;
    Trace cut = trace;
    cut_behind(cut, failure);
    return cut.ops.size();
  };
  EXPECT_EQ(length_at(Phase::construction, 0), 0u);
  EXPECT_EQ(length_at(Phase::op, 0), 1u);
  EXPECT_EQ(length_at(Phase::op, 2), 3u);
  EXPECT_EQ(length_at(Phase::end, 3), 3u);
}

}  // namespace
}  // namespace vmapcheck
