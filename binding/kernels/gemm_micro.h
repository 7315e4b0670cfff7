// gemm_micro.h: the micro-kernels of the matrix product, the part that counts registers.
#pragma once
#include "gemm_pack.h"

namespace gradclip::GRADCLIP_ISA {
// Memory that is read soon: `count` pairs of lines, `pair` floats between the two and `step` from one pair to the next. Micro-kernels
// ask for a pair now and then, because asked for at once they would wait for one another.
struct Soon {
  const float* p;
  int64_t step, pair, count;
};
static inline Soon soon_run(const float* p, int64_t floats) { return {p, 32, 16, floats / 32}; }

// A pointer from somewhere: gcc would keep as many as there are addresses in the loop.
template <class T>
INLINE T* settle(T* p) {
  asm("" : "+r"(p));
  return p;
}

// c[R, lanes] (+)= s[R, k] * v[k, lanes], every element one fma chain over k.
// S by rows (KS1: element (i, p) at s[i * st + p]) or by columns (at s[p * st + i]). FORM: 0 two full registers, 1 two registers
// of which the second holds `tail` lanes, 2 one register of `tail` lanes, 3 as 0 with vs = TN and, if S lies by columns, st = kSRow,
// which saves an addition or two a step. `first`: the chain starts from 0, else from c.
// `next`: the tile of C after this one; it and `soon` are asked for on the way.
using Micro = void (*)(int64_t k, const float* s, int64_t st, const float* v, int64_t vs, float* c, int64_t cs, int tail,
                       bool first, const float* next, const Soon& soon);
template <bool KS1, int FORM, int R>
static void micro(int64_t k, const float* s, int64_t st, const float* v, int64_t vs, float* c, int64_t cs, int tail, bool first,
                  const float* next, const Soon& soon) {
  constexpr int V = FORM == 2 ? 1 : 2;
  constexpr bool masked = FORM == 1 || FORM == 2, packed = FORM == 3;
  const RM mask = r_mfirst(masked ? tail : W);
  const auto get = [&](const float* p, int j) { return masked && j == V - 1 ? r_loadm(p + j * W, mask) : r_load(p + j * W); };
  RF acc[R][V];
  if (first) {
#pragma GCC unroll 16
    for (int i = 0; i < R; i++)
#pragma GCC unroll 2
      for (int j = 0; j < V; j++) acc[i][j] = r_set1(0.f);
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < R; i++)
#pragma GCC unroll 2
      for (int j = 0; j < V; j++) acc[i][j] = get(c + i * cs, j);
  }
  // Five pointers and the stride as index reach all rows without more registers.
  const float *q0 = s, *q1 = s + 3 * st, *q2 = s + 6 * st, *q3 = s + 9 * st, *q4 = s + 12 * st;
  const auto step = [&](int u) __attribute__((always_inline)) {
    RF b[V];
#pragma GCC unroll 2
    for (int j = 0; j < V; j++) b[j] = get(packed ? v + u * TN : v, j);
    if (!packed) v = settle(v + vs);
#pragma GCC unroll 16
    for (int i = 0; i < R; i++) {
      const float* q = i < 3 ? q0 : i < 6 ? q1 : i < 9 ? q2 : i < 12 ? q3 : q4;
      const RF x = r_set1(KS1 ? q[(i % 3) * st + u] : s[packed ? u * kSRow + i : i]);
#pragma GCC unroll 2
      for (int j = 0; j < V; j++) acc[i][j] = r_fma_to(acc[i][j], x, b[j]);
    }
    if (!KS1 && !packed) s = settle(s + st);
  };
  const auto steps = [&](int n) __attribute__((always_inline)) {
#pragma GCC unroll 4
    for (int u = 0; u < n; u++) step(u);
    if (packed) v = settle(v + n * TN);
    if (packed && !KS1) s = settle(s + n * kSRow);
    if (KS1) q0 += n, q1 += n, q2 += n, q3 += n, q4 += n;
  };
  int64_t left = k / kSteps;
  Soon ask = {next, cs, TN - 1, R};
#pragma GCC unroll 1
  for (int x = 0; x < 2; x++, ask = soon) {
    const int64_t count = least(left, ask.count);
    left -= count;
#pragma GCC unroll 1
    for (int64_t y = 0; y < count; y++, ask.p += ask.step) {
      fetch_near(ask.p);
      fetch_near(ask.p + ask.pair);
      steps(kSteps);
    }
  }
#pragma GCC unroll 1
  for (; left > 0; left--) steps(kSteps);
#pragma GCC unroll 1
  for (int64_t p = k % kSteps; p > 0; p--) steps(1);
  c = settle(c);
#pragma GCC unroll 16
  for (int i = 0; i < R; i++)
#pragma GCC unroll 2
    for (int j = 0; j < V; j++) {
      if (masked && j == V - 1)
        r_storem(c + i * cs + j * W, acc[i][j], mask);
      else
        r_store(c + i * cs + j * W, acc[i][j]);
    }
}

#define GRADCLIP_M(ks1, form, r) micro<ks1, form, (r <= MR ? r : MR)>
#define GRADCLIP_MR(ks1, form)                                                                                     \
  {                                                                                                                \
    GRADCLIP_M(ks1, form, 1), GRADCLIP_M(ks1, form, 2), GRADCLIP_M(ks1, form, 3), GRADCLIP_M(ks1, form, 4),        \
        GRADCLIP_M(ks1, form, 5), GRADCLIP_M(ks1, form, 6), GRADCLIP_M(ks1, form, 7), GRADCLIP_M(ks1, form, 8),    \
        GRADCLIP_M(ks1, form, 9), GRADCLIP_M(ks1, form, 10), GRADCLIP_M(ks1, form, 11), GRADCLIP_M(ks1, form, 12), \
        GRADCLIP_M(ks1, form, 13), GRADCLIP_M(ks1, form, 14)                                                       \
  }
// By layout of S (1: by rows), form, rows - 1.
static const Micro kMicro[2][4][14] = {
    {GRADCLIP_MR(false, 0), GRADCLIP_MR(false, 1), GRADCLIP_MR(false, 2), GRADCLIP_MR(false, 3)},
    {GRADCLIP_MR(true, 0), GRADCLIP_MR(true, 1), GRADCLIP_MR(true, 2), GRADCLIP_MR(true, 3)}};
#undef GRADCLIP_MR
#undef GRADCLIP_M
}   // namespace gradclip::GRADCLIP_ISA
