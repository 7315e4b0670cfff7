// gemm_small.h: products of few elements, where cutting and packing would take most of the time: operands in f32 are read as they lie, but
// for a V that lies by columns, and tiles are finished on their way out.
#pragma once
#include "gemm_finish.h"
#include "gemm_share.h"

namespace gradclip::GRADCLIP_ISA {
constexpr int64_t kSmallK = 1024, kSmallMacs = 1 << 17;

// By shape alone, so that a product is made in the same way by any team.
template <class P>
static bool is_small(int64_t m, int64_t n, int64_t k) {
  return k <= kSmallK && m * n * k <= kSmallMacs && (P::terms == 1 || words_of<P>(k) * (n + TN) <= kVCap);
}

// Tiles are shared out. Each thread turns V by itself into `own`; in bf16 it packs there what its tiles need.
template <class P>
static void product_small(const Product &g, float *own, const Team &team) {
  constexpr bool packs = P::terms > 1;
  const Parts is = parts_of(g.m, 1, ceil_div(g.m, MR));
  const int64_t panels = ceil_div(g.n, TN), words = words_of<P>(g.k);
  const Range r = split(is.count * panels, team);
  if (r.begin == r.end) return;
  int64_t x = quotient(r.begin, panels), j = (r.begin - x * panels) * TN;
  const bool lies = g.vj == 1 && (!packs || reads_lying<P>(is.count)), by_rows = g.sp == 1 && (!packs || kSByRows);
  const int64_t st = packs ? (by_rows ? words + 8 : kSRow) : by_rows ? g.si : g.sp;
  const float *v = lies ? g.v : own;   // of lanes from j0 on, `panel` floats from one tile's to the next
  int64_t j0 = 0, vp = g.vp, panel = TN;
  if (!lies && packs) {
    const bool one_row = j + (r.end - r.begin) * TN <= panels * TN;   // of tiles
    j0 = one_row ? j : 0, vp = TN, panel = words * TN;
    pack_v<P>(g.v + j0 * g.vj, g.vp, g.vj, g.k, one_row ? least(g.n - j, (r.end - r.begin) * TN) : g.n, own, panel);
  } else if (!lies) {
    vp = ceil_div(g.n, W) * W;
    transpose_block(g.v, g.vj, own, vp, g.n, g.k, vp);
  }
  alignas(64) float tile[MR * TN];
  int64_t packed = -1;   // the row of tiles whose S is
  for (int64_t t = r.begin; t < r.end; t++, j += TN) {
    if (j >= g.n) x++, j = 0;
    // Where a register goes out in part, the next row's part lies in the same line: read again at once, it would wait.
    const int64_t i = is.begin(x), rows = is.begin(x + 1) - i, lanes = least(TN, g.n - j), whole = ceil_div(lanes, W) * W;
    float *const to = g.c + i * g.ci + j, *const c = lanes == whole ? to : tile, *const ps = own + kVCap;
    const int64_t ld = c == to ? g.ci : TN;
    if (packs && packed != x) NextS<P>(g.s + i * g.si, g.si, g.sp, rows, g.k, 1, ps, st).all();
    packed = x;
    const float *const s = packs ? ps : g.s + i * g.si, *const of_tile = v + (j - j0) / TN * panel;
    if (lies)
      multiply_lying<P>(s, by_rows, st, of_tile, vp, rows, lanes, g.k, c, ld, true, Asks{});
    else
      multiply_tile<P>(s, by_rows, st, of_tile, vp, rows, whole, words, c, ld, true, Asks{});
    finish(g, c, ld, to, g.ci, i, j, rows, lanes);
  }
}
}   // namespace gradclip::GRADCLIP_ISA
