// attention.h: scaled dot-product attention, forward and backward. No matrix of queries by keys is kept: blocks of kAttQ queries meet
// blocks of kAttK keys, with a running maximum and sum; backward makes the blocks again.
// A block of scores lies transposed, [key][query]: lanes are queries, so maxima and sums need no step across lanes, K and V are read
// as they lie in memory, and only the queries of a block are laid out anew. Every element of a product is one fma chain in the order
// of its terms, so neither tiles, nor the team, nor the ISA change bits. The gradient of a query is a sum over pieces of the keys.
//
// With kAttBf16 the operands of its products are rounded to bf16 where they are packed, and each product is a sum of pairs as bf16.h says;
// all else is as in f32. Operands are, forward: q times the scale (rounded to f32 first), k; exp(score - the largest score up to the end of
// the block of kAttK keys, of its query), after dropout, and v. Backward: the same q, k and v; dO, also where it meets o; weights after
// dropout; gradients of scores, times the scale, and the q that they meet without it. Pairs are the elements 2 c and 2 c + 1 of a head, the
// keys 2 j and 2 j + 1 of a head, or the queries 2 t and 2 t + 1 of a head. What a pair lacks is 0, and so is the weight of a key that a
// query does not see. Blocks, pieces and halves begin at even keys and queries, so pairs depend on none of them.
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
template <class P>
static void att_softmax(const AttBlock& x, float* s, int64_t j0, int64_t nk, int64_t d, AttRun& run) {
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
    F sums[4] = {set1(0.f), set1(0.f), set1(0.f), set1(0.f)}, even = sums[0];
    att_keys(
        x, j0, g, n, [&](int64_t j, int k, bool drop, F keep) __attribute__((always_inline)) {
          const F e = softmax_exp(sub(load(p + j * kAttQ), top)), w = drop ? mul(e, keep) : e;
          sums[k] = add(sums[k], e);
          if (P::terms == 1)
            store(p + j * kAttQ, w);
          else if (k % 2 == 0)
            even = w;
          else
            att_across(p + words_of<P>(j - 1) * kAttQ, kAttQ, even, w);
        });
    if (P::terms == 2 && n % 2) att_across(p + words_of<P>(n - 1) * kAttQ, kAttQ, even, set1(0.f));
    const F shrink = softmax_exp(sub(before, top)), block = add(add(sums[0], sums[1]), add(sums[2], sums[3]));
    store(run.sum + g, fma(load(run.sum + g), shrink, block));
    store(run.top + g, top);
    if (j0 == 0) continue;
    for (int64_t c = 0; c < d; c++) store(run.out + c * kAttQ + g, mul(load(run.out + c * kAttQ + g), shrink));
  }
}

