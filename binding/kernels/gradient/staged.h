// staged.h: tensors written out as the stages of a policy make them, and what those take away.
#pragma once
#include "stage.h"

namespace gradclip::GRADCLIP_ISA {
enum StagedInts { kStagedTensors, kStagedSteps, kStagedStages };
// i: tensors, number of stages, then the stages, sizes, the first chunk of each tensor and the number of chunks. in: tensors, for residual
// the states to be replaced (not read), operands of the stages. out: per tensor (may be its input, or its state).
struct StagedArgs {
  int64_t n, stages;
  const int64_t *size, *start;
};
static StagedArgs staged_args(const int64_t* i) {
  StagedArgs r = {i[kStagedTensors], i[kStagedSteps], nullptr, nullptr};
  r.size = i + kStagedStages + stages_ints(i + kStagedStages, r.stages, r.n);
  r.start = r.size + r.n;
  return r;
}
// Each chunk: y = finish(what the stages make of x, x), element by element.
template <class F>
static void staged_chunks(const Args& a, const Team& team, int64_t first_operand, F finish) {
  const StagedArgs s = staged_args(a.i);
  const Stages stages = stages_of(a.i + kStagedStages, s.stages, s.n, a.in + first_operand, a.ctx);
  const Range r = split(s.start[s.n], team);
  int64_t t = segment_of(s.start, s.n, r.begin);
  for (int64_t c = r.begin; c < r.end; c++) {
    while (c >= s.start[t + 1]) t++;
    const int64_t from = (c - s.start[t]) * kChunk, left = s.size[t] - from;
    const int m = (int)(left < kChunk ? left : kChunk);
    const float* x = (const float*)a.in[t] + from;
    const Staged made = flush(apply_stages(stages, t, from, x, m, (float*)a.local), m, (float*)a.local);
    finish((float*)a.out[t] + from, made.x, x, m);
  }
}
void staged(const Args& a, const Team& team) {
  staged_chunks(a, team, a.i[kStagedTensors], [](float* y, const float* made, const float*, int m) {
    if (made != y) memcpy(y, made, m * sizeof(float));
  });
}
void residual(const Args& a, const Team& team) {
  staged_chunks(a, team, 2 * a.i[kStagedTensors], [](float* y, const float* made, const float* x, int m) {
    int i = 0;
    for (; i + L <= m; i += L) store(y + i, sub(load(x + i), load(made + i)));
    if (i < m) store_n(y + i, sub(load_n(x + i, m - i), load_n(made + i, m - i)), m - i);
  });
}

// `states`: tensors that the outputs may replace stand behind the others.
static void staged_check(Need& n, int64_t states) {
  if (n.n_i <= kStagedStages) return n.fail("expected tensors and stages");
  const int64_t count = n.i[kStagedTensors], steps = n.i[kStagedSteps], tensors = count * (1 + states);
  if (count < 1 || count > n.n_in || tensors > n.n_in || count != n.n_out) return n.fail("more tensors than inputs, or none");
  if (steps < 0 || steps > kMaxStages) return n.fail("too many stages");
  const int64_t ints = stages_length(n.i + kStagedStages, n.n_i - kStagedStages, steps, count);
  if (ints < 0 || n.n_i != kStagedStages + ints + 2 * count + 1) return n.fail("wrong number of integers");
  const StagedArgs s = staged_args(n.i);
  if (!segments_ok(s.size, nullptr, s.start, count, kChunk)) return n.fail("sizes and chunks do not agree");
  const int64_t operands = stages_need(n, n.i + kStagedStages, steps, s.size, count, tensors);
  if (operands < 0 || n.n_in != tensors + operands) return n.fail("wrong stages or number of inputs");
  for (int64_t t = 0; t < count; t++) {
    n.in[t] = n.in[states * count + t] = n.out[t] = size_mul(s.size[t], 4);
    n.alias((int32_t)t, (int32_t)(states * count + t));
  }
  n.local = kChunk * 4;
}
void staged_need(Need& n) { staged_check(n, 0); }
void residual_need(Need& n) { staged_check(n, 1); }
}   // namespace gradclip::GRADCLIP_ISA
