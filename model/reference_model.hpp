// SPDX-License-Identifier: Apache-2.0
//
// What should happen: docs/contract.md, in its plainest form. There is a map of areas, and free space is what lies
// between them. There is no coalescing, no split, no cached maximum and no tree of blocks, so that the model cannot
// share such faults with a subject. Sums are written as they are meant, in 128 bits. It is to be read in five minutes,
// not to be fast: an allocation looks at every gap from the window's begin on.
//
//     ReferenceModel model({.range = {0x1000, 0x9000}, .granule = 0x1000});
//     auto expected = model.predict(vmap::Request{.size = 0x2000});  // [0x1000, 0x3000), left_edge; changes nothing
//     model.occupy(expected->range, Label{0});                        // whoever judges a subject follows its answer
//     model.vacate(0x1000);                                           // [0x1000, 0x9000): the gap that resulted
//     (void)model.allocate({.size = 0x2000});                         // as an address space does it
//
// Every driver judges by this one: the executor predicts, and follows what the subject answers; RapidCheck's state
// machine calls it like an address space.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/op.hpp"
#include "model/promises.hpp"
#include "vmap/error.hpp"
#include "vmap/request.hpp"

namespace vmapcheck {

class ReferenceModel {
 public:
  /// What is not free: busy, or freed lazily and not purged yet.
  struct Area {
    Address end = 0;
    bool lazy = false;
    std::optional<Label> label{};  ///< of the op that allocated it; none for what was busy from the start
  };
  using Areas = std::map<Address, Area>;  ///< by their begin

  /// Requires a space without defect (see trace.hpp).
  explicit ReferenceModel(const Space& space);

  /// False where the answer is invalid_argument in every state.
  [[nodiscard]] bool is_valid(const vmap::Request& request) const;
  [[nodiscard]] bool is_valid(Range exactly) const;
  [[nodiscard]] bool is_valid(const Congruent& op) const;

  // Predictions for this state, without purge and hooks. They change nothing.

  [[nodiscard]] vmap::Result<vmap::Allocation> predict(const vmap::Request& request) const;
  [[nodiscard]] vmap::Result<vmap::Allocation> predict(Range exactly) const;
  /// The base.
  [[nodiscard]] vmap::Result<Address> predict(const Congruent& op) const;
  /// The busy area that contains `address`.
  [[nodiscard]] std::optional<Range> find(Address address) const;
  /// The busy area that begins at `begin`, or null.
  [[nodiscard]] const Area* busy_at(Address begin) const;

  /// Why `actual` is no answer to `request` from a subject that promises `promises`, or nullopt; `expected` is the
  /// prediction for this state. With all promises made this is "it equals the prediction".
  [[nodiscard]] std::optional<std::string> judge(const vmap::Request& request,
                                                 const vmap::Result<vmap::Allocation>& expected,
                                                 const vmap::Result<vmap::Allocation>& actual,
                                                 const Promises& promises) const;

  // What has happened.

  /// Requires that the range is free.
  void occupy(Range range, std::optional<Label> label);
  /// The busy area at `begin` becomes free; returns the gap around it.
  Range vacate(Address begin);
  /// The busy area at `begin` is freed lazily; returns it.
  Range retire(Address begin);
  /// All lazily freed areas become free; returns their bytes.
  Size purge();
  /// The last of lazy() becomes free; returns the gap around it. Requires that there is one.
  Range purge_one();

  // The calls of an address space: the answer, and what follows from it.

  vmap::Result<vmap::Allocation> allocate(const vmap::Request& request);
  vmap::Result<vmap::Allocation> allocate_at(Range range);
  vmap::Result<Address> allocate_congruent(std::span<const vmap::Block> blocks, Size align, Range within);
  vmap::Result<Range> free(Address begin);
  vmap::Result<Range> free_lazily(Address begin);
  /// Registers a hook that frees the busy area at `begin`, if there is one, the one time that it is called. True: it
  /// was registered.
  bool free_on_exhaustion(Address begin) { return hooks_.push_back(begin), true; }

  // What there is.

  [[nodiscard]] const Space& space() const { return space_; }
  /// Busy and lazily freed areas.
  [[nodiscard]] const Areas& areas() const { return areas_; }
  /// The free space, in ascending order.
  [[nodiscard]] std::vector<Range> gaps() const;
  /// The same, into what `gaps` has room for.
  void gaps_into(std::vector<Range>& gaps) const;
  /// What is free between an area and the one before, or the one after it (or an end of the space); may be empty.
  /// gap_before() also takes areas().end().
  [[nodiscard]] Range gap_before(Areas::const_iterator area) const;
  [[nodiscard]] Range gap_after(Areas::const_iterator area) const;
  /// What is free around an address that is free.
  [[nodiscard]] Range gap_around(Address address) const;
  [[nodiscard]] bool is_free(Range range) const;
  [[nodiscard]] Size busy_bytes() const { return busy_bytes_; }
  [[nodiscard]] Size lazy_bytes() const { return lazy_bytes_; }
  [[nodiscard]] std::size_t lazy_areas() const { return lazy_.size(); }
  /// The begins of lazily freed areas, in the order in which they were freed.
  [[nodiscard]] const std::vector<Address>& lazy() const { return lazy_; }

 private:
  template <class Place>
  auto until_satisfied(Place place) -> decltype(place());

  Space space_;
  Areas areas_;
  Size busy_bytes_ = 0;
  Size lazy_bytes_ = 0;
  std::vector<Address> lazy_;
  std::vector<Address> hooks_;  ///< not called yet
};

}  // namespace vmapcheck
