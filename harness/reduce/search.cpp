// SPDX-License-Identifier: Apache-2.0
#include "harness/reduce/search.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <tuple>
#include <unordered_set>
#include <utility>

#include "model/op_kinds.hpp"
#include "model/trace.hpp"

namespace vmapcheck {
namespace {

/// A space of up to so many granules has all its granules on the grid.
constexpr std::size_t granules_max = 16;
constexpr std::size_t grid_max = 24;

std::vector<Address> grid_of(const Trace& trace, const Placements& placed) {
  const Space& space = trace.space;
  std::vector<Address> grid;
  if (space.range.size() / space.granule <= granules_max) {
    for (Address a = space.range.begin; a < space.range.end; a += space.granule) grid.push_back(a);
    grid.push_back(space.range.end);
    return grid;
  }
  const auto mark = [&](Address a) {
    for (const Address near : {a, a - space.granule, a + space.granule})
      if (space.range.begin <= near && near <= space.range.end) grid.push_back(vmap::align_down(near, space.granule));
  };
  mark(space.range.begin);
  mark(space.range.end);
  for (const Range range : placed)
    if (!range.empty()) mark(range.begin), mark(range.end);
  for (const Op& op : trace.ops)
    if (const auto* const range = find_field<Meaning::range>(op)) mark(range->begin), mark(range->end);
  make_set(grid);
  if (grid.size() > grid_max) grid.resize(grid_max);
  return grid;
}

template <class T>
void add_unique(std::vector<T>& values, const T& value) {
  if (std::ranges::find(values, value) == values.end()) values.push_back(value);
}

/// The op with that value in its field of that meaning. Requires that it has one.
template <Meaning meaning, class T>
Op with(Op op, const T& value) {
  *find_field<meaning>(op) = value;
  return op;
}

/// The op with that label for what it binds, if it binds anything.
Op binding(Op op, std::size_t label) {
  if (Label* const bound = bound_label(op)) *bound = {static_cast<std::uint32_t>(label)};
  return op;
}

constexpr auto without_fields =
    kind_table<bool>([]<class T>(OpKind<T>) { return std::tuple_size_v<decltype(T::fields())> == 0; });

/// The labels that `ops` have bound, each its own index.
std::vector<Label> labels_of(const std::vector<Op>& ops) {
  std::vector<Label> labels;
  for (std::size_t i = 0; i < ops.size(); ++i) {
    const auto id = static_cast<std::uint32_t>(i);
    if (const Blocks* const blocks = blocks_of(ops[i]))
      for (std::uint32_t part = 0; part < blocks->size(); ++part) labels.push_back({id, part});
    else if (bound_label(ops[i]) != nullptr)
      labels.push_back({id});
  }
  return labels;
}

}  // namespace

// ---- The vocabulary

Vocabulary::Vocabulary(const Trace& trace, const Placements& placed, Begin begin)
    : space_(trace.space), grid_(grid_of(trace, placed)), using_{Free{}} {
  if (begin == Begin::empty) space_.busy.clear();
  for (const Op& op : trace.ops)
    if (used_label(op) == nullptr)
      own_.push_back(op);
    else
      add_unique(using_, with<Meaning::label_used>(op, Label{}));
  std::ranges::sort(using_, {}, [](const Op& op) { return std::pair(op.index(), print(op)); });

  // Ops with default arguments, of the kinds that the trace has.
  std::array<bool, op_kind_count> has{};
  has[op_kind<Alloc>] = has[op_kind<AllocAt>] = true;
  for (const Op& op : own_) has[op.index()] = true;
  std::vector<Op> blanks;
  for (std::size_t kind = 0; kind < op_kind_count; ++kind)
    if (has[kind]) blanks.push_back(op_of_kind(kind));

  // Requests: every size with every combination of other arguments that the trace has.
  std::vector<Size> sizes;
  std::vector<Op> requests;
  for (std::size_t i = 1; i < grid_.size(); ++i) add_unique(sizes, grid_[i] - grid_[0]);
  for (std::size_t i = 1; i < grid_.size(); ++i) add_unique(sizes, grid_[i] - grid_[i - 1]);
  for (const Op& op : blanks)
    if (kinds_with<Meaning::size>[op.index()]) requests.push_back(op);
  for (const Op& op : own_)
    if (const auto* const size = find_field<Meaning::size>(op)) {
      add_unique(sizes, *size);
      add_unique(requests, binding(with<Meaning::size>(op, Size{0}), 0));
    }
  for (const Op& op : requests)
    for (const Size size : sizes) fresh_.push_back(with<Meaning::size>(op, size));

  for (std::size_t i = 0; i < grid_.size(); ++i)
    for (std::size_t k = i + 1; k < grid_.size(); ++k)
      for (const Op& op : blanks)
        if (kinds_with<Meaning::range>[op.index()])
          fresh_.push_back(with<Meaning::range>(op, Range{grid_[i], grid_[k]}));
  for (const Address address : grid_)
    for (const Op& op : blanks)
      if (kinds_with<Meaning::address>[op.index()]) fresh_.push_back(with<Meaning::address>(op, address));
  for (const Op& op : blanks)
    if (without_fields[op.index()]) fresh_.push_back(op);

  // What has more arguments than could all be tried stays as the trace has it.
  for (const Op& op : own_) {
    add_unique(fresh_, binding(op, 0));
    const auto* const count = find_field<Meaning::count>(op);
    if (count == nullptr) continue;
    // With fewer ops before what it counts to, there is less to count.
    constexpr std::uint64_t near = 3;
    for (std::uint64_t n = *count; n > 1 && n + near >= *count; --n) add_unique(fresh_, with<Meaning::count>(op, n));
    add_unique(fresh_, with<Meaning::count>(op, std::uint64_t{1}));
  }
}

std::size_t Vocabulary::size(const std::vector<Op>& ops) const {
  return fresh_.size() + using_.size() * labels_of(ops).size();
}

Op Vocabulary::op(const std::vector<Op>& ops, std::size_t index) const {
  if (index < fresh_.size()) return binding(fresh_[index], ops.size());
  index -= fresh_.size();
  return with<Meaning::label_used>(using_[index % using_.size()], labels_of(ops)[index / using_.size()]);
}

Trace Vocabulary::random_trace(Random& random, std::size_t length) const {
  Trace trace{{}, space_, {}};
  while (trace.ops.size() < length) {
    const std::vector<Label> labels = labels_of(trace.ops);
    const std::uint64_t pick = random.below(6);
    if (pick < 2 && !labels.empty()) {
      const Label label = labels[random.below(labels.size())];
      trace.ops.push_back(with<Meaning::label_used>(using_[random.below(using_.size())], label));
    } else if (pick == 2 && !own_.empty()) {
      trace.ops.push_back(binding(own_[random.below(own_.size())], trace.ops.size()));
    } else {
      trace.ops.push_back(binding(fresh_[random.below(fresh_.size())], trace.ops.size()));
    }
  }
  return trace;
}

// ---- At random

std::optional<Hit> search_randomly(const Vocabulary& vocabulary, std::size_t length,
                                   const std::function<bool(const Failure&)>& wanted, const SubjectFactory& make,
                                   const SearchOptions& options) {
  if (length < 2) return std::nullopt;
  const auto candidate = [&](std::uint64_t index) {
    Random random(Random(options.seed).next() ^ Random(~index).next());
    // Mostly one op less; fewer now and then.
    const std::size_t ops = length - 1 - (random.below(3) == 0 ? random.below(length / 2) : 0);
    return vocabulary.random_trace(random, std::max<std::size_t>(1, ops));
  };
  return first_failing(options.random_max, candidate, wanted, make, options.run);
}

// ---- Breadth first

namespace {

/// Sequences that are run by one child, at most.
constexpr std::uint64_t batch_max = std::uint64_t{1} << 16;
/// States that are remembered, at most.
constexpr std::size_t states_max = 1'000'000;

class BreadthFirst {
 public:
  BreadthFirst(const Vocabulary& vocabulary, const std::function<bool(const Failure&)>& wanted,
               const SubjectFactory& make, const SearchOptions& options)
      : vocabulary_(vocabulary), wanted_(wanted), make_(make), options_(options) {}

