// recurrent.h: what the recurrent kernels share: packed weights, the product of a step, and the loops over time, forward and backward.
// Both directions are one loop: state [rows, K] times packed weights, then an elementwise pass (a cell) that gives the next state.
// A thread takes rows or columns of the state, whichever costs less; where columns, the team meets once a step. Each output of the
// product is one chain of fma from 0 over the same k in the same order, so neither threads nor tiles nor ISAs change its bits.
//
// Hidden values go in groups of 16 lanes, those beyond H are zero. A unit is one gate of one group. A state lies in tiles of rows,
// [unit][row][16], so that a tile's rows are at constant offsets.

constexpr int kRecCols = 2 * W;                           // columns of a panel of weights: two registers
constexpr int kRecRows = W == 16 ? 14 : W == 8 ? 6 : 4;   // rows of a tile at most: 2 accumulators each
constexpr int kAhead = 24 * kRecCols;                     // weights are asked for so many floats before they are used
constexpr int64_t kRecBand = 56;                          // rows that go through time together: their state stays in L2

// A member function that goes into its caller: see INLINE.
#define MEMBER inline __attribute__((always_inline))

constexpr int64_t kRecSmall = 65536;   // weights that stay in L2 beside all else

// What vanishes over time counts as 0 below 2^-100: on denormals a product takes the processor thirty times as long.
INLINE F rec_flush(F v) { return select(lt(abs(v), set1(7.8886091e-31f)), set1(0.f), v); }
INLINE F rec_load(const float* p, int n) { return n == L ? load(p) : load_n(p, n); }
INLINE void rec_store(float* p, F v, int n) { n == L ? store(p, v) : store_n(p, v, n); }

// The sequences: a row's steps beyond its length do nothing, its output is 0 there. In reverse the last of them comes first.
struct Sequences {
  int64_t batch, steps, hidden;
  const int32_t* lengths;   // null: all of them are `steps`
  bool reverse;
  int64_t groups() const { return (hidden + L - 1) / L; }
  int64_t length(int64_t b) const {
    if (!lengths) return steps;
    return lengths[b] < 0 ? 0 : lengths[b] > steps ? steps : lengths[b];
  }
  // Where in time row b is at its step s, and at the one before.
  int64_t at(int64_t len, int64_t s) const { return reverse && s < len ? len - 1 - s : s; }
};
static Sequences sequences_of(const Args& a, const Team& team) {
  const Sequences q = {a.i[0], a.i[1], a.i[2], a.i[4] ? (const int32_t*)a.in[a.n_in - 1] : nullptr, a.i[3] != 0};
  const Range r = split(q.lengths ? q.batch : 0, team);
  for (int64_t b = r.begin; b < r.end; b++)
    if (q.lengths[b] < 0 || q.lengths[b] > q.steps) fail(a.status, kIndexOutOfBounds, b, q.lengths[b], (double)(q.steps + 1));
  return q;
}

// The columns of a product with G units a group, cut in blocks of whole groups that fill whole panels.
template <int G>
struct Blocks {
  static constexpr int pair = W == 16 && G % 2 ? 2 : 1;   // groups of a block
  static constexpr int units = G * pair, panels = units * L / kRecCols;
  static int64_t count(int64_t groups) { return (groups + pair - 1) / pair; }
  static int64_t floats(int64_t k) { return panels * k * kRecCols; }   // of one block
};
// Where unit u of a block lies in the memory of its panels, row k = 0; the second half of it, if it has one, a panel further.
static inline int64_t unit_offset(int64_t u, int64_t k) { return u * L / kRecCols * k * kRecCols + u * L % kRecCols; }

// packed[block][panel][k][column]. Forward: output (gate, j) of input k, whh[gate * H + j][k] as PyTorch has it.
template <int G>
static void pack_forward(const float* w, float* packed, int64_t h, const Team& team) {
  using B = Blocks<G>;
  const int64_t groups = (h + L - 1) / L, k = groups * L;
  const Range r = split(B::count(groups) * B::units, team);
  for (int64_t t = r.begin; t < r.end; t++) {
    const int64_t u = t % B::units, j0 = (t / B::units * B::pair + u / G) * L, gate = u % G;
    float* const to = packed + t / B::units * B::floats(k) + unit_offset(u, k);
    for (int64_t i = 0; i < L; i++) {
      float* q = to + i / kRecCols * k * kRecCols + i % kRecCols;
      const float* row = w + (gate * h + j0 + i) * h;
      const int64_t have = j0 + i < h ? h : 0;
      for (int64_t x = 0; x < k; x++) q[x * kRecCols] = x < have ? row[x] : 0.f;
    }
  }
}
// Backward: output j of input (group, gate, i), so the transposed weights with their rows in the order of the units.
template <int G>
static void pack_backward(const float* w, float* packed, int64_t h, const Team& team) {
  using B = Blocks<1>;
  const int64_t groups = (h + L - 1) / L, k = groups * G * L;
  const Range r = split(B::count(groups) * B::panels * k, team);
  for (int64_t t = r.begin; t < r.end; t++) {
    const int64_t x = t % k, c0 = t / k * kRecCols, u = x / L, j = u / G * L + x % L;
    const float* row = w + (u % G * h + j) * h + c0;
    float* q = packed + t * kRecCols;
    for (int64_t c = 0; c < kRecCols; c++) q[c] = j < h && c0 + c < h ? row[c] : 0.f;
  }
}

