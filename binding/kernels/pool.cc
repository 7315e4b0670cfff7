// pool.cc: pooling. A unit of the kernels (unit.h).
#include "unit.h"

UNIT_BEGIN
#include "simd.h"
#include "math.h"
#include "pool.h"
UNIT_END
