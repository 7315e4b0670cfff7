// stage.h: the stages of a clip policy (scale, limit, map), applied in order to a chunk of a gradient that lies in L1.
// Statistics and updates read gradients through these, so a clipped gradient is never written to memory.

constexpr int kChunk = 1024;   // elements of one tensor handled at a time: work is cut here, whatever the team
enum StageKind { kScale = 0, kScaleEach = 1, kLimit = 2, kZeroNonFinite = 3, kStageKinds = 4 };

struct Stages {
  const int64_t* kinds;
  int64_t n;
  int64_t offset;   // index of tensor 0 of this instruction in a scale per tensor
  const void* const*
      in;   // operands in order of the stages: f64; scale 1, scale per tensor 1 (one value each), limit 2 (lower, upper)
};

static inline int stage_operands(int64_t kind) { return kind == kLimit ? 2 : kind == kZeroNonFinite ? 0 : 1; }

// Check the kinds and declare the operands, the first of which is input `first`. Returns how many there are; -1: nonsense.
static int stages_need(Need& n, const int64_t* kinds, int64_t count, int64_t last_tensor, int first) {
  int k = 0;
  for (int64_t i = 0; i < count; i++) {
    if (kinds[i] < 0 || kinds[i] >= kStageKinds) return -1;
    for (int j = 0; j < stage_operands(kinds[i]); j++, k++) {
      if (first + k >= n.n_in) return -1;
      n.in[first + k] = kinds[i] == kScaleEach ? size_mul(last_tensor, 8) : 8;
    }
  }
  return k;
}

// A scale as f32 factors. Below 2^-126 one f32 would lose bits, above 2^127 it would overflow: then there are two, of which `first`
// is a power of two, so that x * first * second rounds once wherever the result is a normal number.
struct Factors {
  float first, second;
};
static inline Factors factors_of(double s) {
  const double m = __builtin_fabs(s);
  if (m > 0 && m < 0x1p-226) return {0x1p-126f, (float)(s * 0x1p126)};
  if (m > 0 && m < 0x1p-126) return {0x1p-100f, (float)(s * 0x1p100)};
  if (m > 0x1p127 && m <= 0x1p226) return {0x1p100f, (float)(s * 0x1p-100)};
  return {1.0f, (float)s};
}

// A chunk after its stages: the value of element i is x[i] * factor.
struct Staged {
  const float* x;
  float factor;
  bool bad;   // zeroNonFinite met an element that is not finite
};

// y = op(x * factor) over n elements; y may be x.
template <class Op>
static inline void stage_pass(float* y, const float* x, int n, float factor, Op op) {
  const F f = set1(factor);
  int i = 0;
  for (; i + L <= n; i += L) store(y + i, op(mul(load(x + i), f)));
  if (i < n) store_n(y + i, op(mul(load_n(x + i, n - i), f)), n - i);
}

// The same values with a factor of 1.
static inline Staged flush(Staged s, int n, float* buffer) {
  if (s.factor == 1.0f) return s;
  stage_pass(buffer, s.x, n, s.factor, [](F v) { return v; });
  return {buffer, 1.0f, s.bad};
}

// How far ahead of its use memory is asked for, where `left` elements of the tensor remain: one chunk, within the tensor. The hardware
// alone stops at each page.
static inline int64_t ahead_of(int64_t left) { return left >= 2 * kChunk ? kChunk : 0; }

// Apply the stages to n <= kChunk elements of tensor number `tensor`; `buffer` holds kChunk floats. A scale alone costs no pass.
static Staged apply_stages(const Stages& s, int64_t tensor, const float* g, int n, float* buffer) {
  Staged r = {g, 1.0f, false};
  int k = 0;
  for (int64_t i = 0; i < s.n; i++) {
    const double* a = stage_operands(s.kinds[i]) ? (const double*)s.in[k++] : nullptr;
    if (s.kinds[i] == kScale || s.kinds[i] == kScaleEach) {
      const Factors f = factors_of(s.kinds[i] == kScale ? a[0] : a[s.offset + tensor]);
      if (f.first == 1.0f && f.second == 1.0f) continue;
      r = flush(r, n, buffer);
      r.factor = f.first;
      r = flush(r, n, buffer);
      r.factor = f.second;
      continue;
    }
    if (s.kinds[i] == kLimit) {
      // min and max give their second argument when either is NaN, so a NaN stays one.
      const F lower = set1((float)a[0]), upper = set1((float)*(const double*)s.in[k++]);
      stage_pass(buffer, r.x, n, r.factor, [=](F v) { return max(lower, min(upper, v)); });
    } else {
      const F largest = set1(__FLT_MAX__), zero = set1(0.0f);
      int bad = 0;
      stage_pass(buffer, r.x, n, r.factor, [=, &bad](F v) {
        const M finite = le(abs(v), largest);
        bad |= mbits(mnot(finite));
        return select(finite, v, zero);
      });
      r.bad |= bad != 0;
    }
    r.x = buffer;
    r.factor = 1.0f;
  }
  return r;
}

// The tensor that chunk (or block) number `at` belongs to: start[t] <= at < start[t + 1].
static inline int64_t segment_of(const int64_t* start, int64_t n, int64_t at) {
  int64_t lo = 0, hi = n;
  while (hi - lo > 1) {
    const int64_t mid = (lo + hi) / 2;
    if (start[mid] <= at)
      lo = mid;
    else
      hi = mid;
  }
  return lo;
}

// Are `start` the running sums of ceil(size / unit), tensors with `without` set counting as empty? Also bounds every size, so that
// later products stay in range.
static bool segments_ok(const int64_t* size, const int64_t* without, const int64_t* start, int64_t n, int64_t unit) {
  if (start[0] != 0) return false;
  for (int64_t t = 0; t < n; t++) {
    if (size[t] < 0 || size[t] > Need::kMax / 4) return false;
    const int64_t size_here = without && without[t] ? 0 : size[t];
    if (start[t + 1] != start[t] + (size_here + unit - 1) / unit || start[t + 1] > Need::kMax / 64) return false;
  }
  return true;
}
