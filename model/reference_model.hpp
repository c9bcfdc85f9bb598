// SPDX-License-Identifier: Apache-2.0
//
// What should happen. The model keeps the areas in order of address and nothing else; free space is the gaps between
// them. It has no coalescing, no split, no cached maximum and no tree of its own, so that it cannot share such faults
// with a subject. Its arithmetic has 128 bits: sums are written as they are meant. It is to be read in five minutes,
// not to be fast: an allocation looks at every gap from the window's begin on.
//
//     ReferenceModel model({.range = {0x1000, 0x9000}, .granule = 0x1000});
//     auto expected = model.predict(vmap::Request{.size = 0x2000});  // [0x1000, 0x3000), left_edge; changes nothing
//     model.occupy(expected->range, Label{0});
//     model.vacate(0x1000);                                           // [0x1000, 0x9000): the gap that resulted
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "model/areas.hpp"
#include "model/op.hpp"
#include "model/promises.hpp"
#include "vmap/error.hpp"
#include "vmap/request.hpp"

namespace vmapcheck {

class ReferenceModel {
 public:
  using Area = vmapcheck::Area;
  using Areas = vmapcheck::Areas;

  /// Requires a space without defect (see trace.hpp).
  explicit ReferenceModel(const Space& space);

  /// False where the answer is invalid_argument in every state.
  [[nodiscard]] bool is_valid(const vmap::Request& request) const;
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

  // What there is.

  [[nodiscard]] const Space& space() const { return space_; }
  /// Busy and lazily freed areas, by their begin.
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
  Space space_;
  Areas areas_;
  Size busy_bytes_ = 0;
  Size lazy_bytes_ = 0;
  std::vector<Address> lazy_;
};

}  // namespace vmapcheck
