// sse.h: one register of the x86-64 baseline, SSE2. avx512.h says what the functions do.
#pragma once
#include "../unit.h"

namespace gradclip::GRADCLIP_ISA {
constexpr int W = 4;
constexpr int kRegs = 16;
constexpr bool kFma = false;
constexpr bool kMasks = false;
constexpr bool kDots = false;
typedef __m128 RF;
typedef __m128d RD;
typedef __m128i RI;
typedef __m128 RM;
typedef __m128d RDM;
static inline RF r_load(const float* p) { return _mm_loadu_ps(p); }
static inline void r_store(float* p, RF a) { _mm_storeu_ps(p, a); }
static inline RF r_set1(float a) { return _mm_set1_ps(a); }
static inline RF r_add(RF a, RF b) { return _mm_add_ps(a, b); }
static inline RF r_sub(RF a, RF b) { return _mm_sub_ps(a, b); }
static inline RF r_mul(RF a, RF b) { return _mm_mul_ps(a, b); }
static inline RF r_div(RF a, RF b) { return _mm_div_ps(a, b); }
static inline RF r_sqrt(RF a) { return _mm_sqrt_ps(a); }
static inline RF r_fma(RF a, RF b, RF c) { return _mm_add_ps(_mm_mul_ps(a, b), c); }   // no fma here: rounds twice
static inline RF r_min(RF a, RF b) { return _mm_min_ps(a, b); }
static inline RF r_max(RF a, RF b) { return _mm_max_ps(a, b); }
static inline RF r_select(RM m, RF a, RF b) { return _mm_or_ps(_mm_and_ps(m, a), _mm_andnot_ps(m, b)); }
static inline RM r_lt(RF a, RF b) { return _mm_cmplt_ps(a, b); }
static inline RM r_le(RF a, RF b) { return _mm_cmple_ps(a, b); }
static inline RM r_eq(RF a, RF b) { return _mm_cmpeq_ps(a, b); }
static inline RM r_ne(RF a, RF b) { return _mm_and_ps(_mm_cmpord_ps(a, b), _mm_cmpneq_ps(a, b)); }
static inline RM r_mand(RM a, RM b) { return _mm_and_ps(a, b); }
static inline RM r_mor(RM a, RM b) { return _mm_or_ps(a, b); }
static inline RM r_mnot(RM a) { return _mm_xor_ps(a, _mm_castsi128_ps(_mm_set1_epi32(-1))); }
static inline int r_mbits(RM a) { return _mm_movemask_ps(a); }
static inline RM r_mfirst(int n) {
  return _mm_castsi128_ps(_mm_cmpgt_epi32(_mm_set1_epi32(n), _mm_setr_epi32(0, 1, 2, 3)));
}
static inline RF r_loadm(const float* p, RM m) {
  const int b = _mm_movemask_ps(m);
  float t[4] = {b & 1 ? p[0] : 0.f, b & 2 ? p[1] : 0.f, b & 4 ? p[2] : 0.f, b & 8 ? p[3] : 0.f};
  return _mm_loadu_ps(t);
}
static inline void r_storem(float* p, RF a, RM m) {
  const int b = _mm_movemask_ps(m);
  float t[4];
  _mm_storeu_ps(t, a);
  for (int i = 0; i < 4; i++)
    if (b >> i & 1) p[i] = t[i];
}
static inline RI r_bits(RF a) { return _mm_castps_si128(a); }
static inline RF r_even(RF a, RF b) { return _mm_shuffle_ps(a, b, 0x88); }
static inline RF r_odd(RF a, RF b) { return _mm_shuffle_ps(a, b, 0xdd); }
static inline RF r_zip_low(RF a, RF b) { return _mm_unpacklo_ps(a, b); }
static inline RF r_zip_high(RF a, RF b) { return _mm_unpackhi_ps(a, b); }
static inline RF r_swap(RF a) { return _mm_shuffle_ps(a, a, 0xb1); }
static inline RF r_float(RI a) { return _mm_castsi128_ps(a); }
static inline RI r_iset1(int32_t a) { return _mm_set1_epi32(a); }
static inline RI r_iadd(RI a, RI b) { return _mm_add_epi32(a, b); }
static inline RI r_isub(RI a, RI b) { return _mm_sub_epi32(a, b); }
static inline RI r_iand(RI a, RI b) { return _mm_and_si128(a, b); }
static inline RI r_ior(RI a, RI b) { return _mm_or_si128(a, b); }
static inline RI r_ixor(RI a, RI b) { return _mm_xor_si128(a, b); }
static inline void r_imulwide(RI a, RI b, RI& high, RI& low) {
  const RI even = _mm_mul_epu32(a, b), odd = _mm_mul_epu32(_mm_srli_epi64(a, 32), _mm_srli_epi64(b, 32));
  const RI lower = _mm_set1_epi64x(0xffffffffll);
  high = _mm_or_si128(_mm_srli_epi64(even, 32), _mm_andnot_si128(lower, odd));
  low = _mm_or_si128(_mm_and_si128(lower, even), _mm_slli_epi64(odd, 32));
}
template <int S> static inline RI r_ishl(RI a) { return _mm_slli_epi32(a, S); }
template <int S> static inline RI r_ishr(RI a) { return _mm_srli_epi32(a, S); }
static inline RI r_toint(RF a) { return _mm_cvtps_epi32(a); }
static inline RF r_tofloat(RI a) { return _mm_cvtepi32_ps(a); }
// Nearest even, as roundps: exact for every float since those from 2^23 up are whole already.
static inline RF r_round(RF a) {
  const RF sign = _mm_castsi128_ps(_mm_set1_epi32((int)0x80000000u));
  const RF mag = _mm_andnot_ps(sign, a), whole = _mm_or_ps(_mm_cvtepi32_ps(_mm_cvtps_epi32(mag)), _mm_and_ps(a, sign));
  return r_select(_mm_cmplt_ps(mag, _mm_set1_ps(8388608.f)), whole, a);
}
static inline RI r_iload(const int32_t* p) { return _mm_loadu_si128((const __m128i*)p); }
static inline void r_istore(int32_t* p, RI a) { _mm_storeu_si128((__m128i*)p, a); }
static inline RD r_dload(const double* p) { return _mm_loadu_pd(p); }
static inline void r_dstore(double* p, RD a) { _mm_storeu_pd(p, a); }
static inline RD r_dset1(double a) { return _mm_set1_pd(a); }
static inline RD r_dadd(RD a, RD b) { return _mm_add_pd(a, b); }
static inline RD r_dsub(RD a, RD b) { return _mm_sub_pd(a, b); }
static inline RD r_dmul(RD a, RD b) { return _mm_mul_pd(a, b); }
static inline RD r_ddiv(RD a, RD b) { return _mm_div_pd(a, b); }
static inline RD r_dsqrt(RD a) { return _mm_sqrt_pd(a); }
static inline RD r_dfma(RD a, RD b, RD c) { return _mm_add_pd(_mm_mul_pd(a, b), c); }
static inline RD r_dmin(RD a, RD b) { return _mm_min_pd(a, b); }
static inline RD r_dmax(RD a, RD b) { return _mm_max_pd(a, b); }
static inline RD r_dabs(RD a) { return _mm_andnot_pd(_mm_set1_pd(-0.0), a); }
static inline RDM r_dlt(RD a, RD b) { return _mm_cmplt_pd(a, b); }
static inline RDM r_dle(RD a, RD b) { return _mm_cmple_pd(a, b); }
static inline RDM r_deq(RD a, RD b) { return _mm_cmpeq_pd(a, b); }
static inline RD r_dselect(RDM m, RD a, RD b) { return _mm_or_pd(_mm_and_pd(m, a), _mm_andnot_pd(m, b)); }
static inline void r_widen(RF a, RD& lo, RD& hi) {
  lo = _mm_cvtps_pd(a);
  hi = _mm_cvtps_pd(_mm_movehl_ps(a, a));
}
static inline RD r_widenload(const float* p) { return _mm_cvtps_pd(_mm_castsi128_ps(_mm_loadl_epi64((const __m128i*)p))); }
static inline RF r_narrow(RD lo, RD hi) { return _mm_movelh_ps(_mm_cvtpd_ps(lo), _mm_cvtpd_ps(hi)); }
INLINE RF r_fma_to(RF a, RF x, RF b) { return r_fma(x, b, a); }
INLINE RF r_fma_to(RF a, const float* x, RF b) { return r_fma_to(a, r_set1(*x), b); }
constexpr bool kLanes = false;
template <int N> struct Numbers { const float* p; };
template <int N> INLINE Numbers<N> r_numbers(const float* p) { return {p}; }
template <int N> INLINE RF r_number(const Numbers<N>& f, int i) { return r_set1(f.p[i]); }
static inline void r_transpose(RF (&r)[W]) { _MM_TRANSPOSE4_PS(r[0], r[1], r[2], r[3]); }
}   // namespace gradclip::GRADCLIP_ISA
