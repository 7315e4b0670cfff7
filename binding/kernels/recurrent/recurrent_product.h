// recurrent_product.h: the product of a step of recurrent kernels: packed weights, and tiles of rows times panels of them.
#pragma once
#include "../product/gemm_pack.h"
#include "../bf16.h"
#include "../math.h"

namespace gradclip::GRADCLIP_ISA {
constexpr int kRecCols = 2 * W;   // columns of a panel of weights: two registers
// Rows of a tile at most, of two accumulators each. Without fma a product takes registers of its own.
constexpr int kRecRows = kLanes ? 10 : kRegs == 32 ? 14 : kFma ? 6 : 4;
constexpr int kAhead = 24 * kRecCols;   // weights are asked for so many floats before they are used
constexpr int64_t kRecBand = 56;        // rows that go through time together: their state stays in L2

// A member function that goes into its caller: see INLINE.
#define MEMBER inline __attribute__((always_inline))

constexpr int64_t kRecSmall = 65536;   // weights that stay in L2 beside all else

// What vanishes over time counts as 0 below 2^-100, so that products with it are no denormals either.
INLINE F rec_flush(F v) { return select(lt(abs(v), set1(7.8886091e-31f)), set1(0.f), v); }

// The columns of a product with G units a group, cut in blocks of whole groups that fill whole panels.
template <int G>
struct Blocks {
  static constexpr int pair = kRecCols > L&& G % 2 ? 2 : 1;   // groups of a block
  static constexpr int units = G * pair, panels = units * L / kRecCols;
  static int64_t count(int64_t groups) { return (groups + pair - 1) / pair; }
  static int64_t floats(int64_t words) { return panels * words * kRecCols; }   // of one block
};
// What a product takes (P: F32, or Bf16 of bf16.h) of the 16 lanes of a unit: so many floats of memory. A state is rounded where it is stored
// for the next product: its pairs along k are neighboring lanes.
template <class P>
constexpr int kRecWords = L / P::terms * P::words;

// Where unit u of a block lies in the memory of its panels, the first word of k; the second half of it, if it has one, a panel further.
static inline int64_t unit_offset(int64_t u, int64_t words) { return u * L / kRecCols * words * kRecCols + u * L % kRecCols; }

constexpr int64_t kLine = kRecCols < L ? kRecCols : L;   // columns of a unit that lie in one panel

// packed[block][panel][word of k][column]. Forward: output (gate, j) of input k, whh[gate * H + j][k] as PyTorch has it.
template <class P, int G>
static void pack_forward(const float* w, float* packed, int64_t h, const Team& team) {
  using B = Blocks<G>;
  const int64_t groups = (h + L - 1) / L, words = groups * kRecWords<P>;
  const Range r = split(B::count(groups) * B::units, team);
  for (int64_t t = r.begin; t < r.end; t++) {
    const int64_t u = t % B::units, j0 = (t / B::units * B::pair + u / G) * L, gate = u % G;
    float* const to = packed + t / B::units * B::floats(words) + unit_offset(u, words);
    for (int64_t i = 0; i < L; i += kLine) {
      float* const q = to + i / kRecCols * words * kRecCols;
      transpose_block<P>(w + (gate * h + j0 + i) * h, h, q, kRecCols, least(h - j0 - i, kLine), h, kLine);
      for (int64_t x = words_of<P>(h); x < words; x++) memset(q + x * kRecCols, 0, kLine * sizeof(float));
    }
  }
}
// Backward: output j of input (group, gate, i), so the transposed weights with their rows in the order of the units.
template <class P, int G>
static void pack_backward(const float* w, float* packed, int64_t h, const Team& team) {
  using B = Blocks<1>;
  const int64_t groups = (h + L - 1) / L, words = groups * G * kRecWords<P>, panels = B::count(groups) * B::panels;
  const Range r = split(groups * G * L / P::terms, team);
  for (int64_t t = r.begin; t < r.end; t++) {   // row by row, or pair by pair: that is how the memory lies
    const int64_t x = t * P::terms, u = x / L, j = u / G * L + x % L;
    const float* const row = w + (u % G * h + j) * h;
    float* const to = packed + t * P::words * kRecCols;
    for (int64_t p = 0; p < panels; p++)
      for (int64_t c = 0; c < kRecCols; c += W) {
        const int64_t at = p * kRecCols + c, left = least(h - at, W);
        const auto term = [&](int64_t i) { return r_loadm(row + i * h + at, r_mfirst(j + i < h ? (int)left : 0)); };
        float* const q = to + p * words * kRecCols + c;
        if constexpr (P::terms == 1)
          r_store(q, term(0));
        else
          store_pairs(q, kRecCols, term(0), term(1));
      }
  }
}

// Memory that a cell reads or writes soon: `count` streams, in each a line or two (`lines`) of every row, `step` floats apart. A product
// asks for a row now and then: all at once they would wait for one another, and the hardware does not follow as many streams.
struct RecSoon {
  static constexpr int kMost = 10;
  const float* stream[kMost];
  int64_t step[kMost];
  int64_t rows, units, due = 0;   // of the tile; how many units the product goes through; of rows * units
  int count = 0, lines;
  bool near;   // into L1, else into L2
  RecSoon(int64_t rows, int64_t units, int lines, bool near) : rows(rows), units(units), lines(lines), near(near) {}
  MEMBER void add(const float* p, int64_t floats) { stream[count] = p, step[count++] = floats; }
  MEMBER void ask() {
    if (count == 0) return;
    for (due += rows; due >= units; due -= units)
      for (int i = 0; i < count; i++) {
        near ? fetch_near(stream[i]) : fetch(stream[i]);
        if (lines == 2) near ? fetch_near(stream[i] + L) : fetch(stream[i] + L);
        stream[i] += step[i];
      }
  }
};

// The product of a tile of R rows with one panel: two registers of columns, to za and zb, rows L apart. `far`: weights are asked for in
// advance; those of a small network are near, and asking costs more than it gives.
template <class P, int R, bool far>
static inline void rec_panel(const float* panel, const float* s, int64_t units, float* za, float* zb, RecSoon& soon) {
  constexpr int kWords = kRecWords<P>;
  RF a[R], b[R];
#pragma GCC unroll 16
  for (int r = 0; r < R; r++) a[r] = b[r] = r_set1(0.f);
  for (int64_t u = 0; u < units; u++, s += R * kWords) {
    soon.ask();
    if constexpr (kLanes) {
#pragma GCC unroll 1
      for (int i = 0; i < L; i += 4, panel += 4 * kRecCols) {
        if (far) fetch_near(panel + kAhead);
        if (far) fetch_near(panel + kAhead + L);
        RF w0[4], w1[4];
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++) w0[k] = r_load(panel + k * kRecCols), w1[k] = r_load(panel + k * kRecCols + W);
#pragma GCC unroll 16
        for (int r = 0; r < R; r += 2) {
          const auto x = r_numbers<4>(s + r * L + i), y = r_numbers<4>(s + (r + 1 < R ? r + 1 : r) * L + i);
#pragma GCC unroll 4
          for (int k = 0; k < 4; k++) {
            a[r] = r_fma_to(a[r], r_number(x, k), w0[k]);
            b[r] = r_fma_to(b[r], r_number(x, k), w1[k]);
            if (r + 1 == R) continue;
            a[r + 1] = r_fma_to(a[r + 1], r_number(y, k), w0[k]);
            b[r + 1] = r_fma_to(b[r + 1], r_number(y, k), w1[k]);
          }
        }
      }
      continue;
    }
#pragma GCC unroll 2
    for (int i = 0; i < kWords; i++, panel += kRecCols) {
      if (far) fetch_near(panel + kAhead);
      if (far && kRecCols > L) fetch_near(panel + kAhead + L);
      const RF w0 = r_load(panel), w1 = r_load(panel + W);
#pragma GCC unroll 16
      for (int r = 0; r < R; r++) {
        const RF x = r_set1(s[r * kWords + i]);
        a[r] = mul_to<P>(a[r], x, w0);
        b[r] = mul_to<P>(b[r], x, w1);
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; r++) {
    r_store(za + r * L, a[r]);
    r_store(zb + r * L, b[r]);
  }
}
// z[unit of the block][row][16] of one block; K is `units` times 16.
template <class P, int R>
static void rec_block(const float* packed, const float* s, float* z, int64_t units, int panels, RecSoon& soon) {
  const auto panel = units > 8 ? rec_panel<P, R, true> : rec_panel<P, R, false>;
  for (int p = 0; p < panels; p++, packed += units * kRecWords<P> * kRecCols) {
    float* const to = z + p * kRecCols / L * R * L + p * kRecCols % L;
    panel(packed, s, units, to, W == L ? to + R * L : to + W, soon);
  }
}
using RecBlock = void (*)(const float* packed, const float* s, float* z, int64_t units, int panels, RecSoon& soon);
template <class P>
static RecBlock rec_block_of(int64_t rows) {
#define GRADCLIP_R(r) rec_block<P, (r <= kRecRows ? r : kRecRows)>
  static constexpr RecBlock kBlocks[] = {GRADCLIP_R(1),  GRADCLIP_R(2),  GRADCLIP_R(3),  GRADCLIP_R(4), GRADCLIP_R(5),
                                         GRADCLIP_R(6),  GRADCLIP_R(7),  GRADCLIP_R(8),  GRADCLIP_R(9), GRADCLIP_R(10),
                                         GRADCLIP_R(11), GRADCLIP_R(12), GRADCLIP_R(13), GRADCLIP_R(14)};
#undef GRADCLIP_R
  return kBlocks[rows - 1];
}
template <class P>
INLINE void rec_product(int64_t rows, const float* packed, const float* s, float* z, int64_t units, int panels, RecSoon& soon) {
  [[maybe_unused]] const Flush<P> flush;
  rec_block_of<typename P::Multiplied>(rows)(packed, s, z, units, panels, soon);
}
}   // namespace gradclip::GRADCLIP_ISA
