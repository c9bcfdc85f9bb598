// SPDX-License-Identifier: Apache-2.0
//
// The subject under test: an allocator, seen through what it can do.
//
// Two functions make a type a Subject: allocate and free. Each further one brings its ops into play, or its invariants:
//
//     allocate_at(Range), allocate_congruent(span<const Block>, align, within), free_lazily(begin) with purge(), find(address),
//     on_exhaustion(hook)                 their ops; without one, its ops are skipped and counted
//     for_each_busy, for_each_free        overlap, partition, coalescing, atomicity (and for_each_lazy with lazy frees)
//     tree(), a TreeView                  tree, augment
//     verify()                            its answer: it must find nothing where nothing is wrong
//     stats(), a vmap::Stats              classification by count of free blocks, memory
//     cost(), a const CostBound*          with stats(): cost, by a bound of its own (cost.hpp)
//     Promises promises() const           what the answers may be; without it, all of the contract
//     using Rewindable = itself           all its state lies in its own bytes and in its metadata resource, none behind pointers
//                                         to elsewhere: a state can be kept and put back as bytes (explore is faster with it)
//     using Transparent = itself          what it will answer and do is decided by what it shows: busy, lazily freed and free
//                                         ranges, the tree, and how many nodes are spare. No counter, hint or cache decides.
//     std::uint64_t digest() const        of what else decides: equal only where that is equal
//
// With one of the last two, a state that `explore` has met before is known to be the same one, and it can prove
// something. Without, a subject may always hold more than is seen. Both claims are tried on a sample; a false one is a
// violation.
//
// This is all that a subject needs (this one says no to everything, and promises no more):
//
//     struct Refuses {
//       vmap::Result<vmap::Allocation> allocate(const vmap::Request&) { return std::unexpected(vmap::Error::no_space); }
//       vmap::Result<Range> free(Address) { return std::unexpected(vmap::Error::not_busy); }
//       static Promises promises() { return {.complete = false}; }
//     };
//     const SubjectFactory make = factory([](const SubjectConfig&) { return Refuses{}; });
//
// The executor works on AnySubject, the same behind virtual functions; Erased<S> makes one of every Subject.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <memory_resource>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "harness/verify/holding.hpp"
#include "harness/verify/tree_view.hpp"
#include "model/op.hpp"
#include "model/promises.hpp"
#include "vmap/error.hpp"
#include "vmap/request.hpp"
#include "vmap/stats.hpp"

namespace vmapcheck {

class CostBound;

/// What a subject is constructed from.
struct SubjectConfig {
  const Space& space;
  std::pmr::memory_resource* metadata = nullptr;  ///< for all its metadata; counts, and may fail
  std::size_t nodes_per_slab = 1;
};

template <class S>
concept Subject = requires(S& subject, const vmap::Request& request, Address begin) {
  { subject.allocate(request) } -> std::same_as<vmap::Result<vmap::Allocation>>;
  { subject.free(begin) } -> std::same_as<vmap::Result<Range>>;
};

template <class S>
concept AllocatesAt = requires(S& subject, Range range) {
  { subject.allocate_at(range) } -> std::same_as<vmap::Result<vmap::Allocation>>;
};
template <class S>
concept AllocatesCongruent = requires(S& subject, std::span<const vmap::Block> blocks, Size align, Range within) {
  { subject.allocate_congruent(blocks, align, within) } -> std::same_as<vmap::Result<Address>>;
};
template <class S>
concept FreesLazily = requires(S& subject, Address begin) {
  { subject.free_lazily(begin) } -> std::same_as<vmap::Result<Range>>;
  { subject.purge() } -> std::same_as<Size>;
};
template <class S>
concept Finds = requires(const S& subject, Address address) {
  { subject.find(address) } -> std::same_as<std::optional<Range>>;
};
template <class S>
concept HasHooks = requires(S& subject, std::function<bool()> hook) { subject.on_exhaustion(hook).has_value(); };

template <class S>
concept Observable = requires(const S& subject, void (*visit)(Range)) {
  subject.for_each_busy(visit);
  subject.for_each_free(visit);
};
template <class S>
concept ObservableLazy = requires(const S& subject, void (*visit)(Range)) { subject.for_each_lazy(visit); };
template <class S>
concept Inspectable = requires(const S& subject) {
  { subject.tree() } -> TreeView;
};
template <class S>
concept Accountable = requires(const S& subject) {
  { subject.stats() } -> std::convertible_to<vmap::Stats>;
};

template <class S>
concept BoundsCost = requires(const S& subject) {
  { subject.cost() } -> std::same_as<const CostBound*>;
};

/// Says of itself, not of what it derives from, that bytes are all it is.
template <class S>
concept Rewinds = requires { requires std::same_as<typename S::Rewindable, S>; };

/// Says of itself, not of what it derives from, that what it shows decides what it does.
template <class S>
concept ShowsAllState = requires { requires std::same_as<typename S::Transparent, S>; };
template <class S>
concept Digestible = requires(const S& subject) {
  { subject.digest() } -> std::same_as<std::uint64_t>;
};

/// Which of the functions a subject has.
struct Features {
  bool allocate_at = false;
  bool congruent = false;
  bool lazy = false;
  bool find = false;
  bool hooks = false;
  bool observable = false;
  bool inspectable = false;
  bool stats = false;
  bool transparent = false;  ///< says that it shows all its state
  bool digest = false;
};

/// A subject of any type. A function may be called only where features() has it.
class AnySubject {
 public:
  virtual ~AnySubject() = default;

