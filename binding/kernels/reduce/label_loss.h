// label_loss.h: softmax-cross-entropy of rows of logits on integer labels, and its gradient: what the kernels of several units share.
// A row is reduced in 16 lanes; sums run in f64. Rows go through each phase in small blocks, so that the latency of one row's
// reduction is hidden behind its neighbors.
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
// Calls f(first row, rows) for the thread's rows of n elements, block by block. A long row stays in a cache by itself alone.
template <typename Fn>
INLINE void softmax_blocks(int64_t rows, int64_t n, const Team& team, Fn f) {
  const int64_t block = n > 4096 ? 1 : kSoftmaxRows;
  const Range r = split(rows, team);
  for (int64_t k = r.begin; k < r.end; k += block) f(k, r.end - k < block ? r.end - k : block);
}

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

// The loss of a row of logits and its gradient. loss = log(sum exp(x)) - x[label], in f64; with smoothing e, x[label] becomes
// (1 - e) x[label] + e mean(x). With class weights w: (1 - e) w[label] (lse - x[label]) + e mean(w (lse - x)). 0 where the label is ignored.
// dx = (softmax(x) - (1 - e) onehot(label) - e / columns) dloss; with class weights
// (softmax(x) s - (1 - e) w[label] onehot(label) - e w / columns) dloss, s = (1 - e) w[label] + e mean(w). 0 where the label is ignored.
struct LabelLoss {
  LabelRows labels;
  int64_t n;
  double e, each, all;
  LabelLoss(const LabelRows& rows, double smoothing)
      : labels(rows),
        n(rows.columns),
        e(smoothing),
        each(e / (double)n),
        all(e != 0 && rows.weight ? softmax_mean(rows.weight, n) : 1) {}

  // What the loss takes of a row's logits, beside their largest and the sum of exponentials, which may be put in their place.
  struct Taken {
    double at, spread;
  };
  Taken take(const float* x, int64_t label, double top) const {
    const double at = label < 0 ? 0 : (double)x[label] - top;
    if (e == 0) return {at, 0};
    if (labels.weight) return {at, softmax_weighted(x, labels.weight, n) / (double)n};
    return {(1 - e) * at + e * (softmax_mean(x, n) - top), 0};
  }
  double loss(Taken x, int64_t label, double top, double sum) const {
    if (label < 0) return 0;
    if (!labels.weight) return log_d(sum) - x.at;
    const double lse = log_d(sum), value = (1 - e) * labels.of(label) * (lse - x.at);
    return e == 0 ? value : value + e * (all * (lse + top) - x.spread);
  }
  // dx: the exponentials, which become the gradient.
  void gradient(float* dx, int64_t label, double sum, double dloss) const {
    if (label < 0) {
      memset(dx, 0, n * sizeof(float));
      return;
    }
    const double w = labels.of(label), total = labels.weight ? (1 - e) * w + e * all : 1;
    const double own = labels.weight ? each * (double)labels.weight[label] : each;
    const float at = (float)(((double)dx[label] / sum * total - (1 - e) * w - own) * dloss);
    const F scale = set1((float)(total * dloss / sum)), off = set1(-(float)(each * dloss));
    for (int64_t c = 0; c < n; c += L) {
      const F part = load_part(dx + c, n - c);
      const F less = labels.weight ? mul(off, load_part(labels.weight + c, n - c)) : off;
      store_part(dx + c, flush_f(e != 0 ? fma(part, scale, less) : mul(part, scale)), n - c);
    }
    dx[label] = at;
  }
};

// Rows [first, first + rows), no more than a block: their losses, and unless dx is null the gradient of their logits x. dx may be x.
static void label_losses(const Args& a, const LabelLoss& of, int64_t first, int64_t rows, const float* x, float* dx, double* loss,
                         const double* dloss) {
  const int64_t n = of.n;
  SoftmaxRows s;
  int64_t label[kSoftmaxRows];
  LabelLoss::Taken taken[kSoftmaxRows];
  for (int64_t k = 0; k < rows; k++) s.top[k] = softmax_max(x + k * n, n);
  for (int64_t k = 0; k < rows; k++) {
    label[k] = of.labels.label(a, first + k);
    taken[k] = of.take(x + k * n, label[k], (double)s.top[k]);
  }
  for (int64_t k = 0; k < rows; k++) s.sum[k] = softmax_sum(x + k * n, dx ? dx + k * n : nullptr, n, s.top[k]);
  for (int64_t k = 0; k < rows; k++) {
    loss[k] = of.loss(taken[k], label[k], (double)s.top[k], s.sum[k]);
    if (dx) of.gradient(dx + k * n, label[k], s.sum[k], dloss[k]);
  }
}
}   // namespace gradclip::GRADCLIP_ISA
