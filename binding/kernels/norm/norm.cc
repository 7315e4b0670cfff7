// norm.cc: normalizations, and rotary positions. A unit of the kernels (unit.h).
#include "batch_norm_grad.h"
#include "normalize.h"
#include "../product/rotary.h"
#include "row_norm.h"
