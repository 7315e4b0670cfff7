// js_rows.h: the function rows (lib/native/rows.ts): columns in typed arrays become rows in another one (rows.h). For addon.cc alone.
#pragma once
#include <vector>

#include "../rows.h"
#include "js.h"

namespace gradclip {
namespace {

std::vector<Column> columns_of(Napi::Env env, const Napi::Array& given, int64_t count) {
  std::vector<Column> columns(given.Length());
  for (size_t c = 0; c < columns.size(); c++) {
    const View v = view(given.Get(uint32_t(c)), "rows: column");
    // Halves are of no type that this version of Node-API knows.
    if (int32_t(v.type) < 0 || int32_t(v.type) >= kColumnTypes)
      raise(env, "ERR_OPTION", "rows: column " + std::to_string(c) + ": expected an array of another type");
    const int64_t length = v.bytes / kColumnBytes[v.type];
    if (count > length) {
      raise(
          env, "ERR_OPTION",
          "rows: column " + std::to_string(c) + " has " + std::to_string(length) + " values, expected " + std::to_string(count));
    }
    columns[c] = {v.data, ColumnType(v.type)};
  }
  return columns;
}

template <class T>
int64_t put_into(const View& to, const std::vector<Column>& columns, int64_t at, const int32_t* places, int64_t count) {
  const int64_t width = int64_t(columns.size());
  return put_rows(columns.data(), width, reinterpret_cast<T*>(to.data) + (places ? 0 : at * width), places, count);
}

// rows(target, columns, count, at, places?): the first value that the target does not have, as row * width + column; -1: it has all.
Napi::Value rows(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const View to = view(info[0], "rows: target");
  if (to.type != napi_float32_array && to.type != napi_int32_array && to.type != napi_uint8_array)
    raise(env, "ERR_OPTION", "rows: target: expected a Float32Array, Int32Array or Uint8Array");
  if (!info[1].IsArray() || info[1].As<Napi::Array>().Length() == 0)
    raise(env, "ERR_OPTION", "rows: columns: expected at least one, in an array");
  const Napi::Array given = info[1].As<Napi::Array>();
  const int64_t count = whole(info[2], "rows: count", 0), at = whole(info[3], "rows: at", 0);
  const int64_t room = to.bytes / (to.type == napi_uint8_array ? 1 : 4) / int64_t(given.Length());
  const int32_t* places = nullptr;
  if (info[4].IsUndefined()) {
    if (at > room || count > room - at) {
      raise(env, "ERR_OPTION",
            "rows: the target has room for " + std::to_string(room) + " rows, not for " + std::to_string(count) + " from " +
                std::to_string(at) + " on");
    }
  } else {
    const View v = view(info[4], "rows: places");
    if (v.type != napi_int32_array || v.bytes / 4 < count)
      raise(env, "ERR_OPTION", "rows: places: expected an Int32Array with a place for each row");
    places = reinterpret_cast<const int32_t*>(v.data);
    for (int64_t r = 0; r < count; r++) {
      if (places[r] < 0 || places[r] >= room) {
        raise(env, "ERR_OPTION",
              "rows: the target has room for " + std::to_string(room) + " rows, not for one at " + std::to_string(places[r]));
      }
    }
  }
  return allocating(env, [&]() -> Napi::Value {
    const std::vector<Column> columns = columns_of(env, given, count);
    const int64_t wrong = to.type == napi_float32_array ? put_into<float>(to, columns, at, places, count)
                          : to.type == napi_int32_array ? put_into<int32_t>(to, columns, at, places, count)
                                                        : put_into<uint8_t>(to, columns, at, places, count);
    return Napi::Number::New(env, double(wrong));
  });
}

}   // namespace
}   // namespace gradclip
