// SPDX-License-Identifier: Apache-2.0
#include "tools/coverage/measure.hpp"

#include <cxxabi.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>

#include "harness/isolate/failure.hpp"

namespace vmapcheck::tool {
namespace {

using nlohmann::json;

/// Of the allocator's templates, what they may be made from.
struct Instance {
  std::string_view name;
  std::array<std::string_view, 2> arguments;
};
constexpr std::array instances{
    Instance{"BasicAddressSpace<", {"vmap::FreeSpace>", "vmap::FreeSpace>"}},
    Instance{"AugmentedRbTree<", {"vmap::Node, vmap::SubtreeMaxSize>", "vmap::Node, vmap::NoAugment>"}},
    Instance{"TreeLinks<", {"vmap::Node>", "vmap::Node>"}},
    Instance{"NodePool<", {"vmap::Node>", "vmap::Node>"}},
    Instance{"NoAugment::recompute<", {"vmap::Node>", "vmap::Node>"}},
    Instance{"NoAugment::copy<", {"vmap::Node>", "vmap::Node>"}},
    Instance{"place_of<", {"vmap::AugmentedRbTree<", "vmap::AugmentedRbTree<"}},
    Instance{"last_at_or_below<", {"vmap::AugmentedRbTree<", "vmap::AugmentedRbTree<"}},
    Instance{"link_in_order<", {"vmap::AugmentedRbTree<", "vmap::AugmentedRbTree<"}},
};

/// What llvm-cov calls a region: a piece of a function that is executed as one.
struct Region {
  enum Kind : int { code = 0, expansion = 1, skipped = 2, gap = 3 };
  Span at;
  std::uint64_t count = 0;
  int kind = code;
};

/// The text of the files, by line.
class Sources {
 public:
  Sources(std::string_view folder, const std::function<std::string(const std::string&)>& read)
      : folder_(folder), read_(read) {}

  /// "free_space.hpp" of "/here/allocator/vmap/free_space.hpp"; empty for what is not in the folder.
  [[nodiscard]] std::string name_of(const std::string& path) const;
  [[nodiscard]] std::string line(const std::string& path, unsigned number);
  [[nodiscard]] std::string piece(const std::string& path, const Span& at);

 private:
  const std::vector<std::string>& lines_of(const std::string& path);

  std::string folder_;
  const std::function<std::string(const std::string&)>& read_;
  std::map<std::string, std::vector<std::string>> files_;
};

/// Puts together what is said of each function.
class Collector {
 public:
  Collector(std::string_view folder, const std::function<std::string(const std::string&)>& read)
      : sources_(folder, read) {}
  void add(const json& function);
  Measured collected();

