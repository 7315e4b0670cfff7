// lion.h: Lion.
#pragma once
#include "../update/update.h"
#include "moments.h"

namespace gradclip::GRADCLIP_ISA {
// hyper: lr, beta1, 1 - beta1, beta2, 1 - beta2, decay = 1 - lr * weight decay. Slot: the mean.
struct Lion : Rule {
  static constexpr int kHyper = 6, kSlots = 1;
  F lr, beta1, rest1, beta2, rest2;
  Decay<true> decay;
  explicit Lion(const double* h)
      : lr(f32_of(h[0])), beta1(f32_of(h[1])), rest1(f32_of(h[2])), beta2(f32_of(h[3])), rest2(f32_of(h[4])), decay(h[5]) {}
  __attribute__((always_inline)) void step(F& p, F g, F* slot) const {
    decay(p, g);
    const F c = fma(g, rest1, mul(slot[0], beta1)), zero = set1(0.0f);
    slot[0] = fma(g, rest2, mul(slot[0], beta2));
    p = sub(p, select(lt(zero, c), lr, select(lt(c, zero), neg(lr), c)));   // neither: 0 or NaN
  }
};

UPDATE(update_lion, Lion)
}   // namespace gradclip::GRADCLIP_ISA
