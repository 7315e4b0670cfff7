// adam.h: Adam and AdamW, with AMSGrad.
#pragma once
#include "../update/moments.h"
#include "../update/update.h"

namespace gradclip::GRADCLIP_ISA {
// stepSize = lr / (1 - beta1^t), inverseRoot = 1 / sqrt(1 - beta2^t).
// slots: mean, mean of squares; with AMSGrad the largest of the latter, which then takes its place below the root.
template <bool kDecoupled, bool kAmsgrad>
struct Adam : Rule {
  HYPER(stepSize, oneMinusBeta1, beta2, oneMinusBeta2, inverseRoot, eps, decay)
  static constexpr int kSlots = kAmsgrad ? 3 : 2;
  F minus_size, inverse_root, eps;
  Lerp mean;
  MeanSquare squares;
  Decay<kDecoupled> decay;
  explicit Adam(const Hyper& h)
      : minus_size(minus(h.stepSize)),
        inverse_root(f32_of(h.inverseRoot)),
        eps(f32_of(h.eps)),
        mean(h.oneMinusBeta1),
        squares(h.beta2, h.oneMinusBeta2),
        decay(h.decay) {}
  __attribute__((always_inline)) void step(F& p, F g, F* slot) const {
    decay(p, g);
    const F m = mean(slot[0], g);
    F v = squares(slot[1], g);
    slot[0] = m;
    slot[1] = v;
    if (kAmsgrad) slot[2] = v = max(slot[2], v);
    p = add(p, div(mul(minus_size, m), fma(sqrt(v), inverse_root, eps)));   // PyTorch divides by the root: twice the time here
  }
};

// Variants: Adam, AdamW, and both with AMSGrad.
UPDATE(update_adam, Adam<false, false>, Adam<true, false>, Adam<false, true>, Adam<true, true>)
}   // namespace gradclip::GRADCLIP_ISA
