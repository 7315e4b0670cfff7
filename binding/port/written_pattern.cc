// written_pattern.cc: PatternPages where the system has no file that lies in memory alone: all of it is written.
#include <stdlib.h>

#include <algorithm>

#include "port.h"

namespace gradclip {
namespace port {

PatternPages::~PatternPages() { free(base_); }

bool PatternPages::reserve(int64_t bytes) {
  if (bytes <= size_) return true;
  uint8_t* const base = static_cast<uint8_t*>(malloc(size_t(bytes) + 64));
  if (!base) return false;
  free(base_);
  base_ = base, size_ = bytes;
  data_ = reinterpret_cast<uint8_t*>((reinterpret_cast<uintptr_t>(base) + 63) & ~uintptr_t(63));
  refill(bytes);
  return true;
}

void PatternPages::refill(int64_t bytes) const {
  std::fill_n(reinterpret_cast<uint32_t*>(data_), size_t(bytes) / sizeof pattern_, pattern_);
}

}   // namespace port
}   // namespace gradclip
