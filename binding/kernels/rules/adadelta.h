// adadelta.h: Adadelta.
#pragma once
#include "../update/moments.h"
#include "../update/update.h"

namespace gradclip::GRADCLIP_ISA {
// slots: mean of squares of the gradients, of the steps.
struct Adadelta : Rule {
  HYPER(lr, rho, oneMinusRho, eps, decay)
  static constexpr int kSlots = 2;
  F minus_lr, eps;
  MeanSquare squares;
  Decay<false> decay;
  explicit Adadelta(const Hyper& h) : minus_lr(minus(h.lr)), eps(f32_of(h.eps)), squares(h.rho, h.oneMinusRho), decay(h.decay) {}
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
