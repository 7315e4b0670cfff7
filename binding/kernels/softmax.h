// softmax.h: softmax and logSoftmax over rows, softmax-cross-entropy on integer labels, and their gradients.
// A row is reduced in 16 lanes; sums run in f64. Rows go through each phase in small blocks, so that the latency of one row's
// reduction is hidden behind its neighbours. i: rows, columns.

constexpr int64_t kSoftmaxRows = 16;   // rows of a block

// The first n lanes of x; the others -infinity, which softmax_exp turns into 0.
INLINE F softmax_load(const float* x, int64_t n) {
  if (n >= L) return load(x);
  M first;
  for (int i = 0; i < NR; i++) first.v[i] = r_mfirst((int)n - W * i);
  return select(first, load_n(x, (int)n), set1(-__builtin_inff()));
}
INLINE void softmax_store(float* y, F v, int64_t n) { n >= L ? store(y, v) : store_n(y, v, (int)n); }

static float softmax_max(const float* x, int64_t n) {
  F top = set1(-__builtin_inff());
  for (int64_t c = 0; c < n; c += L) top = max(softmax_load(x + c, n - c), top);   // this order skips NaN: the sum shows it
  float t[L];
  store(t, top);
  for (int w = L / 2; w > 0; w /= 2)
    for (int i = 0; i < w; i++) t[i] = t[i] > t[i + w] ? t[i] : t[i + w];
  return t[0];
}
// Sum of exp(x - top); the terms go to y unless it is null.
static double softmax_sum(const float* x, float* y, int64_t n, float top) {
  D sum = dset1(0);
  for (int64_t c = 0; c < n; c += L) {
    const F e = softmax_exp(sub(softmax_load(x + c, n - c), set1(top)));
    sum = add(sum, widen(e));
    if (y) softmax_store(y + c, e, n - c);
  }
  return hsum(sum);
}

// Largest element and sum of exponentials of the rows of a block.
struct SoftmaxRows {
  float top[kSoftmaxRows];
  double sum[kSoftmaxRows];
};
static void softmax_rows(const float* x, float* y, int64_t rows, int64_t n, SoftmaxRows& s) {
  for (int64_t k = 0; k < rows; k++) s.top[k] = softmax_max(x + k * n, n);
  for (int64_t k = 0; k < rows; k++) s.sum[k] = softmax_sum(x + k * n, y ? y + k * n : nullptr, n, s.top[k]);
}
// Calls f(first row, rows) for the thread's rows, block by block.
template <typename Fn>
INLINE void softmax_blocks(int64_t rows, const Team& team, Fn f) {
  const Range r = split(rows, team);
  for (int64_t k = r.begin; k < r.end; k += kSoftmaxRows) f(k, r.end - k < kSoftmaxRows ? r.end - k : kSoftmaxRows);
}

// y = exp(x - max) / sum. y may be x.
void softmax(const Args& a, const Team& team) {
  const int64_t n = a.i[1];
  softmax_blocks(a.i[0], team, [&](int64_t first, int64_t rows) {
    float* y = (float*)a.out[0] + first * n;
    SoftmaxRows s;
    softmax_rows((const float*)a.in[0] + first * n, y, rows, n, s);
    for (int64_t k = 0; k < rows; k++, y += n) {
      const F sum = set1((float)s.sum[k]);
      for (int64_t c = 0; c < n; c += L) softmax_store(y + c, div(softmax_load(y + c, n - c), sum), n - c);
    }
  });
}
// y = x - max - log(sum). y may be x.
void logSoftmax(const Args& a, const Team& team) {
  const int64_t n = a.i[1];
  softmax_blocks(a.i[0], team, [&](int64_t first, int64_t rows) {
    const float* x = (const float*)a.in[0] + first * n;
    float* y = (float*)a.out[0] + first * n;
    SoftmaxRows s;
    softmax_rows(x, nullptr, rows, n, s);
    for (int64_t k = 0; k < rows; k++, x += n, y += n) {
      const F top = set1(s.top[k]), low = set1((float)log_d(s.sum[k]));
      for (int64_t c = 0; c < n; c += L) softmax_store(y + c, sub(sub(softmax_load(x + c, n - c), top), low), n - c);
    }
  });
}
void softmax_need(Need& n) {
  n.in[0] = n.out[0] = size_of(n.i[0], n.i[1], 4);
  n.alias(0, 0);
}
void logSoftmax_need(Need& n) { softmax_need(n); }

// The part of a row from c on, zero beyond its end.
INLINE F softmax_part(const float* x, int64_t n) { return n >= L ? load(x) : load_n(x, (int)n); }

