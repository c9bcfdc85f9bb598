// SPDX-License-Identifier: Apache-2.0
//
// The one executor: every driver feeds it ops, one step at a time.
//
// A step predicts the answer on the reference model, asks the subject, lets the model judge and follow the answer,
// observes what the subject holds, and checks the invariants in their order (invariants.hpp). What a step costs depends
// on Checking; what it finds is named by the first invariant that is broken.
//
// Where there are many areas, the model would take longer to predict than everything else together. Predictions then
// come from an index of gaps (gap_index.hpp). The model still follows each answer, and repeats a sample of them.
//
//     executor = Executor::create(trace.space, make, Checking::every_step)
//     for each op: (*executor)->step(op)       the violation, if any; the state is undefined from there on
//     (*executor)->finish()                    destroys the subject: does anything leak?
//
// run() does that for a whole trace:
//
//     const Trace trace = parse_trace("vmapcheck-trace 1\nspace 0x0..0x10\nalloc a0 size=1\n").value();
//     const auto failure = run(trace, model_subject());   // the model, as a subject; subjects/registry.hpp has others
//     if (failure && *failure) std::puts((*failure)->violation.detail.c_str());
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "harness/isolate/failure.hpp"
#include "harness/isolate/isolation.hpp"
#include "harness/verify/arena.hpp"
#include "harness/verify/coverage.hpp"
#include "harness/verify/gap_index.hpp"
#include "harness/verify/invariants.hpp"
#include "harness/verify/metadata_resource.hpp"
#include "harness/verify/observation.hpp"
#include "harness/verify/subject.hpp"
#include "model/op.hpp"
#include "model/reference_model.hpp"
#include "vmap/violation.hpp"

namespace vmapcheck {

/// How much of the state is checked at a step.
enum class Checking : std::uint8_t {
  every_step,  ///< everything, at every step
  amortized,   ///< what the op touched at every step; everything so often that it costs as much again, and at the end
};

/// Nodes that a run may visit in checks of everything before that is too much: about a second of work.
inline constexpr std::uint64_t visits_affordable = 20'000'000;

/// Nodes that checking everything at every step would visit, as far as a trace tells without being run: at each step
/// one for each area that lives then, and one for the free block beside it.
[[nodiscard]] std::uint64_t visits_at_every_step(const Trace& trace);

/// How a trace is checked unless it is said how: at every step, where that is affordable.
[[nodiscard]] Checking checking_of(const Trace& trace);

/// Additional checks of everything: after each `stride`-th step, from the one with index `from` on.
struct Closer {
  std::uint64_t from = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t stride = 1;
};

/// How far a run has come. Shared with the process that watches it.
struct Position {
  std::uint64_t step = 0;   ///< that is about to be performed
  std::uint64_t sound = 0;  ///< steps after which everything was last checked, and right
  std::uint64_t nodes = 0;  ///< areas and free blocks that there were then
};

struct Snapshot;

class Executor {
 public:
  /// An area that a label names.
  struct Live {
    Label label;
    Address begin = 0;
  };

  /// With an arena, for all metadata, it can be rewound where the subject can.
  [[nodiscard]] static std::expected<std::unique_ptr<Executor>, std::string> create(const Space& space,
                                                                                    const SubjectFactory& make,
                                                                                    Checking checking,
                                                                                    Arena* arena = nullptr);
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  /// Performs one op and checks the invariants. After a violation the executor is only good for answer(), model() and
  /// snapshot().
  [[nodiscard]] std::optional<vmap::Violation> step(const Op& op);

  /// A last full check; then destroys the subject, and checks that it gave all its metadata back. No step may follow.
  [[nodiscard]] std::optional<vmap::Violation> finish();

  void look_closer(const Closer& closer) { closer_ = closer; }
  /// Gives signs of life within a step: an op of a million blocks is checked for longer than the subject may take.
  void report_to(const Beacon& beacon) { beacon_ = beacon; }
  /// How far it has come.
  [[nodiscard]] const Position& position() const { return position_; }

