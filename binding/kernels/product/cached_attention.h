// cached_attention.h: attention of some tokens to all that stand before them, whose keys and values were kept, and the keeping of them.
// A row of the batch has a position: as many tokens stand before the first that is given. Work grows with it, not with the cache.
// Each score, sum and output is made of the same terms in the same order as by `attention`, causal, over the whole sequence: the bits are
// those. There lanes are queries; here, where often there is one alone, they are keys, and the keys of a block are laid out anew.
#pragma once
#include "../reduce/softmax_row.h"
#include "../rows/indices.h"
#include "attention.h"

namespace gradclip::GRADCLIP_ISA {
enum AppendInts { kAppendB, kAppendS, kAppendW, kAppendT, kAppendRow, kAppendFrom, kAppendInts };

// out: a cache [B, S, W], in place of the first input. ins: the cache, x [B, T, row], and positions i32 [B]: elements [from, from + W) of
// each row of x become the rows of the cache from its position on.
void appendRows(const Args& a, const Team& team) {
  const int64_t B = a.i[kAppendB], S = a.i[kAppendS], W = a.i[kAppendW], T = a.i[kAppendT], row = a.i[kAppendRow];
  const float* x = (const float*)a.in[1] + a.i[kAppendFrom];
  const Range r = split(B, team);
  if (r.begin < r.end && a.out[0] != a.in[0])
    memcpy((float*)a.out[0] + r.begin * S * W, (const float*)a.in[0] + r.begin * S * W,
           (r.end - r.begin) * S * W * sizeof(float));
  for (int64_t b = r.begin; b < r.end; b++) {
    const int64_t at = index_at(a.in[2], 4, b);
    if (!index_ok(a, b, at, S - T + 1)) continue;
    float* to = (float*)a.out[0] + (b * S + at) * W;
    for (int64_t t = 0; t < T; t++) memcpy(to + t * W, x + (b * T + t) * row, W * sizeof(float));
  }
}
void appendRows_need(Need& n) {
  for (int k = 0; k < kAppendInts; k++)
    if (n.i[k] < 0 || n.i[k] > Need::kMax) return n.fail("an attribute is out of range");
  const int64_t B = n.i[kAppendB], S = n.i[kAppendS], W = n.i[kAppendW], T = n.i[kAppendT], row = n.i[kAppendRow];
  if (n.i[kAppendFrom] > row || W > row - n.i[kAppendFrom]) return n.fail("rows are too short");
  if (T > S) return n.fail("more rows than the cache has");
  n.out[0] = n.in[0] = size_of(B, S, W, 4);
  n.in[1] = size_of(B, T, row, 4);
  n.in[2] = size_of(B, 4);
  n.alias(0, 0);
}

enum CachedInts { kCachedB, kCachedH, kCachedKv, kCachedT, kCachedS, kCachedD, kCachedRow, kCachedBf16, kCachedInts };
constexpr int64_t kCachedQ = 32;   // queries of a block: its scores and sums stay in L1

// One query: the scores of the keys of a block become the terms of its softmax, `seen` of them, zeros behind, in bf16 units; what was
// summed before is scaled to the new maximum.
template <class P>
static void cached_softmax(float* s, int64_t seen, int64_t nk, bool first, float& top, float& sum, float* out, int64_t d) {
  const float before = top, here = softmax_max(s, seen);
  if (here > top) top = here;
  for (int64_t j = 0; j < nk; j += L)
    store_part(s + j, j < seen ? softmax_exp(sub(softmax_load(s + j, seen - j), set1(top))) : set1(0.f), nk - j);
  float sums[4] = {0.f, 0.f, 0.f, 0.f};
  for (int64_t j = 0; j < seen; j += 4)
    for (int64_t k = 0; k < least(4, seen - j); k++) sums[k] += s[j + k];
  if (P::terms == 2) pack_row<P>(s, nk, s);
  const F shrink = softmax_exp(set1(before - top));
  float t[L];
  store(t, fma(set1(sum), shrink, set1((sums[0] + sums[1]) + (sums[2] + sums[3]))));
  sum = t[0];
  if (first) return;
  for (int64_t c = 0; c < d; c += L) store_part(out + c, mul(load_part(out + c, d - c), shrink), d - c);
}

// out: o [B, T, heads d]. ins: rows of queries [B, T, row], of which the first heads d elements are they, the caches of keys and of values
// [B, S, kvHeads d], and positions i32 [B]. Query t of a row at position p sees the keys 0 .. p + t. f: scale.
template <class P>
static void cached_attention_of(const Args& a, const Team& team) {
  const int64_t H = a.i[kCachedH], T = a.i[kCachedT], S = a.i[kCachedS], d = a.i[kCachedD], row = a.i[kCachedRow];
  const int64_t group = H / most(1, a.i[kCachedKv]), row_kv = a.i[kCachedKv] * d, blocks = ceil_div(T, kCachedQ),
                width = att_width(d);
  AttLocal local{(float*)a.local};
  float *const s = local.take(kCachedQ * kAttK), *const keys = local.take(width * kAttK), *const q = local.take(kCachedQ * width),
               *const out = local.take(kCachedQ * width);
  AttRows<P> rk(d, local.take(kAttK * width), nullptr), rv(d, nullptr, local.at);   // of a block of keys
  float top[kCachedQ], sum[kCachedQ];
  const Range r = split(a.i[kCachedB] * H * blocks, team);
  for (int64_t task = r.begin; task < r.end; task++) {
    const int64_t bh = quotient(task, blocks), b = quotient(bh, H), h = bh - b * H, q0 = (task - bh * blocks) * kCachedQ;
    const int64_t nq = least(kCachedQ, T - q0), at = index_at(a.in[3], 4, b);
    if (!index_ok(a, b, at, S - T + 1)) continue;
    const float* from = (const float*)a.in[0] + (b * T + q0) * row + h * d;
    const float* k = (const float*)a.in[1] + b * S * row_kv + h / group * d;
    const float* v = (const float*)a.in[2] + b * S * row_kv + h / group * d;
    if (P::terms == 2) att_pack_along(from, row, nq, d, (float)a.f[0], q);
    for (int64_t i = 0; i < nq; i++) {
      for (int64_t c = 0; P::terms == 1 && c < d; c += L)
        store(q + i * width + c, mul(load_part(from + i * row + c, d - c), set1((float)a.f[0])));
      top[i] = -3.4028234664e38f, sum[i] = 0.f;
    }
    memset(out, 0, nq * d * sizeof(float));
    const int64_t first = at + q0 + 1, all = first + nq - 1;   // keys that the first and the last of the queries see
    for (int64_t j = 0; j < all; j += kAttK) {
      const int64_t nk = least(kAttK, all - j);
      rk.start(k + j * row_kv, row_kv), rk.ready(nk);
      rv.start(v + j * row_kv, row_kv), rv.ready(nk);
      transpose_block(rk.along(0), rk.ld(), keys, kAttK, nk, words_of<P>(d), ceil_div(nk, W) * W);
      {
        [[maybe_unused]] const Flush<P> flush;
        att_product<P>(q, true, width, keys, kAttK, nq, nk, d, s, kAttK, true);
      }
      for (int64_t i = 0; i < nq; i++)
        cached_softmax<P>(s + i * kAttK, most(0, least(nk, first + i - j)), nk, j == 0, top[i], sum[i], out + i * d, d);
      [[maybe_unused]] const Flush<P> flush;
      att_product<P>(s, true, kAttK, rv.across(0), rv.ld(), nq, d, nk, out, d, false);
    }
    float* to = (float*)a.out[0] + ((b * T + q0) * H + h) * d;
    for (int64_t i = 0; i < nq; i++) {
      const F one = sum[i] == 0.f ? set1(0.f) : div(set1(1.f), set1(sum[i]));
      for (int64_t c = 0; c < d; c += L) store_part(to + i * H * d + c, mul(load_part(out + i * d + c, d - c), one), d - c);
    }
  }
}
void cachedAttention(const Args& a, const Team& team) {
  a.i[kCachedBf16] ? cached_attention_of<Bf16>(a, team) : GRADCLIP_F32(cachedAttention, cached_attention_of<F32>(a, team));
}
void cachedAttention_need(Need& n) {
  for (int k = 0; k < kCachedInts; k++)
    if (n.i[k] < 0 || n.i[k] > Need::kMax) return n.fail("an attribute is out of range");
  const int64_t B = n.i[kCachedB], H = n.i[kCachedH], kv = n.i[kCachedKv], T = n.i[kCachedT], S = n.i[kCachedS],
                d = n.i[kCachedD], row = n.i[kCachedRow];
  if (d < 1) return n.fail("heads are empty");
  if (kv < 1 || H % kv) return n.fail("wrong heads");
  if (T > S) return n.fail("more queries than the cache has rows");
  if (size_mul(H, d) > row) return n.fail("rows are too short");
  n.in[0] = size_of(B, T, row, 4);
  n.in[1] = n.in[2] = size_of(B, S, kv, d, 4);
  n.in[3] = size_of(B, 4);
  n.out[0] = size_of(B, T, H, d, 4);
  if (n.i[kCachedBf16] > 1) return n.fail("a flag is neither 0 nor 1");
  const int64_t width = att_width(d), packed = n.i[kCachedBf16] ? 2 * kAttK : 0;
  n.local = size_mul(kCachedQ * kAttK + size_mul(kAttK + 2 * kCachedQ + packed, width), 4);
}
}   // namespace gradclip::GRADCLIP_ISA
