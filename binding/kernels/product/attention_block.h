// attention_block.h: what attention works on: blocks of queries and keys of a head, where they lie, and which may be seen.
#pragma once
#include "../philox.h"
#include "gemm.h"

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
  kAttBf16,
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

// The tasks of a thread, where each of `groups` groups has `each` of them, and task i of a group costs cost(i).
template <class Fn>
static Range att_split(int64_t groups, int64_t each, const Team& team, Fn cost) {
  if (team.size == 1) return {0, groups * each};
  int64_t all = 0;
  for (int64_t i = 0; i < each; i++) all += cost(i);
  if (all == 0) return split(groups * each, team);
  const auto begin = [&](int64_t rank) {
    const int64_t at = groups * all / team.size * rank + groups * all % team.size * rank / team.size, group = quotient(at, all);
    int64_t i = 0;
    for (int64_t left = 2 * (at - group * all); group < groups && i < each && left >= cost(i); i++) left -= 2 * cost(i);
    return least(groups, group) * each + i;
  };
  return {begin(team.rank), begin(team.rank + 1)};
}

// Rows of heads that are read or written soon. They are asked for a few at a time, between tiles: at once they would wait for one another.
class AttSoon {
  static constexpr int kMost = 8;
  struct Rows {
    const float* p;
    int64_t stride, count;
  };
  Rows list_[kMost];
  int64_t d_, few_ = 0;
  int first_ = 0, last_ = 0;

 public:
  explicit AttSoon(int64_t d) : d_(d) {}
  void start() { first_ = last_ = 0; }
  void add(const float* head, AttView v, Range rows) {
    if (rows.begin < rows.end) list_[last_++] = {head + rows.begin * v.row(), v.row(), rows.end - rows.begin};
  }
  // So many tiles follow.
  void spread(int64_t tiles) {
    int64_t rows = 0;
    for (int x = 0; x < last_; x++) rows += list_[x].count;
    few_ = ceil_div(rows, tiles);
  }
  void ask() {
    for (int64_t rows = few_; first_ < last_; first_++) {
      Rows& r = list_[first_];
      const int64_t n = least(rows, r.count);
      const float* p = r.p;
      for (int64_t i = 0; i < n; i++, p += r.stride)
        for (int64_t c = 0; c < d_; c += L) fetch(p + c);
      r.p = p, r.count -= n, rows -= n;
      if (r.count > 0) return;
    }
  }
};

// c[rows, cols] (+)= s[rows, k] * v[k, cols]; element (i, p) of s at s[i * st + p], or at s[p * st + i]. k counts terms. In bf16 there
// must be a Flush.
template <class P>
static void att_product(const float* s, bool by_rows, int64_t st, const float* v, int64_t vs, int64_t rows, int64_t cols,
                        int64_t k, float* c, int64_t ld, bool first, AttSoon* soon = nullptr) {
  const Parts is = parts_of(rows, 1, ceil_div(rows, MR));
  const int64_t words = words_of<P>(k);
  const Asks none{};
  int64_t i = 0;
  for (int64_t x = 0; x < is.count; x++) {
    const int64_t height = is.size + (x < is.more);
    const float* const from = s + (by_rows ? i * st : i);
    for (int64_t j = 0; j < cols; j += TN) {
      const int64_t lanes = least(TN, cols - j);
      const int form = lanes == TN ? (vs == TN && (by_rows || st == kSRow) ? 3 : 0) : lanes > W ? 1 : 2;
      const Micro micro = kMicro<typename P::Multiplied>[by_rows][form][height - 1];
      micro(words, from, st, v + j, vs, c + i * ld + j, ld, (int)(form == 1 ? lanes - W : lanes), first, none);
    }
    i += height;
    if (soon) soon->ask();
  }
}
static inline void att_copy(const float* from, int64_t fs, float* to, int64_t ts, int64_t rows, int64_t d) {
  for (int64_t i = 0; i < rows; i++, from += fs, to += ts)
    for (int64_t c = 0; c < d; c += L) store_part(to + c, load_part(from + c, d - c), d - c);
}

static inline void att_add(const float* from, int64_t fs, float* to, int64_t ts, int64_t rows, int64_t d) {
  for (int64_t i = 0; i < rows; i++, from += fs, to += ts)
    for (int64_t c = 0; c < d; c += L) store_part(to + c, add(load_part(to + c, d - c), load_part(from + c, d - c)), d - c);
}