// dx = y (dy - sum(dy y)), y the softmax. ins y, dy; dx may be either.
void softmaxGrad(const Args& a, const Team& team) {
  const int64_t n = a.i[1];
  const Range r = split(a.i[0], team);
  for (int64_t row = r.begin; row < r.end; row++) {
    const float *y = (const float*)a.in[0] + row * n, *dy = (const float*)a.in[1] + row * n;
    float* dx = (float*)a.out[0] + row * n;
    D dot = dset1(0);
    for (int64_t c = 0; c < n; c += L) dot = fma(widen(softmax_part(y + c, n - c)), widen(softmax_part(dy + c, n - c)), dot);
    const F sum = set1((float)hsum(dot));
    for (int64_t c = 0; c < n; c += L) {
      const F g = mul(softmax_part(y + c, n - c), sub(softmax_part(dy + c, n - c), sum));
      softmax_store(dx + c, g, n - c);
    }
  }
}
// dx = dy - exp(y) sum(dy), y the log-softmax. ins y, dy; dx may be either.
void logSoftmaxGrad(const Args& a, const Team& team) {
  const int64_t n = a.i[1];
  const Range r = split(a.i[0], team);
  for (int64_t row = r.begin; row < r.end; row++) {
    const float *y = (const float*)a.in[0] + row * n, *dy = (const float*)a.in[1] + row * n;
    float* dx = (float*)a.out[0] + row * n;
    D total = dset1(0);
    for (int64_t c = 0; c < n; c += L) total = add(total, widen(softmax_part(dy + c, n - c)));
    const F sum = set1((float)hsum(total));
    for (int64_t c = 0; c < n; c += L) {
      const F g = fma(neg(softmax_exp(softmax_part(y + c, n - c))), sum, softmax_part(dy + c, n - c));
      softmax_store(dx + c, g, n - c);
    }
  }
}
void softmaxGrad_need(Need& n) {
  n.in[0] = n.in[1] = n.out[0] = size_of(n.i[0], n.i[1], 4);
  n.alias(0, 0), n.alias(0, 1);
}
void logSoftmaxGrad_need(Need& n) { softmaxGrad_need(n); }

static double softmax_mean(const float* x, int64_t n) {
  D sum = dset1(0);
  for (int64_t c = 0; c < n; c += L) sum = add(sum, widen(softmax_part(x + c, n - c)));
  return hsum(sum) / (double)n;
}

// loss[row] = log(sum exp(x)) - x[label], in f64; with smoothing e, x[label] becomes (1 - e) x[label] + e mean(x).
// i: rows, columns, bytes of a label; f: smoothing; ins x, labels
void softmaxCrossEntropy(const Args& a, const Team& team) {
  const int64_t n = a.i[1];
  softmax_blocks(a.i[0], team, [&](int64_t first, int64_t rows) {
    const float* x = (const float*)a.in[0] + first * n;
    double* loss = (double*)a.out[0] + first;
    SoftmaxRows s;
    softmax_rows(x, nullptr, rows, n, s);
    for (int64_t k = 0; k < rows; k++) {
      const int64_t label = index_at(a.in[1], a.i[2], first + k);
      const bool ok = index_ok(a, first + k, label, n);
      double at = ok ? (double)x[k * n + label] - (double)s.top[k] : 0;
      if (a.f[0] != 0) at = (1 - a.f[0]) * at + a.f[0] * (softmax_mean(x + k * n, n) - (double)s.top[k]);
      loss[k] = ok ? log_d(s.sum[k]) - at : 0;
    }
  });
}
void softmaxCrossEntropy_need(Need& n) {
  if (n.i[2] != 1 && n.i[2] != 4) return n.fail("labels are neither u8 nor i32");
  n.in[0] = size_of(n.i[0], n.i[1], 4);
  n.in[1] = size_of(n.i[0], n.i[2]);
  n.out[0] = size_of(n.i[0], 8);
}

// dx = (softmax(x) - (1 - e) onehot(label) - e / columns) dloss. i and f as above; ins x, labels, dloss (f64, one per row). dx may be x.
void softmaxCrossEntropyGrad(const Args& a, const Team& team) {
  const int64_t n = a.i[1];
  softmax_blocks(a.i[0], team, [&](int64_t first, int64_t rows) {
    const double* dloss = (const double*)a.in[2] + first;
    const double e = a.f[0], each = e / (double)n;
    float* dx = (float*)a.out[0] + first * n;
    SoftmaxRows s;
    softmax_rows((const float*)a.in[0] + first * n, dx, rows, n, s);
    for (int64_t k = 0; k < rows; k++, dx += n) {
      const int64_t label = index_at(a.in[1], a.i[2], first + k);
      const bool ok = index_ok(a, first + k, label, n);
      const float at = ok ? (float)(((double)dx[label] / s.sum[k] - (1 - e) - each) * dloss[k]) : 0.f;
      const F scale = set1((float)(dloss[k] / s.sum[k]));
      const F off = set1(-(float)(each * dloss[k]));
      for (int64_t c = 0; c < n; c += L) {
        const F part = softmax_part(dx + c, n - c);
        softmax_store(dx + c, e != 0 ? fma(part, scale, off) : mul(part, scale), n - c);
      }
      if (ok) dx[label] = at;
    }
  });
}
void softmaxCrossEntropyGrad_need(Need& n) {
  if (n.i[2] != 1 && n.i[2] != 4) return n.fail("labels are neither u8 nor i32");
  n.in[0] = n.out[0] = size_of(n.i[0], n.i[1], 4);
  n.in[1] = size_of(n.i[0], n.i[2]);
  n.in[2] = size_of(n.i[0], 8);
  n.alias(0, 0);
}
