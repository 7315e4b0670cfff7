// math.h: elementary functions over lane groups of 16 f32 (exp_f ...) and scalar f64 (exp_d ...), and activations made of them.
// Fixed polynomials and explicit fma: the same bits on every ISA that has fma. Measured errors stand beside each function, in ulp
// on AVX2 and AVX-512; the baseline, whose fma rounds twice, comes close. Denormals in are right, NaN in gives NaN out. What saturates gives 0
// in place of a denormal: a product with those takes some processors thirty times as long. No mode of the processor does that, since x86
// flushes after rounding and ARM before, and bits would differ.
#pragma once
#include "simd.h"

namespace gradclip::GRADCLIP_ISA {
// c[0] is the highest coefficient.
template <int N>
INLINE F poly_f(F x, const float (&c)[N]) {
  F r = set1(c[0]);
  for (int i = 1; i < N; i++) r = fma(r, x, set1(c[i]));
  return r;
}
INLINE F sign_of(F a) { return as_float(iand(bits(a), iset1((int32_t)0x80000000u))); }
INLINE F with_sign(F magnitude, F sign) { return as_float(ior(bits(magnitude), bits(sign))); }   // magnitude >= 0

// 0 in place of a denormal. NaN stays NaN.
INLINE F flush_f(F x) { return select(lt(abs(x), set1(1.17549435e-38f)), set1(0.f), x); }

// p * 2^n for whole n in [-250, 250], in two factors so that a denormal result is rounded once.
INLINE F scale_f(F p, F n) {
  const I k = to_int(n), h = to_int(mul(n, set1(0.5f))), bias = iset1(127);
  const F a = as_float(ishl<23>(iadd(h, bias))), b = as_float(ishl<23>(iadd(isub(k, h), bias)));
  return mul(mul(p, a), b);
}

// exp(r) = 1 + r + r^2 * polynomial, for |r| <= ln 2 / 2.
static constexpr float kExpF[] = {1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f,
                                  4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f};

// exp: 1.0 ulp, and 0 below 2^-126. The clamp is wide enough for infinity to come out of the rounding.
constexpr float kExpLeast = -87.33654f;   // log(2^-126), rounded up
INLINE F exp_f(F x) {
  const M least = lt(x, set1(kExpLeast));
  x = min(set1(89.f), max(set1(kExpLeast), x));   // the constant first: min and max return their second operand for NaN
  const F n = round(mul(x, set1(1.44269504f)));
  F r = fma(n, set1(-0.693359375f), x);   // ln 2 in two parts; the first times n is exact
  r = fma(n, set1(2.12194440e-4f), r);
  return select(least, set1(0.f), scale_f(add(fma(poly_f(r, kExpF), mul(r, r), r), set1(1.f)), n));
}

// exp(x) for x <= 0, the bits of exp_f: what is at least 2^-126 and at most 1 is scaled by one power of two.
INLINE F exp_below_f(F x) {
  const F least = set1(kExpLeast), a = max(least, x),
          magic = set1(12582912.f + 126.f);   // 1.5 * 2^23 rounds; ties to even as round
  const F k = add(mul(a, set1(1.44269504f)), magic), n = sub(k, magic);
  const F r = fma(n, set1(2.12194440e-4f), fma(n, set1(-0.693359375f), a));
  const F p = add(fma(poly_f(r, kExpF), mul(r, r), r), set1(1.f)), power = as_float(ishl<23>(iadd(bits(k), iset1(1))));
  return select(lt(x, least), set1(0.f), mul(p, power));
}

// exp(x) for x <= 0: 1.0 ulp. Below -87, where it would be a denormal, 0; what is masked out is -infinity.
INLINE F softmax_exp(F x) {
  const F a = max(set1(-87.f), x), magic = set1(12582912.f + 127.f);   // 1.5 * 2^23 rounds; 127 is the bias
  const F k = fma(a, set1(1.44269504f), magic), n = sub(k, magic);
  const F r = fma(n, set1(2.12194440e-4f), fma(n, set1(-0.693359375f), a));
  const F p = fma(poly_f(r, kExpF), mul(r, r), r), power = as_float(ishl<23>(bits(k)));
  return select(lt(x, set1(-87.f)), set1(0.f), fma(power, p, power));
}

// x = m * 2^k with m in [sqrt(1/2), sqrt(2)), for x > 0.
struct Split {
  F m, k;
};
INLINE Split split_f(F x) {
  const M tiny = lt(x, set1(1.17549435e-38f));
  x = select(tiny, mul(x, set1(8388608.f)), x);
  const I i = iadd(bits(x), iset1(0x3f800000 - 0x3f3504f3));
  const F k = add(to_float(isub(ishr<23>(i), iset1(127))), select(tiny, set1(-23.f), set1(0.f)));
  return {as_float(iadd(iand(i, iset1(0x7fffff)), iset1(0x3f3504f3))), k};
}
// k ln 2 + log(1 + f) + c, for f in [sqrt(1/2) - 1, sqrt(2) - 1].
INLINE F log_core(F f, F k, F c) {
  static constexpr float p[] = {2.333096405e-1f, 2.855080255e-1f, 4.000012200e-1f, 6.666666655e-1f};
  const F s = div(f, add(set1(2.f), f)), z = mul(s, s), half = mul(mul(set1(0.5f), f), f);
  const F low = fma(s, fma(z, poly_f(z, p), half), fma(k, set1(9.0580006145e-6f), c));
  return fma(k, set1(6.9313812256e-1f), sub(f, sub(half, low)));
}
// What every logarithm of x returns at and outside the ends of its domain; `r` inside.
INLINE F log_ends(F x, F zero, F r) {
  const F inf = set1(__builtin_inff());
  r = select(lt(x, inf), r, x);
  r = select(lt(x, zero), set1(__builtin_nanf("")), r);
  return select(eq(x, zero), neg(inf), r);
}
// log: 0.8 ulp.
INLINE F log_f(F x) {
  const Split s = split_f(x);
  return log_ends(x, set1(0.f), log_core(sub(s.m, set1(1.f)), s.k, set1(0.f)));
}
// log(1 + x): 0.8 ulp. `c` is what rounding 1 + x lost.
INLINE F log1p_f(F x) {
  const F one = set1(1.f), u = add(one, x);
  const Split s = split_f(u);
  const M near = mand(lt(set1(-0.29f), x), lt(x, set1(0.41f)));
  const F lost = select(lt(x, one), sub(x, sub(u, one)), sub(one, sub(u, x)));
  const F f = select(near, x, sub(s.m, one)), k = select(near, set1(0.f), s.k), c = select(near, set1(0.f), div(lost, u));
  return log_ends(x, set1(-1.f), log_core(f, k, c));
}

// tanh: 2.4 ulp. e / (e + 2) with e = expm1(2 |x|): one path and one division, twice as fast as two (recurrent nets live on it).
INLINE F tanh_f(F x) {
  const F a = min(set1(10.f), abs(x)), y = add(a, a), magic = set1(12582912.f + 127.f);   // 1.5 * 2^23 rounds; 127 is the bias
  const F k = fma(y, set1(1.44269504f), magic), n = sub(k, magic);
  const F r = fma(n, set1(2.12194440e-4f), fma(n, set1(-0.693359375f), y));
  const F p = fma(poly_f(r, kExpF), mul(r, r), r), power = as_float(ishl<23>(bits(k)));
  const F e = fma(power, p, sub(power, set1(1.f)));
  return with_sign(div(e, add(e, set1(2.f))), sign_of(x));
}

// 1 / (1 + exp(-x)): 2.3 ulp, also where the result is small.
INLINE F sigmoid_f(F x) {
  const F e = exp_below_f(neg(abs(x))), one = set1(1.f);
  return div(select(lt(x, set1(0.f)), e, one), add(one, e));
}

// erf: 1.0 ulp. Beyond 0.93 it is 1 - exp(polynomial).
INLINE F erf_f(F x) {
  static constexpr float cn[] = {-5.96761703e-4f, 4.99119423e-3f,  -2.67681349e-2f,
                                 1.12819925e-1f,  -3.76125336e-1f, 1.28379166e-1f};
  static constexpr float cf[] = {-1.72853470e-5f, 3.83197126e-4f,  -3.88396438e-3f, 2.42546219e-2f,
                                 -1.06777877e-1f, -6.34846687e-1f, -1.28717512e-1f};
  const F a = abs(x), t = min(set1(4.5f), a);
  const F near = fma(poly_f(mul(x, x), cn), x, x);
  const F far = sub(set1(1.f), exp_below_f(fma(poly_f(t, cf), t, neg(t))));
  return select(le(a, set1(0.927734375f)), near, with_sign(far, sign_of(x)));
}

// The normal distribution at x: `cdf`, and `bell` = exp(-x^2 / 2). 5 ulp, also in the lower tail (down to 2^-126), which the usual
// 1 + erf loses; on the baseline the tail has x^2 / 2 ulp.
struct Normal {
  F cdf, bell;
};
INLINE Normal normal_f(F x) {
  static constexpr float cn[] = {1.029684377e-4f, -1.181316856e-3f, 9.972360325e-3f, -6.649029626e-2f, 3.989422795e-1f};
  static constexpr float cf[] = {-1.229831570e-4f, 1.948018511e-4f,  1.569313645e-3f, -3.523574056e-3f, -7.527212912e-3f,
                                 6.040646975e-2f,  -1.865230059e-1f, 3.871366798e-1f, -6.078966061e-1f, 7.552851385e-1f};
  const M far_out = lt(set1(12.9f), abs(x));   // where the tail would be a denormal
  const F a = min(set1(12.9f), abs(x)), h = mul(a, a), q = div(set1(1.f), add(a, set1(4.f)));
  const F lost = fma(a, a, neg(h));   // of the square, which the exponential would magnify
  const F e = exp_below_f(mul(set1(-0.5f), h)), bell = select(far_out, set1(0.f), fma(mul(set1(-0.5f), lost), e, e));
  const F tail = mul(mul(poly_f(fma(set1(-8.f), q, set1(1.f)), cf), q), bell);
  const F near = fma(poly_f(h, cn), x, set1(0.5f));
  const F far = select(lt(x, set1(0.f)), tail, sub(set1(1.f), tail));
  return {select(lt(a, set1(0.75f)), near, far), bell};
}

// x^y as in C: x^0 = 1^y = 1, a negative x needs a whole y. 0.6 ulp: the logarithm and the product are in f64.
INLINE F pow_f(F x, F y) {
  static constexpr double cl[] = {2. / 15, 2. / 13, 2. / 11, 2. / 9, 2. / 7, 2. / 5, 2. / 3, 2.};
  static constexpr double ce[] = {1. / 362880, 1. / 40320, 1. / 5040, 1. / 720, 1. / 120, 1. / 24, 1. / 6, 1. / 2, 1., 1.};
  const F zero = set1(0.f), one = set1(1.f), inf = set1(__builtin_inff()), a = abs(x), ay = abs(y);
  const Split s = split_f(a);
  const D f = sub(widen(s.m), dset1(1.)), v = div(f, add(f, dset1(2.))), z = mul(v, v);
  D p = dset1(cl[0]);
  for (int i = 1; i < 8; i++) p = fma(p, z, dset1(cl[i]));
  D t = mul(fma(mul(p, v), dset1(1.4426950408889634), widen(s.k)), widen(y));   // y * log2(a)
  t = min(dset1(160.), max(dset1(-200.), t));
  const F n = round(narrow(t));
  const D r = mul(sub(t, widen(n)), dset1(0.6931471805599453));
  D e = dset1(ce[0]);
  for (int i = 1; i < 10; i++) e = fma(e, r, dset1(ce[i]));
  F out = scale_f(narrow(e), n);
  // Zero and infinite bases and exponents, which the logarithm above does not see.
  const M big = mor(mand(lt(one, a), lt(zero, y)), mand(lt(a, one), lt(y, zero)));   // grows with |y|
  const M end = mor(mor(eq(a, zero), eq(a, inf)), eq(ay, inf));
  out = select(end, select(big, inf, zero), out);
  out = select(mand(eq(a, one), eq(y, y)), one, out);
  // The sign of a negative base, by the parity of y.
  const M whole = eq(round(y), y), odd = mand(whole, mnot(eq(round(mul(y, set1(0.5f))), mul(y, set1(0.5f)))));
  out = select(odd, with_sign(out, sign_of(x)), out);
  const M undefined = mand(mand(lt(x, zero), lt(a, inf)), mnot(whole));
  out = select(undefined, set1(__builtin_nanf("")), out);
  out = select(mand(eq(x, x), eq(y, y)), out, add(x, y));   // NaN in
  return select(mor(eq(y, zero), eq(x, one)), one, out);
}

INLINE F relu_f(F x) { return max(set1(0.f), x); }   // this order: NaN stays NaN
INLINE F softplus_f(F x) { return add(relu_f(x), log1p_f(exp_below_f(neg(abs(x))))); }
// The tanh form of gelu is x * sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)), which is x / 2 * (1 + tanh(...)). 4 ulp near 0; the
// argument's rounding makes it 26 ulp at -5.
INLINE F gelu_tanh_arg_f(F x) { return fma(mul(mul(x, x), x), set1(0.0713548163f), mul(x, set1(1.59576912f))); }
// And its derivative. Beyond 32 the sigmoid is 0 or 1, and the square would be infinite where it is to be multiplied with 0.
INLINE F gelu_tanh_slope_f(F x) {
  const F t = min(set1(32.f), abs(x));
  return fma(mul(t, t), set1(0.214064449f), set1(1.59576912f));
}

// ---- f64, scalar --------------------------------------------------------------------------------------------------
// The baseline has no fma instruction, and the library's is slow: it rounds twice there.
static inline double fma_d(double a, double b, double c) {
  if constexpr (kFma) return __builtin_fma(a, b, c);
  return a * b + c;
}
template <int N>
static inline double poly_d(double x, const double (&c)[N]) {
  double r = c[0];
  for (int i = 1; i < N; i++) r = fma_d(r, x, c[i]);
  return r;
}
static inline uint64_t bits_d(double x) {
  uint64_t u;
  memcpy(&u, &x, 8);
  return u;
}
static inline double double_of(uint64_t u) {
  double x;
  memcpy(&x, &u, 8);
  return x;
}
static inline double round_d(double x) {   // nearest even, for |x| < 2^51
  const double magic = 6755399441055744.;
  return (x + magic) - magic;
}
static inline double scale_d(double p, int k) {
  const int h = k / 2;
  return p * double_of((uint64_t)(1023 + h) << 52) * double_of((uint64_t)(1023 + k - h) << 52);
}
constexpr double kLn2Hi = 6.93147180369123816490e-01, kLn2Lo = 1.90821492927058770002e-10;   // the first times k is exact

// exp(r) - 1 for |r| <= ln(2) / 2.
static inline double expm1_core(double r) {
  static constexpr double c[] = {1. / 6227020800, 1. / 479001600, 1. / 39916800, 1. / 3628800, 1. / 362880, 1. / 40320,
                                 1. / 5040,       1. / 720,       1. / 120,      1. / 24,      1. / 6,      1. / 2};
  return fma_d(poly_d(r, c), r * r, r);
}
// exp(x + low), |low| tiny: 1 ulp.
static inline double exp_sum_d(double x, double low) {
  if (!(x <= 709.8)) return x != x ? x : __builtin_inf();
  if (x < -745.2) return 0.;
  const double k = round_d(x * 1.4426950408889634), r = fma_d(-k, kLn2Lo, fma_d(-k, kLn2Hi, x)) + low;
  return scale_d(1. + expm1_core(r), (int)k);
}
static inline double exp_d(double x) { return exp_sum_d(x, 0.); }
// exp(x) - 1 for x <= 0: 1 ulp.
static inline double expm1_neg_d(double x) {
  if (!(x >= -40.)) return x != x ? x : -1.;
  const double k = round_d(x * 1.4426950408889634), r = fma_d(-k, kLn2Lo, fma_d(-k, kLn2Hi, x));
  const double two = double_of((uint64_t)(1023 + (int)k) << 52);
  return fma_d(two, expm1_core(r), two - 1.);
}

// x = m * 2^k with m in [sqrt(1/2), sqrt(2)), for x > 0.
static inline double split_d(double x, int& k) {
  int shift = 0;
  if (x < 2.2250738585072014e-308) x *= 18014398509481984., shift = -54;
  const uint64_t i = bits_d(x) + (0x3ff0000000000000ull - 0x3fe6a09e667f3bcdull);
  k = (int)(i >> 52) - 1023 + shift;
  return double_of((i & 0xfffffffffffffull) + 0x3fe6a09e667f3bcdull);
}
static inline double log_core_d(double f, double k, double c) {
  static constexpr double p[] = {2. / 25, 2. / 23, 2. / 21, 2. / 19, 2. / 17, 2. / 15,
                                 2. / 13, 2. / 11, 2. / 9,  2. / 7,  2. / 5,  2. / 3};
  const double s = f / (2. + f), z = s * s, half = 0.5 * f * f;
  const double low = fma_d(s, fma_d(z, poly_d(z, p), half), fma_d(k, kLn2Lo, c));
  return fma_d(k, kLn2Hi, f - (half - low));
}
// log: 1 ulp.
static inline double log_d(double x) {
  if (!(x < __builtin_inf())) return x;
  if (x <= 0.) return x == 0. ? -__builtin_inf() : __builtin_nan("");
  int k;
  const double m = split_d(x, k);
  return log_core_d(m - 1., k, 0.);
}
// log(1 + x): 1 ulp.
static inline double log1p_d(double x) {
  if (!(x < __builtin_inf())) return x;
  if (x <= -1.) return x == -1. ? -__builtin_inf() : __builtin_nan("");
  if (-0.29 < x && x < 0.41) return log_core_d(x, 0., 0.);
  const double u = 1. + x, lost = x < 1. ? x - (u - 1.) : 1. - (u - x);
  int k;
  const double m = split_d(u, k);
  return log_core_d(m - 1., k, lost / u);
}

// tanh: 2.5 ulp.
static inline double tanh_d(double x) {
  const double t = expm1_neg_d(-2. * __builtin_fabs(x));
  return __builtin_copysign(-t / (t + 2.), x);
}
static inline double sigmoid_d(double x) {
  const double e = exp_d(-__builtin_fabs(x));
  return (x < 0. ? e : 1.) / (1. + e);
}

static inline double erf_near_d(double x) {
  static constexpr double c[] = {5.95717614774888288e-11,  -1.13728488567916571e-09, 1.46597752740474314e-08,
                                 -1.63503127010546952e-07, 1.64610004841213676e-06,  -1.49255952668311818e-05,
                                 1.20553311116427105e-04,  -8.54832698083379003e-04, 5.22397762481801448e-03,
                                 -2.68661706450767923e-02, 1.12837916709548791e-01,  -3.76126389031837483e-01,
                                 1.12837916709551256e+00};
  return x * poly_d(x * x, c);
}
// exp(x^2) (1 - erf(x)) for x in [1, 27].
static inline double erfcx_d(double x) {
  static constexpr double c[] = {
      -1.63405606503883186e-08, 1.04211201814016894e-07,  -4.54622376296847494e-08, -8.36780688841075460e-07,
      1.40208401615812573e-06,  4.69317944460149651e-06,  -1.88519534641782461e-05, -3.63566699124876044e-06,
      1.76810658783555495e-04,  -4.55052456049546440e-04, -2.80958547248371391e-04, 6.11205561699732641e-03,
      -2.63700533681448315e-02, 7.63815149125171844e-02,  -1.74010937238602642e-01, 3.30851587877887821e-01,
      -5.40853831313264366e-01, 7.73208702265238856e-01,  -9.76548729080881750e-01, 1.09599566100049106e+00};
  return poly_d((x - 4.) / (x + 4.), c) / (x + 4.);
}
// erf: 2 ulp.
static inline double erf_d(double x) {
  const double a = __builtin_fabs(x);
  if (a < 1. || a != a) return erf_near_d(x);
  return __builtin_copysign(a < 6. ? 1. - erfcx_d(a) * exp_d(-a * a) : 1., x);
}
// As normal_f: 6 ulp.
struct NormalD {
  double cdf, bell;
};
static inline NormalD normal_d(double x) {
  const double a = __builtin_fabs(x) < 40. ? __builtin_fabs(x) : x == x ? 40. : x, z = a * 0.7071067811865476;
  const double h = double_of(bits_d(a) & 0xfffffffff8000000ull);   // its square is exact; the exponential would magnify an error
  const double bell = exp_sum_d(-0.5 * h * h, -0.5 * (a - h) * (a + h));
  if (a < 0.75 || a != a) return {0.5 + 0.5 * erf_near_d(x * 0.7071067811865476), bell};
  const double tail = z < 1. ? 0.5 - 0.5 * erf_near_d(z) : 0.5 * erfcx_d(z) * bell;
  return {x < 0. ? tail : 1. - tail, bell};
}

// a * b = the result + low, exactly: without fma, so that every ISA gives the same bits.
static inline double product_d(double a, double b, double& low) {
  const double ca = 134217729. * a, ah = ca - (ca - a), al = a - ah, cb = 134217729. * b, bh = cb - (cb - b), bl = b - bh;
  const double p = a * b;
  low = ((ah * bh - p) + ah * bl + al * bh) + al * bl;
  return p;
}
// x^y for finite x > 0, finite y: 1.2 ulp. The logarithm is a sum of two doubles, as its error is magnified up to 700 times.
static inline double pow_positive_d(double x, double y) {
  static constexpr double c[] = {2. / 25, 2. / 23, 2. / 21, 2. / 19, 2. / 17, 2. / 15, 2. / 13, 2. / 11, 2. / 9, 2. / 7, 2. / 5};
  int k;
  const double f = split_d(x, k) - 1., t = 2. + f;
  double e, el, cl, ul, vl;
  const double s = f / t, st = product_d(s, t, e), sl = (((f - st) - e) - s * (f - (t - 2.))) / t;   // f / (2 + f) = s + sl
  const double z = product_d(s, s, el), zl = el + 2. * s * sl, q = z * poly_d(z, c), third = 2. / 3;
  const double ch = third + q;   // the series 2/3 + 2/5 z + ... = ch + cl
  cl = (third - ch) + q + 3.700743415417188e-17;
  const double u = product_d(z, ch, ul);
  ul += z * cl + zl * ch;
  const double v = product_d(s, u, vl);
  vl += s * ul + sl * u;
  const double a = k * kLn2Hi, b = 2. * s, ab = a + b;   // |a| > |b| or a = 0
  const double lo1 = k ? (a - ab) + b : 0., hi = ab + v, lo2 = (ab - hi) + v;
  const double low = ((lo1 + lo2) + vl) + (2. * sl + k * kLn2Lo), lh = hi + low, ll = (hi - lh) + low;
  if (__builtin_fabs(y) > 1e200) return (y > 0.) == (lh > 0.) ? (lh == 0. ? 1. : __builtin_inf()) : (lh == 0. ? 1. : 0.);
  double pl;
  const double p = product_d(y, lh, pl);
  if (__builtin_fabs(p) > 800.) return p > 0. ? __builtin_inf() : 0.;
  return exp_sum_d(p, pl + y * ll);
}
// x^y as in C.
static inline double pow_d(double x, double y) {
  if (y == 0. || x == 1.) return 1.;
  if (x != x || y != y) return x + y;
  const double a = __builtin_fabs(x), inf = __builtin_inf(), ay = __builtin_fabs(y);
  const bool whole = ay >= 4503599627370496. || round_d(y) == y;
  const bool odd = whole && ay < 9007199254740992. && 2. * round_d(0.5 * round_d(y)) != y;
  if (x < 0. && a < inf && ay < inf && !whole) return __builtin_nan("");
  double r;
  if (a == 1.) {
    r = 1.;
  } else if (a == 0. || a == inf || ay == inf) {
    r = (a > 1.) == (y > 0.) ? inf : 0.;
  } else {
    r = pow_positive_d(a, y);
  }
  return odd && bits_d(x) >> 63 ? -r : r;
}
}   // namespace gradclip::GRADCLIP_ISA
