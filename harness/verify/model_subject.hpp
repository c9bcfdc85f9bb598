// SPDX-License-Identifier: Apache-2.0
//
// The reference model as a subject: what generates traces before there is an allocator to run them on, and what shows
// that the executor accepts a right answer. It has no tree, no metadata and no hooks.
//
//     const SubjectFactory make = model_subject();
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "harness/verify/subject.hpp"
#include "model/reference_model.hpp"

namespace vmapcheck {

class ModelSubject {
 private:
  template <class Predict>
  auto purge_and_retry(Predict predict) -> decltype(predict()) {
    auto result = predict();
    if (result || result.error() != vmap::Error::no_space || model_.lazy().empty()) return result;
    model_.purge();
    return predict();
  }

 public:
  using Transparent = ModelSubject;

  explicit ModelSubject(const SubjectConfig& config) : model_(config.space) {}

  vmap::Result<vmap::Allocation> allocate(const vmap::Request& request) {
    const auto result = purge_and_retry([&] { return model_.predict(request); });
    if (result) model_.occupy(result->range, std::nullopt);
    return result;
  }
  vmap::Result<vmap::Allocation> allocate_at(Range range) {
    const auto result = purge_and_retry([&] { return model_.predict(range); });
    if (result) model_.occupy(result->range, std::nullopt);
    return result;
  }
  vmap::Result<Address> allocate_congruent(std::span<const vmap::Block> blocks, Size align, Range within) {
    const Congruent op{{}, align, within, {blocks.begin(), blocks.end()}};
    const auto base = purge_and_retry([&] { return model_.predict(op); });
    if (base)
      for (const vmap::Block& block : blocks)
        model_.occupy({*base + block.offset, *base + block.offset + block.size}, std::nullopt);
    return base;
  }
  vmap::Result<Range> free(Address begin) {
    if (model_.busy_at(begin) == nullptr) return std::unexpected(vmap::Error::not_busy);
    return model_.vacate(begin);
  }
  vmap::Result<Range> free_lazily(Address begin) {
    if (model_.busy_at(begin) == nullptr) return std::unexpected(vmap::Error::not_busy);
    const Range area = model_.retire(begin);
    if (const auto limit = model_.space().lazy_limit; limit && model_.lazy_bytes() > *limit) model_.purge();
    return area;
  }
  Size purge() { return model_.purge(); }
  [[nodiscard]] std::optional<Range> find(Address address) const { return model_.find(address); }

  template <class Visit>
  void for_each_busy(Visit visit) const {
    for (const auto& [begin, area] : model_.areas())
      if (!area.lazy) visit(Range{begin, area.end});
  }
  template <class Visit>
  void for_each_lazy(Visit visit) const {
    for (const auto& [begin, area] : model_.areas())
      if (area.lazy) visit(Range{begin, area.end});
  }
  template <class Visit>
  void for_each_free(Visit visit) const {
    for (const Range gap : model_.gaps()) visit(gap);
  }

 private:
  ReferenceModel model_;
};

/// The factory of the above.
[[nodiscard]] inline SubjectFactory model_subject() {
  return factory([](const SubjectConfig& config) { return ModelSubject(config); });
}

}  // namespace vmapcheck
