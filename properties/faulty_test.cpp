// SPDX-License-Identifier: Apache-2.0
//
// The catalogue of faulty subjects is what it says: each trace shows its fault at the last op, and nothing else shows.
// Those that die are not run here; that their traces are sound is seen on our allocator.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <set>
#include <string>
#include <string_view>

#include "model/trace.hpp"
#include "properties/traces.hpp"
#include "subjects/faulty.hpp"

namespace vmapcheck {
namespace {

bool is_death(std::string_view text) { return std::ranges::find(death_names, text) != death_names.end(); }
bool is_shown(std::string_view text) {
  return std::ranges::find(faulty_subjects(), text, &FaultySubject::shows) != faulty_subjects().end();
}

Trace trace_of(const FaultySubject& fault) { return parse_trace(fault.trace).value(); }

TEST(Faulty, EachIsListedOnceAsASubject) {
  std::set<std::string> names;
  for (const FaultySubject& fault : faulty_subjects()) {
    EXPECT_TRUE(fault.entry.name.starts_with("fault_")) << fault.entry.name;
    EXPECT_TRUE(names.insert(fault.entry.name).second) << fault.entry.name;
    ASSERT_NE(find_subject(fault.entry.name), nullptr) << fault.entry.name;
    EXPECT_EQ(find_subject(fault.entry.name)->kind, SubjectKind::faulty) << fault.entry.name;
    EXPECT_TRUE(fault.dies() == is_death(fault.shows)) << fault.entry.name;
  }
  EXPECT_EQ(names.size(),
            static_cast<std::size_t>(std::ranges::count(subjects(), SubjectKind::faulty, &SubjectEntry::kind)));
}

TEST(Faulty, AtLeastAThirdOfAllThatIsBrokenDies) {
  const auto sound = std::ranges::count(subjects(), SubjectKind::sound, &SubjectEntry::kind);
  const auto broken = static_cast<std::ptrdiff_t>(subjects().size()) - sound;
  EXPECT_GE(3 * std::ranges::count_if(faulty_subjects(), &FaultySubject::dies), broken);
}

TEST(Faulty, TheyDieInEveryWay) {
  for (const std::string_view death : death_names) EXPECT_TRUE(is_shown(death)) << death;
}

TEST(Faulty, TheTraceOfEachShowsItAtItsLastOp) {
  for (const FaultySubject& fault : faulty_subjects()) {
    if (fault.dies()) continue;
    const Trace trace = trace_of(fault);
    const auto failure = run(trace, fault.entry.make).value();
    ASSERT_TRUE(failure) << fault.entry.name;
    EXPECT_EQ(name(failure->violation.invariant), fault.shows) << fault.entry.name;
    EXPECT_EQ(failure->step + 1, trace.ops.size()) << fault.entry.name;
  }
}

TEST(Faulty, TheTraceOfEachShowsNothingOnOurAllocator) {
  for (const FaultySubject& fault : faulty_subjects())
    EXPECT_FALSE(run(trace_of(fault), subject("vmap")).value()) << fault.entry.name;
}

TEST(Faulty, RandomTracesFindEachThatAnswersByWhatItBreaks) {
  for (const FaultySubject& fault : faulty_subjects()) {
    if (fault.dies()) continue;
    const CheckReport report = check_with(fault.entry.make, 500, 1000);
    ASSERT_TRUE(report.found) << fault.entry.name;
    EXPECT_EQ(name(report.found->failure.violation.invariant), fault.shows)
        << fault.entry.name << ": " << report.found->failure.violation.detail;
    EXPECT_TRUE(report.found->reproduced) << fault.entry.name;
  }
}

}  // namespace
}  // namespace vmapcheck
