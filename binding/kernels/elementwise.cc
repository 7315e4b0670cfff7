// elementwise.cc: elementwise maps and chains of numbers. A unit of the kernels (unit.h).
#include "unit.h"

UNIT_BEGIN
#include "simd.h"
#include "math.h"
#include "maps.h"
#include "map.h"
#include "scalars.h"
UNIT_END
