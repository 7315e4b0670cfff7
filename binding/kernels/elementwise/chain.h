// chain.h: a chain of elementwise operations of f32 that another kernel runs on what it has at hand: the update of an optimizer of one's own
// (update_chain.h), a stage of a clip policy (stage.h). It is interpreted tile by tile: so few elements that what an operation gives is handed
// to the next one in registers, and that several operations are in flight together, so that what costs little is done while the divider
// works. Operands are read where they lie, and a result is written where it belongs by the operation that makes it. map.h runs chains that
// broadcast, of any type, on longer blocks.
#pragma once
#include "maps.h"

namespace gradclip::GRADCLIP_ISA {
constexpr int kTileRegs =
    8;   // registers of the ISA that are handed on: what is passed in registers by every calling convention here
constexpr int kTile = kTileRegs * W;                                                        // elements
constexpr int kChainUniforms = 96, kChainSteps = 64, kChainTemps = 24, kChainWidest = 10;   // the last: vectors

// An operation, ready to be called: it gets what the one before gave, and calls the next one with what it gives itself. Compilers make a
// jump of that. What it reads and writes else are tiles in memory.
struct TileCall;
#define TILE_REGS RF r0, RF r1, RF r2, RF r3, RF r4, RF r5, RF r6, RF r7
using TileLoop = void (*)(const TileCall* call, TILE_REGS);
enum TileWrite { kTileHand, kTileWrite, kTileFlush };   // nothing, what it gives, that with denormals as 0
struct TileCall {
  TileLoop loop;
  float* const* in[4];
  float* const* out;     // may point to exactly an input
  int32_t into, write;   // which argument is what the one before gave, or -1; TileWrite
};
// Of the unit `elementwise`: an operation of maps.inc, or one of these. kTileCopy hands on what it got where `into` is 0; two make a choice at
// once, of four arguments: where(less(a, b), c, d), where(lessEqual(a, b), c, d).
enum TileOp { kTileCopy = kMapCount, kTileEnd, kTileWhereLess, kTileWhereLessEqual };
TileLoop tile_loop_of(int64_t op, int into, int write);

// In the integers of an instruction: vectors that it reads, uniform numbers that it is given (f64, rounded once), steps that compute with
// uniform numbers alone, steps on vectors, temporaries, results. Then per uniform step its operation (position in maps.inc) and three
// registers read; per step its operation, the temporary written, three registers read; per result its register. An operation of fewer
// arguments reads register 0 as the others, which it ignores.
// Registers: vectors, uniform numbers, uniform steps, temporaries.
enum ChainInts { kChainVectors, kChainGiven, kChainUniformSteps, kChainStepCount, kChainTempCount, kChainResults, kChainCode };
constexpr int kChainStep = 5;   // integers of a step
struct Chain {
  int vectors, given, uniform_steps, steps, temps, results;
  const int64_t *uniform_code, *code, *result;
  TileCall* call;
  float** reg;    // where each register lies; for whoever runs the chain to set and to move on: of vectors
  float** out;    // and of results
  float* spare;   // a tile for each of both
  int uniforms() const { return given + uniform_steps; }
  int registers() const { return vectors + uniforms() + temps; }
  // A result takes the place of this vector, or lies apart from all of them. None takes that of vector 1.
  static int place(int o) { return o > 0 ? o + 1 : 0; }
};
static inline Chain chain_of(const int64_t* i) {
  Chain c = {};
  c.vectors = (int)i[kChainVectors], c.given = (int)i[kChainGiven], c.uniform_steps = (int)i[kChainUniformSteps];
  c.steps = (int)i[kChainStepCount], c.temps = (int)i[kChainTempCount], c.results = (int)i[kChainResults];
  c.uniform_code = i + kChainCode;
  c.code = c.uniform_code + 4 * c.uniform_steps;
  c.result = c.code + kChainStep * c.steps;
  return c;
}
// Integers that a chain takes of `left`; -1: they are none, or it would read or write what is not there.
static int64_t chain_length(const int64_t* i, int64_t left, int64_t vectors, int64_t results) {
  if (vectors > kChainWidest || left < kChainCode || i[kChainVectors] != vectors || i[kChainResults] != results) return -1;
  const int64_t given = i[kChainGiven], uniform_steps = i[kChainUniformSteps], steps = i[kChainStepCount];
  const int64_t temps = i[kChainTempCount];
  if (given < 0 || given > kChainUniforms || uniform_steps < 0 || uniform_steps > kChainUniforms - given) return -1;
  if (steps < 0 || steps > kChainSteps || temps < 0 || temps > kChainTemps) return -1;
  const int64_t length = kChainCode + 4 * uniform_steps + kChainStep * steps + results;
  if (length > left) return -1;
  const int64_t* code = i + kChainCode;
  for (int64_t s = 0; s < uniform_steps; s++, code += 4) {
    if (code[0] < 0 || code[0] >= kMapCount) return -1;
    for (int k = 0; k < 3; k++) {
      const bool read = k < kMapArity[code[0]];
      if (read ? code[1 + k] < vectors || code[1 + k] >= vectors + given + s : code[1 + k] != 0) return -1;
    }
  }
  const int64_t first = vectors + given + uniform_steps;
  uint32_t written = 0;
  const auto known = [&](int64_t r) { return r >= 0 && r < first + temps && (r < first || written >> (r - first) & 1); };
  for (int64_t s = 0; s < steps; s++, code += kChainStep) {
    if (code[0] < 0 || code[0] >= kMapCount || code[1] < 0 || code[1] >= temps) return -1;
    for (int k = 0; k < 3; k++)
      if (k < kMapArity[code[0]] ? !known(code[2 + k]) : code[2 + k] != 0) return -1;
    written |= 1u << code[1];
  }
  for (int64_t o = 0; o < results; o++)
    if (!known(code[o])) return -1;
  return length;
}

// Memory of one thread: calls, tiles (uniform numbers, temporaries, copies, vectors, results), registers. A multiple of 64.
static constexpr int64_t chain_room(int64_t steps, int64_t vectors, int64_t uniforms, int64_t temps, int64_t results) {
  const int64_t calls = steps + 3 * results + 1, tiles = uniforms + temps + 2 * results + vectors;
  return (calls * (int64_t)sizeof(TileCall) + 63) / 64 * 64 + tiles * kTile * 4 +
         ((tiles * (int64_t)sizeof(float*)) + 63) / 64 * 64;
}
static inline int64_t chain_bytes(const Chain& c) { return chain_room(c.steps, c.vectors, c.uniforms(), c.temps, c.results); }
// What no chain of one vector exceeds.
constexpr int64_t kChainMost = chain_room(kChainSteps, 1, kChainUniforms, kChainTemps, 1);

INLINE void chain_run(const Chain& c) {
  const RF z = set1(0.0f).v[0];
  c.call->loop(c.call, z, z, z, z, z, z, z, z);
}

// Ready to run: with the uniform numbers computed. `write` is how results are written.
static void chain_begin(Chain& c, void* memory, const double* given, TileWrite write) {
  const int first = c.vectors + c.uniforms();   // temporary
  c.call = (TileCall*)memory;
  float* tile = (float*)((char*)memory + ((c.steps + 3 * c.results + 1) * sizeof(TileCall) + 63) / 64 * 64);
  c.spare = tile + (c.uniforms() + c.temps + c.results) * kTile;
  c.reg = (float**)(c.spare + (c.vectors + c.results) * kTile);
  c.out = c.reg + c.registers() + c.results;
  for (int k = 0; k < c.vectors; k++) c.reg[k] = c.spare + k * kTile;
  for (int k = c.vectors; k < c.registers() + c.results; k++, tile += kTile) c.reg[k] = tile;
  for (int o = 0; o < c.results; o++) c.out[o] = c.spare + (c.vectors + o) * kTile;

  TileCall* call = c.call;
  const auto add = [&](const TileCall& made) { *call++ = made; };
  const auto copy = [&](int into, TileWrite how, float* const* out, float* const* from) {
    add({tile_loop_of(kTileCopy, into, how), {from}, out, into, how});
  };
  const auto end = [&] { add({tile_loop_of(kTileEnd, -1, kTileHand), {}, nullptr, -1, kTileHand}); };
  for (int k = 0; k < c.given; k++)
    for (int i = 0; i < kTile; i += L) store(c.reg[c.vectors + k] + i, set1((float)given[k]));
  for (int s = 0; s < c.uniform_steps; s++) {
    const int64_t* code = c.uniform_code + 4 * s;
    call = c.call;
    add({tile_loop_of(code[0], -1, kTileWrite),
         {c.reg + code[1], c.reg + code[2], c.reg + code[3]},
         c.reg + c.vectors + c.given + s,
         -1,
         kTileWrite});
    end();
    chain_run(c);
  }

  // A result is written by the step that makes it, unless a later one reads the vector whose place it takes.
  int last_read[kChainWidest], last_write[kChainTemps];
  for (int& s : last_read) s = -1;
  for (int s = 0; s < c.steps; s++) {
    const int64_t* code = c.code + kChainStep * s;
    for (int k = 0; k < kMapArity[code[0]]; k++)
      if (code[2 + k] < c.vectors) last_read[code[2 + k]] = s;
    last_write[code[1]] = s;
  }
  const auto maker = [&](int o) {
    if (c.result[o] < first) return -1;
    const int s = last_write[c.result[o] - first];
    return last_read[Chain::place(o)] > s ? -1 : s;
  };
  // Of each step: which argument is what the one before gave; and whether another one reads what it gives, too.
  int8_t into[kChainSteps];
  bool read[kChainSteps];
  uint32_t live = 0;
  for (int o = 0; o < c.results; o++)
    if (c.result[o] >= first && maker(o) < 0) live |= 1u << (c.result[o] - first);
  for (int s = c.steps - 1; s >= 0; s--) {
    const int64_t* code = c.code + kChainStep * s;
    read[s] = live >> code[1] & 1;
    live &= ~(1u << code[1]);
    into[s] = -1;
    for (int k = 0; k < kMapArity[code[0]]; k++) {
      const int64_t r = code[2 + k];
      if (into[s] < 0 && s > 0 && r == first + code[1 - kChainStep])
        into[s] = (int8_t)k;
      else if (r >= first)
        live |= 1u << (r - first);
    }
  }

  call = c.call;
  // A vector that another result may take the place of is put aside.
  const auto aside = [&](int o) { return c.result[o] < c.vectors && c.result[o] != 1 && c.result[o] != Chain::place(o); };
  for (int o = 0; o < c.results; o++) {
    float** const from = c.reg + c.result[o];
    if (aside(o)) copy(-1, kTileWrite, c.reg + c.registers() + o, from);
  }
  const auto makes = [&](int s) {
    for (int o = 0; o < c.results; o++)
      if (maker(o) == s) return true;
    return false;
  };
  for (int s = 0; s < c.steps; s++) {
    const int64_t* code = c.code + kChainStep * s;
    int64_t op = code[0];
    const int from = into[s];
    float* const* in[4] = {c.reg + code[2], c.reg + code[3], c.reg + code[4]};
    const bool compares = op == kMap_less || op == kMap_lessEqual;
    if (compares && !read[s] && s + 1 < c.steps && into[s + 1] == 0 && code[kChainStep] == kMap_where && !makes(s)) {
      op = op == kMap_less ? kTileWhereLess : kTileWhereLessEqual;
      code += kChainStep, s++;
      in[2] = c.reg + code[3], in[3] = c.reg + code[4];
    }
    float** const temp = c.reg + first + code[1];
    TileWrite how = read[s] ? kTileWrite : kTileHand;
    TileCall* const made = call++;
    float* const* out = temp;
    for (int o = 0; o < c.results; o++) {
      if (maker(o) != s) continue;
      if (how == kTileHand)
        how = write, out = c.out + o;
      else
        copy(0, write, c.out + o, temp);
    }
    *made = {tile_loop_of(op, from, how), {in[0], in[1], in[2], in[3]}, out, from, how};
  }
  for (int o = 0; o < c.results; o++)
    if (maker(o) < 0) copy(-1, write, c.out + o, aside(o) ? c.reg + c.registers() + o : c.reg + c.result[o]);
  end();
}

// A tile times a number.
INLINE void tile_scaled(float* tile, const float* x, F by) {
#pragma GCC unroll 8
  for (int k = 0; k < kTile; k += L) store(tile + k, mul(load(x + k), by));
}
// Fewer elements than a tile has, filled up with zeros.
INLINE void tile_part(float* tile, const float* x, int n) {
  for (int k = 0; k < kTile; k += L) store(tile + k, load_part(x + k, n > k ? n - k : 0));
}
// n elements: vector k from x[k], of which vector `scaled` is multiplied by `by`, results to y[o]. `ahead`: how far ahead of them vectors are
// asked for, of which that one comes from `raw`; or 0.
INLINE void chain_tiles(const Chain& chain, const float* const* x, float* const* y, int n, int scaled, float by, const float* raw,
                        int64_t ahead) {
  float **const reg = chain.reg, **const out = chain.out;
  const int vectors = chain.vectors, results = chain.results;
  const F factor = set1(by);
  const bool copied = by != 1.0f;
  float* const copy = chain.spare + scaled * kTile;
  for (int v = 0; v < vectors; v++) reg[v] = (float*)x[v];
  for (int o = 0; o < results; o++) out[o] = y[o];
  if (copied) reg[scaled] = copy;
  int i = 0;
  for (; i + kTile <= n; i += kTile) {
    if (ahead) {
      for (int v = 0; v < vectors; v++) {
        const float* const p = (v == scaled ? raw : x[v]) + i + ahead;
#pragma GCC unroll 8
        for (int k = 0; k < kTile; k += L) __builtin_prefetch(p + k);
      }
    }
    if (copied) tile_scaled(copy, x[scaled] + i, factor);
    chain_run(chain);
    for (int v = 0; v < vectors; v++) reg[v] += kTile;
    for (int o = 0; o < results; o++) out[o] += kTile;
    if (copied) reg[scaled] = copy;
  }
  const int left = n - i;
  if (left == 0) return;
  for (int v = 0; v < vectors; v++) {
    reg[v] = chain.spare + v * kTile;
    tile_part(reg[v], x[v] + i, left);
  }
  if (copied) tile_scaled(copy, copy, factor);
  for (int o = 0; o < results; o++) out[o] = chain.spare + (vectors + o) * kTile;
  chain_run(chain);
  for (int o = 0; o < results; o++)
    for (int k = 0; k < left; k += L) store_part(y[o] + i + k, load(out[o] + k), left - k);
}
}   // namespace gradclip::GRADCLIP_ISA
