// table.cc: the table of an ISA's kernels, made of the list in kernels.inc.
#include "unit.h"

UNIT_BEGIN
#define KERNEL(name, outs, ins, ints, floats) {#name, outs, ins, ints, floats, name, name##_need},
static const KernelInfo kKernels[] = {
#include "kernels.inc"
};
#undef KERNEL
#define MAP(name, arity) {#name, arity},
static const MapInfo kMaps[] = {
#include "maps.inc"
};
#undef MAP
UNIT_END

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
