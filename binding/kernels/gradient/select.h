// select.h: the k-th largest magnitude of tensors, exactly, by counting digits of the bits of |x|, which order as the numbers do. Of many
// elements few are counted: a sample says between what the wanted one lies, and a quick pass leaves out the others.
#pragma once
#include "stage.h"

namespace gradclip::GRADCLIP_ISA {
enum SelectInts { kSelectTensors, kSelectTogether, kSelectK };
// i: tensors, together (0 or 1), then k of each tensor (or one), sizes, then the first chunk of each tensor and the number of chunks.
// in: tensors. out: the k-th largest |x| of each (or of all), infinity where k is 0.
struct SelectArgs {
  int64_t n, together;
  const int64_t *k, *size, *start;
};
static SelectArgs select_args(const int64_t* i) {
  SelectArgs r = {i[kSelectTensors], i[kSelectTogether], i + kSelectK, nullptr, nullptr};
  r.size = r.k + (r.together ? 1 : r.n);
  r.start = r.size + r.n;
  return r;
}
constexpr int kSelectDigits = 3, kSelectSize = 2048;
constexpr int kSelectShift[kSelectDigits + 1] = {32, 21, 10, 0};           // a digit is what lies below the one before
constexpr int64_t kSelectSample = 512, kSelectMany = 16 * kSelectSample;   // so many elements are worth a sample
constexpr int64_t kSelectKept = kChunk / 4;                                // elements of a chunk that may be left, on average

struct SelectShared {
  float least, most;   // the wanted one is not below, and not above
  int64_t above, kept,
      full;   // elements above `most` (a NaN is above all), and between; not 0: those are more than there is room for
  int64_t histogram[kSelectDigits][kSelectSize];
};
static inline uint32_t magnitude_bits(float x) {
  uint32_t word;
  memcpy(&word, &x, 4);
  return word & 0x7fffffff;
}
// Counts digit d of the elements whose upper digits are the key's.
static inline void count_digit(const float* x, int64_t n, int d, uint32_t key, int64_t* counts) {
  const int below = kSelectShift[d], shift = kSelectShift[d + 1];
  const uint32_t digits = (1u << (below - shift)) - 1;
  for (int64_t i = 0; i < n; i++) {
    const uint32_t word = magnitude_bits(x[i]);
    if (d == 0 || word >> below == key >> below) counts[word >> shift & digits]++;
  }
}
// The key with its digit d, and which of the elements with that digit is wanted.
static inline void take_digit(const int64_t* counts, int d, uint32_t& key, int64_t& left) {
  uint32_t digit = (1u << (kSelectShift[d] - kSelectShift[d + 1])) - 1;
  while (digit > 0 && left > counts[digit]) left -= counts[digit--];
  key |= digit << kSelectShift[d + 1];
}
static float magnitude_of(uint32_t key) {
  float value;
  memcpy(&value, &key, 4);
  return value;
}

// Where the k-th largest of `count` elements from tensor t on lies, very probably: three standard deviations around its place in a sample.
static void select_between(const Args& a, const SelectArgs& u, int64_t t, int64_t count, int64_t k, int64_t* counts,
                           SelectShared& shared) {
  float sample[kSelectSample];
  for (int64_t s = 0, base = 0; s < kSelectSample; s++) {
    const int64_t at = (2 * s + 1) * count / (2 * kSelectSample);
    while (at - base >= u.size[t]) base += u.size[t++];
    sample[s] = ((const float*)a.in[t])[at - base];
  }
  const double place = (double)k / (double)count * kSelectSample, far = 4 + 3 * __builtin_sqrt(place);
  const auto nth = [&](double which, float otherwise) {
    int64_t left = (int64_t)which;
    if (left < 1 || left > kSelectSample) return otherwise;
    uint32_t key = 0;
    for (int d = 0; d < kSelectDigits; d++) {
      memset(counts, 0, kSelectSize * sizeof(int64_t));
      count_digit(sample, kSelectSample, d, key, counts);
      take_digit(counts, d, key, left);
    }
    return magnitude_of(key);
  };
  shared.least = nth(place + far, 0.f);
  shared.most = nth(place - far, __builtin_inff());
}
// Of n elements those that are left, to `kept`, which has room for `room`; how many there are above. A NaN is above.
static inline int64_t select_kept(const float* x, int64_t n, F least, F most, float* kept, int64_t room, int64_t& count) {
  int64_t above = 0;
  for (int64_t i = 0; i < n; i += L) {
    const F v = abs(load_part(x + i, n - i));
    const int all = n - i < L ? (1 << (n - i)) - 1 : (1 << L) - 1;
    const int over = mbits(mnot(le(v, most))) & all;
    above += __builtin_popcount(over);
    for (int in = mbits(mnot(lt(v, least))) & all & ~over; in; in &= in - 1, count++)
      if (count < room) kept[count] = x[i + __builtin_ctz(in)];
  }
  return above;
}

void kthLargest(const Args& a, const Team& team) {
  const SelectArgs u = select_args(a.i);
  SelectShared& shared = *(SelectShared*)a.scratch;
  float* const room = (float*)(&shared + 1);
  int64_t* mine = (int64_t*)a.local;
  for (int64_t group = 0, end; group < u.n; group = end) {
    end = u.together ? u.n : group + 1;
    const int64_t k = u.k[u.together ? 0 : group], first = u.start[group];
    const Range chunks = split(u.start[end] - first, team), r = {first + chunks.begin, first + chunks.end};
    int64_t count = 0, left = k;   // the wanted one among those whose upper digits are the key's
    for (int64_t t = group; t < end; t++) count += u.size[t];
    const auto pieces = [&](auto take) __attribute__((always_inline)) {
      int64_t t = segment_of(u.start, u.n, r.begin);
      for (int64_t c = r.begin; c < r.end; c++) {
        while (c >= u.start[t + 1]) t++;
        const int64_t from = (c - u.start[t]) * kChunk, rest = u.size[t] - from;
        take((const float*)a.in[t] + from, rest < kChunk ? rest : kChunk);
      }
    };
    float* kept = nullptr;   // by this thread; null: all elements
    int64_t n_kept = 0;
    if (team.rank == 0) {
      memset(shared.histogram, 0, sizeof(shared.histogram));
      shared.above = shared.kept = shared.full = 0;
      if (k > 0 && count >= kSelectMany) select_between(a, u, group, count, k, mine, shared);
    }
    team.barrier();
    if (k > 0 && count >= kSelectMany) {
      const int64_t most = (r.end - r.begin) * kSelectKept;
      const F lower = set1(shared.least), upper = set1(shared.most);
      int64_t above = 0;
      kept = room + chunks.begin * kSelectKept;
      pieces([&](const float* x, int64_t n) { above += select_kept(x, n, lower, upper, kept, most, n_kept); });
      __sync_fetch_and_add(&shared.above, above);
      __sync_fetch_and_add(&shared.kept, n_kept);
      if (n_kept > most) __sync_fetch_and_add(&shared.full, 1);
      team.barrier();
      if (!shared.full && shared.above < k && shared.above + shared.kept >= k)
        left -= shared.above;
      else
        kept = nullptr;
    }
    uint32_t key = 0;
    for (int d = 0; d < kSelectDigits && k > 0; d++) {
      memset(mine, 0, sizeof(shared.histogram[0]));
      if (kept)
        count_digit(kept, n_kept, d, key, mine);
      else
        pieces([&](const float* x, int64_t n) { count_digit(x, n, d, key, mine); });
      for (int i = 0; i < kSelectSize; i++)
        if (mine[i]) __sync_fetch_and_add(&shared.histogram[d][i], mine[i]);
      team.barrier();
      take_digit(shared.histogram[d], d, key, left);
    }
    if (team.rank == 0) ((double*)a.out[0])[group] = k > 0 ? magnitude_of(key) : __builtin_inf();
    team.barrier();
  }
}
void kthLargest_need(Need& n) {
  if (n.n_i < kSelectK) return n.fail("expected tensors");
  const int64_t count = n.i[kSelectTensors], together = n.i[kSelectTogether];
  if (count < 1 || count != n.n_in || together < 0 || together > 1) return n.fail("wrong number of tensors");
  const int64_t groups = together ? 1 : count;
  if (n.n_i != kSelectK + groups + 2 * count + 1) return n.fail("wrong number of integers");
  const SelectArgs u = select_args(n.i);
  if (!segments_ok(u.size, nullptr, u.start, count, kChunk)) return n.fail("sizes and chunks do not agree");
  int64_t all = 0, most = 0;   // chunks of a group at most
  for (int64_t t = 0; t < count; t++) {
    all += u.size[t], n.in[t] = size_mul(u.size[t], 4);
    const int64_t chunks = u.start[t + 1] - u.start[t];
    most = together ? u.start[count] : chunks > most ? chunks : most;
  }
  for (int64_t g = 0; g < groups; g++)
    if (u.k[g] < 0 || u.k[g] > (together ? all : u.size[g])) return n.fail("k is not a number of elements");
  n.out[0] = size_mul(groups, 8);
  n.scratch = (int64_t)sizeof(SelectShared) + size_mul(most, kSelectKept * 4);
  n.local = kSelectSize * 8;
}
}   // namespace gradclip::GRADCLIP_ISA
