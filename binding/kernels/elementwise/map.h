// map.h: kernel `map`, a fused chain of elementwise operations with broadcasting. It interprets the chain over blocks that stay
// in L1, one vector loop per operation and block, so that the interpretation costs little and nothing but the output is written.
//
// Attributes (lib/ops/elementwise/map.ts makes them), all in ints but the constants, which are floats:
//   type of computation (0 f32, 1 f64), type of the output (0 f32, 1 f64, 2 i32, 3 u8), dims, steps, temporaries,
//   the output's shape (dims numbers, after merging dims that are contiguous in every operand),
//   per input: its type, then its stride per dim in elements (0: broadcast),
//   per step: operation (position in maps.inc), register written, registers read.
// Registers: inputs, then constants, then temporaries. A step writes a temporary; the last one is the result. Without steps the
// result is register 0 (a cast, a broadcast, a fill).
// Inputs are converted when read. From a float to an integer: toward zero, saturating, NaN to 0.
#pragma once
#include "maps.h"

namespace gradclip::GRADCLIP_ISA {
constexpr int kMapDims = 6, kMapTemps = 32;
constexpr int kMapRegs = kMapInputs + kMapConstants + kMapTemps;
constexpr int64_t kMapSlot = 2048;   // bytes of one register's block: 512 f32 or 256 f64
// Where operands have more bytes than this, they are asked for so many blocks ahead, a part of a block before each of so many parts of its
// chain: a processor looks ahead a few lines alone, and memory would do nothing while a block is computed, and all at its end.
constexpr int64_t kMapNear = 1 << 20, kMapAhead = 4, kMapParts = 8;

using MapLoop = void (*)(void* out, const void* const* in, int64_t n);
template <F (*fn)(F)>
static void map_loop_f(void* out, const void* const* in, int64_t n) {
  float* d = (float*)out;
  const float* a = (const float*)in[0];
  int64_t k = 0;
  for (; k + L <= n; k += L) store(d + k, fn(load(a + k)));
  if (k < n) store_n(d + k, fn(load_n(a + k, (int)(n - k))), (int)(n - k));
}
template <F (*fn)(F, F)>
static void map_loop_f(void* out, const void* const* in, int64_t n) {
  float* d = (float*)out;
  const float *a = (const float*)in[0], *b = (const float*)in[1];
  int64_t k = 0;
  for (; k + L <= n; k += L) store(d + k, fn(load(a + k), load(b + k)));
  const int r = (int)(n - k);
  if (r > 0) store_n(d + k, fn(load_n(a + k, r), load_n(b + k, r)), r);
}
template <F (*fn)(F, F, F)>
static void map_loop_f(void* out, const void* const* in, int64_t n) {
  float* d = (float*)out;
  const float *a = (const float*)in[0], *b = (const float*)in[1], *c = (const float*)in[2];
  int64_t k = 0;
  for (; k + L <= n; k += L) store(d + k, fn(load(a + k), load(b + k), load(c + k)));
  const int r = (int)(n - k);
  if (r > 0) store_n(d + k, fn(load_n(a + k, r), load_n(b + k, r), load_n(c + k, r)), r);
}
// ivdep: the output may be exactly an input, which is no dependency between iterations.
template <double (*fn)(double)>
static void map_loop_d(void* out, const void* const* in, int64_t n) {
  double* d = (double*)out;
  const double* a = (const double*)in[0];
#pragma GCC ivdep
  for (int64_t k = 0; k < n; k++) d[k] = fn(a[k]);
}
template <double (*fn)(double, double)>
static void map_loop_d(void* out, const void* const* in, int64_t n) {
  double* d = (double*)out;
  const double *a = (const double*)in[0], *b = (const double*)in[1];
#pragma GCC ivdep
  for (int64_t k = 0; k < n; k++) d[k] = fn(a[k], b[k]);
}
template <double (*fn)(double, double, double)>
static void map_loop_d(void* out, const void* const* in, int64_t n) {
  double* d = (double*)out;
  const double *a = (const double*)in[0], *b = (const double*)in[1], *c = (const double*)in[2];
#pragma GCC ivdep
  for (int64_t k = 0; k < n; k++) d[k] = fn(a[k], b[k], c[k]);
}

struct MapRow {
  int arity;
  MapLoop f32, f64;
};
#define MAP(name, arity, end) {arity, map_loop_f<map_##name>, map_loop_d<map_##name>},
const MapRow kMapRows[] = {
#include "maps.inc"
};

// ---- conversions ---------------------------------------------------------------------------------------------------
constexpr int kMapBytes[] = {4, 8, 4, 1};   // by type
template <class T, class S>
static inline T map_convert(S x) {
  return (T)x;
}
template <class S>
static inline int32_t to_i32(S x) {
  return x >= (S)2147483648. ? INT32_MAX : x > (S)-2147483648. ? (int32_t)x : x == x ? INT32_MIN : 0;
}
template <>
inline int32_t map_convert(float x) {
  return to_i32(x);
}
template <>
inline int32_t map_convert(double x) {
  return to_i32(x);
}
template <>
inline uint8_t map_convert(float x) {
  return x >= 255.f ? 255 : x > 0.f ? (uint8_t)x : 0;
}
template <>
inline uint8_t map_convert(double x) {
  return x >= 255. ? 255 : x > 0. ? (uint8_t)x : 0;
}

// n elements from `src`, `stride` apart.
template <class T, class S>
static void map_copy(void* dst, const void* src, int64_t stride, int64_t n) {
  T* __restrict d = (T*)dst;
  const S* __restrict s = (const S*)src;
  if (stride == 1) {
    for (int64_t k = 0; k < n; k++) d[k] = map_convert<T>(s[k]);
  } else if (stride == 0) {
    const T x = map_convert<T>(s[0]);
    for (int64_t k = 0; k < n; k++) d[k] = x;
  } else {
    for (int64_t k = 0; k < n; k++) d[k] = map_convert<T>(s[k * stride]);
  }
}
using MapCopy = void (*)(void* dst, const void* src, int64_t stride, int64_t n);
// [type of computation][type of the operand]
constexpr MapCopy kMapLoad[2][4] = {
    {map_copy<float, float>, map_copy<float, double>, map_copy<float, int32_t>, map_copy<float, uint8_t>},
    {map_copy<double, float>, map_copy<double, double>, map_copy<double, int32_t>, map_copy<double, uint8_t>}};
constexpr MapCopy kMapStore[2][4] = {
    {map_copy<float, float>, map_copy<double, float>, map_copy<int32_t, float>, map_copy<uint8_t, float>},
    {map_copy<float, double>, map_copy<double, double>, map_copy<int32_t, double>, map_copy<uint8_t, double>}};

// ---- the kernel ----------------------------------------------------------------------------------------------------
enum MapInts { kMapIntType, kMapIntOutType, kMapIntDims, kMapIntSteps, kMapIntTemps, kMapIntShape };
struct MapPlan {
  int type, out_type, dims, steps, temps;
  const int64_t *shape, *inputs, *code;   // into the attributes
};
static inline MapPlan map_plan(const int64_t* i, int n_in) {
  const int64_t dims = i[kMapIntDims], *const shape = i + kMapIntShape, *const inputs = shape + dims;
  return {(int)i[kMapIntType],       (int)i[kMapIntOutType], (int)dims, (int)i[kMapIntSteps], (int)i[kMapIntTemps], shape, inputs,
          inputs + n_in * (1 + dims)};
}
static inline bool map_contiguous(const int64_t* strides, const int64_t* shape, int dims) {
  int64_t expect = 1;
  for (int d = dims - 1; d >= 0; expect *= shape[d--])
    if (strides[d] != expect && shape[d] != 1) return false;
  return true;
}

// Elements [begin, begin + n) of the output's range, of an input with the given strides, into `dst`.
static void map_gather(const MapPlan& p, const int64_t* input, const char* src, char* dst, int64_t begin, int64_t n) {
  const int64_t *stride = input + 1, inner = p.shape[p.dims - 1];
  const int bytes = kMapBytes[input[0]], width = p.type ? 8 : 4, last = p.dims - 1;
  int64_t at[kMapDims], offset = 0, rest = begin;
  for (int d = last; d >= 0; d--) {
    const int64_t over = rest < p.shape[d] ? 0 : quotient(rest, p.shape[d]);
    at[d] = rest - over * p.shape[d];
    offset += at[d] * stride[d];
    rest = over;
  }
  while (n > 0) {
    const int64_t run = inner - at[last] < n ? inner - at[last] : n;
    kMapLoad[p.type][input[0]](dst, src + offset * bytes, stride[last], run);
    dst += run * width;
    n -= run;
    offset += run * stride[last];
    at[last] += run;
    for (int d = last; d > 0 && at[d] == p.shape[d]; d--) {   // carry
      offset += stride[d - 1] - p.shape[d] * stride[d];
      at[d] = 0;
      at[d - 1]++;
    }
  }
}

// The first n elements of an input of which every block is the same: a scalar, or a row that repeats.
static void map_fill(const MapPlan& p, const int64_t* input, const char* src, char* dst, int64_t n) {
  const int64_t inner = p.shape[p.dims - 1], width = p.type ? 8 : 4;
  int64_t have = inner < n ? inner : n;
  map_gather(p, input, src, dst, 0, have);
  while (have < n) {
    const int64_t more = have < n - have ? have : n - have;
    memcpy(dst + have * width, dst, more * width);
    have += more;
  }
}

// Asks for a part of the block that is kMapAhead blocks of so many bytes after p.
INLINE void map_ahead(const char* p, int64_t bytes, int64_t part, int64_t parts) {
  const char* const block = p + kMapAhead * bytes;
  const int64_t lines = bytes / 64, end = quotient(lines * (part + 1), parts);
  for (int64_t k = quotient(lines * part, parts); k < end; k++) fetch_near(block + 64 * k);
}

void map(const Args& a, const Team& team) {
  const MapPlan p = map_plan(a.i, a.n_in);
  const int width = p.type ? 8 : 4, first_temp = a.n_in + a.n_f;
  const int64_t inner = p.shape[p.dims - 1], room = kMapSlot / width;
  int64_t total = 1;
  for (int d = 0; d < p.dims; d++) total *= p.shape[d];
  if (total == 0) return;
  // Whole rows per block where they fit: then a row that repeats (a bias) is the same in every block, and is read once.
  const int64_t block = p.dims > 1 && inner <= room ? quotient(room, inner) * inner : room;
  if (total <= block && team.rank > 0) return;   // one block: no need to divide
  const Range range = total <= block ? Range{0, 1} : split(quotient(total + block - 1, block), team);
  const int64_t most = total < block ? total : block;

  char* slot = (char*)a.local;
  const void* reg[kMapRegs];
  enum { kFixed, kDirect, kGathered };
  uint8_t mode[kMapInputs];
  for (int r = 0; r < a.n_in; r++, slot += kMapSlot) {
    const int64_t* input = p.inputs + r * (1 + p.dims);
    bool fixed = p.dims == 1 || inner <= room || input[p.dims] == 0;
    for (int d = 0; d < p.dims; d++) fixed = fixed && (input[1 + d] == 0 || (p.dims > 1 && d == p.dims - 1));
    mode[r] = fixed ? kFixed : input[0] == p.type && map_contiguous(input + 1, p.shape, p.dims) ? kDirect : kGathered;
    reg[r] = slot;
    if (fixed) map_fill(p, input, (const char*)a.in[r], slot, most);
  }
  for (int c = 0; c < a.n_f; c++, slot += kMapSlot) {
    reg[a.n_in + c] = slot;
    kMapLoad[p.type][1](slot, a.f + c, 0, most);
  }
  for (int t = 0; t < p.temps; t++, slot += kMapSlot) reg[first_temp + t] = slot;

  const bool far = total * width > kMapNear;
  for (int64_t b = range.begin; b < range.end; b++) {
    const int64_t begin = b * block, n = total - begin < block ? total - begin : block;
    for (int r = 0; r < a.n_in; r++) {
      if (mode[r] == kDirect) reg[r] = (const char*)a.in[r] + begin * width;
      if (mode[r] == kGathered) map_gather(p, p.inputs + r * (1 + p.dims), (const char*)a.in[r], (char*)reg[r], begin, n);
    }
    char* out = (char*)a.out[0] + begin * kMapBytes[p.out_type];
    const void* result = reg[0];
    const int64_t* code = p.code;
    for (int s = 0; s < p.steps; s++) {
      const MapRow& row = kMapRows[code[0]];
      const bool direct = s == p.steps - 1 && p.out_type == p.type;
      void* d = direct ? out : (void*)reg[code[1]];
      const void* in[3];
      for (int k = 0; k < row.arity; k++) in[k] = reg[code[2 + k]];
      const MapLoop loop = p.type ? row.f64 : row.f32;
      if (far && b + kMapAhead < range.end) {
        const int64_t parts = p.steps < kMapParts ? kMapParts / p.steps : 1;
        for (int64_t q = 0; q < parts; q++) {
          for (int r = 0; r < a.n_in; r++)
            if (mode[r] == kDirect) map_ahead((const char*)reg[r], block * width, s * parts + q, p.steps * parts);
          map_ahead(out, block * kMapBytes[p.out_type], s * parts + q, p.steps * parts);
          const int64_t from = quotient(n * q, parts) / L * L, to = q + 1 < parts ? quotient(n * (q + 1), parts) / L * L : n;
          const void* part[3];
          for (int k = 0; k < row.arity; k++) part[k] = (const char*)in[k] + from * width;
          loop((char*)d + from * width, part, to - from);
        }
      } else {
        loop(d, in, n);
      }
      result = d;
      code += 2 + row.arity;
    }
    if (result != out) kMapStore[p.type][p.out_type](out, result, 1, n);
  }
}

void map_need(Need& n) {
  if (n.n_i < kMapIntShape) return n.fail("too few attributes");
  const int64_t dims = n.i[kMapIntDims], steps = n.i[kMapIntSteps], temps = n.i[kMapIntTemps];
  if (n.i[kMapIntType] < 0 || n.i[kMapIntType] > 1 || n.i[kMapIntOutType] < 0 || n.i[kMapIntOutType] > 3)
    return n.fail("unknown type");
  if (dims < 1 || dims > kMapDims) return n.fail("too many dims");
  if (steps < 0 || steps > kMapSteps || temps < 0 || temps > kMapTemps) return n.fail("too many steps or temporaries");
  if (n.n_in > kMapInputs || n.n_f > kMapConstants || n.n_in + n.n_f < 1) return n.fail("too many or no operands");
  if (n.n_i < kMapIntShape + dims + n.n_in * (1 + dims)) return n.fail("too few attributes");
  const MapPlan p = map_plan(n.i, n.n_in);
  int64_t total = 1, span = 1;   // as in size_of
  for (int d = 0; d < dims; d++) {
    if (p.shape[d] < 0) return n.fail("negative size");
    total = size_mul(total, p.shape[d]);
    span = size_mul(span, p.shape[d] ? p.shape[d] : 1);
  }
  if (span > (total ? Need::kMax : Need::kMaxEmpty)) return n.fail("too many elements");
  n.out[0] = size_mul(total, kMapBytes[p.out_type]);
  for (int r = 0; r < n.n_in; r++) {
    const int64_t* input = p.inputs + r * (1 + dims);
    if (input[0] < 0 || input[0] > 3) return n.fail("unknown type of an input");
    int64_t last = 0;   // offset of the last element
    for (int d = 0; d < dims; d++) {
      if (input[1 + d] < 0) return n.fail("negative stride");
      last += total > 0 ? size_mul(p.shape[d] - 1, input[1 + d]) : 0;
    }
    n.in[r] = total > 0 ? size_mul(last + 1, kMapBytes[input[0]]) : 0;
    if (input[0] == p.out_type && map_contiguous(input + 1, p.shape, (int)dims)) n.alias(0, r);
  }
  const int fixed = n.n_in + n.n_f;
  uint32_t written = 0;
  const int64_t *code = p.code, *end = n.i + n.n_i;
  for (int s = 0; s < steps; s++) {
    if (end - code < 2 || code[0] < 0 || code[0] >= kMapCount) return n.fail("unknown operation");
    const int arity = kMapRows[code[0]].arity;
    if (end - code < 2 + arity) return n.fail("too few attributes");
    for (int k = 0; k < arity; k++) {
      const int64_t r = code[2 + k];
      if (r < 0 || r >= fixed + temps || (r >= fixed && !(written >> (r - fixed) & 1)))
        return n.fail("reads an unknown register");
    }
    if (code[1] < fixed || code[1] >= fixed + temps) return n.fail("writes an unknown register");
    written |= 1u << (code[1] - fixed);
    code += 2 + arity;
  }
  if (code != end) return n.fail("too many attributes");
  n.local = (fixed + temps) * kMapSlot;
}
}   // namespace gradclip::GRADCLIP_ISA
