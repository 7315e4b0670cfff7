// normalize.h: batch norm in two, where sums of planes are known: the statistics of a channel, and x normalized by them.
#pragma once
#include "batch_norm.h"

namespace gradclip::GRADCLIP_ISA {
// i: batch, channels, space. outs mean and variance of each channel (f64); in the sums of its planes, [batch][kBnOfPlane][channels].
void batchStatistics(const Args& a, const Team& team) {
  const BnShape s = bn_shape(a.i);
  const Range own = split(s.channels, team);
  double *const total = (double*)a.local, *const mean = (double*)a.out[0], *const var = (double*)a.out[1];
  bn_join<true>(s, own, (const double*)a.in[0], total);
  const double count = (double)(s.batch * s.space);
  for (int64_t c = own.begin; c < own.end; c++)
    bn_moments(count, total[c], total[s.channels + c], total[2 * s.channels + c], mean + c, var + c);
}
// What both need: planes.
static bool bn_planes(Need& n) {
  if (!bn_check(n)) return false;
  if (n.i[kBnSpace] < kBnPlane) return n.fail("planes are too small"), false;
  return true;
}
void batchStatistics_need(Need& n) {
  if (!bn_planes(n)) return;
  n.in[0] = size_of(n.i[kBnBatch], kBnOfPlane, n.i[kBnChannels], 8);
  n.out[0] = n.out[1] = size_of(n.i[kBnChannels], 8);
  n.local = size_mul(n.i[kBnChannels], kBnOfPlane * 8);
}

template <bool kSum, bool kRelu>
static void bn_normalize(const Args& a, const Team& team) {
  const float* const* in = (const float* const*)a.in;
  const bool affine = a.i[kBnAffine] != 0;
  BnForward<kSum, kRelu> k = {bn_shape(a.i),
                              in[0],
                              affine ? in[3] : nullptr,
                              affine ? in[4] : nullptr,
                              kSum ? in[affine ? 5 : 3] : nullptr,
                              (float*)a.out[0],
                              nullptr,
                              nullptr,
                              a.f[0],
                              {}};
  const double *const mean = (const double*)a.in[1], *const var = (const double*)a.in[2];
  float* const lines = (float*)a.local;
  for (int64_t c = 0; c < k.s.channels; c++) {
    k.line = bn_forward_line(k.s, c, mean + c, var + c, k.eps, k.weight, k.bias);
    k.keep(lines + c * kBnLine);
  }
  const Range r = split(k.s.batch * k.s.channels, team);
  for (int64_t t = r.begin; t < r.end; t++) {
    const int64_t n = quotient(t, k.s.channels), c = t - n * k.s.channels;
    k.take(lines + c * kBnLine);
    k.apply(c, n);
  }
}
// i and f as of batchNorm. out y; ins x, mean, variance[, weight, bias][, other].
void normalize(const Args& a, const Team& team) {
  a.i[kBnAdds]   ? a.i[kBnRelu] ? bn_normalize<true, true>(a, team) : bn_normalize<true, false>(a, team)
    : a.i[kBnRelu] ? bn_normalize<false, true>(a, team)
                 : bn_normalize<false, false>(a, team);
}
void normalize_need(Need& n) {
  if (!bn_planes(n)) return;
  const int64_t line = 3 + 2 * n.i[kBnAffine];
  if ((n.i[kBnAffine] | n.i[kBnAdds] | n.i[kBnRelu]) & ~1) return n.fail("a flag is neither 0 nor 1");
  if (n.n_in != line + n.i[kBnAdds]) return n.fail("inputs and flags disagree");
  n.in[0] = n.out[0] = size_of(n.i[kBnBatch], n.i[kBnChannels], n.i[kBnSpace], 4);
  n.in[1] = n.in[2] = size_of(n.i[kBnChannels], 8);
  n.alias(0, 0);
  if (n.i[kBnAffine]) n.in[3] = n.in[4] = size_of(n.i[kBnChannels], 4);
  if (n.i[kBnAdds]) {
    n.in[line] = n.in[0];
    n.alias(0, (int32_t)line);
  }
  n.local = size_mul(n.i[kBnChannels], kBnLine * 4);
}
}   // namespace gradclip::GRADCLIP_ISA
