// SPDX-License-Identifier: Apache-2.0
#include "harness/isolate/strays.hpp"

#include <dirent.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>

namespace vmapcheck {
namespace {

/// Appends the children of all threads of a process, and theirs.
void add_descendants(pid_t pid, std::vector<pid_t>& all, const std::vector<pid_t>& others) {
  const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
  DIR* const directory = ::opendir(tasks.c_str());
  if (directory == nullptr) return;
  const std::size_t begin = all.size();
  while (const dirent* const entry = ::readdir(directory)) {
    if (entry->d_name[0] == '.') continue;
    std::FILE* const file = std::fopen((tasks + "/" + entry->d_name + "/children").c_str(), "r");
    if (file == nullptr) continue;
    for (int child = 0; std::fscanf(file, "%d", &child) == 1;)
      if (std::ranges::find(others, child) == others.end()) all.push_back(child);
    std::fclose(file);
  }
  ::closedir(directory);
  const std::vector<pid_t> children(all.begin() + static_cast<std::ptrdiff_t>(begin), all.end());
  for (const pid_t child : children) add_descendants(child, all, others);
}

bool has_children() {
  siginfo_t info{};
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

}  // namespace

Strays::Strays() {
  ::prctl(PR_GET_CHILD_SUBREAPER, &reaped_before_);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
}

Strays::~Strays() {
  if (forked_) end();
  ::prctl(PR_SET_CHILD_SUBREAPER, static_cast<unsigned long>(reaped_before_));
}

void Strays::note_others() {
  others_.clear();
  if (has_children()) add_descendants(::getpid(), others_, {});
  forked_ = true;
}

void Strays::end() {
  forked_ = false;
  // They may fork meanwhile, so this is repeated until none is found: for two seconds, if some cannot be killed.
  constexpr int rounds_max = 2000;
  for (int round = 0; round < rounds_max && has_children(); ++round) {
    std::vector<pid_t> strays;
    add_descendants(::getpid(), strays, others_);
    if (strays.empty()) return;
    for (const pid_t pid : strays) ::kill(pid, SIGKILL);
    if (round > 2) ::usleep(1000);
    for (const pid_t pid : strays) ::waitpid(pid, nullptr, WNOHANG);
  }
}

}  // namespace vmapcheck
