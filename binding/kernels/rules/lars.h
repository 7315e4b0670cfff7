// lars.h: LARS.
#pragma once
#include "../update/update.h"
#include "moments.h"

namespace gradclip::GRADCLIP_ISA {
// hyper: lr, momentum, weight decay. Each tensor has its trust ratio. Slot: the momentum buffer, of steps.
struct Lars : Rule {
  static constexpr int kHyper = 3, kSlots = 1, kEach = 1;
  double lr;
  F size, momentum;
  Decay<false> decay;
  explicit Lars(const double* h) : lr(h[0]), momentum(f32_of(h[1])), decay(h[2]) {}
  void tensor(double trust) { size = f32_of(lr * trust); }
  __attribute__((always_inline)) void step(F& p, F g, F* slot) const {
    decay(p, g);
    slot[0] = fma(g, size, mul(slot[0], momentum));
    p = sub(p, slot[0]);
  }
};

UPDATE(update_lars, Lars)
}   // namespace gradclip::GRADCLIP_ISA
