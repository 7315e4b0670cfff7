// avx2.h: one register of AVX2 with FMA. avx512.h says what the functions do.
#pragma once
#include "../unit.h"

namespace gradclip::GRADCLIP_ISA {
constexpr int W = 8;
constexpr int kRegs = 16;
constexpr bool kFma = true;
constexpr bool kMasks = true;
constexpr bool kDots = false;
typedef __m256 RF;
typedef __m256d RD;
typedef __m256i RI;
typedef __m256 RM;
typedef __m256d RDM;
static inline RF r_load(const float* p) { return _mm256_loadu_ps(p); }
static inline void r_store(float* p, RF a) { _mm256_storeu_ps(p, a); }
static inline RF r_set1(float a) { return _mm256_set1_ps(a); }
static inline RF r_add(RF a, RF b) { return _mm256_add_ps(a, b); }
static inline RF r_sub(RF a, RF b) { return _mm256_sub_ps(a, b); }
static inline RF r_mul(RF a, RF b) { return _mm256_mul_ps(a, b); }
static inline RF r_div(RF a, RF b) { return _mm256_div_ps(a, b); }
static inline RF r_sqrt(RF a) { return _mm256_sqrt_ps(a); }
static inline RF r_fma(RF a, RF b, RF c) { return _mm256_fmadd_ps(a, b, c); }
static inline RF r_min(RF a, RF b) { return _mm256_min_ps(a, b); }
static inline RF r_max(RF a, RF b) { return _mm256_max_ps(a, b); }
static inline RF r_round(RF a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline RM r_lt(RF a, RF b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
static inline RM r_le(RF a, RF b) { return _mm256_cmp_ps(a, b, _CMP_LE_OQ); }
static inline RM r_eq(RF a, RF b) { return _mm256_cmp_ps(a, b, _CMP_EQ_OQ); }
static inline RM r_ne(RF a, RF b) { return _mm256_cmp_ps(a, b, _CMP_NEQ_OQ); }
static inline RF r_select(RM m, RF a, RF b) { return _mm256_blendv_ps(b, a, m); }
static inline RM r_mand(RM a, RM b) { return _mm256_and_ps(a, b); }
static inline RM r_mor(RM a, RM b) { return _mm256_or_ps(a, b); }
static inline RM r_mnot(RM a) { return _mm256_xor_ps(a, _mm256_castsi256_ps(_mm256_set1_epi32(-1))); }
static inline int r_mbits(RM a) { return _mm256_movemask_ps(a); }
static inline RM r_mfirst(int n) {
  return _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)));
}
static inline RF r_loadm(const float* p, RM m) { return _mm256_maskload_ps(p, _mm256_castps_si256(m)); }
static inline void r_storem(float* p, RF a, RM m) { _mm256_maskstore_ps(p, _mm256_castps_si256(m), a); }
static inline RI r_bits(RF a) { return _mm256_castps_si256(a); }
static inline RF turn(RF a) { return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(a), 0xd8)); }
static inline RF r_even(RF a, RF b) { return turn(_mm256_shuffle_ps(a, b, 0x88)); }
static inline RF r_odd(RF a, RF b) { return turn(_mm256_shuffle_ps(a, b, 0xdd)); }
static inline RF r_zip_low(RF a, RF b) {
  return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x20);
}
static inline RF r_zip_high(RF a, RF b) {
  return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x31);
}
static inline RF r_swap(RF a) { return _mm256_permute_ps(a, 0xb1); }
static inline RF r_float(RI a) { return _mm256_castsi256_ps(a); }
static inline RI r_iset1(int32_t a) { return _mm256_set1_epi32(a); }
static inline RI r_iadd(RI a, RI b) { return _mm256_add_epi32(a, b); }
static inline RI r_isub(RI a, RI b) { return _mm256_sub_epi32(a, b); }
static inline RI r_iand(RI a, RI b) { return _mm256_and_si256(a, b); }
static inline RI r_ior(RI a, RI b) { return _mm256_or_si256(a, b); }
static inline RI r_ixor(RI a, RI b) { return _mm256_xor_si256(a, b); }
static inline void r_imulwide(RI a, RI b, RI& high, RI& low) {
  const RI even = _mm256_mul_epu32(a, b), odd = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), _mm256_srli_epi64(b, 32));
  high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
  low = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
}
template <int S> static inline RI r_ishl(RI a) { return _mm256_slli_epi32(a, S); }
template <int S> static inline RI r_ishr(RI a) { return _mm256_srli_epi32(a, S); }
static inline RI r_toint(RF a) { return _mm256_cvtps_epi32(a); }
static inline RF r_tofloat(RI a) { return _mm256_cvtepi32_ps(a); }
static inline RI r_iload(const int32_t* p) { return _mm256_loadu_si256((const __m256i*)p); }
static inline void r_istore(int32_t* p, RI a) { _mm256_storeu_si256((__m256i*)p, a); }
static inline RD r_dload(const double* p) { return _mm256_loadu_pd(p); }
static inline void r_dstore(double* p, RD a) { _mm256_storeu_pd(p, a); }
static inline RD r_dset1(double a) { return _mm256_set1_pd(a); }
static inline RD r_dadd(RD a, RD b) { return _mm256_add_pd(a, b); }
static inline RD r_dsub(RD a, RD b) { return _mm256_sub_pd(a, b); }
static inline RD r_dmul(RD a, RD b) { return _mm256_mul_pd(a, b); }
static inline RD r_ddiv(RD a, RD b) { return _mm256_div_pd(a, b); }
static inline RD r_dsqrt(RD a) { return _mm256_sqrt_pd(a); }
static inline RD r_dfma(RD a, RD b, RD c) { return _mm256_fmadd_pd(a, b, c); }
static inline RD r_dmin(RD a, RD b) { return _mm256_min_pd(a, b); }
static inline RD r_dmax(RD a, RD b) { return _mm256_max_pd(a, b); }
static inline RD r_dabs(RD a) { return _mm256_andnot_pd(_mm256_set1_pd(-0.0), a); }
static inline RDM r_dlt(RD a, RD b) { return _mm256_cmp_pd(a, b, _CMP_LT_OQ); }
static inline RDM r_dle(RD a, RD b) { return _mm256_cmp_pd(a, b, _CMP_LE_OQ); }
static inline RDM r_deq(RD a, RD b) { return _mm256_cmp_pd(a, b, _CMP_EQ_OQ); }
static inline RD r_dselect(RDM m, RD a, RD b) { return _mm256_blendv_pd(b, a, m); }
static inline void r_widen(RF a, RD& lo, RD& hi) {
  lo = _mm256_cvtps_pd(_mm256_castps256_ps128(a));
  hi = _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1));
}
static inline RD r_widenload(const float* p) { return _mm256_cvtps_pd(_mm_loadu_ps(p)); }
static inline RF r_narrow(RD lo, RD hi) {
  return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm256_cvtpd_ps(lo)), _mm256_cvtpd_ps(hi), 1);
}
INLINE RF r_fma_to(RF a, RF x, RF b) {
  asm("vfmadd231ps %2, %1, %0" : "+v"(a) : "v"(x), "v"(b));
  return a;
}
INLINE RF r_fma_to(RF a, const float* x, RF b) { return r_fma_to(a, r_set1(*x), b); }
constexpr bool kLanes = false;
template <int N> struct Numbers { const float* p; };
template <int N> INLINE Numbers<N> r_numbers(const float* p) { return {p}; }
template <int N> INLINE RF r_number(const Numbers<N>& f, int i) { return r_set1(f.p[i]); }
static inline void r_transpose(RF (&r)[W]) {
  __m256 a[8], b[8];
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    a[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    a[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4) {   // b[i + c]: columns c and c + 4 of rows i .. i + 3
    b[i] = _mm256_shuffle_ps(a[i], a[i + 2], 0x44);
    b[i + 1] = _mm256_shuffle_ps(a[i], a[i + 2], 0xee);
    b[i + 2] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0x44);
    b[i + 3] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0xee);
  }
#pragma GCC unroll 4
  for (int c = 0; c < 4; c++) {
    r[c] = _mm256_permute2f128_ps(b[c], b[4 + c], 0x20);
    r[4 + c] = _mm256_permute2f128_ps(b[c], b[4 + c], 0x31);
  }
}
}   // namespace gradclip::GRADCLIP_ISA
