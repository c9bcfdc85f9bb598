// SPDX-License-Identifier: Apache-2.0
//
// Errors planted in copies of the harness's own files (properties/CMakeLists.txt): VMAPCHECK_PLANTED names a place and
// what goes wrong there, such as "index throw". A macro, so that the code lies in the file that it is planted in.
#pragma once

#include <cstdlib>
#include <stdexcept>
#include <string_view>

inline bool is_planted(std::string_view place, std::string_view what) {
  const char* const wanted = std::getenv("VMAPCHECK_PLANTED");
  return wanted != nullptr && std::string_view(wanted).starts_with(place) && std::string_view(wanted).ends_with(what);
}

/// `wrong` is a statement that gives a wrong answer, or nothing.
#define VMAPCHECK_PLANT(place, wrong)                                        \
  if (is_planted(place, " throw")) throw std::logic_error("planted");        \
  if (is_planted(place, " assert")) std::abort();                            \
  if (is_planted(place, " crash")) *static_cast<volatile int*>(nullptr) = 0; \
  if (is_planted(place, " wrong")) {                                         \
    wrong;                                                                   \
  }
