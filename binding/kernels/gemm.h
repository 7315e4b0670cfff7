// gemm.h: matmul, y[batch, m, n] = act(a[batch, m, k] * b[batch, k, n] + bias[n]), a and b transposed or not.
// Every element is one fma chain over k = 0 .. k - 1 from 0, then one addition, then the activation: the bits do not depend on
// blocking, on the team, on the layout of a and b or on the ISA (the baseline, without fma, excepted).

enum MatmulInts { kMmBatch, kMmM, kMmN, kMmK, kMmTransA, kMmTransB, kMmAct, kMmF64, kMmInts };
constexpr int64_t kKC = 400;        // k of a panel: MR rows of S stay in L1
constexpr int64_t kSLd = kKC + 8;   // row stride of packed S, not a multiple of the cache's way
constexpr int64_t kSCap = MR * kSLd > kKC* kSRow ? MR* kSLd : kKC* kSRow;
constexpr int64_t kVCap = 1 << 17;   // floats of packed V that stay in L2
constexpr int64_t kStat = 64;        // side of the square tiles of y whose sums of squares are the second output

static inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
// Start of part i when `total` is cut into `parts` of whole units.
static inline int64_t cut(int64_t total, int64_t unit, int64_t i, int64_t parts) {
  return i >= parts ? total : ceil_div(total, unit) * i / parts * unit;
}

// t[m, n] = s[m, k] * v[k, n]: S is broadcast, V is loaded as lanes. Lanes of C are contiguous (cj = 1), or its rows are (ci = 1).
struct Product {
  int64_t m, n, k;
  const float* s;
  int64_t si, sp;   // strides of S by row and by k; one is 1
  const float* v;
  int64_t vp, vj;   // strides of V by k and by lane; one is 1
  float* c;
  int64_t ci, cj;
  const float* bias;
  int64_t bi, bj;   // 1 along the n of the matmul, 0 along its m
  int64_t act;
};

template <class Fn>
static inline void finish_with(const Product& g, float* c, int64_t ld, const float* bias, int64_t rows, int64_t cols, Fn fn) {
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < cols; j += L) {
      const int n = (int)least(L, cols - j);
      float* to = c + i * ld + j;
      F x = n == L ? load(to) : load_n(to, n);
      if (bias) x = add(x, g.bj == 0 ? set1(bias[i]) : n == L ? load(bias + j) : load_n(bias + j, n));
      x = fn(x);
      n == L ? store(to, x) : store_n(to, x, n);
    }
}
// Bias and activation over the finished part at row i, lane j of the product, which lies at c.
static void finish(const Product& g, float* c, int64_t ld, int64_t i, int64_t j, int64_t rows, int64_t cols) {
  const float* bias = g.bias ? g.bias + i * g.bi + j * g.bj : nullptr;
  switch (g.act) {
    case 0:
      return bias ? finish_with(g, c, ld, bias, rows, cols, [](F x) { return x; }) : (void)0;
    case 1:
      return finish_with(g, c, ld, bias, rows, cols, [](F x) { return relu_f(x); });
    case 2:
      return finish_with(g, c, ld, bias, rows, cols, [](F x) { return tanh_f(x); });
    case 3:
      return finish_with(g, c, ld, bias, rows, cols, [](F x) { return sigmoid_f(x); });
    case 4:
      return finish_with(g, c, ld, bias, rows, cols, [](F x) { return gelu_f(x); });
    case 5:
      return finish_with(g, c, ld, bias, rows, cols, [](F x) { return gelu_tanh_f(x); });
    default:
      return finish_with(g, c, ld, bias, rows, cols, [](F x) { return silu_f(x); });
  }
}

// One row of tiles: c[rows, cols] (+)= S[rows, k] * V, where V comes in panels of TN lanes, `step` floats apart.
static inline void tiles(const float* s, bool by_rows, int64_t st, const float* v, int64_t vs, int64_t step, int64_t rows,
                         int64_t cols, int64_t k, float* c, int64_t ld, bool first) {
  const Micro* const by_form = &kMicro[by_rows][0][rows - 1];
  for (int64_t j = 0; j < cols; j += TN, v += step) {
    const int64_t lanes = least(TN, cols - j);
    const int form = lanes == TN ? 0 : lanes > W ? 1 : 2;
    by_form[form * 14](k, s, st, v, vs, c + j, ld, (int)(form == 1 ? lanes - W : lanes), first);
  }
}

// True when rows `stride` floats apart would fall into so few sets of L1 that they drive each other out.
static inline bool crowded(int64_t stride) { return (stride * 4 & 2047) < 64 || (stride * 4 & 2047) > 2047 - 64; }

