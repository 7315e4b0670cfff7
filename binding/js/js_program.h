// js_program.h: the class Program (NativeProgram in lib/native/addon.ts). For addon.cc alone.
#pragma once
#include "../dispatch.h"
#include "js_binding.h"

namespace gradclip {
namespace {

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
    allocating(env, [&] {
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
    for (double at : doubles(o.Get("cuts"), "cuts")) s.cuts.push_back(is_whole(at, 0) ? int64_t(at) : -1);
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
    return allocating(env, [&]() -> Napi::Value {
      Napi::Object binding = data(env).binding.New({});
      BindingWrap::Unwrap(binding)->init(env, program_, info[0].As<Napi::Array>(), info[1].ToBoolean());
      return binding;
    });
  }
  Napi::Value scratch_bytes(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), double(program_->scratch_bytes + program_->local_bytes));
  }

  std::shared_ptr<const Program> program_;
};

}   // namespace
}   // namespace gradclip