  /// Of the last step.
  [[nodiscard]] const Answer& answer() const { return seen_.answer; }
  /// What should be, after the last step.
  [[nodiscard]] const ReferenceModel& model() const { return model_; }
  [[nodiscard]] const std::vector<Live>& live() const { return live_; }
  /// The area that a label names, or null.
  [[nodiscard]] const Live* find_live(Label label) const;
  [[nodiscard]] const Coverage& coverage() const { return coverage_; }
  /// Free blocks that there should be.
  [[nodiscard]] std::size_t free_blocks() const { return step_.expected.free_blocks; }
  /// By the last step; nothing if the subject does not count them.
  [[nodiscard]] std::optional<std::uint64_t> nodes_visited() const {
    return seen_.has_stats ? std::optional(seen_.visited()) : std::nullopt;
  }
  /// Nodes on the longest path of the tree when it was last checked in full; nothing if there is none to be seen.
  [[nodiscard]] std::optional<std::size_t> tree_depth() const {
    return features_.inspectable ? std::optional(seen_.tree.depth) : std::nullopt;
  }
  /// A hash of all that can be seen of the state after a step that was checked in full: what is busy, lazily freed and
  /// free, the tree (TreeHashes::tree), hooks and metadata failures to come, spare nodes. Counters are not part
  /// of it.
  [[nodiscard]] std::uint64_t visible_state() const;
  /// True if the subject shows its tree of free blocks.
  [[nodiscard]] bool sees_tree() const { return features_.inspectable; }
  /// What the subject says of state that it does not show: there is none, or it has a digest (subject.hpp).
  [[nodiscard]] bool subject_shows_all() const { return features_.transparent; }
  [[nodiscard]] bool subject_has_digest() const { return features_.digest; }
  /// 0 without one.
  [[nodiscard]] std::uint64_t subject_digest() const {
    return ask([](const AnySubject& subject) { return subject.digest(); });
  }
  /// TreeFinding::structure of the tree when it was last checked in full; 0 without one.
  [[nodiscard]] std::uint64_t tree_structure() const { return seen_.tree.structure; }
  /// What the subject's stats() said after the last step.
  [[nodiscard]] const vmap::Stats& stats() const { return seen_.stats; }
  /// Requests for metadata so far.
  [[nodiscard]] std::uint64_t metadata_requests() const { return metadata_.requests(); }

  // For those who try many ops from one state: it is remembered and put back as bytes, without undoing. Coverage goes
  // on counting.

  class Mark;
  /// True if the subject's state is all in its memory() and its metadata.
  [[nodiscard]] bool subject_can_rewind() const {
    return ask([](AnySubject& subject) { return !subject.memory().empty(); });
  }
  /// Requires that the subject can, and an arena. O(bytes of the state).
  void mark(Mark& mark);
  /// To a mark of this executor. Also after a violation that left the subject alive.
  void rewind(const Mark& mark);
  /// What the subject holds and should hold, for pictures (snapshot.hpp), at most `items_max` of each; also after a
  /// violation. Of the model alone once finish() has destroyed the subject.
  [[nodiscard]] Snapshot snapshot(std::size_t items_max) const;

 private:
  struct Hook {
    Label label;
    bool spent = false;
    std::optional<Address> frees;  ///< at its expected call
    Range merged;                  ///< expected answer of that free
  };

  Executor(const Space& space, Checking checking, Arena* arena)
      : arena_(arena), metadata_(arena), model_(space), checking_(checking) {}

  /// All that a step changes, but for what the next step sets anew and what only counts.
  [[nodiscard]] auto state() {
    return std::tie(model_, live_, index_of_live_, gap_index_, indexed_, hooks_, started_, step_.expected, seen_.stats,
                    seen_.has_tree, seen_.tree, unchecked_);
  }

  /// Every call of the subject goes through here, but for making and destroying it: what is thrown in here is the
  /// subject's, what is thrown elsewhere is vmapcheck's own.
  template <class Call>
  std::invoke_result_t<Call&, AnySubject&> ask(Call call) const {
    return call(*subject_);
  }

  // One for each kind of op: asks the subject, has the model follow, and returns what is wrong with the answer.
  /// Of each kind of op, in executor.cpp. One that is not there does not compile.
  template <class T>
  std::optional<vmap::Violation> perform(const T& op) = delete;
  std::optional<vmap::Violation> perform(const Op& op);

