// radam.h: RAdam.
#pragma once
#include "../update/update.h"
#include "moments.h"

namespace gradclip::GRADCLIP_ISA {
// hyper: step size, adaptive (0: not yet), 1 - beta1, beta2, 1 - beta2, eps, decay.
template <bool kDecoupled>
struct Radam : Rule {
  static constexpr int kHyper = 7, kSlots = 2;
  F minus_size, eps;
  Lerp mean;
  MeanSquare squares;
  Decay<kDecoupled> decay;
  bool adaptive;
  explicit Radam(const double* h)
      : minus_size(minus(h[0])), eps(f32_of(h[5])), mean(h[2]), squares(h[3], h[4]), decay(h[6]), adaptive(h[1] != 0) {}
  __attribute__((always_inline)) void step(F& p, F g, F* slot) const {
    decay(p, g);
    slot[0] = mean(slot[0], g);
    slot[1] = squares(slot[1], g);
    p = adaptive ? add(p, div(mul(minus_size, slot[0]), add(sqrt(slot[1]), eps))) : fma(slot[0], minus_size, p);
  }
};

// Variants: weight decay in the gradient, or decoupled.
UPDATE(update_radam, Radam<false>, Radam<true>)
}   // namespace gradclip::GRADCLIP_ISA