 private:
  struct Counts {
    std::map<unsigned, std::uint64_t> lines;
    std::map<Span, std::array<std::uint64_t, 2>> branches;
  };
  struct Piece {
    std::uint64_t entered = 0;
    std::map<std::string, Counts> files;  ///< by path
  };
  Sources sources_;
  std::map<std::string, Piece> functions_;  ///< by name, demangled
  std::size_t left_out_ = 0;
};

std::string demangled(const std::string& name);
std::string last_part(const std::string& function);
std::string in_one_line(std::string_view text);
std::map<unsigned, std::uint64_t> count_lines(std::vector<Region> regions);
Region region_of(const json& array);

}  // namespace

bool is_the_allocators(std::string_view demangled) {
  // There are lambdas whose names no demangler reads.
  constexpr std::string_view mangled = "BasicAddressSpaceI";
  for (std::size_t at = 0; (at = demangled.find(mangled, at)) != std::string_view::npos;) {
    at += mangled.size();
    if (!demangled.substr(at).starts_with("NS_9FreeSpaceEE")) return false;
  }
  for (const Instance& instance : instances)
    for (std::size_t at = 0; (at = demangled.find(instance.name, at)) != std::string_view::npos;) {
      at += instance.name.size();
      const std::string_view rest = demangled.substr(at);
      if (!rest.starts_with(instance.arguments[0]) && !rest.starts_with(instance.arguments[1])) return false;
    }
  return true;
}

std::expected<Measured, std::string> measure(const std::string& text, std::string_view folder,
                                             const std::function<std::string(const std::string& path)>& source) {
  try {
    Collector collector(folder, source);
    const json all = json::parse(text);
    for (const json& function : all.at("data").at(0).at("functions")) collector.add(function);
    return collector.collected();
  } catch (const json::exception& error) {
    return std::unexpected(error.what());
  }
}

Ratio MeasuredFile::line_ratio() const {
  Ratio ratio;
  for (const auto& [number, line] : lines)
    if (!line.exclusion) ratio += {line.count != 0 ? 1u : 0u, 1};
  return ratio;
}

Ratio MeasuredFile::branch_ratio() const {
  Ratio ratio;
  for (const auto& [at, branch] : branches)
    for (const std::size_t outcome : {0u, 1u})
      if (!branch.exclusion[outcome]) ratio += {branch.taken[outcome] != 0 ? 1u : 0u, 1};
  return ratio;
}

Ratio Measured::line_ratio() const {
  Ratio ratio;
  for (const MeasuredFile& file : files) ratio += file.line_ratio();
  return ratio;
}

Ratio Measured::branch_ratio() const {
  Ratio ratio;
  for (const MeasuredFile& file : files) ratio += file.branch_ratio();
  return ratio;
}

namespace {

// ---- What was executed

void Collector::add(const json& function) {
  const auto paths = function.at("filenames").get<std::vector<std::string>>();
  if (std::ranges::all_of(paths, [&](const std::string& path) { return sources_.name_of(path).empty(); })) return;
  const std::string name = demangled(function.at("name").get<std::string>());
  if (!is_the_allocators(name)) {
    ++left_out_;
    return;
  }
  // One that is in several programs is described by each; the counts are the same then, of all of them together.
  Piece& piece = functions_[name];
  piece.entered = std::max(piece.entered, function.at("count").get<std::uint64_t>());
  for (std::size_t file = 0; file < paths.size(); ++file) {
    if (sources_.name_of(paths[file]).empty()) continue;
    std::vector<Region> regions;
    for (const json& region : function.at("regions"))
      if (region.at(5) == file) regions.push_back(region_of(region));
    for (const auto& [number, count] : count_lines(std::move(regions))) {
      std::uint64_t& line = piece.files[paths[file]].lines[number];
      line = std::max(line, count);
    }
    for (const json& branch : function.at("branches")) {
      if (branch.at(6) != file) continue;
      auto& taken = piece.files[paths[file]].branches[region_of(branch).at];
      for (const std::size_t outcome : {0u, 1u})
        taken[outcome] = std::max(taken[outcome], branch.at(4 + outcome).get<std::uint64_t>());
    }
  }
}

/// The instantiations of a template together are its source.
Measured Collector::collected() {
  Measured measured;
  measured.left_out = left_out_;
  std::map<std::string, MeasuredFile> files;
  for (const auto& [name, piece] : functions_) {
    measured.entered[name] = piece.entered;
    const std::string function = name.starts_with("_Z") ? "" : last_part(function_name(name));
    for (const auto& [path, counts] : piece.files) {
      MeasuredFile& file = files[path];
      file.name = sources_.name_of(path);
      for (const auto& [number, count] : counts.lines) {
        MeasuredLine& line = file.lines.try_emplace(number).first->second;
        line.count += count;
        if (!function.empty()) line.function = function;
        line.text = sources_.line(path, number);
      }
      for (const auto& [at, taken] : counts.branches) {
        if (sources_.line(path, at.line).find("= default;") != std::string::npos) continue;
        MeasuredBranch& branch = file.branches[at];
        branch.at = at;
        for (const std::size_t outcome : {0u, 1u}) branch.taken[outcome] += taken[outcome];
        if (!function.empty()) branch.function = function;
        branch.text = sources_.piece(path, at);
      }
    }
  }
  for (auto& [path, file] : files) measured.files.push_back(std::move(file));
  return measured;
}

/// As llvm-cov does: the most executed piece that begins on a line, or that goes on there from the line before.
std::map<unsigned, std::uint64_t> count_lines(std::vector<Region> regions) {
  // The outer ones before those inside of them.
  std::ranges::sort(regions, [](const Region& a, const Region& b) {
    return std::tie(a.at.line, a.at.column, b.at.line_end, b.at.column_end) <
           std::tie(b.at.line, b.at.column, a.at.line_end, a.at.column_end);
  });
  std::map<unsigned, std::uint64_t> lines;
  std::map<unsigned, std::uint64_t> begun;
  for (const Region& region : regions) {
    if (region.kind == Region::expansion) continue;
    // What goes on at the begin of a later line: the innermost comes last.
    // Comments and empty lines are skipped from their own line on.
    for (unsigned line = region.at.line + (region.kind == Region::skipped ? 0 : 1); line <= region.at.line_end;
         ++line) {
      if (line == region.at.line_end && region.at.column_end <= 1) break;
      if (region.kind == Region::skipped)
        lines.erase(line);
      else
        lines[line] = region.count;
    }
  }
  for (const Region& region : regions) {
    if (region.kind != Region::code) continue;
    std::uint64_t& count = begun[region.at.line];
    count = std::max(count, region.count);
  }
  for (const auto& [line, count] : begun) lines[line] = std::max(lines[line], count);
  return lines;
}

Region region_of(const json& array) {
  Region region;
  region.at = {array.at(0), array.at(1), array.at(2), array.at(3)};
  region.count = array.at(4);
  region.kind = array.at(7);
  return region;
}

// ---- Names and texts

/// llvm-cov puts the file before the name of a function that no other file sees.
std::string demangled(const std::string& name) {
  const std::size_t colon = name.rfind(':');
  const std::string mangled = colon == std::string::npos ? name : name.substr(colon + 1);
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status), &std::free);
  return status == 0 ? text.get() : mangled;
}

