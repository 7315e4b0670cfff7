// tiles.h: the operations of maps.inc on a tile, for chain.h, alone and two at a time: what only the next operation reads is never written.
#pragma once
#include "chain.h"

namespace gradclip::GRADCLIP_ISA {
template <F (*fn)(F)>
static void tile_loop(const TileCall& c) {
  const float* a = c.in[0].p;
  const int64_t sa = c.in[0].step;
  float* d = c.out;
#pragma GCC unroll 1
  for (int k = 0; k < kTile; k += L, a += sa) store(d + k, fn(load(a)));
}
// Nearly all are one instruction: four of them, without a branch.
template <F (*fn)(F, F)>
static void tile_loop(const TileCall& c) {
  const float *a = c.in[0].p, *b = c.in[1].p;
  const int64_t sa = c.in[0].step, sb = c.in[1].step;
  float* d = c.out;
#pragma GCC unroll 4
  for (int k = 0; k < 4; k++) store(d + k * L, fn(load(a + k * sa), load(b + k * sb)));
}
template <F (*fn)(F, F, F)>
static void tile_loop(const TileCall& c) {
  const float *a = c.in[0].p, *b = c.in[1].p, *e = c.in[2].p;
  const int64_t sa = c.in[0].step, sb = c.in[1].step, se = c.in[2].step;
  float* d = c.out;
#pragma GCC unroll 4
  for (int k = 0; k < 4; k++) store(d + k * L, fn(load(a + k * sa), load(b + k * sb), load(e + k * se)));
}
#define MAP(name, arity, end) tile_loop<map_##name>,
static const TileLoop kTileLoops[] = {
#include "maps.inc"
};
TileLoop tile_loop_of(int64_t op) { return kTileLoops[op]; }

// ---- pairs: what optimizers are made of ----------------------------------------------------------------------------
#define PAIRED1(name)                                    \
  struct Paired_##name {                                 \
    static constexpr int kArgs = 1;                      \
    INLINE F of(const F* x) { return map_##name(x[0]); } \
  };
#define PAIRED2(name)                                          \
  struct Paired_##name {                                       \
    static constexpr int kArgs = 2;                            \
    INLINE F of(const F* x) { return map_##name(x[0], x[1]); } \
  };
#define PAIRED3(name)                                                \
  struct Paired_##name {                                             \
    static constexpr int kArgs = 3;                                  \
    INLINE F of(const F* x) { return map_##name(x[0], x[1], x[2]); } \
  };
PAIRED2(add)
PAIRED2(sub)
PAIRED2(mul)
PAIRED2(div)
PAIRED2(less)
PAIRED2(minimum)
PAIRED2(maximum)
PAIRED1(sqrt)
PAIRED1(square)
PAIRED1(sign)
PAIRED3(fma)
PAIRED3(where)
#undef PAIRED1
#undef PAIRED2
#undef PAIRED3

template <class A, class B, int kInto>
static void tile_pair(const TileCall& c) {
  constexpr int kIns = A::kArgs + B::kArgs - 1;
  const float* in[kIns];
  int64_t step[kIns];
#pragma GCC unroll 5
  for (int i = 0; i < kIns; i++) in[i] = c.in[i].p, step[i] = c.in[i].step;
  float* d = c.out;
#pragma GCC unroll 4
  for (int k = 0; k < 4; k++) {
    F x[A::kArgs], y[B::kArgs];
#pragma GCC unroll 3
    for (int i = 0; i < A::kArgs; i++) x[i] = load(in[i] + k * step[i]);
    y[kInto] = A::of(x);
#pragma GCC unroll 3
    for (int i = 0; i < B::kArgs; i++)
      if (i != kInto) y[i] = load(in[A::kArgs + i - (i > kInto)] + k * step[A::kArgs + i - (i > kInto)]);
    store(d + k * L, B::of(y));
  }
}
template <class A, class B>
static TileLoop pair_into(int64_t k) {
  if (k == 0) return tile_pair<A, B, 0>;
  if constexpr (B::kArgs > 1)
    if (k == 1) return tile_pair<A, B, 1>;
  if constexpr (B::kArgs > 2)
    if (k == 2) return tile_pair<A, B, 2>;
  return nullptr;
}
#define SECOND(name) \
  if (second == kMap_##name) return pair_into<A, Paired_##name>(k);
template <class A>
static TileLoop pair_with(int64_t second, int64_t k) {
  SECOND(add)
  SECOND(sub)
  SECOND(mul)
  SECOND(div)
  SECOND(minimum)
  SECOND(maximum)
  SECOND(fma)
  SECOND(where)
  SECOND(sqrt)
  return nullptr;
}
#undef SECOND
#define FIRST(name) \
  if (first == kMap_##name) return pair_with<Paired_##name>(second, k);
TileLoop tile_pair_of(int64_t first, int64_t second, int64_t k) {
  FIRST(add)
  FIRST(sub)
  FIRST(mul)
  FIRST(div)
  FIRST(less)
  FIRST(sqrt)
  FIRST(square)
  FIRST(sign)
  FIRST(fma)
  FIRST(where)
  return nullptr;
}
#undef FIRST
}   // namespace gradclip::GRADCLIP_ISA
