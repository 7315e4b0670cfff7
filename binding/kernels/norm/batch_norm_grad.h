// batch_norm_grad.h: batch norm backward, with relu's gradient before it.
#pragma once
#include "batch_norm.h"

namespace gradclip::GRADCLIP_ISA {
// Where the gradient passes: everywhere; where relu of the normalized x did; where y did.
enum BnMask { kBnAll, kBnOwn, kBnOutput };
// dx = weight / deviation * (g - mean(g) - z mean(g z)), z = (x - mean) / deviation, g = dy where it passes.
template <BnMask kMask>
struct BnBackward {
  const BnShape s;
  const float *x, *dy, *weight, *bias, *y;
  const double *mean, *var;
  double eps;
  float *dx, *dweight, *dbias;
  BnLine line;   // forward
  F k1, k0;      // dx = a g + (x - m) k1 + k0
  static constexpr bool kPivots = false;

  __attribute__((always_inline)) F gradient(const BnLine& l, int64_t at, int n) const {
    const F g = load_part(dy + at, n);
    if (kMask == kBnOwn) return select(le(bn_value(l, load_part(x + at, n)), set1(0.f)), set1(0.f), g);
    if (kMask == kBnOutput) return select(le(load_part(y + at, n), set1(0.f)), set1(0.f), g);
    return g;
  }
  D center(int64_t unit) const {
    if (!s.columns) return dset1(mean[unit]);
    double m[L] = {};
    for (int k = 0; k < bn_width(s, unit); k++) m[k] = mean[unit * L + k];
    return dload(m);
  }
  void begin(int64_t unit) {
    const int64_t c = bn_channel(s, unit);
    line = bn_forward_line(s, unit, mean + c, var + c, eps, weight, bias);
  }
  void sums(int64_t unit, int64_t part, double* out) {
    D a = dset1(0), b = a;
    const D middle = center(unit);
    const BnLine l = line;
    bn_each(
        s, unit, part, [&](int64_t at, int n) __attribute__((always_inline)) {
          const D g = widen(gradient(l, at, n));
          a = add(a, g);
          b = fma(g, sub(bn_widen(x + at, n), middle), b);
        });
    bn_put(s, a, b, out);
  }
  PlaneSums plane(int64_t channel, int64_t n) {
    double one[kBnPart];
    sums(channel, n, one);
    return {one[0], one[L], 0};
  }
  void finish(int64_t unit, const double* total, bool first) {
    const double count = (double)(s.batch * s.space);
    const int64_t c = bn_channel(s, unit);
    float slope[L] = {}, offset[L] = {};
    for (int k = 0; k < bn_width(s, unit); k++) {
      const double scale = 1. / __builtin_sqrt(var[c + k] + eps), by = weight ? scale * (double)weight[c + k] : scale;
      const double down = -by * scale * scale * total[L + k] / count;
      slope[k] = (float)down;
      offset[k] = (float)(down * ((double)(float)mean[c + k] - mean[c + k]) - by * total[k] / count);
      if (!first || !dweight) continue;
      dweight[c + k] = (float)(total[L + k] * scale);
      dbias[c + k] = (float)total[k];
    }
    begin(unit);
    k1 = s.columns ? load(slope) : set1(slope[0]);
    k0 = s.columns ? load(offset) : set1(offset[0]);
  }
  void apply(int64_t unit, int64_t part) {
    const BnLine l = line;
    const F slope = k1, offset = k0;
    bn_each(
        s, unit, part, [&](int64_t at, int n) __attribute__((always_inline)) {
          const F g = gradient(l, at, n);
          store_part(dx + at, fma(g, l.a, fma(sub(load_part(x + at, n), l.m), slope, offset)), n);
        });
  }
  void keep(float* to) const {
    store_n(to, line.m, 1);
    store_n(to + 1, line.a, 1);
    store_n(to + 2, line.b, 1);
    store_n(to + 3, k1, 1);
    store_n(to + 4, k0, 1);
  }
  void take(const float* p) {
    line = {set1(p[0]), set1(p[1]), set1(p[2])};
    k1 = set1(p[3]), k0 = set1(p[4]);
  }
};

enum BatchNormGradInts { kBnPasses = kBnAffine + 1 };   // the others as forward
// i: batch, channels, space, 1 if there are weight and bias, where the gradient passes; f: eps.
// outs dx[, dweight, dbias]; ins x, mean, variance, dy[, weight, bias][, y].
template <BnMask kMask>
static void bn_backward(const Args& a, const Team& team) {
  const float* const* in = (const float* const*)a.in;
  const bool affine = a.i[kBnAffine] != 0;
  BnBackward<kMask> k = {bn_shape(a.i),
                         in[0],
                         in[3],
                         affine ? in[4] : nullptr,
                         affine ? in[5] : nullptr,
                         kMask == kBnOutput ? in[affine ? 6 : 4] : nullptr,
                         (const double*)a.in[1],
                         (const double*)a.in[2],
                         a.f[0],
                         (float*)a.out[0],
                         affine ? (float*)a.out[1] : nullptr,
                         affine ? (float*)a.out[2] : nullptr,
                         {},
                         {},
                         {}};
  bn_run(k, a, team);
}
void batchNormGrad(const Args& a, const Team& team) {
  a.i[kBnPasses] == kBnAll   ? bn_backward<kBnAll>(a, team)
  : a.i[kBnPasses] == kBnOwn ? bn_backward<kBnOwn>(a, team)
                             : bn_backward<kBnOutput>(a, team);
}
void batchNormGrad_need(Need& n) {
  if (!bn_check(n)) return;
  if ((n.i[kBnAffine] & ~1) || n.i[kBnPasses] < kBnAll || n.i[kBnPasses] > kBnOutput) return n.fail("a flag is out of range");
  if (n.n_in != 4 + 2 * n.i[kBnAffine] + (n.i[kBnPasses] == kBnOutput) || n.n_out != 1 + 2 * n.i[kBnAffine])
    return n.fail("operands and flags disagree");
  n.in[0] = n.in[3] = n.out[0] = size_of(n.i[kBnBatch], n.i[kBnChannels], n.i[kBnSpace], 4);
  n.in[1] = n.in[2] = size_of(n.i[kBnChannels], 8);
  n.alias(0, 0);
  n.alias(0, 3);
  if (n.i[kBnAffine]) n.in[4] = n.in[5] = n.out[1] = n.out[2] = size_of(n.i[kBnChannels], 4);
  if (n.i[kBnPasses] == kBnOutput) {
    n.in[n.n_in - 1] = n.in[0];
    n.alias(0, n.n_in - 1);
  }
  bn_room(n);
}
}   // namespace gradclip::GRADCLIP_ISA
