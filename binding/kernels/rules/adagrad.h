// adagrad.h: Adagrad.
#pragma once
#include "../update/update.h"
#include "moments.h"

namespace gradclip::GRADCLIP_ISA {
// hyper: lr of this step, eps, weight decay. Slot: the sum of squares.
struct Adagrad : Rule {
  static constexpr int kHyper = 3, kSlots = 1;
  F minus_lr, eps;
  Decay<false> decay;
  explicit Adagrad(const double* h) : minus_lr(minus(h[0])), eps(f32_of(h[1])), decay(h[2]) {}
  __attribute__((always_inline)) void step(F& p, F g, F* slot) const {
    decay(p, g);
    slot[0] = saturated(fma(g, g, slot[0]));
    p = add(p, div(mul(minus_lr, g), add(sqrt(slot[0]), eps)));
  }
};

UPDATE(update_adagrad, Adagrad)
}   // namespace gradclip::GRADCLIP_ISA
