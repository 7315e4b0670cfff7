// lists.h: on lists of f64 numbers, one per gradient or unit: sums of stretches, and the greedy budget of a norm.
#pragma once
#include "../simd.h"

namespace gradclip::GRADCLIP_ISA {
enum SegmentInts { kSegmentCount, kSegmentBegins };
// i: stretches, then where each begins and the end. in: numbers. out: the sum of each stretch.
void sumSegments(const Args& a, const Team& team) {
  const Range r = split(a.i[kSegmentCount], team);
  const double* x = (const double*)a.in[0];
  for (int64_t k = r.begin; k < r.end; k++) {
    const int64_t begin = a.i[kSegmentBegins + k], end = a.i[kSegmentBegins + k + 1];
    D acc = dset1(0);
    int64_t i = begin;
    for (; i + L <= end; i += L) acc = add(acc, dload(x + i));
    double sum = hsum(acc);
    for (; i < end; i++) sum += x[i];
    ((double*)a.out[0])[k] = sum;
  }
}
void sumSegments_need(Need& n) {
  const int64_t count = n.n_i < kSegmentBegins ? -1 : n.i[kSegmentCount];
  if (count < 1 || count > Need::kMax / 64 || n.n_i != kSegmentBegins + count + 1) return n.fail("wrong number of stretches");
  if (n.i[kSegmentBegins] != 0) return n.fail("the first stretch does not begin at 0");
  for (int64_t k = 1; k <= count; k++)
    if (n.i[kSegmentBegins + k] < n.i[kSegmentBegins + k - 1] || n.i[kSegmentBegins + k] > Need::kMax / 64)
      return n.fail("stretches do not ascend");
  n.in[0] = size_mul(n.i[kSegmentBegins + count], 8);
  n.out[0] = size_mul(count, 8);
}

enum BudgetInts { kBudgetNorms };
// i: numbers. in: norms, the budget c. out: scales: from the last norm to the first, each at most what is left of c^2. Norms are taken by the
// largest of them, so that no square overflows or is lost.
void greedyBudget(const Args& a, const Team& team) {
  if (team.rank != 0) return;
  const double *norm = (const double*)a.in[0], c = *(const double*)a.in[1];
  double* scale = (double*)a.out[0];
  const int64_t n = a.i[kBudgetNorms];
  double unit = 0;
  for (int64_t k = 0; k < n; k++) unit = norm[k] > unit ? norm[k] : unit;
  if (unit == 0 || c == __builtin_inf()) unit = 1;
  double left = c / unit, rest = left * left;   // of the squared budget
  for (int64_t k = n - 1; k >= 0; k--) {
    const double x = norm[k] / unit, most = __builtin_sqrt(rest);
    const double s = x <= most ? 1 : most / x;   // a NaN stays one
    scale[k] = s;
    rest -= s * x * (s * x);
    if (rest < 0 || s < 1) rest = 0;
  }
}
void greedyBudget_need(Need& n) {
  if (n.i[kBudgetNorms] < 1 || n.i[kBudgetNorms] > Need::kMax / 64) return n.fail("wrong number of norms");
  n.in[0] = n.out[0] = size_mul(n.i[kBudgetNorms], 8);
  n.in[1] = 8;
}
}   // namespace gradclip::GRADCLIP_ISA
