// gemm_pack.h: how the operands of a matrix product are cut and laid out for the micro-kernels.
// A tile is MR rows by 2 registers. Its rows come from the side that is broadcast (S), its lanes from the side that is loaded (V).
#pragma once
#include "../transpose.h"

namespace gradclip::GRADCLIP_ISA {
constexpr int MR = kLanes ? 12 : kRegs == 32 ? 14 : 6;      // 24, 28 or 12 accumulators; beside them two registers of V, and S
constexpr int TN = 2 * W;                                   // lanes of a tile
constexpr int kSRow = kLanes ? 12 : kRegs == 32 ? 16 : 8;   // stride of S packed by columns
constexpr bool kSByRows = !kLanes;   // S is packed by rows where it lies so: else rows are turned into columns

static inline int64_t ceil_div(int64_t a, int64_t b) { return quotient(a + b - 1, b); }
static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

// `total` cut into `count` parts of whole units, as equal as can be: the first `more` have size + 1. The last unit may be short.
struct Parts {
  int64_t total, unit, count, size, more;
  int64_t begin(int64_t i) const { return least(total, (i * size + least(i, more)) * unit); }
};
static inline Parts parts_of(int64_t total, int64_t unit, int64_t count) {
  const int64_t units = unit == 1 ? total : ceil_div(total, unit), size = count < 2 ? units : quotient(units, count);
  return {total, unit, count, size, units - size * count};
}

// The units of W lanes, or of those in the mask, from rows that lie `apart`; where they are not `whole`, the second row counts as zeros.
// Registers of a unit go to places `next` apart.
template <class P>
INLINE void store_unit(float* to, int64_t next, const float* from, int64_t apart, bool whole) {
  if constexpr (P::terms == 1)
    r_store(to, r_load(from));
  else
    store_pairs(to, next, r_load(from), whole ? r_load(from + apart) : r_set1(0.f));
}
template <class P>
INLINE void store_unit(float* to, int64_t next, const float* from, int64_t apart, bool whole, RM mask) {
  if constexpr (P::terms == 1)
    r_store(to, r_loadm(from, mask));
  else
    store_pairs(to, next, r_loadm(from, mask), whole ? r_loadm(from + apart, mask) : r_set1(0.f));
}

// V[k, n] into panels of TN lanes, [words of k][TN], which begin `panel` floats apart, the last one filled up with zeros. Element (p, j) at
// v[p * vp + j * vj].
template <class P>
static void pack_v(const float* v, int64_t vp, int64_t vj, int64_t k, int64_t n, float* dst, int64_t panel) {
  if (vj != 1) {
    for (int64_t j = 0; j < n; j += TN, dst += panel) transpose_block<P>(v + j * vj, vj, dst, TN, n - j < TN ? n - j : TN, k, TN);
    return;
  }
  const int64_t full = n / TN * TN;
  const RM lo = r_mfirst((int)(n - full)), hi = r_mfirst((int)(n - full) - W);
  for (int64_t p = 0; p < k;
       p += P::terms, v += P::terms * vp, dst += P::words * TN) {   // row by row: that is how the memory lies
    const bool whole = p + P::terms <= k;
    const float* const ahead = v + (p + 4 * P::terms < k ? 4 * P::terms * vp : 0);
    float* to = dst;
    int64_t j = 0;
    for (; j < full; j += TN, to += panel) {
      for (int x = 0; x < P::terms; x++)
        for (int i = 0; i < TN; i += 16) fetch(ahead + (whole ? x * vp : 0) + j + i);
      store_unit<P>(to, TN, v + j, vp, whole);
      store_unit<P>(to + W, TN, v + j + W, vp, whole);
    }
    if (j < n) {
      store_unit<P>(to, TN, v + j, vp, whole, lo);
      store_unit<P>(to + W, TN, v + j + W, vp, whole, hi);
    }
  }
}

// S[rows, k] as it lies by rows, to rows `ld` apart.
template <class P>
static void pack_s_rows(const float* s, int64_t si, int64_t rows, int64_t k, float* dst, int64_t ld) {
  for (int64_t i = 0; i < rows; i++, s += si, dst += ld) pack_row<P>(s, k, dst);
}
// S[rows, k] as it lies by columns, to columns of kSRow.
template <class P>
static void pack_s_columns(const float* s, int64_t sp, int64_t rows, int64_t k, float* dst) {
  RM mask[kSRow / W];
#pragma GCC unroll 2
  for (int x = 0; x < kSRow / W; x++) mask[x] = r_mfirst((int)(rows - x * W));
  for (int64_t p = 0; p < k; p += P::terms, s += P::terms * sp, dst += P::words * kSRow)
#pragma GCC unroll 2
    for (int x = 0; x < kSRow; x += W) {
      if (!kMasks && rows - x >= W)
        store_unit<P>(dst + x, kSRow, s + x, sp, p + P::terms <= k);
      else
        store_unit<P>(dst + x, kSRow, s + x, sp, p + P::terms <= k, mask[x / W]);
    }
}
}   // namespace gradclip::GRADCLIP_ISA
