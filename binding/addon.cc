// addon.cc: the whole Node-API surface (lib/native/addon.ts gives it types). The only file that includes <napi.h>.
#include <napi.h>

#include <cmath>
#include <cstring>
#include <new>

#include "bound.h"
#include "dispatch.h"
#include "executor.h"

namespace gradclip {
namespace {

[[noreturn]] void raise(Napi::Env env, const char* code, const std::string& message) {
  Napi::Error e = Napi::Error::New(env, message);
  e.Set("code", Napi::String::New(env, code));
  throw e;
}

// Runs `f` and turns a failed allocation into a JavaScript error.
template <class F>
auto guarded(Napi::Env env, F f) -> decltype(f()) {
  try {
    return f();
  } catch (const std::bad_alloc&) {
    raise(env, "ERR_MEMORY", "out of memory");
  } catch (const std::length_error&) {
    raise(env, "ERR_MEMORY", "out of memory");
  }
}

int64_t whole(Napi::Value v, const char* name, int64_t least, const char* code = "ERR_OPTION") {
  const double x = v.IsNumber() ? v.As<Napi::Number>().DoubleValue() : NAN;
  if (!(x >= double(least) && x <= 9007199254740992.0) || x != std::floor(x)) {
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

constexpr napi_type_tag kBlockTag = {0x6772616463626c6f, 0x636b2d7461672d31};
const std::atomic<bool> kNever{false};

struct AddonData {
  Napi::FunctionReference binding;
  std::shared_ptr<Executor> executor;   // made at the first run that needs it
  Executor& start(Napi::Env env) {
    if (!executor) executor = Executor::start(env);
    if (!executor) raise(env, "ERR_MEMORY", "run: the system has no thread to give");
    return *executor;
  }
  bool idle() const { return !executor || executor->idle(); }
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
      napi_resolve_deferred(env, deferred_, result(Napi::ArrayBuffer(env, buffer)));
    } catch (const Napi::Error& e) {
      napi_reject_deferred(env, deferred_, e.Value());
    } catch (...) {   // the environment takes no more JavaScript
    }
  }

 private:
  napi_deferred deferred_ = nullptr;
  napi_ref buffer_ = nullptr;
};

class ReadJob : public Job {
 public:
  ReadJob(Napi::Env env, std::shared_ptr<Block> block, int64_t offset, int64_t bytes)
      : promised(env, Napi::ArrayBuffer::New(env, size_t(bytes))), block_(std::move(block)), offset_(offset), bytes_(bytes) {
    block_->use(false);
  }
  ~ReadJob() override { block_->unuse(false); }
  void work(Crew*, int, const std::atomic<bool>&) override {
    if (bytes_) memcpy(promised.data, block_->bytes.data() + offset_, size_t(bytes_));
  }
  void done(napi_env env) override {
    promised.settle(env, [](Napi::ArrayBuffer b) { return b; });
  }
  Promised promised;

