// row_norm.h: layer norm and RMS norm over rows, forward and backward. Statistics in f64, in 16 lanes; a row stays in L1 meanwhile.
// i: rows, columns, 1 if there is a weight, 1 if there is a bias; f: epsilon.
// CENTERED: layer norm, whose statistics of a row are the mean rounded to f32, 1 / deviation, and what the rounding lost, times that: the
// rounded mean is taken off exactly, so rows far from 0 are normalized as those around it. Else RMS norm: 1 / root of the mean square.
#pragma once
#include "../math.h"

namespace gradclip::GRADCLIP_ISA {
enum RowNormInts { kRowNormRows, kRowNormColumns, kRowNormWeight, kRowNormBias };
constexpr int64_t kNormRows = 32;   // rows per partial gradient of weight and bias

// What normalizes a row.
struct NormLine {
  float mean, scale, lost;
};
template <bool CENTERED>
static constexpr int64_t kNormStats = CENTERED ? 3 : 1;
template <bool CENTERED>
INLINE F norm_value(const NormLine& l, F x) {
  return CENTERED ? fma(sub(x, set1(l.mean)), set1(l.scale), set1(l.lost)) : mul(x, set1(l.scale));
}
template <bool CENTERED>
static NormLine norm_line(const float* stats, int64_t row) {
  if (!CENTERED) return {0, stats[row], 0};
  stats += row * kNormStats<true>;
  return {stats[0], stats[1], stats[2]};
}

static double norm_mean(const float* x, int64_t n) {
  D sum = dset1(0);
  for (int64_t c = 0; c < n; c += L) sum = add(sum, widen(load_part(x + c, n - c)));
  return hsum(sum) / (double)n;
}
// The mean of (x - mean)^2.
static double norm_square(const float* x, int64_t n, double mean) {
  D sum = dset1(0);
  const D m = dset1(mean);
  int64_t c = 0;
  for (; c + L <= n; c += L) {
    const D d = sub(widen_load(x + c), m);
    sum = fma(d, d, sum);
  }
  if (c < n) {
    double t[L];   // beyond the end: the mean, so that it does not count
    for (int k = 0; k < L; k++) t[k] = c + k < n ? (double)x[c + k] : mean;
    const D d = sub(dload(t), m);
    sum = fma(d, d, sum);
  }
  return hsum(sum) / (double)n;
}

// y = (x - mean) / sqrt(variance + eps) * weight + bias; outs y, statistics of the rows; ins x[, weight[, bias]]. y may be x.
template <bool CENTERED>
static void row_norm(const Args& a, const Team& team) {
  const int64_t n = a.i[kRowNormColumns];
  const float* weight = a.i[kRowNormWeight] ? (const float*)a.in[1] : nullptr;
  const float* bias = a.i[kRowNormBias] ? (const float*)a.in[1 + a.i[kRowNormWeight]] : nullptr;
  float* stats = (float*)a.out[1];
  const Range r = split(a.i[kRowNormRows], team);
  for (int64_t row = r.begin; row < r.end; row++) {
    const float* x = (const float*)a.in[0] + row * n;
    float* y = (float*)a.out[0] + row * n;
    const double mean = CENTERED ? norm_mean(x, n) : 0;
    const double scale = 1. / __builtin_sqrt(norm_square(x, n, mean) + a.f[0]);
    const NormLine line = {(float)mean, (float)scale, (float)(((double)(float)mean - mean) * scale)};
    const float kept[] = {CENTERED ? line.mean : line.scale, line.scale, line.lost};
    memcpy(stats + row * kNormStats<CENTERED>, kept, kNormStats<CENTERED> * sizeof(float));
    for (int64_t c = 0; c < n; c += L) {
      F v = norm_value<CENTERED>(line, load_part(x + c, n - c));
      if (weight) v = mul(v, load_part(weight + c, n - c));
      if (bias) v = add(v, load_part(bias + c, n - c));
      store_part(y + c, v, n - c);
    }
  }
}
static void row_norm_sizes(Need& n, bool centered, int64_t& statistics) {
  if ((n.i[kRowNormWeight] & ~1) || (n.i[kRowNormBias] & ~1)) return n.fail("a flag is neither 0 nor 1");
  if (n.i[kRowNormRows] < 0 || n.i[kRowNormRows] > Need::kMax || n.i[kRowNormColumns] < 0 || n.i[kRowNormColumns] > Need::kMax)
    return n.fail("size out of range");
  n.in[0] = n.out[0] = size_of(n.i[kRowNormRows], n.i[kRowNormColumns], 4);
  statistics = size_of(n.i[kRowNormRows], (centered ? kNormStats<true> : kNormStats<false>)*(int64_t)sizeof(float));
}
template <bool CENTERED>
static void row_norm_need(Need& n) {
  if (n.n_in != 1 + n.i[kRowNormWeight] + n.i[kRowNormBias]) return n.fail("inputs and flags disagree");
  row_norm_sizes(n, CENTERED, n.out[1]);
  for (int k = 1; k < n.n_in; k++) n.in[k] = size_of(n.i[kRowNormColumns], 4);
  n.alias(0, 0);
}
void layerNorm(const Args& a, const Team& team) { row_norm<true>(a, team); }
void layerNorm_need(Need& n) { row_norm_need<true>(n); }
void rmsNorm(const Args& a, const Team& team) { row_norm<false>(a, team); }
void rmsNorm_need(Need& n) { row_norm_need<false>(n); }

// With g = dy * weight and z the normalized x: dx = (g - mean(g) - z mean(g z)) / deviation (RMS norm: without mean(g)).
// Adds dy z to dw and dy to db, where they are asked for.
template <bool CENTERED>
static void row_norm_back(const float* x, const float* dy, const float* weight, float* dx, const NormLine& line, int64_t n,
                          float* dw, float* db) {
  const F s = set1(line.scale);
  const auto normal = [&](int64_t c) { return norm_value<CENTERED>(line, load_part(x + c, n - c)); };
  const auto gradient = [&](F d, int64_t c) { return weight ? mul(d, load_part(weight + c, n - c)) : d; };
  D sum = dset1(0), dot = sum;
  for (int64_t c = 0; c < n; c += L) {
    const F d = load_part(dy + c, n - c), g = gradient(d, c);
    F z = normal(c);   // beyond the end it is not 0, but d and g are
    if (CENTERED) sum = add(sum, widen(g));
    dot = fma(widen(g), widen(z), dot);
    if (dw) store_part(dw + c, fma(d, z, load_part(dw + c, n - c)), n - c);
    if (db) store_part(db + c, add(d, load_part(db + c, n - c)), n - c);
  }
  const F mg = set1(CENTERED ? (float)(hsum(sum) / (double)n) : 0.f), mz = set1(-(float)(hsum(dot) / (double)n));
  for (int64_t c = 0; c < n; c += L) {
    F g = gradient(load_part(dy + c, n - c), c);
    if (CENTERED) g = sub(g, mg);
    store_part(dx + c, mul(fma(normal(c), mz, g), s), n - c);
  }
}

// outs dx[, dweight[, dbias]]; ins x, statistics, dy[, weight]. The gradients of weight and bias are sums in f32 over kNormRows rows,
// and these sums in f64, in order. dx may be x or dy.
template <bool CENTERED>
static void row_norm_grad(const Args& a, const Team& team) {
  const int64_t rows = a.i[kRowNormRows], n = a.i[kRowNormColumns], blocks = quotient(rows + kNormRows - 1, kNormRows);
  const int64_t has_w = a.i[kRowNormWeight], has_b = a.i[kRowNormBias], parts = has_w + has_b;
  const float *xs = (const float*)a.in[0], *stats = (const float*)a.in[1], *dys = (const float*)a.in[2];
  const float* weight = has_w ? (const float*)a.in[3] : nullptr;
  float *dxs = (float*)a.out[0], *partial = (float*)a.scratch;   // [block][dweight, dbias][n]
  const Range r = split(blocks, team);
  for (int64_t b = r.begin; b < r.end; b++) {
    float *dw = has_w ? partial + b * parts * n : nullptr, *db = has_b ? partial + (b * parts + has_w) * n : nullptr;
    if (parts) memset(partial + b * parts * n, 0, parts * n * sizeof(float));
    for (int64_t row = b * kNormRows; row < rows && row < (b + 1) * kNormRows; row++) {
      row_norm_back<CENTERED>(xs + row * n, dys + row * n, weight, dxs + row * n, norm_line<CENTERED>(stats, row), n, dw, db);
    }
  }
  if (!parts) return;
  team.barrier();
  const int64_t groups = quotient(n + L - 1, L);
  const Range g = split(groups * parts, team);
  for (int64_t t = g.begin; t < g.end; t++) {
    const int64_t p = quotient(t, groups), c = (t - p * groups) * L;
    D sum = dset1(0);
    for (int64_t b = 0; b < blocks; b++) sum = add(sum, widen(load_part(partial + (b * parts + p) * n + c, n - c)));
    store_part((float*)a.out[1 + p] + c, narrow(sum), n - c);
  }
}
template <bool CENTERED>
static void row_norm_grad_need(Need& n) {
  if (n.n_in != 3 + n.i[kRowNormWeight] || n.n_out != 1 + n.i[kRowNormWeight] + n.i[kRowNormBias])
    return n.fail("operands and flags disagree");
  row_norm_sizes(n, CENTERED, n.in[1]);
  if (n.error) return;
  n.in[2] = n.in[0];
  if (n.i[kRowNormWeight]) n.in[3] = size_of(n.i[kRowNormColumns], 4);
  for (int k = 1; k < n.n_out; k++) n.out[k] = size_of(n.i[kRowNormColumns], 4);
  n.scratch = size_mul(quotient(n.i[kRowNormRows] + kNormRows - 1, kNormRows),
                       size_mul(n.i[kRowNormWeight] + n.i[kRowNormBias], n.i[kRowNormColumns] * 4));
  n.alias(0, 0), n.alias(0, 2);
}
void layerNormGrad(const Args& a, const Team& team) { row_norm_grad<true>(a, team); }
void layerNormGrad_need(Need& n) { row_norm_grad_need<true>(n); }
void rmsNormGrad(const Args& a, const Team& team) { row_norm_grad<false>(a, team); }
void rmsNormGrad_need(Need& n) { row_norm_grad_need<false>(n); }
}   // namespace gradclip::GRADCLIP_ISA
