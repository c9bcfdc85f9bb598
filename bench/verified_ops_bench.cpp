// SPDX-License-Identifier: Apache-2.0
//
// What verification costs: the same ops on the bare allocator, under the executor with either way of checking, and
// drawn from the grammar while they run. Items are ops; compare items_per_second within one run.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "harness/random/choices.hpp"
#include "harness/random/draw.hpp"
#include "harness/verify/executor.hpp"
#include "harness/verify/model_subject.hpp"
#include "subjects/registry.hpp"
#include "vmap/address_space.hpp"

namespace vmapcheck {
namespace {

constexpr std::size_t ops_count = 20'000;

/// An ordinary mix in which about `free_blocks` free blocks live: no op is off, none favoured.
Shape ordinary_shape(std::uint32_t free_blocks) {
  Shape shape;
  shape.live_max = 3 * free_blocks;
  shape.space.range = {0x10'0000, 0x10'0000 + Size{shape.live_max} * 4 * 0x1000};
  shape.space.granule = 0x1000;
  shape.space.lazy_limit = 0x8000;
  shape.weights = weights_usual;
  shape.weights[op_kind<OnExhaustion>] = 0;  // hooks stay registered: a long run would only call spent ones
  return shape;
}

/// The ops of that mix, after it has reached its size, and the space as it was then: so that every measured op meets a
/// full house.
struct Workload {
  Trace trace;
  double free_blocks_mean = 0;
};

Workload make_workload(std::uint32_t free_blocks) {
  Random random(20240229);
  Generator generator(random, ordinary_shape(free_blocks));
  Workload workload{.trace = {.comments = {}, .space = generator.shape().space, .ops = {}}};
  auto executor = Executor::create(workload.trace.space, model_subject(), Checking::amortized).value();
  for (std::size_t i = 0; i < ops_count; ++i) {
    workload.trace.ops.push_back(generator.next(*executor));
    (void)executor->step(workload.trace.ops.back());
    workload.free_blocks_mean += static_cast<double>(executor->free_blocks()) / ops_count;
  }
  return workload;
}

/// Performs ops with nothing but what is needed to know which area a label names.
class Bare {
 public:
  explicit Bare(const Space& space)
      : space_(*vmap::AddressSpace::create({.range = space.range,
                                            .granule = space.granule,
                                            .lazy_limit = space.lazy_limit.value_or(vmap::address_max)})),
        begin_of_(ops_count) {}

  void operator()(const Alloc& op) { bind(op.label, space_.allocate(op.request)); }
  void operator()(const AllocAt& op) { bind(op.label, space_.allocate_at(op.range)); }
  void operator()(const Congruent& op) {
    benchmark::DoNotOptimize(space_.allocate_congruent(op.blocks, op.align, op.within));
  }
  void operator()(const Free& op) {
    if (const auto begin = std::exchange(begin_of_[op.label.id], std::nullopt))
      benchmark::DoNotOptimize(space_.free(*begin));
  }
  void operator()(const FreeAt& op) { benchmark::DoNotOptimize(space_.free(op.address)); }
  void operator()(const FreeLazily& op) {
    if (const auto begin = std::exchange(begin_of_[op.label.id], std::nullopt))
      benchmark::DoNotOptimize(space_.free_lazily(*begin));
  }
  void operator()(const FreeLazilyAt& op) { benchmark::DoNotOptimize(space_.free_lazily(op.address)); }
  void operator()(const Purge&) { benchmark::DoNotOptimize(space_.purge()); }
  void operator()(const Find& op) { benchmark::DoNotOptimize(space_.find(op.address)); }
  void operator()(const OnExhaustion&) {}
  void operator()(const FailMetadata&) {}

 private:
  void bind(Label label, const vmap::Result<vmap::Allocation>& result) {
    if (result) begin_of_[label.id] = result->range.begin;
  }

  vmap::AddressSpace space_;
  std::vector<std::optional<Address>> begin_of_;
};

void count(benchmark::State& state, const Workload& workload) {
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(workload.trace.ops.size()));
  state.counters["free_blocks"] = workload.free_blocks_mean;
}

void BareAllocator(benchmark::State& state) {
  const Workload workload = make_workload(static_cast<std::uint32_t>(state.range(0)));
  for (auto _ : state) {
    Bare bare(workload.trace.space);
    for (const Op& op : workload.trace.ops) std::visit(bare, op);
  }
  count(state, workload);
}
BENCHMARK(BareAllocator)->Arg(10)->Arg(100)->Arg(1000);

void Verified(benchmark::State& state, Checking checking) {
  const Workload workload = make_workload(static_cast<std::uint32_t>(state.range(0)));
  const SubjectFactory& make = find_subject("vmap")->make;
  for (auto _ : state) {
    const auto outcome = run(workload.trace, make, {.checking = checking});
    if (!outcome || *outcome) state.SkipWithError("the allocator has failed: run the properties");
  }
  count(state, workload);
}
BENCHMARK_CAPTURE(Verified, amortized, Checking::amortized)->Arg(10)->Arg(100)->Arg(1000);
BENCHMARK_CAPTURE(Verified, every_step, Checking::every_step)->Arg(10)->Arg(100);

/// As `check` does it: ops are drawn while they run.
void DrawnAndVerified(benchmark::State& state) {
  const Shape shape = ordinary_shape(static_cast<std::uint32_t>(state.range(0)));
  const SubjectFactory& make = find_subject("vmap")->make;
  for (auto _ : state) {
    Random random(20240229);
    Generator generator(random, shape);
    auto executor = Executor::create(shape.space, make, Checking::amortized).value();
    for (std::size_t i = 0; i < ops_count; ++i)
      if (executor->step(generator.next(*executor)))
        state.SkipWithError("the allocator has failed: run the properties");
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(ops_count));
}
BENCHMARK(DrawnAndVerified)->Arg(10)->Arg(100)->Arg(1000);

}  // namespace
}  // namespace vmapcheck
