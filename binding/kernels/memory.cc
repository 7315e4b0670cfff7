// memory.cc: what moves data: copies, gathers, random fills, accumulators, control. A unit of the kernels (unit.h).
#include "unit.h"

UNIT_BEGIN
#include "simd.h"
#include "math.h"
#include "transpose.h"
#include "shape.h"
#include "concat.h"
#include "philox.h"
#include "random.h"
#include "augment.h"
#include "reduce_load.h"
#include "indices.h"
#include "gather.h"
#include "scatter_rows.h"
#include "accumulate.h"
#include "control.h"
UNIT_END
