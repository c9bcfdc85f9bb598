// SPDX-License-Identifier: Apache-2.0
#include "harness/isolate/symbols.hpp"

#include <cxxabi.h>
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <initializer_list>
#include <map>
#include <memory>
#include <string_view>
#include <utility>

#include "harness/isolate/failure.hpp"

extern char** environ;

namespace vmapcheck {
namespace {

/// A symbolizer that answers for one file, until this program ends.
class Symbolizer {
 public:
  Symbolizer(const std::string& program, const std::string& file);
  Symbolizer(const Symbolizer&) = delete;
  Symbolizer& operator=(const Symbolizer&) = delete;
  ~Symbolizer();

  /// The innermost first; empty if it does not answer.
  std::vector<Frame> frames(std::uintptr_t offset);

 private:
  std::FILE* to_ = nullptr;
  std::FILE* from_ = nullptr;
  pid_t pid_ = -1;
};

Symbolizer::Symbolizer(const std::string& program, const std::string& file) {
  int to[2], from[2];
  if (::pipe2(to, O_CLOEXEC) != 0) return;
  if (::pipe2(from, O_CLOEXEC) != 0) {
    ::close(to[0]);
    ::close(to[1]);
    return;
  }
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, to[0], 0);
  ::posix_spawn_file_actions_adddup2(&actions, from[1], 1);
  ::posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  // In a group of its own, so that Ctrl-C does not end it.
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  const bool is_llvm = program.find("llvm") != std::string::npos;
  std::vector<std::string> words{program, "-f", "-C", "-i", "-a", "-e", file};
  if (is_llvm) words.insert(words.begin() + 1, "--output-style=GNU");
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  if (::posix_spawnp(&pid_, program.c_str(), &actions, &attributes, arguments.data(), environ) != 0) pid_ = -1;
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(to[0]);
  ::close(from[1]);
  to_ = ::fdopen(to[1], "w");
  from_ = ::fdopen(from[0], "r");
}

Symbolizer::~Symbolizer() {
  if (to_ != nullptr) std::fclose(to_);
  if (from_ != nullptr) std::fclose(from_);
  if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
}

/// An answer does not say how many functions it has: so another address is asked for behind it, which ends the answer.
std::vector<Frame> Symbolizer::frames(std::uintptr_t offset) {
  if (pid_ < 0 || to_ == nullptr || from_ == nullptr) return {};
  std::fprintf(to_, "0x%zx\n0x0\n", static_cast<std::size_t>(offset));
  std::fflush(to_);
  std::vector<Frame> frames;
  char line[16384];
  bool answered = false;
  for (int n = -1; std::fgets(line, sizeof line, from_) != nullptr;) {
    std::string_view text(line);
    while (text.ends_with('\n')) text.remove_suffix(1);
    if (text.starts_with("0x") && text.find(' ') == std::string_view::npos) {
      const bool is_end = std::strtoull(line, nullptr, 16) == 0;
      if (is_end) {
        answered = true;
        break;
      }
      n = 0;
      continue;
    }
    // A function, then its place: "file:line", "file:line (discriminator 2)", "??:0".
    if (n < 0) continue;
    if (n++ % 2 == 0) {
      frames.emplace_back(std::string(text));
      continue;
    }
    const std::size_t colon = std::min(text.rfind(':'), text.size());
    if (colon < text.size()) std::from_chars(text.data() + colon + 1, text.data() + text.size(), frames.back().line);
    if (!text.starts_with("??"))
      frames.back().file = std::filesystem::path(text.substr(0, colon)).lexically_normal().string();
  }
  std::erase_if(frames, [](const Frame& frame) { return frame.function == "??"; });
  if (!answered) return {};
  for (int n = 0; n < 2; ++n)
    if (std::fgets(line, sizeof line, from_) == nullptr) return frames;  // those of the other address
  return frames;
}

/// Where an address lies.
struct Place {
  std::string module;
  std::uintptr_t offset = 0;  ///< as it stands in the file
  const char* symbol = nullptr;
};

Place place_of(std::uintptr_t address) {
  Dl_info info{};
  if (::dladdr(reinterpret_cast<void*>(address), &info) == 0 || info.dli_fname == nullptr)
    return {"?", address, nullptr};
  const auto* const header = static_cast<const ElfW(Ehdr)*>(info.dli_fbase);
  const auto base = reinterpret_cast<std::uintptr_t>(info.dli_fbase);
  return {info.dli_fname, header->e_type == ET_EXEC ? address : address - base, info.dli_sname};
}

std::string program_for(const char* variable, std::initializer_list<const char*> names) {
  if (const char* const chosen = std::getenv(variable); chosen != nullptr && ::access(chosen, X_OK) == 0) return chosen;
  const char* const path = std::getenv("PATH");
  for (const char* const name : names) {
    std::string_view rest = path != nullptr ? path : "/usr/bin:/bin";
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(':'), rest.size());
      const std::string program = std::string(rest.substr(0, end)) + "/" + name;
      if (::access(program.c_str(), X_OK) == 0) return program;
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return "";
}

/// The file of a module. This program's own file gets a name that does not depend on the working directory.
std::string file_of(const std::string& module) {
  static const std::string self = [] {
    char path[4096];
    const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path);
    return std::string(path, static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
  }();
  return module.find('/') == std::string::npos || ::access(module.c_str(), R_OK) != 0 ? self : module;
}

std::string demangled(const char* symbol) {
  int status = 0;
  char* const name = abi::__cxa_demangle(symbol, nullptr, nullptr, &status);
  std::string text = status == 0 ? name : symbol;
  std::free(name);
  return text;
}

std::vector<Frame> look_up(std::uintptr_t address) {
  const Place place = place_of(address);
  static std::map<std::string, std::unique_ptr<Symbolizer>> symbolizers;
  if (place.module != "?") {
    const std::string file = file_of(place.module);
    std::unique_ptr<Symbolizer>& asked = symbolizers[file];
    if (!asked) {
      asked = std::make_unique<Symbolizer>(symbolizer(), file);
    }
    if (std::vector<Frame> frames = asked->frames(place.offset); !frames.empty()) return frames;
  }
  if (place.symbol != nullptr) return {{demangled(place.symbol)}};
  char text[64];
  std::snprintf(text, sizeof text, "+0x%zx", static_cast<std::size_t>(place.offset));
  return {{place.module.substr(place.module.rfind('/') + 1) + text}};
}

/// Whose code it is.
enum class Owner {
  library,     ///< the standard library, which anybody calls; or the harness, where it is called like one
  vocabulary,  ///< types that the harness and subjects have in common: whose doing it is, is said by who called
  subject,
  border,   ///< through it the harness calls a subject
  judge,    ///< the executor, which predicts and judges
  death,    ///< notes how the process dies; or ran the work that dies
  harness,  ///< the rest of it, also where a subject uses it
};

/// Files of the harness, by the end of their paths: a build may say any directory before it. The first that fits
/// counts.
struct Room {
  std::string_view files;
  Owner owner;
};
constexpr Room rooms[] = {
    {"/harness/isolate/", Owner::death},
    {"/harness/verify/metadata_resource.hpp", Owner::library},
    {"/harness/verify/subject.hpp", Owner::border},
    {"/harness/verify/model_subject.hpp", Owner::subject},  // it is one
    {"/harness/verify/tree_view.", Owner::subject},         // reads its nodes
    {"/harness/verify/holding.", Owner::subject},
    {"/harness/verify/executor.", Owner::judge},
    {"/harness/verify/", Owner::harness},
    {"/harness/random/", Owner::harness},
    {"/harness/reduce/", Owner::harness},
    {"/harness/picture/", Owner::harness},
    {"/harness/explore/", Owner::harness},
    {"/model/", Owner::harness},
    {"/model/ops/", Owner::harness},
    {"/vmap/error.hpp", Owner::vocabulary},
    {"/vmap/range.hpp", Owner::vocabulary},
    {"/vmap/request.hpp", Owner::vocabulary},
    {"/vmap/stats.hpp", Owner::vocabulary},
    {"/vmap/tree_case.hpp", Owner::vocabulary},
    {"/vmap/violation.hpp", Owner::vocabulary},
};

Owner owner_of(const Frame& frame) {
  // Names that the language keeps for the implementation.
  const std::string name = function_name(frame.function);
  for (const std::string_view reserved : {"std::", "__", "operator new", "operator delete"})
    if (name.empty() || name.starts_with(reserved)) return Owner::library;
  for (const auto& [files, owner] : rooms) {
    // The folder of a room, or the stem of a file, is the last part of the path but for the rest of a name.
    const std::size_t at = frame.file.rfind(files);
    if (at != std::string::npos && frame.file.find('/', at + files.size()) == std::string::npos) return owner;
  }
  return Owner::subject;
}

/// True where the address lies in the same program or shared object as the harness.
bool is_in_module_of_harness(std::uintptr_t address) {
  static const std::string own = place_of(reinterpret_cast<std::uintptr_t>(&frames_at)).module;
  return place_of(address).module == own;
}

/// T, if the function is one of Erased<T>, through which the harness calls a subject.
std::string erased_type(std::string_view full) {
  constexpr std::string_view begin = "Erased<";
  const std::size_t at = full.find(begin);
  return at == std::string_view::npos ? "" : function_name(full.substr(at + begin.size()));
}

/// Where a call was inlined, only "free" may be known of "mine::free". The last of `frames` is of the type through
/// which the harness called it: `caller` is a function of Erased<mine>.
void qualify_last(std::vector<Frame>& frames, std::string_view caller) {
  const std::string type = erased_type(caller);
  if (!frames.empty() && !type.empty() &&
      frames.back().function == function_name(caller).substr(std::string_view("vmapcheck::Erased::").size()))
    frames.back().function = type + "::" + frames.back().function;
}

/// Drops names without their type where the same function is there with it.
void drop_unqualified(std::vector<Frame>& frames) {
  const std::vector<Frame> all = frames;
  std::erase_if(frames, [&](const Frame& frame) {
    return std::ranges::any_of(all,
                               [&](const Frame& other) { return other.function.ends_with("::" + frame.function); });
  });
}

}  // namespace

