// beside.h: a thread that does what it is given, in order, beside those who give it, and sleeps when there is nothing.
#pragma once
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include "kernels/kernel.h"
#include "port/port.h"

namespace gradclip {

class Beside {
 public:
  using Work = void (*)(const void* arg, void* scratch);
  Beside() : scratch_(new char[kWirePiece + kAlign]) {}
  // Ends when all is done that was given.
  ~Beside() {
    if (!thread_.started()) return;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      ends_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  // A copy of so many bytes is what the work is given, beside scratch.
  void begin(Work work, const void* arg, int64_t bytes) {
    Item item{work, {}};
    memcpy(item.arg, arg, size_t(bytes));
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      items_.push_back(item);
      // Where the system refuses a thread, whoever waits does the work.
      if (!thread_.started()) thread_.start([](void* raw) { static_cast<Beside*>(raw)->run(); }, this);
    }
    changed_.notify_all();
  }
  // When it returns, nothing is left to do, and all that was done is seen.
  void finish() {
    std::unique_lock<std::mutex> lock(mutex_);
    if (!thread_.started()) return all(lock);
    changed_.wait(lock, [this] { return items_.empty() && !busy_; });
  }
  // Whether who asks is that thread.
  static bool inside() { return own(); }

 private:
  static constexpr size_t kAlign = 64;
  struct Item {
    Work work;
    alignas(16) char arg[Wire::kWireArg];
  };
  static bool& own() {
    static thread_local bool is = false;
    return is;
  }
  void all(std::unique_lock<std::mutex>& lock) {
    while (!items_.empty()) {
      given_.clear();
      given_.swap(items_);
      busy_ = true;
      lock.unlock();
      void* const scratch = reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(scratch_.get()) + kAlign - 1) / kAlign * kAlign);
      for (const Item& item : given_) item.work(item.arg, scratch);
      lock.lock();
      busy_ = false;
    }
  }
  void run() {
    own() = true;
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return ends_ || !items_.empty(); });
      if (items_.empty()) return;
      all(lock);
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Item> items_, given_;
  bool busy_ = false, ends_ = false;
  std::unique_ptr<char[]> scratch_;
  port::Thread thread_;
};

}   // namespace gradclip
