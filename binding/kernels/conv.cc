// conv.cc: convolutions. A unit of the kernels (unit.h).
#include "unit.h"

UNIT_BEGIN
#include "simd.h"
#include "math.h"
#include "transpose.h"
#include "gemm_pack.h"
#include "gemm_micro.h"
#include "gemm_finish.h"
#include "conv_micro.h"
#include "conv_plan.h"
#include "conv.h"
#include "conv_weight.h"
UNIT_END
