// SPDX-License-Identifier: Apache-2.0
//
// What a failure is called: signatures, short names, and the functions in them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/isolate/failure.hpp"
#include "harness/isolate/symbols.hpp"
#include "harness/verify/isolated.hpp"
#include "model/trace.hpp"
#include "subjects/faulty.hpp"

namespace vmapcheck {
namespace {

// ---- Names of functions

constexpr struct {
  std::string_view demangled;
  std::string_view expected;
} names[] = {
    // What stands before the parameters, without arguments of templates.
    {"", ""},
    {"main", "main"},
    {"mine::Tree::rotate(Node*)", "mine::Tree::rotate"},
    {"mine::Tree::size() const", "mine::Tree::size"},
    {"mine::Tree::size() const &", "mine::Tree::size"},
    {"mine::Tree::take() &&", "mine::Tree::take"},
    {"mine::Tree::size() volatile const noexcept", "mine::Tree::size"},
    {"mine::Tree::Tree(mine::Tree const&)", "mine::Tree::Tree"},
    {"mine::Tree::~Tree()", "mine::Tree::~Tree"},
    {"mine::Tree<int>::~Tree()", "mine::Tree::~Tree"},
    {"~Tree", "~Tree"},  // as debugging information has it
    {"rotate<mine::Node, true>", "rotate"},
    // Templates have the type of their result in front.
    {"void mine::Tree<Node, Max>::rotate(Node*) [clone .part.0]", "mine::Tree::rotate"},
    {"unsigned long mine::sum<unsigned long>(std::vector<unsigned long, std::allocator<unsigned long> > const&)",
     "mine::sum"},
    {"std::vector<int, std::allocator<int> > mine::list<int>()", "mine::list"},
    {"mine::Node* mine::find<mine::Node>(mine::Node*)", "mine::find"},
    {"std::map<int, char const*> const& mine::Table<int>::get<(mine::Kind)1>() const", "mine::Table::get"},
    {"decltype(auto) mine::pass<int>(int&&)", "mine::pass"},
    {"decltype ((forward<int>)({parm#1})) mine::pass<int>(int&&)", "mine::pass"},
    {"auto mine::pass<int>(int&&)", "mine::pass"},
    {"void (*mine::handler<int>(int))(double)", "mine::handler"},
    {"void mine::visit<void (*)(int)>(void (*)(int))", "mine::visit"},
    {"void mine::visit<&(mine::operator<(int, int))>()", "mine::visit"},
    {"void mine::visit<(2>1)>()", "mine::visit"},
    {"void mine::visit<mine::f()::{lambda(int)#1}>(mine::f()::{lambda(int)#1}&&)", "mine::visit"},
    {"void mine::visit<mine::f()::'lambda'(int)>(mine::f()::'lambda'(int)&&)", "mine::visit"},
    // No part that the source does not name.
    {"(anonymous namespace)::help()", "help"},
    {"mine::(anonymous namespace)::help(int)", "mine::help"},
    {"mine::(anonymous namespace)::Tree<(anonymous namespace)::Node>::rotate()", "mine::Tree::rotate"},
    {"void mine::(anonymous namespace)::help<int>(int)", "mine::help"},
    {"mine::{unnamed type#1}::run()", "mine::run"},
    {"mine::Tree::{unnamed type#2}::run() const", "mine::Tree::run"},
    {"mine::'unnamed'::run()", "mine::run"},
    {"mine::name[abi:cxx11]()", "mine::name"},
    {"mine::Tree::name[abi:cxx11](int) const", "mine::Tree::name"},
    {"std::__cxx11::basic_string<char> mine::name[abi:cxx11]<int>()", "mine::name"},
    // Parts that the compiler made of a function.
    {"mine::help(int) [clone .cold]", "mine::help"},
    {"mine::help(int) const [clone .isra.0] [clone .part.1]", "mine::help"},
    {"mine::help(int) (.part.0)", "mine::help"},
    {"mine::help(int) (.isra.0) (.cold)", "mine::help"},
    {"help.part.0", "help"},
    {"help.constprop.0.isra.0", "help"},
    {"non-virtual thunk to mine::Tree::help()", "mine::Tree::help"},
    // Not names at all.
    {"libmine.so.2+0x1234", "libmine.so.2+0x1234"},
    // Of a lambda: that of the function around it.
    {"mine::find(int)::{lambda(int)#1}::operator()(int) const", "mine::find"},
    {"mine::find(int)::'lambda'(int)::operator()(int) const", "mine::find"},
    {"mine::find(int)::'lambda0'(int)::operator()(int) const", "mine::find"},
    {"mine::find(int)::$_0::operator()(int) const", "mine::find"},
    {"mine::find(int)::$_0::__invoke(int)", "mine::find"},
    {"mine::find(int)::{lambda(int)#2}::_FUN(int)", "mine::find"},
    {"mine::Tree<int>::walk() const::{lambda(auto:1)#1}::operator()<int>(int) const", "mine::Tree::walk"},
    {"auto mine::Tree<int>::walk() const::{lambda(auto:1)#1}::operator()<int>(int) const", "mine::Tree::walk"},
    {"mine::find(int)::{lambda(int)#1}::operator()(int) const::{lambda()#1}::operator()() const", "mine::find"},
    {"mine::find(int)::Local::run(int)", "mine::find::Local::run"},
    {"mine::find(std::function<void (int)>)::Local::run(int) const", "mine::find::Local::run"},
    // Of an operator: with its sign.
    {"mine::Compare::operator()(int, int) const", "mine::Compare"},  // called like a function: the type stands for it
    {"bool mine::Compare::operator()<int>(int, int) const", "mine::Compare"},
    {"bool mine::Tree::walk()::Visit::operator()<int>(int)", "mine::Tree::walk::Visit"},
    {"mine::operator<(mine::Node const&, mine::Node const&)", "mine::operator<"},
    {"bool mine::operator< <int>(mine::Box<int> const&, mine::Box<int> const&)", "mine::operator<"},
    {"bool mine::operator><int>(mine::Box<int> const&, mine::Box<int> const&)", "mine::operator>"},
    {"std::ostream& mine::operator<<(std::ostream&, mine::Node const&)", "mine::operator<<"},
    {"std::ostream& mine::operator<< <char>(std::ostream&, mine::Node const&)", "mine::operator<<"},
    {"mine::Node::operator>>(int)", "mine::Node::operator>>"},
    {"mine::Node::operator<<=(int)", "mine::Node::operator<<="},
    {"mine::operator<=>(mine::Node const&, mine::Node const&)", "mine::operator<=>"},
    {"mine::Node::operator<=(mine::Node const&) const", "mine::Node::operator<="},
    {"mine::Iterator::operator->() const", "mine::Iterator::operator->"},
    {"mine::Iterator::operator->*(int) const", "mine::Iterator::operator->*"},
    {"mine::Iterator<int>::operator*() const", "mine::Iterator::operator*"},
    {"mine::Iterator<int>::operator++()", "mine::Iterator::operator++"},
    {"mine::Iterator<int>::operator==(mine::Iterator<int> const&) const", "mine::Iterator::operator=="},
    {"mine::Table::operator[](unsigned long)", "mine::Table::operator[]"},
    {"mine::Table::operator,(int)", "mine::Table::operator,"},
    {"operator new(unsigned long)", "operator new"},
    {"operator new[](unsigned long, std::align_val_t)", "operator new[]"},
    {"operator delete(void*)", "operator delete"},
    {"mine::Node::operator delete[](void*)", "mine::Node::operator delete[]"},
    {"mine::operator\"\" _kib(unsigned long long)", "mine::operator\"\" _kib"},
    {"mine::Node::operator bool() const", "mine::Node::operator bool"},
    {"mine::Node::operator unsigned long() const", "mine::Node::operator unsigned long"},
    {"mine::Node::operator std::vector<int, std::allocator<int> >() const", "mine::Node::operator std::vector"},
    {"mine::Node::operator mine::Tree*<mine::Tree>() const", "mine::Node::operator mine::Tree*"},
    {"mine::operators::run()", "mine::operators::run"},
    {"mine::my_operator(int)", "mine::my_operator"},
};

TEST(FunctionName, IsTheOneOfTheSource) {
  for (const auto& [demangled, expected] : names) EXPECT_EQ(function_name(demangled), expected) << demangled;
}

TEST(FunctionName, OfAnyTextIsSome) {
  for (const std::string_view text :
       {"(",         ")", "<",  ">",  "[",   "{",  "'",   "::",      "operator",   "operator<",
        "operator ", " ", "f(", "f<", "a b", "$_", "$_0", "{lambda", "operator()", "(anonymous namespace)"})
    EXPECT_LE(function_name(text).size(), text.size()) << text;
}

// ---- Signatures

Failure death(FailureKind kind, std::string what, std::vector<std::string> functions = {}) {
  Failure failure;
  failure.kind = kind;
  failure.what = std::move(what);
  for (std::string& function : functions) failure.frames.push_back({std::move(function)});
  return failure;
}

TEST(Signature, IsTheInvariantWhereverItBreaks) {
  Failure failure{7, Op(Purge{}), {vmap::Invariant::augment, "wrong"}};
  EXPECT_EQ(signature(failure), "augment");
  EXPECT_EQ(short_name(failure), "augment");
  failure.phase = Phase::end;
  failure.violation.detail = "wrong otherwise";
  EXPECT_EQ(signature(failure), "augment");
}

TEST(Signature, OfADeathHasTheTwoInnermostFramesAndTheShortNameHasNone) {
  using enum FailureKind;
  const struct {
    Failure failure;
    std::string_view signature, short_name;
  } deaths[] = {
      {death(signal, "SIGSEGV"), "SIGSEGV", "sigsegv"},
      {death(signal, "SIGSEGV", {"mine::f"}), "SIGSEGV in mine::f", "sigsegv"},
      {death(signal, "SIGSEGV", {"mine::f", "mine::g", "mine::h"}), "SIGSEGV in mine::f < mine::g", "sigsegv"},
      {death(signal, "signal 35"), "signal 35", "signal-35"},
      {death(signal, "std::terminate"), "std::terminate", "std--terminate"},
      {death(sanitizer, "heap-use-after-free", {"mine::f"}), "heap-use-after-free in mine::f", "heap-use-after-free"},
      {death(exception, "std::out_of_range", {"mine::f"}), "exception std::out_of_range in mine::f", "exception"},
      {death(exit, "3", {"mine::f"}), "exit 3", "exit"},
      {death(memory_limit, "", {"mine::f"}), "memory-limit in mine::f", "memory-limit"},
  };
  for (const auto& each : deaths) {
    EXPECT_EQ(signature(each.failure), each.signature);
    EXPECT_EQ(short_name(each.failure), each.short_name);
  }
}

TEST(Signature, OfWhatIsVmapchecksOwnFaultSaysSoAndIsLikeNoOther) {
  const Failure own = death(FailureKind::oracle, "SIGSEGV", {"vmapcheck::GapIndex::take", "vmapcheck::Executor::step"});
  EXPECT_EQ(signature(own), "oracle SIGSEGV in vmapcheck::GapIndex::take");
  EXPECT_EQ(short_name(own), "oracle");
  for (const Kept kept : {Kept::signature, Kept::kind, Kept::anything}) {
    EXPECT_TRUE(alike(own, own, kept));
    EXPECT_FALSE(alike(own, death(FailureKind::signal, "SIGSEGV", {own.frames.front().function}), kept));
  }
}

TEST(Signature, OfAHangIsTheKindOfOpForTheFramesAreWhereItWasStopped) {
  Failure failure = death(FailureKind::hang, "", {"mine::f"});
  failure.op = FreeAt{1};
  EXPECT_EQ(signature(failure), "hang in free-at");
  EXPECT_EQ(short_name(failure), "hang");
  failure.op.reset();
  failure.phase = Phase::end;
  EXPECT_EQ(signature(failure), "hang in destruction");
  failure.phase = Phase::construction;
  EXPECT_EQ(signature(failure), "hang in construction");
}

TEST(Signature, SaysWhichKindItIsForAllKinds) {
  std::set<std::string> different;
  for (std::size_t kind = 0; kind < failure_kind_names.size(); ++kind) {
    Failure failure = death(static_cast<FailureKind>(kind), "what");
    failure.what = kind == 0 ? "" : failure_kind_names[kind];
    different.insert(signature(failure));
    EXPECT_FALSE(short_name(failure).empty()) << kind;
    EXPECT_EQ(signature(failure).find('\n'), std::string::npos);
  }
  EXPECT_EQ(different.size(), failure_kind_names.size());
}

TEST(ShortName, IsGoodForTheNameOfAFile) {
  const std::string longest = short_name(death(FailureKind::sanitizer, "../" + std::string(100, 'x')));
  EXPECT_LE(longest.size(), 40u);
  EXPECT_EQ(longest.find_first_of("/."), std::string::npos);
}

// ---- Frames

Failure failure_of_fault(std::string_view fault_name) {
  for (const FaultySubject& fault : faulty_subjects())
    if (fault.entry.name == fault_name)
      return run_isolated(parse_trace(fault.trace).value(), fault.entry.make)->value();
  throw std::invalid_argument(std::string(fault_name));
}

bool mentions(const std::vector<Frame>& frames, std::string_view part) {
  return std::ranges::any_of(frames, [&](const Frame& frame) { return frame.function.contains(part); });
}

TEST(SubjectFrames, OfADeathNameTheFunctionOfTheSubject) {
  struct Known {
    std::string_view fault, function;
  };
  constexpr Known known[] = {{"fault_division", "Division::free"},    {"fault_assertion", "Assertion::free"},
                             {"fault_recursion", "Recursion::depth"}, {"fault_out_of_range", "OutOfRange::free_lazily"},
                             {"fault_throws_int", "ThrowsInt::find"}, {"fault_null_root", "NullRoot::allocate"}};
  for (const auto& [fault, function] : known) {
    const Failure failure = failure_of_fault(fault);
    ASSERT_FALSE(failure.frames.empty()) << fault;
    EXPECT_TRUE(mentions(failure.frames, function)) << fault << ": " << signature(failure);
    EXPECT_TRUE(signature(failure).contains(function)) << fault << ": " << signature(failure);
    // What was inlined into it stands before it, where the compiler does not say that it is the standard library's.
    const auto frame =
        std::ranges::find_if(failure.frames, [&](const Frame& f) { return f.function.contains(function); });
    ASSERT_NE(frame, failure.frames.end()) << fault;
    EXPECT_TRUE(frame->file.ends_with("subjects/faulty.cpp")) << fault;
    EXPECT_NE(frame->line, 0u) << fault;
    for (const std::string_view foreign :
         {"std::", "vmapcheck::Executor", "vmapcheck::run", "vmapcheck::walk", "abort"})
      EXPECT_FALSE(mentions(failure.frames, foreign)) << fault << ": " << foreign;
  }
}

TEST(SubjectFrames, HaveAFunctionThatCalledItselfOnce) {
  const Failure failure = failure_of_fault("fault_recursion");
  EXPECT_EQ(std::ranges::count_if(failure.frames, [](const Frame& f) { return f.function.contains("depth"); }), 1);
}

TEST(SubjectFrames, OfNothingAreNone) {
  EXPECT_TRUE(blame_for({}).frames.empty());
  const std::uintptr_t nowhere[] = {0, 1, ~std::uintptr_t{0}};
  EXPECT_TRUE(blame_for(nowhere).frames.empty());
  EXPECT_FALSE(blame_for(nowhere).harness);
}

[[gnu::noinline]] void a_function_of_this_test() {}

TEST(FramesAt, KnowTheFunctionAtAnAddressAndItsFile) {
  const auto address = reinterpret_cast<std::uintptr_t>(&a_function_of_this_test);
  const std::vector<Frame>& frames = frames_at(address);
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_TRUE(frames[0].function.find("a_function_of_this_test") != std::string::npos) << frames[0].function;
  EXPECT_TRUE(frames[0].file.ends_with("properties/failure_test.cpp")) << frames[0].file;
  EXPECT_NE(frames[0].line, 0u);
  EXPECT_EQ(&frames_at(address), &frames);  // looked up once
}

TEST(Symbolized, AReportSaysFunctionsFilesAndLines) {
  const auto address = reinterpret_cast<std::uintptr_t>(&a_function_of_this_test);
  char text[256];
  std::snprintf(text, sizeof text,
                "ERROR: f\n    #0 0x%zx  (/a/b+0x12) (BuildId: 1)\n\n  #0 0x1 in f g.cpp:1\n  #1 0x1  (c",
                static_cast<std::size_t>(address));
  const std::string report = symbolized(text);
  std::snprintf(text, sizeof text, "ERROR: f\n    #0 0x%zx in ", static_cast<std::size_t>(address));
  EXPECT_TRUE(report.starts_with(text)) << report;
  EXPECT_TRUE(report.contains("a_function_of_this_test at ")) << report;
  EXPECT_TRUE(report.contains("properties/failure_test.cpp:")) << report;
  EXPECT_TRUE(report.ends_with("\n\n  #0 0x1 in f g.cpp:1\n  #1 0x1 in ?+0x1  (c")) << report;
  EXPECT_EQ(symbolized("#\n#0 0x\n(0x1"), "#\n#0 0x\n(0x1");
  EXPECT_EQ(symbolized(""), "");
}

TEST(FramesAt, SayWhereAnAddressIsThatNothingIsKnownOf) {
  const std::vector<Frame>& frames = frames_at(1);
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].function, "?+0x1");
}

}  // namespace
}  // namespace vmapcheck
