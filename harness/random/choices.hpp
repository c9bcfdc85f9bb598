// SPDX-License-Identifier: Apache-2.0
//
// Sources of choices. The grammar of ops asks for numbers below a bound and does not know who answers: a pseudo-random
// generator, an odometer that in turn gives every combination of answers, RapidCheck, or a fuzzer's bytes.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace vmapcheck {

/// below(n), for n > 0, is a number in [0, n).
template <class C>
concept Choices = requires(C& choices, std::uint64_t n) {
  { choices.below(n) } -> std::same_as<std::uint64_t>;
};

/// True once in `n` times.
template <Choices C>
[[nodiscard]] bool one_in(C& choices, std::uint64_t n) {
  return choices.below(n) == 0;
}

/// The same numbers for the same seed, on every machine and with every compiler.
/// Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    state_ += 0x9e3779b97f4a7c15u;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

  /// The bias is below n / 2^64.
  std::uint64_t below(std::uint64_t n) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>(Wide{next()} * n >> 64);
  }

 private:
  std::uint64_t state_;
};

/// Gives every combination of answers, one after another: turns any generator into an exhaustive one.
///
///     Odometer odometer;
///     do { use(generate(odometer)); } while (odometer.advance());
class Odometer {
 public:
  std::uint64_t below(std::uint64_t n) {
    if (position_ == wheels_.size()) wheels_.push_back({0, n});
    return wheels_[position_++].at;
  }

  /// To the next combination; false after the last.
  bool advance() {
    wheels_.resize(position_);
    position_ = 0;
    while (!wheels_.empty() && wheels_.back().at + 1 == wheels_.back().size) wheels_.pop_back();
    if (wheels_.empty()) return false;
    ++wheels_.back().at;
    return true;
  }

 private:
  struct Wheel {
    std::uint64_t at = 0;
    std::uint64_t size = 1;
  };
  std::vector<Wheel> wheels_;
  std::size_t position_ = 0;
};

}  // namespace vmapcheck
