// conv.h: conv2d and conv3d, y = act(x * weight + bias), and conv2dGradInput and conv3dGradInput, the same backwards: dx = act(dy *
// weight^T + bias). Every element is one fma chain from 0: forwards over (depth, channel, row, column) of the weight, backwards over (depth,
// filter, row, column), where planes that lie beyond the ends are left out; then one addition, then the activation. Of images, x may be
// normalized where it is copied, and the sums of batch norm of what is written be taken while it is in the cache (norm/plane.h), forwards.
// The bits depend neither on how lanes are used nor on the team.
// In bf16 channels 2 c and 2 c + 1 (backwards: filters) make pairs (bf16.h), the last of an odd number beside zeros, and the chain goes
// over (depth, pair, row, column). Where there is one channel, each term is by itself: a chain as in f32, of operands that are rounded.
#pragma once
#include "conv_plan.h"

namespace gradclip::GRADCLIP_ISA {
// Where the parts of a thread's own memory begin, in floats.
struct WalkRoom {
  int64_t planes, at, taps, phases, depths, list, held, tile, strips, numbers, total;
};
// Offsets of taps are there once for each slot, twice round the circle: those of neighboring depths lie side by side wherever they begin.
static int64_t rounds(const Walk& w) { return w.planes.slots == 1 ? 1 : 2 * w.planes.slots; }
// Rows at a time where columns of the output fall into planes: these are put together before they go out.
static int64_t strip_rows(const Walk& w) { return most(1, 2 * kFlush / most(1, w.gw * w.ft)); }
// Floats of such rows of one plane.
static int64_t strip_floats(const Walk& w) { return size_mul(size_mul(strip_rows(w), w.gw), w.lanes()); }

template <class P>
static WalkRoom walk_room(const Conv& c, const Walk& w) {
  WalkRoom r;
  r.planes = 0;
  r.at = r.planes + line(planes_floats(w.planes)) + kPlaneSlack;
  r.taps = r.at + line(size_mul(rounds(w), w.planes.copies * w.taps));
  r.phases = r.taps + line(2 * w.taps);
  r.depths = r.phases + line(4 * w.fs * w.ft);
  r.list = r.depths + line(8 * w.fd);
  r.held = r.list + line(w.kd);
  r.tile = r.held + line(2 * w.planes.slots);
  const int64_t tile = w.wide ? most(w.wide, 8) * kConvVectors * W : w.pixels() * TN;   // 8: rows of one channel
  r.strips = r.tile + line(most(tile, P::terms * w.taps * w.lanes()));
  r.numbers = r.strips + (w.ft > 1 ? line(w.ft * strip_floats(w)) + kStripSlack : 0);
  r.total = r.numbers + normalized_floats(c);
  return r;
}
// Floats of packed weights: for each group and block of outs, the taps of one plane of the output after the other,
// [depth][ins][taps][lanes], or of pairs [depth][pair][taps][words][lanes].
static int64_t walk_weights(const Walk& w) { return w.groups * w.blocks() * w.lanes() * w.k; }

// Of a plane of the output: its taps, from one of the list of all on.
struct Phase {
  int64_t first, count;
};

template <class P>
static void pack_weights(const Walk& w, const float* weight, const Phase* phases, const Tap* taps, const int32_t* list,
                         int64_t listed, float* spare, float* to, const Team& team) {
  const int64_t blocks = w.blocks(), some = w.back || w.kd > 1 ? P::terms : 16, parts = ceil_div(w.ins, some);
  // From one lane to the next, and from one channel to the next.
  const int64_t lane = w.kd * w.taps * (w.back ? 1 : w.ins), channel = w.kd * w.taps * (w.back ? w.outs : 1);
  const Range r = split(w.groups * blocks * listed * parts, team);
  for (int64_t t = r.begin; t < r.end; t++) {
    const int64_t c0 = t % parts * some, c1 = least(w.ins, c0 + some), depth = t / parts % listed, block = t / (parts * listed);
    const int64_t b = block % blocks, lanes = w.packed(b), o = b * w.lanes(), valid = least(lanes, w.outs - o);
    const float* const from = weight + block / blocks * w.ins * w.outs * w.kd * w.taps + o * lane + list[depth] * w.taps;
    float* const panel = to + block * w.lanes() * w.k;
    if (is_f32<P> && phases->count == w.taps) {
      transpose_block(from + c0 * channel, lane, panel + (depth * w.ins + c0) * w.taps * lanes, lanes, valid, (c1 - c0) * w.taps,
                      lanes);
      continue;
    }
    for (int64_t x = c0; x < c1; x += P::terms) {
      const bool two = x + 1 < least(c1, x + P::terms);
      float* const second = spare + w.taps * lanes;
      transpose_block(from + x * channel, lane, spare, lanes, valid, w.taps, lanes);
      if (two) transpose_block(from + (x + 1) * channel, lane, second, lanes, valid, w.taps, lanes);
      for (const Phase* f = phases; f < phases + w.fs * w.ft; f++) {
        const int64_t units = units_of<P>(w.ins), before = f->first * w.kd * units + (depth * units + x / P::terms) * f->count;
        float* unit = panel + before * P::words * lanes;
        for (const Tap* tap = taps + f->first; tap < taps + f->first + f->count; tap++, unit += P::words * lanes)
          for (int64_t j = 0; j < lanes; j += L) {
            const int n = (int)least(L, lanes - j);
            const int64_t at = tap->tap * lanes + j;
            put<P>(unit + j, lanes, load_part(spare + at, n), two ? load_part(second + at, n) : set1(0.f), n);
          }
      }
    }
  }
}

// Rows of a plane of the output, of one image and block of channels: where they go.
struct Target {
  const Product* end;       // bias and activation
  float* y;                 // channel 0 of the block, row 0
  int64_t ld, pitch;        // from one channel to the next, from one row to the next
  int64_t channel, valid;   // the block's first channel; channels
  int64_t gw;               // columns
  bool whole;               // all lanes may be written there
  float* tile;
  Ahead* ahead;
};

template <class P>
static void rows_by_channel(const Walk& w, const Target& t, int64_t k, const float* x, const int32_t* at, const float* panel,
                            int64_t lanes, int64_t rows) {
  const Parts parts = parts_of(t.gw, 1, ceil_div(t.gw, MR));
  const Parts ks = parts_of(k, 1, most(1, ceil_div(k, kConvPanel)));
  const int64_t some = most(1, kFlush / t.gw);
  const bool together = t.pitch == t.gw;   // rows lie behind one another
  for (int64_t r = 0; r < rows; r += some) {
    const int64_t now = least(some, rows - r), pixels = now * t.gw;
    float* const y = t.y + r * t.pitch;
    Ahead put = {};   // what is written then is read from memory first
    if (together && w.ft == 1)
      put = {y, pixels, t.ld, t.valid, ceil_div(t.valid * ceil_div(pixels, 16), ks.count * now * parts.count), 0};
    for (int64_t kb = 0; kb < ks.count; kb++) {   // a panel of weights stays in L1 meanwhile
      [[maybe_unused]] const Flush<P> flush;
      const int64_t p = ks.begin(kb), taps = ks.begin(kb + 1) - p;
      float* c = t.tile;
      for (int64_t i = 0; i < now; i++)
        for (int64_t part = 0; part < parts.count; part++) {
          const int64_t j = parts.begin(part), n = parts.begin(part + 1) - j;
          t.ahead->ask();
          put.ask();
          const ByChannel tile = kByChannel<typename P::Multiplied>[lanes > W][n - 1];
          tile(taps, x + (r + i) * w.planes.cols + j, at + p, panel + p * lanes, c, kb == 0);
          c += n * lanes;
        }
    }
    finish(*t.end, t.tile, lanes, 0, t.channel, pixels, t.valid);
    if (together) {
      transpose_block(t.tile, lanes, y, t.ld, pixels, t.valid, pixels);
    } else {
      for (int64_t i = 0; i < now; i++)
        transpose_block(t.tile + i * t.gw * lanes, lanes, y + i * t.pitch, t.ld, t.gw, t.valid, t.gw);
    }
  }
}

template <class P>
static void rows_by_pixel(const Walk& w, const Target& t, int64_t k, const float* x, const int32_t* at, const float* panel,
                          int64_t rows) {
  const int form = w.wide == 8 ? 3 : w.wide == 4 ? 2 : w.wide == 2 ? 1 : 0;
  const int64_t vectors = form == 3 ? kWide : form == 2 ? least(kConvVectors, 2 * kWide) : kConvVectors;
  const Parts parts = parts_of(t.gw, W, ceil_div(t.gw, vectors * W));
  for (int64_t r = 0; r < rows; r++)
    for (int64_t part = 0; part < parts.count; part++) {
      const int64_t j = parts.begin(part), n = parts.begin(part + 1) - j, v = ceil_div(n, W);
      float *const y = t.y + r * t.pitch + j, *const to = t.whole ? y : t.tile;
      const int64_t ld = t.whole ? t.ld : kConvVectors * W;
      t.ahead->ask();
      {
        [[maybe_unused]] const Flush<P> flush;
        kByPixel<typename P::Multiplied>[form][v - 1](k, x + r * w.planes.cols + j, at, panel, to, ld, (int)(n - (v - 1) * W));
      }
      finish(*t.end, to, ld, t.channel, 0, t.valid, n);
      if (t.whole) continue;
      for (int64_t c = 0; c < t.valid; c++)
        for (int64_t i = 0; i < n; i += L) store_part(y + c * t.ld + i, load_part(to + c * ld + i, n - i), n - i);
    }
}

// One channel: rows of it at once.
template <class P>
static void rows_of_one(const Walk& w, const Target& t, int64_t k, const float* x, const int32_t* at, const float* panel,
                        int64_t rows) {
  const Parts parts = parts_of(t.gw, W, ceil_div(t.gw, kConvVectors * W));
  for (int64_t part = 0; part < parts.count; part++) {
    const int64_t j = parts.begin(part), n = parts.begin(part + 1) - j, v = ceil_div(n, W);
    const Parts blocks = parts_of(rows, 1, ceil_div(rows, rows_at_once((int)v)));
    for (int64_t b = 0; b < blocks.count; b++) {
      const int64_t r = blocks.begin(b), some = blocks.begin(b + 1) - r;
      float* const y = t.y + r * t.pitch + j;
      t.ahead->ask();
      {
        [[maybe_unused]] const Flush<P> flush;
        const ByRows tile = kByRows<typename P::Multiplied>[v - 1][some - 1];
        tile(k, x + r * w.planes.cols + j, w.planes.cols, at, panel, y, t.pitch, (int)(n - (v - 1) * W));
      }
      for (int64_t i = 0; i < some; i++) finish(*t.end, y + i * t.pitch, t.pitch, t.channel, 0, 1, n);
    }
  }
}

// Columns of all planes put together: rows of y, which lie `pitch` apart.
static void put_strips(const Walk& w, const float* strips, float* y, int64_t pitch, int64_t valid, int64_t rows) {
  const int64_t channel = w.depth * w.oh * w.ow;
  const int64_t strip = strip_floats(w), ld = strip_rows(w) * w.gw;
  for (int64_t x = 0; x < valid; x++)
    for (int64_t r = 0; r < rows; r++) {
      float* const out = y + x * channel + r * pitch;
      if (w.ft > 2) {
        for (int64_t b = 0; b < w.ft; b++) {
          const int64_t n = ceil_div(w.ow - b, w.ft);
          const float* const in = strips + b * strip + x * ld + r * n;
          for (int64_t j = 0; j < n; j++) out[j * w.ft + b] = in[j];
        }
        continue;
      }
      const float *const even = strips + x * ld + r * w.gw, *const odd = strips + strip + x * ld + r * (w.ow / 2);
      for (int64_t j = 0; j < w.ow; j += 2 * L) {
        const F a = load(even + j / 2), b = load(odd + j / 2);
        store_part(out + j, zip_low(a, b), w.ow - j);
        if (j + L < w.ow) store_part(out + j + L, zip_high(a, b), w.ow - j - L);
      }
    }
}

// A plane of all channels of the output: a band of its rows, one of its depths. Those of a band come one after the other.
struct Part {
  int64_t image, band, depth;   // image: of a group
};
static Part part_of(const Walk& w, int64_t part) {
  const int64_t bands = part / w.depth;
  return {bands / w.bands, bands % w.bands, part % w.depth};
}

// The last planes that part `next` copies, if it is not what lies there, in as many pieces as micro-kernels run for so many blocks of
// channels.
static Ahead ahead_of(const Walk& w, const float* x, const Depths* depths, int64_t next, int64_t part, int64_t blocks) {
  const Planes& p = w.planes;
  if (next == part) return {};
  const Part to = part_of(w, next);
  const Depths read = read_of(w, depths, to.depth);
  const int64_t row = most(0, to.band * w.bh * p.ps + p.top), rows = least(p.h - row, p.rows * p.ps);
  if (rows <= 0 || read.count == 0) return {};
  const bool whole = p.apart == rows * p.w;   // planes lie behind one another
  const int64_t last = read.by > 0 ? read.at + (read.count - 1) * read.by : read.at;
  const float* from = x + to.image * p.channels * p.apart + (last * p.h + row) * p.w;
  const int64_t run = (whole ? p.channels : 1) * rows * p.w, runs = whole ? 1 : p.channels;
  const int64_t pieces = w.wide ? ceil_div(w.gw, kConvVectors * W) : ceil_div(w.gw, MR) * ceil_div(w.k, kConvPanel);
  const int64_t calls = blocks * w.fs * w.ft * w.bh * pieces;
  return {from, run, p.apart, runs, least(kAhead, ceil_div(runs * ceil_div(run, 16), calls)), 0};
}

// Sums for the batch norm of y, of `count` planes from `first` on.
static void sum_planes(const Walk& w, const float* y, double* sums, int64_t first, int64_t count) {
  const int64_t channels = w.groups * w.outs, space = w.oh * w.ow;
  for (int64_t p = first; p < first + count; p++)
    put_plane(plane_sums(y + p * space, space), sums, quotient(p, channels), p % channels, channels);
}

template <class P>
static void convolve(const Conv& c, const Args& a, const Team& team, bool back) {
  const Walk w = walk_of<P>(c, back);
  if (w.n * w.bands * w.gw * w.depth == 0) return;
  const Planes& p = w.planes;
  const WalkRoom room = walk_room<P>(c, w);
  float* const own = (float*)a.local;
  int32_t *const at = (int32_t*)(own + room.at), *const list = (int32_t*)(own + room.list);
  Tap* const taps = (Tap*)(own + room.taps);
  Phase* const phases = (Phase*)(own + room.phases);
  Depths* const depths = (Depths*)(own + room.depths);
  int64_t* const held = (int64_t*)(own + room.held);   // which depth lies in each slot
  int64_t listed = 0;                                  // those that reach a plane
  for (int64_t f = 0; f < w.fd; listed += depths[f++].count) depths[f] = depths_of(c, w, f, listed, list);
  const bool up = depths->by > 0;   // through the slots
  const int64_t round = rounds(w);
  int32_t filled = 0;   // offsets of all taps of all channels, of one plane of the output after the other
  for (int64_t f = 0, first = 0; f < w.fs * w.ft; f++) {
    const int64_t count = taps_of(c, w, f / w.ft, f % w.ft, taps + first);
    phases[f] = {first, count};
    for (int64_t z = 0; z < round; z++) {
      const int64_t slot = (up ? z : round - 1 - z) % p.slots;
      for (int64_t x = 0; x < p.copies; x += P::words)
        for (int64_t t = first; t < first + count; t++)
          for (int64_t u = 0; u < P::words; u++) at[filled++] = (int32_t)((slot * p.copies + x + u) * p.plane() + taps[t].at);
    }
    first += count;
  }
  float* const packed = (float*)a.scratch;
  pack_weights<P>(w, (const float*)a.in[1], phases, taps, list, listed, own + room.tile, packed, team);
  team.barrier();
  const bool has_bias = a.n_in % 2 == 1;
  double* const sums = c.stats ? (double*)a.out[1] : nullptr;
  Product end = {};   // what finish() reads of it
  end.act = c.act;
  (w.wide ? end.bi : end.bj) = 1;
  // Where there are fewer planes than threads, blocks of channels are shared out too: each thread copies what is read.
  const int64_t parts = w.n * w.groups * w.bands * w.depth, blocks = w.blocks();
  const Parts cuts = parts_of(blocks, 1, parts >= team.size ? 1 : least(blocks, ceil_div(team.size, parts)));
  const Range mine = split(parts * cuts.count, team);
  const Normalized by = normalized_of(c, a, (BnNumbers*)(own + room.numbers));
  int64_t copied = -1;
  for (int64_t task = mine.begin; task < mine.end; task++) {
    const int64_t cut = task % cuts.count, part = task / cuts.count;
    const Part here = part_of(w, part);
    const int64_t image = here.image, g = image % w.groups, first = here.band * w.bh;
    const Depths read = read_of(w, depths, here.depth);
    const float* x = (const float*)a.in[0] + image * p.channels * p.apart;
    if (part != copied) {
      if (copied < 0 || (part / w.depth != copied / w.depth && w.bands > 1)) clear_planes(p, own + room.planes);
      if (copied < 0 || part / w.depth != copied / w.depth)
        for (int64_t s = 0; s < p.slots; s++) held[s] = kNoDepth;
      copy_depths(p, read, held, own + room.planes,
                  [&](int64_t z, float* to) { copy_planes<P>(p, x + z * p.h * p.w, first, to, by.from(g * w.ins)); });
    }
    copied = part;
    Ahead ahead = ahead_of(w, (const float*)a.in[0], depths, task + 1 < mine.end ? (task + 1) / cuts.count : part, part,
                           cuts.begin(cut + 1) - cuts.begin(cut));
    const int64_t slot = slot_of(read.at, read.by, p.slots), turn = up ? slot : p.slots - 1 - slot;   // where offsets begin
    end.bias = has_bias ? (const float*)a.in[2] + g * w.outs : nullptr;
    for (int64_t b = cuts.begin(cut); b < cuts.begin(cut + 1); b++) {
      const int64_t channel = b * w.lanes(), lanes = w.packed(b), ld = w.depth * w.oh * w.ow;
      float* const y = (float*)a.out[0] + (image * w.outs + channel) * ld + here.depth * w.oh * w.ow;
      const int64_t valid = least(lanes, w.outs - channel), pitch = w.fs * w.ow;
      Target t = {&end, y, ld, pitch, channel, valid, w.gw, valid == lanes, own + room.tile, &ahead};
      const float* panel = packed + (g * blocks + b) * w.lanes() * w.k;
      for (int64_t i = 0; i < w.fs; i++) {
        const int64_t rows = least(w.bh, ceil_div(w.oh - i, w.fs) - first), some = w.ft > 1 ? strip_rows(w) : rows;
        for (int64_t r = 0; r < rows; r += some) {
          const int64_t now = least(some, rows - r);
          float* const to = y + ((first + r) * w.fs + i) * w.ow;
          t.y = to;
          for (int64_t j = 0; j < w.ft; j++) {
            if (w.ft > 1) {
              t.y = own + room.strips + j * strip_floats(w), t.ld = some * w.gw, t.whole = true;
              t.gw = t.pitch = ceil_div(w.ow - j, w.ft);
            }
            const Phase f = phases[i * w.ft + j];
            const int64_t each = f.count * p.copies, k = each * read.count;
            const int32_t* const places = at + (f.first * round + f.count * turn) * p.copies;
            const float* const from = own + room.planes + r * p.cols;
            const float* const weights = panel + (f.first * w.kd * p.copies + read.first * each) * lanes;
            if (w.wide == 1)
              rows_of_one<P>(w, t, k, from, places, weights, now);
            else if (w.wide)
              rows_by_pixel<P>(w, t, k, from, places, weights, now);
            else
              rows_by_channel<P>(w, t, k, from, places, weights, lanes, now);
          }
          if (w.ft > 1) put_strips(w, own + room.strips, to, pitch, valid, now);
        }
      }
      if (sums && w.bands == 1) sum_planes(w, (const float*)a.out[0], sums, image * w.outs + channel, t.valid);
    }
  }
  if (!sums || w.bands == 1) return;
  team.barrier();
  const Range planes = split(w.n * w.groups * w.outs, team);
  sum_planes(w, (const float*)a.out[0], sums, planes.begin, planes.end - planes.begin);
}

static void convolve_bf16(const Conv& c, const Args& a, const Team& team, bool back) {
  with_rounding((back ? c.co : c.ci) == 1, [&](auto packing) { convolve<decltype(packing)>(c, a, team, back); });
}
void conv2d(const Args& a, const Team& team) {
  const Conv c = conv_of(a.i);
  c.bf16 ? convolve_bf16(c, a, team, false) : GRADCLIP_F32(conv2d, convolve<F32>(c, a, team, false));
}
void conv2dGradInput(const Args& a, const Team& team) {
  const Conv c = conv_of(a.i);
  c.bf16 ? convolve_bf16(c, a, team, true) : GRADCLIP_F32(conv2dGradInput, convolve<F32>(c, a, team, true));
}
void conv3d(const Args& a, const Team& team) { conv2d(a, team); }
void conv3dGradInput(const Args& a, const Team& team) { conv2dGradInput(a, team); }

static void convolve_need(Need& n, bool back) {
  const Conv c = n.n_i == kCvInts ? conv_of(n.i) : Conv{};
  if (!conv_sizes(n, c)) return;
  const int lines = c.norm == 0 ? 0 : n.n_in >= 6 ? 4 : 2, inputs = n.n_in - lines;
  if (inputs < 2 || inputs > 3 || n.n_out != 1 + c.stats) return n.fail("expected x, weight[, bias] and y");
  if (back && (c.stats || c.norm)) return n.fail("backwards nothing is normalized");
  if (c.stats && size_mul(c.oh, c.ow) < kBnPlane) return n.fail("planes are too small");
  n.in[0] = back ? y_bytes(c) : x_bytes(c);
  n.in[1] = weight_bytes(c);
  n.out[0] = back ? x_bytes(c) : y_bytes(c);
  if (inputs == 3) n.in[2] = size_of(c.groups, back ? c.ci : c.co, 4);
  if (lines) normalized_need(n, c, inputs);
  if (c.stats) n.out[1] = size_of(c.n, kBnOfPlane, c.groups, c.co, 8);
  if (n.in[0] > Need::kMax || n.in[1] > Need::kMax || n.out[0] > Need::kMax) return;
  with_packing(c, (back ? c.co : c.ci) == 1, [&](auto packing) {
    using P = decltype(packing);
    const Walk w = walk_of<P>(c, back);
    if (planes_floats(w.planes) > INT32_MAX || w.k > INT32_MAX / 2) return n.fail("too large");
    n.local = size_mul(walk_room<P>(c, w).total, 4);
    n.scratch = size_mul(walk_weights(w), 4);
  });
}
void conv2d_need(Need& n) { convolve_need(n, false); }
void conv2dGradInput_need(Need& n) { convolve_need(n, true); }
void conv3d_need(Need& n) { convolve_need(n, false); }
void conv3dGradInput_need(Need& n) { convolve_need(n, true); }
}   // namespace gradclip::GRADCLIP_ISA