 private:
  std::shared_ptr<Block> block_;
  int64_t offset_, bytes_;
};

class BlockWrap : public Napi::ObjectWrap<BlockWrap> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Block",
                       {InstanceAccessor<&BlockWrap::bytes>("bytes"), InstanceMethod<&BlockWrap::write>("write"),
                        InstanceMethod<&BlockWrap::read>("read"), InstanceMethod<&BlockWrap::read_async>("readAsync"),
                        InstanceMethod<&BlockWrap::dispose>("dispose")});
  }
  explicit BlockWrap(const Napi::CallbackInfo& info) : ObjectWrap(info) {
    const Napi::Env env = info.Env();
    const int64_t bytes = whole(info[0], "block", 0);
    if (bytes <= Need::kMax) block_ = guarded(env, [&] { return std::make_shared<Block>(bytes); });
    if (!block_ || !block_->bytes.data())
      raise(env, "ERR_MEMORY", "block: the system does not give " + std::to_string(bytes) + " bytes");
    napi_type_tag_object(env, info.This(), &kBlockTag);
    Napi::MemoryManagement::AdjustExternalMemory(env, bytes);
    size_ = bytes;
  }
  void Finalize(Napi::Env env) override { forget(env); }
  std::shared_ptr<Block> block() const { return block_; }

 private:
  Napi::Value bytes(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), double(size_)); }

  // The range [offset, offset + bytes) after checks.
  uint8_t* range(Napi::Env env, const char* name, int64_t offset, int64_t bytes) {
    if (!block_) raise(env, "ERR_DISPOSED", std::string(name) + ": the block was disposed");
    if (offset > size_ || bytes > size_ - offset) {
      raise(env, "ERR_OPTION",
            std::string(name) + ": ends at " + std::to_string(offset + bytes) + ", the block has " + std::to_string(size_));
    }
    return block_->bytes.data() + offset;
  }
  void write(const Napi::CallbackInfo& info) {
    const View from = view(info[1], "block.write");
    uint8_t* to = range(info.Env(), "block.write", whole(info[0], "block.write: offset", 0), from.bytes);
    if (block_->users) raise(info.Env(), "ERR_BUSY", "block.write: a run that uses the block is queued or running");
    if (from.bytes) memmove(to, from.data, size_t(from.bytes));
  }
  void read(const Napi::CallbackInfo& info) {
    const View to = view(info[1], "block.read");
    const uint8_t* from = range(info.Env(), "block.read", whole(info[0], "block.read: offset", 0), to.bytes);
    if (block_->writers) raise(info.Env(), "ERR_BUSY", "block.read: a run that writes to the block is queued or running");
    if (to.bytes) memmove(to.data, from, size_t(to.bytes));
  }
  Napi::Value read_async(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const int64_t offset = whole(info[0], "block.readAsync: offset", 0), bytes = whole(info[1], "block.readAsync: bytes", 0);
    range(env, "block.readAsync", offset, bytes);
    return guarded(env, [&]() -> Napi::Value {
      Executor& executor = data(env).start(env);
      auto job = std::make_unique<ReadJob>(env, block_, offset, bytes);
      const Napi::Promise promise = job->promised.promise;
      executor.submit(env, std::move(job));
      return promise;
    });
  }
  void dispose(const Napi::CallbackInfo& info) { forget(info.Env()); }
  void forget(Napi::Env env) {
    if (!block_) return;
    block_->dispose();
    block_.reset();
    Napi::MemoryManagement::AdjustExternalMemory(env, -size_);
  }

  std::shared_ptr<Block> block_;
  int64_t size_ = 0;
};

// A caller's ArrayBuffer and where its memory was when it was bound.
struct Pinned {
  Napi::Reference<Napi::ArrayBuffer> buffer;
  void* data;
  size_t bytes;
};

class RunJob;

// What a binding and its queued runs share.
struct Session {
  Bound bound;
  std::vector<std::pair<std::shared_ptr<Block>, bool>> blocks;   // and whether the program writes to it
  std::vector<RunJob*> jobs;                                     // queued or running
};

class RunJob : public Job {
 public:
  RunJob(std::shared_ptr<Session> session, RunRequest request) : session_(std::move(session)), request_(std::move(request)) {}
  ~RunJob() override {
    if (!promised) return;
    for (auto& [block, writes] : session_->blocks) block->unuse(writes);
    for (RunJob*& j : session_->jobs) {
      if (j == this) std::swap(j, session_->jobs.back());
    }
    session_->jobs.pop_back();
  }
  // Makes it asynchronous: blocks count as in use until the promise is settled.
  void promise(Napi::Env env, Napi::ArrayBuffer report) {
    session_->jobs.reserve(session_->jobs.size() + 1);
    promised = std::make_unique<Promised>(env, report);
    request_.report = promised->data;
    session_->jobs.push_back(this);
    for (auto& [block, writes] : session_->blocks) block->use(writes);
  }
  int threads() const override { return request_.threads; }
  void work(Crew* crew, int threads, const std::atomic<bool>& closing) override {
    ran_ = session_->bound.run(request_, crew, threads, stop, closing, result_);
  }
  void done(napi_env env) override {
    promised->settle(env, [&](Napi::ArrayBuffer report) { return result(env, report); });
  }
  Napi::Value result(Napi::Env env, Napi::ArrayBuffer report) {
    if (!ran_) raise(env, "ERR_MEMORY", "run: no memory for the threads' scratch");
    const bool failed = result_.instr >= 0;
    const size_t bytes = size_t(result_.tried + failed) * size_t(session_->bound.program().spec.report_bytes);
    if (bytes < report.ByteLength()) {
      Napi::ArrayBuffer part = Napi::ArrayBuffer::New(env, bytes);
      if (bytes) memcpy(part.Data(), report.Data(), bytes);
      report = part;
    }
    Napi::Object o = Napi::Object::New(env);
    o.Set("status", result_.status);
    o.Set("tried", double(result_.tried));
    o.Set("attempt", double(result_.attempt));
    o.Set("stepCount", double(result_.step_count));
    o.Set("skips", double(result_.skips));
    o.Set("instr", result_.instr);
    o.Set("position", double(result_.position));
    o.Set("value", result_.value);
    o.Set("bound", result_.bound);
    o.Set("threads", result_.threads);
    o.Set("report", report);
    return o;
  }
  void report_into(uint8_t* report) { request_.report = report; }
  std::atomic<bool> stop{false};
  std::unique_ptr<Promised> promised;

