// SPDX-License-Identifier: Apache-2.0
#include "subjects/faulty.hpp"

#include <algorithm>
#include <iterator>
#include <vector>

#include "subjects/faulty_parts.hpp"

namespace vmapcheck {

std::span<const FaultySubject> faulty_subjects() {
  static const std::vector<FaultySubject> all = [] {
    std::vector<FaultySubject> faults = faults_that_answer();
    std::ranges::move(faults_that_die(), std::back_inserter(faults));
    return faults;
  }();
  return all;
}

}  // namespace vmapcheck
