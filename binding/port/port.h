// port.h: what the operating system is asked for. Each system has a file here, and whatever includes its headers is in this folder.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include <atomic>
#include <initializer_list>
#include <string>

namespace gradclip {
namespace port {

// A thread of the system, with a stack of kStack bytes, whatever its C library gives by default (musl: 128 kB). To be joined before it is gone.
class Thread {
 public:
  static constexpr size_t kStack = 2 << 20;    // the largest frame of all kernels takes 70 kB
  static constexpr size_t kDefaultStack = 0;   // what the system gives threads whose makers say nothing
  Thread() = default;
  Thread(const Thread&) = delete;
  // Calls body(arg) in it. False where the system refuses a thread.
  bool start(void (*body)(void* arg), void* arg, size_t stack = kStack) noexcept;
  bool started() const { return handle_ != nullptr; }
  void join() noexcept;

 private:
  void* handle_ = nullptr;
};

// Sleeps while `value` is `old`, until somebody wakes all who sleep there; may return for no reason.
void sleep_while(const std::atomic<uint32_t>& value, uint32_t old) noexcept;
void wake_all(const std::atomic<uint32_t>& value) noexcept;

// So many CPUs, and why: the word for runtime().threads.reason. 0: no limit.
struct Cpus {
  int count;
  const char* reason;
};
// What this process may run on now.
Cpus usable_cpus() noexcept;
// The time of CPUs that it is given, rounded up.
Cpus quota();

// Zeroed pages that nobody has touched; null where the system has no such memory.
void* map_pages(size_t bytes) noexcept;
void unmap_pages(void* at, size_t bytes) noexcept;
// For memory at a boundary of 2 MB, where the system gives such pages to whoever asks.
void prefer_huge_pages(void* at, size_t bytes) noexcept;
size_t page_size() noexcept;
// Whether the page at a multiple of page_size() is in memory. What is not was never touched, or has been put elsewhere.
bool is_resident(void* page) noexcept;

// Memory that holds a pattern until it is written, and again once it is refilled. On Linux these are pages of a file that holds the pattern, copied
// when they are written, and refilling drops the copies, so that it costs little to refill megabytes of which little was written; behind them lies a
// page that may not be touched. Elsewhere all of it is written.
class PatternPages {
 public:
  explicit PatternPages(uint32_t pattern) : pattern_(pattern) {}
  PatternPages(const PatternPages&) = delete;
  ~PatternPages();
  bool reserve(int64_t bytes);   // a multiple of 64. False where memory is lacking
  uint8_t* data() const { return data_; }
  void refill(int64_t bytes) const;   // from the first on

 private:
  const uint32_t pattern_;
  int64_t size_ = 0;
  [[maybe_unused]] int64_t mapped_ = 0;
  uint8_t *base_ = nullptr, *data_ = nullptr;
};

// A library of the system, with what it brings for libraries that it loads itself. It is not unloaded. On Windows there is none.
class Library {
 public:
  explicit Library(const char* file);
  void* find(const char* name) const;
  std::string error;   // why it is not there

 private:
  void* handle_ = nullptr;
};

// Bytes that were written to a pipe or a socket and that nobody has read yet; 0 for any other file. Below 0 where the system does not know.
int64_t unread_bytes(int file) noexcept;

// The calling thread sleeps for so many ns, or somewhat longer.
void nap(int64_t ns) noexcept;

// A variable of the environment, as JavaScript has set it by now; empty where there is none.
std::string environment(const char* name);

// The library of this code is not unloaded any more, whoever has loaded it: an add-on whose threads wait for work crashes when it goes with the worker
// thread that imported it.
void stay_loaded() noexcept;

#ifdef __linux__
// A function of a library beside that of this code, which is loaded while no variable of the environment begins in one of these ways.
struct Found {
  void* function = nullptr;
  std::string error;   // set where there is none
};
Found load_beside(const char* file, const char* function, std::initializer_list<const char*> silent);
#endif

}   // namespace port
}   // namespace gradclip
