// attention.h: scaled dot-product attention, forward and backward. No matrix of queries by keys is kept: blocks of kAttQ queries meet
// blocks of kAttK keys, with a running maximum and sum; backward makes the blocks again.
// A block of scores lies transposed, [key][query]: lanes are queries, so maxima and sums need no step across lanes, K and V are read
// as they lie in memory, and only the queries of a block are laid out anew. Every element of a product is one fma chain in the order
// of its terms, so neither tiles, nor the team, nor the ISA change bits. One thread does all of a head's gradient, in order.
//
// ints: kAttB ..., then views of 5 numbers each: operand, offset, strides of batch, head and row; the elements of a head's row are
// neighbors. f: scale, factor of what dropout keeps.
#pragma once
#include "attention_block.h"

namespace gradclip::GRADCLIP_ISA {
// Running maximum and sum of the queries of a block, and what its output is so far, [element][query].
struct AttRun {
  float top[kAttQ], sum[kAttQ];
  float* out;
};
// Scores become the terms of the softmax (dropped ones 0); what was summed before is scaled to the new maximum.
static void att_softmax(const AttBlock& x, float* s, int64_t j0, int64_t nk, int64_t d, AttRun& run) {
  const bool drop = x.a.i[kAttDrop] > 0;
  for (int64_t g = 0; g < x.lanes(); g += L) {
    float* const p = s + g;
    const int64_t n = x.seen(g, j0, nk);
    const F before = load(run.top + g);
    // Four chains, since each step waits for the one before. This order of operands skips NaN: the sum shows it.
    F tops[4] = {before, before, before, before};
    int64_t j = 0;
    for (; j + 4 <= n; j += 4)
#pragma GCC unroll 4
      for (int k = 0; k < 4; k++) tops[k] = max(load(p + (j + k) * kAttQ), tops[k]);
    for (; j < n; j++) tops[0] = max(load(p + j * kAttQ), tops[0]);
    const F top = max(max(tops[0], tops[1]), max(tops[2], tops[3]));
    F sums[4] = {set1(0.f), set1(0.f), set1(0.f), set1(0.f)}, keep[4];
    const auto term = [&](int64_t j, int k) __attribute__((always_inline)) {
      const F e = softmax_exp(sub(load(p + (j + k) * kAttQ), top));
      sums[k] = add(sums[k], e);
      store(p + (j + k) * kAttQ, drop ? mul(e, keep[k]) : e);
    };
    for (j = 0; j + 4 <= n; j += 4) {
      if (drop) att_kept(x, j0 + j, g, keep);
#pragma GCC unroll 4
      for (int k = 0; k < 4; k++) term(j, k);
    }
    if (j < n && drop) att_kept(x, j0 + j, g, keep);
#pragma GCC unroll 3
    for (int k = 0; k < 3; k++)
      if (j + k < n) term(j, k);
    const F shrink = softmax_exp(sub(before, top)), block = add(add(sums[0], sums[1]), add(sums[2], sums[3]));
    store(run.sum + g, fma(load(run.sum + g), shrink, block));
    store(run.top + g, top);
    if (j0 == 0) continue;
    for (int64_t c = 0; c < d; c++) store(run.out + c * kAttQ + g, mul(load(run.out + c * kAttQ + g), shrink));
  }
}

// outs o, statistics [batch * heads, 2, T]: the largest score of each query, and 1 / the sum of exponentials (0 where it sees no key).
// ins q, k, v as the views say, then the mask if there is one: f32, added, or u8, 0 where a key may not be seen.
void attention(const Args& a, const Team& team) {
  const int64_t heads = a.i[kAttH], T = a.i[kAttT], d = a.i[kAttD], blocks = ceil_div(T, kAttQ),
                group = heads / most(1, a.i[kAttKv]);
  const AttView vq = att_view(a.i, 0), vk = att_view(a.i, 1), vv = att_view(a.i, 2), vo = att_view(a.i, 3);
  float *const s = (float*)a.local, *const q = s + 3 * kAttQ * kAttK;
  AttBlock x(a, s + kAttQ * kAttK);
  AttRun run;
  AttSoon soon(d);
  run.out = q + d * kAttQ;
  const Range r = split(a.i[kAttB] * heads * blocks, team);
  for (int64_t task = r.begin; task < r.end; task++) {
    const int64_t bh = quotient(task, blocks), b = quotient(bh, heads), h = bh - b * heads;
    x.start(b, h, (task - bh * blocks) * kAttQ);
    att_queries(att_in(a, vq, b, h) + x.q0 * vq.row(), vq.row(), x.nq, d, (float)a.f[0], q);
    const float *k = att_in(a, vk, b, h / group), *v = att_in(a, vv, b, h / group);
    memset(run.out, 0, d * kAttQ * sizeof(float));
    for (int64_t g = 0; g < kAttQ; g += L) store(run.top + g, set1(-3.4028234664e38f)), store(run.sum + g, set1(0.f));
    soon.start();
    soon.add(att_out(a, vo, b, h), vo, x.q0, x.nq);
    if (bh + 1 < a.i[kAttB] * heads) {
      const int64_t b1 = quotient(bh + 1, heads), h1 = bh + 1 - b1 * heads;
      const Range keys = x.share();
      soon.add(att_in(a, vq, b1, h1), vq, x.q0, x.nq);
      soon.add(att_in(a, vk, b1, h1 / group), vk, keys.begin, keys.end - keys.begin);
      soon.add(att_in(a, vv, b1, h1 / group), vv, keys.begin, keys.end - keys.begin);
    }
    soon.spread(ceil_div(x.keys, MR) + ceil_div(d, MR));
    for (int64_t j = 0; j < x.keys; j += kAttK) {
      const int64_t nk = least(kAttK, x.keys - j);
      const AttParts parts = x.parts(j, nk);
      for (const AttPart& p : parts)
        att_product(k + (j + p.key) * vk.row(), true, vk.row(), q + p.lane, kAttQ, p.keys, p.lanes, d,
                    s + p.key * kAttQ + p.lane, kAttQ, true, &soon);
      x.masked(s, j, nk);
      att_softmax(x, s, j, nk, d, run);
      for (const AttPart& p : parts)
        att_product(v + (j + p.key) * vv.row(), false, vv.row(), s + p.key * kAttQ + p.lane, kAttQ, d, p.lanes, p.keys,
                    run.out + p.lane, kAttQ, false, &soon);
    }
    float* stats = (float*)a.out[1] + 2 * bh * T + x.q0;
    for (int64_t g = 0; g < kAttQ; g += L) {
      const F sum = load(run.sum + g), one = select(eq(sum, set1(0.f)), set1(0.f), div(set1(1.f), sum));
      const int n = (int)most(0, least(L, x.nq - g));
      store_n(stats + g, load(run.top + g), n);
      store_n(stats + T + g, one, n);
      for (int64_t c = 0; c < d; c++) store(run.out + c * kAttQ + g, mul(load(run.out + c * kAttQ + g), one));
    }
    transpose_block(run.out, kAttQ, att_out(a, vo, b, h) + x.q0 * vo.row(), vo.row(), d, x.nq, d);
  }
}

void attention_need(Need& n) {
  att_checks(n, 4, 0);
  if (n.error) return;
  const int64_t H = n.i[kAttH], T = n.i[kAttT], tensors = n.n_in - (n.i[kAttMask] != 0);
  att_touch(n, 0, H, T, n.in, tensors);
  att_touch(n, 1, n.i[kAttKv], n.i[kAttS], n.in, tensors);
  att_touch(n, 2, n.i[kAttKv], n.i[kAttS], n.in, tensors);
  att_touch(n, 3, H, T, n.out, 1);
  n.out[1] = size_of(n.i[kAttB], H, T, 8);
  n.local = size_mul(3 * kAttK + 2 * n.i[kAttD], kAttQ * 4);
}

// The gradients that a thread gathers for the queries of a block and for all keys of a head.
struct AttGrads {
  float *dq, *dk, *dv;
};
// pt and dpt: scores and products of dO and V, [key][query]; they become the weights of V (after dropout) and the gradient of Q K^T.
static void att_back(const AttBlock& x, float* pt, float* dpt, int64_t j0, int64_t nk, const float* top, const float* one,
                     const float* dots) {
  const bool drop = x.a.i[kAttDrop] > 0;
  const F scale = set1((float)x.a.f[0]);
  for (int64_t g = 0; g < x.lanes(); g += L) {
    const F m = load(top + g), inv = load(one + g), dot = load(dots + g);
    const int64_t n = x.seen(g, j0, nk);
    F keep[4];
    const auto term = [&](int64_t j, int k) __attribute__((always_inline)) {
      float *const p = pt + (j + k) * kAttQ + g, *const dp = dpt + (j + k) * kAttQ + g;
      const F w = mul(softmax_exp(sub(load(p), m)), inv), dw = drop ? mul(load(dp), keep[k]) : load(dp);
      store(p, drop ? mul(w, keep[k]) : w);
      store(dp, mul(mul(w, scale), sub(dw, dot)));
    };
    int64_t j = 0;
    for (; j + 4 <= n; j += 4) {
      if (drop) att_kept(x, j0 + j, g, keep);
#pragma GCC unroll 4
      for (int k = 0; k < 4; k++) term(j, k);
    }
    if (j < n && drop) att_kept(x, j0 + j, g, keep);
#pragma GCC unroll 3
    for (int k = 0; k < 3; k++)
      if (j + k < n) term(j, k);
  }
}

// What attentionGrad writes of this block and of its head, and what it reads of the next one.
static void att_soon(const Args& a, const AttBlock& x, int64_t group, AttSoon& soon) {
  const int64_t heads = a.i[kAttH], next = x.b * heads + x.h + 1, b = quotient(next, heads), h = next - b * heads;
  const Range keys = x.share();
  const bool all = (x.h + 1) % group == 0;   // the last head of those that share keys
  const AttView dq = att_view(a.i, 5);
  soon.start();
  soon.add(att_out(a, dq, x.b, x.h), dq, x.q0, x.nq);
  for (int v = 6; v < 8 && all; v++) {
    const AttView to = att_view(a.i, v);
    soon.add(att_out(a, to, x.b, x.h / group), to, keys.begin, keys.end - keys.begin);
  }
  for (int v = 0; v < 5 && b < a.i[kAttB]; v++) {
    const AttView from = att_view(a.i, v);
    const bool of_keys = v == 1 || v == 2;
    if (!of_keys) soon.add(att_in(a, from, b, h), from, x.q0, x.nq);
    if (of_keys && all) soon.add(att_in(a, from, b, h / group), from, keys.begin, keys.end - keys.begin);
  }
}

// outs dq, dk, dv as the views 5 to 7 say; ins o, statistics, dO, then q, k, v and the mask. Views 0 to 4: q, k, v, o, dO.
void attentionGrad(const Args& a, const Team& team) {
  const int64_t T = a.i[kAttT], S = a.i[kAttS], d = a.i[kAttD], kvs = a.i[kAttKv], heads = a.i[kAttH],
                group = heads / most(1, kvs);
  const AttView vq = att_view(a.i, 0), vk = att_view(a.i, 1), vv = att_view(a.i, 2), vo = att_view(a.i, 3), vg = att_view(a.i, 4);
  const AttView out[] = {att_view(a.i, 5), att_view(a.i, 6), att_view(a.i, 7)};
  float *const pt = (float*)a.local, *const dpt = pt + kAttQ * kAttK, *const q = dpt + 3 * kAttQ * kAttK,
               *const g = q + d * kAttQ;
  const AttGrads sums = {g + d * kAttQ, g + 2 * d * kAttQ, g + 2 * d * kAttQ + S * d};
  AttBlock x(a, dpt + kAttQ * kAttK);
  AttSoon soon(d);
  const Range r = split(a.i[kAttB] * kvs, team);
  for (int64_t task = r.begin; task < r.end; task++) {
    const int64_t b = quotient(task, kvs), kv = task - b * kvs;
    const float *k = att_in(a, vk, b, kv), *v = att_in(a, vv, b, kv);
    memset(sums.dk, 0, 2 * S * d * sizeof(float));
    for (int64_t h = kv * group; h < (kv + 1) * group; h++) {
      for (int64_t q0 = 0; q0 < T; q0 += kAttQ) {
        x.start(b, h, q0);
        const float *rq = att_in(a, vq, b, h) + q0 * vq.row(), *rg = att_in(a, vg, b, h) + q0 * vg.row();
        const float *ro = att_in(a, vo, b, h) + q0 * vo.row(), *stats = (const float*)a.in[1] + 2 * (b * heads + h) * T + q0;
        float top[kAttQ] = {}, one[kAttQ] = {}, dots[kAttQ] = {};
        for (int64_t i = 0; i < x.nq; i++) {
          D dot = dset1(0);
          for (int64_t c = 0; c < d; c += L) {
            const int n = (int)least(L, d - c);
            dot = fma(widen(load_n(rg + i * vg.row() + c, n)), widen(load_n(ro + i * vo.row() + c, n)), dot);
          }
          top[i] = stats[i], one[i] = stats[T + i], dots[i] = (float)hsum(dot);
        }
        att_queries(rq, vq.row(), x.nq, d, (float)a.f[0], q);
        att_queries(rg, vg.row(), x.nq, d, 1.f, g);
        memset(sums.dq, 0, x.nq * d * sizeof(float));
        att_soon(a, x, group, soon);
        soon.spread(ceil_div(4 * x.keys, MR) + ceil_div(kAttQ, MR));
        for (int64_t j = 0; j < x.keys; j += kAttK) {
          const int64_t nk = least(kAttK, x.keys - j);
          const AttParts parts = x.parts(j, nk);
          for (const AttPart& p : parts) {
            const int64_t key = j + p.key, at = p.key * kAttQ + p.lane;
            att_product(k + key * vk.row(), true, vk.row(), q + p.lane, kAttQ, p.keys, p.lanes, d, pt + at, kAttQ, true, &soon);
            att_product(v + key * vv.row(), true, vv.row(), g + p.lane, kAttQ, p.keys, p.lanes, d, dpt + at, kAttQ, true, &soon);
          }
          x.masked(pt, j, nk);
          att_back(x, pt, dpt, j, nk, top, one, dots);
          for (const AttPart& p : parts) {
            const int64_t key = j + p.key, at = p.key * kAttQ + p.lane;
            att_product(pt + at, true, kAttQ, rg + p.lane * vg.row(), vg.row(), p.keys, d, p.queries, sums.dv + key * d, d, false, &soon);
            att_product(dpt + at, true, kAttQ, rq + p.lane * vq.row(), vq.row(), p.keys, d, p.queries, sums.dk + key * d, d, false, &soon);
            att_product(dpt + at, false, kAttQ, k + key * vk.row(), vk.row(), p.queries, d, p.keys, sums.dq + p.lane * d, d, false, &soon);
          }
        }
        float* dq = att_out(a, out[0], b, h) + q0 * out[0].row();
        att_copy(sums.dq, d, dq, out[0].row(), x.nq, d);
      }
    }
    float *dk = att_out(a, out[1], b, kv), *dv = att_out(a, out[2], b, kv);
    att_copy(sums.dk, d, dk, out[1].row(), S, d);
    att_copy(sums.dv, d, dv, out[2].row(), S, d);
  }
}
void attentionGrad_need(Need& n) {
  att_checks(n, 8, 3);
  if (n.error) return;
  const int64_t H = n.i[kAttH], kv = n.i[kAttKv], T = n.i[kAttT], S = n.i[kAttS], d = n.i[kAttD];
  const int64_t tensors = n.n_in - (n.i[kAttMask] != 0);
  const bool of_keys[] = {false, true, true, false, false, false, true, true};   // by view
  for (int x = 0; x < 5; x++) att_touch(n, x, of_keys[x] ? kv : H, of_keys[x] ? S : T, n.in, tensors);
  n.in[1] = most(n.in[1], size_of(n.i[kAttB], H, T, 8));
  for (int x = 5; x < 8; x++) att_touch(n, x, of_keys[x] ? kv : H, of_keys[x] ? S : T, n.out, n.n_out);
  n.local = size_mul(4 * kAttK + 3 * d, kAttQ * 4) + size_mul(2 * S, d * 4);
}
}   // namespace gradclip::GRADCLIP_ISA
