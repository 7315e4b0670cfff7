// conv.h: conv2d, y = act(x * weight + bias), and conv2dGradInput, the same backwards: dx = act(dy * weight^T + bias).
// Every element is one fma chain from 0: forwards over (channel, row, column) of the weight, backwards over (filter, row, column), then
// one addition, then the activation. Forwards, x may be normalized where it is copied, and the sums of batch norm of what is written be
// taken while it is in the cache (norm/plane.h). The bits depend neither on how lanes are used nor on the team.
#pragma once
#include "conv_plan.h"

namespace gradclip::GRADCLIP_ISA {
// Where the parts of a thread's own memory begin, in floats.
struct WalkRoom {
  int64_t planes, at, taps, tile, turned, numbers, total;
};
static WalkRoom walk_room(const Conv& c, const Walk& w) {
  WalkRoom r;
  r.planes = 0;
  r.at = r.planes + line(planes_floats(w.planes)) + kPlaneSlack;
  r.taps = r.at + line(w.k);
  r.tile = r.taps + line(2 * w.taps);
  const int64_t tile = w.wide ? most(w.wide, 8) * kConvVectors * W : w.pixels() * TN;   // 8: rows of one channel
  r.turned = r.tile + line(most(tile, w.taps * w.lanes())) + kPutSlack;
  r.numbers = r.turned + (w.fs * w.ft > 1 ? line(w.pixels() * TN) + kPutSlack : 0);
  r.total = r.numbers + normalized_floats(c);
  return r;
}
// Floats of packed weights: for each group and block of outs, the taps of one plane of the output after the other, [ins][taps][lanes].
static int64_t walk_weights(const Walk& w) { return w.groups * w.blocks() * w.lanes() * w.k; }

static void pack_weights(const Conv& c, const Walk& w, const float* weight, Tap* list, float* spare, float* to,
                         const Team& team) {
  const int64_t blocks = w.blocks(), some = w.back ? 1 : 16, parts = ceil_div(w.ins, some);
  const Range r = split(w.groups * blocks * parts, team);
  for (int64_t t = r.begin; t < r.end; t++) {
    const int64_t g = t / (blocks * parts), b = t / parts % blocks, c0 = t % parts * some, lanes = w.packed(b);
    const int64_t o = b * w.lanes(), valid = least(lanes, w.outs - o);
    float* const panel = to + (g * blocks + b) * w.lanes() * w.k;
    if (!w.back) {
      const float* from = weight + (g * w.outs + o) * w.k + c0 * w.taps;
      transpose_block(from, w.k, panel + c0 * w.taps * lanes, lanes, valid, least(some, w.ins - c0) * w.taps, lanes);
      continue;
    }
    const float* from = weight + ((g * w.ins + c0) * w.outs + o) * w.taps;
    if (c.sh * c.sw == 1) {
      transpose_block(from, w.taps, panel + c0 * w.taps * lanes, lanes, valid, w.taps, lanes);
      continue;
    }
    transpose_block(from, w.taps, spare, lanes, valid, w.taps, lanes);
    int64_t before = 0;
    for (int64_t f = 0; f < w.fs * w.ft; f++) {
      const int64_t count = taps_of(c, w, f / w.ft, f % w.ft, list);
      for (int64_t x = 0; x < count; x++)
        memcpy(panel + (before * w.ins + c0 * count + x) * lanes, spare + list[x].tap * lanes, (size_t)lanes * sizeof(float));
      before += count;
    }
  }
}

// One plane of the output, of one image and block of channels: what is needed to write rows of it.
struct Target {
  const Product* end;      // bias and activation
  float* y;                // channel 0 of the block
  int64_t channel, a, b;   // the block's first channel; the plane
  int64_t valid, gw;       // channels; columns of the plane
  float *tile, *turned;
  Ahead* ahead;
};

static void put_strided(const Walk& w, const Target& t, const float* from, int64_t ld, int64_t row, int64_t rows, int64_t col,
                        int64_t cols) {
  for (int64_t x = 0; x < t.valid; x++)
    for (int64_t r = 0; r < rows; r++) {
      const float* in = from + x * ld + r * cols;
      float* out = t.y + (x * w.oh + (row + r) * w.fs + t.a) * w.ow + col * w.ft + t.b;
      if (w.ft == 2) {
        r_put_even(in, cols, out);
      } else {
        for (int64_t j = 0; j < cols; j++) out[j * w.ft] = in[j];
      }
    }
}

static void rows_by_channel(const Walk& w, const Target& t, int64_t k, const float* x, const int32_t* at, const float* panel,
                            int64_t lanes, int64_t row, int64_t rows) {
  const Parts parts = parts_of(t.gw, 1, ceil_div(t.gw, MR));
  const Parts ks = parts_of(k, 1, most(1, ceil_div(k, kConvPanel)));
  const int64_t some = most(1, kFlush / t.gw);
  for (int64_t r = 0; r < rows; r += some) {
    const int64_t now = least(some, rows - r), pixels = now * t.gw;
    Ahead put = {};   // what is written then is read from memory first
    if (w.fs * w.ft == 1)
      put = {t.y + (row + r) * w.ow,
             pixels,
             w.oh * w.ow,
             t.valid,
             ceil_div(t.valid * ceil_div(pixels, 16), ks.count * now * parts.count),
             0};
    for (int64_t kb = 0; kb < ks.count; kb++) {   // a panel of weights stays in L1 meanwhile
      const int64_t p = ks.begin(kb), taps = ks.begin(kb + 1) - p;
      float* c = t.tile;
      for (int64_t y = 0; y < now; y++)
        for (int64_t part = 0; part < parts.count; part++) {
          const int64_t j = parts.begin(part), n = parts.begin(part + 1) - j;
          t.ahead->ask();
          put.ask();
          kByChannel[lanes > W][n - 1](taps, x + (r + y) * w.planes.cols + j, at + p, panel + p * lanes, c, kb == 0);
          c += n * lanes;
        }
    }
    finish(*t.end, t.tile, lanes, 0, t.channel, pixels, t.valid);
    if (w.fs * w.ft == 1) {
      transpose_block(t.tile, lanes, t.y + (row + r) * w.ow, w.oh * w.ow, pixels, t.valid, pixels);
    } else {
      transpose_block(t.tile, lanes, t.turned, pixels, pixels, t.valid, pixels);
      put_strided(w, t, t.turned, pixels, row + r, now, 0, t.gw);
    }
  }
}

static void rows_by_pixel(const Walk& w, const Target& t, int64_t k, const float* x, const int32_t* at, const float* panel,
                          int64_t row, int64_t rows) {
  const int form = w.wide == 8 ? 3 : w.wide == 4 ? 2 : w.wide == 2 ? 1 : 0;
  const int64_t vectors = form == 3 ? kWide : form == 2 ? least(kConvVectors, 2 * kWide) : kConvVectors;
  const Parts parts = parts_of(t.gw, W, ceil_div(t.gw, vectors * W));
  const bool direct = w.fs * w.ft == 1 && t.valid == w.wide;
  for (int64_t r = 0; r < rows; r++)
    for (int64_t part = 0; part < parts.count; part++) {
      const int64_t j = parts.begin(part), n = parts.begin(part + 1) - j, v = ceil_div(n, W);
      float* const y = direct ? t.y + (row + r) * w.ow + j : t.tile;
      const int64_t ld = direct ? w.oh * w.ow : kConvVectors * W;
      t.ahead->ask();
      kByPixel[form][v - 1](k, x + r * w.planes.cols + j, at, panel, y, ld, (int)(n - (v - 1) * W));
      finish(*t.end, y, ld, t.channel, 0, t.valid, n);
      if (!direct) put_strided(w, t, y, ld, row + r, 1, j, n);
    }
}

// One channel: rows of it at once.
static void rows_of_one(const Walk& w, const Target& t, int64_t k, const float* x, const int32_t* at, const float* panel,
                        int64_t row, int64_t rows) {
  const Parts parts = parts_of(t.gw, W, ceil_div(t.gw, kConvVectors * W));
  const bool direct = w.fs * w.ft == 1;
  for (int64_t part = 0; part < parts.count; part++) {
    const int64_t j = parts.begin(part), n = parts.begin(part + 1) - j, v = ceil_div(n, W);
    const Parts blocks = parts_of(rows, 1, ceil_div(rows, rows_at_once((int)v)));
    for (int64_t b = 0; b < blocks.count; b++) {
      const int64_t r = blocks.begin(b), some = blocks.begin(b + 1) - r;
      float* const y = direct ? t.y + (row + r) * w.ow + j : t.tile;
      const int64_t ld = direct ? w.ow : kConvVectors * W;
      t.ahead->ask();
      kByRows[v - 1][some - 1](k, x + r * w.planes.cols + j, w.planes.cols, at, panel, y, ld, (int)(n - (v - 1) * W));
      for (int64_t i = 0; i < some; i++) {
        finish(*t.end, y + i * ld, ld, t.channel, 0, 1, n);
        if (!direct) put_strided(w, t, y + i * ld, ld, row + r + i, 1, j, n);
      }
    }
  }
}

// What part `next` copies, if it is not what lies there, in as many pieces as micro-kernels run for so many blocks of channels.
static Ahead ahead_of(const Walk& w, const float* x, int64_t next, int64_t part, int64_t blocks) {
  const Planes& p = w.planes;
  if (next == part) return {};
  const int64_t row = most(0, next % w.bands * w.bh * p.ps + p.top), rows = least(p.h - row, p.rows * p.ps);
  if (rows <= 0) return {};
  const bool whole = rows == p.h;   // planes lie behind one another
  const float* from = x + next / w.bands * p.channels * p.h * p.w + row * p.w;
  const int64_t run = (whole ? p.channels : 1) * rows * p.w, jump = p.h * p.w, runs = whole ? 1 : p.channels;
  const int64_t pieces = w.wide ? ceil_div(w.gw, kConvVectors * W) : ceil_div(w.gw, MR) * ceil_div(w.k, kConvPanel);
  const int64_t calls = blocks * w.fs * w.ft * w.bh * pieces;
  return {from, run, jump, runs, least(kAhead, ceil_div(runs * ceil_div(run, 16), calls)), 0};
}

// Sums for the batch norm of y, of `count` planes from `first` on.
static void sum_planes(const Walk& w, const float* y, double* sums, int64_t first, int64_t count) {
  const int64_t channels = w.groups * w.outs, space = w.oh * w.ow;
  for (int64_t p = first; p < first + count; p++)
    put_plane(plane_sums(y + p * space, space), sums, quotient(p, channels), p % channels, channels);
}

static void convolve(const Args& a, const Team& team, bool back) {
  const Conv c = conv_of(a.i);
  const Walk w = walk_of(c, back);
  if (w.n * w.bands == 0) return;
  const WalkRoom room = walk_room(c, w);
  float* const own = (float*)a.local;
  int32_t* const at = (int32_t*)(own + room.at);
  Tap* const list = (Tap*)(own + room.taps);
  float* const packed = (float*)a.scratch;
  pack_weights(c, w, (const float*)a.in[1], list, own + room.tile, packed, team);
  int64_t filled = 0;   // offsets of all taps of all channels, of one plane of the output after the other
  for (int64_t f = 0; f < w.fs * w.ft; f++) {
    const int64_t count = taps_of(c, w, f / w.ft, f % w.ft, list);
    for (int64_t x = 0; x < w.ins; x++)
      for (int64_t t = 0; t < count; t++) at[filled++] = (int32_t)(x * w.planes.plane() + list[t].at);
  }
  team.barrier();
  const bool has_bias = a.n_in % 2 == 1;
  double* const sums = c.stats ? (double*)a.out[1] : nullptr;
  Product end = {};   // what finish() reads of it
  end.act = c.act;
  (w.wide ? end.bi : end.bj) = 1;
  // Where there are fewer bands of images than threads, blocks of channels are shared out too: each thread copies the planes.
  const int64_t bands = w.n * w.groups * w.bands, blocks = w.blocks();
  const Parts cuts = parts_of(blocks, 1, bands >= team.size ? 1 : least(blocks, ceil_div(team.size, bands)));
  const Range mine = split(bands * cuts.count, team);
  const Normalized by = normalized_of(c, a, (BnNumbers*)(own + room.numbers));
  int64_t copied = -1;
  for (int64_t task = mine.begin; task < mine.end; task++) {
    const int64_t cut = task % cuts.count, part = task / cuts.count, image = part / w.bands, g = image % w.groups;
    const int64_t first = part % w.bands * w.bh;
    const Planes& p = w.planes;
    const float* x = (const float*)a.in[0] + image * p.channels * p.h * p.w;
    if (part != copied) copy_planes(p, x, first, own + room.planes, copied < 0 || w.bands > 1, by.from(g * w.ins));
    copied = part;
    Ahead ahead = ahead_of(w, (const float*)a.in[0], task + 1 < mine.end ? (task + 1) / cuts.count : part, part,
                           cuts.begin(cut + 1) - cuts.begin(cut));
    end.bias = has_bias ? (const float*)a.in[2] + g * w.outs : nullptr;
    for (int64_t b = cuts.begin(cut); b < cuts.begin(cut + 1); b++) {
      const int64_t channel = b * w.lanes(), lanes = w.packed(b);
      float* const y = (float*)a.out[0] + (image * w.outs + channel) * w.oh * w.ow;
      Target t = {&end, y, channel, 0, 0, least(lanes, w.outs - channel), 0, own + room.tile, own + room.turned, &ahead};
      const float* panel = packed + (g * blocks + b) * w.lanes() * w.k;
      const int32_t* from = at;
      for (t.a = 0; t.a < w.fs; t.a++)
        for (t.b = 0; t.b < w.ft; t.b++) {
          const int64_t k = taps_of(c, w, t.a, t.b, list) * w.ins, rows = least(w.bh, ceil_div(w.oh - t.a, w.fs) - first);
          t.gw = ceil_div(w.ow - t.b, w.ft);
          if (rows > 0 && t.gw > 0) {
            if (w.wide == 1)
              rows_of_one(w, t, k, own + room.planes, from, panel, first, rows);
            else if (w.wide)
              rows_by_pixel(w, t, k, own + room.planes, from, panel, first, rows);
            else
              rows_by_channel(w, t, k, own + room.planes, from, panel, lanes, first, rows);
          }
          from += k;
          panel += k * lanes;
        }
      if (sums && w.bands == 1) sum_planes(w, (const float*)a.out[0], sums, image * w.outs + channel, t.valid);
    }
  }
  if (!sums || w.bands == 1) return;
  team.barrier();
  const Range planes = split(w.n * w.groups * w.outs, team);
  sum_planes(w, (const float*)a.out[0], sums, planes.begin, planes.end - planes.begin);
}

void conv2d(const Args& a, const Team& team) { convolve(a, team, false); }
void conv2dGradInput(const Args& a, const Team& team) { convolve(a, team, true); }

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
  const Walk w = walk_of(c, back);
  if (planes_floats(w.planes) > INT32_MAX || w.k > INT32_MAX) return n.fail("too large");
  n.local = size_mul(walk_room(c, w).total, 4);
  n.scratch = size_mul(walk_weights(w), 4);
}
void conv2d_need(Need& n) { convolve_need(n, false); }
void conv2dGradInput_need(Need& n) { convolve_need(n, true); }
}   // namespace gradclip::GRADCLIP_ISA
