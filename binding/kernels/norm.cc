// norm.cc: normalizations, and rotary positions. A unit of the kernels (unit.h).
#include "unit.h"

UNIT_BEGIN
#include "simd.h"
#include "math.h"
#include "row_norm.h"
#include "rotary.h"
#include "batch_norm.h"
UNIT_END
