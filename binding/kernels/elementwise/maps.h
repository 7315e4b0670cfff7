// maps.h: the elementwise operations of maps.inc, each for a lane group of f32 and for one f64.
// NaN as in PyTorch: minimum, maximum, clamp and relu hand it on; a comparison with it is 0.
#pragma once
#include "../math.h"

namespace gradclip::GRADCLIP_ISA {
#define MAP1(name, group, one)               \
  INLINE F map_##name(F x) { return group; } \
  static inline double map_##name(double x) { return one; }
#define MAP2(name, group, one)                    \
  INLINE F map_##name(F a, F b) { return group; } \
  static inline double map_##name(double a, double b) { return one; }
#define MAP3(name, group, one)                         \
  INLINE F map_##name(F a, F b, F c) { return group; } \
  static inline double map_##name(double a, double b, double c) { return one; }

INLINE F one_if(M m) { return select(m, set1(1.f), set1(0.f)); }

MAP2(add, add(a, b), a + b)
MAP2(sub, sub(a, b), a - b)
MAP2(mul, mul(a, b), (a * b))
MAP2(div, div(a, b), a / b)
MAP1(neg, neg(x), -x)
MAP1(abs, abs(x), __builtin_fabs(x))
MAP1(sign, sub(one_if(lt(set1(0.f), x)), one_if(lt(x, set1(0.f)))), (x > 0.) - (x < 0.))
MAP1(square, mul(x, x), (x * x))
MAP1(sqrt, sqrt(x), __builtin_sqrt(x))
MAP1(rsqrt, div(set1(1.f), sqrt(x)), 1. / __builtin_sqrt(x))
MAP1(reciprocal, div(set1(1.f), x), 1. / x)
MAP1(exp, exp_f(x), exp_d(x))
MAP1(log, log_f(x), log_d(x))
MAP1(log1p, log1p_f(x), log1p_d(x))
MAP1(erf, erf_f(x), erf_d(x))
MAP2(pow, pow_f(a, b), pow_d(a, b))
MAP1(tanh, tanh_f(x), tanh_d(x))
MAP1(sigmoid, sigmoid_f(x), sigmoid_d(x))
MAP1(relu, relu_f(x), x < 0. ? 0. : x)
MAP1(gelu, gelu_f(x), normal_d(x).cdf* x)
MAP1(silu, silu_f(x), sigmoid_d(x) * x)
MAP1(softplus, softplus_f(x), (x < 0. ? 0. : x) + log1p_d(exp_d(-__builtin_fabs(x))))

// The argument of geluTanh's sigmoid, 2 sqrt(2 / pi) (x + 0.044715 x^3), and its derivative.
static inline double gelu_tanh_arg_d(double x) { return 1.5957691216057308 * (x + 0.044715 * x * x * x); }
static inline double gelu_tanh_slope_d(double x) { return 1.5957691216057308 * (1. + 0.134145 * x * x); }
MAP1(geluTanh, gelu_tanh_f(x), sigmoid_d(gelu_tanh_arg_d(x)) * x)

// dy where the output is not 0 or less.
MAP2(reluGrad, select(le(a, set1(0.f)), set1(0.f), b), a <= 0. ? 0. : b)
// cdf(x) + x density(x)
INLINE F map_geluGrad(F x, F dy) {
  const Normal n = normal_f(x);
  return flush_f(mul(dy, fma(mul(x, set1(0.398942280f)), n.bell, n.cdf)));
}
static inline double map_geluGrad(double x, double dy) {
  const NormalD n = normal_d(x);
  return dy * (n.cdf + x * 0.3989422804014327 * n.bell);
}
// For y = x s, s = sigmoid(u(x)): s + x s (1 - s) u'(x)
INLINE F map_siluGrad(F x, F dy) {
  const F s = sigmoid_f(x);
  return flush_f(mul(dy, fma(mul(x, s), sub(set1(1.f), s), s)));
}
static inline double map_siluGrad(double x, double dy) {
  const double s = sigmoid_d(x);
  return dy * (s + x * s * (1. - s));
}
INLINE F map_geluTanhGrad(F x, F dy) {
  const F s = sigmoid_f(gelu_tanh_arg_f(x));
  return flush_f(mul(dy, fma(mul(mul(x, s), sub(set1(1.f), s)), gelu_tanh_slope_f(x), s)));
}
static inline double map_geluTanhGrad(double x, double dy) {
  const double s = sigmoid_d(gelu_tanh_arg_d(x));
  return dy * (s + x * s * (1. - s) * gelu_tanh_slope_d(x));
}

// The gradient of what saturates: no denormals (math.h).
MAP1(flush, flush_f(x), x)
MAP2(minimum, select(eq(a, a), min(a, b), a), a < b || a != a ? a : b)
MAP2(maximum, select(eq(a, a), max(a, b), a), a > b || a != a ? a : b)
MAP3(clamp, map_minimum(map_maximum(a, b), c), map_minimum(map_maximum(a, b), c))
MAP2(less, one_if(lt(a, b)), a < b ? 1. : 0.)
MAP2(lessEqual, one_if(le(a, b)), a <= b ? 1. : 0.)
MAP2(equal, one_if(eq(a, b)), a == b ? 1. : 0.)
MAP1(isFinite, one_if(lt(abs(x), set1(__builtin_inff()))), __builtin_fabs(x) < __builtin_inf() ? 1. : 0.)
MAP3(where, select(eq(a, set1(0.f)), c, b), a == 0. ? c : b)

static inline double whole_d(double x) {   // nearest even, any x, keeps the sign of zero
  return __builtin_fabs(x) < 2251799813685248. ? __builtin_copysign(round_d(x), x) : x;
}
MAP1(round, round(x), whole_d(x))
INLINE F map_floor(F x) {
  const F r = round(x);
  return select(lt(x, r), sub(r, set1(1.f)), r);
}
static inline double map_floor(double x) {
  const double r = whole_d(x);
  return x < r ? r - 1. : r;
}
#undef MAP1
#undef MAP2
#undef MAP3
}   // namespace gradclip::GRADCLIP_ISA
