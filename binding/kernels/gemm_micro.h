// gemm_micro.h: the parts of a matrix product that count registers: micro-kernels and packing. gemm.h puts them together.
// A tile is MR rows by 2 registers. Rows come from the side that is broadcast (S), lanes from the side that is loaded (V).

constexpr int MR = W == 16 ? 14 : 6;   // 28 (12) accumulators, two registers of V, one of S
constexpr int TN = 2 * W;              // lanes of a tile

// c[R, lanes] (+)= s[R, k] * v[k, lanes], every element one fma chain over k.
// S by rows (KS1: element (i, p) at s[i * st + p]) or by columns (at s[p * st + i]). FORM: 0 two full registers, 1 two registers
// of which the second holds `tail` lanes, 2 one register of `tail` lanes. `first`: the chain starts from 0, else from c.
using Micro = void (*)(int64_t k, const float* s, int64_t st, const float* v, int64_t vs, float* c, int64_t cs, int tail,
                       bool first);
template <bool KS1, int FORM, int R>
static void micro(int64_t k, const float* s, int64_t st, const float* v, int64_t vs, float* c, int64_t cs, int tail, bool first) {
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
#pragma GCC unroll 4
  for (int64_t p = 0; p < k; p++) {
    RF b[V];
#pragma GCC unroll 2
    for (int j = 0; j < V; j++) b[j] = get(v, j);
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
      s += st;
    }
  }
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

// The W x W matrix in r, transposed.
static inline void r_transpose(RF (&r)[W]) {
#if defined(__AVX512F__)
  __m512 a[16], b[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    a[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
    a[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {   // b[i + c]: columns c, c + 4, c + 8, c + 12 of rows i .. i + 3
    b[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a[i]), _mm512_castps_pd(a[i + 2])));
    b[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a[i]), _mm512_castps_pd(a[i + 2])));
    b[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a[i + 1]), _mm512_castps_pd(a[i + 3])));
    b[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a[i + 1]), _mm512_castps_pd(a[i + 3])));
  }
#pragma GCC unroll 4
  for (int c = 0; c < 4; c++) {
    const __m512 lo = _mm512_shuffle_f32x4(b[c], b[4 + c], 0x88), hi = _mm512_shuffle_f32x4(b[8 + c], b[12 + c], 0x88);
    const __m512 lo2 = _mm512_shuffle_f32x4(b[c], b[4 + c], 0xdd), hi2 = _mm512_shuffle_f32x4(b[8 + c], b[12 + c], 0xdd);
    r[c] = _mm512_shuffle_f32x4(lo, hi, 0x88);
    r[8 + c] = _mm512_shuffle_f32x4(lo, hi, 0xdd);
    r[4 + c] = _mm512_shuffle_f32x4(lo2, hi2, 0x88);
    r[12 + c] = _mm512_shuffle_f32x4(lo2, hi2, 0xdd);
  }
#elif defined(__AVX2__)
  __m256 a[8], b[8];
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    a[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    a[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4) {   // b[i + c]: columns c and c + 4 of rows i .. i + 3
    b[i] = _mm256_shuffle_ps(a[i], a[i + 2], 0x44);
    b[i + 1] = _mm256_shuffle_ps(a[i], a[i + 2], 0xee);
    b[i + 2] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0x44);
    b[i + 3] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0xee);
  }
#pragma GCC unroll 4
  for (int c = 0; c < 4; c++) {
    r[c] = _mm256_permute2f128_ps(b[c], b[4 + c], 0x20);
    r[4 + c] = _mm256_permute2f128_ps(b[c], b[4 + c], 0x31);
  }
#else
  _MM_TRANSPOSE4_PS(r[0], r[1], r[2], r[3]);
#endif
}

// dst[c, r] = src[r, c] for rows x cols of src. Writes whole rows of dst up to `pad` >= rows, the rest of them zero.
static inline void transpose_block(const float* src, int64_t ss, float* dst, int64_t ds, int64_t rows, int64_t cols,
                                   int64_t pad) {
  for (int64_t i = 0; i < pad; i += W) {
    const int have = (int)(rows - i < W ? rows - i : W), put = (int)(pad - i < W ? pad - i : W);
    for (int64_t j = 0; j < cols; j += W) {
      const int n = (int)(cols - j < W ? cols - j : W);
      const float* from = src + i * ss + j;
      float* to = dst + j * ds + i;
      RF r[W];
      if (have == W && n == W && put == W) {
#pragma GCC unroll 16
        for (int x = 0; x < W; x++) r[x] = r_load(from + x * ss);
        r_transpose(r);
#pragma GCC unroll 16
        for (int x = 0; x < W; x++) r_store(to + x * ds, r[x]);
      } else {
        const RM in = r_mfirst(n), out = r_mfirst(put);
#pragma GCC unroll 16
        for (int x = 0; x < W; x++) r[x] = x < have ? r_loadm(from + x * ss, in) : r_set1(0.f);
        r_transpose(r);
#pragma GCC unroll 16
        for (int x = 0; x < W; x++)
          if (x < n) r_storem(to + x * ds, r[x], out);
      }
    }
  }
}

// V[k, n] into panels of TN lanes, [panel][k][TN], the last one filled up with zeros. Element (p, j) at v[p * vp + j * vj].
static void pack_v(const float* v, int64_t vp, int64_t vj, int64_t k, int64_t n, float* dst) {
  for (int64_t j = 0; j < n; j += TN, dst += k * TN) {
    const int64_t lanes = n - j < TN ? n - j : TN;
    if (vj != 1) {
      transpose_block(v + j * vj, vj, dst, TN, lanes, k, TN);
      continue;
    }
    const float* from = v + j;
    const RM lo = r_mfirst((int)lanes), hi = r_mfirst((int)lanes - W);
    if (lanes == TN) {
      for (int64_t p = 0; p < k; p++, from += vp) {
        r_store(dst + p * TN, r_load(from));
        r_store(dst + p * TN + W, r_load(from + W));
      }
    } else {
      for (int64_t p = 0; p < k; p++, from += vp) {
        r_store(dst + p * TN, r_loadm(from, lo));
        r_store(dst + p * TN + W, r_loadm(from + W, hi));
      }
    }
  }
}

constexpr int kSRow = W == 16 ? 16 : 8;   // stride of S packed by columns
// S[R, k] into dst: by rows with stride `ld` if its rows are contiguous, else by columns with stride kSRow.
static void pack_s(const float* s, int64_t si, int64_t sp, int rows, int64_t k, float* dst, int64_t ld) {
  if (sp == 1) {
    for (int i = 0; i < rows; i++) memcpy(dst + i * ld, s + i * si, k * sizeof(float));
    return;
  }
  const RM lo = r_mfirst(rows), hi = r_mfirst(rows - W);
  for (int64_t p = 0; p < k; p++, s += sp, dst += kSRow) {
    r_store(dst, r_loadm(s, lo));
    if (kSRow > W) r_store(dst + W, r_loadm(s + W, hi));
  }
}
