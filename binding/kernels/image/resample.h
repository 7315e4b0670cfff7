// resample.h: along one axis, y[j] = (1 - w[j]) x[first[j]] + w[j] x[second[j]], and its gradient. Products are rounded before they are added.
// i: outer, size of x along the axis, inner, size of y, then first and second of each j; f: the weights
#pragma once
#include "../unit.h"

namespace gradclip::GRADCLIP_ISA {
enum ResampleInts { kResampleOuter, kResampleSize, kResampleInner, kResampleCount, kResamplePlaces };
struct ResampleShape {
  int64_t outer, size, inner, count;
  const int64_t* places;
};
static inline ResampleShape resample_shape(const int64_t* i) {
  return {i[kResampleOuter], i[kResampleSize], i[kResampleInner], i[kResampleCount], i + kResamplePlaces};
}

void resample(const Args& a, const Team& team) {
  const ResampleShape s = resample_shape(a.i);
  const Range r = split(s.outer * s.count, team);
  for (int64_t t = r.begin; t < r.end; t++) {
    const int64_t o = quotient(t, s.count), j = t - o * s.count;
    const float* x = (const float*)a.in[0] + o * s.size * s.inner;
    const float *first = x + s.places[2 * j] * s.inner, *second = x + s.places[2 * j + 1] * s.inner;
    float* y = (float*)a.out[0] + t * s.inner;
    const float w1 = (float)a.f[j], w0 = (float)(1. - a.f[j]);
    if (w1 == 0.f)
      memcpy(y, first, s.inner * sizeof(float));
    else
      for (int64_t k = 0; k < s.inner; k++) y[k] = w0 * first[k] + w1 * second[k];
  }
}
static void resample_check(Need& n, int64_t& x, int64_t& y) {
  if (n.n_i < kResamplePlaces) return n.fail("too few attributes");
  const ResampleShape s = resample_shape(n.i);
  for (int k = 0; k < kResamplePlaces; k++)
    if (n.i[k] < 0 || n.i[k] > 0x7fffffff) return n.fail("a size is out of range");
  if (n.n_i != kResamplePlaces + 2 * s.count || n.n_f != s.count)
    return n.fail("expected two places and a weight for each element");
  for (int64_t k = 0; k < 2 * s.count; k++)
    if (s.places[k] < 0 || s.places[k] >= s.size) return n.fail("a place is out of range");
  x = size_of(s.outer, s.size, s.inner, 4);
  y = size_of(s.outer, s.count, s.inner, 4);
}
void resample_need(Need& n) { resample_check(n, n.in[0], n.out[0]); }

// Each outer part by itself, so that every element of dx adds up in the order of y.
void resampleGrad(const Args& a, const Team& team) {
  const ResampleShape s = resample_shape(a.i);
  const Range r = split(s.outer, team);
  for (int64_t o = r.begin; o < r.end; o++) {
    float* dx = (float*)a.out[0] + o * s.size * s.inner;
    memset(dx, 0, s.size * s.inner * sizeof(float));
    for (int64_t j = 0; j < s.count; j++) {
      const float* dy = (const float*)a.in[0] + (o * s.count + j) * s.inner;
      float *first = dx + s.places[2 * j] * s.inner, *second = dx + s.places[2 * j + 1] * s.inner;
      const float w1 = (float)a.f[j], w0 = (float)(1. - a.f[j]);
      for (int64_t k = 0; k < s.inner; k++) first[k] += w0 * dy[k];
      if (w1 == 0.f) continue;
      for (int64_t k = 0; k < s.inner; k++) second[k] += w1 * dy[k];
    }
  }
}
void resampleGrad_need(Need& n) { resample_check(n, n.out[0], n.in[0]); }
}   // namespace gradclip::GRADCLIP_ISA
