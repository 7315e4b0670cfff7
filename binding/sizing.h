// sizing.h: how many of its threads a program's steps run on: fewer while somebody else wants the cores. A thread that loses its core in
// the middle of an instruction keeps all others waiting for milliseconds, and one thread less is faster then. No bit depends on it.
#pragma once
#include <stdint.h>

#include <algorithm>

namespace gradclip {

// Where threads wait long at barriers, a trial with fewer tells whether that is faster; later a trial with more, whether the neighbor has
// gone. A trial is decided by the time of a step alone, so waiting for other reasons (an uneven cut) costs a trial now and then.
class Sizing {
 public:
  Sizing() = default;
  static constexpr int64_t kWindow = 10000000;   // ns of steps that are judged together: a neighbor gets slices of 3 to 4 ms
  static constexpr double kWaiting = 0.1;        // share of the threads' time spent asleep at barriers that calls for a trial
  static constexpr double kFaster = 0.95;        // a trial that takes less than this share of the time is kept
  static constexpr int64_t kFirstHold = 200000000, kLastHold = 3200000000;   // ns between trials: doubled by each that fails
  static constexpr int64_t kRest = 30;                                       // and at least so many times what a trial takes

  // Threads for the steps to come, of `most` there are.
  int size(int most) {
    if (most != most_) *this = Sizing(most);
    return trial_ ? trial_ : best_;
  }
  // The next steps should be told of one by one.
  bool trying() const { return trial_ != 0; }

  // `steps` steps on `size` threads took `ns`, in which threads slept `slept` ns at barriers, all of them together.
  void took(int size, int64_t steps, int64_t ns, int64_t slept, int64_t now) {
    if (size != (trial_ ? trial_ : best_)) return;   // a run that had fewer threads than wanted
    steps_ += steps, ns_ += ns, slept_ += slept;
    if (ns_ < kWindow || steps_ == 0) return;
    const double time = double(ns_) / double(steps_);
    const int64_t window = ns_;
    const double waiting = size > 1 ? double(slept_) / double(ns_) / (size - 1) : 0;
    steps_ = ns_ = slept_ = 0;
    if (trial_) {
      judge(time, window, now);
      return;
    }
    time_ = time;
    long_waits_ = waiting > kWaiting ? long_waits_ + 1 : 0;
    if (best_ < most_ && now >= more_.next) {
      trial_ = best_ + 1;
    } else if (long_waits_ >= 2 && now >= fewer_.next) {   // twice in a row: once may be the first touch of memory
      trial_ = std::max(1, best_ - drop_);
    }
  }

 private:
  struct Trials {
    int64_t hold = kFirstHold, next = 0;
    // `took`: the ns of the last trial, which for a large model is one long step.
    void wait(int64_t now, int64_t took) { next = now + std::max(hold, kRest * took); }
    void failed(int64_t now, int64_t took) {
      wait(now, took);
      hold = std::min(2 * hold, kLastHold);
    }
  };

  explicit Sizing(int most) : most_(most), best_(most) {}

  void judge(double time, int64_t took, int64_t now) {
    const bool fewer = trial_ < best_;
    if (time >= kFaster * time_) {
      (fewer ? fewer_ : more_).failed(now, took);
      if (fewer) drop_ = trial_ > 1 ? 2 * drop_ : 1;   // there may be several neighbors
    } else {
      if (fewer && best_ == most_ && now - since_ > kLastHold) more_.hold = kFirstHold;   // a new neighbor
      best_ = trial_, time_ = time, since_ = now;
      fewer_ = Trials();
      drop_ = 1;
      if (fewer) more_.wait(now, took);
    }
    trial_ = 0;
    long_waits_ = 0;
  }

  int most_ = 0, best_ = 0, trial_ = 0;   // trial_: being tried, 0 for none
  int drop_ = 1;                          // by how many threads the next trial with fewer goes down
  int long_waits_ = 0;                    // windows in a row
  double time_ = 0;                       // of a step on best_ threads
  int64_t since_ = 0;                     // when best_ was chosen
  int64_t steps_ = 0, ns_ = 0, slept_ = 0;
  Trials more_, fewer_;
};

}   // namespace gradclip
