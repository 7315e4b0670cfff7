// parking.h: sleeping until a value changes, for systems that have condition variables alone.
#pragma once
#include <stdint.h>

#include <atomic>
#include <condition_variable>
#include <mutex>

namespace gradclip {
namespace port {

// Who sleeps on values whose addresses fall together is woken with each other, and looks again.
class Parking {
 public:
  void sleep_while(const std::atomic<uint32_t>& value, uint32_t old) {
    Lot& lot = of(value);
    std::unique_lock<std::mutex> lock(lot.mutex);
    if (value.load() == old) lot.changed.wait(lock);
  }
  // The lock: whoever has seen the value of before sleeps by now, and whoever comes later sees the new one.
  void wake_all(const std::atomic<uint32_t>& value) {
    Lot& lot = of(value);
    { std::lock_guard<std::mutex> lock(lot.mutex); }
    lot.changed.notify_all();
  }

 private:
  static constexpr size_t kLots = 64;
  struct alignas(64) Lot {
    std::mutex mutex;
    std::condition_variable changed;
  };
  Lot& of(const std::atomic<uint32_t>& value) { return lots_[reinterpret_cast<uintptr_t>(&value) / 64 % kLots]; }
  Lot lots_[kLots];
};

}   // namespace port
}   // namespace gradclip
