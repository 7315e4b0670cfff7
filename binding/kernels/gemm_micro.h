// gemm_micro.h: the micro-kernels of the matrix product, the part that counts registers. gemm_pack.h and gemm.h use them.
// A tile is MR rows by 2 registers. Its rows come from the side that is broadcast (S), its lanes from the side that is loaded (V).

constexpr int MR = W == 16 ? 14 : 6;   // 28 (12) accumulators, two registers of V, one of S
constexpr int TN = 2 * W;              // lanes of a tile

// Asks for the line at p, into L2 or into L1.
static inline void fetch(const float* p) { _mm_prefetch((const char*)p, _MM_HINT_T1); }
static inline void fetch_near(const float* p) { _mm_prefetch((const char*)p, _MM_HINT_T0); }

// Memory that is read soon: `left` more runs of `run` floats after this one, `gap` floats between them. Micro-kernels ask for a
// line every fourth step, because asked for at once they would wait for one another.
struct Soon {
  const float *p, *end;
  int64_t run, gap, left;
  void line() {
    fetch(p);
    p += 16;
    if (p < end) return;
    if (left == 0) {
      p -= 16;
    } else {
      left--;
      p = end + gap;
      end = p + run;
    }
  }
};
static inline Soon soon_of(const float* p, int64_t runs, int64_t run, int64_t stride) {
  return {p, p + run, run, stride - run, runs - 1};
}

// c[R, lanes] (+)= s[R, k] * v[k, lanes], every element one fma chain over k.
// S by rows (KS1: element (i, p) at s[i * st + p]) or by columns (at s[p * st + i]). FORM: 0 two full registers, 1 two registers
// of which the second holds `tail` lanes, 2 one register of `tail` lanes. `first`: the chain starts from 0, else from c.
// `next`: the tile of C after this one, asked for on the way.
using Micro = void (*)(int64_t k, const float* s, int64_t st, const float* v, int64_t vs, float* c, int64_t cs, int tail,
                       bool first, const float* next, Soon& soon);
template <bool KS1, int FORM, int R>
static void micro(int64_t k, const float* s, int64_t st, const float* v, int64_t vs, float* c, int64_t cs, int tail, bool first,
                  const float* next, Soon& soon) {
  constexpr int V = FORM == 2 ? 1 : 2;
  const RM mask = r_mfirst(FORM == 0 ? W : tail);
  const auto get = [&](const float* p, int j) { return FORM != 0 && j == V - 1 ? r_loadm(p + j * W, mask) : r_load(p + j * W); };
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
  const int64_t ahead = 8 * vs;   // V comes from L2: asked for eight steps early
  const auto step = [&]() __attribute__((always_inline)) {
    RF b[V];
#pragma GCC unroll 2
    for (int j = 0; j < V; j++) {
      b[j] = get(v, j);
      if (j * W % 16 == 0) fetch_near(v + ahead + j * W);
    }
#pragma GCC unroll 16
    for (int i = 0; i < R; i++) {
      const float* q = i < 3 ? q0 : i < 6 ? q1 : i < 9 ? q2 : i < 12 ? q3 : q4;
      const RF x = r_set1(KS1 ? q[(i % 3) * st] : s[i]);
#pragma GCC unroll 2
      for (int j = 0; j < V; j++) acc[i][j] = r_fma(x, b[j], acc[i][j]);
    }
    v += vs;
    if (KS1) {
      q0++, q1++, q2++, q3++, q4++;
    } else {
      fetch_near(s + 8 * st);
      s += st;
    }
  };
  const float* const last = next + (R - 1) * cs;
  Soon ask = soon;
  int64_t p = 0;
  for (; p + 4 <= k; p += 4) {
    fetch_near(next);
    fetch_near(next + TN - 1);
    next = next == last ? next : next + cs;
    ask.line();
#pragma GCC unroll 4
    for (int u = 0; u < 4; u++) step();
  }
#pragma GCC unroll 1
  for (; p < k; p++) step();
  soon = ask;
#pragma GCC unroll 16
  for (int i = 0; i < R; i++)
#pragma GCC unroll 2
    for (int j = 0; j < V; j++) {
      if (FORM != 0 && j == V - 1)
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
static const Micro kMicro[2][3][14] = {{GRADCLIP_MR(false, 0), GRADCLIP_MR(false, 1), GRADCLIP_MR(false, 2)},
                                       {GRADCLIP_MR(true, 0), GRADCLIP_MR(true, 1), GRADCLIP_MR(true, 2)}};
#undef GRADCLIP_MR
#undef GRADCLIP_M
