// curves.h: activations of lane groups of f32 and of single f64 that are an exponential and little else. As in math.h, errors in ulp stand beside
// each, and bits are the same on every ISA that has fma. Each divides once at most: a division takes as long as thirty other operations,
// which are done meanwhile.
#pragma once
#include "sine.h"

namespace gradclip::GRADCLIP_ISA {
// exp(x) = (1 + p) * power, for x in [-87, 88].
struct Powered {
  F p, power;
};
INLINE Powered powered_f(F x) {
  const F magic = set1(12582912.f + 127.f);   // 1.5 * 2^23 rounds; 127 is the bias
  const F k = fma(x, set1(1.44269504f), magic), n = sub(k, magic);
  const F r = fma(n, set1(2.12194440e-4f), fma(n, set1(-0.693359375f), x));
  return {fma(poly_f(r, kExpF), mul(r, r), r), as_float(ishl<23>(bits(k)))};
}
// exp(x) - 1 for x <= 0: 1 ulp. For other x anything.
INLINE F expm1_below_f(F x) {
  const Powered e = powered_f(max(set1(-18.f), x));
  return fma(e.power, e.p, sub(e.power, set1(1.f)));
}

// x, and below 0 alpha * (exp(v) - 1), with v = per * x, or 0 where that is above.
INLINE F exp_unit_f(F x, F alpha, F per) {
  return select(lt(x, set1(0.f)), mul(alpha, expm1_below_f(min(set1(0.f), mul(per, x)))), x);
}
static inline double exp_unit_d(double x, double alpha, double per) {
  const double v = per * x;
  return x < 0. ? alpha * expm1_neg_d(v > 0. ? 0. : v) : x;
}
// dy, and where x is 0 or below dy * slope * exp(x).
INLINE F exp_unit_grad_f(F x, F dy, F slope) {
  return select(lt(set1(0.f), x), dy, flush_f(mul(dy, mul(slope, softmax_exp(x)))));
}
static inline double exp_unit_grad_d(double x, double dy, double slope) { return x > 0. ? dy : dy * (slope * exp_d(x)); }

// tanh(log(1 + e)) = n / (n + 2), with e = exp(x) and n = e (e + 2). From 20 on that is 1.
constexpr float kMishMost = 20.f;
struct Mish {
  F x, e, n, d;   // x within what is told apart, d = n + 2
};
INLINE Mish mish_parts_f(F x) {
  const F near = min(set1(kMishMost), max(set1(-87.f), x));
  const Powered parts = powered_f(near);
  const F e = select(lt(x, set1(-87.f)), set1(0.f), fma(parts.power, parts.p, parts.power));
  const F n = fma(e, e, add(e, e));
  return {near, e, n, add(n, set1(2.f))};
}
// 4 ulp, and 0 below -87.
INLINE F mish_f(F x) {
  const Mish m = mish_parts_f(x);
  return mul(x, div(m.n, m.d));
}
// t + x s (1 - t^2), with t = n / (n + 2) and s = e / (1 + e): then s (1 - t^2) = 4 e (1 + e) / (n + 2)^2.
INLINE F mish_slope_f(F x) {
  const Mish m = mish_parts_f(x);
  const F q = div(set1(1.f), m.d), bend = mul(mul(mul(set1(4.f), m.e), q), mul(add(m.e, set1(1.f)), q));
  return fma(m.x, bend, mul(m.n, q));
}
struct MishD {
  double x, e, n, d;
};
static inline MishD mish_parts_d(double x) {
  const double near = x > 40. ? 40. : x, e = exp_d(near), n = e * (e + 2.);
  return {near, e, n, n + 2.};
}
static inline double mish_d(double x) {
  const MishD m = mish_parts_d(x);
  return x * (m.n / m.d);
}
static inline double mish_slope_d(double x) {
  const MishD m = mish_parts_d(x);
  const double bend = 4. * (m.e / m.d) * ((m.e + 1.) / m.d);
  return m.n / m.d + (m.e == 0. ? 0. : m.x * bend);
}

// log(1 + e) for e in [0, 1].
INLINE F log1p_unit_f(F e) {
  static constexpr float c[] = {0.0020729492f, -0.0136314882f, 0.0419813767f, -0.0830740854f, 0.124671236f,
                                -0.161293358f, 0.198979318f,   -0.249885798f, 0.333326906f,   -0.499999881f};
  return fma(poly_f(e, c), mul(e, e), e);
}
// log(1 / (1 + exp(-x))): 1.8 ulp, and 0 from 87 on.
INLINE F log_sigmoid_f(F x) { return sub(min(set1(0.f), x), log1p_unit_f(softmax_exp(neg(abs(x))))); }
static inline double log_sigmoid_d(double x) { return (x > 0. ? 0. : x) - log1p_d(exp_d(-__builtin_fabs(x))); }
}   // namespace gradclip::GRADCLIP_ISA
