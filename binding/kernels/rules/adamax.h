// adamax.h: Adamax.
#pragma once
#include "../update/moments.h"
#include "../update/update.h"

namespace gradclip::GRADCLIP_ISA {
// stepSize = lr / (1 - beta1^t). slots: mean, largest abs, fading.
struct Adamax : Rule {
  HYPER(stepSize, oneMinusBeta1, beta2, eps, decay)
  static constexpr int kSlots = 2;
  F minus_size, beta2, eps;
  Lerp mean;
  Decay<false> decay;
  explicit Adamax(const Hyper& h)
      : minus_size(minus(h.stepSize)), beta2(f32_of(h.beta2)), eps(f32_of(h.eps)), mean(h.oneMinusBeta1), decay(h.decay) {}
  __attribute__((always_inline)) void step(F& p, F g, F* slot) const {
    decay(p, g);
    slot[0] = mean(slot[0], g);
    slot[1] = max(mul(slot[1], beta2), add(abs(g), eps));
    p = add(p, div(mul(minus_size, slot[0]), slot[1]));
  }
};

UPDATE(update_adamax, Adamax)
}   // namespace gradclip::GRADCLIP_ISA
