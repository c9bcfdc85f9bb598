// SPDX-License-Identifier: Apache-2.0
#include "harness/explore/whole_world.hpp"

#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <variant>

#include "harness/verify/arena.hpp"
#include "harness/verify/executor.hpp"

namespace vmapcheck {
namespace {

using vmap::Violation;

/// An op of the alphabet, by its index; and the number, from 1, of the request for metadata that fails in it, or 0.
struct Letter {
  static constexpr unsigned op_bits = 24;
  std::size_t op = 0;
  std::uint32_t fails = 0;

  [[nodiscard]] Move move() const { return static_cast<Move>(op) | fails << op_bits; }
  static Letter of(Move move) { return {move & ((1u << op_bits) - 1), move >> op_bits}; }
};

/// Gives the label that the op binds, if it binds one, that number.
void relabel(Op& op, std::uint32_t id) {
  if (Label* const label = bound_label(op)) label->id = id;
}

Space space_of(const WholeWorldOptions& options) {
  return {.range = {options.base, options.base + options.granule * options.granules},
          .granule = options.granule,
          .lazy_limit = options.lazy_limit,
          .busy = {}};
}

class WholeWorld final : public World {
 public:
  WholeWorld(const SubjectFactory& make, const WholeWorldOptions& options, Whereabouts& here)
      : make_(make), options_(options), here_(here), alphabet_(alphabet(options)), marks_(explore_depth_max + 1) {}

  /// Why the subject cannot be made, or nothing.
  std::string begin();

  std::optional<Violation> enter(std::span<const Move> path) override;
  [[nodiscard]] StateKey key() const override { return key_; }
  void expand(Explorer& explorer) override;
  [[nodiscard]] Exercised exercised() const override;
  std::optional<Violation> finish() override;

 private:
  std::optional<Violation> perform(Letter letter);
  bool try_one(Explorer& explorer, Letter letter);
  void back();
  void count_tree_cases();
  [[nodiscard]] StateKey key_now() const;

