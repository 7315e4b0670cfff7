// lars.h: LARS.
#pragma once
#include "../update/moments.h"
#include "../update/update.h"

namespace gradclip::GRADCLIP_ISA {
// Each tensor has its trust ratio. Slot: the momentum buffer, of steps.
struct Lars : Rule {
  HYPER(lr, momentum, weightDecay)
  static constexpr int kSlots = 1, kEach = 1;
  double lr;
  F size, momentum;
  Decay<false> decay;
  explicit Lars(const Hyper& h) : lr(h.lr), momentum(f32_of(h.momentum)), decay(h.weightDecay) {}
  void tensor(double trust) { size = f32_of(lr * trust); }
  __attribute__((always_inline)) void step(F& p, F g, F* slot) const {
    decay(p, g);
    slot[0] = fma(g, size, mul(slot[0], momentum));
    p = sub(p, slot[0]);
  }
};

UPDATE(update_lars, Lars)
}   // namespace gradclip::GRADCLIP_ISA
