// openmp.cc: teams are OpenMP's. The parallel region lies in a library beside the add-on, which is loaded while the environment is silent
// about OpenMP: it would bind the thread that imports us to one CPU (OMP_PROC_BIND), and cut teams (OMP_THREAD_LIMIT).
#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "../gate.h"
#include "../port/port.h"
#include "../region.h"
#include "../threads.h"

namespace gradclip {
namespace {

// While it lives, the environment has no variable of an OpenMP runtime. Other threads may use the environment meanwhile, so entries stay
// where they are and no string is touched: an entry becomes the empty end of its own string, which names nothing, and is found again by
// that address wherever the entries have moved.
class SilentEnvironment {
 public:
  SilentEnvironment() {
    for (char** entry = environ; entry && *entry; entry++) {
      if (!of_openmp(*entry)) continue;
      const Hidden hidden{*entry, *entry + strlen(*entry)};
      hidden_.push_back(hidden);
      __atomic_store_n(entry, hidden.end, __ATOMIC_RELAXED);
    }
  }
  ~SilentEnvironment() {
    for (char** entry = environ; entry && *entry; entry++) {
      for (const Hidden& hidden : hidden_) {
        if (*entry == hidden.end) __atomic_store_n(entry, hidden.start, __ATOMIC_RELAXED);
      }
    }
  }
  SilentEnvironment(const SilentEnvironment&) = delete;

 private:
  struct Hidden {
    char *start, *end;
  };
  static bool of_openmp(const char* entry) {
    for (const char* prefix : {"OMP_", "GOMP_", "KMP_"}) {
      if (strncmp(entry, prefix, strlen(prefix)) == 0) return true;
    }
    return false;
  }
  std::vector<Hidden> hidden_;
};

// The folder this code was loaded from, with a slash at its end.
std::string own_folder() {
  Dl_info info;
  if (!dladdr(reinterpret_cast<void*>(&own_folder), &info) || !info.dli_fname) return "";
  const std::string file = info.dli_fname;
  return file.substr(0, file.rfind('/') + 1);
}

Region of_library = nullptr;

// libgomp ends the process when the system refuses it a thread. So ask first: how many of `count` threads can exist at once?
int creatable(int count) {
  Gate done;
  port::Thread threads[kMaxThreads];
  const auto wait = [](void* gate) { static_cast<Gate*>(gate)->wait(0, 0); };
  int n = 0;
  while (n < count && threads[n].start(wait, &done)) n++;
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
  const std::string path = own_folder() + "gradclip_openmp.so";
  const SilentEnvironment silent;
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);   // never closed: its threads wait for work
  if (handle) of_library = reinterpret_cast<Region>(dlsym(handle, "gradclip_region"));
  if (!of_library) return {"openmp", nullptr, dlerror()};
  return {"openmp", run, ""};
}

}   // namespace

const Regions& region() {
  static const Regions* const regions = new Regions(load());   // never freed: runs may outlive exit()
  return *regions;
}

}   // namespace gradclip