// Of a block of keys and queries: keys [key, key + keys) meet lanes [lane, lane + lanes), `queries` of which are there.
struct AttPart {
  int64_t key, keys, lane, lanes, queries;
};
// What is to be computed of a block: all of it; where it lies across the diagonal of a causal mask, keys that half of the queries see
// meet that half alone.
struct AttParts {
  AttPart part[2];
  int count;
  const AttPart* begin() const { return part; }
  const AttPart* end() const { return part + count; }
};

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
  int64_t lanes() const { return nq > L ? kAttQ : L; }
  // Of the keys of a head as large a part as the queries are of all.
  Range share() const {
    const int64_t t = a.i[kAttT], s = a.i[kAttS];
    return {quotient(s * q0, t), quotient(s * (q0 + nq), t)};
  }
  // Of the keys [j0, j0 + nk): how many the queries of group g see at most.
  int64_t seen(int64_t g, int64_t j0, int64_t nk) const { return a.i[kAttCausal] ? least(nk, q0 + g + L - j0) : nk; }
  AttParts parts(int64_t j0, int64_t nk) const {
    const int64_t all = seen(0, j0, nk);
    return {{{0, all, 0, lanes(), nq}, {all, nk - all, L, L, nq - L}}, nk > all ? 2 : 1};
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
        for (int64_t g = 0; g < lanes(); g += L) {
          float* to = s + j * kAttQ + g;
          store(to, add(load(to), st ? load(mask + j * kAttQ + g) : set1(from[j])));
        }
    }
    if (!a.i[kAttCausal]) return;
    static constexpr float lane[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    for (int64_t g = 0; g < lanes(); g += L)
      for (int64_t j = most(0, q0 + g + 1 - j0); j < seen(g, j0, nk); j++) {
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

// Calls f(j, j % 4, whether there is dropout, its factors) for the keys [j0, j0 + n) and the queries of group g, j from 0.
template <class Fn>
INLINE void att_keys(const AttBlock& x, int64_t j0, int64_t g, int64_t n, Fn f) {
  const bool drop = x.a.i[kAttDrop] > 0;
  F keep[4];
  int64_t j = 0;
  for (; j + 4 <= n; j += 4) {
    if (drop) att_kept(x, j0 + j, g, keep);
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) f(j + k, k, drop, keep[k]);
  }
  if (j < n && drop) att_kept(x, j0 + j, g, keep);
#pragma GCC unroll 3
  for (int k = 0; k < 3; k++)
    if (j + k < n) f(j + k, k, drop, keep[k]);
}

// What products read: rows of heads, and blocks of weights. In f32 as they lie; in bf16 (bf16.h) as units, of which there are two kinds,
// since a pair is two terms of a sum. Units *along* a row, where a product sums over its elements; and *across* two rows, where it sums over
// rows: the units of rows 2 j and 2 j + 1 lie in row j, or, emulated, in the places of both.

// Floats from one packed row of d elements to the next: two whole groups at a time, so that none needs a mask.
static inline int64_t att_width(int64_t d) { return ceil_div(d, 2 * L) * 2 * L; }

// A thread's own memory, in parts.
struct AttLocal {
  float* at;
  float* take(int64_t floats) { return (at += floats) - floats; }
};

// A group as products read it.
template <class P>
INLINE F att_rounded(F a) {
  if (P::terms == 1) return a;
#pragma GCC unroll 4
  for (int i = 0; i < NR; i++) a.v[i] = r_bf16(a.v[i]);
  return a;
}
// Two rows of a group as units across them: at `to`; emulated, also `next` floats on.
INLINE void att_across(float* to, int64_t next, F first, F second) {
#pragma GCC unroll 4
  for (int i = 0; i < NR; i++) store_pairs(to + W * i, next, first.v[i], second.v[i]);
}
// Two rows of a group as units along each: at `to` and, of the second, `next` floats on.
INLINE void att_along(float* to, int64_t next, F first, F second) {
#if defined(__AVX512BF16__)
  r_store_words(to, to + next, r_words(first.v[0], second.v[0]));
#else
#pragma GCC unroll 4
  for (int i = 0; i < NR; i++) {
    r_store(to + W * i, r_swap(r_bf16(first.v[i])));
    r_store(to + next + W * i, r_swap(r_bf16(second.v[i])));
  }
#endif
}

// Two groups side by side as units along the row that they are of.
INLINE void att_beside(float* to, F first, F second) {
#if defined(__AVX512BF16__)
  r_store(to, r_words(first.v[0], second.v[0]));
#else
  att_along(to, L, first, second);
#endif
}

// Rows of d elements, `ld` apart, times `scale`, as units along each of them, att_width(d) apart.
static void att_pack_along(const float* rows, int64_t ld, int64_t n, int64_t d, float scale, float* to) {
  const int64_t width = att_width(d);
  const F factor = set1(scale);
  for (int64_t i = 0; i < n; i++, rows += ld, to += width)
    for (int64_t c = 0; c < d; c += 2 * L)
      att_beside(to + words_of<Bf16>(c), mul(load_part(rows + c, d - c), factor),
                 c + L < d ? mul(load_part(rows + c + L, d - c - L), factor) : set1(0.f));
}
// Rows of d elements, `ld` apart, as units across pairs of them, att_width(d) apart; the last one may lack its second.
static void att_pack_across(const float* rows, int64_t ld, int64_t n, int64_t d, float* to) {
  const int64_t width = att_width(d);
  for (int64_t i = 0; i < n; i += 2, rows += 2 * ld, to += Bf16::words * width)
    for (int64_t c = 0; c < d; c += L)
      att_across(to + c, width, load_part(rows + c, d - c), i + 1 < n ? load_part(rows + ld + c, d - c) : set1(0.f));
}

// Rows of a head. In bf16 they are packed, to where there is a place for it, when they are asked for first.
template <class P>
class AttRows {
  const float* rows_ = nullptr;
  int64_t from_ = 0, d_, done_ = 0;
  float *const along_, *const across_;

 public:
  AttRows(int64_t d, float* along, float* across) : d_(d), along_(along), across_(across) {}
  void start(const float* rows, int64_t stride) { rows_ = rows, from_ = stride, done_ = 0; }
  // The first `end` rows are read soon; all but the last time an even number.
  void ready(int64_t end) {
    if (P::terms == 1 || end <= done_) return;
    const float* const rows = rows_ + done_ * from_;
    if (along_) att_pack_along(rows, from_, end - done_, d_, 1.f, along_ + done_ * ld());
    if (across_) att_pack_across(rows, from_, end - done_, d_, across_ + words_of<P>(done_) * ld());
    done_ = end;
  }
  int64_t ld() const { return P::terms == 1 ? from_ : att_width(d_); }
  const float* along(int64_t row) const { return (P::terms == 1 ? rows_ : along_) + row * ld(); }
  const float* across(int64_t row) const { return (P::terms == 1 ? rows_ : across_) + words_of<P>(row) * ld(); }
};

// out[elements][kAttQ]: `n` rows times `scale`, transposed; zeros beyond them. In bf16 units along the elements; `own` has room for them all.
template <class P>
static void att_queries(const float* rows, int64_t ld, int64_t n, int64_t d, float scale, float* out, float* own) {
  if constexpr (P::terms == 1) {
    transpose_block(rows, ld, out, kAttQ, n, d, kAttQ);
    if (scale == 1.f) return;
    for (int64_t k = 0; k < d * kAttQ; k += L) store(out + k, mul(load(out + k), set1(scale)));
  } else {
    att_pack_along(rows, ld, n, d, scale, own);
    transpose_block(own, att_width(d), out, kAttQ, n, words_of<P>(d), kAttQ);
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
  if (n.i[kAttH] < 1 || n.i[kAttD] < 1) return n.fail("no heads, or empty ones");
  const int64_t B = n.i[kAttB], H = n.i[kAttH], S = n.i[kAttS], T = n.i[kAttT], d = n.i[kAttD];
  if (n.i[kAttKv] < 1 || H % n.i[kAttKv] || n.i[kAttCausal] > 1 || n.i[kAttMask] > 2)
    return n.fail("wrong heads, causal or mask");
  if (n.i[kAttBf16] > 1) return n.fail("a flag is neither 0 nor 1");
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
}   // namespace gradclip::GRADCLIP_ISA
