// shape.h: the strided copy behind transpose, broadcastTo and slice.
#pragma once
#include "../transpose.h"

namespace gradclip::GRADCLIP_ISA {
// Steps through the outer dimensions of a strided view in row-major order.
struct Odometer {
  int rank;
  const int64_t *shape, *strides;
  int64_t k[8], at;
};
static void seek(Odometer& o, int64_t flat) {
  o.at = 0;
  for (int d = o.rank - 1; d >= 0; d--) {
    o.k[d] = flat % o.shape[d];
    flat /= o.shape[d];
    o.at += o.k[d] * o.strides[d];
  }
}
static inline void next(Odometer& o) {
  for (int d = o.rank - 1; d >= 0; d--) {
    o.at += o.strides[d];
    if (++o.k[d] < o.shape[d]) return;
    o.at -= o.shape[d] * o.strides[d];
    o.k[d] = 0;
  }
}

constexpr int64_t kCopyChunk = 4096;   // elements of a row handed out at once
constexpr int64_t kCopyTile = 32;      // rows and columns of a transposed tile

// y[i] = x[i * stride], i < n
template <typename T>
static inline void copy_row(const T* x, T* y, int64_t n, int64_t stride) {
  if (stride == 1) {
    memcpy(y, x, n * sizeof(T));
  } else if (stride == 0) {
    const T v = x[0];
    for (int64_t i = 0; i < n; i++) y[i] = v;
  } else {
    for (int64_t i = 0; i < n; i++) y[i] = x[i * stride];
  }
}

// y[a * ys + b] = x[b * xs + a], a < na, b < nb
template <typename T>
static inline void copy_tile(const T* x, int64_t xs, T* y, int64_t ys, int64_t na, int64_t nb) {
  if (sizeof(T) == sizeof(float)) return transpose_block((const float*)x, xs, (float*)y, ys, nb, na, nb);
  for (int64_t a = 0; a < na; a++)
    for (int64_t b = 0; b < nb; b++) y[a * ys + b] = x[b * xs + a];
}

// The input runs along dimension `along`, the output along the last one: tiles of those two keep both in cache.
template <typename T>
static void copy_transposed(const T* x, T* y, int rank, const int64_t* shape, const int64_t* strides, int along,
                            const Team& team) {
  int64_t outer_shape[8], x_strides[8], y_strides[8] = {}, run = 1;
  int n = 0;
  for (int d = rank - 1; d >= 0; d--) {
    y_strides[d] = run;
    run *= shape[d];
  }
  const int64_t na = shape[along], nb = shape[rank - 1], xs = strides[rank - 1], ys = y_strides[along];
  for (int d = 0; d < rank - 1; d++) {
    if (d == along) continue;
    outer_shape[n] = shape[d];
    x_strides[n] = strides[d];
    y_strides[n++] = y_strides[d];
  }
  int64_t outer = 1;
  for (int d = 0; d < n; d++) outer *= outer_shape[d];
  const int64_t ta = (na + kCopyTile - 1) / kCopyTile, tb = (nb + kCopyTile - 1) / kCopyTile;
  const Range r = split(outer * ta * tb, team);
  Odometer ox{n, outer_shape, x_strides, {}, 0}, oy{n, outer_shape, y_strides, {}, 0};
  for (int64_t t = r.begin; t < r.end; t++) {
    if (t == r.begin || t % (ta * tb) == 0) {
      seek(ox, t / (ta * tb));
      seek(oy, t / (ta * tb));
    }
    const int64_t a = t / tb % ta * kCopyTile, b = t % tb * kCopyTile;
    const int64_t la = na - a < kCopyTile ? na - a : kCopyTile, lb = nb - b < kCopyTile ? nb - b : kCopyTile;
    copy_tile(x + ox.at + b * xs + a, xs, y + oy.at + a * ys + b, ys, la, lb);
  }
}

template <typename T>
static void copy_typed(const T* x, T* y, int rank, const int64_t* shape, const int64_t* strides, const Team& team) {
  const int64_t n = rank ? shape[rank - 1] : 1, stride = rank ? strides[rank - 1] : 1;
  int64_t rows = 1;
  for (int d = 0; d < rank - 1; d++) rows *= shape[d];
  if (rows == 0 || n == 0) return;
  if (stride > 1) {
    for (int d = 0; d < rank - 1; d++)
      if (strides[d] == 1 && shape[d] >= 4) return copy_transposed(x, y, rank, shape, strides, d, team);
  }
  const int64_t chunks = (n + kCopyChunk - 1) / kCopyChunk;
  const Range r = split(rows * chunks, team);
  if (r.begin == r.end) return;
  Odometer o{rank > 0 ? rank - 1 : 0, shape, strides, {}, 0};
  int64_t row = r.begin / chunks, chunk = r.begin % chunks;
  seek(o, row);
  for (int64_t t = r.begin; t < r.end; t++) {
    const int64_t at = chunk * kCopyChunk;
    copy_row(x + o.at + at * stride, y + row * n + at, n - at < kCopyChunk ? n - at : kCopyChunk, stride);
    if (++chunk == chunks) {
      chunk = 0;
      row++;
      next(o);
    }
  }
}

enum CopyInts { kCopyBytes, kCopyOffset, kCopyShape };
// i: element bytes, offset, shape[rank], strides[rank] (in elements, none negative).
// Output element (k0, k1, ...) is input element offset + k0 * strides[0] + k1 * strides[1] + ...
void copy(const Args& a, const Team& team) {
  const int rank = (a.n_i - kCopyShape) / 2;
  const int64_t *shape = a.i + kCopyShape, *strides = shape + rank, offset = a.i[kCopyOffset];
  if (a.i[kCopyBytes] == 1)
    copy_typed((const uint8_t*)a.in[0] + offset, (uint8_t*)a.out[0], rank, shape, strides, team);
  else if (a.i[kCopyBytes] == 4)
    copy_typed((const uint32_t*)a.in[0] + offset, (uint32_t*)a.out[0], rank, shape, strides, team);
  else
    copy_typed((const uint64_t*)a.in[0] + offset, (uint64_t*)a.out[0], rank, shape, strides, team);
}
void copy_need(Need& n) {
  if (n.n_i < kCopyShape || n.n_i % 2 || n.n_i > kCopyShape + 2 * 8)
    return n.fail("expected an even number of integers, at most 8 dimensions");
  const int rank = (n.n_i - kCopyShape) / 2;
  const int64_t elem = n.i[kCopyBytes];
  if (elem != 1 && elem != 4 && elem != 8) return n.fail("element size is none of 1, 4, 8");
  int64_t count = elem, span = elem, last = n.i[kCopyOffset];   // count and span as in size_of
  if (last < 0 || last > Need::kMax) return n.fail("offset out of range");
  for (int d = 0; d < rank; d++) {
    const int64_t size = n.i[kCopyShape + d], stride = n.i[kCopyShape + rank + d];
    if (size < 0 || stride < 0) return n.fail("negative size or stride");
    count = size_mul(count, size), span = size_mul(span, size ? size : 1);
    last = last > Need::kMax ? last : last + size_mul(size > 0 ? size - 1 : 0, stride);
  }
  if (count == 0 && span > Need::kMaxEmpty) return n.fail("too large for an empty tensor");
  n.out[0] = count;
  n.in[0] = count == 0 ? 0 : size_mul(elem, last + 1);
}
}   // namespace gradclip::GRADCLIP_ISA