 private:
  std::shared_ptr<Session> session_;
  RunRequest request_;
  RunResult result_;
  bool ran_ = false;
};

class BindingWrap : public Napi::ObjectWrap<BindingWrap> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Binding",
                       {InstanceMethod<&BindingWrap::run>("run"), InstanceMethod<&BindingWrap::run_sync>("runSync"),
                        InstanceMethod<&BindingWrap::stop>("stop"), InstanceMethod<&BindingWrap::dispose>("dispose")});
  }
  explicit BindingWrap(const Napi::CallbackInfo& info) : ObjectWrap(info) {}

  void init(Napi::Env env, std::shared_ptr<const Program> program, Napi::Array blocks) {
    auto session = std::make_shared<Session>();
    std::vector<Memory> memory;
    for (uint32_t b = 0; b < blocks.Length(); b++) {
      const Napi::Value v = blocks[b];
      const bool writes = b < program->spec.block_writes.size() && program->spec.block_writes[b];
      bool is_block = false;
      if (v.IsObject()) napi_check_object_type_tag(env, v, &kBlockTag, &is_block);
      if (is_block) {
        std::shared_ptr<Block> block = BlockWrap::Unwrap(v.As<Napi::Object>())->block();
        if (!block) raise(env, "ERR_DISPOSED", "bind: block " + std::to_string(b) + " was disposed");
        memory.push_back({block->bytes.data(), block->bytes.size()});
        session->blocks.emplace_back(std::move(block), writes);
      } else {
        memory.push_back(pin(env, v, ("bind: block " + std::to_string(b)).c_str()));
      }
    }
    if (Failure f = session->bound.bind(std::move(program), memory)) raise(env, f.code, f.message);
    session_ = std::move(session);
    owned_ = session_->bound.owned_bytes();
    Napi::MemoryManagement::AdjustExternalMemory(env, owned_);
  }
  void Finalize(Napi::Env env) override { forget(env); }

 private:
  // A caller's array: its buffer is kept, once however many arrays lie in it.
  Memory pin(Napi::Env env, Napi::Value v, const char* name) {
    const View a = view(v, name);
    bool fixed = false;
    napi_is_arraybuffer(env, a.buffer, &fixed);
    if (fixed) fixed = !Napi::Object(env, a.buffer).Get("resizable").ToBoolean();
    if (!fixed)
      raise(env, "ERR_OPTION", std::string(name) + ": expected an array on a plain ArrayBuffer, neither shared nor resizable");
    Napi::ArrayBuffer buffer(env, a.buffer);
    if (buffer.IsDetached()) raise(env, "ERR_DETACHED", std::string(name) + ": the array's memory was transferred away");
    for (const Pinned& p : pinned_) {
      if (p.data == buffer.Data() && p.bytes == buffer.ByteLength()) return {a.data, a.bytes};
    }
    pinned_.push_back({Napi::Reference<Napi::ArrayBuffer>::New(buffer, 1), buffer.Data(), buffer.ByteLength()});
    return {a.data, a.bytes};
  }

  RunRequest request(Napi::Env env, Napi::Value v) {
    if (!v.IsObject()) raise(env, "ERR_OPTION", "run: expected a request");
    const Napi::Object o = v.As<Napi::Object>();
    const ProgramSpec& spec = session_->bound.program().spec;
    RunRequest r;
    r.steps = whole(o.Get("steps"), "run: steps", 1);
    r.micros = whole(o.Get("micros"), "run: micros", 1);
    if (r.steps > INT32_MAX || r.micros > INT32_MAX) raise(env, "ERR_OPTION", "run: too many steps or micros");
    r.attempt = uint64_t(whole(o.Get("attempt"), "run: attempt", 0));
    r.step_count = uint64_t(whole(o.Get("stepCount"), "run: stepCount", 0));
    r.skips = whole(o.Get("skips"), "run: skips", 0);
    r.max_skips = whole(o.Get("maxSkips"), "run: maxSkips", 0);
    r.threads = int(std::min<int64_t>(whole(o.Get("threads"), "run: threads", 1), kMaxThreads));
    bool lossless = false;
    const Napi::Value seed = o.Get("seed");
    if (seed.IsBigInt()) r.seed = seed.As<Napi::BigInt>().Uint64Value(&lossless);
    if (!lossless) raise(env, "ERR_OPTION", "run: seed: expected a bigint from 0 to 2^64 - 1");
    r.feed = rows(o.Get("feed"), "run: feed", size_mul(r.steps * r.micros, spec.feed_bytes));
    r.step = rows(o.Get("step"), "run: step", size_mul(r.steps, spec.step_bytes));
    return r;
  }
  // A copy of the caller's rows: what a run reads must not change under it.
  static Bytes rows(Napi::Value v, const char* name, int64_t bytes) {
    if (bytes == 0 && v.IsUndefined()) return {};
    const View a = view(v, name);
    if (a.bytes != bytes) {
      raise(v.Env(), "ERR_OPTION",
            std::string(name) + ": expected " + std::to_string(bytes) + " bytes, got " + std::to_string(a.bytes));
    }
    Bytes copy(bytes);
    if (!copy.data()) raise(v.Env(), "ERR_MEMORY", std::string(name) + ": no memory for a copy");
    if (bytes) memcpy(copy.data(), a.data, size_t(bytes));
    return copy;
  }
  static Napi::ArrayBuffer report(Napi::Env env, const Session& s, const RunRequest& r) {
    return Napi::ArrayBuffer::New(env, size_t(size_mul(r.steps, s.bound.program().spec.report_bytes)));
  }

  void check_free(Napi::Env env) {
    if (!session_) raise(env, "ERR_DISPOSED", "run: the binding was disposed");
    for (const auto& [block, writes] : session_->blocks) {
      if (block->disposed) raise(env, "ERR_DISPOSED", "run: a block of the binding was disposed");
      if (writes && block->writers) raise(env, "ERR_BUSY", "run: another run that writes to the same block is queued or running");
    }
  }

  Napi::Value run(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    check_free(env);
    if (!pinned_.empty()) raise(env, "ERR_OPTION", "run: a program bound to the caller's own arrays runs synchronously only");
    return guarded(env, [&]() -> Napi::Value {
      RunRequest r = request(env, info[0]);
      const Napi::ArrayBuffer rows = report(env, *session_, r);
      Executor& executor = data(env).start(env);
      auto job = std::make_unique<RunJob>(session_, std::move(r));
      job->promise(env, rows);
      const Napi::Promise promise = job->promised->promise;
      executor.submit(env, std::move(job));
      return promise;
    });
  }

  Napi::Value run_sync(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    check_free(env);
    return guarded(env, [&]() -> Napi::Value {
      RunRequest r = request(env, info[0]);
      check_pinned(env);   // after the request: reading it may run the caller's getters
      Napi::ArrayBuffer rows = report(env, *session_, r);
      RunJob job(session_, std::move(r));
      job.report_into(static_cast<uint8_t*>(rows.Data()));
      if (job.threads() == 1 && data(env).idle()) {
        const int granted = acquire_threads(1);
        job.work(nullptr, granted, kNever);
        release_threads(granted);
      } else {
        data(env).start(env).wait(job);
      }
      return job.result(env, rows);
    });
  }
  void check_pinned(Napi::Env env) {
    for (const Pinned& p : pinned_) {
      void* now = nullptr;
      size_t bytes = 0;
      napi_get_arraybuffer_info(env, p.buffer.Value(), &now, &bytes);
      if (now != p.data || bytes != p.bytes) raise(env, "ERR_DETACHED", "run: the memory of a bound array was transferred away");
    }
  }

  void stop(const Napi::CallbackInfo&) {
    if (!session_) return;
    for (RunJob* job : session_->jobs) job->stop = true;
  }
  void dispose(const Napi::CallbackInfo& info) { forget(info.Env()); }
  void forget(Napi::Env env) {
    if (!session_) return;
    session_.reset();
    pinned_.clear();
    Napi::MemoryManagement::AdjustExternalMemory(env, -owned_);
  }

  std::shared_ptr<Session> session_;
  std::vector<Pinned> pinned_;
  int64_t owned_ = 0;
};

