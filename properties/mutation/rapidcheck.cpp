// SPDX-License-Identifier: Apache-2.0
//
// RapidCheck against a subject in a shared object, as the properties use it: it draws, counts cases and shrinks; a
// trace shrinks to what the project's minimizer makes of it.
//
//     mutants_rapidcheck FILE.so SEED OPS
//
// Prints one line of JSON: {"ops":N,"verdict":"ok"}, or with what was found. Exit status: 0, 10 a violation, 2 usage,
// 3 the subject cannot be run.
#include <rapidcheck.h>

#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "harness/verify/isolated.hpp"
#include "properties/traces.hpp"
#include "subjects/loaded.hpp"

namespace vmapcheck {
namespace {

constexpr std::uint64_t ops_of_a_trace = 300;  // as in properties/whole_traces_test.cpp

struct Found {
  Failure failure;
  std::size_t length;
};

/// Random traces, of which a failing one shrinks in one stride.
rc::Gen<Trace> shrinking_traces(const SubjectFactory& make) {
  return rc::Gen<Trace>([make](const rc::Random& random, int) {
    rc::Random numbers = random;
    return rc::shrinkable::shrinkRecur(generate_trace(numbers.next(), 0, ops_of_a_trace), [make](const Trace& trace) {
      const auto outcome = run_isolated(trace, make);
      if (!outcome || !*outcome) return rc::Seq<Trace>();
      MinimizeOptions options;
      options.time = std::chrono::seconds(2);
      options.search = false;
      Minimized minimal = minimize(trace, **outcome, make, options);
      if (minimal.trace.ops.size() >= trace.ops.size()) return rc::Seq<Trace>();
      return rc::seq::just(std::move(minimal.trace));
    });
  });
}

int check_with_rapidcheck(const std::string& path, std::uint64_t seed, std::uint64_t ops_max) {
  const auto subject = load_subject(path);
  if (!subject) {
    std::fprintf(stderr, "mutants_rapidcheck: %s\n", subject.error().c_str());
    return 3;
  }
  const SubjectFactory& make = (*subject)->make;
  std::uint64_t ops = 0;
  std::optional<Found> found;
  std::optional<std::string> not_made;
  const auto keeps_every_invariant = [&] {
    const Trace trace = *shrinking_traces(make);
    const auto outcome = run_isolated(trace, make);
    if (!outcome) {
      not_made = outcome.error();
      RC_FAIL(outcome.error());
    }
    if (!found) ops += *outcome ? (*outcome)->step + 1 : trace.ops.size();  // what shrinking runs is not counted
    if (!*outcome) return;
    found = Found{**outcome, trace.ops.size()};
    RC_FAIL(signature(**outcome));
  };
  rc::detail::TestParams params;
  params.seed = seed;
  params.maxSuccess = static_cast<int>(std::max<std::uint64_t>(1, ops_max / ops_of_a_trace));
  (void)rc::detail::checkTestable(keeps_every_invariant, rc::detail::TestMetadata{}, params);
  if (not_made) {
    std::fprintf(stderr, "mutants_rapidcheck: cannot construct: %s\n", not_made->c_str());
    return 3;
  }
  nlohmann::ordered_json json{{"ops", ops}, {"verdict", found ? "violation" : "ok"}};
  if (found) {
    json["found"] = {{"kind", name(found->failure.kind)}, {"step", found->failure.step}, {"ops", found->length}};
    if (found->failure.kind == FailureKind::violation)
      json["found"]["invariant"] = name(found->failure.violation.invariant);
  }
  std::puts(json.dump().c_str());
  return found ? 10 : 0;
}

}  // namespace
}  // namespace vmapcheck

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("usage: mutants_rapidcheck FILE.so SEED OPS\n", stderr);
    return 2;
  }
  return vmapcheck::check_with_rapidcheck(argv[1], std::strtoull(argv[2], nullptr, 10),
                                          std::strtoull(argv[3], nullptr, 10));
}
