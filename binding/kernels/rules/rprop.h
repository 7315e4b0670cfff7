// rprop.h: Rprop.
#pragma once
#include "../update/moments.h"
#include "../update/update.h"

namespace gradclip::GRADCLIP_ISA {
// initial: the size of the first steps, which stands in for the slot where `first` is not 0. scale: of all steps of this update.
// slots: the last gradient, 0 where its sign had changed; the size of the next step.
struct Rprop : Rule {
  HYPER(initial, scale, etaMinus, etaPlus, least, most, first)
  static constexpr int kSlots = 2;
  F initial, scale, eta_minus, eta_plus, least, most;
  bool first;
  explicit Rprop(const Hyper& h)
      : initial(f32_of(h.initial)),
        scale(f32_of(h.scale)),
        eta_minus(f32_of(h.etaMinus)),
        eta_plus(f32_of(h.etaPlus)),
        least(f32_of(h.least)),
        most(f32_of(h.most)),
        first(h.first != 0) {}
  __attribute__((always_inline)) void step(F& p, F g, F* slot) const {
    const F zero = set1(0.0f), last = first ? zero : slot[0], before = first ? initial : slot[1];
    const M up = lt(zero, g), down = lt(g, zero), was_up = lt(zero, last), was_down = lt(last, zero);
    const M same = mor(mand(up, was_up), mand(down, was_down)), turned = mor(mand(up, was_down), mand(down, was_up));
    const F grown = select(same, mul(before, eta_plus), select(turned, mul(before, eta_minus), before));
    const F size = max(least, min(most, grown)), far = mul(size, scale);
    g = select(turned, zero, g);
    p = sub(p, select(lt(zero, g), far, select(lt(g, zero), neg(far), g)));   // neither: 0 or NaN
    slot[0] = g;
    slot[1] = size;
  }
};

UPDATE(update_rprop, Rprop)
}   // namespace gradclip::GRADCLIP_ISA
