// sync.h: sums over processes that train together. Twin: ops/step/sync.ts.
#pragma once
#include "accumulate.h"
#include "parts.h"

namespace gradclip::GRADCLIP_ISA {
// Tensors up to so many bytes travel together.
constexpr int64_t kSyncSmall = int64_t(1) << 16;

enum SyncInts { kSyncKind, kSyncElements, kSyncBy, kSyncBegun, kSyncPart, kSyncIntsPer };
static int64_t sync_bytes(const int64_t* i, int32_t k) {
  return size_of(i[kSyncIntsPer * k + kSyncElements], i[kSyncIntsPer * k + kSyncKind] == kSumF64 ? 8 : 4);
}
// Whether it travels with others; what syncBegin has taken along does not, nor what is summed in parts.
static bool sync_is_small(const int64_t* i, int32_t k) {
  const int64_t* const of = i + kSyncIntsPer * k;
  return !of[kSyncBegun] && !of[kSyncPart] && sync_bytes(i, k) <= kSyncSmall;
}
// Where one of the small tensors lies among them; those of f64 come first, so that each is aligned.
static int64_t sync_place(const int64_t* i, int32_t n, int32_t of, int64_t* all) {
  int64_t at = 0, place = 0;
  for (int f64 = 1; f64 >= 0; f64--) {
    for (int32_t k = 0; k < n; k++) {
      const int64_t bytes = sync_bytes(i, k);
      if (!sync_is_small(i, k) || (i[kSyncIntsPer * k + kSyncKind] == kSumF64) != (f64 != 0)) continue;
      if (k == of) place = at;
      at += bytes;
    }
  }
  *all = (at + 63) / 64 * 64;
  return place;
}

// in, out: tensors, each of n numbers; out is in plus what the others have, divided by the sum of another one where there is anything of that. Where
// that is wanted in parts, it is so in the part of this process (parts.h), and anything elsewhere.
// ints: a SumKind, elements, which input divides (-1: none), whether syncBegin had it, whether in parts, of each
void sync_need(Need& n) {
  if (n.n_in != n.n_out || n.n_i != kSyncIntsPer * n.n_in)
    return n.fail("expected five ints for each input, and as many outputs");
  int64_t largest = 0, small = 0;
  for (int32_t k = 0; k < n.n_in; k++) {
    const int64_t* const of = n.i + kSyncIntsPer * k;
    if (of[kSyncKind] < kSumF32 || of[kSyncKind] > kSumBf16 || of[kSyncElements] < 0)
      return n.fail("the kind must be 0 to 2, elements >= 0");
    if (of[kSyncBy] < -1 || of[kSyncBy] >= n.n_in) return n.fail("what divides must be an input, or -1");
    if (of[kSyncBegun] < 0 || of[kSyncBegun] > 1) return n.fail("begun must be 0 or 1");
    if (of[kSyncPart] < 0 || of[kSyncPart] > 1 || (of[kSyncPart] && of[kSyncKind] == kSumF64))
      return n.fail("part must be 0 or 1, and 0 of f64");
    if (of[kSyncBy] >= 0) {
      const int64_t* const by = n.i + kSyncIntsPer * of[kSyncBy];
      if (by[kSyncKind] != kSumF64 || by[kSyncElements] != 1 || by[kSyncBy] != -1)
        return n.fail("what divides must be an f64 scalar that nothing divides");
      if (of[kSyncBegun] && (!by[kSyncBegun] || of[kSyncBy] > k)) return n.fail("what divides must have begun before");
    }
    const int64_t bytes = sync_bytes(n.i, k);
    n.in[k] = n.out[k] = bytes;
    n.alias(k, k);
    if (!sync_is_small(n.i, k))
      largest = bytes > largest ? bytes : largest;
    else
      small += bytes;
  }
  if (largest > kWirePiece) largest = kWirePiece;
  small = (small + 63) / 64 * 64;
  n.scratch = 2 * small > small + largest ? 2 * small : small + largest;
}

// y = (x + other) / by; without other or by, as it is.
template <class T>
static void sync_add(T* y, const T* x, const void* others, const double* by, Range r) {
  const T* const other = (const T*)others;
  if (by) {
    const T d = (T)*by;
    if (other)
      for (int64_t k = r.begin; k < r.end; k++) y[k] = (x[k] + other[k]) / d;
    else
      for (int64_t k = r.begin; k < r.end; k++) y[k] = x[k] / d;
  } else if (other) {
    for (int64_t k = r.begin; k < r.end; k++) y[k] = x[k] + other[k];
  } else if (y != x) {
    memcpy(y + r.begin, x + r.begin, (size_t)(r.end - r.begin) * sizeof(T));
  }
}

// y = (x + other) / by, of what travels as bf16: x is what the other process has got of it. Of the last of the sums nothing is rounded.
static void sync_add_bf16(float* y, const float* x, const uint16_t* other, const double* by, bool last, Range r) {
  const float d = by ? (float)*by : 1;
  for (int64_t k = r.begin; k < r.end; k++) {
    const uint32_t bits = (uint32_t)other[k] << 16;
    float o;
    memcpy(&o, &bits, 4);
    y[k] = as_bf16(x[k]) + o;
  }
  if (!last)
    for (int64_t k = r.begin; k < r.end; k++) y[k] = as_bf16(y[k]);
  else if (by)
    for (int64_t k = r.begin; k < r.end; k++) y[k] = y[k] / d;
}
static void sync_narrow(uint16_t* y, const float* x, Range r) {
  const uint32_t* const bits = (const uint32_t*)x;
  for (int64_t k = r.begin; k < r.end; k++) y[k] = narrow_bits(bits[k]);
}

// What a process gives that has no micro-batch: added to anything, it leaves each bit, which 0 does not.
template <class T>
static void sync_nothing(T* x, Range r) {
  for (int64_t k = r.begin; k < r.end; k++) x[k] = (T)-0.0;
}

// The sum of what this process has and what each of the others has, in the tree of ranks: those of 2^k ranks in order, then those of as many after them.
// A sum of two is the same on both. With another number of ranks than 2^k, those beyond give theirs to one of the others before, and take the sum of all
// after.
struct SyncSum {
  Wire wire;
  Team team;
  int32_t lower;   // the largest 2^k

