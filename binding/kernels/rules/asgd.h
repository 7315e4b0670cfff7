// asgd.h: averaged stochastic gradient descent.
#pragma once
#include "../update/moments.h"
#include "../update/update.h"

namespace gradclip::GRADCLIP_ISA {
// eta: the rate of the step; shrink = 1 - lambd * eta; mu: how much of the new parameter enters the average.
// Slot: the average.
struct Asgd : Rule {
  HYPER(eta, weightDecay, shrink, mu)
  static constexpr int kSlots = 1;
  F minus_eta, shrink;
  Decay<false> decay;
  Lerp mean;
  bool shrinks;
  explicit Asgd(const Hyper& h)
      : minus_eta(minus(h.eta)), shrink(f32_of(h.shrink)), decay(h.weightDecay), mean(h.mu), shrinks((float)h.shrink != 1.0f) {}
  __attribute__((always_inline)) void step(F& p, F g, F* slot) const {
    decay(p, g);
    if (shrinks) p = flush_f(mul(p, shrink));
    p = fma(g, minus_eta, p);
    slot[0] = mean(slot[0], p);
  }
};

UPDATE(update_asgd, Asgd)
}   // namespace gradclip::GRADCLIP_ISA
