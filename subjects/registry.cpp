// SPDX-License-Identifier: Apache-2.0
#include "subjects/registry.hpp"

#include <algorithm>
#include <vector>

#include "harness/verify/model_subject.hpp"
#include "subjects/canaries.hpp"
#include "subjects/faulty.hpp"
#include "subjects/index_subject.hpp"
#include "subjects/seed_2019.hpp"
#include "subjects/vmap_entry.hpp"
#include "subjects/vmap_subject.hpp"

namespace vmapcheck {
namespace {

std::vector<SubjectEntry> make_entries() {
  std::vector<SubjectEntry> entries;
  entries.push_back(vmap_entry());
  entries.push_back({"model", SubjectKind::sound, "the reference model, checked against itself", model_subject()});
  entries.push_back({"seed_2019", SubjectKind::specimen, "our tree with the search as it was first published in 2019",
                     factory(VmapSubject<Seed2019FreeSpace>::create), index_factory<Seed2019FreeSpace>()});
#if VMAPCHECK_FAULTY_SUBJECTS
  std::ranges::move(canaries(), std::back_inserter(entries));
  for (const FaultySubject& fault : faulty_subjects()) entries.push_back(fault.entry);
  std::ranges::move(faulty_specimens(), std::back_inserter(entries));
#endif
  return entries;
}

}  // namespace

std::span<const SubjectEntry> subjects() {
  static const std::vector<SubjectEntry> entries = make_entries();
  return entries;
}

const SubjectEntry* find_subject(std::string_view name) {
  const auto entry = std::ranges::find(subjects(), name, &SubjectEntry::name);
  return entry == subjects().end() ? nullptr : &*entry;
}

}  // namespace vmapcheck
