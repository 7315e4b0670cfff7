// batch_norm.h: batch norm of [batch, channels, space], forward, with what often follows it: a sum, relu; how it is walked.
//
// Statistics of a channel are sums in f64 of parts of a fixed size, each in 16 lanes, joined in order: the same bits for any team. Where the
// space is one element, 16 channels lie side by side and are one unit, a channel a lane; else a channel is a unit. Planes of an image and
// channel are parts by themselves, and are walked as they lie in memory: those of one channel lie so that a cache keeps few of them.
// Elsewhere a thread does all of a unit at once, and where units are few, all share the parts of each.
#pragma once
#include "plane.h"

namespace gradclip::GRADCLIP_ISA {
enum BatchNormInts { kBnBatch, kBnChannels, kBnSpace, kBnAffine, kBnAdds, kBnRelu };
struct BnShape {
  int64_t batch, channels, space, units, rows, parts;   // rows of a part
  bool columns, planes;
};
static inline BnShape bn_shape(const int64_t* i) {
  const int64_t batch = i[kBnBatch], channels = i[kBnChannels], space = i[kBnSpace];
  const bool columns = space == 1, planes = space >= kBnPlane;
  const int64_t rows = columns ? 512 : planes ? 1 : quotient(8192 + space - 1, space ? space : 1);
  const int64_t units = columns ? quotient(channels + L - 1, L) : channels;
  return {batch, channels, space, units, rows, quotient(batch + rows - 1, rows), columns, planes};
}
constexpr int64_t kBnSums = 2 * L,
                  kBnPart = 3 * L;   // of a part: two sums of up to 16 channels, and the elements they are measured from
constexpr int64_t kBnLine = 5;       // floats by which a channel is made, at most

// Rows of one part.
static inline Range bn_rows(const BnShape& s, int64_t part) {
  const int64_t end = (part + 1) * s.rows;
  return {part * s.rows, end < s.batch ? end : s.batch};
}
// The channels of a unit: the first, and how many.
static inline int64_t bn_channel(const BnShape& s, int64_t unit) { return s.columns ? unit * L : unit; }
static inline int bn_width(const BnShape& s, int64_t unit) {
  const int64_t left = s.channels - unit * L;
  return !s.columns ? 1 : left < L ? (int)left : L;
}

// Calls f(offset, lanes) for all lane groups of a part of a unit.
template <class Fn>
INLINE void bn_each(const BnShape& s, int64_t unit, int64_t part, Fn f) {
  const Range r = bn_rows(s, part);
  for (int64_t n = r.begin; n < r.end; n++) {
    if (s.columns) {
      f(n * s.channels + unit * L, bn_width(s, unit));
      continue;
    }
    const int64_t at = (n * s.channels + unit) * s.space;
    bn_groups(
        s.space, [&](int64_t k, int lanes) __attribute__((always_inline)) { f(at + k, lanes); });
  }
}
// The two sums of a part, from lanes of space or of channels.
static inline void bn_put(const BnShape& s, D a, D b, double* out) {
  if (s.columns) {
    dstore(out, a);
    dstore(out + L, b);
  } else {
    out[0] = hsum(a);
    out[L] = hsum(b);
  }
}

// The sums of planes of channels of `own`, joined in order.
template <bool kPivots>
static void bn_join(const BnShape& s, const Range& own, const double* __restrict parts, double* __restrict total) {
  const int64_t channels = s.channels;
  double *const a = total, *const b = a + channels, *const p = b + channels;
  for (int64_t j = 0; j < kBnOfPlane; j++)
    memcpy(total + j * channels + own.begin, parts + j * channels + own.begin, (size_t)(own.end - own.begin) * sizeof(double));
  for (int64_t n = 1; n < s.batch; n++) {
    parts += kBnOfPlane * channels;
    for (int64_t c = own.begin; c < own.end; c++) {
      const double sum = parts[c], square = parts[channels + c];
      if (kPivots) {   // above the first element of the first plane
        const double d = parts[2 * channels + c] - p[c], moved = (double)s.space * d;
        b[c] += square + d * (2. * sum + moved);
        a[c] += sum + moved;
      } else {
        a[c] += sum;
        b[c] += square;
      }
    }
  }
}
template <class K>
static void bn_run_planes(K& k, double* scratch, double* local, const Team& team) {
  const BnShape& s = k.s;
  const int64_t channels = s.channels;
  float* const lines = (float*)(local + kBnOfPlane * channels);
  double one[kBnPart] = {};
  const Range r = split(s.batch * channels, team), own = split(channels, team);
  for (int64_t c = 0; c < channels; c++) {
    k.begin(c);
    k.keep(lines + c * kBnLine);
  }
  for (int64_t t = r.begin; t < r.end; t++) {
    const int64_t n = quotient(t, channels), c = t - n * channels;
    k.take(lines + c * kBnLine);
    put_plane(k.plane(c, n), scratch, n, c, channels);
  }
  team.barrier();
  bn_join<K::kPivots>(s, {0, channels}, scratch, local);
  for (int64_t c = 0; c < channels; c++) {
    for (int64_t j = 0; j < kBnOfPlane; j++) one[j * L] = local[j * channels + c];
    k.finish(c, one, c >= own.begin && c < own.end);
    k.keep(lines + c * kBnLine);
  }
  for (int64_t t = r.end - 1; t >= r.begin; t--) {   // what was read last is in the cache
    const int64_t n = quotient(t, channels), c = t - n * channels;
    k.take(lines + c * kBnLine);
    k.apply(c, n);
  }
}

// Runs K over all units: K::begin(unit), K::sums(unit, part, out), then K::finish(unit, sums of all parts, is this the first thread here), K::apply(unit, part).
template <class K>
static void bn_run(K& k, const Args& args, const Team& team) {
  const BnShape& s = k.s;
  double* const scratch = (double*)args.scratch;
  if (s.planes) return bn_run_planes(k, scratch, (double*)args.local, team);
  double total[kBnPart], one[kBnPart] = {};
  if (team.size == 1 || s.units >= 4 * team.size || s.parts == 1) {
    const Range r = split(s.units, team);
    for (int64_t u = r.begin; u < r.end; u++) {
      k.begin(u);
      for (int64_t p = 0; p < s.parts; p++) {
        k.sums(u, p, one);
        for (int j = 0; j < kBnPart; j++) total[j] = p && j < kBnSums ? total[j] + one[j] : one[j];
      }
      k.finish(u, total, true);
      for (int64_t p = 0; p < s.parts; p++) k.apply(u, p);
    }
    return;
  }
  const Range r = split(s.units * s.parts, team);
  for (int64_t t = r.begin; t < r.end; t++) {
    const int64_t u = quotient(t, s.parts);
    k.begin(u);
    k.sums(u, t - u * s.parts, one);
    memcpy(scratch + t * kBnPart, one, sizeof one);
  }
  team.barrier();
  for (int64_t t = r.begin; t < r.end; t++) {
    const int64_t u = quotient(t, s.parts), p = t - u * s.parts;
    if (t == r.begin || p == 0) {
      const double* parts = scratch + u * s.parts * kBnPart;
      for (int j = 0; j < kBnPart; j++) total[j] = parts[j];
      for (int64_t q = 1; q < s.parts; q++)
        for (int j = 0; j < kBnSums; j++) total[j] += parts[q * kBnPart + j];
      k.finish(u, total, p == 0);
    }
    k.apply(u, p);
  }
}
static void bn_room(Need& n) {
  const BnShape s = bn_shape(n.i);
  n.scratch = size_mul(size_mul(s.units, s.parts), (s.planes ? kBnOfPlane : kBnPart) * 8);
  if (s.planes) n.local = size_mul(s.channels, kBnOfPlane * 8 + kBnLine * 4);
}

INLINE BnLine bn_line(const BnShape& s, const float* m, const float* a, const float* b) {
  if (s.columns) return {load(m), load(a), load(b)};
  return {set1(m[0]), set1(a[0]), set1(b[0])};
}
// mean and var: of the channels of this unit.
static BnLine bn_forward_line(const BnShape& s, int64_t unit, const double* mean, const double* var, double eps,
                              const float* weight, const float* bias) {
  float m[L] = {}, a[L] = {}, b[L] = {};
  for (int k = 0; k < bn_width(s, unit); k++) {
    const int64_t c = bn_channel(s, unit) + k;
    const BnNumbers n = bn_numbers(mean[k], var[k], eps, weight ? weight + c : nullptr, bias ? bias + c : nullptr);
    m[k] = n.m, a[k] = n.a, b[k] = n.b;
  }
  return bn_line(s, m, a, b);
}

// Mean and variance of `count` elements of which sums are above `first`.
static inline void bn_moments(double count, double sum, double squares, double first, double* mean, double* var) {
  const double d = sum / count, square = squares / count - d * d;
  *mean = first + d;
  *var = square < 0 ? 0 : square;
}

template <bool kSum, bool kRelu>
struct BnForward {
  const BnShape s;
  const float *x, *weight, *bias, *other;
  float* y;
  double *mean, *var, eps;
  BnLine line;
  static constexpr bool kPivots = true;
  void begin(int64_t) {}

