// reduce.cc: reductions and softmax; the probes of the machine. A unit of the kernels (unit.h).
#include "unit.h"

UNIT_BEGIN
#include "simd.h"
#include "math.h"
#include "reduce_load.h"
#include "reduce.h"
#include "indices.h"
#include "softmax.h"
#include "probe.h"
UNIT_END
