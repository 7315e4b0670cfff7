// avx512bf16.h: what AVX512_BF16 adds to avx512.h.
#pragma once
#include "avx512.h"

namespace gradclip::GRADCLIP_ISA {
// Words: two numbers in bf16, the first in the lower half. a + x * b, of each word the second terms first (bf16.h).
INLINE RF r_dot_to(RF a, RF x, RF b) {
  asm("vdpbf16ps %2, %1, %0" : "+v"(a) : "v"(x), "v"(b));
  return a;
}
INLINE RF r_dot_to(RF a, const float* x, RF b) {
  asm("vdpbf16ps %2%{1to16%}, %1, %0" : "+v"(a) : "v"(b), "m"(*x));
  return a;
}
// The words of 2 W numbers that lie side by side: those of a, then those of b.
INLINE RF r_words(RF a, RF b) { return (RF)_mm512_cvtne2ps_pbh(b, a); }
// Those of a alone: half a register.
INLINE void r_store_words(float* p, RF a) { _mm256_storeu_si256((__m256i*)p, (__m256i)_mm512_cvtneps_pbh(a)); }
// The words of two rows: in each lane that of a and that of b.
INLINE RF r_words_of(RF a, RF b) {
  const __m512i places = _mm512_setr_epi32(0x100000, 0x110001, 0x120002, 0x130003, 0x140004, 0x150005, 0x160006, 0x170007,
                                           0x180008, 0x190009, 0x1a000a, 0x1b000b, 0x1c000c, 0x1d000d, 0x1e000e, 0x1f000f);
  return _mm512_castsi512_ps(_mm512_permutexvar_epi16(places, _mm512_castps_si512(r_words(a, b))));
}
// Words of two rows, half a register each, to where either belongs.
INLINE void r_store_words(float* first, float* second, RF words) {
  _mm256_storeu_ps(first, _mm512_castps512_ps256(words));
  _mm256_storeu_ps(second, _mm512_extractf32x8_ps(words, 1));
}
// Rounded to bf16, as an f32.
INLINE RF r_nearest(RF a) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(a)), 16));
}
}   // namespace gradclip::GRADCLIP_ISA
