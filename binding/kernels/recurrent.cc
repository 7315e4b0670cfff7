// recurrent.cc: recurrent networks over time. A unit of the kernels (unit.h).
#include "unit.h"

UNIT_BEGIN
#include "simd.h"
#include "math.h"
#include "recurrent.h"
UNIT_END
