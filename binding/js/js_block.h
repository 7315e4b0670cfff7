// js_block.h: the class Block (NativeBlock in lib/native/addon.ts), its asynchronous reads and copies. For addon.cc alone.
#pragma once
#include "../memory/block.h"
#include "js.h"

namespace gradclip {
namespace {

class ReadJob : public Job {
 public:
  ReadJob(Napi::Env env, std::shared_ptr<Block> block, int64_t offset, int64_t bytes)
      : promised(env, array_buffer(env, bytes)), block_(std::move(block)), offset_(offset), bytes_(bytes) {
    block_->use(false);
  }
  ~ReadJob() override { block_->unuse(false); }
  void work(Crew*, int, const std::atomic<bool>&) override {
    if (bytes_) memcpy(promised.data, block_->bytes.data() + offset_, size_t(bytes_));
  }
  void done(napi_env env) override {
    promised.settle(env, [&](Napi::ArrayBuffer b) {
      raise_thrown(env, "block.readAsync", *this);
      return b;
    });
  }
  Promised promised;

 private:
  std::shared_ptr<Block> block_;
  int64_t offset_, bytes_;
};

// Of one of several blocks, to a place in another.
struct Part {
  int64_t source, from, to, bytes;
};
class CopyJob : public Job {
 public:
  CopyJob(std::vector<std::shared_ptr<Block>> sources, std::shared_ptr<Block> to, std::vector<Part> parts)
      : sources_(std::move(sources)), to_(std::move(to)), parts_(std::move(parts)) {}
  ~CopyJob() override {
    if (!promised) return;
    for (auto& source : sources_) source->unuse(false);
    to_->unuse(true);
  }
  // Makes it asynchronous.
  Napi::Promise promise(Napi::Env env) {
    promised = std::make_unique<Promised>(env, array_buffer(env, 0));
    for (auto& source : sources_) source->use(false);
    to_->use(true);
    return promised->promise;
  }
  void work(Crew*, int, const std::atomic<bool>&) override {
    for (const Part& p : parts_)
      memcpy(to_->bytes.data() + p.to, sources_[size_t(p.source)]->bytes.data() + p.from, size_t(p.bytes));
  }
  void done(napi_env env) override {
    promised->settle(env, [&](Napi::ArrayBuffer) {
      raise_thrown(env, "block.copy", *this);
      return Napi::Env(env).Undefined();
    });
  }
  std::unique_ptr<Promised> promised;

