// acclip.h: ACClip.
#pragma once
#include "../update/moments.h"
#include "../update/update.h"

namespace gradclip::GRADCLIP_ISA {
// decay = 1 - lr * weight decay.
// slots: mean, mean of the powers alpha of abs. No element of the step is longer than the root of the latter.
template <bool kSquares>
struct AcClip : Rule {
  HYPER(lr, oneMinusBeta1, beta2, oneMinusBeta2, eps, alpha, inverseAlpha, decay)
  static constexpr int kSlots = 2;
  F minus_lr, eps, beta2, rest2, alpha, inverse;
  Lerp mean;
  Decay<true> decay;
  explicit AcClip(const Hyper& h)
      : minus_lr(minus(h.lr)),
        eps(f32_of(h.eps)),
        beta2(f32_of(h.beta2)),
        rest2(f32_of(h.oneMinusBeta2)),
        alpha(f32_of(h.alpha)),
        inverse(f32_of(h.inverseAlpha)),
        mean(h.oneMinusBeta1),
        decay(h.decay) {}
  __attribute__((always_inline)) void step(F& p, F g, F* slot) const {
    decay(p, g);
    slot[0] = mean(slot[0], g);
    slot[1] = saturated(fma(kSquares ? mul(g, g) : pow_f(abs(g), alpha), rest2, mul(slot[1], beta2)));
    const F tau = kSquares ? sqrt(slot[1]) : pow_f(slot[1], inverse);
    p = fma(mul(min(div(tau, add(abs(slot[0]), eps)), set1(1.0f)), slot[0]), minus_lr, p);
  }
};

// Variants: alpha is 2, or any number.
UPDATE(update_acclip, AcClip<true>, AcClip<false>)
}   // namespace gradclip::GRADCLIP_ISA
