// ctc.h: connectionist temporal classification (Graves et al. 2006): minus the logarithm of the probability of all ways through the frames that give
// a row's labels, and its gradient. States of a row are blanks B[0..S] and labels L[0..S), as B0 L0 B1 L1 ... BS: from one frame to the next a way
// stays, or goes on by one, or from a label to the next, where that is another. Logarithms of sums over ways are f64, so that they may be far from 0;
// what of a sum is beyond its largest term is at most log 3, and is made in f32, 16 states at a time. One row is one thread's.
#pragma once
#include "../math.h"
#include "../rows/indices.h"

namespace gradclip::GRADCLIP_ISA {
enum CtcInts { kCtcRows, kCtcFrames, kCtcClasses, kCtcLabels, kCtcLabelBytes, kCtcBlank, kCtcZeroInfinity };

// exp(x - top) for x <= top; 0 where both are -infinity.
INLINE F ctc_share(D x, D top) { return softmax_exp(narrow(sub(x, max(dset1(-1e300), top)))); }
// top + log(1 + e) for e in [0, 2].
INLINE D ctc_above(D top, F e) {
  const Split s = split_f(add(set1(1.f), e));
  return add(top, widen(log_core(sub(s.m, set1(1.f)), s.k, set1(0.f))));
}
// log(exp(a) + exp(b)), and of three.
INLINE D ctc_add(D a, D b) {
  const D top = max(a, b);
  return ctc_above(top, ctc_share(min(a, b), top));
}
INLINE D ctc_add(D a, D b, D c) {
  const D ab = max(a, b), top = max(ab, c);
  return ctc_above(top, add(ctc_share(min(ab, c), top), ctc_share(min(a, b), top)));
}
static double ctc_add_one(double a, double b) {
  const double top = a < b ? b : a, low = a < b ? a : b;
  return low == -__builtin_inf() ? top : top + log_d(1. + exp_d(low - top));
}

// Elements of a part of a row's states: B or L. One more than there are, at least, is never reached: so what stands before L, the last of B, is
// -infinity, as no way leads there.
static int64_t ctc_width(int64_t labels) { return (labels + 2 + L - 1) / L * L; }
// Bytes of a thread's buffers beside the states of its frames.
static int64_t ctc_local(int64_t w) { return 8 * (3 * w + L + 2 * (2 * w + L)) + 4 * 4 * w; }

struct CtcRow {
  const float* x;   // log-probabilities [frames, classes]
  int64_t frames, labels, classes, blank, w;
  double *skip, *off,
      *sums;   // 0 or -infinity: whether a way leads from the label before; whether there is such a blank. Of labels.
  double *beta, *states;
  float *y, *share;         // of the labels of a frame: log-probabilities; shares of the ways
  int32_t *label, *first;   // where it stood the first time

  // Of a thread. `states` has a part of B and one of L for each frame that is kept.
  CtcRow(const Args& a) : classes(a.i[kCtcClasses]), blank(a.i[kCtcBlank]) {
    w = ctc_width(a.i[kCtcLabels]);
    skip = (double*)a.local, off = skip + w + L, sums = off + w, beta = sums + w;
    y = (float*)(beta + 2 * (2 * w + L)), share = y + w;
    label = (int32_t*)(share + w), first = label + w;
    states = (double*)(first + w);
  }
  // Whether lengths and labels of row n are what they may be; else the run ends.
  bool read(const Args& a, int64_t n) {
    const int64_t most = a.i[kCtcFrames], labels_most = a.i[kCtcLabels];
    x = (const float*)a.in[0] + n * most * classes;
    frames = ((const int32_t*)a.in[2])[n], labels = ((const int32_t*)a.in[3])[n];
    if (!index_ok(a, n, frames, most + 1) || !index_ok(a, n, labels, labels_most + 1)) return false;
    for (int64_t k = 0; k < labels; k++) {
      const int64_t at = n * labels_most + k, v = index_at(a.in[1], a.i[kCtcLabelBytes], at);
      if (!index_ok(a, at, v, classes)) return false;
      if (v == blank) return fail(a.status, kIndexOutOfBounds, at, (double)v, (double)classes), false;
      label[k] = (int32_t)v;
    }
    w = ctc_width(labels);
    for (int64_t k = 0; k < w + L; k++) skip[k] = k > 0 && k < labels && label[k] != label[k - 1] ? 0 : -__builtin_inf();
    for (int64_t k = 0; k < w; k++) off[k] = k <= labels ? 0 : -__builtin_inf();
    for (int64_t k = labels; k < w; k++) y[k] = -__builtin_inff();
    return true;
  }
  // Takes the log-probabilities of a frame; false where one is no number, or infinity.
  bool frame(int64_t t) const {
    const float* at = x + t * classes;
    bool good = at[blank] < __builtin_inff();
    for (int64_t k = 0; k < labels; k++) {
      y[k] = at[label[k]];
      good &= y[k] < __builtin_inff();
    }
    return good;
  }

