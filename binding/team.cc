// team.cc: threads that run bodies together.
#include "team.h"

#include <algorithm>
#include <new>

#include "processor/processor.h"
#include "region/region.h"

namespace gradclip {
namespace {

void wait_all(void* impl, int) {
  Member* member = static_cast<Member*>(impl);
  member->sync([] {});
}

void enter(int rank, int size, Barrier* barrier, int64_t spin_ns, std::atomic<int64_t>* slept, Body body, void* arg) {
  Member member{{rank, size, nullptr, wait_all}, barrier, spin_ns, slept};
  member.team.impl = &member;
  {
    const IeeeFloats here;
    body(arg, member);
  }
  // Nobody may leave the body's data behind while another thread still looks at it.
  if (size > 1) barrier->wait(size, spin_ns, [] {});
}

}   // namespace

void run_alone(Body body, void* arg) { enter(0, 1, nullptr, 0, nullptr, body, arg); }

void Crew::run(int size, Body body, void* arg) {
  size = std::min(size, size_);
  for (int rank = 1; rank < size; rank++) {
    Worker& w = workers_[rank];
    w.body = body;
    w.arg = arg;
    w.size = size;
    w.gate.advance();
  }
  enter(0, size, &barrier_, size <= cpus_ ? kSpinNs : 0, &slept_, body, arg);
}

void Crew::work(int rank, int size) {
  Worker& w = workers_[rank];
  for (uint32_t seen = 0;; seen++) {
    w.gate.wait(seen, size <= cpus_ ? kSpinNs : 0);
    if (!w.body) return;
    enter(rank, w.size, &barrier_, w.size <= cpus_ ? kSpinNs : 0, &slept_, w.body, w.arg);
  }
}

void Crew::dismiss() {
  for (int rank = 1; rank < size_; rank++) {
    workers_[rank].body = nullptr;
    workers_[rank].gate.advance();
  }
}

void Crew::start(int size, void (*lead)(void* arg, Crew& crew), void* arg) {
  size = std::min(size, kMaxThreads);
  if (size > 1) workers_.reset(new (std::nothrow) Worker[size]);
  if (!workers_) {
    lead(arg, *this);
    return;
  }
  struct Start {
    Crew& crew;
    void (*lead)(void*, Crew&);
    void* arg;
  } start{*this, lead, arg};
  region().run(
      size,
      [](void* of, int rank, int size) {
        const Start& start = *static_cast<Start*>(of);
        if (rank > 0) return start.crew.work(rank, size);
        start.crew.size_ = size;
        start.lead(start.arg, start.crew);
        start.crew.dismiss();
      },
      &start);
}

void with_crew(int size, void (*lead)(void* arg, Crew& crew), void* arg) {
  Crew crew;
  crew.start(size, lead, arg);
}

}   // namespace gradclip
