// ema.h: a moving average. What takes the place of the gradient is the value that enters it.
#pragma once
#include "../update/moments.h"
#include "../update/update.h"

namespace gradclip::GRADCLIP_ISA {
// weight: how much of the value enters: 1 copies it, 0 leaves the average as it is.
struct Ema : Rule {
  HYPER(weight)
  static constexpr int kSlots = 0;
  F lerp;
  bool small, none;
  explicit Ema(const Hyper& h)
      : lerp(set1((float)(h.weight < 0.5 ? h.weight : h.weight - 1))), small(h.weight < 0.5), none(h.weight == 0) {}
  bool idle() const { return none; }
  __attribute__((always_inline)) void step(F& p, F value, F*) const {
    p = flush_f(fma(sub(value, p), lerp, small ? p : value));   // from the nearer end, as torch.lerp
  }
};

UPDATE(update_ema, Ema)
}   // namespace gradclip::GRADCLIP_ISA
