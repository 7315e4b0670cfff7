// region.cc: loads the library with the parallel region while the environment is silent about OpenMP.
#include "region.h"

#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

#include <vector>

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

RegionLibrary load() {
  const std::string path = own_folder() + "gradclip_openmp.so";
  const SilentEnvironment silent;
  RegionLibrary library;
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);   // never closed: its threads wait for work
  if (handle) library.run = reinterpret_cast<Region>(dlsym(handle, "gradclip_region"));
  if (!library.run) library.error = dlerror();
  return library;
}

}   // namespace

const RegionLibrary& region() {
  static const RegionLibrary* const library = new RegionLibrary(load());   // never freed: runs may outlive exit()
  return *library;
}

}   // namespace gradclip
