// addon.cc: the whole Node-API surface (lib/native/addon.ts gives it types). The only file that includes <napi.h>.
#include <napi.h>

#include "js_mpi.h"
#include "js_program.h"
#include "js_rows.h"
#include "js_sizing.h"
#include "../port/port.h"
#include "../region/region.h"

namespace gradclip {
namespace {

Napi::Object init(Napi::Env env, Napi::Object exports) {
  if (!dispatch().error.empty()) raise(env, "ERR_OPTION", dispatch().error);
  if (!default_threads().error.empty()) raise(env, "ERR_OPTION", default_threads().error);
  if (!region().error.empty()) raise(env, "ERR_ADDON", region().error);
  if (!poison_asked().error.empty()) raise(env, "ERR_OPTION", poison_asked().error);
  port::stay_loaded();
  auto* shared = new AddonData();
  shared->binding = Napi::Persistent(BindingWrap::define(env));
  shared->external = takes_external(env);
  env.SetInstanceData(shared);

  const KernelTable& table = *dispatch().tables[0];
  Napi::Array kernels = Napi::Array::New(env), maps = Napi::Array::New(env), isas = Napi::Array::New(env);
  for (int32_t k = 0; k < table.n_kernels; k++) kernels.Set(uint32_t(k), table.kernels[k].name);
  for (int32_t m = 0; m < table.n_maps; m++) {
    Napi::Object map = Napi::Object::New(env);
    map.Set("name", table.maps[m].name);
    map.Set("arity", table.maps[m].arity);
    map.Set("ends", table.maps[m].end != kMapInside);
    map.Set("sloped", table.maps[m].end == kMapSloped);
    maps.Set(uint32_t(m), map);
  }
  Napi::Object hyper = Napi::Object::New(env);
  for (int32_t k = 0; k < table.n_kernels; k++)
    if (table.kernels[k].hyper) hyper.Set(table.kernels[k].name, table.kernels[k].hyper());
  for (const KernelTable* t : dispatch().tables) isas.Set(isas.Length(), t->isa);
  Napi::Object threads = Napi::Object::New(env);
  threads.Set("count", default_threads().count);
  threads.Set("reason", default_threads().reason);

  exports.Set("version", GRADCLIP_VERSION);
  exports.Set("Block", BlockWrap::define(env));
  exports.Set("Program", ProgramWrap::define(env));
  exports.Set("Sizing", SizingWrap::define(env));
  exports.Set("kernels", kernels);
  exports.Set("hyper", hyper);
  exports.Set("maps", maps);
  exports.Set("isas", isas);
  exports.Set("isa", table.isa);
  exports.Set("threads", threads);
  exports.Set("team", region().team);
  exports.Set("externalBuffers", shared->external);
  exports.Set("mpi", MpiFunctions::make(env));
  exports.Set("rows", Napi::Function::New(env, rows));
  exports.Set("untouched", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                return Napi::Number::New(info.Env(), double(untouched_bytes()));
              }));
  return exports;
}

}   // namespace
}   // namespace gradclip

static Napi::Object gradclip_init(Napi::Env env, Napi::Object exports) { return gradclip::init(env, exports); }
NODE_API_MODULE(gradclip, gradclip_init)
