// ema.h: a moving average. What takes the place of the gradient is the value that enters it.
#pragma once
#include "../update/update.h"
#include "moments.h"

namespace gradclip::GRADCLIP_ISA {
// hyper: how much of the value enters: 1 copies it, 0 leaves the average as it is
struct Ema : Rule {
  static constexpr int kHyper = 1, kSlots = 0;
  F lerp;
  bool small, none;
  explicit Ema(const double* h) : lerp(set1((float)(h[0] < 0.5 ? h[0] : h[0] - 1))), small(h[0] < 0.5), none(h[0] == 0) {}
  bool idle() const { return none; }
  __attribute__((always_inline)) void step(F& p, F value, F*) const {
    p = flush_f(fma(sub(value, p), lerp, small ? p : value));   // from the nearer end, as torch.lerp
  }
};

UPDATE(update_ema, Ema)
}   // namespace gradclip::GRADCLIP_ISA
