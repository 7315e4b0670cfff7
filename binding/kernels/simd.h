// simd.h: the lane groups all kernels are written with: F 16 x f32, D 16 x f64, I 16 x i32, M a mask of 16 lanes.
// One set of functions for every ISA, so a kernel gives the same bits on AVX2 and AVX-512 by construction.
// r_* below are the operations on one register of the ISA (W floats); micro-kernels that count registers use those.

#if defined(__AVX512F__)
constexpr int W = 16;
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

#elif defined(__AVX2__)
constexpr int W = 8;
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
static inline RF r_turn(RF a) { return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(a), 0xd8)); }
static inline RF r_even(RF a, RF b) { return r_turn(_mm256_shuffle_ps(a, b, 0x88)); }
static inline RF r_odd(RF a, RF b) { return r_turn(_mm256_shuffle_ps(a, b, 0xdd)); }
static inline RF r_zip_low(RF a, RF b) {
  return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x20);
}
static inline RF r_zip_high(RF a, RF b) {
  return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x31);
}
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

#else
constexpr int W = 4;
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
#endif

// ---- lane groups of 16, the same on every ISA --------------------------------------------------------------------
constexpr int L = 16;           // lanes of a group
constexpr int NR = L / W;       // registers of an F
struct F { RF v[NR]; };
struct I { RI v[NR]; };
struct M { RM v[NR]; };
struct D { RD v[2 * NR]; };
struct DM { RDM v[2 * NR]; };

#define GRADCLIP_EACH(n, expr) \
  for (int i = 0; i < (n); i++) expr
