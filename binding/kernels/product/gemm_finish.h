// gemm_finish.h: what a product is, and bias and activation over parts of it that are finished. Convolutions end the same way.
#pragma once
#include "gemm_pack.h"
#include "../elementwise/maps.h"

namespace gradclip::GRADCLIP_ISA {
// t[m, n] = s[m, k] * v[k, n]: S is broadcast, V is loaded as lanes. Lanes of C are contiguous (cj = 1), or its rows are (ci = 1).
struct Product {
  int64_t m, n, k;
  const float* s;
  int64_t si, sp;   // strides of S by row and by k; one is 1
  const float* v;
  int64_t vp, vj;   // strides of V by k and by lane; one is 1
  float* c;
  int64_t ci, cj;
  const float* bias;
  int64_t bi, bj;       // 1 along the n of the matmul, 0 along its m
  int64_t act;          // the position in maps.inc plus 1 of the activation; 0: none
  double* stats;        // sums of squares of the tiles of C, or null; only where C lies by rows
  const float* other;   // of the shape of C: at the end added, or multiplied with (`times`); or null. Only where C lies by rows.
  bool times;
  float* slope;        // of the shape of C: the derivative of `act` where it was applied, or null. Only where C lies by rows.
  bool more = false;   // the chains go on from what C holds. Only where it lies by rows.
};

// For `need`: whether `act` is an activation or 0, and whether its derivative can be left behind.
static inline bool may_end(int64_t act) { return act == 0 || (act > 0 && act <= kMapCount && kMapEnd[act - 1] != kMapInside); }
static inline bool has_slope_of(int64_t act) { return act > 0 && kMapEnd[act - 1] == kMapSloped; }

// The part [rows, cols] of a product at its row i0, lane j0, which lies at `from`, with what follows it: to `c`, which may be `from`.
template <class Fn>
static inline void finish_with(const Product& g, const float* from, int64_t from_ld, float* c, int64_t ld, int64_t i0, int64_t j0,
                               int64_t rows, int64_t cols, Fn fn) {
  const float* bias = g.bias ? g.bias + i0 * g.bi + j0 * g.bj : nullptr;
  const auto group = [&](int64_t i, int64_t j, int n, F b) __attribute__((always_inline)) {
    const int64_t at = (i0 + i) * g.ci + j0 + j;
    F x = load_part(from + i * from_ld + j, n);
    if (bias) x = add(x, b);
    x = fn(x, at, n);
    if (g.other) {
      const F other = load_part(g.other + at, n);
      x = g.times ? mul(x, other) : add(x, other);
    }
    store_part(c + i * ld + j, x, n);
  };
  const auto bias_of = [&](int64_t i, int64_t j, int n) __attribute__((always_inline)) {
    return !bias ? set1(0.f) : g.bj == 0 ? set1(bias[i]) : load_part(bias + j, n);
  };
  if (cols < L) {   // the same lanes of all rows
    const F b = bias_of(0, 0, (int)cols);
    for (int64_t i = 0; i < rows; i++) group(i, 0, (int)cols, g.bj == 0 ? bias_of(i, 0, (int)cols) : b);
    return;
  }
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < cols; j += L) {
      const int n = (int)least(L, cols - j);
      group(i, j, n, bias_of(i, j, n));
    }
}
static void finish(const Product& g, const float* from, int64_t from_ld, float* c, int64_t ld, int64_t i, int64_t j, int64_t rows,
                   int64_t cols) {
  const auto plain = [&](auto fn) __attribute__((always_inline)) {
    finish_with(
        g, from, from_ld, c, ld, i, j, rows, cols, [&](F x, int64_t, int) __attribute__((always_inline)) { return fn(x); });
  };
  const auto sloped = [&](auto fn) __attribute__((always_inline)) {
    finish_with(
        g, from, from_ld, c, ld, i, j, rows, cols, [&](F x, int64_t at, int n) __attribute__((always_inline)) {
          const Sloped a = fn(x);
          store_part(g.slope + at, a.slope, n);
          return a.y;
        });
  };
  switch (g.act - 1) {
#define MAP1(...)
#define MAP2(...)
#define MAP3(...)
#define END(name, ...) \
  case kMap_##name:    \
    return plain([](F x) { return map_##name(x); });
#define SLOPED(name, ...) \
  case kMap_##name:       \
    return g.slope ? sloped([](F x) { return sloped_##name(x); }) : plain([](F x) { return map_##name(x); });
#include "../elementwise/maps.inc"
    default:
      return g.bias || g.other || from != c ? plain([](F x) { return x; }) : (void)0;
  }
}
// The same where it lies.
static void finish(const Product& g, float* c, int64_t ld, int64_t i, int64_t j, int64_t rows, int64_t cols) {
  finish(g, c, ld, c, ld, i, j, rows, cols);
}
}   // namespace gradclip::GRADCLIP_ISA
