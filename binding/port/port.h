// port.h: what the operating system is asked for. Each system has a file here; whatever includes its headers is in this folder.
#pragma once

namespace gradclip {
namespace port {

// A thread of the system, with a stack of kStack bytes, whatever its C library gives by default (musl: 128 kB). To be joined before it is gone.
class Thread {
 public:
  Thread() = default;
  Thread(const Thread&) = delete;
  // Calls body(arg) in it. False where the system refuses a thread.
  bool start(void (*body)(void* arg), void* arg) noexcept;
  bool started() const { return handle_ != nullptr; }
  void join() noexcept;

 private:
  static constexpr int kStack = 2 << 20;   // the largest frame of all kernels takes 9 kB
  void* handle_ = nullptr;
};

}   // namespace port
}   // namespace gradclip
