// gemm.h: matmul, y[batch, m, n] = act(a[batch, m, k] * b[batch, k, n] + bias[n]), a and b transposed or not; at the end
// another operand of the shape of y may be added or multiplied with. A second output may take the slope of act.
// Every element is one fma chain over k = 0 .. k - 1 from 0, then one addition, then the activation: the bits do not depend on
// blocking, on the team, on the layout of a and b or on the ISA (the baseline, without fma, excepted).
#pragma once
#include "gemm_finish.h"
#include "gemm_micro.h"
#include "gemm_squares.h"

namespace gradclip::GRADCLIP_ISA {
enum MatmulInts { kMmBatch, kMmM, kMmN, kMmK, kMmTransA, kMmTransB, kMmAct, kMmF64, kMmLast, kMmSlope, kMmInts };
constexpr int64_t kKC = 256;            // k of a panel at most
constexpr int64_t kSCap = 1 << 20;      // floats of packed S that a team shares, twice
constexpr int64_t kSOwn = 1 << 18;      // floats of packed S that a thread has for itself
constexpr int64_t kVCap = 1 << 17;      // floats of packed V that stay in L2
constexpr int64_t kVShared = 1 << 18;   // floats of packed V that a team shares, in product_columns

// An operand being packed, by one thread for itself or by several for all of them: who packs what, where, and who waits are decided
// here together, since a thread that packs a share of what nobody else packs multiplies whatever its scratch held before.
struct Packing {
  const Team* team;      // null: one thread packs all of it
  int64_t part, parts;   // the part this thread packs
  float* base;
  int64_t room;    // floats of a buffer
  int64_t* turn;   // the team's scratch has two halves, filled in turns, so that one barrier is enough
  float* buffer() const { return team ? base + room * ((*turn)++ & 1) : base; }
  Range mine(int64_t count) const {
    const Parts all = parts_of(count, 1, parts);
    return {all.begin(part), all.begin(part + 1)};
  }
  void packed() const {
    if (team) team->barrier();
  }
};

// The share of a thread in the work on a product: rows [rm of gm], lanes [rn of gn]. `team` is null where other threads work on other
// products; then nothing is shared with them, however the rows and lanes are cut.
struct Share {
  const Team* team;
  int64_t rm, gm, rn, gn;
  float *own, *shared;   // scratch of the thread, and of the team
  int64_t turn;
  // Packed by `parts` threads of the team into two halves of `room` floats at `theirs`, or by this one into `mine`, which has `alone` floats.
  Packing packing(int64_t part, int64_t parts, float* theirs, int64_t room, float* mine, int64_t alone) {
    if (team && parts > 1) return {team, part, parts, theirs, room, &turn};
    return {nullptr, 0, 1, mine, alone, nullptr};
  }
};

// One row of tiles: c[rows, cols] (+)= S[rows, k] * V, where V comes in panels of TN lanes, `step` floats apart. `done` is told of
// every tile while it is in L1.
template <class Fn>
static inline void tiles(const float* s, bool by_rows, int64_t st, const float* v, int64_t vs, int64_t step, int64_t rows,
                         int64_t cols, int64_t k, float* c, int64_t ld, bool first, Soon soon, Fn done) {
  const Micro* const by_form = &kMicro[by_rows][0][rows - 1];
  const int full = vs == TN && (by_rows || st == kSRow) ? 3 : 0;
  soon.count = ceil_div(soon.count, (cols + TN - 1) / TN);
  for (int64_t j = 0; j < cols; j += TN, v += step) {
    const int64_t lanes = least(TN, cols - j);
    const int form = lanes == TN ? full : lanes > W ? 1 : 2;
    by_form[form * 14](k, s, st, v, vs, c + j, ld, (int)(form == 1 ? lanes - W : lanes), first,
                       j + TN < cols ? c + j + TN : c + rows * ld, soon);
    soon.p += soon.count * soon.step;
    done(j, lanes);
  }
}

// True when rows `stride` floats apart fall into so few sets of L1 that they drive each other out.
static inline bool crowded(int64_t stride) { return ((stride * 4 + 64) & 2047) < 128; }
static inline Parts panels_of_k(int64_t k) { return parts_of(k, 1, most(1, ceil_div(k, kKC))); }

// Lanes of C contiguous: partial sums wait in C between panels of k. Threads beside each other share packed S.
static void product_rows(const Product& g, Share& at) {
  const int64_t unit = g.stats ? kStat : 1;   // sums of squares do not cross a cut
  const Parts ks = panels_of_k(g.k), rs = parts_of(g.m, unit, at.gm), cs = parts_of(g.n, most(unit, W), at.gn);
  const int64_t kmax = ks.size + 1, c0 = cs.begin(at.rn), n = cs.begin(at.rn + 1) - c0;
  const int64_t r0 = rs.begin(at.rm), r1 = rs.begin(at.rm + 1);
  const bool by_rows = g.sp == 1, packs_rows = by_rows && kSByRows;
  const bool direct_s = g.n <= 4 * TN * at.gn && !crowded(by_rows ? g.si : g.sp);
  // Packed S: rows of tiles of `block` floats each, in buffers of `room` floats.
  const int64_t ld = packs_rows ? (kmax + 15) / 16 * 16 + 8 : kSRow, block = packs_rows ? ld * MR : ld * kmax + 16;
  const int64_t st = !direct_s ? ld : by_rows ? g.si : g.sp, shared_room = quotient(kSCap, at.gm);
  float* const pv = at.own;
  const Packing packing = at.packing(at.rn, at.gn, at.shared + 2 * shared_room * at.rm, shared_room, at.own + kVCap, kSOwn);
  const int64_t units = rs.size + 1;
  const Parts ms =
      parts_of(units * unit, unit, direct_s ? 1 : ceil_div(units, quotient(quotient(packing.room, block) * MR, unit)));
  const int64_t step = most(unit, TN), cap = kmax * n <= kVCap - kmax * TN ? n + step : quotient(kVCap, kmax);
  const Parts js = parts_of(n, step, ceil_div(ceil_div(n, step), quotient(g.stats ? least(cap, kStatLanes) : cap, step)));
  const Squares squares = {g.stats, g.stats ? (double*)(at.own + kVCap + kSOwn) : nullptr, g.m, g.n};
  for (int64_t mb = 0; mb < ms.count; mb++) {
    const int64_t m0 = least(r0 + ms.begin(mb), r1), m = least(r0 + ms.begin(mb + 1), r1) - m0;
    const Parts is = parts_of(m, 1, (m + MR - 1) / MR);
    const bool direct_v = g.vj == 1 && (is.count <= 2 || (ks.count == 1 && g.k * n <= 6144));
    for (int64_t kb = 0; kb < ks.count; kb++) {
      const int64_t p = ks.begin(kb), k = ks.begin(kb + 1) - p;
      const float* const s = g.s + m0 * g.si + p * g.sp;
      float* buffer = nullptr;
      if (!direct_s) {
        buffer = packing.buffer();
        const Range mine = packing.mine(is.count);
        pack_s(s, g.si, g.sp, is, mine.begin, mine.end, k, buffer, block, ld);
        packing.packed();
      }
      for (int64_t jb = 0; jb < js.count; jb++) {
        const int64_t j = c0 + js.begin(jb), cols = c0 + js.begin(jb + 1) - j;
        const float* v = g.v + p * g.vp + j * g.vj;
        if (!direct_v) pack_v(v, g.vp, g.vj, k, cols, pv);
        const bool last = kb == ks.count - 1;
        if (last && g.stats) squares.start(cols);
        for (int64_t ib = 0; ib < is.count; ib++) {
          const int64_t i = is.begin(ib), rows = is.begin(ib + 1) - i;
          const float* tile_s = direct_s ? s + i * g.si : buffer + ib * block;
          const Soon soon = !direct_s ? soon_run(tile_s + block, block)
                            : by_rows ? soon_run(tile_s + rows * g.si, ks.count == 1 ? rows * k : 0)
                                      : Soon{tile_s + rows, g.sp, rows - 1, k};
          float* c = g.c + (m0 + i) * g.ci + j;
          tiles(tile_s, direct_s ? by_rows : packs_rows, st, direct_v ? v : pv, direct_v ? g.vp : TN, direct_v ? TN : k * TN,
                rows, cols, k, c, g.ci, kb == 0, soon, [&](int64_t x, int64_t width) {
                  if (!last) return;
                  finish(g, c + x, g.ci, m0 + i, j + x, rows, width);
                  if (g.stats) squares.take(m0 + i, x, c + x, g.ci, rows, width);
                });
          if (last && g.stats) squares.finish(m0 + i, rows, j, cols);
        }
      }
    }
  }
}

// Rows of C and of S contiguous: a row of tiles goes through all of k in `tile`, is finished there and goes out transposed. All threads
// share packed V and divide the rows.
constexpr int64_t kTileLanes = 2048;              // lanes of `tile` at most
constexpr int64_t kColumnsK = kVCap / (2 * TN);   // above this k V would not stay in L2
static void product_columns(const Product& g, Share& at) {
  const Parts ks = panels_of_k(g.k), rs = parts_of(g.m, 1, at.gm);
  const int64_t r0 = rs.begin(at.rm), m = rs.begin(at.rm + 1) - r0, k64 = most(g.k, 64);
  const Packing packing = at.packing(at.rm, at.gm, at.shared, kVShared, at.own, kVCap);
  const int64_t lanes = k64 * g.n <= packing.room - k64 * TN ? most(g.n, 1) : quotient(packing.room, k64) / TN * TN;
  const Parts js = parts_of(g.n, TN, ceil_div(g.n, least(lanes, kTileLanes))), is = parts_of(m, 1, (m + MR - 1) / MR);
  const bool direct_v = g.vj == 1 && rs.size < 2 * MR;   // the same for all threads
  float *const ps = at.own + kVCap, *const tile = ps + kSOwn;
  constexpr int64_t ld_s = kSByRows ? kKC + 8 : kSRow;
  for (int64_t jb = 0; jb < js.count; jb++) {
    const int64_t j = js.begin(jb), cols = js.begin(jb + 1) - j, panels = (cols + TN - 1) / TN, ld = panels * TN;
    const bool direct_s = !crowded(g.si) && (kSByRows || panels < 4);   // else it is worth to turn rows into columns
    float* const pv = direct_v ? nullptr : packing.buffer();
    const Range mine = direct_v ? Range{0, 0} : packing.mine(ks.count * panels);
    for (int64_t x = mine.begin; x < mine.end; x++) {
      const int64_t kb = quotient(x, panels), panel = x - kb * panels, p = ks.begin(kb), k = ks.begin(kb + 1) - p;
      pack_v(g.v + p * g.vp + (j + panel * TN) * g.vj, g.vp, g.vj, k, least(TN, cols - panel * TN), pv + p * ld + panel * k * TN);
    }
    if (!direct_v) packing.packed();
    for (int64_t ib = 0; ib < is.count; ib++) {
      const int64_t i = is.begin(ib), rows = is.begin(ib + 1) - i;
      for (int64_t kb = 0; kb < ks.count; kb++) {
        const int64_t p = ks.begin(kb), k = ks.begin(kb + 1) - p;
        const float* s = g.s + (r0 + i) * g.si + p;
        if (!direct_s) pack_s(s, g.si, 1, parts_of(rows, 1, 1), 0, 1, k, ps, 0, ld_s);
        const float* v = direct_v ? g.v + p * g.vp + j : pv + p * ld;
        tiles(direct_s ? s : ps, direct_s || kSByRows, direct_s ? g.si : ld_s, v, direct_v ? g.vp : TN, direct_v ? TN : k * TN,
              rows, cols, k, tile, ld, kb == 0, soon_run(s + rows * g.si, ks.count == 1 ? rows * k : 0), [](int64_t, int64_t) {});
      }
      finish(g, tile, ld, r0 + i, j, rows, cols);
      transpose_block(tile, ld, g.c + (r0 + i) + j * g.cj, g.cj, rows, cols, rows);
    }
  }
}

// How a team of `size` shares the work: `b` parts of the batch, times m parts of the rows, times n parts of the lanes.
struct Grid {
  int64_t b, m, n;
  double cost;   // of the thread with most work, in fma instructions for each k
};
constexpr double kBarrier = 2000;   // what a barrier costs, in fma instructions
static Grid grid_of(const Product& g, bool columns, int64_t batch, int64_t size) {
  const int64_t unit = g.stats ? kStat : 1, units = ceil_div(g.m, unit), step = most(unit, W);
  Grid best = {1, 1, 1, -1};
  for (int64_t b = 1; b <= size; b++) {
    if (size % b != 0) continue;
    for (int64_t m = 1; m <= size / b; m++) {
      if (size / b % m != 0) continue;
      const int64_t n = size / b / m;
      if (columns && n > 1) continue;
      // In fma instructions for each k: the tiles, then the packing of V and S; and a barrier for each panel of k.
      const double rows = (double)(ceil_div(units, m) * unit), lanes = (double)(ceil_div(ceil_div(g.n, step), n) * step / W);
      const double pack = columns ? lanes * 12 / (b == 1 ? (double)size : 1.) : lanes * 12 + rows / (b == 1 ? (double)n : 1.);
      const double wait = b == 1 ? kBarrier / (double)(g.k < kKC ? g.k + 1 : kKC) : 0;
      const double cost = (double)ceil_div(batch, b) * ((rows < 4 ? 4 : rows) * lanes + pack + wait);
      if (best.cost < 0 || cost < best.cost) best = {b, m, n, cost};
    }
  }
  return best;
}

// C by rows or by columns, whichever transposes less on the way.
static bool by_columns(int64_t m, int64_t n, int64_t k, bool ta, bool tb) {
  return tb && k <= kColumnsK && m * n + (ta ? 0 : m * k) < n * k;
}

static void matmul_f64(const Args& a, const Team& team);

void matmul(const Args& a, const Team& team) {
  const int64_t batch = a.i[kMmBatch], m = a.i[kMmM], n = a.i[kMmN], k = a.i[kMmK];
  const bool ta = a.i[kMmTransA], tb = a.i[kMmTransB];
  if (a.i[kMmF64]) return matmul_f64(a, team);
  if (batch == 0 || m == 0 || n == 0) return;
  const bool has_last = a.i[kMmLast] != 0, has_slope = a.i[kMmSlope] != 0;
  const float* bias = a.n_in == 3 + has_last ? (const float*)a.in[2] : nullptr;
  const float* last = has_last ? (const float*)a.in[a.n_in - 1] : nullptr;
  float* slope = has_slope ? (float*)a.out[1] : nullptr;
  double* const stats = a.n_out == 2 + has_slope ? (double*)a.out[1 + has_slope] : nullptr;
  const bool columns = !has_last && !has_slope && by_columns(m, n, k, ta, tb);
  Product g;
  const int64_t ai = ta ? 1 : k, ap = ta ? m : 1, bp = tb ? 1 : n, bj = tb ? k : 1;
  if (columns)
    g = {n, m, k, nullptr, bj, bp, nullptr, ap, ai, nullptr, 1, n, bias, 1, 0, a.i[kMmAct], nullptr, nullptr, false, nullptr};
  else
    g = {m,    n, k, nullptr,     ai,    ap,      nullptr,           bp,     bj, nullptr, n, 1,
         bias, 0, 1, a.i[kMmAct], stats, nullptr, a.i[kMmLast] == 2, nullptr};
  Grid grid = {1, 1, 1, 0};
  bool squares_after = stats && columns;
  if (team.size > 1) {
    grid = grid_of(g, columns, batch, team.size);
    // Fewer tiles of squares than threads: then the product is cut finer, and its squares are taken of what it wrote, to the same bits.
    Product plain = g;
    plain.stats = nullptr;
    const Grid finer = g.stats ? grid_of(plain, columns, batch, team.size) : grid;
    if (g.stats && finer.cost + kBarrier / (double)most(k, 1) < grid.cost) {
      grid = finer;
      g.stats = nullptr;
      squares_after = true;
    }
  }
  const int64_t rb = quotient(team.rank, grid.m * grid.n), rest = team.rank - rb * grid.m * grid.n;
  const int64_t rm = quotient(rest, grid.n), rn = rest - rm * grid.n;
  Share at = {team.size > 1 && grid.b == 1 ? &team : nullptr, rm, grid.m, rn, grid.n, (float*)a.local, (float*)a.scratch, 0};
  const Parts bs = parts_of(batch, 1, grid.b);
  for (int64_t x = bs.begin(rb); x < bs.begin(rb + 1); x++) {
    const float *pa = (const float*)a.in[0] + x * m * k, *pb = (const float*)a.in[1] + x * k * n;
    g.s = columns ? pb : pa;
    g.v = columns ? pa : pb;
    g.c = (float*)a.out[0] + x * m * n;
    if (last) g.other = last + x * m * n;
    if (slope) g.slope = slope + x * m * n;
    if (g.stats) g.stats = stats + x * ceil_div(m, kStat) * ceil_div(n, kStat);
    columns ? product_columns(g, at) : product_rows(g, at);
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

void matmul_need(Need& n) {
  if (n.n_i != kMmInts || n.n_f != 0) return n.fail("expected batch, m, n, k, transA, transB, act, f64");
  if ((uint64_t)n.i[kMmLast] > 2 || (n.i[kMmSlope] & ~int64_t(1))) return n.fail("unknown last operand or slope");
  const int has_last = n.i[kMmLast] != 0, has_slope = (int)n.i[kMmSlope];
  if (n.n_in < 2 + has_last || n.n_in > 3 + has_last || n.n_out < 1 + has_slope || n.n_out > 2 + has_slope)
    return n.fail("expected a, b[, bias][, last] and y[, slope][, stats]");
  for (int j = 0; j < 4; j++)
    if (n.i[j] < 0) return n.fail("a size is negative");
  if ((n.i[kMmTransA] | n.i[kMmTransB] | n.i[kMmF64]) & ~int64_t(1)) return n.fail("a flag is neither 0 nor 1");
  if (!may_end(n.i[kMmAct])) return n.fail("unknown activation");
  if (n.i[kMmF64] && (n.i[kMmAct] || n.n_out > 1 || has_last)) return n.fail("f64 has a bias at most");
  if (has_slope && !has_slope_of(n.i[kMmAct])) return n.fail("an activation without a slope");
  for (int j = 0; j < 4; j++)
    if (n.i[j] > Need::kMax) return n.fail("a size is too large");
  const int64_t batch = n.i[kMmBatch], rows = n.i[kMmM], cols = n.i[kMmN], k = n.i[kMmK], e = n.i[kMmF64] ? 8 : 4;
  n.in[0] = size_of(batch, rows, k, e);
  n.in[1] = size_of(batch, k, cols, e);
  if (n.n_in == 3 + has_last) n.in[2] = size_of(cols, e);
  n.out[0] = size_of(batch, rows, cols, e);
  if (has_last) n.in[n.n_in - 1] = n.out[0];
  if (has_slope) n.out[1] = n.out[0];
  if (n.n_out == 2 + has_slope) n.out[1 + has_slope] = size_of(batch, ceil_div(rows, kStat), ceil_div(cols, kStat), 8);
  n.local = n.i[kMmF64] ? 0 : (kVCap + kSOwn + MR * kTileLanes) * (int64_t)sizeof(float);
  n.scratch = n.i[kMmF64] ? 0 : 2 * kSCap * (int64_t)sizeof(float);
}
}   // namespace gradclip::GRADCLIP_ISA
