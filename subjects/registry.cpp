// SPDX-License-Identifier: Apache-2.0
#include "subjects/registry.hpp"

#include <algorithm>
#include <vector>

#include "subjects/basic.hpp"
#include "subjects/canaries.hpp"
#include "subjects/faulty.hpp"

namespace vmapcheck {
namespace {

std::vector<SubjectEntry> make_entries() {
  std::vector<SubjectEntry> entries = basic_subjects();
#ifdef VMAPCHECK_FAULTY_SUBJECTS
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
