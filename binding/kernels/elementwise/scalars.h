// scalars.h: chains of elementwise operations on f64 scalars in one instruction: what a clip policy decides and reports. The operations
// are those of `map`, with the same bits.
#pragma once
#include "maps.h"

namespace gradclip::GRADCLIP_ISA {
constexpr int kScalarRegs = kMapInputs + kMapConstants + kMapSteps;

using ScalarOp = double (*)(double a, double b, double c);
template <double (*fn)(double)>
static double scalar_op(double a, double, double) {
  return fn(a);
}
template <double (*fn)(double, double)>
static double scalar_op(double a, double b, double) {
  return fn(a, b);
}
template <double (*fn)(double, double, double)>
static double scalar_op(double a, double b, double c) {
  return fn(a, b, c);
}
static const ScalarOp kScalarOps[] = {
#define MAP(name, arity, end) scalar_op<map_##name>,
#include "maps.inc"
};

enum ScalarsInts { kScalarsSteps, kScalarsSkip, kScalarsCode };
// i: steps, the register that decides (not 0, or NaN: the step is skipped; -1: none does), then per step its operation (position in
// maps.inc) and three registers read, then per output the register it takes.
// Registers: inputs, then constants (f), then the value of each step.
void scalars(const Args& a, const Team& team) {
  if (team.rank != 0) return;
  double reg[kScalarRegs];
  int n = 0;
  for (; n < a.n_in; n++) reg[n] = *(const double*)a.in[n];
  for (int c = 0; c < a.n_f; c++) reg[n++] = a.f[c];
  const int64_t* code = a.i + kScalarsCode;
  for (int64_t s = 0; s < a.i[kScalarsSteps]; s++, code += 4)
    reg[n++] = kScalarOps[code[0]](reg[code[1]], reg[code[2]], reg[code[3]]);
  for (int o = 0; o < a.n_out; o++) *(double*)a.out[o] = reg[code[o]];
  if (a.i[kScalarsSkip] >= 0 && reg[a.i[kScalarsSkip]] != 0) a.ctx->skip = 1;
}
void scalars_need(Need& n) {
  if (n.n_i < kScalarsCode || n.i[kScalarsSteps] < 0 || n.i[kScalarsSteps] > kMapSteps) return n.fail("too many steps");
  if (n.n_in > kMapInputs || n.n_f > kMapConstants || n.n_in + n.n_f < 1) return n.fail("too many or no operands");
  if (n.n_i != kScalarsCode + 4 * n.i[kScalarsSteps] + n.n_out) return n.fail("wrong number of integers");
  int64_t known = n.n_in + n.n_f;
  const int64_t* code = n.i + kScalarsCode;
  for (int64_t s = 0; s < n.i[kScalarsSteps]; s++, code += 4, known++) {
    if (code[0] < 0 || code[0] >= kMapCount) return n.fail("unknown operation");
    for (int k = 1; k <= 3; k++) {
      if (code[k] < 0 || code[k] >= known) return n.fail("reads an unknown register");
    }
  }
  if (n.i[kScalarsSkip] < -1 || n.i[kScalarsSkip] >= known) return n.fail("decides by an unknown register");
  for (int o = 0; o < n.n_out; o++) {
    if (code[o] < 0 || code[o] >= known) return n.fail("reads an unknown register");
    n.out[o] = 8;
  }
  for (int i = 0; i < n.n_in; i++) n.in[i] = 8;
}
}   // namespace gradclip::GRADCLIP_ISA
