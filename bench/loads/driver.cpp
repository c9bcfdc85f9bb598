// SPDX-License-Identifier: Apache-2.0
#include "bench/loads/driver.hpp"

#include <algorithm>
#include <ctime>
#include <utility>

#include "bench/loads/baselines.hpp"
#include "vmap/address_space.hpp"

namespace vmapcheck::bench {
namespace {

/// What the subject lacks, in words; empty: nothing.
std::string lacking(const Load& load, const Features& has, bool chooses_places) {
  if (load.needs_places && !chooses_places) return "chooses no addresses";
  if (load.needs.allocate_at && !has.allocate_at) return "does not place at an address";
  if (load.needs.congruent && !has.congruent) return "has no congruent placement";
  if (load.needs.lazy && !has.lazy) return "has no lazy frees";
  if (load.needs.find && !has.find) return "finds no areas";
  return "";
}

}  // namespace

std::optional<Performer> baseline_named(const std::string& name) {
  if (name == "null") return Performer{name, factory([](const SubjectConfig&) { return NullSubject{}; })};
  if (name == "malloc")
    return Performer{name, factory([](const SubjectConfig& config) { return MallocSubject(config); }), false};
  return std::nullopt;
}

Driver::Driver(const Load& load, const Performer& who)
    : load_(load), chooses_places_(who.chooses_places), slots_(load.slots, none) {}

Driver::~Driver() {
  if (chooses_places_ || subject_ == nullptr) return;
  for (const Address begin : slots_)  // memory of the process
    if (begin != none) subject_->free(begin);
}

std::expected<std::unique_ptr<Driver>, std::string> Driver::create(const Load& load, const Performer& who) {
  std::unique_ptr<Driver> driver(new Driver(load, who));
  auto made =
      who.make({.space = load.space, .metadata = &driver->metadata_, .nodes_per_slab = vmap::Options{}.nodes_per_slab});
  if (!made) return std::unexpected(made.error());
  driver->subject_ = *std::move(made);
  if (std::string why = lacking(load, driver->subject_->features(), who.chooses_places); !why.empty())
    return std::unexpected(std::move(why));
  return driver;
}

double processor_seconds() {
  std::timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

bool Driver::prepare(double most, const std::function<bool()>& stopped) {
  constexpr std::size_t ops_between_looks = 64;
  const double end = processor_seconds() + most;
  std::size_t performed = 0;
  const auto perform_all = [&](const std::vector<LoadOp>& ops, std::size_t first, std::size_t count) {
    for (std::size_t i = first; i < first + count; ++i) {
      perform(ops[i]);
      if (++performed % ops_between_looks == 0 && (processor_seconds() > end || stopped())) return false;
    }
    return true;
  };
  if (!perform_all(load_.setup, 0, load_.setup.size())) return false;
  for (std::size_t round = 0; round < load_.warm_up; ++round) {
    if (!perform_all(load_.ops, at_, load_.ops_per_round)) return false;
    at_ = (at_ + load_.ops_per_round) % load_.ops.size();
  }
  return true;
}

void Driver::perform(const LoadOp& op) {
  const auto take = [&] { return std::exchange(slots_[op.slot], none); };
  switch (op.kind) {
    case LoadOp::Kind::allocate:
      return keep(op.slot, subject_->allocate({.size = op.granules * load_.space.granule,
                                               .align = load_.space.granule << op.align_log2,
                                               .within = load_.ranges[op.place]}));
    case LoadOp::Kind::allocate_at: return keep(op.slot, subject_->allocate_at(load_.ranges[op.place]));
    case LoadOp::Kind::congruent: {
      const std::vector<vmap::Block>& blocks = load_.shapes[op.place];
      const auto base = subject_->allocate_congruent(blocks, load_.space.granule, vmap::everywhere);
      for (std::uint32_t i = 0; base && i < blocks.size(); ++i) slots_[op.slot + i] = *base + blocks[i].offset;
      if (!base) ++failed_;
      return;
    }
    case LoadOp::Kind::free:
      if (const Address begin = take(); begin != none) subject_->free(begin);
      return;
    case LoadOp::Kind::free_lazily:
      if (const Address begin = take(); begin != none) subject_->free_lazily(begin);
      return;
    case LoadOp::Kind::find: found_ += subject_->find(slots_[op.slot]).has_value(); return;
    case LoadOp::Kind::purge: subject_->purge(); return;
  }
}

std::optional<Work> Driver::work() const {
  if (!subject_->features().stats) return std::nullopt;
  vmap::Stats stats;
  subject_->stats(stats);
  return Work{stats.nodes_visited, stats.nodes_propagated};
}

Holdings Driver::holdings() const {
  Holdings holdings;
  if (metadata_.bytes_outstanding() != 0)
    holdings.metadata_bytes = static_cast<double>(metadata_.bytes_outstanding()) / static_cast<double>(load_.live);
  if (subject_->features().observable) {
    std::vector<Range> busy;
    subject_->busy(busy);
    Size bytes = 0;
    Range extent{vmap::address_max, 0};
    for (const Range range : busy) {
      bytes += range.size();
      extent = {std::min(extent.begin, range.begin), std::max(extent.end, range.end)};
    }
    if (bytes != 0) holdings.extent = static_cast<double>(extent.size()) / static_cast<double>(bytes);
  }
  if (subject_->features().stats) {
    vmap::Stats stats;
    subject_->stats(stats);
    holdings.fragmentation = stats.fragmentation();
  }
  return holdings;
}

}  // namespace vmapcheck::bench
