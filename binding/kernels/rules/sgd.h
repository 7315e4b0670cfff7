// sgd.h: stochastic gradient descent, with momentum as PyTorch has it.
#pragma once
#include "../update/update.h"
#include "moments.h"

namespace gradclip::GRADCLIP_ISA {
// hyper: lr, weight decay, momentum, 1 - dampening, first (not 0 in the first step: the buffer becomes the gradient)
template <bool kMomentum, bool kNesterov>
struct Sgd : Rule {
  static constexpr int kHyper = 5, kSlots = kMomentum ? 1 : 0;
  F minus_lr, decay, momentum, damp;
  bool decays, first;
  explicit Sgd(const double* h)
      : minus_lr(set1(-(float)h[0])),
        decay(set1((float)h[1])),
        momentum(set1((float)h[2])),
        damp(set1((float)h[3])),
        decays((float)h[1] != 0),
        first(h[4] != 0) {}
  __attribute__((always_inline)) void step(F& p, F g, F* slot) const {
    if (decays) g = fma(p, decay, g);
    if (kMomentum) {
      slot[0] = first ? g : fma(g, damp, mul(slot[0], momentum));
      g = kNesterov ? fma(slot[0], momentum, g) : slot[0];
    }
    p = fma(g, minus_lr, p);
    if (decays) p = flush_f(p);
  }
};

// Variants: plain, momentum, Nesterov momentum.
UPDATE(update_sgd, Sgd<false, false>, Sgd<true, false>, Sgd<true, true>)
}   // namespace gradclip::GRADCLIP_ISA