#define GRADCLIP_F1(name) static inline F name(F a) { F r; GRADCLIP_EACH(NR, r.v[i] = r_##name(a.v[i])); return r; }
#define GRADCLIP_F2(name) static inline F name(F a, F b) { F r; GRADCLIP_EACH(NR, r.v[i] = r_##name(a.v[i], b.v[i])); return r; }
#define GRADCLIP_CMP(name) static inline M name(F a, F b) { M r; GRADCLIP_EACH(NR, r.v[i] = r_##name(a.v[i], b.v[i])); return r; }
#define GRADCLIP_I2(name) static inline I name(I a, I b) { I r; GRADCLIP_EACH(NR, r.v[i] = r_##name(a.v[i], b.v[i])); return r; }
#define GRADCLIP_D2(name) static inline D name(D a, D b) { D r; GRADCLIP_EACH(2 * NR, r.v[i] = r_d##name(a.v[i], b.v[i])); return r; }
#define GRADCLIP_DCMP(name) static inline DM name(D a, D b) { DM r; GRADCLIP_EACH(2 * NR, r.v[i] = r_d##name(a.v[i], b.v[i])); return r; }
GRADCLIP_F2(add) GRADCLIP_F2(sub) GRADCLIP_F2(mul) GRADCLIP_F2(div) GRADCLIP_F2(min) GRADCLIP_F2(max)
GRADCLIP_F1(sqrt) GRADCLIP_F1(round)
GRADCLIP_CMP(lt) GRADCLIP_CMP(le) GRADCLIP_CMP(eq) GRADCLIP_CMP(ne)
GRADCLIP_I2(iadd) GRADCLIP_I2(isub) GRADCLIP_I2(iand) GRADCLIP_I2(ior) GRADCLIP_I2(ixor)
GRADCLIP_D2(add) GRADCLIP_D2(sub) GRADCLIP_D2(mul) GRADCLIP_D2(div) GRADCLIP_D2(min) GRADCLIP_D2(max)
GRADCLIP_DCMP(lt) GRADCLIP_DCMP(le) GRADCLIP_DCMP(eq)
static inline F load(const float* p) { F r; GRADCLIP_EACH(NR, r.v[i] = r_load(p + W * i)); return r; }
static inline void store(float* p, F a) { GRADCLIP_EACH(NR, r_store(p + W * i, a.v[i])); }
// The first n lanes (0..16); the others read as zero, and no memory past n is touched.
static inline F load_n(const float* p, int n) { F r; GRADCLIP_EACH(NR, r.v[i] = r_loadm(p + W * i, r_mfirst(n - W * i))); return r; }
static inline void store_n(float* p, F a, int n) { GRADCLIP_EACH(NR, r_storem(p + W * i, a.v[i], r_mfirst(n - W * i))); }
static inline F set1(float x) { F r; GRADCLIP_EACH(NR, r.v[i] = r_set1(x)); return r; }
static inline F fma(F a, F b, F c) { F r; GRADCLIP_EACH(NR, r.v[i] = r_fma(a.v[i], b.v[i], c.v[i])); return r; }   // a * b + c
static inline F select(M m, F a, F b) { F r; GRADCLIP_EACH(NR, r.v[i] = r_select(m.v[i], a.v[i], b.v[i])); return r; }   // m ? a : b
static inline M mand(M a, M b) { M r; GRADCLIP_EACH(NR, r.v[i] = r_mand(a.v[i], b.v[i])); return r; }
static inline M mor(M a, M b) { M r; GRADCLIP_EACH(NR, r.v[i] = r_mor(a.v[i], b.v[i])); return r; }
static inline M mnot(M a) { M r; GRADCLIP_EACH(NR, r.v[i] = r_mnot(a.v[i])); return r; }
static inline int mbits(M a) { int r = 0; GRADCLIP_EACH(NR, r |= r_mbits(a.v[i]) << (W * i)); return r; }
static inline I bits(F a) { I r; GRADCLIP_EACH(NR, r.v[i] = r_bits(a.v[i])); return r; }
static inline F as_float(I a) { F r; GRADCLIP_EACH(NR, r.v[i] = r_float(a.v[i])); return r; }
static inline I iset1(int32_t x) { I r; GRADCLIP_EACH(NR, r.v[i] = r_iset1(x)); return r; }
static inline I to_int(F a) { I r; GRADCLIP_EACH(NR, r.v[i] = r_toint(a.v[i])); return r; }      // nearest even
static inline F to_float(I a) { F r; GRADCLIP_EACH(NR, r.v[i] = r_tofloat(a.v[i])); return r; }
template <int S> static inline I ishl(I a) { I r; GRADCLIP_EACH(NR, r.v[i] = r_ishl<S>(a.v[i])); return r; }
template <int S> static inline I ishr(I a) { I r; GRADCLIP_EACH(NR, r.v[i] = r_ishr<S>(a.v[i])); return r; }
static inline void imul_wide(I a, I b, I& high, I& low) { GRADCLIP_EACH(NR, r_imulwide(a.v[i], b.v[i], high.v[i], low.v[i])); }
static inline I iload(const int32_t* p) { I r; GRADCLIP_EACH(NR, r.v[i] = r_iload(p + W * i)); return r; }
static inline void istore(int32_t* p, I a) { GRADCLIP_EACH(NR, r_istore(p + W * i, a.v[i])); }
static inline F neg(F a) { return as_float(ixor(bits(a), iset1((int32_t)0x80000000u))); }
static inline F abs(F a) { return as_float(iand(bits(a), iset1(0x7fffffff))); }
// Of 32 elements, a then b: those at even and at odd places; and their opposite, elements of a and b in turn, 16 and 16 more.
static inline F even(F a, F b) { F r; GRADCLIP_EACH(NR, r.v[i] = r_even(2 * i < NR ? a.v[2 * i] : b.v[2 * i - NR], 2 * i + 1 < NR ? a.v[2 * i + 1] : b.v[2 * i + 1 - NR])); return r; }
static inline F odd(F a, F b) { F r; GRADCLIP_EACH(NR, r.v[i] = r_odd(2 * i < NR ? a.v[2 * i] : b.v[2 * i - NR], 2 * i + 1 < NR ? a.v[2 * i + 1] : b.v[2 * i + 1 - NR])); return r; }
static inline F zip_low(F a, F b) { F r; GRADCLIP_EACH(NR, r.v[i] = i % 2 ? r_zip_high(a.v[i / 2], b.v[i / 2]) : r_zip_low(a.v[i / 2], b.v[i / 2])); return r; }
static inline F zip_high(F a, F b) { F r; GRADCLIP_EACH(NR, r.v[i] = (i + NR) % 2 ? r_zip_high(a.v[(i + NR) / 2], b.v[(i + NR) / 2]) : r_zip_low(a.v[(i + NR) / 2], b.v[(i + NR) / 2])); return r; }
static inline D dload(const double* p) { D r; GRADCLIP_EACH(2 * NR, r.v[i] = r_dload(p + W / 2 * i)); return r; }
static inline void dstore(double* p, D a) { GRADCLIP_EACH(2 * NR, r_dstore(p + W / 2 * i, a.v[i])); }
static inline D dset1(double x) { D r; GRADCLIP_EACH(2 * NR, r.v[i] = r_dset1(x)); return r; }
static inline D fma(D a, D b, D c) { D r; GRADCLIP_EACH(2 * NR, r.v[i] = r_dfma(a.v[i], b.v[i], c.v[i])); return r; }
static inline D sqrt(D a) { D r; GRADCLIP_EACH(2 * NR, r.v[i] = r_dsqrt(a.v[i])); return r; }
static inline D abs(D a) { D r; GRADCLIP_EACH(2 * NR, r.v[i] = r_dabs(a.v[i])); return r; }
static inline D select(DM m, D a, D b) { D r; GRADCLIP_EACH(2 * NR, r.v[i] = r_dselect(m.v[i], a.v[i], b.v[i])); return r; }
static inline D widen(F a) { D r; GRADCLIP_EACH(NR, r_widen(a.v[i], r.v[2 * i], r.v[2 * i + 1])); return r; }
static inline D widen_load(const float* p) { D r; GRADCLIP_EACH(2 * NR, r.v[i] = r_widenload(p + W / 2 * i)); return r; }   // cheaper than widen(load(p))
static inline F narrow(D a) { F r; GRADCLIP_EACH(NR, r.v[i] = r_narrow(a.v[2 * i], a.v[2 * i + 1])); return r; }
// Sum of the 16 lanes in one fixed tree (lane i and i + 8, then i + 4 ...), so that every ISA and every fused form gives the same bits.
static inline double hsum(D a) {
  for (int w = NR; w > 0; w /= 2) GRADCLIP_EACH(w, a.v[i] = r_dadd(a.v[i], a.v[i + w]));
  double t[W / 2];
  r_dstore(t, a.v[0]);
  for (int w = W / 4; w > 0; w /= 2) GRADCLIP_EACH(w, t[i] += t[i + w]);
  return t[0];
}
#undef GRADCLIP_EACH
#undef GRADCLIP_F1
#undef GRADCLIP_F2
#undef GRADCLIP_CMP
#undef GRADCLIP_I2
#undef GRADCLIP_D2
#undef GRADCLIP_DCMP
