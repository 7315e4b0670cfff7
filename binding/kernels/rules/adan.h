// adan.h: Adan.
#pragma once
#include "../update/moments.h"
#include "../update/update.h"

namespace gradclip::GRADCLIP_ISA {
// stepSize = lr / (1 - beta1^t), ofDiff = lr beta2 / (1 - beta2^t), inverseRoot = 1 / sqrt(1 - beta3^t). first: not 0 in the first step, whose
// gradient differs from none before it. decay is a factor: before the step, or after it.
// slots: mean, mean of differences, mean of squares, the last gradient.
template <bool kAfter>
struct Adan : Rule {
  HYPER(stepSize, ofDiff, oneMinusBeta1, beta2, oneMinusBeta2, beta3, oneMinusBeta3, inverseRoot, eps, decay, first)
  static constexpr int kSlots = 4;
  F minus_size, minus_diff, beta2, inverse_root, eps, by;
  Lerp mean, diffs;
  MeanSquare squares;
  bool decays, first;
  explicit Adan(const Hyper& h)
      : minus_size(minus(h.stepSize)),
        minus_diff(minus(h.ofDiff)),
        beta2(f32_of(h.beta2)),
        inverse_root(f32_of(h.inverseRoot)),
        eps(f32_of(h.eps)),
        by(f32_of(h.decay)),
        mean(h.oneMinusBeta1),
        diffs(h.oneMinusBeta2),
        squares(h.beta3, h.oneMinusBeta3),
        decays((float)h.decay != 1.0f),
        first(h.first != 0) {}
  __attribute__((always_inline)) void step(F& p, F g, F* slot) const {
    const F diff = first ? set1(0.0f) : sub(g, slot[3]);
    slot[0] = mean(slot[0], g);
    slot[1] = diffs(slot[1], diff);
    slot[2] = squares(slot[2], fma(diff, beta2, g));
    slot[3] = g;
    if (decays && !kAfter) p = flush_f(mul(p, by));
    p = add(p, div(fma(slot[1], minus_diff, mul(slot[0], minus_size)), fma(sqrt(slot[2]), inverse_root, eps)));
    if (decays && kAfter) p = flush_f(mul(p, by));
  }
};

// Variants: weights decay after the step (proximal), or before it.
UPDATE(update_adan, Adan<true>, Adan<false>)
}   // namespace gradclip::GRADCLIP_ISA