// Memory that a cell reads or writes soon: `count` streams, in each a line or two (`lines`) of every row, `step` floats apart. A product
// asks for a row now and then: all at once they would wait for one another, and the hardware does not follow as many streams.
struct RecSoon {
  static constexpr int kMost = 10;
  const float* stream[kMost];
  int64_t step[kMost];
  int64_t rows, units, due = 0;   // of the tile; how many units the product goes through; of rows * units
  int count = 0, lines;
  bool near;   // into L1, else into L2
  RecSoon(int64_t rows, int64_t units, int lines, bool near) : rows(rows), units(units), lines(lines), near(near) {}
  MEMBER void add(const float* p, int64_t floats) { stream[count] = p, step[count++] = floats; }
  MEMBER void ask() {
    if (count == 0) return;
    for (due += rows; due >= units; due -= units)
      for (int i = 0; i < count; i++) {
        near ? fetch_near(stream[i]) : fetch(stream[i]);
        if (lines == 2) near ? fetch_near(stream[i] + L) : fetch(stream[i] + L);
        stream[i] += step[i];
      }
  }
};

// The product of a tile of R rows with one panel: two registers of columns, to za and zb, rows L apart. `far`: weights are asked for in
// advance; those of a small network are near, and asking costs more than it gives.
template <int R, bool far>
static inline void rec_panel(const float* panel, const float* s, int64_t units, float* za, float* zb, RecSoon& soon) {
  RF a[R], b[R];
#pragma GCC unroll 16
  for (int r = 0; r < R; r++) a[r] = b[r] = r_set1(0.f);
  for (int64_t u = 0; u < units; u++, s += R * L) {
    soon.ask();
#pragma GCC unroll 2
    for (int i = 0; i < L; i++, panel += kRecCols) {
      if (far) fetch_near(panel + kAhead);
      if (far && kRecCols > L) fetch_near(panel + kAhead + L);
      const RF w0 = r_load(panel), w1 = r_load(panel + W);
#pragma GCC unroll 16
      for (int r = 0; r < R; r++) {
        const RF x = r_set1(s[r * L + i]);
        a[r] = r_fma(x, w0, a[r]);
        b[r] = r_fma(x, w1, b[r]);
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; r++) {
    r_store(za + r * L, a[r]);
    r_store(zb + r * L, b[r]);
  }
}
// z[unit of the block][row][16] of one block; K is `units` times 16.
template <int R>
static void rec_block(const float* packed, const float* s, float* z, int64_t units, int panels, RecSoon& soon) {
  const auto panel = units > 8 ? rec_panel<R, true> : rec_panel<R, false>;
  for (int p = 0; p < panels; p++, packed += units * L * kRecCols) {
    float* const to = z + p * kRecCols / L * R * L + p * kRecCols % L;
    panel(packed, s, units, to, W == L ? to + R * L : to + W, soon);
  }
}
using RecBlock = void (*)(const float* packed, const float* s, float* z, int64_t units, int panels, RecSoon& soon);
static RecBlock rec_block_of(int64_t rows) {
  static constexpr RecBlock kBlocks[] = {
    rec_block<1>,
    rec_block<2>,
    rec_block<3>,
    rec_block<4>,
#if defined(__AVX2__)
    rec_block<5>,
    rec_block<6>,
#endif
#if defined(__AVX512F__)
    rec_block<7>,
    rec_block<8>,
    rec_block<9>,
    rec_block<10>,
    rec_block<11>,
    rec_block<12>,
    rec_block<13>,
    rec_block<14>,
#endif
  };
  return kBlocks[rows - 1];
}

// A thread's part: rows [b0, b1) in `bands` equal parts, blocks [c0, c1) of the columns. `meet`: others have its other columns.
struct RecPart {
  int64_t b0, b1, bands, c0, c1;
  bool meet;
  int64_t band(int64_t i) const { return b0 + (b1 - b0) * i / bands; }
};
// `units` per block, K of the product.
static RecPart rec_part(int64_t batch, int64_t blocks, int64_t units, int64_t k, const Team& team) {
  int64_t rows = 1, columns = 1;
  double least_cost = -1;
  for (int64_t m = 1; m <= team.size; m++) {
    if (team.size % m) continue;
    const int64_t n = team.size / m, r = (batch + m - 1) / m, c = (blocks + n - 1) / n;
    // Cycles of a step: two fma in each; weights that L2 does not hold come from farther; a barrier.
    const double bytes = 4. * (double)(c * units * L * k), fma = (double)((r < 4 ? 4 : r) * c * units * k) / 2;
    const double cost = fma + (bytes > 7e5 ? bytes / 8 : 0) + (n > 1 ? 3000. : 0);
    if (least_cost < 0 || cost < least_cost) least_cost = cost, rows = m, columns = n;
  }
  const int64_t rm = team.rank / columns, rn = team.rank % columns, most = (batch + rows - 1) / rows;
  // Where weights are small a tile goes through time alone: its state stays in L1.
  const int64_t band = columns == 1 && blocks * units * L * k <= kRecSmall ? kRecRows : kRecBand;
  return {batch * rm / rows,     batch * (rm + 1) / rows,     most == 0 ? 1 : (most + band - 1) / band,
          blocks * rn / columns, blocks * (rn + 1) / columns, columns > 1};
}

// The rows of a band in tiles of nearly equal size. Divided once: a step of a small network is as short as a few divisions.
struct RecTiles {
  int64_t count, from[kRecBand / kRecRows + 2];
  explicit RecTiles(int64_t rows) : count((rows + kRecRows - 1) / kRecRows) {
    for (int64_t i = 0; i <= count; i++) from[i] = count ? rows * i / count : 0;
  }
  // Calls f(first row, counted from that of the band; rows).
  template <typename Fn>
  MEMBER void each(Fn f) const {
    for (int64_t i = 0; i < count; i++) f(from[i], from[i + 1] - from[i]);
  }
};

// Where a cell is: row b of the batch, row of [B * T] (its place in time), lane offset in H, lanes, offset in cell memory; whether the step
// is one of the row's.
struct Spot {
  int64_t b, row, c, cell;
  int n;
  bool live;
};
static inline Spot spot_of(const Sequences& q, int64_t b, int64_t s) {
  const int64_t len = q.length(b);
  return {b, b * q.steps + q.at(len, s), 0, 0, L, s < len};
}

// Memory of a recurrence: packed weights, two states (this step's and the next), and what cells keep from step to step.
struct RecMemory {
  float *packed, *state[2], *cell, *direct, *carry;
};
static inline int64_t rec_lanes(int64_t h) { return (h + 31) / 32 * 32; }   // of a row, groups in pairs
template <int G>
static RecMemory rec_memory(const Args& a, int64_t batch, int64_t h, bool forward) {
  const int64_t lanes = rec_lanes(h), state = batch * lanes * (forward ? 1 : G);
  float* p = (float*)a.scratch;
  float *s0 = p + lanes * lanes * G, *s1 = s0 + state, *cell = s1 + state, *direct = cell + batch * lanes;
  return {p, {s0, s1}, cell, direct, direct + batch * lanes};
}
template <int G>
static void rec_scratch(Need& n, int64_t batch, int64_t h, bool forward) {
  const int64_t lanes = rec_lanes(h), rows = size_mul(batch, lanes * 4);
  n.scratch = size_mul(size_mul(lanes, lanes), G * 4) + size_mul(rows, forward ? 3 : 2 * G + 3);
  n.local = 2 * G * kRecRows * L * 4;
}

// hs[b,t,:] = the cell's next state from z = whh h and its own operands; last[b,:] the state at the end.
// cell.begin(spot), cell.step(z, stride of gates in z, state before, spot) -> state, cell.idle(spot), cell.end(spot);
// cell.soon(first row's spot, streams to ask for).
template <int G, class Cell>
static void rec_forward(const Args& a, const Team& team, const Sequences& sequences, const float* whh, const float* h0,
                        const Cell& given) {
  using B = Blocks<G>;
  const Sequences q = sequences;   // copies: what is stored might lie in the originals, for all the compiler knows
  const Cell cell = given;
  const int64_t h = q.hidden, groups = q.groups(), lanes = groups * L;
  const RecMemory mem = rec_memory<G>(a, q.batch, h, true);
  float *hs = (float*)a.out[0], *last = (float*)a.out[1], *z = (float*)a.local;
  pack_forward<G>(whh, mem.packed, h, team);
  const RecPart part = rec_part(q.batch, B::count(groups), B::units, lanes, team);
  team.barrier();
  for (int64_t band = 0; band < part.bands; band++) {
    const int64_t b0 = part.band(band);
    const RecTiles tiles(part.band(band + 1) - b0);
    float* states[2] = {mem.state[0] + part.b0 * lanes, mem.state[1] + part.b0 * lanes};
    // Calls f(spot, offset in a state, offset in z) for every group of lanes of one block and tile.
    const auto each = [&](int64_t block, int64_t r0, int64_t rows, int64_t s, auto f) __attribute__((always_inline)) {
      const int64_t g0 = block * B::pair, g1 = least(g0 + B::pair, groups);
      for (int64_t r = 0; r < rows; r++) {
        Spot x = spot_of(q, b0 + r0 + r, s);
        for (int64_t g = g0; g < g1; g++) {
          const int64_t at = r0 * lanes + (g * rows + r) * L;
          x.c = g * L, x.cell = part.b0 * lanes + at, x.n = (int)least(L, h - x.c);
          f(x, at, ((g - g0) * G * rows + r) * L);
        }
      }
    };
    for (int64_t block = part.c0; block < part.c1; block++)
      tiles.each([&](int64_t r0, int64_t rows) {
        each(block, r0, rows, 0, [&](const Spot& x, int64_t at, int64_t) {
          store(states[0] + at, rec_load(h0 + x.b * h + x.c, x.n));
          cell.begin(x);
        });
      });
    if (part.meet) team.barrier();
    for (int64_t s = 0; s < q.steps; s++) {
      float *now = states[s & 1], *next = states[~s & 1];
      for (int64_t block = part.c0; block < part.c1; block++)
        tiles.each([&](int64_t r0, int64_t rows) {
          RecSoon soon(rows, groups * B::panels, B::pair, true);
          Spot first = spot_of(q, b0 + r0, s);
          first.c = block * B::pair * L;
          cell.soon(first, soon);
          rec_block_of(rows)(mem.packed + block * B::floats(lanes), now + r0 * lanes, z, groups, B::panels, soon);
          each(block, r0, rows, s, [&](const Spot& x, int64_t at, int64_t zat) {
            const int64_t o = x.row * h + x.c;
            const F before = load(now + at);
            if (x.live) {
              const F y = cell.step(z + zat, rows * L, before, x);
              store(next + at, y);
              rec_store(hs + o, y, x.n);
            } else {
              store(next + at, before);
              rec_store(hs + o, set1(0.f), x.n);
              cell.idle(x);
            }
          });
        });
      if (part.meet) team.barrier();
    }
    for (int64_t block = part.c0; block < part.c1; block++)
      tiles.each([&](int64_t r0, int64_t rows) {
        each(block, r0, rows, 0, [&](const Spot& x, int64_t at, int64_t) {
          rec_store(last + x.b * h + x.c, load(states[q.steps & 1] + at), x.n);
          cell.end(x);
        });
      });
    if (part.meet) team.barrier();
  }
}

// What of a gradient comes from outside: that of all states and that of the last; either may be null.
struct RecGrads {
  const float *dhs, *dlast;
};
// The gradient that reaches the state after a step gives, by the cell, that of each gate before its activation; those times whh
// go on to the step before, and to dh0 at the end. before[b,t,:] is the state before the step at t (h0 at first): the other operand
// of the weight's gradient, written while hs is at hand; it may be hs.
// cell.begin(spot), cell.step(dh, state before, state after, spot, gates' gradients) -> what of dh goes on directly (if `direct`),
// cell.idle(spot), cell.end(spot), cell.soon(spot, streams).
template <int G, class Cell>
static void rec_backward(const Args& a, const Team& team, const Sequences& sequences, const float* whh, const float* hs,
                         const float* h0, const RecGrads& grads, float* dh0, float* before, const Cell& given) {
  using B = Blocks<1>;
  const Sequences q = sequences;
  const Cell cell = given;
  const float *const dhs = grads.dhs, *const dlast = grads.dlast;
  const int64_t h = q.hidden, groups = q.groups(), k = groups * G * L, lanes = rec_lanes(h);
  const RecMemory mem = rec_memory<G>(a, q.batch, h, false);
  const bool direct = Cell::direct || q.lengths;
  pack_backward<G>(whh, mem.packed, h, team);
  const RecPart part = rec_part(q.batch, B::count(groups), B::units, k, team);
  team.barrier();
  for (int64_t band = 0; band < part.bands; band++) {
    const int64_t b0 = part.band(band), first = part.b0 * lanes;
    const RecTiles tiles(part.band(band + 1) - b0);
    float *carry = mem.carry + first, *straight = mem.direct + first;
    float* states[2] = {mem.state[0] + part.b0 * k, mem.state[1] + part.b0 * k};
    // Calls f(spot, offset in what there is of each lane, offset in a state, units apart there).
    const int64_t g0 = part.c0 * B::pair, g1 = least(part.c1 * B::pair, groups);
    const auto each = [&](int64_t s, auto f) __attribute__((always_inline)) {
      tiles.each([&](int64_t r0, int64_t rows) __attribute__((always_inline)) {
        for (int64_t r = 0; r < rows; r++) {
          Spot x = spot_of(q, b0 + r0 + r, s);
          for (int64_t g = g0; g < g1; g++) {
            const int64_t at = r0 * lanes + (g * rows + r) * L;
            x.c = g * L, x.cell = first + at, x.n = (int)least(L, h - x.c);
            f(x, at, r0 * k + (g * G * rows + r) * L, rows * L);
          }
        }
      });
    };
    each(0, [&](const Spot& x, int64_t at, int64_t, int64_t) {
      store(carry + at, dlast ? rec_load(dlast + x.b * h + x.c, x.n) : set1(0.f));
      if (direct) store(straight + at, set1(0.f));
      cell.begin(x);
    });
    for (int64_t s = q.steps - 1; s >= 0; s--) {
      float* const state = states[s & 1];
      each(s, [&](const Spot& x, int64_t at, int64_t sat, int64_t stride) {
        const int64_t o = x.row * h + x.c;
        F dh = load(carry + at), d[G];
        if (direct) dh = add(dh, load(straight + at));
        if (x.live) {
          if (dhs) dh = add(dh, rec_load(dhs + o, x.n));
          const F y = rec_load(hs + o, x.n);
          const F from = s == 0 ? rec_load(h0 + x.b * h + x.c, x.n) : rec_load(hs + (q.reverse ? o + h : o - h), x.n);
          dh = cell.step(dh, from, y, x, s, d);
          rec_store(before + o, from, x.n);
        } else {
          for (int g = 0; g < G; g++) d[g] = set1(0.f);
          rec_store(before + o, d[0], x.n);
          cell.idle(x);
        }
        if (direct) store(straight + at, dh);
        for (int g = 0; g < G; g++) store(state + sat + g * stride, d[g]);
      });
      if (part.meet) team.barrier();
      for (int64_t block = part.c0; block < part.c1; block++)
        tiles.each([&](int64_t r0, int64_t rows) {
          RecSoon soon(rows, groups * G * B::panels, B::pair, false);
          Spot next = spot_of(q, b0 + r0, s - 1);
          next.c = block * B::pair * L;
          if (s > 0) cell.soon(next, soon);   // for the next pass
          rec_block_of(rows)(mem.packed + block * B::floats(k), state + r0 * k, carry + r0 * lanes + block * B::pair * rows * L,
                             groups * G, B::panels, soon);
        });
    }
    each(0, [&](const Spot& x, int64_t at, int64_t, int64_t) {
      const F dh = load(carry + at);
      rec_store(dh0 + x.b * h + x.c, direct ? add(dh, load(straight + at)) : dh, x.n);
      cell.end(x);
    });
    if (part.meet) team.barrier();
  }
}

// Whether it runs in reverse and whether there are lengths: to be looked at before inputs are counted by them.
static bool rec_flags(const Need& n) { return !((n.i[3] | n.i[4]) & ~int64_t(1)); }
// Sizes that all of them have: of [B, T, H], of [B, H], of whh with G gates; declares the lengths.
struct RecSizes {
  int64_t states, row, weights;
};
template <int G>
static RecSizes rec_sizes(Need& n, bool forward) {
  const int64_t batch = n.i[0], h = n.i[2];
  const RecSizes z = {size_of(batch, n.i[1], h, 4), size_of(batch, h, 4), size_of(h, h, 4 * G)};
  if (size_of(batch, n.i[1], h, 4 * G) > Need::kMax || z.weights > Need::kMax) n.fail("size out of range");
  if (n.i[4]) n.in[n.n_in - 1] = size_of(batch, 4);
  rec_scratch<G>(n, batch, h, forward);
  return z;
}
