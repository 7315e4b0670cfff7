// tiles.h: the operations of maps.inc on a tile, for chain.h: each calls the next one with what it gives.
#pragma once
#include "chain.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"   // immintrin.h's vectors of anything

namespace gradclip::GRADCLIP_ISA {
template <F (*fn)(F)>
INLINE F tile_apply(const F* x) {
  return fn(x[0]);
}
template <F (*fn)(F, F)>
INLINE F tile_apply(const F* x) {
  return fn(x[0], x[1]);
}
template <F (*fn)(F, F, F)>
INLINE F tile_apply(const F* x) {
  return fn(x[0], x[1], x[2]);
}
#define MAP(name, arity, end)                                     \
  struct Tile_##name {                                            \
    static constexpr int kArgs = arity;                           \
    INLINE F of(const F* x) { return tile_apply<map_##name>(x); } \
  };
#include "maps.inc"
struct TileCopy {
  static constexpr int kArgs = 1;
  INLINE F of(const F* x) { return x[0]; }
};
struct TileWhereLess {
  static constexpr int kArgs = 4;
  INLINE F of(const F* x) { return select(lt(x[0], x[1]), x[2], x[3]); }
};
struct TileWhereLessEqual {
  static constexpr int kArgs = 4;
  INLINE F of(const F* x) { return select(le(x[0], x[1]), x[2], x[3]); }
};

// What is handed on, as lane groups.
struct TileValue {
  F v[kTile / L];
};
INLINE TileValue tile_value(TILE_REGS) {
  const RF r[] = {r0, r1, r2, r3, r4, r5, r6, r7};
  TileValue a;
#pragma GCC unroll 8
  for (int k = 0; k < kTileRegs; k++) a.v[k / NR].v[k % NR] = r[k];
  return a;
}
#define TILE_VALUE tile_value(r0, r1, r2, r3, r4, r5, r6, r7)
#define TILE_REG(k) a.v[(k) / NR].v[(k) % NR]
#define TILE_NEXT(c) \
  (c)[1].loop((c) + 1, TILE_REG(0), TILE_REG(1), TILE_REG(2), TILE_REG(3), TILE_REG(4), TILE_REG(5), TILE_REG(6), TILE_REG(7))

// Few instructions: without a branch.
template <class Op, int kInto, int kWrite>
static void tile_loop(const TileCall* c, TILE_REGS) {
  TileValue a = TILE_VALUE;
  const float* in[4] = {};
#pragma GCC unroll 4
  for (int i = 0; i < Op::kArgs; i++)
    if (i != kInto) in[i] = *c->in[i];
  float* const out = kWrite == kTileHand ? nullptr : *c->out;
#pragma GCC unroll 8
  for (int k = 0; k < kTile / L; k++) {
    F x[4];
#pragma GCC unroll 4
    for (int i = 0; i < Op::kArgs; i++) x[i] = i == kInto ? a.v[k] : load(in[i] + k * L);
    a.v[k] = Op::of(x);
    if (kWrite == kTileWrite) store(out + k * L, a.v[k]);
    if (kWrite == kTileFlush) store(out + k * L, flush_f(a.v[k]));
  }
  TILE_NEXT(c);
}
// Many.
template <class Op>
static void tile_long(const TileCall* c, TILE_REGS) {
  TileValue a = TILE_VALUE;
  alignas(64) float value[kTile];
#pragma GCC unroll 8
  for (int k = 0; k < kTile / L; k++) store(value + k * L, a.v[k]);
  const float* in[3] = {};
  for (int i = 0; i < Op::kArgs; i++) in[i] = i == c->into ? value : *c->in[i];
  float* const out = *c->out;
  const int write = c->write;
#pragma GCC unroll 1
  for (int k = 0; k < kTile; k += L) {
    F x[3];
    for (int i = 0; i < Op::kArgs; i++) x[i] = load(in[i] + k);
    const F y = Op::of(x);
    store(value + k, y);
    if (write != kTileHand) store(out + k, write == kTileFlush ? flush_f(y) : y);
  }
#pragma GCC unroll 8
  for (int k = 0; k < kTile / L; k++) a.v[k] = load(value + k * L);
  TILE_NEXT(c);
}
static void tile_end(const TileCall*, TILE_REGS) {}

template <class Op, int kInto>
static TileLoop tile_writing(int write) {
  if (write == kTileHand) return tile_loop<Op, kInto, kTileHand>;
  return write == kTileWrite ? tile_loop<Op, kInto, kTileWrite> : tile_loop<Op, kInto, kTileFlush>;
}
template <class Op>
static TileLoop tile_short(int into, int write) {
  if (into < 0) return tile_writing<Op, -1>(write);
  if constexpr (Op::kArgs > 1)
    if (into == 1) return tile_writing<Op, 1>(write);
  if constexpr (Op::kArgs == 3)   // of a choice of four arguments only the first two
    if (into == 2) return tile_writing<Op, 2>(write);
  return tile_writing<Op, 0>(write);
}
#define SHORT(name) \
  if (op == kMap_##name) return tile_short<Tile_##name>(into, write);
#define MAP(name, arity, end) tile_long<Tile_##name>,
TileLoop tile_loop_of(int64_t op, int into, int write) {
  static const TileLoop all[] = {
#include "maps.inc"
      nullptr,
      tile_end,
  };
  SHORT(add)
  SHORT(sub)
  SHORT(mul)
  SHORT(div)
  SHORT(neg)
  SHORT(abs)
  SHORT(sign)
  SHORT(square)
  SHORT(sqrt)
  SHORT(reciprocal)
  SHORT(minimum)
  SHORT(maximum)
  SHORT(clamp)
  SHORT(less)
  SHORT(lessEqual)
  SHORT(fma)
  SHORT(where)
  if (op == kTileWhereLess) return tile_short<TileWhereLess>(into, write);
  if (op == kTileWhereLessEqual) return tile_short<TileWhereLessEqual>(into, write);
  if (op == kTileCopy) return tile_short<TileCopy>(into, write);
  return all[op];
}
#undef SHORT
#pragma GCC diagnostic pop
}   // namespace gradclip::GRADCLIP_ISA
