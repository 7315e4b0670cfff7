// rows.h: columns of a table become rows: values that lie one after the other, a column each, of any type, side by side in another.
#pragma once
#include <stdint.h>

namespace gradclip {

// Types of the values of a column: JavaScript's typed arrays, numbered as Node-API numbers them.
enum ColumnType : int32_t {
  kColumnI8,
  kColumnU8,
  kColumnU8Clamped,
  kColumnI16,
  kColumnU16,
  kColumnI32,
  kColumnU32,
  kColumnF32,
  kColumnF64,
  kColumnI64,
  kColumnU64,
  kColumnTypes
};
constexpr int32_t kColumnBytes[kColumnTypes] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8};

struct Column {
  const void* data;
  ColumnType type;
};

inline double widest(float x) { return double(x); }
inline double widest(double x) { return x; }
inline int64_t widest(int8_t x) { return x; }
inline int64_t widest(int16_t x) { return x; }
inline int64_t widest(int32_t x) { return x; }
inline int64_t widest(int64_t x) { return x; }
inline uint64_t widest(uint8_t x) { return x; }
inline uint64_t widest(uint16_t x) { return x; }
inline uint64_t widest(uint32_t x) { return x; }
inline uint64_t widest(uint64_t x) { return x; }

// What a row is made of: y = x, or false where it has no such value.
// f32 has all: the nearest one, ties to even, of 64-bit integers too, which are rounded once; what is too large is infinite, and a NaN stays one.
template <class S>
inline bool take(S x, float* y) {
  *y = float(x);
  return true;
}
template <class T>
struct Whole;
template <>
struct Whole<int32_t> {
  static constexpr int64_t least = INT32_MIN, most = INT32_MAX;
};
template <>
struct Whole<uint8_t> {
  static constexpr int64_t least = 0, most = UINT8_MAX;
};
template <class T>
inline bool holds(int64_t x) {
  return x >= Whole<T>::least && x <= Whole<T>::most;
}
template <class T>
inline bool holds(uint64_t x) {
  return x <= uint64_t(Whole<T>::most);
}
template <class T>
inline bool holds(double x) {
  return x >= double(Whole<T>::least) && x <= double(Whole<T>::most) && double(int64_t(x)) == x;
}
template <class S>
inline bool take(S x, int32_t* y) {
  const bool held = holds<int32_t>(widest(x));
  if (held) *y = int32_t(x);
  return held;
}
template <class S>
inline bool take(S x, uint8_t* y) {
  const bool held = holds<uint8_t>(widest(x));
  if (held) *y = uint8_t(x);
  return held;
}

// Values of one column into rows of `width`: those that `places` names, or, null, one after the other. The first that T does not have; -1: it has all.
template <class T, class S>
int64_t put_column(const S* x, T* y, int64_t width, const int32_t* places, int64_t count) {
  if (places) {
    for (int64_t r = 0; r < count; r++)
      if (!take(x[r], y + places[r] * width)) return r;
  } else {
    for (int64_t r = 0; r < count; r++)
      if (!take(x[r], y + r * width)) return r;
  }
  return -1;
}
template <class T>
int64_t put_column(const Column& column, int64_t from, T* y, int64_t width, const int32_t* places, int64_t count) {
  switch (column.type) {
    case kColumnI8:
      return put_column(static_cast<const int8_t*>(column.data) + from, y, width, places, count);
    case kColumnU8:
    case kColumnU8Clamped:
      return put_column(static_cast<const uint8_t*>(column.data) + from, y, width, places, count);
    case kColumnI16:
      return put_column(static_cast<const int16_t*>(column.data) + from, y, width, places, count);
    case kColumnU16:
      return put_column(static_cast<const uint16_t*>(column.data) + from, y, width, places, count);
    case kColumnI32:
      return put_column(static_cast<const int32_t*>(column.data) + from, y, width, places, count);
    case kColumnU32:
      return put_column(static_cast<const uint32_t*>(column.data) + from, y, width, places, count);
    case kColumnF32:
      return put_column(static_cast<const float*>(column.data) + from, y, width, places, count);
    case kColumnF64:
      return put_column(static_cast<const double*>(column.data) + from, y, width, places, count);
    case kColumnI64:
      return put_column(static_cast<const int64_t*>(column.data) + from, y, width, places, count);
    case kColumnU64:
      return put_column(static_cast<const uint64_t*>(column.data) + from, y, width, places, count);
    default:
      return 0;
  }
}

// Values that are written before the next column is read: rows of them stay in L1, and of a column whole lines of the cache are read.
constexpr int64_t kTileValues = 4096, kTileRows = 16;

// The first `count` values of all columns as rows of `y`, as put_column does it. The first value that T does not have, as row * width + column; -1: it has all.
template <class T>
int64_t put_rows(const Column* columns, int64_t width, T* y, const int32_t* places, int64_t count) {
  const int64_t fit = kTileValues / width, tile = fit > kTileRows ? fit : kTileRows;
  for (int64_t r = 0; r < count; r += tile) {
    const int64_t n = count - r < tile ? count - r : tile;
    T* to = places ? y : y + r * width;
    for (int64_t c = 0; c < width; c++) {
      const int64_t wrong = put_column(columns[c], r, to + c, width, places ? places + r : nullptr, n);
      if (wrong >= 0) return (r + wrong) * width + c;
    }
  }
  return -1;
}

}   // namespace gradclip
