// select.h: the k-th largest magnitude of tensors, exactly, by counting digits of the bits of |x|, which order as the numbers do.
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

void kthLargest(const Args& a, const Team& team) {
  const SelectArgs u = select_args(a.i);
  int64_t(*histogram)[kSelectSize] = (int64_t(*)[kSelectSize])a.scratch;
  int64_t* mine = (int64_t*)a.local;
  for (int64_t group = 0, end; group < u.n; group = end) {
    end = u.together ? u.n : group + 1;
    const int64_t k = u.k[u.together ? 0 : group];
    Range r = split(u.start[end] - u.start[group], team);
    r.begin += u.start[group], r.end += u.start[group];
    if (team.rank == 0) memset(histogram, 0, kSelectDigits * sizeof(histogram[0]));
    team.barrier();
    uint32_t key = 0;
    int64_t left = k;   // the wanted one among those whose upper digits are the key's
    for (int d = 0, below = 32, shift = 21; d < kSelectDigits && k > 0; d++, below = shift, shift = shift > 10 ? shift - 11 : 0) {
      memset(mine, 0, sizeof(histogram[0]));
      const uint32_t digits = (1u << (below - shift)) - 1;
      int64_t t = segment_of(u.start, u.n, r.begin);
      for (int64_t c = r.begin; c < r.end; c++) {
        while (c >= u.start[t + 1]) t++;
        const int64_t from = (c - u.start[t]) * kChunk, rest = u.size[t] - from, m = rest < kChunk ? rest : kChunk;
        const float* x = (const float*)a.in[t] + from;
        for (int64_t i = 0; i < m; i++) {
          uint32_t word;
          memcpy(&word, x + i, 4);
          word &= 0x7fffffff;
          if (below == 32 || word >> below == key >> below) mine[word >> shift & digits]++;
        }
      }
      for (int i = 0; i < kSelectSize; i++)
        if (mine[i]) __sync_fetch_and_add(&histogram[d][i], mine[i]);
      team.barrier();
      uint32_t digit = digits;
      while (digit > 0 && left > histogram[d][digit]) left -= histogram[d][digit--];
      key |= digit << shift;
    }
    if (team.rank == 0) {
      float value;
      memcpy(&value, &key, 4);
      ((double*)a.out[0])[group] = k > 0 ? value : __builtin_inf();
    }
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
  int64_t all = 0;
  for (int64_t t = 0; t < count; t++) all += u.size[t], n.in[t] = size_mul(u.size[t], 4);
  for (int64_t g = 0; g < groups; g++)
    if (u.k[g] < 0 || u.k[g] > (together ? all : u.size[g])) return n.fail("k is not a number of elements");
  n.out[0] = size_mul(groups, 8);
  n.scratch = kSelectDigits * kSelectSize * 8;
  n.local = kSelectSize * 8;
}
}   // namespace gradclip::GRADCLIP_ISA
