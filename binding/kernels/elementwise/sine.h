// sine.h: sin and cos of f32 in lane groups and of single f64, for any angle: 1.1 ulp.
// Of large angles whole turns are taken away in integers (Payne and Hanek 1983).
#pragma once
#include "../math.h"

namespace gradclip::GRADCLIP_ISA {
__extension__ typedef unsigned __int128 uint128_t;
// A word of zeros, and 2 / pi to 1280 bits, the highest first.
static constexpr uint64_t kTwoOverPi[] = {
    0x0000000000000000ull, 0xa2f9836e4e441529ull, 0xfc2757d1f534ddc0ull, 0xdb6295993c439041ull, 0xfe5163abdebbc561ull,
    0xb7246e3a424dd2e0ull, 0x06492eea09d1921cull, 0xfe1deb1cb129a73eull, 0xe88235f52ebb4484ull, 0xe99c7026b45f7e41ull,
    0x3991d639835339f4ull, 0x9c845f8bbdf9283bull, 0x1ff897ffde05980full, 0xef2f118b5a0a6d1full, 0x6d367ecf27cb09b7ull,
    0x4f463f669e5fea2dull, 0x7527bac7ebe5f17bull, 0x3d0739f78a5292eaull, 0x6bfb5fb11f8d5d08ull, 0x56033046fc7b6babull,
    0xf0cfbc209af4361dull,
};
// pi / 2 in parts: products of the first two with whole numbers of up to 20 bits are exact.
constexpr double kHalfPi[] = {1.57079632673412561417e+00, 6.07710050630396597660e-11, 2.02226624879595063154e-21};

// x = turns * pi / 2 + angle + low; |angle| is at most pi / 4.
struct Turned {
  int64_t turns;
  double angle, low;
};
static Turned turned_far_d(double x) {
  const uint64_t u = bits_d(x), m = (u & 0xfffffffffffffull) | 0x10000000000000ull;
  const int64_t e = (int64_t)(u >> 52 & 0x7ff) - 1075, at = e - 2 + 64;   // |x| = m 2^e; bits above `at` give whole circles
  uint64_t w[3];
  for (int k = 0; k < 3; k++) {
    const int64_t i = at / 64 + k, s = at % 64;
    w[k] = s ? kTwoOverPi[i] << s | kTwoOverPi[i + 1] >> (64 - s) : kTwoOverPi[i];
  }
  // m w modulo 2^192: the upper two bits are the quadrant, the others a fraction of it.
  const uint128_t p0 = (uint128_t)m * w[2], p1 = (uint128_t)m * w[1] + (uint64_t)(p0 >> 64);
  const uint64_t p2 = m * w[0] + (uint64_t)(p1 >> 64);
  int64_t turns = (int64_t)(p2 >> 62);
  uint64_t f0 = p2 << 2 | (uint64_t)p1 >> 62, f1 = (uint64_t)p1 << 2 | (uint64_t)p0 >> 62, f2 = (uint64_t)p0 << 2;
  const bool over = f0 >> 63;
  if (over) f0 = ~f0, f1 = ~f1, f2 = ~f2, turns++;
  const int s = f0 ? __builtin_clzll(f0) : 63;   // never so close to a quarter that more of it is zeros
  if (s) f0 = f0 << s | f1 >> (64 - s), f1 = f1 << s | f2 >> (64 - s);
  const double unit = double_of((uint64_t)(1023 - 53 - s) << 52);
  const double a = (double)(int64_t)(f0 >> 11) * unit, b = (double)(int64_t)((f0 & 0x7ff) << 42 | f1 >> 22) * (unit * 0x1p-53);
  double e1;
  const double p = product_d(a, 1.5707963267948966, e1), low = e1 + a * 6.123233995736766e-17 + b * 1.5707963267948966;
  const double r = p + low, rest = (p - r) + low;
  const bool back = over != (u >> 63 != 0);
  return {u >> 63 ? -turns : turns, back ? -r : r, back ? -rest : rest};
}
static inline Turned turned_d(double x) {
  if (!(__builtin_fabs(x) < 1e5)) return turned_far_d(x);
  const double n = round_d(x * 0.6366197723675814), a = x - n * kHalfPi[0], b = n * kHalfPi[1], r = a - b;
  const double low = ((a - r) - b) - n * kHalfPi[2], angle = r + low;
  return {(int64_t)n, angle, (r - angle) + low};
}
// sin(x + quarters pi / 2). The polynomials are those of fdlibm.
static double sine_d(double x, int quarters) {
  if (!(__builtin_fabs(x) < __builtin_inf())) return __builtin_nan("");
  if (quarters == 0 && __builtin_fabs(x) < 0x1p-27) return x;
  static constexpr double cs[] = {1.58969099521155010221e-10, -2.50507602534068634195e-08, 2.75573137070700676789e-06,
                                  -1.98412698298579493134e-04, 8.33333333332248946124e-03};
  static constexpr double cc[] = {-1.13596475577881948265e-11, 2.08757232129817482790e-09,  -2.75573143513906633035e-07,
                                  2.48015872894767294178e-05,  -1.38888888888741095749e-03, 4.16666666666666019037e-02};
  const Turned t = turned_d(x);
  const int64_t q = t.turns + quarters;
  const double r = t.angle, z = r * r;
  double y;
  if (q & 1) {
    const double half = 0.5 * z, w = 1. - half;
    y = w + (((1. - w) - half) + (z * (z * poly_d(z, cc)) - r * t.low));
  } else {
    const double v = z * r;
    y = r - ((z * (0.5 * t.low - v * poly_d(z, cs)) - t.low) - v * -1.66666666666666324348e-01);
  }
  return q & 2 ? -y : y;
}

constexpr float kTurnedFar = 131072.f;   // up to here a quarter's number has 17 bits
template <int kQuarters>
static __attribute__((noinline)) void sine_far(float* x) {
  for (int k = 0; k < L; k++) x[k] = (float)sine_d((double)x[k], kQuarters);
}
// sin(x + kQuarters pi / 2): 1.1 ulp.
template <int kQuarters>
INLINE F sine_f(F x) {
  static constexpr float cs[] = {-1.9515295891e-4f, 8.3321608736e-3f, -1.6666654611e-1f};
  static constexpr float cc[] = {2.443315711809948e-5f, -1.388731625493765e-3f, 4.166664568298827e-2f};
  const F a = abs(x);
  if (mbits(lt(a, set1(kTurnedFar))) != 0xffff) {   // or NaN
    alignas(64) float t[L];
    store(t, x);
    sine_far<kQuarters>(t);
    return load(t);
  }
  F r, lost;   // what is left of a, and what rounding lost of that
  I q;
  if constexpr (kFma) {
    // pi / 2 in three parts. What the first leaves of a is exact.
    const F magic = set1(12582912.f + kQuarters), k = fma(a, set1(0.636619772f), magic), n = sub(k, magic);   // 1.5 * 2^23 rounds
    const F first = fma(n, set1(-1.57079637f), a);
    r = add(first, mul(n, set1(4.37113883e-8f)));
    lost = fma(n, set1(1.71512449e-15f), fma(n, set1(4.37113883e-8f), sub(first, r)));
    q = bits(k);   // the quarter's number is in the lowest bits
  } else {
    const F n = round(mul(a, set1(0.636619772f)));
    const D wide = widen(n);
    r = narrow(sub(sub(widen(a), mul(wide, dset1(kHalfPi[0]))), mul(wide, dset1(kHalfPi[1]))));
    lost = set1(0.f);
    q = iadd(to_int(n), iset1(kQuarters));
  }
  const F z = mul(r, r), s = add(r, fma(mul(z, r), poly_f(z, cs), lost));
  const F near = fma(z, set1(-0.5f), set1(1.f)),
          rest = fma(z, set1(-0.5f), sub(set1(1.f), near));   // 1 - z / 2, and what it lost
  const F c = add(near, fma(mul(z, z), poly_f(z, cc), rest));
  const M odd = lt(as_float(ior(ishl<31>(q), bits(set1(1.f)))), set1(0.f));
  I sign = ishl<30>(iand(q, iset1(2)));
  if (kQuarters % 2 == 0) sign = ixor(sign, bits(sign_of(x)));
  return as_float(ixor(bits(select(odd, c, s)), sign));
}
}   // namespace gradclip::GRADCLIP_ISA
