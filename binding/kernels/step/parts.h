// parts.h: how the elements of a tensor are shared out among processes. Twin: ops/step/parts.ts.
//
// Parts lie in such an order that a sum over processes can end with each having its own: those whose numbers are alike in their lowest bits lie side by
// side, so that two who exchange halves (the tree of sync.h begins with neighbors) give and keep a piece in one.
#pragma once
#include "../unit.h"

namespace gradclip::GRADCLIP_ISA {
// Parts begin where a cache line does; those of large tensors where a block of the norm does (kBlock in statistics.h), so that its sums are the same.
constexpr int64_t kPartUnit = 16, kPartBlock = 4096;
// Tensors of more elements are large.
constexpr int64_t kPartLarge = 16384;

// Of `size` processes, those whose number is `rank` in all bits below `bit`, a power of two.
static inline int64_t part_alike(int64_t rank, int64_t size, int64_t bit) {
  const int64_t first = rank & (bit - 1);
  return first < size ? (size - 1 - first) / bit + 1 : 0;
}
// Where their parts lie among all.
static Range part_places(int64_t rank, int64_t size, int64_t bit) {
  int64_t from = 0;
  for (int64_t b = 1; b < bit; b *= 2)
    if (rank & b) from += part_alike(rank & (b - 1), size, 2 * b);
  return {from, from + part_alike(rank, size, bit)};
}
// The first power of two that tells all processes apart.
static inline int64_t part_bits(int64_t size) {
  int64_t bit = 1;
  while (bit < size) bit *= 2;
  return bit;
}
// The element at which the part of a place begins; that of `size` is the end.
static int64_t part_at(int64_t n, int64_t place, int64_t size) {
  const int64_t unit = n > kPartLarge ? kPartBlock : kPartUnit;
  const int64_t at = (n + unit - 1) / unit * place / size * unit;
  return at < n ? at : n;
}
// The elements of those processes whose number is `rank` in all bits below `bit`.
static Range parts_alike(int64_t n, int64_t rank, int64_t size, int64_t bit) {
  const Range places = part_places(rank, size, bit);
  return {part_at(n, places.begin, size), part_at(n, places.end, size)};
}
static Range part_of(int64_t n, int64_t rank, int64_t size) { return parts_alike(n, rank, size, part_bits(size)); }

// Calls swap(peer, places that this process has by then, those that it gets of the peer) until it has all.
template <class Swap>
static void gather_parts(int64_t rank, int64_t size, Swap swap) {
  const int64_t bits = part_bits(size);
  if (bits == size) {   // as a sum ends, but backwards: parts of two, then of four, and so on
    for (int64_t bit = size / 2; bit >= 1; bit /= 2)
      swap(int32_t(rank ^ bit), part_places(rank, size, 2 * bit), part_places(rank ^ bit, size, 2 * bit));
    return;
  }
  for (int64_t round = 0; round < size; round++) {   // a round of a tournament after the other: each with each
    const int64_t peer = (round - rank + size) % size;
    if (peer != rank) swap(int32_t(peer), part_places(rank, size, bits), part_places(peer, size, bits));
  }
}
}   // namespace gradclip::GRADCLIP_ISA
