// probe.h: what the machine can do at most, for figures to be compared with: fma in registers, and plain streams over memory; and what
// scratch memory holds. No op uses them; lib/cli/bench/probe.ts and test/native/poison.test.ts do.
#pragma once
#include "simd.h"

namespace gradclip::GRADCLIP_ISA {
enum ProbeInts { kProbeSize };   // rounds, elements or threads, whatever a probe takes

// Chains of x = x * a + b on every thread: 2 * 16 * kChains * rounds flops each. ints: rounds. in: f32[2], a and b. out: f32[16], in each
// lane the sum of the chains. Enough chains to hide the latency of two fma units, few enough for 16 registers.
constexpr int kChains = 12;
void probe_fma_need(Need& n) {
  if (n.i[kProbeSize] < 0 || n.i[kProbeSize] > 1 << 24) return n.fail("rounds must be 0 to 2^24");
  n.in[0] = 2 * 4;
  n.out[0] = L * 4;
}
void probe_fma(const Args& args, const Team& team) {
  const float* in = (const float*)args.in[0];
  const RF a = r_set1(in[0]), b = r_set1(in[1]);
  RF x[kChains];
  for (int k = 0; k < kChains; k++) x[k] = r_set1(0);
  for (int64_t i = 0; i < args.i[kProbeSize] * NR; i++)
    for (int k = 0; k < kChains; k++) x[k] = r_fma(x[k], a, b);
  RF sum = x[0];
  for (int k = 1; k < kChains; k++) sum = r_add(sum, x[k]);
  float lanes[W];
  r_store(lanes, sum);
  // The others must not leave their work out: the compiler does not know that this is never so.
  if (team.rank == 0 || lanes[0] != lanes[W - 1])
    for (int i = 0; i < L; i++) ((float*)args.out[0])[i] = lanes[i % W];
}

// Floats ahead of use that the streams ask for: on large ones the processor by itself asks too late.
constexpr int64_t kProbeAhead = 512;

// Sums of 16 parts of x. ints: elements, a multiple of 16 * 64. out: f32[16].
constexpr int kParts = 16;
void probe_read_need(Need& n) {
  if (n.i[kProbeSize] < 0 || n.i[kProbeSize] % (kParts * 64)) return n.fail("elements must be a multiple of 1024");
  n.in[0] = size_of(n.i[kProbeSize], 4);
  n.out[0] = kParts * 4;
}
void probe_read(const Args& a, const Team& team) {
  const int64_t part = a.i[kProbeSize] / kParts;
  const Range r = split(kParts, team);
  for (int64_t k = r.begin; k < r.end; k++) {
    const float* x = (const float*)a.in[0] + k * part;
    F sum[4] = {set1(0), set1(0), set1(0), set1(0)};
    for (int64_t i = 0; i < part; i += 64)
      for (int j = 0; j < 4; j++) {
        __builtin_prefetch(x + i + 16 * j + kProbeAhead);
        sum[j] = add(sum[j], load(x + i + 16 * j));
      }
    ((float*)a.out[0])[k] = (float)hsum(widen(add(add(sum[0], sum[1]), add(sum[2], sum[3]))));
  }
}

// y = x. ints: elements, a multiple of 16.
void probe_copy_need(Need& n) {
  if (n.i[kProbeSize] < 0 || n.i[kProbeSize] % L) return n.fail("elements must be a multiple of 16");
  n.in[0] = n.out[0] = size_of(n.i[kProbeSize], 4);
}
void probe_copy(const Args& a, const Team& team) {
  const float* x = (const float*)a.in[0];
  float* y = (float*)a.out[0];
  const Range r = split(a.i[kProbeSize] / L, team);
  for (int64_t i = r.begin * L; i < r.end * L; i += L) {
    __builtin_prefetch(x + i + kProbeAhead);
    store(y + i, load(x + i));
  }
}

// y = a * x + y in place. ints: elements, a multiple of 16; floats: a. in: x, y.
void probe_axpy_need(Need& n) {
  if (n.i[kProbeSize] < 0 || n.i[kProbeSize] % L) return n.fail("elements must be a multiple of 16");
  n.in[0] = n.in[1] = n.out[0] = size_of(n.i[kProbeSize], 4);
  n.alias(0, 1);
}
void probe_axpy(const Args& a, const Team& team) {
  const float* x = (const float*)a.in[0];
  const float* y = (const float*)a.in[1];
  float* out = (float*)a.out[0];
  const F factor = set1((float)a.f[0]);
  const Range r = split(a.i[kProbeSize] / L, team);
  for (int64_t i = r.begin * L; i < r.end * L; i += L) {
    __builtin_prefetch(x + i + kProbeAhead);
    __builtin_prefetch(y + i + kProbeAhead);
    store(out + i, fma(load(x + i), factor, load(y + i)));
  }
}

// What scratch and the threads' buffers held before the kernel: 64 bytes each. ints: threads, of which each writes its own.
void probe_scratch_need(Need& n) {
  n.scratch = n.local = n.out[0] = 64;
  n.out[1] = size_of(n.i[kProbeSize], 64);
}
void probe_scratch(const Args& a, const Team& team) {
  if (team.rank == 0) memcpy(a.out[0], a.scratch, 64);
  if (team.rank < a.i[kProbeSize]) memcpy((char*)a.out[1] + 64 * team.rank, a.local, 64);
}
}   // namespace gradclip::GRADCLIP_ISA
