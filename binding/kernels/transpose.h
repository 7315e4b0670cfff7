// transpose.h: blocks of floats, or of words (bf16.h), transposed in registers.
#pragma once
#include "bf16.h"

namespace gradclip::GRADCLIP_ISA {
// A pointer from somewhere: gcc would keep as many as there are addresses in the loop.
template <class T>
INLINE T* settle(T* p) {
  asm("" : "+r"(p));
  return p;
}

// dst[c, r] = src[r, c] for rows x cols of src; c counts words on the left. Writes whole rows of dst up to `pad` >= rows, the rest of them
// zero.
template <class P = F32>
static inline void transpose_block(const float* src, int64_t ss, float* dst, int64_t ds, int64_t rows, int64_t cols,
                                   int64_t pad) {
  constexpr int T = kTermsOfRegister<P>;
  for (int64_t i = 0; i < pad; i += W) {
    const int have = (int)(rows - i < W ? rows - i : W), put = (int)(pad - i < W ? pad - i : W);
    for (int64_t j = 0; j < cols; j += T) {
      const int n = (int)(cols - j < T ? cols - j : T);
      const float* from = src + i * ss + j;
      float* to = dst + words_of<P>(j) * ds + i;
      RF r[W];
      if (have == W && n == T && put == W) {
        // One row after the other: else there are more addresses than registers.
#pragma GCC unroll 16
        for (int x = 0; x < W; x++, from = settle(from + ss)) r[x] = load_words<P>(from);
        r_transpose(r);
#pragma GCC unroll 16
        for (int x = 0; x < W; x++, to = settle(to + ds)) r_store(to, r[x]);
      } else {
        const RM out = r_mfirst(put);
        const int words = (int)words_of<P>(n);
#pragma GCC unroll 16
        for (int x = 0; x < W; x++) r[x] = x < have ? load_words<P>(from + x * ss, n) : r_set1(0.f);
        r_transpose(r);
#pragma GCC unroll 16
        for (int x = 0; x < W; x++)
          if (x < words) r_storem(to + x * ds, r[x], out);
      }
    }
  }
}
}   // namespace gradclip::GRADCLIP_ISA
