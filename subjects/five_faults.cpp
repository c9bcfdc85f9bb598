// SPDX-License-Identifier: Apache-2.0
#include "subjects/five_faults.hpp"

#include <optional>
#include <span>
#include <utility>

#include "subjects/faulty_parts.hpp"

namespace vmapcheck {
namespace {

using vmap::Allocation;
using vmap::FitType;
using vmap::Node;
using vmap::Result;
using vmap::Side;

/// *tree*: splits the block that the last free made, and leaves the second part's previous link as it was.
/// *augment*: takes from the right edge of that block without propagating its new size.
struct TwoFaultsOfTheIndex : RemembersFreed {
  Node* carve(Node& block, Range placement, Node* remainder) {
    const bool was_freed = block.range == freed_;
    const FitType fit = classify(block.range, placement);
    if (was_freed && fit == FitType::right_edge) {
      block.range.end = placement.begin;
      return nullptr;
    }
    Node* const unneeded = FreeSpace::carve(block, placement, remainder);
    if (was_freed && fit == FitType::no_edge) Surgeon::set_neighbour(block, Side::left, remainder->previous());
    return unneeded;
  }
};

struct FiveFaults : Around<TwoFaultsOfTheIndex> {
  using Around::Around;

  /// *answer*: finds the area that it found last at its end, too.
  [[nodiscard]] std::optional<Range> find(Address address) const {
    if (last_ && address == last_->end && Inner::find(last_->begin) == last_) return last_;
    last_ = Inner::find(address);
    return last_;
  }

  /// *memory*: a block of metadata is lost with each third area that is freed lazily.
  Result<Range> free_lazily(Address begin) {
    const auto result = Inner::free_lazily(begin);
    if (result && ++lazily_ % 3 == 0) {
      try {
        (void)metadata->allocate(8);
      } catch (...) {}
    }
    return result;
  }

  /// *death*: a purge of three areas goes by a list that is not there.
  Size purge() {
    if (stats().lazy_areas == 3) lost_ = *none_;
    return Inner::purge();
  }

 private:
  mutable std::optional<Range> last_;
  int lazily_ = 0;
  const volatile Size* volatile none_ = nullptr;
  Size lost_ = 0;
};

}  // namespace

SubjectEntry five_faults_subject() {
  const auto create = [](const SubjectConfig& config) -> std::expected<FiveFaults, std::string> {
    auto sound = VmapSubject<TwoFaultsOfTheIndex>::create(config);
    if (!sound) return std::unexpected(std::move(sound.error()));
    return FiveFaults(*std::move(sound), config);
  };
  return {"five_faults", SubjectKind::specimen, "five faults at once: a campaign must tell them apart",
          factory(create)};
}

}  // namespace vmapcheck
