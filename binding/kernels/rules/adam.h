// adam.h: Adam and AdamW.

// hyper: lr / (1 - beta1^t), 1 - beta1, beta2, 1 - beta2, 1 / sqrt(1 - beta2^t), eps, decay.
// Adam adds decay * p to the gradient; AdamW (decoupled) multiplies p by decay = 1 - lr * weight decay, before its step.
template <bool kDecoupled>
struct Adam {
  static constexpr int kHyper = 7, kSlots = 2;
  F minus_size, lerp, beta2, rest2, inverse_root, eps, decay;
  bool small, decays;
  explicit Adam(const double* h)
      : minus_size(set1(-(float)h[0])),
        lerp(set1((float)(h[1] < 0.5 ? h[1] : h[1] - 1))),
        beta2(set1((float)h[2])),
        rest2(set1((float)h[3])),
        inverse_root(set1((float)h[4])),
        eps(set1((float)h[5])),
        decay(set1((float)h[6])),
        small(h[1] < 0.5),
        decays((float)h[6] != (kDecoupled ? 1.0f : 0.0f)) {}
  __attribute__((always_inline)) void step(F& p, F g, F* slot) const {
    if (decays) {
      if (kDecoupled)
        p = mul(p, decay);
      else
        g = fma(p, decay, g);
    }
    const F m = fma(sub(g, slot[0]), lerp, small ? slot[0] : g);   // lerp from the nearer end, as torch.lerp
    const F v = fma(mul(rest2, g), g, mul(slot[1], beta2));
    slot[0] = m;
    slot[1] = v;
    p = add(p, div(mul(minus_size, m), fma(sqrt(v), inverse_root, eps)));   // PyTorch divides by the root: twice the time here
  }
};

// Variants: Adam, AdamW.
UPDATE(update_adam, Adam<false>, Adam<true>)
