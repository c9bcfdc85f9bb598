// SPDX-License-Identifier: Apache-2.0
//
// A sorted map whose copy costs nothing. Copies share blocks of entries, as fork shares pages: each copies a block when
// it first changes something in it.
//
//     table   [ first key, block ] [ first key, block ] ...     shared by copies until one of them changes
//     block   [ key, value ] [ key, value ] ...                 at most block_max; shared likewise
//
// Finding is O(log n); a change moves at most a block, and the table where a block is split or becomes empty. A pointer
// to an entry is valid until the next change. `copied()` counts the entries that sharing made necessary to copy.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

namespace vmapcheck {

template <class Key, class Value>
class ForkedMap {
 public:
  struct Entry {
    Key key;
    Value value;
  };

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t copied() const { return copied_.entries; }

  /// The last entry at or below `key`, or null.
  [[nodiscard]] const Entry* last_to(const Key& key) const {
    const std::size_t table_at = block_of(key);
    if (table_at == none) return nullptr;
    const Block& block = *(*table_)[table_at].block;
    return &*std::prev(std::ranges::upper_bound(block, key, {}, &Entry::key));
  }
  [[nodiscard]] const Entry* first_after(const Key& key) const {
    if (empty()) return nullptr;
    std::size_t table_at = block_of(key);
    if (table_at == none) return &(*table_)[0].block->front();
    const Block& block = *(*table_)[table_at].block;
    const auto entry = std::ranges::upper_bound(block, key, {}, &Entry::key);
    if (entry != block.end()) return &*entry;
    return ++table_at < table_->size() ? &(*table_)[table_at].block->front() : nullptr;
  }
  [[nodiscard]] const Value* find(const Key& key) const {
    const Entry* const entry = last_to(key);
    return entry && entry->key == key ? &entry->value : nullptr;
  }

  void set(const Key& key, const Value& value) {
    Table& table = own_table();
    std::size_t table_at = block_of(key);
    if (table_at == none) {
      if (table.empty()) table.push_back({key, std::make_shared<Block>()});
      table_at = 0;
    }
    Block* block = &own_block(table[table_at]);
    auto entry = std::ranges::lower_bound(*block, key, {}, &Entry::key);
    if (entry != block->end() && entry->key == key) {
      entry->value = value;
      return;
    }
    if (block->size() == block_max) {
      // Keys that ascend fill their blocks: only what lies in the midst is split in halves.
      const bool at_end = entry == block->end();
      const auto middle = at_end ? block->end() : block->begin() + block_max / 2;
      const bool behind = at_end || entry > middle;
      const auto offset = entry - (behind ? middle : block->begin());
      auto second = std::make_shared<Block>(middle, block->end());
      second->reserve(block_max);
      block->erase(middle, block->end());
      table.insert(table.begin() + static_cast<std::ptrdiff_t>(table_at) + 1,
                   {second->empty() ? key : second->front().key, second});
      if (behind) block = &own_block(table[++table_at]);
      entry = block->begin() + offset;
    }
    block->insert(entry, {key, value});
    table[table_at].first = block->front().key;
    ++size_;
  }

  void erase(const Key& key) {
    if (!find(key)) return;
    Table& table = own_table();
    const std::size_t table_at = block_of(key);
    Block& block = own_block(table[table_at]);
    block.erase(std::ranges::lower_bound(block, key, {}, &Entry::key));
    --size_;
    if (block.empty())
      table.erase(table.begin() + static_cast<std::ptrdiff_t>(table_at));
    else
      table[table_at].first = block.front().key;
  }

  void clear() {
    table_.reset();
    size_ = 0;
  }

  template <class Visit>
  void each(Visit visit) const {
    if (!table_) return;
    for (const Reference& reference : *table_)
      for (const Entry& entry : *reference.block) visit(entry.key, entry.value);
  }

 private:
  static constexpr std::size_t block_max = 256;
  static constexpr std::size_t none = static_cast<std::size_t>(-1);

  using Block = std::vector<Entry>;
  struct Reference {
    Key first;
    std::shared_ptr<Block> block;
  };
  using Table = std::vector<Reference>;
  /// Counts for one map as long as it lives: a new copy counts from zero, and a map that is assigned to counts on.
  struct Count {
    Count() = default;
    Count(const Count&) {}
    Count& operator=(const Count&) { return *this; }
    ~Count() = default;
    std::size_t entries = 0;
  };

  /// The block of the last entry at or below `key`.
  [[nodiscard]] std::size_t block_of(const Key& key) const {
    if (!table_) return none;
    const auto after = std::ranges::upper_bound(*table_, key, {}, &Reference::first);
    return after == table_->begin() ? none : static_cast<std::size_t>(after - table_->begin()) - 1;
  }

  Table& own_table() {
    if (!table_)
      table_ = std::make_shared<Table>();
    else if (table_.use_count() > 1) {
      copied_.entries += table_->size();
      table_ = std::make_shared<Table>(*table_);
    }
    return *table_;
  }
  Block& own_block(Reference& reference) {
    if (reference.block.use_count() > 1) {
      copied_.entries += reference.block->size();
      auto block = std::make_shared<Block>();
      block->reserve(block_max);
      *block = *reference.block;
      reference.block = std::move(block);
    }
    return *reference.block;
  }

  std::shared_ptr<Table> table_;
  std::size_t size_ = 0;
  Count copied_;
};

}  // namespace vmapcheck
