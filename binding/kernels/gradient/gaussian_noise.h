// gaussian_noise.h: normal noise for gradients, computed in f64, of Philox or of ChaCha20 under a secret key.
#pragma once
#include "../chacha.h"
#include "../math.h"
#include "../philox.h"

namespace gradclip::GRADCLIP_ISA {
typedef uint64_t Longs __attribute__((vector_size(sizeof(RD))));

template <int N>
INLINE RD r_poly(RD x, const double (&c)[N]) {
  RD r = r_dset1(c[0]);
#pragma GCC unroll 16
  for (int i = 1; i < N; i++) r = r_dfma(r, x, r_dset1(c[i]));
  return r;
}

struct Pair {
  RD first, second;
};
// Two independent standard normal numbers of 128 random bits (Box and Muller 1958). The radius is of (radius + 1/2) / 2^64, rounded to 53
// bits: up to 9.5 deviations. The angle has 54 bits: two choose an eighth of the circle and its mirror image, the others where in it.
// 4 ulp of the radius.
INLINE Pair normals(Longs radius, Longs angle) {
  constexpr uint64_t kWhole = 0x4330000000000000ull, kOne = 0x3ff0000000000000ull,
                     kRoot = 0x3fe6a09e667f3bcdull;   // 2^52, 1, sqrt(1/2)
  constexpr uint64_t kMantissa = 0xfffffffffffffull;
  static constexpr double kLog[] = {1.479819860511658591e-01, 1.531383769920937332e-01, 1.818357216161805012e-01,
                                    2.222219843214978396e-01, 2.857142874366239149e-01, 3.999999999940941908e-01,
                                    6.666666666666735130e-01};   // fdlibm
  // Of pi / 2 x, by x^2.
  static constexpr double kSine[] = {-6.688035109811468e-10, 5.692172921967927e-08, -3.598843235212085e-06,
                                     0.00016044118478735983, -0.004681754135318688, 0.07969262624616705,
                                     -0.6459640975062463,    1.5707963267948966};
  static constexpr double kCosine[] = {6.565963114979473e-11,   -6.386603083791852e-09, 4.710874778818172e-07,
                                       -2.5202042373060607e-05, 0.0009192602748394266,  -0.02086348076335296,
                                       0.25366950790104803,     -1.2337005501361697,    1.0};
  const RD whole = r_dset1(0x1p52);
  const RD high = r_dsub((RD)(radius >> 32 | kWhole), whole);
  const RD low = r_dsub((RD)((radius & 0xffffffffull) | kWhole), r_dset1(0x1p52 - 0.5));
  const Longs bits = (Longs)r_dfma(high, r_dset1(0x1p32), low) + (kOne - kRoot);
  const RD k = r_dsub((RD)(bits >> 52 | kWhole), r_dset1(0x1p52 + 1023 + 64));   // the logarithm's, less that of 2^64
  const RD f = r_dsub((RD)((bits & kMantissa) + kRoot), r_dset1(1.));
  const RD s = r_ddiv(f, r_dadd(r_dset1(2.), f)), z = r_dmul(s, s), half = r_dmul(r_dmul(r_dset1(0.5), f), f);
  const RD rest = r_dfma(s, r_dfma(z, r_poly(z, kLog), half), r_dmul(k, r_dset1(kLn2Lo)));
  const RD log = r_dfma(k, r_dset1(kLn2Hi), r_dsub(f, r_dsub(half, rest)));
  const RD r = r_dsqrt(r_dmul(r_dset1(-2.), log));

  const RD x = r_dadd(r_dsub((RD)((angle & kMantissa) | kOne), r_dset1(1.5)), r_dset1(0x1p-53)), square = r_dmul(x, x);
  const Longs sine = (Longs)r_dmul(x, r_poly(square, kSine)), cosine = (Longs)r_poly(square, kCosine);
  const Longs turn = angle & 0x8000000000000000ull;
  const Longs change = ((sine ^ cosine) & -(angle >> 62 & 1ull)) ^ turn;
  return {r_dmul(r, (RD)(cosine ^ change)), r_dmul(r, (RD)(sine ^ change))};
}

struct Drawn {
  D first, second;
};
// 32 normal numbers of the blocks whose counters these are: each 64-bit number is of two neighbors' words.
INLINE Drawn drawn_of(const Philox& p) {
  Drawn n;
#pragma GCC unroll 4
  for (int i = 0; i < NR; i++) {
    const Pair a = normals((Longs)p.word[0].v[i], (Longs)p.word[1].v[i]),
               b = normals((Longs)p.word[2].v[i], (Longs)p.word[3].v[i]);
    n.first.v[i] = a.first, n.second.v[i] = a.second;
    n.first.v[NR + i] = b.first, n.second.v[NR + i] = b.second;
  }
  return n;
}
// The same, each of four: their sum over 2 is as normal, and what a sum was made of its last bits do not tell (Holohan and Braghin 2021).
INLINE Drawn drawn_of(const uint32_t* key, I counters, const uint32_t (&nonce)[3]) {
  Drawn n;
  for (int i = 0; i < NR; i++) {
    const Blocks b = chacha(key, (Words)counters.v[i], nonce);
    for (int h = 0; h < 2; h++) {
      Pair p[4];
#pragma GCC unroll 4
      for (int q = 0; q < 4; q++) p[q] = normals((Longs)b.word[4 * q + 2 * h], (Longs)b.word[4 * q + 2 * h + 1]);
      const RD first = r_dadd(r_dadd(p[0].first, p[1].first), r_dadd(p[2].first, p[3].first));
      const RD second = r_dadd(r_dadd(p[0].second, p[1].second), r_dadd(p[2].second, p[3].second));
      n.first.v[h * NR + i] = r_dmul(first, r_dset1(0.5)), n.second.v[h * NR + i] = r_dmul(second, r_dset1(0.5));
    }
  }
  return n;
}

enum GaussianNoiseInts { kGaussianElements, kGaussianKey };

// y = x + std * normal, in f64. Inputs: x f32 [n], std f64, and perhaps a secret key of 8 words. ints: n, key of the op.
// Element 32 g + p, p < 16, takes the first number of pair p of group g, element 32 g + 16 + p the second; a group is 16 blocks.
void gaussianNoise(const Args& a, const Team& team) {
  const int64_t n = a.i[kGaussianElements], groups = (n + 31) / 32, chunk = 16;
  const float* x = (const float*)a.in[0];
  const D std = dset1(*(const double*)a.in[1]);
  const uint32_t* secret = a.n_in == 3 ? (const uint32_t*)a.in[2] : nullptr;
  float* y = (float*)a.out[0];
  const uint64_t attempt = a.ctx->attempt;
  const uint32_t key = (uint32_t)a.i[kGaussianKey], nonce[3] = {(uint32_t)attempt, (uint32_t)(attempt >> 32), key};
  int32_t lanes[L];
  for (int k = 0; k < L; k++) lanes[k] = k;
  const I lane = iload(lanes);
  const Range range = split((groups + chunk - 1) / chunk, team);
  const int64_t end = range.end * chunk < groups ? range.end * chunk : groups;
  for (int64_t g = range.begin * chunk; g < end; g++) {
    const I counters = iadd(iset1((int32_t)(uint32_t)(16 * g)), lane);
    const Drawn z = secret ? drawn_of(secret, counters, nonce)
                           : drawn_of(philox(counters, nonce[0], 0x67617573u ^ nonce[1], key, a.ctx->seed));
    const int64_t at = 32 * g, left = n - at;
    store_part(y + at, narrow(fma(std, z.first, widen(load_part(x + at, left)))), left);
    if (left > L) store_part(y + at + L, narrow(fma(std, z.second, widen(load_part(x + at + L, left - L)))), left - L);
  }
}
void gaussianNoise_need(Need& n) {
  if (n.n_in < 2 || n.n_in > 3) return n.fail("expected 2 or 3 inputs");
  // 2^32 blocks, of two elements each.
  if (n.i[kGaussianElements] < 0 || n.i[kGaussianElements] > int64_t(1) << 33) return n.fail("wrong number of elements");
  if (n.i[kGaussianKey] < 0 || n.i[kGaussianKey] > 0xffffffffll) return n.fail("wrong key");
  n.out[0] = n.in[0] = size_of(n.i[kGaussianElements], 4);
  n.in[1] = 8;
  if (n.n_in == 3) n.in[2] = 32;
  n.alias(0, 0);
}
}   // namespace gradclip::GRADCLIP_ISA
