// conv_micro.h: the micro-kernels of convolution, the part that counts registers. Every sum is one fma chain, or one chain of dots: P is
// what operands are packed as (bf16.h). Where lanes are channels or pixels, bf16 that is emulated is packed as f32 is multiplied.
#pragma once
#include "gemm_micro.h"
#include "../bf16.h"

namespace gradclip::GRADCLIP_ISA {
constexpr int kConvVectors = 4;   // registers of pixels at most, where lanes are pixels

// Lanes are channels: c[R pixels, V * W channels] (+)= sum over k taps of x[at[p] + pixel] * w[p, channels].
using ByChannel = void (*)(int64_t k, const float* x, const int32_t* at, const float* w, float* c, bool first);
template <class P, int R, int V>
static void by_channel(int64_t k, const float* x, const int32_t* at, const float* w, float* c, bool first) {
  RF acc[R][V];
#pragma GCC unroll 16
  for (int i = 0; i < R; i++)
#pragma GCC unroll 2
    for (int j = 0; j < V; j++) acc[i][j] = first ? r_set1(0.f) : r_load(c + (i * V + j) * W);
  const auto step = [&](int u) __attribute__((always_inline)) {
    const float* q = settle(x + at[u]);
    RF b[V];
#pragma GCC unroll 2
    for (int j = 0; j < V; j++) b[j] = r_load(w + (u * V + j) * W);
    const auto pixels = r_numbers<R>(q);
#pragma GCC unroll 16
    for (int i = 0; i < R; i++) {
      if (V == 1 && !kLanes) {
        acc[i][0] = mul_to<P>(acc[i][0], q + i, b[0]);
      } else {
        const auto s = r_number(pixels, i);
#pragma GCC unroll 2
        for (int j = 0; j < V; j++) acc[i][j] = mul_to<P>(acc[i][j], s, b[j]);
      }
    }
  };
#pragma GCC unroll 1
  for (int64_t p = k / 2; p > 0; p--) {
    step(0);
    step(1);
    at = settle(at + 2);
    w = settle(w + 2 * V * W);
  }
  if (k & 1) step(0);
#pragma GCC unroll 16
  for (int i = 0; i < R; i++)
#pragma GCC unroll 2
    for (int j = 0; j < V; j++) r_store(c + (i * V + j) * W, acc[i][j]);
}

// Lanes are pixels: c[R channels, V * W pixels] = sum over k taps of w[p, R] * x[at[p] + pixel]. Of the last register
// `tail` lanes are written.
using ByPixel = void (*)(int64_t k, const float* x, const int32_t* at, const float* w, float* c, int64_t cs, int tail);
template <class P, int R, int V>
static void by_pixel(int64_t k, const float* x, const int32_t* at, const float* w, float* c, int64_t cs, int tail) {
  RF acc[R][V];
#pragma GCC unroll 8
  for (int i = 0; i < R; i++)
#pragma GCC unroll 4
    for (int j = 0; j < V; j++) acc[i][j] = r_set1(0.f);
#pragma GCC unroll 1
  for (int64_t p = 0; p < k; p++) {
    const float* q = settle(x + at[p]);
    RF b[V];
#pragma GCC unroll 4
    for (int j = 0; j < V; j++) b[j] = r_load(q + j * W);
    const auto channels = r_numbers<R>(w);
#pragma GCC unroll 8
    for (int i = 0; i < R; i++) {
      const auto s = r_number(channels, i);
#pragma GCC unroll 4
      for (int j = 0; j < V; j++) acc[i][j] = mul_to<P>(acc[i][j], s, b[j]);
    }
    w = settle(w + R);
  }
  const RM mask = r_mfirst(tail);
#pragma GCC unroll 8
  for (int i = 0; i < R; i++)
#pragma GCC unroll 4
    for (int j = 0; j < V; j++) {
      if (j == V - 1)
        r_storem(c + i * cs + j * W, acc[i][j], mask);
      else
        r_store(c + i * cs + j * W, acc[i][j]);
    }
}

// One channel: lanes are pixels of R rows, which lie xs apart in x and cs apart in c: a number of the weight serves all of them.
using ByRows = void (*)(int64_t k, const float* x, int64_t xs, const int32_t* at, const float* w, float* c, int64_t cs, int tail);
template <class P, int R, int V>
static void by_rows(int64_t k, const float* x, int64_t xs, const int32_t* at, const float* w, float* c, int64_t cs, int tail) {
  RF acc[R][V];
#pragma GCC unroll 16
  for (int i = 0; i < R; i++)
#pragma GCC unroll 4
    for (int j = 0; j < V; j++) acc[i][j] = r_set1(0.f);
#pragma GCC unroll 1
  for (int64_t p = 0; p < k; p++) {
    const float* q = settle(x + at[p]);
    const RF s = r_set1(w[p]);
#pragma GCC unroll 16
    for (int i = 0; i < R; i++) {
#pragma GCC unroll 4
      for (int j = 0; j < V; j++) acc[i][j] = mul_to<P>(acc[i][j], s, r_load(q + j * W));
      if (i + 1 < R) q = settle(q + xs);
    }
  }
  const RM mask = r_mfirst(tail);
#pragma GCC unroll 16
  for (int i = 0; i < R; i++, c += cs)
#pragma GCC unroll 4
    for (int j = 0; j < V; j++) {
      if (j == V - 1)
        r_storem(c + j * W, acc[i][j], mask);
      else
        r_store(c + j * W, acc[i][j]);
    }
}

// Gradient of the weight: lanes are filters. c[g][i][V * W] += sum over rows * cols pixels of x[from[g] + i * st + pixel] * y[pixel, V * W]:
// G groups of GS taps that lie `st` apart. Pixels lie `across` apart in a row of x, rows `down`. CLOSE: st and across are 1.
// In bf16 neighbors of a row are pairs; the last pixel of an odd row has zeros beside it. Of words, those of x begin at every column, and
// hold what lies there and `across` further; those of y are the pairs. Emulated, the two pixels of a pair have changed places in y.
struct Patch {
  int64_t rows, cols, down, across, st;
  const float* y;
  const float* const* from;
  float* const* c;
  int64_t cs;   // from one tap of a group to the next
  bool add;
};
using ByTap = void (*)(const Patch& g);
template <class P, int GS, int G, int V, bool CLOSE>
static void by_tap(const Patch& g) {
  constexpr bool kPairs = P::terms == 2, kWords = kPairs && P::words == 1, kTurned = kPairs && !kWords;
  constexpr int kApart = kWords ? 2 : 1;   // columns of x from one step to the next, where they are close
  RF acc[G][GS][V];
#pragma GCC unroll 16
  for (int x = 0; x < G; x++)
#pragma GCC unroll 16
    for (int i = 0; i < GS; i++)
#pragma GCC unroll 2
      for (int j = 0; j < V; j++) acc[x][i][j] = r_set1(0.f);
  const float* y = g.y;
  const int64_t st = CLOSE ? 1 : g.st, apart = CLOSE ? kApart : kApart * g.across;
  const auto load_y = [&](RF(&b)[V], int u) __attribute__((always_inline)) {
#pragma GCC unroll 2
    for (int j = 0; j < V; j++) b[j] = r_load(y + (u * V + j) * W);
  };
  // N pixels side by side, of taps side by side: what they read overlaps.
  const auto close_steps = [&](const float* const(&q)[G], auto n) __attribute__((always_inline)) {
    constexpr int N = decltype(n)::count;
    RF b[N][V];
#pragma GCC unroll 2
    for (int u = 0; u < N; u++) load_y(b[u], u);
#pragma GCC unroll 16
    for (int x = 0; x < G; x++) {
      const auto pixels = r_numbers<GS + kApart*(N - 1)>(q[x]);
#pragma GCC unroll 2
      for (int u = 0; u < N; u++)
#pragma GCC unroll 16
        for (int i = 0; i < GS; i++)
#pragma GCC unroll 2
          for (int j = 0; j < V; j++)
            acc[x][i][j] = mul_to<P>(acc[x][i][j], r_number(pixels, i + kApart * (kTurned ? N - 1 - u : u)), b[u][j]);
    }
  };
  // What lies in place u of y, times pixel `pixel` of q.
  const auto step = [&](const float* const(&q)[G], int u, int pixel) __attribute__((always_inline)) {
    RF b[V];
    load_y(b, u);
#pragma GCC unroll 16
    for (int x = 0; x < G; x++)
#pragma GCC unroll 16
      for (int i = 0; i < GS; i++) {
        const float* at = q[x] + i * st + pixel * apart;
        if (V == 1) {
          acc[x][i][0] = mul_to<P>(acc[x][i][0], at, b[0]);
        } else {
          const RF s = r_set1(*at);
#pragma GCC unroll 2
          for (int j = 0; j < V; j++) acc[x][i][j] = mul_to<P>(acc[x][i][j], s, b[j]);
        }
      }
  };
  // The last pixel of an odd row, beside which there is 0.
  const auto half_step = [&](const float* const(&q)[G]) __attribute__((always_inline)) {
    RF b[V];
    load_y(b, kTurned);
#pragma GCC unroll 16
    for (int x = 0; x < G; x++)
#pragma GCC unroll 16
      for (int i = 0; i < GS; i++) {
        const RF s = r_set1(q[x][i * st]), first = kWords ? r_float(r_iand(r_bits(s), r_iset1(0xffff))) : s;
#pragma GCC unroll 2
        for (int j = 0; j < V; j++)
          acc[x][i][j] = mul_to<P>(kWords ? acc[x][i][j] : r_add(acc[x][i][j], r_set1(0.f)), first, b[j]);
      }
  };
  {
    [[maybe_unused]] const Flush<P> flush;
    for (int64_t r = 0; r < g.rows; r++) {
      const float* q[G];
#pragma GCC unroll 16
      for (int x = 0; x < G; x++) q[x] = g.from[x] + r * g.down;
      const auto walk = [&](int n) __attribute__((always_inline)) {
#pragma GCC unroll 16
        for (int x = 0; x < G; x++) q[x] = settle(q[x] + n * apart);
        y = settle(y + n * V * W);
      };
      int64_t left = kWords ? g.cols / 2 : g.cols;
      if (CLOSE || kTurned)
#pragma GCC unroll 1
        for (; left >= 2; left -= 2) {
          if constexpr (CLOSE && (kLanes || V == 1)) {
            close_steps(q, Steps<2>{});
          } else {
            step(q, 0, kTurned);
            // What both read would stay in registers, in place of accumulators.
            if (G * (GS * V + GS - 1) + V + kTurned > kRegs)
#pragma GCC unroll 16
              for (int x = 0; x < G; x++) q[x] = settle(q[x]);
            step(q, 1, !kTurned);
          }
          walk(2);
        }
      if (!kTurned)
#pragma GCC unroll 1
        for (; left > 0; left--) {
          step(q, 0, 0);
          walk(1);
        }
      if (kPairs && g.cols % 2) {
        half_step(q);
        y = settle(y + P::words * V * W);
      }
    }
  }   // the sums of a chain are added as f32 are
#pragma GCC unroll 16
  for (int x = 0; x < G; x++)
#pragma GCC unroll 16
    for (int i = 0; i < GS; i++)
#pragma GCC unroll 2
      for (int j = 0; j < V; j++) {
        float* c = g.c[x] + i * g.cs + j * W;
        r_store(c, g.add ? r_add(r_load(c), acc[x][i][j]) : acc[x][i][j]);
      }
}

#define GRADCLIP_C(r, v) by_channel<P, (r <= MR ? r : MR), v>
#define GRADCLIP_CV(v)                                                                                                 \
  {                                                                                                                    \
    GRADCLIP_C(1, v), GRADCLIP_C(2, v), GRADCLIP_C(3, v), GRADCLIP_C(4, v), GRADCLIP_C(5, v), GRADCLIP_C(6, v),        \
        GRADCLIP_C(7, v), GRADCLIP_C(8, v), GRADCLIP_C(9, v), GRADCLIP_C(10, v), GRADCLIP_C(11, v), GRADCLIP_C(12, v), \
        GRADCLIP_C(13, v), GRADCLIP_C(14, v)                                                                           \
  }
template <class P>
static constexpr ByChannel kByChannel[2][14] = {GRADCLIP_CV(1), GRADCLIP_CV(2)};   // by registers - 1, pixels - 1
#undef GRADCLIP_CV
#undef GRADCLIP_C

// By channels (1, 2, 4, 8), registers - 1. Those of more accumulators than there are registers are not used.
constexpr int kWide = kRegs == 32 ? 3 : 1;   // registers beside 8 channels; twice as many beside 4
template <class P>
static constexpr ByPixel kByPixel[4][kConvVectors] = {
    {by_pixel<P, 1, 1>, by_pixel<P, 1, 2>, by_pixel<P, 1, 3>, by_pixel<P, 1, 4>},
    {by_pixel<P, 2, 1>, by_pixel<P, 2, 2>, by_pixel<P, 2, 3>, by_pixel<P, 2, 4>},
    {by_pixel<P, 4, 1>, by_pixel<P, 4, 2>, by_pixel<P, 4, kRegs == 32 ? 3 : 2>, by_pixel<P, 4, kRegs == 32 ? 4 : 2>},
    {by_pixel<P, 8, 1>, by_pixel<P, 8, kRegs == 32 ? 2 : 1>, by_pixel<P, 8, kWide>, by_pixel<P, 8, kWide>}};

// Rows of one channel at once, by registers of a row: eight accumulators or more hide the latency of an fma.
constexpr int rows_at_once(int vectors) { return vectors == 1 ? 8 : vectors == 2 ? 6 : vectors == 3 ? 4 : 3; }
#define GRADCLIP_R(r, v) by_rows<P, (r <= rows_at_once(v) ? r : rows_at_once(v)), v>
#define GRADCLIP_RV(v)                                                                                          \
  {                                                                                                             \
    GRADCLIP_R(1, v), GRADCLIP_R(2, v), GRADCLIP_R(3, v), GRADCLIP_R(4, v), GRADCLIP_R(5, v), GRADCLIP_R(6, v), \
        GRADCLIP_R(7, v), GRADCLIP_R(8, v)                                                                      \
  }
template <class P>
static constexpr ByRows kByRows[kConvVectors][8] = {GRADCLIP_RV(1), GRADCLIP_RV(2), GRADCLIP_RV(3),
                                                    GRADCLIP_RV(4)};   // by registers - 1, rows - 1
#undef GRADCLIP_RV
#undef GRADCLIP_R

// Taps of a group, and groups at once: as many accumulators as a tile of the matrix product has.
constexpr int kTaps = 5;
constexpr int groups_at_once(int taps) { return MR / taps < 1 ? 1 : MR / taps > 5 ? 5 : MR / taps; }
#define GRADCLIP_T(gs, g, v, close) by_tap<P, gs, (g <= groups_at_once(gs) ? g : groups_at_once(gs)), v, close>
#define GRADCLIP_TG(gs, v, close)                                                                                       \
  {                                                                                                                     \
    GRADCLIP_T(gs, 1, v, close), GRADCLIP_T(gs, 2, v, close), GRADCLIP_T(gs, 3, v, close), GRADCLIP_T(gs, 4, v, close), \
        GRADCLIP_T(gs, 5, v, close)                                                                                     \
  }
#define GRADCLIP_TV(v, close)                                                                               \
  {                                                                                                         \
    GRADCLIP_TG(1, v, close), GRADCLIP_TG(2, v, close), GRADCLIP_TG(3, v, close), GRADCLIP_TG(4, v, close), \
        GRADCLIP_TG(5, v, close)                                                                            \
  }
// By closeness, registers - 1, taps - 1, groups - 1.
template <class P>
static constexpr ByTap kByTap[2][2][kTaps][5] = {{GRADCLIP_TV(1, false), GRADCLIP_TV(2, false)},
                                                 {GRADCLIP_TV(1, true), GRADCLIP_TV(2, true)}};
#undef GRADCLIP_TV
#undef GRADCLIP_TG
#undef GRADCLIP_T
}   // namespace gradclip::GRADCLIP_ISA
