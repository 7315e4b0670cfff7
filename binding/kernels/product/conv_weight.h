// conv_weight.h: conv2dGradWeight and conv3dGradWeight, dw = the sum over images and pixels of x * dy, and db, the sum of dy. An image is a
// plane of the output, of any depth.
// The images fall into parts (a number that depends on sizes only), each with sums of its own that are added up in order at the end. Within
// an image rows fall into blocks of about kChain pixels: a block is one fma chain from 0, the blocks of a part are added in order.
// Lanes are filters; where a group has few of them, lanes are 16 pixels, added up by hsum.
// In bf16 pixels 2 j and 2 j + 1 of a row of dy make pairs (bf16.h), the last of an odd row beside zeros; chains begin, and are added, as in
// f32. Where a group has few filters, products are those of f32, of operands that are rounded. db is the sum of what is not rounded, that
// of a block of rows with lanes of 16 pixels, added up by hsum.
#pragma once
#include "conv_plan.h"

namespace gradclip::GRADCLIP_ISA {
constexpr int64_t kChain = 256;               // pixels of a chain
constexpr int64_t kImageParts = 8;            // parts of the images at most
constexpr int64_t kPartialFloats = 1 << 22;   // of all parts together, unless one alone has more
constexpr int64_t kFewFilters = 4;            // of a group: lanes are pixels
constexpr int kTapsOfFew = NR == 1 ? 9 : 4;   // taps at once, then

struct WeightWalk {
  bool few;
  int64_t taps, k, blocks, lanes;   // kh * kw; times ci * kd; blocks of filters, of so many lanes at most
  int64_t parts, partial;           // of the images; floats of the sums of a part: [groups][blocks][k + 1][lanes]
  int64_t chain, bh, bands;         // rows of a chain, of a band, and bands
  Planes planes;
};
static WeightWalk weight_walk_of(const Conv& c) {
  WeightWalk w;
  w.few = c.co <= kFewFilters;
  w.taps = c.kh * c.kw, w.k = size_mul(c.kd, w.taps * c.ci);
  w.lanes = w.few ? 1 : TN, w.blocks = ceil_div(c.co, w.lanes);
  w.partial = size_mul(size_mul(c.groups * w.blocks, w.k + 1), w.lanes);
  // By sizes that do not depend on the width of registers.
  const int64_t sums = most(1, size_mul(size_mul(c.groups, c.co), w.k + 1));
  w.parts = most(1, least(least(c.n * c.od, kImageParts), kPartialFloats / sums));
  w.chain = most(1, kChain / c.ow);
  Planes& p = w.planes;
  p.channels = p.copies = c.ci, p.slots = c.kd, p.h = c.h, p.w = c.w, p.apart = c.d * c.h * c.w;
  p.ps = w.few ? c.sh : 1, p.pt = w.few ? c.sw : 1;
  p.top = -c.top, p.left = -c.left;
  const int64_t reach_h = (c.kh - 1) * c.dh, reach_w = (c.kw - 1) * c.dw;
  const int64_t step_h = w.few ? 1 : c.sh, step_w = w.few ? 1 : c.sw;
  const int64_t span_h = reach_h / p.ps + 1, span_w = reach_w / p.pt + 1;
  p.cols = (c.ow - 1) * step_w + span_w;
  // A band is a number of whole chains, so that what is one chain depends neither on bands nor on what they hold.
  const int64_t row = most(1, size_mul(size_mul(size_mul(c.ci, c.kd), p.ps * p.pt), p.cols)), chains = ceil_div(c.oh, w.chain);
  const int64_t some = most(1, least(chains, (kPlanes / row - span_h) / (w.chain * step_h)));
  w.bands = ceil_div(chains, some);
  w.bh = ceil_div(chains, w.bands) * w.chain;
  p.rows = (least(w.bh, c.oh) - 1) * step_h + span_h;
  return w;
}

// Taps that lie side by side in a row of x (or, where the kernel is one wide, in neighboring channels): where they read, which they are.
struct TapGroup {
  int64_t from, tap;
};
// All groups of a range of channels, as runs of groups with the same number of taps.
struct TapRun {
  int64_t first, count, taps;
};
// Of the depths that are read.
static int64_t tap_groups(const Conv& c, const WeightWalk& w, const Planes& p, const Depths& read, int64_t c0, int64_t c1,
                          TapGroup* groups, TapRun* runs) {
  int64_t filled = 0, count = 0;
  const auto put = [&](int64_t x, int64_t kx) {
    for (int64_t z = 0; z < read.count; z++) {
      const int64_t plane = (slot_of(read.at + z * read.by, read.by, p.slots) * p.copies + x - c0) * p.plane();
      const int64_t tap = (x * c.kd + read.first + z) * w.taps;
      for (int64_t y = 0; y < c.kh; y++) groups[filled++] = {plane + y * c.dh * p.cols + kx * c.dw, tap + y * c.kw + kx};
    }
  };
  if (c.kw == 1) {
    for (int64_t x = c0; x < c1;) {
      const int64_t taps = least(kTaps - 1, c1 - x), whole = (c1 - x) / taps;
      runs[count] = {filled, 0, taps};
      for (int64_t i = 0; i < whole; i++, x += taps) put(x, 0);
      runs[count].count = filled - runs[count].first;
      count++;
    }
    return count;
  }
  const Parts parts = parts_of(c.kw, 1, ceil_div(c.kw, kTaps));
  for (int64_t part = 0; part < parts.count; part++) {
    const int64_t kx = parts.begin(part), taps = parts.begin(part + 1) - kx;
    if (part == 0 || taps != runs[count - 1].taps) runs[count++] = {filled, 0, taps};
    for (int64_t x = c0; x < c1; x++) put(x, kx);
    runs[count - 1].count = filled - runs[count - 1].first;
  }
  return count;
}

struct WeightRoom {
  int64_t planes, raw, turned, groups, held, tile, numbers, total;
};
template <class P>
static WeightRoom weight_room(const Conv& c, const WeightWalk& w) {
  WeightRoom r;
  r.planes = 0;
  r.raw = line(planes_floats(w.planes)) + kPlaneSlack;
  r.turned = r.raw + (P::terms == 2 ? line(w.planes.plane()) + kPlaneSlack : 0);
  r.groups = r.turned + (w.few ? 0 : least(w.bh, c.oh) * words_of<P>(c.ow) * w.blocks * TN);
  r.held = r.groups + line(size_mul(4, w.k));
  r.tile = r.held + line(2 * w.planes.slots);
  r.numbers = r.tile + kFlush * TN;
  r.total = r.numbers + normalized_floats(c);
  return r;
}

// sums[V * W] (+)= the rows of y, in order.
static void add_rows(const float* y, int64_t pixels, int64_t lanes, float* sums, bool add) {
  for (int64_t j = 0; j < lanes; j += W) {
    RF total = r_set1(0.f);
    for (int64_t p = 0; p < pixels; p++) total = r_add(total, r_load(y + p * lanes + j));
    r_store(sums + j, add ? r_add(r_load(sums + j), total) : total);
  }
}

// One image of a group: sums[block][k + 1][lanes] += its products, for channels [c0, c1) and blocks [b0, b1).
struct WeightTask {
  const float *x, *dy;             // channel 0 of the group: its first depth; the image
  const float *next_x, *next_dy;   // those of the image after this one, x where what it reads ends; null: there is none
  float* sums;
  int64_t c0, c1, b0, b1;
  Depths read;
  Normalized by;       // x, from channel 0 of the group on
  bool add, another;   // there was an image before; it read other planes
  bool bias;           // its gradient is wanted too
};

// Planes of x. Words begin at every column, and hold what lies there and `across` further.
template <class P>
static void copy_x(const Planes& p, const float* x, int64_t across, float* to, float* raw, const Normalized& by) {
  if constexpr (P::terms == 1 || P::words == 2) {
    copy_planes<Single<P>>(p, x, 0, to, by);
    return;
  }
  Planes one = p;
  one.channels = one.copies = one.slots = 1;
  const int64_t plane = p.plane();
  clear_planes(one, raw);
  for (int64_t c = 0; c < p.channels; c++, to += plane) {
    copy_planes<F32>(one, x + c * p.apart, 0, raw, by.from(c));
    for (int64_t e = 0; e < plane; e += L) {
      F word = load_part(raw + e, plane - e);
      const F second = load_part(raw + e + across, plane - e - across);
      for (int i = 0; i < NR; i++) word.v[i] = pair_up(word.v[i], second.v[i]).v[0];
      store_part(to + e, word, plane - e);
    }
  }
}

// Rows of dy, turned: [pixel][lanes], in bf16 [unit][words][lanes], where an odd row ends with half of a unit.
template <class P>
static void turn_rows(const float* dy, int64_t ld, int64_t cols, int64_t rows, int64_t valid, int64_t lanes, float* to) {
  const int64_t together = cols % P::terms ? 1 : rows, n = together * cols;
  for (int64_t r = 0; r < rows; r += together, dy += n, to += words_of<P>(n) * lanes)
    transpose_block<P>(dy, ld, to, lanes, valid, n, lanes);
}

// The sum of rows of dy.
static float sum_of_rows(const float* dy, int64_t rows, int64_t cols) {
  F sum = set1(0.f);
  for (int64_t r = 0; r < rows; r++)
    for (int64_t j = 0; j < cols; j += L) sum = add(sum, load_part(dy + r * cols + j, least(L, cols - j)));
  return (float)hsum(widen(sum));
}

// The image after this one, asked for while this one is worked on: x and dy.
static void next_image(const Conv& c, const WeightWalk& w, const WeightTask& t, const TapRun* runs, int64_t count, Ahead* to) {
  to[0] = to[1] = {};
  if (!t.next_x || w.bands > 1) return;
  int64_t calls = 0;
  for (int64_t run = 0; run < count; run++) calls += ceil_div(runs[run].count, groups_at_once((int)runs[run].taps));
  calls *= (t.b1 - t.b0) * ceil_div(c.oh, w.chain);
  if (calls == 0) return;
  const auto ask = [&](const float* from, int64_t first, int64_t channels, int64_t depth, int64_t plane) {
    const int64_t run = depth == 1 ? channels * plane : plane, runs = depth == 1 ? 1 : channels;
    return Ahead{from + first * depth * plane, run, depth * plane, runs, ceil_div(runs * ceil_div(run, 16), calls), 0};
  };
  to[0] = ask(t.next_x, t.c0, t.c1 - t.c0, c.d, c.h * c.w);
  to[1] = ask(t.next_dy, t.b0 * TN, least(t.b1 * TN, c.co) - t.b0 * TN, c.od, c.oh * c.ow);
}

// Sums of depths that the first image does not read begin with 0.
static void clear_depths(const Conv& c, const WeightWalk& w, const WeightTask& t, float* sums, int64_t lanes) {
  for (int64_t x = t.c0; x < t.c1; x++)
    for (int64_t z = 0; z < c.kd; z++)
      if (z < t.read.first || z >= t.read.first + t.read.count)
        memset(sums + (x * c.kd + z) * w.taps * lanes, 0, (size_t)(w.taps * lanes) * sizeof(float));
}

template <class P>
static void weight_of_many(const Conv& c, const WeightWalk& w, const WeightTask& t, float* own, const WeightRoom& room) {
  TapGroup* const groups = (TapGroup*)(own + room.groups);
  TapRun runs[8];
  Planes planes = w.planes;
  planes.channels = planes.copies = t.c1 - t.c0;
  const int64_t count = tap_groups(c, w, planes, t.read, t.c0, t.c1, groups, runs), cols = planes.cols;
  const int64_t ld = c.od * c.oh * c.ow;   // from one filter to the next in dy
  int64_t* const held = (int64_t*)(own + room.held);
  const bool close = c.sw == 1 && c.dw == 1 && c.kw > 1;
  Patch g = {};
  g.cols = c.ow, g.down = cols * c.sh, g.across = c.sw;
  g.st = c.kw > 1 ? c.dw : planes.plane();
  const float* from[5];
  float* to[5];
  g.from = from, g.c = to;
  Ahead next[2];
  next_image(c, w, t, runs, count, next);
  for (int64_t band = 0; band < w.bands; band++) {
    const int64_t first = band * w.bh, rows = least(w.bh, c.oh - first);
    Planes mine = planes;
    mine.top += first * c.sh;
    if (!t.add || w.bands > 1) clear_planes(mine, own + room.planes);
    if (!t.add || w.bands > 1 || t.another)
      for (int64_t s = 0; s < mine.slots; s++) held[s] = kNoDepth;
    copy_depths(mine, t.read, held, own + room.planes, [&](int64_t z, float* to) {
      copy_x<P>(mine, t.x + t.c0 * mine.apart + z * c.h * c.w, c.sw, to, own + room.raw, t.by.from(t.c0));
    });
    for (int64_t b = t.b0; b < t.b1; b++) {
      const int64_t valid = least(TN, c.co - b * TN), lanes = valid <= W ? W : TN;
      float *const y = own + room.turned, *const sums = t.sums + b * TN * (w.k + 1);
      const float* const dy = t.dy + b * TN * ld + first * c.ow;
      turn_rows<P>(dy, ld, c.ow, rows, valid, lanes, y);
      if (!t.add && band == 0) clear_depths(c, w, t, sums, lanes);
      g.cs = (c.kw > 1 ? 1 : c.kd * w.taps) * lanes;
      for (int64_t r = 0; r < rows; r += w.chain) {
        g.rows = least(w.chain, rows - r), g.y = y + r * words_of<P>(c.ow) * lanes, g.add = t.add || first + r > 0;
        const float* x = own + room.planes + r * g.down;
        for (int64_t run = 0; run < count; run++) {
          const TapRun& u = runs[run];
          const int64_t some = groups_at_once((int)u.taps);
          for (int64_t i = 0; i < u.count; i += some) {
            const int64_t now = least(some, u.count - i);
            for (int64_t z = 0; z < now; z++) {
              const TapGroup& tap = groups[u.first + i + z];
              from[z] = x + tap.from, to[z] = sums + tap.tap * lanes;
            }
            for (Ahead& a : next) a.ask();
            kByTap<P>[close][lanes > W][u.taps - 1][now - 1](g);
          }
        }
        if (!t.bias || t.c0 > 0) continue;
        float* const bias = sums + w.k * lanes;
        if (is_f32<P>) {
          add_rows(g.y, g.rows * c.ow, lanes, bias, g.add);
          continue;
        }
        for (int64_t o = 0; o < lanes; o++) {
          const float sum = o < valid ? sum_of_rows(dy + o * ld + r * c.ow, g.rows, c.ow) : 0.f;
          bias[o] = g.add ? bias[o] + sum : sum;
        }
      }
    }
  }
}

// Sums of 16 lanes, `count` of them, into neighbors: each as hsum adds it up, all at once.
struct LaneSums {
  float held[L * L];
  int count;
};
static void put_sums(LaneSums& s, float* to, bool add_up) {
  if (s.count == 0) return;
  float turned[L * L];
  transpose_block(s.held, L, turned, L, s.count, L, L);
  D sum[L / 2];
  for (int i = 0; i < L / 2; i++) sum[i] = add(widen_load(turned + i * L), widen_load(turned + (i + L / 2) * L));
  for (int w = L / 4; w > 0; w /= 2)
    for (int i = 0; i < w; i++) sum[i] = add(sum[i], sum[i + w]);
  double total[L];
  dstore(total, sum[0]);
  for (int k = 0; k < s.count; k++) to[k] = add_up ? to[k] + (float)total[k] : (float)total[k];
  s.count = 0;
}

// As above, with lanes of pixels: sums[filter][k + 1].
template <class P>
static void weight_of_few(const Conv& c, const WeightWalk& w, const WeightTask& t, float* own, const WeightRoom& room) {
  const Planes& p = w.planes;
  const auto place = [&](int64_t tap) {   // where a tap reads in its channel's planes
    const int64_t r = tap / c.kw * c.dh, q = tap % c.kw * c.dw;
    return (r % c.sh * c.sw + q % c.sw) * p.rows * p.cols + r / c.sh * p.cols + q / c.sw;
  };
  LaneSums lanes = {};
  const int64_t ld = c.od * c.oh * c.ow;
  int64_t* const held = (int64_t*)(own + room.held);
  for (int64_t band = 0; band < w.bands; band++) {
    const int64_t first = band * w.bh, rows = least(w.bh, c.oh - first);
    if (!t.add || w.bands > 1) clear_planes(p, own + room.planes);
    if (!t.add || w.bands > 1 || t.another)
      for (int64_t s = 0; s < p.slots; s++) held[s] = kNoDepth;
    copy_depths(p, t.read, held, own + room.planes,
                [&](int64_t z, float* to) { copy_planes<P>(p, t.x + z * c.h * c.w, first, to, t.by); });
    for (int64_t o = t.b0; o < t.b1; o++)
      for (int64_t r0 = 0; r0 < rows; r0 += w.chain) {
        const int64_t r1 = least(rows, r0 + w.chain);
        const bool add_up = t.add || first + r0 > 0;
        const float* dy = t.dy + o * ld + first * c.ow;
        float* const sums = t.sums + o * (w.k + 1);
        // Channels, and depths of each; of those that are not read the sums are 0.
        for (int64_t k = t.c0 * c.kd; k < t.c1 * c.kd; k++) {
          const int64_t x = k / c.kd, depth = k % c.kd - t.read.first;
          const bool there = depth >= 0 && depth < t.read.count;
          const int64_t slot = there ? slot_of(t.read.at + depth * t.read.by, t.read.by, p.slots) : 0;
          for (int64_t t0 = 0; t0 < w.taps; t0 += kTapsOfFew) {
            const int now = (int)least(kTapsOfFew, w.taps - t0);
            const float* from[kTapsOfFew];
            F sum[kTapsOfFew];
            for (int z = 0; z < kTapsOfFew; z++) {
              from[z] = own + room.planes + slot * p.slot() + x * p.plane() + place(t0 + (z < now ? z : 0));
              sum[z] = set1(0.f);
            }
            for (int64_t r = r0; there && r < r1; r++) {
              int64_t j = 0;
              for (; j + L <= c.ow; j += L) {
                const F y = rounded<P>(load(dy + r * c.ow + j));
                for (int z = 0; z < kTapsOfFew; z++) sum[z] = fma(y, load(from[z] + r * p.cols + j), sum[z]);
              }
              if (j == c.ow) continue;
              const int n = (int)(c.ow - j);
              const F y = rounded<P>(load_n(dy + r * c.ow + j, n));
              for (int z = 0; z < kTapsOfFew; z++) sum[z] = fma(y, load_n(from[z] + r * p.cols + j, n), sum[z]);
            }
            for (int z = 0; z < now; z++) {
              store(lanes.held + lanes.count++ * L, sum[z]);
              if (lanes.count == L) put_sums(lanes, sums + k * w.taps + t0 + z + 1 - L, add_up);
            }
          }
        }
        put_sums(lanes, sums + t.c1 * c.kd * w.taps - lanes.count, add_up);
        if (!t.bias || t.c0 > 0) continue;
        const float s = sum_of_rows(dy + r0 * c.ow, r1 - r0, c.ow);
        sums[w.k] = add_up ? sums[w.k] + s : s;
      }
  }
}

// dw and db of blocks of filters from the sums of all parts.
static void add_parts(const Conv& c, const WeightWalk& w, const float* sums, float* tile, float* dw, float* db,
                      const Team& team) {
  if (w.few) {
    const Range r = split(c.groups * c.co, team);
    for (int64_t o = r.begin; o < r.end; o++)
      for (int64_t k = 0; k <= w.k; k++) {
        float total = sums[o * (w.k + 1) + k];
        for (int64_t part = 1; part < w.parts; part++) total += sums[part * w.partial + o * (w.k + 1) + k];
        if (k < w.k)
          dw[o * w.k + k] = total;
        else if (db)
          db[o] = total;
      }
    return;
  }
  const int64_t chunks = ceil_div(w.k, kFlush);
  const Range r = split(c.groups * w.blocks * chunks, team);
  for (int64_t t = r.begin; t < r.end; t++) {
    const int64_t chunk = t % chunks, block = t / chunks, g = block / w.blocks, o = block % w.blocks * TN;
    const int64_t valid = least(TN, c.co - o), lanes = valid <= W ? W : TN, k0 = chunk * kFlush, rows = least(kFlush, w.k - k0);
    const float* from = sums + block * TN * (w.k + 1);
    const auto total = [&](int64_t at, int64_t floats, float* to) {
      for (int64_t j = 0; j < floats; j += W) {
        RF s = r_load(from + at + j);
        for (int64_t part = 1; part < w.parts; part++) s = r_add(s, r_load(from + part * w.partial + at + j));
        r_store(to + j, s);
      }
    };
    total(k0 * lanes, rows * lanes, tile);
    transpose_block(tile, lanes, dw + (g * c.co + o) * w.k + k0, w.k, rows, valid, rows);
    if (!db || chunk > 0) continue;
    total(w.k * lanes, lanes, tile);
    memcpy(db + g * c.co + o, tile, (size_t)valid * sizeof(float));
  }
}

template <class P>
static void grad_weight(const Conv& c, const Args& a, const Team& team) {
  const WeightWalk w = weight_walk_of(c);
  const WeightRoom room = weight_room<P>(c, w);
  float *const dw = (float*)a.out[0], *const db = a.n_out == 2 ? (float*)a.out[1] : nullptr;
  if (c.n == 0) {
    const Range r = split(c.groups * c.co, team);
    memset(dw + r.begin * w.k, 0, (size_t)((r.end - r.begin) * w.k) * sizeof(float));
    if (db) memset(db + r.begin, 0, (size_t)(r.end - r.begin) * sizeof(float));
    return;
  }
  const Parts images = parts_of(c.n * c.od, 1, w.parts);
  // Where there are fewer parts than threads, channels and then blocks of filters are shared out too.
  const int64_t whole = w.parts * c.groups, wanted = ceil_div(team.size, whole);
  const Parts cs = parts_of(c.ci, 1, least(c.ci, wanted)),
              bs = parts_of(w.blocks, 1, least(w.blocks, ceil_div(wanted, cs.count)));
  const Range mine = split(whole * cs.count * bs.count, team);
  float *const own = (float*)a.local, *const sums = (float*)a.scratch;
  const Normalized by = normalized_of(c, a, (BnNumbers*)(own + room.numbers));
  for (int64_t task = mine.begin; task < mine.end; task++) {
    const int64_t b = task % bs.count, x = task / bs.count % cs.count, g = task / (bs.count * cs.count) % c.groups;
    const int64_t part = task / (bs.count * cs.count * c.groups);
    WeightTask t = {};
    t.by = by.from(g * c.ci), t.bias = db;
    t.sums = sums + part * w.partial + g * w.blocks * w.lanes * (w.k + 1);
    t.c0 = cs.begin(x), t.c1 = cs.begin(x + 1), t.b0 = bs.begin(b), t.b1 = bs.begin(b + 1);
    const Depths all = {0, c.kd, -c.front, c.dd};
    const auto x_of = [&](int64_t image) {
      return (const float*)a.in[0] + (image / c.od * c.groups + g) * c.ci * w.planes.apart;
    };
    const auto dy_of = [&](int64_t image) {
      return (const float*)a.in[1] + ((image / c.od * c.groups + g) * c.co * c.od + image % c.od) * c.oh * c.ow;
    };
    for (int64_t image = images.begin(part); image < images.begin(part + 1); image++) {
      t.x = x_of(image), t.dy = dy_of(image);
      t.read = within(all, image % c.od * c.sd, c.d);
      t.add = image > images.begin(part), t.another = image % c.od == 0;
      t.next_x = t.next_dy = nullptr;
      const Depths next = within(all, (image + 1) % c.od * c.sd, c.d);
      if (image + 1 < images.begin(part + 1) && next.count > 0)
        t.next_x = x_of(image + 1) + (next.at + (next.count - 1) * next.by) * c.h * c.w, t.next_dy = dy_of(image + 1);
      if constexpr (is_f32<P>) {
        w.few ? weight_of_few<P>(c, w, t, own, room) : weight_of_many<P>(c, w, t, own, room);
      } else if constexpr (P::terms == 1) {
        weight_of_few<P>(c, w, t, own, room);
      } else {
        weight_of_many<P>(c, w, t, own, room);
      }
    }
  }
  team.barrier();
  add_parts(c, w, sums, own + room.tile, dw, db, team);
}
void conv2dGradWeight(const Args& a, const Team& team) {
  const Conv c = conv_of(a.i);
  if (!c.bf16) return GRADCLIP_F32(conv2dGradWeight, grad_weight<F32>(c, a, team));
  with_rounding(c.co <= kFewFilters, [&](auto packing) { grad_weight<decltype(packing)>(c, a, team); });
}
void conv3dGradWeight(const Args& a, const Team& team) { conv2dGradWeight(a, team); }

void conv2dGradWeight_need(Need& n) {
  const Conv c = n.n_i == kCvInts ? conv_of(n.i) : Conv{};
  if (!conv_sizes(n, c)) return;
  if (n.n_out < 1 || n.n_out > 2 || c.stats || (c.norm ? n.n_in != 4 && n.n_in != 6 : n.n_in != 2))
    return n.fail("expected x, dy and dw[, db]");
  n.in[0] = x_bytes(c);
  n.in[1] = y_bytes(c);
  n.out[0] = weight_bytes(c);
  if (n.n_out == 2) n.out[1] = size_of(c.groups, c.co, 4);
  if (c.norm) normalized_need(n, c, 2);
  if (n.in[0] > Need::kMax || n.in[1] > Need::kMax || n.out[0] > Need::kMax) return;
  const WeightWalk w = weight_walk_of(c);
  if (planes_floats(w.planes) > INT32_MAX || w.k > INT32_MAX) return n.fail("too large");
  with_packing(c, w.few, [&](auto packing) { n.local = size_mul(weight_room<decltype(packing)>(c, w).total, 4); });
  n.scratch = size_mul(size_mul(w.parts, w.partial), 4);
}
void conv3dGradWeight_need(Need& n) { conv2dGradWeight_need(n); }
}   // namespace gradclip::GRADCLIP_ISA
