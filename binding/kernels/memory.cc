// memory.cc: what moves data: copies, gathers, random fills, accumulators, control. A unit of the kernels (unit.h).
#include "step/accumulate.h"
#include "image/augment.h"
#include "shape/concat.h"
#include "step/control.h"
#include "rows/gather.h"
#include "random.h"
#include "rows/scatter_rows.h"
#include "shape/shape.h"
