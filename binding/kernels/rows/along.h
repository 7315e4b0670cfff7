// along.h: elements by index along an axis (takeAlong), and elements put where indices say (putAlong). Every index is checked.
#pragma once
#include "indices.h"
#include "../reduce/reduce_load.h"

namespace gradclip::GRADCLIP_ISA {
enum AlongInts { kAlongOuter, kAlongSize, kAlongCount, kAlongInner, kAlongIndex, kAlongBytes };

// Of lines that lie one after the other: the usual case.
template <typename T, typename I>
static void take_lines(const Args& a, const Team& team) {
  const int64_t size = a.i[kAlongSize], count = a.i[kAlongCount];
  const I* at = (const I*)a.in[1];
  T* y = (T*)a.out[0];
  const Range r = split(a.i[kAlongOuter] * count, team);
  for (int64_t k = r.begin; k < r.end;) {
    const int64_t o = k / count, end = (o + 1) * count < r.end ? (o + 1) * count : r.end;
    const T* const x = (const T*)a.in[0] + o * size;
    for (; k < end; k++) {
      const int64_t v = at[k];
      y[k] = index_ok(a, k, v, size) ? x[v] : (T)0;
    }
  }
}
template <typename T>
static void take_along_typed(const Args& a, const Team& team) {
  if (a.i[kAlongInner] == 1) return a.i[kAlongIndex] == 4 ? take_lines<T, int32_t>(a, team) : take_lines<T, uint8_t>(a, team);
  const int64_t size = a.i[kAlongSize], count = a.i[kAlongCount], inner = a.i[kAlongInner], bytes = a.i[kAlongIndex];
  const T* x = (const T*)a.in[0];
  T* y = (T*)a.out[0];
  const Range r = split(a.i[kAlongOuter] * count * inner, team);
  int64_t row = inner ? r.begin / inner : 0, c = r.begin - row * inner, o = count ? row / count : 0, left = (o + 1) * count - row;
  for (int64_t k = r.begin; k < r.end; k++) {
    const int64_t v = index_at(a.in[1], bytes, k);
    y[k] = index_ok(a, k, v, size) ? x[(o * size + v) * inner + c] : (T)0;
    if (++c == inner) {
      c = 0;
      if (--left == 0) o++, left = count;
    }
  }
}
// y[o, k, c] = x[o, indices[o, k, c], c]. x [outer, size, inner], y and indices [outer, count, inner].
// i: outer, size, count, inner, bytes of an index, bytes of an element
void takeAlong(const Args& a, const Team& team) {
  if (a.i[kAlongBytes] == 8) return take_along_typed<uint64_t>(a, team);
  a.i[kAlongBytes] == 4 ? take_along_typed<uint32_t>(a, team) : take_along_typed<uint8_t>(a, team);
}
static bool along_sizes(Need& n) {
  for (int k = 0; k <= kAlongInner; k++)
    if (n.i[k] < 0 || n.i[k] > Need::kMax) return n.fail("size out of range"), false;
  if (n.i[kAlongIndex] != 1 && n.i[kAlongIndex] != 4) return n.fail("indices are neither u8 nor i32"), false;
  return true;
}
void takeAlong_need(Need& n) {
  if (!along_sizes(n)) return;
  const int64_t outer = n.i[kAlongOuter], count = n.i[kAlongCount], inner = n.i[kAlongInner], bytes = n.i[kAlongBytes];
  if (bytes != 1 && bytes != 4 && bytes != 8) return n.fail("elements of another size");
  n.in[0] = size_of(outer, n.i[kAlongSize], inner, bytes);
  n.in[1] = size_of(outer, count, inner, n.i[kAlongIndex]);
  n.out[0] = size_of(outer, count, inner, bytes);
}

enum PutAlongInts { kPutAlongF64 = kAlongBytes, kPutAlongLast };
constexpr int64_t kPutColumns = 16;   // that are summed together

template <typename T, typename I, bool kLast>
static void put_lines(const Args& a, const Team& team) {
  const int64_t size = a.i[kAlongSize], count = a.i[kAlongCount];
  const Range r = split(a.i[kAlongOuter], team);
  for (int64_t o = r.begin; o < r.end; o++) {
    const T* const x = (const T*)a.in[0] + o * count;
    const I* const at = (const I*)a.in[1] + o * count;
    T* const y = (T*)a.out[0] + o * size;
    if constexpr (kLast) {
      memset(y, 0, size * sizeof(T));
      for (int64_t k = 0; k < count; k++)
        if (index_ok(a, o * count + k, at[k], size)) y[at[k]] = x[k];
    } else {
      double* const v = (double*)a.local;
      memset(v, 0, size * sizeof(double));
      for (int64_t k = 0; k < count; k++)
        if (index_ok(a, o * count + k, at[k], size)) v[at[k]] += (double)x[k];
      for (int64_t k = 0; k < size; k++) y[k] = (T)v[k];
    }
  }
}
template <typename T, typename I>
static void put_lines(const Args& a, const Team& team) {
  a.i[kPutAlongLast] ? put_lines<T, I, true>(a, team) : put_lines<T, I, false>(a, team);
}
template <typename T>
static void put_along_typed(const Args& a, const Team& team) {
  if (a.i[kAlongInner] == 1) return a.i[kAlongIndex] == 4 ? put_lines<T, int32_t>(a, team) : put_lines<T, uint8_t>(a, team);
  const int64_t size = a.i[kAlongSize], count = a.i[kAlongCount], inner = a.i[kAlongInner], bytes = a.i[kAlongIndex];
  const bool last = a.i[kPutAlongLast];
  const T* x = (const T*)a.in[0];
  T* y = (T*)a.out[0];
  double* v = (double*)a.local;
  const int64_t blocks = (inner + kPutColumns - 1) / kPutColumns;
  const Range r = split(a.i[kAlongOuter] * blocks, team);
  for (int64_t t = r.begin; t < r.end; t++) {
    const int64_t o = quotient(t, blocks), first = (t - o * blocks) * kPutColumns;
    const int64_t m = inner - first < kPutColumns ? inner - first : kPutColumns;
    memset(v, 0, size * m * sizeof(double));
    for (int64_t k = 0; k < count; k++) {
      for (int64_t c = 0; c < m; c++) {
        const int64_t at = (o * count + k) * inner + first + c, to = index_at(a.in[1], bytes, at);
        if (!index_ok(a, at, to, size)) continue;
        v[to * m + c] = last ? (double)x[at] : v[to * m + c] + (double)x[at];
      }
    }
    for (int64_t k = 0; k < size; k++)
      for (int64_t c = 0; c < m; c++) y[(o * size + k) * inner + first + c] = (T)v[k * m + c];
  }
}
// y[o, v, c] = the sum of x[o, k, c] over the k with indices[o, k, c] = v, in f64 in their order, or the last of them; 0 where there is none.
// i: outer, size, count, inner, bytes of an index, 1 if f64, 1 for the last
void putAlong(const Args& a, const Team& team) {
  a.i[kPutAlongF64] ? put_along_typed<double>(a, team) : put_along_typed<float>(a, team);
}
void putAlong_need(Need& n) {
  if (!along_sizes(n)) return;
  const int64_t outer = n.i[kAlongOuter], size = n.i[kAlongSize], count = n.i[kAlongCount], inner = n.i[kAlongInner];
  const int64_t bytes = n.i[kPutAlongF64] ? 8 : 4;
  n.in[0] = size_of(outer, count, inner, bytes);
  n.in[1] = size_of(outer, count, inner, n.i[kAlongIndex]);
  n.out[0] = size_of(outer, size, inner, bytes);
  n.local = size_of(size, inner < kPutColumns ? inner : kPutColumns, 8);
}
}   // namespace gradclip::GRADCLIP_ISA