  // The channel's first element: as the first one of a plane.
  D pivot(int64_t unit) const {
    return s.columns ? widen(load_part(x + unit * L, bn_width(s, unit))) : dset1((double)x[unit * s.space]);
  }
  PlaneSums plane(int64_t channel, int64_t n) const { return plane_sums(x + (n * s.channels + channel) * s.space, s.space); }
  void sums(int64_t unit, int64_t part, double* out) {
    D a = dset1(0), b = a;
    const D p = pivot(unit);
    bn_each(
        s, unit, part, [&](int64_t at, int n) __attribute__((always_inline)) {
          D d = sub(bn_widen(x + at, n), p);
          if (n < L) d = bn_first(d, n);
          a = add(a, d);
          b = fma(d, d, b);
        });
    bn_put(s, a, b, out);
    dstore(out + kBnSums, p);   // y may be where x is
  }
  void finish(int64_t unit, const double* total, bool first) {
    const double count = (double)(s.batch * s.space);
    double m[L], v[L];
    for (int k = 0; k < bn_width(s, unit); k++) {
      bn_moments(count, total[k], total[L + k], total[kBnSums + k], m + k, v + k);
      if (!first) continue;
      mean[bn_channel(s, unit) + k] = m[k];
      var[bn_channel(s, unit) + k] = v[k];
    }
    line = bn_forward_line(s, unit, m, v, eps, weight, bias);
  }
  void apply(int64_t unit, int64_t part) {
    const BnLine l = line;
    bn_each(
        s, unit, part, [&](int64_t at, int n) __attribute__((always_inline)) {
          F v = bn_value(l, load_part(x + at, n));
          if (kSum) v = add(v, load_part(other + at, n));
          if (kRelu) v = max(set1(0.f), v);
          store_part(y + at, v, n);
        });
  }
  void keep(float* to) const {
    store_n(to, line.m, 1);
    store_n(to + 1, line.a, 1);
    store_n(to + 2, line.b, 1);
  }
  void take(const float* p) { line = {set1(p[0]), set1(p[1]), set1(p[2])}; }
};

// i: batch, channels, space, 1 if there are weight and bias, 1 if another tensor is added, 1 for relu; f: eps.
// outs y, mean and variance of each channel (f64); ins x[, weight, bias][, other].
template <bool kSum, bool kRelu>
static void bn_forward(const Args& a, const Team& team) {
  const float* const* in = (const float* const*)a.in;
  const bool affine = a.i[kBnAffine] != 0;
  BnForward<kSum, kRelu> k = {bn_shape(a.i),
                              in[0],
                              affine ? in[1] : nullptr,
                              affine ? in[2] : nullptr,
                              kSum ? in[affine ? 3 : 1] : nullptr,
                              (float*)a.out[0],
                              (double*)a.out[1],
                              (double*)a.out[2],
                              a.f[0],
                              {}};
  bn_run(k, a, team);
}
void batchNorm(const Args& a, const Team& team) {
  a.i[kBnAdds]   ? a.i[kBnRelu] ? bn_forward<true, true>(a, team) : bn_forward<true, false>(a, team)
    : a.i[kBnRelu] ? bn_forward<false, true>(a, team)
                 : bn_forward<false, false>(a, team);
}
static bool bn_check(Need& n) {
  for (int k = kBnBatch; k <= kBnSpace; k++)
    if (n.i[k] < 0 || n.i[k] > Need::kMax) return n.fail("size out of range"), false;
  if (size_of(n.i[kBnBatch], n.i[kBnChannels], n.i[kBnSpace], 4) > Need::kMax) return n.fail("size out of range"), false;
  if (n.i[kBnChannels] > 0 && (n.i[kBnBatch] < 1 || n.i[kBnSpace] < 1)) return n.fail("a channel has no element"), false;
  return true;
}
void batchNorm_need(Need& n) {
  if (!bn_check(n)) return;
  if ((n.i[kBnAffine] | n.i[kBnAdds] | n.i[kBnRelu]) & ~1) return n.fail("a flag is neither 0 nor 1");
  if (n.n_in != 1 + 2 * n.i[kBnAffine] + n.i[kBnAdds]) return n.fail("inputs and flags disagree");
  n.in[0] = n.out[0] = size_of(n.i[kBnBatch], n.i[kBnChannels], n.i[kBnSpace], 4);
  n.out[1] = n.out[2] = size_of(n.i[kBnChannels], 8);
  n.alias(0, 0);
  if (n.i[kBnAffine]) n.in[1] = n.in[2] = size_of(n.i[kBnChannels], 4);
  if (n.i[kBnAdds]) {
    n.in[1 + 2 * n.i[kBnAffine]] = n.in[0];
    n.alias(0, (int32_t)(1 + 2 * n.i[kBnAffine]));
  }
  bn_room(n);
}
}   // namespace gradclip::GRADCLIP_ISA
