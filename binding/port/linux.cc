// linux.cc: futexes, affinity, control groups, memory.
#include <linux/futex.h>
#include <linux/memfd.h>
#include <linux/sockios.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "port.h"

namespace gradclip {
namespace port {
namespace {

static_assert(sizeof(std::atomic<uint32_t>) == 4, "a futex is four bytes");

std::string read_line(const std::string& path) {
  char text[256] = "";
  if (FILE* file = fopen(path.c_str(), "re")) {
    if (!fgets(text, sizeof text, file)) text[0] = 0;
    fclose(file);
  }
  return text;
}

// CPUs that `quota` microseconds per `period` amount to, rounded up; 0 where there is no limit.
int quota_cpus(double quota, double period) {
  if (!(quota > 0) || !(period > 0)) return 0;
  return int(std::min<double>(INT16_MAX, std::max(1.0, (quota + period - 1) / period)));
}

int group_cpus(bool v2, const std::string& folder) {
  double quota = 0, period = 0;
  if (v2) {
    if (sscanf(read_line(folder + "/cpu.max").c_str(), "%lf %lf", &quota, &period) != 2) return 0;   // "max 100000": no limit
    return quota_cpus(quota, period);
  }
  quota = atof(read_line(folder + "/cpu.cfs_quota_us").c_str());
  period = atof(read_line(folder + "/cpu.cfs_period_us").c_str());
  return quota_cpus(quota, period);
}

// The tightest limit from this process's group up to the root. In a container the root is all that is visible.
int least_quota(bool v2, const std::string& root, std::string group) {
  int least = 0;
  for (;;) {
    if (const int cpus = group_cpus(v2, root + group)) least = least ? std::min(least, cpus) : cpus;
    if (group.empty() || group == "/") return least;
    group.erase(std::min(group.rfind('/'), group.size()));
  }
}

int cgroup_cpus() {
  int least = 0;
  FILE* file = fopen("/proc/self/cgroup", "re");
  if (!file) return 0;
  char line[4096];
  while (fgets(line, sizeof line, file)) {   // hierarchy:controllers:path
    line[strcspn(line, "\n")] = 0;
    char* controllers = strchr(line, ':');
    char* path = controllers ? strchr(controllers + 1, ':') : nullptr;
    if (!path) continue;
    *path++ = 0;
    controllers++;
    int cpus = 0;
    if (!*controllers) {
      cpus = least_quota(true, "/sys/fs/cgroup", path);
    } else if ((std::string(",") + controllers + ",").find(",cpu,") != std::string::npos) {
      cpus = least_quota(false, std::string("/sys/fs/cgroup/") + controllers, path);
      if (!cpus) cpus = least_quota(false, "/sys/fs/cgroup/cpu", path);
    }
    if (cpus) least = least ? std::min(least, cpus) : cpus;
  }
  fclose(file);
  return least;
}

constexpr int64_t kFile = 1 << 21;

// A file in memory that holds the pattern, below 0 where there is none. One pattern serves the process.
int pattern_file(uint32_t pattern) {
  static const int file = [pattern] {
    // Not by the function of the C library, which glibc has since 2.27: the prebuilt add-on loads on 2.17.
    const int fd = int(syscall(SYS_memfd_create, "gradclip", MFD_CLOEXEC));
    if (fd < 0 || ftruncate(fd, kFile) != 0) return -1;
    void* at = mmap(nullptr, size_t(kFile), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) return -1;
    std::fill_n(static_cast<uint32_t*>(at), size_t(kFile) / sizeof pattern, pattern);
    munmap(at, size_t(kFile));
    return fd;
  }();
  return file;
}

}   // namespace

void sleep_while(const std::atomic<uint32_t>& value, uint32_t old) noexcept {
  syscall(SYS_futex, &value, FUTEX_WAIT_PRIVATE, old, nullptr, nullptr, 0);
}

void wake_all(const std::atomic<uint32_t>& value) noexcept {
  syscall(SYS_futex, &value, FUTEX_WAKE_PRIVATE, INT32_MAX, nullptr, nullptr, 0);
}

Cpus usable_cpus() noexcept {
  // A set for 8192 CPUs: the fixed cpu_set_t holds 1024 and the call fails on larger machines.
  constexpr int kCpus = 8192;
  cpu_set_t* set = CPU_ALLOC(kCpus);
  if (!set) return {1, "affinity"};
  const size_t bytes = CPU_ALLOC_SIZE(kCpus);
  const int count = sched_getaffinity(0, bytes, set) == 0 ? CPU_COUNT_S(bytes, set) : 1;
  CPU_FREE(set);
  return {std::max(1, count), "affinity"};
}

Cpus quota() { return {cgroup_cpus(), "cgroup quota"}; }

void prefer_huge_pages(void* at, size_t bytes) noexcept {
  madvise(at, bytes, MADV_HUGEPAGE);
}   // refused: small pages, as before

bool is_resident(void* page) noexcept {
  unsigned char there = 1;
  return mincore(page, page_size(), &there) != 0 || (there & 1);
}

PatternPages::~PatternPages() {
  if (base_) munmap(base_, size_t(mapped_));
}

bool PatternPages::reserve(int64_t bytes) {
  constexpr int64_t kMost =
      int64_t(1) << 32;   // each stretch of the file is a mapping, of which a process has some ten thousands
  if (bytes <= size_) return true;
  const int64_t page = int64_t(page_size()), span = (bytes + page - 1) / page * page;
  const int file = pattern_file(pattern_);
  if (file < 0 || span > kMost) return false;
  uint8_t* base = static_cast<uint8_t*>(mmap(nullptr, size_t(span + page), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (base == MAP_FAILED) return false;
  if (base_) munmap(base_, size_t(mapped_));
  base_ = base, mapped_ = span + page, data_ = base + span - bytes, size_ = bytes;
  for (int64_t at = 0; at < span; at += kFile) {
    const size_t length = size_t(std::min(kFile, span - at));
    if (mmap(base + at, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file, 0) == MAP_FAILED) return false;
  }
  return true;
}

void PatternPages::refill(int64_t bytes) const {
  constexpr int64_t kFew = 1 << 15;   // sooner written than asked of the system
  if (bytes <= kFew)
    std::fill_n(reinterpret_cast<uint32_t*>(data_), size_t(bytes) / sizeof pattern_, pattern_);
  else
    madvise(base_, size_t(data_ + bytes - base_), MADV_DONTNEED);
}

void stay_loaded() noexcept {}   // the linker's -z nodelete says it

int64_t unread_bytes(int file) noexcept {
  struct stat found;
  int bytes = 0;
  if (fstat(file, &found) != 0) return 0;
  const bool pipe = S_ISFIFO(found.st_mode);
  if (!pipe && !S_ISSOCK(found.st_mode)) return 0;
  // The end of a pipe that is written to knows what is in it.
  return ioctl(file, pipe ? FIONREAD : SIOCOUTQ, &bytes) == 0 ? bytes : -1;
}

void nap(int64_t ns) noexcept {
  // Who naps for microseconds is to wake when they are over, not up to 50 of them later.
  static thread_local const int exact = prctl(PR_SET_TIMERSLACK, 1000ul, 0ul, 0ul, 0ul);
  (void)exact;
  const timespec time{time_t(ns / 1000000000), long(ns % 1000000000)};
  nanosleep(&time, nullptr);
}

}   // namespace port
}   // namespace gradclip
