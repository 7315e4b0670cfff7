// sgd.h: stochastic gradient descent, with momentum as PyTorch has it.
#pragma once
#include "../update/moments.h"
#include "../update/update.h"

namespace gradclip::GRADCLIP_ISA {
// first: not 0 in the first step, where the buffer becomes the gradient.
template <bool kMomentum, bool kNesterov>
struct Sgd : Rule {
  HYPER(lr, weightDecay, momentum, oneMinusDampening, first)
  static constexpr int kSlots = kMomentum ? 1 : 0;
  F minus_lr, decay, momentum, damp;
  bool decays, first;
  explicit Sgd(const Hyper& h)
      : minus_lr(set1(-(float)h.lr)),
        decay(set1((float)h.weightDecay)),
        momentum(set1((float)h.momentum)),
        damp(set1((float)h.oneMinusDampening)),
        decays((float)h.weightDecay != 0),
        first(h.first != 0) {}
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
