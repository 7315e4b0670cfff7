// plane.h: what batch norm does with one plane of a channel: sums of it, and what they make of it. Convolutions do the same to planes that
// they have just written or are about to read.
#pragma once
#include "../math.h"

namespace gradclip::GRADCLIP_ISA {
constexpr int64_t kBnPlane = 64;    // elements of a plane that has sums of its own
constexpr int64_t kBnOfPlane = 3;   // its sums: see PlaneSums

INLINE D bn_widen(const float* p, int n) { return n == L ? widen_load(p) : widen(load_n(p, n)); }
// v, and 0 from lane n on.
static D bn_first(D v, int n) {
  double t[L];
  dstore(t, v);
  for (int k = n; k < L; k++) t[k] = 0;
  return dload(t);
}
// Calls f(offset, lanes) for all lane groups of a plane.
template <class Fn>
INLINE void bn_groups(int64_t space, Fn f) {
  int64_t k = 0;
  for (; k + L <= space; k += L) f(k, (int)L);
  if (k < space) f(k, (int)(space - k));
}

// Of what the elements are above the first one: their sum and that of their squares, each in 16 lanes; and the first one. Without it taken
// off, a mean far from 0 would drown the variance.
struct PlaneSums {
  double sum, squares, first;
};
static PlaneSums plane_sums(const float* x, int64_t space) {
  const D first = dset1((double)x[0]);
  D a = dset1(0), b = a;
  bn_groups(
      space, [&](int64_t at, int n) __attribute__((always_inline)) {
        D d = sub(bn_widen(x + at, n), first);
        if (n < L) d = bn_first(d, n);
        a = add(a, d);
        b = fma(d, d, b);
      });
  return {hsum(a), hsum(b), (double)x[0]};
}
// Sums of planes lie as [batch][kBnOfPlane][channels].
static inline void put_plane(const PlaneSums& s, double* sums, int64_t batch, int64_t channel, int64_t channels) {
  double* const to = sums + batch * kBnOfPlane * channels + channel;
  to[0] = s.sum, to[channels] = s.squares, to[2 * channels] = s.first;
}

// What a channel is made with: y = (x - m) * a + b. The mean rounded to f32 is taken off exactly, and what that misses is in b.
struct BnLine {
  F m, a, b;
};
INLINE F bn_value(const BnLine& l, F x) { return fma(sub(x, l.m), l.a, l.b); }
struct BnNumbers {
  float m, a, b;
};
static inline BnNumbers bn_numbers(double mean, double var, double eps, const float* weight, const float* bias) {
  const double scale = (weight ? (double)*weight : 1.) / __builtin_sqrt(var + eps);
  const float m = (float)mean;
  return {m, (float)scale, (float)((bias ? (double)*bias : 0.) + ((double)m - mean) * scale)};
}
INLINE BnLine bn_line_of(const BnNumbers& n) { return {set1(n.m), set1(n.a), set1(n.b)}; }
}   // namespace gradclip::GRADCLIP_ISA
