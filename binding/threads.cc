// threads.cc: what the system allows, GRADCLIP_THREADS, and the process-wide budget.
#include "threads.h"

#include <stdlib.h>

#include <algorithm>
#include <atomic>

#include "port/port.h"

namespace gradclip {
namespace {

ThreadCount decide() {
  ThreadCount t;
  const port::Cpus usable = port::usable_cpus(), quota = port::quota();
  const port::Cpus& least = quota.count && quota.count < usable.count ? quota : usable;
  t.count = std::min(least.count, kMaxThreads);
  t.reason = least.reason;
  const std::string asked = port::environment("GRADCLIP_THREADS");
  if (!asked.empty()) {
    char* end = nullptr;
    const long n = strtol(asked.c_str(), &end, 10);
    if (*end || n < 1 || n > kMaxThreads) {
      t.error = "GRADCLIP_THREADS: expected a whole number from 1 to " + std::to_string(kMaxThreads) + ", got " + asked;
    } else {
      t.count = int(n);
      t.reason = "GRADCLIP_THREADS";
    }
  }
  return t;
}

std::atomic<int> in_use{0};

}   // namespace

int usable_cpus() { return port::usable_cpus().count; }

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
