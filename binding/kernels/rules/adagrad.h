// adagrad.h: Adagrad.
#pragma once
#include "../update/moments.h"
#include "../update/update.h"

namespace gradclip::GRADCLIP_ISA {
// lr is that of this step. Slot: the sum of squares.
struct Adagrad : Rule {
  HYPER(lr, eps, decay)
  static constexpr int kSlots = 1;
  F minus_lr, eps;
  Decay<false> decay;
  explicit Adagrad(const Hyper& h) : minus_lr(minus(h.lr)), eps(f32_of(h.eps)), decay(h.decay) {}
  __attribute__((always_inline)) void step(F& p, F g, F* slot) const {
    decay(p, g);
    slot[0] = saturated(fma(g, g, slot[0]));
    p = add(p, div(mul(minus_lr, g), add(sqrt(slot[0]), eps)));
  }
};

UPDATE(update_adagrad, Adagrad)
}   // namespace gradclip::GRADCLIP_ISA
