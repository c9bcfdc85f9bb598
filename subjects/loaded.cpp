// SPDX-License-Identifier: Apache-2.0
#include "subjects/loaded.hpp"

#include <dlfcn.h>

#include <cstring>
#include <map>
#include <utility>

#include "subjects/interface_stamp.hpp"

namespace vmapcheck {
namespace {

constexpr const char* another_build = ": compiled for another build of vmapcheck: compile it again";

}  // namespace

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
    const char* const said = ::dlerror();
    const std::string why = said != nullptr ? said : path + ": cannot be loaded";
    const std::size_t symbol = why.find("undefined symbol: ");
    if (symbol == std::string::npos) return std::unexpected(why);
    return std::unexpected(path + another_build + " (" + why.substr(symbol) + ")");
  }
  const auto function = reinterpret_cast<LoadedSubjectFunction>(::dlsym(object, loaded_subject_symbol));
  if (function == nullptr)
    return std::unexpected(path + ": not a subject: it does not export " + loaded_subject_symbol + "()");
  const LoadedSubject* const subject = function();
  // No byte is read behind the first that differs: what has no stamp may have anything there.
  if (subject == nullptr || subject->stamp == nullptr)
    return std::unexpected(path + ": has no stamp of a build of vmapcheck: compile it again");
  if (std::strcmp(subject->stamp, VMAPCHECK_INTERFACE_STAMP) != 0) return std::unexpected(path + another_build);
  if (subject->entry == nullptr || !subject->entry->make)
    return std::unexpected(path + ": not a subject: nothing is made by it");
  SubjectEntry entry = *subject->entry;
  entry.name = path;
  return &loaded.emplace(path, std::move(entry)).first->second;
}

}  // namespace vmapcheck
