// threads.cc: teams of native threads. Nothing is needed beside the add-on.
#include <memory>
#include <new>

#include "../gate.h"
#include "../port/port.h"
#include "region.h"

namespace gradclip {
namespace {

// Threads wait until it is known how many there are.
struct Start {
  Gate counted;
  int size = 1;
  void (*body)(void* arg, int rank, int size);
  void* arg;
};

struct Entrant {
  port::Thread thread;
  Start* start = nullptr;
  int rank = 0;
  bool enter(Start& at, int as) {
    start = &at;
    rank = as;
    return thread.start(
        [](void* self) {
          const auto& [thread, start, rank] = *static_cast<Entrant*>(self);
          start->counted.wait(0, 0);
          start->body(start->arg, rank, start->size);
        },
        this);
  }
};

void run(int size, void (*body)(void* arg, int rank, int size), void* arg) {
  const std::unique_ptr<Entrant[]> entrants(new (std::nothrow) Entrant[size_t(size)]);
  Start start;
  start.body = body;
  start.arg = arg;
  while (entrants && start.size < size && entrants[start.size].enter(start, start.size)) start.size++;
  start.counted.advance();
  body(arg, 0, start.size);
  for (int rank = 1; rank < start.size; rank++) entrants[rank].thread.join();
}

}   // namespace

const Regions& region() {
  static const Regions* const regions = new Regions{"threads", run, ""};   // never freed: runs may outlive exit()
  return *regions;
}

}   // namespace gradclip
