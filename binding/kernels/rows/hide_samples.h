// hide_samples.h: zeros in place of the rows of samples that are left out, whatever stood there. Twin: ops/rows/hide-samples.ts.
#pragma once
#include "../unit.h"

namespace gradclip::GRADCLIP_ISA {
// i: outer dimensions, samples, bytes of a sample's rows. in: x, f64 of each sample, 0 where it is left out. out: x without those.
enum HideSamplesInts { kHideOuter, kHideCount, kHideBytes };
void hideSamples(const Args& a, const Team& team) {
  const int64_t count = a.i[kHideCount], bytes = a.i[kHideBytes];
  const double* const keeps = (const double*)a.in[1];
  char* const out = (char*)a.out[0];
  const char* const in = (const char*)a.in[0];
  const Range r = split(a.i[kHideOuter] * count * bytes, team);
  for (int64_t at = r.begin, end; at < r.end; at = end) {
    const int64_t chunk = at / bytes;
    end = (chunk + 1) * bytes < r.end ? (chunk + 1) * bytes : r.end;
    if (keeps[chunk % count] == 0)
      memset(out + at, 0, (size_t)(end - at));
    else if (out != in)
      memcpy(out + at, in + at, (size_t)(end - at));
  }
}
void hideSamples_need(Need& n) {
  n.in[0] = n.out[0] = size_of(n.i[kHideOuter], n.i[kHideCount], n.i[kHideBytes]);
  n.in[1] = size_of(n.i[kHideCount], 8);
  n.alias(0, 0);
}
}   // namespace gradclip::GRADCLIP_ISA
