// random.h: dropout, noise, random numbers, and single ones.
#pragma once
#include "math.h"
#include "philox.h"

namespace gradclip::GRADCLIP_ISA {
// The words of n elements: f(at, m, word) for each 16 of them from `at`, m of which there are. Element 64 g + 16 w + l takes word w
// of counter 16 g + l.
template <class Each>
INLINE void each_word(const Args& a, const Team& team, int64_t n, uint32_t use, uint32_t key, Each f) {
  const int64_t groups = (n + 63) / 64, chunk = 64;
  const uint32_t attempt = (uint32_t)a.ctx->attempt, tag = use ^ (uint32_t)(a.ctx->attempt >> 32);
  int32_t lanes[L];
  for (int k = 0; k < L; k++) lanes[k] = k;
  const I lane = iload(lanes);
  const Range range = split((groups + chunk - 1) / chunk, team);
  const int64_t end = range.end * chunk < groups ? range.end * chunk : groups;
  for (int64_t g = range.begin * chunk; g < end; g++) {
    const Philox r = philox(iadd(iset1((int32_t)(16 * g)), lane), attempt, tag, key, a.ctx->seed);
    for (int w = 0; w < 4; w++) {
      const int64_t at = 64 * g + 16 * w;
      if (at < n) f(at, at + L <= n ? (int)L : (int)(n - at), r.word[w]);
    }
  }
}

enum DropoutInts { kDropoutElements, kDropoutKey, kDropoutThreshold };

// y[n] = x[n] * (0 or floats[0]). ints: n, key of the op, threshold: an element is dropped when the upper 24 bits of its word lie
// below it.
void dropout(const Args& a, const Team& team) {
  const F threshold = set1((float)a.i[kDropoutThreshold]), scale = set1((float)a.f[0]);
  const float* x = (const float*)a.in[0];
  float* y = (float*)a.out[0];
  each_word(a, team, a.i[kDropoutElements], 0x64726f70u, (uint32_t)a.i[kDropoutKey], [=](int64_t at, int m, I word) {
    const F factor = select(le(threshold, to_float(ishr<8>(word))), scale, set1(0.f));
    if (m == L)
      store(y + at, mul(load(x + at), factor));
    else
      store_n(y + at, mul(load_n(x + at, m), factor), m);
  });
}
void dropout_need(Need& n) {
  if (n.i[kDropoutElements] < 0 || n.i[kDropoutElements] > int64_t(1) << 34) return n.fail("wrong number of elements");
  if (n.i[kDropoutKey] < 0 || n.i[kDropoutKey] > 0xffffffffll || n.i[kDropoutThreshold] < 0 || n.i[kDropoutThreshold] > 1 << 24)
    return n.fail("wrong key or threshold");
  n.out[0] = n.in[0] = size_of(n.i[kDropoutElements], 4);
  n.alias(0, 0);
}

// Standard normal from the upper 23 bits of a word: the quantile function, AS 241 (Wichura 1988), PPND7. 2 ulp of 1 up to 5.3 deviations.
INLINE F normal_quantile(I word) {
  static constexpr float a[] = {59.109374720f, 159.29113202f, 50.434271938f, 3.3871327179f};
  static constexpr float b[] = {67.187563600f, 78.757757664f, 17.895169469f, 1.f};
  static constexpr float c[] = {0.17023821103f, 1.3067284816f, 2.7568153900f, 1.4234372777f};
  static constexpr float d[] = {0.12021132975f, 0.73700164250f, 1.f};
  // Exact: 24 bits.
  const F p = mul(add(to_float(ishr<9>(word)), set1(0.5f)), set1(0x1p-23f)), q = sub(p, set1(0.5f));
  const F u = sub(set1(0.180625f), mul(q, q));
  const F middle = mul(q, div(poly_f(u, a), poly_f(u, b)));
  const F least = sub(set1(0.5f), abs(q));
  const F v = sub(sqrt(neg(log_f(least))), set1(1.6f));
  const F tail = div(poly_f(v, c), poly_f(v, d));
  return select(le(abs(q), set1(0.425f)), middle, with_sign(tail, sign_of(q)));
}

enum NoiseInts { kNoiseElements, kNoiseKey };

// y[n] = x[n] + floats[0] * normal. ints: n, key of the op
void noise(const Args& a, const Team& team) {
  const F std = set1((float)a.f[0]);
  const float* x = (const float*)a.in[0];
  float* y = (float*)a.out[0];
  each_word(a, team, a.i[kNoiseElements], 0x6e6f6973u, (uint32_t)a.i[kNoiseKey], [=](int64_t at, int m, I word) {
    if (m == L)
      store(y + at, fma(std, normal_quantile(word), load(x + at)));
    else
      store_n(y + at, fma(std, normal_quantile(word), load_n(x + at, m)), m);
  });
}
void noise_need(Need& n) {
  if (n.i[kNoiseElements] < 0 || n.i[kNoiseElements] > int64_t(1) << 34) return n.fail("wrong number of elements");
  if (n.i[kNoiseKey] < 0 || n.i[kNoiseKey] > 0xffffffffll) return n.fail("wrong key");
  n.out[0] = n.in[0] = size_of(n.i[kNoiseElements], 4);
  n.alias(0, 0);
}

enum UniformInts { kUniformKey };

// One number of [0, 1) with 53 bits, keyed by seed, attempt and int 0.
void uniform(const Args& a, const Team& team) {
  if (team.rank != 0) return;
  const uint32_t attempt = (uint32_t)a.ctx->attempt, tag = 0x756e6966u ^ (uint32_t)(a.ctx->attempt >> 32);
  const Philox r = philox(iset1(0), attempt, tag, (uint32_t)a.i[kUniformKey], a.ctx->seed);
  int32_t high[L], low[L];
  istore(high, r.word[0]), istore(low, r.word[1]);
  *(double*)a.out[0] = ((double)((uint32_t)high[0] >> 5) * 0x1p26 + (double)((uint32_t)low[0] >> 6)) * 0x1p-53;
}
void uniform_need(Need& n) {
  if (n.i[kUniformKey] < 0 || n.i[kUniformKey] > 0xffffffffll) return n.fail("wrong key");
  n.out[0] = 8;
}

enum RandomInts { kRandomElements, kRandomKey, kRandomNormal };

// y[n] = a number of [0, 1) with 24 bits, or one of a standard normal. ints: n, key of the op, 1 for normal
void random(const Args& a, const Team& team) {
  float* y = (float*)a.out[0];
  const bool normal = a.i[kRandomNormal];
  each_word(a, team, a.i[kRandomElements], 0x72616e64u, (uint32_t)a.i[kRandomKey], [=](int64_t at, int m, I word) {
    const F v = normal ? normal_quantile(word) : mul(to_float(ishr<8>(word)), set1(0x1p-24f));
    if (m == L)
      store(y + at, v);
    else
      store_n(y + at, v, m);
  });
}
void random_need(Need& n) {
  if (n.i[kRandomElements] < 0 || n.i[kRandomElements] > int64_t(1) << 34) return n.fail("wrong number of elements");
  if (n.i[kRandomKey] < 0 || n.i[kRandomKey] > 0xffffffffll) return n.fail("wrong key");
  n.out[0] = size_of(n.i[kRandomElements], 4);
}
}   // namespace gradclip::GRADCLIP_ISA
