// SPDX-License-Identifier: Apache-2.0
#include "tools/show_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>
#include <variant>

#include "harness/isolate/isolation.hpp"
#include "harness/verify/describe.hpp"
#include "model/trace.hpp"
#include "tools/files.hpp"

namespace vmapcheck::tool {

TextShow::TextShow(const Shown& shown, const TextStyle& style, Write write)
    : shown_(shown),
      style_(style),
      colours_(palette(style.coloured)),
      write_(std::move(write)),
      focus_(shown.trace.space.range.begin) {}

void TextShow::begin() {
  const Palette& c = colours_;
  write_(fmt::format("{}{}{}: {} in {}, subject {}\n", c.strong, one_line(shown_.file), c.end,
                     count_of(shown_.trace.ops.size(), "op"), print(shown_.trace.space.range), shown_.subject));
  for (const std::string& comment : shown_.trace.comments)
    write_(fmt::format("{}  # {}{}\n", c.dim, one_line(comment), c.end));
  for (const std::string& note : shown_.notes) write_(fmt::format("  {}\n", one_line(note)));
  write_(fmt::format("  {}# busy{}  {}~ lazily freed{}  {}. free{}  {}^ changed by the step{}\n", c.busy, c.end, c.lazy,
                     c.end, c.free, c.end, c.mark, c.end));
}

void TextShow::operator()(const RunEvent& event) {
  std::visit([this](const auto& one) { show(one); }, event);
}

void TextShow::show(const Begun& begun) {
  const Snapshot& snapshot = begun.before;
  if (!std::exchange(said_, true)) {
    if (!snapshot.observable)
      write_(fmt::format("  The subject {} does not list its areas: this is the model's map.\n", shown_.subject));
    if (!snapshot.inspectable && style_.tree_lines != 0)
      write_(fmt::format("  The subject {} does not show its tree.\n", shown_.subject));
  }
  write_(fmt::format("\n{}before step {}{}\n", colours_.strong, begun.step, colours_.end));
  draw(snapshot, false);
  before_ = snapshot.map();
}

void TextShow::show(const Answered& answered) {
  answered_ = answered;
  const Palette& c = colours_;
  write_(fmt::format("\n{}step {}  {}{}", c.strong, answered.step, print(shown_.trace.ops[answered.step]), c.end));
  if (answered.violation) write_(fmt::format("  {}<== breaks {}{}", c.bad, name(answered.violation->invariant), c.end));
  write_(fmt::format("\n        {}", text_of(shown_.trace, answered)));
}

void TextShow::show(const Held& held) {
  const Op& op = shown_.trace.ops[held.step];
  const Snapshot& snapshot = held.after;
  const bool broken = answered_ && answered_->violation;
  changed_ = changed(before_, snapshot.map());
  const std::string effect = answered_ ? effect_of(op, answered_->answer, changed_) : "";
  write_(effect.empty() ? "\n" : fmt::format(": {}\n", effect));
  if (!changed_.empty()) focus_ = changed_.front().begin;
  if (changed_.empty() && !broken && !style_.always_draws)
    write_(fmt::format("        {}(the map is as before){}\n", colours_.dim, colours_.end));
  else
    draw(snapshot, broken);
  before_ = snapshot.map();
  answered_.reset();
}

void TextShow::end(const Verdict& verdict) {
  if (answered_) write_("\n        (what it left could not be listed)\n");
  const Palette& c = colours_;
  write_(fmt::format("\n{}{}{}\n", verdict.ok ? c.strong : c.bad, one_line(verdict.title, 2000), c.end));
  write_(text_of(verdict.rows));
  if (!verdict.ok) write_(text_of(Row{"replay", shown_.replay}));
}

void TextShow::draw(const Snapshot& snapshot, bool broken) {
  const bool both = snapshot.differs() && broken;
  draw_map_of(both ? "subject" : "", snapshot.map(), snapshot.complete(), changed_);
  if (both) draw_map_of("model", snapshot.expected, true, changed(before_, snapshot.expected));
  if (!snapshot.complete())
    write_(fmt::format("        (only the first {} areas and free blocks are listed)\n", snapshot.map().size()));
  draw_tree_of(snapshot, broken);
}

void TextShow::draw_map_of(std::string_view title, const AddressMap& map, bool complete,
                           std::span<const Range> marked) {
  const Space& space = shown_.trace.space;
  Range seen = space.range;
  if (!complete) seen.end = map.empty() ? seen.begin : std::min(seen.end, map.back().range.end);
  const MapText text = draw_map(cells_of(map, seen, marked), seen, space.granule, focus_, style_.columns - 8, colours_);
  if (text.bar.empty()) return write_("        (nothing is listed)\n");
  write_(
      fmt::format("{:<8}{}\n{:<8}{}\n", "", text.addresses, title.empty() ? "" : fmt::format(" {}", title), text.bar));
  if (!text.marks.empty()) write_(fmt::format("{:<8}{}{}{}\n", "", colours_.mark, text.marks, colours_.end));
}

/// In full where the style asks for it, else only if a node is wrong, and then only what shows that.
void TextShow::draw_tree_of(const Snapshot& snapshot, bool broken) {
  constexpr std::size_t lines_if_wrong = 40;
  const bool wrong = broken && std::ranges::any_of(snapshot.tree.nodes, &ListedNode::is_wrong);
  if (!snapshot.inspectable || (style_.tree_lines == 0 && !wrong)) return;
  write_(fmt::format("        tree of free blocks{}\n", snapshot.tree.nodes.empty() ? ": empty" : ""));
  for (const std::string& line :
       draw_tree(snapshot.tree, changed_, std::max(style_.tree_lines, lines_if_wrong), colours_))
    write_(fmt::format("            {}\n", line));
}

std::string drawn_step(const Shown& shown, const SubjectEntry& subject, std::size_t step, const TextStyle& style) {
  const auto work = [&](std::uint64_t, Beacon& beacon) -> std::optional<std::string> {
    std::string lines;
    TextShow text(shown, style, [&](std::string_view some) { lines += some; });
    (void)record(shown.trace, subject.make, {.from = step, .to = step, .beacon = beacon}, [&](const RunEvent& event) {
      beacon.aside(true);
      text(event);
      beacon.tell(std::exchange(lines, {}));
      beacon.aside(false);
    });
    return std::nullopt;
  };
  // A slow subject must not keep the reader waiting.
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  WalkOptions options;
  options.keep_going = [end] { return std::chrono::steady_clock::now() < end; };
  try {
    Walked walked = walk(1, work, options);
    std::string& told = walked.told;
    if (const auto& death = walked.death) {
      const std::vector<Op>& ops = shown.trace.ops;
      told += death->step < ops.size() ? fmt::format("        (it did not come back from step {}: {})\n", death->step,
                                                     print(ops[death->step]))
                                       : "        (it did not come back from the end of the trace)\n";
    }
    return told.erase(0, told.find_first_not_of('\n'));
  } catch (const ChildrenKilled&) {
    return "";
  }
}

}  // namespace vmapcheck::tool