  std::optional<vmap::Violation> skip(Skipped why);
  template <class T>
  void answered(const vmap::Result<T>& result);
  [[nodiscard]] bool metadata_failed() const { return metadata_.failures() != failures_before_; }
  std::optional<vmap::Violation> free_busy(Address begin);
  std::optional<vmap::Violation> free_busy_lazily(Address begin);
  std::optional<vmap::Violation> refuse(const vmap::Result<Range>& actual);

  void make_room();
  template <class Request>
  auto predict(const Request& request) -> decltype(std::declval<const ReferenceModel&>().predict(request));
  template <class T>
  static void demand_same(const vmap::Result<T>& by_model, const vmap::Result<T>& by_index);
  void confirm_index(const Op& op) const;
  void use_gap_index_if_large();
  template <class Predict>
  auto expect(Predict predict) -> decltype(predict());
  bool on_hook(std::size_t index);
  std::optional<vmap::Violation> hooks_as_expected();

  void occupied(Range range, Label label);
  Range vacated(Address begin);
  void purged();
  vmap::Coalescing freed(Range range, Range gap);
  void forget(const ReferenceModel::Area& area);

  void begin_step(const Op* op);
  std::optional<vmap::Violation> before_the_first();
  std::optional<vmap::Violation> check();
  std::optional<vmap::Violation> check_state(bool in_full);
  std::optional<vmap::Violation> check_near(Address begin);
  std::optional<vmap::Violation> check_verify();
  std::optional<vmap::Violation> first_broken(std::span<const Check> group);
  void look_at_counters();
  void look_at_layout();
  void look_at_tree();
  [[nodiscard]] std::size_t nodes() const { return model_.areas().size() + free_blocks(); }
  void checked(vmap::Invariant invariant);
  void count(const Op& op);

  Arena* arena_;
  // The metadata outlives the subject: declared before it.
  MetadataResource metadata_;
  ReferenceModel model_;
  Checking checking_;
  Closer closer_;
  Beacon beacon_;
  Position position_;
  std::unique_ptr<AnySubject> subject_;
  Features features_;
  Promises promises_;

  std::vector<Live> live_;
  std::map<Label, std::size_t> index_of_live_;
  std::optional<GapIndex> gap_index_;  ///< of the model's gaps, where they are many
  std::uint64_t indexed_ = 0;          ///< predictions from it since the model repeated one
  std::vector<Hook> hooks_;
  std::size_t hooks_met_ = 0;  ///< calls in this step, of the step_.hooks_called that are expected
  std::optional<vmap::Violation> hook_violation_;
  bool started_ = false;

  Step step_;
  Observation seen_;
  std::uint64_t requests_before_ = 0;  ///< for metadata, before the step
  std::uint64_t failures_before_ = 0;  ///< of those
  std::vector<Range> gaps_;            ///< the model's, when seen_.layout was looked at
  std::uint64_t unchecked_ = 0;        ///< steps since everything was checked
  Coverage coverage_;
};

/// A state of an executor.
class Executor::Mark {
  friend class Executor;
  template <class... T>
  static std::tuple<T...> values_of(const std::tuple<T&...>& references);
  using State = decltype(values_of(std::declval<Executor&>().state()));

  std::optional<State> state_;
  MetadataResource::Counts metadata_;
  Arena::Mark arena_;
  std::vector<std::byte> subject_;
};

struct RunOptions {
  Checking checking = Checking::every_step;
  Closer closer{};
  Coverage* coverage = nullptr;
  Beacon beacon{};  ///< is told where the run is
  /// Called before the subject is destroyed, whose state is undefined from there on.
  std::function<void(const Failure&)> on_violation{};
  std::function<bool()> keep_going{};  ///< asked before each step; false ends the run, which then has found nothing
  Position* position = nullptr;        ///< is told how far it has come
  /// Is told that of the executor after the last op, unless an invariant broke before.
  std::uint64_t* visible_state = nullptr;
};

/// Runs a trace to its end or its first violation. The error says why the subject could not be made. In this process: a
/// subject that dies takes it along (see isolated.hpp).
[[nodiscard]] std::expected<std::optional<Failure>, std::string> run(const Trace& trace, const SubjectFactory& make,
                                                                     const RunOptions& options = {});

}  // namespace vmapcheck
