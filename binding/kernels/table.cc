// table.cc: compiled once per ISA with GRADCLIP_ISA_NAME set; defines exactly one global symbol, table_<isa>.
#include <immintrin.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernel.h"

#define GRADCLIP_CAT_(a, b) a##b
#define GRADCLIP_CAT(a, b) GRADCLIP_CAT_(a, b)
#define GRADCLIP_STR_(a) #a
#define GRADCLIP_STR(a) GRADCLIP_STR_(a)

namespace gradclip {
namespace GRADCLIP_CAT(isa_, GRADCLIP_ISA_NAME) {
namespace {
#include "simd.h"
#include "math.h"
#include "maps.h"
#include "map.h"
#include "scalars.h"
#include "shape.h"
#include "concat.h"
#include "random.h"
#include "reduce.h"
#include "recurrent.h"
#include "gather.h"
#include "scatter_rows.h"
#include "softmax.h"
#include "row_norm.h"
#include "accumulate.h"
#include "control.h"
#include "gemm_pack.h"
#include "gemm_micro.h"
#include "gemm_squares.h"
#include "gemm.h"
#include "stage.h"
#include "staged.h"
#include "statistics.h"
#include "unit_statistic.h"
#include "project.h"
#include "pruning.h"
#include "finish.h"
#include "analyze.h"
#include "history.h"
#include "lists.h"
#include "select.h"
#include "update_loop.h"
#include "update.h"
#include "rules/moments.h"
#include "rules/acclip.h"
#include "rules/adadelta.h"
#include "rules/adagrad.h"
#include "rules/adam.h"
#include "rules/adamax.h"
#include "rules/adopt.h"
#include "rules/descend.h"
#include "rules/lamb.h"
#include "rules/lars.h"
#include "rules/ema.h"
#include "rules/lion.h"
#include "rules/momentum.h"
#include "rules/nadam.h"
#include "rules/radam.h"
#include "rules/rmsprop.h"
#include "rules/sgd.h"
#include "rules/spam.h"
#include "rules/stable_adam.h"
#include "probe.h"

#define KERNEL(name, outs, ins, ints, floats) {#name, outs, ins, ints, floats, name, name##_need},
const KernelInfo kKernels[] = {
#include "kernels.inc"
};
#undef KERNEL
#define MAP(name, arity) {#name, arity},
const MapInfo kMaps[] = {
#include "maps.inc"
};
#undef MAP
}   // namespace
}   // namespace
extern const KernelTable GRADCLIP_CAT(table_, GRADCLIP_ISA_NAME);
const KernelTable GRADCLIP_CAT(table_, GRADCLIP_ISA_NAME) = {
    GRADCLIP_STR(GRADCLIP_ISA_NAME),
    GRADCLIP_CAT(isa_, GRADCLIP_ISA_NAME)::kKernels,
    sizeof(GRADCLIP_CAT(isa_, GRADCLIP_ISA_NAME)::kKernels) / sizeof(KernelInfo),
    GRADCLIP_CAT(isa_, GRADCLIP_ISA_NAME)::kMaps,
    sizeof(GRADCLIP_CAT(isa_, GRADCLIP_ISA_NAME)::kMaps) / sizeof(MapInfo),
};
}   // namespace gradclip
