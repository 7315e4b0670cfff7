// dots.h: whether this processor's vdpbf16ps computes what bf16.h says, which other instruction sets emulate. Looked at once, when the
// add-on is loaded: another maker may add in another order.
#pragma once
#include "bf16.h"

namespace gradclip::GRADCLIP_ISA {
#if defined(__AVX512BF16__)
// Numbers of all magnitudes whose products and sums round, cancel, and end in denormals; from a fixed sequence.
struct DotCases {
  uint32_t state = 1;
  uint32_t next() { return state = state * 1664525u + 1013904223u; }
  // An f32 whose lower half is 0, of an exponent close to that of the others of its kind, or of any.
  float draw(uint32_t exponent) {
    const uint32_t bits = next(), wide = next() >> 28 == 0 ? next() >> 24 : exponent + (next() >> 29);
    const uint32_t value = (bits & 0x807f0000u) | (wide > 254 ? 254 : wide) << 23;
    float x;
    memcpy(&x, &value, 4);
    return x;
  }
};

__attribute__((noinline)) static void fma_each(const float (&a)[2][W], const float (&b)[2][W], float* sum) {
  const unsigned before = _mm_getcsr();
  _mm_setcsr(before | 0x8040);
  for (int k = 1; k >= 0; k--) r_store(sum, r_fma(r_load(a[k]), r_load(b[k]), r_load(sum)));
  asm volatile("" ::: "memory");
  _mm_setcsr(before);
}

bool dots_agree() {
  DotCases cases;
  for (int round = 0; round < 256; round++) {
    const uint32_t exponent = round % 4 == 0 ? 60 : round % 4 == 1 ? 124 : round % 4 == 2 ? 64 : 185;
    float a[2][W], b[2][W], sum[W], dot[W];
    for (int i = 0; i < W; i++) {
      for (int k = 0; k < 2; k++) a[k][i] = cases.draw(exponent), b[k][i] = cases.draw(exponent);
      uint32_t bits;
      sum[i] = cases.draw(2 * exponent > 130 ? 2 * exponent - 127 : 1);
      memcpy(&bits, sum + i, 4);
      bits |= cases.next() >> 16;
      memcpy(sum + i, &bits, 4);
    }
    r_store(dot, r_dot_to(r_load(sum), r_words_of(r_load(a[0]), r_load(a[1])), r_words_of(r_load(b[0]), r_load(b[1]))));
    fma_each(a, b, sum);
    if (memcmp(dot, sum, sizeof sum) != 0) return false;
  }
  return true;
}
#endif
}   // namespace gradclip::GRADCLIP_ISA
