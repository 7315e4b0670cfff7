// conv_plan.h: convolutions of y[n, g * co, od, oh, ow], x[n, g * ci, d, h, w] and weight[g * co, ci, kd, kh, kw]: how they are walked.
// Those of images have a depth of 1. The planes that are read are copied into scratch with their margins of zeros, so that a tap of the
// kernel is one offset. A stride is taken apart: forwards the planes are copied as sh x sw planes of every sh-th row and sw-th column, so
// that neighbors of the output read neighbors; backwards the output falls into such planes, each with the taps that reach it.
// Along the depth one plane of the output is made after the other. It reads planes of kd depths, those beyond the ends left out, which lie
// in so many slots: most of what the next one reads is there.
#pragma once
#include "conv_micro.h"
#include "gemm_finish.h"
#include "../norm/plane.h"

namespace gradclip::GRADCLIP_ISA {
enum ConvInts {
  kCvN,
  kCvGroups,
  kCvCi,
  kCvCo,
  kCvH,
  kCvW,
  kCvOh,
  kCvOw,
  kCvKh,
  kCvKw,
  kCvSh,
  kCvSw,
  kCvDh,
  kCvDw,
  kCvTop,
  kCvLeft,
  kCvAct,
  kCvStats,
  kCvNorm,
  kCvBf16,
  kCvD,
  kCvOd,
  kCvKd,
  kCvSd,
  kCvDd,
  kCvFront,
  kCvInts
};
constexpr int64_t kPlanes = 1 << 16;   // floats of copied planes that stay in L2; a band of rows is copied at a time
constexpr int64_t kConvPanel = 128;    // taps of a panel of weights that stays in L1
constexpr int64_t kFlush = 128;        // pixels that go out at once where lanes are channels

struct Conv {
  int64_t n, groups, ci, co, h, w, oh, ow, kh, kw, sh, sw, dh, dw, top, left, act;
  int64_t stats, norm;   // 1: sums of the planes of y are left behind; 1, or 2 with relu: x is normalized where it is read
  bool bf16;
  int64_t d, od, kd, sd, dd, front;   // along the depth: sizes, stride, dilation, zeros before the first plane
};
static inline Conv conv_of(const int64_t* i) {
  return {i[kCvN],    i[kCvGroups],    i[kCvCi], i[kCvCo], i[kCvH],  i[kCvW],   i[kCvOh],   i[kCvOw],   i[kCvKh],
          i[kCvKw],   i[kCvSh],        i[kCvSw], i[kCvDh], i[kCvDw], i[kCvTop], i[kCvLeft], i[kCvAct],  i[kCvStats],
          i[kCvNorm], i[kCvBf16] != 0, i[kCvD],  i[kCvOd], i[kCvKd], i[kCvSd],  i[kCvDd],   i[kCvFront]};
}

static inline int64_t ceil_signed(int64_t a, int64_t b) { return a >= 0 ? (a + b - 1) / b : -(-a / b); }
static inline int64_t floor_signed(int64_t a, int64_t b) { return a >= 0 ? a / b : -((b - 1 - a) / b); }

// Planes copied into scratch: `ps` x `pt` planes of `rows` x `cols` for each channel. Row r of plane (a, b) is row
// (r + first) * ps + a + top of the source, its column c is c * pt + b + left; what lies outside is 0.
struct Planes {
  int64_t channels, h, w, ps, pt, rows, cols, top, left;
  int64_t apart;    // from one channel to the next in the source, which has so many planes of each
  int64_t copies;   // of a plane each: of channels, or of the words that pairs of them make
  int64_t slots;    // of so many copies: one for each depth that is read at a time
  int64_t plane() const { return ps * pt * rows * cols; }   // of a channel
  int64_t slot() const { return copies * plane(); }
};
constexpr int64_t kPlaneSlack = (kConvVectors + 1) * 16;   // floats after the last row, read or written but not used

constexpr int64_t kStripSlack = 16;   // floats that are read beyond the end where planes of the output are put together

// What x is normalized by: numbers of each channel, or null.
struct Normalized {
  const BnNumbers* of;
  bool relu;
  Normalized from(int64_t channel) const { return {of ? of + channel : nullptr, relu}; }
};
INLINE F normalized(const BnLine& l, F floor, F x) { return max(floor, bn_value(l, x)); }   // a NaN stays one
// Numbers of all channels of x, from mean, variance and perhaps weight and bias, the last inputs.
static Normalized normalized_of(const Conv& c, const Args& a, BnNumbers* to) {
  if (c.norm == 0) return {};
  const bool affine = a.n_in >= 6;
  const void* const* in = a.in + a.n_in - (affine ? 4 : 2);
  for (int64_t k = 0; k < c.groups * c.ci; k++)
    to[k] = bn_numbers(((const double*)in[0])[k], ((const double*)in[1])[k], a.f[0], affine ? (const float*)in[2] + k : nullptr,
                       affine ? (const float*)in[3] + k : nullptr);
  return {to, c.norm == 2};
}
static int64_t normalized_floats(const Conv& c) {
  return c.norm ? size_mul(c.groups * c.ci, sizeof(BnNumbers) / sizeof(float)) : 0;
}

// Operands that are rounded to bf16 and multiplied one by one, as f32: a sum over one channel has no pairs.
struct Rounded {
  static constexpr int terms = 1, words = 1;
  using Multiplied = F32;
};
template <class P>
constexpr bool is_f32 = false;
template <>
constexpr bool is_f32<F32> = true;
template <bool IS_F32>
struct SingleOf {
  using Type = F32;
};
template <>
struct SingleOf<false> {
  using Type = Rounded;
};
// What two numbers, or one, are packed as.
template <class P>
INLINE Units<P> packed(RF first, RF second) {
  if constexpr (P::terms == 2)
    return pair_up(first, second);
  else
    return {is_f32<P> ? first : r_bf16(first)};
}
// As P, one by one.
template <class P>
using Single = typename SingleOf<is_f32<P>>::Type;
template <class P>
INLINE F rounded(F x) {
  for (int i = 0; i < NR; i++) x.v[i] = packed<Single<P>>(x.v[i], x.v[i]).v[0];
  return x;
}
// What n <= L lanes are packed as: of one row, or of two, whose units lie side by side or `next` apart.
template <class P>
INLINE void put(float* to, int64_t next, F first, F second, int n) {
  for (int i = 0; i < NR; i++) {
    const Units<P> unit = packed<P>(first.v[i], second.v[i]);
    for (int u = 0; u < P::words; u++) {
      float* const at = to + u * next + W * i;
      n == L ? r_store(at, unit.v[u]) : r_storem(at, unit.v[u], r_mfirst(n - W * i));
    }
  }
}

// Rows of a plane of one channel, or of two that make units.
struct PlaneRows {
  const float *first, *second;      // null: zeros
  int64_t count, n, down, across;   // rows; elements of one; from one to the next in the source
  float* to;
  int64_t pitch, next;
};
// Elements j .. j + n of a row.
template <int ACROSS>
INLINE F plane_part(const float* row, int64_t across, int64_t j, int n) {
  if constexpr (ACROSS == 1) return n == L ? load(row + j) : load_n(row + j, n);
  if constexpr (ACROSS == 2) return even(load_part(row + 2 * j, 2 * n - 1), load_n(row + 2 * j + L, 2 * n - 1 - L));
  float part[L];
  for (int k = 0; k < n; k++) part[k] = row[(j + k) * across];
  return load_n(part, n);
}
template <class P, int ACROSS>
static void copy_rows(const PlaneRows& p, const BnNumbers* by, bool relu) {
  const BnLine first = by ? bn_line_of(by[0]) : BnLine{}, second = by && p.second ? bn_line_of(by[1]) : BnLine{};
  const F floor = set1(relu ? 0.f : -__builtin_inff());
  const auto copy = [&](auto part) __attribute__((always_inline)) {
    const int64_t full = p.n / L * L;
    const int tail = (int)(p.n - full);
    const float *a = p.first, *b = p.second;
    float* to = p.to;
    for (int64_t r = 0; r < p.count; r++, a += p.down, b += p.second ? p.down : 0, to += p.pitch) {
      const auto group = [&](int64_t j, int n) __attribute__((always_inline)) {
        put<P>(to + j, p.next, part(a, first, j, n), P::terms == 2 && p.second ? part(b, second, j, n) : set1(0.f), n);
      };
      for (int64_t j = 0; j < full; j += L) group(j, L);
      if (tail) group(full, tail);
    }
  };
  if (by)
    copy([&](const float* row, const BnLine& line, int64_t j, int n)
             __attribute__((always_inline)) { return normalized(line, floor, plane_part<ACROSS>(row, p.across, j, n)); });
  else
    copy([&](const float* row, const BnLine&, int64_t j, int n)
             __attribute__((always_inline)) { return plane_part<ACROSS>(row, p.across, j, n); });
}

// The margins of all slots, which stay as they are from one copy of the same rows to the next.
static void clear_planes(const Planes& p, float* to) {
  memset(to, 0, (size_t)(p.slots * p.slot() + kPlaneSlack) * sizeof(float));
}
// Planes of one depth, of all channels, into a slot: x is where that of channel 0 begins.
template <class P>
static void copy_planes(const Planes& p, const float* x, int64_t first, float* to, const Normalized& by = {}) {
  for (int64_t a = 0; a < p.ps; a++)
    for (int64_t b = 0; b < p.pt; b++) {
      const int64_t lo = most(0, ceil_signed(-(b + p.left), p.pt)), n = least(p.cols, ceil_signed(p.w - b - p.left, p.pt)) - lo;
      const int64_t from = a + p.top + first * p.ps;   // row 0 of the plane in the source
      const int64_t r0 = most(0, ceil_signed(-from, p.ps)), r1 = least(p.rows, ceil_signed(p.h - from, p.ps));
      if (n <= 0 || r0 >= r1) continue;
      for (int64_t c = 0; c < p.channels; c += P::terms) {
        const float* const in = x + c * p.apart + (from + r0 * p.ps) * p.w + lo * p.pt + b + p.left;
        const bool two = P::terms == 2 && c + 1 < p.channels;
        float* const out = to + c / P::terms * P::words * p.plane() + ((a * p.pt + b) * p.rows + r0) * p.cols + lo;
        const PlaneRows rows = {in, two ? in + p.apart : nullptr, r1 - r0, n, p.ps * p.w, p.pt, out, p.cols, p.plane()};
        (p.pt == 1 ? copy_rows<P, 1> : p.pt == 2 ? copy_rows<P, 2> : copy_rows<P, 0>)(rows, by.of ? by.of + c : nullptr, by.relu);
      }
    }
}

// Depths of the kernel that reach a plane of the output: `count` of a list of all from `first` on, which read the source at `at`, at +
// by, ...
struct Depths {
  int64_t first, count, at, by;
};
constexpr int64_t kNoDepth = INT64_MIN;   // what a slot holds that holds none
// Where a depth is kept: what is read for one plane of the output lies in slots of its own, one after the other round the circle.
static inline int64_t slot_of(int64_t at, int64_t by, int64_t slots) {
  const int64_t k = floor_signed(at, by < 0 ? -by : by) % slots;
  return k < 0 ? k + slots : k;
}
// The same, read so far on in a source of `size`: those that lie in it.
static inline Depths within(const Depths& d, int64_t on, int64_t size) {
  const int64_t at = d.at + on, by = d.by < 0 ? -d.by : d.by;
  const int64_t before = d.by > 0 ? ceil_signed(-at, by) : ceil_signed(at - size + 1, by);   // beyond the end where it begins
  const int64_t past = d.by > 0 ? ceil_signed(size - at, by) : floor_signed(at, by) + 1;
  const int64_t lo = most(0, least(d.count, before)), hi = most(lo, least(d.count, past));
  return {d.first + lo, hi - lo, at + lo * d.by, d.by};
}

// Of the depths that are read, those that are not there yet are copied.
template <class Fn>
static void copy_depths(const Planes& p, const Depths& read, int64_t* held, float* to, Fn copy) {
  for (int64_t z = read.at; z != read.at + read.count * read.by; z += read.by) {
    const int64_t slot = slot_of(z, read.by, p.slots);
    if (held[slot] == z) continue;
    copy(z, to + slot * p.slot());
    held[slot] = z;
  }
}

constexpr int64_t kAhead = 16;   // lines asked for at a time: more would wait for one another

// Planes that are copied next, of so many floats that lie together: asked for, a few lines at a time, while those before are worked on.
struct Ahead {
  const float* p;
  int64_t run, jump, runs, some, at;
  void ask() {
    for (int64_t i = 0; i < some && runs > 0; i++) {
      fetch(p + at);
      at += 16;
      if (at >= run) at = 0, p += jump, runs--;
    }
  }
};

// Sums over taps: y[outs channels] = sum of weight * x[ins channels], forwards, or with x and y swapped, backwards.
struct Walk {
  bool back;
  int64_t n, groups, ins, outs, oh, ow;   // planes written
  int64_t depth, deep;                    // of the output and of the source
  int64_t fd, on;        // the output falls into fd parts along the depth; the next one of a part reads so far on
  int64_t fs, ft;        // the output falls into so many planes of rows and columns
  int64_t gh, gw;        // rows and columns of the largest of them
  int64_t bh, bands;     // of gh at a time
  int64_t wide;          // channels at once where lanes are pixels; 0 where lanes are channels
  int64_t taps, kd, k;   // kh * kw; depths; both times what lies in planes of their own for a sum: channels, or words
  Planes planes;
  int64_t lanes() const { return wide ? wide : TN; }
  int64_t blocks() const { return ceil_div(outs, lanes()); }
  int64_t pixels() const { return most(kFlush, gw); }
  // Lanes of block b as they are packed: the last block of channels may be one register wide.
  int64_t packed(int64_t b) const { return wide ? wide : outs - b * TN <= W ? W : TN; }
};

// Channels at once where lanes are pixels, or 0 for lanes of channels: whichever wastes fewer lanes.
static inline int64_t wide_of(int64_t outs, int64_t gw) {
  const int64_t wide = outs >= 8 ? 8 : outs >= 4 ? 4 : outs >= 2 ? 2 : 1;
  const int64_t channels = outs <= W ? W : ceil_div(outs, W) * W;
  const double by_channels = (double)outs / (double)channels * (outs <= W ? .85 : 1.);
  const double rate = wide == 8 ? 1. : wide == 4 ? .9 : wide == 2 ? .6 : .4;
  const double by_pixels =
      rate * (double)outs / (double)(ceil_div(outs, wide) * wide) * (double)gw / (double)(ceil_div(gw, W) * W);
  return by_pixels > by_channels ? wide : 0;
}

// Backwards, one of so many neighboring depths of the kernel reaches a plane.
static inline int64_t depth_step(const Conv& c) {
  int64_t a = c.sd, b = c.dd;
  while (b) {
    const int64_t rest = a % b;
    a = b, b = rest;
  }
  return c.sd / a;
}
template <class P>
static Walk walk_of(const Conv& c, bool back) {
  Walk w;
  w.back = back;
  w.n = c.n, w.groups = c.groups;
  w.ins = back ? c.co : c.ci, w.outs = back ? c.ci : c.co;
  w.oh = back ? c.h : c.oh, w.ow = back ? c.w : c.ow;
  // A stride beyond the output's end leaves planes without an element, and the others one row or column each.
  w.fs = back ? most(1, least(c.sh, w.oh)) : 1, w.ft = back ? most(1, least(c.sw, w.ow)) : 1;
  w.gh = ceil_div(w.oh, w.fs), w.gw = ceil_div(w.ow, w.ft);
  w.depth = back ? c.d : c.od, w.deep = back ? c.od : c.d;
  w.fd = back ? most(1, least(c.sd, w.depth)) : 1, w.on = back ? 1 : c.sd;
  w.taps = c.kh * c.kw, w.kd = c.kd, w.k = size_mul(w.kd, w.taps * words_of<P>(w.ins));
  w.wide = wide_of(w.outs, w.gw);
  const int64_t reach_h = (c.kh - 1) * c.dh, reach_w = (c.kw - 1) * c.dw;
  Planes& p = w.planes;
  p.channels = w.ins, p.copies = words_of<P>(w.ins);
  p.h = back ? c.oh : c.h, p.w = back ? c.ow : c.w;
  p.apart = w.deep * p.h * p.w;
  p.slots = back ? ceil_div(c.kd, depth_step(c)) : c.kd;
  p.ps = back ? 1 : c.sh, p.pt = back ? 1 : c.sw;
  p.top = back ? ceil_signed(c.top - reach_h, c.sh) : -c.top;
  p.left = back ? ceil_signed(c.left - reach_w, c.sw) : -c.left;
  const int64_t span_h = back ? ceil_signed(c.top, c.sh) - p.top : reach_h / c.sh;
  const int64_t span_w = back ? ceil_signed(c.left, c.sw) - p.left : reach_w / c.sw;
  p.cols = w.gw + span_w;
  const int64_t row = most(1, size_mul(size_mul(size_mul(p.slots, p.copies), p.ps * p.pt), p.cols));
  const int64_t bh = most(1, least(w.gh, kPlanes / row - span_h));
  w.bands = ceil_div(w.gh, bh);
  w.bh = w.bands ? ceil_div(w.gh, w.bands) : 0;
  p.rows = w.bh + span_h;
  return w;
}

// The taps that reach plane (a, b) of the output: which of the kernel's, in order, and where in the planes they read.
struct Tap {
  int32_t tap, at;
};
static int64_t taps_of(const Conv& c, const Walk& w, int64_t a, int64_t b, Tap* to) {
  const Planes& p = w.planes;
  int64_t count = 0;
  for (int64_t y = 0; y < c.kh; y++)
    for (int64_t x = 0; x < c.kw; x++) {
      int64_t at;
      if (w.back) {
        const int64_t r = a + c.top - y * c.dh, q = b + c.left - x * c.dw;
        if (r % c.sh != 0 || q % c.sw != 0) continue;
        at = (r / c.sh - p.top) * p.cols + q / c.sw - p.left;
      } else {
        const int64_t r = y * c.dh, q = x * c.dw;
        at = (r % c.sh * c.sw + q % c.sw) * p.rows * p.cols + r / c.sh * p.cols + q / c.sw;
      }
      to[count++] = {(int32_t)(y * c.kw + x), (int32_t)at};
    }
  return count;
}

// The depths of the kernel that reach plane a of the output, and further on planes a + fd, a + 2 fd, ...: put on the list.
static Depths depths_of(const Conv& c, const Walk& w, int64_t a, int64_t first, int32_t* list) {
  if (!w.back) {
    for (int64_t z = 0; z < c.kd; z++) list[z] = (int32_t)z;
    return {0, c.kd, -c.front, c.dd};
  }
  Depths deep = {first, 0, 0, -(c.dd * depth_step(c) / c.sd)};
  for (int64_t z = 0; z < c.kd; z++) {
    const int64_t r = a + c.front - z * c.dd;
    if (r % c.sd != 0) continue;
    if (deep.count == 0) deep.at = r / c.sd;
    list[first + deep.count++] = (int32_t)z;
  }
  return deep;
}

// What plane `depth` of the output reads.
static inline Depths read_of(const Walk& w, const Depths* depths, int64_t depth) {
  return within(depths[depth % w.fd], depth / w.fd * w.on, w.deep);
}

// Calls `f` with what operands are packed as, in bf16 or in either; `single`: sums have no pairs.
template <class Fn>
static void with_rounding(bool single, Fn f) {
  single ? f(Rounded{}) : f(Bf16{});
}
template <class Fn>
static void with_packing(const Conv& c, bool single, Fn f) {
  c.bf16 ? with_rounding(single, f) : f(F32{});
}

// What is the same for all three: attributes that make sense and planes that can be had.
static bool conv_sizes(Need& n, const Conv& c) {
  if (n.n_i != kCvInts || n.n_f != (c.norm ? 1 : 0)) return n.fail("expected the sizes of a convolution"), false;
  for (int j = 0; j < kCvInts; j++)
    if (n.i[j] < 0 || n.i[j] > INT32_MAX) return n.fail("a size is negative or too large"), false;
  if (c.groups < 1 || c.ci < 1 || c.co < 1 || c.kd < 1 || c.kh < 1 || c.kw < 1 || c.sd < 1 || c.sh < 1 || c.sw < 1 || c.dd < 1 ||
      c.dh < 1 || c.dw < 1 || c.od < 1 || c.oh < 1 || c.ow < 1)
    return n.fail("a size is 0"), false;
  if (!may_end(c.act)) return n.fail("unknown activation"), false;
  if (c.stats > 1 || c.norm > 2 || n.i[kCvBf16] > 1) return n.fail("a flag is out of range"), false;
  constexpr int64_t most_margin = 1 << 20;
  if (c.kh > most_margin || c.kw > most_margin || (c.kh - 1) * c.dh > most_margin || (c.kw - 1) * c.dw > most_margin ||
      c.top > most_margin || c.left > most_margin || c.sh > most_margin || c.sw > most_margin || c.kd > most_margin ||
      (c.kd - 1) * c.dd > most_margin || c.front > most_margin || c.sd > most_margin)
    return n.fail("a kernel, stride or padding is too large"), false;
  if ((c.stats || c.norm) && (c.d > 1 || c.od > 1 || c.kd > 1))
    return n.fail("a batch norm takes part in planes of depth 1 alone"), false;
  return true;
}
static int64_t weight_bytes(const Conv& c) { return size_of(c.groups, c.co, c.ci, c.kd, c.kh, c.kw, 4); }
static int64_t x_bytes(const Conv& c) { return size_of(c.n, c.groups, c.ci, c.d, c.h, c.w, 4); }
static int64_t y_bytes(const Conv& c) { return size_of(c.n, c.groups, c.co, c.od, c.oh, c.ow, 4); }
// The inputs from `at` on are those of a normalization, all that there are.
static void normalized_need(Need& n, const Conv& c, int at) {
  const int64_t channels = size_mul(c.groups, c.ci);
  n.in[at] = n.in[at + 1] = size_of(channels, 8);
  if (n.n_in == at + 4) n.in[at + 2] = n.in[at + 3] = size_of(channels, 4);
}
static int64_t planes_floats(const Planes& p) { return size_of(p.slots, p.copies, p.ps, p.pt, p.rows, p.cols); }
static inline int64_t line(int64_t floats) { return (floats + 15) / 16 * 16; }   // so that what follows begins a line of cache
}   // namespace gradclip::GRADCLIP_ISA
