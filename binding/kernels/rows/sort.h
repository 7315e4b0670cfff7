// sort.h: rows in order (sort), and the first of them (topK), with where they came from. Keys are bits of whole numbers that order as the
// numbers do: -0 as 0, NaN above all. Equal ones stay in their order, by the digits from the lowest on (LSD radix sort).
#pragma once
#include "../simd.h"

namespace gradclip::GRADCLIP_ISA {
INLINE uint32_t sort_key(float x) {
  uint32_t u;
  x = x + 0.f;   // -0 becomes 0
  memcpy(&u, &x, 4);
  return x != x ? 0xffffffffu : u >> 31 ? ~u : u | 0x80000000u;
}
INLINE uint64_t sort_key(double x) {
  uint64_t u;
  x = x + 0.;
  memcpy(&u, &x, 8);
  return x != x ? ~0ull : u >> 63 ? ~u : u | 0x8000000000000000ull;
}
// A key and a place.
struct SortNarrow {
  uint64_t v;
  INLINE SortNarrow of(float x, uint32_t at, bool down) { return {(uint64_t)(down ? ~sort_key(x) : sort_key(x)) << 32 | at}; }
  static constexpr int kBits = 32;
  inline uint32_t digit(int shift, uint32_t mask) const { return (uint32_t)(v >> (32 + shift)) & mask; }
  inline uint32_t at() const { return (uint32_t)v; }
  inline bool operator<(const SortNarrow& o) const { return v < o.v; }
};
struct SortWide {
  uint64_t k, place;
  INLINE SortWide of(double x, uint32_t at, bool down) { return {down ? ~sort_key(x) : sort_key(x), at}; }
  static constexpr int kBits = 64;
  inline uint32_t digit(int shift, uint32_t mask) const { return (uint32_t)(k >> shift) & mask; }
  inline uint32_t at() const { return (uint32_t)place; }
  inline bool operator<(const SortWide& o) const { return k < o.k || (k == o.k && place < o.place); }
};
constexpr int64_t kSortFew = 48, kSortMany = 2048;
constexpr int kSortDigit = 11;                               // bits
constexpr int64_t kSortCounts = 6 * (1 << kSortDigit) * 4;   // bytes: of 64 bits

template <class Item>
static void sort_few(Item* a, int64_t n) {
  for (int64_t i = 1; i < n; i++) {
    const Item x = a[i];
    int64_t j = i;
    for (; j > 0 && x < a[j - 1]; j--) a[j] = a[j - 1];
    a[j] = x;
  }
}
// Sorts a, with as much room again behind b; gives where the result is.
template <class Item, int B>
static Item* sort_digits(Item* a, Item* b, int64_t n, uint32_t* counts) {
  constexpr int passes = (Item::kBits + B - 1) / B, size = 1 << B;
  constexpr uint32_t mask = size - 1;
  memset(counts, 0, passes * size * sizeof(uint32_t));
  for (int64_t i = 0; i < n; i++)
    for (int p = 0; p < passes; p++) counts[p * size + a[i].digit(p * B, mask)]++;
  for (int p = 0; p < passes; p++) {
    uint32_t* c = counts + p * size;
    if (c[a[0].digit(p * B, mask)] == n) continue;   // all have the same digit
    uint32_t sum = 0;
    for (int d = 0; d < size; d++) {
      const uint32_t m = c[d];
      c[d] = sum, sum += m;
    }
    for (int64_t i = 0; i < n; i++) b[c[a[i].digit(p * B, mask)]++] = a[i];
    Item* t = a;
    a = b, b = t;
  }
  return a;
}
template <class Item>
static Item* sort_items(Item* a, Item* b, int64_t n, uint32_t* counts) {
  if (n <= kSortFew) return sort_few(a, n), a;
  return n < kSortMany ? sort_digits<Item, 8>(a, b, n, counts) : sort_digits<Item, kSortDigit>(a, b, n, counts);
}

template <class Item, typename T>
static void sort_write(const T* x, const Item* a, int64_t n, T* y, int32_t* at) {
  for (int64_t i = 0; i < n; i++) y[i] = x[a[i].at()], at[i] = (int32_t)a[i].at();
}

enum SortInts { kSortRows, kSortCount, kSortF64, kSortDown, kSortTaken };

template <class Item, typename T>
static void sort_typed(const Args& a, const Team& team) {
  const int64_t n = a.i[kSortCount];
  const bool down = a.i[kSortDown];
  uint32_t* counts = (uint32_t*)a.local;
  Item* items = (Item*)((char*)a.local + kSortCounts);
  const Range r = split(a.i[kSortRows], team);
  for (int64_t row = r.begin; row < r.end; row++) {
    const T* x = (const T*)a.in[0] + row * n;
    for (int64_t i = 0; i < n; i++) items[i] = Item::of(x[i], (uint32_t)i, down);
    const Item* sorted = n ? sort_items(items, items + n, n, counts) : items;
    sort_write(x, sorted, n, (T*)a.out[0] + row * n, (int32_t*)a.out[1] + row * n);
  }
}
// y = each row of x in order, at = where each element stood. i: rows, elements of a row, 1 if f64, 1 for the largest first
void sort(const Args& a, const Team& team) {
  a.i[kSortF64] ? sort_typed<SortWide, double>(a, team) : sort_typed<SortNarrow, float>(a, team);
}
static bool sort_sizes(Need& n) {
  if (n.i[kSortRows] < 0 || n.i[kSortRows] > Need::kMax) return n.fail("size out of range"), false;
  if (n.i[kSortCount] < 0 || n.i[kSortCount] > 0x7fffffff) return n.fail("elements of a row out of range"), false;
  return true;
}
void sort_need(Need& n) {
  if (!sort_sizes(n)) return;
  const int64_t rows = n.i[kSortRows], count = n.i[kSortCount], wide = n.i[kSortF64] ? 8 : 4;
  n.in[0] = n.out[0] = size_of(rows, count, wide);
  n.out[1] = size_of(rows, count, 4);
  n.local = kSortCounts + size_mul(2 * count, n.i[kSortF64] ? 16 : 8);
}

// Which of the 16 elements at x may come before `worst`, a bit each: a NaN may.
INLINE uint32_t top_some(const float* x, float worst, bool down) {
  const F v = load(x), w = set1(worst);
  return (uint32_t)mbits(down ? le(v, w) : le(w, v)) ^ 0xffffu;
}
INLINE uint32_t top_some(const double* x, double worst, bool down) {
  uint32_t some = 0;
  for (int i = 0; i < L; i++) some |= (uint32_t) !(down ? x[i] <= worst : worst <= x[i]) << i;
  return some;
}
constexpr int64_t kTopFew = 128;     // kept in order while the row is read
constexpr int64_t kTopRoom = 1024;   // or four times as many as are wanted: for more than those, to be put in order at once

template <class Item, typename T>
static int64_t top_few(const T* x, int64_t n, int64_t k, bool down, Item* best) {
  int64_t kept = 0;
  const auto see = [&](int64_t i) {
    const Item item = Item::of(x[i], (uint32_t)i, down);
    if (kept == k && !(item < best[k - 1])) return;
    int64_t j = kept < k ? kept++ : k - 1;
    for (; j > 0 && item < best[j - 1]; j--) best[j] = best[j - 1];
    best[j] = item;
  };
  int64_t i = 0;
  for (; i < n && kept < k; i++) see(i);
  const auto group = [&](int64_t at, uint32_t among) {
    for (uint32_t some = top_some(x + at, x[best[k - 1].at()], down) & among; some; some &= some - 1)
      see(at + __builtin_ctz(some));
  };
  for (; i + L <= n; i += L) group(i, ~0u);
  if (n >= L && i < n) return group(n - L, ~0u << (i - (n - L))), kept;
  for (; i < n; i++) see(i);
  return kept;
}
// Those that may be among the first k, by the k-th of what was seen; where there is no more room for them, all but k are left out.
template <class Item, typename T>
static Item* top_many(const T* x, int64_t n, int64_t k, bool down, Item* items, uint32_t* counts) {
  const int64_t room = 4 * k > kTopRoom ? 4 * k : kTopRoom;
  int64_t i = 0, kept = 0;
  for (; i < n && kept < room; i++) items[kept++] = Item::of(x[i], (uint32_t)i, down);
  for (;;) {
    Item* const first = sort_items(items, items + n, kept, counts);
    if (i == n) return first;
    if (first != items) memcpy(items, first, k * sizeof(Item));
    kept = k;
    const T worst = x[items[k - 1].at()];
    for (; i + L <= n && kept + L <= room; i += L)
      for (uint32_t some = top_some(x + i, worst, down); some; some &= some - 1) {
        const int64_t at = i + __builtin_ctz(some);
        items[kept++] = Item::of(x[at], (uint32_t)at, down);
      }
    if (i + L > n)
      for (; i < n; i++) items[kept++] = Item::of(x[i], (uint32_t)i, down);
  }
}
template <class Item, typename T>
static void top_typed(const Args& a, const Team& team) {
  const int64_t n = a.i[kSortCount], k = a.i[kSortTaken];
  const bool down = a.i[kSortDown];
  uint32_t* counts = (uint32_t*)a.local;
  Item* items = (Item*)((char*)a.local + kSortCounts);
  const Range r = split(a.i[kSortRows], team);
  if (k == 0) return;
  for (int64_t row = r.begin; row < r.end; row++) {
    const T* x = (const T*)a.in[0] + row * n;
    const Item* best = items;
    if (k <= kTopFew)
      top_few(x, n, k, down, items);
    else
      best = top_many(x, n, k, down, items, counts);
    sort_write(x, best, k, (T*)a.out[0] + row * k, (int32_t*)a.out[1] + row * k);
  }
}
// The first k of each row as sort would give them. i: rows, elements of a row, 1 if f64, 1 for the largest, k
void topK(const Args& a, const Team& team) {
  a.i[kSortF64] ? top_typed<SortWide, double>(a, team) : top_typed<SortNarrow, float>(a, team);
}
void topK_need(Need& n) {
  if (!sort_sizes(n)) return;
  const int64_t rows = n.i[kSortRows], count = n.i[kSortCount], k = n.i[kSortTaken], item = n.i[kSortF64] ? 16 : 8;
  if (k < 0 || k > count) return n.fail("more than there are");
  n.in[0] = size_of(rows, count, n.i[kSortF64] ? 8 : 4);
  n.out[0] = size_of(rows, k, n.i[kSortF64] ? 8 : 4);
  n.out[1] = size_of(rows, k, 4);
  n.local = kSortCounts + (k <= kTopFew ? size_mul(k, item) : size_mul(2 * count, item));
}
}   // namespace gradclip::GRADCLIP_ISA
