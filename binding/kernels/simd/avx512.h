// avx512.h: one register of AVX-512 (F, BW, DQ, VL). The files of the other instruction sets have the same functions.
#pragma once
#include "../unit.h"

namespace gradclip::GRADCLIP_ISA {
constexpr int W = 16;         // floats of a register
constexpr int kRegs = 32;     // registers there are
constexpr bool kFma = true;   // r_fma and r_dfma round once
constexpr bool kMasks = true;   // r_loadm and r_storem are one instruction
#if defined(__AVX512BF16__)
constexpr bool kDots = true;   // avx512bf16.h has r_dot_to, and what packs its words
#else
constexpr bool kDots = false;
#endif
typedef __m512 RF;
typedef __m512d RD;
typedef __m512i RI;
typedef __mmask16 RM;   // mask over RF and RI
typedef __mmask8 RDM;   // mask over RD
static inline RF r_load(const float* p) { return _mm512_loadu_ps(p); }
static inline void r_store(float* p, RF a) { _mm512_storeu_ps(p, a); }
static inline RF r_set1(float a) { return _mm512_set1_ps(a); }
static inline RF r_add(RF a, RF b) { return _mm512_add_ps(a, b); }
static inline RF r_sub(RF a, RF b) { return _mm512_sub_ps(a, b); }
static inline RF r_mul(RF a, RF b) { return _mm512_mul_ps(a, b); }
static inline RF r_div(RF a, RF b) { return _mm512_div_ps(a, b); }
static inline RF r_sqrt(RF a) { return _mm512_sqrt_ps(a); }
static inline RF r_fma(RF a, RF b, RF c) { return _mm512_fmadd_ps(a, b, c); }   // a * b + c, rounded once
static inline RF r_min(RF a, RF b) { return _mm512_min_ps(a, b); }              // b when either is NaN, as minps
static inline RF r_max(RF a, RF b) { return _mm512_max_ps(a, b); }
static inline RF r_round(RF a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline RM r_lt(RF a, RF b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
static inline RM r_le(RF a, RF b) { return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ); }
static inline RM r_eq(RF a, RF b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
static inline RM r_ne(RF a, RF b) { return _mm512_cmp_ps_mask(a, b, _CMP_NEQ_OQ); }   // false where either is NaN
static inline RF r_select(RM m, RF a, RF b) { return _mm512_mask_blend_ps(m, b, a); }   // m ? a : b
static inline RM r_mand(RM a, RM b) { return a & b; }
static inline RM r_mor(RM a, RM b) { return a | b; }
static inline RM r_mnot(RM a) { return (RM)~a; }
static inline int r_mbits(RM a) { return a; }
static inline RM r_mfirst(int n) { return n >= 16 ? (RM)0xffff : n <= 0 ? (RM)0 : (RM)((1u << n) - 1); }   // the first n lanes
static inline RF r_loadm(const float* p, RM m) { return _mm512_maskz_loadu_ps(m, p); }     // zero where masked off, no access
static inline void r_storem(float* p, RF a, RM m) { _mm512_mask_storeu_ps(p, m, a); }
static inline RI r_bits(RF a) { return _mm512_castps_si512(a); }
// Of the lanes of a, then b: those at even and at odd places. And their opposite, lanes of a and b in turn: the first and the second half.
static inline RF r_even(RF a, RF b) {
  return _mm512_permutex2var_ps(a, _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30), b);
}
static inline RF r_odd(RF a, RF b) {
  return _mm512_permutex2var_ps(a, _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31), b);
}
static inline RF r_zip_low(RF a, RF b) {
  return _mm512_permutex2var_ps(a, _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23), b);
}
static inline RF r_zip_high(RF a, RF b) {
  return _mm512_permutex2var_ps(a, _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31), b);
}
static inline RF r_swap(RF a) { return _mm512_permute_ps(a, 0xb1); }   // neighbors, 0 and 1, 2 and 3, ..., change places
static inline RF r_float(RI a) { return _mm512_castsi512_ps(a); }
static inline RI r_iset1(int32_t a) { return _mm512_set1_epi32(a); }
static inline RI r_iadd(RI a, RI b) { return _mm512_add_epi32(a, b); }
static inline RI r_isub(RI a, RI b) { return _mm512_sub_epi32(a, b); }
static inline RI r_iand(RI a, RI b) { return _mm512_and_si512(a, b); }
static inline RI r_ior(RI a, RI b) { return _mm512_or_si512(a, b); }
static inline RI r_ixor(RI a, RI b) { return _mm512_xor_si512(a, b); }
// The 64-bit products of unsigned lanes, as their upper and lower halves.
static inline void r_imulwide(RI a, RI b, RI& high, RI& low) {
  const RI even = _mm512_mul_epu32(a, b), odd = _mm512_mul_epu32(_mm512_srli_epi64(a, 32), _mm512_srli_epi64(b, 32));
  high = _mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 32), odd);
  low = _mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64(odd, 32));
}
template <int S> static inline RI r_ishl(RI a) { return _mm512_slli_epi32(a, S); }
template <int S> static inline RI r_ishr(RI a) { return _mm512_srli_epi32(a, S); }   // logical
static inline RI r_toint(RF a) { return _mm512_cvtps_epi32(a); }    // to nearest even
static inline RF r_tofloat(RI a) { return _mm512_cvtepi32_ps(a); }
static inline RI r_iload(const int32_t* p) { return _mm512_loadu_si512(p); }
static inline void r_istore(int32_t* p, RI a) { _mm512_storeu_si512(p, a); }
static inline RD r_dload(const double* p) { return _mm512_loadu_pd(p); }
static inline void r_dstore(double* p, RD a) { _mm512_storeu_pd(p, a); }
static inline RD r_dset1(double a) { return _mm512_set1_pd(a); }
static inline RD r_dadd(RD a, RD b) { return _mm512_add_pd(a, b); }
static inline RD r_dsub(RD a, RD b) { return _mm512_sub_pd(a, b); }
static inline RD r_dmul(RD a, RD b) { return _mm512_mul_pd(a, b); }
static inline RD r_ddiv(RD a, RD b) { return _mm512_div_pd(a, b); }
static inline RD r_dsqrt(RD a) { return _mm512_sqrt_pd(a); }
static inline RD r_dfma(RD a, RD b, RD c) { return _mm512_fmadd_pd(a, b, c); }
static inline RD r_dmin(RD a, RD b) { return _mm512_min_pd(a, b); }
static inline RD r_dmax(RD a, RD b) { return _mm512_max_pd(a, b); }
static inline RD r_dabs(RD a) { return _mm512_abs_pd(a); }
static inline RDM r_dlt(RD a, RD b) { return _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ); }
static inline RDM r_dle(RD a, RD b) { return _mm512_cmp_pd_mask(a, b, _CMP_LE_OQ); }
static inline RDM r_deq(RD a, RD b) { return _mm512_cmp_pd_mask(a, b, _CMP_EQ_OQ); }
static inline RD r_dselect(RDM m, RD a, RD b) { return _mm512_mask_blend_pd(m, b, a); }
static inline void r_widen(RF a, RD& lo, RD& hi) {
  lo = _mm512_cvtps_pd(_mm512_castps512_ps256(a));
  hi = _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1));
}
static inline RD r_widenload(const float* p) { return _mm512_cvtps_pd(_mm256_loadu_ps(p)); }   // W / 2 floats
static inline RF r_narrow(RD lo, RD hi) {
  return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(lo)), _mm512_cvtpd_ps(hi), 1);
}
// a + x * b, where the compiler may neither move a to another register nor swap factors: left to itself gcc spills accumulators.
INLINE RF r_fma_to(RF a, RF x, RF b) {
  asm("vfmadd231ps %2, %1, %0" : "+v"(a) : "v"(x), "v"(b));
  return a;
}
// The same with x[0] in all lanes of x.
INLINE RF r_fma_to(RF a, const float* x, RF b) {
  asm("vfmadd231ps %2%{1to16%}, %1, %0" : "+v"(a) : "v"(b), "m"(*x));
  return a;
}
// N numbers that lie side by side, each a factor of whole registers: broadcast from memory where it is needed.
constexpr bool kLanes = false;   // an fma takes one lane of a register as a factor
template <int N> struct Numbers { const float* p; };
template <int N> INLINE Numbers<N> r_numbers(const float* p) { return {p}; }
template <int N> INLINE RF r_number(const Numbers<N>& f, int i) { return r_set1(f.p[i]); }
// The W x W matrix in r, transposed.
static inline void r_transpose(RF (&r)[W]) {
  __m512 a[16], b[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    a[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
    a[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {   // b[i + c]: columns c, c + 4, c + 8, c + 12 of rows i .. i + 3
    b[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a[i]), _mm512_castps_pd(a[i + 2])));
    b[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a[i]), _mm512_castps_pd(a[i + 2])));
    b[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a[i + 1]), _mm512_castps_pd(a[i + 3])));
    b[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a[i + 1]), _mm512_castps_pd(a[i + 3])));
  }
#pragma GCC unroll 4
  for (int c = 0; c < 4; c++) {
    const __m512 lo = _mm512_shuffle_f32x4(b[c], b[4 + c], 0x88), hi = _mm512_shuffle_f32x4(b[8 + c], b[12 + c], 0x88);
    const __m512 lo2 = _mm512_shuffle_f32x4(b[c], b[4 + c], 0xdd), hi2 = _mm512_shuffle_f32x4(b[8 + c], b[12 + c], 0xdd);
    r[c] = _mm512_shuffle_f32x4(lo, hi, 0x88);
    r[8 + c] = _mm512_shuffle_f32x4(lo, hi, 0xdd);
    r[4 + c] = _mm512_shuffle_f32x4(lo2, hi2, 0x88);
    r[12 + c] = _mm512_shuffle_f32x4(lo2, hi2, 0xdd);
  }
}
}   // namespace gradclip::GRADCLIP_ISA
