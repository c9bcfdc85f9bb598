// SPDX-License-Identifier: Apache-2.0
//
// Subjects in shared objects: mutants of our allocator, as `vmapcheck mutants` compiles them
// (properties/mutation/subject.cpp).
//
// Such a file exports one function, vmapcheck_loaded(), and finds the harness in the program that loads it. What they
// exchange is C++, so that both must be of one build: a stamp, a hash of the headers between them, is compared first.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "subjects/registry.hpp"

namespace vmapcheck {

/// What vmapcheck_loaded() returns. The stamp comes first and is plain, to be read before anything else is believed.
struct LoadedSubject {
  const char* stamp = nullptr;
  const SubjectEntry* entry = nullptr;
};

inline constexpr const char* loaded_subject_symbol = "vmapcheck_loaded";
using LoadedSubjectFunction = const LoadedSubject* (*)();

/// True of what names a file rather than a subject of the registry: it has a '/', or ends in ".so".
[[nodiscard]] bool names_shared_object(std::string_view name);

/// The subject in that file, which is named as the file is; or one line that says what is wrong with it. Loaded once,
/// and never unloaded.
[[nodiscard]] std::expected<const SubjectEntry*, std::string> load_subject(const std::string& path);

}  // namespace vmapcheck
