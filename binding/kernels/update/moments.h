// moments.h: what the rules of adaptive optimizers share. Each is the arithmetic of PyTorch's single-tensor CPU code.
#pragma once
#include "update.h"

namespace gradclip::GRADCLIP_ISA {
// A running mean: m moves toward x by `weight`, from the nearer end, as torch.lerp.
struct Lerp {
  F weight;
  bool small;
  explicit Lerp(double w) : weight(set1((float)(w < 0.5 ? w : w - 1))), small(w < 0.5) {}
  __attribute__((always_inline)) F operator()(F m, F x) const { return fma(sub(x, m), weight, small ? m : x); }
};

// Squares of gradients above 2^64 are beyond f32: they stop at its largest number, instead of at an infinity that never decays.
INLINE F saturated(F v) { return min(set1(3.40282347e+38f), v); }   // this order: NaN stays NaN

// A running mean of squares: beta * v + (1 - beta) * g^2.
struct MeanSquare {
  F beta, rest;
  MeanSquare(double b, double r) : beta(set1((float)b)), rest(set1((float)r)) {}
  __attribute__((always_inline)) F operator()(F v, F g) const { return saturated(fma(mul(rest, g), g, mul(v, beta))); }
};

// Weight decay: `by` times p is added to the gradient; or, decoupled, p is multiplied by `by` = 1 - lr * weight decay.
template <bool kDecoupled>
struct Decay {
  F by;
  bool on;
  explicit Decay(double d) : by(set1((float)d)), on((float)d != (kDecoupled ? 1.0f : 0.0f)) {}
  __attribute__((always_inline)) void operator()(F& p, F& g) const {
    if (!on) return;
    if (kDecoupled)
      p = flush_f(mul(p, by));
    else
      g = fma(p, by, g);
  }
};

static inline F minus(double x) { return set1(-(float)x); }
static inline F f32_of(double x) { return set1((float)x); }
}   // namespace gradclip::GRADCLIP_ISA
