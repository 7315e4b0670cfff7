// softmax_row.h: what every softmax begins with: parts of a row, and its largest element.
#pragma once
#include "../math.h"

namespace gradclip::GRADCLIP_ISA {
// The first n lanes of x; the others -infinity, which softmax_exp turns into 0.
INLINE F softmax_load(const float* x, int64_t n) {
  if (n >= L) return load(x);
  M first;
  for (int i = 0; i < NR; i++) first.v[i] = r_mfirst((int)n - W * i);
  return select(first, load_n(x, (int)n), set1(-__builtin_inff()));
}

static float softmax_max(const float* x, int64_t n) {
  F top = set1(-__builtin_inff());
  for (int64_t c = 0; c < n; c += L) top = max(softmax_load(x + c, n - c), top);   // this order skips NaN: the sum shows it
  float t[L];
  store(t, top);
  for (int w = L / 2; w > 0; w /= 2)
    for (int i = 0; i < w; i++) t[i] = t[i] > t[i + w] ? t[i] : t[i + w];
  return t[0];
}
}   // namespace gradclip::GRADCLIP_ISA
