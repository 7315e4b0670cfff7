// lamb.h: the direction of LAMB: what Adam would do, weight decay included, and its norm and the parameter's.
#pragma once
#include "../update/update.h"
#include "moments.h"

namespace gradclip::GRADCLIP_ISA {
// hyper: 1 / (1 - beta1^t), 1 - beta1, beta2, 1 - beta2, 1 / sqrt(1 - beta2^t), eps, weight decay. slots: mean, mean of squares.
// sums: squares of the direction, of the parameter.
struct Lamb : Rule {
  static constexpr int kHyper = 7, kSlots = 2, kSums = 2;
  F correction, inverse_root, eps;
  Lerp mean;
  MeanSquare squares;
  F decay;
  explicit Lamb(const double* h)
      : correction(f32_of(h[0])),
        inverse_root(f32_of(h[4])),
        eps(f32_of(h[5])),
        mean(h[1]),
        squares(h[2], h[3]),
        decay(f32_of(h[6])) {}
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