class ProgramWrap : public Napi::ObjectWrap<ProgramWrap> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "Program",
        {InstanceMethod<&ProgramWrap::bind>("bind"), InstanceAccessor<&ProgramWrap::scratch_bytes>("scratchBytes")});
  }
  explicit ProgramWrap(const Napi::CallbackInfo& info) : ObjectWrap(info) {
    const Napi::Env env = info.Env();
    const KernelTable* table = dispatch().tables[0];
    if (!info[1].IsUndefined()) {
      const std::string isa = info[1].ToString();
      table = dispatch().find(isa);
      if (!table) raise(env, "ERR_OPTION", "program: isa: expected one of " + dispatch().names() + ", got " + isa);
    }
    guarded(env, [&] {
      auto program = std::make_shared<Program>();
      const std::string error = program->decode(spec(env, info[0]), table);
      if (!error.empty()) raise(env, "ERR_PROGRAM", error);
      program_ = std::move(program);
    });
  }

 private:
  static ProgramSpec spec(Napi::Env env, Napi::Value v) {
    constexpr const char* kCode = "ERR_PROGRAM";
    if (!v.IsObject()) raise(env, kCode, "program: expected a program");
    const Napi::Object o = v.As<Napi::Object>();
    ProgramSpec s;
    s.instrs = whole(o.Get("instrs"), "instrs", 0, kCode);
    s.micro_end = whole(o.Get("microEnd"), "microEnd", 0, kCode);
    s.arena_bytes = whole(o.Get("arenaBytes"), "arenaBytes", 0, kCode);
    s.feed_bytes = whole(o.Get("feedBytes"), "feedBytes", 0, kCode);
    s.step_bytes = whole(o.Get("stepBytes"), "stepBytes", 0, kCode);
    s.report_bytes = whole(o.Get("reportBytes"), "reportBytes", 0, kCode);
    s.code = doubles(o.Get("code"), "code");
    for (double bytes : doubles(o.Get("blockBytes"), "blockBytes"))
      s.block_bytes.push_back(bytes >= 0 && bytes <= 1e15 ? int64_t(bytes) : -1);
    s.constants = octets(o.Get("constants"), "constants");
    s.block_writes = octets(o.Get("blockWrites"), "blockWrites");
    return s;
  }
  static std::vector<double> doubles(Napi::Value v, const char* name) {
    const View a = view(v, name, "ERR_PROGRAM");
    if (a.type != napi_float64_array) raise(v.Env(), "ERR_PROGRAM", std::string(name) + ": expected a Float64Array");
    const double* p = reinterpret_cast<const double*>(a.data);
    return std::vector<double>(p, p + a.bytes / 8);
  }
  static std::vector<uint8_t> octets(Napi::Value v, const char* name) {
    const View a = view(v, name, "ERR_PROGRAM");
    if (a.type != napi_uint8_array) raise(v.Env(), "ERR_PROGRAM", std::string(name) + ": expected a Uint8Array");
    return std::vector<uint8_t>(a.data, a.data + a.bytes);
  }

  Napi::Value bind(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (!info[0].IsArray()) raise(env, "ERR_OPTION", "bind: expected an array of blocks");
    return guarded(env, [&]() -> Napi::Value {
      Napi::Object binding = data(env).binding.New({});
      BindingWrap::Unwrap(binding)->init(env, program_, info[0].As<Napi::Array>());
      return binding;
    });
  }
  Napi::Value scratch_bytes(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), double(program_->scratch_bytes + program_->local_bytes));
  }

  std::shared_ptr<const Program> program_;
};

