// lstm.h: the LSTM over time, gates i, f, g, o as PyTorch: c' = f c + i g, h' = o tanh(c').
#pragma once
#include "recurrent.h"

namespace gradclip::GRADCLIP_ISA {
struct LstmCell {
  static constexpr bool gated = true;
  const float *x, *c0;
  const float* hs;
  float *last, *kept, *cs, *memory;   // kept: the gates; memory: the cell state, beside the state
  int64_t steps, h;
  MEMBER void begin(const Spot& at) const { store(memory + at.cell, load_part(c0 + at.b * h + at.c, at.n)); }
  MEMBER void end(const Spot& at) const { store_part(last + at.b * h + at.c, load(memory + at.cell), at.n); }
  MEMBER void idle(const Spot& at) const {
    const int64_t r = at.row;
    for (int g = 0; g < 4; g++) store_part(kept + (r * 4 + g) * h + at.c, set1(0.f), at.n);
    store_part(cs + r * h + at.c, set1(0.f), at.n);
  }
  MEMBER void soon(const Spot& at, RecSoon& s) const {
    const int64_t r = at.row;
    for (int g = 0; g < 4; g++) s.add(x + (r * 4 + g) * h + at.c, steps * 4 * h);
    s.add(cs + r * h + at.c, steps * h);
    s.add(hs + r * h + at.c, steps * h);
  }
  // z: the cell state, and gate o.
  MEMBER void gates(float* z, int64_t stride, const Spot& at) const {
    const int64_t r = at.row, o = r * 4 * h + at.c;
    F v[4];
    for (int g = 0; g < 4; g++) {
      v[g] = add(load(z + g * stride), load_part(x + o + g * h, at.n));
      v[g] = g == 2 ? tanh_f(v[g]) : sigmoid_f(v[g]);
      store_part(kept + o + g * h, v[g], at.n);
    }
    const F c = rec_flush(fma(v[1], load(memory + at.cell), mul(v[0], v[2])));
    store(memory + at.cell, c);
    store_part(cs + r * h + at.c, c, at.n);
    store(z, c);
    store(z + 3 * stride, v[3]);
  }
  MEMBER F step(const float* z, int64_t stride, F, const Spot&) const {
    return rec_flush(mul(load(z + 3 * stride), tanh_f(load(z))));
  }
};
// outs hs[B,T,H], last[B,H], clast[B,H], gates[B,T,4H], cs[B,T,H]; ins x[B,T,4H], h0[B,H], c0[B,H], whh[4H,H], lengths[B] if kRecLengths.
// gates may be x.
void lstm(const Args& a, const Team& team) {
  const Sequences q = sequences_of(a, team);
  const LstmCell cell = {(const float*)a.in[0],
                         (const float*)a.in[2],
                         (const float*)a.out[0],
                         (float*)a.out[2],
                         (float*)a.out[3],
                         (float*)a.out[4],
                         rec_memory<4>(a, q.batch, q.hidden, true).cell,
                         q.steps,
                         q.hidden};
  const auto run = [&](auto of) { rec_forward<decltype(of), 4>(a, team, q, (const float*)a.in[3], (const float*)a.in[1], cell); };
  a.i[kRecBf16] ? run(Bf16()) : GRADCLIP_F32(lstm, run(F32()));
}
void lstm_need(Need& n) {
  if (!rec_flags(n)) return n.fail("a flag is neither 0 nor 1");
  if (n.n_in != 4 + n.i[kRecLengths]) return n.fail("inputs and flags disagree");
  const RecSizes z = rec_sizes<4>(n, true);
  n.in[0] = n.out[3] = size_mul(z.states, 4);
  n.in[1] = n.in[2] = n.out[1] = n.out[2] = z.row;
  n.in[3] = z.weights;
  n.out[0] = n.out[4] = z.states;
  n.alias(3, 0);
}

struct LstmBack {
  static constexpr bool direct = false;
  const float *gates, *cs, *c0, *dclast, *dhs, *hs;
  float *dz, *dc0, *memory;   // memory: the gradient of the cell state
  int64_t steps, h;
  bool reverse;
  MEMBER void begin(const Spot& at) const {
    store(memory + at.cell, dclast ? load_part(dclast + at.b * h + at.c, at.n) : set1(0.f));
  }
  MEMBER void end(const Spot& at) const { store_part(dc0 + at.b * h + at.c, load(memory + at.cell), at.n); }
  MEMBER void idle(const Spot& at) const {
    for (int g = 0; g < 4; g++) store_part(dz + (at.row * 4 + g) * h + at.c, set1(0.f), at.n);
  }
  MEMBER void soon(const Spot& at, RecSoon& s) const {
    const int64_t r = at.row;
    for (int g = 0; g < 4; g++) s.add(gates + (r * 4 + g) * h + at.c, steps * 4 * h);
    // What the step after it has read is near already.
    s.add(cs + (reverse ? r + 1 : r - 1) * h + at.c, steps * h);
    s.add(hs + (reverse ? r + 1 : r - 1) * h + at.c, steps * h);
    if (dhs) s.add(dhs + r * h + at.c, steps * h);
  }
  MEMBER F step(F dh, F, F, const Spot& at, int64_t s, F (&d)[4]) const {
    const int64_t r = at.row, o = r * 4 * h + at.c, oc = r * h + at.c, back = reverse ? h : -h;
    const F one = set1(1.f);
    F v[4];
    for (int g = 0; g < 4; g++) {
      v[g] = load_part(gates + o + g * h, at.n);
    }
    const F tc = tanh_f(load_part(cs + oc, at.n));
    const F from = s == 0 ? load_part(c0 + at.b * h + at.c, at.n) : load_part(cs + oc + back, at.n);
    const F dc = fma(mul(dh, v[3]), fma(neg(tc), tc, one), load(memory + at.cell));
    d[0] = mul(mul(dc, v[2]), mul(v[0], sub(one, v[0])));
    d[1] = mul(mul(dc, from), mul(v[1], sub(one, v[1])));
    d[2] = mul(mul(dc, v[0]), fma(neg(v[2]), v[2], one));
    d[3] = mul(mul(dh, tc), mul(v[3], sub(one, v[3])));
    store(memory + at.cell, rec_flush(mul(dc, v[1])));
    for (int g = 0; g < 4; g++) {
      d[g] = rec_flush(d[g]);
      store_part(dz + o + g * h, d[g], at.n);
    }
    return set1(0.f);
  }
};
// outs dz[B,T,4H], dh0[B,H], dc0[B,H], before[B,T,H]; ins hs[B,T,H], h0, c0, whh, gates[B,T,4H], cs[B,T,H], then dhs[B,T,H] if kRecDhs,
// dlast[B,H] if kRecDlast, dclast[B,H] if kRecDclast, lengths if kRecLengths. dz may be gates, before may be hs.
void lstmGrad(const Args& a, const Team& team) {
  const Sequences q = sequences_of(a, team);
  const int64_t *has = a.i + kRecInts, in = 6;
  const RecGrads g = {has[kRecDhs] ? (const float*)a.in[in] : nullptr,
                      has[kRecDlast] ? (const float*)a.in[in + has[kRecDhs]] : nullptr};
  const float *dclast = has[kRecDclast] ? (const float*)a.in[in + has[kRecDhs] + has[kRecDlast]] : nullptr,
              *hs = (const float*)a.in[0];
  const LstmBack cell = {(const float*)a.in[4],
                         (const float*)a.in[5],
                         (const float*)a.in[2],
                         dclast,
                         g.dhs,
                         hs,
                         (float*)a.out[0],
                         (float*)a.out[2],
                         rec_memory<4>(a, q.batch, q.hidden, false).cell,
                         q.steps,
                         q.hidden,
                         q.reverse};
  const auto run = [&](auto of) {
    rec_backward<decltype(of), 4>(a, team, q, (const float*)a.in[3], hs, (const float*)a.in[1], g, (float*)a.out[1],
                                  (float*)a.out[3], cell);
  };
  a.i[kRecBf16] ? run(Bf16()) : GRADCLIP_F32(lstmGrad, run(F32()));
}
void lstmGrad_need(Need& n) {
  const int64_t* has = n.i + kRecInts;
  if (!rec_flags(n) || (has[kRecDhs] | has[kRecDlast] | has[kRecDclast]) & ~int64_t(1))
    return n.fail("a flag is neither 0 nor 1");
  if (n.n_in != 6 + has[kRecDhs] + has[kRecDlast] + has[kRecDclast] + n.i[kRecLengths])
    return n.fail("inputs and flags disagree");
  const RecSizes z = rec_sizes<4>(n, false);
  n.in[0] = n.in[5] = n.out[3] = z.states;
  n.in[1] = n.in[2] = n.out[1] = n.out[2] = z.row;
  n.in[3] = z.weights;
  n.in[4] = n.out[0] = size_mul(z.states, 4);
  if (has[kRecDhs]) n.in[6] = z.states;
  for (int64_t i = has[kRecDhs]; i < has[kRecDhs] + has[kRecDlast] + has[kRecDclast]; i++) n.in[6 + i] = z.row;
  n.alias(0, 4);
  n.alias(3, 0);
}
}   // namespace gradclip::GRADCLIP_ISA
