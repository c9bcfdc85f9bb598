// SPDX-License-Identifier: Apache-2.0
//
// The processes that a child leaves behind: they are found wherever they have gone (another group, another session, an
// orphan's child), and ended. Linux.
#pragma once

#include <sys/types.h>

#include <vector>

namespace vmapcheck {

/// For the time of a walk. Orphans below this process become its children, and what is no other child of it is a stray.
class Strays {
 public:
  Strays();
  Strays(const Strays&) = delete;
  Strays& operator=(const Strays&) = delete;
  ~Strays();

  /// Before the fork: what there is now is none.
  void note_others();
  /// After the child has ended. Cost: a call of the system, if there is no other child.
  void end() const;

 private:
  int reaped_before_ = 0;  ///< orphans became children of this process already
  std::vector<pid_t> others_;
};

}  // namespace vmapcheck
