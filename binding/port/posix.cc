// posix.cc: what Linux and macOS share.
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <new>

#include "port.h"

namespace gradclip {
namespace port {
namespace {

struct Started {
  pthread_t thread;
  void (*body)(void* arg);
  void* arg;
};

}   // namespace

bool Thread::start(void (*body)(void* arg), void* arg, size_t stack) noexcept {
  auto* const started = new (std::nothrow) Started{{}, body, arg};
  pthread_attr_t attributes;
  if (!started || pthread_attr_init(&attributes) != 0) {
    delete started;
    return false;
  }
  const auto enter = [](void* self) -> void* {
    const Started& of = *static_cast<Started*>(self);
    of.body(of.arg);
    return nullptr;
  };
  const bool set = stack == kDefaultStack || pthread_attr_setstacksize(&attributes, stack) == 0;
  const bool given = set && pthread_create(&started->thread, &attributes, enter, started) == 0;
  pthread_attr_destroy(&attributes);
  if (given)
    handle_ = started;
  else
    delete started;
  return given;
}

void Thread::join() noexcept {
  auto* const started = static_cast<Started*>(handle_);
  pthread_join(started->thread, nullptr);
  delete started;
  handle_ = nullptr;
}

void* map_pages(size_t bytes) noexcept {
  void* const at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return at == MAP_FAILED ? nullptr : at;
}

void unmap_pages(void* at, size_t bytes) noexcept { munmap(at, bytes); }

Library::Library(const char* file) {
  // Global: Open MPI's parts look for its functions among those of the process.
  handle_ = dlopen(file, RTLD_NOW | RTLD_GLOBAL);
  if (!handle_) error = dlerror();
}
void* Library::find(const char* name) const { return handle_ ? dlsym(handle_, name) : nullptr; }

size_t page_size() noexcept { return size_t(sysconf(_SC_PAGESIZE)); }

std::string environment(const char* name) {
  const char* const value = getenv(name);
  return value ? value : "";
}

}   // namespace port
}   // namespace gradclip
