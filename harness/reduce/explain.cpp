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

/// A trace that differs in one thing.
struct Variant {
  std::size_t op = 0;        ///< in Explanation::ops
  std::size_t argument = 0;  ///< of that op; `whole` where the op is left out
  std::uint64_t number = 0;  ///< the value of that argument
  std::uint64_t distance = 0;
  std::optional<Op> instead{};     ///< of that op; none where it is left out
  Size growth = 0;                 ///< of the space
  std::optional<Effect> effect{};  ///< none: not tried

  static constexpr std::size_t whole = std::numeric_limits<std::size_t>::max();
};

/// An argument, and how it is set.
struct Argument {
  std::uint64_t value = 0;
  std::function<void(Op&, std::uint64_t)> set;
};

class Explainer {
 public:
  Explainer(const Trace& trace, const Failure& failure, const SubjectFactory& make, const ExplainOptions& options)
      : trace_(trace), failure_(failure), make_(make), options_(options) {}

  Explanation run();

 private:
  void vary_op(std::size_t step);
  void vary(const std::string& name, std::uint64_t value, const std::vector<std::uint64_t>& others,
            const std::function<void(Op&, std::uint64_t)>& set);
  [[nodiscard]] std::vector<std::uint64_t> nearby(std::uint64_t value) const;
  [[nodiscard]] std::vector<std::uint64_t> powers_of_two() const;
  [[nodiscard]] Trace changed(const Variant& variant) const;
  void run_variants(std::vector<Variant>& variants);
  void find_threshold(std::size_t op, std::size_t argument);
  bool needs_space(std::size_t op, std::size_t argument, std::map<std::uint64_t, Effect>& tried);
  [[nodiscard]] Variant variant_of(std::size_t op, std::size_t argument, std::uint64_t number) const;
  void sort_out();

  const Trace& trace_;
  const Failure& failure_;
  const SubjectFactory& make_;
  const ExplainOptions& options_;
  Explanation explanation_;
  std::chrono::steady_clock::time_point end_;
  std::vector<Variant> variants_;
  std::vector<std::vector<Argument>> arguments_;  ///< of each op of the explanation
};

Explanation Explainer::run() {
  end_ = std::chrono::steady_clock::now() + options_.time;
  constexpr std::size_t ops_max = 40;
  const std::size_t n = trace_.ops.size();
  for (std::size_t step = n; step-- > (n > ops_max ? n - ops_max : 0);) vary_op(step);
  try {
    run_variants(variants_);
  } catch (const ChildrenKilled&) {}  // there is less to say
  sort_out();
  try {
    for (std::size_t op = 0; op < explanation_.ops.size(); ++op)
      for (std::size_t argument = 0; argument < arguments_[op].size(); ++argument) find_threshold(op, argument);
  } catch (const ChildrenKilled&) {}
  for (OpRole& role : explanation_.ops)
    std::erase_if(role.arguments, [](const ArgumentRole& argument) {
      return argument.same.empty() && argument.passes.empty() && argument.other.empty();
    });
  std::ranges::reverse(explanation_.ops);
  return std::move(explanation_);
}

/// Values around `value`, on granules.
std::vector<std::uint64_t> Explainer::nearby(std::uint64_t value) const {
  const Size g = trace_.space.granule;
  const Range space = trace_.space.range;
  std::vector<std::uint64_t> values;
  for (std::uint64_t k = 1; k <= 4; ++k) {
    if (value >= k * g) values.push_back(value - k * g);
    if (value <= vmap::address_max - k * g) values.push_back(value + k * g);
  }
  for (const std::uint64_t v : {value / 2 / g * g, value <= vmap::address_max / 2 ? 2 * value : value, Size{0},
                                space.begin, space.end, space.size()})
    values.push_back(v);
  return values;
}

std::vector<std::uint64_t> Explainer::powers_of_two() const {
  std::vector<std::uint64_t> values;
  for (Size power = 1; power != 0 && values.size() < 20; power *= 2)
    if (power == 1 || power >= trace_.space.granule) values.push_back(power);
  values.push_back(Size{1} << 63);
  return values;
}

void Explainer::vary(const std::string& name, std::uint64_t value, const std::vector<std::uint64_t>& others,
                     const std::function<void(Op&, std::uint64_t)>& set) {
  std::vector<ArgumentRole>& arguments = explanation_.ops.back().arguments;
  arguments.push_back({name, describe(value), {}, {}, {}});
  arguments_.back().push_back({value, set});
  std::vector<std::uint64_t> tried{value};
  for (const std::uint64_t other : others) {
    if (std::ranges::find(tried, other) != tried.end()) continue;
    tried.push_back(other);
    variants_.push_back(variant_of(explanation_.ops.size() - 1, arguments.size() - 1, other));
  }
}

Variant Explainer::variant_of(std::size_t op, std::size_t argument, std::uint64_t number) const {
  const Argument& role = arguments_[op][argument];
  Variant variant{.op = op, .argument = argument, .number = number, .instead = trace_.ops[explanation_.ops[op].step]};
  variant.distance = std::max(role.value, number) - std::min(role.value, number);
  role.set(*variant.instead, number);
  return variant;
}

