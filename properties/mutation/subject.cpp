// SPDX-License-Identifier: Apache-2.0
//
// The whole allocator with the adapters that make subjects of it, as one translation unit: compiled with a mutated
// header or source in front of the sound ones, it becomes a shared object for `--subject FILE.so`. No target of the
// build has it; workshop.py compiles it. Where many mutants are in it, VMAPCHECK_MUTANT is the number of the one that
// is meant.
//
// Everything of the allocator that is in here stays in here: visibility is hidden, and references are bound inside. So
// a mutated inline function cannot replace the same one of the harness that judges it, nor the other way around.
#include <cstdlib>

#include "interface_stamp.hpp"
#include "subjects/loaded.hpp"
#include "subjects/vmap_entry.hpp"
#include "vmap/address_space.cpp"
#include "vmap/verify.cpp"

namespace vmapcheck_mutation {

extern int chosen;
int chosen = [] {
  const char* const number = std::getenv("VMAPCHECK_MUTANT");
  return number != nullptr ? std::atoi(number) : 0;
}();

}  // namespace vmapcheck_mutation

extern "C" [[gnu::visibility("default")]] const vmapcheck::LoadedSubject* vmapcheck_loaded() {
  static const vmapcheck::SubjectEntry entry = vmapcheck::vmap_entry();
  static const vmapcheck::LoadedSubject loaded{.stamp = VMAPCHECK_INTERFACE_STAMP, .entry = &entry};
  return &loaded;
}
