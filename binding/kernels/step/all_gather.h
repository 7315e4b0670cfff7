// all_gather.h: tensors of which each process has computed a part, put together. Twin: ops/step/all-gather.ts.
#pragma once
#include "../unit.h"

namespace gradclip::GRADCLIP_ISA {
// Parts begin where a cache line does.
constexpr int64_t kPartUnit = 16;

enum AllGatherInts { kAllRank, kAllSize, kAllElements };

// Where the part of a process begins among n elements; that of `size` is their end.
static int64_t part_begin(int64_t n, int64_t rank, int64_t size) {
  const int64_t at = (n + kPartUnit - 1) / kPartUnit * rank / size * kPartUnit;
  return at < n ? at : n;
}

// out: f32 tensors; in: the same, of which nothing is read, then a part of each. ints: rank, size, elements of each
void allGather_need(Need& n) {
  if (n.n_in != 2 * n.n_out || n.n_i != kAllElements + n.n_out)
    return n.fail("expected two inputs and an int for each output, and rank and size");
  const int64_t rank = n.i[kAllRank], size = n.i[kAllSize];
  if (size < 1 || size > 1 << 20 || rank < 0 || rank >= size) return n.fail("rank must be 0 to size - 1, size 1 to 2^20");
  for (int32_t k = 0; k < n.n_out; k++) {
    const int64_t elements = n.i[kAllElements + k];
    if (elements < 0 || elements > int64_t(1) << 40) return n.fail("elements must be 0 to 2^40");
    n.in[k] = n.out[k] = size_of(elements, 4);
    n.in[n.n_out + k] = size_of(part_begin(elements, rank + 1, size) - part_begin(elements, rank, size), 4);
    n.alias(k, k);
  }
}

// This process gives those parts that it has by then, of `own` processes from `from` on, and gets as many from the other.
static void swap_parts(const Args& a, int32_t peer, int64_t from, int64_t to, int64_t own) {
  const Wire& wire = *a.ctx->wire;
  const int64_t size = a.i[kAllSize];
  for (int32_t k = 0; k < a.n_out; k++) {
    const int64_t n = a.i[kAllElements + k];
    const auto at = [&](int64_t rank) { return part_begin(n, rank, size); };
    float* const x = (float*)a.out[k];
    wire.exchange(wire.impl, peer, x + at(from), 4 * (at(from + own) - at(from)), x + at(to), 4 * (at(to + own) - at(to)));
  }
}

void allGather(const Args& a, const Team& team) {
  const int64_t rank = a.i[kAllRank], size = a.i[kAllSize];
  const Wire* const wire = a.ctx->wire;
  if (size > 1 && (!wire || wire->size != size || wire->rank != rank)) return fail(a.status, kNoGroup, 0, 0, 0);
  for (int32_t k = 0; k < a.n_out; k++) {
    const int64_t n = a.i[kAllElements + k], begin = part_begin(n, rank, size);
    const Range r = split(part_begin(n, rank + 1, size) - begin, team);
    memcpy((float*)a.out[k] + begin + r.begin, (const float*)a.in[a.n_out + k] + r.begin, (size_t)(4 * (r.end - r.begin)));
  }
  if (size == 1) return;
  team.barrier();
  if (team.rank == 0) {
    if ((size & (size - 1)) == 0) {   // parts of two, then of four, and so on
      for (int64_t have = 1; have < size; have *= 2) {
        const int64_t from = rank / have * have;
        swap_parts(a, int32_t(rank ^ have), from, from ^ have, have);
      }
    } else {   // a round of a tournament after the other: each with each
      for (int64_t round = 0; round < size; round++) {
        const int64_t peer = (round - rank + size) % size;
        if (peer != rank) swap_parts(a, int32_t(peer), rank, peer, 1);
      }
    }
  }
  team.barrier();
}
}   // namespace gradclip::GRADCLIP_ISA
