// SPDX-License-Identifier: Apache-2.0
#include "subjects/five_faults.hpp"

#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "subjects/faulty_parts.hpp"

namespace vmapcheck {
namespace {

using vmap::FitType;
using vmap::Node;
using vmap::Result;

struct TwoFaultsOfTheIndex : RemembersFreed {
  /// *augment*: takes from the right edge of the block that the last free made without propagating its new size.
  Node* carve(Node& block, Range placement, Node* remainder) {
    if (block.range != freed_ || classify(block.range, placement) != FitType::right_edge)
      return FreeSpace::carve(block, placement, remainder);
    block.range.end = placement.begin;
    return nullptr;
  }

  /// *cost*: a search that found nothing is repeated a hundred times for each that found nothing before.
  [[nodiscard]] std::optional<Fit> lowest_fit(Size size, Size align, Range window) const {
    auto fit = FreeSpace::lowest_fit(size, align, window);
    for (int i = 0; !fit && i < 100 * failures_; ++i) fit = FreeSpace::lowest_fit(size, align, window);
    if (!fit) ++failures_;
    return fit;
  }

 private:
  mutable int failures_ = 0;
};

struct FiveFaults : Around<TwoFaultsOfTheIndex> {
  using Around::Around;

  /// *answer*: finds the area that it found last at its end, too.
  [[nodiscard]] std::optional<Range> find(Address address) const {
    if (last_ && address == last_->end && Inner::find(last_->begin) == last_) return last_;
    last_ = Inner::find(address);
    return last_;
  }

  /// *atomicity*: a congruent placement that fails undoes the last one that did not.
  Result<Address> allocate_congruent(std::span<const vmap::Block> blocks, Size align, Range within) {
    const auto result = Inner::allocate_congruent(blocks, align, within);
    if (result) {
      undo_.clear();
      for (const vmap::Block& block : blocks) undo_.push_back(*result + block.offset);
    } else {
      for (const Address begin : std::exchange(undo_, {}))
        if (const auto area = Inner::find(begin); area && area->begin == begin) (void)Inner::free(begin);
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
  std::vector<Address> undo_;
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
