// scan.h: running sums and products along an axis, and the recurrence that their gradients are made of. In f64, each output rounded once;
// elements of a row one after the other, so that no bit depends on the team.
#pragma once
#include "reduce_load.h"

namespace gradclip::GRADCLIP_ISA {
struct ScanSum {
  static constexpr double kInit = 0;
  INLINE D step(D acc, D x) { return add(acc, x); }
  static inline double step(double acc, double x) { return acc + x; }
};
struct ScanProduct {
  static constexpr double kInit = 1;
  INLINE D step(D acc, D x) { return mul(acc, x); }
  static inline double step(double acc, double x) { return acc * x; }
};

INLINE void scan_store(float* y, D v, int64_t n) { store_part(y, narrow(v), n); }
INLINE void scan_store(double* y, D v, int64_t n) {
  if (n >= L) return dstore(y, v);
  double t[L];
  dstore(t, v);
  for (int64_t k = 0; k < n; k++) y[k] = t[k];
}
template <typename T>
INLINE D scan_load(const T* x, int64_t n) {
  return n >= L ? reduce_load(x) : reduce_load_n(x, n, 0);
}

enum ScanInts { kScanOuter, kScanCount, kScanInner, kScanF64, kScanReverse, kScanProduct };
constexpr int64_t kScanRows = 4;   // side by side: each addition waits for the one before

// R rows of n neighbors.
template <class Op, int R, typename T>
static void scan_rows(const T* x, T* y, int64_t n, bool reverse) {
  double acc[R];
  for (int r = 0; r < R; r++) acc[r] = Op::kInit;
  const int64_t step = reverse ? -1 : 1;
  for (int64_t k = 0, i = reverse ? n - 1 : 0; k < n; k++, i += step)
    for (int r = 0; r < R; r++) acc[r] = Op::step(acc[r], (double)x[r * n + i]), y[r * n + i] = (T)acc[r];
}
// m <= L columns, `pitch` apart from one element to the next.
template <class Op, typename T>
static void scan_columns(const T* x, T* y, int64_t count, int64_t pitch, int64_t m, bool reverse) {
  D acc = dset1(Op::kInit);
  for (int64_t k = 0; k < count; k++) {
    const int64_t at = (reverse ? count - 1 - k : k) * pitch;
    acc = Op::step(acc, scan_load(x + at, m));
    scan_store(y + at, acc, m);
  }
}
template <class Op, typename T>
static void scan_typed(const Args& a, const Team& team) {
  const int64_t outer = a.i[kScanOuter], count = a.i[kScanCount], inner = a.i[kScanInner];
  const bool reverse = a.i[kScanReverse];
  const T* x = (const T*)a.in[0];
  T* y = (T*)a.out[0];
  if (inner == 1) {
    const Range r = split((outer + kScanRows - 1) / kScanRows, team);
    for (int64_t t = r.begin; t < r.end; t++) {
      int64_t o = t * kScanRows;
      if (o + kScanRows <= outer)
        scan_rows<Op, kScanRows>(x + o * count, y + o * count, count, reverse);
      else
        for (; o < outer; o++) scan_rows<Op, 1>(x + o * count, y + o * count, count, reverse);
    }
    return;
  }
  const int64_t blocks = (inner + L - 1) / L;
  const Range r = split(outer * blocks, team);
  for (int64_t t = r.begin; t < r.end; t++) {
    const int64_t o = quotient(t, blocks), c = (t - o * blocks) * L, at = o * count * inner + c;
    scan_columns<Op>(x + at, y + at, count, inner, inner - c < L ? inner - c : L, reverse);
  }
}
// y[k] = the sum, or product, of x[0..k], or from the end of x[k..]. x, y [outer, count, inner].
// i: outer, count, inner, 1 if f64, 1 from the end, 1 for products
void scan(const Args& a, const Team& team) {
  if (a.i[kScanF64])
    a.i[kScanProduct] ? scan_typed<ScanProduct, double>(a, team) : scan_typed<ScanSum, double>(a, team);
  else
    a.i[kScanProduct] ? scan_typed<ScanProduct, float>(a, team) : scan_typed<ScanSum, float>(a, team);
}
static bool scan_sizes(Need& n) {
  for (int k = 0; k < 3; k++)
    if (n.i[k] < 0 || n.i[k] > Need::kMax) return n.fail("size out of range"), false;
  return true;
}
static int64_t scan_bytes(const Need& n) {
  return size_of(n.i[kScanOuter], n.i[kScanCount], n.i[kScanInner], n.i[kScanF64] ? 8 : 4);
}
void scan_need(Need& n) {
  if (!scan_sizes(n)) return;
  n.out[0] = n.in[0] = scan_bytes(n);
  n.alias(0, 0);
}

template <typename T>
static void recur_typed(const Args& a, const Team& team) {
  const int64_t outer = a.i[kScanOuter], count = a.i[kScanCount], inner = a.i[kScanInner];
  const bool reverse = a.i[kScanReverse];
  const T *f = (const T*)a.in[0], *b = (const T*)a.in[1];
  T* y = (T*)a.out[0];
  const int64_t blocks = (inner + L - 1) / L;
  const Range r = split(outer * blocks, team);
  for (int64_t t = r.begin; t < r.end; t++) {
    const int64_t o = quotient(t, blocks), c = (t - o * blocks) * L, m = inner - c < L ? inner - c : L;
    const int64_t first = o * count * inner + c;
    double one = 0;
    D acc = dset1(0);
    for (int64_t k = 0; k < count; k++) {
      const int64_t at = first + (reverse ? count - 1 - k : k) * inner;
      if (m == 1) {
        one = one * (double)f[at] + (double)b[at];
        y[at] = (T)one;
      } else {
        acc = add(mul(acc, scan_load(f + at, m)), scan_load(b + at, m));
        scan_store(y + at, acc, m);
      }
    }
  }
}
// y[k] = f[k] * y[k - 1] + b[k], y[-1] = 0; or from the end, of y[k + 1]. i: as of scan, without the last
void recur(const Args& a, const Team& team) { a.i[kScanF64] ? recur_typed<double>(a, team) : recur_typed<float>(a, team); }
void recur_need(Need& n) {
  if (!scan_sizes(n)) return;
  n.out[0] = n.in[0] = n.in[1] = scan_bytes(n);
  n.alias(0, 0);
  n.alias(0, 1);
}
}   // namespace gradclip::GRADCLIP_ISA
