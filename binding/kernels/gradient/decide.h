// decide.h: a statistic and a chain of single numbers that follow from it, in one instruction: what a clip policy measures, decides and
// reports.
#pragma once
#include "statistics.h"
#include "../elementwise/scalars.h"

namespace gradclip::GRADCLIP_ISA {
// Numbers of the statistic that the chain reads first: total, first bad tensor, number of bad tensors.
constexpr int kDecideFrom = 3;

enum DecideInts { kDecideInputs, kDecideIntegers, kDecideFloats, kDecideStatistic };
// i: inputs, integers and floats of the statistic, then its integers, then those of the chain. f: of both. in: of both, less those that
// come from the statistic. out: of both.
// What is the statistic's of Args or Need, and what is the chain's, whose inputs are at `in`.
template <class T>
static T decide_statistic(const T& a) {
  T of = a;
  of.i = a.i + kDecideStatistic;
  of.n_in = (int32_t)a.i[kDecideInputs], of.n_i = (int32_t)a.i[kDecideIntegers], of.n_f = (int32_t)a.i[kDecideFloats];
  of.n_out = kStatisticOuts;
  return of;
}
template <class T, class In>
static T decide_chain(const T& a, const T& of, In in) {
  T chain = a;
  chain.in = in, chain.out = a.out + kStatisticOuts, chain.i = of.i + of.n_i, chain.f = a.f + of.n_f;
  chain.n_in = kDecideFrom + a.n_in - of.n_in, chain.n_out = a.n_out - kStatisticOuts;
  chain.n_i = a.n_i - kDecideStatistic - of.n_i, chain.n_f = a.n_f - of.n_f;
  return chain;
}
void decide(const Args& a, const Team& team) {
  const Args of = decide_statistic(a);
  statistic(of, team);
  if (team.rank != 0) return;
  const void* in[kMapInputs];
  for (int k = 0; k < kDecideFrom; k++) in[k] = a.out[1 + k];
  for (int k = of.n_in; k < a.n_in; k++) in[kDecideFrom + k - of.n_in] = a.in[k];
  scalars(decide_chain(a, of, (const void* const*)in), team);
}
void decide_need(Need& n) {
  if (n.n_i < kDecideStatistic || n.n_out < kStatisticOuts) return n.fail("expected a statistic and a chain");
  const int64_t *i = n.i, integers = n.n_i - kDecideStatistic;
  if (i[kDecideInputs] < 0 || i[kDecideInputs] > n.n_in || i[kDecideIntegers] < 0 || i[kDecideIntegers] > integers ||
      i[kDecideFloats] < 0 || i[kDecideFloats] > n.n_f)
    return n.fail("the statistic has more than there is");
  Need of = decide_statistic(n);
  if (kDecideFrom + n.n_in - of.n_in > kMapInputs) return n.fail("too many inputs");
  statistic_need(of);
  if (of.error) return n.fail(of.error);
  n.scratch = of.scratch, n.local = of.local;
  int64_t in[kMapInputs] = {};
  Need chain = decide_chain(n, of, (int64_t*)in);
  scalars_need(chain);
  if (chain.error) return n.fail(chain.error);
  for (int k = of.n_in; k < n.n_in; k++) n.in[k] = in[kDecideFrom + k - of.n_in];
}
}   // namespace gradclip::GRADCLIP_ISA
