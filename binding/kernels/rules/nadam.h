// nadam.h: NAdam.
#pragma once
#include "../update/update.h"
#include "moments.h"

namespace gradclip::GRADCLIP_ISA {
// hyper: factors of the gradient and of the mean, 1 - beta1, beta2, 1 - beta2, 1 / sqrt(1 - beta2^t), eps, decay.
template <bool kDecoupled>
struct Nadam : Rule {
  static constexpr int kHyper = 8, kSlots = 2;
  F of_gradient, of_mean, inverse_root, eps;
  Lerp mean;
  MeanSquare squares;
  Decay<kDecoupled> decay;
  explicit Nadam(const double* h)
      : of_gradient(minus(h[0])),
        of_mean(minus(h[1])),
        inverse_root(f32_of(h[5])),
        eps(f32_of(h[6])),
        mean(h[2]),
        squares(h[3], h[4]),
        decay(h[7]) {}
  __attribute__((always_inline)) void step(F& p, F g, F* slot) const {
    decay(p, g);
    slot[0] = mean(slot[0], g);
    slot[1] = squares(slot[1], g);
    p = add(p, div(fma(slot[0], of_mean, mul(g, of_gradient)), fma(sqrt(slot[1]), inverse_root, eps)));
  }
};

// Variants: weight decay in the gradient, or decoupled.
UPDATE(update_nadam, Nadam<false>, Nadam<true>)
}   // namespace gradclip::GRADCLIP_ISA
