// update.h: optimizer updates. Each gradient is read once, chunk by chunk, through the stages of the clip policy, and fed to a small struct
// per optimizer (rules/) by the loop of update_loop.h.
#pragma once
#include "update_loop.h"

namespace gradclip::GRADCLIP_ISA {
// A gradient of which only some rows are kept (scatter_rows.h). `row` is 0 where it is dense.
struct Rows {
  const int32_t* at;    // per row of the parameter: which row of the values, anything else for none
  int64_t row, count;   // elements of a row, rows of the values
};
alignas(64) static const float kZeros[kChunk] = {};

// Elements [from, from + n) of such a gradient, written out in `buffer` where a row falls among them.
static const float* rows_chunk(const Rows& r, const float* values, int64_t from, int n, float* buffer) {
  bool any = false;
  int64_t v = from / r.row, c = from % r.row;
  for (int64_t i = 0; i < n; v++, c = 0) {
    const int64_t m = r.row - c < n - i ? r.row - c : n - i;
    const uint32_t u = (uint32_t)r.at[v];
    if (u < (uint64_t)r.count) {
      if (!any) memset(buffer, 0, n * sizeof(float));
      any = true;
      memcpy(buffer + i, values + u * r.row + c, m * sizeof(float));
    }
    i += m;
  }
  return any ? buffer : kZeros;
}

enum UpdateInts { kUpdateVariant, kUpdateTensors, kUpdateMeasure, kUpdateSteps, kUpdateStages };
// i: variant, tensors, measure (0, 1 or 2), number of stages, then the stages, sizes, the first chunk of each tensor and the number of
// chunks, and per tensor the elements of a row and the rows of a gradient of rows, 0 and 0 of a dense one; then whether there are bounds,
// and per tensor whether it has a mask (finish.h).
// in: parameters, gradients, each slot of all tensors, hyper row (f64), a number of each tensor if the rule reads one (f64), operands of
// the stages, bounds and masks, `at` of each gradient of rows.
// out: parameters and slots (each may be its input), the sums of each tensor that the rule makes (f64), then if measured the sum of
// squares after the stages, the number changed, and where measure is 2 the sum of squares before.
struct UpdateArgs {
  int64_t variant, n, measure, stages;
  const int64_t *size, *start, *row, *rows, *bounded, *masked;
};
static UpdateArgs update_args(const int64_t* i) {
  UpdateArgs r = {i[kUpdateVariant], i[kUpdateTensors], i[kUpdateMeasure], i[kUpdateSteps], nullptr,
                  nullptr,           nullptr,           nullptr,           nullptr,         nullptr};
  r.size = i + kUpdateStages + stages_ints(i + kUpdateStages, r.stages, r.n);
  r.start = r.size + r.n;
  r.row = r.start + r.n + 1;
  r.rows = r.row + r.n;
  r.bounded = r.rows + r.n;
  r.masked = r.bounded + 1;
  return r;
}

// A rule as the loop sees it: the loop itself is compiled once for all of them.
struct RuleInfo {
  int hyper, slots, each, sums;
  int before;                                                     // integers before those of the update
  bool direct;                                                    // a stage that is the only one, and cheap, may be left to it
  bool (*make)(void* rule, const Args& a, const double* hyper);   // true: it is idle in this step
  void (*tensor)(void* rule, double number);
  void (*chunk)(const void* rule, const Chunk& c);
};
template <class R>
static bool rule_make(void* rule, const Args&, const double* hyper) {
  const R made(*(const typename R::Hyper*)hyper);
  memcpy(rule, &made, sizeof(R));
  return made.idle();
}
template <class R>
static void rule_tensor(void* rule, double number) {
  ((R*)rule)->tensor(number);
}
template <class R>
static constexpr RuleInfo rule_info() {
  static_assert(R::kSlots <= kMaxSlots && R::kSums <= kMaxSums && sizeof(R) <= kRuleBytes,
                "a larger rule than the loop has room for");
  return {(int)(sizeof(typename R::Hyper) / sizeof(double)),
          R::kSlots,
          R::kEach,
          R::kSums,
          0,
          true,
          rule_make<R>,
          rule_tensor<R>,
          update_chunk<R>};
}

static bool in_place(const Args& a, int64_t n, int slots) {
  for (int64_t o = 0; o < n * (1 + slots); o++)
    if (a.out[o] != a.in[o < n ? o : o + n]) return false;
  return true;
}
static bool has_finish(const UpdateArgs& u) {
  bool any = *u.bounded != 0;
  for (int64_t t = 0; t < u.n; t++) any |= u.masked[t] != 0;
  return any;
}

static void update_run(const Args& a, const Team& team, const RuleInfo& info) {
  const int64_t* const i = a.i + info.before;
  const UpdateArgs u = update_args(i);
  const int64_t n = u.n;
  const void* const* rest = a.in + n * (2 + info.slots);
  alignas(64) char rule[kRuleBytes];
  if (info.make(rule, a, (const double*)rest[0]) && in_place(a, n, info.slots) && !u.measure && !has_finish(u)) return;
  const double* each = (const double*)rest[info.each];
  rest += info.each;
  const Stages stages = stages_of(i + kUpdateStages, u.stages, n, rest + 1, a.ctx);
  int64_t operands = 0;
  for (int64_t k = 0; k < u.stages; k++) operands += stage_operands(stages.stage[k].kind);
  const Finish finish = finish_of(*u.bounded, u.masked, n, rest + 1 + operands);
  Measured* measured = (Measured*)a.scratch;
  double* sums = (double*)(measured + (u.measure ? u.start[n] : 0));   // of each chunk
  const bool direct = info.direct && u.stages == 1 && Direct::can(stages.stage[0].kind);
  const Range r = split(u.start[n], team);
  int64_t t = segment_of(u.start, n, r.begin);
  int64_t at = a.n_in;   // of the first gradient of rows from tensor t on
  for (int64_t k = t; k < n; k++) at -= u.row[k] > 0;
  const void* const* mask = finish.mask;   // of the first tensor with a mask from t on
  for (int64_t k = 0; k < t; k++) mask += u.masked[k];
  for (int64_t c = r.begin; c < r.end; c++) {
    for (; c >= u.start[t + 1]; t++) at += u.row[t] > 0, mask += u.masked[t];
    const int64_t from = (c - u.start[t]) * kChunk, left = u.size[t] - from;
    const int m = (int)(left < kChunk ? left : kChunk);
    Chunk chunk;
    chunk.n = m;
    chunk.ahead = ahead_of(left);
    chunk.p = (const float*)a.in[t] + from;
    chunk.p_out = (float*)a.out[t] + from;
    chunk.sums = sums + c * info.sums;
    for (int k = 0; k < info.slots; k++) {
      chunk.slot[k] = (const float*)a.in[(2 + k) * n + t] + from;
      chunk.slot_out[k] = (float*)a.out[(1 + k) * n + t] + from;
    }
    const float* raw = (const float*)a.in[n + t];
    if (u.row[t] > 0)
      raw = rows_chunk({(const int32_t*)a.in[at], u.row[t], u.rows[t]}, raw, from, m, (float*)a.local + kChunk);
    else
      raw += from;
    chunk.raw = raw;
    chunk.staged = {raw, 1.0f, false};
    chunk.direct.kind = -1;
    chunk.measured = u.measure ? measured + c : nullptr;
    chunk.before = u.measure > 1;
    if (direct && stages.stage[0].at[t] >= 0) {
      const Stage& stage = stages.stage[0];
      const int64_t of = stage.at[t];
      chunk.direct = {stage.kind, stage.a ? (float)stage.a[of] : 0, stage.b ? (float)stage.b[of] : 0};
    } else {
      chunk.staged = apply_stages(stages, t, from, raw, m, (float*)a.local);
      if (u.measure) {
        chunk.staged = flush(chunk.staged, m, (float*)a.local);
        measured[c] = u.measure > 1 ? measure_chunk<true>(chunk.staged, raw, m) : measure_chunk<false>(chunk.staged, raw, m);
      }
    }
    if (info.each) info.tensor(rule, each[t]);
    info.chunk(rule, chunk);
    if (finish.any) finish_chunk(finish, t, u.masked[t] ? *mask : nullptr, from, m, chunk.p_out);
  }
  if (!u.measure && !info.sums) return;
  team.barrier();
  if (team.rank != 0) return;
  void* const* out = a.out + n * (1 + info.slots);
  for (int k = 0; k < info.sums; k++) {
    for (t = 0; t < n; t++) {
      double sum = 0;
      for (int64_t c = u.start[t]; c < u.start[t + 1]; c++) sum += sums[c * info.sums + k];
      ((double*)out[k])[t] = sum;
    }
  }
  if (!u.measure) return;
  Measured sum = {0, 0, 0};
  for (int64_t c = 0; c < u.start[n]; c++) {
    sum.before += measured[c].before;
    sum.after += measured[c].after;
    sum.changed += measured[c].changed;
  }
  out += info.sums;
  *(double*)out[0] = sum.after;
  *(double*)out[1] = sum.changed;
  if (u.measure > 1) *(double*)out[2] = sum.before;
}

static void update_check(Need& n, const RuleInfo& info) {
  const int64_t *const i = n.i + info.before, n_i = n.n_i - info.before;
  if (n_i <= kUpdateStages) return n.fail("expected variant, tensors, measure and stages");
  const int64_t count = i[kUpdateTensors], measure = i[kUpdateMeasure], steps = i[kUpdateSteps];
  if (count < 1 || count > n.n_in) return n.fail("more tensors than inputs, or none");
  if (measure < 0 || measure > 2) return n.fail("no such measure");
  const int64_t numbers = measure > 0 ? 1 + measure : 0;
  if (steps < 0 || steps > kMaxStages) return n.fail("too many stages");
  const int64_t ints = stages_length(i + kUpdateStages, n_i - kUpdateStages, steps, count);
  if (ints < 0 || n_i != kUpdateStages + ints + 5 * count + 2) return n.fail("wrong number of integers");
  const UpdateArgs u = update_args(i);
  if (!segments_ok(u.size, nullptr, u.start, count, kChunk)) return n.fail("sizes and chunks do not agree");
  const int64_t arrays = count * (2 + info.slots), outs = count * (1 + info.slots);
  const int64_t staged = arrays + 1 + info.each;
  if (n.n_in < staged || n.n_out != outs + info.sums + numbers) return n.fail("wrong number of inputs or outputs");
  for (int64_t k = 0; k < arrays; k++) n.in[k] = size_mul(u.size[k % count], 4);
  n.in[arrays] = info.hyper * 8;
  if (info.each) n.in[arrays + 1] = count * 8;
  const int64_t operands = stages_need(n, i + kUpdateStages, steps, u.size, count, staged);
  if (operands < 0) return n.fail("wrong stages");
  const int64_t finish = finish_need(n, *u.bounded, u.masked, u.size, count, staged + operands);
  if (finish < 0) return n.fail("wrong bounds or masks");
  int64_t at = staged + operands + finish;
  for (int64_t t = 0; t < count; t++) {
    const int64_t row = u.row[t], rows = u.rows[t];
    if (row == 0) continue;
    if (row < 0 || rows < 0 || rows > UINT32_MAX || u.size[t] % row) return n.fail("the parameter does not consist of such rows");
    if (at >= n.n_in) return n.fail("too few inputs");
    n.in[count + t] = size_mul(size_mul(row, rows), 4);
    n.in[at++] = size_mul(u.size[t] / row, 4);
  }
  if (n.n_in != at) return n.fail("wrong number of inputs");
  for (int64_t o = 0; o < outs; o++) {
    n.out[o] = size_mul(u.size[o % count], 4);
    n.alias((int32_t)o, (int32_t)(o < count ? o : o + count));   // parameters skip over the gradients
  }
  for (int64_t o = outs; o < n.n_out; o++) n.out[o] = o < outs + info.sums ? count * 8 : 8;
  n.scratch = size_mul(u.start[count], (measure ? sizeof(Measured) : 0) + info.sums * sizeof(double));
  n.local = 2 * kChunk * 4;
}

// The kernel of a family of rules: the first integer says which of them it is.
template <class First, class... Others>
struct Variants {
  static constexpr bool same(const char* a, const char* b) {
    for (; *a && *a == *b; a++) b++;
    return *a == *b;
  }
  static_assert((same(First::kHyperNames, Others::kHyperNames) && ...), "variants have one row of hyper-parameters");
  static const char* hyper() { return First::kHyperNames; }
  static constexpr RuleInfo kEach[] = {rule_info<First>(), rule_info<Others>()...};
  static void run(const Args& a, const Team& team) { update_run(a, team, kEach[a.i[kUpdateVariant]]); }
  static void need(Need& n) {
    if (n.n_i < 1 || n.i[kUpdateVariant] < 0 || n.i[kUpdateVariant] >= 1 + (int64_t)sizeof...(Others))
      return n.fail("no such variant");
    update_check(n, kEach[n.i[kUpdateVariant]]);
  }
};
#define UPDATE(name, ...)                                                             \
  void name(const Args& a, const Team& team) { Variants<__VA_ARGS__>::run(a, team); } \
  void name##_need(Need& n) { Variants<__VA_ARGS__>::need(n); }                       \
  const char* name##_hyper() { return Variants<__VA_ARGS__>::hyper(); }
}   // namespace gradclip::GRADCLIP_ISA
