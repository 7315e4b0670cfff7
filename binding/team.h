// team.h: the threads inside a run.
#pragma once
#include <atomic>
#include <memory>

#include "gate.h"
#include "kernels/kernel.h"
#include "threads.h"
#include "turns.h"

namespace gradclip {

// All `size` threads wait for each other. The last to arrive may do something while the others still wait.
class Barrier {
 public:
  // Returns the ns that this thread slept.
  template <class Last>
  int64_t wait(int size, int64_t spin_ns, Last last) {
    const uint32_t generation = gate_.value();   // cannot change before this thread has arrived
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == size) {
      arrived_.store(0, std::memory_order_relaxed);
      last();
      gate_.advance();
      return 0;
    }
    return gate_.wait(generation, spin_ns);
  }

 private:
  Gate gate_;
  alignas(64) std::atomic<int> arrived_{0};
};

// One thread's view of its team: what `Team::impl` points to.
struct Member {
  Team team;
  Barrier* barrier;
  int64_t spin_ns;
  std::atomic<int64_t>* slept;   // by all members together, in this crew's barriers
  Turns* turns = nullptr;        // where threads work one after the other
  // Barrier between instructions: `last` runs once, in the thread that arrives last.
  template <class Last>
  void sync(Last last) {
    if (turns) {
      turns->wait(team.rank, last);
    } else if (team.size > 1) {
      if (const int64_t ns = barrier->wait(team.size, spin_ns, last)) *slept += ns;
    } else {
      last();
    }
  }
};

using Body = void (*)(void* arg, Member& member);

// The caller's thread as rank 0 and the workers beside it. They sleep between runs: to begin a region makes threads, and one of libgomp that
// ends leaves its workers spinning for milliseconds, so one region serves many runs and ends only when a larger team is wanted.
class Crew {
 public:
  int size() const { return size_; }
  // ns that threads have slept at barriers inside runs, all of them together.
  int64_t slept() const { return slept_.load(std::memory_order_relaxed); }
  // `body` in a team of `size` threads, at most size(). Returns when all are done.
  void run(int size, Body body, void* arg);

 private:
  friend void with_crew(int, void (*)(void*, Crew&), void*);
  struct Worker {
    Gate gate;
    Body body = nullptr;   // nullptr: go home
    void* arg = nullptr;
    int size = 0;
  };
  void start(int size, void (*lead)(void*, Crew&), void* arg);
  void work(int rank, int size);
  void dismiss();
  int size_ = 1;
  const int cpus_ = usable_cpus();
  Barrier barrier_;
  std::atomic<int64_t> slept_{0};
  std::unique_ptr<Worker[]> workers_;   // by rank; none at size 1
};

// Calls `lead` in the caller's thread with a crew of up to `size`; the crew lasts until `lead` returns, and is smaller
// where the system does not give as many threads. Size 1 needs no region.
void with_crew(int size, void (*lead)(void* arg, Crew& crew), void* arg);

// `body` on the calling thread alone.
void run_alone(Body body, void* arg);

}   // namespace gradclip
