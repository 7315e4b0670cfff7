// unit_statistic.h: one f64 number per row or column of each tensor of a list (sum, sum of abs, of squares, max abs), read through stages.
#pragma once
#include "statistics.h"

namespace gradclip::GRADCLIP_ISA {
constexpr int kColumnBlock = 256;   // columns summed together

enum UnitInts { kUnitOf, kUnitColumns, kUnitTensors, kUnitSteps, kUnitStages };
// i: kind, columns (0 or 1), tensors, number of stages, then the stages, sizes, widths (elements of a row) and the first unit of each
// tensor and the number of units. in: tensors, operands of the stages. out: the numbers.
enum UnitKind { kUnitSum = 0, kUnitSumAbs = 1, kUnitSumSquares = 2, kUnitMaxAbs = 3, kUnitKinds = 4 };
struct UnitArgs {
  int64_t kind, columns, n, stages;
  const int64_t *size, *width, *start;
};
static UnitArgs unit_args(const int64_t* i) {
  UnitArgs r = {i[kUnitOf], i[kUnitColumns], i[kUnitTensors], i[kUnitSteps], nullptr, nullptr, nullptr};
  r.size = i + kUnitStages + stages_ints(i + kUnitStages, r.stages, r.n);
  r.width = r.size + r.n;
  r.start = r.width + r.n;
  return r;
}
struct SumPlain {
  D acc[2] = {dset1(0), dset1(0)};
  SumPlain(double, double) {}
  __attribute__((always_inline)) void take(int k, const float* x) { acc[k] = add(acc[k], widen_load(x)); }
  double value() const { return hsum(add(acc[0], acc[1])); }
};

// The row of `width` elements that begins at element `from` of tensor t.
template <class Kind>
static double row_value(const Stages& stages, int64_t t, const float* g, int64_t from, int64_t width, float* buffer) {
  Kind kind(0, 0);
  for (int64_t c = 0; c < width; c += kChunk) {
    const int m = (int)(width - c < kChunk ? width - c : kChunk);
    const Staged s = flush(apply_stages(stages, t, from + c, g + from + c, m, buffer), m, buffer);
    take_chunk(kind, s.x, m, s.x);
  }
  return kind.value();
}
template <class Kind>
static void row_values(const UnitArgs& u, const Args& a, const Stages& stages, const Team& team) {
  int64_t all = 0;
  for (int64_t t = 0; t < u.n; t++) all += u.size[t];
  const Range r = split(all, team);   // a thread has the rows that begin within its share of the elements
  int64_t base = 0;
  for (int64_t t = 0; t < u.n; base += u.size[t++]) {
    const int64_t width = u.width[t], rows = u.start[t + 1] - u.start[t];
    double* out = (double*)a.out[0] + u.start[t];
    if (u.size[t] == 0) {
      if (team.rank == 0)
        for (int64_t k = 0; k < rows; k++) out[k] = 0;
      continue;
    }
    const int64_t begin = r.begin - base, end = r.end - base;
    if (end <= 0 || begin >= u.size[t]) continue;
    const int64_t last = end < u.size[t] ? (end + width - 1) / width : rows;
    for (int64_t k = begin <= 0 ? 0 : (begin + width - 1) / width; k < last; k++)
      out[k] = row_value<Kind>(stages, t, (const float*)a.in[t], k * width, width, (float*)a.local);
  }
}

template <class Add>
static void column_values(const UnitArgs& u, const Args& a, const Stages& stages, const Team& team, Add add_to) {
  float* buffer = (float*)a.local;
  double* sum = (double*)(buffer + kChunk);
  int64_t blocks = 0;
  for (int64_t t = 0; t < u.n; t++) blocks += (u.width[t] + kColumnBlock - 1) / kColumnBlock;
  const Range r = split(blocks, team);
  int64_t block = 0;
  for (int64_t t = 0; t < u.n; t++) {
    const int64_t width = u.width[t];
    for (int64_t c = 0; c < width; c += kColumnBlock, block++) {
      if (block < r.begin || block >= r.end) continue;
      const int m = (int)(width - c < kColumnBlock ? width - c : kColumnBlock);
      for (int k = 0; k < kColumnBlock; k++) sum[k] = 0;
      for (int64_t from = c; from < u.size[t]; from += width) {
        const Staged s = flush(apply_stages(stages, t, from, (const float*)a.in[t] + from, m, buffer), m, buffer);
        int k = 0;
        for (; k + L <= m; k += L) dstore(sum + k, add_to(dload(sum + k), widen_load(s.x + k)));
        if (k < m) {
          float rest[L];
          store(rest, load_n(s.x + k, m - k));
          dstore(sum + k, add_to(dload(sum + k), widen_load(rest)));
        }
      }
      memcpy((double*)a.out[0] + u.start[t] + c, sum, m * sizeof(double));
    }
  }
}

void unitStatistic(const Args& a, const Team& team) {
  const UnitArgs u = unit_args(a.i);
  const Stages stages = stages_of(a.i + kUnitStages, u.stages, u.n, a.in + u.n, a.ctx);
  switch (u.kind) {
    case kUnitSum:
      return u.columns ? column_values(u, a, stages, team, [](D s, D x) { return add(s, x); })
                       : row_values<SumPlain>(u, a, stages, team);
    case kUnitSumAbs:
      return u.columns ? column_values(u, a, stages, team, [](D s, D x) { return add(s, abs(x)); })
                       : row_values<SumAbs>(u, a, stages, team);
    case kUnitSumSquares:
      return u.columns ? column_values(u, a, stages, team, [](D s, D x) { return fma(x, x, s); })
                       : row_values<SumSquares>(u, a, stages, team);
    default:   // a NaN stays: it is not below anything
      return u.columns ? column_values(u, a, stages, team,
                                       [](D s, D x) { return select(lt(abs(x), s), s, select(eq(s, s), abs(x), s)); })
                       : row_values<MaxAbs>(u, a, stages, team);
  }
}
void unitStatistic_need(Need& n) {
  if (n.n_i <= kUnitStages) return n.fail("expected kind, axis, tensors and stages");
  const int64_t kind = n.i[kUnitOf], columns = n.i[kUnitColumns], count = n.i[kUnitTensors], steps = n.i[kUnitSteps];
  if (kind < 0 || kind >= kUnitKinds || columns < 0 || columns > 1) return n.fail("no such statistic");
  if (count < 1 || count > n.n_in) return n.fail("more tensors than inputs, or none");
  if (steps < 0 || steps > kMaxStages) return n.fail("too many stages");
  const int64_t ints = stages_length(n.i + kUnitStages, n.n_i - kUnitStages, steps, count);
  if (ints < 0 || n.n_i != kUnitStages + ints + 3 * count + 1) return n.fail("wrong number of integers");
  const UnitArgs u = unit_args(n.i);
  if (u.start[0] != 0) return n.fail("units do not begin at 0");
  for (int64_t t = 0; t < count; t++) {
    const int64_t size = u.size[t], width = u.width[t], units = u.start[t + 1] - u.start[t];
    if (size < 0 || size > Need::kMax / 16 || width < 0 || width > Need::kMax / 16) return n.fail("negative or huge size");
    if (units < 0 || units > Need::kMax / 64 || u.start[t + 1] > Need::kMax / 64)
      return n.fail("negative or huge number of units");
    const bool fits =
        size > 0 ? width > 0 && size % width == 0 && units == (columns ? width : size / width) : units <= Need::kMaxEmpty;
    if (!fits) return n.fail("sizes and units do not agree");
    if (size == 0 && columns && units != width) return n.fail("sizes and units do not agree");
    n.in[t] = size_mul(size, 4);
  }
  const int64_t operands = stages_need(n, n.i + kUnitStages, steps, u.size, count, count);
  if (operands < 0 || n.n_in != count + operands) return n.fail("wrong stages or number of inputs");
  n.out[0] = size_mul(u.start[count], 8);
  n.local = kChunk * 4 + kColumnBlock * 8;
}
}   // namespace gradclip::GRADCLIP_ISA
