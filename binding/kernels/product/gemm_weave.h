// gemm_weave.h: a row of tiles, and what it packs and asks for meanwhile: the next row of tiles of S, the next block of V. Nobody waits for
// memory then: a tile takes some thousand cycles, in which its micro-kernel asks for the lines that are packed right after it.
#pragma once
#include "gemm_micro.h"

namespace gradclip::GRADCLIP_ISA {
constexpr int64_t kKC = 256;   // words along k of a panel at most
template <class P>
static inline Parts panels_of_k(int64_t k) {
  return parts_of(k, P::terms, most(1, ceil_div(words_of<P>(k), kKC)));
}
// True when rows `stride` floats apart fall into so few sets of L1 that they drive each other out.
static inline bool crowded(int64_t stride) { return ((stride * 4 + 64) & 2047) < 128; }

// c[rows, lanes] (+)= S[rows, k] * V[k, lanes], a tile, of k words.
template <class P>
INLINE void multiply_tile(const float* s, bool by_rows, int64_t st, const float* v, int64_t vs, int64_t rows, int64_t lanes,
                          int64_t k, float* c, int64_t ld, bool first, const Asks& asks) {
  const int form = lanes == TN ? (vs == TN && (by_rows || st == kSRow) ? 3 : 0) : lanes > W ? 1 : 2;
  [[maybe_unused]] const Flush<P> flush;
  kMicro<typename P::Multiplied>[by_rows][form][rows - 1](k, s, st, v, vs, c, ld, (int)(form == 1 ? lanes - W : lanes), first,
                                                          asks);
}

// The same with a V that lies by rows, in f32; k counts terms. In bf16 where there are dots, for a V that is used once: packing takes longer.
template <class P>
INLINE void multiply_lying(const float* s, bool by_rows, int64_t st, const float* v, int64_t vs, int64_t rows, int64_t lanes,
                           int64_t k, float* c, int64_t ld, bool first, const Asks& asks) {
  if constexpr (P::terms == 1) {
    multiply_tile<P>(s, by_rows, st, v, vs, rows, lanes, k, c, ld, first, asks);
  } else if constexpr (kDots) {
    const int form = lanes == TN ? 0 : lanes > W ? 1 : 2;
    const int64_t pairs = k / 2;
    kMicro<Lying>[by_rows][form][rows - 1](pairs, s, st, v, vs, c, ld, (int)(form == 1 ? lanes - W : lanes), first, asks);
    if (k % 2 == 0) return;
    alignas(64) float last[TN];   // the words of the row that is left
    pack_v<P>(v + (k - 1) * vs, vs, 1, 1, lanes, last, TN);
    multiply_tile<P>(s + (by_rows ? pairs : pairs * st), by_rows, st, last, TN, rows, lanes, 1, c, ld, first && pairs == 0,
                     Asks{});
  }
}
// Whether V is read as it lies for so many rows of tiles, if it lies by rows.
template <class P>
static inline bool reads_lying(int64_t tiles) {
  return P::terms == 1 ? tiles <= 2 : kDots && tiles == 1;
}

// One row of tiles: c[rows, cols] (+)= S[rows, k] * V, where V comes in panels of TN lanes, `step` floats apart. `done` is told of
// every tile while it is in L1.
template <class P, class Fn>
static inline void tiles(const float* s, bool by_rows, int64_t st, const float* v, int64_t vs, int64_t step, int64_t rows,
                         int64_t cols, int64_t k, float* c, int64_t ld, bool first, Soon soon, Fn done) {
  soon.count = ceil_div(soon.count, (cols + TN - 1) / TN);
  for (int64_t j = 0; j < cols; j += TN, v += step) {
    const int64_t lanes = least(TN, cols - j);
    Asks asks;
    asks.add({j + TN < cols ? c + j + TN : c + rows * ld, ld, TN - 1, rows});
    asks.add(soon);
    multiply_tile<P>(s, by_rows, st, v, vs, rows, lanes, k, c + j, ld, first, asks);
    soon.p += soon.count * soon.step;
    done(j, lanes);
  }
}

// S[rows, k] of the next row of tiles, in shares for the `across` tiles of this one: asked for, and packed where `to` is not null.
template <class P>
struct NextS {
  const float* s;
  int64_t si, sp, rows, k;
  float* to;
  int64_t ld;
  bool by_rows;                   // rows are packed as rows, two at a time; else k by k
  int64_t part, left, done = 0;   // rows or k of a share; not asked for yet; packed
  NextS(const float* s, int64_t si, int64_t sp, int64_t rows, int64_t k, int64_t across, float* to = nullptr, int64_t ld = 0)
      : s(s), si(si), sp(sp), rows(rows), k(k), to(to), ld(ld), by_rows(sp == 1) {
    left = rows <= 0 ? 0 : by_rows ? rows : k;
    part = across == 1 ? left : ceil_div(left, across);
    if (by_rows || P::terms == 2) part = (part + 1) / 2 * 2;
  }
  void ask(Asks& asks) {
    const int64_t count = least(part, left);
    left -= count;
    const int64_t from = (by_rows ? rows : k) - left - count;
    if (!by_rows) return asks.add({s + from * sp, sp, rows - 1, count});
    if (si == k) return asks.add(soon_run(s + from * si, count * k));
    for (int64_t i = from; i < from + count; i += 2) asks.add({s + i * si, 16, i + 1 < rows ? si : 0, (k + 15) / 16});
  }
  // What the tile before has asked for.
  void pack() {
    const int64_t all = rows <= 0 ? 0 : by_rows ? rows : k, end = all - left;
    if (!to || done == end) return;
    if (!by_rows)
      pack_s_columns<P>(s + done * sp, sp, rows, end - done, to + words_of<P>(done) * kSRow);
    else if (kSByRows)
      pack_s_rows<P>(s + done * si, si, end - done, k, to + done * ld, ld);
    else if (end == all)
      transpose_block<P>(s, si, to, ld, rows, k, ld);
    else
      return;
    done = end;
  }
  void all() { left = 0, pack(); }
};

// V[k, cols] of the next block of lanes, packed in pieces between the `tiles` tiles of this block. Where lanes lie side by side, a piece is
// many lanes of few k: lines of many k may all fall into one set of L1, which they leave before they are packed.
constexpr int64_t kWideV = 256;
template <class P>
struct NextV {
  const float* v;
  int64_t vp, vj, k, cols;
  float* to;
  int64_t tiles, lanes, step, along, pieces,
      made = 0, due = 0;   // lanes and k of a piece; pieces along k, in all and packed; in parts of `tiles`
  NextV(const float* v, int64_t vp, int64_t vj, int64_t k, int64_t cols, float* to, int64_t tiles)
      : v(v), vp(vp), vj(vj), k(k), cols(cols), to(to), tiles(tiles) {
    lanes = vj == 1 ? most(TN, least(kWideV, cols)) : TN;
    step = most(P::terms, quotient(16 * TN / P::words, lanes) * P::terms);
    along = ceil_div(k, step);
    pieces = ceil_div(cols, lanes) * along;
  }
  void ask(Asks& asks) {
    due += pieces;
    if (due < tiles || made == pieces) return;
    const int64_t block = quotient(made, along), j = block * lanes, p = (made - block * along) * step, n = least(lanes, cols - j);
    const float* const from = v + p * vp + j * vj;
    if (vj != 1) return asks.add({from, 2 * vj, vj, n / 2});
    for (int64_t x = 0; x < n; x += 32) asks.add({from + x, vp, least(31, n - x - 1), least(step, k - p)});
  }
  void pack() {
    for (; due >= tiles && made < pieces; due -= tiles) piece();
  }
  void all() {
    while (made < pieces) piece();
  }
  void piece() {
    const int64_t block = quotient(made, along), j = block * lanes, p = (made - block * along) * step,
                  panel = words_of<P>(k) * TN;
    pack_v<P>(v + p * vp + j * vj, vp, vj, least(step, k - p), least(lanes, cols - j), to + j / TN * panel + words_of<P>(p) * TN,
              panel);
    made++;
  }
};
}   // namespace gradclip::GRADCLIP_ISA
