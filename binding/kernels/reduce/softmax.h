// softmax.h: softmax and logSoftmax over rows, softmax-cross-entropy on integer labels, and their gradients.
// A row is reduced in 16 lanes; sums run in f64. Rows go through each phase in small blocks, so that the latency of one row's
// reduction is hidden behind its neighbors. i: rows, columns.
#pragma once
#include "../rows/indices.h"
#include "softmax_row.h"

namespace gradclip::GRADCLIP_ISA {
enum SoftmaxInts {
  kSoftmaxLines,
  kSoftmaxColumns,
  kSoftmaxLabelBytes,
  kSoftmaxIgnores,
  kSoftmaxIgnored
};                                     // rows and columns; the rest of losses of labels
constexpr int64_t kSoftmaxRows = 16;   // rows of a block

// Sum of exp(x - top); the terms go to y unless it is null.
static double softmax_sum(const float* x, float* y, int64_t n, float top) {
  D sum = dset1(0);
  for (int64_t c = 0; c < n; c += L) {
    const F e = softmax_exp(sub(softmax_load(x + c, n - c), set1(top)));
    sum = add(sum, widen(e));
    if (y) store_part(y + c, e, n - c);
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
  const int64_t n = a.i[kSoftmaxColumns];
  softmax_blocks(a.i[kSoftmaxLines], team, [&](int64_t first, int64_t rows) {
    float* y = (float*)a.out[0] + first * n;
    SoftmaxRows s;
    softmax_rows((const float*)a.in[0] + first * n, y, rows, n, s);
    for (int64_t k = 0; k < rows; k++, y += n) {
      const F sum = set1((float)s.sum[k]);
      for (int64_t c = 0; c < n; c += L) store_part(y + c, flush_f(div(softmax_load(y + c, n - c), sum)), n - c);
    }
  });
}
// y = x - max - log(sum). y may be x.
void logSoftmax(const Args& a, const Team& team) {
  const int64_t n = a.i[kSoftmaxColumns];
  softmax_blocks(a.i[kSoftmaxLines], team, [&](int64_t first, int64_t rows) {
    const float* x = (const float*)a.in[0] + first * n;
    float* y = (float*)a.out[0] + first * n;
    SoftmaxRows s;
    softmax_rows(x, nullptr, rows, n, s);
    for (int64_t k = 0; k < rows; k++, x += n, y += n) {
      const F top = set1(s.top[k]), low = set1((float)log_d(s.sum[k]));
      for (int64_t c = 0; c < n; c += L) store_part(y + c, sub(sub(softmax_load(x + c, n - c), top), low), n - c);
    }
  });
}
void softmax_need(Need& n) {
  n.in[0] = n.out[0] = size_of(n.i[kSoftmaxLines], n.i[kSoftmaxColumns], 4);
  n.alias(0, 0);
}
void logSoftmax_need(Need& n) { softmax_need(n); }

// dx = y (dy - sum(dy y)), y the softmax. ins y, dy; dx may be either.
void softmaxGrad(const Args& a, const Team& team) {
  const int64_t n = a.i[kSoftmaxColumns];
  const Range r = split(a.i[kSoftmaxLines], team);
  for (int64_t row = r.begin; row < r.end; row++) {
    const float *y = (const float*)a.in[0] + row * n, *dy = (const float*)a.in[1] + row * n;
    float* dx = (float*)a.out[0] + row * n;
    D dot = dset1(0);
    for (int64_t c = 0; c < n; c += L) dot = fma(widen(load_part(y + c, n - c)), widen(load_part(dy + c, n - c)), dot);
    const F sum = set1((float)hsum(dot));
    for (int64_t c = 0; c < n; c += L) {
      const F g = mul(load_part(y + c, n - c), sub(load_part(dy + c, n - c), sum));
      store_part(dx + c, flush_f(g), n - c);
    }
  }
}
// dx = dy - exp(y) sum(dy), y the log-softmax. ins y, dy; dx may be either.
void logSoftmaxGrad(const Args& a, const Team& team) {
  const int64_t n = a.i[kSoftmaxColumns];
  const Range r = split(a.i[kSoftmaxLines], team);
  for (int64_t row = r.begin; row < r.end; row++) {
    const float *y = (const float*)a.in[0] + row * n, *dy = (const float*)a.in[1] + row * n;
    float* dx = (float*)a.out[0] + row * n;
    D total = dset1(0);
    for (int64_t c = 0; c < n; c += L) total = add(total, widen(load_part(dy + c, n - c)));
    const F sum = set1((float)hsum(total));
    for (int64_t c = 0; c < n; c += L) {
      const F g = fma(neg(softmax_exp(load_part(y + c, n - c))), sum, load_part(dy + c, n - c));
      store_part(dx + c, flush_f(g), n - c);
    }
  }
}
void softmaxGrad_need(Need& n) {
  n.in[0] = n.in[1] = n.out[0] = size_of(n.i[kSoftmaxLines], n.i[kSoftmaxColumns], 4);
  n.alias(0, 0), n.alias(0, 1);
}
void logSoftmaxGrad_need(Need& n) { softmaxGrad_need(n); }

static double softmax_mean(const float* x, int64_t n) {
  D sum = dset1(0);
  for (int64_t c = 0; c < n; c += L) sum = add(sum, widen(load_part(x + c, n - c)));
  return hsum(sum) / (double)n;
}

// What a row of label losses weighs. Class weights (f32, one per column) are optional, and so is a label that is ignored.
// i: rows, columns, bytes of a label, whether there is an ignored label, which
struct LabelRows {
  const void* labels;
  const float* weight;
  int64_t columns, bytes, ignored;
  bool ignores;
  // The row's label; -1 where it is ignored, or none (then the run ends).
  int64_t label(const Args& a, int64_t row) const {
    const int64_t label = index_at(labels, bytes, row);
    if (ignores && label == ignored) return -1;
    return index_ok(a, row, label, columns) ? label : -1;
  }
  double of(int64_t label) const { return label < 0 ? 0 : weight ? (double)weight[label] : 1; }
};
static LabelRows label_rows(const Args& a, int labels, int weight) {
  const float* w = weight < a.n_in ? (const float*)a.in[weight] : nullptr;
  return {a.in[labels], w, a.i[kSoftmaxColumns], a.i[kSoftmaxLabelBytes], a.i[kSoftmaxIgnored], a.i[kSoftmaxIgnores] != 0};
}
static bool label_need(Need& n, int labels, int weight) {
  if (n.i[kSoftmaxLabelBytes] != 1 && n.i[kSoftmaxLabelBytes] != 4) return n.fail("labels are neither u8 nor i32"), false;
  if (n.n_in != weight && n.n_in != weight + 1) return n.fail("wrong number of inputs"), false;
  n.in[labels] = size_of(n.i[kSoftmaxLines], n.i[kSoftmaxLabelBytes]);
  if (n.n_in > weight) n.in[weight] = size_of(n.i[kSoftmaxColumns], 4);
  return true;
}

// sum(w x) of a row, in f64.
static double softmax_weighted(const float* x, const float* w, int64_t n) {
  D sum = dset1(0);
  for (int64_t c = 0; c < n; c += L) sum = fma(widen(load_part(w + c, n - c)), widen(load_part(x + c, n - c)), sum);
  return hsum(sum);
}

// loss[row] = log(sum exp(x)) - x[label], in f64; with smoothing e, x[label] becomes (1 - e) x[label] + e mean(x). With class weights w:
// (1 - e) w[label] (lse - x[label]) + e mean(w (lse - x)). 0 where the label is ignored.
// i: as of LabelRows; f: smoothing; ins x, labels, class weights. outs: losses, and if there is a second the weight of each row's label.
void softmaxCrossEntropy(const Args& a, const Team& team) {
  const int64_t n = a.i[kSoftmaxColumns];
  const LabelRows labels = label_rows(a, 1, 2);
  const double e = a.f[0], all = e != 0 && labels.weight ? softmax_mean(labels.weight, n) : 1;
  softmax_blocks(a.i[kSoftmaxLines], team, [&](int64_t first, int64_t rows) {
    const float* x = (const float*)a.in[0] + first * n;
    double* loss = (double*)a.out[0] + first;
    double* weight = a.n_out > 1 ? (double*)a.out[1] + first : nullptr;
    SoftmaxRows s;
    softmax_rows(x, nullptr, rows, n, s);
    for (int64_t k = 0; k < rows; k++) {
      const int64_t label = labels.label(a, first + k);
      const bool ok = label >= 0;
      const double top = (double)s.top[k];
      double at = ok ? (double)x[k * n + label] - top : 0;
      if (weight) weight[k] = labels.of(label);
      if (labels.weight) {
        const double lse = log_d(s.sum[k]), w = labels.of(label);
        double value = (1 - e) * w * (lse - at);
        if (e != 0) value += e * (all * (lse + top) - softmax_weighted(x + k * n, labels.weight, n) / (double)n);
        loss[k] = ok ? value : 0;
        continue;
      }
      if (e != 0) at = (1 - e) * at + e * (softmax_mean(x + k * n, n) - top);
      loss[k] = ok ? log_d(s.sum[k]) - at : 0;
    }
  });
}
void softmaxCrossEntropy_need(Need& n) {
  if (n.n_out != 1 && n.n_out != 2) return n.fail("expected one or two outputs");
  if (!label_need(n, 1, 2)) return;
  n.in[0] = size_of(n.i[kSoftmaxLines], n.i[kSoftmaxColumns], 4);
  n.out[0] = size_of(n.i[kSoftmaxLines], 8);
  if (n.n_out > 1) n.out[1] = size_of(n.i[kSoftmaxLines], 8);
}

// dx = (softmax(x) - (1 - e) onehot(label) - e / columns) dloss; with class weights
// (softmax(x) s - (1 - e) w[label] onehot(label) - e w / columns) dloss, s = (1 - e) w[label] + e mean(w). 0 where the label is ignored.
// i and f as above; ins x, labels, dloss (f64, one per row), class weights. dx may be x.
void softmaxCrossEntropyGrad(const Args& a, const Team& team) {
  const int64_t n = a.i[kSoftmaxColumns];
  const LabelRows labels = label_rows(a, 1, 3);
  const double e = a.f[0], each = e / (double)n, all = e != 0 && labels.weight ? softmax_mean(labels.weight, n) : 1;
  softmax_blocks(a.i[kSoftmaxLines], team, [&](int64_t first, int64_t rows) {
    const double* dloss = (const double*)a.in[2] + first;
    float* dx = (float*)a.out[0] + first * n;
    SoftmaxRows s;
    softmax_rows((const float*)a.in[0] + first * n, dx, rows, n, s);
    for (int64_t k = 0; k < rows; k++, dx += n) {
      const int64_t label = labels.label(a, first + k);
      if (label < 0) {
        memset(dx, 0, n * sizeof(float));
        continue;
      }
      const double w = labels.of(label), total = labels.weight ? (1 - e) * w + e * all : 1;
      const double own = labels.weight ? each * (double)labels.weight[label] : each;
      const float at = (float)(((double)dx[label] / s.sum[k] * total - (1 - e) * w - own) * dloss[k]);
      const F scale = set1((float)(total * dloss[k] / s.sum[k]));
      const F off = set1(-(float)(each * dloss[k]));
      for (int64_t c = 0; c < n; c += L) {
        const F part = load_part(dx + c, n - c);
        const F less = labels.weight ? mul(off, load_part(labels.weight + c, n - c)) : off;
        store_part(dx + c, flush_f(e != 0 ? fma(part, scale, less) : mul(part, scale)), n - c);
      }
      dx[label] = at;
    }
  });
}
void softmaxCrossEntropyGrad_need(Need& n) {
  if (!label_need(n, 1, 3)) return;
  n.in[0] = n.out[0] = size_of(n.i[kSoftmaxLines], n.i[kSoftmaxColumns], 4);
  n.in[2] = size_of(n.i[kSoftmaxLines], 8);
  n.alias(0, 0);
}

// loss[row] = -w[label] x[label], in f64, and the weights; 0 where the label is ignored. i: as of LabelRows; ins x, labels, class weights.
void nll(const Args& a, const Team& team) {
  const LabelRows labels = label_rows(a, 1, 2);
  const Range r = split(a.i[kSoftmaxLines], team);
  for (int64_t row = r.begin; row < r.end; row++) {
    const int64_t label = labels.label(a, row);
    const double w = labels.of(label);
    ((double*)a.out[0])[row] = label < 0 ? 0 : -w * (double)((const float*)a.in[0])[row * a.i[kSoftmaxColumns] + label];
    ((double*)a.out[1])[row] = w;
  }
}
void nll_need(Need& n) {
  if (!label_need(n, 1, 2)) return;
  n.in[0] = size_of(n.i[kSoftmaxLines], n.i[kSoftmaxColumns], 4);
  n.out[0] = n.out[1] = size_of(n.i[kSoftmaxLines], 8);
}
// dx = -w[label] dloss at the label, 0 elsewhere. ins labels, dloss, class weights.
void nllGrad(const Args& a, const Team& team) {
  const LabelRows labels = label_rows(a, 0, 2);
  const Range r = split(a.i[kSoftmaxLines], team);
  for (int64_t row = r.begin; row < r.end; row++) {
    float* dx = (float*)a.out[0] + row * a.i[kSoftmaxColumns];
    const int64_t label = labels.label(a, row);
    memset(dx, 0, a.i[kSoftmaxColumns] * sizeof(float));
    if (label >= 0) dx[label] = (float)(-labels.of(label) * ((const double*)a.in[1])[row]);
  }
}
void nllGrad_need(Need& n) {
  if (!label_need(n, 0, 2)) return;
  n.in[1] = size_of(n.i[kSoftmaxLines], 8);
  n.out[0] = size_of(n.i[kSoftmaxLines], n.i[kSoftmaxColumns], 4);
}
}   // namespace gradclip::GRADCLIP_ISA
