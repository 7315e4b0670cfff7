// profile.h: where the time of a program's runs goes, instruction by instruction. Off unless asked for: then two clock readings each.
#pragma once
#include <stdint.h>

#include <vector>

#include "gate.h"

namespace gradclip {

class Profile {
 public:
  struct Times {
    int64_t calls = 0;
    int64_t wall_ns = 0;   // from its start until the team goes on, waiting included; of a serial one: its own
    int64_t busy_ns = 0;   // summed over threads
  };
  void start(size_t instrs) { times_.assign(instrs, Times()); }
  bool on() const { return !times_.empty(); }
  const std::vector<Times>& times() const { return times_; }

  // Threads do not write side by side: each adds to rows of its own, which are summed when the run ends.
  void begin_run(int threads) { busy_.assign(size_t(threads) * stride(), 0); }
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
  size_t stride() const { return (times_.size() + 15) / 8 * 8; }
  std::vector<Times> times_;
  std::vector<int64_t> busy_;
};

}   // namespace gradclip
