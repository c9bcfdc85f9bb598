// SPDX-License-Identifier: Apache-2.0
//
// The explorer: that it misses no state and invents none, whatever the number of threads, interruptions and the way in
// which a state is entered; and that what it is there to find, it finds in the fewest moves.
#include "harness/explore/explore.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "harness/explore/index_world.hpp"
#include "harness/explore/whole_world.hpp"
#include "harness/verify/executor.hpp"
#include "harness/verify/isolated.hpp"
#include "harness/verify/model_subject.hpp"
#include "model/trace.hpp"
#include "subjects/faulty.hpp"
#include "subjects/registry.hpp"
#include "subjects/vmap_subject.hpp"

namespace vmapcheck {
namespace {

ExploreReport explored(const Territory& territory, ExploreOptions options = {}) {
  const auto report = explore(territory, options);
  EXPECT_TRUE(report.has_value()) << report.error().text;
  return report.value_or(ExploreReport{});
}

Territory index_of(std::size_t granules, const std::string& subject = "vmap", bool searches = false) {
  return index_territory(find_subject(subject)->index, {.granules = granules, .searches = searches});
}

Territory whole_of(std::size_t granules, ExploreOps ops, const std::string& subject = "vmap") {
  return whole_territory(find_subject(subject)->make, {.granules = granules, .lazy_limit = {}, .ops = ops});
}

constexpr ExploreOps all_ops{true, true, true, true, true, true, true, true};

/// A file in an empty folder of its own.
class StateFile {
 public:
  StateFile() : folder_(std::filesystem::path(testing::TempDir()) / ("explore" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~StateFile() { std::filesystem::remove_all(folder_); }
  [[nodiscard]] std::string path() const { return (folder_ / "x.state").string(); }
  [[nodiscard]] bool exists() const { return std::filesystem::exists(path()); }

 private:
  std::filesystem::path folder_;
};

// ---- What there is, counted in another way

/// Trees that single granules reach: taken and given back one at a time, by ops, on an executor made anew for each
/// state. Whatever is carved or added in one piece can be in single granules, with the same tree (index_world.cpp).
std::set<std::pair<std::vector<bool>, std::uint64_t>> trees_by_single_granules(std::size_t granules) {
  using Ops = std::vector<Op>;
  const Space space{.range = {0, granules}, .granule = 1, .lazy_limit = {}, .busy = {}};
  std::map<std::pair<std::vector<bool>, std::uint64_t>, Ops> ways;
  const auto key_after = [&](const Ops& ops) {
    const auto executor = Executor::create(space, find_subject("vmap")->make, Checking::every_step).value();
    EXPECT_FALSE(executor->step(Find{0}));
    for (const Op& op : ops) EXPECT_FALSE(executor->step(op));
    std::vector<bool> busy(granules);
    for (const auto& [begin, area] : executor->model().areas()) busy[begin] = true;
    return std::pair(busy, executor->tree_structure());
  };
  std::vector<Ops> next{{}};
  ways[key_after({})] = {};
  while (!next.empty()) {
    std::vector<Ops> level;
    for (const Ops& ops : next) {
      const std::vector<bool> busy = key_after(ops).first;
      for (std::size_t g = 0; g < granules; ++g) {
        Ops longer = ops;
        if (busy[g])
          longer.push_back(FreeAt{g});
        else
          longer.push_back(AllocAt{Label{static_cast<std::uint32_t>(ops.size())}, {g, g + 1}});
        if (ways.try_emplace(key_after(longer), longer).second) level.push_back(longer);
      }
    }
    next = level;
  }
  std::set<std::pair<std::vector<bool>, std::uint64_t>> keys;
  for (const auto& [key, ops] : ways) keys.insert(key);
  return keys;
}

TEST(Explore, AnIndexHasTheTreesThatSingleGranulesReachAndNoOthers) {
  for (const std::size_t granules : {1u, 2u, 5u, 7u})
    EXPECT_EQ(explored(index_of(granules)).states, trees_by_single_granules(granules).size()) << granules;
}

TEST(Explore, AnIndexOfTwelveGranulesIsSoundInEveryStateAndReachesEveryCase) {
  const ExploreReport report = explored(index_of(12), {.jobs = 2});
  EXPECT_FALSE(report.found);
  EXPECT_TRUE(report.complete);
  EXPECT_EQ(report.states, 12'585u);  // what another implementation of the same tree came to
  EXPECT_EQ(report.layouts, 4'096u);  // every set of granules
  EXPECT_LT(report.exercised.again, report.transitions / 2);
  for (std::size_t i = 0; i < vmap::tree_case_count; ++i)
    EXPECT_GT(report.exercised.coverage.tree_cases[i], 0u) << vmap::tree_case_names[i];
}

TEST(Explore, EverySearchInEveryTreeOfEightGranulesFindsTheLowestFit) {
  for (const Address base : {Address{0}, Address{0x30}, vmap::address_max - 8}) {
    const ExploreReport report =
        explored(index_territory(find_subject("vmap")->index, {.granules = 8, .base = base, .searches = true}));
    EXPECT_FALSE(report.found) << report.found->violation->detail;
    EXPECT_TRUE(report.complete);
    EXPECT_GT(report.exercised.searches, 1'000'000u);
  }
}

/// Areas and what is free between them, of a space of n granules: each either begins with one more of what its left
/// neighbour is, or with something new; two free blocks never touch. That is every second Fibonacci number.
TEST(Explore, EveryLayoutOfBusyAreasIsReachedAndNoOther) {
  std::uint64_t busy_last = 1, free_last = 1;  // layouts of one granule by what the last one is
  for (std::size_t granules = 1; granules <= 8; ++granules) {
    const ExploreReport report = explored(whole_of(granules, {}));
    EXPECT_TRUE(report.complete);
    EXPECT_EQ(report.layouts, busy_last + free_last) << granules;
    const std::uint64_t busy_next = 2 * busy_last + free_last;  // goes on, or another begins; or begins after a block
    free_last = busy_last + free_last;                          // begins after an area, or goes on
    busy_last = busy_next;
  }
}

/// The same with lazily freed areas beside the busy ones.
TEST(Explore, EveryLayoutOfBusyAndLazilyFreedAreasIsReachedAndNoOther) {
  std::uint64_t busy_last = 1, lazy_last = 1, free_last = 1;
  for (std::size_t granules = 1; granules <= 6; ++granules) {
    const ExploreReport report = explored(whole_of(granules, {.lazy = true}));
    EXPECT_TRUE(report.complete);
    const std::uint64_t all = busy_last + lazy_last + free_last;
    EXPECT_EQ(report.layouts, all) << granules;
    busy_last += all;  // goes on, or begins behind anything
    lazy_last += all;
    free_last = all;  // goes on, or begins behind an area
  }
}

TEST(Explore, SpareNodesTellStatesApartWhereRequestsFail) {
  const ExploreReport without = explored(whole_of(5, {.placed = true}));
  const ExploreReport with = explored(whole_of(5, {.placed = true, .failures = true}));
  EXPECT_EQ(with.layouts, without.layouts);
  EXPECT_GT(with.states, without.states);
  EXPECT_GT(with.exercised.coverage.faults_fired, 0u);
}

TEST(Explore, SubjectsWithTheSameContractReachTheSameLayouts) {
  const ExploreReport ours = explored(whole_of(4, all_ops));
  const ExploreReport model = explored(whole_of(4, all_ops, "model"));
  EXPECT_FALSE(ours.found);
  EXPECT_FALSE(model.found);
  EXPECT_EQ(ours.layouts, model.layouts);
  EXPECT_GT(ours.states, model.states) << "the model shows no tree by which states might differ";
}

TEST(Explore, FirstFitAloneDoesNotReachEveryTree) {
  const ExploreReport first_fit = explored(whole_of(9, {}), {.jobs = 2});
  const ExploreReport placed = explored(whole_of(9, {.placed = true}), {.jobs = 2});
  EXPECT_EQ(first_fit.layouts, placed.layouts);
  EXPECT_LT(first_fit.states, placed.states);
}

// ---- Whatever the way

TEST(Explore, ThreadsChangeNothingOfWhatIsReported) {
  const ExploreReport one = explored(index_of(9));
  for (const unsigned jobs : {2u, 5u}) {
    const ExploreReport more = explored(index_of(9), {.jobs = jobs});
    EXPECT_EQ(more.states, one.states);
    EXPECT_EQ(more.transitions, one.transitions);
    EXPECT_EQ(more.depth, one.depth);
    EXPECT_EQ(more.exercised.coverage.tree_cases, one.exercised.coverage.tree_cases);
  }
}

/// Ours, that does not say that bytes are all it is.
struct Opaque : VmapSubject<vmap::FreeSpace> {};
static_assert(Rewinds<VmapSubject<vmap::FreeSpace>> && !Rewinds<Opaque>);

TEST(Explore, ASubjectThatCannotBeRewoundHasTheSameStates) {
  const ExploreReport rewound = explored(whole_of(4, all_ops));
  const ExploreReport replayed =
      explored(whole_territory(around<Opaque>(), {.granules = 4, .lazy_limit = {}, .ops = all_ops}));
  EXPECT_FALSE(rewound.found);
  EXPECT_FALSE(replayed.found);
  EXPECT_EQ(replayed.states, rewound.states);
  EXPECT_EQ(replayed.transitions, rewound.transitions);
  EXPECT_EQ(replayed.depth, rewound.depth);
}

TEST(Explore, ADepthThatIsGivenIsKept) {
  std::uint64_t states = 0;
  const std::uint64_t depth_max = explored(index_of(7)).depth;
  for (std::uint64_t depth = 0; depth <= depth_max; ++depth) {
    const ExploreReport report = explored(index_of(7), {.depth_max = depth});
    EXPECT_FALSE(report.complete);  // that nothing lies beyond the last level is known after it was expanded
    EXPECT_EQ(report.depth, depth);
    EXPECT_GT(report.states, states);
    states = report.states;
  }
  EXPECT_EQ(states, explored(index_of(7)).states);
}

// ---- Interruption

ExploreOptions kept_in(const StateFile& file, unsigned jobs = 2) {
  ExploreOptions options{.jobs = jobs};
  options.state_file = file.path();
  options.identity = "this one";
  return options;
}

TEST(Explore, InterruptedAgainAndAgainItComesToTheSame) {
  const ExploreReport whole = explored(index_of(11));
  const StateFile file;
  ExploreReport report;
  int sessions = 0;
  do {
    ExploreOptions options = kept_in(file);
    options.time = std::chrono::milliseconds(8);
    report = explored(index_of(11), options);
    EXPECT_EQ(report.resumed, sessions > 0);
    EXPECT_TRUE(report.complete || (report.saved && file.exists()));
    ++sessions;
  } while (!report.complete && sessions < 1000);
  EXPECT_GT(sessions, 2);
  EXPECT_EQ(report.states, whole.states);
  EXPECT_EQ(report.transitions, whole.transitions);
  EXPECT_EQ(report.depth, whole.depth);
  EXPECT_EQ(report.layouts, whole.layouts);
  EXPECT_EQ(report.exercised.coverage.tree_cases, whole.exercised.coverage.tree_cases);
}

TEST(Explore, ADeeperRunGoesOnWhereAShallowOneEnded) {
  const StateFile file;
  ExploreOptions options = kept_in(file);
  options.depth_max = 3;
  EXPECT_TRUE(explored(index_of(9), options).saved);
  options.depth_max = explore_depth_max;
  const ExploreReport report = explored(index_of(9), options);
  EXPECT_TRUE(report.resumed);
  EXPECT_TRUE(report.complete);
  EXPECT_EQ(report.states, explored(index_of(9)).states);
}

TEST(Explore, AStateFileOfSomethingElseOrADamagedOneIsRefusedAndKept) {
  const StateFile file;
  ExploreOptions options = kept_in(file);
  options.depth_max = 3;
  ASSERT_TRUE(explored(index_of(9), options).saved);
  std::string bytes;
  {
    std::ifstream in(file.path(), std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
  }
  const auto refused = [&](const std::string& contents, const std::string& identity) {
    std::ofstream(file.path(), std::ios::binary | std::ios::trunc) << contents;
    ExploreOptions other = options;
    other.identity = identity;
    const auto report = explore(index_of(9), other);
    ASSERT_FALSE(report.has_value());
    EXPECT_EQ(report.error().kind, ExploreError::Kind::state_file);
    EXPECT_EQ(std::filesystem::file_size(file.path()), contents.size());
  };
  refused(bytes, "another one");
  for (const std::size_t length : {std::size_t{0}, std::size_t{5}, std::size_t{24}, bytes.size() / 2, bytes.size() - 1})
    refused(bytes.substr(0, length), options.identity);
  refused(bytes + "x", options.identity);
  for (std::size_t at = 30; at < bytes.size(); at += bytes.size() / 37) {
    std::string changed = bytes;
    changed[at] = static_cast<char>(changed[at] ^ 4);
    refused(changed, options.identity);
  }
  std::ofstream(file.path(), std::ios::binary | std::ios::trunc) << bytes;
  EXPECT_TRUE(explore(index_of(9), options).has_value());
}

TEST(Explore, OtherSoundSubjectsKeepTheirInvariantsInEveryState) {
  EXPECT_TRUE(explored(index_of(10, "vmap_rows", true)).complete);
  EXPECT_TRUE(explored(whole_of(4, all_ops, "vmap_rows")).complete);
  EXPECT_TRUE(explored(whole_of(3, all_ops, "linear_scan")).complete);
}

// ---- What it finds

/// How many moves it takes to the first violation of a canary, and of which invariant.
TEST(Explore, EachCanaryIsFoundByItsInvariant) {
  for (const vmap::Invariant invariant :
       {vmap::Invariant::answer, vmap::Invariant::overlap, vmap::Invariant::partition, vmap::Invariant::coalescing,
        vmap::Invariant::tree, vmap::Invariant::augment, vmap::Invariant::atomicity, vmap::Invariant::memory}) {
    const std::string subject = "canary_" + std::string(name(invariant));
    const Territory territory = whole_of(6, {.placed = true}, subject);
    const ExploreReport report = explored(territory);
    ASSERT_TRUE(report.found) << subject;
    EXPECT_EQ(report.found->violation->invariant, invariant) << subject << ": " << report.found->violation->detail;
    // The trace says the same, to the executor alone.
    const auto failure = run_isolated(territory.trace(report.found->moves), find_subject(subject)->make);
    ASSERT_TRUE(failure && *failure) << subject;
    EXPECT_EQ((*failure)->violation.invariant, invariant);
  }
}

TEST(Explore, AFaultOfAnIndexIsFoundInTheIndexAlone) {
  for (const vmap::Invariant invariant :
       {vmap::Invariant::answer, vmap::Invariant::overlap, vmap::Invariant::partition, vmap::Invariant::coalescing,
        vmap::Invariant::tree, vmap::Invariant::augment, vmap::Invariant::memory, vmap::Invariant::cost}) {
    const std::string subject = "canary_" + std::string(name(invariant));
    const Territory territory = index_of(12, subject, true);
    const ExploreReport report = explored(territory);
    ASSERT_TRUE(report.found) << subject;
    EXPECT_EQ(report.found->violation->invariant, invariant) << subject << ": " << report.found->violation->detail;
    Trace trace = territory.trace(report.found->moves);
    if (!report.found->line.empty()) trace = parse_trace(print(trace) + report.found->line + "\n").value();
    const auto failure = run_isolated(trace, find_subject(subject)->make);
    // Of a search in a whole allocator, nodes visited for areas are allowed, too.
    if (invariant != vmap::Invariant::cost) {
      ASSERT_TRUE(failure && *failure) << subject << "\n" << print(trace);
    }
  }
}

TEST(Explore, EachRequestForMetadataFailsOnce) {
  // Not atomic where the second of two requests fails: the node of the first is spare then.
  struct SecondRequest : VmapSubject<vmap::FreeSpace> {
    vmap::Result<vmap::Allocation> allocate_at(Range range) {
      const auto result = VmapSubject<vmap::FreeSpace>::allocate_at(range);
      if (!result && result.error() == vmap::Error::out_of_memory && stats().nodes_spare == 1) (void)free(0);
      return result;
    }
  };
  const Territory territory = whole_territory(
      around<SecondRequest>(), {.granules = 4, .lazy_limit = {}, .ops = {.placed = true, .failures = true}});
  const ExploreReport report = explored(territory);
  ASSERT_TRUE(report.found);
  const Trace trace = territory.trace(report.found->moves);
  ASSERT_GE(trace.ops.size(), 2u);
  EXPECT_EQ(trace.ops[trace.ops.size() - 2], Op{FailMetadata{2}}) << print(trace) << report.found->violation->detail;
}

TEST(Explore, WhatIsNotGivenBackInTheEndIsFound) {
  struct Keeps {
    explicit Keeps(const SubjectConfig& config) : metadata(config.metadata) {}
    vmap::Result<vmap::Allocation> allocate(const vmap::Request&) {
      (void)metadata->allocate(8);
      return std::unexpected(vmap::Error::no_space);
    }
    vmap::Result<Range> free(Address) { return std::unexpected(vmap::Error::not_busy); }
    static Promises promises() { return {.complete = false}; }
    std::pmr::memory_resource* metadata;
  };
  const auto make = factory([](const SubjectConfig& config) { return Keeps(config); });
  const ExploreReport report = explored(whole_territory(make, {.granules = 2, .lazy_limit = {}, .ops = {}}));
  ASSERT_TRUE(report.found);
  EXPECT_EQ(report.found->violation->invariant, vmap::Invariant::memory);
}

TEST(Explore, WhatItFindsHasTheFewestMoves) {
  // The fault needs three areas at once; with fewer moves there are none.
  struct Third : VmapSubject<vmap::FreeSpace> {
    vmap::Result<Range> free(Address begin) {
      if (stats().busy_areas == 3) return std::unexpected(vmap::Error::not_busy);
      return VmapSubject<vmap::FreeSpace>::free(begin);
    }
  };
  for (const unsigned jobs : {1u, 3u}) {
    const ExploreReport report =
        explored(whole_territory(around<Third>(), {.granules = 5, .lazy_limit = {}, .ops = {}}), {.jobs = jobs});
    ASSERT_TRUE(report.found);
    EXPECT_EQ(report.found->moves.size(), 4u);
  }
}

TEST(Explore, ASubjectThatDiesIsAFindingWithTheMovesThatKilledIt) {
  std::size_t dead = 0;
  for (const FaultySubject& fault : faulty_subjects()) {
    if ((fault.shows != "SIGSEGV" && fault.shows != "SIGFPE" && fault.shows != "exit") || dead == 3) continue;
    const Territory territory = whole_territory(fault.entry.make, {.granules = 4, .lazy_limit = {}, .ops = all_ops});
    const ExploreReport report = explored(territory, {.jobs = 2});
    if (!report.found) continue;  // it needs a larger space
    const auto failure = run_isolated(territory.trace(report.found->moves), fault.entry.make);
    EXPECT_TRUE(failure && *failure) << fault.entry.name;
    if (report.found->death) ++dead;
  }
  EXPECT_EQ(dead, 3u);
}

/// A subject that does not repeat itself is said to be one.
TEST(Explore, ASubjectThatComesToAnotherStateTheSecondTimeIsFound) {
  struct Forgetful : VmapSubject<vmap::FreeSpace> {
    explicit Forgetful(VmapSubject<vmap::FreeSpace> inner) : VmapSubject<vmap::FreeSpace>(std::move(inner)) {}
    vmap::Result<vmap::Allocation> allocate(const vmap::Request& request) {
      static int calls = 0;
      return VmapSubject<vmap::FreeSpace>::allocate(++calls % 1000 == 0 ? vmap::Request{.size = 1} : request);
    }
  };
  EXPECT_TRUE(explored(whole_territory(around<Forgetful>(), {.granules = 6, .lazy_limit = {}, .ops = {}})).found);
}

// ---- State that is not seen

/// Sound, but for what it holds beside: allocations so far, of which none is forgotten.
struct Counts : ModelSubject {
  using ModelSubject::ModelSubject;
  vmap::Result<vmap::Allocation> allocate(const vmap::Request& request) {
    if (allocations >= lifetime) return std::unexpected(vmap::Error::no_space);
    auto result = ModelSubject::allocate(request);
    if (result) ++allocations;
    return result;
  }
  int allocations = 0;
  int lifetime = 6;
};

template <class S>
SubjectFactory made() {
  return factory([](const SubjectConfig& config) { return S(config); });
}

template <class S>
Territory counting(std::size_t granules = 3) {
  return whole_territory(made<S>(), {.granules = granules, .lazy_limit = {}, .ops = {}});
}

TEST(ExploreHidden, NothingIsClaimedOfASubjectThatDoesNotSayWhatItsStateIs) {
  struct Outlives : Counts {
    explicit Outlives(const SubjectConfig& config) : Counts(config) { lifetime = 1000; }
  };
  const ExploreReport report = explored(counting<Outlives>());
  EXPECT_FALSE(report.found);
  EXPECT_TRUE(report.complete);
  EXPECT_FALSE(report.exercised.keys_decide());
  EXPECT_GT(report.exercised.again, 0u);
  EXPECT_TRUE(explored(whole_of(3, {})).exercised.shows_all);
  EXPECT_TRUE(explored(index_of(3)).exercised.shows_all);
  EXPECT_FALSE(explored(index_of(3, "seed_2019")).exercised.keys_decide());
}

TEST(ExploreHidden, OtherWaysToTheSameStatesShowACounter) {
  const Territory territory = counting<Counts>();
  const ExploreReport report = explored(territory);
  ASSERT_TRUE(report.found);
  EXPECT_TRUE(report.found->astray);
  const auto failure = run_isolated(territory.trace(report.found->moves), made<Counts>());
  ASSERT_TRUE(failure && *failure);
  EXPECT_EQ((*failure)->violation.invariant, vmap::Invariant::answer);
}

TEST(ExploreHidden, ASubjectThatIsSlowDoesNotHang) {
  struct Sleeps : ModelSubject {
    using ModelSubject::ModelSubject;
    vmap::Result<vmap::Allocation> allocate(const vmap::Request& request) {
      static int calls = 0;  // the first state's moves are enough
      if (calls++ < 12) std::this_thread::sleep_for(std::chrono::milliseconds(5));
      return ModelSubject::allocate(request);
    }
  };
  const SubjectFactory make = factory([](const SubjectConfig& config) { return Sleeps(config); });
  ExploreOptions options{.depth_max = 1};
  options.limits.asleep = std::chrono::milliseconds(20);  // the moves of one state sleep for longer
  const ExploreReport report = explored(whole_territory(make, {.granules = 5, .lazy_limit = {}, .ops = {}}), options);
  EXPECT_FALSE(report.found);
}

TEST(ExploreHidden, WalksOfASlowSubjectEndSoonAfterItsTime) {
  struct Sleeps : ModelSubject {
    using ModelSubject::ModelSubject;
    vmap::Result<vmap::Allocation> allocate(const vmap::Request& request) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      return ModelSubject::allocate(request);
    }
  };
  const SubjectFactory make = factory([](const SubjectConfig& config) { return Sleeps(config); });
  const ExploreReport report = explored(whole_territory(make, {.granules = 3, .lazy_limit = {}, .ops = {}}),
                                        {.time = std::chrono::milliseconds(100)});
  EXPECT_FALSE(report.complete);
  EXPECT_FALSE(report.found);
  EXPECT_LT(report.exercised.again, 600u);  // of 896 transitions, which are those of the first state's walks
}

TEST(ExploreHidden, ADigestTellsStatesApartSoThatACounterIsFoundInTheFewestMoves) {
  struct Digest : Counts {
    using Counts::Counts;
    [[nodiscard]] std::uint64_t digest() const { return static_cast<std::uint64_t>(allocations); }
  };
  for (const unsigned jobs : {1u, 3u}) {
    const Territory territory = counting<Digest>(2);
    const ExploreReport report = explored(territory, {.jobs = jobs});
    ASSERT_TRUE(report.found);
    EXPECT_TRUE(report.exercised.has_digest);
    EXPECT_FALSE(report.found->astray);
    // With room for two: six allocations, five frees, and an allocation that is refused though there is room.
    EXPECT_EQ(report.found->moves.size(), 12u);
    EXPECT_TRUE(*run_isolated(territory.trace(report.found->moves), made<Digest>()));
  }
}

/// Takes the highest place after an odd number of frees, the lowest after an even one; promises neither.
struct Alternates {
  explicit Alternates(const SubjectConfig& config) : model(config.space) {}
  vmap::Result<vmap::Allocation> allocate(const vmap::Request& request) {
    auto found = model.predict(request);
    if (found && odd)
      for (Address begin = model.space().range.end - request.size; begin > found->range.begin; --begin)
        if (model.predict(Range{begin, begin + request.size})) {
          found->range = {begin, begin + request.size};
          break;
        }
    if (found) model.occupy(found->range, std::nullopt);
    return found;
  }
  vmap::Result<Range> free(Address begin) {
    if (model.busy_at(begin) == nullptr) return std::unexpected(vmap::Error::not_busy);
    odd = !odd;
    return model.vacate(begin);
  }
  static Promises promises() { return {.lowest = false, .fit_type = false}; }
  ReferenceModel model;
  bool odd = false;
};

struct Lies : Alternates {
  using Alternates::Alternates;
  using Transparent = Lies;
};

/// The model allows each answer: it is the subject's own word that is broken.
TEST(ExploreHidden, ASubjectThatSaysThatItShowsAllAndDoesNotIsConvicted) {
  struct Digesting : Alternates {
    using Alternates::Alternates;
    [[nodiscard]] std::uint64_t digest() const { return odd ? 1 : 0; }
  };
  const auto run = [](auto make, unsigned jobs) {
    return explored(whole_territory(factory(make), {.granules = 3, .lazy_limit = {}, .ops = {}}), {.jobs = jobs});
  };
  const auto lies = [](const SubjectConfig& config) { return Lies(config); };
  const ExploreReport convicted = run(lies, 1);
  ASSERT_TRUE(convicted.found);
  EXPECT_EQ(convicted.found->violation->invariant, vmap::Invariant::answer);
  EXPECT_FALSE(convicted.found->other.empty());
  EXPECT_NE(convicted.found->other, convicted.found->moves);
  const ExploreReport again = run(lies, 3);
  ASSERT_TRUE(again.found);
  EXPECT_EQ(again.found->moves, convicted.found->moves) << "whatever the number of threads";
  EXPECT_EQ(again.found->other, convicted.found->other);

  const ExploreReport silent = run([](const SubjectConfig& config) { return Alternates(config); }, 1);
  EXPECT_FALSE(silent.found);
  EXPECT_FALSE(silent.exercised.keys_decide());
  const ExploreReport digesting = run([](const SubjectConfig& config) { return Digesting(config); }, 1);
  EXPECT_FALSE(digesting.found);
  EXPECT_TRUE(digesting.complete);
  EXPECT_EQ(digesting.layouts, silent.layouts);
  EXPECT_GT(digesting.states, silent.states);
}

/// First fit that begins where the last search of that kind ended: forgotten by a free and by a purge, not by the purge
/// that a lazy limit begins.
struct Remembers : VmapSubject<vmap::FreeSpace> {
  explicit Remembers(VmapSubject<vmap::FreeSpace> inner) : VmapSubject<vmap::FreeSpace>(std::move(inner)) {}
  using Transparent = Remembers;
  vmap::Result<vmap::Allocation> allocate(const vmap::Request& request) {
    vmap::Request later = request;
    const bool anywhere = request.within == vmap::everywhere;
    if (anywhere && size != 0 && request.size >= size && request.align >= align) later.within.begin = from;
    auto result = VmapSubject<vmap::FreeSpace>::allocate(later);
    if (result && anywhere) from = result->range.begin, size = request.size, align = request.align;
    return result;
  }
  vmap::Result<Range> free(Address begin) {
    size = 0;
    return VmapSubject<vmap::FreeSpace>::free(begin);
  }
  Size purge() {
    size = 0;
    return VmapSubject<vmap::FreeSpace>::purge();
  }
  Address from = 0;
  Size size = 0;
  Size align = 0;
};

TEST(ExploreHidden, AFirstFitCacheThatSurvivesAPurgeIsFoundOnAnotherWay) {
  for (const std::size_t granules : {2u, 4u}) {
    const Territory territory =
        whole_territory(around<Remembers>(), {.granules = granules, .lazy_limit = 0, .ops = {.lazy = true}});
    const ExploreReport report = explored(territory, {.jobs = 2});
    ASSERT_TRUE(report.found) << granules;
    EXPECT_TRUE(*run_isolated(territory.trace(report.found->moves), around<Remembers>()));
  }
}

TEST(ExploreHidden, WalksAreTheSameWhateverTheThreadsAndInterruptions) {
  const ExploreReport whole = explored(index_of(9));
  EXPECT_GT(whole.exercised.again, 0u);
  EXPECT_EQ(explored(index_of(9), {.jobs = 3}).exercised.again, whole.exercised.again);
  const StateFile file;
  ExploreReport report;
  do {
    ExploreOptions options = kept_in(file);
    options.time = std::chrono::milliseconds(5);
    report = explored(index_of(9), options);
  } while (!report.complete);
  EXPECT_EQ(report.exercised.again, whole.exercised.again);
}

// ---- The set of states

TEST(StateSet, KeepsEachStateOnceWithItsLeastWay) {
  StateSet states;
  const StateId root = states.add_root(0);
  states.end_level();
  std::vector<StateSet::From> parents;
  for (StateKey key = 1; key <= 50; ++key) states.insert(key, {0, root}, static_cast<Move>(key));
  EXPECT_FALSE(states.insert(7, {0, root}, 99));
  states.end_level();
  for (std::size_t shard = 0; shard < StateSet::shards; ++shard)
    for (std::size_t place = states.level(shard).begin; place < states.level(shard).end; ++place)
      parents.push_back({states[StateId::of(shard, place)].key, StateId::of(shard, place)});
  ASSERT_EQ(parents.size(), 50u);
  for (const bool backwards : {false, true}) {
    std::ranges::sort(parents, {}, &StateSet::From::key);
    if (backwards) std::ranges::reverse(parents);
    for (const StateSet::From& from : parents)
      for (Move move = 5; move > 0; --move) states.insert(1000 + (backwards ? 1 : 0), from, move);
  }
  EXPECT_EQ(states.size(), 53u);
  states.end_level();
  for (std::size_t shard = 0; shard < StateSet::shards; ++shard)
    for (std::size_t place = states.level(shard).begin; place < states.level(shard).end; ++place) {
      const StateSet::State& state = states[StateId::of(shard, place)];
      EXPECT_EQ(states[state.parent].key, 1u);
      EXPECT_EQ(state.move, 1u);
    }
}

}  // namespace
}  // namespace vmapcheck