// Lanes of C contiguous: partial sums wait in C between panels of k.
static void product_rows(const Product& g, float* pv, float* ps) {
  const int64_t nk = most(1, ceil_div(g.k, kKC)), kmax = ceil_div(g.k, nk);
  const int64_t nj = most(1, ceil_div(g.n, kVCap / most(kmax, 64) / TN * TN)), ni = ceil_div(g.m, MR);
  const bool direct_v = g.vj == 1 && ni <= 2, by_rows = g.sp == 1;
  for (int64_t jb = 0; jb < nj; jb++) {
    const int64_t j = cut(g.n, TN, jb, nj), cols = cut(g.n, TN, jb + 1, nj) - j;
    const bool direct_s = cols <= 4 * TN && !crowded(by_rows ? g.si : g.sp);
    for (int64_t kb = 0; kb < nk; kb++) {
      const int64_t p = cut(g.k, 1, kb, nk), k = cut(g.k, 1, kb + 1, nk) - p;
      const float* v = g.v + p * g.vp + j * g.vj;
      if (!direct_v) pack_v(v, g.vp, g.vj, k, cols, pv);
      for (int64_t ib = 0; ib < ni; ib++) {
        const int64_t i = cut(g.m, 1, ib, ni), rows = cut(g.m, 1, ib + 1, ni) - i;
        const float* s = g.s + i * g.si + p * g.sp;
        int64_t st = by_rows ? g.si : g.sp;
        if (!direct_s) {
          pack_s(s, g.si, g.sp, (int)rows, k, ps, kSLd);
          s = ps;
          st = by_rows ? kSLd : kSRow;
        }
        float* c = g.c + i * g.ci + j;
        if (direct_v)
          tiles(s, by_rows, st, v, g.vp, TN, rows, cols, k, c, g.ci, kb == 0);
        else
          tiles(s, by_rows, st, pv, TN, k * TN, rows, cols, k, c, g.ci, kb == 0);
        if (kb == nk - 1) finish(g, c, g.ci, i, j, rows, cols);
      }
    }
  }
}

// Rows of C contiguous: a row of tiles goes through all of k in `tile`, is finished there and goes out transposed.
static int64_t columns_block(int64_t k) {
  return kVCap / most(k, 64) / TN * TN;
}   // lanes at a time; 0: k is too large for this way
static void product_columns(const Product& g, float* pv, float* ps, float* tile) {
  const int64_t nk = most(1, ceil_div(g.k, kKC)), ni = ceil_div(g.m, MR), nj = ceil_div(g.n, columns_block(g.k));
  const bool by_rows = g.sp == 1, direct_s = !crowded(by_rows ? g.si : g.sp);
  for (int64_t jb = 0; jb < nj; jb++) {
    const int64_t j = cut(g.n, TN, jb, nj), cols = cut(g.n, TN, jb + 1, nj) - j, ld = ceil_div(cols, TN) * TN;
    for (int64_t kb = 0; kb < nk; kb++) {
      const int64_t p = cut(g.k, 1, kb, nk), k = cut(g.k, 1, kb + 1, nk) - p;
      pack_v(g.v + p * g.vp + j * g.vj, g.vp, g.vj, k, cols, pv + p * ld);
    }
    for (int64_t ib = 0; ib < ni; ib++) {
      const int64_t i = cut(g.m, 1, ib, ni), rows = cut(g.m, 1, ib + 1, ni) - i;
      for (int64_t kb = 0; kb < nk; kb++) {
        const int64_t p = cut(g.k, 1, kb, nk), k = cut(g.k, 1, kb + 1, nk) - p;
        const float* s = g.s + i * g.si + p * g.sp;
        int64_t st = by_rows ? g.si : g.sp;
        if (!direct_s) {
          pack_s(s, g.si, g.sp, (int)rows, k, ps, kSLd);
          s = ps;
          st = by_rows ? kSLd : kSRow;
        }
        tiles(s, by_rows, st, pv + p * ld, TN, k * TN, rows, cols, k, tile, ld, kb == 0);
      }
      finish(g, tile, ld, i, j, rows, cols);
      transpose_block(tile, ld, g.c + i + j * g.cj, g.cj, rows, cols, rows);
    }
  }
}

// How a team of `size` shares the work: `b` parts of the batch, times m parts of the rows, times n parts of the lanes.
struct Grid {
  int64_t b, m, n;
};
static Grid grid_of(const Product& g, int64_t batch, int64_t size) {
  Grid best = {1, 1, 1};
  double least_cost = -1;
  for (int64_t b = 1; b <= size; b++) {
    if (size % b != 0) continue;
    for (int64_t m = 1; m <= size / b; m++) {
      if (size / b % m != 0) continue;
      const int64_t n = size / b / m;
      // In fma instructions: the tiles, then the packing of V and S.
      const double rows = (double)ceil_div(g.m, m), lanes = (double)ceil_div(ceil_div(g.n, W), n);
      const double work = rows * lanes + lanes * (g.vj == 1 ? 4 : 10) + rows / W * 2;
      const double cost = (double)ceil_div(batch, b) * work;
      if (least_cost < 0 || cost < least_cost) {
        least_cost = cost;
        best = {b, m, n};
      }
    }
  }
  return best;
}

// C by rows or by columns, whichever transposes less on the way.
static bool by_columns(int64_t m, int64_t n, int64_t k, bool ta, bool tb) {
  if (!tb || columns_block(k) < 2 * TN) return false;
  return m * n + (ta ? 0 : m * k) < n * k;
}

static void matmul_f64(const Args& a, const Team& team);
static void stats(const Args& a, const Team& team);

