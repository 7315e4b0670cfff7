// adadelta.h: Adadelta.
#pragma once
#include "../update/update.h"
#include "moments.h"

namespace gradclip::GRADCLIP_ISA {
// hyper: lr, rho, 1 - rho, eps, weight decay. slots: mean of squares of the gradients, of the steps.
struct Adadelta : Rule {
  static constexpr int kHyper = 5, kSlots = 2;
  F minus_lr, eps;
  MeanSquare squares;
  Decay<false> decay;
  explicit Adadelta(const double* h) : minus_lr(minus(h[0])), eps(f32_of(h[3])), squares(h[1], h[2]), decay(h[4]) {}
  __attribute__((always_inline)) void step(F& p, F g, F* slot) const {
    decay(p, g);
    slot[0] = squares(slot[0], g);
    const F delta = mul(div(sqrt(add(slot[1], eps)), sqrt(add(slot[0], eps))), g);
    slot[1] = squares(slot[1], delta);
    p = fma(delta, minus_lr, p);
  }
};

UPDATE(update_adadelta, Adadelta)
}   // namespace gradclip::GRADCLIP_ISA
