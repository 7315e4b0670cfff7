// finish.h: what an update does with new parameters while they lie in L1: bounds, and masks of those that are pruned.
#pragma once
#include "../gradient/stage.h"

namespace gradclip::GRADCLIP_ISA {
struct Finish {
  const double *lower, *upper;   // per tensor, or null
  const int64_t* masked;         // per tensor: has it a mask?
  const void* const* mask;       // the masks there are
  bool any;
};

static inline int64_t finish_operands(bool bounded, const int64_t* masked, int64_t n) {
  int64_t k = bounded ? 2 : 0;
  for (int64_t t = 0; t < n; t++) k += masked[t];
  return k;
}
static inline Finish finish_of(bool bounded, const int64_t* masked, int64_t n, const void* const* in) {
  const double* const* b = (const double* const*)in;
  return {bounded ? b[0] : nullptr, bounded ? b[1] : nullptr, masked, in + (bounded ? 2 : 0),
          finish_operands(bounded, masked, n) > 0};
}

// Check `masked` and declare the operands for tensors of these sizes, from input `first` on. Returns how many there are; -1: nonsense.
static int64_t finish_need(Need& n, int64_t bounded, const int64_t* masked, const int64_t* size, int64_t count, int64_t first) {
  if (bounded < 0 || bounded > 1) return -1;
  for (int64_t t = 0; t < count; t++)
    if (masked[t] < 0 || masked[t] > 1) return -1;
  const int64_t operands = finish_operands(bounded, masked, count);
  if (first + operands > n.n_in) return -1;
  int64_t at = first;
  for (int64_t k = 0; k < 2 * bounded; k++) n.in[at++] = size_mul(count, 8);
  for (int64_t t = 0; t < count; t++)
    if (masked[t]) n.in[at++] = size[t];
  return operands;
}

// Elements of tensor t from `from` on; `mask` is the one of this tensor, if it has one.
static void finish_chunk(const Finish& f, int64_t t, const void* mask, int64_t from, int n, float* p) {
  if (f.lower && (f.lower[t] > -__builtin_inf() || f.upper[t] < __builtin_inf())) {
    // max and min give their second argument when either is NaN, or both are 0: what is within bounds keeps its bits.
    const F lower = set1((float)f.lower[t]), upper = set1((float)f.upper[t]);
    stage_pass(p, p, n, 1.0f, [=](F v) { return max(lower, min(upper, v)); });
  }
  if (!mask) return;
  const uint8_t* m = (const uint8_t*)mask + from;
  uint32_t word;
  for (int i = 0; i < n; i++) {
    memcpy(&word, p + i, 4);
    word = m[i] ? word : 0;
    memcpy(p + i, &word, 4);
  }
}
}   // namespace gradclip::GRADCLIP_ISA
