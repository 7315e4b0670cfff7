// update_chain.h: the update of an optimizer of one's own: a chain of elementwise operations in place of a rule, run by the loop of all updates,
// so that stages, rows of tables, what is measured, bounds and masks are as in any other. It interprets the chain over blocks that stay in
// L1, while the memory that the next chunk will need is on its way.
#pragma once
#include "../elementwise/chain.h"
#include "update.h"

namespace gradclip::GRADCLIP_ISA {
// What takes the place of a rule. Vectors of its chain: parameter, gradient, slots. Results: the next parameter, the next slots; where one is
// no temporary, it is what already stands there.
struct ChainRule {
  Chain chain;
  static constexpr int kStreams = 2 + kMaxSlots;
};

// Asks for the lines of several streams, a few at a time.
struct Ahead {
  const char* at[ChainRule::kStreams];
  int streams, next = 0;
  int64_t line = 0, lines;
  __attribute__((always_inline)) void some(int count) {
    for (; count > 0 && line < lines; count--) {
      __builtin_prefetch(at[next] + 64 * line);
      if (++next == streams) next = 0, line++;
    }
  }
};

static void chain_chunk(const void* rule, const Chunk& c) {
  const Chain& chain = ((const ChainRule*)rule)->chain;
  MapReg* reg = chain.reg;
  const int slots = chain.vectors - 2;
  for (int i = 0; i < c.n; i += kChainBlock) {
    const int n = c.n - i < kChainBlock ? c.n - i : kChainBlock;
    reg[0] = {c.p + i, L};
    reg[1] = {c.staged.x + i, L};
    for (int k = 0; k < slots; k++) reg[2 + k] = {c.slot[k] + i, L};
    Ahead ahead;
    ahead.streams = 2 + slots;
    ahead.lines = c.ahead > 0 ? (n + L - 1) / L : 0;
    ahead.at[0] = (const char*)(c.p + i + c.ahead);
    ahead.at[1] = (const char*)(c.raw + i + c.ahead);
    for (int k = 0; k < slots; k++) ahead.at[2 + k] = (const char*)(c.slot[k] + i + c.ahead);
    const int share = (ahead.streams * (int)ahead.lines + chain.steps) / (chain.steps + 1);
    for (int s = 0; s < chain.steps; s++) {
      ahead.some(share);
      chain_step(chain, s, n);
    }
    ahead.some(share);
    // All is read by now: an output may be the memory of an input.
    for (int o = 0; o < chain.results; o++) {
      const MapReg in = reg[chain.result[o]];
      const float* x = (const float*)in.p;
      float* y = (o == 0 ? c.p_out : c.slot_out[o - 1]) + i;
      int k = 0;
      for (; k + L <= n; k += L, x += in.step) store(y + k, flush_f(load(x)));
      if (k < n) store_n(y + k, flush_f(load_n(x, n - k)), n - k);
    }
  }
}

static bool chain_make(void* rule, const Args& a, const double* hyper) {
  ChainRule made = {chain_of(a.i)};
  static_assert(sizeof made <= kRuleBytes, "a larger rule than the loop has room for");
  chain_begin(made.chain, (float*)a.local + 2 * kChunk, hyper);
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
  const Chain chain = chain_of(n.i);
  // An output may lie in place of its own input, and is written after the ones before it: none may read those.
  for (int o = 0; o < chain.results; o++) {
    const int64_t r = chain.result[o];
    if (r < vectors && r != 1 && r != (o == 0 ? 0 : 1 + o)) return n.fail("an output is another one's input");
  }
  if (length < n.n_i && n.i[length] != vectors - 2) return n.fail("another number of slots than the chain");
  update_check(n, chain_info(n.i, length));
  n.local = n.local + chain_bytes(chain);
}
}   // namespace gradclip::GRADCLIP_ISA
