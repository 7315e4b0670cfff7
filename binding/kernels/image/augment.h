// augment.h: images moved, mirrored, and with a square blanked out, each by its own random numbers.
#pragma once
#include "../philox.h"

namespace gradclip::GRADCLIP_ISA {
enum Border : int64_t { kConstant = 0, kEdge = 1, kReflect = 2 };

// What is done to one image: place (y, x) of the result is (y0 + ys * y, x0 + xs * x) of the source; [top, bottom) x [left, right) is blank.
struct Pose {
  int64_t y0, ys, x0, xs, top, bottom, left, right;
};

enum AugmentInts {
  kAugmentImages,
  kAugmentChannels,
  kAugmentHeight,
  kAugmentWidth,
  kAugmentBytes,
  kAugmentShift,
  kAugmentBorder,
  kAugmentMirror,
  kAugmentTurn,
  kAugmentSide,
  kAugmentBlank,
  kAugmentKey
};
// i: images, channels, height, width, bytes of a value (1: u8, 4: f32), shift, border, thresholds of 2^16 for mirroring left to right
// and top to bottom, side of the blank square, its threshold of 2^24, key of the op. f: value of what is blank and of a constant border
static inline Pose pose_of(const Args& a, int64_t image) {
  const int64_t h = a.i[kAugmentHeight], w = a.i[kAugmentWidth], shift = a.i[kAugmentShift], side = a.i[kAugmentSide];
  const uint32_t attempt = (uint32_t)a.ctx->attempt, tag = 0x6175676du ^ (uint32_t)(a.ctx->attempt >> 32);
  const Philox r = philox(iset1((int32_t)image), attempt, tag, (uint32_t)a.i[kAugmentKey], a.ctx->seed);
  uint32_t word[4];
  for (int k = 0; k < 4; k++) {
    int32_t lanes[L];
    istore(lanes, r.word[k]);
    word[k] = (uint32_t)lanes[0];
  }
  // A whole number below n from 16 bits.
  const auto below = [](uint32_t bits, int64_t n) { return (int64_t)(bits & 0xffff) * n >> 16; };
  const int64_t dy = below(word[0] >> 16, 2 * shift + 1) - shift, dx = below(word[0], 2 * shift + 1) - shift;
  const bool mirror = (int64_t)(word[1] >> 16) < a.i[kAugmentMirror], turn = (int64_t)(word[1] & 0xffff) < a.i[kAugmentTurn];
  const bool blank = (int64_t)(word[3] >> 8) < a.i[kAugmentBlank];
  const int64_t top = below(word[2] >> 16, h) - side / 2, left = below(word[2], w) - side / 2;
  return {dy + (turn ? h - 1 : 0), turn ? -1 : 1,          dx + (mirror ? w - 1 : 0), mirror ? -1 : 1,
          blank ? top : 0,         blank ? top + side : 0, blank ? left : 0,          blank ? left + side : 0};
}

// The index that a position outside [0, n) takes its value from, or -1: the fill.
static inline int64_t border_at(int64_t at, int64_t n, int64_t border) {
  if (at >= 0 && at < n) return at;
  if (border == kConstant) return -1;
  if (border == kEdge) return at < 0 ? 0 : n - 1;
  return at < 0 ? -at : 2 * (n - 1) - at;
}

template <typename T>
static inline void fill_values(T* y, int64_t from, int64_t to, T value) {
  for (int64_t x = from; x < to; x++) y[x] = value;
}

template <typename T>
static void augment_row(T* y, const T* source, int64_t w, const Pose& p, int64_t border, T fill) {
  // [begin, end): the places whose source lies within the row.
  int64_t begin = p.xs > 0 ? -p.x0 : p.x0 - (w - 1), end = p.xs > 0 ? w - p.x0 : p.x0 + 1;
  begin = begin < 0 ? 0 : begin > w ? w : begin;
  end = end < begin ? begin : end > w ? w : end;
  const auto outside = [&](int64_t from, int64_t to) {
    for (int64_t x = from; x < to; x++) {
      const int64_t at = border_at(p.x0 + p.xs * x, w, border);
      y[x] = at < 0 ? fill : source[at];
    }
  };
  outside(0, begin);
  if (p.xs > 0)
    memcpy(y + begin, source + p.x0 + begin, (end - begin) * sizeof(T));
  else
    for (int64_t x = begin; x < end; x++) y[x] = source[p.x0 - x];
  outside(end, w);
}

template <typename T>
static void augment_typed(const Args& a, const Team& team) {
  const int64_t c = a.i[kAugmentChannels], h = a.i[kAugmentHeight], w = a.i[kAugmentWidth], border = a.i[kAugmentBorder];
  const T fill = (T)a.f[0];
  const Range r = split(a.i[kAugmentImages], team);
  for (int64_t n = r.begin; n < r.end; n++) {
    const Pose p = pose_of(a, n);
    const int64_t left = p.left < 0 ? 0 : p.left, right = p.right > w ? w : p.right;
    for (int64_t k = 0; k < c; k++) {
      const T* source = (const T*)a.in[0] + (n * c + k) * h * w;
      T* image = (T*)a.out[0] + (n * c + k) * h * w;
      for (int64_t y = 0; y < h; y++) {
        const int64_t at = border_at(p.y0 + p.ys * y, h, border);
        T* row = image + y * w;
        if (at < 0)
          fill_values(row, 0, w, fill);
        else
          augment_row(row, source + at * w, w, p, border, fill);
        if (y >= p.top && y < p.bottom) fill_values(row, left, right, fill);
      }
    }
  }
}

void augment(const Args& a, const Team& team) {
  if (a.i[kAugmentBytes] == 1)
    augment_typed<uint8_t>(a, team);
  else
    augment_typed<float>(a, team);
}
void augment_need(Need& n) {
  if (n.i[kAugmentBytes] != 1 && n.i[kAugmentBytes] != 4) return n.fail("images are neither u8 nor f32");
  if (n.i[kAugmentBytes] == 1 && !(n.f[0] > -1 && n.f[0] < 256)) return n.fail("a value that is no u8");
  if (n.i[kAugmentImages] < 0 || n.i[kAugmentImages] > 0x7fffffffll) return n.fail("number of images out of range");
  if (n.i[kAugmentHeight] < 1 || n.i[kAugmentHeight] > 1 << 20 || n.i[kAugmentWidth] < 1 || n.i[kAugmentWidth] > 1 << 20)
    return n.fail("size of an image out of range");
  if (n.i[kAugmentShift] < 0 || n.i[kAugmentShift] >= n.i[kAugmentHeight] || n.i[kAugmentShift] >= n.i[kAugmentWidth])
    return n.fail("a shift as large as the image");
  if (n.i[kAugmentBorder] < kConstant || n.i[kAugmentBorder] > kReflect) return n.fail("unknown border");
  if (n.i[kAugmentMirror] < 0 || n.i[kAugmentMirror] > 1 << 16 || n.i[kAugmentTurn] < 0 || n.i[kAugmentTurn] > 1 << 16)
    return n.fail("wrong threshold");
  if (n.i[kAugmentSide] < 0 || n.i[kAugmentSide] > 1 << 20 || n.i[kAugmentBlank] < 0 || n.i[kAugmentBlank] > 1 << 24)
    return n.fail("wrong blank square");
  if (n.i[kAugmentKey] < 0 || n.i[kAugmentKey] > 0xffffffffll) return n.fail("wrong key");
  n.in[0] = n.out[0] =
      size_of(n.i[kAugmentImages], n.i[kAugmentChannels], n.i[kAugmentHeight], n.i[kAugmentWidth], n.i[kAugmentBytes]);
}
}   // namespace gradclip::GRADCLIP_ISA
