// openmp.cc: teams are OpenMP's. The parallel region lies in a library beside the add-on (openmp_library.cc), which is loaded while the environment is
// silent about OpenMP: it would bind the thread that imports us to one CPU (OMP_PROC_BIND), and cut teams (OMP_THREAD_LIMIT).
#include <algorithm>

#include "../gate.h"
#include "../port/port.h"
#include "region.h"
#include "../threads.h"

namespace gradclip {
namespace {

Region of_library = nullptr;

// libgomp ends the process when the system refuses it a thread. So ask first: how many of `count` threads can exist at once, with stacks as its own
// have, since these take most of the room?
int creatable(int count) {
  Gate done;
  port::Thread threads[kMaxThreads];
  const auto wait = [](void* gate) { static_cast<Gate*>(gate)->wait(0, 0); };
  int n = 0;
  while (n < count && threads[n].start(wait, &done, port::Thread::kDefaultStack)) n++;
  done.advance();
  for (int k = 0; k < n; k++) threads[k].join();
  return n;
}

void run(int size, void (*body)(void* arg, int rank, int size), void* arg) {
  size = 1 + creatable(std::min(size, kMaxThreads) - 1);
  if (size == 1) return body(arg, 0, 1);
  of_library(size, body, arg);
}

Regions load() {
  const port::Found found = port::load_beside("gradclip_openmp.so", "gradclip_region", {"OMP_", "GOMP_", "KMP_"});
  if (!found.function) return {"openmp", nullptr, found.error};
  of_library = reinterpret_cast<Region>(found.function);
  return {"openmp", run, ""};
}

}   // namespace

const Regions& region() {
  static const Regions* const regions = new Regions(load());   // never freed: runs may outlive exit()
  return *regions;
}

}   // namespace gradclip