// outs o, statistics [batch * heads, 2, T]: the largest score of each query, and 1 / the sum of exponentials (0 where it sees no key).
// ins q, k, v as the views say, then the mask if there is one: f32, added, or u8, 0 where a key may not be seen.
template <class P>
static void attention_of(const Args& a, const Team& team) {
  const int64_t heads = a.i[kAttH], T = a.i[kAttT], d = a.i[kAttD], width = att_width(d), blocks = ceil_div(T, kAttQ),
                group = heads / most(1, a.i[kAttKv]);
  const AttView vq = att_view(a.i, 0), vk = att_view(a.i, 1), vv = att_view(a.i, 2), vo = att_view(a.i, 3);
  AttLocal local{(float*)a.local};
  float* const s = local.take(kAttQ * kAttK);
  AttBlock x(a, local.take(2 * kAttQ * kAttK));
  float* const q = local.take(kAttQ * width);
  AttRun run;
  run.out = local.take(kAttQ * width);
  AttRows<P> k(d, local.take(a.i[kAttS] * width), nullptr), v(d, nullptr, local.at);
  int64_t packed = -1;   // of which head k and v are
  AttSoon soon(d);
  const Range r = att_split(a.i[kAttB] * heads, blocks, team,
                            [&](int64_t i) { return a.i[kAttCausal] ? least(a.i[kAttS], (i + 1) * kAttQ) : 1; });
  for (int64_t task = r.begin; task < r.end; task++) {
    const int64_t bh = quotient(task, blocks), b = quotient(bh, heads), h = bh - b * heads, kv = quotient(bh, group);
    x.start(b, h, (task - bh * blocks) * kAttQ);
    att_queries<P>(att_in(a, vq, b, h) + x.q0 * vq.row(), vq.row(), x.nq, d, (float)a.f[0], q, run.out);
    if (kv != packed) {
      k.start(att_in(a, vk, b, h / group), vk.row());
      v.start(att_in(a, vv, b, h / group), vv.row());
      packed = kv;
    }
    memset(run.out, 0, d * kAttQ * sizeof(float));
    for (int64_t g = 0; g < kAttQ; g += L) store(run.top + g, set1(-3.4028234664e38f)), store(run.sum + g, set1(0.f));
    soon.start();
    soon.add(att_out(a, vo, b, h), vo, {x.q0, x.q0 + x.nq});
    if (bh + 1 < a.i[kAttB] * heads) {
      const int64_t b1 = quotient(bh + 1, heads), h1 = bh + 1 - b1 * heads;
      soon.add(att_in(a, vq, b1, h1), vq, {x.q0, x.q0 + x.nq});
      soon.add(att_in(a, vk, b1, h1 / group), vk, x.share());
      soon.add(att_in(a, vv, b1, h1 / group), vv, x.share());
    }
    soon.spread(ceil_div(x.keys, MR) + ceil_div(d, MR));
    for (int64_t j = 0; j < x.keys; j += kAttK) {
      const int64_t nk = least(kAttK, x.keys - j);
      const AttParts parts = x.parts(j, nk);
      k.ready(j + nk), v.ready(j + nk);
      for (const AttPart& p : parts) {
        [[maybe_unused]] const Flush<P> flush;
        att_product<P>(k.along(j + p.key), true, k.ld(), q + p.lane, kAttQ, p.keys, p.lanes, d, s + p.key * kAttQ + p.lane, kAttQ,
                       true, &soon);
      }
      x.masked(s, j, nk);
      att_softmax<P>(x, s, j, nk, d, run);
      for (const AttPart& p : parts) {
        [[maybe_unused]] const Flush<P> flush;
        att_product<P>(v.across(j + p.key), false, v.ld(), s + words_of<P>(p.key) * kAttQ + p.lane, kAttQ, d, p.lanes, p.keys,
                       run.out + p.lane, kAttQ, false, &soon);
      }
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
void attention(const Args& a, const Team& team) {
  a.i[kAttBf16] ? attention_of<Bf16>(a, team) : GRADCLIP_F32(attention, attention_of<F32>(a, team));
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
  n.local = size_mul(3 * kAttK + 2 * att_width(n.i[kAttD]), kAttQ * 4);
  if (n.i[kAttBf16]) n.local += size_mul(size_mul(2, n.i[kAttS] + 1), size_mul(att_width(n.i[kAttD]), 4));
}

// The keys of a head are cut into pieces of whole blocks, kAttPieces at most. Where heads are few beside threads, these share the pieces;
// else a thread does all of a head. Either way dq is the sum of what the pieces give, in their order; the second time from scratch,
// where there is room for it.
constexpr int64_t kAttPieces = 4, kAttRoom = 1 << 22;
struct AttPieces {
  Parts blocks;
  bool shared;
  int64_t begin(int64_t piece) const { return blocks.begin(piece) * kAttK; }
  // Floats of dq, of all pieces.
  static int64_t room(const int64_t* i) {
    return size_mul(size_of(i[kAttB], i[kAttH], i[kAttT], i[kAttD]), least(kAttPieces, ceil_div(i[kAttS], kAttK)));
  }
  AttPieces(const int64_t* i, const Team& team)
      : blocks(parts_of(ceil_div(i[kAttS], kAttK), 1, least(kAttPieces, ceil_div(i[kAttS], kAttK)))) {
    const int64_t heads = i[kAttB] * i[kAttKv], rounds = ceil_div(heads, team.size);
    shared = blocks.count > 1 && room(i) <= kAttRoom && 10 * rounds * team.size > 11 * heads;
  }
};

// pt and dpt: scores and products of dO and V, [key][query]; they become the weights of V (after dropout) and the gradient of Q K^T. In
// bf16 units along the queries, and the gradient in `across` units across the keys.
template <class P>
static void att_back(const AttBlock& x, float* pt, float* dpt, float* across, int64_t j0, int64_t nk, const float* top,
                     const float* one, const float* dots) {
  const F scale = set1((float)x.a.f[0]);
  for (int64_t g = 0; g < x.lanes(); g += L) {
    const F m = load(top + g), inv = load(one + g), dot = load(dots + g);
    const int64_t n = x.seen(g, j0, nk), lane = words_of<P>(g);
    F even = dot, grad = dot;
    const auto pair = [&](int64_t j, F w, F ds) __attribute__((always_inline)) {
      att_along(pt + j * kAttQ + lane, kAttQ, even, w);
      att_along(dpt + j * kAttQ + lane, kAttQ, grad, ds);
      att_across(across + words_of<P>(j) * kAttQ + g, kAttQ, grad, ds);
    };
    att_keys(
        x, j0, g, n, [&](int64_t j, int k, bool drop, F keep) __attribute__((always_inline)) {
          float *const p = pt + j * kAttQ + g, *const dp = dpt + j * kAttQ + g;
          const F w = mul(softmax_exp(sub(load(p), m)), inv), dw = drop ? mul(load(dp), keep) : load(dp);
          const F kept = drop ? mul(w, keep) : w, ds = mul(mul(w, scale), sub(dw, dot));
          if (P::terms == 1)
            store(p, kept), store(dp, ds);
          else if (k % 2 == 0)
            even = kept, grad = ds;
          else
            pair(j - 1, kept, ds);
        });
    if (P::terms == 2 && n % 2) pair(n - 1, set1(0.f), set1(0.f));
  }
}

// What attentionGrad reads of a head: rows of some queries and of some keys.
static void att_reads(const Args& a, int64_t bh, Range queries, Range keys, AttSoon& soon) {
  const int64_t heads = a.i[kAttH], b = quotient(bh, heads), h = bh - b * heads, kv = quotient(h, quotient(heads, a.i[kAttKv]));
  for (int v = 0; v < 5; v++) {
    const bool of_keys = v == 1 || v == 2;
    soon.add(att_in(a, att_view(a.i, v), b, of_keys ? kv : h), att_view(a.i, v), of_keys ? keys : queries);
  }
}
// What attentionGrad writes of this block and of its head, and what it reads of the next one.
static void att_soon(const Args& a, const AttBlock& x, int64_t group, AttSoon& soon) {
  const bool all = (x.h + 1) % group == 0;   // the last head of those that share keys
  const int64_t next = x.b * a.i[kAttH] + x.h + 1;
  const Range queries = {x.q0, x.q0 + x.nq}, keys = all ? x.share() : Range{0, 0};
  soon.start();
  for (int v = 5; v < 8; v++)
    soon.add(att_out(a, att_view(a.i, v), x.b, v == 5 ? x.h : x.h / group), att_view(a.i, v), v == 5 ? queries : keys);
  if (next < a.i[kAttB] * a.i[kAttH]) att_reads(a, next, queries, keys, soon);
}

// A thread's part of attentionGrad: views and buffers, and what it gathers for the keys from k0 on.
template <class P>
struct AttGrad {
  const Args& a;
  const AttPieces& pieces;
  const AttView vq, vk, vv, vo, vg, vdq;
  const int64_t T, S, d, heads, group, width;
  AttLocal local;
  float *const pt, *const dpt;
  AttBlock x;
  float *const q, *const g, *const dq, *const dk, *const dv, *const across;
  AttRows<P> rq, rg, k, v;   // queries and dO of a block, keys and values of a head
  AttSoon soon;
  float top[kAttQ], one[kAttQ], dots[kAttQ];

  AttGrad(const Args& args, const AttPieces& p)
      : a(args),
        pieces(p),
        vq(att_view(a.i, 0)),
        vk(att_view(a.i, 1)),
        vv(att_view(a.i, 2)),
        vo(att_view(a.i, 3)),
        vg(att_view(a.i, 4)),
        vdq(att_view(a.i, 5)),
        T(a.i[kAttT]),
        S(a.i[kAttS]),
        d(a.i[kAttD]),
        heads(a.i[kAttH]),
        group(heads / most(1, a.i[kAttKv])),
        width(att_width(d)),
        local{(float*)a.local},
        pt(local.take(kAttQ * kAttK)),
        dpt(local.take(kAttQ * kAttK)),
        x(a, local.take(2 * kAttQ * kAttK)),
        q(local.take(kAttQ * width)),
        g(local.take(kAttQ * width)),
        dq(local.take(kAttQ * width)),
        dk(local.take(S * d)),
        dv(local.take(S * d)),
        across(local.take(kAttQ * kAttK)),
        rq(d, nullptr, local.take(kAttQ * width)),
        rg(d, nullptr, local.take(kAttQ * width)),
        k(d, local.take(S * width), local.take((S + 1) * width)),
        v(d, local.take(S * width), nullptr),
        soon(d) {}

  // The queries of the block, laid out anew; what the softmax was made of; and the sums of dO o.
  void take() {
    const float *const of_q = att_in(a, vq, x.b, x.h) + x.q0 * vq.row(), *const of_g = att_in(a, vg, x.b, x.h) + x.q0 * vg.row();
    const float* ro = att_in(a, vo, x.b, x.h) + x.q0 * vo.row();
    const float* stats = (const float*)a.in[1] + 2 * (x.b * heads + x.h) * T + x.q0;
    // What is beyond the last query has weights of 0.
    for (int64_t i = 0; i < kAttQ; i++) top[i] = __builtin_inff(), one[i] = dots[i] = 0.f;
    for (int64_t i = 0; i < x.nq; i++) {
      D dot = dset1(0);
      for (int64_t c = 0; c < d; c += L) {
        const int n = (int)least(L, d - c);
        dot = fma(widen(att_rounded<P>(load_n(of_g + i * vg.row() + c, n))), widen(load_n(ro + i * vo.row() + c, n)), dot);
      }
      top[i] = stats[i], one[i] = stats[T + i], dots[i] = (float)hsum(dot);
    }
    att_queries<P>(of_q, vq.row(), x.nq, d, (float)a.f[0], q, dq);
    att_queries<P>(of_g, vg.row(), x.nq, d, 1.f, g, dq);
    rq.start(of_q, vq.row()), rq.ready(x.nq);
    rg.start(of_g, vg.row()), rg.ready(x.nq);
  }
  // Keys [from, to) of a piece: dq becomes what they give the queries of the block; dk and dv, which begin at key k0, grow.
  void meet(int64_t from, int64_t to, int64_t k0) {
    for (int64_t j = from; j < to; j += kAttK) {
      const int64_t nk = least(kAttK, to - j), key = j - k0;
      const AttParts parts = x.parts(j, nk);
      k.ready(key + nk), v.ready(key + nk);
      for (const AttPart& p : parts) {
        [[maybe_unused]] const Flush<P> flush;
        const int64_t at = p.key * kAttQ + p.lane;
        att_product<P>(k.along(key + p.key), true, k.ld(), q + p.lane, kAttQ, p.keys, p.lanes, d, pt + at, kAttQ, true, &soon);
        att_product<P>(v.along(key + p.key), true, v.ld(), g + p.lane, kAttQ, p.keys, p.lanes, d, dpt + at, kAttQ, true, &soon);
      }
      x.masked(pt, j, nk);
      att_back<P>(x, pt, dpt, across, j, nk, top, one, dots);
      for (const AttPart& p : parts) {
        const int64_t at = p.key * kAttQ + words_of<P>(p.lane), row = (key + p.key) * d;
        [[maybe_unused]] const Flush<P> flush;
        const float* const ds = P::terms == 1 ? dpt + at : across + words_of<P>(p.key) * kAttQ + p.lane;
        att_product<P>(pt + at, true, kAttQ, rg.across(p.lane), rg.ld(), p.keys, d, p.queries, dv + row, d, false, &soon);
        att_product<P>(dpt + at, true, kAttQ, rq.across(p.lane), rq.ld(), p.keys, d, p.queries, dk + row, d, false, &soon);
        att_product<P>(ds, false, kAttQ, k.across(key + p.key), k.ld(), p.queries, d, p.keys, dq + p.lane * d, d,
                       j == from && p.key == 0, &soon);
      }
    }
  }
  // Where dq of the block's queries goes that a piece gives.
  float* of_piece(int64_t piece) const { return (float*)a.scratch + (((piece * a.i[kAttB] + x.b) * heads + x.h) * T + x.q0) * d; }
  // A head of keys and values, or a piece of it where pieces are shared.
  void run(int64_t b, int64_t kv, int64_t first, int64_t last) {
    const int64_t k0 = pieces.begin(first), k1 = least(S, pieces.begin(last));
    k.start(att_in(a, vk, b, kv) + k0 * vk.row(), vk.row());
    v.start(att_in(a, vv, b, kv) + k0 * vv.row(), vv.row());
    memset(dk, 0, (k1 - k0) * d * sizeof(float)), memset(dv, 0, (k1 - k0) * d * sizeof(float));
    for (int64_t h = kv * group; h < (kv + 1) * group; h++)
      for (int64_t q0 = 0; q0 < T; q0 += kAttQ) {
        x.start(b, h, q0);
        const int64_t keys = least(k1, x.keys);
        float* const out = att_out(a, vdq, b, h) + q0 * vdq.row();
        if (S == 0)
          for (int64_t i = 0; i < x.nq; i++) memset(out + i * vdq.row(), 0, d * sizeof(float));
        if (keys <= k0) continue;
        take();
        if (!pieces.shared) {
          att_soon(a, x, group, soon);
          soon.spread(ceil_div(4 * keys, MR) + ceil_div(kAttQ, MR));
        }
        for (int64_t p = first; p < last && pieces.begin(p) < keys; p++) {
          meet(pieces.begin(p), least(keys, pieces.begin(p + 1)), k0);
          if (pieces.shared)
            att_copy(dq, d, of_piece(p), d, x.nq, d);
          else
            (p == 0 ? att_copy : att_add)(dq, d, out, vdq.row(), x.nq, d);
        }
      }
    const AttView vdk = att_view(a.i, 6), vdv = att_view(a.i, 7);
    att_copy(dk, d, att_out(a, vdk, b, kv) + k0 * vdk.row(), vdk.row(), k1 - k0, d);
    att_copy(dv, d, att_out(a, vdv, b, kv) + k0 * vdv.row(), vdv.row(), k1 - k0, d);
  }
  // dq of a block of queries, of what the pieces gave.
  void gather(int64_t b, int64_t h, int64_t q0) {
    x.start(b, h, q0);
    float* const out = att_out(a, vdq, b, h) + q0 * vdq.row();
    for (int64_t p = 0; p < pieces.blocks.count && pieces.begin(p) < x.keys; p++)
      (p == 0 ? att_copy : att_add)(of_piece(p), d, out, vdq.row(), x.nq, d);
  }
};

// outs dq, dk, dv as the views 5 to 7 say; ins o, statistics, dO, then q, k, v and the mask. Views 0 to 4: q, k, v, o, dO.
template <class P>
static void attention_grad_of(const Args& a, const Team& team) {
  const int64_t kvs = a.i[kAttKv], heads = a.i[kAttH], T = a.i[kAttT], S = a.i[kAttS];
  const AttPieces pieces(a.i, team);
  const int64_t each = pieces.shared ? pieces.blocks.count : 1;
  AttGrad<P> of(a, pieces);
  // What a piece costs: the queries that see its keys.
  const Range r = att_split(a.i[kAttB] * kvs, each, team, [&](int64_t p) {
    if (!pieces.shared) return int64_t(1);
    const int64_t from = pieces.begin(p), keys = least(S, pieces.begin(p + 1)) - from;
    return a.i[kAttCausal] ? most(1, keys * (T - from - keys / 2)) : keys;
  });
  if (r.begin < r.end) {   // nobody asked for the first head
    att_reads(a, quotient(r.begin, each) * quotient(heads, kvs), {0, least(T, kAttK)}, {0, least(S, kAttK)}, of.soon);
    of.soon.spread(1);
    of.soon.ask();
  }
  for (int64_t task = r.begin; task < r.end; task++) {
    const int64_t bkv = quotient(task, each), b = quotient(bkv, kvs), p = task - bkv * each;
    of.run(b, bkv - b * kvs, pieces.shared ? p : 0, pieces.shared ? p + 1 : pieces.blocks.count);
  }
  if (!pieces.shared) return;
  team.barrier();
  const int64_t blocks = ceil_div(T, kAttQ);
  const Range rows = split(a.i[kAttB] * heads * blocks, team);
  for (int64_t task = rows.begin; task < rows.end; task++) {
    const int64_t bh = quotient(task, blocks), b = quotient(bh, heads);
    of.gather(b, bh - b * heads, (task - bh * blocks) * kAttQ);
  }
}
void attentionGrad(const Args& a, const Team& team) {
  a.i[kAttBf16] ? attention_grad_of<Bf16>(a, team) : GRADCLIP_F32(attentionGrad, attention_grad_of<F32>(a, team));
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
  const int64_t width = att_width(d);
  n.local = size_mul(4 * kAttK + 3 * width, kAttQ * 4) + size_mul(2 * S, d * 4);
  if (n.i[kAttBf16]) n.local += size_mul(kAttK + 2 * width, kAttQ * 4) + size_mul(3 * S + 1, width * 4);
  const int64_t room = AttPieces::room(n.i);
  if (S > kAttK && room <= kAttRoom) n.scratch = size_mul(room, 4);
}
}   // namespace gradclip::GRADCLIP_ISA
