// nadam.h: NAdam.
#pragma once
#include "../update/moments.h"
#include "../update/update.h"

namespace gradclip::GRADCLIP_ISA {
// ofGradient, ofMean: factors of them in the step. inverseRoot = 1 / sqrt(1 - beta2^t).
template <bool kDecoupled>
struct Nadam : Rule {
  HYPER(ofGradient, ofMean, oneMinusBeta1, beta2, oneMinusBeta2, inverseRoot, eps, decay)
  static constexpr int kSlots = 2;
  F of_gradient, of_mean, inverse_root, eps;
  Lerp mean;
  MeanSquare squares;
  Decay<kDecoupled> decay;
  explicit Nadam(const Hyper& h)
      : of_gradient(minus(h.ofGradient)),
        of_mean(minus(h.ofMean)),
        inverse_root(f32_of(h.inverseRoot)),
        eps(f32_of(h.eps)),
        mean(h.oneMinusBeta1),
        squares(h.beta2, h.oneMinusBeta2),
        decay(h.decay) {}
  __attribute__((always_inline)) void step(F& p, F g, F* slot) const {
    decay(p, g);
    slot[0] = mean(slot[0], g);
    slot[1] = squares(slot[1], g);
    p = add(p, div(fma(slot[0], of_mean, mul(g, of_gradient)), fma(sqrt(slot[1]), inverse_root, eps)));
  }
};

// Variants: weight decay in the gradient, or decoupled.
UPDATE(update_nadam, Nadam<false>, Nadam<true>)
}   // namespace gradclip::GRADCLIP_ISA
