// all_gather.h: tensors of which each process has computed a part, put together. Twin: ops/step/all-gather.ts.
#pragma once
#include "parts.h"

namespace gradclip::GRADCLIP_ISA {
enum AllGatherInts { kAllRank, kAllSize, kAllElements };

// out: f32 tensors; in: the same, of which nothing is read, then a part of each, which may lie where it is in out. ints: rank, size, elements of each
void allGather_need(Need& n) {
  if (n.n_in != 2 * n.n_out || n.n_i != kAllElements + n.n_out)
    return n.fail("expected two inputs and an int for each output, and rank and size");
  const int64_t rank = n.i[kAllRank], size = n.i[kAllSize];
  if (size < 1 || size > 1 << 20 || rank < 0 || rank >= size) return n.fail("rank must be 0 to size - 1, size 1 to 2^20");
  for (int32_t k = 0; k < n.n_out; k++) {
    const int64_t elements = n.i[kAllElements + k];
    if (elements < 0 || elements > int64_t(1) << 40) return n.fail("elements must be 0 to 2^40");
    const Range own = part_of(elements, rank, size);
    n.in[k] = n.out[k] = size_of(elements, 4);
    n.in[n.n_out + k] = size_of(own.end - own.begin, 4);
    n.alias(k, k);
    n.within(k, n.n_out + k, 4 * own.begin);
  }
}

void allGather(const Args& a, const Team& team) {
  const int64_t rank = a.i[kAllRank], size = a.i[kAllSize];
  const Wire* const wire = a.ctx->wire;
  if (size > 1 && (!wire || wire->size != size || wire->rank != rank)) return fail(a.status, kNoGroup, 0, 0, 0);
  for (int32_t k = 0; k < a.n_out; k++) {
    const Range own = part_of(a.i[kAllElements + k], rank, size), r = split(own.end - own.begin, team);
    float* const to = (float*)a.out[k] + own.begin;
    if (to != a.in[a.n_out + k]) memcpy(to + r.begin, (const float*)a.in[a.n_out + k] + r.begin, (size_t)(4 * (r.end - r.begin)));
  }
  if (size == 1) return;
  team.barrier();
  if (team.rank == 0) {
    gather_parts(rank, size, [&](int32_t peer, Range own, Range other) {
      for (int32_t k = 0; k < a.n_out; k++) {
        const auto at = [&](int64_t place) { return part_at(a.i[kAllElements + k], place, size); };
        float* const x = (float*)a.out[k];
        wire->exchange(wire->impl, peer, x + at(own.begin), 4 * (at(own.end) - at(own.begin)), x + at(other.begin),
                       4 * (at(other.end) - at(other.begin)));
      }
    });
  }
  team.barrier();
}
}   // namespace gradclip::GRADCLIP_ISA