  [[nodiscard]] virtual Features features() const = 0;
  [[nodiscard]] virtual Promises promises() const = 0;

  virtual vmap::Result<vmap::Allocation> allocate(const vmap::Request& request) = 0;
  virtual vmap::Result<Range> free(Address begin) = 0;
  virtual vmap::Result<vmap::Allocation> allocate_at(Range range) = 0;
  virtual vmap::Result<Address> allocate_congruent(std::span<const vmap::Block> blocks, Size align, Range within) = 0;
  virtual vmap::Result<Range> free_lazily(Address begin) = 0;
  virtual Size purge() = 0;
  [[nodiscard]] virtual std::optional<Range> find(Address address) const = 0;
  virtual bool on_exhaustion(std::function<bool()> hook) = 0;

  // These replace what `ranges` holds.
  virtual void busy(std::vector<Range>& ranges) const = 0;
  virtual void free(std::vector<Range>& ranges) const = 0;
  virtual void lazy(std::vector<Range>& ranges) const = 0;
  virtual TreeFinding check_tree(std::size_t blocks_max, std::vector<Range>& blocks) = 0;
  virtual TreeFinding check_tree_near(Address address, Near& near) = 0;
  /// What it holds, for pictures: at most `items_max` of each list.
  [[nodiscard]] virtual Holding holding(std::size_t items_max) const = 0;
  virtual void stats(vmap::Stats& stats) const = 0;
  /// What it may cost, by what stats() counts; null: anything. Lives as long as the subject.
  [[nodiscard]] virtual const CostBound* cost() const { return nullptr; }
  /// Bytes that may be copied away and back: all of its state, but for what lies in its metadata resource. Empty where
  /// its state lies elsewhere, too.
  [[nodiscard]] virtual std::span<std::byte> memory() { return {}; }
  /// Of the state that the subject does not show and that decides what it does.
  [[nodiscard]] virtual std::uint64_t digest() const { return 0; }
  /// What the subject's own check says; nullopt without one.
  [[nodiscard]] virtual std::optional<vmap::Violation> verify() const = 0;
};

/// Makes a subject, or says in one line why it cannot be made.
using SubjectFactory =
    std::function<std::expected<std::unique_ptr<AnySubject>, std::string>(const SubjectConfig& config)>;

template <Subject S>
class Erased final : public AnySubject {
 public:
  explicit Erased(S subject) : subject_(std::move(subject)) {}

  [[nodiscard]] Features features() const override {
    return {.allocate_at = AllocatesAt<S>,
            .congruent = AllocatesCongruent<S>,
            .lazy = FreesLazily<S>,
            .find = Finds<S>,
            .hooks = HasHooks<S>,
            .observable = Observable<S> && (ObservableLazy<S> || !FreesLazily<S>),
            .inspectable = Inspectable<S>,
            .stats = Accountable<S>,
            .transparent = ShowsAllState<S>,
            .digest = Digestible<S>};
  }
  [[nodiscard]] Promises promises() const override {
    if constexpr (requires { subject_.promises(); }) return subject_.promises();
    return {};
  }

