// linux_library.cc: a library beside the add-on, loaded while the environment is silent.
#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

#include <vector>

#include "port.h"

namespace gradclip {
namespace port {
namespace {

// While it lives, the environment has no such variable. Other threads may use the environment meanwhile, so entries stay where they are and no
// string is touched: an entry becomes the empty end of its own string, which names nothing, and is found again by that address wherever the entries
// have moved.
class SilentEnvironment {
 public:
  explicit SilentEnvironment(std::initializer_list<const char*> prefixes) {
    for (char** entry = environ; entry && *entry; entry++) {
      if (!begins(*entry, prefixes)) continue;
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
  static bool begins(const char* entry, std::initializer_list<const char*> prefixes) {
    for (const char* prefix : prefixes) {
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

}   // namespace

Found load_beside(const char* file, const char* function, std::initializer_list<const char*> silent) {
  const std::string path = own_folder() + file;
  const SilentEnvironment environment(silent);
  Found found;
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);   // never closed: its threads wait for work
  if (handle) found.function = dlsym(handle, function);
  if (!found.function) found.error = dlerror();
  return found;
}

}   // namespace port
}   // namespace gradclip
