// SPDX-License-Identifier: Apache-2.0
//
// Our allocator as a subject that can be named: the one in this program, and each mutant of it in a shared object.
#pragma once

#include "subjects/index_subject.hpp"
#include "subjects/registry.hpp"
#include "subjects/vmap_subject.hpp"

namespace vmapcheck {

[[nodiscard]] inline SubjectEntry vmap_entry() {
  return {"vmap", SubjectKind::sound, "our allocator: an augmented red-black tree of free blocks",
          factory(VmapSubject<vmap::FreeSpace>::create), index_factory<vmap::FreeSpace>()};
}

}  // namespace vmapcheck
