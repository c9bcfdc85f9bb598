// SPDX-License-Identifier: Apache-2.0
#include "harness/reduce/explain.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdint>
#include <functional>
#include <iterator>
#include <limits>
#include <map>
#include <tuple>
#include <utility>

#include "harness/verify/describe.hpp"
#include "harness/verify/isolated.hpp"
#include "model/trace.hpp"

namespace vmapcheck {
namespace {

/// Of an op of more blocks, those behind are not varied: there is a run for each value of each.
constexpr std::size_t blocks_max = 16;
/// Of a longer trace, only the last ops are explained.
constexpr std::size_t ops_max = 40;

/// A number of an op.
struct Number {
  std::string name;
  Meaning meaning{};  ///< of the field that it is in
  std::uint64_t value = 0;
};

/// Calls `visit(name, meaning, value)` for each number of the op that is varied.
template <class AnyOp, class Visitor>
void for_each_number(AnyOp& op, const Visitor& visit) {
  for_each_field(op, [&](auto field, auto& value) {
    constexpr Meaning meaning = field.meaning;
    if constexpr (meaning == Meaning::size) {
      visit("size", meaning, value);
    } else if constexpr (meaning == Meaning::align) {
      visit("align", meaning, value);
    } else if constexpr (meaning == Meaning::address) {
      visit("address", meaning, value);
    } else if constexpr (meaning == Meaning::count) {
      visit("count", meaning, value);
    } else if constexpr (meaning == Meaning::range) {
      visit("begin", meaning, value.begin);
      visit("end", meaning, value.end);
    } else if constexpr (meaning == Meaning::window) {
      if (value == vmap::everywhere) return;
      visit("within begin", meaning, value.begin);
      visit("within end", meaning, value.end);
    } else if constexpr (meaning == Meaning::blocks) {
      for (std::size_t k = 0; k < std::min(blocks_max, value.size()); ++k) {
        visit("block " + std::to_string(k) + " offset", meaning, value[k].offset);
        visit("block " + std::to_string(k) + " size", meaning, value[k].size);
      }
    } else {
      static_assert(meaning == Meaning::label_bound || meaning == Meaning::label_used);
    }
  });
}

/// In the order of for_each_number().
std::vector<Number> numbers_of(const Op& op) {
  std::vector<Number> numbers;
  for_each_number(op, [&](const std::string& name, Meaning meaning, std::uint64_t value) {
    numbers.push_back({name, meaning, value});
  });
  return numbers;
}

void set_number(Op& op, std::size_t index, std::uint64_t value) {
  for_each_number(op, [&](const std::string&, Meaning, std::uint64_t& number) {
    if (index-- == 0) number = value;
  });
}

/// A trace that differs in one thing.
struct Variant {
  std::size_t op = 0;              ///< in Explanation::ops
  std::size_t argument = 0;        ///< of that op; `whole` where the op is left out
  std::uint64_t number = 0;        ///< the value of that argument
  Size growth = 0;                 ///< of the space
  std::optional<Effect> effect{};  ///< none: not tried

  static constexpr std::size_t whole = std::numeric_limits<std::size_t>::max();
};

class Explainer {
 public:
  Explainer(const Trace& trace, const Failure& failure, const SubjectFactory& make, const ExplainOptions& options)
      : trace_(trace), failure_(failure), make_(make), options_(options) {}

  Explanation run();

 private:
  void vary_op(std::size_t step);
  [[nodiscard]] std::vector<std::uint64_t> values_for(const Number& number) const;
  [[nodiscard]] std::uint64_t distance(const Variant& variant) const;
  [[nodiscard]] Trace changed(const Variant& variant) const;
  void run_variants(std::vector<Variant>& variants);
  void sort_out();
  void find_threshold(std::size_t op, std::size_t argument);
  bool needs_space(std::size_t op, std::size_t argument, std::map<std::uint64_t, Effect>& tried);

