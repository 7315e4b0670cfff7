// update_loop.h: a chunk of an optimizer's update: the loop that feeds gradients to a rule, and what it measures. Arithmetic is f32 in the
// order of PyTorch's single-tensor CPU code, fused where that calls a fused multiply-add.
#pragma once
#include "finish.h"
#include "../gradient/stage.h"

namespace gradclip::GRADCLIP_ISA {
// A rule is a struct: HYPER, its hyper-parameters, which the constructor reads, `kSlots` tensors per parameter, and `step`, which says what
// happens to 16 elements. rules/ has one file per family. Beside the parameters it may read a number of each tensor (kEach:
// `tensor` is given it before the elements of the tensor), and sum squares over each tensor (kSums: `step` has one argument more, for what
// is squared). Slots of a unit that gets no gradient any more come to 0: they would decay to denormals and stay there, since 0.9 times the
// smallest of those rounds to itself.
struct Rule {
  static constexpr int kEach = 0, kSums = 0;
  void tensor(double) {}
  bool idle() const { return false; }   // leaves everything as it is in this step
};
// A row of hyper-parameters: named, and in order, as `hyper` of the update's record in optim/rules; a test compares.
#define HYPER(...)      \
  struct Hyper {        \
    double __VA_ARGS__; \
  };                    \
  static constexpr const char* kHyperNames = #__VA_ARGS__;

// Sums of squares after the stages and before them, and how many elements the stages changed.
struct Measured {
  double after, changed, before;
};
template <bool kBefore>
struct Measuring {
  D before[2] = {dset1(0), dset1(0)},
    after[2] = {dset1(0), dset1(0)};   // in turn, so that additions need not wait for each other
  int changed = 0;
  __attribute__((always_inline)) void take(int k, const float* x, const float* y) {
    if (kBefore) {
      const D xx = widen_load(x);
      before[k] = fma(xx, xx, before[k]);
    }
    const D yy = widen_load(y);
    after[k] = fma(yy, yy, after[k]);
    changed += __builtin_popcount(mbits(ne(load(x), load(y))));   // a NaN that stays one is no change
  }
};
template <bool kBefore>
static Measured measure_chunk(const Staged& s, const float* raw, int n) {   // s has a factor of 1
  Measuring<kBefore> m;
  int i = 0;
  for (; i + 2 * L <= n; i += 2 * L) {
    m.take(0, raw + i, s.x + i);
    m.take(1, raw + i + L, s.x + i + L);
  }
  for (int k = 0; i < n; i += L, k = 1) {
    float x[L], y[L];
    store(x, load_n(raw + i, n - i)), store(y, load_n(s.x + i, n - i));
    if (k == 0)
      m.take(0, x, y);
    else
      m.take(1, x, y);
  }
  return {hsum(add(m.after[0], m.after[1])), (double)m.changed, kBefore ? hsum(add(m.before[0], m.before[1])) : 0};
}

template <class R>
static inline __attribute__((always_inline)) void step_of(const R& rule, F& p, F g, F* slot, F* squared) {
  if constexpr (R::kSums > 0)
    rule.step(p, g, slot, squared);
  else
    rule.step(p, g, slot);
}
static inline D add_squares(D sum, F x) {
  const D d = widen(x);
  return fma(d, d, sum);
}

constexpr int kMaxSlots = 8, kMaxSums = 2;
constexpr size_t kRuleBytes = 2048;

// A stage that is the only one, and cheap: it is done in the loop itself, where it costs next to nothing beside the divisions of most
// rules, and so is what is measured of it.
struct Direct {
  int64_t kind;   // -1: none
  float a, b;
  static bool can(int64_t kind) { return kind == kLimit || kind == kSign || kind == kShrinkAbove || kind == kZeroBelow; }
};
// As apply_stages does it.
static inline __attribute__((always_inline)) F direct_stage(const Direct& d, F v) {
  const F a = set1(d.a), b = set1(d.b), zero = set1(0.0f), one = set1(1.0f);
  if (d.kind == kLimit) return max(a, min(b, v));
  if (d.kind == kShrinkAbove) return select(lt(a, abs(v)), d.b == 0 ? zero : mul(v, b), v);
  if (d.kind == kZeroBelow) return select(lt(abs(v), a), zero, v);
  return select(lt(zero, v), one, select(lt(v, zero), set1(-1.0f), v));
}

// One chunk of one tensor.
struct Chunk {
  Staged staged;
  Direct direct;
  Measured* measured;   // where `direct` stages, and is measured
  bool before;          // the squares before it, too
  const float *raw, *p;
  float* p_out;
  int n;
  int64_t ahead;
  const float* slot[kMaxSlots];
  float* slot_out[kMaxSlots];
  double* sums;
};
// Outputs may be the inputs themselves, so each group is read before it is written.
template <class R, bool kDirect>
static inline __attribute__((always_inline)) void update_loop(const R& rule, const Chunk& c) {
  const int n = c.n;
  const float* slot[R::kSlots + 1];
  float* slot_out[R::kSlots + 1];
  for (int k = 0; k < R::kSlots; k++) slot[k] = c.slot[k], slot_out[k] = c.slot_out[k];
  const Direct direct = c.direct;
  const float *raw = c.raw, *x = kDirect ? raw : c.staged.x, *p = c.p;
  float* p_out = c.p_out;
  const F factor = set1(c.staged.factor);
  F v[R::kSlots + 1], w[R::kSums + 1];
  D sum[R::kSums + 1], after = dset1(0), squares = dset1(0);
  int changed = 0;
  for (int k = 0; k < R::kSums; k++) sum[k] = dset1(0);
  int i = 0;
  for (; i + L <= n; i += L) {
    __builtin_prefetch(raw + i + c.ahead);
    __builtin_prefetch(p + i + c.ahead);
    for (int k = 0; k < R::kSlots; k++) __builtin_prefetch(slot[k] + i + c.ahead);
    F g = load(x + i);
    if (kDirect) {
      const F before = g;
      g = direct_stage(direct, g);
      if (c.measured) {
        if (c.before) squares = add_squares(squares, before);
        after = add_squares(after, g);
        changed += __builtin_popcount(mbits(ne(before, g)));
      }
    } else {
      g = mul(g, factor);
    }
    F y = load(p + i);
    for (int k = 0; k < R::kSlots; k++) v[k] = load(slot[k] + i);
    step_of(rule, y, g, v, w);
    store(p_out + i, y);
    for (int k = 0; k < R::kSlots; k++) store(slot_out[k] + i, flush_f(v[k]));
    for (int k = 0; k < R::kSums; k++) sum[k] = add_squares(sum[k], w[k]);
  }
  if (i < n) {
    const int left = n - i;
    F g = load_n(x + i, left);
    if (kDirect) {
      float rest[2][L];   // what is past the end counts as 0
      store(rest[0], g);
      store(rest[1], direct_stage(direct, g));
      g = load_n(rest[1], left);
      const F before = load_n(rest[0], left);
      squares = add_squares(squares, before);
      after = add_squares(after, g);
      changed += __builtin_popcount(mbits(ne(before, g)));
    } else {
      g = mul(g, factor);
    }
    F y = load_n(p + i, left);
    for (int k = 0; k < R::kSlots; k++) v[k] = load_n(slot[k] + i, left);
    step_of(rule, y, g, v, w);
    store_n(p_out + i, y, left);
    for (int k = 0; k < R::kSlots; k++) store_n(slot_out[k] + i, flush_f(v[k]), left);
    for (int k = 0; k < R::kSums; k++) {
      float rest[L];
      store(rest, w[k]);
      sum[k] = add_squares(sum[k], load_n(rest, left));
    }
  }
  for (int k = 0; k < R::kSums; k++) c.sums[k] = hsum(sum[k]);
  if (kDirect && c.measured) *c.measured = {hsum(after), (double)changed, hsum(squares)};
}
template <class R>
static void update_chunk(const void* made, const Chunk& c) {
  const R rule = *(const R*)made;   // a copy of its own, which stores cannot change: it stays in registers
  if (c.direct.kind < 0)
    update_loop<R, false>(rule, c);
  else
    update_loop<R, true>(rule, c);
}
}   // namespace gradclip::GRADCLIP_ISA
