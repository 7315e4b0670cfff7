// chain.h: a chain of elementwise operations of f32 that another kernel runs on blocks of what it has at hand: the update of an optimizer of
// one's own (update_chain.h), a stage of a clip policy (stage.h). map.h has chains that broadcast, of any type.
#pragma once
#include "loops.h"

namespace gradclip::GRADCLIP_ISA {
constexpr int kChainBlock = 256;   // elements of a register: some of them, and what is read meanwhile, lie in L1 together
constexpr int kChainUniforms = 96, kChainSteps = 64, kChainTemps = 24;

// In the integers of an instruction: vectors that it reads, uniform numbers that it is given (f64, rounded once), steps that compute with
// uniform numbers alone, steps on blocks, temporaries, results. Then per uniform step its operation (position in maps.inc) and three registers
// read; per step its operation, the temporary written and three registers read; per result its register. An operation of fewer arguments
// reads register 0 as the others, which it ignores.
// Registers: vectors, uniform numbers, uniform steps, temporaries.
enum ChainInts { kChainVectors, kChainGiven, kChainUniformSteps, kChainStepCount, kChainTempCount, kChainResults, kChainCode };
struct Chain {
  int vectors, given, uniform_steps, steps, temps, results;
  const int64_t *uniform_code, *code, *result;
  MapReg* reg;   // of all; whoever runs it sets those of the vectors
  int uniforms() const { return given + uniform_steps; }
  int first_temp() const { return vectors + uniforms(); }
};
static inline Chain chain_of(const int64_t* i) {
  Chain c = {(int)i[kChainVectors],   (int)i[kChainGiven],   (int)i[kChainUniformSteps], (int)i[kChainStepCount],
             (int)i[kChainTempCount], (int)i[kChainResults], i + kChainCode,             nullptr,
             nullptr,                 nullptr};
  c.code = c.uniform_code + 4 * c.uniform_steps;
  c.result = c.code + 5 * c.steps;
  return c;
}
// Integers that a chain takes of `left`; -1: they are none, or it would read or write what is not there.
static int64_t chain_length(const int64_t* i, int64_t left, int64_t vectors, int64_t results) {
  if (left < kChainCode || i[kChainVectors] != vectors || i[kChainResults] != results) return -1;
  const int64_t given = i[kChainGiven], uniform_steps = i[kChainUniformSteps], steps = i[kChainStepCount];
  const int64_t temps = i[kChainTempCount];
  if (given < 0 || given > kChainUniforms || uniform_steps < 0 || uniform_steps > kChainUniforms - given) return -1;
  if (steps < 0 || steps > kChainSteps || temps < 0 || temps > kChainTemps) return -1;
  const int64_t length = kChainCode + 4 * uniform_steps + 5 * steps + results;
  if (length > left) return -1;
  const int64_t* code = i + kChainCode;
  for (int64_t s = 0; s < uniform_steps; s++, code += 4) {
    if (code[0] < 0 || code[0] >= kMapCount) return -1;
    for (int k = 1; k < 4; k++) {
      const bool read = k <= kMapArity[code[0]];
      if (read ? code[k] < vectors || code[k] >= vectors + given + s : code[k] != 0) return -1;
    }
  }
  const int64_t first = vectors + given + uniform_steps;
  uint32_t written = 0;
  const auto known = [&](int64_t r) { return r >= 0 && r < first + temps && (r < first || written >> (r - first) & 1); };
  for (int64_t s = 0; s < steps; s++, code += 5) {
    if (code[0] < 0 || code[0] >= kMapCount || code[1] < 0 || code[1] >= temps) return -1;
    for (int k = 0; k < 3; k++)
      if (k < kMapArity[code[0]] ? !known(code[2 + k]) : code[2 + k] != 0) return -1;
    written |= 1u << code[1];
  }
  for (int64_t o = 0; o < results; o++)
    if (!known(code[o])) return -1;
  return length;
}

// Memory of one thread: its registers, groups of uniform numbers, temporaries. A multiple of 64.
static inline int64_t chain_registers(const Chain& c) { return ((c.first_temp() + c.temps) * (int64_t)sizeof(MapReg) + 63) / 64 * 64; }
static inline int64_t chain_bytes(const Chain& c) {
  return chain_registers(c) + c.uniforms() * L * 4 + c.temps * (int64_t)kChainBlock * 4;
}
// Ready to run: with the uniform numbers computed.
static void chain_begin(Chain& c, void* memory, const double* given) {
  c.reg = (MapReg*)memory;
  float* at = (float*)((char*)memory + chain_registers(c));
  MapReg* reg = c.reg + c.vectors;
  for (int k = 0; k < c.given; k++, at += L) {
    store(at, set1((float)given[k]));
    *reg++ = {at, 0};
  }
  for (int s = 0; s < c.uniform_steps; s++, at += L) {
    const int64_t* code = c.uniform_code + 4 * s;
    const MapReg in[3] = {c.reg[code[1]], c.reg[code[2]], c.reg[code[3]]};
    kMapRows[code[0]].f32(at, in, L);
    *reg++ = {at, 0};
  }
  for (int t = 0; t < c.temps; t++, at += kChainBlock) *reg++ = {at, L};
}
// One step on n <= kChainBlock elements.
INLINE void chain_step(const Chain& c, int s, int64_t n) {
  const int64_t* code = c.code + 5 * s;
  const MapReg in[3] = {c.reg[code[2]], c.reg[code[3]], c.reg[code[4]]};
  kMapRows[code[0]].f32((void*)c.reg[c.first_temp() + code[1]].p, in, n);
}
}   // namespace gradclip::GRADCLIP_ISA
