// threads.h: how many threads a run may use, and the budget that all environments of the process share.
#pragma once
#include <string>

namespace gradclip {

constexpr int kMaxThreads = 256;   // lib/native/threads.ts, MAX_THREADS

struct ThreadCount {
  int count = 1;
  std::string reason;   // 'GRADCLIP_THREADS', or why the system allows no more (port.h)
  std::string error;    // set when GRADCLIP_THREADS makes no sense
};

// Decided once per process.
const ThreadCount& default_threads();

// CPUs this process may run on now: who has more threads than that does not spin.
int usable_cpus();

// Threads for one run, to be given back. A run alone in the process gets what it asks for; runs beside others share what the
// default count leaves, and each gets at least one.
int acquire_threads(int asked);
void release_threads(int count);

}   // namespace gradclip
