// executor.cc: the queue, hand-over to and from JavaScript, and an orderly end with the environment.
#include "executor.h"

#include <stdio.h>

#include <new>
#include <stdexcept>
#include <system_error>

namespace gradclip {

void Thrown::take() noexcept {
  const auto say = [this](const char* as, const char* what) {
    code = as;
    snprintf(message, sizeof message, "%s", what);
  };
  try {
    throw;
  } catch (const std::bad_alloc&) {
    say("ERR_MEMORY", "out of memory");
  } catch (const std::length_error&) {
    say("ERR_MEMORY", "out of memory");
  } catch (const std::system_error& e) {   // a thread or a lock that the system refuses
    say("ERR_MEMORY", e.what());
  } catch (const std::exception& e) {
    say("ERR_PROGRAM", e.what());
  } catch (...) {
    say("ERR_PROGRAM", "unknown");
  }
}

std::shared_ptr<Executor> Executor::start(napi_env env) {
  std::shared_ptr<Executor> self(new Executor());
  napi_value name;
  if (napi_create_string_utf8(env, "gradclip", NAPI_AUTO_LENGTH, &name) != napi_ok) return nullptr;
  auto* owner = new std::shared_ptr<Executor>(self);   // jobs told of after the end still find the executor
  if (napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, owner, on_finalize, self.get(), on_done, &self->tell_) !=
      napi_ok) {
    delete owner;
    return nullptr;
  }
  napi_unref_threadsafe_function(env, self->tell_);
  // After the function, so that it runs before the function's own hook: the thread has ended when the function goes.
  napi_add_env_cleanup_hook(env, on_close, self.get());
  if (!self->thread_.start([](void* raw) { static_cast<Executor*>(raw)->main(); }, self.get())) {
    napi_remove_env_cleanup_hook(env, on_close, self.get());
    napi_release_threadsafe_function(self->tell_, napi_tsfn_abort);   // frees `owner`, later
    return nullptr;
  }
  return self;
}

Executor::~Executor() { shut(); }

void Executor::submit(napi_env env, std::unique_ptr<Job> job) {
  if (promised_++ == 0) napi_ref_threadsafe_function(env, tell_);
  post(job.release());
}

void Executor::wait(Job& job) {
  job.sync_ = true;
  const uint32_t seen = sync_done_.value();
  post(&job);
  // Spinning here would take a core from the team where there is none to spare.
  sync_done_.wait(seen, job.threads() < cpus_ ? kSpinNs : 0);
}

void Executor::post(Job* job) {
  outstanding_++;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    (last_ ? last_->next_ : first_) = job;
    last_ = job;
  }
  posted_.advance();
}

// The next job, or null when the environment closes. Spins for a moment first: the next chunk often comes within microseconds.
Job* Executor::next() {
  for (;;) {
    const uint32_t seen = posted_.value();
    if (closing_) return nullptr;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (Job* job = first_) {
        first_ = job->next_;
        if (!first_) last_ = nullptr;
        return job;
      }
    }
    posted_.wait(seen, kSpinNs);
  }
}

bool Executor::take() {
  current_ = next();
  if (current_) granted_ = current_->threads() > 0 ? acquire_threads(current_->threads()) : 0;
  return current_ != nullptr;
}

void Executor::main() {
  while (current_ || take()) {
    with_crew(
        granted_, [](void* self, Crew& crew) { static_cast<Executor*>(self)->lead(crew); }, this);
    if (closing_ && !current_) return;
  }
}

// Runs jobs until one may have a larger crew than this one.
void Executor::lead(Crew& crew) {
  const int made_for = granted_;
  do {
    Job* job = current_;
    current_ = nullptr;
    job->perform(&crew, granted_, closing_);
    release_threads(granted_);
    finish(job);
  } while (take() && granted_ <= made_for);
}

void Executor::finish(Job* job) {
  const bool sync = job->sync_;
  outstanding_--;
  if (sync) {
    sync_done_.advance();   // from here on the job is gone
  } else {
    napi_call_threadsafe_function(tell_, job, napi_tsfn_nonblocking);
  }
}

void Executor::on_done(napi_env env, napi_value, void* self, void* data) {
  std::unique_ptr<Job> job(static_cast<Job*>(data));
  if (!env) return;   // the environment is closing: the promise is dropped
  Executor& executor = *static_cast<Executor*>(self);
  if (--executor.promised_ == 0) napi_unref_threadsafe_function(env, executor.tell_);
  job->done(env);
}

void Executor::shut() {
  closing_ = true;
  posted_.advance();
  if (thread_.started()) thread_.join();
  while (Job* job = first_) {
    first_ = job->next_;
    delete job;
  }
}

void Executor::on_close(void* self) { static_cast<Executor*>(self)->shut(); }

void Executor::on_finalize(napi_env, void* owner, void*) { delete static_cast<std::shared_ptr<Executor>*>(owner); }

}   // namespace gradclip
