// posix.cc: what Linux and macOS share.
#include <pthread.h>

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

bool Thread::start(void (*body)(void* arg), void* arg) noexcept {
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
  const bool given =
      pthread_attr_setstacksize(&attributes, kStack) == 0 && pthread_create(&started->thread, &attributes, enter, started) == 0;
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

}   // namespace port
}   // namespace gradclip
