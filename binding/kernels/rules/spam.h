// spam.h: SPAM.
#pragma once
#include "../update/moments.h"
#include "../update/update.h"

namespace gradclip::GRADCLIP_ISA {
// stepSize = lr / (1 - beta1^t), inverseRoot = 1 / sqrt(1 - beta2^t), where t counts the steps since the slots were reset to 0.
// Spikes, g^2 > theta v, are cut to sqrt(theta v); not where v is 0, which would hold it there for ever.
struct Spam : Rule {
  HYPER(stepSize, oneMinusBeta1, beta2, oneMinusBeta2, inverseRoot, eps, decay, theta, reset)
  static constexpr int kSlots = 2;
  F minus_size, inverse_root, eps, theta;
  Lerp mean;
  MeanSquare squares;
  Decay<true> decay;
  bool reset;
  explicit Spam(const Hyper& h)
      : minus_size(minus(h.stepSize)),
        inverse_root(f32_of(h.inverseRoot)),
        eps(f32_of(h.eps)),
        theta(f32_of(h.theta)),
        mean(h.oneMinusBeta1),
        squares(h.beta2, h.oneMinusBeta2),
        decay(h.decay),
        reset(h.reset != 0) {}
  __attribute__((always_inline)) void step(F& p, F g, F* slot) const {
    decay(p, g);
    const F zero = set1(0.0f), m = reset ? zero : slot[0], v = reset ? zero : slot[1];
    const F most = mul(theta, v), root = sqrt(most);
    const F cut = select(lt(g, zero), neg(root), root);
    g = select(mand(lt(zero, v), lt(most, mul(g, g))), cut, g);
    slot[0] = mean(m, g);
    slot[1] = squares(v, g);
    p = add(p, div(mul(minus_size, slot[0]), fma(sqrt(slot[1]), inverse_root, eps)));
  }
};

UPDATE(update_spam, Spam)
}   // namespace gradclip::GRADCLIP_ISA
