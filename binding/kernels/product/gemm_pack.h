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

// V[k, n] into panels of TN lanes, [panel][k][TN], the last one filled up with zeros. Element (p, j) at v[p * vp + j * vj].
static void pack_v(const float* v, int64_t vp, int64_t vj, int64_t k, int64_t n, float* dst) {
  if (vj != 1) {
    for (int64_t j = 0; j < n; j += TN, dst += k * TN) transpose_block(v + j * vj, vj, dst, TN, n - j < TN ? n - j : TN, k, TN);
    return;
  }
  const int64_t full = n / TN * TN;
  const RM lo = r_mfirst((int)(n - full)), hi = r_mfirst((int)(n - full) - W);
  for (int64_t p = 0; p < k; p++, v += vp, dst += TN) {   // row by row: that is how the memory lies
    const float* ahead = v + (p + 4 < k ? 4 * vp : 0);
    float* to = dst;
    int64_t j = 0;
    for (; j < full; j += TN, to += k * TN) {
      for (int i = 0; i < TN; i += 16) fetch(ahead + j + i);
      r_store(to, r_load(v + j));
      r_store(to + W, r_load(v + j + W));
    }
    if (j < n) {
      r_store(to, r_loadm(v + j, lo));
      r_store(to + W, r_loadm(v + j + W, hi));
    }
  }
}

// S[rows, k] as it lies by rows, to rows `ld` apart.
static void pack_s_rows(const float* s, int64_t si, int64_t rows, int64_t k, float* dst, int64_t ld) {
  const RM rest = r_mfirst((int)(k & (W - 1)));
  for (int64_t i = 0; i < rows; i++, s += si, dst += ld) {
    int64_t p = 0;
    for (; p + W <= k; p += W) r_store(dst + p, r_load(s + p));
    if (p < k) r_storem(dst + p, r_loadm(s + p, rest), rest);
  }
}
// S[rows, k] as it lies by columns, to columns of kSRow.
static void pack_s_columns(const float* s, int64_t sp, int64_t rows, int64_t k, float* dst) {
  RM mask[kSRow / W];
#pragma GCC unroll 2
  for (int x = 0; x < kSRow / W; x++) mask[x] = r_mfirst((int)(rows - x * W));
  for (int64_t p = 0; p < k; p++, s += sp, dst += kSRow)
#pragma GCC unroll 2
    for (int x = 0; x < kSRow; x += W) r_store(dst + x, !kMasks && rows - x >= W ? r_load(s + x) : r_loadm(s + x, mask[x / W]));
}
}   // namespace gradclip::GRADCLIP_ISA
