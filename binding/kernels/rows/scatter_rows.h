// scatter_rows.h: scatterAdd that keeps only the rows it was given: the gradient of a large table of which few rows were read.
#pragma once
#include "gather.h"

namespace gradclip::GRADCLIP_ISA {
enum ScatterRowsInts { kScatterRowsTable, kScatterRowsRow, kScatterRowsCount, kScatterRowsBytes, kScatterRowsSkipped };

// values[u] = the sum of x[k] over the positions k whose index is the u-th distinct one, in order of first appearance; zero from there
// on. at[v] = u for the row v of the table, -1 where no position has that index.
// i: rows of the table, elements of a row, number of indices, bytes of an index, an index that is left out (-1: none). out: values, at, and if there is a third the sum of
// squares of every block of rows of the values.
struct RowsPlan {
  int64_t* used;    // how many distinct rows
  int64_t* start;   // where the positions of value u begin in `order`; positions ascend
  int32_t* order;
};
static RowsPlan rows_plan_of(const Args& a) {
  int64_t* p = (int64_t*)a.scratch;
  return {p, p + 1, (int32_t*)(p + a.i[kScatterRowsCount] + 3)};
}
static void rows_plan(const Args& a, const RowsPlan& p, int32_t* at) {
  const int64_t rows = a.i[kScatterRowsTable], count = a.i[kScatterRowsCount], bytes = a.i[kScatterRowsBytes];
  int64_t used = 0;
  memset(p.start, 0, (count + 2) * sizeof(int64_t));
  for (int64_t k = 0; k < count; k++) {
    const int64_t v = index_at(a.in[1], bytes, k);
    if (!index_counts(a, k, v, rows, a.i[kScatterRowsSkipped])) continue;
    if (at[v] < 0) at[v] = (int32_t)used++;
    p.start[at[v] + 2]++;
  }
  for (int64_t u = 2; u <= used + 1; u++) p.start[u] += p.start[u - 1];
  for (int64_t k = 0; k < count; k++) {
    const int64_t v = index_at(a.in[1], bytes, k);
    if ((uint64_t)v < (uint64_t)rows && v != a.i[kScatterRowsSkipped]) p.order[p.start[at[v] + 1]++] = (int32_t)k;
  }
  *p.used = used;
}

// The sums of the rows in use, zeros behind them. Blocks of rows go to the threads in turn: those in use lie in front.
static void rows_sum(const Args& a, const RowsPlan& p, double* squares, const Team& team) {
  const int64_t row = a.i[kScatterRowsRow], count = a.i[kScatterRowsCount];
  const float* x = (const float*)a.in[0];
  float* values = (float*)a.out[0];
  const int64_t height = scatter_block_rows(row), blocks = (count + height - 1) / height;
  for (int64_t b = team.rank; b < blocks; b += team.size) {
    const int64_t first = b * height, end = first + height < count ? first + height : count;
    D square = dset1(0);
    for (int64_t u = first; u < end; u++) {
      float* y = values + u * row;
      if (u >= *p.used) {
        memset(y, 0, row * sizeof(float));
        continue;
      }
      square = scatter_row(x, row, p.order + p.start[u], p.start[u + 1] - p.start[u], y, square);
    }
    if (squares) squares[b] = hsum(square);
  }
}

void scatterRows(const Args& a, const Team& team) {
  int32_t* at = (int32_t*)a.out[1];
  const RowsPlan p = rows_plan_of(a);
  const Range mine = split(a.i[kScatterRowsTable], team);
  memset(at + mine.begin, 0xff, (mine.end - mine.begin) * sizeof(int32_t));
  team.barrier();
  if (team.rank == 0) rows_plan(a, p, at);
  team.barrier();
  rows_sum(a, p, a.n_out > 2 ? (double*)a.out[2] : nullptr, team);
}
static bool rows_need(Need& n) {
  if (n.n_out != 2 && n.n_out != 3) return n.fail("expected two or three outputs"), false;
  if (n.i[kScatterRowsBytes] != 1 && n.i[kScatterRowsBytes] != 4) return n.fail("indices are neither u8 nor i32"), false;
  const int64_t rows = n.i[kScatterRowsTable], row = n.i[kScatterRowsRow], count = n.i[kScatterRowsCount];
  if (rows < 0 || rows > Need::kMax || row < 0 || row > Need::kMax) return n.fail("size out of range"), false;
  if (count < 0 || count > INT32_MAX / 4) return n.fail("more positions than 32 bits number"), false;
  n.in[0] = n.out[0] = size_of(count, row, 4);
  n.in[1] = size_of(count, n.i[kScatterRowsBytes]);
  const int64_t height = scatter_block_rows(row);
  if (n.n_out == 3) n.out[2] = size_mul((count + height - 1) / height, 8);
  n.scratch = size_mul(count + 3, 8) + size_mul(count, 4);
  return true;
}
void scatterRows_need(Need& n) {
  if (rows_need(n)) n.out[1] = size_of(n.i[kScatterRowsTable], 4);
}

// The same, and in place of `at` the indices themselves: ids[u] is the row of the table that value u is of, -1 behind those in use. Nothing
// here is as large as the table: rows are found in a hash table of the indices.
struct LookupPlan {
  RowsPlan rows;
  int32_t *place, *slot;   // per position its value; the hash table: a value + 1, or 0
  int shift;
};
static int lookup_bits(int64_t count) {
  int bits = 4;
  while ((int64_t)1 << bits < 2 * count) bits++;
  return bits;
}
static LookupPlan lookup_plan_of(const Args& a) {
  const RowsPlan rows = rows_plan_of(a);
  int32_t* place = rows.order + a.i[kScatterRowsCount];
  return {rows, place, place + a.i[kScatterRowsCount], 32 - lookup_bits(a.i[kScatterRowsCount])};
}
static void lookup_plan(const Args& a, const LookupPlan& l, int32_t* ids) {
  const int64_t rows = a.i[kScatterRowsTable], count = a.i[kScatterRowsCount], bytes = a.i[kScatterRowsBytes];
  const RowsPlan& p = l.rows;
  const uint32_t mask = UINT32_MAX >> l.shift;
  int32_t used = 0;
  memset(p.start, 0, (count + 2) * sizeof(int64_t));
  memset(l.slot, 0, ((size_t)mask + 1) * sizeof(int32_t));
  for (int64_t k = 0; k < count; k++) {
    const int64_t v = index_at(a.in[1], bytes, k);
    l.place[k] = -1;
    if (!index_counts(a, k, v, rows, a.i[kScatterRowsSkipped])) continue;
    uint32_t h = ((uint32_t)v * 2654435761u) >> l.shift;
    while (l.slot[h] && ids[l.slot[h] - 1] != v) h = (h + 1) & mask;
    if (!l.slot[h]) ids[used] = (int32_t)v, l.slot[h] = ++used;
    l.place[k] = l.slot[h] - 1;
    p.start[l.place[k] + 2]++;
  }
  for (int64_t u = used; u < count; u++) ids[u] = -1;
  for (int64_t u = 2; u <= used + 1; u++) p.start[u] += p.start[u - 1];
  for (int64_t k = 0; k < count; k++)
    if (l.place[k] >= 0) p.order[p.start[l.place[k] + 1]++] = (int32_t)k;
  *p.used = used;
}
void lookupRows(const Args& a, const Team& team) {
  const LookupPlan l = lookup_plan_of(a);
  if (team.rank == 0) lookup_plan(a, l, (int32_t*)a.out[1]);
  team.barrier();
  rows_sum(a, l.rows, a.n_out > 2 ? (double*)a.out[2] : nullptr, team);
}
void lookupRows_need(Need& n) {
  if (!rows_need(n)) return;
  if (n.i[kScatterRowsTable] > (int64_t)INT32_MAX + 1) return n.fail("more rows than 32 bits number");
  n.out[1] = size_of(n.i[kScatterRowsCount], 4);
  n.scratch += size_mul(n.i[kScatterRowsCount], 4) + ((int64_t)4 << lookup_bits(n.i[kScatterRowsCount]));
}
}   // namespace gradclip::GRADCLIP_ISA
