// spam.h: SPAM.
#pragma once
#include "../update/update.h"
#include "moments.h"

namespace gradclip::GRADCLIP_ISA {
// hyper: lr / (1 - beta1^t), 1 - beta1, beta2, 1 - beta2, 1 / sqrt(1 - beta2^t), eps, decay, theta, reset, where t counts the steps since
// the slots were reset to 0. Spikes, g^2 > theta v, are cut to sqrt(theta v); not where v is 0, which would hold it there for ever.
struct Spam : Rule {
  static constexpr int kHyper = 9, kSlots = 2;
  F minus_size, inverse_root, eps, theta;
  Lerp mean;
  MeanSquare squares;
  Decay<true> decay;
  bool reset;
  explicit Spam(const double* h)
      : minus_size(minus(h[0])),
        inverse_root(f32_of(h[4])),
        eps(f32_of(h[5])),
        theta(f32_of(h[7])),
        mean(h[1]),
        squares(h[2], h[3]),
        decay(h[6]),
        reset(h[8] != 0) {}
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
