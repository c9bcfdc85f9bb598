// SPDX-License-Identifier: Apache-2.0
#include "subjects/basic.hpp"

#include "harness/verify/model_subject.hpp"
#include "subjects/index_subject.hpp"
#include "subjects/seed_2019.hpp"
#include "subjects/vmap_entry.hpp"
#include "subjects/vmap_subject.hpp"

namespace vmapcheck {

std::vector<SubjectEntry> basic_subjects() {
  std::vector<SubjectEntry> entries;
  entries.push_back(vmap_entry());
  entries.push_back({"model", SubjectKind::sound, "the reference model, checked against itself", model_subject()});
  entries.push_back({"seed_2019", SubjectKind::specimen, "our tree with the search as it was first published in 2019",
                     factory(VmapSubject<Seed2019FreeSpace>::create), index_factory<Seed2019FreeSpace>()});
  return entries;
}

}  // namespace vmapcheck
