// table.cc: the table of an ISA's kernels, made of the list in kernels.inc. An ISA over another one (GRADCLIP_OVER_NAME) has units of its
// own for products alone; all other kernels are those of the ISA below.
#include "unit.h"
#if defined(GRADCLIP_OVER_NAME)
#define GRADCLIP_OTHERS GRADCLIP_CAT(isa_, GRADCLIP_OVER_NAME)
#else
#define GRADCLIP_OTHERS GRADCLIP_ISA
#endif

// Declared here and not in unit.h: a new kernel then compiles no other unit again.
#define DECLARE(where, name)           \
  namespace gradclip::where {          \
  void name(const Args&, const Team&); \
  void name##_need(Need&);             \
  }
#define PRODUCT(name, outs, ins, ints, floats) DECLARE(GRADCLIP_ISA, name)
#define KERNEL(name, outs, ins, ints, floats) DECLARE(GRADCLIP_OTHERS, name)
#define RULE(name)                      \
  KERNEL(update_##name, -1, -1, -1, 0)  \
  namespace gradclip::GRADCLIP_OTHERS { \
  const char* update_##name##_hyper();  \
  }
#include "kernels.inc"
#undef PRODUCT
#undef KERNEL
#undef RULE
namespace gradclip::GRADCLIP_ISA {
#define ENTRY(name, outs, ins, ints, floats, where, hyper) \
  {#name, outs, ins, ints, floats, where::name, where::name##_need, hyper},
#define PRODUCT(name, outs, ins, ints, floats) ENTRY(name, outs, ins, ints, floats, GRADCLIP_ISA, nullptr)
#define KERNEL(name, outs, ins, ints, floats) ENTRY(name, outs, ins, ints, floats, GRADCLIP_OTHERS, nullptr)
#define RULE(name) ENTRY(update_##name, -1, -1, -1, 0, GRADCLIP_OTHERS, GRADCLIP_OTHERS::update_##name##_hyper)
static const KernelInfo kKernels[] = {
#include "kernels.inc"
};
#undef PRODUCT
#undef KERNEL
#undef RULE
#if defined(GRADCLIP_CHECKED)
bool GRADCLIP_CHECKED();
#endif
#define MAP(name, arity, end) {#name, arity, end},
static const MapInfo kMaps[] = {
#include "elementwise/maps.inc"
};
}   // namespace gradclip::GRADCLIP_ISA

namespace gradclip {
extern const KernelTable GRADCLIP_CAT(table_, GRADCLIP_ISA_NAME);
const KernelTable GRADCLIP_CAT(table_, GRADCLIP_ISA_NAME) = {
    GRADCLIP_STR(GRADCLIP_ISA_NAME),
    GRADCLIP_ISA::kKernels,
    sizeof(GRADCLIP_ISA::kKernels) / sizeof(KernelInfo),
    GRADCLIP_ISA::kMaps,
    sizeof(GRADCLIP_ISA::kMaps) / sizeof(MapInfo),
#if defined(GRADCLIP_CHECKED)
    GRADCLIP_ISA::GRADCLIP_CHECKED,
#else
    nullptr,
#endif
};
}   // namespace gradclip
