// js_sizing.h: the class Sizing (see sizing.h), so that tests can play a neighbor to it without a clock. For addon.cc alone.
#pragma once
#include "js.h"
#include "../sizing.h"

namespace gradclip {
namespace {

class SizingWrap : public Napi::ObjectWrap<SizingWrap> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Sizing", {InstanceMethod<&SizingWrap::size>("size"), InstanceMethod<&SizingWrap::took>("took")});
  }
  explicit SizingWrap(const Napi::CallbackInfo& info) : ObjectWrap(info) {}

 private:
  Napi::Value size(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), sizing_.size(int(whole(info[0], "size: most", 1))));
  }
  void took(const Napi::CallbackInfo& info) {
    int64_t n[5];
    for (size_t k = 0; k < 5; k++) n[k] = whole(info[k], "took", 0);
    sizing_.took(int(n[0]), n[1], n[2], n[3], n[4]);
  }
  Sizing sizing_;
};

}   // namespace
}   // namespace gradclip