  // The logarithm of what all ways come to; NaN where a log-probability is none. `keep`: states stay for each frame, after those before the first.
  double forward(bool keep) const {
    for (int64_t k = 0; k < 2 * w; k++) states[k] = -__builtin_inf();
    states[0] = 0;
    bool good = true;
    const double* last = states;
    for (int64_t t = 0; t < frames; t++) {
      double* next = states + (keep ? t + 1 : (t + 1) & 1) * 2 * w;
      good &= frame(t);
      const D blanks = dset1((double)x[t * classes + blank]);
      for (int64_t k = 0; k < w; k += L) {
        const D b = dload(last + k), before = dload(last + w + k - 1);
        dstore(next + k, add(add(ctc_add(b, before), blanks), dload(off + k)));
        const D l = ctc_add(dload(last + w + k), b, add(before, dload(skip + k)));
        dstore(next + w + k, add(l, widen_load(y + k)));
      }
      last = next;
    }
    return good ? ctc_add_one(last[labels], last[w + labels - 1]) : __builtin_nan("");
  }

  // The gradient [frames, classes], of states that `forward` has kept: minus the share of the ways that are in a state of the class, times dloss.
  void backward(double total, double dloss, float* dx) const {
    double *after = beta, *own = beta + 2 * w + L;
    for (int64_t k = 0; k < 2 * (2 * w + L); k++) beta[k] = -__builtin_inf();
    after[labels] = 0;
    for (int64_t t = frames - 1; t >= 0; t--) {
      const double* alpha = states + (t + 1) * 2 * w;
      frame(t);
      const D blanks = dset1((double)x[t * classes + blank]), all = dset1(total);
      D sum = dset1(0);
      for (int64_t k = 0; k < w; k += L) {
        const D stays = dload(after + w + k);
        const D b = ctc_add(dload(after + k), stays);
        const D l = ctc_add(stays, dload(after + k + 1), add(dload(after + w + k + 1), dload(skip + k + 1)));
        const F of_b = softmax_exp(min(set1(64.f), narrow(sub(add(dload(alpha + k), b), all))));
        const F of_l = softmax_exp(min(set1(64.f), narrow(sub(add(dload(alpha + w + k), l), all))));
        sum = add(sum, widen(of_b));
        store(share + k, of_l);
        dstore(own + k, add(add(b, blanks), dload(off + k)));
        dstore(own + w + k, add(l, widen_load(y + k)));
      }
      double* swap = after;
      after = own, own = swap;
      write(hsum(sum), dloss, dx + t * classes);
    }
  }
  // A frame of the gradient. Its shares are made to add to 1, so that errors of the frames do not add up.
  void write(double of_blank, double dloss, float* dx) const {
    double all = of_blank;
    for (int64_t k = 0; k < labels; k++) sums[k] = 0;
    for (int64_t k = 0; k < labels; k++) all += (double)share[k], sums[first[k]] += (double)share[k];
    const double scale = all > 0 ? -dloss / all : -dloss;
    memset(dx, 0, classes * sizeof(float));
    dx[blank] = normal(of_blank * scale);
    for (int64_t k = 0; k < labels; k++)
      if (first[k] == k) dx[label[k]] = normal(sums[k] * scale);
  }
  void find_first() const {
    for (int64_t k = 0; k < labels; k++) {
      first[k] = 0;
      while (label[first[k]] != label[k]) first[k]++;
    }
  }
  static float normal(double x) { return __builtin_fabs(x) < 1.17549435e-38 ? 0.f : (float)x; }
};

static double ctc_value(const Args& a, double total) {
  return a.i[kCtcZeroInfinity] && total == -__builtin_inf() ? 0 : 0 - total;
}

// Losses of rows. ins log-probabilities [rows, frames, classes], labels [rows, labels], how many frames and how many labels of each row there are.
// i: rows, frames, classes, labels, bytes of a label, the blank, whether a loss of infinity is 0
void ctcLoss(const Args& a, const Team& team) {
  CtcRow q(a);
  const Range r = split(a.i[kCtcRows], team);
  for (int64_t n = r.begin; n < r.end; n++) ((double*)a.out[0])[n] = q.read(a, n) ? ctc_value(a, q.forward(false)) : 0;
}

// outs the gradient of the log-probabilities, which may be those, and the losses; ins as above, and the gradient of each row's loss. Where there is no
// way at all the gradient is NaN, or 0 if the loss is.
void ctcLossGrad(const Args& a, const Team& team) {
  CtcRow q(a);
  const int64_t most = a.i[kCtcFrames], classes = a.i[kCtcClasses];
  const Range r = split(a.i[kCtcRows], team);
  for (int64_t n = r.begin; n < r.end; n++) {
    float* dx = (float*)a.out[0] + n * most * classes;
    double& loss = ((double*)a.out[1])[n];
    if (!q.read(a, n)) {
      memset(dx, 0, most * classes * sizeof(float));
      loss = 0;
      continue;
    }
    const double total = q.forward(true);
    loss = ctc_value(a, total);
    if (total - total == 0) {
      q.find_first();
      q.backward(total, ((const double*)a.in[4])[n], dx);
    } else {
      const float none = loss == 0 ? 0.f : __builtin_nanf("");
      for (int64_t c = 0; c < q.frames * classes; c++) dx[c] = none;
    }
    memset(dx + q.frames * classes, 0, (most - q.frames) * classes * sizeof(float));
  }
}

static bool ctc_sizes(Need& n, int64_t kept) {
  for (int k = 0; k < kCtcLabelBytes; k++)
    if (n.i[k] < 0 || n.i[k] > 0x7ffffff0) return n.fail("size out of range"), false;
  if (n.i[kCtcLabelBytes] != 1 && n.i[kCtcLabelBytes] != 4) return n.fail("labels are neither u8 nor i32"), false;
  if (n.i[kCtcBlank] < 0 || n.i[kCtcBlank] >= n.i[kCtcClasses]) return n.fail("the blank is no class"), false;
  const int64_t rows = n.i[kCtcRows], w = ctc_width(n.i[kCtcLabels]);
  n.in[0] = size_of(rows, n.i[kCtcFrames], n.i[kCtcClasses], 4);
  n.in[1] = size_of(rows, n.i[kCtcLabels], n.i[kCtcLabelBytes]);
  n.in[2] = n.in[3] = size_of(rows, 4);
  n.local = ctc_local(w) + size_of(kept, 2 * w, 8);
  return true;
}
void ctcLoss_need(Need& n) {
  if (ctc_sizes(n, 2)) n.out[0] = size_of(n.i[kCtcRows], 8);
}
void ctcLossGrad_need(Need& n) {
  if (!ctc_sizes(n, n.i[kCtcFrames] + 1)) return;
  n.in[4] = n.out[1] = size_of(n.i[kCtcRows], 8);
  n.out[0] = n.in[0];
  n.alias(0, 0);
}
}   // namespace gradclip::GRADCLIP_ISA
