// SPDX-License-Identifier: Apache-2.0
//
// Want of the memory that no memory resource gives: that of operator new.
#pragma once

namespace vmap {

/// While one lives, operator new throws std::bad_alloc in this thread.
class RefusedNew {
 public:
  RefusedNew();
  ~RefusedNew();
  RefusedNew(const RefusedNew&) = delete;
  RefusedNew& operator=(const RefusedNew&) = delete;
};

}  // namespace vmap
