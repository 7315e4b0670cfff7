// table.cc: the table of an ISA's kernels, made of the list in kernels.inc.
#include "unit.h"

namespace gradclip::GRADCLIP_ISA {
// Declared here and not in unit.h: a new kernel then compiles no other unit again.
#define KERNEL(name, outs, ins, ints, floats) \
  void name(const Args&, const Team&);        \
  void name##_need(Need&);
#define RULE(name)                     \
  KERNEL(update_##name, -1, -1, -1, 0) \
  const char* update_##name##_hyper();
#include "kernels.inc"
#undef KERNEL
#undef RULE
#define KERNEL(name, outs, ins, ints, floats) {#name, outs, ins, ints, floats, name, name##_need, nullptr},
#define RULE(name) {"update_" #name, -1, -1, -1, 0, update_##name, update_##name##_need, update_##name##_hyper},
static const KernelInfo kKernels[] = {
#include "kernels.inc"
};
#undef KERNEL
#undef RULE
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
