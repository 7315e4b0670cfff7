// gemm.h: matmul, y[batch, m, n] = act(a[batch, m, k] * b[batch, k, n] + bias[n]), a and b transposed or not; at the end
// another operand of the shape of y may be added or multiplied with. A second output may take the slope of act.
// Every element is one fma chain over k = 0 .. k - 1 from 0 (in bf16 as bf16.h says), then one addition, then the activation: the bits do
// not depend on blocking, on the team, on the layout of a and b or on the ISA (the baseline, without fma, excepted).
#pragma once
#include "gemm_columns.h"
#include "gemm_rows.h"
#include "gemm_small.h"

namespace gradclip::GRADCLIP_ISA {
enum MatmulKind { kMmF32, kMmF64, kMmBf16 };
enum MatmulInts { kMmBatch, kMmM, kMmN, kMmK, kMmTransA, kMmTransB, kMmAct, kMmKind, kMmLast, kMmSlope, kMmInts };

// How a team of `size` shares the work: `b` parts of the batch, times m parts of the rows, times n parts of the lanes.
struct Grid {
  int64_t b, m, n;
  double cost;   // of the thread with most work, in fma instructions for each k
};
constexpr double kBarrier = 2000;   // what a barrier costs, in fma instructions
constexpr double kSquare = 10;      // and squares_of, for W elements
template <class P>
static Grid grid_of(const Product& g, bool columns, int64_t batch, int64_t size) {
  const int64_t unit = g.stats ? kStat : 1, units = ceil_div(g.m, unit), step = most(unit, W);
  Grid best = {1, 1, 1, -1};
  for (int64_t b = 1; b <= size; b++) {
    if (size % b != 0) continue;
    for (int64_t m = 1; m <= size / b; m++) {
      if (size / b % m != 0) continue;
      const int64_t n = size / b / m;
      if (columns && n > 1) continue;
      // In instructions of an fma, or of a pair, for each word along k: the tiles, then the packing of V and S, as measured; and the barrier after shared V.
      const double rows = (double)(ceil_div(units, m) * unit), lanes = (double)(ceil_div(ceil_div(g.n, step), n) * step / W);
      const bool shared = columns && b == 1;
      const double pack = lanes * (g.vj == 1 ? 9 : 23) / (shared ? (double)size : 1.) + rows * (g.sp == 1 ? .35 : 1.3);
      const double wait = shared ? kBarrier / (double)most(words_of<P>(g.k), 1) : 0;
      const double cost = (double)ceil_div(batch, b) * ((rows < 4 ? 4 : rows) * lanes + pack + wait);
      if (best.cost < 0 || cost < best.cost) best = {b, m, n, cost};
    }
  }
  return best;
}

// C by rows or by columns, whichever transposes less on the way; by columns a panel of V has room for all of k.
template <class P>
static bool by_columns(int64_t m, int64_t n, int64_t k, bool ta, bool tb) {
  return tb && words_of<P>(k) <= kVCap / TN && m * n + (ta ? 0 : m * k) < n * k;
}

constexpr int64_t kMmLocal = kVCap + kSOwn + 4 * kStatLanes, kMmScratch = 2 * kVShared;   // floats

// `more`: to what y holds, whose chains go on; in bf16 k was even then. Not where y would be made by columns, with what follows a product, or in f64.
template <class P>
static void multiply(const Args& a, const Team& team, bool more) {
  const int64_t batch = a.i[kMmBatch], m = a.i[kMmM], n = a.i[kMmN], k = a.i[kMmK];
  const bool ta = a.i[kMmTransA], tb = a.i[kMmTransB];
  if (batch == 0 || m == 0 || n == 0) return;
  const bool has_last = a.i[kMmLast] != 0, has_slope = a.i[kMmSlope] != 0;
  const float* bias = a.n_in == 3 + has_last ? (const float*)a.in[2] : nullptr;
  const float* last = has_last ? (const float*)a.in[a.n_in - 1] : nullptr;
  float* slope = has_slope ? (float*)a.out[1] : nullptr;
  double* const stats = a.n_out == 2 + has_slope ? (double*)a.out[1 + has_slope] : nullptr;
  const bool small = is_small<P>(m, n, k) && !stats && !more,
             columns = !small && !has_last && !has_slope && by_columns<P>(m, n, k, ta, tb);
  Product g;
  const int64_t ai = ta ? 1 : k, ap = ta ? m : 1, bp = tb ? 1 : n, bj = tb ? k : 1;
  if (columns)
    g = {n, m, k, nullptr, bj, bp, nullptr, ap, ai, nullptr, 1, n, bias, 1, 0, a.i[kMmAct], nullptr, nullptr, false, nullptr};
  else
    g = {m,    n, k, nullptr,     ai,    ap,      nullptr,           bp,     bj, nullptr, n, 1,
         bias, 0, 1, a.i[kMmAct], stats, nullptr, a.i[kMmLast] == 2, nullptr};
  g.more = more;
  const auto take = [&](int64_t x) {   // of the batch
    const float *pa = (const float*)a.in[0] + x * m * k, *pb = (const float*)a.in[1] + x * k * n;
    g.s = columns ? pb : pa;
    g.v = columns ? pa : pb;
    g.c = (float*)a.out[0] + x * m * n;
    if (last) g.other = last + x * m * n;
    if (slope) g.slope = slope + x * m * n;
  };
  if (small) {
    const bool apart = batch >= team.size;   // each thread has products of its own
    const Range r = apart ? split(batch, team) : Range{0, batch};
    for (int64_t x = r.begin; x < r.end; x++) {
      take(x);
      product_small<P>(g, (float*)a.local, apart ? Team{0, 1, nullptr, nullptr} : team);
    }
    return;
  }
  Grid grid = {1, 1, 1, 0};
  bool squares_after = stats && columns;
  if (team.size > 1) {
    grid = grid_of<P>(g, columns, batch, team.size);
    // Fewer tiles of squares than threads: then the product is cut finer, and its squares are taken of what it wrote, to the same bits.
    Product plain = g;
    plain.stats = nullptr;
    const Grid finer = g.stats ? grid_of<P>(plain, columns, batch, team.size) : grid;
    const double squares = (double)(batch * m * n) / (double)(team.size * W) * kSquare;
    if (g.stats && finer.cost + (kBarrier + squares) / (double)most(words_of<P>(k), 1) < grid.cost) {
      grid = finer;
      g.stats = nullptr;
      squares_after = true;
    }
  }
  const int64_t rb = quotient(team.rank, grid.m * grid.n), rest = team.rank - rb * grid.m * grid.n;
  const int64_t rm = quotient(rest, grid.n), rn = rest - rm * grid.n;
  Share at = {grid.b == 1 ? &team : nullptr, rm, grid.m, rn, grid.n, (float*)a.local, (float*)a.scratch, 0};
  const Parts bs = parts_of(batch, 1, grid.b);
  for (int64_t x = bs.begin(rb); x < bs.begin(rb + 1); x++) {
    take(x);
    if (g.stats) g.stats = stats + x * ceil_div(m, kStat) * ceil_div(n, kStat);
    columns ? product_columns<P>(g, at) : product_rows<P>(g, at);
  }
  if (squares_after) {
    team.barrier();
    squares_of((const float*)a.out[0], stats, batch, m, n, team);
  }
}

// f64, for gradient checks and statistics: plain loops, rows of y shared out.
static void matmul_f64(const Args& a, const Team& team) {
  const int64_t m = a.i[kMmM], n = a.i[kMmN], k = a.i[kMmK];
  const bool ta = a.i[kMmTransA], tb = a.i[kMmTransB];
  const Range r = split(a.i[kMmBatch] * m, team);
  for (int64_t row = r.begin; row < r.end; row++) {
    const int64_t x = row / m, i = row % m;
    const double *pa = (const double*)a.in[0] + x * m * k, *pb = (const double*)a.in[1] + x * k * n;
    double* y = (double*)a.out[0] + row * n;
    for (int64_t j = 0; j < n; j++) {
      double sum = 0;
      for (int64_t p = 0; p < k; p++)
        sum = __builtin_fma(ta ? pa[p * m + i] : pa[i * k + p], tb ? pb[j * k + p] : pb[p * n + j], sum);
      y[j] = a.n_in == 3 ? sum + ((const double*)a.in[2])[j] : sum;
    }
  }
}

void matmul(const Args& a, const Team& team) {
  switch (a.i[kMmKind]) {
    case kMmF64:
      return matmul_f64(a, team);
    case kMmBf16:
      return multiply<Bf16>(a, team, false);
    default:
      return GRADCLIP_F32(matmul, multiply<F32>(a, team, false));
  }
}

void matmul_need(Need& n) {
  if (n.n_i != kMmInts || n.n_f != 0) return n.fail("expected batch, m, n, k, transA, transB, act, kind, last, slope");
  if ((uint64_t)n.i[kMmLast] > 2 || (n.i[kMmSlope] & ~int64_t(1))) return n.fail("unknown last operand or slope");
  const int has_last = n.i[kMmLast] != 0, has_slope = (int)n.i[kMmSlope];
  if (n.n_in < 2 + has_last || n.n_in > 3 + has_last || n.n_out < 1 + has_slope || n.n_out > 2 + has_slope)
    return n.fail("expected a, b[, bias][, last] and y[, slope][, stats]");
  for (int j = 0; j < 4; j++)
    if (n.i[j] < 0) return n.fail("a size is negative");
  if ((n.i[kMmTransA] | n.i[kMmTransB]) & ~int64_t(1)) return n.fail("a flag is neither 0 nor 1");
  if ((uint64_t)n.i[kMmKind] > kMmBf16) return n.fail("unknown kind");
  const bool f64 = n.i[kMmKind] == kMmF64;
  if (!may_end(n.i[kMmAct])) return n.fail("unknown activation");
  if (f64 && (n.i[kMmAct] || n.n_out > 1 || has_last)) return n.fail("f64 has a bias at most");
  if (has_slope && !has_slope_of(n.i[kMmAct])) return n.fail("an activation without a slope");
  for (int j = 0; j < 4; j++)
    if (n.i[j] > Need::kMax) return n.fail("a size is too large");
  const int64_t batch = n.i[kMmBatch], rows = n.i[kMmM], cols = n.i[kMmN], k = n.i[kMmK], e = f64 ? 8 : 4;
  n.in[0] = size_of(batch, rows, k, e);
  n.in[1] = size_of(batch, k, cols, e);
  if (n.n_in == 3 + has_last) n.in[2] = size_of(cols, e);
  n.out[0] = size_of(batch, rows, cols, e);
  if (has_last) n.in[n.n_in - 1] = n.out[0];
  if (has_slope) n.out[1] = n.out[0];
  if (n.n_out == 2 + has_slope) n.out[1 + has_slope] = size_of(batch, ceil_div(rows, kStat), ceil_div(cols, kStat), 8);
  n.local = f64 ? 0 : kMmLocal * (int64_t)sizeof(float);
  n.scratch = f64 ? 0 : kMmScratch * (int64_t)sizeof(float);
}
}   // namespace gradclip::GRADCLIP_ISA
