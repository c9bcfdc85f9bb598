// SPDX-License-Identifier: Apache-2.0
#include "tools/corpus/trace_features.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <type_traits>
#include <variant>

#include "harness/verify/executor.hpp"
#include "harness/verify/isolated.hpp"
#include "model/op_kinds.hpp"
#include "tools/counters.hpp"

namespace vmapcheck {
namespace {

using vmap::Error;

// ---- Features as numbers

enum class Kind : std::uint8_t { op, outcome, fit, coalescing, tree_case, event, shape, request, free_blocks, space };

constexpr std::array<std::string_view, 10> kind_names{"op",    "outcome", "fit",     "coalescing",  "tree case",
                                                      "event", "shape",   "request", "free blocks", "space"};

constexpr std::array<std::string_view, 5> event_names{"purge on the limit", "purge on exhaustion", "hook called",
                                                      "allocation rescued", "metadata request failed"};

std::array<std::uint64_t, event_names.size()> events_of(const Coverage& coverage) {
  return {coverage.purges_on_limit, coverage.purges_on_exhaustion, coverage.hooks_called, coverage.rescued,
          coverage.faults_fired};
}

/// What a `request` or a `space` feature is about.
enum class Aspect : std::uint8_t { size, align, window, blocks, begin, end, granule, lazy_limit, busy };

enum class Window : std::uint8_t { everywhere, begin_cut, end_cut, both_cut, outside };

constexpr std::array<std::string_view, 5> window_names{"everywhere", "begins inside of the space",
                                                       "ends inside of the space", "inside of the space",
                                                       "outside of the space"};

constexpr Feature feature(Kind kind, std::size_t a, std::size_t b, std::size_t c) {
  return static_cast<Feature>(static_cast<std::size_t>(kind) << 24 | (a & 0xff) << 16 | (b & 0xff) << 8 | (c & 0xff));
}

constexpr std::array<std::string_view, 9> range_names{"0",    "1",     "2",      "3",          "4-7",
                                                      "8-15", "16-31", "32-127", "128 or more"};

std::size_t range_of(std::uint64_t count) {
  if (count <= 3) return static_cast<std::size_t>(count);
  return count < 8 ? 4 : count < 16 ? 5 : count < 32 ? 6 : count < 128 ? 7 : 8;
}

/// 0 for 0, else 1 + the floor of the binary logarithm.
std::size_t magnitude(std::uint64_t n) { return static_cast<std::size_t>(std::bit_width(n)); }

// ---- One trace

class FeatureCollector {
 public:
  explicit FeatureCollector(const Space& space) : space_(space) { take_space(); }

  /// `tree` counts since construction.
  void step(const Op& op, const Coverage& coverage, const vmap::TreeCaseCounts& tree);
  [[nodiscard]] std::vector<Feature> finish(const Coverage& coverage, const vmap::TreeCaseCounts& tree);
  [[nodiscard]] const Outcomes& outcomes() const { return outcomes_; }

 private:
  void take_space();
  void take_request(const Op& op);
  void take_size(Size size) { add(Kind::request, Aspect::size, magnitude(size / space_.granule)); }
  void take_align(Size align) {
    add(Kind::request, Aspect::align, align <= space_.granule ? 0 : magnitude(align / space_.granule) - 1);
  }
  void take_window(Range window);
  void take_counts(const Coverage& coverage, const vmap::TreeCaseCounts& tree);
  void add(Kind kind, std::size_t a, std::size_t b, std::size_t c = 0) { found_.push_back(feature(kind, a, b, c)); }
  void add(Kind kind, Aspect aspect, std::size_t b, std::size_t c = 0) {
    add(kind, static_cast<std::size_t>(aspect), b, c);
  }
  void compact() {
    std::ranges::sort(found_);
    found_.erase(std::ranges::unique(found_).begin(), found_.end());
  }

