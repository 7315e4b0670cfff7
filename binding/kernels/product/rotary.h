// rotary.h: rotary positions (Su et al. 2021): pairs of elements of a head are turned by an angle that grows with the place.
// y[a, t, h, c] of x[A, T, H, d]: the first n elements of each head are pairs (c, c + n / 2), or (2 c, 2 c + 1) if interleaved; the rest
// stays. ins x, table[T, n]: the cosines of a place, then its sines. i: A, T, H, d, n, interleaved, 1 to turn back. y may be x.
#pragma once
#include "../unit.h"

namespace gradclip::GRADCLIP_ISA {
enum RotaryInts { kRotaryA, kRotaryT, kRotaryH, kRotaryD, kRotaryN, kRotaryInterleaved, kRotaryBack };
void rotary(const Args& a, const Team& team) {
  const int64_t T = a.i[kRotaryT], H = a.i[kRotaryH], d = a.i[kRotaryD], n = a.i[kRotaryN], half = n / 2,
                step = a.i[kRotaryInterleaved] ? 2 : 1, apart = a.i[kRotaryInterleaved] ? 1 : half;
  const float back = a.i[kRotaryBack] ? -1.f : 1.f;
  const Range r = split(a.i[kRotaryA] * T, team);
  for (int64_t row = r.begin; row < r.end; row++) {
    const float *cosine = (const float*)a.in[1] + row % T * n, *sine = cosine + half;
    for (int64_t h = 0; h < H; h++) {
      const float* x = (const float*)a.in[0] + (row * H + h) * d;
      float* y = (float*)a.out[0] + (row * H + h) * d;
#pragma GCC ivdep
      for (int64_t c = 0; c < half; c++) {
        const float p = x[c * step], q = x[c * step + apart], s = back * sine[c];
        y[c * step] = p * cosine[c] - q * s;
        y[c * step + apart] = q * cosine[c] + p * s;
      }
      if (x != y) memcpy(y + n, x + n, (d - n) * sizeof(float));
    }
  }
}
void rotary_need(Need& n) {
  if ((n.i[kRotaryInterleaved] & ~1) || (n.i[kRotaryBack] & ~1)) return n.fail("a flag is neither 0 nor 1");
  if (n.i[kRotaryD] < 0 || n.i[kRotaryD] > Need::kMax || n.i[kRotaryN] < 0 || n.i[kRotaryN] % 2 || n.i[kRotaryN] > n.i[kRotaryD])
    return n.fail("wrong sizes of a head");
  n.in[0] = n.out[0] = size_of(n.i[kRotaryA], n.i[kRotaryT], n.i[kRotaryH], n.i[kRotaryD], 4);
  n.in[1] = size_of(n.i[kRotaryT], n.i[kRotaryN], 4);
  n.alias(0, 0);
}
}   // namespace gradclip::GRADCLIP_ISA
