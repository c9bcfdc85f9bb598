// SPDX-License-Identifier: Apache-2.0
//
// The reference model as a subject: what generates traces before there is an allocator to run them on, and what shows
// that the executor accepts a right answer. It has no tree, no metadata and no hooks.
//
//     const SubjectFactory make = model_subject();
#pragma once

#include "harness/verify/subject.hpp"
#include "model/reference_model.hpp"

namespace vmapcheck {

class ModelSubject : private ReferenceModel {
 public:
  using Transparent = ModelSubject;

  explicit ModelSubject(const SubjectConfig& config) : ReferenceModel(config.space) {}

  using ReferenceModel::allocate;
  using ReferenceModel::allocate_at;
  using ReferenceModel::allocate_congruent;
  using ReferenceModel::find;
  using ReferenceModel::free;
  using ReferenceModel::free_lazily;
  using ReferenceModel::purge;

  template <class Visit>
  void for_each_busy(Visit visit) const {
    for (const auto& [begin, area] : areas())
      if (!area.lazy) visit(Range{begin, area.end});
  }
  template <class Visit>
  void for_each_lazy(Visit visit) const {
    for (const auto& [begin, area] : areas())
      if (area.lazy) visit(Range{begin, area.end});
  }
  template <class Visit>
  void for_each_free(Visit visit) const {
    for (const Range gap : gaps()) visit(gap);
  }
};

/// The factory of the above.
[[nodiscard]] inline SubjectFactory model_subject() {
  return factory([](const SubjectConfig& config) { return ModelSubject(config); });
}

}  // namespace vmapcheck
