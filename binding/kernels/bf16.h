// bf16.h: products of numbers that are rounded to bf16 (the upper half of an f32) and summed in f32, to the same bits everywhere.
// Both operands are rounded to nearest even; a denormal becomes the zero of its sign. Terms come in pairs: of 2p and 2p + 1 the second
// first, sum = fma(a[2p + 1], b[2p + 1], sum), then sum = fma(a[2p], b[2p], sum). Denormals count as zeros on the way, in the sum too.
// Where their number is odd, the last pair has zeros for its second term. That is what vdpbf16ps computes (kDots), on *words* of two
// numbers. Elsewhere operands are packed as f32 that have been rounded, those of a pair in changed places, and multiplied as f32 are, with
// Flush around it. (ARM flushes before it rounds: a sum that rounds up to 2^-126 is 0 there.)
#pragma once
#include "simd.h"

namespace gradclip::GRADCLIP_ISA {
// What the operands of a product are packed as. A unit is what is multiplied at a time: so many terms, in so many floats of memory.
struct F32 {
  static constexpr int terms = 1, words = 1;
  using Multiplied = F32;   // what multiplies it, once it is packed
};
struct Bf16 {
  static constexpr int terms = 2, words = kDots ? 1 : 2;
#if defined(__AVX512BF16__)
  using Multiplied = Bf16;
#else
  using Multiplied = F32;
#endif
};
template <class P>
static inline int64_t units_of(int64_t terms) {
  return P::terms == 1 ? terms : (terms + 1) / 2;
}
// Floats of memory that so many terms take.
template <class P>
static inline int64_t words_of(int64_t terms) {
  return units_of<P>(terms) * P::words;
}
template <class P>
constexpr int kTermsOfRegister = W * P::terms / P::words;   // that lie side by side

// a + x * b of what is packed, where x is a register, or a number in all lanes: as r_fma_to.
template <class P, class X>
INLINE RF mul_to(RF a, X x, RF b) {
#if defined(__AVX512BF16__)
  if constexpr (P::terms == 2) return r_dot_to(a, x, b);
#endif
  return r_fma_to(a, x, b);
}

// Rounded to bf16, as an f32. A NaN stays one, a quiet one.
static inline RF r_bf16(RF a) {
#if defined(__AVX512BF16__)
  return r_nearest(a);
#else
  const RI bits = r_bits(a), up = r_iadd(r_iand(r_ishr<16>(bits), r_iset1(1)), r_iset1(0x7fff));
  const RF value = r_select(r_eq(a, a), r_float(r_iadd(bits, up)), r_float(r_ior(bits, r_iset1(0x400000))));
  const RM denormal = r_eq(r_float(r_iand(bits, r_iset1(0x7f800000))), r_set1(0.f));
  const RF sign = r_float(r_iset1((int32_t)0x80000000u)), upper = r_float(r_iset1((int32_t)0xffff0000u));
  return r_float(r_iand(r_bits(value), r_bits(r_select(denormal, sign, upper))));
#endif
}

// To nearest even, as products round (bf16.h): a denormal becomes the zero of its sign, NaN a quiet NaN. Whole numbers alone, so that no mode of the
// processor matters, and without branches, so that the compiler makes vectors of it.
static inline uint16_t narrow_bits(uint32_t x) {
  const uint32_t rounded = (x + 0x7fff + (x >> 16 & 1)) >> 16, high = x >> 16;
  const uint32_t finite = (x & 0x7f800000) == 0 ? high & 0x8000 : rounded;
  return (uint16_t)((x & 0x7fffffff) > 0x7f800000 ? high | 0x40 : finite);
}
// The same as an f32.
static inline float as_bf16(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  bits = (uint32_t)narrow_bits(bits) << 16;
  memcpy(&x, &bits, 4);
  return x;
}

// The units of two rows, one in each lane: words; emulated, the second terms, then the first ones.
template <class P>
struct Units {
  RF v[P::words];
};
INLINE Units<Bf16> pair_up(RF first, RF second) {
#if defined(__AVX512BF16__)
  return {r_words_of(first, second)};
#else
  return {r_bf16(second), r_bf16(first)};
#endif
}
// The same in memory, the first terms `next` floats behind the second ones.
INLINE void store_pairs(float* to, int64_t next, RF first, RF second) {
  const Units<Bf16> unit = pair_up(first, second);
  for (int u = 0; u < Bf16::words; u++) r_store(to + u * next, unit.v[u]);
}

// The words of a register, of numbers that lie side by side from p on: of as many as it holds, or of n that are left.
template <class P>
INLINE RF load_words(const float* p) {
#if defined(__AVX512BF16__)
  if constexpr (P::terms == 2) return r_words(r_load(p), r_load(p + W));
#endif
  return P::terms == 2 ? r_swap(r_bf16(r_load(p))) : r_load(p);
}
template <class P>
INLINE RF load_words(const float* p, int n) {
#if defined(__AVX512BF16__)
  if constexpr (P::terms == 2) return r_words(r_loadm(p, r_mfirst(n)), r_loadm(p + W, r_mfirst(n - W)));
#endif
  const RF x = r_loadm(p, r_mfirst(n));
  return P::terms == 2 ? r_swap(r_bf16(x)) : x;
}

// The words of `terms` numbers that lie side by side.
template <class P>
static inline void pack_row(const float* from, int64_t terms, float* to) {
  constexpr int T = kTermsOfRegister<P>;
  int64_t p = 0;
  for (; p + T <= terms; p += T, to += W) r_store(to, load_words<P>(from + p));
  const int n = (int)(terms - p);
  if (n > 0) r_storem(to, load_words<P>(from + p, n), r_mfirst((int)words_of<P>(n)));
}

// The words of a lane group.
template <class P>
INLINE void store_words(float* to, F v) {
#if defined(__AVX512BF16__)
  if constexpr (P::terms == 2) return r_store_words(to, v.v[0]);
#endif
  for (int i = 0; i < NR; i++) r_store(to + W * i, P::terms == 2 ? r_swap(r_bf16(v.v[i])) : v.v[i]);
}

// While there is one, denormals count as zeros and become zeros: where bf16 is emulated. It stands around micro-kernels that are called
// through a pointer, which no compiler moves out of it, and not around what follows a product.
template <class P>
struct [[maybe_unused]] Flush {};
#if !defined(__AVX512BF16__) && defined(__x86_64__)
template <>
struct [[maybe_unused]] Flush<Bf16> {
  const unsigned before = _mm_getcsr();
  Flush() { _mm_setcsr(before | 0x8040); }
  ~Flush() { _mm_setcsr(before); }
};
#elif defined(__aarch64__)
template <>
struct [[maybe_unused]] Flush<Bf16> {
  uint64_t before;
  Flush() {
    asm volatile("mrs %0, fpcr" : "=r"(before)::"memory");
    asm volatile("msr fpcr, %0" ::"r"(before | 1 << 24) : "memory");
  }
  ~Flush() { asm volatile("msr fpcr, %0" ::"r"(before) : "memory"); }
};
#endif
}   // namespace gradclip::GRADCLIP_ISA
