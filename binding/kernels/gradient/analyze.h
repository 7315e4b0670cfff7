// analyze.h: all that there is to know of tensors in one reading of them. The norms have the bits that `statistic` gives.
#pragma once
#include "statistics.h"

namespace gradclip::GRADCLIP_ISA {
struct AnalyzePartial {   // of one block
  double squares, abs, largest, zeros, bad;
  int64_t first;   // element of the block that is not finite before all others; -1: none
};

struct Analysis {
  SumSquares squares{0, 0};
  SumAbs absolute{0, 0};
  MaxAbs largest{0, 0};
  F zeros = set1(0);   // at most kBlock / L in each lane: exact
  int64_t at = 0, bad = 0, first = -1;
  // 16 elements, of which the first n count; the others are 0.
  __attribute__((always_inline)) void take(int k, const float* x, int n) {
    squares.take(k, x);
    absolute.take(k, x);
    largest.take(k, x);
    const F v = load(x);
    zeros = add(zeros, select(eq(v, set1(0)), set1(1), set1(0)));
    if (const int strange = mbits(mnot(le(abs(v), set1(__FLT_MAX__))))) {
      for (int i = 0; i < n; i++) {
        if (!(strange >> i & 1)) continue;
        if (bad++ == 0) first = at + i;
      }
    }
    at += L;
  }
};

// n <= kBlock elements; `next` is so much further on that it may be asked for already. The order of `statistic_block`.
static AnalyzePartial analyze_block(const float* x, int64_t n, int64_t ahead) {
  Analysis a;
  int64_t i = 0;
  for (; i + 2 * L <= n; i += 2 * L) {
    __builtin_prefetch(x + i + ahead);
    __builtin_prefetch(x + i + L + ahead);
    a.take(0, x + i, L);
    a.take(1, x + i + L, L);
  }
  int64_t filling = 0;
  for (int k = 0; k < 2 && i < n; k++, i += L) {
    const int m = (int)(n - i < L ? n - i : L);
    float rest[L];
    store(rest, load_n(x + i, m));
    a.take(k, rest, m);
    filling += L - m;
  }
  float zeros[L];
  store(zeros, a.zeros);
  double count = -(double)filling;
  for (int k = 0; k < L; k++) count += zeros[k];
  return {a.squares.value(), a.absolute.value(), a.largest.value(), count, (double)a.bad, a.first};
}

enum AnalyzeInts { kAnalyzeTensors, kAnalyzeSizes };
// i: tensors, their sizes, then the first block of each and the number of blocks. in: tensors (f32). out, f64 with one value per tensor:
// sum of squares, sum of abs, largest abs (NaN if there is one), zeros, elements that are not finite, index of the first of these (-1: none).
void analyze(const Args& a, const Team& team) {
  const int64_t n = a.i[kAnalyzeTensors], *size = a.i + kAnalyzeSizes, *start = size + n;
  AnalyzePartial* partial = (AnalyzePartial*)a.scratch;
  const Range r = split(start[n], team);
  int64_t t = segment_of(start, n, r.begin);
  for (int64_t b = r.begin; b < r.end; b++) {
    while (b >= start[t + 1]) t++;
    const int64_t from = (b - start[t]) * kBlock, left = size[t] - from;
    partial[b] = analyze_block((const float*)a.in[t] + from, left < kBlock ? left : kBlock, ahead_of(left - kBlock));
  }
  team.barrier();
  if (team.rank != 0) return;
  for (int64_t i = 0; i < n; i++) {
    AnalyzePartial all = {0, 0, 0, 0, 0, -1};
    for (int64_t b = start[i]; b < start[i + 1]; b++) {
      const AnalyzePartial& p = partial[b];
      all.squares += p.squares;
      all.abs += p.abs;
      all.largest = all.largest >= p.largest || all.largest != all.largest ? all.largest : p.largest;   // a NaN stays
      all.zeros += p.zeros;
      all.bad += p.bad;
      if (all.first < 0 && p.first >= 0) all.first = (b - start[i]) * kBlock + p.first;
    }
    const double values[6] = {all.squares, all.abs, all.largest, all.zeros, all.bad, (double)all.first};
    for (int k = 0; k < 6; k++) ((double*)a.out[k])[i] = values[k];
  }
}
void analyze_need(Need& n) {
  if (n.n_i < kAnalyzeSizes) return n.fail("expected tensors");
  const int64_t count = n.i[kAnalyzeTensors];
  if (count < 1 || count != n.n_in) return n.fail("expected as many tensors as inputs, at least one");
  if (n.n_i != kAnalyzeSizes + 2 * count + 1) return n.fail("wrong number of integers");
  const int64_t *size = n.i + kAnalyzeSizes, *start = size + count;
  if (!segments_ok(size, nullptr, start, count, kBlock)) return n.fail("sizes and blocks do not agree");
  for (int64_t t = 0; t < count; t++) n.in[t] = size_mul(size[t], 4);
  for (int k = 0; k < 6; k++) n.out[k] = size_mul(count, 8);
  n.scratch = size_mul(start[count], sizeof(AnalyzePartial));
}
}   // namespace gradclip::GRADCLIP_ISA
