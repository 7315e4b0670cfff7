// reduce.h: sum, max and min over one run of axes, [outer, count, inner] -> [outer, inner], and argmax.
// The shape of a reduction is fixed: runs of kReduceRun elements (along a row) or kReduceRows rows (down columns), each in 16
// lanes of f64, joined in order. So the bits depend neither on the team nor on the ISA.
#pragma once
#include "reduce_load.h"

namespace gradclip::GRADCLIP_ISA {
constexpr int64_t kReduceRun = 4096;   // elements of a row per partial
constexpr int64_t kReduceRows = 512;   // rows of a column block per partial
constexpr int64_t kReduceBlock = 64;   // outputs per task, and per partial sum of squares

struct SumLanes {
  static constexpr double kInit = 0;
  INLINE D step(D acc, D x) { return add(acc, x); }
  static double join(double a, double b) { return a + b; }
  static double lanes(D a) { return hsum(a); }
};
// A NaN stays once met, as in PyTorch.
struct MaxLanes {
  static constexpr double kInit = -__builtin_inf();
  INLINE D step(D acc, D x) { return select(eq(acc, acc), select(le(x, acc), acc, x), acc); }
  static double join(double a, double b) { return a != a || b <= a ? a : b; }
  static double lanes(D a) {
    double t[L];
    dstore(t, a);
    for (int i = 1; i < L; i++) t[0] = join(t[0], t[i]);
    return t[0];
  }
};
struct MinLanes {
  static constexpr double kInit = __builtin_inf();
  INLINE D step(D acc, D x) { return select(eq(acc, acc), select(le(acc, x), acc, x), acc); }
  static double join(double a, double b) { return a != a || a <= b ? a : b; }
  static double lanes(D a) {
    double t[L];
    dstore(t, a);
    for (int i = 1; i < L; i++) t[0] = join(t[0], t[i]);
    return t[0];
  }
};

// n <= kReduceRun neighbors
template <typename R, typename T>
static double reduce_run(const T* x, int64_t n) {
  D a = dset1(R::kInit), b = a;
  int64_t i = 0;
  for (; i + 2 * L <= n; i += 2 * L) {
    a = R::step(a, reduce_load(x + i));
    b = R::step(b, reduce_load(x + i + L));
  }
  if (i + L <= n) {
    a = R::step(a, reduce_load(x + i));
    i += L;
  }
  if (i < n) b = R::step(b, reduce_load_n(x + i, n - i, R::kInit));
  return R::lanes(R::step(a, b));
}

// Asks for the m elements at p: rows that lie apart are nothing that the hardware would follow.
template <typename T>
INLINE void reduce_fetch(const T* p, int64_t m) {
  for (int64_t c = 0; c < m; c += 64 / (int64_t)sizeof(T)) fetch_near(p + c);
}
constexpr int64_t kReduceAhead = 12;   // rows

// v[c] = reduction of x[r * pitch + c], r < rows, c < n <= kReduceBlock
template <typename R, typename T>
static void reduce_columns(const T* x, int64_t rows, int64_t pitch, int64_t n, double* v) {
  constexpr int64_t G = kRegs / (4 * NR) > 2 ? 4 : 2;   // lane groups at a time, of 2 NR registers: half of all there are
  int64_t c = 0;
  for (; c + G * L <= n; c += G * L) {
    D a[G];
    for (int64_t g = 0; g < G; g++) a[g] = dset1(R::kInit);
    for (int64_t r = 0; r < rows; r++) {
      const T* row = x + r * pitch + c;
      if (r + kReduceAhead < rows) reduce_fetch(row + kReduceAhead * pitch, G * L);
      for (int64_t g = 0; g < G; g++) a[g] = R::step(a[g], reduce_load(row + g * L));
    }
    for (int64_t g = 0; g < G; g++) dstore(v + c + g * L, a[g]);
  }
  for (; c < n; c += L) {
    D a = dset1(R::kInit);
    const int64_t m = n - c < L ? n - c : L;
    for (int64_t r = 0; r < rows; r++)
      a = R::step(a, m == L ? reduce_load(x + r * pitch + c) : reduce_load_n(x + r * pitch + c, m, R::kInit));
    double t[L];
    dstore(t, a);
    for (int64_t k = 0; k < m; k++) v[c + k] = t[k];
  }
}

// Writes n <= kReduceBlock outputs and, if asked, the sum of their squares (as stored, in 16-lane order).
static void reduce_finish(void* out, bool out64, int64_t at, const double* v, int64_t n, double divisor, double* square) {
  D acc = dset1(0);
  for (int64_t c = 0; c < n; c += L) {
    double t[L] = {};
    for (int64_t k = 0; k < L && c + k < n; k++) {
      const double w = v[c + k] / divisor;
      t[k] = out64 ? w : (double)(float)w;
      if (out64)
        ((double*)out)[at + c + k] = w;
      else
        ((float*)out)[at + c + k] = (float)w;
    }
    acc = fma(dload(t), dload(t), acc);
  }
  if (square) *square = hsum(acc);
}

struct ReduceShape {
  int64_t outer, count, inner, parts, blocks;   // partials per output; blocks of outputs per outer (rows: in all)
  bool rows;
};
static inline ReduceShape reduce_shape(int64_t outer, int64_t count, int64_t inner) {
  const bool rows = inner == 1;
  const int64_t part = rows ? kReduceRun : kReduceRows, n = rows ? outer : inner;
  return {outer, count, inner, quotient(count + part - 1, part), quotient(n + kReduceBlock - 1, kReduceBlock), rows};
}

// v = the n outputs of a block, all from part p: rows o.. of x, or columns c.. of slab o
template <typename R, typename T>
static void reduce_part(const T* x, const ReduceShape& s, int64_t o, int64_t c, int64_t p, int64_t n, double* v) {
  const int64_t part = s.rows ? kReduceRun : kReduceRows, left = s.count - p * part, m = left < part ? left : part;
  if (s.rows)
    for (int64_t k = 0; k < n; k++) v[k] = reduce_run<R>(x + (o + k) * s.count + p * part, m);
  else
    reduce_columns<R>(x + (o * s.count + p * part) * s.inner + c, m, s.inner, n, v);
}

// Partials, where an output has several, lie in scratch as [task][part][kReduceBlock].
template <typename R, typename T>
static void reduce_typed(const Args& a, const ReduceShape& s, bool out64, double divisor, const Team& team) {
  const T* x = (const T*)a.in[0];
  double* squares = a.n_out > 1 ? (double*)a.out[1] : nullptr;
  double* partial = (double*)a.scratch;
  const int64_t tasks = s.rows ? s.blocks : s.outer * s.blocks;
  double v[kReduceBlock];
  if (s.parts > 1) {
    const Range r = split(tasks * s.parts, team);
    for (int64_t t = r.begin; t < r.end; t++) {
      const int64_t task = quotient(t, s.parts), o = quotient(task, s.blocks), b = (task - o * s.blocks) * kReduceBlock;
      const int64_t size = s.rows ? s.outer : s.inner, n = size - b < kReduceBlock ? size - b : kReduceBlock;
      reduce_part<R>(x, s, s.rows ? b : o, b, t - task * s.parts, n, partial + t * kReduceBlock);
    }
    team.barrier();
  }
  const Range r = split(tasks, team);
  for (int64_t task = r.begin; task < r.end; task++) {
    const int64_t o = quotient(task, s.blocks), b = (task - o * s.blocks) * kReduceBlock;
    const int64_t size = s.rows ? s.outer : s.inner, n = size - b < kReduceBlock ? size - b : kReduceBlock;
    if (s.parts > 1) {
      const double* q = partial + task * s.parts * kReduceBlock;
      for (int64_t k = 0; k < n; k++) v[k] = q[k];
      for (int64_t p = 1; p < s.parts; p++)
        for (int64_t k = 0; k < n; k++) v[k] = R::join(v[k], q[p * kReduceBlock + k]);
    } else if (s.parts == 1) {
      reduce_part<R>(x, s, s.rows ? b : o, b, 0, n, v);
    } else {
      for (int64_t k = 0; k < n; k++) v[k] = R::kInit;
    }
    reduce_finish(a.out[0], out64, s.rows ? b : o * s.inner + b, v, n, divisor, squares ? squares + task : nullptr);
  }
}

enum ReduceInts { kReduceOuter, kReduceCount, kReduceInner, kReduceF64, kReduceOutF64 };   // of argmax the first four
// i: outer, count, inner, 1 if x is f64, 1 if y is f64; f: what to divide by.
// A second output takes the sum of squares of every block of outputs (see reduce_shape).
template <typename R>
static void reduce(const Args& a, const Team& team) {
  const ReduceShape s = reduce_shape(a.i[kReduceOuter], a.i[kReduceCount], a.i[kReduceInner]);
  if (a.i[kReduceF64])
    reduce_typed<R, double>(a, s, a.i[kReduceOutF64] != 0, a.f[0], team);
  else
    reduce_typed<R, float>(a, s, a.i[kReduceOutF64] != 0, a.f[0], team);
}
static void reduce_need(Need& n) {
  if (n.n_out != 1 && n.n_out != 2) return n.fail("expected one or two outputs");
  n.in[0] = size_of(n.i[kReduceOuter], n.i[kReduceCount], n.i[kReduceInner], n.i[kReduceF64] ? 8 : 4);
  n.out[0] = size_of(n.i[kReduceOuter], n.i[kReduceInner], n.i[kReduceOutF64] ? 8 : 4);
  if (n.in[0] > Need::kMax || n.out[0] > Need::kMax) return n.fail("size out of range");
  const ReduceShape s = reduce_shape(n.i[kReduceOuter], n.i[kReduceCount], n.i[kReduceInner]);
  const int64_t tasks = s.rows ? s.blocks : s.outer * s.blocks;
  if (n.n_out > 1) n.out[1] = size_mul(tasks, 8);
  if (s.parts > 1) n.scratch = size_mul(size_mul(tasks, s.parts), kReduceBlock * 8);
}
void sum(const Args& a, const Team& team) { reduce<SumLanes>(a, team); }
void sum_need(Need& n) { reduce_need(n); }
void max(const Args& a, const Team& team) { reduce<MaxLanes>(a, team); }
void max_need(Need& n) { reduce_need(n); }
void min(const Args& a, const Team& team) { reduce<MinLanes>(a, team); }
void min_need(Need& n) { reduce_need(n); }

// y[o, i] = k of the largest x[o, k, i]; the first among equals; a NaN is larger than all.
template <typename T>
static void argmax_typed(const T* x, int32_t* y, int64_t outer, int64_t count, int64_t inner, const Team& team) {
  const Range r = split(outer * inner, team);
  for (int64_t t = r.begin; t < r.end; t++) {
    const T* p = x + t / inner * count * inner + t % inner;
    int64_t best = 0;
    T top = p[0];
    for (int64_t k = 1; k < count && top == top; k++) {
      const T v = p[k * inner];
      if (v <= top) continue;
      top = v;
      best = k;
    }
    y[t] = (int32_t)best;
  }
}
// i: outer, count, inner, 1 if x is f64
void argmax(const Args& a, const Team& team) {
  if (a.i[kReduceF64])
    argmax_typed((const double*)a.in[0], (int32_t*)a.out[0], a.i[kReduceOuter], a.i[kReduceCount], a.i[kReduceInner], team);
  else
    argmax_typed((const float*)a.in[0], (int32_t*)a.out[0], a.i[kReduceOuter], a.i[kReduceCount], a.i[kReduceInner], team);
}
void argmax_need(Need& n) {
  if (n.i[kReduceCount] < 1 || n.i[kReduceCount] > 0x7fffffff) return n.fail("number of elements to choose from out of range");
  n.in[0] = size_of(n.i[kReduceOuter], n.i[kReduceCount], n.i[kReduceInner], n.i[kReduceF64] ? 8 : 4);
  n.out[0] = size_of(n.i[kReduceOuter], n.i[kReduceInner], 4);
}
}   // namespace gradclip::GRADCLIP_ISA
