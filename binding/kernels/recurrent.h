// recurrent.h: the tanh RNN over time, forward and backward. Every thread takes whole batch rows, so time needs no barriers.
// Both directions are the same loop: state [rows, H] times packed weights, then an elementwise pass that gives the next state.
// Each output of the product is one chain of fma from 0 over ascending k, so neither tiles nor ISAs change its bits.

constexpr int kRnnCols = 2 * W;                           // columns of a weight panel: two registers
constexpr int kRnnRows = W == 16 ? 14 : W == 8 ? 6 : 4;   // rows of a tile at most: 2 accumulators each

static inline int64_t rnn_panels(int64_t h) { return (h + kRnnCols - 1) / kRnnCols; }
static inline int64_t rnn_groups(int64_t h) { return (h + 31) / 32 * 2; }   // lane groups of a state row, pads included

// packed[p][k][c] = weight of input k for output p * kRnnCols + c; zero beyond H.
// Forward: whh[out][in] of PyTorch, so w[c][k]; backward: the transposed product, so w[k][c].
static void rnn_pack(const float* w, float* packed, int64_t h, bool forward, const Team& team) {
  const Range r = split(rnn_panels(h) * h, team);
  for (int64_t t = r.begin; t < r.end; t++) {
    const int64_t c0 = t / h * kRnnCols, k = t % h;
    float* q = packed + t * kRnnCols;
    for (int64_t c = 0; c < kRnnCols; c++) q[c] = c0 + c >= h ? 0.f : forward ? w[(c0 + c) * h + k] : w[k * h + c0 + c];
  }
}

// A tile's state and product lie as [group][row][16], so that rows are at constant offsets.
// z[row][columns of the panel] = sum over k of s[row][k] * panel[k]
template <int R>
static void rnn_panel(const float* panel, const float* s, float* z, int64_t h) {
  RF a[R], b[R];
#pragma GCC unroll 16
  for (int r = 0; r < R; r++) a[r] = b[r] = r_set1(0.f);
  for (int64_t k = 0; k < h; k += L, s += R * L) {
    const int n = h - k < L ? (int)(h - k) : L;
#pragma GCC unroll 2
    for (int i = 0; i < n; i++, panel += kRnnCols) {
      const RF w0 = r_load(panel), w1 = r_load(panel + W);
#pragma GCC unroll 16
      for (int r = 0; r < R; r++) {
        const RF x = r_set1(s[r * L + i]);
        a[r] = r_fma(x, w0, a[r]);
        b[r] = r_fma(x, w1, b[r]);
      }
    }
  }
  float *za = z, *zb = W == L ? z + R * L : z + W;
#pragma GCC unroll 16
  for (int r = 0; r < R; r++) {
    r_store(za + r * L, a[r]);
    r_store(zb + r * L, b[r]);
  }
}
template <int R>
static void rnn_product(const float* packed, const float* s, float* z, int64_t h) {
  for (int64_t p = 0; p < rnn_panels(h); p++) {
    const int64_t c = p * kRnnCols;
    rnn_panel<R>(packed + p * h * kRnnCols, s, z + c / L * R * L + c % L, h);
  }
}
using RnnProduct = void (*)(const float*, const float*, float*, int64_t);
static RnnProduct rnn_product_of(int rows) {
  static constexpr RnnProduct kProducts[] = {
    rnn_product<1>,
    rnn_product<2>,
    rnn_product<3>,
    rnn_product<4>,
#if defined(__AVX2__)
    rnn_product<5>,
    rnn_product<6>,
#endif
#if defined(__AVX512F__)
    rnn_product<7>,
    rnn_product<8>,
    rnn_product<9>,
    rnn_product<10>,
    rnn_product<11>,
    rnn_product<12>,
    rnn_product<13>,
    rnn_product<14>,
#endif
  };
  return kProducts[rows - 1];
}

// Calls f(group, row, offset of the lanes in a row of H, number of lanes) for every lane group of a tile.
template <typename Fn>
INLINE void rnn_each(int rows, int64_t h, Fn f) {
  for (int r = 0; r < rows; r++)
    for (int64_t g = 0; g * L < h; g++) f((g * rows + r) * L, r, g * L, h - g * L < L ? (int)(h - g * L) : L);
}
INLINE F rnn_load(const float* p, int n) { return n == L ? load(p) : load_n(p, n); }
INLINE void rnn_store(float* p, F v, int n) { n == L ? store(p, v) : store_n(p, v, n); }

// What vanishes over time counts as 0 below 2^-100: on denormals a product takes the processor thirty times as long.
INLINE F rnn_flush(F v) { return select(lt(abs(v), set1(7.8886091e-31f)), set1(0.f), v); }

// The thread's rows, in tiles of nearly equal size: calls f(first row, rows).
template <typename Fn>
INLINE void rnn_tiles(int64_t batch, const Team& team, Fn f) {
  const Range r = split(batch, team);
  const int64_t n = r.end - r.begin, tiles = (n + kRnnRows - 1) / kRnnRows;
  for (int64_t i = 0; i < tiles; i++) {
    const int64_t from = n * i / tiles, to = n * (i + 1) / tiles;
    f(r.begin + from, (int)(to - from));
  }
}

