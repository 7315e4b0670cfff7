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
// What a tile asks for, one after the other. What comes first is sure to be asked for in a short product.
struct Asks {
  static constexpr int kMost = 20;   // C, two operands that follow, 7 pairs of rows of S, 8 pairs of lines of V
  Soon of[kMost];
  int count = 0;
  void add(const Soon& soon) {
    if (soon.count > 0) of[count++] = soon;
  }
};

// c[R, lanes] (+)= s[R, k] * v[k, lanes], every element one chain of mul_to over k. k counts words (bf16.h).
// S by rows (KS1: element (i, p) at s[i * st + p]) or by columns (at s[p * st + i]). FORM: 0 two full registers, 1 two registers
// of which the second holds `tail` lanes, 2 one register of `tail` lanes, 3 as 0 with vs = TN and, if S lies by columns, st = kSRow,
// which saves an addition or two a step. `first`: the chain starts from 0, else from c.
// `asks` are asked for on the way.
using Micro = void (*)(int64_t k, const float* s, int64_t st, const float* v, int64_t vs, float* c, int64_t cs, int tail,
                       bool first, const Asks& asks);
// Operands in bf16 of which V lies in f32, rows vs apart, and is paired on the way. Only where there are dots.
struct Lying : Bf16 {};
template <class P>
constexpr bool kLies = false;
template <>
constexpr bool kLies<Lying> = true;
INLINE RF pair_rows(RF first, RF second) {
#if defined(__AVX512BF16__)
  return r_words_of(first, second);
#else
  return second;
#endif
}

template <int N>
struct Steps {
  static constexpr int count = N;
};
// Steps of k at a time: as many as keep all of a tile in registers.
constexpr int steps_at_once(bool by_rows, int rows) { return kLanes ? by_rows && rows > 10 ? 2 : 4 : kRegs == 32 ? 2 : 4; }

