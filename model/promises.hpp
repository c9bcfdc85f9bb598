// SPDX-License-Identifier: Apache-2.0
//
// What a subject promises. Where it promises less than the full contract, the model does not predict but judges the
// answer, and follows it.
#pragma once

namespace vmapcheck {

struct Promises {
  bool lowest = true;     ///< a placement is the lowest one; else any that satisfies the request
  bool complete = true;   ///< no_space only if there is no placement; else whenever it likes
  bool fit_type = true;   ///< the fit type is reported truly; else it is ignored
  bool coalesced = true;  ///< a free returns the whole free block that resulted; else it is ignored
  bool not_busy = true;   ///< freeing what is no busy area's begin is refused; else it must not be tried
  bool free_nodes =
      true;  ///< stats().nodes_alive counts a node for each free block and each area; else for areas alone
  friend bool operator==(const Promises&, const Promises&) = default;
};

}  // namespace vmapcheck