std::string last_part(const std::string& function) {
  const std::size_t at = function.rfind("::");
  return at == std::string::npos ? function : function.substr(at + 2);
}

/// Without white space at its ends, and with one space for each other.
std::string in_one_line(std::string_view text) {
  std::string line;
  for (const char c : text) {
    const bool is_space = std::isspace(static_cast<unsigned char>(c)) != 0;
    if (!is_space)
      line += c;
    else if (!line.empty() && line.back() != ' ')
      line += ' ';
  }
  if (line.ends_with(' ')) line.pop_back();
  return line;
}

std::string Sources::name_of(const std::string& path) const {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return "";
  const std::string_view directory = std::string_view(path).substr(0, slash);
  const bool here = directory == folder_ || directory.ends_with("/" + folder_);
  return here ? path.substr(slash + 1) : "";
}

std::string Sources::line(const std::string& path, unsigned number) {
  const auto& lines = lines_of(path);
  return number == 0 || number > lines.size() ? "" : in_one_line(lines[number - 1]);
}

std::string Sources::piece(const std::string& path, const Span& at) {
  const auto& lines = lines_of(path);
  std::string text;
  for (unsigned number = at.line; number <= at.line_end && number <= lines.size() && number != 0; ++number) {
    const std::string& line = lines[number - 1];
    const std::size_t begin = number == at.line ? at.column - 1 : 0;
    const std::size_t end = number == at.line_end ? at.column_end - 1 : line.size();
    if (begin < end && begin < line.size()) text += line.substr(begin, end - begin);
    text += ' ';
  }
  return in_one_line(text);
}

const std::vector<std::string>& Sources::lines_of(const std::string& path) {
  const auto [entry, is_new] = files_.try_emplace(path);
  if (!is_new) return entry->second;
  const std::string text = read_(path);
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    entry->second.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return entry->second;
}

}  // namespace

// ---- What is unreachable

namespace {

constexpr std::array entry_words{std::pair<std::string_view, Exclusion::What>{"line ", Exclusion::What::line},
                                 std::pair<std::string_view, Exclusion::What>{"true ", Exclusion::What::when_true},
                                 std::pair<std::string_view, Exclusion::What>{"false ", Exclusion::What::when_false}};

/// Reads the list line by line.
class ListReader {
 public:
  /// Empty, or what was expected.
  std::string read(std::string_view raw) {
    ++number_;
    const std::string line = in_one_line(raw);
    if (line.empty() || line.front() == '#') return "";
    if (raw.front() != ' ') return read_place(line);
    if (line.starts_with("because ")) return read_reason(line.substr(8));
    for (const auto& [word, what] : entry_words)
      if (line.starts_with(word)) return read_entry(what, line.substr(word.size()));
    if (!in_reason_) return "expected `line`, `true` or `false` with a text, or `because` with a reason";
    for (std::size_t i = group_; i < list_.size(); ++i) list_[i].because += " " + line;
    return "";
  }
  std::string end() { return needs_reason() ? "expected `because` and a reason for what stands above" : ""; }
  [[nodiscard]] unsigned number() const { return number_; }
  std::vector<Exclusion> list() { return std::move(list_); }

