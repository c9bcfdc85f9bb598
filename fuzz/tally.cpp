// SPDX-License-Identifier: Apache-2.0
#include "fuzz/tally.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace vmapcheck {

TallyFile::TallyFile(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (file < 0) throw std::system_error(errno, std::generic_category(), path);
  // Room first: a page that the disk has none for could not be written, which kills.
  int why = ::posix_fallocate(file, 0, sizeof(Tally));
  void* memory = nullptr;
  if (why == 0) {
    memory = ::mmap(nullptr, sizeof(Tally), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED) why = errno;
  }
  ::close(file);
  if (why != 0) throw std::system_error(why, std::generic_category(), path);
  tally_ = static_cast<Tally*>(memory);
}

TallyFile::~TallyFile() { ::munmap(tally_, sizeof(Tally)); }

}  // namespace vmapcheck
