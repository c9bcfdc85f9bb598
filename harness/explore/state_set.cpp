// SPDX-License-Identifier: Apache-2.0
#include "harness/explore/state_set.hpp"

#include <algorithm>
#include <new>
#include <tuple>

namespace vmapcheck {
namespace {

std::size_t shard_of(std::uint64_t hash) { return hash >> (64 - StateId::shard_bits); }

}  // namespace

/// Source: the finalizer of splitmix64; Steele, Lea and Flood (2014).
std::uint64_t StateSet::hash_of(StateKey key) {
  key = (key ^ (key >> 30)) * 0xbf58476d1ce4e5b9u;
  key = (key ^ (key >> 27)) * 0x94d049bb133111ebu;
  return key ^ (key >> 31);
}

StateId StateSet::add_root(StateKey key) {
  const std::uint64_t hash = hash_of(key);
  Shard& shard = shards_[shard_of(hash)];
  const StateId id = StateId::of(shard_of(hash), shard.size);
  shard.append({key, id, 0}, hash);
  return id;
}

bool StateSet::insert(StateKey key, From from, Move move) {
  const std::uint64_t hash = hash_of(key);
  Shard& shard = shards_[shard_of(hash)];
  const std::scoped_lock lock(shard.mutex);
  if (const auto place = shard.find(key, hash)) {
    State& state = shard.at(*place);
    // If it is of this level, its parent is of an earlier one, which can be read.
    if (*place >= shard.level_end && std::tuple(from.key, move) < std::tuple((*this)[state.parent].key, state.move)) {
      state.parent = from.id;
      state.move = move;
    }
    return false;
  }
  shard.append({key, from.id, move}, hash);
  return true;
}

std::optional<StateId> StateSet::find(StateKey key) {
  const std::uint64_t hash = hash_of(key);
  Shard& shard = shards_[shard_of(hash)];
  const std::scoped_lock lock(shard.mutex);
  const auto place = shard.find(key, hash);
  if (!place || *place >= shard.level_end) return std::nullopt;
  return StateId::of(shard_of(hash), *place);
}

std::optional<std::size_t> StateSet::Shard::find(StateKey key, std::uint64_t hash) const {
  if (table.empty()) return std::nullopt;
  const std::size_t mask = table.size() - 1;
  for (std::size_t i = hash & mask; table[i] != 0; i = (i + 1) & mask)
    if (at(table[i] - 1).key == key) return table[i] - 1;
  return std::nullopt;
}

void StateSet::Shard::append(const State& state, std::uint64_t hash) {
  if (size + 1 >= chunks_max * chunk_states) throw std::bad_alloc();
  if (3 * (size + 1) > 2 * table.size()) grow();
  std::unique_ptr<State[]>& chunk = chunks[size / chunk_states];
  if (chunk == nullptr) chunk = std::make_unique_for_overwrite<State[]>(chunk_states);
  chunk[size % chunk_states] = state;
  const std::size_t mask = table.size() - 1;
  std::size_t i = hash & mask;
  while (table[i] != 0) i = (i + 1) & mask;
  table[i] = static_cast<std::uint32_t>(++size);
}

void StateSet::Shard::grow() {
  table.assign(table.empty() ? 64 : 2 * table.size(), 0);
  const std::size_t mask = table.size() - 1;
  for (std::size_t place = 0; place < size; ++place) {
    std::size_t i = hash_of(at(place).key) & mask;
    while (table[i] != 0) i = (i + 1) & mask;
    table[i] = static_cast<std::uint32_t>(place + 1);
  }
}

void StateSet::end_level() {
  for (Shard& shard : shards_) {
    shard.level_begin = shard.level_end;
    shard.level_end = shard.size;
  }
}

std::size_t StateSet::size() const {
  std::size_t sum = 0;
  for (const Shard& shard : shards_) sum += shard.size;
  return sum;
}

std::size_t StateSet::bytes() const {
  std::size_t sum = 0;
  for (const Shard& shard : shards_)
    sum += (shard.size + chunk_states - 1) / chunk_states * chunk_states * sizeof(State) +
           shard.table.capacity() * sizeof(std::uint32_t);
  return sum;
}

std::span<const StateSet::State> StateSet::chunk(std::size_t shard, std::size_t place, std::size_t most) const {
  const std::size_t chunk_end = (place / chunk_states + 1) * chunk_states;
  const std::size_t end = std::min({shards_[shard].size, chunk_end, place + most});
  return {&shards_[shard].at(place), end - place};
}

void StateSet::restore(std::size_t shard, std::span<const State> states, Places level) {
  for (const State& state : states) shards_[shard].append(state, hash_of(state.key));
  shards_[shard].level_begin = level.begin;
  shards_[shard].level_end = level.end;
}

}  // namespace vmapcheck
