// embedding.cc: rows of tables and bags of them. A unit of the kernels (unit.h).
#include "unit.h"

UNIT_BEGIN
#include "simd.h"
#include "math.h"
#include "reduce_load.h"
#include "indices.h"
#include "embedding.h"
UNIT_END
