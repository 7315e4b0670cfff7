// history.h: the last numbers of each of several series, kept in a state: quantiles and moments for policies that adapt.
#pragma once
#include "../unit.h"

namespace gradclip::GRADCLIP_ISA {
enum HistoryInts { kHistorySeries, kHistoryCapacity, kHistorySorted };

// A history is a row per series: how many numbers it was ever given, a ring of the last `capacity` of them, and if it is sorted the same
// in ascending order. A number that is not finite is never taken in.
struct History {
  int64_t capacity, count, filled;
  const double *ring, *sorted;
};
static inline int64_t history_row(int64_t capacity, int64_t is_sorted) { return 1 + capacity * (is_sorted ? 2 : 1); }
static inline History history_of(const double* row, int64_t capacity) {
  const double given = row[0];   // from a file, perhaps: whatever it says, indices stay within the row
  const int64_t count = given >= 0 && given < 0x1p53 ? (int64_t)given : 0;
  return {capacity, count, count < capacity ? count : capacity, row + 1, row + 1 + capacity};
}
static inline bool is_finite(double x) { return __builtin_fabs(x) <= __DBL_MAX__; }

// How many of n ascending numbers lie below x.
static inline int64_t count_below(const double* s, int64_t n, double x) {
  int64_t lo = 0;
  while (n > 0) {
    const int64_t half = n / 2;
    if (s[lo + half] < x)
      lo += half + 1, n -= half + 1;
    else
      n = half;
  }
  return lo;
}

// i: series, capacity. f: quantile in [0, 1]. in: history (sorted), a number per series. out: per series the quantile, interpolated
// linearly, of its last `capacity` numbers, that one among them; NaN if it is not finite.
void historyQuantile(const Args& a, const Team& team) {
  const int64_t capacity = a.i[kHistoryCapacity], row = history_row(capacity, 1);
  const Range r = split(a.i[kHistorySeries], team);
  for (int64_t k = r.begin; k < r.end; k++) {
    const History h = history_of((const double*)a.in[0] + k * row, capacity);
    const double x = ((const double*)a.in[1])[k];
    double* out = (double*)a.out[0] + k;
    *out = __builtin_nan("");
    if (!is_finite(x)) continue;
    // The oldest number leaves where the ring is full.
    const bool full = h.filled == capacity;
    const int64_t gone = full ? count_below(h.sorted, h.filled, h.ring[h.count % capacity]) : h.filled;
    const int64_t kept = h.filled - full, below = count_below(h.sorted, h.filled, x), place = below - (gone < below && full);
    const auto at = [&](int64_t i) {
      if (i == place) return x;
      if (i > place) i--;
      i += full && i >= gone;
      return h.sorted[i < h.filled ? i : h.filled - 1];
    };
    const double position = a.f[0] * (double)kept;
    const int64_t low = (int64_t)position, high = low < kept ? low + 1 : kept;
    const double from = at(low);
    *out = from + (position - (double)low) * (at(high) - from);
  }
}
void historyQuantile_need(Need& n) {
  const int64_t series = n.i[kHistorySeries], capacity = n.i[kHistoryCapacity];
  if (series < 1 || series > Need::kMax / 64 || capacity < 1 || capacity > 1 << 24)
    return n.fail("wrong number of series or capacity");
  if (!(n.f[0] >= 0 && n.f[0] <= 1)) return n.fail("the quantile is not in [0, 1]");
  n.in[0] = size_of(series, history_row(capacity, 1), 8);
  n.in[1] = n.out[0] = size_mul(series, 8);
}

// i: series, capacity. in: history (not sorted). out: per series mean, standard deviation (of a sample) and how many numbers there are.
void historyMoments(const Args& a, const Team& team) {
  const int64_t capacity = a.i[kHistoryCapacity], row = history_row(capacity, 0);
  const Range r = split(a.i[kHistorySeries], team);
  for (int64_t k = r.begin; k < r.end; k++) {
    const History h = history_of((const double*)a.in[0] + k * row, capacity);
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < h.filled; i++) sum += h.ring[i];
    const double mean = h.filled > 0 ? sum / (double)h.filled : 0;
    for (int64_t i = 0; i < h.filled; i++) squares += (h.ring[i] - mean) * (h.ring[i] - mean);
    ((double*)a.out[0])[k] = mean;
    ((double*)a.out[1])[k] = h.filled > 1 ? __builtin_sqrt(squares / (double)(h.filled - 1)) : 0;
    ((double*)a.out[2])[k] = (double)h.filled;
  }
}
void historyMoments_need(Need& n) {
  const int64_t series = n.i[kHistorySeries], capacity = n.i[kHistoryCapacity];
  if (series < 1 || series > Need::kMax / 64 || capacity < 1 || capacity > 1 << 24)
    return n.fail("wrong number of series or capacity");
  n.in[0] = size_of(series, history_row(capacity, 0), 8);
  n.out[0] = n.out[1] = n.out[2] = size_mul(series, 8);
}

// i: series, capacity, sorted (0 or 1). in: history, a number per series. out: the history with the numbers (may be its input).
void historyPush(const Args& a, const Team& team) {
  const int64_t capacity = a.i[kHistoryCapacity], row = history_row(capacity, a.i[kHistorySorted]);
  const Range r = split(a.i[kHistorySeries], team);
  for (int64_t k = r.begin; k < r.end; k++) {
    double* out = (double*)a.out[0] + k * row;
    if (a.out[0] != a.in[0]) memcpy(out, (const double*)a.in[0] + k * row, row * sizeof(double));
    const double x = ((const double*)a.in[1])[k];
    if (!is_finite(x)) continue;
    const History h = history_of(out, capacity);
    double* place = out + 1 + h.count % capacity;
    if (a.i[kHistorySorted]) {
      double* sorted = out + 1 + capacity;
      int64_t n = h.filled;
      if (n == capacity) {
        const int64_t gone = count_below(sorted, n, *place), from = gone < n ? gone : n - 1;
        memmove(sorted + from, sorted + from + 1, (n - from - 1) * sizeof(double));
        n--;
      }
      const int64_t below = count_below(sorted, n, x);
      memmove(sorted + below + 1, sorted + below, (n - below) * sizeof(double));
      sorted[below] = x;
    }
    *place = x;
    out[0] = (double)(h.count + 1);
  }
}
void historyPush_need(Need& n) {
  const int64_t series = n.i[kHistorySeries], capacity = n.i[kHistoryCapacity];
  if (series < 1 || series > Need::kMax / 64 || capacity < 1 || capacity > 1 << 24)
    return n.fail("wrong number of series or capacity");
  if (n.i[kHistorySorted] < 0 || n.i[kHistorySorted] > 1) return n.fail("sorted is neither 0 nor 1");
  n.in[0] = n.out[0] = size_of(series, history_row(capacity, n.i[kHistorySorted]), 8);
  n.in[1] = size_mul(series, 8);
  n.alias(0, 0);
}
}   // namespace gradclip::GRADCLIP_ISA
