// adabelief.h: AdaBelief.
#pragma once
#include "../update/moments.h"
#include "../update/update.h"

namespace gradclip::GRADCLIP_ISA {
// stepSize = lr / (1 - beta1^t), inverseRoot = 1 / sqrt(1 - beta2^t). eps is added to the second slot in every step, and to its root.
// slots: mean, mean of the squares of what gradients differ from it by.
template <bool kDecoupled>
struct AdaBelief : Rule {
  HYPER(stepSize, oneMinusBeta1, beta2, oneMinusBeta2, inverseRoot, eps, decay)
  static constexpr int kSlots = 2;
  F minus_size, inverse_root, eps;
  Lerp mean;
  MeanSquare squares;
  Decay<kDecoupled> decay;
  explicit AdaBelief(const Hyper& h)
      : minus_size(minus(h.stepSize)),
        inverse_root(f32_of(h.inverseRoot)),
        eps(f32_of(h.eps)),
        mean(h.oneMinusBeta1),
        squares(h.beta2, h.oneMinusBeta2),
        decay(h.decay) {}
  __attribute__((always_inline)) void step(F& p, F g, F* slot) const {
    decay(p, g);
    slot[0] = mean(slot[0], g);
    slot[1] = saturated(add(squares(slot[1], sub(g, slot[0])), eps));
    p = add(p, div(mul(minus_size, slot[0]), fma(sqrt(slot[1]), inverse_root, eps)));
  }
};

// Variants: weight decay in the gradient, or decoupled.
UPDATE(update_adabelief, AdaBelief<false>, AdaBelief<true>)
}   // namespace gradclip::GRADCLIP_ISA
