// SPDX-License-Identifier: Apache-2.0
//
// What the faulty subjects are made of: our allocator to stand around, and metadata to corrupt.
#pragma once

#include <cstddef>
#include <memory_resource>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "subjects/faulty.hpp"
#include "subjects/vmap_subject.hpp"

namespace vmapcheck {

/// Our allocator, for a fault to be put around: the fault declares again what it answers differently.
template <class Index = vmap::FreeSpace>
struct Around : VmapSubject<Index> {
  using Inner = VmapSubject<Index>;

  Around(Inner inner, const SubjectConfig& config)
      : Inner(std::move(inner)),
        granule(config.space.granule),
        lazy_limit(config.space.lazy_limit),
        metadata(config.metadata) {}

  Size granule;
  std::optional<Size> lazy_limit;
  std::pmr::memory_resource* metadata;
};

/// The same, closed: neither its tree nor its counters can be looked at, so that only what it answers tells. Also for
/// faults that keep metadata which the counters do not speak of.
template <class Index = vmap::FreeSpace>
struct Closed : Around<Index> {
  using Around<Index>::Around;
  void tree() const = delete;
  void stats() const = delete;
  void verify() const = delete;
};

/// Our free-space index, which knows the block that the last free made. It forgets the first: that is the whole space,
/// before anything is busy.
struct RemembersFreed : vmap::FreeSpace {
  Merge add(vmap::Node& area) {
    const Merge merge = FreeSpace::add(area);
    if (std::exchange(has_space_, true)) freed_ = merge.block;
    return merge;
  }

 protected:
  std::optional<Range> freed_;

 private:
  bool has_space_ = false;
};

/// To break a tree on purpose.
struct Surgeon : vmap::FreeTree {
  using vmap::FreeTree::set_neighbour;
  using vmap::FreeTree::set_parent;
};

/// A block of metadata, given back when its owner goes.
class MetadataBlock {
 public:
  /// Throws what the resource throws.
  MetadataBlock(std::pmr::memory_resource* resource, std::size_t bytes)
      : resource_(resource), bytes_(bytes), memory_(resource->allocate(bytes)) {}
  MetadataBlock(MetadataBlock&& other) noexcept
      : resource_(other.resource_), bytes_(other.bytes_), memory_(std::exchange(other.memory_, nullptr)) {}
  MetadataBlock& operator=(MetadataBlock&&) = delete;
  ~MetadataBlock() { give_back(); }

  [[nodiscard]] void* memory() const { return memory_; }
  void give_back() {
    if (void* const memory = std::exchange(memory_, nullptr)) resource_->deallocate(memory, bytes_);
  }
  /// It was given back by other means.
  void let_go() { memory_ = nullptr; }

 private:
  std::pmr::memory_resource* resource_;
  std::size_t bytes_;
  void* memory_;
};

/// A catalogue in the making.
struct FaultyList {
  std::vector<FaultySubject> faults;

  /// `trace` is what follows its first line.
  void add(const std::string& name, std::string_view shows, std::string summary, std::string_view trace,
           SubjectFactory make) {
    FaultySubject& fault = faults.emplace_back();
    fault.entry.name = "fault_" + name;
    fault.entry.kind = SubjectKind::faulty;
    fault.entry.summary = std::move(summary);
    fault.entry.make = std::move(make);
    fault.shows = shows;
    fault.trace = "vmapcheck-trace 1\n" + std::string(trace);
  }
  /// For the last one: there may be a shorter trace.
  void may_be_shorter() { faults.back().shortest = false; }
};

[[nodiscard]] std::vector<FaultySubject> faults_that_answer();
[[nodiscard]] std::vector<FaultySubject> faults_that_die();

}  // namespace vmapcheck
