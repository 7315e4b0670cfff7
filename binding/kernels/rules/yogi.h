// yogi.h: Yogi.
#pragma once
#include "../update/moments.h"
#include "../update/update.h"

namespace gradclip::GRADCLIP_ISA {
// stepSize = lr / (1 - beta1^t), inverseRoot = 1 / sqrt(1 - beta2^t).
// slots: mean, second moment, which moves toward the square of the gradient by a part of that square, however far away it is.
template <bool kDecoupled>
struct Yogi : Rule {
  HYPER(stepSize, oneMinusBeta1, oneMinusBeta2, inverseRoot, eps, decay)
  static constexpr int kSlots = 2;
  F minus_size, inverse_root, eps, rest;
  Lerp mean;
  Decay<kDecoupled> decay;
  explicit Yogi(const Hyper& h)
      : minus_size(minus(h.stepSize)),
        inverse_root(f32_of(h.inverseRoot)),
        eps(f32_of(h.eps)),
        rest(f32_of(h.oneMinusBeta2)),
        mean(h.oneMinusBeta1),
        decay(h.decay) {}
  __attribute__((always_inline)) void step(F& p, F g, F* slot) const {
    decay(p, g);
    slot[0] = mean(slot[0], g);
    const F v = slot[1], square = saturated(mul(g, g)), by = mul(rest, square);
    slot[1] = saturated(select(lt(v, square), add(v, by), select(lt(square, v), sub(v, by), v)));
    p = add(p, div(mul(minus_size, slot[0]), fma(sqrt(slot[1]), inverse_root, eps)));
  }
};

// Variants: weight decay in the gradient, or decoupled.
UPDATE(update_yogi, Yogi<false>, Yogi<true>)
}   // namespace gradclip::GRADCLIP_ISA
