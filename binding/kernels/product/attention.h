// attention.h: scaled dot-product attention, forward and backward. No matrix of queries by keys is kept: blocks of kAttQ queries meet
// blocks of kAttK keys, with a running maximum and sum; backward makes the blocks again.
// A block of scores lies transposed, [key][query]: lanes are queries, so maxima and sums need no step across lanes, K and V are read
// as they lie in memory, and only the queries of a block are laid out anew. Every element of a product is one fma chain in the order
// of its terms, so neither tiles, nor the team, nor the ISA change bits. One thread does all of a head's gradient, in order.
//
// ints: kAttB ..., then views of 5 numbers each: operand, offset, strides of batch, head and row; the elements of a head's row are
// neighbors. f: scale, factor of what dropout keeps.
#pragma once
#include "gemm.h"
#include "../philox.h"

namespace gradclip::GRADCLIP_ISA {
constexpr int64_t kAttQ = 2 * L, kAttK = 64;
enum AttentionInts {
  kAttB,
  kAttH,
  kAttKv,
  kAttT,
  kAttS,
  kAttD,
  kAttCausal,
  kAttMask,
  kAttMaskB,
  kAttMaskH,
  kAttMaskT,
  kAttKey,
  kAttDrop,
  kAttViews
};
enum AttViewInts { kViewOperand, kViewOffset, kViewBatch, kViewHead, kViewRow, kViewInts };

struct AttView {
  const int64_t* i;
  int64_t at(int64_t b, int64_t h, int64_t t) const {
    return i[kViewOffset] + b * i[kViewBatch] + h * i[kViewHead] + t * i[kViewRow];
  }
  int64_t row() const { return i[kViewRow]; }
};
static inline AttView att_view(const int64_t* ints, int which) { return {ints + kAttViews + kViewInts * which}; }
static inline const float* att_in(const Args& a, AttView v, int64_t b, int64_t h) {
  return (const float*)a.in[v.i[kViewOperand]] + v.at(b, h, 0);
}
static inline float* att_out(const Args& a, AttView v, int64_t b, int64_t h) {
  return (float*)a.out[v.i[kViewOperand]] + v.at(b, h, 0);
}

// c[rows, cols] (+)= s[rows, k] * v[k, cols]; element (i, p) of s at s[i * st + p], or at s[p * st + i].
static void att_product(const float* s, bool by_rows, int64_t st, const float* v, int64_t vs, int64_t rows, int64_t cols,
                        int64_t k, float* c, int64_t ld, bool first) {
  const Parts is = parts_of(rows, 1, ceil_div(rows, MR));
  for (int64_t x = 0; x < is.count; x++) {
    const int64_t i = is.begin(x);
    tiles(s + (by_rows ? i * st : i), by_rows, st, v, vs, TN, is.begin(x + 1) - i, cols, k, c + i * ld, ld, first,
          Soon{s, 0, 0, 0}, [](int64_t, int64_t) {});
  }
}

// The part of a head that a thread works on: queries [q0, q0 + nq), and what it needs of a thread's own memory.
struct AttBlock {
  const Args& a;
  int64_t b, h, q0, nq, keys;   // keys: how many of them its queries see at most
  float *mask, *raw;            // [key][query] and [query][key] of a block
  int32_t counter[kAttQ];       // of dropout, per query

  AttBlock(const Args& args, float* own) : a(args), mask(own), raw(own + kAttQ * kAttK) {}
  void start(int64_t batch, int64_t head, int64_t query) {
    b = batch, h = head, q0 = query;
    const int64_t t = a.i[kAttT], s = a.i[kAttS];
    nq = least(kAttQ, t - q0);
    keys = a.i[kAttCausal] ? least(s, q0 + nq) : s;
    const int64_t groups = ceil_div(s, 4), row = (b * a.i[kAttH] + h) * t + q0;
    for (int64_t k = 0; k < kAttQ; k++) counter[k] = (int32_t)(uint32_t)((row + k) * groups);
  }

