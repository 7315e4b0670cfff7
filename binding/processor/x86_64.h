// x86_64.h: see ../processor.h.
#pragma once
#include <xmmintrin.h>

namespace gradclip {

inline void relax() { _mm_pause(); }

using FloatMode = unsigned;   // MXCSR
constexpr FloatMode kIeee = 0x1f80;
inline FloatMode float_mode() { return _mm_getcsr(); }
inline void set_float_mode(FloatMode mode) { _mm_setcsr(mode); }

}   // namespace gradclip
