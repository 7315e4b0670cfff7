// simd.h: the lane groups all kernels are written with: F 16 x f32, D 16 x f64, I 16 x i32, M a mask of 16 lanes.
// One set of functions for every ISA, so a kernel gives the same bits on AVX2, AVX-512 and NEON by construction.
// r_* are the operations on one register of the ISA (W floats), a file for each; micro-kernels that count registers use those.
#pragma once
#include "unit.h"
#if defined(__AVX512BF16__)
#include "simd/avx512bf16.h"
#elif defined(__AVX512F__)
#include "simd/avx512.h"
#elif defined(__AVX2__)
#include "simd/avx2.h"
#elif defined(__x86_64__)
#include "simd/sse.h"
#elif defined(__aarch64__)
#include "simd/neon.h"
#endif

namespace gradclip::GRADCLIP_ISA {
// Asks for the line at p, into L2 or into L1. Inline by force: gcc takes a function that does nothing else for one without effect.
INLINE void fetch(const void* p) { __builtin_prefetch(p, 0, 2); }
INLINE void fetch_near(const void* p) { __builtin_prefetch(p, 0, 3); }

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
// The rest of a row from p on, of which n elements are left: as many of them as there are lanes.
INLINE F load_part(const float* p, int64_t n) { return n >= L ? load(p) : load_n(p, (int)n); }
INLINE void store_part(float* p, F a, int64_t n) { n >= L ? store(p, a) : store_n(p, a, (int)n); }
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
}   // namespace gradclip::GRADCLIP_ISA
