// probe_dot.h: how fast products in bf16 are at most, for figures to be compared with, as probe.h has it of fma. No op uses it;
// lib/cli/bench/probe.ts does.
#pragma once
#include "bf16.h"

namespace gradclip::GRADCLIP_ISA {
enum ProbeDotInts { kDotRounds };

// Chains of sum + a * b + a * b on every thread: 4 * 16 * kDotChains * rounds flops each. ints: rounds. in: f32[2], a and b, numbers that
// are bf16. out: f32[16], in each lane the sum of the chains, which begin with 0, 1, 2, .... To hide the latency of vdpbf16ps they are twice
// as many as those of fma; where registers are too few for that, one half comes after the other.
constexpr int kDotChains = 24, kDotParts = kRegs > kDotChains + 2 ? 1 : 2;
void probe_dot_need(Need& n) {
  if (n.i[kDotRounds] < 0 || n.i[kDotRounds] > 1 << 24) return n.fail("rounds must be 0 to 2^24");
  n.in[0] = 2 * 4;
  n.out[0] = L * 4;
}

// Both terms of a pair, in all lanes: words, or emulated one term, since the other is the same.
static RF dot_operand(float value) {
  uint32_t word;
  memcpy(&word, &value, 4);
  if (kDots) word |= word >> 16;
  memcpy(&value, &word, 4);
  return r_set1(value);
}

void probe_dot(const Args& args, const Team& team) {
  const float* in = (const float*)args.in[0];
  const RF a = dot_operand(in[0]), b = dot_operand(in[1]);
  constexpr int chains = kDotChains / kDotParts;
  RF sum = r_set1(0);
  for (int part = 0; part < kDotParts * NR; part++) {   // as many lanes everywhere
    RF x[chains];
    for (int k = 0; k < chains; k++) x[k] = r_set1((float)(part % kDotParts * chains + k));
    for (int64_t i = 0; i < args.i[kDotRounds] * Bf16::words; i++) {
#pragma GCC unroll 24
      for (int k = 0; k < chains; k++) x[k] = mul_to<Bf16>(x[k], a, b);
    }
    for (int k = 0; k < chains; k++) sum = r_add(sum, x[k]);
  }
  float lanes[W];
  r_store(lanes, r_mul(sum, r_set1(1.0f / NR)));
  // The others must not leave their work out: the compiler does not know that this is never so.
  if (team.rank == 0 || lanes[0] != lanes[W - 1])
    for (int i = 0; i < L; i++) ((float*)args.out[0])[i] = lanes[i % W];
}
}   // namespace gradclip::GRADCLIP_ISA
