// SPDX-License-Identifier: Apache-2.0
//
// A property test of an allocator that only goes up: the sound one passes, and of one that ignores the window's end the
// smallest failing trace is one op.
#include <algorithm>
#include <cstdio>
#include <set>
#include <string>

#include "harness/random/check.hpp"
#include "harness/reduce/minimize.hpp"
#include "harness/verify/subject.hpp"
#include "model/trace.hpp"

namespace {

template <bool heeds_end>
class Bump {
 public:
  explicit Bump(const vmapcheck::Space& space) : free_(space.range), granule_(space.granule) {
    for (const vmap::Range busy : space.busy) take(busy);
  }

  vmap::Result<vmap::Allocation> allocate(const vmap::Request& request) {
    const bool is_valid = request.size != 0 && request.size % granule_ == 0 && vmap::is_power_of_two(request.align) &&
                          request.within.begin <= request.within.end;
    if (!is_valid) return std::unexpected(vmap::Error::invalid_argument);
    vmap::Range window = request.within;
    if (!heeds_end) window.end = free_.end;
    const auto begin =
        vmap::lowest_placement(vmap::intersection(free_, window), request.size, std::max(request.align, granule_));
    if (!begin) return std::unexpected(vmap::Error::no_space);
    const vmap::Range area{*begin, *begin + request.size};
    take(area);
    return vmap::Allocation{area};
  }
  vmap::Result<vmap::Range> free(vmap::Address begin) {
    if (areas_.erase(begin) == 0) return std::unexpected(vmap::Error::not_busy);
    return vmap::Range{begin, begin};
  }
  static vmapcheck::Promises promises() {
    return {.lowest = false, .complete = false, .fit_type = false, .coalesced = false};
  }

 private:
  void take(vmap::Range area) {
    areas_.insert(area.begin);
    free_.begin = std::max(free_.begin, area.end);
  }
  vmap::Range free_;
  vmap::Size granule_;
  std::set<vmap::Address> areas_;
};

template <bool heeds_end>
vmapcheck::SubjectFactory bump() {
  return vmapcheck::factory([](const vmapcheck::SubjectConfig& config) { return Bump<heeds_end>(config.space); });
}

}  // namespace

int main() {
  const vmapcheck::CheckOptions options{.cases = 50, .ops = 200, .time = {}, .on_progress = {}};
  const auto sound = vmapcheck::check(bump<true>(), options);
  if (!sound || sound->found || sound->ops != 10'000) return 1;
  const auto broken = vmapcheck::check(bump<false>(), options);
  if (!broken || !broken->found) return 2;
  const auto small = vmapcheck::minimize(broken->found->trace, broken->found->failure, bump<false>());
  std::puts(print(small.trace).c_str());
  return small.trace.ops.size() == 1 ? 0 : 3;
}
