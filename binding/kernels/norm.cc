// norm.cc: normalizations, and rotary positions. A unit of the kernels (unit.h).
#include "batch_norm.h"
#include "rotary.h"
#include "row_norm.h"
