// unit.h: what every file of the kernels begins with. A unit is one family's headers in one .cc, compiled once per ISA, so that a change
// compiles its own family only. All of it lies in the namespace of the ISA, which keeps the linker from mixing instruction sets up: each
// header opens it itself, after what it includes, so that it can be compiled, and looked at in an editor, alone.
// Kernels have external linkage, for the table; everything else is static, a template or a type.
#pragma once
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "kernel.h"

#define GRADCLIP_CAT_(a, b) a##b
#define GRADCLIP_CAT(a, b) GRADCLIP_CAT_(a, b)
#define GRADCLIP_STR_(a) #a
#define GRADCLIP_STR(a) GRADCLIP_STR_(a)
#define GRADCLIP_ISA GRADCLIP_CAT(isa_, GRADCLIP_ISA_NAME)
// An ISA over another one (CMakeLists.txt) leaves f32 to the kernel of that one: else its code would be there twice. GRADCLIP_F32(matmul, f(a, team))
// is that kernel there, and elsewhere f(a, team).
#if defined(GRADCLIP_OVER_NAME)
#define GRADCLIP_BELOW GRADCLIP_CAT(isa_, GRADCLIP_OVER_NAME)
#define PRODUCT(name, outs, ins, ints, floats) void name(const Args&, const Team&);
#define KERNEL(name, outs, ins, ints, floats)
#define RULE(name)
namespace gradclip::GRADCLIP_BELOW {
#include "kernels.inc"
}
#undef PRODUCT
#undef KERNEL
#undef RULE
#define GRADCLIP_F32(name, own) GRADCLIP_BELOW::name(a, team)
#else
#define GRADCLIP_F32(name, own) own
#endif
// A lane group that is passed to a function goes through memory on AVX2: 5 times slower.
#define INLINE static inline __attribute__((always_inline))
