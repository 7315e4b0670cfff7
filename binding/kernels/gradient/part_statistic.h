// part_statistic.h: partial sums of tensors of which each process has a part, one for each block that a statistic is made of, of all processes. Twin:
// ops/gradient/part-statistic.ts.
#pragma once
#include "../step/parts.h"
#include "statistics.h"

namespace gradclip::GRADCLIP_ISA {
static_assert(kPartBlock == kBlock, "parts of large tensors begin where blocks do");

enum PartStatisticInts { kPartRank, kPartSize, kPartOf, kPartElements };
// Blocks of a tensor before the part of a place.
static inline int64_t part_blocks(int64_t n, int64_t place, int64_t size) {
  return (part_at(n, place, size) + kBlock - 1) / kBlock;
}

// in: f32 tensors, of which the part of this process is read; out: f64, one for each block of each. ints: rank, size, a StatisticKind but powers, elements
// of each, so many that they are large. scratch: all of them, by the place of the part that they are of.
void partStatistic_need(Need& n) {
  if (n.n_in != n.n_out || n.n_i != kPartElements + n.n_out)
    return n.fail("expected an input and an int for each output, rank, size and kind");
  const int64_t rank = n.i[kPartRank], size = n.i[kPartSize];
  if (size < 1 || size > 1 << 20 || rank < 0 || rank >= size) return n.fail("rank must be 0 to size - 1, size 1 to 2^20");
  if (n.i[kPartOf] < kSumSquares || n.i[kPartOf] > kMaxAbs) return n.fail("no such statistic");
  for (int32_t k = 0; k < n.n_out; k++) {
    const int64_t elements = n.i[kPartElements + k];
    if (elements <= kPartLarge || elements > int64_t(1) << 40) return n.fail("elements must be more than 2^14, 2^40 at most");
    n.in[k] = size_of(elements, 4);
    n.out[k] = size_of(part_blocks(elements, size, size), 8);
    n.scratch += n.out[k];
  }
}

static double part_block(int64_t kind, const float* x, int64_t left) {
  const Stages none{0, {}, nullptr};
  switch (kind) {
    case kSumSquares:
      return statistic_block<SumSquares>(0, 0, none, 0, 0, x, left, nullptr).value;
    case kSumAbs:
      return statistic_block<SumAbs>(0, 0, none, 0, 0, x, left, nullptr).value;
    default:
      return statistic_block<MaxAbs>(0, 0, none, 0, 0, x, left, nullptr).value;
  }
}

void partStatistic(const Args& a, const Team& team) {
  const int64_t rank = a.i[kPartRank], size = a.i[kPartSize], kind = a.i[kPartOf];
  const int64_t* const elements = a.i + kPartElements;
  const Wire* const wire = a.ctx->wire;
  if (size > 1 && (!wire || wire->size != size || wire->rank != rank)) return fail(a.status, kNoGroup, 0, 0, 0);
  double* const all = (double*)a.scratch;
  // Where those of a place begin: tensor after tensor.
  const auto begin = [&](int64_t place) {
    int64_t at = 0;
    for (int32_t k = 0; k < a.n_out; k++) at += part_blocks(elements[k], place, size);
    return at;
  };
  const int64_t own = part_places(rank, size, part_bits(size)).begin, first = begin(own);
  const Range r = split(begin(own + 1) - first, team);
  int64_t before = 0;   // blocks of the tensors before
  for (int32_t k = 0; k < a.n_out; k++) {
    const int64_t from = part_blocks(elements[k], own, size), count = part_blocks(elements[k], own + 1, size) - from;
    const int64_t b0 = r.begin > before ? r.begin - before : 0, b1 = r.end - before < count ? r.end - before : count;
    for (int64_t b = b0; b < b1; b++) {
      const int64_t at = (from + b) * kBlock;
      all[first + before + b] = part_block(kind, (const float*)a.in[k] + at, elements[k] - at);
    }
    before += count;
  }
  team.barrier();
  if (team.rank == 0 && size > 1) {
    gather_parts(rank, size, [&](int32_t peer, Range mine, Range theirs) {
      const int64_t x = begin(mine.begin), y = begin(theirs.begin);
      wire->exchange(wire->impl, peer, all + x, 8 * (begin(mine.end) - x), all + y, 8 * (begin(theirs.end) - y));
    });
  }
  team.barrier();
  const Range places = split(size, team);
  for (int64_t p = places.begin; p < places.end; p++) {
    int64_t at = begin(p);
    for (int32_t k = 0; k < a.n_out; k++) {
      const int64_t from = part_blocks(elements[k], p, size), count = part_blocks(elements[k], p + 1, size) - from;
      memcpy((double*)a.out[k] + from, all + at, (size_t)(8 * count));
      at += count;
    }
  }
}
}   // namespace gradclip::GRADCLIP_ISA
