// SPDX-License-Identifier: Apache-2.0
//
// The model's areas by their begin.
//
// The model walks from area to area all the time: measured against std::map, whose next element is a chase of pointers,
// neighbours in memory make a verified op nearly twice as fast.
#pragma once

#include <optional>

#include "model/op.hpp"
#include "model/sorted_chunks.hpp"

namespace vmapcheck {

/// An area that is not free: busy, or freed lazily and not purged yet.
struct Area {
  Address end = 0;
  bool lazy = false;
  std::optional<Label> label;  ///< of the op that allocated it; none for what was busy from the start
};

using Areas = SortedChunks<Address, Area>;

}  // namespace vmapcheck
