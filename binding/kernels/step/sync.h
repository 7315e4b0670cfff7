// sync.h: sums over processes that train together. Twin: ops/step/sync.ts.
#pragma once
#include "../unit.h"

namespace gradclip::GRADCLIP_ISA {
// What is exchanged at once: while one piece is added, nothing travels; smaller ones would each wait for an answer.
constexpr int64_t kSyncPiece = int64_t(1) << 22;
// Tensors up to so many bytes travel together.
constexpr int64_t kSyncSmall = int64_t(1) << 16;

enum SyncInts { kSyncF64, kSyncElements, kSyncIntsPer };
static int64_t sync_bytes(const int64_t* i, int32_t k) {
  return size_of(i[kSyncIntsPer * k + kSyncElements], i[kSyncIntsPer * k + kSyncF64] ? 8 : 4);
}
// Where one of the small tensors lies among them; those of f64 come first, so that each is aligned.
static int64_t sync_place(const int64_t* i, int32_t n, int32_t of, int64_t* all) {
  int64_t at = 0, place = 0;
  for (int f64 = 1; f64 >= 0; f64--) {
    for (int32_t k = 0; k < n; k++) {
      const int64_t bytes = sync_bytes(i, k);
      if (bytes > kSyncSmall || (i[kSyncIntsPer * k + kSyncF64] != 0) != (f64 != 0)) continue;
      if (k == of) place = at;
      at += bytes;
    }
  }
  *all = (at + 63) / 64 * 64;
  return place;
}

// in, out: tensors, each of n numbers; out is in plus what the others have. ints: f64 (0 or 1), elements, of each
void sync_need(Need& n) {
  if (n.n_in != n.n_out || n.n_i != kSyncIntsPer * n.n_in) return n.fail("expected two ints for each input, and as many outputs");
  int64_t largest = 0, small = 0;
  for (int32_t k = 0; k < n.n_in; k++) {
    const int64_t f64 = n.i[kSyncIntsPer * k + kSyncF64];
    if (f64 < 0 || f64 > 1 || n.i[kSyncIntsPer * k + kSyncElements] < 0) return n.fail("f64 must be 0 or 1, elements >= 0");
    const int64_t bytes = sync_bytes(n.i, k);
    n.in[k] = n.out[k] = bytes;
    n.alias(k, k);
    if (bytes > kSyncSmall)
      largest = bytes > largest ? bytes : largest;
    else
      small += bytes;
  }
  if (largest > kSyncPiece) largest = kSyncPiece;
  small = (small + 63) / 64 * 64;
  n.scratch = 2 * small > small + largest ? 2 * small : small + largest;
}

template <class T>
static void sync_add(T* x, const T* y, Range r) {
  for (int64_t k = r.begin; k < r.end; k++) x[k] += y[k];
}

// What a process gives that has no micro-batch: added to anything, it leaves each bit, which 0 does not.
template <class T>
static void sync_nothing(T* x, Range r) {
  for (int64_t k = r.begin; k < r.end; k++) x[k] = (T)-0.0;
}

// x += that of each of the others, in the tree of ranks: those of 2^k ranks in order, then those of as many after them. A sum of two is the same on both.
// With another number of ranks than 2^k, those beyond give theirs to one of the others before, and take the sum of all after.
struct SyncSum {
  const Wire& wire;
  const Team& team;
  int32_t lower;   // the largest 2^k

  template <class Add>
  void run(char* x, int64_t bytes, char* other, Add add) const {
    const int32_t rank = wire.rank, spare = rank ^ lower;
    if (rank >= lower) {
      if (team.rank == 0) {
        wire.exchange(wire.impl, spare, x, bytes, nullptr, 0);
        wire.exchange(wire.impl, spare, nullptr, 0, x, bytes);
      }
      return team.barrier();
    }
    const bool gives = spare < wire.size;
    if (gives) receive(spare, nullptr, 0, other, bytes, add);
    for (int32_t bit = 1; bit < lower; bit <<= 1) receive(rank ^ bit, x, bytes, other, bytes, add);
    if (gives) {
      if (team.rank == 0) wire.exchange(wire.impl, spare, x, bytes, nullptr, 0);
      team.barrier();
    }
  }
  template <class Add>
  void receive(int32_t peer, const char* x, int64_t out, char* other, int64_t bytes, Add add) const {
    if (team.rank == 0) wire.exchange(wire.impl, peer, x, out, other, bytes);
    team.barrier();
    add();
    team.barrier();
  }
};

void sync(const Args& a, const Team& team) {
  const int64_t* const i = a.i;
  const Wire* const wire = a.ctx->wire;
  // Who has all micro-batches of a step may still have others to give them to, who have none.
  const bool alone = !wire || wire->size == 1;
  if (alone && a.ctx->share != a.ctx->micros) return fail(a.status, kNoGroup, 0, 0, 0);
  int64_t small = 0;
  for (int32_t k = 0; k < a.n_in; k++) {
    const int64_t bytes = sync_bytes(i, k), n = i[kSyncIntsPer * k + kSyncElements];
    char* const packed = (char*)a.scratch + sync_place(i, a.n_in, k, &small);
    char* const to = bytes > kSyncSmall || alone ? (char*)a.out[k] : packed;
    if (a.ctx->share == 0) {
      const Range r = split(n, team);
      if (i[kSyncIntsPer * k + kSyncF64])
        sync_nothing((double*)to, r);
      else
        sync_nothing((float*)to, r);
      continue;
    }
    const Range r = split(bytes, team);
    if (to != a.in[k]) memcpy(to + r.begin, (const char*)a.in[k] + r.begin, (size_t)(r.end - r.begin));
  }
  if (alone) return;
  team.barrier();
  SyncSum sum{*wire, team, 1};
  while (2 * sum.lower <= wire->size) sum.lower *= 2;
  char* const other = (char*)a.scratch + small;
  if (small > 0) {
    int64_t doubles = 0, floats = 0;
    for (int32_t k = 0; k < a.n_in; k++)
      if (sync_bytes(i, k) <= kSyncSmall) (i[kSyncIntsPer * k + kSyncF64] ? doubles : floats) += i[kSyncIntsPer * k + kSyncElements];
    char* const x = (char*)a.scratch;
    sum.run(x, 8 * doubles + 4 * floats, other, [&] {
      sync_add((double*)x, (const double*)other, split(doubles, team));
      sync_add((float*)(x + 8 * doubles), (const float*)(other + 8 * doubles), split(floats, team));
    });
  }
  for (int32_t k = 0; k < a.n_in; k++) {
    const int64_t bytes = sync_bytes(i, k);
    if (bytes <= kSyncSmall) {
      const char* const packed = (const char*)a.scratch + sync_place(i, a.n_in, k, &small);
      const Range r = split(bytes, team);
      memcpy((char*)a.out[k] + r.begin, packed + r.begin, (size_t)(r.end - r.begin));
      continue;
    }
    for (int64_t at = 0; at < bytes; at += kSyncPiece) {
      const int64_t length = bytes - at < kSyncPiece ? bytes - at : kSyncPiece;
      char* const x = (char*)a.out[k] + at;
      sum.run(x, length, other, [&] {
        if (i[kSyncIntsPer * k + kSyncF64])
          sync_add((double*)x, (const double*)other, split(length / 8, team));
        else
          sync_add((float*)x, (const float*)other, split(length / 4, team));
      });
    }
  }
}
}   // namespace gradclip::GRADCLIP_ISA