 private:
  std::vector<std::shared_ptr<Block>> sources_;
  std::shared_ptr<Block> to_;
  std::vector<Part> parts_;
};

// Whether an ArrayBuffer may be on memory that V8 did not give. Not where it keeps all of it within a cage, as in Electron.
bool takes_external(napi_env env) {
#ifdef NODE_API_NO_EXTERNAL_BUFFERS_ALLOWED
  return false;
#else
  const auto end = [](napi_env, void* data, void*) { free(data); };
  void* const memory = calloc(1, 1);
  napi_value buffer;
  if (memory && napi_create_external_arraybuffer(env, memory, 1, end, nullptr, &buffer) == napi_ok) return true;
  free(memory);
  return false;
#endif
}

// A SharedArrayBuffer, and an array on some of its bytes. Nobody can detach one, and it lives as long as anybody refers to it.
Napi::Object new_of(Napi::Env env, const char* type, std::initializer_list<napi_value> args) {
  const Napi::Value made_by = env.Global().Get(type);
  if (!made_by.IsFunction()) raise(env, "ERR_MEMORY", std::string("block: this process has no ") + type);
  return made_by.As<Napi::Function>().New(args);
}

class BlockWrap : public Napi::ObjectWrap<BlockWrap> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Block",
                       {InstanceAccessor<&BlockWrap::bytes>("bytes"), InstanceMethod<&BlockWrap::write>("write"),
                        InstanceMethod<&BlockWrap::read>("read"), InstanceMethod<&BlockWrap::read_async>("readAsync"),
                        InstanceMethod<&BlockWrap::copy>("copy"), InstanceMethod<&BlockWrap::copy_sync>("copySync"),
                        InstanceMethod<&BlockWrap::make_view>("view"), InstanceMethod<&BlockWrap::dispose>("dispose")});
  }
  explicit BlockWrap(const Napi::CallbackInfo& info) : ObjectWrap(info) {
    const Napi::Env env = info.Env();
    const int64_t bytes = whole(info[0], "block", 0);
    if (bytes <= Need::kMax) block_ = allocating(env, [&] { return std::make_shared<Block>(memory(env, bytes)); });
    if (!block_ || !block_->bytes.data())
      raise(env, "ERR_MEMORY", "block: the system does not give " + std::to_string(bytes) + " bytes");
    napi_type_tag_object(env, info.This(), &kBlockTag);
    Napi::MemoryManagement::AdjustExternalMemory(env, bytes);
    size_ = bytes;
  }
  // Collected, not disposed: a binding that outlives the object keeps the memory.
  void Finalize(Napi::Env env) override { let_go(env); }
  std::shared_ptr<Block> block() const { return block_; }

 private:
  Bytes memory(Napi::Env env, int64_t bytes) {
    if (data(env).external) return Bytes(bytes);
    Napi::Object shared;
    try {
      shared = new_of(env, "SharedArrayBuffer", {Napi::Number::New(env, double(Bytes::room(bytes)))});
    } catch (const Napi::Error& e) {
      if (e.Get("code").IsString()) throw;
      return Bytes();   // a RangeError: there is no such memory
    }
    auto kept = std::make_shared<Napi::ObjectReference>(Napi::Persistent(shared));
    shared_ = kept;
    return Bytes(bytes, array_on(env, shared, 0, 1).Data(), kept);
  }
  static Napi::Uint8Array array_on(Napi::Env env, napi_value buffer, int64_t offset, int64_t bytes) {
    return new_of(env, "Uint8Array", {buffer, Napi::Number::New(env, double(offset)), Napi::Number::New(env, double(bytes))})
        .As<Napi::Uint8Array>();
  }
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
    return allocating(env, [&]() -> Napi::Value {
      Executor& executor = data(env).lane.start(env);
      auto job = std::make_unique<ReadJob>(env, block_, offset, bytes);
      const Napi::Promise promise = job->promised.promise;
      executor.submit(env, std::move(job));
      return promise;
    });
  }
  // The arguments (sources, parts): which source, from, to and bytes of each, in one Float64Array.
  std::unique_ptr<CopyJob> copying(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const View a = view(info[1], "block.copy: parts");
    if (!info[0].IsArray() || a.type != napi_float64_array || a.bytes % 32)
      raise(env, "ERR_OPTION", "block.copy: expected an array of blocks and a Float64Array of four numbers for each part");
    const Napi::Array given = info[0].As<Napi::Array>();
    std::vector<BlockWrap*> wraps;
    std::vector<std::shared_ptr<Block>> sources;
    for (uint32_t b = 0; b < given.Length(); b++) {
      const Napi::Value v = given[b];
      bool is_block = false;
      if (v.IsObject()) napi_check_object_type_tag(env, v, &kBlockTag, &is_block);
      if (!is_block) raise(env, "ERR_OPTION", "block.copy: expected blocks");
      wraps.push_back(BlockWrap::Unwrap(v.As<Napi::Object>()));
      sources.push_back(wraps.back()->block_);
      if (sources.back() && sources.back() == block_) raise(env, "ERR_OPTION", "block.copy: expected other blocks");
    }
    const double* n = reinterpret_cast<const double*>(a.data);
    std::vector<Part> parts;
    for (int64_t k = 0; k < a.bytes / 8; k += 4) {
      for (int64_t j = k; j < k + 4; j++) {
        if (!is_whole(n[j], 0) || (j == k && n[j] >= double(wraps.size())))
          raise(env, "ERR_OPTION", "block.copy: parts: expected whole numbers, the first of each below that of the blocks");
      }
      const Part p{int64_t(n[k]), int64_t(n[k + 1]), int64_t(n[k + 2]), int64_t(n[k + 3])};
      wraps[size_t(p.source)]->range(env, "block.copy", p.from, p.bytes);
      range(env, "block.copy", p.to, p.bytes);
      if (p.bytes) parts.push_back(p);
    }
    for (const auto& source : sources) {
      if (!source) raise(env, "ERR_DISPOSED", "block.copy: a block was disposed");
    }
    if (block_ && block_->users) raise(env, "ERR_BUSY", "block.copy: a run that uses the block is queued or running");
    return std::make_unique<CopyJob>(std::move(sources), block_, std::move(parts));
  }
  Napi::Value copy(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return allocating(env, [&]() -> Napi::Value {
      std::unique_ptr<CopyJob> job = copying(info);
      Executor& executor = data(env).lane.start(env);
      const Napi::Promise promise = job->promise(env);
      executor.submit(env, std::move(job));
      return promise;
    });
  }
  void copy_sync(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    allocating(env, [&] {
      const std::unique_ptr<CopyJob> job = copying(info);
      Lane& lane = data(env).lane;
      if (lane.idle()) {
        job->perform(nullptr, 1, kNever);
      } else {
        lane.start(env).wait(*job);
      }
      raise_thrown(env, "block.copy", *job);
    });
  }
  // An array on the block's own bytes: of an ArrayBuffer of these alone, or of the SharedArrayBuffer that all of them lie in. The bytes live as long as
  // it does; to detach or to transfer it frees nothing else.
  Napi::Value make_view(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const int64_t offset = whole(info[0], "block.view: offset", 0), bytes = whole(info[1], "block.view: bytes", 1);
    uint8_t* from = range(env, "block.view", offset, bytes);
    if (const std::shared_ptr<Napi::ObjectReference> shared = shared_.lock()) {
      const Napi::Object all = shared->Value();
      return array_on(env, all, from - array_on(env, all, 0, 1).Data(), bytes);
    }
#ifdef NODE_API_NO_EXTERNAL_BUFFERS_ALLOWED
    return env.Undefined();   // there are no other blocks
#else
    return allocating(env, [&]() -> Napi::Value {
      auto kept = std::make_unique<Viewed>(Viewed{block_});
      const Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, from, size_t(bytes), Viewed::end, kept.get());
      kept.release()->block->views++;
      // V8 counts these bytes once more. What we took off for that could be taken off before it is added: newer ones end the process below 0.
      return Napi::Uint8Array::New(env, size_t(bytes), buffer, 0);
    });
#endif
  }
  struct Viewed {
    std::shared_ptr<Block> block;
    static void end(Napi::Env, void*, Viewed* self) {
      self->block->unview();
      delete self;
    }
  };
  void dispose(const Napi::CallbackInfo& info) { forget(info.Env()); }
  void forget(Napi::Env env) {
    if (block_) block_->dispose();
    let_go(env);
  }
  void let_go(Napi::Env env) {
    if (!block_) return;
    block_.reset();
    Napi::MemoryManagement::AdjustExternalMemory(env, -size_);
  }

  std::shared_ptr<Block> block_;
  std::weak_ptr<Napi::ObjectReference> shared_;   // the SharedArrayBuffer that the block's memory is of, if it is
  int64_t size_ = 0;
};

}   // namespace
}   // namespace gradclip
