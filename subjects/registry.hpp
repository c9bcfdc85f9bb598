// SPDX-License-Identifier: Apache-2.0
//
// The subjects that can be named: on the command line, by the fuzz targets, by the properties.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "harness/explore/free_index.hpp"
#include "harness/verify/subject.hpp"

namespace vmapcheck {

enum class SubjectKind : std::uint8_t {
  sound,     ///< nothing is known to be wrong with it
  specimen,  ///< an algorithm as it was once published, or a fault of a kind that commands must cope with
  canary,    ///< broken on purpose: must be caught
  faulty,    ///< broken on purpose, to measure what is made of its failures: some die (subjects/faulty.hpp)
};

struct SubjectEntry {
  std::string name;
  SubjectKind kind = SubjectKind::sound;
  std::string summary;  ///< one line
  SubjectFactory make;
  FreeIndexFactory index{};  ///< its free-space index alone, where that can be explored
};

/// In the order in which they are listed; ours is the first.
[[nodiscard]] std::span<const SubjectEntry> subjects();

/// Null if there is none of that name.
[[nodiscard]] const SubjectEntry* find_subject(std::string_view name);

}  // namespace vmapcheck
