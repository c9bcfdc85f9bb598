// SPDX-License-Identifier: Apache-2.0
//
// An allocator that has no room but what was busy, for the test program of docs/ci.md.
#pragma once

#include <expected>
#include <map>

#include "harness/verify/subject.hpp"

class Mine {
 public:
  explicit Mine(const vmapcheck::Space& space) : granule_(space.granule) {
    for (const vmap::Range busy : space.busy) busy_.emplace(busy.begin, busy);
  }

  [[nodiscard]] vmap::Result<vmap::Allocation> allocate(const vmap::Request& request) const {
    const bool is_sound = request.size != 0 && request.size % granule_ == 0 && vmap::is_power_of_two(request.align) &&
                          request.within.begin <= request.within.end;
    return std::unexpected(is_sound ? vmap::Error::no_space : vmap::Error::invalid_argument);
  }
  vmap::Result<vmap::Range> free(vmap::Address begin) {
    const auto node = busy_.extract(begin);
    if (node.empty()) return std::unexpected(vmap::Error::not_busy);
    return node.mapped();
  }
  static vmapcheck::Promises promises() { return {.complete = false, .coalesced = false}; }

 private:
  vmap::Size granule_;
  std::map<vmap::Address, vmap::Range> busy_;
};
