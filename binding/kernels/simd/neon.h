// neon.h: one register of NEON, with fma, as every 64-bit ARM has it. avx512.h says what the functions do.
#pragma once
#include "../unit.h"

namespace gradclip::GRADCLIP_ISA {
constexpr int W = 4;
constexpr int kRegs = 32;
constexpr bool kFma = true;
constexpr bool kMasks = false;
constexpr bool kDots = false;
typedef float32x4_t RF;
typedef float64x2_t RD;
typedef int32x4_t RI;
typedef uint32x4_t RM;
typedef uint64x2_t RDM;
static inline RF r_load(const float* p) { return vld1q_f32(p); }
static inline void r_store(float* p, RF a) { vst1q_f32(p, a); }
static inline RF r_set1(float a) { return vdupq_n_f32(a); }
static inline RF r_add(RF a, RF b) { return vaddq_f32(a, b); }
static inline RF r_sub(RF a, RF b) { return vsubq_f32(a, b); }
static inline RF r_mul(RF a, RF b) { return vmulq_f32(a, b); }
static inline RF r_div(RF a, RF b) { return vdivq_f32(a, b); }
static inline RF r_sqrt(RF a) { return vsqrtq_f32(a); }
static inline RF r_fma(RF a, RF b, RF c) { return vfmaq_f32(c, a, b); }
static inline RF r_min(RF a, RF b) { return vbslq_f32(vcltq_f32(a, b), a, b); }   // fmin would give NaN, or -0 of two zeros
static inline RF r_max(RF a, RF b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
static inline RF r_round(RF a) { return vrndnq_f32(a); }
static inline RM r_lt(RF a, RF b) { return vcltq_f32(a, b); }
static inline RM r_le(RF a, RF b) { return vcleq_f32(a, b); }
static inline RM r_eq(RF a, RF b) { return vceqq_f32(a, b); }
static inline RM r_ne(RF a, RF b) { return vorrq_u32(vcltq_f32(a, b), vcgtq_f32(a, b)); }
static inline RF r_select(RM m, RF a, RF b) { return vbslq_f32(m, a, b); }
static inline RM r_mand(RM a, RM b) { return vandq_u32(a, b); }
static inline RM r_mor(RM a, RM b) { return vorrq_u32(a, b); }
static inline RM r_mnot(RM a) { return vmvnq_u32(a); }
static inline int r_mbits(RM a) { return (int)vaddvq_u32(vandq_u32(a, (RM){1, 2, 4, 8})); }
static inline RM r_mfirst(int n) { return vcgtq_s32(vdupq_n_s32(n), (RI){0, 1, 2, 3}); }
static inline RF r_loadm(const float* p, RM m) {
  const int b = r_mbits(m);
  if (b == 15) return vld1q_f32(p);
  RF r = vdupq_n_f32(0.f);
  if (b & 1) r = vld1q_lane_f32(p, r, 0);
  if (b & 2) r = vld1q_lane_f32(p + 1, r, 1);
  if (b & 4) r = vld1q_lane_f32(p + 2, r, 2);
  if (b & 8) r = vld1q_lane_f32(p + 3, r, 3);
  return r;
}
static inline void r_storem(float* p, RF a, RM m) {
  const int b = r_mbits(m);
  if (b == 15) return vst1q_f32(p, a);
  if (b & 1) vst1q_lane_f32(p, a, 0);
  if (b & 2) vst1q_lane_f32(p + 1, a, 1);
  if (b & 4) vst1q_lane_f32(p + 2, a, 2);
  if (b & 8) vst1q_lane_f32(p + 3, a, 3);
}
static inline RI r_bits(RF a) { return vreinterpretq_s32_f32(a); }
static inline RF r_even(RF a, RF b) { return vuzp1q_f32(a, b); }
static inline RF r_odd(RF a, RF b) { return vuzp2q_f32(a, b); }
static inline RF r_zip_low(RF a, RF b) { return vzip1q_f32(a, b); }
static inline RF r_zip_high(RF a, RF b) { return vzip2q_f32(a, b); }
static inline RF r_swap(RF a) { return vrev64q_f32(a); }
static inline RF r_float(RI a) { return vreinterpretq_f32_s32(a); }
static inline RI r_iset1(int32_t a) { return vdupq_n_s32(a); }
static inline RI r_iadd(RI a, RI b) { return vaddq_s32(a, b); }
static inline RI r_isub(RI a, RI b) { return vsubq_s32(a, b); }
static inline RI r_iand(RI a, RI b) { return vandq_s32(a, b); }
static inline RI r_ior(RI a, RI b) { return vorrq_s32(a, b); }
static inline RI r_ixor(RI a, RI b) { return veorq_s32(a, b); }
static inline void r_imulwide(RI a, RI b, RI& high, RI& low) {
  const uint32x4_t ua = vreinterpretq_u32_s32(a), ub = vreinterpretq_u32_s32(b);
  const RI first = vreinterpretq_s32_u64(vmull_u32(vget_low_u32(ua), vget_low_u32(ub)));
  const RI last = vreinterpretq_s32_u64(vmull_high_u32(ua, ub));
  high = vuzp2q_s32(first, last);
  low = vuzp1q_s32(first, last);
}
template <int S> static inline RI r_ishl(RI a) { return vshlq_n_s32(a, S); }
template <int S> static inline RI r_ishr(RI a) { return vreinterpretq_s32_u32(vshrq_n_u32(vreinterpretq_u32_s32(a), S)); }
// What is too large, and NaN, is the least integer, as cvtps2dq has it; here they would be the largest one and 0.
static inline RI r_toint(RF a) { return vbslq_s32(vcltq_f32(a, vdupq_n_f32(2147483648.f)), vcvtnq_s32_f32(a), vdupq_n_s32(INT32_MIN)); }
static inline RF r_tofloat(RI a) { return vcvtq_f32_s32(a); }
static inline RI r_iload(const int32_t* p) { return vld1q_s32(p); }
static inline void r_istore(int32_t* p, RI a) { vst1q_s32(p, a); }
static inline RD r_dload(const double* p) { return vld1q_f64(p); }
static inline void r_dstore(double* p, RD a) { vst1q_f64(p, a); }
static inline RD r_dset1(double a) { return vdupq_n_f64(a); }
static inline RD r_dadd(RD a, RD b) { return vaddq_f64(a, b); }
static inline RD r_dsub(RD a, RD b) { return vsubq_f64(a, b); }
static inline RD r_dmul(RD a, RD b) { return vmulq_f64(a, b); }
static inline RD r_ddiv(RD a, RD b) { return vdivq_f64(a, b); }
static inline RD r_dsqrt(RD a) { return vsqrtq_f64(a); }
static inline RD r_dfma(RD a, RD b, RD c) { return vfmaq_f64(c, a, b); }
static inline RD r_dmin(RD a, RD b) { return vbslq_f64(vcltq_f64(a, b), a, b); }
static inline RD r_dmax(RD a, RD b) { return vbslq_f64(vcgtq_f64(a, b), a, b); }
static inline RD r_dabs(RD a) { return vabsq_f64(a); }
static inline RDM r_dlt(RD a, RD b) { return vcltq_f64(a, b); }
static inline RDM r_dle(RD a, RD b) { return vcleq_f64(a, b); }
static inline RDM r_deq(RD a, RD b) { return vceqq_f64(a, b); }
static inline RD r_dselect(RDM m, RD a, RD b) { return vbslq_f64(m, a, b); }
static inline void r_widen(RF a, RD& lo, RD& hi) {
  lo = vcvt_f64_f32(vget_low_f32(a));
  hi = vcvt_high_f64_f32(a);
}
static inline RD r_widenload(const float* p) { return vcvt_f64_f32(vld1_f32(p)); }
static inline RF r_narrow(RD lo, RD hi) { return vcvt_high_f32_f64(vcvt_f32_f64(lo), hi); }
INLINE RF r_fma_to(RF a, RF x, RF b) {
  asm("fmla %0.4s, %1.4s, %2.4s" : "+w"(a) : "w"(x), "w"(b));
  return a;
}
INLINE RF r_fma_to(RF a, const float* x, RF b) { return r_fma_to(a, r_set1(*x), b); }
// N numbers that lie side by side: in registers, of which an fma takes one lane.
constexpr bool kLanes = true;
template <int N> struct Numbers { RF v[(N + 3) / 4]; };
template <int N> INLINE Numbers<N> r_numbers(const float* p) {
  Numbers<N> f;
#pragma GCC unroll 4
  for (int i = 0; i < N / 4; i++) f.v[i] = vld1q_f32(p + 4 * i);
  const float* const rest = p + N / 4 * 4;
  if constexpr (N % 4 == 1) f.v[N / 4] = vdupq_n_f32(rest[0]);
  if constexpr (N % 4 >= 2) f.v[N / 4] = vcombine_f32(vld1_f32(rest), vdup_n_f32(0.f));
  if constexpr (N % 4 == 3) f.v[N / 4] = vld1q_lane_f32(rest + 2, f.v[N / 4], 2);
  return f;
}
struct Lane { RF v; int at; };
template <int N> INLINE Lane r_number(const Numbers<N>& f, int i) { return {f.v[i / 4], i % 4}; }
INLINE RF r_fma_to(RF a, Lane x, RF b) {
  switch (x.at) {
    case 0: asm("fmla %0.4s, %2.4s, %1.s[0]" : "+w"(a) : "w"(x.v), "w"(b)); return a;
    case 1: asm("fmla %0.4s, %2.4s, %1.s[1]" : "+w"(a) : "w"(x.v), "w"(b)); return a;
    case 2: asm("fmla %0.4s, %2.4s, %1.s[2]" : "+w"(a) : "w"(x.v), "w"(b)); return a;
    default: asm("fmla %0.4s, %2.4s, %1.s[3]" : "+w"(a) : "w"(x.v), "w"(b)); return a;
  }
}
static inline void r_transpose(RF (&r)[W]) {
  const RD a = (RD)vtrn1q_f32(r[0], r[1]), b = (RD)vtrn2q_f32(r[0], r[1]);   // columns 0 and 2, columns 1 and 3, of rows 0 and 1
  const RD c = (RD)vtrn1q_f32(r[2], r[3]), d = (RD)vtrn2q_f32(r[2], r[3]);
  r[0] = (RF)vzip1q_f64(a, c);
  r[1] = (RF)vzip1q_f64(b, d);
  r[2] = (RF)vzip2q_f64(a, c);
  r[3] = (RF)vzip2q_f64(b, d);
}
}   // namespace gradclip::GRADCLIP_ISA