  // Scores of the keys [j0, j0 + nk), [key][query]: those that may not be seen become -infinity.
  void masked(float* s, int64_t j0, int64_t nk) {
    const int64_t kind = a.i[kAttMask];
    const F inf = set1(-__builtin_inff());
    if (kind) {
      const int64_t st = a.i[kAttMaskT], at = b * a.i[kAttMaskB] + h * a.i[kAttMaskH] + q0 * st + j0, rows = st ? nq : 1;
      const void* in = a.in[a.n_in - 1];
      const float* from = (const float*)in + at;
      int64_t ld = st;
      if (kind == 2) {
        for (int64_t i = 0; i < rows; i++)
          for (int64_t j = 0; j < nk; j++) raw[i * kAttK + j] = ((const uint8_t*)in)[at + i * st + j] ? 0.f : -__builtin_inff();
        from = raw, ld = kAttK;
      }
      if (st) transpose_block(from, ld, mask, kAttQ, rows, nk, kAttQ);
      for (int64_t j = 0; j < nk; j++)
        for (int64_t g = 0; g < kAttQ; g += L) {
          float* to = s + j * kAttQ + g;
          store(to, add(load(to), st ? load(mask + j * kAttQ + g) : set1(from[j])));
        }
    }
    if (!a.i[kAttCausal] || j0 + nk <= q0 + 1) return;
    static constexpr float lane[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    for (int64_t j = most(0, q0 + 1 - j0); j < nk; j++)
      for (int64_t g = 0; g < kAttQ; g += L) {
        float* to = s + j * kAttQ + g;
        store(to, select(lt(load(lane), set1((float)(j0 + j - q0 - g))), inf, load(to)));
      }
  }
};

// What dropout multiplies 4 keys from j on with, for the queries of group g: 0 or a.f[1]. Query t and key s take word s % 4 of counter
// t * ceil(S / 4) + s / 4.
INLINE void att_kept(const AttBlock& x, int64_t j, int64_t g, F (&factor)[4]) {
  const Context& c = *x.a.ctx;
  const uint32_t attempt = (uint32_t)c.attempt, tag = 0x64726f70u ^ (uint32_t)(c.attempt >> 32);
  const F threshold = set1((float)x.a.i[kAttDrop]), scale = set1((float)x.a.f[1]);
  const Philox r = philox(iadd(iload(x.counter + g), iset1((int32_t)(j / 4))), attempt, tag, (uint32_t)x.a.i[kAttKey], c.seed);
  for (int k = 0; k < 4; k++) factor[k] = select(le(threshold, to_float(ishr<8>(r.word[k]))), scale, set1(0.f));
}

// out[elements][kAttQ] = rows [q0, q0 + nq) of a head times `scale`, transposed; zeros beyond nq.
static void att_queries(const float* rows, int64_t ld, int64_t nq, int64_t d, float scale, float* out) {
  transpose_block(rows, ld, out, kAttQ, nq, d, kAttQ);
  if (scale == 1.f) return;
  for (int64_t k = 0; k < d * kAttQ; k += L) store(out + k, mul(load(out + k), set1(scale)));
}

// Running maximum and sum of the queries of a block, and what its output is so far, [element][query].
struct AttRun {
  float top[kAttQ], sum[kAttQ];
  float* out;
};
// Scores become the terms of the softmax (dropped ones 0); what was summed before is scaled to the new maximum.
static void att_softmax(const AttBlock& x, float* s, int64_t j0, int64_t nk, int64_t d, AttRun& run) {
  const bool drop = x.a.i[kAttDrop] > 0;
  for (int64_t g = 0; g < kAttQ; g += L) {
    float* const p = s + g;
    const F before = load(run.top + g);
    F top = before;
    for (int64_t j = 0; j < nk; j++) top = max(load(p + j * kAttQ), top);   // this order skips NaN: the sum shows it
    F sums[4] = {set1(0.f), set1(0.f), set1(0.f), set1(0.f)};
    for (int64_t j = 0; j < nk; j += 4) {
      const int64_t n = least(4, nk - j);
      F keep[4];
      if (drop) att_kept(x, j0 + j, g, keep);
      for (int64_t k = 0; k < n; k++) {
        const F e = softmax_exp(sub(load(p + (j + k) * kAttQ), top));
        sums[k] = add(sums[k], e);
        store(p + (j + k) * kAttQ, drop ? mul(e, keep[k]) : e);
      }
    }
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
  run.out = q + d * kAttQ;
  const Range r = split(a.i[kAttB] * heads * blocks, team);
  for (int64_t task = r.begin; task < r.end; task++) {
    const int64_t bh = quotient(task, blocks), b = quotient(bh, heads), h = bh - b * heads;
    x.start(b, h, (task - bh * blocks) * kAttQ);
    att_queries(att_in(a, vq, b, h) + x.q0 * vq.row(), vq.row(), x.nq, d, (float)a.f[0], q);
    const float *k = att_in(a, vk, b, h / group), *v = att_in(a, vv, b, h / group);
    memset(run.out, 0, d * kAttQ * sizeof(float));
    for (int64_t g = 0; g < kAttQ; g += L) store(run.top + g, set1(-3.4028234664e38f)), store(run.sum + g, set1(0.f));
    for (int64_t j = 0; j < x.keys; j += kAttK) {
      const int64_t nk = least(kAttK, x.keys - j);
      att_product(k + j * vk.row(), true, vk.row(), q, kAttQ, nk, kAttQ, d, s, kAttQ, true);
      x.masked(s, j, nk);
      att_softmax(x, s, j, nk, d, run);
      att_product(v + j * vv.row(), false, vv.row(), s, kAttQ, d, kAttQ, nk, run.out, kAttQ, false);
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

// The floats from the start of an operand to the end of what a view touches of it, saturating.
static int64_t att_span(const Need& n, int which, int64_t heads, int64_t rows) {
  const int64_t* v = att_view(n.i, which).i;
  if (size_of(n.i[kAttB], heads, rows, n.i[kAttD]) == 0) return 0;
  const int64_t parts[] = {v[kViewOffset], size_mul(n.i[kAttB] - 1, v[kViewBatch]), size_mul(heads - 1, v[kViewHead]),
                           size_mul(rows - 1, v[kViewRow]), n.i[kAttD]};
  int64_t end = 0;
  for (const int64_t p : parts) {
    if (p < 0 || p > Need::kMax) return Need::kMax + 1;
    end += p;
  }
  return end;
}
static void att_touch(Need& n, int which, int64_t heads, int64_t rows, int64_t* operands, int64_t count) {
  const int64_t operand = n.i[kAttViews + kViewInts * which + kViewOperand];
  if (operand < 0 || operand >= count) return n.fail("a view of no operand");
  operands[operand] = most(operands[operand], size_mul(att_span(n, which, heads, rows), 4));
}
static void att_checks(Need& n, int views, int inputs) {
  if (n.n_i != kAttViews + kViewInts * views) return n.fail("wrong number of attributes");
  for (int k = 0; k < n.n_i; k++)
    if (n.i[k] < 0 || n.i[k] > Need::kMax) return n.fail("an attribute is out of range");
  if (n.i[kAttD] < 1) return n.fail("heads are empty");
  const int64_t B = n.i[kAttB], H = n.i[kAttH], S = n.i[kAttS], T = n.i[kAttT], d = n.i[kAttD];
  if (n.i[kAttKv] < 1 || H % n.i[kAttKv] || n.i[kAttCausal] > 1 || n.i[kAttMask] > 2)
    return n.fail("wrong heads, causal or mask");
  if (n.i[kAttKey] > 0xffffffffll || n.i[kAttDrop] > 1 << 24) return n.fail("wrong key or threshold of dropout");
  if (size_of(B, H, T, d, 4) > Need::kMax || size_of(B, H, S, d, 4) > Need::kMax) return n.fail("size out of range");
  if (n.i[kAttDrop] && size_of(B, H, T, ceil_div(S, 4)) > int64_t(1) << 32) return n.fail("too many elements for dropout");
  const bool mask = n.i[kAttMask] != 0;
  if (n.n_in < inputs + 1 + mask) return n.fail("too few inputs");
  if (mask && size_of(B, H, T, S) > 0) {
    int64_t last = S;
    const int64_t parts[] = {size_mul(B - 1, n.i[kAttMaskB]), size_mul(H - 1, n.i[kAttMaskH]), size_mul(T - 1, n.i[kAttMaskT])};
    for (const int64_t p : parts) last = p > Need::kMax ? p : last + p;
    n.in[n.n_in - 1] = size_mul(last, n.i[kAttMask] == 1 ? 4 : 1);
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
  for (int64_t g = 0; g < kAttQ; g += L) {
    const F m = load(top + g), inv = load(one + g), dot = load(dots + g);
    for (int64_t j = 0; j < nk; j += 4) {
      const int64_t n = least(4, nk - j);
      F keep[4];
      if (drop) att_kept(x, j0 + j, g, keep);
      for (int64_t k = 0; k < n; k++) {
        float *const p = pt + (j + k) * kAttQ + g, *const dp = dpt + (j + k) * kAttQ + g;
        const F w = mul(softmax_exp(sub(load(p), m)), inv), dw = drop ? mul(load(dp), keep[k]) : load(dp);
        store(p, drop ? mul(w, keep[k]) : w);
        store(dp, mul(mul(w, scale), sub(dw, dot)));
      }
    }
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
        for (int64_t j = 0; j < x.keys; j += kAttK) {
          const int64_t nk = least(kAttK, x.keys - j);
          att_product(k + j * vk.row(), true, vk.row(), q, kAttQ, nk, kAttQ, d, pt, kAttQ, true);
          att_product(v + j * vv.row(), true, vv.row(), g, kAttQ, nk, kAttQ, d, dpt, kAttQ, true);
          x.masked(pt, j, nk);
          att_back(x, pt, dpt, j, nk, top, one, dots);
          att_product(pt, true, kAttQ, rg, vg.row(), nk, d, x.nq, sums.dv + j * d, d, false);
          att_product(dpt, true, kAttQ, rq, vq.row(), nk, d, x.nq, sums.dk + j * d, d, false);
          att_product(dpt, false, kAttQ, k + j * vk.row(), vk.row(), x.nq, d, nk, sums.dq, d, false);
        }
        float* dq = att_out(a, out[0], b, h) + q0 * out[0].row();
        for (int64_t i = 0; i < x.nq; i++) memcpy(dq + i * out[0].row(), sums.dq + i * d, d * sizeof(float));
      }
    }
    float *dk = att_out(a, out[1], b, kv), *dv = att_out(a, out[2], b, kv);
    for (int64_t j = 0; j < S; j++) {
      memcpy(dk + j * out[1].row(), sums.dk + j * d, d * sizeof(float));
      memcpy(dv + j * out[2].row(), sums.dv + j * d, d * sizeof(float));
    }
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
