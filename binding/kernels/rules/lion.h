// lion.h: Lion.
#pragma once
#include "../update/moments.h"
#include "../update/update.h"

namespace gradclip::GRADCLIP_ISA {
// decay = 1 - lr * weight decay. Slot: the mean.
struct Lion : Rule {
  HYPER(lr, beta1, oneMinusBeta1, beta2, oneMinusBeta2, decay)
  static constexpr int kSlots = 1;
  F lr, beta1, rest1, beta2, rest2;
  Decay<true> decay;
  explicit Lion(const Hyper& h)
      : lr(f32_of(h.lr)),
        beta1(f32_of(h.beta1)),
        rest1(f32_of(h.oneMinusBeta1)),
        beta2(f32_of(h.beta2)),
        rest2(f32_of(h.oneMinusBeta2)),
        decay(h.decay) {}
  __attribute__((always_inline)) void step(F& p, F g, F* slot) const {
    decay(p, g);
    const F c = fma(g, rest1, mul(slot[0], beta1)), zero = set1(0.0f);
    slot[0] = fma(g, rest2, mul(slot[0], beta2));
    p = sub(p, select(lt(zero, c), lr, select(lt(c, zero), neg(lr), c)));   // neither: 0 or NaN
  }
};

UPDATE(update_lion, Lion)
}   // namespace gradclip::GRADCLIP_ISA
