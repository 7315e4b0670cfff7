// indices.h: reading an index, and checking it.
#pragma once
#include "../unit.h"

namespace gradclip::GRADCLIP_ISA {
// Indices are i32 or u8 (`bytes` 4 or 1).
static inline int64_t index_at(const void* indices, int64_t bytes, int64_t i) {
  return bytes == 4 ? ((const int32_t*)indices)[i] : ((const uint8_t*)indices)[i];
}
static inline bool index_ok(const Args& a, int64_t position, int64_t value, int64_t bound) {
  if ((uint64_t)value < (uint64_t)bound) return true;
  fail(a.status, kIndexOutOfBounds, position, (double)value, (double)bound);
  return false;
}
// The same of what may be left out: false, and no failure, for `skipped`, if that is 0 or more.
static inline bool index_counts(const Args& a, int64_t position, int64_t value, int64_t bound, int64_t skipped) {
  return (value != skipped || skipped < 0) && index_ok(a, position, value, bound);
}
}   // namespace gradclip::GRADCLIP_ISA
