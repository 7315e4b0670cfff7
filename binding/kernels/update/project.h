// project.h: constraints by norm: rows, columns or whole tensors are scaled back to a largest norm, or to a norm of 1, in place.
#pragma once
#include "../gradient/statistics.h"

namespace gradclip::GRADCLIP_ISA {
enum ProjectAxis { kRows = 0, kColumns = 1, kWhole = 2, kProjectAxes = 3 };

enum ProjectInts { kProjectTensors, kProjectUnits };
// i: tensors, then per tensor: 1 if to a norm of 1 (else to at most a limit), axis, rows, elements of a row; then the first task of each
// tensor and the number of tasks. f: per tensor the limit, then per tensor the epsilon of Keras' formula, or 0 for none.
// in, out: the tensors; each output may be its input.
// A task is some whole rows, 256 columns, or of a whole tensor a chunk: whatever the team, each norm is summed in one order.
struct ProjectArgs {
  int64_t n;
  const int64_t *unit, *axis, *rows, *row, *start;
};
static ProjectArgs project_args(const int64_t* i) {
  const int64_t n = i[kProjectTensors], *const unit = i + kProjectUnits;
  return {n, unit, unit + n, unit + 2 * n, unit + 3 * n, unit + 4 * n};
}

constexpr int kStripe = 16 * L;   // columns of a task: fewer use less of each page of memory

static inline int64_t project_height(int64_t row) { return row >= kChunk || row == 0 ? 1 : kChunk / row; }
static inline int64_t project_tasks(int64_t axis, int64_t rows, int64_t row) {
  const int64_t unit = axis == kRows ? project_height(row) : axis == kColumns ? kStripe : kChunk;
  const int64_t size = axis == kRows ? rows : axis == kColumns ? row : rows * row;
  return (size + unit - 1) / unit;
}

static double sum_squares(const float* x, int64_t n) {
  SumSquares sum(0, 0);
  int64_t i = 0;
  for (; i + 2 * L <= n; i += 2 * L) {
    sum.take(0, x + i);
    sum.take(1, x + i + L);
  }
  for (int k = 0; k < 2 && i < n; k++, i += L) {
    float rest[L];
    store(rest, load_part(x + i, n - i));
    sum.take(k, rest);
  }
  return sum.value();
}

// What a part with this norm is multiplied by. A norm that is no number, or infinite, is left alone.
struct ProjectRule {
  bool unit;
  double limit, eps;
  double scale(double squares) const {
    const double norm = __builtin_sqrt(squares);
    if (!(norm <= __DBL_MAX__)) return 1;
    const double wanted = unit ? 1 : norm < limit ? norm : limit;
    if (eps > 0) return wanted / (eps + norm);
    return norm == 0 || norm == wanted ? 1 : wanted / norm;
  }
};

static void scale_part(float* y, const float* x, int64_t n, double scale) {
  const Factors f = factors_of(scale);
  if (f.first == 1.0f && f.second == 1.0f) {
    if (y != x) memcpy(y, x, n * sizeof(float));
    return;
  }
  const F second = set1(f.second);
  for (int64_t i = 0; i < n; i += kChunk)
    stage_pass(y + i, x + i, (int)(n - i < kChunk ? n - i : kChunk), f.first, [=](F v) { return mul(v, second); });
}

// n <= kStripe columns.
static void project_columns(const ProjectRule& rule, float* y, const float* x, int64_t rows, int64_t row, int n) {
  D acc[kStripe / L];
  for (D& a : acc) a = dset1(0);
  for (int64_t r = 0; r < rows; r++) {
    for (int c = 0; c < n; c += L) {
      float part[L];
      const float* v = x + r * row + c;
      if (n - c < L) store(part, load_n(v, n - c)), v = part;
      const D w = widen_load(v);
      acc[c / L] = fma(w, w, acc[c / L]);
    }
  }
  double squares[kStripe];
  float first[kStripe], second[kStripe];
  for (int k = 0; k < kStripe / L; k++) dstore(squares + k * L, acc[k]);
  bool same = true;
  for (int k = 0; k < n; k++) {
    const Factors f = factors_of(rule.scale(squares[k]));
    first[k] = f.first, second[k] = f.second;
    same &= f.first == 1.0f && f.second == 1.0f;
  }
  if (same && y == x) return;
  for (int64_t r = 0; r < rows; r++) {
    for (int c = 0; c < n; c += L) {
      const int m = n - c < L ? n - c : L;
      const F v = mul(mul(load_n(x + r * row + c, m), load_n(first + c, m)), load_n(second + c, m));
      store_n(y + r * row + c, v, m);
    }
  }
}

void project(const Args& a, const Team& team) {
  const ProjectArgs p = project_args(a.i);
  const Range r = split(p.start[p.n], team);
  double* partial = (double*)a.scratch;
  bool whole = false;
  int64_t scaled = -1;   // the whole tensor that `scale` is of
  double scale = 1;
  for (int64_t t = 0; t < p.n; t++) whole |= p.axis[t] == kWhole;
  for (int pass = 0; pass <= whole; pass++) {
    if (pass == 1) team.barrier();
    int64_t t = segment_of(p.start, p.n, r.begin);
    for (int64_t task = r.begin; task < r.end; task++) {
      while (task >= p.start[t + 1]) t++;
      if (pass == 1 && p.axis[t] != kWhole) continue;
      const ProjectRule rule = {p.unit[t] != 0, a.f[t], a.f[p.n + t]};
      const int64_t rows = p.rows[t], row = p.row[t], at = task - p.start[t];
      const float* x = (const float*)a.in[t];
      float* y = (float*)a.out[t];
      if (p.axis[t] == kRows) {
        const int64_t height = project_height(row), end = (at + 1) * height < rows ? (at + 1) * height : rows;
        for (int64_t k = at * height; k < end; k++)
          scale_part(y + k * row, x + k * row, row, rule.scale(sum_squares(x + k * row, row)));
      } else if (p.axis[t] == kColumns) {
        const int64_t left = row - at * kStripe;
        project_columns(rule, y + at * kStripe, x + at * kStripe, rows, row, (int)(left < kStripe ? left : kStripe));
      } else {
        const int64_t from = at * kChunk, left = rows * row - from, n = left < kChunk ? left : kChunk;
        if (pass == 0) {
          partial[task] = sum_squares(x + from, n);
          continue;
        }
        if (scaled != t) {
          double squares = 0;
          for (int64_t k = p.start[t]; k < p.start[t + 1]; k++) squares += partial[k];
          scale = rule.scale(squares);
          scaled = t;
        }
        scale_part(y + from, x + from, n, scale);
      }
    }
  }
}
void project_need(Need& n) {
  if (n.n_i <= kProjectUnits || n.i[kProjectTensors] < 1 || n.i[kProjectTensors] > n.n_in)
    return n.fail("more tensors than inputs, or none");
  const int64_t count = n.i[kProjectTensors];
  if (n.n_in != count || n.n_out != count || n.n_i != kProjectUnits + 5 * count + 1 || n.n_f != 2 * count)
    return n.fail("wrong number of inputs, outputs or attributes");
  const ProjectArgs p = project_args(n.i);
  if (p.start[0] != 0) return n.fail("the first task is not 0");
  for (int64_t t = 0; t < count; t++) {
    if (p.axis[t] < 0 || p.axis[t] >= kProjectAxes) return n.fail("no such axis");
    if (p.rows[t] < 0 || p.row[t] < 0 || size_of(p.rows[t], p.row[t], 4) > Need::kMax) return n.fail("size out of range");
    if (p.start[t + 1] != p.start[t] + project_tasks(p.axis[t], p.rows[t], p.row[t]) || p.start[t + 1] > Need::kMax / 64)
      return n.fail("sizes and tasks do not agree");
    if (!(n.f[t] >= 0) || !(n.f[count + t] >= 0)) return n.fail("a limit or an epsilon is not a number >= 0");
    n.in[t] = n.out[t] = size_of(p.rows[t], p.row[t], 4);
    n.alias((int32_t)t, (int32_t)t);
  }
  n.scratch = size_mul(p.start[count], 8);
}
}   // namespace gradclip::GRADCLIP_ISA
