// update_chain.h: the update of an optimizer of one's own: a chain of elementwise operations in place of a rule, run by the loop of all updates,
// so that stages, rows of tables, what is measured, bounds and masks are as in any other.
#pragma once
#include "../elementwise/chain.h"
#include "update.h"

namespace gradclip::GRADCLIP_ISA {
// In place of a rule. Vectors of its chain: parameter, gradient, slots. Results: the next parameter, the next slots.
struct ChainRule {
  Chain chain;
  bool far;   // more memory than caches hold: it is asked for ahead, which costs Adam an eighth where it lies in a cache
};
constexpr int64_t kChainNear = 4 << 20;   // bytes
static_assert(kChainWidest >= 2 + kMaxSlots, "a chain of fewer vectors than an update has");

static void chain_chunk(const void* rule, const Chunk& c) {
  const auto [chain, far] = *(const ChainRule*)rule;
  const float* x[kChainWidest] = {c.p, c.staged.x};
  float* y[kChainWidest] = {c.p_out};
  for (int s = 0; s < chain.vectors - 2; s++) x[2 + s] = c.slot[s], y[1 + s] = c.slot_out[s];
  chain_tiles(chain, x, y, c.n, 1, c.staged.factor, c.raw, far ? c.ahead : 0);
}

static bool chain_make(void* rule, const Args& a, const double* hyper) {
  ChainRule made = {chain_of(a.i), false};
  static_assert(sizeof made <= kRuleBytes, "a larger rule than the loop has room for");
  chain_begin(made.chain, (float*)a.local + 2 * kChunk, hyper, kTileFlush);
  const UpdateArgs u = update_args(made.chain.result + made.chain.results);
  made.far = u.start[u.n] * kChunk * 4 * made.chain.vectors > kChainNear;
  memcpy(rule, &made, sizeof made);
  return false;
}
// i: the chain, then as in any update, of which the variant is the number of slots. in, out: as in any update; the hyper-parameters are the
// numbers that the chain is given.
static RuleInfo chain_info(const int64_t* i, int64_t length) {
  return {(int)i[kChainGiven], (int)i[kChainVectors] - 2, 0, 0, (int)length, false, chain_make, nullptr, chain_chunk};
}
void update_chain(const Args& a, const Team& team) {
  const int64_t* const end = chain_of(a.i).result + a.i[kChainResults];
  update_run(a, team, chain_info(a.i, end - a.i));
}
void update_chain_need(Need& n) {
  if (n.n_i < kChainCode) return n.fail("expected a chain");
  const int64_t vectors = n.i[kChainVectors];
  if (vectors < 2 || vectors > 2 + kMaxSlots) return n.fail("too many slots");
  const int64_t length = chain_length(n.i, n.n_i, vectors, vectors - 1);
  if (length < 0) return n.fail("wrong chain");
  if (length < n.n_i && n.i[length] != vectors - 2) return n.fail("another number of slots than the chain");
  update_check(n, chain_info(n.i, length));
  n.local = n.local + chain_bytes(chain_of(n.i));
}
}   // namespace gradclip::GRADCLIP_ISA
