// stage.h: the stages of a clip policy, applied in order to a chunk of a gradient that lies in L1. Statistics and updates read gradients
// through these, so a clipped gradient is never written to memory. lib/ops/gradient/stage.ts has the same table and says what each kind does.
#pragma once
#include "../elementwise/chain.h"
#include "../math.h"
#include "../philox.h"

namespace gradclip::GRADCLIP_ISA {
constexpr int kChunk = 1024;   // elements of one tensor handled at a time: work is cut here, whatever the team
constexpr int kMaxStages = 16;
enum StageKind {
  kScale = 0,
  kLimit = 1,
  kZeroNonFinite = 2,
  kSign = 3,
  kShrinkAbove = 4,
  kZeroBelow = 5,
  kSoft = 6,
  kTanh = 7,
  kScaleRows = 8,
  kScaleColumns = 9,
  kShiftRows = 10,
  kRound = 11,
  kMap = 12,
  kStageKinds = 13
};
static inline int stage_operands(int64_t kind) {
  if (kind == kLimit || kind == kShrinkAbove) return 2;
  return kind == kZeroNonFinite || kind == kSign || kind == kRound ? 0 : 1;
}
static inline bool stage_units(int64_t kind) { return kind == kScaleRows || kind == kScaleColumns || kind == kShiftRows; }

// One stage. In the integers of an instruction: kind, key (of kRound: it keys the random numbers; of kMap: how many integers its chain has),
// then per tensor `at`, and for rows and columns then per tensor `unit`; of kMap then the chain (chain.h), of one vector and one result, whose
// numbers are the operand.
enum StageInts { kStageOf, kStageKey, kStageAt };
struct Stage {
  int64_t kind, key;
  const int64_t*
      at;   // per tensor: index of its operand's element; of its first row or column; of its first 64 random numbers; -1: left alone
  const int64_t* unit;   // per tensor: elements of a row, or number of columns; or the chain
  const double *a, *b;   // operands
};
struct Stages {
  int64_t n;
  Stage stage[kMaxStages];
  const Context* ctx;
};
// Integers of the stage at `i`, of `tensors` tensors.
static inline int64_t stage_ints(const int64_t* i, int64_t tensors) {
  return kStageAt + tensors * (stage_units(i[kStageOf]) ? 2 : 1) + (i[kStageOf] == kMap ? i[kStageKey] : 0);
}
// Integers that `count` stages of `tensors` tensors take, starting at `i`.
static int64_t stages_ints(const int64_t* i, int64_t count, int64_t tensors) {
  int64_t used = 0;
  for (int64_t s = 0; s < count; s++) used += stage_ints(i + used, tensors);
  return used;
}
// The same of integers that are not known to be stages; -1: there are fewer than `left`, or they are none.
static int64_t stages_length(const int64_t* i, int64_t left, int64_t count, int64_t tensors) {
  int64_t used = 0;
  for (int64_t s = 0; s < count; s++) {
    if (left - used < kStageAt || i[used + kStageOf] < 0 || i[used + kStageOf] >= kStageKinds) return -1;
    if (i[used + kStageOf] == kMap) {
      const int64_t chain = used + kStageAt + tensors;
      const int64_t length = chain > left ? -1 : chain_length(i + chain, left - chain, 1, 1);
      if (length < 0 || length != i[used + kStageKey]) return -1;
    }
    used += stage_ints(i + used, tensors);
    if (used > left) return -1;
  }
  return used;
}
static Stages stages_of(const int64_t* i, int64_t count, int64_t tensors, const void* const* in, const Context* ctx) {
  Stages r;
  r.n = count;
  r.ctx = ctx;
  for (int64_t s = 0; s < count; s++) {
    Stage& stage = r.stage[s];
    stage = {i[kStageOf], i[kStageKey], i + kStageAt, i + kStageAt + tensors, nullptr, nullptr};
    const int operands = stage_operands(stage.kind);
    if (operands > 0) stage.a = (const double*)*in++;
    if (operands > 1) stage.b = (const double*)*in++;
    i += stage_ints(i, tensors);
  }
  return r;
}

// Check `count` stages that lie at `i`, of the length stages_length gave, and declare their operands, the first of which is input
// `first`. `size` are the elements of each tensor. Returns the number of operands; -1: nonsense.
static int64_t stages_need(Need& n, const int64_t* i, int64_t count, const int64_t* size, int64_t tensors, int64_t first) {
  int64_t operands = 0;
  for (int64_t s = 0; s < count; s++) {
    const bool units = stage_units(i[kStageOf]);
    int64_t length = 1;   // of an operand
    for (int64_t t = 0; t < tensors; t++) {
      const int64_t at = i[kStageAt + t], unit = units ? i[kStageAt + tensors + t] : 1;
      if (at < -1 || at > Need::kMax / 16) return -1;
      if (at < 0) continue;
      int64_t end = at + 1;
      if (units) {
        if (unit < 0 || unit > Need::kMax / 16 || (unit == 0 && size[t] > 0)) return -1;
        const int64_t rows = unit == 0 ? 0 : (size[t] + unit - 1) / unit;
        end = at + (i[kStageOf] == kScaleColumns ? unit : rows);
      }
      length = end > length ? end : length;
    }
    if (i[kStageOf] == kMap) length = i[kStageAt + tensors + kChainGiven];
    for (int k = 0; k < stage_operands(i[kStageOf]); k++, operands++) {
      if (first + operands >= n.n_in) return -1;
      n.in[first + operands] = size_mul(length, 8);
    }
    i += stage_ints(i, tensors);
  }
  return operands;
}

// A scale as f32 factors. Below 2^-126 one f32 would lose bits, above 2^127 it would overflow: then there are two, of which `first`
// is a power of two, so that x * first * second rounds once wherever the result is a normal number.
struct Factors {
  float first, second;
};
static inline Factors factors_of(double s) {
  const double m = __builtin_fabs(s);
  if (m > 0 && m < 0x1p-226) return {0x1p-126f, (float)(s * 0x1p126)};
  if (m > 0 && m < 0x1p-126) return {0x1p-100f, (float)(s * 0x1p100)};
  if (m > 0x1p127 && m <= 0x1p226) return {0x1p100f, (float)(s * 0x1p-100)};
  return {1.0f, (float)s};
}

// A chunk after its stages: the value of element i is x[i] * factor.
struct Staged {
  const float* x;
  float factor;
  bool bad;   // zeroNonFinite met an element that is not finite
};

// y = op(x * factor) over n elements; y may be x.
template <class Op>
static inline void stage_pass(float* y, const float* x, int n, float factor, Op op) {
  const F f = set1(factor);
  int i = 0;
  for (; i + L <= n; i += L) store(y + i, op(mul(load(x + i), f)));
  if (i < n) store_n(y + i, op(mul(load_n(x + i, n - i), f)), n - i);
}

// The same values with a factor of 1.
static inline Staged flush(Staged s, int n, float* buffer) {
  if (s.factor == 1.0f) return s;
  stage_pass(buffer, s.x, n, s.factor, [](F v) { return v; });
  return {buffer, 1.0f, s.bad};
}

// How far ahead of its use memory is asked for, where `left` elements of the tensor remain: one chunk, within the tensor. The hardware
// alone stops at each page.
static inline int64_t ahead_of(int64_t left) { return left >= 2 * kChunk ? kChunk : 0; }

// y = op(x * factor) for the rows of `unit` elements that n elements from `from` on belong to; op also gets the row's value.
template <class Op>
static inline void stage_rows(float* y, const float* x, int64_t from, int n, float factor, const double* value, int64_t unit,
                              Op op) {
  int64_t row = quotient(from, unit), c = from - row * unit;
  for (int64_t i = 0; i < n; row++, c = 0) {
    const int64_t m = unit - c < n - i ? unit - c : n - i;
    const double v = value[row];
    stage_pass(y + i, x + i, (int)m, factor, [&](F g) { return op(g, v); });
    i += m;
  }
}

// x * value of the column, of `columns`, that each element lies in. Values that one f32 cannot hold take two factors.
static void stage_columns(float* y, const float* x, int64_t from, int n, float factor, const double* value, int64_t columns) {
  int64_t c = from - quotient(from, columns) * columns;
  const F least = set1(__FLT_MIN__), largest = set1(0x1p126f), f = set1(factor);
  for (int i = 0; i < n; c = 0) {
    const int m = (int)(columns - c < n - i ? columns - c : n - i);
    int k = 0;
    for (; k + L <= m; k += L) {
      const F v = narrow(dload(value + c + k)), size = abs(v);
      if (mbits(mand(le(least, size), le(size, largest))) != (1 << L) - 1) break;
      store(y + i + k, mul(mul(load(x + i + k), f), v));
    }
    for (; k < m; k++) {
      const Factors s = factors_of(value[c + k]);
      y[i + k] = x[i + k] * factor * s.first * s.second;
    }
    i += m;
  }
}

// Each element rounded up or down to a whole number, at random, so that the mean is the element. Number `e` of a tensor takes word
// e / 16 % 4 of counter 16 (at + e / 64) + e % 16, as dropout does.
static void stage_round(float* y, const float* x, int64_t from, int n, float factor, const Stage& s, int64_t at,
                        const Context& ctx) {
  alignas(64) float draw[kChunk + 128];
  int32_t lanes[L];
  for (int k = 0; k < L; k++) lanes[k] = k;
  const I lane = iload(lanes);
  const int64_t group = from / 64, skip = from - group * 64;
  const uint32_t attempt = (uint32_t)ctx.attempt, tag = 0x726e6420u ^ (uint32_t)(ctx.attempt >> 32);
  for (int64_t g = 0; g * 64 < skip + n; g++) {
    const Philox r = philox(iadd(iset1((int32_t)(16 * (at + group + g))), lane), attempt, tag, (uint32_t)s.key, ctx.seed);
    for (int w = 0; w < 4; w++) store(draw + 64 * g + 16 * w, mul(to_float(ishr<8>(r.word[w])), set1(0x1p-24f)));
  }
  const F f = set1(factor), one = set1(1.0f), whole = set1(0x1p23f);
  for (int i = 0; i < n; i += L) {
    const int m = n - i < L ? n - i : L;
    const F v = mul(load_n(x + i, m), f);
    F down = round(v);
    down = select(lt(v, down), sub(down, one), down);
    const F r = select(lt(load(draw + skip + i), sub(v, down)), add(down, one), down);
    store_n(y + i, select(lt(abs(v), whole), r, v), m);   // beyond 2^23 every number is whole; a NaN stays
  }
}

// g / (1 + |g| / c), from the smaller quotient so that nothing overflows. c = 0 gives 0, c = infinity g.
static inline F soft(F g, F c) {
  const F a = abs(g), one = set1(1.0f);
  const M near = le(a, c);
  const M usual = mand(lt(set1(0.0f), c), lt(c, set1(__builtin_inff())));
  if (mbits(mand(near, usual)) == (1 << L) - 1) return div(g, add(one, div(a, c)));   // what is left of the below
  const F small = select(near, a, c), large = select(near, c, a);
  const F r = div(select(near, g, with_sign(c, sign_of(g))), add(one, div(small, large)));
  return select(mor(eq(a, set1(0.0f)), eq(c, set1(__builtin_inff()))), g, select(eq(g, g), r, g));
}
// tanh_f for |x| < 0.17, where the power of two in it is 1: the same bits.
static inline F tanh_near(F x) {
  const F a = abs(x), r = add(a, a), e = fma(poly_f(r, kExpF), mul(r, r), r);
  return with_sign(div(e, add(e, set1(2.0f))), sign_of(x));
}
// c tanh(g / c). c = 0 gives 0, c = infinity g.
static inline F soft_tanh(F g, F c) {
  const F x = div(g, c), r = mul(c, mbits(lt(abs(x), set1(0.17f))) == (1 << L) - 1 ? tanh_near(x) : tanh_f(x));
  return select(mor(eq(g, set1(0.0f)), eq(c, set1(__builtin_inff()))), g, select(eq(g, g), r, g));
}

// What a chain makes of x * factor.
static void stage_map(float* y, const float* x, int n, float factor, const Stage& s) {
  alignas(64) char memory[kChainMost];
  Chain chain = chain_of(s.unit);
  chain_begin(chain, memory, s.a, kTileWrite);
  chain_tiles(chain, &x, &y, n, 0, factor, x, 0);
}

// Apply the stages to n <= kChunk elements of tensor number `tensor`, from element `from` of it on; `buffer` holds kChunk floats. A scale
// alone costs no pass.
static Staged apply_stages(const Stages& stages, int64_t tensor, int64_t from, const float* g, int n, float* buffer) {
  Staged r = {g, 1.0f, false};
  for (int64_t i = 0; i < stages.n; i++) {
    const Stage& s = stages.stage[i];
    const int64_t at = s.at[tensor];
    if (at < 0) continue;
    const F zero = set1(0.0f);
    switch (s.kind) {
      case kScale: {
        const Factors f = factors_of(s.a[at]);
        if (f.first == 1.0f && f.second == 1.0f) continue;
        r = flush(r, n, buffer);
        r.factor = f.first;
        r = flush(r, n, buffer);
        r.factor = f.second;
        continue;
      }
      case kLimit: {
        // min and max give their second argument when either is NaN, so a NaN stays one.
        const F lower = set1((float)s.a[at]), upper = set1((float)s.b[at]);
        stage_pass(buffer, r.x, n, r.factor, [=](F v) { return max(lower, min(upper, v)); });
        break;
      }
      case kZeroNonFinite: {
        const F largest = set1(__FLT_MAX__);
        int bad = 0;
        stage_pass(buffer, r.x, n, r.factor, [=, &bad](F v) {
          const M finite = le(abs(v), largest);
          bad |= mbits(mnot(finite));
          return select(finite, v, zero);
        });
        r.bad |= bad != 0;
        break;
      }
      case kSign: {
        const F one = set1(1.0f), minus = set1(-1.0f);
        stage_pass(buffer, r.x, n, r.factor, [=](F v) { return select(lt(zero, v), one, select(lt(v, zero), minus, v)); });
        break;
      }
      case kShrinkAbove: {
        const F above = set1((float)s.a[at]), by = set1((float)s.b[at]);
        stage_pass(buffer, r.x, n, r.factor,
                   [=](F v) { return select(lt(above, abs(v)), select(eq(by, zero), zero, mul(v, by)), v); });
        break;
      }
      case kZeroBelow: {
        const F least = set1((float)s.a[at]);
        stage_pass(buffer, r.x, n, r.factor, [=](F v) { return select(lt(abs(v), least), zero, v); });
        break;
      }
      case kSoft: {
        const F c = set1((float)s.a[at]);
        stage_pass(buffer, r.x, n, r.factor, [=](F v) { return soft(v, c); });
        break;
      }
      case kTanh: {
        const F c = set1((float)s.a[at]);
        stage_pass(buffer, r.x, n, r.factor, [=](F v) { return soft_tanh(v, c); });
        break;
      }
      case kScaleRows:
        stage_rows(buffer, r.x, from, n, r.factor, s.a + at, s.unit[tensor], [](F v, double by) {
          const Factors f = factors_of(by);
          return mul(mul(v, set1(f.first)), set1(f.second));
        });
        break;
      case kScaleColumns:
        stage_columns(buffer, r.x, from, n, r.factor, s.a + at, s.unit[tensor]);
        break;
      case kShiftRows:
        stage_rows(buffer, r.x, from, n, r.factor, s.a + at, s.unit[tensor],
                   [](F v, double by) { return sub(v, set1((float)by)); });
        break;
      case kMap:
        stage_map(buffer, r.x, n, r.factor, s);
        break;
      default:
        stage_round(buffer, r.x, from, n, r.factor, s, at, *stages.ctx);
        break;
    }
    r.x = buffer;
    r.factor = 1.0f;
  }
  return r;
}

// The tensor that chunk (or block) number `at` belongs to: start[t] <= at < start[t + 1].
static inline int64_t segment_of(const int64_t* start, int64_t n, int64_t at) {
  int64_t lo = 0, hi = n;
  while (hi - lo > 1) {
    const int64_t mid = (lo + hi) / 2;
    if (start[mid] <= at)
      lo = mid;
    else
      hi = mid;
  }
  return lo;
}

// Are `start` the running sums of ceil(size / unit), tensors with `without` set counting as empty? Also bounds every size, so that
// later products stay in range.
static bool segments_ok(const int64_t* size, const int64_t* without, const int64_t* start, int64_t n, int64_t unit) {
  if (start[0] != 0) return false;
  for (int64_t t = 0; t < n; t++) {
    if (size[t] < 0 || size[t] > Need::kMax / 4) return false;
    const int64_t size_here = without && without[t] ? 0 : size[t];
    if (start[t + 1] != start[t] + (size_here + unit - 1) / unit || start[t + 1] > Need::kMax / 64) return false;
  }
  return true;
}
}   // namespace gradclip::GRADCLIP_ISA
