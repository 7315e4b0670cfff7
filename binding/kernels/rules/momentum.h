// momentum.h: the direction of Muon before it is made orthogonal: a running mean of the gradient, and its norm.
#pragma once
#include "../update/moments.h"
#include "../update/update.h"

namespace gradclip::GRADCLIP_ISA {
// Slot: the mean. sums: squares of the direction.
template <bool kNesterov>
struct Momentum : Rule {
  HYPER(momentum, oneMinusMomentum)
  static constexpr int kSlots = 1, kSums = 1;
  Lerp toward, mean;
  explicit Momentum(const Hyper& h) : toward(h.momentum), mean(h.oneMinusMomentum) {}
  __attribute__((always_inline)) void step(F& p, F g, F* slot, F* squared) const {
    slot[0] = mean(slot[0], g);
    squared[0] = p = kNesterov ? toward(g, slot[0]) : slot[0];
  }
};

// Variants: the mean, or as Nesterov on from the gradient toward it.
UPDATE(update_momentum, Momentum<false>, Momentum<true>)
}   // namespace gradclip::GRADCLIP_ISA