  const SubjectFactory& make_;
  WholeWorldOptions options_;
  Whereabouts& here_;
  std::vector<Op> alphabet_;
  std::unique_ptr<Arena> arena_;  ///< outlives the executor
  std::unique_ptr<Executor> executor_;
  bool rewinds_ = false;
  bool lost_ = false;  ///< the executor's state is undefined
  std::vector<Move> path_;
  std::vector<Executor::Mark> marks_;  ///< marks_[d]: after the first d moves of path_
  std::size_t marked_ = 0;             ///< how many hold
  StateKey key_ = 0;
  vmap::TreeCaseCounts cases_before_{};
  Exercised exercised_;
  Coverage counted_;  ///< of executors that are gone
};

std::string WholeWorld::begin() {
  constexpr std::size_t metadata_max = std::size_t{1} << 18;  // far more than so few granules need
  if (executor_ != nullptr) counted_ += executor_->coverage();
  executor_.reset();
  // Out of an arena only where that is of use: another subject may want more metadata than it has.
  arena_ = rewinds_ ? std::make_unique<Arena>(metadata_max) : nullptr;
  auto executor = Executor::create(space_of(options_), make_, Checking::every_step, arena_.get());
  if (!executor) return executor.error();
  executor_ = *std::move(executor);
  executor_->report_to(here_.beacon);
  if (!rewinds_ && executor_->subject_can_rewind()) {
    rewinds_ = true;
    return begin();
  }
  lost_ = false;
  marked_ = 0;
  return {};
}

std::optional<Violation> WholeWorld::enter(std::span<const Move> path) {
  if (marked_ == 0 || lost_ || !rewinds_) {
    // It could be made before.
    if (std::string why = begin(); !why.empty()) return Violation{vmap::Invariant::answer, std::move(why)};
    // The first step checks what was constructed.
    if (auto violation = executor_->step(Find{options_.base})) return violation;
    if (rewinds_) executor_->mark(marks_[0]);
    marked_ = 1;
    path_.clear();
  }
  const std::size_t common = static_cast<std::size_t>(std::ranges::mismatch(path, path_).in1 - path.begin());
  const std::size_t depth = rewinds_ ? std::min(common, marked_ - 1) : 0;
  if (rewinds_) executor_->rewind(marks_[depth]);
  path_.assign(path.begin(), path.end());
  marked_ = depth + 1;
  for (std::size_t i = depth; i < path.size(); ++i) {
    here_.length = static_cast<std::uint32_t>(i);
    here_.moves[i] = path[i];
    if (auto violation = perform(Letter::of(path[i]))) return violation;
    if (rewinds_) executor_->mark(marks_[i + 1]);
    marked_ = i + 2;
  }
  here_.length = static_cast<std::uint32_t>(path.size());
  key_ = key_now();
  return std::nullopt;
}

void WholeWorld::expand(Explorer& explorer) {
  for (std::size_t op = 0; op < alphabet_.size(); ++op) {
    const std::uint64_t before = executor_->metadata_requests();
    if (!try_one(explorer, {op, 0})) return;
    const auto requests = static_cast<std::uint32_t>(executor_->metadata_requests() - before);
    back();
    for (std::uint32_t fails = 1; options_.ops.failures && fails <= requests; ++fails) {
      if (!try_one(explorer, {op, fails})) return;
      back();
    }
  }
}

/// False after a violation.
bool WholeWorld::try_one(Explorer& explorer, Letter letter) {
  here_.moves[path_.size()] = letter.move();
  cases_before_ = executor_->stats().tree_cases;
  auto violation = perform(letter);
  if (!violation && !rewinds_) {  // this executor is not used again
    const StateKey key = key_now();
    violation = executor_->finish();
    lost_ = true;
    if (!violation) return explorer.arrived(letter.move(), key), true;
  }
  if (violation) {
    lost_ = true;
    explorer.failed(letter.move(), *std::move(violation));
    return false;
  }
  count_tree_cases();
  explorer.arrived(letter.move(), key_now());
  return true;
}

/// In the state that was entered.
void WholeWorld::back() {
  if (rewinds_) return executor_->rewind(marks_[path_.size()]);
  const std::vector<Move> path = path_;
  (void)enter(path);  // it was gone before
}

std::optional<Violation> WholeWorld::perform(Letter letter) {
  Op& op = alphabet_[letter.op];
  relabel(op, here_.length);
  if (letter.fails != 0)
    if (auto violation = executor_->step(FailMetadata{letter.fails})) return violation;
  auto violation = executor_->step(op);
  if (rewinds_ && arena_->exhausted())
    return Violation{vmap::Invariant::memory, "the subject wants more metadata than the explorer has for it"};
  return violation;
}

void WholeWorld::count_tree_cases() {
  const vmap::TreeCaseCounts& after = executor_->stats().tree_cases;
  for (std::size_t i = 0; i < after.size(); ++i) exercised_.coverage.tree_cases[i] += after[i] - cases_before_[i];
}

/// Two bits a granule: free, the begin of a busy or of a lazily freed area, or the same area as the granule before. The
/// rest holds the tree and the spare nodes, exactly; or, with a digest, a hash of the three.
StateKey WholeWorld::key_now() const {
  constexpr StateKey free = 0, busy = 1, lazy = 2, same = 3;
  static_assert(free == 0);
  StateKey areas = 0;
  for (const auto& [begin, area] : executor_->model().areas()) {
    std::size_t granule = static_cast<std::size_t>((begin - options_.base) / options_.granule);
    areas |= (area.lazy ? lazy : busy) << 2 * granule;
    const std::size_t end = static_cast<std::size_t>((area.end - options_.base) / options_.granule);
    while (++granule < end) areas |= same << 2 * granule;
  }
  const StateKey spare = options_.ops.failures ? std::min<StateKey>(executor_->stats().nodes_spare, 31) : 0;
  StateKey unlike = executor_->tree_structure() << 5 | spare;  // of states with the same layout
  if (executor_->subject_has_digest())
    unlike = StateSet::hash_of(StateSet::hash_of(unlike) ^ executor_->subject_digest());
  return unlike << 2 * options_.granules | areas;
}

Exercised WholeWorld::exercised() const {
  Exercised all = exercised_;
  all.coverage += counted_;
  if (executor_ != nullptr) {
    all.coverage += executor_->coverage();
    all.sees_tree = executor_->sees_tree();
    all.shows_all = executor_->subject_shows_all();
    all.has_digest = executor_->subject_has_digest();
  }
  return all;
}

std::optional<Violation> WholeWorld::finish() {
  if (executor_ == nullptr || lost_) return std::nullopt;
  auto violation = executor_->finish();
  counted_ += executor_->coverage();
  executor_.reset();
  return violation;
}

/// What is no sound request of any kind, in a space of at least one granule.
void add_refused(std::vector<Op>& ops, const WholeWorldOptions& options) {
  const Size granule = options.granule;
  const Range space = space_of(options).range;
  const Range backward{space.end, space.begin};
  const auto alloc = [&](Size size, Size align, Range within) {
    ops.push_back(Alloc{{}, {.size = size, .align = align, .within = within}});
  };
  const auto congruent = [&](std::vector<vmap::Block> blocks, Size align, Range within = vmap::everywhere) {
    ops.push_back(Congruent{.label = {}, .align = align, .within = within, .blocks = std::move(blocks)});
  };
  const auto place = [&](Address begin, Address end) { ops.push_back(AllocAt{{}, {begin, end}}); };
  const vmap::Block block{0, granule};
  const Address last = vmap::address_max & ~(granule - 1);  // the last granule that is whole begins one below
  alloc(0, granule, vmap::everywhere);
  alloc(granule, 0, vmap::everywhere);
  alloc(granule, 3 * granule, vmap::everywhere);
  alloc(granule, granule, backward);
  place(space.end, space.begin);
  if (space.begin >= granule) place(space.begin - granule, space.begin + granule);
  if (space.end <= vmap::address_max - granule) place(space.end - granule, space.end + granule);
  congruent({}, granule);
  congruent({{0, 0}}, granule);
  congruent({{0, 2 * granule}, {granule, granule}}, granule);
  congruent({{last, 2 * granule}}, granule);
  congruent({block}, 0);
  congruent({block}, 3 * granule);
  congruent({block}, granule, backward);
  ops.push_back(FreeAt{space.end});
  if (granule == 1) return;
  const Size off = granule / 2;
  alloc(granule + off, granule, vmap::everywhere);
  place(space.begin + off, space.begin + granule);
  place(space.begin, space.begin + off);
  congruent({{off, granule}}, granule);
  congruent({{0, granule + off}}, granule);
  ops.push_back(FreeAt{space.begin + off});
}

}  // namespace

std::vector<Op> alphabet(const WholeWorldOptions& options) {
  std::vector<Op> ops;
  const Size granule = options.granule;
  const auto at = [&](std::size_t g) { return options.base + granule * g; };
  const auto bytes = [&](std::size_t g) { return granule * g; };
  const std::size_t granules = options.granules;

  std::vector<Size> aligns{granule};
  if (options.ops.aligned) {
    for (Size align = 2 * granule; align != 0 && align / 2 < bytes(granules); align *= 2) aligns.push_back(align);
    aligns.push_back(Size{1} << 63);
    if (granule > 1) aligns.push_back(granule / 2);  // acts as the granule
  }
  std::vector<Range> windows{vmap::everywhere};
  if (options.ops.windows)
    for (std::size_t begin = 0; begin <= granules; ++begin)
      for (std::size_t end = begin; end <= granules; ++end) windows.push_back({at(begin), at(end)});

  for (std::size_t size = 1; size <= granules + 1; ++size)  // the last never fits
    for (const Size align : aligns)
      for (const Range window : windows)
        ops.push_back(Alloc{{}, {.size = bytes(size), .align = align, .within = window}});
  for (std::size_t g = 0; g < granules; ++g) ops.push_back(FreeAt{at(g)});
  if (options.ops.placed) {
    for (std::size_t begin = 0; begin < granules; ++begin)
      for (std::size_t end = begin + 1; end <= granules; ++end) ops.push_back(AllocAt{{}, {at(begin), at(end)}});
    ops.push_back(AllocAt{{}, {at(0), at(0)}});
  }
  if (options.ops.lazy) {
    for (std::size_t g = 0; g < granules; ++g) ops.push_back(FreeLazilyAt{at(g)});
    ops.push_back(Purge{});
  }
  if (options.ops.congruent)
    for (const Size align : aligns) {
      const auto add = [&](std::vector<vmap::Block> blocks, Range window = vmap::everywhere) {
        ops.push_back(Congruent{.label = {}, .align = align, .within = window, .blocks = std::move(blocks)});
      };
      for (const std::size_t g : {std::size_t{0}, granules - 1}) add({{at(g), granule}});  // the base is 0, or lower
      for (std::size_t begin = 0; begin < granules; ++begin)
        for (std::size_t end = begin + 1; end <= granules; ++end) {
          const vmap::Block first{bytes(begin), bytes(end - begin)};
          add({first});
          if (align == granule)
            for (const Range window : std::span(windows).subspan(1)) add({first}, window);
          for (std::size_t next = end; next < granules; ++next)
            for (std::size_t last = next + 1; last <= granules; ++last) {
              const vmap::Block second{bytes(next), bytes(last - next)};
              add({first, second});
              add({second, first});
            }
        }
    }
  if (options.ops.find) {
    for (std::size_t g = 0; g <= granules; ++g) ops.push_back(Find{at(g)});
    if (options.base > 0) ops.push_back(Find{options.base - 1});
  }
  if (options.ops.refused) add_refused(ops, options);
  return ops;
}

Territory whole_territory(SubjectFactory make, const WholeWorldOptions& options) {
  return {.world = [make = std::move(make),
                    options](Whereabouts& here) -> std::expected<std::unique_ptr<World>, std::string> {
            auto world = std::make_unique<WholeWorld>(make, options, here);
            if (std::string why = world->begin(); !why.empty()) return std::unexpected(std::move(why));
            return world;
          },
          .trace =
              [options](std::span<const Move> moves) {
                Trace trace{.comments = {}, .space = space_of(options), .ops = {}};
                const std::vector<Op> ops = alphabet(options);
                for (std::size_t i = 0; i < moves.size(); ++i) {
                  const Letter letter = Letter::of(moves[i]);
                  if (letter.fails != 0) trace.ops.push_back(FailMetadata{letter.fails});
                  trace.ops.push_back(ops[letter.op]);
                  relabel(trace.ops.back(), static_cast<std::uint32_t>(i));
                }
                return trace;
              },
          .moves_max = alphabet(options).size(),
          .layout = [options](StateKey key) { return key & ((std::uint64_t{1} << 2 * options.granules) - 1); }};
}

}  // namespace vmapcheck
