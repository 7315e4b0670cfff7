// js_binding.h: the class Binding (NativeBinding in lib/native/addon.ts) and its runs. For addon.cc alone.
#pragma once
#include <system_error>
#include <unordered_set>

#include "../bound.h"
#include "../collective.h"
#include "js_block.h"

namespace gradclip {
namespace {

// A caller's ArrayBuffer and where its memory was when it was bound.
struct Pinned {
  Napi::Reference<Napi::ArrayBuffer> buffer;
  void* data;
  size_t bytes;
};

// What passes in and out of a run by number, in one Float64Array: setting the fields of an object takes microseconds.
// lib/native/program.ts has the same order.
enum Slot {
  kSteps,
  kMicros,
  kAttempt,
  kStepCount,
  kSkips,
  kMaxSkips,
  kThreads,
  kFirst,
  kEnd,
  kBase,
  kShare,
  kFrom,
  kTo,
  kGroup,
  kStatus,
  kTried,
  kInstr,
  kPosition,
  kValue,
  kBound,
  kNumbers
};
constexpr const char* kNames[] = {"steps", "micros", "attempt", "stepCount", "skips", "maxSkips", "threads",
                                  "first", "end",    "base",    "share",     "from",  "to",       "group"};

double* numbers(Napi::Env env, napi_value v) {
  const View a = view(Napi::Value(env, v), "run: numbers");
  if (a.type != napi_float64_array || a.bytes != kNumbers * 8)
    raise(env, "ERR_OPTION", "run: numbers: expected a Float64Array of 20");
  return reinterpret_cast<double*>(a.data);
}

class RunJob;

// What a binding and its queued runs share.
struct Session {
  Bound bound;
  bool apart = false;                           // runs wait for none but those that are apart, too, and have no team
  std::shared_ptr<Workspace> workspace, here;   // of runs on the lane's executor, and on this thread
  std::vector<std::pair<std::shared_ptr<Block>, bool>> blocks;   // and whether the program writes to it
  std::vector<Pinned> pinned;                                    // the caller's own arrays
  std::vector<RunJob*> jobs;                                     // queued or running
  std::string fail;                                              // for tests: what the next run throws
  bool bound_now = true;                                         // false between unbind and rebind
};

class RunJob : public Job {
 public:
  RunJob(std::shared_ptr<Session> session, RunRequest request) : session_(std::move(session)), request_(std::move(request)) {
    std::swap(fail_, session_->fail);
  }
  ~RunJob() override {
    if (!promised) return;
    for (auto& [block, writes] : session_->blocks) block->unuse(writes, session_->apart);
    for (RunJob*& j : session_->jobs) {
      if (j == this) std::swap(j, session_->jobs.back());
    }
    session_->jobs.pop_back();
  }
  // Makes it asynchronous: blocks count as in use until the promise is settled.
  void promise(Napi::Env env, napi_value numbers, Napi::ArrayBuffer report) {
    session_->jobs.reserve(session_->jobs.size() + 1);
    auto made = std::make_unique<Promised>(env, report);
    if (napi_create_reference(env, numbers, 1, &numbers_) != napi_ok) throw Napi::Error::New(env);
    promised = std::move(made);
    request_.report = promised->data;
    session_->jobs.push_back(this);
    for (auto& [block, writes] : session_->blocks) block->use(writes, session_->apart);
  }
  int threads() const override { return session_->apart ? 0 : request_.threads; }
  void work(Crew* crew, int threads, const std::atomic<bool>& closing) override {
    if (!fail_.empty()) fail();
    Workspace& workspace = *(crew ? session_->workspace : session_->here);
    ran_ = session_->bound.run(request_, workspace, session_->apart ? nullptr : crew, threads, stop, closing, result_);
  }
  void done(napi_env env) override {
    promised->settle(env, [&](Napi::ArrayBuffer report) {
      napi_value out = nullptr;
      napi_get_reference_value(env, numbers_, &out);
      napi_delete_reference(env, numbers_);
      return result(env, numbers(env, out), report);
    });
  }
  // Fills `out` and gives the rows of the steps tried, and of the one that failed.
  Napi::Value result(Napi::Env env, double* out, Napi::ArrayBuffer report) {
    raise_thrown(env, "run", *this);
    if (!ran_) raise(env, "ERR_MEMORY", "run: no memory for the scratch of the program and its threads");
    const RunResult& r = result_;
    out[kStatus] = r.status, out[kTried] = double(r.tried), out[kInstr] = r.instr;
    out[kAttempt] = double(r.attempt), out[kStepCount] = double(r.step_count), out[kSkips] = double(r.skips);
    out[kPosition] = double(r.position), out[kValue] = r.value, out[kBound] = r.bound, out[kThreads] = r.threads;
    const size_t rows = size_t(r.tried + (r.instr >= 0)), bytes = rows * size_t(session_->bound.program().spec.report_bytes);
    if (bytes == report.ByteLength()) return report;
    Napi::ArrayBuffer part = array_buffer(env, int64_t(bytes));
    if (bytes) memcpy(part.Data(), report.Data(), bytes);
    return part;
  }
  void report_into(Napi::ArrayBuffer report) { request_.report = static_cast<uint8_t*>(report.Data()); }
  std::atomic<int> stop{kRunOn};
  std::unique_ptr<Promised> promised;

