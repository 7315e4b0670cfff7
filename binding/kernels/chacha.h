// chacha.h: the block function of ChaCha20 (RFC 8439), a block in each lane. lib/ir/chacha.ts has the same in TypeScript.
#pragma once
#include "simd.h"

namespace gradclip::GRADCLIP_ISA {
// The 32-bit words of one register, which compilers turn in one instruction where there is one.
typedef uint32_t Words __attribute__((vector_size(sizeof(RI))));

// To the left.
template <int S>
INLINE Words turned(Words a) {
#if defined(__AVX2__) && !defined(__AVX512F__)
  // Whole bytes: one shuffle in place of two shifts.
  if constexpr (S % 8 == 0) {
    const __m128i bytes = S == 8 ? _mm_setr_epi8(3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14)
                                 : _mm_setr_epi8(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
    return (Words)_mm256_shuffle_epi8((__m256i)a, _mm256_broadcastsi128_si256(bytes));
  }
#endif
  return a << S | a >> (32 - S);
}
INLINE void quarter_round(Words& a, Words& b, Words& c, Words& d) {
  a += b, d = turned<16>(d ^ a);
  c += d, b = turned<12>(b ^ c);
  a += b, d = turned<8>(d ^ a);
  c += d, b = turned<7>(b ^ c);
}

struct Blocks {
  Words word[16];
};
// The blocks of these counters under a key of 8 words and a nonce of 3.
INLINE Blocks chacha(const uint32_t* key, Words counter, const uint32_t (&nonce)[3]) {
  static constexpr uint32_t kConstants[] = {0x61707865u, 0x3320646eu, 0x79622d32u, 0x6b206574u};   // "expand 32-byte k"
  const auto first = [&](int k) {
    return k == 12 ? counter : Words{} + (k < 4 ? kConstants[k] : k < 12 ? key[k - 4] : nonce[k - 13]);
  };
  Blocks b;
  Words(&w)[16] = b.word;
#pragma GCC unroll 16
  for (int k = 0; k < 16; k++) w[k] = first(k);
  for (int round = 0; round < 10; round++) {
    quarter_round(w[0], w[4], w[8], w[12]), quarter_round(w[1], w[5], w[9], w[13]);
    quarter_round(w[2], w[6], w[10], w[14]), quarter_round(w[3], w[7], w[11], w[15]);
    quarter_round(w[0], w[5], w[10], w[15]), quarter_round(w[1], w[6], w[11], w[12]);
    quarter_round(w[2], w[7], w[8], w[13]), quarter_round(w[3], w[4], w[9], w[14]);
  }
#pragma GCC unroll 16
  for (int k = 0; k < 16; k++) w[k] += first(k);
  return b;
}
}   // namespace gradclip::GRADCLIP_ISA
