// registers.cc: every function on one register of an instruction set (binding/kernels/simd), lane by lane, against plain C++, and how a thread
// computes with floats (binding/processor/processor.h). Compiled with the options of that set's kernels (CMakeLists.txt); prints what it compared, and exits with 1 where something differs.
#include <sys/mman.h>
#include <unistd.h>

#include "kernels/bf16.h"
#include "processor/processor.h"
#include "truth.h"

using namespace gradclip::GRADCLIP_ISA;

namespace {

constexpr int WD = W / 2;   // lanes of a register of f64

#define BEGIN(name) tally.begin(#name)

template <class F, class T>
void unary(F f, T truth) {
  tuples<1, W>(kFloats, [&](const float(&x)[1][W]) {
    float got[W];
    r_store(got, f(r_load(x[0])));
    for (int i = 0; i < W; i++) tally.expect(got[i], truth(x[0][i]));
  });
}
template <class F, class T>
void binary(F f, T truth) {
  tuples<2, W>(kFloats, [&](const float(&x)[2][W]) {
    float got[W];
    r_store(got, f(r_load(x[0]), r_load(x[1])));
    for (int i = 0; i < W; i++) tally.expect(got[i], truth(x[0][i], x[1][i]));
  });
}
template <class F, class T>
void ternary(F f, T truth) {
  tuples<3, W>(kFloats, [&](const float(&x)[3][W]) {
    float got[W];
    r_store(got, f(r_load(x[0]), r_load(x[1]), r_load(x[2])));
    for (int i = 0; i < W; i++) tally.expect(got[i], truth(x[0][i], x[1][i], x[2][i]));
  });
}
template <class F, class T>
void compare(F f, T truth) {
  tuples<2, W>(kFloats, [&](const float(&x)[2][W]) {
    const RM m = f(r_load(x[0]), r_load(x[1]));
    float got[W];
    r_store(got, r_select(m, r_load(x[0]), r_load(x[1])));
    int bits = 0;
    for (int i = 0; i < W; i++) {
      bits |= truth(x[0][i], x[1][i]) << i;
      tally.expect(got[i], truth(x[0][i], x[1][i]) ? x[0][i] : x[1][i]);
    }
    tally.expect(r_mbits(m), bits);
  });
}
template <class F, class T>
void integers(F f, T truth) {
  tuples<2, W>(kInts, [&](const int32_t(&x)[2][W]) {
    int32_t got[W];
    r_istore(got, f(r_iload(x[0]), r_iload(x[1])));
    for (int i = 0; i < W; i++) tally.expect(got[i], (int32_t)truth((uint32_t)x[0][i], (uint32_t)x[1][i]));
  });
}
template <int S>
void shifts() {
  tuples<1, W>(kInts, [&](const int32_t(&x)[1][W]) {
    int32_t left[W], right[W];
    r_istore(left, r_ishl<S>(r_iload(x[0])));
    r_istore(right, r_ishr<S>(r_iload(x[0])));
    for (int i = 0; i < W; i++) {
      tally.expect(left[i], (int32_t)((uint32_t)x[0][i] << S));
      tally.expect(right[i], (int32_t)((uint32_t)x[0][i] >> S));
    }
  });
}
template <class F, class T>
void unary_d(F f, T truth) {
  tuples<1, WD>(kDoubles, [&](const double(&x)[1][WD]) {
    double got[WD];
    r_dstore(got, f(r_dload(x[0])));
    for (int i = 0; i < WD; i++) tally.expect(got[i], truth(x[0][i]));
  });
}
template <class F, class T>
void binary_d(F f, T truth) {
  tuples<2, WD>(kDoubles, [&](const double(&x)[2][WD]) {
    double got[WD];
    r_dstore(got, f(r_dload(x[0]), r_dload(x[1])));
    for (int i = 0; i < WD; i++) tally.expect(got[i], truth(x[0][i], x[1][i]));
  });
}
template <class F, class T>
void compare_d(F f, T truth) {
  tuples<2, WD>(kDoubles, [&](const double(&x)[2][WD]) {
    double got[WD];
    r_dstore(got, r_dselect(f(r_dload(x[0]), r_dload(x[1])), r_dload(x[0]), r_dload(x[1])));
    for (int i = 0; i < WD; i++) tally.expect(got[i], truth(x[0][i], x[1][i]) ? x[0][i] : x[1][i]);
  });
}

float fma_of(float a, float b, float c) { return kFma ? fmaf(a, b, c) : a * b + c; }
double fma_of(double a, double b, double c) { return kFma ? ::fma(a, b, c) : a * b + c; }

// To nearest even; what an int32 cannot hold is the least one.
int32_t int_of(float x) { return x >= -2147483648.f && x < 2147483648.f ? (int32_t)nearbyintf(x) : INT32_MIN; }

void floats() {
  BEGIN(r_set1), unary([](RF a) { return r_add(a, r_set1(0.1f)); }, [](float a) { return a + 0.1f; });
  BEGIN(r_add), binary(r_add, [](float a, float b) { return a + b; });
  BEGIN(r_sub), binary(r_sub, [](float a, float b) { return a - b; });
  BEGIN(r_mul), binary(r_mul, [](float a, float b) { return a * b; });
  BEGIN(r_div), binary(r_div, [](float a, float b) { return a / b; });
  BEGIN(r_min), binary(r_min, [](float a, float b) { return a < b ? a : b; });
  BEGIN(r_max), binary(r_max, [](float a, float b) { return a > b ? a : b; });
  BEGIN(r_sqrt), unary(r_sqrt, [](float a) { return sqrtf(a); });
  BEGIN(r_round), unary(r_round, [](float a) { return nearbyintf(a); });
  BEGIN(r_fma), ternary(r_fma, [](float a, float b, float c) { return fma_of(a, b, c); });
  BEGIN(r_fma_to),
      ternary([](RF a, RF x, RF b) { return r_fma_to(a, x, b); }, [](float a, float x, float b) { return fma_of(x, b, a); });
  BEGIN(r_fma_to of a number), tuples<3, W>(kFloats, [](const float(&x)[3][W]) {
    float got[W];
    r_store(got, r_fma_to(r_load(x[0]), x[1], r_load(x[2])));
    for (int i = 0; i < W; i++) tally.expect(got[i], fma_of(x[1][0], x[2][i], x[0][i]));
  });
  BEGIN(r_lt), compare(r_lt, [](float a, float b) { return a < b; });
  BEGIN(r_le), compare(r_le, [](float a, float b) { return a <= b; });
  BEGIN(r_eq), compare(r_eq, [](float a, float b) { return a == b; });
  BEGIN(r_ne), compare(r_ne, [](float a, float b) { return a < b || a > b; });
}

// The mask with these bits.
RM mask_of(int bits) {
  float lanes[W];
  for (int i = 0; i < W; i++) lanes[i] = (float)(bits >> i & 1);
  return r_eq(r_load(lanes), r_set1(1.f));
}

constexpr int kAll = (1 << W) - 1;

void masks() {
  constexpr int step = W == 16 ? 257 : 1;
  BEGIN(r_mbits);
  for (int a = 0; a <= kAll; a++) tally.expect(r_mbits(mask_of(a)), a);
  BEGIN(r_mnot);
  for (int a = 0; a <= kAll; a++) tally.expect(r_mbits(r_mnot(mask_of(a))), ~a & kAll);
  BEGIN(r_mand);
  for (int a = 0; a <= kAll; a += step)
    for (int b = 0; b <= kAll; b += step + 2) tally.expect(r_mbits(r_mand(mask_of(a), mask_of(b))), a & b);
  BEGIN(r_mor);
  for (int a = 0; a <= kAll; a += step)
    for (int b = 0; b <= kAll; b += step + 2) tally.expect(r_mbits(r_mor(mask_of(a), mask_of(b))), a | b);
  BEGIN(r_mfirst);
  for (int n = -40; n <= 40; n++) tally.expect(r_mbits(r_mfirst(n)), n <= 0 ? 0 : n >= W ? kAll : (1 << n) - 1);
}

// A page between two that nobody may touch.
struct GuardedPage {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  char* const pages = (char*)mmap(nullptr, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  float *const begin = (float*)(pages + page), *const end = (float*)(pages + 2 * page);
  bool had() {
    if (pages != MAP_FAILED && mprotect(pages, page, PROT_NONE) == 0 && mprotect(end, page, PROT_NONE) == 0) return true;
    tally.differences++;
    return printf("no pages to be had\n"), false;
  }
  ~GuardedPage() { munmap(pages, 3 * page); }
};

// Loads and stores of some lanes at either end of such a page: lanes masked off are not accessed.
void masked_memory() {
  GuardedPage page;
  if (!page.had()) return;
  float *const begin = page.begin, *const end = page.end;
  float value[W];
  for (int i = 0; i < W; i++) value[i] = kFloats[i + 4];
  BEGIN(r_loadm), BEGIN(r_storem);
  for (int bits = 0; bits <= kAll; bits++) {
    int low = 0, high = W;   // lanes below and from there on are masked off
    while (low < W && !(bits >> low & 1)) low++;
    while (high > 0 && !(bits >> (high - 1) & 1)) high--;
    for (float* at : {begin - low, end - high}) {
      for (int i = low; i < high; i++) at[i] = -1.f - (float)i;
      float got[W];
      r_store(got, r_loadm(at, mask_of(bits)));
      for (int i = 0; i < W; i++) tally.expect(got[i], bits >> i & 1 ? -1.f - (float)i : 0.f);
      r_storem(at, r_load(value), mask_of(bits));
      for (int i = low; i < high; i++) tally.expect(at[i], bits >> i & 1 ? value[i] : -1.f - (float)i);
    }
  }
}

// N numbers at the end of such a page, each as a factor; and fewer.
template <int N>
void numbers(const GuardedPage& page) {
  float* const x = page.end - N;
  float a[W], b[W], got[W];
  for (int i = 0; i < N; i++) x[i] = kFloats[i + 4];
  for (int i = 0; i < W; i++) a[i] = kFloats[i + 5], b[i] = 0.1f + (float)i;
  for (int i = 0; i < N; i++) {
    r_store(got, r_fma_to(r_load(a), r_number(r_numbers<N>(x), i), r_load(b)));
    for (int j = 0; j < W; j++) tally.expect(got[j], fma_of(x[i], b[j], a[j]));
  }
  if constexpr (N > 1) numbers<N - 1>(page);
}
void all_numbers() {
  BEGIN(r_numbers), BEGIN(r_number);
  GuardedPage page;
  if (page.had()) numbers<14>(page);
}

// Where lanes go: `f` of two registers with lanes 0 .. 2W - 1 has lanes `from(i)`.
template <class F, class T>
void moves(F f, T from) {
  float x[2 * W], got[W];
  for (int i = 0; i < 2 * W; i++) x[i] = (float)i;
  r_store(got, f(r_load(x), r_load(x + W)));
  for (int i = 0; i < W; i++) tally.expect(got[i], (float)from(i));
}
void lanes() {
  BEGIN(r_even), moves(r_even, [](int i) { return 2 * i; });
  BEGIN(r_odd), moves(r_odd, [](int i) { return 2 * i + 1; });
  BEGIN(r_zip_low), moves(r_zip_low, [](int i) { return i / 2 + i % 2 * W; });
  BEGIN(r_zip_high), moves(r_zip_high, [](int i) { return (W + i) / 2 + i % 2 * W; });
  BEGIN(r_transpose);
  RF r[W];
  for (int i = 0; i < W; i++) {
    float row[W];
    for (int j = 0; j < W; j++) row[j] = (float)(i * W + j);
    r[i] = r_load(row);
  }
  r_transpose(r);
  for (int i = 0; i < W; i++) {
    float row[W];
    r_store(row, r[i]);
    for (int j = 0; j < W; j++) tally.expect(row[j], (float)(j * W + i));
  }
}

void ints() {
  BEGIN(r_iset1), integers([](RI a, RI) { return r_iadd(a, r_iset1(-77)); }, [](uint32_t a, uint32_t) { return a - 77; });
  BEGIN(r_iadd), integers(r_iadd, [](uint32_t a, uint32_t b) { return a + b; });
  BEGIN(r_isub), integers(r_isub, [](uint32_t a, uint32_t b) { return a - b; });
  BEGIN(r_iand), integers(r_iand, [](uint32_t a, uint32_t b) { return a & b; });
  BEGIN(r_ior), integers(r_ior, [](uint32_t a, uint32_t b) { return a | b; });
  BEGIN(r_ixor), integers(r_ixor, [](uint32_t a, uint32_t b) { return a ^ b; });
  const auto wide = [](RI a, RI b, bool upper) {
    RI high, low;
    r_imulwide(a, b, high, low);
    return upper ? high : low;
  };
  BEGIN(r_imulwide),
      integers([&](RI a, RI b) { return wide(a, b, true); }, [](uint32_t a, uint32_t b) { return (uint64_t)a * b >> 32; });
  integers([&](RI a, RI b) { return wide(a, b, false); }, [](uint32_t a, uint32_t b) { return a * b; });
  BEGIN(r_ishl), BEGIN(r_ishr), shifts<1>(), shifts<8>(), shifts<13>(), shifts<23>(), shifts<31>();
  BEGIN(r_toint), BEGIN(r_bits), tuples<1, W>(kFloats, [](const float(&x)[1][W]) {
    int32_t whole[W], bits[W];
    r_istore(whole, r_toint(r_load(x[0])));
    r_istore(bits, r_bits(r_load(x[0])));
    for (int i = 0; i < W; i++) tally.expect(whole[i], int_of(x[0][i])), tally.expect(bits[i], (int32_t)bits_of(x[0][i]));
  });
  BEGIN(r_tofloat), BEGIN(r_float), tuples<1, W>(kInts, [](const int32_t(&x)[1][W]) {
    float value[W], bits[W];
    r_store(value, r_tofloat(r_iload(x[0])));
    r_store(bits, r_float(r_iload(x[0])));
    for (int i = 0; i < W; i++) tally.expect(value[i], (float)x[0][i]), tally.expect((int32_t)bits_of(bits[i]), x[0][i]);
  });
}

void doubles() {
  BEGIN(r_dset1), unary_d([](RD a) { return r_dadd(a, r_dset1(0.1)); }, [](double a) { return a + 0.1; });
  BEGIN(r_dadd), binary_d(r_dadd, [](double a, double b) { return a + b; });
  BEGIN(r_dsub), binary_d(r_dsub, [](double a, double b) { return a - b; });
  BEGIN(r_dmul), binary_d(r_dmul, [](double a, double b) { return a * b; });
  BEGIN(r_ddiv), binary_d(r_ddiv, [](double a, double b) { return a / b; });
  BEGIN(r_dmin), binary_d(r_dmin, [](double a, double b) { return a < b ? a : b; });
  BEGIN(r_dmax), binary_d(r_dmax, [](double a, double b) { return a > b ? a : b; });
  BEGIN(r_dsqrt), unary_d(r_dsqrt, [](double a) { return ::sqrt(a); });
  BEGIN(r_dabs), unary_d(r_dabs, [](double a) { return ::fabs(a); });
  BEGIN(r_dfma), tuples<3, WD>(kDoubles, [](const double(&x)[3][WD]) {
    double got[WD];
    r_dstore(got, r_dfma(r_dload(x[0]), r_dload(x[1]), r_dload(x[2])));
    for (int i = 0; i < WD; i++) tally.expect(got[i], fma_of(x[0][i], x[1][i], x[2][i]));
  });
  BEGIN(r_dlt), compare_d(r_dlt, [](double a, double b) { return a < b; });
  BEGIN(r_dle), compare_d(r_dle, [](double a, double b) { return a <= b; });
  BEGIN(r_deq), compare_d(r_deq, [](double a, double b) { return a == b; });
  BEGIN(r_widen), BEGIN(r_widenload), tuples<1, W>(kFloats, [](const float(&x)[1][W]) {
    RD lo, hi;
    r_widen(r_load(x[0]), lo, hi);
    double got[W], loaded[WD];
    r_dstore(got, lo);
    r_dstore(got + WD, hi);
    r_dstore(loaded, r_widenload(x[0]));
    for (int i = 0; i < W; i++) tally.expect(got[i], (double)x[0][i]);
    for (int i = 0; i < WD; i++) tally.expect(loaded[i], (double)x[0][i]);
  });
  BEGIN(r_narrow), tuples<1, W>(kDoubles, [](const double(&x)[1][W]) {
    float got[W];
    r_store(got, r_narrow(r_dload(x[0]), r_dload(x[0] + WD)));
    for (int i = 0; i < W; i++) tally.expect(got[i], (float)x[0][i]);
  });
}

// To the nearest bf16, of two the even one, by exact arithmetic in f64; a denormal is the zero of its sign.
float bf16_of(float x) {
  if (x != x || fabsf(x) == kInf || x == 0) return x;
  if (fabsf(x) < 1.17549435e-38f) return copysignf(0.f, x);
  int exponent;
  const double part = frexp((double)x, &exponent);
  return (float)ldexp(nearbyint(part * 256), exponent - 8);
}
// With denormals as zeros, before and after; what rounds to 2^-126 is tiny before it is rounded, as ARM looks at it, or is not.
float flushed(float x) { return fabsf(x) < 1.17549435e-38f ? copysignf(0.f, x) : x; }

void bf16() {
  const auto each = [](auto f) { tuples<2, W>(kFloats, [&](const float(&x)[2][W]) { f(x[0], x[1]); }); };
  BEGIN(r_swap), each([](const float* a, const float*) {
    float got[W];
    r_store(got, r_swap(r_load(a)));
    for (int i = 0; i < W; i++) tally.expect(got[i], a[i ^ 1]);
  });
  BEGIN(r_bf16), unary(r_bf16, bf16_of);
  for (uint32_t upper = 0; upper < 0x10000;
       upper += W)   // each bf16 with what is just below, at and above half of the step to the next
    for (uint32_t lower : {0u, 1u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
      float x[W], got[W];
      for (uint32_t i = 0; i < W; i++) {
        const uint32_t bits = (upper + i) << 16 | lower;
        memcpy(x + i, &bits, 4);
      }
      r_store(got, r_bf16(r_load(x)));
      for (int i = 0; i < W; i++) tally.expect(got[i], bf16_of(x[i]));
      // The terms of a word, or in changed places.
      float packed[2 * W];
      store_pairs(packed, W, r_load(x), r_set1(x[0]));
      for (int i = 0; i < W; i++) {
        uint32_t word = bits_of(packed[i]);
        const float first = kDots ? float_of(word << 16) : packed[W + i],
                    second = kDots ? float_of(word & 0xffff0000) : packed[i];
        tally.expect(first, bf16_of(x[i])), tally.expect(second, bf16_of(x[0]));
      }
    }
  // A word's terms lie in the same places as those of a register whose neighbors have changed places.
  const auto term = [](const float* packed, int i) {
    return kDots ? float_of(i % 2 ? bits_of(packed[i / 2]) & 0xffff0000 : bits_of(packed[i / 2]) << 16) : packed[i ^ 1];
  };
  BEGIN(store_words), tuples<1, L>(kFloats, [&](const float(&x)[1][L]) {
    float words[2 * L] = {}, same[L];
    store_words<Bf16>(words, load(x[0]));
    store_words<F32>(same, load(x[0]));
    for (int i = 0; i < L; i++) tally.expect(term(words, i), bf16_of(x[0][i])), tally.expect(same[i], x[0][i]);
    for (int i = L / 2 * Bf16::words; i < 2 * L; i++) tally.expect(words[i], 0.f);
  });
  BEGIN(pack_row);
  for (int terms = 0; terms <= 2 * W; terms++) {
    float row[2 * W], packed[2 * W];
    for (int i = 0; i < 2 * W; i++) row[i] = kFloats[(size_t)i % (sizeof kFloats / 4)], packed[i] = -7.f;
    pack_row<Bf16>(row, terms, packed);
    for (int i = 0; i < terms + terms % 2; i++) {
      tally.expect(term(packed, i), i < terms ? bf16_of(row[i]) : 0.f);
    }
    for (int i = (terms + 1) / 2 * Bf16::words; i < 2 * W; i++) tally.expect(packed[i], -7.f);
  }
  BEGIN(Flush);
  volatile float one = 1.f, denormal = 1e-40f, small = 1e-30f, in, out, kept;
  {
    const Flush<Bf16> here;
    in = one * denormal, out = small * small;
  }
  kept = one * denormal;
  tally.expect((float)in, kDots ? 1e-40f : 0.f), tally.expect((float)out, 0.f), tally.expect((float)kept, 1e-40f);
#if defined(__AVX512BF16__)
  BEGIN(r_nearest), unary(r_nearest, bf16_of);
  // Of what ends in a denormal the emulation tells: dots_agree, when the add-on is loaded.
  const auto product = [](float a0, float a1, float b0, float b1, float sum) {
    return flushed(fmaf(bf16_of(a0), bf16_of(b0), flushed(fmaf(bf16_of(a1), bf16_of(b1), flushed(sum)))));
  };
  BEGIN(r_words), BEGIN(r_words_of), BEGIN(r_store_words), BEGIN(r_dot_to), BEGIN(mul_to);
  tuples<3, W>(kFloats, [&](const float(&x)[3][W]) {
    float got[W], scalar[W], halves[2 * W], first[W], second[W];
    const RF a = r_words_of(r_load(x[0]), r_load(x[1])), b = r_words_of(r_load(x[1]), r_load(x[2]));
    r_store(got, mul_to<Bf16>(r_load(x[2]), a, b));
    float words[W];
    r_store(words, a);
    r_store(scalar, mul_to<Bf16>(r_load(x[2]), words, b));
    r_store(halves, r_words(r_load(x[0]), r_load(x[1])));
    r_store_words(first, second, r_load(halves));
    for (int i = 0; i < W; i++) {
      tally.expect(got[i], product(x[0][i], x[1][i], x[1][i], x[2][i], x[2][i]));
      tally.expect(scalar[i], product(x[0][0], x[1][0], x[1][i], x[2][i], x[2][i]));
      const float pair = i < W / 2 ? x[0][2 * i] : x[1][2 * i - W];
      tally.expect(float_of(bits_of(halves[i]) << 16), bf16_of(pair));
      tally.expect(i < W / 2 ? first[i] : second[i - W / 2], halves[i]);
    }
  });
#endif
}

// What another library may leave a thread with: denormals are flushed, and rounding is upwards.
#if defined(__x86_64__)
constexpr gradclip::FloatMode kOdd = 0x1f80 | 0x8040 | 0x4000;
#else
constexpr gradclip::FloatMode kOdd = 1 << 24 | 1 << 22;
#endif

void float_mode() {
  BEGIN(IeeeFloats);
  // Volatile: computed where it stands here.
  volatile float one = 1.f, denormal = 1e-40f, small = 1e-9f, flushed, up, kept, nearest;
  const gradclip::FloatMode before = gradclip::float_mode();
  gradclip::set_float_mode(kOdd);
  flushed = one * denormal, up = one + small;
  {
    const gradclip::IeeeFloats here;
    kept = one * denormal, nearest = one + small;
  }
  const gradclip::FloatMode after = gradclip::float_mode();
  gradclip::set_float_mode(before);
  tally.expect((float)flushed, 0.f), tally.expect((float)up, 1.0000001f);
  tally.expect((float)kept, 1e-40f), tally.expect((float)nearest, 1.f);
  tally.expect((int32_t)(after & kOdd), (int32_t)kOdd);
}

bool runs_here() {
#if defined(__AVX512BF16__)
  return __builtin_cpu_supports("avx512bf16");
#elif defined(__AVX512F__)
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
#elif defined(__AVX2__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  return true;
#endif
}

}   // namespace

int main() {
  const char* isa = GRADCLIP_STR(GRADCLIP_ISA_NAME);
  if (!runs_here()) return printf("%s: not on this machine\n", isa), 0;
  floats();
  masks();
  masked_memory();
  all_numbers();
  lanes();
  ints();
  doubles();
  bf16();
  float_mode();
  printf("%s: %d functions, %lld comparisons, %d differences\n", isa, tally.functions, (long long)tally.comparisons,
         tally.differences);
  return tally.differences > 0;
}
