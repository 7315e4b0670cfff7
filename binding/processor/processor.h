// processor.h: what each family of processors does in its own way, beside kernels/simd/. A family has two files in processor/: what is inline,
//   void relax()                     a hint within a loop that waits for another thread
//   FloatMode float_mode()           how this thread computes with floats
//   void set_float_mode(FloatMode)
//   constexpr FloatMode kIeee        rounds to nearest, and flushes no denormals
// and the tables it has.
#pragma once
#include <vector>

#include "../kernels/kernel.h"

#if defined(__x86_64__)
#include "x86_64.h"
#elif defined(__aarch64__)
#include "arm64.h"
#else
#error "a family of processors that has no kernels yet: see processor.h, kernels/simd.h and CMakeLists.txt"
#endif

namespace gradclip {

// The kernel tables that this machine can run, best first.
std::vector<const KernelTable*> runnable_tables();

// While it lives, the calling thread computes as IEEE 754 says, whatever another library has set: else bits would depend on the thread.
class IeeeFloats {
 public:
  IeeeFloats() : before_(float_mode()) { set_float_mode(kIeee); }
  ~IeeeFloats() { set_float_mode(before_); }
  IeeeFloats(const IeeeFloats&) = delete;

 private:
  const FloatMode before_;
};

}   // namespace gradclip