// hs[b,t,:] = tanh(x[b,t,:] + whh h), h = hs[b,t-1,:] (h0[b,:] at first); last[b,:] = hs[b,T-1,:]
// outs hs[B,T,H], last[B,H]; ins x[B,T,H], h0[B,H], whh[H,H]; i: B, T, H. hs may be x.
void rnn(const Args& a, const Team& team) {
  const int64_t batch = a.i[0], steps = a.i[1], h = a.i[2];
  float *hs = (float*)a.out[0], *last = (float*)a.out[1], *packed = (float*)a.scratch;
  const float *x = (const float*)a.in[0], *h0 = (const float*)a.in[1];
  rnn_pack((const float*)a.in[2], packed, h, true, team);
  team.barrier();
  float *s = (float*)a.local, *z = s + kRnnRows * L * rnn_groups(h);
  rnn_tiles(batch, team, [&](int64_t b, int rows) {
    const RnnProduct product = rnn_product_of(rows);
    rnn_each(rows, h, [&](int64_t at, int r, int64_t c, int n) { store(s + at, rnn_load(h0 + (b + r) * h + c, n)); });
    for (int64_t t = 0; t < steps; t++) {
      product(packed, s, z, h);
      rnn_each(rows, h, [&](int64_t at, int r, int64_t c, int n) {
        const int64_t o = ((b + r) * steps + t) * h + c;
        const F y = tanh_f(rnn_flush(add(load(z + at), rnn_load(x + o, n))));
        __builtin_prefetch(x + o + h);   // the next step: a tile's rows are more streams than the hardware follows
        __builtin_prefetch(hs + o + h);
        store(s + at, y);
        rnn_store(hs + o, y, n);
      });
    }
    rnn_each(rows, h, [&](int64_t at, int r, int64_t c, int n) { rnn_store(last + (b + r) * h + c, load(s + at), n); });
  });
}
static void rnn_sizes(Need& n, int64_t& states, int64_t& row, int64_t& weights) {
  const int64_t h = n.i[2];
  row = size_of(n.i[0], h, 4);
  states = size_of(n.i[0], n.i[1], h, 4);
  weights = size_of(h, h, 4);
  if (states > Need::kMax || weights > Need::kMax) return n.fail("size out of range");
  n.scratch = size_mul(rnn_panels(h) * kRnnCols, h * 4);
  n.local = 2 * kRnnRows * L * 4 * rnn_groups(h);
}
void rnn_need(Need& n) {
  rnn_sizes(n, n.in[0], n.in[1], n.in[2]);
  n.out[0] = n.in[0];
  n.out[1] = n.in[1];
  n.alias(0, 0);
}

// With dh the gradient that reaches h[b,t,:]: dz[b,t,:] = dh * (1 - hs[b,t,:]^2), and dz whh goes on to t - 1; to dh0 at the end.
// before[b,t,:] = hs[b,t-1,:] (h0[b,:] at first) is the other operand of the weight's gradient, written while hs is at hand.
// outs dz[B,T,H], dh0[B,H], before[B,T,H]; ins hs[B,T,H], h0[B,H], whh[H,H], then dhs[B,T,H] if i[3] and dlast[B,H] if i[4].
// dz may be dhs; before may be hs, since step t writes what step t + 1 has read.
void rnnGrad(const Args& a, const Team& team) {
  const int64_t batch = a.i[0], steps = a.i[1], h = a.i[2];
  float *dz = (float*)a.out[0], *dh0 = (float*)a.out[1], *before = (float*)a.out[2], *packed = (float*)a.scratch;
  const float *hs = (const float*)a.in[0], *h0 = (const float*)a.in[1];
  const float* dhs = a.i[3] ? (const float*)a.in[3] : nullptr;
  const float* dlast = a.i[4] ? (const float*)a.in[3 + a.i[3]] : nullptr;
  rnn_pack((const float*)a.in[2], packed, h, false, team);
  team.barrier();
  float *s = (float*)a.local, *z = s + kRnnRows * L * rnn_groups(h);
  rnn_tiles(batch, team, [&](int64_t b, int rows) {
    const RnnProduct product = rnn_product_of(rows);
    rnn_each(rows, h, [&](int64_t at, int r, int64_t c, int n) {
      store(z + at, dlast ? rnn_load(dlast + (b + r) * h + c, n) : set1(0.f));
    });
    for (int64_t t = steps - 1; t >= 0; t--) {
      rnn_each(rows, h, [&](int64_t at, int r, int64_t c, int n) {
        const int64_t o = ((b + r) * steps + t) * h + c;
        const F y = rnn_load(hs + o, n), dh = dhs ? add(load(z + at), rnn_load(dhs + o, n)) : load(z + at);
        const F d = rnn_flush(mul(dh, fma(neg(y), y, set1(1.f))));
        __builtin_prefetch(hs + o - h);
        if (dhs) __builtin_prefetch(dhs + o - h);
        __builtin_prefetch(dz + o - h);
        __builtin_prefetch(before + o);
        store(s + at, d);
        rnn_store(dz + o, d, n);
        if (t + 1 < steps) rnn_store(before + o + h, y, n);
      });
      product(packed, s, z, h);
    }
    rnn_each(rows, h, [&](int64_t at, int r, int64_t c, int n) {
      const int64_t o = (b + r) * h + c;
      rnn_store(dh0 + o, load(z + at), n);
      if (steps > 0) rnn_store(before + (b + r) * steps * h + c, rnn_load(h0 + o, n), n);
    });
  });
}
void rnnGrad_need(Need& n) {
  const bool dhs = n.i[3] != 0, dlast = n.i[4] != 0;
  if ((n.i[3] & ~1) || (n.i[4] & ~1) || n.n_in != 3 + dhs + dlast) return n.fail("inputs and flags disagree");
  rnn_sizes(n, n.in[0], n.in[1], n.in[2]);
  if (dhs) n.in[3] = n.in[0];
  if (dlast) n.in[3 + dhs] = n.in[1];
  n.out[0] = n.out[2] = n.in[0];
  n.out[1] = n.in[1];
  n.alias(2, 0);
  if (dhs) n.alias(0, 3);
}
