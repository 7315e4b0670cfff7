// narrow.h: f32 rounded to bf16, two bytes an element, and back: what is kept for a backward pass. Twin: ops/elementwise/narrow.ts.
#pragma once
#include "../bf16.h"
#include "../unit.h"

namespace gradclip::GRADCLIP_ISA {
// ints: elements
static void narrow_sizes(Need& n, int64_t* wide, int64_t* narrow) {
  if (n.i[0] < 0) return n.fail("elements must be >= 0");
  *wide = size_of(n.i[0], 4);
  *narrow = size_of(n.i[0], 2);
}
void narrow_need(Need& n) { narrow_sizes(n, &n.in[0], &n.out[0]); }
void widen_need(Need& n) { narrow_sizes(n, &n.out[0], &n.in[0]); }

void narrow(const Args& a, const Team& team) {
  const Range r = split(a.i[0], team);
  const uint32_t* __restrict x = (const uint32_t*)a.in[0];
  uint16_t* __restrict y = (uint16_t*)a.out[0];
  for (int64_t k = r.begin; k < r.end; k++) y[k] = narrow_bits(x[k]);
}

void widen(const Args& a, const Team& team) {
  const Range r = split(a.i[0], team);
  const uint16_t* __restrict x = (const uint16_t*)a.in[0];
  uint32_t* __restrict y = (uint32_t*)a.out[0];
  for (int64_t k = r.begin; k < r.end; k++) y[k] = (uint32_t)x[k] << 16;
}
}   // namespace gradclip::GRADCLIP_ISA
