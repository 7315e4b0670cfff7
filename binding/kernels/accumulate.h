// accumulate.h: what goes from one micro-batch of a step to the next. Twin: ops/accumulate.ts.

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

static void carry_from(const Args& a, const Team& team, int input) {
  const Range r = split(a.i[0], team);
  const char* from = (const char*)a.in[input];
  char* to = (char*)a.out[0];
  if (to != from) memcpy(to + r.begin, from + r.begin, (size_t)(r.end - r.begin));
}
// out = in[0] in the first micro-batch of a step, in[1] in the others. ints: bytes
void carry(const Args& a, const Team& team) { carry_from(a, team, a.ctx->micro == 0 ? 0 : 1); }
void carry_need(Need& n) {
  n.out[0] = n.in[0] = n.in[1] = size_of(n.i[0], 1);
  n.alias(0, 1);
}
// out = in[1], written over in[0]. ints: bytes
void leave(const Args& a, const Team& team) { carry_from(a, team, 1); }
void leave_need(Need& n) {
  n.out[0] = n.in[0] = n.in[1] = size_of(n.i[0], 1);
  n.alias(0, 0);
}
