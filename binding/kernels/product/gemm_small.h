// gemm_small.h: products of few elements, where cutting and packing would take most of the time: operands are read as they lie, but for a V
// that lies by columns, and tiles are finished on their way out.
#pragma once
#include "gemm_finish.h"
#include "gemm_weave.h"

namespace gradclip::GRADCLIP_ISA {
constexpr int64_t kSmallK = 1024, kSmallMacs = 1 << 17;

// By shape alone, so that a product is made in the same way by any team.
static bool is_small(int64_t m, int64_t n, int64_t k) { return k <= kSmallK && m * n * k <= kSmallMacs; }

// Tiles are shared out; each thread turns V by itself into `own`.
static void product_small(const Product& g, float* own, const Team& team) {
  const Parts is = parts_of(g.m, 1, ceil_div(g.m, MR));
  const int64_t panels = ceil_div(g.n, TN);
  const Range r = split(is.count * panels, team);
  if (r.begin == r.end) return;
  const float* v = g.v;
  int64_t vp = g.vp;
  if (g.vj != 1) {
    vp = ceil_div(g.n, W) * W;
    transpose_block(v, g.vj, own, vp, g.n, g.k, vp);
    v = own;
  }
  const bool by_rows = g.sp == 1;
  alignas(64) float tile[MR * TN];
  int64_t x = quotient(r.begin, panels), j = (r.begin - x * panels) * TN;
  for (int64_t t = r.begin; t < r.end; t++, j += TN) {
    if (j >= g.n) x++, j = 0;
    // Where a register goes out in part, the next row's part lies in the same line: read again at once, it would wait.
    const int64_t i = is.begin(x), rows = is.begin(x + 1) - i, lanes = least(TN, g.n - j), whole = ceil_div(lanes, W) * W;
    float *const to = g.c + i * g.ci + j, *const c = lanes == whole ? to : tile;
    const int64_t ld = c == to ? g.ci : TN, width = v == own ? whole : lanes;
    multiply_tile(g.s + i * g.si, by_rows, by_rows ? g.si : g.sp, v + j, vp, rows, width, g.k, c, ld, true, Asks{});
    finish(g, c, ld, to, g.ci, i, j, rows, lanes);
  }
}
}   // namespace gradclip::GRADCLIP_ISA
