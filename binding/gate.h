// gate.h: wait for a 32-bit value to change: spin for some microseconds, then sleep.
#pragma once
#include <stdint.h>

#include <atomic>
#include <chrono>

#include "port/port.h"
#include "processor/processor.h"

namespace gradclip {

// Long enough to bridge the gap between two instructions, short enough not to hurt a neighbor who wants the core.
constexpr int64_t kSpinNs = 40000;

inline int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

class alignas(64) Gate {
 public:
  uint32_t value() const { return value_.load(std::memory_order_acquire); }

  // Returns once value() is not `old`, and says for how many ns it slept. What was written before advance() is visible then.
  int64_t wait(uint32_t old, int64_t spin_ns) {
    for (int64_t end = 0; spin_ns > 0;) {
      for (int i = 0; i < 16; i++) {
        if (value() != old) return 0;
        relax();
      }
      const int64_t now = now_ns();
      if (end == 0) end = now + spin_ns;
      if (now >= end) break;
    }
    if (value() != old) return 0;
    const int64_t start = now_ns();
    while (value() == old) {
      sleepers_.fetch_add(1);
      port::sleep_while(value_, old);
      sleepers_.fetch_sub(1);
    }
    return now_ns() - start;
  }

  // One thread at a time. The sleepers' count is read after the value is stored (both sequentially consistent), so a thread
  // that goes to sleep is either counted here or finds the new value.
  void advance() {
    value_.store(value_.load(std::memory_order_relaxed) + 1);
    if (sleepers_.load() > 0) port::wake_all(value_);
  }

 private:
  std::atomic<uint32_t> value_{0};
  std::atomic<int32_t> sleepers_{0};
};
}   // namespace gradclip