 private:
  std::string read_place(const std::string& line) {
    if (needs_reason()) return end();
    const std::size_t comma = line.find(", ");
    if (comma == std::string::npos) return "expected a file, a comma and a function: free_space.hpp, carve";
    file_ = line.substr(0, comma);
    function_ = line.substr(comma + 2);
    begin_group();
    return "";
  }
  std::string read_entry(Exclusion::What what, std::string text) {
    if (file_.empty()) return "expected a file, a comma and a function: free_space.hpp, carve";
    if (in_reason_) begin_group();
    list_.push_back({number_, file_, function_, what, std::move(text), ""});
    return "";
  }
  std::string read_reason(const std::string& reason) {
    if (!needs_reason()) return "expected `line`, `true` or `false` before a reason";
    for (std::size_t i = group_; i < list_.size(); ++i) list_[i].because = reason;
    in_reason_ = true;
    return "";
  }
  void begin_group() {
    group_ = list_.size();
    in_reason_ = false;
  }
  [[nodiscard]] bool needs_reason() const { return !in_reason_ && group_ != list_.size(); }

  unsigned number_ = 0;
  std::string file_;
  std::string function_;
  std::vector<Exclusion> list_;
  std::size_t group_ = 0;  ///< the first entry that the next reason is for
  bool in_reason_ = false;
};

}  // namespace

std::expected<std::vector<Exclusion>, std::string> parse_exclusions(std::string_view text) {
  ListReader reader;
  std::string wrong;
  while (!text.empty() && wrong.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    wrong = reader.read(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (wrong.empty()) wrong = reader.end();
  if (!wrong.empty()) return std::unexpected(fmt::format("{}: {}", std::max(1u, reader.number()), wrong));
  return reader.list();
}

namespace {

std::string place_of(const Exclusion& exclusion) {
  const std::string_view what = exclusion.what == Exclusion::What::line        ? "line"
                                : exclusion.what == Exclusion::What::when_true ? "true"
                                                                               : "false";
  return fmt::format("{}: {}, {}: {} {}", exclusion.list_line, exclusion.file, exclusion.function, what,
                     exclusion.text);
}

/// How many places it matches, and how many of them were executed.
struct Match {
  std::size_t places = 0;
  std::size_t executed = 0;
};

/// Nothing but what ends a block.
bool closes(const std::string& text) { return !text.empty() && text.find_first_not_of("}]); ") == std::string::npos; }

/// What closes a block behind an unreachable line is unreachable with it, and so are the conditions on it.
Match exclude_lines(MeasuredFile& file, const Exclusion& exclusion, std::size_t index) {
  Match match;
  const auto mark = [&](unsigned number, MeasuredLine& line) {
    line.exclusion = index;
    for (auto& [at, branch] : file.branches)
      if (at.line == number) branch.exclusion[0] = branch.exclusion[1] = index;
  };
  for (auto& [number, line] : file.lines) {
    if (line.function != exclusion.function || line.text != exclusion.text) continue;
    ++match.places;
    if (line.count != 0) {
      ++match.executed;
      continue;
    }
    mark(number, line);
    for (auto next = file.lines.find(number + 1);
         next != file.lines.end() && next->second.count == 0 && closes(next->second.text); ++next)
      mark(next->first, next->second);
  }
  return match;
}

Match exclude_branches(MeasuredFile& file, const Exclusion& exclusion, std::size_t index) {
  Match match;
  const std::size_t outcome = exclusion.what == Exclusion::What::when_true ? 0 : 1;
  for (auto& [at, branch] : file.branches) {
    if (branch.function != exclusion.function || branch.text != exclusion.text) continue;
    ++match.places;
    if (branch.taken[outcome] != 0)
      ++match.executed;
    else
      branch.exclusion[outcome] = index;
  }
  return match;
}

}  // namespace

std::vector<std::string> exclude(Measured& measured, const std::vector<Exclusion>& exclusions) {
  std::vector<std::string> defects;
  for (std::size_t i = 0; i < exclusions.size(); ++i) {
    const Exclusion& exclusion = exclusions[i];
    Match match;
    for (MeasuredFile& file : measured.files) {
      if (file.name != exclusion.file) continue;
      match = exclusion.what == Exclusion::What::line ? exclude_lines(file, exclusion, i)
                                                      : exclude_branches(file, exclusion, i);
    }
    if (match.places == 0) defects.push_back(place_of(exclusion) + ": matches nothing that is there");
    if (match.executed != 0) defects.push_back(place_of(exclusion) + ": is reachable: it was executed");
  }
  return defects;
}

}  // namespace vmapcheck::tool