const std::vector<Frame>& frames_at(std::uintptr_t address) {
  static std::map<std::uintptr_t, std::vector<Frame>> known;
  const auto found = known.find(address);
  if (found != known.end()) return found->second;
  return known.emplace(address, look_up(address)).first->second;
}

const std::string& symbolizer() {
  static const std::string program =
      program_for("ASAN_SYMBOLIZER_PATH", {"llvm-symbolizer", "llvm-symbolizer-19", "addr2line"});
  return program;
}

std::string text_of(const Frame& frame) {
  if (frame.file.empty()) return frame.function;
  std::error_code ignored;
  const auto from_here =
      std::filesystem::path(frame.file).lexically_relative(std::filesystem::current_path(ignored)).string();
  const bool is_below = !from_here.empty() && !from_here.starts_with("..");
  std::string text = frame.function + " at " + (is_below ? from_here : frame.file);
  if (frame.line != 0) text += ":" + std::to_string(frame.line);
  return text;
}

std::string symbolized(std::string_view report) {
  std::string text;
  std::size_t number = 0;  // of the next frame in its stack
  while (!report.empty()) {
    const std::string_view line = report.substr(0, std::min(report.find('\n'), report.size() - 1) + 1);
    report.remove_prefix(line.size());
    // "    #1 0x55d0c0de  (module+0xc0de)"
    const std::size_t mark = line.find_first_not_of(' ');
    const std::size_t hex = line.find(" 0x");
    std::uintptr_t address = 0;
    if (mark != std::string_view::npos && hex != std::string_view::npos && line[mark] == '#') {
      const char* const end = std::from_chars(line.data() + hex + 3, line.data() + line.size(), address, 16).ptr;
      if (!line.substr(static_cast<std::size_t>(end - line.data())).starts_with("  (")) address = 0;
    }
    if (address == 0) {
      text += line;
      continue;
    }
    if (line.substr(mark).starts_with("#0 ")) number = 0;
    const std::string_view place = line.substr(line.find("  (", hex));
    for (const Frame& frame : frames_at(address)) {
      const std::string name = function_name(frame.function);
      const std::string is = text_of({name.empty() ? frame.function : name, frame.file, frame.line});
      text += std::string(line.substr(0, mark)) + "#" + std::to_string(number++);
      text += line.substr(hex, line.find(' ', hex + 1) - hex);
      text += " in " + is + (frame.file.empty() ? std::string(place) : "\n");
    }
  }
  return text;
}

