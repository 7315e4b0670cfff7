// concat.h: writes rows put together from blocks of the inputs and zeros (concat, stack, pad).
#pragma once
#include "../unit.h"

namespace gradclip::GRADCLIP_ISA {
enum ConcatInts { kConcatBytes, kConcatRows, kConcatParts };
// i: element bytes, rows, then per part of a row: source (input, or -1 for zeros), blocks, block, gap (in elements).
// A part is `blocks` blocks of `block` elements, read one after the other, with `gap` zeros between them.
struct ConcatPart {
  int64_t source, blocks, block, gap;
};
static inline ConcatPart concat_part(const int64_t* i, int p) {
  i += kConcatParts + 4 * p;
  return {i[0], i[1], i[2], i[3]};
}
static inline int64_t concat_size(const ConcatPart& p) { return p.blocks == 0 ? 0 : p.blocks * p.block + (p.blocks - 1) * p.gap; }

// Elements [from, to) of one part of a row: y is where the part begins, x where its row of the source begins.
static void concat_fill(uint8_t* y, const uint8_t* x, const ConcatPart& p, int64_t from, int64_t to, int64_t elem) {
  const int64_t pitch = p.block + p.gap;
  while (from < to) {
    const int64_t b = from / pitch, k = from % pitch;
    const bool data = x && k < p.block;
    int64_t end = b * pitch + (k < p.block ? p.block : pitch);
    if (end > to) end = to;
    uint8_t* dst = y + from * elem;
    if (data)
      memcpy(dst, x + (b * p.block + k) * elem, (end - from) * elem);
    else
      memset(dst, 0, (end - from) * elem);
    from = end;
  }
}

void concat(const Args& a, const Team& team) {
  const int64_t elem = a.i[kConcatBytes], rows = a.i[kConcatRows];
  const int parts = (a.n_i - kConcatParts) / 4;
  int64_t row = 0;
  for (int p = 0; p < parts; p++) row += concat_size(concat_part(a.i, p));
  const Range r = split(row * rows, team);
  for (int64_t t = r.begin; t < r.end;) {
    const int64_t o = t / row;
    int64_t at = 0;   // where the part begins in the row
    for (int p = 0; p < parts; p++) {
      const ConcatPart part = concat_part(a.i, p);
      const int64_t size = concat_size(part), first = o * row + at;
      const int64_t from = t > first ? t - first : 0, to = r.end - first < size ? r.end - first : size;
      const uint8_t* x = part.source < 0 ? nullptr : (const uint8_t*)a.in[part.source] + o * part.blocks * part.block * elem;
      if (from < to) concat_fill((uint8_t*)a.out[0] + first * elem, x, part, from, to, elem);
      at += size;
    }
    t = (o + 1) * row;
  }
}
void concat_need(Need& n) {
  if (n.n_i < kConcatParts || (n.n_i - kConcatParts) % 4) return n.fail("expected two integers and four per part");
  const int64_t elem = n.i[kConcatBytes], rows = n.i[kConcatRows];
  if (elem != 1 && elem != 4 && elem != 8) return n.fail("element size is none of 1, 4, 8");
  if (rows < 0) return n.fail("negative number of rows");
  int64_t row = 0;
  for (int p = 0; p < (n.n_i - kConcatParts) / 4; p++) {
    const ConcatPart part = concat_part(n.i, p);
    if (part.source < -1 || part.source >= n.n_in) return n.fail("a part names no input");
    if (part.blocks < 0 || part.block < 0 || part.gap < 0) return n.fail("negative block, gap or number of blocks");
    const int64_t data = size_mul(part.blocks, part.block), gaps = size_mul(part.blocks > 0 ? part.blocks - 1 : 0, part.gap);
    row += data + gaps;
    if (row > Need::kMax) return n.fail("too large");
    if (part.source < 0) continue;
    const int64_t bytes = size_of(rows, data, elem);
    if (bytes > n.in[part.source]) n.in[part.source] = bytes;
  }
  n.out[0] = size_of(rows, row, elem);
}
}   // namespace gradclip::GRADCLIP_ISA
