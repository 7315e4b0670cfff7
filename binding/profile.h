// profile.h: where the time of a program's runs goes, instruction by instruction. Off unless asked for: then two clock readings each. One of
// balance tells the time that a team would take with a core for each of its threads.
#pragma once
#include <stdint.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "gate.h"
#include "turns.h"

namespace gradclip {

class Profile {
 public:
  struct Times {
    int64_t calls = 0;
    int64_t wall_ns = 0;   // from its start until the team goes on, waiting included; of a serial one: its own
    int64_t busy_ns = 0;   // summed over threads
    // Of balance alone: barriers, its last one among them, and what the thread with the largest share was busy.
    int64_t barriers = 0, largest_ns = 0;
  };
  void start(size_t instrs, bool balance) {
    times_.assign(instrs, Times());
    balance_ = balance;
    turns_.reset();
  }
  bool on() const { return !times_.empty(); }
  bool balance() const { return balance_; }
  // Where threads work one after the other; null: as always.
  Turns* turns() const { return turns_.get(); }
  std::vector<Times> times() const {
    std::vector<Times> times = times_;
    if (turns_) std::transform(turns_->cuts().begin(), turns_->cuts().end(), times.begin(), of_cut);
    return times;
  }

  // Threads do not write side by side: each adds to rows of its own, which are summed when the run ends.
  void begin_run(int threads) {
    busy_.assign(size_t(threads) * stride(), 0);
    if (balance_ && !(turns_ && turns_->size() == threads)) turns_ = std::make_unique<Turns>(times_.size(), threads);
  }
  void busy(int rank, int32_t instr, int64_t ns) { busy_[size_t(rank) * stride() + size_t(instr)] += ns; }
  void done(int32_t instr, int64_t wall_ns) {
    times_[size_t(instr)].calls++;
    times_[size_t(instr)].wall_ns += wall_ns;
  }
  void end_run() {
    for (size_t k = 0; k < busy_.size(); k++) {
      if (k % stride() < times_.size()) times_[k % stride()].busy_ns += busy_[k];
    }
  }

 private:
  static Times of_cut(const Turns::Cut& cut) {
    int64_t busy = 0;
    for (const int64_t ns : cut.shares) busy += ns;
    const int64_t largest = *std::max_element(cut.shares.begin(), cut.shares.end());
    return {cut.calls, cut.calls * cut.critical_ns, cut.calls * busy, cut.barriers, cut.calls * largest};
  }
  size_t stride() const { return (times_.size() + 15) / 8 * 8; }
  std::vector<Times> times_;
  std::vector<int64_t> busy_;
  bool balance_ = false;
  std::unique_ptr<Turns> turns_;
};

}   // namespace gradclip
