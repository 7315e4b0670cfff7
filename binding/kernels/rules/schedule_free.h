// schedule_free.h: AdamW that needs no schedule.
#pragma once
#include "../update/moments.h"
#include "../update/update.h"

namespace gradclip::GRADCLIP_ISA {
// Parameters y lie between two sequences: x, which is a mean, and z, along which steps go. What is kept is how far z is from y: it begins at 0,
// and x follows from it. part: the weight of the new z in x; ofDirection = lr (beta1 (1 - part) - 1), ofGap = lr beta1,
// back = (1 - beta1) / beta1, inverseRoot = 1 / sqrt(1 - beta2^t).
// slots: mean of squares, z - y, x, which is written alone.
struct ScheduleFree : Rule {
  HYPER(ofDirection, ofGap, part, back, beta2, oneMinusBeta2, inverseRoot, eps, weightDecay)
  static constexpr int kSlots = 3;
  F of_direction, of_gap, part, rest, minus_back, inverse_root, eps, decay;
  MeanSquare squares;
  bool decays;
  explicit ScheduleFree(const Hyper& h)
      : of_direction(f32_of(h.ofDirection)),
        of_gap(minus(h.ofGap)),
        part(f32_of(h.part)),
        rest(f32_of(1 - h.part)),
        minus_back(minus(h.back)),
        inverse_root(f32_of(h.inverseRoot)),
        eps(f32_of(h.eps)),
        decay(f32_of(h.weightDecay)),
        squares(h.beta2, h.oneMinusBeta2),
        decays((float)h.weightDecay != 0) {}
  __attribute__((always_inline)) void step(F& p, F g, F* slot) const {
    slot[0] = squares(slot[0], g);
    F by = div(g, fma(sqrt(slot[0]), inverse_root, eps));
    if (decays) by = fma(p, decay, by);
    p = flush_f(fma(by, of_direction, fma(slot[1], part, p)));
    slot[1] = mul(rest, fma(by, of_gap, slot[1]));
    slot[2] = fma(slot[1], minus_back, p);
  }
};

UPDATE(update_schedule_free, ScheduleFree)
}   // namespace gradclip::GRADCLIP_ISA
