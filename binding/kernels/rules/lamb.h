// lamb.h: the direction of LAMB: what Adam would do, weight decay included, and its norm and the parameter's.
#pragma once
#include "../update/moments.h"
#include "../update/update.h"

namespace gradclip::GRADCLIP_ISA {
// correction = 1 / (1 - beta1^t), inverseRoot = 1 / sqrt(1 - beta2^t). slots: mean, mean of squares.
// sums: squares of the direction, of the parameter.
struct Lamb : Rule {
  HYPER(correction, oneMinusBeta1, beta2, oneMinusBeta2, inverseRoot, eps, weightDecay)
  static constexpr int kSlots = 2, kSums = 2;
  F correction, inverse_root, eps;
  Lerp mean;
  MeanSquare squares;
  F decay;
  explicit Lamb(const Hyper& h)
      : correction(f32_of(h.correction)),
        inverse_root(f32_of(h.inverseRoot)),
        eps(f32_of(h.eps)),
        mean(h.oneMinusBeta1),
        squares(h.beta2, h.oneMinusBeta2),
        decay(f32_of(h.weightDecay)) {}
  __attribute__((always_inline)) void step(F& p, F g, F* slot, F* squared) const {
    slot[0] = mean(slot[0], g);
    slot[1] = squares(slot[1], g);
    squared[1] = p;
    p = fma(p, decay, div(mul(correction, slot[0]), fma(sqrt(slot[1]), inverse_root, eps)));
    squared[0] = p;
  }
};

UPDATE(update_lamb, Lamb)
}   // namespace gradclip::GRADCLIP_ISA
