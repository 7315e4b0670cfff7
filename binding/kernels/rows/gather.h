// gather.h: rows by index (gather), their gradient (scatterAdd), oneHot, windows over a text, and floats that are indices. Every index is checked.
#pragma once
#include "indices.h"
#include "../reduce/reduce_load.h"

namespace gradclip::GRADCLIP_ISA {
enum GatherInts { kGatherRows, kGatherRow, kGatherCount, kGatherBytes };

template <class Copy>
static inline void gather_rows(const Args& a, const Team& team, Copy copy) {
  const int64_t rows = a.i[kGatherRows], row = a.i[kGatherRow], bytes = a.i[kGatherBytes];
  const uint8_t* table = (const uint8_t*)a.in[0];
  uint8_t* y = (uint8_t*)a.out[0];
  const Range r = split(a.i[kGatherCount], team);
  for (int64_t k = r.begin; k < r.end; k++) {
    const int64_t from = index_at(a.in[1], bytes, k);
    if (index_ok(a, k, from, rows))
      copy(y + k * row, table + from * row);
    else
      memset(y + k * row, 0, row);
  }
}
// y[k] = table[indices[k]], rows of `row` bytes; a row without a source is zero.
// i: rows of the table, bytes of a row, number of indices, bytes of an index
void gather(const Args& a, const Team& team) {
  const int64_t row = a.i[kGatherRow];
  const int lanes = (int)(row / 4);
  if (row == 4)
    gather_rows(a, team, [](void* y, const void* x) { memcpy(y, x, 4); });
  else if (kMasks && row % 4 == 0 && row <= 4 * L)   // shorter than a call
    gather_rows(a, team, [=](void* y, const void* x) { store_n((float*)y, load_n((const float*)x, lanes), lanes); });
  else
    gather_rows(a, team, [=](void* y, const void* x) { memcpy(y, x, row); });
}
void gather_need(Need& n) {
  if (n.i[kGatherBytes] != 1 && n.i[kGatherBytes] != 4) return n.fail("indices are neither u8 nor i32");
  n.in[0] = size_of(n.i[kGatherRows], n.i[kGatherRow]);
  n.in[1] = size_of(n.i[kGatherCount], n.i[kGatherBytes]);
  n.out[0] = size_of(n.i[kGatherCount], n.i[kGatherRow]);
}

constexpr int64_t kScatterBlock = 256;   // elements of a block: whole rows, at least one

static inline int64_t scatter_block_rows(int64_t row) {
  return row >= kScatterBlock ? 1 : row < 1 ? kScatterBlock : kScatterBlock / row;
}

// start[v] = where the positions of row v begin in `order`; positions ascend within a row.
struct ScatterPlan {
  int64_t* start;
  int32_t* order;
};
static void scatter_plan(const Args& a, const ScatterPlan& p, int64_t rows, int64_t count, int64_t bytes, int64_t skipped) {
  memset(p.start, 0, (rows + 2) * sizeof(int64_t));
  for (int64_t k = 0; k < count; k++) {
    const int64_t v = index_at(a.in[1], bytes, k);
    if (index_counts(a, k, v, rows, skipped)) p.start[v + 2]++;
  }
  for (int64_t v = 2; v <= rows + 1; v++) p.start[v] += p.start[v - 1];
  for (int64_t k = 0; k < count; k++) {
    const int64_t v = index_at(a.in[1], bytes, k);
    if ((uint64_t)v < (uint64_t)rows && v != skipped) p.order[p.start[v + 1]++] = (int32_t)k;
  }
}

constexpr int64_t kScatterWide =
    512;   // columns that are summed together: their sums stay in L1, and rows are read in long pieces

// v[0..m) += the rows order[0..R) of x, columns from c on, one after the other.
template <int R, typename T>
static void scatter_some(const T* x, int64_t row, const int32_t* order, int64_t left, int64_t c, int64_t m, double* v) {
  const T* from[R];
  const T* soon[R];   // what comes after them lies anywhere
  for (int k = 0; k < R; k++) from[k] = x + order[k] * row + c, soon[k] = x + order[k + R < left ? k + R : k] * row + c;
  for (int64_t i = 0; i + L <= m; i += L) {
    D sum = dload(v + i);
    for (int k = 0; k < R; k++) fetch_near(soon[k] + i), sum = add(sum, reduce_load(from[k] + i));
    dstore(v + i, sum);
  }
  if (m % L == 0) return;
  const int64_t i = m / L * L;
  D sum = dload(v + i);
  for (int k = 0; k < R; k++) sum = add(sum, reduce_load_n(from[k] + i, m - i, 0));
  dstore(v + i, sum);
}

// y = the sum of the rows order[0..n) of x; in f64, in the order of positions. Gives `squares` and those of y, in 16 lanes.
template <typename T>
static D scatter_row(const T* x, int64_t row, const int32_t* order, int64_t n, T* y, D squares) {
  for (int64_t c = 0; c < row; c += kScatterWide) {
    const int64_t m = row - c < kScatterWide ? row - c : kScatterWide;
    double v[kScatterWide];
    for (int64_t i = 0; i < m; i += L) dstore(v + i, dset1(0));
    int64_t k = 0;
    for (; k + 4 <= n; k += 4) scatter_some<4>(x, row, order + k, n - k, c, m, v);
    for (; k < n; k++) scatter_some<1>(x, row, order + k, n - k, c, m, v);
    for (int64_t i = 0; i < m; i++) v[i] = y[c + i] = (T)v[i];
    for (int64_t i = 0; i < m; i += L) squares = fma(dload(v + i), dload(v + i), squares);
  }
  return squares;
}

template <typename T>
static void scatter_typed(const Args& a, const ScatterPlan& p, int64_t rows, int64_t row, const Team& team) {
  const T* x = (const T*)a.in[0];
  T* y = (T*)a.out[0];
  const int64_t height = scatter_block_rows(row), blocks = (rows + height - 1) / height;
  // Blocks go to ranks by their work, rows to write and positions to read; no bit depends on who does a block.
  const int64_t work = rows + p.start[rows];
  for (int64_t b = 0; b < blocks; b++) {
    const int64_t first = b * height, end = first + height < rows ? first + height : rows;
    if ((first + p.start[first]) * team.size / work != team.rank) continue;
    D square = dset1(0);
    for (int64_t r = first; r < end; r++) {
      const int64_t from = p.start[r], n = p.start[r + 1] - from;
      if (n == 0) {
        memset(y + r * row, 0, row * sizeof(T));
        continue;
      }
      square = scatter_row(x, row, p.order + from, n, y + r * row, square);
    }
    if (a.n_out > 1) ((double*)a.out[1])[b] = hsum(square);
  }
}

enum ScatterInts { kScatterRows, kScatterRow, kScatterCount, kScatterBytes, kScatterF64, kScatterSkipped };

// y[v] = sum of x[k] over the positions k with indices[k] = v, zero where there is none.
// i: rows of y, elements of a row, number of indices, bytes of an index, 1 if f64, an index that is left out (-1: none)
// A second output takes the sum of squares of every block of rows.
void scatterAdd(const Args& a, const Team& team) {
  const int64_t rows = a.i[kScatterRows], row = a.i[kScatterRow], count = a.i[kScatterCount];
  ScatterPlan p = {(int64_t*)a.scratch, nullptr};
  p.order = (int32_t*)(p.start + rows + 2);
  if (team.rank == 0) scatter_plan(a, p, rows, count, a.i[kScatterBytes], a.i[kScatterSkipped]);
  team.barrier();
  if (a.i[kScatterF64])
    scatter_typed<double>(a, p, rows, row, team);
  else
    scatter_typed<float>(a, p, rows, row, team);
}
void scatterAdd_need(Need& n) {
  if (n.n_out != 1 && n.n_out != 2) return n.fail("expected one or two outputs");
  if (n.i[kScatterBytes] != 1 && n.i[kScatterBytes] != 4) return n.fail("indices are neither u8 nor i32");
  const int64_t rows = n.i[kScatterRows], row = n.i[kScatterRow], count = n.i[kScatterCount], elem = n.i[kScatterF64] ? 8 : 4;
  if (rows < 0 || rows > Need::kMax || row < 0 || row > Need::kMax) return n.fail("size out of range");
  if (count < 0 || count > 0x7fffffff) return n.fail("number of indices out of range");
  n.in[0] = size_of(count, row, elem);
  n.in[1] = size_of(count, n.i[kScatterBytes]);
  n.out[0] = size_of(rows, row, elem);
  const int64_t height = scatter_block_rows(row);
  if (n.n_out > 1) n.out[1] = size_mul((rows + height - 1) / height, 8);
  n.scratch = size_mul(rows + 2, 8) + size_mul(count, 4);
}

enum OneHotInts { kOneHotCount, kOneHotClasses, kOneHotBytes };

// y[k, :] = 1 at indices[k], else 0. i: number of indices, classes, bytes of an index
void oneHot(const Args& a, const Team& team) {
  const int64_t classes = a.i[kOneHotClasses];
  float* y = (float*)a.out[0];
  const Range r = split(a.i[kOneHotCount], team);
  memset(y + r.begin * classes, 0, (r.end - r.begin) * classes * sizeof(float));
  for (int64_t k = r.begin; k < r.end; k++) {
    const int64_t v = index_at(a.in[0], a.i[kOneHotBytes], k);
    if (index_ok(a, k, v, classes)) y[k * classes + v] = 1.f;
  }
}
void oneHot_need(Need& n) {
  if (n.i[kOneHotBytes] != 1 && n.i[kOneHotBytes] != 4) return n.fail("indices are neither u8 nor i32");
  n.in[0] = size_of(n.i[kOneHotCount], n.i[kOneHotBytes]);
  n.out[0] = size_of(n.i[kOneHotCount], n.i[kOneHotClasses], 4);
}

enum WindowsInts { kWindowsText, kWindowsCount, kWindowsLength, kWindowsBytes };

// y[k, t] = text[starts[k] + t]. i: elements of the text, windows, length of a window, bytes of an element of the text
void windows(const Args& a, const Team& team) {
  const int64_t length = a.i[kWindowsLength], bytes = a.i[kWindowsBytes];
  const Range r = split(a.i[kWindowsCount], team);
  for (int64_t k = r.begin; k < r.end; k++) {
    const int64_t from = ((const int32_t*)a.in[1])[k];
    int32_t* row = (int32_t*)a.out[0] + k * length;
    if (!index_ok(a, k, from, a.i[kWindowsText] - length + 1))
      memset(row, 0, length * 4);
    else if (bytes == 4)
      memcpy(row, (const int32_t*)a.in[0] + from, length * 4);
    else
      for (int64_t t = 0; t < length; t++) row[t] = ((const uint8_t*)a.in[0])[from + t];
  }
}
void windows_need(Need& n) {
  if (n.i[kWindowsBytes] != 1 && n.i[kWindowsBytes] != 4) return n.fail("the text is neither u8 nor i32");
  if (n.i[kWindowsLength] < 0 || n.i[kWindowsLength] > n.i[kWindowsText]) return n.fail("a window is longer than the text");
  n.in[0] = size_of(n.i[kWindowsText], n.i[kWindowsBytes]);
  n.in[1] = size_of(n.i[kWindowsCount], 4);
  n.out[0] = size_of(n.i[kWindowsCount], n.i[kWindowsLength], 4);
}

enum IndicesInts { kIndicesCount, kIndicesF64 };

// y[k] = x[k] as i32: floats that are whole numbers, smaller than `limit` in size. i: elements, 1 if f64
template <typename T>
static void indices_typed(const Args& a, const Team& team, T limit) {
  const T* x = (const T*)a.in[0];
  int32_t* y = (int32_t*)a.out[0];
  const Range r = split(a.i[kIndicesCount], team);
  for (int64_t k = r.begin; k < r.end; k++) {
    const T v = x[k];
    y[k] = v > -limit && v < limit ? (int32_t)v : 0;
    if ((T)y[k] != v) fail(a.status, kIndexOutOfBounds, k, (double)v, (double)limit);
  }
}
void indices(const Args& a, const Team& team) {
  // From 2^24 on f32 does not have every whole number: what is read there may be another one, rounded.
  if (a.i[kIndicesF64])
    indices_typed<double>(a, team, 0x1p31);
  else
    indices_typed<float>(a, team, 0x1p24f);
}
void indices_need(Need& n) {
  n.in[0] = size_of(n.i[kIndicesCount], n.i[kIndicesF64] ? 8 : 4);
  n.out[0] = size_of(n.i[kIndicesCount], 4);
}
}   // namespace gradclip::GRADCLIP_ISA
