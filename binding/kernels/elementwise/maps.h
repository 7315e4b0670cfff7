// maps.h: the elementwise operations of maps.inc as functions, each of a lane group of f32 and of one f64.
// NaN as in PyTorch: minimum, maximum, clamp and relu hand it on; a comparison with it is 0.
#pragma once
#include "curves.h"

namespace gradclip::GRADCLIP_ISA {
constexpr int kMapInputs = 16, kMapConstants = 64, kMapSteps = 32;   // of a chain

INLINE F one_if(M m) { return select(m, set1(1.f), set1(0.f)); }
INLINE F floor_f(F x) {
  const F r = round(x);
  return select(lt(x, r), sub(r, set1(1.f)), r);
}
static inline double whole_d(double x) {   // nearest even, any x, keeps the sign of zero
  return __builtin_fabs(x) < 2251799813685248. ? __builtin_copysign(round_d(x), x) : x;
}
static inline double floor_d(double x) {
  const double r = whole_d(x);
  return x < r ? r - 1. : r;
}
// The argument of geluTanh's sigmoid, 2 sqrt(2 / pi) (x + 0.044715 x^3), and its derivative.
static inline double gelu_tanh_arg_d(double x) { return 1.5957691216057308 * (x + 0.044715 * x * x * x); }
static inline double gelu_tanh_slope_d(double x) { return 1.5957691216057308 * (1. + 0.134145 * x * x); }

// A value and the derivative there.
struct Sloped {
  F y, slope;
};

#define MAP1(name, group, one)               \
  INLINE F map_##name(F x) { return group; } \
  static inline double map_##name(double x) { return one; }
#define MAP2(name, group, one)                    \
  INLINE F map_##name(F a, F b) { return group; } \
  static inline double map_##name(double a, double b) { return one; }
#define MAP3(name, group, one)                         \
  INLINE F map_##name(F a, F b, F c) { return group; } \
  static inline double map_##name(double a, double b, double c) { return one; }
#define END MAP1
// What saturates has gradients that come to nothing: no denormals (math.h).
#define SLOPED(name, common, value, derivative, common_d, value_d, derivative_d) \
  INLINE F map_##name(F x) {                                                     \
    [[maybe_unused]] const auto s = common;                                      \
    return value;                                                                \
  }                                                                              \
  INLINE Sloped sloped_##name(F x) {                                             \
    [[maybe_unused]] const auto s = common;                                      \
    return {value, derivative};                                                  \
  }                                                                              \
  INLINE F map_##name##Grad(F x, F dy) {                                         \
    [[maybe_unused]] const auto s = common;                                      \
    return flush_f(mul(dy, derivative));                                         \
  }                                                                              \
  static inline double map_##name(double x) {                                    \
    [[maybe_unused]] const auto s = common_d;                                    \
    return value_d;                                                              \
  }                                                                              \
  static inline double map_##name##Grad(double x, double dy) {                   \
    [[maybe_unused]] const auto s = common_d;                                    \
    return dy * (derivative_d);                                                  \
  }
#include "maps.inc"

// Positions in maps.inc, by which attributes name an operation.
enum MapOp {
#define MAP(name, arity, end) kMap_##name,
#include "maps.inc"
  kMapCount
};
constexpr int kMapArity[] = {
#define MAP(name, arity, end) arity,
#include "maps.inc"
};
constexpr MapEnd kMapEnd[] = {
#define MAP(name, arity, end) end,
#include "maps.inc"
};
}   // namespace gradclip::GRADCLIP_ISA
