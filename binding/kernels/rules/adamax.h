// adamax.h: Adamax.
#pragma once
#include "../update/update.h"
#include "moments.h"

namespace gradclip::GRADCLIP_ISA {
// hyper: lr / (1 - beta1^t), 1 - beta1, beta2, eps, weight decay. slots: mean, largest abs, fading.
struct Adamax : Rule {
  static constexpr int kHyper = 5, kSlots = 2;
  F minus_size, beta2, eps;
  Lerp mean;
  Decay<false> decay;
  explicit Adamax(const double* h) : minus_size(minus(h[0])), beta2(f32_of(h[2])), eps(f32_of(h[3])), mean(h[1]), decay(h[4]) {}
  __attribute__((always_inline)) void step(F& p, F g, F* slot) const {
    decay(p, g);
    slot[0] = mean(slot[0], g);
    slot[1] = max(mul(slot[1], beta2), add(abs(g), eps));
    p = add(p, div(mul(minus_size, slot[0]), slot[1]));
  }
};

UPDATE(update_adamax, Adamax)
}   // namespace gradclip::GRADCLIP_ISA