Blame blame_for(std::span<const std::uintptr_t> stack) {
  // Code that is not in this program, nor in a subject's shared object, is a library's.
  const auto in_library = [](std::uintptr_t address) {
    const std::string module = place_of(address).module;
    return module.find("/libc.so") != std::string::npos || module.find("/libstdc++.so") != std::string::npos ||
           module.find("/libgcc_s.so") != std::string::npos || module.find("/ld-linux") != std::string::npos ||
           module.find("/libm.so") != std::string::npos || module.find("vdso") != std::string::npos || module == "?";
  };
  Blame blame;
  std::vector<Frame>& frames = blame.frames;
  bool met_subject = false, met_harness = false;
  const auto ended = [&](bool by_judge) {
    blame.harness = !met_subject && (met_harness || by_judge);
    drop_unqualified(frames);
    return blame;
  };
  constexpr std::size_t frames_max = 16;
  for (std::size_t i = 0; i < stack.size() && frames.size() < frames_max; ++i) {
    if (in_library(stack[i])) continue;
    // A return address is behind the call; only the innermost may be the instruction itself.
    for (const Frame& frame : frames_at(i == 0 ? stack[i] : stack[i] - 1)) {
      const Frame shown{function_name(frame.function), frame.file, frame.line};
      Owner owner = owner_of(frame);
      if ((owner == Owner::judge || owner == Owner::harness) && !is_in_module_of_harness(stack[i]))
        owner = Owner::subject;
      switch (owner) {
        case Owner::library: continue;
        case Owner::vocabulary: break;
        case Owner::death:
          if (frames.empty()) continue;  // it notes this death
          return ended(false);
        case Owner::border:
          met_subject = true;
          qualify_last(frames, frame.function);
          return ended(false);
        case Owner::judge:
          if (!met_subject) frames.push_back(shown);
          return ended(true);
        case Owner::subject: met_subject = true; break;
        case Owner::harness: met_harness = true; break;
      }
      if (std::ranges::find(frames, shown.function, &Frame::function) == frames.end()) frames.push_back(shown);
    }
  }
  return ended(false);
}

}  // namespace vmapcheck
