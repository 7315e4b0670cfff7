// transpose.h: blocks of floats, transposed in registers.
#pragma once
#include "simd.h"

namespace gradclip::GRADCLIP_ISA {
// dst[c, r] = src[r, c] for rows x cols of src. Writes whole rows of dst up to `pad` >= rows, the rest of them zero.
static inline void transpose_block(const float* src, int64_t ss, float* dst, int64_t ds, int64_t rows, int64_t cols,
                                   int64_t pad) {
  for (int64_t i = 0; i < pad; i += W) {
    const int have = (int)(rows - i < W ? rows - i : W), put = (int)(pad - i < W ? pad - i : W);
    for (int64_t j = 0; j < cols; j += W) {
      const int n = (int)(cols - j < W ? cols - j : W);
      const float* from = src + i * ss + j;
      float* to = dst + j * ds + i;
      RF r[W];
      if (have == W && n == W && put == W) {
#pragma GCC unroll 16
        for (int x = 0; x < W; x++) r[x] = r_load(from + x * ss);
        r_transpose(r);
#pragma GCC unroll 16
        for (int x = 0; x < W; x++) r_store(to + x * ds, r[x]);
      } else {
        const RM in = r_mfirst(n), out = r_mfirst(put);
#pragma GCC unroll 16
        for (int x = 0; x < W; x++) r[x] = x < have ? r_loadm(from + x * ss, in) : r_set1(0.f);
        r_transpose(r);
#pragma GCC unroll 16
        for (int x = 0; x < W; x++)
          if (x < n) r_storem(to + x * ds, r[x], out);
      }
    }
  }
}
}   // namespace gradclip::GRADCLIP_ISA
