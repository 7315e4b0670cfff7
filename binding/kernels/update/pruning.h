// pruning.h: which parameters are pruned from now on: the smallest of a tensor or of many, or the rows of the smallest norm. Masks only
// ever lose elements. In steps with a negative target nothing happens.
#pragma once
#include "../gradient/unit_statistic.h"

namespace gradclip::GRADCLIP_ISA {
// A share of n as a whole number, halves to even, as Python's round.
static int64_t share_of(double share, int64_t n) {
  const double x = share * (double)n;
  if (!(x > 0)) return 0;
  if (x >= (double)n) return n;
  const int64_t whole = (int64_t)x;
  const double rest = x - (double)whole;
  return whole + (rest > 0.5 || (rest == 0.5 && whole % 2 == 1));
}

// Outputs that are not their inputs start as copies of them.
static void prune_copy(void* out, const void* in, int64_t bytes, const Team& team) {
  if (out == in) return;
  const Range r = split(bytes, team);
  memcpy((char*)out + r.begin, (const char*)in + r.begin, r.end - r.begin);
}

// ---- by magnitude --------------------------------------------------------------------------------------------------

enum PruneInts { kPruneTensors, kPruneTogether, kPruneSizes };
// i: tensors, whether all are taken together, sizes, then the first chunk of each tensor and the number of chunks.
// in: tensors, masks (u8), how many of each are pruned (f64), the share to prune (f64). out: tensors, masks, how many are pruned; each may
// be its input.
struct PruneArgs {
  int64_t n, together;
  const int64_t *size, *start;
};
static PruneArgs prune_args(const int64_t* i) {
  return {i[kPruneTensors], i[kPruneTogether], i + kPruneSizes, i + kPruneSizes + i[kPruneTensors]};
}

// Keys order elements by magnitude: those pruned before come first, a NaN last.
static inline uint32_t prune_key(const float* p, const uint8_t* mask, int64_t i) {
  uint32_t word;
  memcpy(&word, p + i, 4);
  return mask[i] ? 1 + (word & 0x7fffffff) : 0;
}

constexpr int kDigits = 3, kDigitSize = 2048;
struct PruneScratch {
  int64_t histogram[kDigits][kDigitSize];
  int64_t chunks[1];   // per chunk: keys equal to the last one pruned, then how many are pruned
};

template <class F>
static inline void prune_chunks(const Args& a, const PruneArgs& u, Range r, F each) {
  int64_t t = segment_of(u.start, u.n, r.begin);
  for (int64_t c = r.begin; c < r.end; c++) {
    while (c >= u.start[t + 1]) t++;
    const int64_t from = (c - u.start[t]) * kChunk, left = u.size[t] - from;
    each(c, (float*)a.out[t] + from, (uint8_t*)a.out[u.n + t] + from, left < kChunk ? left : kChunk);
  }
}

// Prune among the chunks from `first` to `last`, which hold n elements: the share of them with the smallest keys, the first of equal ones.
static void prune_group(const Args& a, const Team& team, const PruneArgs& u, int64_t first, int64_t last, int64_t n) {
  PruneScratch& s = *(PruneScratch*)a.scratch;
  const int64_t wanted = share_of(*(const double*)a.in[2 * u.n + 1], n);
  Range r = split(last - first, team);
  r.begin += first, r.end += first;
  if (team.rank == 0) memset(s.histogram, 0, sizeof(s.histogram));
  team.barrier();
  // The key of the last one pruned, digit by digit, and how many of those equal to it.
  uint32_t key = 0;
  int64_t equal = wanted;
  int shift = 21, below = 32;
  for (int d = 0; d < kDigits && wanted > 0; d++, below = shift, shift = shift > 10 ? shift - 11 : 0) {
    int64_t* mine = (int64_t*)a.local;
    memset(mine, 0, kDigitSize * sizeof(int64_t));
    const uint32_t digits = (1u << (below - shift)) - 1;
    prune_chunks(a, u, r, [&](int64_t, const float* p, const uint8_t* mask, int64_t m) {
      for (int64_t i = 0; i < m; i++) {
        const uint32_t k = prune_key(p, mask, i);
        if (below == 32 || k >> below == key >> below) mine[k >> shift & digits]++;
      }
    });
    for (int k = 0; k < kDigitSize; k++)
      if (mine[k]) __sync_fetch_and_add(&s.histogram[d][k], mine[k]);
    team.barrier();
    uint32_t digit = 0;
    while (digit < digits && equal > s.histogram[d][digit]) equal -= s.histogram[d][digit++];
    key |= digit << shift;
  }
  int64_t* pruned = s.chunks + u.start[u.n];
  prune_chunks(a, u, r, [&](int64_t c, const float* p, const uint8_t* mask, int64_t m) {
    s.chunks[c] = 0;
    for (int64_t i = 0; i < m; i++) s.chunks[c] += prune_key(p, mask, i) == key;
  });
  team.barrier();
  for (int64_t c = first; c < r.begin; c++) equal -= s.chunks[c];
  prune_chunks(a, u, r, [&](int64_t c, float* p, uint8_t* mask, int64_t m) {
    pruned[c] = 0;
    for (int64_t i = 0; i < m; i++) {
      const uint32_t k = prune_key(p, mask, i);
      if (k != 0 && (k > key || wanted == 0 || (k == key && equal-- <= 0))) continue;
      mask[i] = 0;
      p[i] = 0;
      pruned[c]++;
    }
  });
  team.barrier();
}

void pruneMagnitude(const Args& a, const Team& team) {
  const PruneArgs u = prune_args(a.i);
  const int64_t n = u.n;
  for (int64_t t = 0; t < n; t++) {
    prune_copy(a.out[t], a.in[t], u.size[t] * 4, team);
    prune_copy(a.out[n + t], a.in[n + t], u.size[t], team);
  }
  if (team.rank == 0) prune_copy(a.out[2 * n], a.in[2 * n], n * 8, {0, 1, nullptr, nullptr});
  if (!(*(const double*)a.in[2 * n + 1] >= 0)) return;
  team.barrier();
  for (int64_t t = 0; t < n; t = u.together ? n : t + 1) {
    const int64_t end = u.together ? n : t + 1;
    int64_t size = 0;
    for (int64_t k = t; k < end; k++) size += u.size[k];
    prune_group(a, team, u, u.start[t], u.start[end], size);
  }
  if (team.rank != 0) return;
  const int64_t* pruned = ((PruneScratch*)a.scratch)->chunks + u.start[n];
  for (int64_t t = 0; t < n; t++) {
    int64_t sum = 0;
    for (int64_t c = u.start[t]; c < u.start[t + 1]; c++) sum += pruned[c];
    ((double*)a.out[2 * n])[t] = (double)sum;
  }
}
void pruneMagnitude_need(Need& n) {
  if (n.n_i <= kPruneSizes || n.i[kPruneTensors] < 1 || n.i[kPruneTensors] > n.n_in)
    return n.fail("more tensors than inputs, or none");
  const int64_t count = n.i[kPruneTensors];
  if (n.i[kPruneTogether] < 0 || n.i[kPruneTogether] > 1) return n.fail("together is neither 0 nor 1");
  if (n.n_i != kPruneSizes + 2 * count + 1 || n.n_in != 2 * count + 2 || n.n_out != 2 * count + 1)
    return n.fail("wrong number of inputs, outputs or integers");
  const PruneArgs u = prune_args(n.i);
  if (!segments_ok(u.size, nullptr, u.start, count, kChunk)) return n.fail("sizes and chunks do not agree");
  for (int64_t t = 0; t < count; t++) {
    n.in[t] = n.out[t] = size_mul(u.size[t], 4);
    n.in[count + t] = n.out[count + t] = u.size[t];
  }
  n.in[2 * count] = n.out[2 * count] = size_mul(count, 8);
  n.in[2 * count + 1] = 8;
  for (int32_t o = 0; o <= 2 * count; o++) n.alias(o, o);
  n.scratch = (int64_t)sizeof(PruneScratch) + size_mul(u.start[count], 16);
  n.local = kDigitSize * 8;
}

// ---- by rows -------------------------------------------------------------------------------------------------------

enum PruneRowsInts { kPruneRowsWeights, kPruneRowsBiases, kPruneRowsNorm, kPruneRowsSizes };
// i: weights, biases, norm (0: sum of squares, 1: sum of abs, 2: largest abs), rows of each weight, elements of a row of each, then which
// weight each bias belongs to: its elements go with the rows. in: weights, biases, masks of both (u8), how many elements of each are
// pruned (f64), the share of rows to prune (f64). out: all but the share; each may be its input.
struct PruneRowsArgs {
  int64_t n, biases, norm;
  const int64_t *rows, *row, *owner;
};
static PruneRowsArgs prune_rows_args(const int64_t* i) {
  const int64_t n = i[kPruneRowsWeights], *const rows = i + kPruneRowsSizes;
  return {n, i[kPruneRowsBiases], i[kPruneRowsNorm], rows, rows + n, rows + 2 * n};
}

// The keys of the k smallest of n, the first of equal ones: all below `key`, and `equal` that are it.
static void smallest(const uint64_t* keys, int64_t n, int64_t k, uint64_t& key, int64_t& equal) {
  key = 0, equal = k;
  for (int shift = 56; shift >= 0; shift -= 8) {
    int64_t histogram[256] = {};
    for (int64_t i = 0; i < n; i++)
      if (shift == 56 || keys[i] >> (shift + 8) == key >> (shift + 8)) histogram[keys[i] >> shift & 255]++;
    uint64_t digit = 0;
    while (digit < 255 && equal > histogram[digit]) equal -= histogram[digit++];
    key |= digit << shift;
  }
}

template <class Kind>
static double row_statistic(const float* x, int64_t n) {
  Kind kind(0, 0);
  for (int64_t i = 0; i < n; i += L) {
    float part[L];
    store(part, load_part(x + i, n - i));
    kind.take((int)(i / L % 2), part);
  }
  return kind.value();
}

void pruneRows(const Args& a, const Team& team) {
  const PruneRowsArgs u = prune_rows_args(a.i);
  const int64_t n = u.n, all = n + u.biases;
  const auto size = [&](int64_t t) { return t < n ? u.rows[t] * u.row[t] : u.rows[u.owner[t - n]]; };
  for (int64_t t = 0; t < all; t++) {
    prune_copy(a.out[t], a.in[t], size(t) * 4, team);
    prune_copy(a.out[all + t], a.in[all + t], size(t), team);
  }
  if (team.rank == 0) prune_copy(a.out[2 * all], a.in[2 * all], all * 8, {0, 1, nullptr, nullptr});
  const double share = *(const double*)a.in[2 * all + 1];
  if (!(share >= 0)) return;
  team.barrier();
  double* pruned = (double*)a.out[2 * all];
  for (int64_t t = 0; t < n; t++) {
    const int64_t rows = u.rows[t], row = u.row[t];
    uint64_t* keys = (uint64_t*)a.scratch;
    float* w = (float*)a.out[t];
    uint8_t* mask = (uint8_t*)a.out[all + t];
    const Range r = split(rows, team);
    for (int64_t k = r.begin; k < r.end && row > 0; k++) {
      const float* x = w + k * row;
      const double norm = u.norm == 0   ? row_statistic<SumSquares>(x, row)
                          : u.norm == 1 ? row_statistic<SumAbs>(x, row)
                                        : row_statistic<MaxAbs>(x, row);
      memcpy(&keys[k], &norm, 8);
      keys[k] = mask[k * row] ? 1 + (keys[k] & INT64_MAX) : 0;
    }
    team.barrier();
    if (team.rank == 0) {
      const int64_t wanted = row > 0 ? share_of(share, rows) : 0;
      uint64_t key = 0;
      int64_t equal = 0, gone = 0;
      if (wanted > 0) smallest(keys, rows, wanted, key, equal);
      for (int64_t k = 0; k < rows && row > 0; k++) {
        const bool goes = keys[k] == 0 || (wanted > 0 && (keys[k] < key || (keys[k] == key && equal-- > 0)));
        keys[k] = goes;
        gone += goes;
      }
      pruned[t] = (double)(gone * row);
      for (int64_t b = 0; b < u.biases; b++)
        if (u.owner[b] == t) pruned[n + b] = (double)gone;
    }
    team.barrier();
    for (int64_t k = r.begin; k < r.end && row > 0; k++) {
      if (!keys[k]) continue;
      memset(w + k * row, 0, row * 4);
      memset(mask + k * row, 0, row);
      for (int64_t b = 0; b < u.biases; b++) {
        if (u.owner[b] != t) continue;
        ((float*)a.out[n + b])[k] = 0;
        ((uint8_t*)a.out[all + n + b])[k] = 0;
      }
    }
    team.barrier();
  }
}
void pruneRows_need(Need& n) {
  if (n.n_i < kPruneRowsSizes || n.i[kPruneRowsWeights] < 1 || n.i[kPruneRowsWeights] > n.n_in || n.i[kPruneRowsBiases] < 0 ||
      n.i[kPruneRowsBiases] > n.n_in)
    return n.fail("more tensors than inputs, or none");
  const int64_t count = n.i[kPruneRowsWeights], biases = n.i[kPruneRowsBiases], all = count + biases;
  if (n.i[kPruneRowsNorm] < 0 || n.i[kPruneRowsNorm] > 2) return n.fail("no such norm");
  if (n.n_i != kPruneRowsSizes + 2 * count + biases || n.n_in != 2 * all + 2 || n.n_out != 2 * all + 1)
    return n.fail("wrong number of inputs, outputs or integers");
  const PruneRowsArgs u = prune_rows_args(n.i);
  int64_t most = 0;
  for (int64_t t = 0; t < all; t++) {
    if (t >= count && (u.owner[t - count] < 0 || u.owner[t - count] >= count)) return n.fail("a bias belongs to no weight");
    const int64_t of = t < count ? t : u.owner[t - count], rows = u.rows[of], row = t < count ? u.row[of] : 1;
    if (rows < 0 || row < 0 || rows > Need::kMax / 64 || size_of(rows, row, 4) > Need::kMax) return n.fail("size out of range");
    n.in[t] = n.out[t] = size_of(rows, row, 4);
    n.in[all + t] = n.out[all + t] = size_of(rows, row);
    if (rows > most) most = rows;
  }
  n.in[2 * all] = n.out[2 * all] = size_mul(all, 8);
  n.in[2 * all + 1] = 8;
  for (int32_t o = 0; o <= 2 * all; o++) n.alias(o, o);
  n.scratch = size_mul(most, 8);
}
}   // namespace gradclip::GRADCLIP_ISA
