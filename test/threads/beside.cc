// beside.cc: a thread that does work beside those who give it, under ThreadSanitizer: who waits for it has all that it has written; and two who sum what
// they exchange while their teams compute, as processes do.
#include "beside.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "hammer.h"

namespace gradclip {
namespace {

constexpr int kMostItems = 40, kNumbers = 64;

// What is given has not begun by then, or is being done, or is done.
void pause(int some) { std::this_thread::sleep_for(std::chrono::microseconds(30 * some)); }

// Adds to numbers, in the order in which it was given, each time by way of the scratch.
struct Addition {
  int64_t* numbers;
  int64_t before, by;
};
void add(const void* arg, void* scratch) {
  const Addition& a = *static_cast<const Addition*>(arg);
  int64_t* const sums = static_cast<int64_t*>(scratch);
  for (int k = 0; k < kNumbers; k++) sums[k] = a.numbers[k] + a.by;
  for (int k = 0; k < kNumbers; k++) {
    expect(a.numbers[k] == a.before, "work is done out of order");
    a.numbers[k] = sums[k];
  }
}

// Some work at a time, waited for, or left to whoever ends it.
void hammer_order(uint64_t seed) {
  Numbers random(seed);
  for (int round = 0; round < 20; round++) {
    std::vector<int64_t> numbers(kNumbers, 0);
    int64_t sum = 0;
    {
      Beside beside;
      for (int wait = random.below(4); wait >= 0; wait--) {
        for (int items = random.below(kMostItems); items > 0; items--) {
          const Addition addition{numbers.data(), sum, 1 + random.below(9)};
          beside.begin(add, &addition, sizeof addition);
          sum += addition.by;
        }
        if (wait == 0) break;
        pause(random.below(4));
        beside.finish();
        for (const int64_t number : numbers) expect(number == sum, "who waits comes too early");
        for (int64_t& number : numbers) number -= sum;
        sum = 0;
      }
    }
    for (const int64_t number : numbers) expect(number == sum, "it ends before all is done");
  }
}

// What one sends, the other takes: a place for each direction.
class Line {
 public:
  void send(const int64_t* from) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return !full_; });
    memcpy(place_, from, sizeof place_);
    full_ = true;
    changed_.notify_all();
  }
  void receive(int64_t* to) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return full_; });
    memcpy(to, place_, sizeof place_);
    full_ = false;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int64_t place_[kNumbers];
  bool full_ = false;
};

struct Exchange {
  Line *out, *in;
  int64_t* numbers;
};
void exchange(const void* arg, void* scratch) {
  const Exchange& e = *static_cast<const Exchange*>(arg);
  int64_t* const others = static_cast<int64_t*>(scratch);
  e.out->send(e.numbers);
  e.in->receive(others);
  for (int k = 0; k < kNumbers; k++) e.numbers[k] += others[k];
}

// Steps of a group of two: tensors begin to travel one after the other while the next is made, and are read when all are there.
void hammer_two(uint64_t seed) {
  constexpr int kSteps = 30, kTensors = 6;
  Line lines[2];
  std::vector<std::thread> processes;
  for (int rank = 0; rank < 2; rank++) {
    processes.emplace_back([&, rank] {
      Beside beside;
      std::vector<int64_t> tensors[kTensors];
      for (std::vector<int64_t>& tensor : tensors) tensor.resize(kNumbers);
      for (int step = 0; step < kSteps; step++) {
        for (int t = 0; t < kTensors; t++) {
          for (int64_t& number : tensors[t]) number = int64_t(seed) + step + 10 * t + rank;
          const Exchange e{&lines[rank], &lines[1 - rank], tensors[t].data()};
          beside.begin(exchange, &e, sizeof e);
        }
        pause(step % 4);
        beside.finish();
        for (int t = 0; t < kTensors; t++)
          for (const int64_t number : tensors[t])
            expect(number == 2 * (int64_t(seed) + step + 10 * t) + 1, "a sum is not that of both");
      }
    });
  }
  for (std::thread& t : processes) t.join();
}

}   // namespace

void hammer_beside(uint64_t seed) {
  hammer_order(seed);
  hammer_two(seed);
}

}   // namespace gradclip
