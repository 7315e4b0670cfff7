// gru.h: the GRU over time, gates r, z, n as PyTorch: n = tanh(x_n + r (whh_n h + b_n)), h' = (1 - z) n + z h.
#pragma once
#include "recurrent.h"

namespace gradclip::GRADCLIP_ISA {
struct GruCell {
  static constexpr bool gated = true;
  const float *x, *bias, *hs;
  float *kept, *inner;   // kept: the gates
  int64_t steps, h;
  MEMBER void begin(const Spot&) const {}
  MEMBER void end(const Spot&) const {}
  MEMBER void idle(const Spot& at) const {
    const int64_t r = at.row;
    for (int g = 0; g < 3; g++) store_part(kept + (r * 3 + g) * h + at.c, set1(0.f), at.n);
    store_part(inner + r * h + at.c, set1(0.f), at.n);
  }
  MEMBER void soon(const Spot& at, RecSoon& s) const {
    const int64_t r = at.row;
    for (int g = 0; g < 3; g++) s.add(x + (r * 3 + g) * h + at.c, steps * 3 * h);
    s.add(inner + r * h + at.c, steps * h);
    s.add(hs + r * h + at.c, steps * h);
  }
  // z: the argument of gate n, and gate z.
  MEMBER void gates(float* z, int64_t stride, const Spot& at) const {
    const int64_t row = at.row, o = row * 3 * h + at.c;
    F x3[3], hh[3];
    for (int g = 0; g < 3; g++) {
      x3[g] = load_part(x + o + g * h, at.n);
      hh[g] = add(load(z + g * stride), load_part(bias + g * h + at.c, at.n));
    }
    const F r = sigmoid_f(add(x3[0], hh[0])), u = sigmoid_f(add(x3[1], hh[1]));
    store_part(kept + o, r, at.n);
    store_part(kept + o + h, u, at.n);
    store_part(inner + row * h + at.c, hh[2], at.n);
    store(z, fma(r, hh[2], x3[2]));
    store(z + stride, u);
  }
  MEMBER F step(const float* z, int64_t stride, F before, const Spot& at) const {
    const F n = tanh_f(load(z));
    store_part(kept + (at.row * 3 + 2) * h + at.c, n, at.n);
    return rec_flush(fma(load(z + stride), sub(before, n), n));
  }
};
// outs hs[B,T,H], last[B,H], gates[B,T,3H], inner[B,T,H] (whh_n h + b_n); ins x[B,T,3H], h0[B,H], whh[3H,H], bias[3H], lengths[B] if
// kRecLengths. gates may be x.
void gru(const Args& a, const Team& team) {
  const Sequences q = sequences_of(a, team);
  const GruCell cell = {(const float*)a.in[0],
                        (const float*)a.in[3],
                        (const float*)a.out[0],
                        (float*)a.out[2],
                        (float*)a.out[3],
                        q.steps,
                        q.hidden};
  const auto run = [&](auto of) { rec_forward<decltype(of), 3>(a, team, q, (const float*)a.in[2], (const float*)a.in[1], cell); };
  a.i[kRecBf16] ? run(Bf16()) : GRADCLIP_F32(gru, run(F32()));
}
void gru_need(Need& n) {
  if (!rec_flags(n)) return n.fail("a flag is neither 0 nor 1");
  if (n.n_in != 4 + n.i[kRecLengths]) return n.fail("inputs and flags disagree");
  const RecSizes z = rec_sizes<3>(n, true);
  n.in[0] = n.out[2] = size_mul(z.states, 3);
  n.in[1] = n.out[1] = z.row;
  n.in[2] = z.weights;
  n.in[3] = size_of(n.i[kRecHidden], 12);
  n.out[0] = n.out[3] = z.states;
  n.alias(2, 0);
}

struct GruBack {
  static constexpr bool direct = true;
  const float *gates, *inner, *dhs, *hs;
  float *dx, *dhh;
  int64_t steps, h;
  bool reverse;
  MEMBER void begin(const Spot&) const {}
  MEMBER void end(const Spot&) const {}
  MEMBER void idle(const Spot& at) const {
    const int64_t o = at.row * 3 * h + at.c;
    for (int g = 0; g < 3; g++) {
      store_part(dx + o + g * h, set1(0.f), at.n);
      store_part(dhh + o + g * h, set1(0.f), at.n);
    }
  }
  MEMBER void soon(const Spot& at, RecSoon& s) const {
    const int64_t r = at.row;
    for (int g = 0; g < 3; g++) {
      s.add(gates + (r * 3 + g) * h + at.c, steps * 3 * h);
      s.add(dhh + (r * 3 + g) * h + at.c, steps * 3 * h);
    }
    s.add(inner + r * h + at.c, steps * h);
    s.add(hs + (reverse ? r + 1 : r - 1) * h + at.c, steps * h);
    if (dhs) s.add(dhs + r * h + at.c, steps * h);
  }
  MEMBER F step(F dh, F before, F, const Spot& at, int64_t, F (&d)[3]) const {
    const int64_t row = at.row, o = row * 3 * h + at.c, oh = row * h + at.c;
    const F one = set1(1.f);
    const F r = load_part(gates + o, at.n), u = load_part(gates + o + h, at.n), n = load_part(gates + o + 2 * h, at.n);
    const F dn = rec_flush(mul(mul(dh, sub(one, u)), fma(neg(n), n, one)));
    d[0] = rec_flush(mul(mul(dn, load_part(inner + oh, at.n)), mul(r, sub(one, r))));
    d[1] = rec_flush(mul(mul(dh, sub(before, n)), mul(u, sub(one, u))));
    d[2] = rec_flush(mul(dn, r));
    for (int g = 0; g < 3; g++) {
      store_part(dx + o + g * h, g == 2 ? dn : d[g], at.n);
      store_part(dhh + o + g * h, d[g], at.n);
    }
    return rec_flush(mul(dh, u));
  }
};
// outs dx[B,T,3H], dhh[B,T,3H] (of whh h + b: as dx, but for n times r), dh0[B,H], before[B,T,H]; ins hs[B,T,H], h0[B,H], whh[3H,H],
// gates[B,T,3H], inner[B,T,H], then dhs[B,T,H] if kRecDhs, dlast[B,H] if kRecDlast, lengths if kRecLengths. dx may be gates, before may be hs.
void gruGrad(const Args& a, const Team& team) {
  const Sequences q = sequences_of(a, team);
  const int64_t* has = a.i + kRecInts;
  const RecGrads g = {has[kRecDhs] ? (const float*)a.in[5] : nullptr,
                      has[kRecDlast] ? (const float*)a.in[5 + has[kRecDhs]] : nullptr};
  const float* hs = (const float*)a.in[0];
  const GruBack cell = {
      (const float*)a.in[3], (const float*)a.in[4], g.dhs, hs, (float*)a.out[0], (float*)a.out[1], q.steps, q.hidden, q.reverse};
  const auto run = [&](auto of) {
    rec_backward<decltype(of), 3>(a, team, q, (const float*)a.in[2], hs, (const float*)a.in[1], g, (float*)a.out[2],
                                  (float*)a.out[3], cell);
  };
  a.i[kRecBf16] ? run(Bf16()) : GRADCLIP_F32(gruGrad, run(F32()));
}
void gruGrad_need(Need& n) {
  const int64_t* has = n.i + kRecInts;
  if (!rec_flags(n) || (has[kRecDhs] | has[kRecDlast]) & ~int64_t(1)) return n.fail("a flag is neither 0 nor 1");
  if (n.n_in != 5 + has[kRecDhs] + has[kRecDlast] + n.i[kRecLengths]) return n.fail("inputs and flags disagree");
  const RecSizes z = rec_sizes<3>(n, false);
  n.in[0] = n.in[4] = n.out[3] = z.states;
  n.in[1] = n.out[2] = z.row;
  n.in[2] = z.weights;
  n.in[3] = n.out[0] = n.out[1] = size_mul(z.states, 3);
  if (has[kRecDhs]) n.in[5] = z.states;
  if (has[kRecDlast]) n.in[5 + has[kRecDhs]] = z.row;
  n.alias(0, 3);
  n.alias(3, 0);
}
}   // namespace gradclip::GRADCLIP_ISA
