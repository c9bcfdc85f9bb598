// SPDX-License-Identifier: Apache-2.0
//
// Finds and ends the processes that a child leaves behind, wherever they have gone (another group, another session, an
// orphan's child). Linux.
#pragma once

#include <sys/types.h>

#include <vector>

namespace vmapcheck {

/// Lives as long as a walk. Orphans below this process become its children; children that it did not have before the
/// fork are strays.
class Strays {
 public:
  Strays();
  Strays(const Strays&) = delete;
  Strays& operator=(const Strays&) = delete;
  ~Strays();

  /// To be called before the fork: the processes that there are now are no strays.
  void note_others();
  /// To be called after the child has ended: ends all strays. Costs one system call if there are no children. What this
  /// process starts after it is none (such as a symbolizer, by a caller that looks at the death).
  void end();

 private:
  int reaped_before_ = 0;  ///< whether orphans became children of this process already
  std::vector<pid_t> others_;
  bool forked_ = false;  ///< since note_others(), and end() was not called
};

}  // namespace vmapcheck
