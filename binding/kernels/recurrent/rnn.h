// rnn.h: the RNN with tanh or relu over time: h' = act(x + whh h).
#pragma once
#include "recurrent.h"

namespace gradclip::GRADCLIP_ISA {
enum RnnInts { kRnnRelu = kRecInts, kRnnInts };

struct RnnCell {
  static constexpr bool gated = false;
  const float *x, *hs;
  int64_t steps, h;
  bool relu, reverse;
  MEMBER void begin(const Spot&) const {}
  MEMBER void idle(const Spot&) const {}
  MEMBER void end(const Spot&) const {}
  MEMBER void soon(const Spot&, RecSoon&) const {}   // a product is too short for it
  MEMBER F step(const float* z, int64_t, F, const Spot& at) const {
    const int64_t o = at.row * h + at.c;
    __builtin_prefetch(x + (reverse ? o - h : o + h));
    __builtin_prefetch(hs + (reverse ? o - h : o + h));
    const F y = rec_flush(add(load(z), load_part(x + o, at.n)));
    return relu ? relu_f(y) : tanh_f(y);
  }
};
// outs hs[B,T,H], last[B,H]; ins x[B,T,H], h0[B,H], whh[H,H], lengths[B] if kRecLengths. hs may be x.
void rnn(const Args& a, const Team& team) {
  const Sequences q = sequences_of(a, team);
  const RnnCell cell = {(const float*)a.in[0], (float*)a.out[0], q.steps, q.hidden, a.i[kRnnRelu] != 0, q.reverse};
  const auto run = [&](auto of) { rec_forward<decltype(of), 1>(a, team, q, (const float*)a.in[2], (const float*)a.in[1], cell); };
  a.i[kRecBf16] ? run(Bf16()) : GRADCLIP_F32(rnn, run(F32()));
}
void rnn_need(Need& n) {
  if (!rec_flags(n) || (n.i[kRnnRelu] & ~int64_t(1))) return n.fail("a flag is neither 0 nor 1");
  if (n.n_in != 3 + n.i[kRecLengths]) return n.fail("inputs and flags disagree");
  const RecSizes z = rec_sizes<1>(n, true);
  n.in[0] = n.out[0] = z.states;
  n.in[1] = n.out[1] = z.row;
  n.in[2] = z.weights;
  n.alias(0, 0);
}

struct RnnBack {
  static constexpr bool direct = false;
  const float *hs, *dhs;
  float *dz, *before;
  int64_t steps, h;
  bool relu, reverse;
  MEMBER void begin(const Spot&) const {}
  MEMBER void end(const Spot&) const {}
  MEMBER void idle(const Spot& at) const { store_part(dz + at.row * h + at.c, set1(0.f), at.n); }
  MEMBER void soon(const Spot&, RecSoon&) const {}
  MEMBER F step(F dh, F, F y, const Spot& at, int64_t, F (&d)[1]) const {
    const int64_t o = at.row * h + at.c, then = reverse ? o + h : o - h;
    __builtin_prefetch(hs + (reverse ? then + h : then - h));
    if (dhs) __builtin_prefetch(dhs + then);
    __builtin_prefetch(dz + then);
    __builtin_prefetch(before + then);
    d[0] = rec_flush(relu ? select(lt(set1(0.f), y), dh, set1(0.f)) : mul(dh, fma(neg(y), y, set1(1.f))));
    store_part(dz + o, d[0], at.n);
    return set1(0.f);
  }
};
// outs dz[B,T,H], dh0[B,H], before[B,T,H]; ins hs[B,T,H], h0[B,H], whh[H,H], then dhs[B,T,H] if kRecDhs, dlast[B,H] if kRecDlast, lengths
// if kRecLengths. dz may be dhs; before may be hs.
void rnnGrad(const Args& a, const Team& team) {
  const Sequences q = sequences_of(a, team);
  const int64_t states = a.i[kRnnInts + kRecDhs], last = a.i[kRnnInts + kRecDlast];
  const RecGrads g = {states ? (const float*)a.in[3] : nullptr, last ? (const float*)a.in[3 + states] : nullptr};
  const float* hs = (const float*)a.in[0];
  float *dz = (float*)a.out[0], *before = (float*)a.out[2];
  const RnnBack cell = {hs, g.dhs, dz, before, q.steps, q.hidden, a.i[kRnnRelu] != 0, q.reverse};
  const auto run = [&](auto of) {
    rec_backward<decltype(of), 1>(a, team, q, (const float*)a.in[2], hs, (const float*)a.in[1], g, (float*)a.out[1], before,
                                  cell);
  };
  a.i[kRecBf16] ? run(Bf16()) : GRADCLIP_F32(rnnGrad, run(F32()));
}
void rnnGrad_need(Need& n) {
  const int64_t states = n.i[kRnnInts + kRecDhs], last = n.i[kRnnInts + kRecDlast];
  if (!rec_flags(n) || (states | last | n.i[kRnnRelu]) & ~int64_t(1)) return n.fail("a flag is neither 0 nor 1");
  if (n.n_in != 3 + states + last + n.i[kRecLengths]) return n.fail("inputs and flags disagree");
  const RecSizes z = rec_sizes<1>(n, false);
  n.in[0] = n.out[0] = n.out[2] = z.states;
  n.in[1] = n.out[1] = z.row;
  n.in[2] = z.weights;
  if (states) n.in[3] = z.states;
  if (last) n.in[3 + states] = z.row;
  n.alias(2, 0);
  if (states) n.alias(0, 3);
}
}   // namespace gradclip::GRADCLIP_ISA
