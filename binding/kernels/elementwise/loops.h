// loops.h: the elementwise operations over blocks that lie in L1, a loop each: what interprets chains of them (map.h, update_chain.h, stages)
// calls these, one after the other.
#pragma once
#include "maps.h"

namespace gradclip::GRADCLIP_ISA {
// Where a loop reads: elements one after the other, or, where `step` is 0, a lane group of one number that stands for all of them. Of f64
// always elements.
struct MapReg {
  const void* p;
  int64_t step;   // L or 0
};
using MapLoop = void (*)(void* out, const MapReg* in, int64_t n);
struct MapRow {
  int arity;
  MapLoop f32, f64;
};
extern const MapRow kMapRows[];   // as in maps.inc; they are of the unit `elementwise`

// The output may be exactly an input.
template <F (*fn)(F)>
static void map_loop_f(void* out, const MapReg* in, int64_t n) {
  float* d = (float*)out;
  const float* a = (const float*)in[0].p;
  const int64_t sa = in[0].step;
  int64_t k = 0;
  for (; k + L <= n; k += L, a += sa) store(d + k, fn(load(a)));
  if (k < n) store_n(d + k, fn(load_n(a, (int)(n - k))), (int)(n - k));
}
template <F (*fn)(F, F)>
static void map_loop_f(void* out, const MapReg* in, int64_t n) {
  float* d = (float*)out;
  const float *a = (const float*)in[0].p, *b = (const float*)in[1].p;
  const int64_t sa = in[0].step, sb = in[1].step;
  int64_t k = 0;
  for (; k + L <= n; k += L, a += sa, b += sb) store(d + k, fn(load(a), load(b)));
  const int r = (int)(n - k);
  if (r > 0) store_n(d + k, fn(load_n(a, r), load_n(b, r)), r);
}
template <F (*fn)(F, F, F)>
static void map_loop_f(void* out, const MapReg* in, int64_t n) {
  float* d = (float*)out;
  const float *a = (const float*)in[0].p, *b = (const float*)in[1].p, *c = (const float*)in[2].p;
  const int64_t sa = in[0].step, sb = in[1].step, sc = in[2].step;
  int64_t k = 0;
  for (; k + L <= n; k += L, a += sa, b += sb, c += sc) store(d + k, fn(load(a), load(b), load(c)));
  const int r = (int)(n - k);
  if (r > 0) store_n(d + k, fn(load_n(a, r), load_n(b, r), load_n(c, r)), r);
}
// ivdep: as above, which is no dependency between iterations.
template <double (*fn)(double)>
static void map_loop_d(void* out, const MapReg* in, int64_t n) {
  double* d = (double*)out;
  const double* a = (const double*)in[0].p;
#pragma GCC ivdep
  for (int64_t k = 0; k < n; k++) d[k] = fn(a[k]);
}
template <double (*fn)(double, double)>
static void map_loop_d(void* out, const MapReg* in, int64_t n) {
  double* d = (double*)out;
  const double *a = (const double*)in[0].p, *b = (const double*)in[1].p;
#pragma GCC ivdep
  for (int64_t k = 0; k < n; k++) d[k] = fn(a[k], b[k]);
}
template <double (*fn)(double, double, double)>
static void map_loop_d(void* out, const MapReg* in, int64_t n) {
  double* d = (double*)out;
  const double *a = (const double*)in[0].p, *b = (const double*)in[1].p, *c = (const double*)in[2].p;
#pragma GCC ivdep
  for (int64_t k = 0; k < n; k++) d[k] = fn(a[k], b[k], c[k]);
}
}   // namespace gradclip::GRADCLIP_ISA
