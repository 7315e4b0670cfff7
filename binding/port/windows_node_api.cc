// windows_node_api.cc: the functions of Node-API, found in the program that loads the add-on. An import library would name that program, and node.exe may
// have another name, or be electron.exe, bun.exe or deno.exe: so the table of imports is made here, when the add-on is loaded.
#define WIN32_LEAN_AND_MEAN
#include <node_api.h>
#include <windows.h>

#include <initializer_list>

// What is declared as imported is called through a pointer of this name.
extern "C" {
#define GRADCLIP_NODE_API(name) void* __imp_##name;
#include "windows_node_api.inc"
#undef GRADCLIP_NODE_API
}

namespace gradclip {
namespace {

struct Import {
  const char* name;
  void** at;
};
const Import kImports[] = {
#define GRADCLIP_NODE_API(name) {#name, &__imp_##name},
#include "windows_node_api.inc"
#undef GRADCLIP_NODE_API
};

// In place of a function that the program does not have.
napi_status absent() { return napi_generic_failure; }

// The program itself, or the library that has its engine.
HMODULE host() {
  for (const wchar_t* name : {static_cast<const wchar_t*>(nullptr), L"node.dll", L"libnode.dll"}) {
    const HMODULE module = GetModuleHandleW(name);
    if (module && GetProcAddress(module, "napi_create_function")) return module;
  }
  return nullptr;
}

const bool imported = [] {
  const HMODULE from = host();
  for (const Import& import : kImports) {
    void* const function = from ? reinterpret_cast<void*>(GetProcAddress(from, import.name)) : nullptr;
    *import.at = function ? function : reinterpret_cast<void*>(&absent);
  }
  return from != nullptr;
}();

}   // namespace
}   // namespace gradclip
