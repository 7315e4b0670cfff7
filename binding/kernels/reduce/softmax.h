// softmax.h: softmax and logSoftmax over rows, softmax-cross-entropy on integer labels, and their gradients.
// i: rows, columns.
#pragma once
#include "label_loss.h"

namespace gradclip::GRADCLIP_ISA {
// y = exp(x - max) / sum. y may be x.
void softmax(const Args& a, const Team& team) {
  const int64_t n = a.i[kSoftmaxColumns];
  softmax_blocks(a.i[kSoftmaxLines], n, team, [&](int64_t first, int64_t rows) {
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
  softmax_blocks(a.i[kSoftmaxLines], n, team, [&](int64_t first, int64_t rows) {
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

// i: as of LabelRows; f: smoothing; ins x, labels, class weights. outs: losses, and if there is a second the weight of each row's label.
void softmaxCrossEntropy(const Args& a, const Team& team) {
  const int64_t n = a.i[kSoftmaxColumns];
  const LabelLoss of(label_rows(a, 1, 2), a.f[0]);
  softmax_blocks(a.i[kSoftmaxLines], n, team, [&](int64_t first, int64_t rows) {
    label_losses(a, of, first, rows, (const float*)a.in[0] + first * n, nullptr, (double*)a.out[0] + first, nullptr);
    if (a.n_out > 1)
      for (int64_t k = first; k < first + rows; k++) ((double*)a.out[1])[k] = of.labels.of(of.labels.label(a, k));
  });
}
void softmaxCrossEntropy_need(Need& n) {
  if (n.n_out != 1 && n.n_out != 2) return n.fail("expected one or two outputs");
  if (!label_need(n, 1, 2)) return;
  n.in[0] = size_of(n.i[kSoftmaxLines], n.i[kSoftmaxColumns], 4);
  n.out[0] = size_of(n.i[kSoftmaxLines], 8);
  if (n.n_out > 1) n.out[1] = size_of(n.i[kSoftmaxLines], 8);
}

// i and f as above; ins x, labels, dloss (f64, one per row), class weights. dx may be x.
void softmaxCrossEntropyGrad(const Args& a, const Team& team) {
  const int64_t n = a.i[kSoftmaxColumns];
  const LabelLoss of(label_rows(a, 1, 3), a.f[0]);
  softmax_blocks(a.i[kSoftmaxLines], n, team, [&](int64_t first, int64_t rows) {
    float* dx = (float*)a.out[0] + first * n;
    SoftmaxRows s;
    softmax_rows((const float*)a.in[0] + first * n, dx, rows, n, s);
    for (int64_t k = 0; k < rows; k++, dx += n)
      of.gradient(dx, of.labels.label(a, first + k), s.sum[k], ((const double*)a.in[2])[first + k]);
  });
}
void softmaxCrossEntropyGrad_need(Need& n) {
  if (!label_need(n, 1, 3)) return;
  n.in[0] = n.out[0] = size_of(n.i[kSoftmaxLines], n.i[kSoftmaxColumns], 4);
  n.in[2] = size_of(n.i[kSoftmaxLines], 8);
  n.alias(0, 0);
}

// Loss and gradient at once: each logit is read once, and its exponential taken once. outs loss, dx; ins and the rest as above.
void softmaxCrossEntropyBoth(const Args& a, const Team& team) {
  const int64_t n = a.i[kSoftmaxColumns];
  const LabelLoss of(label_rows(a, 1, 3), a.f[0]);
  softmax_blocks(a.i[kSoftmaxLines], n, team, [&](int64_t first, int64_t rows) {
    label_losses(a, of, first, rows, (const float*)a.in[0] + first * n, (float*)a.out[1] + first * n, (double*)a.out[0] + first,
                 (const double*)a.in[2] + first);
  });
}
void softmaxCrossEntropyBoth_need(Need& n) {
  if (!label_need(n, 1, 3)) return;
  n.in[0] = n.out[1] = size_of(n.i[kSoftmaxLines], n.i[kSoftmaxColumns], 4);
  n.in[2] = n.out[0] = size_of(n.i[kSoftmaxLines], 8);
  n.alias(1, 0);
}

// What each row's label weighs; 0 where it is ignored. i: as of LabelRows; ins labels, class weights.
void labelWeights(const Args& a, const Team& team) {
  const LabelRows labels = label_rows(a, 0, 1);
  const Range r = split(a.i[kSoftmaxLines], team);
  for (int64_t row = r.begin; row < r.end; row++) ((double*)a.out[0])[row] = labels.of(labels.label(a, row));
}
void labelWeights_need(Need& n) {
  if (label_need(n, 0, 1)) n.out[0] = size_of(n.i[kSoftmaxLines], 8);
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