void Explainer::vary_op(std::size_t step) {
  constexpr std::size_t blocks_max = 16;  // each variant holds them all
  const Op& op = trace_.ops[step];
  explanation_.ops.push_back({step, print(op), Effect::other, {}});
  arguments_.emplace_back();
  variants_.push_back({.op = explanation_.ops.size() - 1, .argument = Variant::whole, .instead = {}});

  std::visit(
      Overloaded{
          [&](const Alloc& o) {
            const vmap::Request& r = o.request;
            vary("size", r.size, nearby(r.size), [](Op& to, std::uint64_t v) { std::get<Alloc>(to).request.size = v; });
            vary("align", r.align, powers_of_two(),
                 [](Op& to, std::uint64_t v) { std::get<Alloc>(to).request.align = v; });
            if (r.within == vmap::everywhere) return;
            vary("within begin", r.within.begin, nearby(r.within.begin),
                 [](Op& to, std::uint64_t v) { std::get<Alloc>(to).request.within.begin = v; });
            std::vector<std::uint64_t> ends = nearby(r.within.end);
            ends.push_back(vmap::address_max);
            vary("within end", r.within.end, ends,
                 [](Op& to, std::uint64_t v) { std::get<Alloc>(to).request.within.end = v; });
          },
          [&](const AllocAt& o) {
            vary("begin", o.range.begin, nearby(o.range.begin),
                 [](Op& to, std::uint64_t v) { std::get<AllocAt>(to).range.begin = v; });
            vary("end", o.range.end, nearby(o.range.end),
                 [](Op& to, std::uint64_t v) { std::get<AllocAt>(to).range.end = v; });
          },
          [&](const Congruent& o) {
            vary("align", o.align, powers_of_two(), [](Op& to, std::uint64_t v) { std::get<Congruent>(to).align = v; });
            for (std::size_t k = 0; k < std::min(blocks_max, o.blocks.size()); ++k) {
              const std::string block = "block " + std::to_string(k);
              vary(block + " offset", o.blocks[k].offset, nearby(o.blocks[k].offset),
                   [k](Op& to, std::uint64_t v) { std::get<Congruent>(to).blocks[k].offset = v; });
              vary(block + " size", o.blocks[k].size, nearby(o.blocks[k].size),
                   [k](Op& to, std::uint64_t v) { std::get<Congruent>(to).blocks[k].size = v; });
            }
          },
          [&](const FreeAt& o) {
            vary("address", o.address, nearby(o.address),
                 [](Op& to, std::uint64_t v) { std::get<FreeAt>(to).address = v; });
          },
          [&](const FreeLazilyAt& o) {
            vary("address", o.address, nearby(o.address),
                 [](Op& to, std::uint64_t v) { std::get<FreeLazilyAt>(to).address = v; });
          },
          [&](const Find& o) {
            vary("address", o.address, nearby(o.address),
                 [](Op& to, std::uint64_t v) { std::get<Find>(to).address = v; });
          },
          [&](const FailMetadata& o) {
            vary("countdown", o.countdown, {1, 2, 3, 4},
                 [](Op& to, std::uint64_t v) { std::get<FailMetadata>(to).countdown = v; });
          },
          [](const auto&) {},
      },
      op);
}

Trace Explainer::changed(const Variant& variant) const {
  Trace trace = trace_;
  const auto op = trace.ops.begin() + static_cast<std::ptrdiff_t>(explanation_.ops[variant.op].step);
  if (variant.instead)
    *op = *variant.instead;
  else
    trace.ops.erase(op);
  trace.space.range.end += variant.growth;
  return trace;
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
    const auto outcome = vmapcheck::run(trace, make_, checking_of(trace), nullptr, beacon, on_violation);
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
  std::map<std::uint64_t, Effect> tried{{arguments_[op][argument].value, Effect::same}};
  for (const Variant& variant : variants_)
    if (variant.op == op && variant.argument == argument) tried[variant.number] = *variant.effect;
  const bool with_space = role.name == "size" && needs_space(op, argument, tried);
  const auto changes = [](const auto& a, const auto& b) {
    return (a.second == Effect::same) != (b.second == Effect::same);
  };
  const auto below = std::ranges::adjacent_find(tried, changes);
  if (below == tried.end()) return;
  const auto above = std::next(below);
  if (std::adjacent_find(above, tried.end(), changes) != tried.end()) return;

  // Alignments are counted by their powers of two, what is on granules by granules.
  const bool powers = role.name == "align";
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
    std::vector<Variant> one{variant_of(op, argument, number_at(middle))};
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
  const auto above = tried.upper_bound(arguments_[op][argument].value);
  std::vector<Variant> grown;
  for (auto each = above; each != tried.end(); ++each) {
    if (each->second == Effect::same) return false;
    Variant variant = variant_of(op, argument, each->first);
    variant.growth = variant.distance;
    if (variant.growth % trace_.space.granule == 0 && variant.growth <= vmap::address_max - trace_.space.range.end)
      grown.push_back(std::move(variant));
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
        return std::tuple(v.argument == Variant::whole, v.distance, trace_.ops.size() - explanation_.ops[v.op].step);
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
  const std::string difference = nearest->argument == Variant::whole
                                     ? "without step " + std::to_string(role.step) + ", " + role.op
                                     : "with `" + print(*nearest->instead) + "` at step " + std::to_string(role.step);
  explanation_.passing = {changed(*nearest), difference};
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