  const Space& space_;
  std::vector<Feature> found_;
  std::array<std::uint64_t, vmap::fit_type_count> fits_{};           ///< before this step
  std::array<std::uint64_t, vmap::coalescing_count> coalescings_{};  ///< the same
  vmap::TreeCaseCounts tree_{};                                      ///< the same
  Outcomes outcomes_;
};

constexpr std::size_t tree_case_none = vmap::tree_case_count;

void FeatureCollector::step(const Op& op, const Coverage& coverage, const vmap::TreeCaseCounts& tree) {
  const std::size_t kind = op.index();
  take_request(op);
  // What changed in this step: each fit type or coalescing with each tree case, or with none.
  std::array<std::size_t, vmap::tree_case_count + 1> cases{};
  std::size_t cases_count = 0;
  for (std::size_t t = 0; t < tree.size(); ++t)
    if (tree[t] != tree_[t]) cases[cases_count++] = t;
  if (cases_count == 0) cases[cases_count++] = tree_case_none;
  const auto take_changes = [&](const auto& now, auto& before, auto& of_op, std::size_t first) {
    for (std::size_t i = 0; i < now.size(); ++i) {
      if (now[i] == before[i]) continue;
      of_op[kind][i] += now[i] - before[i];
      for (std::size_t k = 0; k < cases_count; ++k) add(Kind::shape, kind, first + i, cases[k]);
    }
    before = now;
  };
  take_changes(coverage.fits, fits_, outcomes_.fits, 0);
  take_changes(coverage.coalescings, coalescings_, outcomes_.coalescings, vmap::fit_type_count);
  tree_ = tree;
  if (found_.size() > 4096) compact();  // a long trace does the same again and again
}

std::vector<Feature> FeatureCollector::finish(const Coverage& coverage, const vmap::TreeCaseCounts& tree) {
  take_counts(coverage, tree);
  compact();
  return std::move(found_);
}

void FeatureCollector::take_space() {
  const Range range = space_.range;
  constexpr Address high = Address{1} << 63;
  add(Kind::space, Aspect::begin, range.begin == 0 ? 0 : range.begin < high ? 1 : 2);
  // Ends are exclusive: the last address that there is cannot be managed.
  add(Kind::space, Aspect::end, range.end > std::numeric_limits<Address>::max() - space_.granule ? 1 : 0);
  add(Kind::space, Aspect::granule, magnitude(space_.granule) - 1);
  add(Kind::space, Aspect::lazy_limit, !space_.lazy_limit ? 0 : *space_.lazy_limit == 0 ? 1 : 2);
  add(Kind::space, Aspect::busy, range_of(space_.busy.size()));
}

void FeatureCollector::take_request(const Op& op) {
  for_each_field(op, [&](auto field, const auto& value) {
    if constexpr (field.meaning == Meaning::size) take_size(value);
    if constexpr (field.meaning == Meaning::align) take_align(value);
    if constexpr (field.meaning == Meaning::window) take_window(value);
    if constexpr (field.meaning == Meaning::range) take_size(value.end > value.begin ? value.size() : 0);
    if constexpr (field.meaning == Meaning::blocks) add(Kind::request, Aspect::blocks, range_of(value.size()));
  });
}

void FeatureCollector::take_window(Range window) {
  const Range range = space_.range;
  const bool begin_cut = window.begin > range.begin;
  const bool end_cut = window.end < range.end;
  Window kind = begin_cut ? end_cut ? Window::both_cut : Window::begin_cut
                : end_cut ? Window::end_cut
                          : Window::everywhere;
  if (window.begin >= range.end || window.end <= range.begin || window.begin >= window.end) kind = Window::outside;
  add(Kind::request, Aspect::window, static_cast<std::size_t>(kind));
}

void FeatureCollector::take_counts(const Coverage& coverage, const vmap::TreeCaseCounts& tree) {
  const auto count = [&](Kind kind, std::size_t a, std::size_t b, std::uint64_t times) {
    if (times != 0) add(kind, a, b, range_of(times));
  };
  const auto count_each = [&](Kind kind, std::size_t op, Counters counters) {
    for (std::size_t i = 0; i < counters.size(); ++i) count(kind, op, i, counters[i]);
  };
  const auto performed = performed_of(coverage);
  for (std::size_t op = 0; op < op_kind_count; ++op) {
    count_each(Kind::op, op, std::array{performed[op], coverage.skipped[op]});
    count_each(Kind::outcome, op, coverage.errors[op]);
    count_each(Kind::fit, op, outcomes_.fits[op]);
    count_each(Kind::coalescing, op, outcomes_.coalescings[op]);
  }
  for (std::size_t t = 0; t < vmap::tree_case_count; ++t) count(Kind::tree_case, t, 0, tree[t]);
  const auto events = events_of(coverage);
  for (std::size_t e = 0; e < events.size(); ++e) count(Kind::event, e, 0, events[e]);
  add(Kind::free_blocks, 0, magnitude(coverage.free_blocks_max));
}

// ---- In a child

constexpr char mark_error = 'e', mark_failed = 'f';

/// TraceResult for each trace that came to its end; the features follow.
struct TraceResult {
  std::uint64_t index;
  std::uint64_t features;
  Coverage coverage;
  Outcomes outcomes;
};
static_assert(std::is_trivially_copyable_v<TraceResult>);

std::string pack(std::size_t index, const std::vector<Feature>& features, const Coverage& coverage,
                 const Outcomes& outcomes) {
  const TraceResult result{index, features.size(), coverage, outcomes};
  std::string bytes(sizeof result + features.size() * sizeof(Feature), '\0');
  std::memcpy(bytes.data(), &result, sizeof result);
  std::memcpy(bytes.data() + sizeof result, features.data(), features.size() * sizeof(Feature));
  return bytes;
}

/// Returns what ends the walk: that the subject cannot be made, or a violation; nothing if the trace passes.
std::optional<std::string> exercise_one(std::size_t index, const Trace& trace, const SubjectFactory& make,
                                        Beacon& beacon) {
  AnySubject* subject = nullptr;
  const SubjectFactory watched = [&](const SubjectConfig& config) {
    auto made = make(config);
    if (made) subject = made->get();
    return made;
  };
  auto executor = Executor::create(trace.space, watched, checking_of(trace));
  if (!executor) return mark_error + executor.error();
  const bool counts_cases = subject->features().stats;
  vmap::Stats stats;
  FeatureCollector collector(trace.space);
  for (std::size_t step = 0; step < trace.ops.size(); ++step) {
    beacon.at(Phase::op, step);
    if (const auto violation = (*executor)->step(trace.ops[step]))
      beacon.answer(mark_failed + vmapcheck::pack(failure_of(*violation, step, trace)));
    if (counts_cases) subject->stats(stats);
    collector.step(trace.ops[step], (*executor)->coverage(), stats.tree_cases);
  }
  beacon.at(Phase::end, trace.ops.size());
  if (const auto violation = (*executor)->finish())
    beacon.answer(mark_failed + vmapcheck::pack(failure_of(*violation, trace.ops.size(), trace)));
  const Coverage& coverage = (*executor)->coverage();
  beacon.tell(pack(index, collector.finish(coverage, stats.tree_cases), coverage, collector.outcomes()));
  return std::nullopt;
}

/// Hands on what the child came to the end of.
void unpack(std::string_view bytes, const std::function<void(std::size_t, Exercised&&)>& done) {
  while (bytes.size() >= sizeof(TraceResult)) {
    TraceResult result;
    std::memcpy(&result, bytes.data(), sizeof result);
    bytes.remove_prefix(sizeof result);
    const std::size_t size = static_cast<std::size_t>(result.features) * sizeof(Feature);
    if (bytes.size() < size) return;  // it died while it spoke
    Exercised exercised{.features = std::vector<Feature>(static_cast<std::size_t>(result.features)),
                        .coverage = result.coverage,
                        .outcomes = result.outcomes,
                        .failure = {}};
    std::memcpy(exercised.features.data(), bytes.data(), size);
    bytes.remove_prefix(size);
    done(static_cast<std::size_t>(result.index), std::move(exercised));
  }
}

}  // namespace

std::expected<bool, CannotExercise> exercise(std::size_t count, const std::function<Trace(std::size_t)>& trace,
                                             const SubjectFactory& make,
                                             const std::function<void(std::size_t, Exercised&&)>& done,
                                             const ExerciseOptions& options) {
  constexpr std::size_t traces_of_child = 256;
  const auto work = [&](std::uint64_t item, Beacon& beacon) -> std::optional<std::string> {
    const auto index = static_cast<std::size_t>(item);
    beacon.aside(true);  // it is read, and perhaps decoded
    const Trace read = trace(index);
    beacon.aside(false);
    return exercise_one(index, read, make, beacon);
  };
  std::size_t first = 0;
  bool alone = false;  // what others have done to their child may have been the reason why one failed
  while (first < count) {
    const std::size_t end = alone ? first + 1 : std::min(count, first + traces_of_child);
    const Walked walked =
        walk(end, work, {.limits = options.limits, .on_death = {}, .keep_going = options.keep_going, .first = first});
    unpack(walked.told, done);
    if (walked.interrupted) return false;
    const auto at = static_cast<std::size_t>(walked.items);
    if (walked.answer && walked.answer->starts_with(mark_error))
      return std::unexpected(CannotExercise{at, walked.answer->substr(1)});
    if (!walked.answer && !walked.death) {
      first = end;
      alone = false;
      continue;
    }
    const bool was_first = at == first;
    first = at;
    alone = !was_first;
    if (alone) continue;
    const Trace failed = trace(at);
    Exercised exercised;
    exercised.failure =
        walked.death ? failure_of(*walked.death, failed) : vmapcheck::unpack(walked.answer->substr(1), failed);
    done(at, std::move(exercised));
    ++first;
  }
  return true;
}

Outcomes& Outcomes::operator+=(const Outcomes& other) {
  for (std::size_t op = 0; op < op_kind_count; ++op) {
    for (std::size_t i = 0; i < fits[op].size(); ++i) fits[op][i] += other.fits[op][i];
    for (std::size_t i = 0; i < coalescings[op].size(); ++i) coalescings[op][i] += other.coalescings[op][i];
  }
  return *this;
}

// ---- In words

std::string_view kind_of(Feature f) { return kind_names[std::min<std::size_t>(f >> 24, kind_names.size() - 1)]; }

namespace {

std::string range_name(std::size_t range) { return std::string(range_names[std::min(range, range_names.size() - 1)]); }

std::string power(std::size_t exponent) { return "2^" + std::to_string(exponent); }

std::string describe_aspect(std::size_t aspect, std::size_t b) {
  switch (static_cast<Aspect>(aspect)) {
    case Aspect::size: return b == 0 ? "size below a granule" : "size from " + power(b - 1) + " granules up";
    case Aspect::align: return b == 0 ? "align at most a granule" : "align of " + power(b) + " granules";
    case Aspect::window: return "window: " + std::string(window_names[std::min(b, window_names.size() - 1)]);
    case Aspect::blocks: return range_name(b) + " congruent blocks";
    case Aspect::begin: return b == 0 ? "begins at 0" : b == 1 ? "begins below 2^63" : "begins from 2^63 up";
    case Aspect::end: return b == 0 ? "ends below the top" : "ends at the top";
    case Aspect::granule: return "granule of " + power(b);
    case Aspect::lazy_limit: return b == 0 ? "no lazy limit" : b == 1 ? "lazy limit of 0" : "a lazy limit";
    case Aspect::busy: return range_name(b) + " busy from the start";
  }
  return "?";
}

}  // namespace

std::vector<std::string> missing_from(const Coverage& coverage) {
  std::vector<std::string> missing;
  const auto need = [&](std::uint64_t times, std::string what) {
    if (times == 0) missing.push_back(std::move(what));
  };
  const auto need_each = [&](std::string_view what, Names names, Counters counters) {
    for (std::size_t i = 0; i < names.size(); ++i) need(counters[i], std::string(what) + std::string(names[i]));
  };
  const auto performed = performed_of(coverage);
  for (std::size_t op = 0; op < op_kind_count; ++op) {
    const std::string of_op(op_names[op]);
    need(performed[op], of_op);
    for (std::size_t error = 0; error < vmap::error_count; ++error)
      if (can_end_with(op, static_cast<Error>(error)))
        need(coverage.errors[op][error], of_op + ": " + std::string(error_names[error]));
  }
  need_each("fit ", fit_names, coverage.fits);
  need_each("coalescing ", vmap::coalescing_names, coverage.coalescings);
  need_each("", event_names, events_of(coverage));
  if (std::ranges::any_of(coverage.tree_cases, [](std::uint64_t n) { return n != 0; }))
    need_each("tree case ", vmap::tree_case_names, coverage.tree_cases);
  return missing;
}

std::string describe(Feature f) {
  const std::size_t a = f >> 16 & 0xff, b = f >> 8 & 0xff, c = f & 0xff;
  const auto op = [&] { return std::string(op_names[std::min(a, op_kind_count - 1)]); };
  const auto times = [&] { return ", " + range_name(c) + (c == 1 ? " time" : " times"); };
  const auto named = [](std::string_view what, Names names, std::size_t i) {
    return std::string(what) + std::string(names[std::min(i, names.size() - 1)]);
  };
  const auto placed = [&](std::size_t i) {
    return i < vmap::fit_type_count ? named("fit ", fit_names, i)
                                    : named("coalescing ", vmap::coalescing_names, i - vmap::fit_type_count);
  };
  switch (static_cast<Kind>(f >> 24)) {
    case Kind::op: return op() + (b == 0 ? " performed" : " skipped") + times();
    case Kind::outcome: return op() + ": " + named("", error_names, b) + times();
    case Kind::fit: return op() + ": " + placed(b) + times();
    case Kind::coalescing: return op() + ": " + placed(b + vmap::fit_type_count) + times();
    case Kind::tree_case: return named("tree case ", vmap::tree_case_names, a) + times();
    case Kind::event: return named("", event_names, a) + times();
    case Kind::shape:
      return op() + ": " + placed(b) +
             (c < vmap::tree_case_count ? named(" with tree case ", vmap::tree_case_names, c) : " without a tree case");
    case Kind::request: return "request: " + describe_aspect(a, b);
    case Kind::free_blocks:
      return b == 0 ? "no free block ever" : "at most from " + power(b - 1) + " free blocks up at once";
    case Kind::space: return "space: " + describe_aspect(a, b);
  }
  return "?";
}

}  // namespace vmapcheck