  SyncSum(const Wire& w, const Team& t) : wire(w), team(t), lower(1) {
    while (2 * lower <= wire.size) lower *= 2;
  }
  // own: where it begins; y takes the sum, and may be the same. add(y, x, other, last): y = x + other, the last of the sums or not. rounded: f32 that travel as
  // bf16, into one half of `other`, from the other one; but what is the sum of all.
  template <class Add>
  void run(char* y, const char* own, int64_t bytes, char* other, bool rounded, Add add) const {
    const int32_t rank = wire.rank, spare = rank ^ lower;
    const int64_t half = rounded ? bytes / 2 : bytes;
    const auto sent = [&](const char* x) -> const char* {
      if (!rounded) return x;
      sync_narrow((uint16_t*)(other + half), (const float*)x, split(bytes / 4, team));
      team.barrier();
      return other + half;
    };
    if (rank >= lower) {
      trade(spare, sent(own), half, nullptr, 0);
      trade(spare, nullptr, 0, y, bytes);
      return team.barrier();
    }
    const bool gives = spare < wire.size;
    const char* x = own;
    const auto receive = [&](int32_t peer, bool sends, bool last) {
      trade(peer, sends ? sent(x) : nullptr, sends ? half : 0, other, half);
      team.barrier();
      add(y, x, other, last);
      x = y;
      team.barrier();
    };
    if (gives) receive(spare, false, false);
    for (int32_t bit = 1; bit < lower; bit <<= 1) receive(rank ^ bit, true, 2 * bit == lower);
    if (gives) {
      trade(spare, y, bytes, nullptr, 0);
      team.barrier();
    }
  }
  // The same of f32 or what travels as bf16, but of all elements of y only those of this process are sums in the end: of a sum of two each makes the part
  // that it and those after it in the tree have, and gives the rest of its own.
  template <class Add>
  void run_part(float* y, const float* own, int64_t n, char* other, bool rounded, Add add) const {
    const int64_t rank = wire.rank, spare = rank ^ lower, half = kWirePiece / 2, each = rounded ? 2 : 4;
    const Range none{0, 0}, all{0, n}, mine = part_of(n, rank, wire.size);
    const float* x = own;
    const auto trade_ranges = [&](int64_t peer, Range give, Range keep, bool last) {
      const int64_t gives = give.end - give.begin, keeps = keep.end - keep.begin, piece = kWirePiece / 4;
      for (int64_t at = 0; at < gives || at < keeps; at += piece) {
        const int64_t out = at < gives ? (gives - at < piece ? gives - at : piece) : 0;
        const int64_t in = at < keeps ? (keeps - at < piece ? keeps - at : piece) : 0;
        const float* const from = x + give.begin + at;
        if (rounded && out > 0) {
          sync_narrow((uint16_t*)(other + half), from, split(out, team));
          team.barrier();
        }
        trade((int32_t)peer, rounded ? other + half : (const char*)from, each * out, other, each * in);
        team.barrier();
        add((char*)(y + keep.begin + at), (const char*)(x + keep.begin + at), other, last, split(in, team));
        team.barrier();
      }
      x = y;
    };
    if (rank >= lower) {
      trade_ranges(spare, all, none, false);
      trade((int32_t)spare, nullptr, 0, (char*)(y + mine.begin), 4 * (mine.end - mine.begin));
      return team.barrier();
    }
    const bool gives = spare < wire.size;
    if (gives) trade_ranges(spare, none, all, false);
    for (int32_t bit = 1; bit < lower; bit <<= 1) {
      const int64_t peer = rank ^ bit;
      trade_ranges(peer, parts_alike(n, peer, wire.size, 2 * bit), parts_alike(n, rank, wire.size, 2 * bit), 2 * bit == lower);
    }
    if (!gives) return;
    const Range others = part_of(n, spare, wire.size);
    trade((int32_t)spare, (const char*)(y + others.begin), 4 * (others.end - others.begin), nullptr, 0);
    team.barrier();
  }
  void trade(int32_t peer, const char* out, int64_t out_bytes, char* in, int64_t in_bytes) const {
    if (team.rank == 0) wire.exchange(wire.impl, peer, out, out_bytes, in, in_bytes);
  }
};

// That of a tensor which lies in `own`, piece by piece; `by` is where what divides it is by then.
static void sync_tensor(const SyncSum& sum, char* out, const char* own, int64_t bytes, int64_t kind, bool in_parts,
                        const double* by, char* other) {
  double total = 1;
  // 1 where nothing counts: all that it divides is 0.
  if (by) total = *by, total += total == 0;
  const auto add = [&](char* y, const char* x, const char* o, bool last, Range r) {
    const double* const d = by && last ? &total : nullptr;
    if (kind == kSumBf16)
      sync_add_bf16((float*)y, (const float*)x, (const uint16_t*)o, d, last, r);
    else if (kind == kSumF64)
      sync_add((double*)y, (const double*)x, o, d, r);
    else
      sync_add((float*)y, (const float*)x, o, d, r);
  };
  if (in_parts) return sum.run_part((float*)out, (const float*)own, bytes / 4, other, kind == kSumBf16, add);
  for (int64_t at = 0; at < bytes; at += kWirePiece) {
    const int64_t length = bytes - at < kWirePiece ? bytes - at : kWirePiece;
    sum.run(out + at, own + at, length, other, kind == kSumBf16, [&](char* y, const char* x, const char* o, bool last) {
      add(y, x, o, last, split(length / (kind == kSumF64 ? 8 : 4), sum.team));
    });
  }
}
// One tensor, of a process that has it or nothing.
static void sync_fill(char* out, const void* in, int64_t n, bool f64, bool nothing, const Team& team) {
  const Range r = split(n, team);
  if (f64)
    nothing ? sync_nothing((double*)out, r) : sync_add((double*)out, (const double*)in, nullptr, nullptr, r);
  else
    nothing ? sync_nothing((float*)out, r) : sync_add((float*)out, (const float*)in, nullptr, nullptr, r);
}

void sync(const Args& a, const Team& team) {
  const int64_t* const i = a.i;
  const Wire* const wire = a.ctx->wire;
  // Who has all micro-batches of a step may still have others to give them to, who have none.
  const bool alone = !wire || wire->size == 1, nothing = a.ctx->share == 0;
  if (alone && a.ctx->share != a.ctx->micros) return fail(a.status, kNoGroup, 0, 0, 0);
  const auto kind = [i](int32_t k) { return i[kSyncIntsPer * k + kSyncKind]; };
  const auto f64 = [&](int32_t k) { return kind(k) == kSumF64; };
  const auto elements = [i](int32_t k) { return i[kSyncIntsPer * k + kSyncElements]; };
  const auto in_parts = [i](int32_t k) { return i[kSyncIntsPer * k + kSyncPart] != 0; };
  // Sums that were begun are there where they have begun; of who has nothing they are made now, in the same order.
  const auto begun = [&](int32_t k) { return !alone && i[kSyncIntsPer * k + kSyncBegun] != 0; };
  char* const packed = (char*)a.scratch;
  int64_t small = 0, floats = 0, doubles = 0;
  sync_place(i, a.n_in, 0, &small);
  char* const other = packed + small;
  const SyncSum sum(alone ? Wire{0, 1, nullptr, nullptr, nullptr, nullptr} : *wire, team);
  if (!alone && team.rank == 0) wire->finish(wire->impl);
  team.barrier();
  for (int32_t k = 0; k < a.n_in; k++) {
    if (!begun(k)) continue;
    char* const out = (char*)a.out[k];
    sync_fill(out, a.in[k], elements(k), f64(k), nothing, team);
    team.barrier();
    const int64_t of = i[kSyncIntsPer * k + kSyncBy];
    if (nothing)
      sync_tensor(sum, out, out, sync_bytes(i, k), kind(k), in_parts(k), of >= 0 ? (const double*)a.out[of] : nullptr, other);
  }
  for (int32_t k = 0; k < a.n_in; k++) {
    if (!sync_is_small(i, k)) continue;
    sync_fill(packed + sync_place(i, a.n_in, k, &small), a.in[k], elements(k), f64(k), nothing, team);
    (f64(k) ? doubles : floats) += elements(k);
  }
  team.barrier();
  if (doubles + floats > 0 && !alone) {
    sum.run(packed, packed, 8 * doubles + 4 * floats, other, false, [&](char* y, const char* x, const char* o, bool) {
      sync_add((double*)y, (const double*)x, o, nullptr, split(doubles, team));
      sync_add((float*)(y + 8 * doubles), (const float*)(x + 8 * doubles), o + 8 * doubles, nullptr, split(floats, team));
    });
  }
  // What divides is read before it is written over.
  const auto divisor = [&](int32_t k) -> const double* {
    const int64_t of = i[kSyncIntsPer * k + kSyncBy];
    if (of < 0) return nullptr;
    if (sync_is_small(i, (int32_t)of)) return (const double*)(packed + sync_place(i, a.n_in, (int32_t)of, &small));
    return (const double*)(begun((int32_t)of) ? a.out[of] : a.in[of]);
  };
  for (int32_t k = 0; k < a.n_in; k++) {
    if (begun(k)) continue;
    const double* const by = divisor(k);
    char* const out = (char*)a.out[k];
    if (!sync_is_small(i, k) && !alone) {
      if (nothing) {
        sync_fill(out, nullptr, elements(k), f64(k), true, team);
        team.barrier();
      }
      sync_tensor(sum, out, nothing ? out : (const char*)a.in[k], sync_bytes(i, k), kind(k), in_parts(k), by, other);
      continue;
    }
    const void* const from = sync_is_small(i, k) ? packed + sync_place(i, a.n_in, k, &small) : a.in[k];
    double total = 1;
    if (by) total = *by, total += total == 0;
    const Range r = split(elements(k), team);
    if (f64(k))
      sync_add((double*)out, (const double*)from, nullptr, by ? &total : nullptr, r);
    else
      sync_add((float*)out, (const float*)from, nullptr, by ? &total : nullptr, r);
  }
}

// A sum that is made beside the team.
struct SyncBegun {
  Wire wire;
  char* x;
  int64_t bytes;
  const double* by;
  int64_t kind, in_parts;
};
static void sync_begun(const void* arg, void* scratch) {
  const SyncBegun& b = *(const SyncBegun*)arg;
  sync_tensor(SyncSum(b.wire, Team{0, 1, nullptr, nullptr}), b.x, b.x, b.bytes, b.kind, b.in_parts, b.by, (char*)scratch);
}
static_assert(sizeof(SyncBegun) <= Wire::kWireArg, "what is given along");

// in: a tensor, a place in the order of those that begin, and optional what divides it, which has begun before. out: the tensor, whose sum is in its place
// from the next `sync` on, and the next place in the order. After the last micro-batch of a process it begins to travel. ints: a SumKind, elements, whether in parts
enum SyncBeginInts { kSyncBeginKind, kSyncBeginElements, kSyncBeginPart };
void syncBegin(const Args& a, const Team& team) {
  const bool f64 = a.i[kSyncBeginKind] == kSumF64;
  if (a.out[0] != a.in[0]) {
    sync_fill((char*)a.out[0], a.in[0], a.i[kSyncBeginElements], f64, false, team);
    team.barrier();
  }
  if (team.rank > 0) return;
  *(int32_t*)a.out[1] = *(const int32_t*)a.in[1] + 1;
  const Wire* const wire = a.ctx->wire;
  if (!wire || wire->size == 1 || a.ctx->micro + 1 != a.ctx->base + a.ctx->share) return;
  const SyncBegun begun{*wire,
                        (char*)a.out[0],
                        size_of(a.i[kSyncBeginElements], f64 ? 8 : 4),
                        a.n_in > 2 ? (const double*)a.in[2] : nullptr,
                        a.i[kSyncBeginKind],
                        a.i[kSyncBeginPart]};
  wire->begin(wire->impl, sync_begun, &begun, sizeof begun);
}
void syncBegin_need(Need& n) {
  if (n.n_in < 2 || n.n_in > 3) return n.fail("expected two or three inputs");
  if (n.i[kSyncBeginKind] < kSumF32 || n.i[kSyncBeginKind] > kSumBf16 || n.i[kSyncBeginElements] < 0)
    return n.fail("the kind must be 0 to 2, elements >= 0");
  if (n.i[kSyncBeginPart] < 0 || n.i[kSyncBeginPart] > 1 || (n.i[kSyncBeginPart] && n.i[kSyncBeginKind] == kSumF64))
    return n.fail("part must be 0 or 1, and 0 of f64");
  n.in[0] = n.out[0] = size_of(n.i[kSyncBeginElements], n.i[kSyncBeginKind] == kSumF64 ? 8 : 4);
  n.in[1] = n.out[1] = 4;
  if (n.n_in > 2) n.in[2] = 8;
  n.alias(0, 0), n.alias(1, 1);
}
}   // namespace gradclip::GRADCLIP_ISA
