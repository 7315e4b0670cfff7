// stable_adam.h: the direction of StableAdamW, and how far the gradient is beyond what its squares have been.
#pragma once
#include "../update/moments.h"
#include "../update/update.h"

namespace gradclip::GRADCLIP_ISA {
// ofGradient: weight of the gradient in the mean; it and beta2 are corrected for the start.
// slots: mean, mean of squares. sums: squares of g / max(root, eps); 0 where both are 0.
struct StableAdam : Rule {
  HYPER(ofGradient, beta2, oneMinusBeta2, eps)
  static constexpr int kSlots = 2, kSums = 1;
  F eps;
  Lerp mean;
  MeanSquare squares;
  explicit StableAdam(const Hyper& h) : eps(f32_of(h.eps)), mean(h.ofGradient), squares(h.beta2, h.oneMinusBeta2) {}
  __attribute__((always_inline)) void step(F& p, F g, F* slot, F* squared) const {
    slot[0] = mean(slot[0], g);
    slot[1] = squares(slot[1], g);
    const F root = sqrt(slot[1]), zero = set1(0.0f);
    squared[0] = select(eq(g, zero), zero, div(g, max(eps, root)));
    p = div(slot[0], add(root, eps));
  }
};

UPDATE(update_stable_adam, StableAdam)
}   // namespace gradclip::GRADCLIP_ISA
