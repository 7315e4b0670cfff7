// recurrent.h: what the recurrent kernels share: sequences, how threads share the work, and the loops over time, forward and backward.
// Both directions are one loop: state [rows, K] times packed weights, then an elementwise pass (a cell) that gives the next state.
// A thread takes rows or columns of the state, whichever costs less; where columns, the team meets once a step. Each output of the
// product is one chain from 0 over the same k in the same order, so neither threads nor tiles nor ISAs change its bits.
//
// Hidden values go in groups of 16 lanes, those beyond H are zero. A unit is one gate of one group. Forward, k goes over the lanes of all
// groups; backward over groups, of each over its gates, of each over its lanes. In f32 the chain is of fma. In bf16 (kRecBf16) weights and
// states (backward: gradients of gates) are rounded for the product alone, and the chain is that of bf16.h: lanes 2i and 2i + 1 are a pair,
// lane 2i + 1 comes first, denormals count as zeros. All else, gates, cells, outputs, what a state is blended with, is as in f32.
//
// What a product takes of a state lies in tiles of rows, [unit][row][kRecWords], so that a tile's rows are at constant offsets. In bf16 a
// thread keeps its own columns of the state in f32 beside that.
#pragma once
#include "recurrent_product.h"

namespace gradclip::GRADCLIP_ISA {
enum RecInts {
  kRecBatch,
  kRecSteps,
  kRecHidden,
  kRecReverse,
  kRecLengths,
  kRecBf16,
  kRecInts
};                                                     // of all recurrences; what is a cell's own comes after
enum RecGradInts { kRecDhs, kRecDlast, kRecDclast };   // of gradients, behind all others: which come from outside

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
  const Sequences q = {a.i[kRecBatch], a.i[kRecSteps], a.i[kRecHidden],
                       a.i[kRecLengths] ? (const int32_t*)a.in[a.n_in - 1] : nullptr, a.i[kRecReverse] != 0};
  const Range r = split(q.lengths ? q.batch : 0, team);
  for (int64_t b = r.begin; b < r.end; b++)
    if (q.lengths[b] < 0 || q.lengths[b] > q.steps) fail(a.status, kIndexOutOfBounds, b, q.lengths[b], (double)(q.steps + 1));
  return q;
}

