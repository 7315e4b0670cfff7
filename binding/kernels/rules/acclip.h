// acclip.h: ACClip.
#pragma once
#include "../update/update.h"
#include "moments.h"

namespace gradclip::GRADCLIP_ISA {
// hyper: lr, 1 - beta1, beta2, 1 - beta2, eps, alpha, 1 / alpha, decay = 1 - lr * weight decay.
// slots: mean, mean of the powers alpha of abs. No element of the step is longer than the root of the latter.
template <bool kSquares>
struct AcClip : Rule {
  static constexpr int kHyper = 8, kSlots = 2;
  F minus_lr, eps, beta2, rest2, alpha, inverse;
  Lerp mean;
  Decay<true> decay;
  explicit AcClip(const double* h)
      : minus_lr(minus(h[0])),
        eps(f32_of(h[4])),
        beta2(f32_of(h[2])),
        rest2(f32_of(h[3])),
        alpha(f32_of(h[5])),
        inverse(f32_of(h[6])),
        mean(h[1]),
        decay(h[7]) {}
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
