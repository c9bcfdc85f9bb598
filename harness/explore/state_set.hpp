// SPDX-License-Identifier: Apache-2.0
//
// The states that an exploration has met, each once, with the move that led to it. Many threads fill it at a time.
//
// A hash of the key chooses one of 64 shards, each with a lock and a table of its own. A state takes 16 bytes, and 4 to
// 10 more for its place in the table. States never move, so that those of earlier levels are read without a lock.
//
// The way that is kept to a state does not depend on which thread came first: among the ways of the level in which it
// was met, it is the one with the least predecessor, and then the least move.
//
//     StateSet states;
//     const StateId root = states.add_root(7);
//     states.insert(9, {.key = 7, .id = root}, 1);     // true: state 9 is new, move 1 leads to it from state 7
//     states.insert(9, {.key = 7, .id = root}, 2);     // false
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

namespace vmapcheck {

/// A state in its canonical form, exact: only equal states have equal keys. (With a digest, part of it is a hash: see
/// whole_world.hpp.)
using StateKey = std::uint64_t;
/// What leads from a state to another. The explored world knows its meaning.
using Move = std::uint32_t;

/// Where a state is kept: its shard and its place there.
struct StateId {
  static constexpr std::uint32_t shard_bits = 6;
  static constexpr std::uint32_t place_bits = 32 - shard_bits;
  std::uint32_t bits;

  [[nodiscard]] static StateId of(std::size_t shard, std::size_t place) {
    return {static_cast<std::uint32_t>(shard << place_bits | place)};
  }
  [[nodiscard]] std::size_t shard() const { return bits >> place_bits; }
  [[nodiscard]] std::size_t place() const { return bits & ((std::uint32_t{1} << place_bits) - 1); }
  friend bool operator==(StateId, StateId) = default;
};

class StateSet {
 public:
  static constexpr std::size_t shards = std::size_t{1} << StateId::shard_bits;
  static constexpr std::size_t states_max = shards << StateId::place_bits;

  struct State {  // trivial, so that memory is not touched before it has a state
    StateKey key;
    StateId parent;
    Move move;
  };
  struct From {
    StateKey key = 0;
    StateId id{};
  };
  static_assert(std::is_trivially_default_constructible_v<State>);

  StateSet() = default;
  StateSet(const StateSet&) = delete;
  StateSet& operator=(const StateSet&) = delete;

  /// The first of all states, its own parent.
  StateId add_root(StateKey key);
  /// True if it is new. Safe from many threads. Throws std::bad_alloc, also if a shard is full.
  bool insert(StateKey key, From from, Move move);

  [[nodiscard]] static std::uint64_t hash_of(StateKey key);
  /// Finds a state of a level that was ended. Safe while others insert.
  [[nodiscard]] std::optional<StateId> find(StateKey key);

  /// Ends a level: what was inserted since the last call. Not safe while others insert.
  void end_level();
  /// Places in a shard: those of the level that was ended last.
  struct Places {
    std::size_t begin = 0;
    std::size_t end = 0;
  };
  [[nodiscard]] Places level(std::size_t shard) const { return {shards_[shard].level_begin, shards_[shard].level_end}; }

  /// A state of a level that was ended. Needs no lock.
  [[nodiscard]] const State& operator[](StateId id) const { return shards_[id.shard()].at(id.place()); }
  [[nodiscard]] std::size_t size() const;
  /// Bytes of memory.
  [[nodiscard]] std::size_t bytes() const;

  // For writing and reading, shard by shard.

  [[nodiscard]] std::size_t size(std::size_t shard) const { return shards_[shard].size; }
  /// States from `place` on that lie in one piece: at least one, at most `most`. Requires place < size(shard).
  [[nodiscard]] std::span<const State> chunk(std::size_t shard, std::size_t place, std::size_t most) const;
  /// Fills an empty shard: its states in order, and its level.
  void restore(std::size_t shard, std::span<const State> states, Places level);

 private:
  static constexpr std::size_t chunk_states = std::size_t{1} << 14;
  static constexpr std::size_t chunks_max = (std::size_t{1} << StateId::place_bits) / chunk_states;

  struct Shard {
    std::mutex mutex;
    /// Chunks do not move. The list has its full length from the start, and takes memory only where it is used.
    std::unique_ptr<std::unique_ptr<State[]>[]> chunks = std::make_unique<std::unique_ptr<State[]>[]>(chunks_max);
    std::vector<std::uint32_t> table;  ///< open addressing: place + 1, or 0; at most two thirds full
    std::size_t size = 0;
    std::size_t level_begin = 0;
    std::size_t level_end = 0;

    [[nodiscard]] State& at(std::size_t place) const { return chunks[place / chunk_states][place % chunk_states]; }
    /// The place of the state with that key. Requires the lock.
    [[nodiscard]] std::optional<std::size_t> find(StateKey key, std::uint64_t hash) const;
    void append(const State& state, std::uint64_t hash);
    void grow();
  };

  std::array<Shard, shards> shards_;
};

}  // namespace vmapcheck
