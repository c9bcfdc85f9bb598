// SPDX-License-Identifier: Apache-2.0
#include "subjects/basic.hpp"

#include "harness/verify/model_subject.hpp"
#include "subjects/index_subject.hpp"
#include "subjects/linear_scan.hpp"
#include "subjects/seed_2019.hpp"
#include "subjects/vmap_entry.hpp"
#include "subjects/vmap_subject.hpp"

namespace vmapcheck {

std::vector<SubjectEntry> basic_subjects() {
  std::vector<SubjectEntry> entries;
  entries.push_back(vmap_entry());
  entries.push_back({"vmap_rows", SubjectKind::sound, "ours, with a row for an alignment as soon as it is asked for",
                     over<vmap::FreeSpace, 0>(), index_factory<vmap::FreeSpace, true>()});
  entries.push_back({"model", SubjectKind::sound, "the reference model, checked against itself", model_subject()});
  entries.push_back({"seed_2019", SubjectKind::specimen, "our tree with the search as it was first published in 2019",
                     factory(VmapSubject<Seed2019FreeSpace>::create), index_factory<Seed2019FreeSpace>()});
  entries.push_back({"linear_scan", SubjectKind::specimen, "areas alone, scanned from a cached one: what came before",
                     factory(LinearScan::create)});
  return entries;
}

}  // namespace vmapcheck
