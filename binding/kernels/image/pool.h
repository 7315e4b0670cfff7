// pool.h: max and average pooling of planes [height, width], and their gradients. What is chosen or added is chosen and added in
// one order, window by window, so no path below changes a bit.
#pragma once
#include "../simd.h"

namespace gradclip::GRADCLIP_ISA {
enum PoolInts {
  kPoolPlanes,
  kPoolH,
  kPoolW,
  kPoolOh,
  kPoolOw,
  kPoolKh,
  kPoolKw,
  kPoolSh,
  kPoolSw,
  kPoolPh,
  kPoolPw,
  kPoolDh,
  kPoolDw,
  kPoolRelu
};
struct PoolShape {
  int64_t planes, h, w, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw;
  bool relu;
};
static inline PoolShape pool_shape(const int64_t* i) {
  return {i[kPoolPlanes], i[kPoolH],  i[kPoolW],  i[kPoolOh], i[kPoolOw], i[kPoolKh], i[kPoolKw],
          i[kPoolSh],     i[kPoolSw], i[kPoolPh], i[kPoolPw], i[kPoolDh], i[kPoolDw], i[kPoolRelu] != 0};
}
// Windows of 2 by 2, side by side, all inside.
static inline bool pool_is_quad(const PoolShape& s) {
  return s.kh == 2 && s.kw == 2 && s.sh == 2 && s.sw == 2 && !s.ph && !s.pw && s.dh == 1 && s.dw == 1 && 2 * s.oh <= s.h &&
         2 * s.ow <= s.w;
}
// Places in a window and one that stands for none: in a byte where that is enough.
static inline bool pool_small(const PoolShape& s) { return s.kh * s.kw < 256; }

// The windows [lo, hi) of a dimension whose element at `off` from their first one lies in it.
static inline Range pool_inside(int64_t off, int64_t stride, int64_t size, int64_t count) {
  const int64_t lo = off >= 0 ? 0 : quotient(-off + stride - 1, stride);
  const int64_t hi = size <= off ? 0 : quotient(size - off + stride - 1, stride);
  return {lo, hi < count ? hi : count};
}

// b replaces a: larger, or NaN.
INLINE M pool_takes(F a, F b) { return mor(lt(a, b), mnot(eq(b, b))); }

// One row of windows of 2 by 2: n <= L outputs. Of the `room` bytes of `place` L may be written, where there are so many: what lies behind
// is written later.
INLINE void pool_quad_group(const float* x0, const float* x1, float* y, uint8_t* place, int n, int64_t room, bool relu) {
  const F a0 = load_n(x0, 2 * n), a1 = load_n(x0 + L, 2 * n - L), b0 = load_n(x1, 2 * n), b1 = load_n(x1 + L, 2 * n - L);
  F best = even(a0, a1), at = set1(0.f);
  const F others[3] = {odd(a0, a1), even(b0, b1), odd(b0, b1)};
  for (int k = 0; k < 3; k++) {
    const M m = pool_takes(best, others[k]);
    best = select(m, others[k], best);
    at = select(m, set1((float)(k + 1)), at);
  }
  if (relu) {
    at = select(le(best, set1(0.f)), set1(255.f), at);
    best = max(set1(0.f), best);
  }
  int32_t t[L];
  istore(t, to_int(at));
  store_part(y, best, n);
  if (room >= L)
    for (int k = 0; k < L; k++) place[k] = (uint8_t)t[k];
  else
    for (int k = 0; k < n; k++) place[k] = (uint8_t)t[k];
}

// A row of windows of any kind: element by element of the window, for all windows that have it.
template <typename P, int kStride>
static void pool_row_max(const float* plane, const PoolShape& s, int64_t oy, float* __restrict y, P* __restrict place) {
  const int64_t step = kStride ? kStride : s.sw;
  for (int64_t o = 0; o < s.ow; o++) {
    y[o] = -__builtin_inff();
    place[o] = (P)-1;
  }
  for (int64_t ky = 0; ky < s.kh; ky++) {
    const int64_t iy = oy * s.sh - s.ph + ky * s.dh;
    if (iy < 0 || iy >= s.h) continue;
    for (int64_t kx = 0; kx < s.kw; kx++) {
      const int64_t off = kx * s.dw - s.pw;
      const Range r = pool_inside(off, step, s.w, s.ow);
      const float* __restrict x = plane + iy * s.w + off;
      const P here = (P)(ky * s.kw + kx);
      for (int64_t o = r.begin; o < r.end; o++) {
        const float v = x[o * step], best = y[o];
        const bool takes = (v > best) | (v != v) | (place[o] == (P)-1);
        y[o] = takes ? v : best;
        place[o] = takes ? here : place[o];
      }
    }
  }
  if (!s.relu) return;
  for (int64_t o = 0; o < s.ow; o++) {
    if (y[o] <= 0.f) place[o] = (P)-1;
    if (y[o] < 0.f) y[o] = 0.f;
  }
}

// i: planes, height, width, of y too, then of the windows: size, stride, padding, dilation (each down and across), 1 for relu
void maxPool(const Args& a, const Team& team) {
  const PoolShape s = pool_shape(a.i);
  const Range r = split(s.planes * s.oh, team);
  const bool quad = pool_is_quad(s), small = pool_small(s);
  for (int64_t t = r.begin; t < r.end; t++) {
    const int64_t p = quotient(t, s.oh), oy = t - p * s.oh;
    const float* plane = (const float*)a.in[0] + p * s.h * s.w;
    float* y = (float*)a.out[0] + t * s.ow;
    if (quad) {
      const float* x = plane + 2 * oy * s.w;
      for (int64_t o = 0; o < s.ow; o += L) {
        const int n = (int)(s.ow - o < L ? s.ow - o : L);
        pool_quad_group(x + 2 * o, x + s.w + 2 * o, y + o, (uint8_t*)a.out[1] + t * s.ow + o, n, (r.end - t) * s.ow - o, s.relu);
      }
    } else if (!small) {
      pool_row_max<int32_t, 0>(plane, s, oy, y, (int32_t*)a.out[1] + t * s.ow);
    } else {
      uint8_t* place = (uint8_t*)a.out[1] + t * s.ow;
      s.sw == 1   ? pool_row_max<uint8_t, 1>(plane, s, oy, y, place)
      : s.sw == 2 ? pool_row_max<uint8_t, 2>(plane, s, oy, y, place)
                  : pool_row_max<uint8_t, 0>(plane, s, oy, y, place);
    }
  }
}

// What both need: x and y.
static bool pool_need(Need& n) {
  const PoolShape s = pool_shape(n.i);
  for (int k = 0; k < kPoolRelu; k++)
    if (n.i[k] < (k <= kPoolOw || k == kPoolPh || k == kPoolPw ? 0 : 1) || n.i[k] > 0x7fffffff)
      return n.fail("a size is out of range"), false;
  if (n.i[kPoolRelu] < 0 || n.i[kPoolRelu] > 1) return n.fail("relu is neither 0 nor 1"), false;
  if (size_mul(s.kh, s.kw) > Need::kMaxEmpty) return n.fail("windows are too large"), false;
  // Every window begins before the end of the plane.
  if (s.oh > 0 && (s.oh - 1) * s.sh - s.ph >= s.h) return n.fail("a window lies below the plane"), false;
  if (s.ow > 0 && (s.ow - 1) * s.sw - s.pw >= s.w) return n.fail("a window lies beside the plane"), false;
  return true;
}
void maxPool_need(Need& n) {
  if (!pool_need(n)) return;
  const PoolShape s = pool_shape(n.i);
  n.in[0] = size_of(s.planes, s.h, s.w, 4);
  n.out[0] = size_of(s.planes, s.oh, s.ow, 4);
  n.out[1] = size_of(s.planes, s.oh, s.ow, pool_small(s) ? 1 : 4);
}

// Two rows of dx below n <= L windows of 2 by 2. Of the `room` bytes of `place` L are read, where there are so many.
INLINE void pool_quad_spread(const uint8_t* place, const float* dy, float* x0, float* x1, int n, int64_t room) {
  int32_t t[L];
  if (room >= L)
    for (int k = 0; k < L; k++) t[k] = place[k];
  else
    for (int k = 0; k < L; k++) t[k] = k < n ? place[k] : 255;
  const F at = to_float(iload(t)), g = load_part(dy, n), zero = set1(0.f);
  F v[4];
  for (int k = 0; k < 4; k++) v[k] = select(eq(at, set1((float)k)), g, zero);
  for (int row = 0; row < 2; row++) {
    float* x = row ? x1 : x0;
    const F a = zip_low(v[2 * row], v[2 * row + 1]), b = zip_high(v[2 * row], v[2 * row + 1]);
    store_n(x, a, 2 * n);
    store_n(x + L, b, 2 * n - L);
  }
}

template <typename P>
static void pool_scatter(const P* place, const float* dy, float* dx, const PoolShape& s) {
  memset(dx, 0, s.h * s.w * sizeof(float));
  for (int64_t oy = 0; oy < s.oh; oy++) {
    for (int64_t ox = 0; ox < s.ow; ox++) {
      const uint32_t k = (uint32_t)place[oy * s.ow + ox], width = (uint32_t)s.kw;
      const int64_t y = oy * s.sh - s.ph + k / width * s.dh, x = ox * s.sw - s.pw + k % width * s.dw;
      // A place outside stands for none; memory outside is never touched, whatever the places are.
      if (k >= (uint32_t)(s.kh * s.kw) || (uint64_t)y >= (uint64_t)s.h || (uint64_t)x >= (uint64_t)s.w) continue;
      dx[y * s.w + x] += dy[oy * s.ow + ox];
    }
  }
}

// dx from the places and dy; i as for maxPool
void maxPoolGrad(const Args& a, const Team& team) {
  const PoolShape s = pool_shape(a.i);
  const int64_t each = s.oh * s.ow;
  const Range r = split(s.planes, team);
  for (int64_t p = r.begin; p < r.end; p++) {
    float* dx = (float*)a.out[0] + p * s.h * s.w;
    const float* dy = (const float*)a.in[1] + p * each;
    if (!pool_is_quad(s)) {
      if (pool_small(s))
        pool_scatter((const uint8_t*)a.in[0] + p * each, dy, dx, s);
      else
        pool_scatter((const int32_t*)a.in[0] + p * each, dy, dx, s);
      continue;
    }
    const uint8_t* place = (const uint8_t*)a.in[0] + p * each;
    for (int64_t oy = 0; oy < s.oh; oy++) {
      float* x = dx + 2 * oy * s.w;
      for (int64_t o = 0; o < s.ow; o += L) {
        const int n = (int)(s.ow - o < L ? s.ow - o : L);
        pool_quad_spread(place + oy * s.ow + o, dy + oy * s.ow + o, x + 2 * o, x + s.w + 2 * o, n,
                         (s.planes - p) * each - oy * s.ow - o);
      }
      for (int64_t c = 2 * s.ow; c < s.w; c++) x[c] = x[s.w + c] = 0;
    }
    memset(dx + 2 * s.oh * s.w, 0, (s.h - 2 * s.oh) * s.w * sizeof(float));
  }
}
void maxPoolGrad_need(Need& n) {
  if (!pool_need(n)) return;
  const PoolShape s = pool_shape(n.i);
  n.in[0] = size_of(s.planes, s.oh, s.ow, pool_small(s) ? 1 : 4);
  n.in[1] = size_of(s.planes, s.oh, s.ow, 4);
  n.out[0] = size_of(s.planes, s.h, s.w, 4);
}

// ---- averages ------------------------------------------------------------------------------------------------------
enum AvgInts { kAvgPlanes, kAvgH, kAvgW, kAvgOh, kAvgOw, kAvgDivisor, kAvgSpans };
// i: planes, height, width, of y too, divisor (0: the counts), then a span (from, end, count) per row of y and per column of y
struct AvgShape {
  int64_t planes, h, w, oh, ow, divisor;
  const int64_t *rows, *columns;
};
static inline AvgShape avg_shape(const int64_t* i) {
  const int64_t* const rows = i + kAvgSpans;
  return {i[kAvgPlanes], i[kAvgH], i[kAvgW], i[kAvgOh], i[kAvgOw], i[kAvgDivisor], rows, rows + 3 * i[kAvgOh]};
}
static inline float avg_divisor(const AvgShape& s, const int64_t* row, const int64_t* column) {
  return (float)(s.divisor ? s.divisor : row[2] * column[2]);
}

// Sums down the rows of a span first, then along the columns: in f64.
void avgPool(const Args& a, const Team& team) {
  const AvgShape s = avg_shape(a.i);
  double* column = (double*)a.local;
  const Range r = split(s.planes * s.oh, team);
  for (int64_t t = r.begin; t < r.end; t++) {
    const int64_t p = quotient(t, s.oh);
    const int64_t* row = s.rows + 3 * (t - p * s.oh);
    const float* x = (const float*)a.in[0] + p * s.h * s.w;
    float* y = (float*)a.out[0] + t * s.ow;
    for (int64_t c = 0; c < s.w; c++) column[c] = 0;
    for (int64_t k = row[0]; k < row[1]; k++)
      for (int64_t c = 0; c < s.w; c++) column[c] += (double)x[k * s.w + c];
    for (int64_t o = 0; o < s.ow; o++) {
      const int64_t* span = s.columns + 3 * o;
      double total = 0;
      for (int64_t c = span[0]; c < span[1]; c++) total += column[c];
      y[o] = (float)(total / (double)avg_divisor(s, row, span));
    }
  }
}
static bool avg_need(Need& n) {
  if (n.n_i < kAvgSpans) return n.fail("too few attributes"), false;
  for (int k = 0; k < kAvgSpans; k++)
    if (n.i[k] < 0 || n.i[k] > 0x7fffffff) return n.fail("a size is out of range"), false;
  if (n.n_i != kAvgSpans + 3 * (n.i[kAvgOh] + n.i[kAvgOw])) return n.fail("expected three numbers per row and column"), false;
  const AvgShape s = avg_shape(n.i);
  for (int64_t k = 0; k < s.oh + s.ow; k++) {
    const int64_t *span = s.rows + 3 * k, size = k < s.oh ? s.h : s.w;
    if (span[0] < 0 || span[1] < span[0] || span[1] > size || span[2] < 1 || span[2] > 0x7fffffff)
      return n.fail("a span is out of range"), false;
  }
  n.local = size_mul(s.w, 8);
  return true;
}
void avgPool_need(Need& n) {
  if (!avg_need(n)) return;
  n.in[0] = size_of(n.i[kAvgPlanes], n.i[kAvgH], n.i[kAvgW], 4);
  n.out[0] = size_of(n.i[kAvgPlanes], n.i[kAvgOh], n.i[kAvgOw], 4);
}

// dx: each row of dy, divided and spread along the columns, is added to the rows of its span.
void avgPoolGrad(const Args& a, const Team& team) {
  const AvgShape s = avg_shape(a.i);
  float* spread = (float*)a.local;
  const Range r = split(s.planes, team);
  for (int64_t p = r.begin; p < r.end; p++) {
    float* dx = (float*)a.out[0] + p * s.h * s.w;
    memset(dx, 0, s.h * s.w * sizeof(float));
    for (int64_t o = 0; o < s.oh; o++) {
      const int64_t* row = s.rows + 3 * o;
      const float* dy = (const float*)a.in[0] + (p * s.oh + o) * s.ow;
      for (int64_t c = 0; c < s.w; c++) spread[c] = 0;
      for (int64_t k = 0; k < s.ow; k++) {
        const int64_t* span = s.columns + 3 * k;
        const float g = dy[k] / avg_divisor(s, row, span);
        for (int64_t c = span[0]; c < span[1]; c++) spread[c] += g;
      }
      for (int64_t k = row[0]; k < row[1]; k++)
        for (int64_t c = 0; c < s.w; c++) dx[k * s.w + c] += spread[c];
    }
  }
}
void avgPoolGrad_need(Need& n) {
  if (!avg_need(n)) return;
  n.in[0] = size_of(n.i[kAvgPlanes], n.i[kAvgOh], n.i[kAvgOw], 4);
  n.out[0] = size_of(n.i[kAvgPlanes], n.i[kAvgH], n.i[kAvgW], 4);
}
}   // namespace gradclip::GRADCLIP_ISA
