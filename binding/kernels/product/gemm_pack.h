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

// Where tile rows begin and how S is packed: `count` blocks, the first `more` of them of size + 1 rows.
static void pack_s(const float* s, int64_t si, int64_t sp, const Parts& is, int64_t from, int64_t to, int64_t k, float* dst,
                   int64_t block, int64_t ld) {
  if (sp == 1 && !kSByRows) {
    for (int64_t b = from; b < to; b++)
      transpose_block(s + is.begin(b) * si, si, dst + b * block, ld, is.begin(b + 1) - is.begin(b), k, ld);
    return;
  }
  if (sp == 1) {   // by rows with stride ld
    for (int64_t b = from; b < to; b++)
      for (int64_t i = is.begin(b), x = 0; i < is.begin(b + 1); i++, x++) {
        const float* row = s + i * si;
        float* out = dst + b * block + x * ld;
        int64_t p = 0;
        for (; p + W <= k; p += W) {
          if (p % 16 == 0) fetch(row + 2 * si + p);
          r_store(out + p, r_load(row + p));
        }
        if (p < k) r_storem(out + p, r_loadm(row + p, r_mfirst((int)(k - p))), r_mfirst((int)(k - p)));
      }
    return;
  }
  // By columns. A row of memory goes to many blocks, so that it is read in one go; 32 of them, for the sake of the TLB.
  for (int64_t b0 = from; b0 < to; b0 += 32) {
    const int64_t b1 = b0 + 32 < to ? b0 + 32 : to;
    const float* row = s + is.begin(b0);
    for (int64_t p = 0; p < k; p++, row += sp) {
      const float* in = row;
      float* out = dst + b0 * block + p * kSRow;
      for (int64_t b = b0; b < b1; b++, out += block) {
        const int rows = (int)(is.size + (b < is.more));
#pragma GCC unroll 2
        for (int x = 0; x < kSRow; x += W)
          r_store(out + x, !kMasks && rows - x >= W ? r_load(in + x) : r_loadm(in + x, r_mfirst(rows - x)));
        in += rows;
      }
    }
  }
}
}   // namespace gradclip::GRADCLIP_ISA
