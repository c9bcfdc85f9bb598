// SPDX-License-Identifier: Apache-2.0
//
// Rows beside which the others are read, and which are no allocators of ranges: one that does nothing, so that its time
// is that of the driver; and malloc.
#pragma once

#include <bit>
#include <cstdlib>

#include "harness/verify/subject.hpp"

namespace vmapcheck::bench {

/// Answers at once, the same to everything.
class NullSubject {
 public:
  vmap::Result<vmap::Allocation> allocate(const vmap::Request& request) {
    return vmap::Allocation{{address, address + request.size}};
  }
  vmap::Result<vmap::Allocation> allocate_at(Range range) { return vmap::Allocation{range}; }
  vmap::Result<Address> allocate_congruent(std::span<const vmap::Block>, Size, Range) { return address; }
  vmap::Result<Range> free(Address begin) { return Range{begin, begin + 1}; }
  vmap::Result<Range> free_lazily(Address begin) { return Range{begin, begin + 1}; }
  Size purge() { return 0; }
  [[nodiscard]] std::optional<Range> find(Address begin) const { return Range{begin, begin + 1}; }

 private:
  static constexpr Address address = 0x1000;
};

/// malloc() of a byte for each granule. It has no addresses to choose from: no alignment, no window.
class MallocSubject {
 public:
  explicit MallocSubject(const SubjectConfig& config) : granule_log2_(std::countr_zero(config.space.granule)) {}

  vmap::Result<vmap::Allocation> allocate(const vmap::Request& request) {
    const Size bytes = request.size >> granule_log2_;
    const Address begin = std::bit_cast<Address>(std::malloc(bytes));
    if (begin == 0) return std::unexpected(vmap::Error::out_of_memory);
    return vmap::Allocation{{begin, begin + bytes}};
  }
  vmap::Result<Range> free(Address begin) {
    std::free(std::bit_cast<void*>(begin));
    return Range{begin, begin + 1};
  }

 private:
  int granule_log2_;
};

}  // namespace vmapcheck::bench
