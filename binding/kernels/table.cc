// table.cc: the table of an ISA's kernels, made of the list in kernels.inc.
#include "unit.h"

namespace gradclip::GRADCLIP_ISA {
// Declared here and not in unit.h: a new kernel then compiles no other unit again.
#define KERNEL(name, outs, ins, ints, floats) \
  void name(const Args&, const Team&);        \
  void name##_need(Need&);
#include "kernels.inc"
#undef KERNEL
#define KERNEL(name, outs, ins, ints, floats) {#name, outs, ins, ints, floats, name, name##_need},
static const KernelInfo kKernels[] = {
#include "kernels.inc"
};
#undef KERNEL
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
};
}   // namespace gradclip
