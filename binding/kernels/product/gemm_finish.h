// gemm_finish.h: what a product is, and bias and activation over parts of it that are finished. Convolutions end the same way.
#pragma once
#include "gemm_pack.h"
#include "../math.h"

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
  int64_t bi, bj;   // 1 along the n of the matmul, 0 along its m
  int64_t act;
  double* stats;        // sums of squares of the tiles of C, or null; only where C lies by rows
  const float* other;   // of the shape of C: at the end added, or multiplied with (`times`); or null. Only where C lies by rows.
  bool times;
  float* slope;   // of the shape of C: the derivative of `act` (4 to 6) where it was applied, or null. Only where C lies by rows.
};

// An activation and, for those whose gradient reads what went in, its derivative.
struct Applied {
  F y, slope;
};
INLINE Applied gelu_both(F x) {
  const Normal n = normal_f(x);
  return {mul(x, n.cdf), flush_f(fma(mul(x, set1(0.398942280f)), n.bell, n.cdf))};
}
INLINE Applied gelu_tanh_both(F x) {
  const F s = sigmoid_f(gelu_tanh_arg_f(x)), y = mul(x, s);
  return {y, fma(mul(y, sub(set1(1.f), s)), gelu_tanh_slope_f(x), s)};
}
INLINE Applied silu_both(F x) {
  const F s = sigmoid_f(x), y = mul(x, s);
  return {y, fma(y, sub(set1(1.f), s), s)};
}

template <class Fn>
static inline void finish_with(const Product& g, float* c, int64_t ld, int64_t i0, int64_t j0, int64_t rows, int64_t cols,
                               Fn fn) {
  const float* bias = g.bias ? g.bias + i0 * g.bi + j0 * g.bj : nullptr;
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < cols; j += L) {
      const int n = (int)least(L, cols - j);
      float* to = c + i * ld + j;
      const int64_t at = (i0 + i) * g.ci + j0 + j;
      F x = load_part(to, n);
      if (bias) x = add(x, g.bj == 0 ? set1(bias[i]) : load_part(bias + j, n));
      x = fn(x, at, n);
      if (g.other) {
        const F other = load_part(g.other + at, n);
        x = g.times ? mul(x, other) : add(x, other);
      }
      store_part(to, x, n);
    }
}
// What follows a product, over the finished part at its row i, lane j, which lies at c.
static void finish(const Product& g, float* c, int64_t ld, int64_t i, int64_t j, int64_t rows, int64_t cols) {
  const auto plain = [&](auto fn) __attribute__((always_inline)) {
    finish_with(
        g, c, ld, i, j, rows, cols, [&](F x, int64_t, int) __attribute__((always_inline)) { return fn(x); });
  };
  const auto sloped = [&](auto fn) __attribute__((always_inline)) {
    finish_with(
        g, c, ld, i, j, rows, cols, [&](F x, int64_t at, int n) __attribute__((always_inline)) {
          const Applied a = fn(x);
          store_part(g.slope + at, a.slope, n);
          return a.y;
        });
  };
  switch (g.act) {
    case 0:
      return g.bias || g.other ? plain([](F x) { return x; }) : (void)0;
    case 1:
      return plain([](F x) { return relu_f(x); });
    case 2:
      return plain([](F x) { return tanh_f(x); });
    case 3:
      return plain([](F x) { return sigmoid_f(x); });
    case 4:
      return g.slope ? sloped([](F x) { return gelu_both(x); }) : plain([](F x) { return gelu_f(x); });
    case 5:
      return g.slope ? sloped([](F x) { return gelu_tanh_both(x); }) : plain([](F x) { return gelu_tanh_f(x); });
    default:
      return g.slope ? sloped([](F x) { return silu_both(x); }) : plain([](F x) { return silu_f(x); });
  }
}
}   // namespace gradclip::GRADCLIP_ISA
