// executor.h: a native thread of an environment and its queue of jobs. The only thread that leads a team.
#pragma once
#include <node_api.h>

#include <atomic>
#include <memory>
#include <mutex>

#include "gate.h"
#include "port/port.h"
#include "team.h"

namespace gradclip {

// Something was thrown, and what it said, in memory that was there before: there may be none left.
class Thrown {
 public:
  const char* code = nullptr;   // 'ERR_...', null: nothing
  char message[200] = "";
  // Of the exception that is being handled.
  void take() noexcept;
};

// Made and destroyed on the JavaScript thread.
class Job {
 public:
  virtual ~Job() = default;
  virtual int threads() const { return 1; }   // asked for; 0: that of the executor alone, which counts to nobody's team
  // On the executor's thread, or on another while that has nothing to do.
  void perform(Crew* crew, int threads, const std::atomic<bool>& closing) noexcept {
    try {
      work(crew, threads, closing);
    } catch (...) {
      thrown.take();
    }
  }
  virtual void done(napi_env env) = 0;   // on the JavaScript thread: settles the promise. Must not throw
  Thrown thrown;                         // by work()

 protected:
  // With `threads` of the crew granted.
  virtual void work(Crew* crew, int threads, const std::atomic<bool>& closing) = 0;

 private:
  friend class Executor;
  Job* next_ = nullptr;
  bool sync_ = false;
};

// All public functions are for the JavaScript thread.
class Executor {
 public:
  // Null when the system has no thread to give.
  static std::shared_ptr<Executor> start(napi_env env);
  ~Executor();

  // Queued: work() later, then done() on the JavaScript thread.
  void submit(napi_env env, std::unique_ptr<Job> job);
  // Queued as well, but this call waits until work() has returned; done() is not called.
  void wait(Job& job);
  // No job is queued or running.
  bool idle() const { return outstanding_.load() == 0; }
  const std::atomic<bool>& closing() const { return closing_; }

 private:
  Executor() = default;
  void post(Job* job);
  void main();
  void lead(Crew& crew);
  bool take();
  Job* next();
  void finish(Job* job);
  void shut();
  static void on_close(void* self);
  static void on_done(napi_env env, napi_value, void* self, void* job);
  static void on_finalize(napi_env env, void* owner, void* self);

  napi_threadsafe_function tell_ = nullptr;
  port::Thread thread_;
  std::mutex mutex_;   // of the queue
  Job* first_ = nullptr;
  Job* last_ = nullptr;
  Job* current_ = nullptr;   // taken from the queue, with the threads granted to it; of the executor's thread
  int granted_ = 0;
  const int cpus_ = usable_cpus();
  Gate posted_, sync_done_;
  std::atomic<int> outstanding_{0};
  std::atomic<bool> closing_{false};
  int promised_ = 0;   // jobs whose done() is still to come: the event loop lives as long as there are any
};

}   // namespace gradclip
