// rmsprop.h: RMSprop, centered and with momentum.
#pragma once
#include "../update/moments.h"
#include "../update/update.h"

namespace gradclip::GRADCLIP_ISA {
// slots: mean of squares; centered: mean; with momentum: its buffer.
template <bool kCentered, bool kMomentum>
struct RmsProp : Rule {
  HYPER(lr, alpha, oneMinusAlpha, eps, decay, momentum)
  static constexpr int kSlots = 1 + kCentered + kMomentum, kBuffer = 1 + kCentered;
  F minus_lr, eps, momentum;
  MeanSquare squares;
  Lerp mean;
  Decay<false> decay;
  explicit RmsProp(const Hyper& h)
      : minus_lr(minus(h.lr)),
        eps(f32_of(h.eps)),
        momentum(f32_of(h.momentum)),
        squares(h.alpha, h.oneMinusAlpha),
        mean(h.oneMinusAlpha),
        decay(h.decay) {}
  __attribute__((always_inline)) void step(F& p, F g, F* slot) const {
    decay(p, g);
    F v = squares(slot[0], g);
    slot[0] = v;
    if (kCentered) {
      slot[1] = mean(slot[1], g);
      v = max(set1(0.0f), fma(neg(slot[1]), slot[1], v));   // rounding may take it below 0, where PyTorch's root is NaN
    }
    const F root = add(sqrt(v), eps);
    if (kMomentum) {
      slot[kBuffer] = add(mul(slot[kBuffer], momentum), div(g, root));
      p = fma(slot[kBuffer], minus_lr, p);
    } else {
      p = add(p, div(mul(minus_lr, g), root));
    }
  }
};

// Variants: plain, centered, momentum, both.
UPDATE(update_rmsprop, RmsProp<false, false>, RmsProp<true, false>, RmsProp<false, true>, RmsProp<true, true>)
}   // namespace gradclip::GRADCLIP_ISA
