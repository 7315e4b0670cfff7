// embedding.h: rows of tables that an update is to see (takeRows, putRows), and bags of rows (embeddingBag).
#pragma once
#include "indices.h"
#include "../reduce/reduce_load.h"

namespace gradclip::GRADCLIP_ISA {
// Rows lie anywhere in the table: this many are asked for in advance.
constexpr int64_t kRowsAhead = 8;
static void ask_for_row(const void* table, int64_t id, int64_t rows, int64_t row) {
  if ((uint64_t)id >= (uint64_t)rows) return;
  const char* at = (const char*)((const float*)table + id * row);
  for (int64_t b = 0; b < row * (int64_t)sizeof(float) && b < 1024; b += 64) __builtin_prefetch(at + b);
}

enum SomeRowsInts { kSomeRowsTable, kSomeRowsRow, kSomeRowsIds };   // of takeRows and putRows

// y_k[u] = x_k[ids[u]], zeros where ids[u] is no row. i: rows, elements of a row, number of ids. ins ids (i32), x_1 .. x_n (f32); outs y_1 .. y_n.
void takeRows(const Args& a, const Team& team) {
  const int64_t rows = a.i[kSomeRowsTable], row = a.i[kSomeRowsRow];
  const int32_t* ids = (const int32_t*)a.in[0];
  const Range r = split(a.i[kSomeRowsIds], team);
  for (int k = 0; k < a.n_out; k++) {
    for (int64_t u = r.begin; u < r.end; u++) {
      if (u + kRowsAhead < r.end) ask_for_row(a.in[1 + k], ids[u + kRowsAhead], rows, row);
      float* y = (float*)a.out[k] + u * row;
      if ((uint64_t)ids[u] < (uint64_t)rows)
        memcpy(y, (const float*)a.in[1 + k] + ids[u] * row, row * sizeof(float));
      else
        memset(y, 0, row * sizeof(float));
    }
  }
}
static bool some_rows_need(Need& n, int64_t arrays) {
  if (n.i[kSomeRowsTable] < 0 || n.i[kSomeRowsTable] > Need::kMax || n.i[kSomeRowsRow] < 0 || n.i[kSomeRowsRow] > Need::kMax ||
      n.i[kSomeRowsIds] < 0 || n.i[kSomeRowsIds] > Need::kMax)
    return n.fail("size out of range"), false;
  if (arrays < 1 || n.n_out != arrays) return n.fail("wrong number of inputs or outputs"), false;
  n.in[0] = size_of(n.i[kSomeRowsIds], 4);
  return true;
}
void takeRows_need(Need& n) {
  if (!some_rows_need(n, n.n_in - 1)) return;
  for (int k = 0; k < n.n_out; k++)
    n.in[1 + k] = size_of(n.i[kSomeRowsTable], n.i[kSomeRowsRow], 4), n.out[k] = size_of(n.i[kSomeRowsIds], n.i[kSomeRowsRow], 4);
}

// y_k = x_k, but y_k[ids[u]] = v_k[u] where ids[u] is a row; ids are distinct. y_k may be x_k.
// i: rows, elements of a row, number of ids. ins ids (i32), x_1 .. x_n, v_1 .. v_n; outs y_1 .. y_n.
void putRows(const Args& a, const Team& team) {
  const int64_t rows = a.i[kSomeRowsTable], row = a.i[kSomeRowsRow];
  const int32_t* ids = (const int32_t*)a.in[0];
  bool copies = false;
  for (int k = 0; k < a.n_out; k++) {
    if (a.out[k] == a.in[1 + k]) continue;
    const Range all = split(rows * row, team);
    memcpy((float*)a.out[k] + all.begin, (const float*)a.in[1 + k] + all.begin, (all.end - all.begin) * sizeof(float));
    copies = true;
  }
  if (copies) team.barrier();
  const Range r = split(a.i[kSomeRowsIds], team);
  for (int k = 0; k < a.n_out; k++) {
    for (int64_t u = r.begin; u < r.end; u++) {
      if (u + kRowsAhead < r.end) ask_for_row(a.out[k], ids[u + kRowsAhead], rows, row);
      if ((uint64_t)ids[u] >= (uint64_t)rows) continue;
      memcpy((float*)a.out[k] + ids[u] * row, (const float*)a.in[1 + a.n_out + k] + u * row, row * sizeof(float));
    }
  }
}
void putRows_need(Need& n) {
  if (n.n_in % 2 != 1 || !some_rows_need(n, n.n_in / 2)) return n.fail("wrong number of inputs or outputs");
  for (int k = 0; k < n.n_out; k++) {
    n.in[1 + k] = n.out[k] = size_of(n.i[kSomeRowsTable], n.i[kSomeRowsRow], 4);
    n.in[1 + n.n_out + k] = size_of(n.i[kSomeRowsIds], n.i[kSomeRowsRow], 4);
    n.alias(k, 1 + k);
  }
}

enum BagsInts { kBagsRows, kBagsRow, kBagsPositions, kBagsCount, kBagsBytes, kBagsMode, kBagsPadding, kBagsWeighted };
// i: rows of the table, elements of a row, number of positions, bags, bytes of an index, mode, a padding index (-1: none), whether positions
// have weights
enum BagMode { kBagSum = 0, kBagMean = 1, kBagMax = 2 };
struct Bags {
  int64_t rows, row, count, bags, bytes, mode, padding;
  bool weighted;
};
static Bags bags_of(const int64_t* i) {
  return {i[kBagsRows],  i[kBagsRow],  i[kBagsPositions], i[kBagsCount],
          i[kBagsBytes], i[kBagsMode], i[kBagsPadding],   i[kBagsWeighted] != 0};
}
// The positions of a bag; none where the offsets do not ascend, and then the run ends.
static Range bag_range(const Args& a, const Bags& g, const int32_t* offsets, int64_t bag) {
  const int64_t begin = offsets[bag], end = bag + 1 < g.bags ? offsets[bag + 1] : g.count;
  if (!index_ok(a, bag, begin, g.count + 1) || !index_ok(a, bag + 1, end, g.count + 1)) return {0, 0};
  if (begin > end) return fail(a.status, kIndexOutOfBounds, bag, (double)begin, (double)end + 1), Range{0, 0};
  return {begin, end};
}
// The row at position k; -1 for padding, or where there is none, and then the run ends.
static int64_t bag_row(const Args& a, const Bags& g, const void* indices, int64_t k) {
  const int64_t v = index_at(indices, g.bytes, k);
  return index_ok(a, k, v, g.rows) && v != g.padding ? v : -1;
}

// ins table (f32), indices, offsets (i32), weights (f32); outs y, and of a maximum the position that each element is of (i32, -1: none).
// Sums are made in f64, in the order of positions.
void embeddingBag(const Args& a, const Team& team) {
  const Bags g = bags_of(a.i);
  const float *table = (const float*)a.in[0], *weights = g.weighted ? (const float*)a.in[3] : nullptr;
  const Range mine = split(g.bags, team);
  for (int64_t b = mine.begin; b < mine.end; b++) {
    const Range r = bag_range(a, g, (const int32_t*)a.in[2], b);
    float* y = (float*)a.out[0] + b * g.row;
    int64_t members = 0;
    for (int64_t k = r.begin; k < r.end; k++) members += bag_row(a, g, a.in[1], k) >= 0;
    if (g.mode == kBagMax) {
      int32_t* at = (int32_t*)a.out[1] + b * g.row;
      for (int64_t c = 0; c < g.row; c++) y[c] = 0, at[c] = -1;
      for (int64_t k = r.begin; k < r.end; k++) {
        const int64_t v = bag_row(a, g, a.in[1], k);
        if (v < 0) continue;
        const float* x = table + v * g.row;
        for (int64_t c = 0; c < g.row; c++)
          if (at[c] < 0 || x[c] > y[c]) y[c] = x[c], at[c] = (int32_t)k;
      }
      continue;
    }
    const D by = dset1(g.mode == kBagMean && members > 0 ? (double)members : 1);
    for (int64_t c = 0; c < g.row; c += L) {
      const int64_t m = g.row - c < L ? g.row - c : L;
      D sum = dset1(0);
      for (int64_t k = r.begin; k < r.end; k++) {
        const int64_t v = bag_row(a, g, a.in[1], k);
        if (v < 0) continue;
        const D x = reduce_load_n(table + v * g.row + c, m, 0);
        sum = weights ? fma(dset1((double)weights[k]), x, sum) : add(sum, x);
      }
      double t[L];
      dstore(t, g.mode == kBagMean ? div(sum, by) : sum);
      for (int64_t i = 0; i < m; i++) y[c + i] = (float)t[i];
    }
  }
}
static bool bags_need(Need& n, int indices) {
  const Bags g = bags_of(n.i);
  if (g.bytes != 1 && g.bytes != 4) return n.fail("indices are neither u8 nor i32"), false;
  if (g.mode < kBagSum || g.mode > kBagMax) return n.fail("no such mode"), false;
  for (int k = kBagsRows; k <= kBagsCount; k++)
    if (n.i[k] < 0 || n.i[k] > Need::kMax) return n.fail("size out of range"), false;
  if (g.count > INT32_MAX) return n.fail("more positions than 32 bits number"), false;
  if (n.n_in != indices + 2 + g.weighted) return n.fail("wrong number of inputs"), false;
  n.in[indices] = size_of(g.count, g.bytes);
  n.in[indices + 1] = size_of(g.bags, 4);
  if (g.weighted) n.in[indices + 2] = size_of(g.count, 4);
  return true;
}
void embeddingBag_need(Need& n) {
  if (!bags_need(n, 1)) return;
  const Bags g = bags_of(n.i);
  if (n.n_out != 1 + (g.mode == kBagMax)) return n.fail("wrong number of outputs");
  n.in[0] = size_of(g.rows, g.row, 4);
  for (int k = 0; k < n.n_out; k++) n.out[k] = size_of(g.bags, g.row, 4);
}

// What each position gets of the gradient of its bag. ins dy (of a maximum also the positions that embeddingBag gave), indices, offsets,
// weights; out f32 [positions, row].
void embeddingBagGrad(const Args& a, const Team& team) {
  const Bags g = bags_of(a.i);
  const int first = g.mode == kBagMax ? 2 : 1;
  const int32_t *at = (const int32_t*)a.in[1], *offsets = (const int32_t*)a.in[first + 1];
  const float* weights = g.weighted ? (const float*)a.in[first + 2] : nullptr;
  float* dx = (float*)a.out[0];
  if (team.rank == 0) {   // positions before the first bag
    const int64_t before = g.bags > 0 ? offsets[0] : g.count;
    if ((uint64_t)before <= (uint64_t)g.count) memset(dx, 0, before * g.row * sizeof(float));
  }
  const Range mine = split(g.bags, team);
  for (int64_t b = mine.begin; b < mine.end; b++) {
    const Range r = bag_range(a, g, offsets, b);
    const float* dy = (const float*)a.in[0] + b * g.row;
    int64_t members = 0;
    for (int64_t k = r.begin; k < r.end; k++) members += bag_row(a, g, a.in[first], k) >= 0;
    for (int64_t k = r.begin; k < r.end; k++) {
      float* x = dx + k * g.row;
      const bool inside = bag_row(a, g, a.in[first], k) >= 0;
      const float by = !inside ? 0 : weights ? weights[k] : 1;
      for (int64_t c = 0; c < g.row; c++) {
        if (g.mode == kBagMax)
          x[c] = inside && at[b * g.row + c] == k ? dy[c] : 0;
        else
          x[c] = !inside ? 0 : g.mode == kBagMean ? dy[c] / (float)members : dy[c] * by;
      }
    }
  }
}
void embeddingBagGrad_need(Need& n) {
  const int first = n.i[kBagsMode] == kBagMax ? 2 : 1;
  if (!bags_need(n, first)) return;
  const Bags g = bags_of(n.i);
  for (int k = 0; k < first; k++) n.in[k] = size_of(g.bags, g.row, 4);
  n.out[0] = size_of(g.count, g.row, 4);
}
}   // namespace gradclip::GRADCLIP_ISA