  vmap::Result<vmap::Allocation> allocate(const vmap::Request& request) override { return subject_.allocate(request); }
  vmap::Result<Range> free(Address begin) override { return subject_.free(begin); }
  vmap::Result<vmap::Allocation> allocate_at(Range range) override {
    if constexpr (AllocatesAt<S>) return subject_.allocate_at(range);
    std::unreachable();
  }
  vmap::Result<Address> allocate_congruent(std::span<const vmap::Block> blocks, Size align, Range within) override {
    if constexpr (AllocatesCongruent<S>) return subject_.allocate_congruent(blocks, align, within);
    std::unreachable();
  }
  vmap::Result<Range> free_lazily(Address begin) override {
    if constexpr (FreesLazily<S>) return subject_.free_lazily(begin);
    std::unreachable();
  }
  Size purge() override {
    if constexpr (FreesLazily<S>) return subject_.purge();
    std::unreachable();
  }
  [[nodiscard]] std::optional<Range> find(Address address) const override {
    if constexpr (Finds<S>) return subject_.find(address);
    std::unreachable();
  }
  bool on_exhaustion(std::function<bool()> hook) override {
    if constexpr (HasHooks<S>) return subject_.on_exhaustion(std::move(hook)).has_value();
    std::unreachable();
  }

  void busy(std::vector<Range>& ranges) const override {
    ranges.clear();
    if constexpr (Observable<S>) subject_.for_each_busy([&](Range range) { ranges.push_back(range); });
  }
  void free(std::vector<Range>& ranges) const override {
    ranges.clear();
    if constexpr (Observable<S>) subject_.for_each_free([&](Range range) { ranges.push_back(range); });
  }
  void lazy(std::vector<Range>& ranges) const override {
    ranges.clear();
    if constexpr (ObservableLazy<S>) subject_.for_each_lazy([&](Range range) { ranges.push_back(range); });
  }
  TreeFinding check_tree(std::size_t blocks_max, std::vector<Range>& blocks) override {
    if constexpr (Inspectable<S>) return checker_.check_all(subject_.tree(), blocks_max, blocks);
    return {};
  }
  TreeFinding check_tree_near(Address address, Near& near) override {
    if constexpr (Inspectable<S>) return checker_.check_near(subject_.tree(), address, near);
    return {};
  }
  [[nodiscard]] Holding holding(std::size_t items_max) const override {
    Holding held;
    if constexpr (Observable<S>) {
      const bool all_busy = list_ranges(
          held.layout.busy, items_max,
          [&](auto visit) noexcept(noexcept(subject_.for_each_busy(visit))) { subject_.for_each_busy(visit); });
      const bool all_free = list_ranges(
          held.layout.free, items_max,
          [&](auto visit) noexcept(noexcept(subject_.for_each_free(visit))) { subject_.for_each_free(visit); });
      held.complete = all_busy && all_free;
    }
    if constexpr (ObservableLazy<S>)
      held.complete = list_ranges(held.layout.lazy, items_max,
                                  [&](auto visit) noexcept(noexcept(subject_.for_each_lazy(visit))) {
                                    subject_.for_each_lazy(visit);
                                  }) &&
                      held.complete;
    if constexpr (Inspectable<S>) held.tree = list_tree(subject_.tree(), items_max);
    return held;
  }
  void stats(vmap::Stats& stats) const override {
    if constexpr (Accountable<S>) stats = subject_.stats();
  }
  [[nodiscard]] const CostBound* cost() const override {
    if constexpr (BoundsCost<S>) return subject_.cost();
    return nullptr;
  }
  [[nodiscard]] std::span<std::byte> memory() override {
    if constexpr (Rewinds<S>) return std::as_writable_bytes(std::span(&subject_, 1));
    return {};
  }
  [[nodiscard]] std::uint64_t digest() const override {
    if constexpr (Digestible<S>) return subject_.digest();
    return 0;
  }
  [[nodiscard]] std::optional<vmap::Violation> verify() const override {
    if constexpr (requires { subject_.verify(); }) return subject_.verify();
    return std::nullopt;
  }

 private:
  S subject_;
  TreeChecker checker_;
};

/// From a function that returns a Subject, or a std::expected of one with a std::string.
template <class Make>
[[nodiscard]] SubjectFactory factory(Make make) {
  return
      [make = std::move(make)](const SubjectConfig& config) -> std::expected<std::unique_ptr<AnySubject>, std::string> {
        auto made = make(config);
        if constexpr (Subject<decltype(made)>) {
          return std::make_unique<Erased<decltype(made)>>(std::move(made));
        } else {
          if (!made) return std::unexpected(made.error());
          return std::make_unique<Erased<typename decltype(made)::value_type>>(*std::move(made));
        }
      };
}

}  // namespace vmapcheck