 private:
  void fail() const {
    if (fail_ == "memory") throw std::bad_alloc();
    if (fail_ == "thread") throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again));
    if (fail_ == "error") throw std::runtime_error("a failure that was asked for");
    throw 1;
  }

  std::shared_ptr<Session> session_;
  std::string fail_;
  RunRequest request_;
  RunResult result_;
  napi_ref numbers_ = nullptr;
  bool ran_ = false;
};

class BindingWrap : public Napi::ObjectWrap<BindingWrap> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "Binding",
        {InstanceMethod<&BindingWrap::run>("run"), InstanceMethod<&BindingWrap::rebind>("rebind"),
         InstanceMethod<&BindingWrap::unbind>("unbind"), InstanceMethod<&BindingWrap::run_sync>("runSync"),
         InstanceMethod<&BindingWrap::start_profile>("startProfile"), InstanceMethod<&BindingWrap::profile>("profile"),
         InstanceMethod<&BindingWrap::stop>("stop"), InstanceMethod<&BindingWrap::end_early>("endEarly"),
         InstanceMethod<&BindingWrap::size_steps>("sizeSteps"), InstanceMethod<&BindingWrap::fail_next>("failNext"),
         InstanceMethod<&BindingWrap::dispose>("dispose")});
  }
  explicit BindingWrap(const Napi::CallbackInfo& info) : ObjectWrap(info) {}

  void init(Napi::Env env, std::shared_ptr<const Program> program, Napi::Array blocks, bool apart) {
    auto session = std::make_shared<Session>();
    const std::vector<Memory> memory = take(env, blocks, program->spec, *session);
    if (apart) check_apart(env, *session);
    if (Failure f = session->bound.bind(std::move(program), memory)) raise(env, f.code, f.message);
    session->apart = apart;
    AddonData& all = data(env);
    const int64_t arena = session->bound.program().shared_arena_bytes();
    session->workspace = (apart ? all.apart : all.lane).enter(arena);
    session->here = apart ? all.here.enter(arena) : session->workspace;
    session_ = std::move(session);
  }
  void Finalize(Napi::Env env) override { forget(env); }

 private:
  // The memory of blocks and of callers' arrays; `session` keeps them.
  static std::vector<Memory> take(Napi::Env env, Napi::Array blocks, const ProgramSpec& spec, Session& session) {
    std::vector<Memory> memory;
    std::unordered_set<const void*> known;
    for (uint32_t b = 0; b < blocks.Length(); b++) {
      const Napi::Value v = blocks[b];
      const bool writes = b < spec.block_writes.size() && spec.block_writes[b];
      bool is_block = false;
      if (v.IsObject()) napi_check_object_type_tag(env, v, &kBlockTag, &is_block);
      if (is_block) {
        std::shared_ptr<Block> block = BlockWrap::Unwrap(v.As<Napi::Object>())->block();
        if (!block) raise(env, "ERR_DISPOSED", "bind: block " + std::to_string(b) + " was disposed");
        memory.push_back({block->bytes.data(), block->bytes.size()});
        session.blocks.emplace_back(std::move(block), writes);
      } else {
        memory.push_back(pin(env, v, session, known, ("bind: block " + std::to_string(b)).c_str()));
      }
    }
    return memory;
  }
  // Others may run meanwhile.
  static void check_apart(Napi::Env env, const Session& session) {
    for (const auto& [block, writes] : session.blocks) {
      if (writes) raise(env, "ERR_OPTION", "bind: a program that writes to a block does not run apart");
    }
    if (!session.pinned.empty()) raise(env, "ERR_OPTION", "bind: a program bound to the caller's own arrays does not run apart");
  }

  // What is queued has the blocks of before: it must be none that takes others.
  const std::shared_ptr<Session>& idle(Napi::Env env, const char* name) const {
    const std::shared_ptr<Session>& s = session(env);
    if (!s->jobs.empty()) raise(env, "ERR_BUSY", std::string(name) + ": a run of the binding is queued or running");
    return s;
  }
  // Nothing is kept of the blocks; the next run comes after a rebind.
  void unbind(const Napi::CallbackInfo& info) {
    const std::shared_ptr<Session>& s = idle(info.Env(), "unbind");
    s->bound_now = false;
    s->blocks.clear();
    s->pinned.clear();
  }
  // Other blocks in place of all.
  void rebind(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const std::shared_ptr<Session>& s = idle(env, "rebind");
    if (!info[0].IsArray()) raise(env, "ERR_OPTION", "rebind: expected an array of blocks");
    allocating(env, [&] {
      Session other;
      const std::vector<Memory> memory = take(env, info[0].As<Napi::Array>(), s->bound.program().spec, other);
      if (s->apart) check_apart(env, other);
      if (Failure f = s->bound.rebind(memory)) raise(env, f.code, f.message);
      s->blocks.swap(other.blocks);
      s->pinned.swap(other.pinned);
      s->bound_now = true;
    });
  }

  // A caller's array: its buffer is kept, once however many arrays lie in it.
  static Memory pin(Napi::Env env, Napi::Value v, Session& session, std::unordered_set<const void*>& known, const char* name) {
    const View a = view(v, name);
    bool fixed = false;
    napi_is_arraybuffer(env, a.buffer, &fixed);
    if (fixed) fixed = !Napi::Object(env, a.buffer).Get("resizable").ToBoolean();
    if (!fixed)
      raise(env, "ERR_OPTION", std::string(name) + ": expected an array on a plain ArrayBuffer, neither shared nor resizable");
    Napi::ArrayBuffer buffer(env, a.buffer);
    if (buffer.IsDetached()) raise(env, "ERR_DETACHED", std::string(name) + ": the array's memory was transferred away");
    if (known.insert(buffer.Data()).second)
      session.pinned.push_back({Napi::Reference<Napi::ArrayBuffer>::New(buffer, 1), buffer.Data(), buffer.ByteLength()});
    return {a.data, a.bytes};
  }

  // The arguments (numbers, seed, feed, step).
  static RunRequest request(const Napi::CallbackInfo& info, const Program& program) {
    const ProgramSpec& spec = program.spec;
    const Napi::Env env = info.Env();
    const double* n = numbers(env, info[0]);
    for (int k = kSteps; k <= kGroup; k++) {
      const int64_t least = k == kSteps || k == kMicros || k == kThreads;
      if (!is_whole(n[k], least)) {
        raise(env, "ERR_OPTION",
              std::string("run: ") + kNames[k] + ": expected a whole number of at least " + std::to_string(least) + ", got " +
                  Napi::Number::New(env, n[k]).ToString().Utf8Value());
      }
    }
    if (n[kSteps] > INT32_MAX || n[kMicros] > INT32_MAX) raise(env, "ERR_OPTION", "run: too many steps or micros");
    if (n[kThreads] > kMaxThreads) {
      raise(env, "ERR_OPTION",
            "run: threads: expected at most " + std::to_string(kMaxThreads) + ", got " +
                Napi::Number::New(env, n[kThreads]).ToString().Utf8Value());
    }
    const double base = n[kBase], last = n[kBase] + n[kShare];
    if (last > n[kMicros] || n[kFirst] < base || n[kFirst] + (n[kShare] > 0) > n[kEnd] || n[kEnd] > last ||
        (n[kSteps] > 1 && (n[kFirst] > base || n[kEnd] < last)))
      raise(env, "ERR_OPTION", "run: first, end: expected a part of the micro-batches of one step");
    const double stages = double(program.stages.size());
    const bool all = n[kFrom] == 0 && n[kTo] == stages;
    if (n[kFrom] >= n[kTo] || n[kTo] > stages || (n[kSteps] > 1 && !all) || (n[kEnd] < last && n[kTo] - n[kFrom] > 1))
      raise(env, "ERR_OPTION",
            "run: from, to: expected stages of the program: one of a part of the micro-batches, all of several steps");
    if (n[kFirst] == n[kEnd] && program.once_reads_feed)
      raise(env, "ERR_OPTION", "run: share: what is done once reads a micro-batch, and there is none");
    RunRequest r;
    r.from = int64_t(n[kFrom]), r.to = int64_t(n[kTo]);
    r.base = int64_t(n[kBase]), r.share = int64_t(n[kShare]);
    r.wire = n[kGroup] > 0 && collective() ? &collective()->steps() : nullptr;
    r.first = int64_t(n[kFirst]), r.end = int64_t(n[kEnd]);
    r.steps = int64_t(n[kSteps]), r.micros = int64_t(n[kMicros]);
    r.attempt = uint64_t(n[kAttempt]), r.step_count = uint64_t(n[kStepCount]);
    r.skips = int64_t(n[kSkips]), r.max_skips = int64_t(n[kMaxSkips]);
    r.threads = int(n[kThreads]);
    bool lossless = false;
    if (info[1].IsBigInt()) r.seed = info[1].As<Napi::BigInt>().Uint64Value(&lossless);
    if (!lossless) raise(env, "ERR_OPTION", "run: seed: expected a bigint from 0 to 2^64 - 1");
    r.feed = rows(info[2], "run: feed", size_mul(r.steps * (r.end - r.first), spec.feed_bytes));
    r.step = rows(info[3], "run: step", size_mul(r.steps, spec.step_bytes));
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
    Bytes copy = Bytes::unset(bytes);
    if (!copy.data()) raise(v.Env(), "ERR_MEMORY", std::string(name) + ": no memory for a copy");
    if (bytes) memcpy(copy.data(), a.data, size_t(bytes));
    return copy;
  }
  const std::shared_ptr<Session>& session(Napi::Env env) const {
    if (!session_) raise(env, "ERR_DISPOSED", "run: the binding was disposed");
    return session_;
  }
  static void check_free(Napi::Env env, const Session& session) {
    if (!session.bound_now) raise(env, "ERR_DISPOSED", "run: the binding is bound to no memory");
    for (const auto& [block, writes] : session.blocks) {
      if (block->disposed) raise(env, "ERR_DISPOSED", "run: a block of the binding was disposed");
      if (writes && block->writers) {
        raise(env, "ERR_BUSY", "run: another run that writes to the same block is queued or running");
      }
      if (session.apart ? block->writers > 0 : writes && block->beside > 0) {
        raise(env, "ERR_BUSY", "run: a run beside this one, of which one writes to the same block, is queued or running");
      }
    }
  }

  Napi::Value run(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const std::shared_ptr<Session>& s = session(env);
    if (!s->pinned.empty()) raise(env, "ERR_OPTION", "run: a program bound to the caller's own arrays runs synchronously only");
    return allocating(env, [&]() -> Napi::Value {
      const ProgramSpec& spec = s->bound.program().spec;
      RunRequest r = request(info, s->bound.program());
      check_free(env, *s);
      const Napi::ArrayBuffer report = array_buffer(env, size_mul(r.steps, spec.report_bytes));
      if (info[4].ToBoolean() && !s->apart && r.threads == 1 && lane(env, *s).idle()) {
        RunJob job(s, std::move(r));
        job.report_into(report);
        return perform_here(env, job, info[0], report);
      }
      Executor& executor = lane(env, *s).start(env);
      auto job = std::make_unique<RunJob>(s, std::move(r));
      job->promise(env, info[0], report);
      const Napi::Promise promise = job->promised->promise;
      executor.submit(env, std::move(job));
      return promise;
    });
  }

  Napi::Value run_sync(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const std::shared_ptr<Session>& s = session(env);
    return allocating(env, [&]() -> Napi::Value {
      const ProgramSpec& spec = s->bound.program().spec;
      RunRequest r = request(info, s->bound.program());
      check_free(env, *s);
      check_pinned(env, *s);
      const Napi::ArrayBuffer report = array_buffer(env, size_mul(r.steps, spec.report_bytes));
      RunJob job(s, std::move(r));
      job.report_into(report);
      Lane& waits = lane(env, *s);
      if (s->apart ? s->jobs.empty() : job.threads() == 1 && waits.idle()) return perform_here(env, job, info[0], report);
      waits.start(env).wait(job);
      return job.result(env, numbers(env, info[0]), report);
    });
  }
  // On this thread, while the executor has nothing to do.
  static Napi::Value perform_here(Napi::Env env, RunJob& job, napi_value out, Napi::ArrayBuffer report) {
    const int granted = job.threads() == 0 ? 0 : acquire_threads(1);
    job.perform(nullptr, granted, kNever);
    release_threads(granted);
    return job.result(env, numbers(env, out), report);
  }
  static Lane& lane(Napi::Env env, const Session& session) { return session.apart ? data(env).apart : data(env).lane; }
  static void check_pinned(Napi::Env env, const Session& session) {
    for (const Pinned& p : session.pinned) {
      void* now = nullptr;
      size_t bytes = 0;
      napi_get_arraybuffer_info(env, p.buffer.Value(), &now, &bytes);
      if (now != p.data || bytes != p.bytes) raise(env, "ERR_DETACHED", "run: the memory of a bound array was transferred away");
    }
  }

  void stop(const Napi::CallbackInfo&) { ask(kStopNow); }
  void end_early(const Napi::CallbackInfo&) { ask(kEndEarly); }
  void ask(Stop how) {
    if (!session_) return;
    for (RunJob* job : session_->jobs) {
      if (job->stop < how) job->stop = how;
    }
  }
  // A profile is read and written between runs only.
  Profile& idle_profile(const Napi::CallbackInfo& info) const {
    const std::shared_ptr<Session>& s = session(info.Env());
    if (!s->jobs.empty()) raise(info.Env(), "ERR_BUSY", "profile: a run of the binding is queued or running");
    return s->bound.profile();
  }
  void start_profile(const Napi::CallbackInfo& info) {
    const bool balance = info[0].ToBoolean();
    allocating(info.Env(), [&] { idle_profile(info).start(session_->bound.program().instrs.size(), balance); });
  }
  Napi::Value profile(const Napi::CallbackInfo& info) {
    std::vector<Profile::Times> times;
    allocating(info.Env(), [&] { times = idle_profile(info).times(); });
    Napi::Float64Array out = Napi::Float64Array::New(info.Env(), times.size() * 5);
    for (size_t k = 0; k < times.size(); k++) {
      const Profile::Times& t = times[k];
      double* row = out.Data() + 5 * k;
      row[0] = double(t.calls), row[1] = double(t.wall_ns), row[2] = double(t.busy_ns);
      row[3] = double(t.barriers), row[4] = double(t.largest_ns);
    }
    return out;
  }
  // For tests: see Bound.
  void size_steps(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const View a = view(info[0], "sizeSteps");
    if (a.type != napi_int32_array) raise(env, "ERR_OPTION", "sizeSteps: expected an Int32Array");
    const int32_t* sizes = reinterpret_cast<const int32_t*>(a.data);
    session(env)->bound.size_steps({sizes, sizes + a.bytes / 4});
  }
  void fail_next(const Napi::CallbackInfo& info) { session(info.Env())->fail = info[0].ToString().Utf8Value(); }
  void dispose(const Napi::CallbackInfo& info) { forget(info.Env()); }
  void forget(Napi::Env env) {
    if (!session_) return;
    const int64_t arena = session_->bound.program().shared_arena_bytes();
    lane(env, *session_).leave(*session_->workspace, arena);
    if (session_->apart) data(env).here.leave(*session_->here, arena);
    session_.reset();
  }

  std::shared_ptr<Session> session_;
};

}   // namespace
}   // namespace gradclip