  /// All sequences below `length`; only one for each state if `by_state`.
  Explored explore(std::size_t length, bool by_state);

 private:
  struct Candidate {
    std::size_t from;  ///< in the frontier
    std::size_t op;
  };

  bool run_batch(const std::vector<Candidate>& batch, Explored& explored);
  std::optional<Hit> confirmed(const Candidate& candidate);
  [[nodiscard]] std::vector<Op> sequence(const Candidate& candidate) const;
  [[nodiscard]] Trace trace_of(const Candidate& candidate) const {
    return {{}, vocabulary_.space(), sequence(candidate)};
  }

  const Vocabulary& vocabulary_;
  const std::function<bool(const Failure&)>& wanted_;
  const SubjectFactory& make_;
  const SearchOptions& options_;
  std::vector<std::vector<Op>> frontier_;
  std::vector<std::vector<Op>> next_;
  std::unordered_set<std::uint64_t> known_;
  bool by_state_ = true;
};

Explored BreadthFirst::explore(std::size_t length, bool by_state) {
  Explored explored;
  by_state_ = by_state;
  frontier_ = {{}};
  for (std::size_t ops = 1; ops < length; ++ops) {
    next_.clear();
    std::vector<Candidate> batch;
    for (std::size_t from = 0; from < frontier_.size(); ++from) {
      const std::size_t size = vocabulary_.size(frontier_[from]);
      for (std::size_t op = 0; op < size; ++op) batch.push_back({from, op});
      const bool last = from + 1 == frontier_.size();
      if (batch.size() < batch_max && !last) continue;
      if (!run_batch(batch, explored)) return explored;
      batch.clear();
    }
    frontier_.swap(next_);
  }
  explored.complete = by_state ? Explored::Complete::states : Explored::Complete::sequences;
  return explored;
}

std::vector<Op> BreadthFirst::sequence(const Candidate& candidate) const {
  std::vector<Op> ops = frontier_[candidate.from];
  ops.push_back(vocabulary_.op(frontier_[candidate.from], candidate.op));
  return ops;
}

/// Runs them, and puts the new states that they lead to into next_. False ends the search: at a hit, or at its bounds.
bool BreadthFirst::run_batch(const std::vector<Candidate>& batch, Explored& explored) {
  // What each led to, if it did not fail: children say.
  const SharedArray<bool> passed(batch.size());
  const SharedArray<std::uint64_t> states(batch.size());
  const auto work = [&](std::uint64_t item, Beacon& beacon) -> std::optional<std::string> {
    const auto on_violation = [&](const Failure& failure) {
      if (wanted_(failure)) beacon.answer("");
    };
    const auto outcome = run(trace_of(batch[item]), make_,
                             {.beacon = beacon, .on_violation = on_violation, .visible_state = &states[item]});
    passed[item] = outcome && !*outcome;
    return std::nullopt;
  };
  WalkOptions walk_options{.limits = options_.run.limits, .on_death = {}, .keep_going = options_.run.keep_going};
  walk_options.on_death = [&](std::uint64_t item, const Death& death) {
    return wanted_(failure_of(death, trace_of(batch[item])));
  };
  for (bool done = false; !done;) {
    const Walked walked = walk(batch.size(), work, walk_options);
    explored.sequences += walked.items - walk_options.first;
    if (walked.interrupted) return false;
    if (walked.answer || walked.death) {
      explored.hit = confirmed(batch[walked.items]);
      if (explored.hit) return false;
    }
    walk_options.first = walked.items + 1;
    done = walk_options.first >= batch.size();
  }
  for (std::size_t item = 0; item < batch.size(); ++item)
    if (passed[item] && (known_.insert(states[item]).second || !by_state_)) next_.push_back(sequence(batch[item]));
  explored.states = known_.size();
  return explored.sequences < options_.breadth_first_max && explored.states < states_max;
}

std::optional<Hit> BreadthFirst::confirmed(const Candidate& candidate) {
  Hit hit{0, trace_of(candidate), {}};
  const auto outcome = run_isolated(hit.trace, make_, options_.run);
  if (!outcome || !*outcome || !wanted_(**outcome)) return std::nullopt;
  hit.failure = **outcome;
  cut_behind(hit.trace, hit.failure);
  return hit;
}

}  // namespace

Explored search_breadth_first(const Vocabulary& vocabulary, std::size_t length,
                              const std::function<bool(const Failure&)>& wanted, const SubjectFactory& make,
                              const SearchOptions& options) {
  Explored explored = BreadthFirst(vocabulary, wanted, make, options).explore(length, true);
  if (explored.complete == Explored::Complete::no) return explored;
  // Each op of a sequence may bind a label more that the next can use.
  double all = 0, of_length = 1;
  std::vector<Op> ops;
  for (std::size_t n = 1; n < length && all <= static_cast<double>(options.exhaustive_max); ++n) {
    of_length *= static_cast<double>(vocabulary.size(ops));
    all += of_length;
    ops.push_back(AllocAt{});
  }
  if (all > static_cast<double>(options.exhaustive_max)) return explored;
  Explored every = BreadthFirst(vocabulary, wanted, make, options).explore(length, false);
  every.sequences += explored.sequences;
  if (!every.hit && every.complete == Explored::Complete::no) every.complete = explored.complete;
  return every;
}

}  // namespace vmapcheck
