// pool.cc: pooling, resampling. A unit of the kernels (unit.h).
#include "unit.h"

UNIT_BEGIN
#include "simd.h"
#include "math.h"
#include "pool.h"
#include "resample.h"
UNIT_END
