// gemm_columns.h: products whose rows of C are contiguous: tiles wait for the end of their sums in memory of the thread's own, and go out
// transposed.
#pragma once
#include "gemm_finish.h"
#include "gemm_share.h"

namespace gradclip::GRADCLIP_ISA {
constexpr int64_t kTileLanes = 2048;                  // lanes of a block at most
constexpr int64_t kColumnsS = 4096;                   // floats of a packed row of tiles of S at most
constexpr int64_t kWaiting = kSOwn - 2 * kColumnsS;   // floats of sums that wait
constexpr int64_t kVNear = 1 << 17;                   // floats of packed V that stay in L2 beside all else
constexpr int64_t kLine = 16;                         // floats of a line

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

// Sums that are finished go out in whole lines, some rows behind the tiles.
struct Going {
  const Product& g;
  const float* sums;
  int64_t ld, m0, j, out = 0, ready = 0;   // rows that are out, and those that may go
  void ask(Asks& asks, int64_t x, int64_t lanes) const {
    if (out < ready) asks.add({g.c + m0 + out + (j + x) * g.cj, 2 * g.cj, g.cj, (lanes + 1) / 2});
  }
  void go(int64_t x, int64_t lanes) const {
    if (out == ready) return;
    float* const c = const_cast<float*>(sums) + out * ld + x;
    finish(g, c, ld, m0 + out, j + x, ready - out, lanes);
    transpose_block(c, ld, g.c + m0 + out + (j + x) * g.cj, g.cj, ready - out, lanes, ready - out);
  }
};

// Lanes [j, j + cols) of rows [r0, r0 + m), with V of all k: in panels of TN lanes, those of a panel of k together, or as it lies.
template <class P>
struct Columns {
  const Product& g;
  const Parts& ks;
  int64_t r0, m, j, cols;
  const float* v;
  bool direct_s, direct_v;
  float* own;   // packed S and sums that wait
  int64_t ld() const { return ceil_div(cols, TN) * TN; }
  const float* v_at(int64_t p) const { return direct_v ? v + p * g.vp : v + words_of<P>(p) * ld(); }
};
constexpr int64_t kColumnsLd = kSByRows ? kKC + 8 : kSRow;   // stride of packed S

// Where V stays in L2, or is short: a row of tiles goes through all of k at once.
template <class P>
static void columns_near(const Columns<P>& b) {
  const Product& g = b.g;
  const Parts is = parts_of(b.m, 1, (b.m + MR - 1) / MR);
  float *const ps = b.own, *const sums = ps + 2 * kColumnsS;
  const int64_t ld = b.ld();
  for (int64_t ib = 0; ib < is.count; ib++) {
    const int64_t i = b.r0 + is.begin(ib), rows = b.r0 + is.begin(ib + 1) - i;
    for (int64_t kb = 0; kb < b.ks.count; kb++) {
      const int64_t p = b.ks.begin(kb), k = b.ks.begin(kb + 1) - p, words = words_of<P>(k);
      const float* const s = g.s + i * g.si + p;
      if (!b.direct_s) NextS<P>(s, g.si, 1, rows, k, 1, ps, kColumnsLd).all();
      tiles<P>(b.direct_s ? s : ps, b.direct_s || kSByRows, b.direct_s ? g.si : kColumnsLd, b.v_at(p), b.direct_v ? g.vp : TN,
               b.direct_v ? TN : words * TN, rows, b.cols, words, sums, ld, kb == 0,
               soon_run(s + rows * g.si, b.ks.count == 1 ? rows * k : 0), [](int64_t, int64_t) {});
    }
    finish(g, sums, ld, i, b.j, rows, b.cols);
    transpose_block(sums, ld, g.c + i + b.j * g.cj, g.cj, rows, b.cols, rows);
  }
}

// Else many rows go through a panel of k, so that V comes from far once for all of them, and S once in all.
template <class P>
static void columns_far(const Columns<P>& b) {
  const Product& g = b.g;
  const int64_t ld = b.ld(), across = ceil_div(b.cols, TN);
  const Parts ms = parts_of(b.m, kLine, ceil_div(b.m, quotient(kWaiting, ld) / kLine * kLine));
  float *const ps[2] = {b.own, b.own + kColumnsS}, *const sums = b.own + 2 * kColumnsS;
  for (int64_t mb = 0; mb < ms.count; mb++) {
    const int64_t m0 = b.r0 + ms.begin(mb), m = b.r0 + ms.begin(mb + 1) - m0;
    const Parts is = parts_of(m, 1, (m + MR - 1) / MR);
    Going going = {g, sums, ld, m0, b.j};
    for (int64_t kb = 0; kb < b.ks.count; kb++) {
      const int64_t p = b.ks.begin(kb), k = b.ks.begin(kb + 1) - p, words = words_of<P>(k);
      const int64_t vs = b.direct_v ? g.vp : TN, panel = b.direct_v ? TN : words * TN;
      const float *const v = b.v_at(p), *const s = g.s + m0 * g.si + p;
      if (!b.direct_s) NextS<P>(s, g.si, 1, is.begin(1), k, 1, ps[0], kColumnsLd).all();
      for (int64_t ib = 0; ib < is.count; ib++) {
        const int64_t i = is.begin(ib), rows = is.begin(ib + 1) - i;
        const int64_t next_rows = ib + 1 < is.count ? is.begin(ib + 2) - i - rows : 0;
        NextS<P> next_s(s + (i + rows) * g.si, g.si, 1, next_rows, k, across, b.direct_s ? nullptr : ps[(ib + 1) & 1],
                        kColumnsLd);
        const float* const tile_s = b.direct_s ? s + i * g.si : ps[ib & 1];
        float* const c = sums + i * ld;
        if (kb + 1 == b.ks.count) going.ready = i / kLine * kLine;
        for (int64_t x = 0, t = 0; x < b.cols; x += TN, t++) {
          const int64_t lanes = least(TN, b.cols - x);
          Asks asks;
          asks.add({x + TN < b.cols ? c + x + TN : c + rows * ld, ld, TN - 1, rows});
          going.ask(asks, x, lanes);
          next_s.ask(asks);
          multiply_tile<P>(tile_s, b.direct_s || kSByRows, b.direct_s ? g.si : kColumnsLd, v + t * panel, vs, rows, lanes, words,
                           c + x, ld, kb == 0, asks);
          next_s.pack();
          going.go(x, lanes);
        }
        next_s.all();
        going.out = going.ready;
      }
    }
    going.ready = m;
    for (int64_t x = 0; x < b.cols; x += TN) going.go(x, least(TN, b.cols - x));
  }
}

// All threads share packed V and divide the rows.
template <class P>
static void product_columns(const Product& g, Share& at) {
  const Parts ks = panels_of_k<P>(g.k), rs = parts_of(g.m, 1, at.gm);
  const int64_t r0 = rs.begin(at.rm), m = rs.begin(at.rm + 1) - r0, k64 = most(words_of<P>(g.k), 64);
  const Packing packing =
      at.team ? Packing{at.team, at.rm, at.gm, at.shared, kVShared, &at.turn} : Packing{nullptr, 0, 1, at.own, kVCap, nullptr};
  const int64_t lanes = k64 * g.n <= packing.room - k64 * TN ? most(g.n, 1) : quotient(packing.room, k64) / TN * TN;
  const Parts js = parts_of(g.n, TN, ceil_div(g.n, least(lanes, kTileLanes)));
  const bool direct_v = P::terms == 1 && g.vj == 1 && rs.size < 2 * MR;   // the same for all threads
  for (int64_t jb = 0; jb < js.count; jb++) {
    const int64_t j = js.begin(jb), cols = js.begin(jb + 1) - j, panels = ceil_div(cols, TN), ld = panels * TN;
    const bool direct_s =
        P::terms == 1 && !crowded(g.si) && (kSByRows || panels < 4);   // else it is worth to turn rows into columns
    float* const pv = direct_v ? nullptr : packing.buffer();
    const Range mine = direct_v ? Range{0, 0} : packing.mine(ks.count * panels);
    for (int64_t x = mine.begin; x < mine.end; x++) {
      const int64_t kb = quotient(x, panels), panel = x - kb * panels, p = ks.begin(kb), k = ks.begin(kb + 1) - p;
      float* const to = pv + words_of<P>(p) * ld + panel * words_of<P>(k) * TN;
      pack_v<P>(g.v + p * g.vp + (j + panel * TN) * g.vj, g.vp, g.vj, k, least(TN, cols - panel * TN), to, TN);
    }
    if (!direct_v) packing.packed();
    if (m == 0) continue;
    const Columns<P> block = {g, ks, r0, m, j, cols, direct_v ? g.v + j : pv, direct_s, direct_v, at.own + kVCap};
    m < 2 * MR || words_of<P>(g.k) * ld <= kVNear ? columns_near(block) : columns_far(block);
  }
}
}   // namespace gradclip::GRADCLIP_ISA
