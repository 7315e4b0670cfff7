// hammer.cc: gates, barriers, crews and runs under ThreadSanitizer (npm run test:threads). All data that they guard is plain, so that every
// order they fail to make is a race. Arguments: seed.
#include "hammer.h"

#include <pthread.h>

#include <thread>
#include <vector>

#include "port/parking.h"
#include "port/port.h"
#include "team.h"

namespace gradclip {
namespace {

// One thread advances, others wait; what was written before is read after. With and without sleep.
void hammer_gate(int64_t spin_ns) {
  constexpr int kRounds = 300, kWaiters = 3;
  Gate go;
  Gate back[kWaiters];
  int64_t message = 0, answers[kWaiters] = {};
  std::vector<std::thread> waiters;
  for (int k = 0; k < kWaiters; k++) {
    waiters.emplace_back([&, k] {
      for (uint32_t round = 0; round < kRounds; round++) {
        go.wait(round, spin_ns);
        answers[k] = message + k;
        back[k].advance();
      }
    });
  }
  for (uint32_t round = 0; round < kRounds; round++) {
    message = int64_t(round) * 10;
    go.advance();
    for (int k = 0; k < kWaiters; k++) {
      back[k].wait(round, spin_ns);
      expect(answers[k] == message + k, "an answer of another round");
    }
  }
  for (std::thread& t : waiters) t.join();
}

// Everyone writes, all meet, everyone reads what the others wrote; the last to arrive sums up meanwhile.
void hammer_barrier(int size, int64_t spin_ns) {
  constexpr int kRounds = 60;
  Barrier barrier;
  std::vector<int> cells(size, 0);
  int64_t total = 0;
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; rank++) {
    threads.emplace_back([&, rank] {
      for (int round = 1; round <= kRounds; round++) {
        cells[rank] = round * (rank + 1);
        barrier.wait(size, spin_ns, [&] {
          total = 0;
          for (const int cell : cells) total += cell;
        });
        expect(total == int64_t(round) * size * (size + 1) / 2, "a sum of another round");
        expect(cells[(rank + 1) % size] == round * ((rank + 1) % size + 1), "a cell of another round");
        barrier.wait(size, spin_ns, [] {});
      }
    });
  }
  for (std::thread& t : threads) t.join();
}

// A run of a crew, on the leader's stack.
struct Run {
  int64_t shared[kMostSize] = {};
  int64_t total = 0;
  int rounds = 0, size = 0;
  static void enter(void* arg, Member& member) {
    Run& run = *static_cast<Run*>(arg);
    const Team& team = member.team;
    if (team.rank == 0) run.size = team.size;
    for (int round = 1; round <= run.rounds; round++) {
      run.shared[team.rank] = round;
      team.barrier();
      const int64_t beside = run.shared[(team.rank + 1) % team.size];
      expect(beside == round, "a neighbor is in another round");
      member.sync([&] {
        for (int rank = 0; rank < team.size; rank++) run.total += run.shared[rank];
      });
    }
  }
};

// Crews of all sizes that serve many runs of any size, or none, and are dismissed.
void hammer_crews(uint64_t seed, int cpus) {
  pretended_cpus = cpus;
  Numbers numbers(seed);
  for (int k = 0; k < 2 * kMostSize; k++) {
    const int size = 1 + (k < kMostSize ? k : numbers.below(kMostSize));
    with_crew(
        size,
        [](void* arg, Crew& crew) {
          Numbers& numbers = *static_cast<Numbers*>(arg);
          for (int n = numbers.below(30); n > 0; n--) {
            Run run;
            run.rounds = numbers.below(4);
            const int wanted = 1 + numbers.below(crew.size() + 1);   // at times one more than there are
            crew.run(wanted, Run::enter, &run);
            expect(run.size == (wanted < crew.size() ? wanted : crew.size()), "a team of another size");
            expect(run.total == int64_t(run.size) * run.rounds * (run.rounds + 1) / 2, "a run is not done when run() returns");
          }
        },
        &numbers);
  }
}

// Two threads in turn, each of which sleeps until the other has counted: one wake that is lost, and both sleep forever.
void hammer_parking() {
  constexpr uint32_t kRounds = 20000;
  port::Parking parking;
  std::atomic<uint32_t> value{0};
  const auto turns = [&](uint32_t odd) {
    for (uint32_t next = odd; next < kRounds; next += 2) {
      while (value.load() != next) parking.sleep_while(value, next - 1);
      value.store(next + 1);
      parking.wake_all(value);
    }
  };
  std::thread even(turns, 0), odd(turns, 1);
  for (uint32_t before = kRounds + 1; value.load() < kRounds;) {
    expect(value.load() != before, "both sleep");
    before = value.load();
    for (int k = 0; k < 500 && value.load() < kRounds; k++) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  even.join();
  odd.join();
}

// The stack is what we say, whatever the C library or the shell would give.
void measure_stack() {
  size_t size = 0;
  port::Thread thread;
  const bool started = thread.start(
      [](void* arg) {
        pthread_attr_t attributes;
        pthread_getattr_np(pthread_self(), &attributes);
        pthread_attr_getstacksize(&attributes, static_cast<size_t*>(arg));
        pthread_attr_destroy(&attributes);
      },
      &size);
  expect(started, "no thread");
  thread.join();
  expect(size == 2 << 20 && !thread.started(), "a stack of another size");
}

// Several environments at once, each with what `hammer` does.
template <class F>
void beside_each_other(F hammer) {
  std::vector<std::thread> environments;
  for (int k = 0; k < 3; k++) environments.emplace_back([&, k] { hammer(k); });
  for (std::thread& t : environments) t.join();
}

void all(uint64_t seed) {
  measure_stack();
  hammer_parking();
  for (const int64_t spin_ns : {int64_t(0), kSpinNs}) {
    hammer_gate(spin_ns);
    for (int size = 1; size <= kMostSize; size++) hammer_barrier(size, spin_ns);
  }
  // CPUs for none of the teams, for some, for all: they sleep, or spin first.
  for (const int cpus : {1, 4, kMostSize}) hammer_crews(seed + cpus, cpus);
  beside_each_other([&](int k) { hammer_crews(seed + 100 + k, k == 0 ? 1 : kMostSize); });
  hammer_program(seed);
  beside_each_other([&](int k) { hammer_program(seed + 200 + k); });
  hammer_beside(seed + 300);
}

}   // namespace
}   // namespace gradclip

int main(int, char** argv) {
  gradclip::all(argv[1] ? strtoull(argv[1], nullptr, 10) : 1);
  puts("hammer: done");
}
