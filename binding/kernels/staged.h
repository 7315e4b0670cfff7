// staged.h: tensors written out as the stages of a policy make them.

// i: tensors, number of stages, then the stages, sizes, the first chunk of each tensor and the number of chunks. in: tensors, operands of
// the stages. out: per tensor (may be its input).
struct StagedArgs {
  int64_t n, stages;
  const int64_t *size, *start;
};
static StagedArgs staged_args(const int64_t* i) {
  StagedArgs r = {i[0], i[1], nullptr, nullptr};
  r.size = i + 2 + stages_ints(i + 2, r.stages, r.n);
  r.start = r.size + r.n;
  return r;
}
static void staged(const Args& a, const Team& team) {
  const StagedArgs s = staged_args(a.i);
  const Stages stages = stages_of(a.i + 2, s.stages, s.n, a.in + s.n, a.ctx);
  const Range r = split(s.start[s.n], team);
  int64_t t = segment_of(s.start, s.n, r.begin);
  for (int64_t c = r.begin; c < r.end; c++) {
    while (c >= s.start[t + 1]) t++;
    const int64_t from = (c - s.start[t]) * kChunk, left = s.size[t] - from;
    const int m = (int)(left < kChunk ? left : kChunk);
    const float* x = (const float*)a.in[t] + from;
    float* y = (float*)a.out[t] + from;
    const Staged made = flush(apply_stages(stages, t, from, x, m, (float*)a.local), m, (float*)a.local);
    if (made.x != y) memcpy(y, made.x, m * sizeof(float));
  }
}
static void staged_need(Need& n) {
  if (n.n_i < 3) return n.fail("expected tensors and stages");
  const int64_t count = n.i[0], steps = n.i[1];
  if (count < 1 || count > n.n_in || count != n.n_out) return n.fail("more tensors than inputs, or none");
  if (steps < 0 || steps > kMaxStages) return n.fail("too many stages");
  const int64_t ints = stages_length(n.i + 2, n.n_i - 2, steps, count);
  if (ints < 0 || n.n_i != 3 + ints + 2 * count) return n.fail("wrong number of integers");
  const StagedArgs s = staged_args(n.i);
  if (!segments_ok(s.size, nullptr, s.start, count, kChunk)) return n.fail("sizes and chunks do not agree");
  const int64_t operands = stages_need(n, n.i + 2, steps, s.size, count, count);
  if (operands < 0 || n.n_in != count + operands) return n.fail("wrong stages or number of inputs");
  for (int64_t t = 0; t < count; t++) {
    n.in[t] = n.out[t] = size_mul(s.size[t], 4);
    n.alias((int32_t)t, (int32_t)t);
  }
  n.local = kChunk * 4;
}
