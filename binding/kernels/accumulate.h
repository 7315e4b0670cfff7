// accumulate.h: sums over the micro-batches of a step. Twin: ops/accumulate.ts.

// out = first ? value : sum + value, divided by the number of micro-batches on the last. ints: elements, f64 (0 or 1).
template <class T>
static void accumulate_range(T* out, const T* sum, const T* value, Range r, bool first, bool last, int32_t micros) {
  for (int64_t k = r.begin; k < r.end; k++) {
    T t = first ? value[k] : sum[k] + value[k];
    out[k] = last ? t / (T)micros : t;
  }
}

void accumulate_need(Need& n) {
  if (n.i[0] < 0 || n.i[1] < 0 || n.i[1] > 1) return n.fail("elements must be >= 0 and f64 0 or 1");
  const int64_t bytes = size_of(n.i[0], n.i[1] ? 8 : 4);
  n.out[0] = n.in[0] = n.in[1] = bytes;
  n.alias(0, 0);
}

void accumulate(const Args& a, const Team& team) {
  const Range r = split(a.i[0], team);
  const bool first = a.ctx->micro == 0, last = a.ctx->micro == a.ctx->micros - 1;
  if (a.i[1])
    accumulate_range((double*)a.out[0], (const double*)a.in[0], (const double*)a.in[1], r, first, last, a.ctx->micros);
  else
    accumulate_range((float*)a.out[0], (const float*)a.in[0], (const float*)a.in[1], r, first, last, a.ctx->micros);
}
