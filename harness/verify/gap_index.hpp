// SPDX-License-Identifier: Apache-2.0
//
// The same predictions as the reference model's, of states that are too large to be walked: the gaps in sorted chunks,
// each with the size of its largest. What is too small is passed by a chunk at a time. It shares no structure with what
// it judges: there is no tree, no rotation, no value that is propagated.
//
//     ReferenceModel model({.range = {0x1000, 0x9000}, .granule = 0x1000});
//     GapIndex index(model.gaps());
//     (void)index.predict(model.space(), vmap::Request{.size = 0x2000});   // as the model predicts it
//     index.take({0x1000, 0x3000});                                        // has been placed
//     index.give({0x1000, 0x9000});                                        // the gap around what has been freed
//
// The naive model is what it is itself checked against: by a property, and in a run now and then (Executor).
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "model/op.hpp"
#include "vmap/error.hpp"
#include "vmap/request.hpp"

namespace vmapcheck {

class GapIndex {
 public:
  /// Requires gaps in ascending order; a chunk has at most `chunk_max`, at least 2.
  explicit GapIndex(std::span<const Range> gaps, std::size_t chunk_max = 1024);

  /// Require arguments that are valid.
  [[nodiscard]] vmap::Result<vmap::Allocation> predict(const Space& space, const vmap::Request& request) const;
  [[nodiscard]] vmap::Result<Address> predict(const Space& space, const Congruent& op) const;

  /// Requires that it is free.
  void take(Range range);
  /// All within `gap` is free, and nothing that touches it.
  void give(Range gap);

  /// The first gap of at least `size` bytes that ends above `address`.
  [[nodiscard]] std::optional<Range> first_above(Address address, Size size) const;
  /// The last gap of at least `size` bytes that begins at or below `address`.
  [[nodiscard]] std::optional<Range> last_from(Address address, Size size) const;

  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  using Chunk = std::vector<Range>;  ///< ascending, and not empty unless it is the only one

  [[nodiscard]] std::size_t chunk_of(Address address) const;
  void insert(Range gap);
  void erase(Range gap);
  void changed(std::size_t chunk);

  std::size_t chunk_max_;
  std::vector<Chunk> chunks_;
  std::vector<Address> firsts_;  ///< the begin of the first gap of each chunk
  std::vector<Size> maxima_;     ///< the size of its largest
  std::size_t size_ = 0;
};

}  // namespace vmapcheck