// A thread's part: rows [b0, b1) in `bands` equal parts, blocks [c0, c1) of the columns. `meet`: others have its other columns.
struct RecPart {
  int64_t b0, b1, bands, c0, c1;
  bool meet;
  int64_t band(int64_t i) const { return b0 + (b1 - b0) * i / bands; }
};
// `units` per block, words of K of the product.
static RecPart rec_part(int64_t batch, int64_t blocks, int64_t units, int64_t k, const Team& team) {
  int64_t rows = 1, columns = 1;
  double least_cost = -1;
  for (int64_t m = 1; m <= team.size; m++) {
    if (team.size % m) continue;
    const int64_t n = team.size / m, r = (batch + m - 1) / m, c = (blocks + n - 1) / n;
    // Cycles of a step: two fma in each, or as long as weights take that L2 does not hold; where threads share rows a barrier, and what
    // others have written of the state comes from their cores.
    const double bytes = 4. * (double)(c * units * L * k), fma = (double)((r < 4 ? 4 : r) * c * units * k) / 2;
    const double far = bytes > 7e5 ? bytes / 8 : 0, others = (double)(r * k * (n - 1)) / (double)(2 * n);
    const double cost = (fma > far ? fma : far) + (n > 1 ? 3000. + others : 0);
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

// Memory of a recurrence: packed weights, two states (this step's and the next) as products take them, what cells keep from step to step;
// forward in bf16 the state as it is, backward two parts of a gradient.
struct RecMemory {
  float *packed, *state[2], *cell, *whole, *direct, *carry;
};
static inline int64_t rec_lanes(int64_t h) { return (h + 31) / 32 * 32; }   // of a row, groups in pairs
template <int G>
static RecMemory rec_memory(const Args& a, int64_t batch, int64_t h, bool forward) {
  const int64_t lanes = rec_lanes(h), state = batch * lanes * (forward ? 1 : G);
  float* p = (float*)a.scratch;
  float *s0 = p + lanes * lanes * G, *s1 = s0 + state, *cell = s1 + state, *more = cell + batch * lanes;
  return {p, {s0, s1}, cell, more, more, more + batch * lanes};
}
template <int G>
static void rec_scratch(Need& n, int64_t batch, int64_t h, bool forward) {
  const int64_t lanes = rec_lanes(h), rows = size_mul(batch, lanes * 4);
  n.scratch = size_mul(size_mul(lanes, lanes), G * 4) + size_mul(rows, forward ? 3 + n.i[kRecBf16] : 2 * G + 3);
  n.local = 2 * G * kRecRows * L * 4;
}

// hs[b,t,:] = the cell's next state from z = whh h and its own operands; last[b,:] the state at the end.
// cell.begin(spot), cell.step(z, stride of gates in z, state before, spot) -> state, cell.idle(spot), cell.end(spot);
// cell.soon(first row's spot, streams to ask for). Where an exponential waits for the gates (`gated`),
// cell.gates(z, stride, spot) has made those of all rows before, and left in z what `step` needs: row by row one would wait for the other.
template <class P, int G, class Cell>
static void rec_forward(const Args& a, const Team& team, const Sequences& sequences, const float* whh, const float* h0,
                        const Cell& given) {
  using B = Blocks<G>;
  const Sequences q = sequences;   // copies: what is stored might lie in the originals, for all the compiler knows
  const Cell cell = given;
  constexpr int kWords = kRecWords<P>;
  const int64_t h = q.hidden, groups = q.groups(), lanes = groups * L, words = groups * kWords;
  const RecMemory mem = rec_memory<G>(a, q.batch, h, true);
  float *hs = (float*)a.out[0], *last = (float*)a.out[1], *z = (float*)a.local;
  pack_forward<P, G>(whh, mem.packed, h, team);
  const RecPart part = rec_part(q.batch, B::count(groups), B::units, words, team);
  team.barrier();
  for (int64_t band = 0; band < part.bands; band++) {
    const int64_t b0 = part.band(band);
    const RecTiles tiles(part.band(band + 1) - b0);
    float* states[2] = {mem.state[0] + part.b0 * words, mem.state[1] + part.b0 * words};
    float* const whole = mem.whole + part.b0 * lanes;
    float* const kept[2] = {P::terms == 1 ? states[0] : whole, P::terms == 1 ? states[1] : whole};   // in f32
    // Calls f(spot, offset in a state, offset in z) for every group of lanes of one block and tile.
    const auto each = [&](int64_t block, int64_t r0, int64_t rows, int64_t s, auto f) __attribute__((always_inline)) {
      const int64_t g0 = block * B::pair, g1 = least(g0 + B::pair, groups);
      const auto go = [&](bool whole) __attribute__((always_inline)) {
        for (int64_t r = 0; r < rows; r++) {
          Spot x = spot_of(q, b0 + r0 + r, s);
          x.live |= whole;
          for (int64_t g = g0; g < g1; g++) {
            const int64_t at = r0 * lanes + (g * rows + r) * L;
            x.c = g * L, x.cell = part.b0 * lanes + at, x.n = whole ? L : (int)least(L, h - x.c);
            f(x, at, ((g - g0) * G * rows + r) * L);
          }
        }
      };
      // Whole groups, of rows that all have this step, need neither masks nor choices.
      h % L == 0 && !q.lengths ? go(true) : go(false);
    };
    for (int64_t block = part.c0; block < part.c1; block++)
      tiles.each([&](int64_t r0, int64_t rows) {
        each(block, r0, rows, 0, [&](const Spot& x, int64_t at, int64_t) {
          const F y = load_part(h0 + x.b * h + x.c, x.n);
          store(kept[0] + at, y);
          if (P::terms > 1) store_words<P>(states[0] + at / L * kWords, y);
          cell.begin(x);
        });
      });
    if (part.meet) team.barrier();
    for (int64_t s = 0; s < q.steps; s++) {
      float *now = states[s & 1], *next = states[~s & 1], *from = kept[s & 1], *to = kept[~s & 1];
      for (int64_t block = part.c0; block < part.c1; block++)
        tiles.each([&](int64_t r0, int64_t rows) __attribute__((always_inline)) {
          RecSoon soon(rows, groups * B::panels, B::pair, true);
          Spot first = spot_of(q, b0 + r0, s);
          first.c = block * B::pair * L;
          cell.soon(first, soon);
          rec_product<P>(rows, mem.packed + block * B::floats(words), now + r0 * words, z, groups, B::panels, soon);
          if constexpr (Cell::gated)
            each(block, r0, rows, s, [&](const Spot& x, int64_t, int64_t zat) {
              if (x.live) cell.gates(z + zat, rows * L, x);
            });
          each(block, r0, rows, s, [&](const Spot& x, int64_t at, int64_t zat) {
            const int64_t o = x.row * h + x.c;
            const F before = load(from + at);
            const auto keep = [&](F y) __attribute__((always_inline)) {
              store(to + at, y);
              if (P::terms > 1) store_words<P>(next + at / L * kWords, y);
            };
            if (x.live) {
              const F y = cell.step(z + zat, rows * L, before, x);
              keep(y);
              store_part(hs + o, y, x.n);
            } else {
              keep(before);
              store_part(hs + o, set1(0.f), x.n);
              cell.idle(x);
            }
          });
        });
      if (part.meet) team.barrier();
    }
    for (int64_t block = part.c0; block < part.c1; block++)
      tiles.each([&](int64_t r0, int64_t rows) {
        each(block, r0, rows, 0, [&](const Spot& x, int64_t at, int64_t) {
          store_part(last + x.b * h + x.c, load(kept[q.steps & 1] + at), x.n);
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
template <class P, int G, class Cell>
static void rec_backward(const Args& a, const Team& team, const Sequences& sequences, const float* whh, const float* hs,
                         const float* h0, const RecGrads& grads, float* dh0, float* before, const Cell& given) {
  using B = Blocks<1>;
  const Sequences q = sequences;
  const Cell cell = given;
  const float *const dhs = grads.dhs, *const dlast = grads.dlast;
  const int64_t h = q.hidden, groups = q.groups(), words = groups * G * kRecWords<P>, lanes = rec_lanes(h);
  const RecMemory mem = rec_memory<G>(a, q.batch, h, false);
  const bool direct = Cell::direct || q.lengths;
  pack_backward<P, G>(whh, mem.packed, h, team);
  const RecPart part = rec_part(q.batch, B::count(groups), B::units, words, team);
  team.barrier();
  for (int64_t band = 0; band < part.bands; band++) {
    const int64_t b0 = part.band(band), first = part.b0 * lanes;
    const RecTiles tiles(part.band(band + 1) - b0);
    float *carry = mem.carry + first, *straight = mem.direct + first;
    float* states[2] = {mem.state[0] + part.b0 * words, mem.state[1] + part.b0 * words};
    // Calls f(spot, offset in what there is of each lane, offset in a state, units apart there).
    const int64_t g0 = part.c0 * B::pair, g1 = least(part.c1 * B::pair, groups);
    const auto each = [&](int64_t s, auto f) __attribute__((always_inline)) {
      const auto go = [&](bool whole) __attribute__((always_inline)) {
        tiles.each([&](int64_t r0, int64_t rows) __attribute__((always_inline)) {
          for (int64_t r = 0; r < rows; r++) {
            Spot x = spot_of(q, b0 + r0 + r, s);
            x.live |= whole;
            for (int64_t g = g0; g < g1; g++) {
              const int64_t at = r0 * lanes + (g * rows + r) * L;
              x.c = g * L, x.cell = first + at, x.n = whole ? L : (int)least(L, h - x.c);
              f(x, at, r0 * words + (g * G * rows + r) * kRecWords<P>, rows * kRecWords<P>);
            }
          }
        });
      };
      G < 4 && h % L == 0 && !q.lengths ? go(true) : go(false);   // as forward; an LSTM does not gain
    };
    each(0, [&](const Spot& x, int64_t at, int64_t, int64_t) {
      store(carry + at, dlast ? load_part(dlast + x.b * h + x.c, x.n) : set1(0.f));
      if (direct) store(straight + at, set1(0.f));
      cell.begin(x);
    });
    for (int64_t s = q.steps - 1; s >= 0; s--) {
      float* const state = states[s & 1];
      const auto step = [&](const Spot& x, int64_t at, int64_t sat, int64_t stride) __attribute__((always_inline)) {
        const int64_t o = x.row * h + x.c;
        F dh = load(carry + at), d[G];
        if (direct) dh = add(dh, load(straight + at));
        if (x.live) {
          if (dhs) dh = add(dh, load_part(dhs + o, x.n));
          const F y = load_part(hs + o, x.n);
          const F from = s == 0 ? load_part(h0 + x.b * h + x.c, x.n) : load_part(hs + (q.reverse ? o + h : o - h), x.n);
          dh = cell.step(dh, from, y, x, s, d);
          store_part(before + o, from, x.n);
        } else {
          for (int g = 0; g < G; g++) d[g] = set1(0.f);
          store_part(before + o, d[0], x.n);
          cell.idle(x);
        }
        if (direct) store(straight + at, dh);
        for (int g = 0; g < G; g++) store_words<P>(state + sat + g * stride, d[g]);
      };
      each(s, step);
      if (part.meet) team.barrier();
      for (int64_t block = part.c0; block < part.c1; block++)
        tiles.each([&](int64_t r0, int64_t rows) {
          RecSoon soon(rows, groups * G * B::panels, B::pair, false);
          Spot next = spot_of(q, b0 + r0, s - 1);
          next.c = block * B::pair * L;
          if (s > 0) {   // for the next pass
            cell.soon(next, soon);
            if (before != hs) soon.add(before + next.row * h + next.c, q.steps * h);
          }
          rec_product<P>(rows, mem.packed + block * B::floats(words), state + r0 * words,
                         carry + r0 * lanes + block * B::pair * rows * L, groups * G, B::panels, soon);
        });
    }
    each(0, [&](const Spot& x, int64_t at, int64_t, int64_t) {
      const F dh = load(carry + at);
      store_part(dh0 + x.b * h + x.c, direct ? add(dh, load(straight + at)) : dh, x.n);
      cell.end(x);
    });
    if (part.meet) team.barrier();
  }
}

// Whether it runs in reverse, whether there are lengths and whether products are of bf16: to be looked at before inputs are counted by them.
static bool rec_flags(const Need& n) { return !((n.i[kRecReverse] | n.i[kRecLengths] | n.i[kRecBf16]) & ~int64_t(1)); }
// Sizes that all of them have: of [B, T, H], of [B, H], of whh with G gates; declares the lengths.
struct RecSizes {
  int64_t states, row, weights;
};
template <int G>
static RecSizes rec_sizes(Need& n, bool forward) {
  const int64_t batch = n.i[kRecBatch], h = n.i[kRecHidden];
  const RecSizes z = {size_of(batch, n.i[kRecSteps], h, 4), size_of(batch, h, 4), size_of(h, h, 4 * G)};
  if (size_of(batch, n.i[kRecSteps], h, 4 * G) > Need::kMax || z.weights > Need::kMax) n.fail("size out of range");
  if (n.i[kRecLengths]) n.in[n.n_in - 1] = size_of(batch, 4);
  rec_scratch<G>(n, batch, h, forward);
  return z;
}
}   // namespace gradclip::GRADCLIP_ISA
