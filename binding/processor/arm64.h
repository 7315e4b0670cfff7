// arm64.h: see ../processor.h.
#pragma once
#include <stdint.h>

namespace gradclip {

inline void relax() { __asm__ volatile("yield"); }

using FloatMode = uint64_t;   // FPCR
constexpr FloatMode kIeee = 0;
// Volatile and with "memory", so that no load or store, and with it no arithmetic on what is loaded, moves across.
inline FloatMode float_mode() {
  FloatMode mode;
  __asm__ volatile("mrs %0, fpcr" : "=r"(mode)::"memory");
  return mode;
}
inline void set_float_mode(FloatMode mode) { __asm__ volatile("msr fpcr, %0" ::"r"(mode) : "memory"); }

}   // namespace gradclip
