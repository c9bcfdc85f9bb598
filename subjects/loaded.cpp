// SPDX-License-Identifier: Apache-2.0
#include "subjects/loaded.hpp"

#include <dlfcn.h>

#include <map>
#include <utility>

#include "subjects/interface_stamp.hpp"

namespace vmapcheck {

bool names_shared_object(std::string_view name) {
  return name.find('/') != std::string_view::npos || name.ends_with(".so");
}

std::expected<const SubjectEntry*, std::string> load_subject(const std::string& path) {
  static std::map<std::string, SubjectEntry> loaded;
  if (const auto known = loaded.find(path); known != loaded.end()) return &known->second;
  // Without a '/' dlopen() would look along its search path.
  const std::string file = path.find('/') == std::string::npos ? "./" + path : path;
  void* const object = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (object == nullptr) {
    const char* const why = ::dlerror();
    return std::unexpected(why != nullptr ? why : path + ": cannot be loaded");
  }
  const auto function = reinterpret_cast<LoadedSubjectFunction>(::dlsym(object, loaded_subject_symbol));
  if (function == nullptr)
    return std::unexpected(path + ": not a subject: it does not export " + loaded_subject_symbol + "()");
  const LoadedSubject* const subject = function();
  if (subject->stamp == nullptr || std::string_view(subject->stamp) != VMAPCHECK_INTERFACE_STAMP)
    return std::unexpected(path + ": compiled for another build of vmapcheck: compile it again");
  SubjectEntry entry = *subject->entry;
  entry.name = path;
  return &loaded.emplace(path, std::move(entry)).first->second;
}

}  // namespace vmapcheck
