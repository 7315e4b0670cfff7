// threads.cc: affinity, cgroup quota, GRADCLIP_THREADS, and the process-wide budget.
#include "threads.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <atomic>

namespace gradclip {
namespace {

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
  return int(std::min<double>(kMaxThreads, std::max(1.0, (quota + period - 1) / period)));
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

ThreadCount decide() {
  ThreadCount t;
  t.count = std::min(usable_cpus(), kMaxThreads);
  t.reason = "affinity";
  const int quota = cgroup_cpus();
  if (quota && quota < t.count) {
    t.count = quota;
    t.reason = "cgroup quota";
  }
  const char* asked = getenv("GRADCLIP_THREADS");
  if (asked && *asked) {
    char* end = nullptr;
    const long n = strtol(asked, &end, 10);
    if (*end || n < 1 || n > kMaxThreads) {
      t.error =
          std::string("GRADCLIP_THREADS: expected a whole number from 1 to ") + std::to_string(kMaxThreads) + ", got " + asked;
    } else {
      t.count = int(n);
      t.reason = "GRADCLIP_THREADS";
    }
  }
  return t;
}

std::atomic<int> in_use{0};

}   // namespace

int usable_cpus() {
  // A set for 8192 CPUs: the fixed cpu_set_t holds 1024 and the call fails on larger machines.
  constexpr int kCpus = 8192;
  cpu_set_t* set = CPU_ALLOC(kCpus);
  if (!set) return 1;
  const size_t bytes = CPU_ALLOC_SIZE(kCpus);
  const int count = sched_getaffinity(0, bytes, set) == 0 ? CPU_COUNT_S(bytes, set) : 1;
  CPU_FREE(set);
  return std::max(1, count);
}

const ThreadCount& default_threads() {
  static const ThreadCount* const t = new ThreadCount(decide());   // never freed: runs may outlive exit()
  return *t;
}

int acquire_threads(int asked) {
  asked = std::max(1, asked);
  const int limit = default_threads().count;
  int used = in_use.load(), count;
  do {
    count = used == 0 ? asked : std::max(1, std::min(asked, limit - used));
  } while (!in_use.compare_exchange_weak(used, used + count));
  return count;
}

void release_threads(int count) { in_use.fetch_sub(count); }

}   // namespace gradclip
