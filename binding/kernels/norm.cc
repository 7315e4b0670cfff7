// norm.cc: normalisations. A unit of the kernels (unit.h).
#include "unit.h"

UNIT_BEGIN
#include "simd.h"
#include "math.h"
#include "row_norm.h"
#include "batch_norm.h"
UNIT_END