  const Trace& trace_;
  const Failure& failure_;
  const SubjectFactory& make_;
  const ExplainOptions& options_;
  Explanation explanation_;
  std::chrono::steady_clock::time_point end_;
  std::vector<Variant> variants_;
  std::vector<std::vector<Number>> numbers_;  ///< of each op of the explanation: one for each argument
};

Explanation Explainer::run() {
  end_ = std::chrono::steady_clock::now() + options_.time;
  const std::size_t n = trace_.ops.size();
  for (std::size_t step = n; step-- > (n > ops_max ? n - ops_max : 0);) vary_op(step);
  try {
    run_variants(variants_);
  } catch (const ChildrenKilled&) {}  // there is less to say
  sort_out();
  try {
    for (std::size_t op = 0; op < explanation_.ops.size(); ++op)
      for (std::size_t argument = 0; argument < numbers_[op].size(); ++argument) find_threshold(op, argument);
  } catch (const ChildrenKilled&) {}
  for (OpRole& role : explanation_.ops)
    std::erase_if(role.arguments, [](const ArgumentRole& argument) {
      return argument.same.empty() && argument.passes.empty() && argument.other.empty();
    });
  std::ranges::reverse(explanation_.ops);
  return std::move(explanation_);
}

/// Without the op, and with other values of each of its numbers.
void Explainer::vary_op(std::size_t step) {
  const std::size_t op = explanation_.ops.size();
  OpRole& role = explanation_.ops.emplace_back(OpRole{step, print(trace_.ops[step]), Effect::other, {}});
  const std::vector<Number>& numbers = numbers_.emplace_back(numbers_of(trace_.ops[step]));
  variants_.push_back({.op = op, .argument = Variant::whole});
  for (std::size_t argument = 0; argument < numbers.size(); ++argument) {
    role.arguments.push_back({numbers[argument].name, describe(numbers[argument].value), {}, {}, {}});
    std::vector<std::uint64_t> tried{numbers[argument].value};
    for (const std::uint64_t value : values_for(numbers[argument])) {
      if (std::ranges::find(tried, value) != tried.end()) continue;
      tried.push_back(value);
      variants_.push_back({.op = op, .argument = argument, .number = value});
    }
  }
}

/// What is tried in its place.
std::vector<std::uint64_t> Explainer::values_for(const Number& number) const {
  const Size g = trace_.space.granule;
  const std::uint64_t value = number.value;
  if (number.meaning == Meaning::count) return {1, 2, 3, 4};
  std::vector<std::uint64_t> values;
  if (number.meaning == Meaning::align) {
    for (Size power = 1; power != 0 && values.size() < 20; power *= 2)
      if (power == 1 || power >= g) values.push_back(power);
    values.push_back(Size{1} << 63);
    return values;
  }
  for (std::uint64_t k = 1; k <= 4; ++k) {
    if (value >= k * g) values.push_back(value - k * g);
    if (value <= vmap::address_max - k * g) values.push_back(value + k * g);
  }
  const Range space = trace_.space.range;
  for (const std::uint64_t v : {value / 2 / g * g, value <= vmap::address_max / 2 ? 2 * value : value, Size{0},
                                space.begin, space.end, space.size()})
    values.push_back(v);
  if (number.meaning == Meaning::window) values.push_back(vmap::address_max);
  return values;
}

Trace Explainer::changed(const Variant& variant) const {
  Trace trace = trace_;
  const std::size_t step = explanation_.ops[variant.op].step;
  if (variant.argument == Variant::whole)
    trace.ops.erase(trace.ops.begin() + static_cast<std::ptrdiff_t>(step));
  else
    set_number(trace.ops[step], variant.argument, variant.number);
  trace.space.range.end += variant.growth;
  return trace;
}

/// How far the argument is from what it is in the trace.
std::uint64_t Explainer::distance(const Variant& variant) const {
  if (variant.argument == Variant::whole) return 0;
  const std::uint64_t value = numbers_[variant.op][variant.argument].value;
  return std::max(value, variant.number) - std::min(value, variant.number);
}

/// Each in children that may die of it.
void Explainer::run_variants(std::vector<Variant>& variants) {
  const SharedArray<Effect> effects(variants.size());
  const SharedArray<bool> violated(variants.size());  // whatever comes of that when the subject is destroyed
  const auto effect_of = [&](const Failure& failure) {
    return alike(failure_, failure, options_.kept) ? Effect::same : Effect::other;
  };
  const auto work = [&](std::uint64_t item, Beacon& beacon) -> std::optional<std::string> {
    const auto on_violation = [&](const Failure& failure) {
      effects[item] = effect_of(failure);
      violated[item] = true;
    };
    const Trace trace = changed(variants[item]);
    const auto outcome =
        vmapcheck::run(trace, make_, {.checking = checking_of(trace), .beacon = beacon, .on_violation = on_violation});
    if (!violated[item]) effects[item] = outcome ? Effect::passes : Effect::other;
    return std::nullopt;
  };
  WalkOptions options{.limits = hurried(options_.limits, failure_.kind), .on_death = {}, .keep_going = {}};
  options.keep_going = [&] {
    return std::chrono::steady_clock::now() < end_ && (!options_.keep_going || options_.keep_going());
  };
  options.on_death = [&](std::uint64_t item, const Death& death) {
    if (!violated[item]) effects[item] = effect_of(failure_of(death, changed(variants[item])));
    return false;
  };
  if (!options.keep_going()) return;
  const Walked walked = walk(variants.size(), work, options);
  for (std::size_t i = 0; i < walked.items; ++i) variants[i].effect = effects[i];
}

/// Where the values that were tried, in order, change their effect once: the place of that change, by bisection.
void Explainer::find_threshold(std::size_t op, std::size_t argument) {
  ArgumentRole& role = explanation_.ops[op].arguments[argument];
  std::map<std::uint64_t, Effect> tried{{numbers_[op][argument].value, Effect::same}};
  for (const Variant& variant : variants_)
    if (variant.op == op && variant.argument == argument) tried[variant.number] = *variant.effect;
  const bool with_space = numbers_[op][argument].meaning == Meaning::size && needs_space(op, argument, tried);
  const auto changes = [](const auto& a, const auto& b) {
    return (a.second == Effect::same) != (b.second == Effect::same);
  };
  const auto below = std::ranges::adjacent_find(tried, changes);
  if (below == tried.end()) return;
  const auto above = std::next(below);
  if (std::adjacent_find(above, tried.end(), changes) != tried.end()) return;

  // Alignments are counted by their powers of two, what is on granules by granules.
  const bool powers = numbers_[op][argument].meaning == Meaning::align;
  const Size g = trace_.space.granule;
  const Size unit = below->first % g == 0 && above->first % g == 0 ? g : 1;
  if (powers && !(std::has_single_bit(below->first) && std::has_single_bit(above->first))) return;
  const auto place_of = [&](std::uint64_t number) {
    return powers ? static_cast<std::uint64_t>(std::countr_zero(number)) : number / unit;
  };
  const auto number_at = [&](std::uint64_t place) { return powers ? Size{1} << place : place * unit; };
  std::uint64_t low = place_of(below->first), high = place_of(above->first);
  const bool up = above->second == Effect::same;
  Effect beyond = up ? below->second : above->second;
  while (high - low > 1) {
    const std::uint64_t middle = low + (high - low) / 2;
    std::vector<Variant> one{{.op = op, .argument = argument, .number = number_at(middle)}};
    run_variants(one);
    if (!one[0].effect) return;
    const bool same = *one[0].effect == Effect::same;
    if (!same) beyond = *one[0].effect;
    (same == up ? high : low) = middle;
  }
  role.threshold = Threshold{describe(number_at(up ? high : low)), up, with_space, beyond};
}

/// Whether all sizes above that were tried fail in the same way where the space is larger by as much, and none fails so
/// in the space as it is. Then that is what `tried` says of them.
bool Explainer::needs_space(std::size_t op, std::size_t argument, std::map<std::uint64_t, Effect>& tried) {
  const auto above = tried.upper_bound(numbers_[op][argument].value);
  std::vector<Variant> grown;
  for (auto each = above; each != tried.end(); ++each) {
    if (each->second == Effect::same) return false;
    Variant variant{.op = op, .argument = argument, .number = each->first};
    variant.growth = distance(variant);
    if (variant.growth % trace_.space.granule == 0 && variant.growth <= vmap::address_max - trace_.space.range.end)
      grown.push_back(variant);
  }
  run_variants(grown);
  if (grown.empty() || !std::ranges::all_of(grown, [](const Variant& v) { return v.effect == Effect::same; }))
    return false;
  tried.erase(above, tried.end());
  for (const Variant& variant : grown) tried[variant.number] = Effect::same;
  return true;
}

void Explainer::sort_out() {
  const Variant* nearest = nullptr;
  const auto tried_end = std::ranges::find_if(variants_, [](const Variant& variant) { return !variant.effect; });
  explanation_.ops.resize(tried_end == variants_.begin() ? 0 : std::prev(tried_end)->op + 1);
  variants_.erase(tried_end, variants_.end());
  for (const Variant& variant : variants_) {
    OpRole& role = explanation_.ops[variant.op];
    if (variant.effect == Effect::passes && role.step < trace_.ops.size()) {
      // An argument of a late op is nearer than one of an early op, and both are nearer than an op left out.
      const auto rank = [&](const Variant& v) {
        return std::tuple(v.argument == Variant::whole, distance(v), trace_.ops.size() - explanation_.ops[v.op].step);
      };
      if (nearest == nullptr || rank(variant) < rank(*nearest)) nearest = &variant;
    }
    if (variant.argument == Variant::whole) {
      role.without = *variant.effect;
      continue;
    }
    ArgumentRole& argument = role.arguments[variant.argument];
    (variant.effect == Effect::same     ? argument.same
     : variant.effect == Effect::passes ? argument.passes
                                        : argument.other)
        .push_back(describe(variant.number));
  }
  if (nearest == nullptr) return;
  const OpRole& role = explanation_.ops[nearest->op];
  Trace passing = changed(*nearest);
  const std::string difference =
      nearest->argument == Variant::whole
          ? "without step " + std::to_string(role.step) + ", " + role.op
          : "with `" + print(passing.ops[role.step]) + "` at step " + std::to_string(role.step);
  explanation_.passing = {std::move(passing), difference};
}

std::string list(const std::vector<std::string>& values) {
  constexpr std::size_t shown_max = 6;
  std::string text;
  for (std::size_t i = 0; i < std::min(shown_max, values.size()); ++i) text += (i == 0 ? "" : ", ") + values[i];
  return values.size() > shown_max ? text + ", ..." : text;
}

std::string role_of(const ArgumentRole& argument) {
  const std::size_t tried = argument.same.size() + argument.passes.size() + argument.other.size();
  if (argument.same.size() == tried) return "any other works as well (" + std::to_string(tried) + " tried)";
  if (argument.threshold) {
    const auto& [value, up, with_space, beyond] = *argument.threshold;
    return std::string("fails ") + (up ? "from " : "up to ") + value + (up ? " up" : "") +
           (with_space ? ", if the space is as much larger" : "") +
           (beyond == Effect::passes ? "; passes " : "; fails otherwise ") + (up ? "below" : "above") + " (" +
           std::to_string(tried) + " tried)";
  }
  std::string text =
      argument.same.empty() ? "only this of " + std::to_string(tried + 1) + " tried" : "also " + list(argument.same);
  if (!argument.passes.empty()) text += "; passes with " + list(argument.passes);
  if (!argument.other.empty()) text += "; fails otherwise with " + list(argument.other);
  return text;
}

}  // namespace

Explanation explain(const Trace& trace, const Failure& failure, const SubjectFactory& make,
                    const ExplainOptions& options) {
  return Explainer(trace, failure, make, options).run();
}

std::string print(const Explanation& explanation) {
  std::string text;
  for (const OpRole& role : explanation.ops) {
    text += "  step " + std::to_string(role.step) + "  " + role.op + "\n";
    const char* const without = role.without == Effect::passes ? "needed: without it the trace passes"
                                : role.without == Effect::same ? "could be left out"
                                                               : "needed: without it the trace fails otherwise";
    text += "    " + std::string(without) + "\n";
    for (const ArgumentRole& argument : role.arguments)
      text += "    " + argument.name + "=" + argument.value + ": " + role_of(argument) + "\n";
  }
  if (explanation.passing) text += "  nearest that passes: the same " + explanation.passing->difference + "\n";
  return text;
}

}  // namespace vmapcheck
