// descend.h: a step along a direction that another instruction made: the last part of optimizers that look at whole tensors.
#pragma once
#include "../update/moments.h"
#include "../update/update.h"

namespace gradclip::GRADCLIP_ISA {
// Each tensor has a factor of lr; weight decay goes with it (kScaled), or with lr alone.
template <bool kScaled>
struct Descend : Rule {
  HYPER(lr, weightDecay)
  static constexpr int kSlots = 0, kEach = 1;
  double lr, weight_decay;
  F minus_size, decay;
  bool decays;
  explicit Descend(const Hyper& h) : lr(h.lr), weight_decay(h.weightDecay) {}
  void tensor(double by) {
    const double size = lr * by, factor = 1 - (kScaled ? size : lr) * weight_decay;
    minus_size = minus(size);
    decay = f32_of(factor);
    decays = (float)factor != 1.0f;
  }
  __attribute__((always_inline)) void step(F& p, F g, F*) const {
    if (decays) p = flush_f(mul(p, decay));
    p = fma(g, minus_size, p);
  }
};

// Variants: weight decay with the step of the tensor, or with lr alone.
UPDATE(update_descend, Descend<true>, Descend<false>)
}   // namespace gradclip::GRADCLIP_ISA
