// linear_cross_entropy.h: the last layer of a classifier of very many classes, with its loss: logits = x[rows, d] w[classes, d]^T, the
// softmax-cross-entropy of each row, and the gradients of x and of w. The logits are made some rows at a time and never kept whole.
// The bits are those of matmul, softmaxCrossEntropy, its gradient, and two products more: each element of dw is one fma chain over all
// rows, which goes on from one part to the next.
#pragma once
#include "../reduce/label_loss.h"
#include "gemm.h"

namespace gradclip::GRADCLIP_ISA {
enum LinearLossInts {
  kLinearLossD = kSoftmaxIgnored + 1,
  kLinearLossPart,
  kLinearLossDx,
  kLinearLossDw,
  kLinearLossBf16,
  kLinearLossInts
};

// y[m, n] (+)= p[m, k] * q[k, n], by the whole team, which has nothing else of the scratch of products in use.
template <class P>
static void linear_product(const Args& a, const Team& team, const float* p, bool tp, const float* q, bool tq, int64_t m,
                           int64_t n, int64_t k, float* y, bool more) {
  const int64_t ints[kMmInts] = {1, m, n, k, tp, tq};
  const void* const in[] = {p, q};
  void* const out[] = {y};
  multiply<P>({out, in, a.scratch, a.local, ints, nullptr, 1, 2, kMmInts, 0, a.ctx, a.status}, team, more);
  team.barrier();
}

// i: as of LabelRows, d, rows of a part, whether dx and dw are wanted, whether products are in bf16; f: smoothing. ins x, w, labels, dloss (f64, one per row; only where
// a gradient is wanted), class weights. outs: losses, dx, dw.
template <class P>
static void linear_loss(const Args& a, const Team& team) {
  const int64_t lines = a.i[kSoftmaxLines], n = a.i[kSoftmaxColumns], d = a.i[kLinearLossD], part = a.i[kLinearLossPart];
  const bool has_dx = a.i[kLinearLossDx] != 0, has_dw = a.i[kLinearLossDw] != 0, back = has_dx || has_dw;
  const LabelLoss of(label_rows(a, 2, back ? 4 : 3), a.f[0]);
  const float *x = (const float*)a.in[0], *w = (const float*)a.in[1];
  const double* dloss = back ? (const double*)a.in[3] : nullptr;
  float* const logits = (float*)a.scratch + kMmScratch;
  float* const dx = has_dx ? (float*)a.out[1] : nullptr;
  float* const dw = has_dw ? (float*)a.out[1 + has_dx] : nullptr;
  for (int64_t first = 0; first == 0 || first < lines; first += part) {
    const int64_t rows = least(part, lines - first);
    linear_product<P>(a, team, x + first * d, false, w, true, rows, n, d, logits, false);
    softmax_blocks(rows, n, team, [&](int64_t k, int64_t count) {
      float* of_rows = logits + k * n;
      label_losses(a, of, first + k, count, of_rows, back ? of_rows : nullptr, (double*)a.out[0] + first + k,
                   back ? dloss + first + k : nullptr);
    });
    team.barrier();
    if (dx) linear_product<P>(a, team, logits, false, w, false, rows, d, n, dx + first * d, false);
    if (dw) linear_product<P>(a, team, logits, true, x + first * d, false, n, d, rows, dw, first > 0);
  }
}
void linearCrossEntropy(const Args& a, const Team& team) {
  a.i[kLinearLossBf16] ? linear_loss<Bf16>(a, team) : GRADCLIP_F32(linearCrossEntropy, linear_loss<F32>(a, team));
}
void linearCrossEntropy_need(Need& n) {
  if ((n.i[kLinearLossDx] | n.i[kLinearLossDw] | n.i[kLinearLossBf16]) & ~int64_t(1)) return n.fail("a flag is neither 0 nor 1");
  const bool has_dx = n.i[kLinearLossDx] != 0, has_dw = n.i[kLinearLossDw] != 0, back = has_dx || has_dw;
  if (n.n_out != 1 + has_dx + has_dw) return n.fail("wrong number of outputs");
  if (!label_need(n, 2, back ? 4 : 3)) return;
  const int64_t lines = n.i[kSoftmaxLines], columns = n.i[kSoftmaxColumns], d = n.i[kLinearLossD], part = n.i[kLinearLossPart];
  if (part < 1 || part > Need::kMax) return n.fail("a part has no rows");
  if (n.i[kLinearLossBf16] && part % 2 != 0 && part < lines) return n.fail("a part cuts a pair of rows");
  n.in[0] = size_of(lines, d, 4);
  n.in[1] = size_of(columns, d, 4);
  n.out[0] = size_of(lines, 8);
  if (back) n.in[3] = n.out[0];
  if (has_dx) n.out[1] = n.in[0];
  if (has_dw) n.out[1 + has_dx] = n.in[1];
  n.local = kMmLocal * (int64_t)sizeof(float);
  n.scratch = size_mul(kMmScratch, 4) + size_of(least(part, most(lines, 0)), columns, 4);
}
}   // namespace gradclip::GRADCLIP_ISA