template <class P, bool KS1, int FORM, int R>
static void micro(int64_t k, const float* s, int64_t st, const float* v, int64_t vs, float* c, int64_t cs, int tail, bool first,
                  const Asks& asks) {
  constexpr int V = FORM == 2 ? 1 : 2, kSteps = steps_at_once(KS1, R);
  constexpr bool masked = FORM == 1 || FORM == 2, packed = FORM == 3, lies = kLies<P>;
  // Where masks cost, whole registers of V are loaded while later steps of it lie behind: those hold at least a lane each.
  constexpr int kLast = masked && !kMasks ? W : 0;
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
  const auto row = [&](int i) __attribute__((always_inline)) {
    return (i < 3 ? q0 : i < 6 ? q1 : i < 9 ? q2 : i < 12 ? q3 : q4) + (i % 3) * st;
  };
  const auto load_v = [&](RF(&b)[V], int u, bool last) __attribute__((always_inline)) {
#pragma GCC unroll 2
    for (int j = 0; j < V; j++) {
      const float* p = packed ? v + u * TN : v;
      b[j] = kLast > 0 && !last ? r_load(p + j * W) : get(p, j);
      if constexpr (lies) b[j] = pair_rows(b[j], get(p + vs, j));
    }
    if (!packed) v = settle(v + (lies ? 2 * vs : vs));
  };
  const auto step = [&](int u, bool last) __attribute__((always_inline)) {
    RF b[V];
    load_v(b, u, last);
    if constexpr (KS1) {
#pragma GCC unroll 16
      for (int i = 0; i < R; i++) {
        const RF x = r_set1(row(i)[u]);
#pragma GCC unroll 2
        for (int j = 0; j < V; j++) acc[i][j] = mul_to<P>(acc[i][j], x, b[j]);
      }
    } else {
      const auto column = r_numbers<R>(packed ? s + u * kSRow : s);
#pragma GCC unroll 16
      for (int i = 0; i < R; i++) {
        const auto x = r_number(column, i);
#pragma GCC unroll 2
        for (int j = 0; j < V; j++) acc[i][j] = mul_to<P>(acc[i][j], x, b[j]);
      }
      if (!packed) s = settle(s + st);
    }
  };
  const auto steps = [&](auto n, bool last) __attribute__((always_inline)) {
    constexpr int N = decltype(n)::count;
    if constexpr (KS1 && kLanes && N > 1) {
      // The next N of a row in a register. Two rows in turn: else each fma would wait for the one before the last.
      RF b[N][V];
#pragma GCC unroll 4
      for (int u = 0; u < N; u++) load_v(b[u], u, last);
#pragma GCC unroll 16
      for (int i = 0; i < R; i += 2) {
        const auto x = r_numbers<N>(row(i)), y = r_numbers<N>(row(i + 1 < R ? i + 1 : i));
#pragma GCC unroll 4
        for (int u = 0; u < N; u++)
#pragma GCC unroll 2
          for (int j = 0; j < V; j++) {
            acc[i][j] = mul_to<P>(acc[i][j], r_number(x, u), b[u][j]);
            if (i + 1 < R) acc[i + 1][j] = mul_to<P>(acc[i + 1][j], r_number(y, u), b[u][j]);
          }
      }
    } else {
#pragma GCC unroll 4
      for (int u = 0; u < N; u++) step(u, last);
    }
    if (packed) v = settle(v + N * TN);
    if (packed && !KS1) s = settle(s + N * kSRow);
    if (KS1) q0 = settle(q0 + N), q1 = settle(q1 + N), q2 = settle(q2 + N), q3 = settle(q3 + N), q4 = settle(q4 + N);
  };
  int64_t left = (kLast == 0 ? k : vs > 0 ? most(0, k - kLast) : 0) / kSteps;
  const int64_t rest = k - left * kSteps;
#pragma GCC unroll 1
  for (int x = 0; x < asks.count; x++) {
    Soon ask = asks.of[x];
    const int64_t count = least(left, ask.count);
    left -= count;
#pragma GCC unroll 1
    for (int64_t y = 0; y < count; y++, ask.p += ask.step) {
      fetch_near(ask.p);
      fetch_near(ask.p + ask.pair);
      steps(Steps<kSteps>{}, false);
    }
  }
#pragma GCC unroll 1
  for (; left > 0; left--) steps(Steps<kSteps>{}, false);
#pragma GCC unroll 1
  for (int64_t p = rest; p > 0; p--) steps(Steps<1>{}, true);
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

#define GRADCLIP_M(ks1, form, r) micro<P, ks1, form, (r <= MR ? r : MR)>
#define GRADCLIP_MR(ks1, form)                                                                                     \
  {                                                                                                                \
    GRADCLIP_M(ks1, form, 1), GRADCLIP_M(ks1, form, 2), GRADCLIP_M(ks1, form, 3), GRADCLIP_M(ks1, form, 4),        \
        GRADCLIP_M(ks1, form, 5), GRADCLIP_M(ks1, form, 6), GRADCLIP_M(ks1, form, 7), GRADCLIP_M(ks1, form, 8),    \
        GRADCLIP_M(ks1, form, 9), GRADCLIP_M(ks1, form, 10), GRADCLIP_M(ks1, form, 11), GRADCLIP_M(ks1, form, 12), \
        GRADCLIP_M(ks1, form, 13), GRADCLIP_M(ks1, form, 14)                                                       \
  }
// By layout of S (1: by rows), form, rows - 1.
template <class P>
static constexpr Micro kMicro[2][4][14] = {
    {GRADCLIP_MR(false, 0), GRADCLIP_MR(false, 1), GRADCLIP_MR(false, 2), GRADCLIP_MR(false, 3)},
    {GRADCLIP_MR(true, 0), GRADCLIP_MR(true, 1), GRADCLIP_MR(true, 2), GRADCLIP_MR(true, 3)}};
#undef GRADCLIP_MR
#undef GRADCLIP_M
}   // namespace gradclip::GRADCLIP_ISA
