// philox.h: Philox4x32-10 (Salmon et al. 2011), 16 counters at once. lib/ir/philox.ts has the same in TypeScript.
#pragma once
#include "simd.h"

namespace gradclip::GRADCLIP_ISA {
struct Philox {
  I word[4];
};
// The four random words of 16 counters (c0[lane], c1, c2, c3) under a key.
INLINE Philox philox(I c0, uint32_t c1, uint32_t c2, uint32_t c3, uint64_t key) {
  Philox c = {{c0, iset1((int32_t)c1), iset1((int32_t)c2), iset1((int32_t)c3)}};
  uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
  for (int round = 0; round < 10; round++) {
    I high0, low0, high1, low1;
    imul_wide(c.word[0], iset1((int32_t)0xd2511f53u), high0, low0);
    imul_wide(c.word[2], iset1((int32_t)0xcd9e8d57u), high1, low1);
    c.word[0] = ixor(ixor(high1, c.word[1]), iset1((int32_t)k0));
    c.word[1] = low1;
    c.word[2] = ixor(ixor(high0, c.word[3]), iset1((int32_t)k1));
    c.word[3] = low0;
    k0 += 0x9e3779b9u;
    k1 += 0xbb67ae85u;
  }
  return c;
}
}   // namespace gradclip::GRADCLIP_ISA
