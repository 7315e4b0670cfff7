// statistics.h: one f64 number per tensor of a group (sum of squares, of abs, of powers, max abs), and all tensors' total,
// in one instruction. Gradients are read through the stages decided so far, in blocks that depend on the shapes alone.
#pragma once
#include "stage.h"

namespace gradclip::GRADCLIP_ISA {
constexpr int kBlock = 4 * kChunk;   // elements summed into one partial
enum StatisticKind { kSumSquares = 0, kSumAbs = 1, kMaxAbs = 2, kSumPow = 3 };

constexpr int kStatisticOuts = 4;
enum StatisticInts { kStatisticOf, kStatisticTensors, kStatisticMax, kStatisticSteps, kStatisticStages };
// i: kind, tensors, max (0 none, 1 one for all, 2 one per tensor), number of stages, then the stages, then per tensor whether it is given as ready partial sums, then sizes, then the first block of each tensor and the number of blocks. f: p.
// in: tensors (f32, or f64 partials), max, operands of the stages. out: per tensor, total, first bad tensor (-1: none), number
// of bad tensors.
struct StatisticArgs {
  int64_t kind, n, max, stages;
  const int64_t *ready, *size, *start;
};
static StatisticArgs statistic_args(const int64_t* i) {
  StatisticArgs r = {i[kStatisticOf], i[kStatisticTensors], i[kStatisticMax], i[kStatisticSteps], nullptr, nullptr, nullptr};
  r.ready = i + kStatisticStages + stages_ints(i + kStatisticStages, r.stages, r.n);
  r.size = r.ready + r.n;
  r.start = r.size + r.n;
  return r;
}

struct StatisticPartial {
  double value;
  int64_t bad;   // an element was not finite before zeroNonFinite
};

// The kinds, made from the largest element and p. Each takes 16 elements at a time, in turn into one of two accumulators, so that
// additions need not wait for each other.
struct SumSquares {
  D acc[2] = {dset1(0), dset1(0)};
  SumSquares(double, double) {}
  __attribute__((always_inline)) void take(int k, const float* x) {
    const D w = widen_load(x);
    acc[k] = fma(w, w, acc[k]);
  }
  double value() const { return hsum(add(acc[0], acc[1])); }
};
struct SumAbs {
  D acc[2] = {dset1(0), dset1(0)};
  SumAbs(double, double) {}
  __attribute__((always_inline)) void take(int k, const float* x) { acc[k] = add(acc[k], abs(widen_load(x))); }
  double value() const { return hsum(add(acc[0], acc[1])); }
};
struct MaxAbs {
  F acc[2] = {set1(0), set1(0)};
  int nan = 0;
  MaxAbs(double, double) {}
  __attribute__((always_inline)) void take(int k, const float* x) {
    const F v = load(x);
    acc[k] = max(abs(v), acc[k]);
    nan |= mbits(mnot(eq(v, v)));
  }
  double value() const {
    if (nan) return __builtin_nan("");
    float t[L];
    store(t, max(acc[0], acc[1]));
    for (int i = 1; i < L; i++) t[0] = t[i] > t[0] ? t[i] : t[0];
    return t[0];
  }
};
struct SumPow {   // of |x| / max: nothing overflows, and nothing that matters is lost
  double largest, p;
  int twice;   // 2 p, where that is a small whole number: then products and a root do
  D acc = dset1(0);
  SumPow(double largest, double p) : largest(largest), p(p), twice(p <= 8 && 2 * p == (int)(2 * p) ? (int)(2 * p) : 0) {}
  __attribute__((always_inline)) void take(int, const float* x) {
    const D ratio = div(abs(widen_load(x)), dset1(largest));
    if (twice > 0) {
      D power = twice % 2 ? sqrt(ratio) : dset1(1), square = ratio;
      for (int k = twice / 2; k > 0; k /= 2, square = mul(square, square))
        if (k % 2) power = mul(power, square);
      acc = add(acc, power);
      return;
    }
    double r[L];
    dstore(r, ratio);
    for (int i = 0; i < L; i++) r[i] = pow_d(r[i], p);
    acc = add(acc, dload(r));
  }
  double value() const { return largest == 0 ? 0 : hsum(acc); }
};

// m elements into a kind; `next` is asked for meanwhile.
template <class Kind>
static inline void take_chunk(Kind& kind, const float* x, int m, const float* next) {
  int i = 0;
  for (; i + 2 * L <= m; i += 2 * L) {
    __builtin_prefetch(next + i);
    __builtin_prefetch(next + i + L);
    kind.take(0, x + i);
    kind.take(1, x + i + L);
  }
  for (int k = 0; k < 2 && i < m; k++, i += L) {
    float rest[L];   // filled up with zeros, which add nothing
    store(rest, load_n(x + i, m - i));
    if (k == 0)
      kind.take(0, rest);
    else
      kind.take(1, rest);
  }
}

template <class Kind>
static StatisticPartial statistic_block(double largest, double p, const Stages& stages, int64_t tensor, int64_t start,
                                        const float* g, int64_t left, float* buffer) {
  Kind kind(largest, p);
  const int64_t n = left < kBlock ? left : kBlock;
  bool bad = false;
  for (int64_t from = 0; from < n; from += kChunk) {
    const int m = (int)(n - from < kChunk ? n - from : kChunk);
    const float* next = g + from + ahead_of(left - from);
    if (stages.n == 0) {
      take_chunk(kind, g + from, m, next);
      continue;
    }
    const Staged s = flush(apply_stages(stages, tensor, start + from, g + from, m, buffer), m, buffer);
    bad |= s.bad;
    take_chunk(kind, s.x, m, next);
  }
  return {kind.value(), bad};
}

void statistic(const Args& a, const Team& team) {
  const StatisticArgs s = statistic_args(a.i);
  const Stages stages = stages_of(a.i + kStatisticStages, s.stages, s.n, a.in + s.n + (s.max != 0), a.ctx);
  const double* largest = s.max ? (const double*)a.in[s.n] : nullptr;
  const double p = a.n_f ? a.f[0] : 0;
  StatisticPartial* partial = (StatisticPartial*)a.scratch;
  const Range r = split(s.start[s.n], team);
  int64_t t = segment_of(s.start, s.n, r.begin);
  for (int64_t b = r.begin; b < r.end; b++) {
    while (b >= s.start[t + 1]) t++;
    const int64_t from = (b - s.start[t]) * kBlock, left = s.size[t] - from;
    const float* g = (const float*)a.in[t] + from;
    float* buffer = (float*)a.local;
    const double m = s.max ? largest[s.max == 2 ? t : 0] : 0;
    switch (s.kind) {
      case kSumSquares:
        partial[b] = statistic_block<SumSquares>(m, p, stages, t, from, g, left, buffer);
        break;
      case kSumAbs:
        partial[b] = statistic_block<SumAbs>(m, p, stages, t, from, g, left, buffer);
        break;
      case kMaxAbs:
        partial[b] = statistic_block<MaxAbs>(m, p, stages, t, from, g, left, buffer);
        break;
      default:
        partial[b] = statistic_block<SumPow>(m, p, stages, t, from, g, left, buffer);
        break;
    }
  }
  team.barrier();
  if (team.rank != 0) return;
  const bool takes_max = s.kind == kMaxAbs;
  const auto join = [=](double x, double y) { return !takes_max ? x + y : x >= y || x != x ? x : y; };   // a NaN stays
  double *each = (double*)a.out[0], *total = (double*)a.out[1], *first_bad = (double*)a.out[2], *count = (double*)a.out[3];
  *total = 0;
  *first_bad = -1;
  *count = 0;
  for (int64_t i = 0; i < s.n; i++) {
    double value = 0;
    bool wrong = false;
    if (s.ready[i]) {
      for (int64_t k = 0; k < s.size[i]; k++) value = join(value, ((const double*)a.in[i])[k]);
    } else {
      for (int64_t b = s.start[i]; b < s.start[i + 1]; b++) value = join(value, partial[b].value), wrong |= partial[b].bad != 0;
    }
    wrong |= !(__builtin_fabs(value) <= __DBL_MAX__);
    each[i] = value;
    *total = join(*total, value);
    if (wrong && (*count)++ == 0) *first_bad = (double)i;
  }
}
void statistic_need(Need& n) {
  if (n.n_i <= kStatisticStages) return n.fail("expected kind, tensors, max and stages");
  const int64_t kind = n.i[kStatisticOf], count = n.i[kStatisticTensors], max = n.i[kStatisticMax], steps = n.i[kStatisticSteps];
  if (kind < kSumSquares || kind > kSumPow) return n.fail("no such statistic");
  if (count < 1 || count > n.n_in) return n.fail("more tensors than inputs, or none");
  if (max < 0 || max > 2 || (kind == kSumPow) != (max != 0)) return n.fail("a maximum belongs to a sum of powers");
  if (kind == kSumPow && (n.n_f != 1 || !(n.f[0] > 0))) return n.fail("expected p > 0");
  if (steps < 0 || steps > kMaxStages) return n.fail("too many stages");
  const int64_t first = count + (max != 0);   // operand of the stages
  // The sizes lie behind the stages, whose check needs them: their length comes first.
  const int64_t ints = stages_length(n.i + kStatisticStages, n.n_i - kStatisticStages, steps, count);
  if (ints < 0 || n.n_i != kStatisticStages + ints + 3 * count + 1) return n.fail("wrong number of integers");
  const StatisticArgs s = statistic_args(n.i);
  if (!segments_ok(s.size, s.ready, s.start, count, kBlock)) return n.fail("sizes and blocks do not agree");
  for (int64_t t = 0; t < count; t++) n.in[t] = size_mul(s.size[t], s.ready[t] ? 8 : 4);
  if (max) {
    if (count >= n.n_in) return n.fail("the maximum is missing");
    n.in[count] = max == 2 ? size_mul(count, 8) : 8;
  }
  const int64_t operands = stages_need(n, n.i + kStatisticStages, steps, s.size, count, first);
  if (operands < 0 || n.n_in != first + operands) return n.fail("wrong stages or number of inputs");
  n.out[0] = size_mul(count, 8);
  n.out[1] = n.out[2] = n.out[3] = 8;
  n.scratch = size_mul(s.start[count], sizeof(StatisticPartial));
  n.local = kChunk * 4;
}
}   // namespace gradclip::GRADCLIP_ISA
