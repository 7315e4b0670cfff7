// js.h: what the classes of the add-on share: errors with codes, checked arguments, promises. For addon.cc alone.
#pragma once
#include <cmath>
#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>

#include "../bound.h"
#include "../executor.h"

namespace gradclip {
namespace {

[[noreturn]] void raise(Napi::Env env, const char* code, const std::string& message) {
  Napi::Error e = Napi::Error::New(env, message);
  e.Set("code", Napi::String::New(env, code));
  throw e;
}

// Runs `f` and turns a failed allocation into a JavaScript error.
template <class F>
auto allocating(Napi::Env env, F f) -> decltype(f()) {
  try {
    return f();
  } catch (const std::bad_alloc&) {
    raise(env, "ERR_MEMORY", "out of memory");
  } catch (const std::length_error&) {
    raise(env, "ERR_MEMORY", "out of memory");
  }
}

bool is_whole(double x, int64_t least) { return x >= double(least) && x <= 9007199254740992.0 && x == std::floor(x); }

// A whole number of at least `least`.
int64_t whole(Napi::Value v, const char* name, int64_t least, const char* code = "ERR_OPTION") {
  const double x = v.IsNumber() ? v.As<Napi::Number>().DoubleValue() : NAN;
  if (!is_whole(x, least)) {
    raise(v.Env(), code,
          std::string(name) + ": expected a whole number of at least " + std::to_string(least) + ", got " +
              v.ToString().Utf8Value());
  }
  return int64_t(x);
}

// The bytes of a typed array.
struct View {
  uint8_t* data = nullptr;
  int64_t bytes = 0;
  napi_typedarray_type type = napi_uint8_array;
  napi_value buffer = nullptr;
};
View view(Napi::Value v, const char* name, const char* code = "ERR_OPTION") {
  View r;
  if (!v.IsTypedArray()) raise(v.Env(), code, std::string(name) + ": expected a typed array");
  void* data = nullptr;
  size_t length = 0, offset = 0;
  napi_get_typedarray_info(v.Env(), v, &r.type, &length, &data, &r.buffer, &offset);
  r.data = static_cast<uint8_t*>(data);
  r.bytes = int64_t(length) * v.As<Napi::TypedArray>().ElementSize();
  return r;
}

// Zeroed. V8 ends the process where memory is lacking; JavaScript's own constructor throws, but takes longer.
Napi::ArrayBuffer array_buffer(Napi::Env env, int64_t bytes) {
  if (bytes <= 1 << 20) return Napi::ArrayBuffer::New(env, size_t(bytes));
  try {
    return env.Global()
        .Get("ArrayBuffer")
        .As<Napi::Function>()
        .New({Napi::Number::New(env, double(bytes))})
        .As<Napi::ArrayBuffer>();
  } catch (const Napi::Error&) {
    raise(env, "ERR_MEMORY", "run: no memory for " + std::to_string(bytes) + " bytes of results");
  }
}

// What a job has thrown, where it was.
void raise_thrown(Napi::Env env, const char* what, const Job& job) {
  if (job.thrown.code) raise(env, job.thrown.code, std::string(what) + ": " + job.thrown.message);
}

constexpr napi_type_tag kBlockTag = {0x6772616463626c6f, 0x636b2d7461672d31};
const std::atomic<bool> kNever{false};

// Where runs are one after the other: they share a workspace, which is there while there is a binding that may run here.
struct Lane {
  std::shared_ptr<Executor> executor;   // made at the first run that needs it
  std::weak_ptr<Workspace> workspace;
  Executor& start(Napi::Env env) {
    if (!executor) executor = Executor::start(env);
    if (!executor) raise(env, "ERR_MEMORY", "run: the system has no thread to give");
    return *executor;
  }
  bool idle() const { return !executor || executor->idle(); }
  // A binding whose program wants so many bytes as its arena comes, and goes.
  std::shared_ptr<Workspace> enter(int64_t arena) {
    std::shared_ptr<Workspace> there = workspace.lock();
    if (!there) workspace = there = std::make_shared<Workspace>();
    there->add(arena);
    return there;
  }
  void leave(Workspace& there, int64_t arena) const {
    there.remove(arena);
    if (idle()) there.trim();
  }
};

struct AddonData {
  Napi::FunctionReference binding;
  // All that has a team, or writes; what waits for none of that and has no team: runs that are awaited, and those on JavaScript's own thread.
  Lane lane, apart, here;
  bool external = true;   // what blocks are made of: js_block.h
};
AddonData& data(Napi::Env env) { return *env.GetInstanceData<AddonData>(); }

// A promise and the ArrayBuffer it will give, into which the executor writes. When the environment closes first, both are left
// to it.
class Promised {
 public:
  Promised(Napi::Env env, Napi::ArrayBuffer buffer) : data(static_cast<uint8_t*>(buffer.Data())) {
    napi_value value;
    if (napi_create_promise(env, &deferred_, &value) != napi_ok) throw Napi::Error::New(env);
    promise = Napi::Promise(env, value);
    if (napi_create_reference(env, buffer, 1, &buffer_) != napi_ok) throw Napi::Error::New(env);
  }
  Napi::Promise promise;
  uint8_t* data;
  // `result` makes the value from the buffer, or throws what the promise is rejected with.
  template <class F>
  void settle(Napi::Env env, F result) {
    try {
      napi_value buffer;
      napi_get_reference_value(env, buffer_, &buffer);
      napi_delete_reference(env, buffer_);
      napi_resolve_deferred(env, deferred_,
                            allocating(env, [&]() -> Napi::Value { return result(Napi::ArrayBuffer(env, buffer)); }));
    } catch (const Napi::Error& e) {
      napi_reject_deferred(env, deferred_, e.Value());
    } catch (...) {   // the environment takes no more JavaScript
    }
  }

 private:
  napi_deferred deferred_ = nullptr;
  napi_ref buffer_ = nullptr;
};

}   // namespace
}   // namespace gradclip
