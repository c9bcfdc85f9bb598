// SPDX-License-Identifier: Apache-2.0
#include "subjects/worn_out.hpp"

#include <expected>

#include "harness/verify/model_subject.hpp"

namespace vmapcheck {
namespace {

class WornOut : public ModelSubject {
 public:
  explicit WornOut(const SubjectConfig& config) : ModelSubject(config) {}
  vmap::Result<vmap::Allocation> allocate(const vmap::Request& request) {
    if (allocations_ >= 6) return std::unexpected(vmap::Error::no_space);
    const auto result = ModelSubject::allocate(request);
    if (result) ++allocations_;
    return result;
  }

 private:
  int allocations_ = 0;
};

}  // namespace

SubjectEntry worn_out_subject() {
  return {"worn_out", SubjectKind::specimen, "refuses all after six allocations: its state is not seen",
          factory([](const SubjectConfig& config) { return WornOut(config); })};
}

}  // namespace vmapcheck
