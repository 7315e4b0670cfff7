// reduce_load.h: 16 elements as lanes of f64, for whatever sums.
#pragma once
#include "../simd.h"

namespace gradclip::GRADCLIP_ISA {
INLINE D reduce_load(const float* x) { return widen(load(x)); }
INLINE D reduce_load(const double* x) { return dload(x); }
// The first n lanes; the others hold `fill`.
INLINE D reduce_load_n(const double* x, int64_t n, double fill) {
  double t[L];
  for (int i = 0; i < L; i++) t[i] = i < n ? x[i] : fill;
  return dload(t);
}
INLINE D reduce_load_n(const float* x, int64_t n, double fill) {
  if (fill == 0) return widen(load_n(x, (int)n));
  float t[L];
  for (int i = 0; i < L; i++) t[i] = i < n ? x[i] : (float)fill;
  return widen(load(t));
}
}   // namespace gradclip::GRADCLIP_ISA
