// adopt.h: ADOPT.
#pragma once
#include "../update/update.h"
#include "moments.h"

namespace gradclip::GRADCLIP_ISA {
// hyper: lr, 1 - beta1, beta2, 1 - beta2, eps, limit, decay, first (not 0 in the first step, which only begins the second slot).
// The gradient is divided by what the squares were before it.
template <bool kDecoupled>
struct Adopt : Rule {
  static constexpr int kHyper = 8, kSlots = 2;
  F minus_lr, eps, limit;
  Lerp mean;
  MeanSquare squares;
  Decay<kDecoupled> decay;
  bool first;
  explicit Adopt(const double* h)
      : minus_lr(minus(h[0])),
        eps(f32_of(h[4])),
        limit(f32_of(h[5])),
        mean(h[1]),
        squares(h[2], h[3]),
        decay(h[6]),
        first(h[7] != 0) {}
  __attribute__((always_inline)) void step(F& p, F g, F* slot) const {
    F q = p;
    decay(q, g);
    if (first) {
      slot[1] = saturated(mul(g, g));
      return;
    }
    const F ratio = div(g, max(eps, sqrt(slot[1])));
    slot[0] = mean(slot[0], max(neg(limit), min(limit, ratio)));
    slot[1] = squares(slot[1], g);
    p = fma(slot[0], minus_lr, q);
  }
};

// Variants: weight decay in the gradient, or decoupled.
UPDATE(update_adopt, Adopt<false>, Adopt<true>)
}   // namespace gradclip::GRADCLIP_ISA
