// accumulate.h: what goes from one micro-batch of a step to the next. Twin: ops/step/accumulate.ts.
#pragma once
#include "../bf16.h"
#include "../unit.h"

namespace gradclip::GRADCLIP_ISA {
// Where a micro-batch stands in the tree of its step (placeInTree in ops/step/tree.ts): so many sums of those before it wait, the last
// `joins` of which it completes.
struct TreePlace {
  int32_t held, joins;
};
static TreePlace place_in_tree(int32_t micro, int32_t micros) {
  TreePlace p{0, 0};
  while (micros > 1) {
    const int32_t left = micros - micros / 2;
    if (micro < left) {
      micros = left, p.joins = 0;
    } else {
      micro -= left, micros -= left;
      p.held++, p.joins++;
    }
  }
  return p;
}

// What travels as bf16 is rounded so wherever it may travel: each micro-batch's value, and each sum but that of all of them.
enum SumKind { kSumF32, kSumF64, kSumBf16 };
template <bool kRounds, class T>
static inline T sum_rounded(T x) {
  if constexpr (kRounds) return as_bf16(x);
  return x;
}
// sums, out: `levels` rows of n; out may be sums. divisor: null where nothing is divided yet. whole: it is the sum of all.
template <bool kRounds, class T>
static void accumulate_range(T* out, const T* sums, const T* value, int64_t levels, int64_t n, Range r, TreePlace p,
                             const double* divisor, bool whole) {
  constexpr int64_t kBlock = 512;
  T sum[kBlock];
  const int64_t slot = p.held - p.joins;
  for (int64_t at = r.begin; at < r.end; at += kBlock) {
    const int64_t length = r.end - at < kBlock ? r.end - at : kBlock;
    for (int64_t k = 0; k < length; k++) sum[k] = sum_rounded<kRounds>(value[at + k]);
    for (int64_t level = p.held - 1; level >= slot; level--) {
      const T* before = sums + level * n + at;
      for (int64_t k = 0; k < length; k++) sum[k] = before[k] + sum[k];
      if (kRounds && !(whole && level == slot))
        for (int64_t k = 0; k < length; k++) sum[k] = sum_rounded<kRounds>(sum[k]);
    }
    T* to = out + slot * n + at;
    if (divisor) {
      const T d = (T)*divisor;
      for (int64_t k = 0; k < length; k++) to[k] = sum[k] / d;
    } else {
      for (int64_t k = 0; k < length; k++) to[k] = sum[k];
    }
  }
  if (out == sums) return;
  for (int64_t level = 0; level < levels; level++) {
    if (level != slot) memcpy(out + level * n + r.begin, sums + level * n + r.begin, (size_t)(r.end - r.begin) * sizeof(T));
  }
}

enum AccumulateInts { kAccLevels, kAccElements, kAccKind };
// in: partial sums, the next value, and optional an f64 scalar that divides the sum of all. ints: levels, elements, a SumKind
void accumulate_need(Need& n) {
  if (n.n_in < 2 || n.n_in > 3) return n.fail("expected two or three inputs");
  if (n.i[kAccLevels] < 1 || n.i[kAccElements] < 0 || n.i[kAccKind] < kSumF32 || n.i[kAccKind] > kSumBf16)
    return n.fail("levels must be > 0, elements >= 0, the kind 0 to 2");
  const int64_t size = n.i[kAccKind] == kSumF64 ? 8 : 4;
  n.out[0] = n.in[0] = size_of(n.i[kAccLevels], n.i[kAccElements], size);
  n.in[1] = size_of(n.i[kAccElements], size);
  if (n.n_in == 3) n.in[2] = 8;
  n.alias(0, 0);
}

void accumulate(const Args& a, const Team& team) {
  const int32_t at = a.ctx->micro - a.ctx->base;
  const TreePlace p = place_in_tree(at, a.ctx->share);
  const int64_t levels = a.i[kAccLevels], n = a.i[kAccElements];
  // As many micro-batches as a request asks for, which the verifier does not see.
  const int64_t most = p.joins ? p.held : p.held + 1;
  if (most > levels) return fail(a.status, kIndexOutOfBounds, at, (double)(most - 1), (double)levels);
  const bool last = at == a.ctx->share - 1, whole = last && a.ctx->share == a.ctx->micros;
  const double* divisor = a.n_in == 3 && last ? (const double*)a.in[2] : nullptr;
  const Range r = split(n, team);
  float* const out = (float*)a.out[0];
  const float *const sums = (const float*)a.in[0], *const value = (const float*)a.in[1];
  if (a.i[kAccKind] == kSumF64)
    accumulate_range<false>((double*)out, (const double*)sums, (const double*)value, levels, n, r, p, divisor, whole);
  else if (a.i[kAccKind] == kSumBf16)
    accumulate_range<true>(out, sums, value, levels, n, r, p, divisor, whole);
  else
    accumulate_range<false>(out, sums, value, levels, n, r, p, divisor, whole);
}

enum CarryInts { kCarryBytes };
static void carry_from(const Args& a, const Team& team, int input) {
  const Range r = split(a.i[kCarryBytes], team);
  const char* from = (const char*)a.in[input];
  char* to = (char*)a.out[0];
  if (to != from) memcpy(to + r.begin, from + r.begin, (size_t)(r.end - r.begin));
}
// out = in[0] in the first micro-batch of a step, in[1] in the others. ints: bytes
void carry(const Args& a, const Team& team) { carry_from(a, team, a.ctx->micro == a.ctx->base ? 0 : 1); }
void carry_need(Need& n) {
  n.out[0] = n.in[0] = n.in[1] = size_of(n.i[kCarryBytes], 1);
  n.alias(0, 1);
}
// out = in[1], written over in[0]. ints: bytes
void leave(const Args& a, const Team& team) { carry_from(a, team, 1); }
void leave_need(Need& n) {
  n.out[0] = n.in[0] = n.in[1] = size_of(n.i[kCarryBytes], 1);
  n.alias(0, 0);
}
}   // namespace gradclip::GRADCLIP_ISA
