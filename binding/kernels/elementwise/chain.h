// chain.h: a chain of elementwise operations of f32 that another kernel runs on what it has at hand: the update of an optimizer of one's own
// (update_chain.h), a stage of a clip policy (stage.h). It is interpreted tile by tile: so few elements that all operations on one tile, and
// the next one's, are in flight together, and what costs little is done while the divider works. map.h runs chains that broadcast, of any
// type, on longer blocks.
#pragma once
#include "maps.h"

namespace gradclip::GRADCLIP_ISA {
constexpr int kTile = 4 * L;   // elements of a register
constexpr int kChainUniforms = 96, kChainSteps = 64, kChainTemps = 24;

// Where an operation reads: elements, or, where `step` is 0, a lane group of one number that stands for all of them.
struct TileArg {
  const float* p;
  int64_t step;   // L or 0
};
struct TileCall;
using TileLoop = void (*)(const TileCall& call);
// An operation on a tile, or one and the next that reads what it gives, ready to be called.
struct TileCall {
  TileLoop loop;
  float* out;      // may be exactly an input
  TileArg in[5];   // of the first, then those of the next that are not what the first gives
};
// Of the unit `elementwise`: an operation of maps.inc, and two of them, of which the first gives argument `k` of the second; null: there is none.
TileLoop tile_loop_of(int64_t op);
TileLoop tile_pair_of(int64_t first, int64_t second, int64_t k);

// In the integers of an instruction: vectors that it reads, uniform numbers that it is given (f64, rounded once), steps that compute with
// uniform numbers alone, steps on vectors, temporaries, results. Then per uniform step its operation (position in maps.inc) and three
// registers read; per step its operation, the temporary written, three registers read, and where it is read by the next step alone, as argument
// k, 1 + k, else 0; per result its register. An operation of fewer arguments reads register 0 as the others, which it ignores.
// Registers: vectors, uniform numbers, uniform steps, temporaries.
enum ChainInts { kChainVectors, kChainGiven, kChainUniformSteps, kChainStepCount, kChainTempCount, kChainResults, kChainCode };
constexpr int kChainStep = 6;   // integers of a step
struct Chain {
  int vectors, given, uniform_steps, steps, temps, results;
  const int64_t *uniform_code, *code, *result;
  TileCall* call;   // of each step, or of two
  int calls;
  TileArg* reg;   // of all
  int uniforms() const { return given + uniform_steps; }
  int registers() const { return vectors + uniforms() + temps; }
  float* vector(int k) const { return (float*)reg[k].p; }
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
  if (left < kChainCode || i[kChainVectors] != vectors || i[kChainResults] != results) return -1;
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
  uint32_t written = 0;   // what is handed on to the next step may never be written
  int64_t handed = 0;
  const auto known = [&](int64_t r) { return r >= 0 && r < first + temps && (r < first || written >> (r - first) & 1); };
  for (int64_t s = 0; s < steps; s++, code += kChainStep) {
    if (code[0] < 0 || code[0] >= kMapCount || code[1] < 0 || code[1] >= temps) return -1;
    for (int k = 0; k < 3; k++) {
      if (handed == 1 + k) {
        if (k >= kMapArity[code[0]] || code[2 + k] != first + code[1 - kChainStep]) return -1;
      } else if (k < kMapArity[code[0]] ? !known(code[2 + k]) : code[2 + k] != 0)
        return -1;
    }
    handed = code[5];
    if (handed < 0 || handed > 3 || (handed > 0 && s == steps - 1)) return -1;
    written = handed ? written & ~(1u << code[1]) : written | 1u << code[1];
  }
  for (int64_t o = 0; o < results; o++)
    if (!known(code[o])) return -1;
  return length;
}

// Memory of one thread: calls, groups of uniform numbers, tiles, registers. A multiple of 64.
static inline int64_t chain_bytes(const Chain& c) {
  return c.steps * (int64_t)sizeof(TileCall) + c.uniforms() * L * 4 + (c.vectors + c.temps) * (int64_t)kTile * 4 +
         (c.registers() * (int64_t)sizeof(TileArg) + 63) / 64 * 64;
}
// What no chain of one vector exceeds.
constexpr int64_t kChainMost = kChainSteps * sizeof(TileCall) + kChainUniforms * L * 4 + (1 + kChainTemps) * kTile * 4 +
                               (1 + kChainUniforms + kChainTemps + 4) * sizeof(TileArg);
// Ready to run: with the uniform numbers computed.
static void chain_begin(Chain& c, void* memory, const double* given) {
  c.call = (TileCall*)memory;
  float* at = (float*)(c.call + c.steps);
  c.reg = (TileArg*)(at + c.uniforms() * L + (c.vectors + c.temps) * kTile);
  TileArg* reg = c.reg;
  for (int k = 0; k < c.vectors; k++, at += kTile) *reg++ = {at, L};
  float* const uniform = at;
  at += c.uniforms() * L;
  for (int k = 0; k < c.uniforms(); k++) *reg++ = {uniform + k * L, 0};
  for (int t = 0; t < c.temps; t++, at += kTile) *reg++ = {at, L};
  for (int k = 0; k < c.given; k++) store(uniform + k * L, set1((float)given[k]));
  alignas(64) float tile[kTile];
  for (int s = 0; s < c.uniform_steps; s++) {
    const int64_t* code = c.uniform_code + 4 * s;
    tile_loop_of(code[0])({nullptr, tile, {c.reg[code[1]], c.reg[code[2]], c.reg[code[3]]}});
    store(uniform + (c.given + s) * L, load(tile));
  }
  float* const temp = at - c.temps * kTile;
  c.calls = 0;
  for (int s = 0; s < c.steps; s++) {
    const int64_t* code = c.code + kChainStep * s;
    TileCall& call = c.call[c.calls++];
    call = {tile_loop_of(code[0]), temp + code[1] * kTile, {c.reg[code[2]], c.reg[code[3]], c.reg[code[4]]}};
    const int64_t* next = code + kChainStep;
    const TileLoop pair = code[5] ? tile_pair_of(code[0], next[0], code[5] - 1) : nullptr;
    if (!pair) continue;
    call.loop = pair;
    call.out = temp + next[1] * kTile;
    int at = kMapArity[code[0]];
    for (int k = 0; k < kMapArity[next[0]]; k++)
      if (k != code[5] - 1) call.in[at++] = c.reg[next[2 + k]];
    s++;
  }
}
// n elements of x, times a number, as a tile, filled up with zeros.
INLINE void tile_load(float* tile, const float* x, F by, int n) {
  if (n >= kTile) {
#pragma GCC unroll 4
    for (int k = 0; k < kTile; k += L) store(tile + k, mul(load(x + k), by));
  } else {
    for (int k = 0; k < kTile; k += L) store(tile + k, mul(load_part(x + k, n > k ? n - k : 0), by));
  }
}
INLINE void tile_load(float* tile, const float* x, int n) {
  if (n >= kTile) {
#pragma GCC unroll 4
    for (int k = 0; k < kTile; k += L) store(tile + k, load(x + k));
  } else {
    for (int k = 0; k < kTile; k += L) store(tile + k, load_part(x + k, n > k ? n - k : 0));
  }
}
INLINE void chain_run(const Chain& c) {
  for (const TileCall *call = c.call, *end = call + c.calls; call < end; call++) call->loop(*call);
}
}   // namespace gradclip::GRADCLIP_ISA
