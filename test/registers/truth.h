// truth.h: numbers with everything that is special about them, and comparisons of a register's lanes with what plain C++ makes of each lane.
#pragma once
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <initializer_list>
#include <limits>

constexpr float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
const float kFloats[] = {0.f, -0.f, 1.f, -1.f, 0.1f, -3.7f,
                         // halves, on both sides of where floats are whole, and of where they are integers of 32 bits
                         0.5f, -0.5f, 0.49999997f, 1.5f, 2.5f, -2.5f, 3.5f, 4194303.5f, -4194304.5f, 8388607.5f, 8388608.f,
                         -8388609.f, 16777215.f, 2147483520.f, 2147483648.f, -2147483648.f, -2147483904.f, 1e10f, -1e10f,
                         // denormals, and what becomes one or overflows
                         1e-45f, -1e-45f, 5.9e-39f, 1.1754942e-38f, 1.17549435e-38f, -1.17549435e-38f, 1e-20f, 1.8446744e19f,
                         1.8446743e19f, 3.4028235e38f, -3.4028235e38f, kInf, -kInf, kNan, -kNan};
const double kDoubles[] = {0., -0., 1., -1., 0.1, -3.7, 1.0000000000000002, 1.00000005960464477, 1.00000017881393433,
                           // halves between two floats, denormals of f32, what is beyond f32 and what rounds to its infinity
                           1e-45, 7.006492321624085e-46, 7.1e-46, 1.401298464324817e-45, 5.9e-39, -1.1754943e-38,
                           1.1754942807573643e-38, 3.4028234663852886e38, 3.4028235677973366e38, 3.4028235677973362e38, -1e39,
                           1e300, -1e300, 1e-300,
                           // denormals of f64, and what becomes one or overflows
                           5e-324, -5e-324, 2.2250738585072011e-308, 2.2250738585072014e-308, 1.5e-154, 1.3e154, 1.4e154,
                           1.7976931348623157e308, -1.7976931348623157e308, kInf, -kInf, kNan, -kNan};
const int32_t kInts[] = {0,
                         1,
                         -1,
                         2,
                         -2,
                         5,
                         127,
                         0xff,
                         0x7fff,
                         0x8000,
                         0xffff,
                         0x10000,
                         8388607,
                         16777217,
                         -16777217,
                         33554431,
                         0x3f800000,
                         0x55555555,
                         (int32_t)0xaaaaaaaa,
                         (int32_t)0xd2511f53,
                         (int32_t)0xcd9e8d57,
                         INT32_MAX,
                         INT32_MIN};

inline uint32_t bits_of(float x) {
  uint32_t u;
  memcpy(&u, &x, 4);
  return u;
}
inline float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, 4);
  return x;
}
inline uint64_t bits_of(double x) {
  uint64_t u;
  memcpy(&u, &x, 8);
  return u;
}
// A NaN equals a NaN; a zero has its sign.
inline bool same(float a, float b) { return bits_of(a) == bits_of(b) || (a != a && b != b); }
inline bool same(double a, double b) { return bits_of(a) == bits_of(b) || (a != a && b != b); }
inline bool same(int32_t a, int32_t b) { return a == b; }

struct Tally {
  int functions = 0, differences = 0;
  int64_t comparisons = 0;
  const char* name = "";
  void begin(const char* of) {
    name = of;
    functions++;
  }
  template <class T>
  void expect(T got, T want) {
    comparisons++;
    if (!same(got, want) && ++differences <= 20) printf("%s: expected %.17g, got %.17g\n", name, (double)want, (double)got);
  }
};
inline Tally tally;

// All tuples of N of the values, in lanes of W: each tuple in each lane, beside the tuples after it. `each` is given N arrays of W.
template <int N, int W, class T, size_t K, class Each>
void tuples(const T (&values)[K], Each each) {
  size_t total = 1;
  for (int n = 0; n < N; n++) total *= K;
  for (size_t first = 0; first < total; first++) {
    T lanes[N][W];
    for (int lane = 0; lane < W; lane++) {
      size_t at = (first + (size_t)lane) % total;
      for (int n = 0; n < N; n++, at /= K) lanes[n][lane] = values[at % K];
    }
    each(lanes);
  }
}
