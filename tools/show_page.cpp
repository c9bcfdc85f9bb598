// SPDX-License-Identifier: Apache-2.0
#include "tools/show_page.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>
#include <variant>

#include "model/trace.hpp"
#include "tools/page_source.hpp"

namespace vmapcheck::tool {
namespace {

std::string hex(std::uint64_t number) { return fmt::format("{:x}", number); }
ordered_json json_of(const MapItem& item);
ordered_json json_of(const AddressMap& map);
ordered_json splices(const AddressMap& before, const AddressMap& after);
std::string dump(const ordered_json& json);

}  // namespace

// ---- The lines

void PageLines::operator()(const RunEvent& event) {
  std::visit([this](const auto& one) { show(one); }, event);
}

void PageLines::show(const Begun& begun) {
  ordered_json line{
      {"begin", begun.step}, {"observable", begun.before.observable}, {"inspectable", begun.before.inspectable}};
  add_state(line, begun.before);
  write_(dump(line));
}

void PageLines::show(const Answered& answered) {
  const Op& op = trace_.ops[answered.step];
  ordered_json line{{"step", answered.step},
                    {"op", print(op)},
                    {"answer", text_of(trace_, answered)},
                    {"kind", op_names[op.index()]}};
  if (const auto* placed = std::get_if<vmap::Allocation>(&answered.answer)) line["fit"] = name(placed->fit);
  if (std::holds_alternative<vmap::Error>(answered.answer)) line["error"] = true;
  if (std::holds_alternative<Skipped>(answered.answer)) line["skipped"] = true;
  answer_ = answered.answer;
  write_(dump(line));
}

void PageLines::show(const Held& held) {
  ordered_json line{{"after", held.step}};
  const std::vector<Range> bytes = changed(map_, held.after.map());
  if (std::string effect = effect_of(trace_.ops[held.step], answer_, bytes); !effect.empty())
    line["effect"] = std::move(effect);
  for (const Range range : bytes) line["changed"].push_back({hex(range.begin), hex(range.end)});
  add_state(line, held.after);
  write_(dump(line));
}

void PageLines::add_state(ordered_json& line, const Snapshot& snapshot) {
  if (ordered_json map = splices(map_, snapshot.map()); !map.empty()) line["map"] = std::move(map);
  map_ = snapshot.map();
  if (snapshot.inspectable) add_tree(line, snapshot.tree);
  if (snapshot.differs()) line["expected"] = json_of(snapshot.expected);
  if (!snapshot.complete() || !snapshot.tree.complete) line["cut"] = true;
}

/// The nodes that were not there, or were different, when the tree was last listed.
void PageLines::add_tree(ordered_json& line, const TreeListing& tree) {
  ++listings_;
  std::vector<std::int64_t> ids;
  ids.reserve(tree.nodes.size());
  for (const ListedNode& node : tree.nodes) {
    const auto [entry, is_new] = nodes_.try_emplace(node.at);
    if (is_new) entry->second.id = id_next_++;
    entry->second.listed = listings_;
    ids.push_back(entry->second.id);
  }
  const auto id_of = [&](std::int32_t index) {
    return index == ListedNode::none ? -1 : ids[static_cast<std::size_t>(index)];
  };
  for (std::size_t i = 0; i < tree.nodes.size(); ++i) {
    const ListedNode& node = tree.nodes[i];
    ordered_json json{ids[i],           hex(node.range.begin),      hex(node.range.end),
                      node.red ? 1 : 0, hex(node.subtree_max_size), id_of(node.left),
                      id_of(node.right)};
    if (node.is_wrong()) json.push_back(hex(node.size_max_expected));
    if (!node.defect.empty()) json.push_back(node.defect);
    std::string text = json.dump();
    Node& known = nodes_.at(node.at);
    if (known.text == text) continue;
    known.text = std::move(text);
    line["nodes"].push_back(std::move(json));
  }
  std::erase_if(nodes_, [&](const auto& entry) {
    const bool is_gone = entry.second.listed != listings_;
    if (is_gone) line["gone"].push_back(entry.second.id);
    return is_gone;
  });
  line["root"] = ids.empty() ? -1 : ids.front();
}

namespace {

ordered_json json_of(const MapItem& item) {
  constexpr std::string_view kinds[] = {"b", "l", "f"};
  ordered_json json{hex(item.range.begin), hex(item.range.end), kinds[static_cast<std::size_t>(item.kind)]};
  if (item.label) json.push_back(print(*item.label));
  return json;
}

ordered_json json_of(const AddressMap& map) {
  ordered_json json = ordered_json::array();
  for (const MapItem& item : map) json.push_back(json_of(item));
  return json;
}

/// What turns one map into the other: [at, how many go, those that come]. The last comes first, so that applying one
/// moves none that is still to be applied.
ordered_json splices(const AddressMap& before, const AddressMap& after) {
  std::vector<ordered_json> found;
  auto was = before.begin();
  auto is = after.begin();
  while (was != before.end() || is != after.end()) {
    if (was != before.end() && is != after.end() && *was == *is) {
      ++was, ++is;
      continue;
    }
    const auto at = was - before.begin();
    std::size_t gone = 0;
    ordered_json come = ordered_json::array();
    while ((was != before.end() || is != after.end()) && !(was != before.end() && is != after.end() && *was == *is)) {
      if (is == after.end() || (was != before.end() && comes_before(*was, *is)))
        ++was, ++gone;
      else
        come.push_back(json_of(*is++));
    }
    found.push_back({at, gone, std::move(come)});
  }
  ordered_json json = ordered_json::array();
  std::ranges::move(found.rbegin(), found.rend(), std::back_inserter(json));
  return json;
}

}  // namespace

// ---- The page

std::string page(const Shown& shown, std::span<const std::string> lines, const Verdict& verdict) {
  const Space& space = shown.trace.space;
  ordered_json about{{"file", shown.file},           {"subject", shown.subject},
                     {"replay", shown.replay},       {"comments", shown.trace.comments},
                     {"notes", shown.notes},         {"begin", hex(space.range.begin)},
                     {"end", hex(space.range.end)},  {"granule", hex(space.granule)},
                     {"ops", shown.trace.ops.size()}};
  if (space.lazy_limit) about["lazy_limit"] = hex(*space.lazy_limit);
  ordered_json outcome{
      {"ok", verdict.ok}, {"step", verdict.step}, {"op", verdict.op}, {"name", verdict.name}, {"title", verdict.title}};
  for (const Row& row : verdict.rows) outcome["rows"].push_back({row.title, row.text});

  std::string data = fmt::format("{{\"about\":{},\n\"verdict\":{},\n\"lines\":[", dump(about), dump(outcome));
  std::size_t size = data.size() + 16;
  for (const std::string& line : lines) size += line.size() + 2;
  data.reserve(size);
  for (const std::string& line : lines) {
    data += data.back() == '[' ? "\n" : ",\n";
    data += line;
  }
  data += "\n]}";
  std::string text(page_html);
  fill(text, "/*page.css*/", page_css);
  fill(text, "/*page.js*/", page_js);
  fill(text, "{/*recording*/}", data);
  return text;
}

namespace {

/// JSON that may stand inside <script>: no character that ends or opens a tag, and nothing but ASCII.
std::string dump(const ordered_json& json) {
  const std::string plain = json.dump(-1, ' ', true, ordered_json::error_handler_t::replace);
  std::string safe;
  safe.reserve(plain.size());
  for (const char c : plain) {
    switch (c) {
      case '<': safe += "\\u003c"; break;
      case '>': safe += "\\u003e"; break;
      case '&': safe += "\\u0026"; break;
      default: safe += c;
    }
  }
  return safe;
}

}  // namespace
}  // namespace vmapcheck::tool
