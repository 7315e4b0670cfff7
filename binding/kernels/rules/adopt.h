// adopt.h: ADOPT.
#pragma once
#include "../update/moments.h"
#include "../update/update.h"

namespace gradclip::GRADCLIP_ISA {
// first: not 0 in the first step, which only begins the second slot. The gradient is divided by what the squares were before it.
template <bool kDecoupled>
struct Adopt : Rule {
  HYPER(lr, oneMinusBeta1, beta2, oneMinusBeta2, eps, limit, decay, first)
  static constexpr int kSlots = 2;
  F minus_lr, eps, limit;
  Lerp mean;
  MeanSquare squares;
  Decay<kDecoupled> decay;
  bool first;
  explicit Adopt(const Hyper& h)
      : minus_lr(minus(h.lr)),
        eps(f32_of(h.eps)),
        limit(f32_of(h.limit)),
        mean(h.oneMinusBeta1),
        squares(h.beta2, h.oneMinusBeta2),
        decay(h.decay),
        first(h.first != 0) {}
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
