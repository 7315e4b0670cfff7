// js_mpi.h: processes that train together, as lib/native/addon.ts has them. For addon.cc alone.
#pragma once
#include "../collective.h"
#include "js.h"

namespace gradclip {
namespace {

// What one process sends to another while it receives from it.
class ExchangeJob : public Job {
 public:
  ExchangeJob(int32_t peer, std::vector<uint8_t> out, uint8_t* in, int64_t in_bytes)
      : peer_(peer), out_(std::move(out)), in_(in), in_bytes_(in_bytes) {}
  int threads() const override { return 0; }
  void work(Crew*, int, const std::atomic<bool>&) override {
    const Wire& wire = collective()->words();
    wire.exchange(wire.impl, peer_, out_.data(), int64_t(out_.size()), in_, in_bytes_);
  }
  void done(napi_env env) override {
    promised->settle(env, [&](Napi::ArrayBuffer b) {
      raise_thrown(env, "mpi", *this);
      return b;
    });
  }
  std::unique_ptr<Promised> promised;

 private:
  int32_t peer_;
  std::vector<uint8_t> out_;
  uint8_t* in_;
  int64_t in_bytes_;
};

// The functions open(file), exchange(peer, out, inBytes), exchangeSync of the same, abort(code) and finalize().
struct MpiFunctions {
  static Napi::Object make(Napi::Env env) {
    Napi::Object mpi = Napi::Object::New(env);
    mpi.Set("open", Napi::Function::New(env, open));
    mpi.Set("exchange", Napi::Function::New(env, exchange));
    mpi.Set("exchangeSync", Napi::Function::New(env, exchange_sync));
    mpi.Set("abort", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
              if (collective()) collective()->abort(info[0].ToNumber().Int32Value());
            }));
    mpi.Set("finalize", Napi::Function::New(env, [](const Napi::CallbackInfo&) {
              if (collective()) collective()->finalize();
            }));
    return mpi;
  }

 private:
  static Napi::Value open(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const Opened opened = open_mpi(info[0].ToString().Utf8Value());
    Napi::Object result = Napi::Object::New(env);
    result.Set("library", opened.library);
    result.Set("error", opened.error);
    result.Set("rank", opened.collective ? opened.collective->words().rank : 0);
    result.Set("size", opened.collective ? opened.collective->words().size : 0);
    return result;
  }
  static std::unique_ptr<ExchangeJob> job(const Napi::CallbackInfo& info, Napi::ArrayBuffer& in) {
    const Napi::Env env = info.Env();
    const Collective* const all = collective();
    const int64_t peer = whole(info[0], "mpi: peer", 0), bytes = whole(info[2], "mpi: bytes", 0);
    if (!all || peer >= all->words().size || peer == all->words().rank)
      raise(env, "ERR_OPTION", "mpi: expected another process as peer");
    const View out = view(info[1], "mpi: out");
    in = array_buffer(env, bytes);
    std::vector<uint8_t> copy(out.data, out.data + out.bytes);
    return std::make_unique<ExchangeJob>(int32_t(peer), std::move(copy), static_cast<uint8_t*>(in.Data()), bytes);
  }
  static Napi::Value exchange(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return allocating(env, [&]() -> Napi::Value {
      Napi::ArrayBuffer in;
      std::unique_ptr<ExchangeJob> made = job(info, in);
      Executor& executor = data(env).lane.start(env);
      made->promised = std::make_unique<Promised>(env, in);
      const Napi::Promise promise = made->promised->promise;
      executor.submit(env, std::move(made));
      return promise;
    });
  }
  static Napi::Value exchange_sync(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return allocating(env, [&]() -> Napi::Value {
      Napi::ArrayBuffer in;
      const std::unique_ptr<ExchangeJob> made = job(info, in);
      data(env).lane.start(env).wait(*made);
      raise_thrown(env, "mpi", *made);
      return in;
    });
  }
};

}   // namespace
}   // namespace gradclip
