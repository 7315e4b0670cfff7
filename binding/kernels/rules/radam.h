// radam.h: RAdam.
#pragma once
#include "../update/moments.h"
#include "../update/update.h"

namespace gradclip::GRADCLIP_ISA {
// adaptive: 0 where it is not yet.
template <bool kDecoupled>
struct Radam : Rule {
  HYPER(stepSize, adaptive, oneMinusBeta1, beta2, oneMinusBeta2, eps, decay)
  static constexpr int kSlots = 2;
  F minus_size, eps;
  Lerp mean;
  MeanSquare squares;
  Decay<kDecoupled> decay;
  bool adaptive;
  explicit Radam(const Hyper& h)
      : minus_size(minus(h.stepSize)),
        eps(f32_of(h.eps)),
        mean(h.oneMinusBeta1),
        squares(h.beta2, h.oneMinusBeta2),
        decay(h.decay),
        adaptive(h.adaptive != 0) {}
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
