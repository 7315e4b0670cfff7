// novograd.h: NovoGrad.
#pragma once
#include "../update/moments.h"
#include "../update/update.h"

namespace gradclip::GRADCLIP_ISA {
// Each tensor has a factor of its gradient, the inverse of what its norms have been. Slot: the running sum of what gradients so become, with
// weight decay.
struct NovoGrad : Rule {
  HYPER(lr, momentum, ofGradient, weightDecay)
  static constexpr int kSlots = 1, kEach = 1;
  F minus_lr, momentum, of_gradient, factor;
  Decay<false> decay;
  explicit NovoGrad(const Hyper& h)
      : minus_lr(minus(h.lr)), momentum(f32_of(h.momentum)), of_gradient(f32_of(h.ofGradient)), decay(h.weightDecay) {}
  void tensor(double by) { factor = f32_of(by); }
  __attribute__((always_inline)) void step(F& p, F g, F* slot) const {
    g = mul(g, factor);
    decay(p, g);
    slot[0] = fma(g, of_gradient, mul(slot[0], momentum));
    p = fma(slot[0], minus_lr, p);
  }
};

UPDATE(update_novograd, NovoGrad)
}   // namespace gradclip::GRADCLIP_ISA
