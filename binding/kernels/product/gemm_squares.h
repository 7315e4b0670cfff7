// gemm_squares.h: sums of squares of what a product writes, one for each tile of kStat x kStat elements of y: what norms are made of.
// A column of a tile is one chain of f64 fma down its rows; columns 16 apart are added up in order, then the 16 sums by hsum.
// No other order: the product may come in pieces of any size, as long as each column's rows come in order and to one thread.
#pragma once
#include "gemm_pack.h"

namespace gradclip::GRADCLIP_ISA {
constexpr int64_t kStat = 64;
constexpr int64_t kStatLanes = 2048;   // lanes of a block of product_rows at most, when it sums squares

// sums[j] += the squares of column j of c[rows, lanes]. There are TN sums; those beyond `lanes` stay as they are.
static inline void add_squares(const float* c, int64_t ld, int64_t rows, int64_t lanes, double* sums) {
  constexpr int H = W / 2;
  RD sum[4];
#pragma GCC unroll 4
  for (int x = 0; x < 4; x++) sum[x] = r_dload(sums + x * H);
  if (lanes == TN) {
    for (int64_t i = 0; i < rows; i++, c += ld)
#pragma GCC unroll 4
      for (int x = 0; x < 4; x++) {
        const RD v = r_widenload(c + x * H);
        sum[x] = r_dfma(v, v, sum[x]);
      }
  } else {
    const RM lo = r_mfirst((int)lanes), hi = r_mfirst((int)lanes - W);
    for (int64_t i = 0; i < rows; i++, c += ld) {
      RD v[4];
      r_widen(r_loadm(c, lo), v[0], v[1]);
      r_widen(r_loadm(c + W, hi), v[2], v[3]);
#pragma GCC unroll 4
      for (int x = 0; x < 4; x++) sum[x] = r_dfma(v[x], v[x], sum[x]);
    }
  }
#pragma GCC unroll 4
  for (int x = 0; x < 4; x++) r_dstore(sums + x * H, sum[x]);
}

// The sums of the columns of a block, while rows of tiles are added to it. A row of tiles may reach into the next band of kStat rows:
// bands take turns between two rows of sums.
struct Squares {
  double* stats;   // [bands, tiles of a band]
  double* sums;    // 2 x kStatLanes, zero where nothing was added
  int64_t m, n;
  double* of_band(int64_t band) const { return sums + (band & 1) * kStatLanes; }

  void start(int64_t cols) const {
    for (int64_t x = 0; x < 2; x++)
      for (int64_t j = 0; j < cols; j += kStat) memset(of_band(x) + j, 0, kStat * sizeof(double));
  }
  // A tile at row i of the matrix and lane j of the block.
  void take(int64_t i, int64_t j, const float* c, int64_t ld, int64_t rows, int64_t lanes) const {
    const int64_t band = i / kStat, mine = least(rows, (band + 1) * kStat - i);
    add_squares(c, ld, mine, lanes, of_band(band) + j);
    if (mine < rows) add_squares(c + mine * ld, ld, rows - mine, lanes, of_band(band + 1) + j);
  }
  // The row of tiles at row i is done. `j0`: where in the matrix the block begins.
  void finish(int64_t i, int64_t rows, int64_t j0, int64_t cols) const {
    const int64_t end = i + rows;
    for (int64_t band = i / kStat; band * kStat < end && ((band + 1) * kStat <= end || end == m); band++)
      for (int64_t j = 0; j < cols; j += kStat) {
        double* s = of_band(band) + j;
        D total = dload(s);
        for (int64_t x = L; x < kStat; x += L) total = add(total, dload(s + x));
        stats[band * ceil_div(n, kStat) + quotient(j0 + j, kStat)] = hsum(total);
        memset(s, 0, kStat * sizeof(double));
      }
  }
};

// The same sums from a finished y[batch, m, n].
static void squares_of(const float* y, double* stats, int64_t batch, int64_t m, int64_t n, const Team& team) {
  const int64_t tm = ceil_div(m, kStat), tn = ceil_div(n, kStat);
  const Range r = split(batch * tm * tn, team);
  for (int64_t t = r.begin; t < r.end; t++) {
    const int64_t i0 = t / tn % tm * kStat, j0 = t % tn * kStat, i1 = least(m, i0 + kStat), j1 = least(n, j0 + kStat);
    D total = dset1(0.);
    for (int64_t j = j0; j < j1; j += L) {
      const float* p = y + t / (tm * tn) * m * n + i0 * n + j;
      D sum = dset1(0.);
      for (int64_t i = i0; i < i1; i++, p += n) {
        const D x = widen(load_part(p, j1 - j));
        sum = fma(x, x, sum);
      }
      total = j == j0 ? sum : add(total, sum);
    }
    stats[t] = hsum(total);
  }
}
}   // namespace gradclip::GRADCLIP_ISA