Napi::Object init(Napi::Env env, Napi::Object exports) {
  if (!dispatch().error.empty()) raise(env, "ERR_OPTION", dispatch().error);
  if (!default_threads().error.empty()) raise(env, "ERR_OPTION", default_threads().error);
  auto* shared = new AddonData();
  shared->binding = Napi::Persistent(BindingWrap::define(env));
  env.SetInstanceData(shared);

  const KernelTable& table = *dispatch().tables[0];
  Napi::Array kernels = Napi::Array::New(env), maps = Napi::Array::New(env), isas = Napi::Array::New(env);
  for (int32_t k = 0; k < table.n_kernels; k++) kernels.Set(uint32_t(k), table.kernels[k].name);
  for (int32_t m = 0; m < table.n_maps; m++) {
    Napi::Object map = Napi::Object::New(env);
    map.Set("name", table.maps[m].name);
    map.Set("arity", table.maps[m].arity);
    maps.Set(uint32_t(m), map);
  }
  for (const KernelTable* t : dispatch().tables) isas.Set(isas.Length(), t->isa);
  Napi::Object threads = Napi::Object::New(env);
  threads.Set("count", default_threads().count);
  threads.Set("reason", default_threads().reason);

  exports.Set("Block", BlockWrap::define(env));
  exports.Set("Program", ProgramWrap::define(env));
  exports.Set("kernels", kernels);
  exports.Set("maps", maps);
  exports.Set("isas", isas);
  exports.Set("isa", table.isa);
  exports.Set("threads", threads);
  return exports;
}

}   // namespace
}   // namespace gradclip

static Napi::Object gradclip_init(Napi::Env env, Napi::Object exports) { return gradclip::init(env, exports); }
NODE_API_MODULE(gradclip, gradclip_init)
