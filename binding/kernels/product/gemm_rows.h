// gemm_rows.h: products whose lanes of C are contiguous: tiles go where they belong, and their sums wait there between panels of k.
#pragma once
#include "gemm_finish.h"
#include "gemm_share.h"
#include "gemm_squares.h"

namespace gradclip::GRADCLIP_ISA {
constexpr int64_t kVLanes = 256, kVAll = 384;   // lanes of a block of V; so many are one block

// Blocks of rows, in them panels of k, in them blocks of lanes. S of a block of rows is packed while its first lanes are multiplied, V of
// a block of lanes while those before it are.
template <class P>
static void product_rows(const Product& g, Share& at) {
  const int64_t unit = g.stats ? kStat : 1;   // sums of squares do not cross a cut
  const Parts ks = panels_of_k<P>(g.k), rs = parts_of(g.m, unit, at.gm), cs = parts_of(g.n, most(unit, W), at.gn);
  const int64_t kmax = (ks.size + (ks.more > 0)) * P::words, c0 = cs.begin(at.rn), n = cs.begin(at.rn + 1) - c0;
  const int64_t r0 = rs.begin(at.rm), r1 = rs.begin(at.rm + 1);
  if (n == 0 || r0 == r1) return;
  const bool by_rows = g.sp == 1, packs_rows = by_rows && kSByRows;
  const bool direct_s = P::terms == 1 && n <= 8 * TN && !crowded(by_rows ? g.si : g.sp),
             s_by_rows = direct_s ? by_rows : packs_rows;
  // Packed S: rows of tiles of `block` floats each.
  const int64_t ld = packs_rows ? (kmax + 16) / 16 * 16 + 8 : kSRow, block = packs_rows ? ld * MR : ld * kmax + 16;
  const int64_t st = !direct_s ? ld : by_rows ? g.si : g.sp;
  float *const ps = at.own + kVCap, *const halves[2] = {at.own, at.own + kVCap / 2};
  const int64_t step = most(unit, TN), cap = least(n <= kVAll ? kVAll : kVLanes, quotient(kVCap / 2, most(1, kmax)));
  const Parts js = parts_of(n, step, ceil_div(n, quotient(cap, step) * step));
  const bool once = ks.count * js.count == 1;   // V is one block
  // A packed row of tiles that is used for one block of lanes alone need not stay: two of them take turns in L1.
  const bool ring = js.count == 1;
  const int64_t room = quotient(quotient(kSOwn, block) * MR, unit) * unit;
  const Parts ms = parts_of(r1 - r0, unit, direct_s || ring ? 1 : ceil_div(r1 - r0, room));
  const Squares squares = {g.stats, g.stats ? (double*)(ps + kSOwn) : nullptr, g.m, g.n};
  const auto v_of = [&](int64_t kb, int64_t jb, float* to, int64_t tiles) {
    const int64_t p = ks.begin(kb), j = js.begin(jb);
    return NextV<P>(g.v + p * g.vp + (c0 + j) * g.vj, g.vp, g.vj, ks.begin(kb + 1) - p, js.begin(jb + 1) - j, to, tiles);
  };
  int64_t half = 0;     // where V of this block lies
  bool ready = false;   // and does so already
  for (int64_t mb = 0; mb < ms.count; mb++) {
    const int64_t m0 = r0 + ms.begin(mb), m = r0 + ms.begin(mb + 1) - m0;
    const Parts is = parts_of(m, 1, (m + MR - 1) / MR);
    const bool direct_v = g.vj == 1 && (reads_lying<P>(is.count) || (P::terms == 1 && ks.count == 1 && g.k * n <= 6144));
    for (int64_t kb = 0; kb < ks.count; kb++) {
      const int64_t p = ks.begin(kb), k = ks.begin(kb + 1) - p, words = words_of<P>(k);
      const bool first = kb == 0 && !g.more, last = kb == ks.count - 1;
      const float* const s = g.s + m0 * g.si + p * g.sp;
      for (int64_t jb = 0; jb < js.count; jb++) {
        const int64_t j = c0 + js.begin(jb), cols = c0 + js.begin(jb + 1) - j, across = ceil_div(cols, TN);
        const bool packs_s = !direct_s && jb == 0, ends = jb + 1 == js.count;
        if (!direct_v && !ready) v_of(kb, jb, halves[half], 1).all();
        const bool weaves = !direct_v && !once && !(ends && last && mb + 1 == ms.count);
        NextV<P> next_v = v_of(!ends ? kb : last ? 0 : kb + 1, ends ? 0 : jb + 1, halves[1 - half], is.count * across);
        const float* const v = direct_v ? g.v + p * g.vp + j * g.vj : halves[half];
        const int64_t vs = direct_v ? g.vp : TN, panel = direct_v ? TN : words * TN;
        if (last && g.stats) squares.start(cols);
        if (packs_s) NextS<P>(s, g.si, g.sp, is.begin(1), k, 1, ps, ld).all();
        for (int64_t ib = 0; ib < is.count; ib++) {
          const int64_t i = is.begin(ib), rows = is.begin(ib + 1) - i;
          const int64_t next_rows = ib + 1 < is.count ? is.begin(ib + 2) - i - rows : 0;
          const float* const tile_s = direct_s ? s + i * g.si : ps + (ring ? ib & 1 : ib) * block;
          float* const next_ps = ps + (ring ? (ib + 1) & 1 : ib + 1) * block;
          NextS<P> next_s(s + (i + rows) * g.si, g.si, g.sp, next_rows, k, across, packs_s ? next_ps : nullptr, ld);
          Soon soon = soon_run(tile_s + block, next_rows ? block : 0);
          soon.count = across == 1 ? soon.count : ceil_div(soon.count, across);
          float* const c = g.c + (m0 + i) * g.ci + j;
          for (int64_t x = 0, t = 0; x < cols; x += TN, t++) {
            const int64_t lanes = least(TN, cols - x), here = (m0 + i) * g.ci + j + x;
            Asks asks;
            asks.add(x + TN < cols ? Soon{c + x + TN, g.ci, TN - 1, rows} : Soon{c + rows * g.ci, g.ci, TN - 1, next_rows});
            if (last && g.other) asks.add({g.other + here, g.ci, TN - 1, rows});
            if (last && g.slope) asks.add({g.slope + here, g.ci, TN - 1, rows});
            if (direct_s || packs_s) {
              next_s.ask(asks);
            } else {
              asks.add(soon);
              soon.p += soon.count * soon.step;
            }
            if (weaves) next_v.ask(asks);
            if (direct_v)
              multiply_lying<P>(tile_s, s_by_rows, st, v + t * panel, vs, rows, lanes, k, c + x, g.ci, first, asks);
            else
              multiply_tile<P>(tile_s, s_by_rows, st, v + t * panel, vs, rows, lanes, words, c + x, g.ci, first, asks);
            if (last) {
              finish(g, c + x, g.ci, m0 + i, j + x, rows, lanes);
              if (g.stats) squares.take(m0 + i, x, c + x, g.ci, rows, lanes);
            }
            if (packs_s) next_s.pack();
            if (weaves) next_v.pack();
          }
          if (packs_s) next_s.all();
          if (last && g.stats) squares.finish(m0 + i, rows, j, cols);
        }
        if (weaves) next_v.all();
        ready = weaves || (once && !direct_v);
        if (!once) half = 1 - half;
      }
    }
  }
}
}   // namespace gradclip::GRADCLIP_ISA