static void matmul(const Args& a, const Team& team) {
  const int64_t batch = a.i[kMmBatch], m = a.i[kMmM], n = a.i[kMmN], k = a.i[kMmK];
  const bool ta = a.i[kMmTransA], tb = a.i[kMmTransB];
  if (a.i[kMmF64]) return matmul_f64(a, team);
  const float* bias = a.n_in == 3 ? (const float*)a.in[2] : nullptr;
  const bool columns = by_columns(m, n, k, ta, tb);
  Product g;
  const int64_t ai = ta ? 1 : k, ap = ta ? m : 1, bp = tb ? 1 : n, bj = tb ? k : 1;
  if (columns)
    g = {n, m, k, nullptr, bj, bp, nullptr, ap, ai, nullptr, 1, n, bias, 1, 0, a.i[kMmAct]};
  else
    g = {m, n, k, nullptr, ai, ap, nullptr, bp, bj, nullptr, n, 1, bias, 0, 1, a.i[kMmAct]};
  const Grid grid = grid_of(g, batch, team.size);
  const int64_t rb = team.rank / (grid.m * grid.n), rm = team.rank / grid.n % grid.m, rn = team.rank % grid.n;
  const int64_t i0 = cut(g.m, 1, rm, grid.m), j0 = cut(g.n, W, rn, grid.n);
  Product part = g;
  part.m = cut(g.m, 1, rm + 1, grid.m) - i0;
  part.n = cut(g.n, W, rn + 1, grid.n) - j0;
  if (bias) part.bias = bias + i0 * g.bi + j0 * g.bj;
  float *ps = (float*)a.local, *pv = ps + kSCap, *tile = pv + kVCap;
  if (part.m > 0 && part.n > 0)
    for (int64_t x = batch * rb / grid.b; x < batch * (rb + 1) / grid.b; x++) {
      const float *pa = (const float*)a.in[0] + x * m * k, *pb = (const float*)a.in[1] + x * k * n;
      part.s = (columns ? pb : pa) + i0 * g.si;
      part.v = (columns ? pa : pb) + j0 * g.vj;
      part.c = (float*)a.out[0] + x * m * n + i0 * g.ci + j0 * g.cj;
      columns ? product_columns(part, pv, ps, tile) : product_rows(part, pv, ps);
    }
  if (a.n_out == 2) {
    team.barrier();
    stats(a, team);
  }
}

// Per tile of kStat x kStat elements of y: the sum of squares, rows in order in 16 lanes.
static void stats(const Args& a, const Team& team) {
  const int64_t m = a.i[kMmM], n = a.i[kMmN], tm = ceil_div(m, kStat), tn = ceil_div(n, kStat);
  const Range r = split(a.i[kMmBatch] * tm * tn, team);
  for (int64_t t = r.begin; t < r.end; t++) {
    const int64_t i0 = t / tn % tm * kStat, j0 = t % tn * kStat;
    const float* y = (const float*)a.out[0] + t / (tm * tn) * m * n;
    D sum = dset1(0.);
    for (int64_t i = i0; i < least(m, i0 + kStat); i++)
      for (int64_t j = j0; j < least(n, j0 + kStat); j += L) {
        const float* p = y + i * n + j;
        const D x = widen(n - j >= L ? load(p) : load_n(p, (int)(n - j)));
        sum = fma(x, x, sum);
      }
    ((double*)a.out[1])[t] = hsum(sum);
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

static void matmul_need(Need& n) {
  if (n.n_i != kMmInts || n.n_f != 0) return n.fail("expected batch, m, n, k, transA, transB, act, f64");
  if (n.n_in < 2 || n.n_in > 3 || n.n_out < 1 || n.n_out > 2) return n.fail("expected a, b[, bias] and y[, stats]");
  for (int j = 0; j < 4; j++)
    if (n.i[j] < 0) return n.fail("a size is negative");
  if ((n.i[kMmTransA] | n.i[kMmTransB] | n.i[kMmF64]) & ~int64_t(1)) return n.fail("a flag is neither 0 nor 1");
  if (n.i[kMmAct] < 0 || n.i[kMmAct] > 6) return n.fail("unknown activation");
  if (n.i[kMmF64] && (n.i[kMmAct] || n.n_out == 2)) return n.fail("f64 has neither activation nor stats");
  const int64_t batch = n.i[kMmBatch], rows = n.i[kMmM], cols = n.i[kMmN], k = n.i[kMmK], e = n.i[kMmF64] ? 8 : 4;
  n.in[0] = size_mul(size_mul(size_mul(batch, rows), k), e);
  n.in[1] = size_mul(size_mul(size_mul(batch, k), cols), e);
  if (n.n_in == 3) n.in[2] = size_mul(cols, e);
  n.out[0] = size_mul(size_mul(size_mul(batch, rows), cols), e);
  if (n.n_out == 2) n.out[1] = size_mul(size_mul(size_mul(batch, ceil_div(rows, kStat)), ceil_div(cols, kStat)), 8);
  n.local = n.i[kMmF64] ? 0 : (kSCap + kVCap + MR * columns_block(0)) * (int64_t)sizeof(float);
}
