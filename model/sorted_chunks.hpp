// SPDX-License-Identifier: Apache-2.0
//
// Values by their keys, in order: the part of std::map's interface that the model and the executor use, in sorted
// chunks of neighbours in memory.
//
// Whoever walks from key to key all the time wants neighbours in memory, not a node for each. Up to chunk_max entries
// it is one sorted vector; a million are a thousand of them, so that insertion and erasure move a thousand entries, not
// a million. Iterators are invalidated by both.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <iterator>
#include <utility>
#include <vector>

namespace vmapcheck {

template <class Key, class Value, std::size_t chunk_max = 1024>
class SortedChunks {
  static_assert(chunk_max >= 2);

 public:
  using value_type = std::pair<Key, Value>;

 private:
  using Chunk = std::vector<value_type>;  ///< sorted, and not empty unless it is the only one

 public:
  /// At the end of the last chunk for end(); of no other.
  class const_iterator {
   public:
    using iterator_category = std::bidirectional_iterator_tag;
    using value_type = SortedChunks::value_type;
    using difference_type = std::ptrdiff_t;
    using pointer = const value_type*;
    using reference = const value_type&;

    const_iterator() = default;
    reference operator*() const { return *at_; }
    pointer operator->() const { return at_; }
    const_iterator& operator++() {
      if (++at_ == end_of(chunk_) && chunk_ != last_) at_ = (++chunk_)->data();
      return *this;
    }
    const_iterator& operator--() {
      if (at_ == chunk_->data()) at_ = end_of(--chunk_);
      --at_;
      return *this;
    }
    const_iterator operator++(int) { return std::exchange(*this, std::next(*this)); }
    const_iterator operator--(int) { return std::exchange(*this, std::prev(*this)); }
    friend bool operator==(const const_iterator& a, const const_iterator& b) { return a.at_ == b.at_; }

   private:
    friend class SortedChunks;
    const_iterator(const Chunk* chunk, const Chunk* last, const value_type* at) : chunk_(chunk), last_(last), at_(at) {}
    static const value_type* end_of(const Chunk* chunk) { return chunk->data() + chunk->size(); }

    const Chunk* chunk_ = nullptr;
    const Chunk* last_ = nullptr;
    const value_type* at_ = nullptr;
  };
  using iterator = const_iterator;

  [[nodiscard]] const_iterator begin() const { return chunks_.empty() ? const_iterator() : at(0, 0); }
  [[nodiscard]] const_iterator end() const {
    return chunks_.empty() ? const_iterator() : at(chunks_.size() - 1, chunks_.back().size());
  }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }

  /// The first whose key is above `key`.
  [[nodiscard]] const_iterator upper_bound(const Key& key) const {
    if (chunks_.empty()) return {};
    const Chunk& chunk = chunks_[chunk_of(key)];
    return made(chunk, std::ranges::upper_bound(chunk, key, {}, &value_type::first) - chunk.begin());
  }
  [[nodiscard]] const_iterator find(const Key& key) const {
    if (chunks_.empty()) return {};
    const Chunk& chunk = chunks_[chunk_of(key)];
    const auto found = std::ranges::lower_bound(chunk, key, {}, &value_type::first);
    return found != chunk.end() && found->first == key ? made(chunk, found - chunk.begin()) : end();
  }
  /// Requires that it is there.
  [[nodiscard]] Value& at(const Key& key) {
    Chunk& chunk = chunks_[chunk_of(key)];
    return std::ranges::lower_bound(chunk, key, {}, &value_type::first)->second;
  }

  /// Requires that the key is not there.
  void emplace(const Key& key, Value value) {
    if (chunks_.empty()) {
      chunks_.emplace_back();
      firsts_.push_back(key);
    }
    const std::size_t i = chunk_of(key);
    Chunk& chunk = chunks_[i];
    chunk.insert(std::ranges::upper_bound(chunk, key, {}, &value_type::first), {key, std::move(value)});
    firsts_[i] = std::min(firsts_[i], key);
    ++size_;
    if (chunk.size() > chunk_max) split(i);
  }
  /// Returns the next.
  const_iterator erase(const_iterator entry) {
    const auto i = static_cast<std::size_t>(entry.chunk_ - chunks_.data());
    Chunk& chunk = chunks_[i];
    const std::ptrdiff_t place = entry.at_ - chunk.data();
    chunk.erase(chunk.begin() + place);
    --size_;
    if (chunk.empty() && chunks_.size() > 1) {
      chunks_.erase(chunks_.begin() + static_cast<std::ptrdiff_t>(i));
      firsts_.erase(firsts_.begin() + static_cast<std::ptrdiff_t>(i));
      return i < chunks_.size() ? at(i, 0) : end();
    }
    return made(chunk, place);
  }

 private:
  [[nodiscard]] const_iterator at(std::size_t chunk, std::size_t place) const {
    return {&chunks_[chunk], &chunks_.back(), chunks_[chunk].data() + place};
  }
  /// The entry at that place of a chunk; behind its last, the first of the next chunk.
  [[nodiscard]] const_iterator made(const Chunk& chunk, std::ptrdiff_t place) const {
    const auto i = static_cast<std::size_t>(&chunk - chunks_.data());
    if (static_cast<std::size_t>(place) == chunk.size() && i + 1 != chunks_.size()) return at(i + 1, 0);
    return at(i, static_cast<std::size_t>(place));
  }
  /// The chunk in which the key is, or belongs. Requires that there is one.
  [[nodiscard]] std::size_t chunk_of(const Key& key) const {
    if (chunks_.size() == 1) return 0;
    const auto above = std::ranges::upper_bound(firsts_, key);
    return above == firsts_.begin() ? 0 : static_cast<std::size_t>(above - firsts_.begin()) - 1;
  }
  /// A chunk that is full becomes two. At the end it keeps most: keys that ascend fill their chunks.
  void split(std::size_t i) {
    const bool last = i + 1 == chunks_.size();
    Chunk& chunk = chunks_[i];
    const auto middle =
        chunk.begin() + static_cast<std::ptrdiff_t>(last ? chunk.size() - chunk.size() / 8 - 1 : chunk.size() / 2);
    Chunk upper(std::make_move_iterator(middle), std::make_move_iterator(chunk.end()));
    chunk.erase(middle, chunk.end());
    firsts_.insert(firsts_.begin() + static_cast<std::ptrdiff_t>(i) + 1, upper.front().first);
    chunks_.insert(chunks_.begin() + static_cast<std::ptrdiff_t>(i) + 1, std::move(upper));
  }

  std::vector<Chunk> chunks_;
  /// What divides them: the keys of a chunk are at or above its own, and below the next one's.
  std::vector<Key> firsts_;
  std::size_t size_ = 0;
};

}  // namespace vmapcheck
